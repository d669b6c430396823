//! Which process keeps the progress of a run: two at once would overwrite each other's.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// The right to write a state file, until it is dropped or the process ends, in whatever way.
#[derive(Debug)]
pub struct Lock {
    /// Locked by the system; `None` where the file system has no locks.
    _file: Option<File>,
}

/// The file that is locked in the place of a state file, which is replaced whenever it is written.
pub(super) fn path_beside(state: &Path) -> PathBuf {
    let mut name = OsString::from(state);
    name.push(".lock");
    name.into()
}

impl Lock {
    /// Takes the right to write a state file; `None` where another process has it.
    ///
    /// # Errors
    /// Where the directory cannot be made or written to.
    pub fn take(state: &Path) -> io::Result<Option<Self>> {
        if let Some(directory) = state.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            super::file::create_directory(directory)?;
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path_beside(state))?;
        lock(file)
    }
}

#[cfg(unix)]
fn lock(file: File) -> io::Result<Option<Lock>> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Lock { _file: Some(file) })),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(_) => Ok(Some(Lock { _file: None })),
    }
}

#[cfg(not(unix))]
fn lock(file: File) -> io::Result<Option<Lock>> {
    Ok(Some(Lock { _file: Some(file) }))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_at_a_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path().join("deep/run.state");
        let first = Lock::take(&state).expect("a lock");
        assert!(first.is_some());
        assert!(Lock::take(&state).expect("an answer").is_none());
        assert!(Lock::take(&directory.path().join("other.state")).expect("an answer").is_some());
        drop(first);
        assert!(Lock::take(&state).expect("an answer").is_some());
    }
}
