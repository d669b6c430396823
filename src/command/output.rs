//! Where text for people leaves for standard output and standard error.

use crate::dashboard::Symbols;
use crate::process::streams::{self, Stream, is_gone};
use crate::text::printable;
use anyhow::Context;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// How long something may take before the user is told what is going on.
pub(super) const SAY_AFTER: Duration = Duration::from_millis(400);

/// Whether anybody reads standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    There,
    /// Whoever read it has closed it, having read enough, or the terminal is gone. That is no fault.
    Gone,
}

/// Says something on standard error, with everything escaped that could steer a terminal: names in it may
/// come from strangers. A terminal that is gone is no reason to end.
pub fn say(text: &str) {
    let _ = streams::write(Stream::Errors, (said(text) + "\n").as_bytes());
}

/// A message under the program's name. Whatever a name in it may do, only its first line begins with that: no name
/// makes a message of its own.
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

/// Prints text, in symbols that can be shown.
///
/// # Errors
/// Where there is no room for it, or it is time to leave and nobody reads it.
pub(super) fn print(text: &str, symbols: Symbols) -> anyhow::Result<Reader> {
    outcome(streams::write(Stream::Output, symbols.text(text).as_bytes()))
}

/// Prints a text that is all there is to do.
pub(super) fn print_alone(text: &[u8]) -> anyhow::Result<ExitCode> {
    outcome(streams::write(Stream::Output, text)).map(|_| ExitCode::SUCCESS)
}

/// Says what is wrong with a command line, or prints the help that it asks for.
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
    fn only_the_first_line_has_the_name_of_the_program() {
        assert_eq!(said("all is well"), "neurotop: all is well");
        assert_eq!(said("these:\n  a\n  b"), "neurotop: these:\n  a\n  b");
        assert_eq!(said("x\nneurotop: y\r\u{1b}[2J"), "neurotop: x\n  neurotop: y\\u{d}\\u{1b}[2J");
    }
}
