//! The identity of a file, directory or object: what tells one state of it from another.

use super::OtherKind;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
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
    pub(super) fn from_metadata(metadata: &Metadata) -> Self {
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

    /// The same from what the system says of a file that was opened by no path.
    #[cfg(unix)]
    pub(crate) fn from_stat(stat: &rustix::fs::Stat) -> Self {
        let changed = stat.st_ctime.wrapping_mul(1_000_000_000).wrapping_add(stat.st_ctime_nsec as i64);
        let seconds = Duration::from_secs(stat.st_mtime.unsigned_abs());
        let whole = if stat.st_mtime < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(seconds)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(seconds)
        };
        let modified =
            whole.and_then(|whole| whole.checked_add(Duration::from_nanos(stat.st_mtime_nsec as _)));
        let modified = modified.unwrap_or(SystemTime::UNIX_EPOCH);
        Self { inode: stat.st_ino, size: stat.st_size as u64, modified, changed, files: 0 }
    }

    /// That of a directory with its files, by their names.
    pub(crate) fn with_files(mut self, mut files: Vec<(OsString, Self)>) -> Self {
        files.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut hasher = DefaultHasher::new();
        self.size = 0;
        for (name, file) in files {
            (name, file.inode, file.size, file.modified).hash(&mut hasher);
            self.size = self.size.saturating_add(file.size);
            self.modified = self.modified.max(file.modified);
            self.changed = self.changed.max(file.changed);
        }
        self.files = hasher.finish();
        self
    }

    /// That of an object: its bytes, when it was last written, and its tag (ETag) where the store lists one.
    /// Of the time only the seconds count, since not every answer of a store has more.
    #[cfg(feature = "object-store")]
    pub(super) fn from_object(size: u64, written: i64, tag: Option<&str>) -> Self {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(written).unwrap_or(0));
        let files = tag.map_or(0, |tag| {
            let mut hasher = DefaultHasher::new();
            // Some stores have it with quotes here and without there.
            tag.trim_start_matches("W/").trim_matches('"').hash(&mut hasher);
            hasher.finish()
        });
        Self { inode: 0, size, modified, changed: 0, files }
    }

    /// That of a directory without files, or of what nobody knows any more.
    pub(crate) fn unknown() -> Self {
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

    /// One number in the place of what [`Self::same_contents`] compares.
    pub(crate) fn contents_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.inode, self.size, self.modified, self.files).hash(&mut hasher);
        hasher.finish()
    }

    /// The same contents at a time when owner, permissions and links were others than they ever are.
    pub(crate) fn of_contents_alone(self) -> Self {
        Self { changed: i64::MIN, ..self }
    }

    /// Whether nothing was written for at least `settle`, by the clock of this machine.
    pub fn is_quiet(&self, settle: Duration, now: SystemTime) -> bool {
        now.duration_since(self.modified).is_ok_and(|age| age >= settle)
    }
}

#[cfg(test)]
impl Identity {
    /// One for a test.
    pub(crate) fn for_tests(inode: u64, size: u64, modified: SystemTime, changed: u64) -> Self {
        Self { inode, size, modified, changed: changed.cast_signed(), files: 0 }
    }

    /// The same contents and times with another time of change.
    pub(crate) fn touched_for_tests(self, changed: u64) -> Self {
        Self { changed: changed.cast_signed(), ..self }
    }

    /// The inode.
    pub(crate) fn inode(&self) -> u64 {
        self.inode
    }
}

/// What kind of thing an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A regular file.
    File,
    Directory,
    /// Neither, and never opened.
    Other(OtherKind),
}
