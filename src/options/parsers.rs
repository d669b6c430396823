//! How values are parsed, of the command line and of the configuration file alike.

use crate::storage;
use crate::text::thousands;
use clap::builder::{OsStringValueParser, TypedValueParser};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// More threads than any machine has cores.
pub const MAX_THREADS: usize = 4096;

/// The most rounds of `bench`, and the most bytes of a run that it writes.
pub const MAX_ROUNDS: usize = 1000;
const MAX_SIZE: u64 = 64_000_000_000;

/// A path. A URL loses its login, which is kept for the server, and its query, so that it can be shown.
pub fn location() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(|text| storage::location(&text))
}

/// A number from 1 to `MAX`.
pub fn up_to<const MAX: usize>(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= MAX);
    number.ok_or_else(|| format!("give a number from 1 to {}", thousands(MAX as u128)))
}

/// A time, too short or too long for nothing that takes one.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    if !(0.01..=1e9).contains(&seconds) {
        return Err("give between 0.01 and 1,000,000,000 seconds".into());
    }
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// A command for the shell.
pub fn command(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("give a command for the shell".into()),
        _ => Ok(text.to_owned()),
    }
}

/// Bytes, with a decimal prefix or none.
pub fn byte_size(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1_000),
        Some((at, 'M')) => (&text[..at], 1_000_000),
        Some((at, 'G')) => (&text[..at], 1_000_000_000),
        _ => (text, 1),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    bytes
        .filter(|bytes| (1..=MAX_SIZE).contains(bytes))
        .ok_or_else(|| "give a number of bytes, as in 400M or 2G, up to 64G".into())
}
