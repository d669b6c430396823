//! Progress that was put aside beside its state file. Such a file is the evidence that counts may be missing from all
//! figures. Whoever looks for the progress finds it, however the process ended that put it there.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a state file was put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The tally started over, and batches that it had counted were deleted.
    Void,
    /// The tally started over, and nobody knows whether batches that it had counted were deleted.
    Doubtful,
    /// It cannot be read, or is of another run.
    Unusable,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Void => "void",
            Self::Doubtful => "doubtful",
            Self::Unusable => "unusable",
        })
    }
}

/// A name for a state file that is put aside: no file has it yet, and it is not one of the `taken`.
pub fn free_name(state: &Path, reason: Reason, taken: &[PathBuf]) -> PathBuf {
    let named = |number: u32| {
        let mut name = state.as_os_str().to_owned();
        name.push(format!(".{reason}-{number}"));
        PathBuf::from(name)
    };
    let is_free = |name: &PathBuf| !taken.contains(name) && name.symlink_metadata().is_err();
    (1..u32::MAX).map(named).find(is_free).unwrap_or_else(|| named(0))
}

/// Puts a state file aside; returns where it is. Its lock must be held.
///
/// # Errors
/// Where it cannot be renamed.
pub(super) fn put_aside(state: &Path, reason: Reason) -> io::Result<PathBuf> {
    let aside = free_name(state, reason, &[]);
    fs::rename(state, &aside)?;
    Ok(aside)
}

/// The files that were put aside beside a state file, sorted by name.
pub(super) fn put_aside_before(state: &Path) -> Vec<(PathBuf, Reason)> {
    let entries = state.parent().and_then(|directory| fs::read_dir(directory).ok());
    let paths = entries.into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut aside: Vec<(PathBuf, Reason)> = paths
        .filter_map(|path| {
            Some((path.clone(), reason_of(&path).filter(|_| path.with_extension("") == state)?))
        })
        .collect();
    aside.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    aside
}

/// Why a file was put aside, by its name; `None` if it was not.
pub(super) fn reason_of(path: &Path) -> Option<Reason> {
    let (reason, number) = path.extension()?.to_str()?.rsplit_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let all = [Reason::Void, Reason::Doubtful, Reason::Unusable].into_iter();
    all.filter(|_| is_number).find(|known| known.to_string() == reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_aside_is_found_and_no_name_is_given_twice() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path().join("run.state");
        let others =
            ["run.state.lock", "run.state.void-x", "run.state.void-", "other.state.void-1", "void-1"];
        for name in others {
            fs::write(directory.path().join(name), "").expect("a file");
        }
        assert_eq!(put_aside_before(&state), []);
        let mut expected = Vec::new();
        for (reason, name) in [
            (Reason::Doubtful, "doubtful-1"),
            (Reason::Unusable, "unusable-1"),
            (Reason::Void, "void-1"),
            (Reason::Void, "void-2"),
        ] {
            fs::write(&state, "").expect("a file");
            let aside = put_aside(&state, reason).expect("renamed");
            assert_eq!(aside, directory.path().join(format!("run.state.{name}")));
            expected.push((aside, reason));
        }
        assert_eq!(put_aside_before(&state), expected);
        let third = free_name(&state, Reason::Void, &[]);
        assert_eq!(free_name(&state, Reason::Void, &[third]), directory.path().join("run.state.void-4"));
    }
}
