//! The identity of a file, directory or object: what distinguishes one state of it from another.

use super::OtherKind;
use crate::platform::FileStat;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

/// Distinguishes one state of a file, of a directory of files, or of an object from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// 0 if the system has none.
    pub(super) inode: u64,
    /// In bytes; for a directory, the sum over its files.
    pub size: u64,
    /// When the contents last changed; for a directory, the newest time of all files.
    pub modified: SystemTime,
    /// When owner, permissions or links last changed, in nanoseconds; 0 if unknown.
    pub(super) changed: i64,
    /// A hash over the files of a directory, or over the tag of an object.
    pub(super) files: u64,
}

impl Identity {
    /// For a file, a directory or a link by its metadata.
    pub(crate) fn from_stat(stat: &FileStat) -> Self {
        let FileStat { inode, size, modified, changed, .. } = *stat;
        Self { inode, size, modified, changed, files: 0 }
    }

    /// For a directory together with its files, given by name.
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

    /// For an object of `size` bytes, last `written` at this second, with its ETag if the store lists one. Fractions
    /// of a second are ignored, since not every response has them.
    #[cfg(feature = "object-store")]
    pub(super) fn from_object(size: u64, written: i64, tag: Option<&str>) -> Self {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(written).unwrap_or(0));
        let files = tag.map_or(0, |tag| {
            let mut hasher = DefaultHasher::new();
            // Some stores quote it in one response and not in another.
            tag.trim_start_matches("W/").trim_matches('"').hash(&mut hasher);
            hasher.finish()
        });
        Self { inode: 0, size, modified, changed: 0, files }
    }

    /// For a directory without files, or for a state that is not known any more.
    pub(crate) fn unknown() -> Self {
        Self { inode: 0, size: 0, modified: SystemTime::UNIX_EPOCH, changed: 0, files: 0 }
    }

    /// Adds an object to the directory that contains it. The order does not matter, since listings have none.
    #[cfg(feature = "object-store")]
    pub(super) fn add_object(&mut self, name: &str, object: &Self) {
        let mut hasher = DefaultHasher::new();
        (name, object.size, object.modified, object.files).hash(&mut hasher);
        self.files = self.files.wrapping_add(hasher.finish());
        self.size = self.size.saturating_add(object.size);
        self.modified = self.modified.max(object.modified);
    }

    /// Whether both have the same contents. Permissions and links do not matter.
    pub fn same_contents(&self, other: &Self) -> bool {
        self.contents() == other.contents()
    }

    fn contents(&self) -> (u64, u64, SystemTime, u64) {
        (self.inode, self.size, self.modified, self.files)
    }

    /// A hash of what [`Self::same_contents`] compares.
    pub(crate) fn contents_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.contents().hash(&mut hasher);
        hasher.finish()
    }

    /// The same contents with a time of change that no file has, so that it equals no identity of a file.
    pub(crate) fn of_contents_alone(self) -> Self {
        Self { changed: i64::MIN, ..self }
    }

    /// Whether nothing was written for at least `settle`, as of `now`.
    pub fn is_quiet(&self, settle: Duration, now: SystemTime) -> bool {
        now.duration_since(self.modified).is_ok_and(|age| age >= settle)
    }
}

#[cfg(test)]
impl Identity {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    File,
    Directory,
    /// Neither; never opened.
    Other(OtherKind),
}
