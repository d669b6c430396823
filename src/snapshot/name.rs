//! What a name in a run's directory stands for.

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

#[cfg(test)]
mod tests {
    use super::*;

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
