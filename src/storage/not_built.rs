//! Takes the place of object stores in a program that was built without them.

use super::{
    Entry, Interest, Interests, LookIntervals, Opened, Root, Storage, StoreError, StoredFile, Wanted,
};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

pub(super) const WHY: &str = "this neurotop was built without object stores; build it with \
     cargo install --locked --path . --features object-store, or install the wheel";

/// Object stores in a program that was built without them: every access fails.
pub(super) struct NotBuilt;

impl Storage for NotBuilt {
    fn root(&self, _directory: &Path) -> Result<Option<Root>, String> {
        Err(WHY.into())
    }

    fn entries(&self, _directory: &Path, _interests: Interests<'_>) -> io::Result<Vec<Entry>> {
        Err(absent())
    }

    fn entry(&self, _directory: &Path, _name: &str, _interest: Interest) -> Option<Entry> {
        None
    }

    fn any(&self, _directory: &Path, _wanted: Wanted<'_>) -> bool {
        false
    }

    fn directories(&self, _directory: &Path) -> Vec<(OsString, SystemTime)> {
        Vec::new()
    }

    fn open(&self, _path: &Path) -> io::Result<Opened> {
        Err(absent())
    }

    fn files(&self, _directory: &Path, _wanted: Wanted<'_>) -> io::Result<Vec<StoredFile>> {
        Err(absent())
    }

    fn read(&self, _path: &Path, _most: u64) -> io::Result<Vec<u8>> {
        Err(absent())
    }

    fn pace(&self) -> LookIntervals {
        let never = Duration::from_secs(60);
        LookIntervals { look: never, root: never, scan: never }
    }
}

fn absent() -> io::Error {
    StoreError::lasting(WHY, "or copy the run to a directory").into()
}
