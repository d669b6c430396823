//! Where the bytes of runs are: on a disk or in an object store, behind one trait.
//!
//! A run is named by a path everywhere; one that is a URL is that of an object store. Only what is asked
//! once for a batch or a listing goes through the trait: how bytes are read is decided by `Contents`.

mod address;
mod contents;
mod disk;
mod identity;
mod links;
#[cfg(not(feature = "object-store"))]
mod not_built;
#[cfg(feature = "object-store")]
mod object;
#[cfg(unix)]
mod resolve;
mod store_error;

pub use address::{is_url, location};
pub(crate) use contents::{Container, Contents};
pub(crate) use disk::open_regular;
pub use identity::{Identity, Shape};
pub(crate) use links::metadata;
pub use links::{Links, OtherKind};
pub(crate) use store_error::StoreError;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What tells one directory from another of the same name: its inode and when it was made, where the
/// system says.
pub type Root = (u64, Option<SystemTime>);

/// An entry of a directory.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name in the directory.
    pub(crate) name: String,
    /// What kind of thing it is.
    pub(crate) shape: Shape,
    /// Its present state.
    pub(crate) identity: Identity,
}

/// A file of a directory that is a batch.
#[derive(Debug)]
pub(crate) struct StoredFile {
    /// Its name in the directory; of what is in a sub-directory, the way there, with `/` between.
    pub(crate) name: String,
    /// What kind of thing it is.
    pub(crate) shape: Shape,
    /// Bytes.
    pub(crate) size: u64,
    /// Where its bytes are.
    pub(crate) container: Container,
}

/// The most levels of a directory that is a batch: a layer whose name has slashes is in sub-directories.
pub(crate) const MAX_LEVELS: usize = 8;

/// What was opened at a path.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A directory.
    Directory,
    /// A file, and its bytes when it was opened.
    File(Contents, u64),
}

/// How often it is worth to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookIntervals {
    /// Between two looks at a batch that is waited for.
    pub(crate) look: Duration,
    /// Between two looks at the directory itself.
    pub(crate) root: Duration,
    /// Between two full scans where there are no events and the user gave no time.
    pub(crate) scan: Duration,
}

/// What there is to know of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Nothing.
    None,
    /// The entry itself: of a directory only that it is there.
    Itself,
    /// The entry; of a directory its files, too, which are a part of its identity.
    WithFiles,
}

/// How much is asked of which name.
pub(crate) type Interests<'a> = &'a mut dyn FnMut(&str) -> Interest;

/// Which names are asked for.
pub(crate) type Wanted<'a> = &'a mut dyn FnMut(&str) -> bool;

/// Where runs are. What is not UTF-8 has no part in a run.
pub(crate) trait Storage: Sync {
    /// What tells a directory from another of the same name; `None` where nothing does.
    ///
    /// # Errors
    /// Where it is not there or cannot be listed, in words for the user.
    fn root(&self, directory: &Path) -> Result<Option<Root>, String>;

    /// The entries of a directory that are of interest, in any order; what vanishes meanwhile is left out.
    ///
    /// # Errors
    /// Where it cannot be listed.
    fn entries(&self, directory: &Path, interests: Interests<'_>) -> io::Result<Vec<Entry>>;

    /// One entry; `None` where it is gone or cannot be looked at now.
    fn entry(&self, directory: &Path, name: &str, interest: Interest) -> Option<Entry>;

    /// Whether any entry has a name that is wanted; `false` where the directory cannot be listed.
    fn any(&self, directory: &Path, wanted: Wanted<'_>) -> bool;

    /// The sub-directories of a directory, with the time of their last change where there is one; none
    /// where it cannot be listed.
    fn directories(&self, directory: &Path) -> Vec<(OsString, SystemTime)>;

    /// Opens a batch.
    ///
    /// # Errors
    /// Where it is gone, cannot be opened, or is neither a file nor a directory.
    fn open(&self, path: &Path) -> io::Result<Opened>;

    /// The files of a directory that is a batch whose names are wanted, in any order, those of its sub-directories
    /// down to [`MAX_LEVELS`] too.
    ///
    /// # Errors
    /// Where it cannot be listed, or one of them cannot be looked at.
    fn files(&self, directory: &Path, wanted: Wanted<'_>) -> io::Result<Vec<StoredFile>>;

    /// The first `most` bytes of a file.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>>;

    /// How often it is worth to look.
    fn pace(&self) -> LookIntervals;
}

/// What a path is on.
pub(crate) fn for_path(path: &Path) -> &'static dyn Storage {
    if !is_url(path) {
        return &disk::Disk;
    }
    #[cfg(feature = "object-store")]
    return &object::ObjectStores;
    #[cfg(not(feature = "object-store"))]
    &not_built::NotBuilt
}

/// Why nothing can ever be read at a URL, where that is so; `None` for other paths.
pub fn refusal(path: &Path) -> Option<String> {
    if !is_url(path) {
        return None;
    }
    if let Err(why) = address::Address::parse(path) {
        return Some(why);
    }
    #[cfg(feature = "object-store")]
    return object::refusal(path);
    #[cfg(not(feature = "object-store"))]
    Some(not_built::WHY.into())
}

/// Whether a directory can be listed now: of a URL, whether anything is there.
///
/// # Errors
/// Where it is not there or cannot be listed, in words for the user.
pub fn root(directory: &Path) -> Result<Option<Root>, String> {
    for_path(directory).root(directory)
}

/// A path that means the same from every directory.
///
/// # Errors
/// Where the current directory that a relative path needs is gone.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    if is_url(path) { Ok(path.to_owned()) } else { std::path::absolute(path) }
}

/// The same without symbolic links, also of what does not exist yet: two names of one place are one.
pub fn canonical(path: &Path) -> PathBuf {
    let path = absolute(path).unwrap_or_else(|_| path.to_owned());
    if is_url(&path) { path } else { without_links(&path) }
}

#[cfg(unix)]
fn without_links(path: &Path) -> PathBuf {
    resolve::resolve(path)
}

#[cfg(not(unix))]
fn without_links(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
