//! What a name in a run's directory stands for.

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// What an entry of a run's directory is, by its name alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryName {
    /// `manifest.json`.
    Manifest,
    /// `end.json`.
    End,
    /// `batch-N.npz`: a batch in one file.
    BatchFile(u64),
    /// `batch-N`: a batch as a directory of `.npy` files.
    BatchDirectory(u64),
    /// Begins with `.` or ends in `.tmp`: being written, never read.
    Temporary,
    /// Looks like a snapshot but its name gives no batch number, so it is not counted.
    Misnamed,
    /// Anything else: none of our business.
    Foreign,
}

/// Classifies the name of an entry of a run's directory.
pub fn classify(name: &str) -> EntryName {
    if name.starts_with('.') || name.ends_with(".tmp") {
        return EntryName::Temporary;
    }
    match name {
        "manifest.json" => return EntryName::Manifest,
        "end.json" => return EntryName::End,
        _ => {}
    }
    let (stem, is_file) = match name.strip_suffix(".npz") {
        Some(stem) => (stem, true),
        None => (name, false),
    };
    let number = stem
        .strip_prefix("batch-")
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()));
    match number.and_then(|digits| digits.parse().ok()) {
        Some(number) if is_file => EntryName::BatchFile(number),
        Some(number) => EntryName::BatchDirectory(number),
        None if is_file || name.ends_with(".npy") => EntryName::Misnamed,
        None => EntryName::Foreign,
    }
}

/// The name of a batch, whose every form it can give back: `batch-`, a number in so many digits, and
/// perhaps `.npz`. Names are kept for every batch of a run, so they take no memory of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BatchName {
    /// The batch number.
    pub number: u64,
    digits: u8,
    is_file: bool,
}

impl BatchName {
    /// Whether it is a batch in one file.
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// The name of a batch; `None` where it is not one.
    pub fn parse(name: &str) -> Option<Self> {
        let (number, is_file) = match classify(name) {
            EntryName::BatchFile(number) => (number, true),
            EntryName::BatchDirectory(number) => (number, false),
            _ => return None,
        };
        let around = "batch-".len() + if is_file { ".npz".len() } else { 0 };
        Some(Self { number, digits: u8::try_from(name.len() - around).ok()?, is_file })
    }
}

impl BatchName {
    /// All names of a number.
    pub fn all_of(number: u64) -> RangeInclusive<Self> {
        Self { number, digits: 0, is_file: false }..=Self { number, digits: u8::MAX, is_file: true }
    }
}

impl std::fmt::Display for BatchName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let suffix = if self.is_file { ".npz" } else { "" };
        write!(f, "batch-{:0width$}{suffix}", self.number, width = usize::from(self.digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_batches_are_given_back() {
        let longest = format!("batch-{:0>245}.npz", 3);
        for name in ["batch-000012.npz", "batch-0", "batch-7.npz", "batch-18446744073709551615", &longest] {
            assert_eq!(BatchName::parse(name).expect("a batch").to_string(), name);
        }
        for other in ["manifest.json", ".batch-1.npz", "batch-1.npz.tmp", "batch-", "notes.txt"] {
            assert_eq!(BatchName::parse(other), None);
        }
    }

    #[test]
    fn names_of_the_format_are_told_apart() {
        for (name, expected) in [
            ("manifest.json", EntryName::Manifest),
            ("end.json", EntryName::End),
            ("batch-000012.npz", EntryName::BatchFile(12)),
            ("batch-7.npz", EntryName::BatchFile(7)),
            ("batch-000012", EntryName::BatchDirectory(12)),
            (".batch-000012.npz", EntryName::Temporary),
            ("batch-000012.npz.tmp", EntryName::Temporary),
            ("batch-.npz", EntryName::Misnamed),
            ("batch-+1.npz", EntryName::Misnamed),
            ("batch-99999999999999999999.npz", EntryName::Misnamed),
            ("lif1.npy", EntryName::Misnamed),
            ("batch-1.npz.part", EntryName::Foreign),
            ("notes.txt", EntryName::Foreign),
        ] {
            assert_eq!(classify(name), expected, "{name}");
        }
    }
}
