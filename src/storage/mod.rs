//! Where the bytes of runs are: on a disk or in an object store, behind one trait. Nothing here knows what a batch is
//! or what names mean.
//!
//! A run is named by a path everywhere; a path that is a URL names an object store. Only operations that happen once
//! for a batch or a listing go through the trait. Bytes are read through `Contents`.

mod address;
mod contents;
mod disk;
mod identity;
mod links;
#[cfg(feature = "object-store")]
mod object;
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

/// Distinguishes a directory from another of the same name: its inode, and when it was created if the system knows.
pub type Root = (u64, Option<SystemTime>);

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) identity: Identity,
}

/// A file in a directory that is a batch.
#[derive(Debug)]
pub(crate) struct StoredFile {
    /// Its path in the directory, with `/` as the separator.
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) size: u64,
    pub(crate) container: Container,
}

/// The most levels of a directory batch. A layer with slashes in its name is in sub-directories.
pub(crate) const MAX_LEVELS: usize = 8;

#[derive(Debug, Clone, Copy)]
pub(crate) struct LookIntervals {
    /// Between two looks at a waiting batch.
    pub(crate) look: Duration,
    /// Between two looks at the run's directory itself.
    pub(crate) root: Duration,
    /// Between two full scans, if there are no events and the user set no interval.
    pub(crate) scan: Duration,
}

/// How much to find out about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    None,
    /// The entry itself; for a directory only that it exists.
    Itself,
    /// The entry; for a directory also its files, as part of its identity.
    WithFiles,
}

/// How much to find out about the entry of each name.
pub(crate) type Interests<'a> = &'a mut dyn FnMut(&str) -> Interest;

/// Whether a name is wanted.
pub(crate) type Wanted<'a> = &'a mut dyn FnMut(&str) -> bool;

/// A place where runs are. Names that are not UTF-8 are ignored, since no part of a run has one.
pub(crate) trait Storage: Sync {
    /// Distinguishes a directory from another of the same name; `None` if nothing does.
    ///
    /// # Errors
    /// If it does not exist or cannot be listed; the text is for the user.
    fn root(&self, directory: &Path) -> Result<Option<Root>, String>;

    /// The entries of interest, in any order. Entries that vanish meanwhile are left out.
    ///
    /// # Errors
    /// If it cannot be listed.
    fn entries(&self, directory: &Path, interests: Interests<'_>) -> io::Result<Vec<Entry>>;

    /// One entry; `None` if it is gone or cannot be examined now.
    fn entry(&self, directory: &Path, name: &str, interest: Interest) -> Option<Entry>;

    /// Whether any entry has a wanted name; `false` if the directory cannot be listed.
    fn any(&self, directory: &Path, wanted: Wanted<'_>) -> bool;

    /// The sub-directories with the time of their last change, if known; empty if the directory cannot be listed.
    fn directories(&self, directory: &Path) -> Vec<(OsString, SystemTime)>;

    /// A file, and its size in bytes when it was opened; `None` for a directory.
    ///
    /// # Errors
    /// If it is gone, cannot be opened, or is neither a file nor a directory.
    fn open(&self, path: &Path) -> io::Result<Option<(Contents, u64)>>;

    /// The files of a directory batch whose names are wanted, in any order, including sub-directories down to
    /// [`MAX_LEVELS`].
    ///
    /// # Errors
    /// If it cannot be listed, or one of the files cannot be examined.
    fn files(&self, directory: &Path, wanted: Wanted<'_>) -> io::Result<Vec<StoredFile>>;

    /// # Errors
    /// If it cannot be read.
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>>;

    fn pace(&self) -> LookIntervals;
}

/// The storage that a path is on. A program without object stores [refuses](refusal) URLs before it reads anything there.
#[cfg_attr(not(feature = "object-store"), allow(unused_variables))]
pub(crate) fn for_path(path: &Path) -> &'static dyn Storage {
    #[cfg(feature = "object-store")]
    if is_url(path) {
        return &object::ObjectStores;
    }
    &disk::Disk
}

/// Why nothing can ever be read at this URL, if so; `None` for other paths.
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
    Some(
        "this neurotop was built without object stores; build it with cargo install --locked --path . --features \
         object-store, or install the wheel"
            .into(),
    )
}

/// Checks that a directory can be listed now; for a URL, that anything is there.
///
/// # Errors
/// If it does not exist or cannot be listed; the text is for the user.
pub fn root(directory: &Path) -> Result<Option<Root>, String> {
    for_path(directory).root(directory)
}

/// An absolute path; a URL stays as it is.
///
/// # Errors
/// If the path is relative and the current directory is gone.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    if is_url(path) { Ok(path.to_owned()) } else { std::path::absolute(path) }
}

/// The same without symbolic links, so that two names of one place become one. Also works if the path does not exist
/// yet.
pub fn canonical(path: &Path) -> PathBuf {
    let path = absolute(path).unwrap_or_else(|_| path.to_owned());
    if is_url(&path) { path } else { resolve::resolve(&path) }
}
