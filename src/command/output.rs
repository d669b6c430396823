//! Where text for people leaves for standard output.

use crate::dashboard::Symbols;
use crate::text::printable;
use std::io::Write;

/// Says something on standard error, with everything escaped that could steer a terminal: names in it may
/// come from strangers. A terminal that is gone is no reason to end.
pub fn say(text: &str) {
    let lines: Vec<_> = text.lines().map(printable).collect();
    let _ = writeln!(std::io::stderr(), "neurotop: {}", lines.join("\n"));
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
