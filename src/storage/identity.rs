//! The identity of a file, directory or object: what tells one state of it from another.

use serde::{Deserialize, Serialize};
use std::fs::Metadata;
#[cfg(feature = "object-store")]
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What tells one state of a file (or of a directory of files, or of an object) from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The inode, where the system has one.
    pub(super) inode: u64,
    /// Bytes; of a directory, the sum over its files.
    pub size: u64,
    /// When the contents last changed; of a directory, the newest of all.
    pub modified: SystemTime,
    /// When owner, permissions or links last changed, in nanoseconds, where the system says.
    pub(super) changed: i64,
    /// A hash over the files of a directory; of an object, over its tag.
    pub(super) files: u64,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let (inode, changed) = {
            use std::os::unix::fs::MetadataExt;
            (metadata.ino(), metadata.ctime().wrapping_mul(1_000_000_000).wrapping_add(metadata.ctime_nsec()))
        };
        #[cfg(not(unix))]
        let (inode, changed) = (0, 0);
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Self { inode, size: metadata.len(), modified, changed, files: 0 }
    }

    /// That of a file or directory, whatever its name.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub fn at(path: &Path) -> io::Result<Self> {
        let metadata = super::links::metadata(path)?;
        let mut identity = Self::of(&metadata);
        if metadata.is_dir() {
            super::disk::add_files(path, &mut identity);
        }
        Ok(identity)
    }

    /// That of an object: its bytes, when it was last written, and its tag (ETag) where the store lists one.
    /// Of the time only the seconds count, since not every answer of a store has more.
    #[cfg(feature = "object-store")]
    pub(super) fn of_object(size: u64, written: i64, tag: Option<&str>) -> Self {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(written).unwrap_or(0));
        let files = tag.map_or(0, |tag| {
            let mut hasher = DefaultHasher::new();
            // Some stores have it with quotes here and without there.
            tag.trim_start_matches("W/").trim_matches('"').hash(&mut hasher);
            hasher.finish()
        });
        Self { inode: 0, size, modified, changed: 0, files }
    }

    /// That of a directory without files.
    #[cfg(feature = "object-store")]
    pub(super) fn of_nothing() -> Self {
        Self { inode: 0, size: 0, modified: SystemTime::UNIX_EPOCH, changed: 0, files: 0 }
    }

    /// Adds an object to the directory that it is in. The order does not matter, as listings may have any.
    #[cfg(feature = "object-store")]
    pub(super) fn add_object(&mut self, name: &str, object: &Self) {
        let mut hasher = DefaultHasher::new();
        (name, object.size, object.modified, object.files).hash(&mut hasher);
        self.files = self.files.wrapping_add(hasher.finish());
        self.size = self.size.saturating_add(object.size);
        self.modified = self.modified.max(object.modified);
    }

    /// Whether both stand for the same contents: a change of permissions or links is none.
    pub fn same_contents(&self, other: &Self) -> bool {
        (self.inode, self.size, self.modified, self.files)
            == (other.inode, other.size, other.modified, other.files)
    }

    /// Whether nothing was written for at least `settle`, by the clock of this machine.
    pub fn is_quiet(&self, settle: Duration, now: SystemTime) -> bool {
        now.duration_since(self.modified).is_ok_and(|age| age >= settle)
    }
}

/// What kind of thing an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Neither, and never opened: what it is.
    Other(&'static str),
}
