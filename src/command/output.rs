//! Where text for people leaves for standard output.

use crate::dashboard::Symbols;
use crate::text::printable;
use std::io::Write;

/// Says something on standard error, with everything escaped that could steer a terminal: names in it may
/// come from strangers. A terminal that is gone is no reason to end.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", said(text));
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
/// Where standard output is gone.
pub(super) fn print(text: &str, symbols: Symbols) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(symbols.text(text).as_bytes())?;
    stdout.flush()
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
