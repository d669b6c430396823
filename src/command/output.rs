//! Writes to standard output and standard error.

use crate::dashboard::Symbols;
use crate::platform::streams::{self, Stream, is_gone};
use crate::text::printable;
use anyhow::Context;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// How long the user waits before a message says what takes so long.
pub(super) const SAY_AFTER: Duration = Duration::from_millis(400);

/// Whether anybody reads standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    There,
    /// The reader has closed it, or the terminal is gone. That is not an error.
    Gone,
}

/// Writes a message to standard error. Control characters are escaped, since names in it may come from strangers. Errors
/// are ignored: a terminal that is gone is no reason to end.
pub fn say(text: &str) {
    let _ = streams::write(Stream::Errors, (said(text) + "\n").as_bytes());
}

/// Sends standard error what calls the user, where it is a terminal.
pub(super) fn alert(sequence: &[u8]) {
    if io::stderr().is_terminal() {
        let _ = streams::write(Stream::Errors, sequence);
    }
}

/// A message after the name of the program. Only its first line starts with that, so that no file name in it can pass for
/// a message.
fn said(text: &str) -> String {
    let mut said = String::from("neurotop: ");
    for (at, line) in text.lines().enumerate() {
        if at > 0 {
            said.push_str(if line.starts_with("  ") { "\n" } else { "\n  " });
        }
        said.push_str(&printable(line));
    }
    said
}

/// Prints text on standard output, in symbols that the terminal can show.
///
/// # Errors
/// Where writing fails, or the program is asked to leave while nobody reads.
pub(super) fn print(text: &str, symbols: Symbols) -> anyhow::Result<Reader> {
    outcome(streams::write(Stream::Output, symbols.text(text).as_bytes()))
}

/// Prints the text that is all a command does.
pub(super) fn print_alone(text: &[u8]) -> anyhow::Result<ExitCode> {
    outcome(streams::write(Stream::Output, text)).map(|_| ExitCode::SUCCESS)
}

/// Prints what is wrong with a command line, or the help that it asks for. Returns the exit code.
pub fn explain(error: &clap::Error) -> ExitCode {
    let printed = error.print().and_then(|()| io::stdout().flush());
    match outcome(printed) {
        Err(failed) if !error.use_stderr() => {
            say(&format!("{failed:#}"));
            ExitCode::FAILURE
        }
        Ok(_) | Err(_) => u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
    }
}

fn outcome(written: io::Result<()>) -> anyhow::Result<Reader> {
    match written {
        Ok(()) => Ok(Reader::There),
        Err(error) if is_gone(&error) => Ok(Reader::Gone),
        Err(error) => Err(error).context("cannot write to standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_starts_with_the_name_of_the_program() {
        assert_eq!(said("all is well"), "neurotop: all is well");
        assert_eq!(said("these:\n  a\n  b"), "neurotop: these:\n  a\n  b");
        assert_eq!(said("x\nneurotop: y\r\u{1b}[2J"), "neurotop: x\n  neurotop: y\\u{d}\\u{1b}[2J");
    }
}
