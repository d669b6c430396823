//! The bytes of a file, wherever they are wanted: of a small one all at once, of a large one as asked.

#[cfg(feature = "object-store")]
use super::object::ObjectReader;
use rawzip::{FileReader, ReaderAt};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// A file up to this size is read whole with one system call; an archive would take a dozen.
const SMALL: u64 = 128 << 10;

/// The file that a member's bytes are in.
#[derive(Debug, Clone)]
pub(crate) enum Container {
    /// An archive that all members of the batch share, open, or an object.
    Open(Arc<Contents>),
    /// A file of its own, opened for each reading: a batch may have more layers than a process may
    /// have open files.
    File(PathBuf),
}

/// The bytes of a file that is open.
#[derive(Debug)]
pub(crate) enum Contents {
    /// A large file, or one whose bytes are read once and in order.
    File(FileReader),
    /// A small file, as it was when it was opened.
    Memory(Vec<u8>),
    /// An object of an object store.
    #[cfg(feature = "object-store")]
    Object(ObjectReader),
}

impl Contents {
    /// The contents of an archive of so many bytes.
    ///
    /// # Errors
    /// Where a small file cannot be read.
    pub(super) fn of_archive(mut file: File, length: u64) -> io::Result<Self> {
        if length > SMALL {
            return Ok(Self::File(FileReader::from(file)));
        }
        let mut bytes = vec![0; length as usize];
        let mut filled = 0;
        // A file that was cut off meanwhile ends early here as it would on disk.
        while filled < bytes.len() {
            match file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(Self::Memory(bytes))
    }

    /// The same contents, for one stream of bytes that ends before `end`: of an object, each stream reads
    /// ahead for itself.
    #[cfg_attr(not(feature = "object-store"), allow(unused_variables))]
    pub(crate) fn stream(self: &Arc<Self>, end: u64) -> Arc<Self> {
        match &**self {
            #[cfg(feature = "object-store")]
            Self::Object(object) => Arc::new(Self::Object(object.stream(end))),
            Self::File(_) | Self::Memory(_) => Arc::clone(self),
        }
    }
}

impl ReaderAt for Contents {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buffer, offset),
            Self::Memory(bytes) => bytes.as_slice().read_at(buffer, offset),
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.read_at(buffer, offset),
        }
    }
}
