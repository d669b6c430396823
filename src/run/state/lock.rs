//! Decides which process keeps the progress of a run: two at once would overwrite each other's.

use super::file::{create_directory, directory_of};
use crate::platform::open_at_once;
use crate::text::shown;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The right to write a state file, until it is dropped or the process ends in any way.
#[derive(Debug)]
pub struct Lock {
    /// Locked by the system; `None` if the file system has no locks.
    file: Option<File>,
}

/// The file that is locked instead of a state file, since that is replaced whenever it is written.
pub(crate) fn path_beside(state: &Path) -> PathBuf {
    let mut name = OsString::from(state);
    name.push(".lock");
    name.into()
}

impl Lock {
    /// Takes the right to write a state file; `None` if another process has it.
    ///
    /// # Errors
    /// Where the directory cannot be made or written to. The kind is `InvalidInput` if something else than a file is in
    /// the place of the lock. It is not opened then: opening a pipe would wait for a reader.
    pub fn take(state: &Path) -> io::Result<Option<Self>> {
        create_directory(directory_of(state))?;
        let path = path_beside(state);
        if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
            let why = format!("its lock {} is a link or no regular file; delete that", shown(&path));
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        open_at_once(&mut options, false);
        let file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(_)) => Ok(Some(Self { file: None })),
        }
    }
}

/// Closing the file may not be enough: a process that another thread is just starting has it open, too.
impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = file.unlock();
        }
    }
}

#[cfg(test)]
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

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_never_opened_as_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("mine"), "mine").expect("a file");
        std::os::unix::fs::symlink("mine", at("link.state.lock")).expect("a link");
        std::fs::create_dir(at("directory.state.lock")).expect("a directory");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe.state.lock"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("a pipe");
        for name in ["link.state", "directory.state", "pipe.state"] {
            let refused = Lock::take(&at(name)).expect_err(name);
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{refused}");
        }
    }
}
