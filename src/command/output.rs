//! Where text for people leaves for standard output.

use crate::dashboard::Symbols;
use std::io::Write;

/// Prints text, in symbols that can be shown.
///
/// # Errors
/// Where standard output is gone.
pub(super) fn print(text: &str, symbols: Symbols) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(symbols.text(text).as_bytes())?;
    stdout.flush()
}
