//! Random access to the bytes of a file. A small file is read at once, a large one on demand.

#[cfg(feature = "object-store")]
use super::object::ObjectReader;
use rawzip::{FileReader, ReaderAt};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// Up to this size, a file is read whole with one system call. Reading an archive piece by piece takes a dozen.
const SMALL: u64 = 128 << 10;

/// The file that contains a member's bytes.
#[derive(Debug, Clone)]
pub(crate) enum Container {
    /// An open archive that all members of the batch share, or an object.
    Open(Arc<Contents>),
    /// A file of the member's own. It is opened for each read, since a batch may have more layers than a process may
    /// have open files.
    File(PathBuf),
}

#[derive(Debug)]
pub(crate) enum Contents {
    File(FileReader),
    /// The bytes of a small file when it was opened.
    Memory(Vec<u8>),
    #[cfg(feature = "object-store")]
    Object(ObjectReader),
}

impl Contents {
    /// Opens an archive of `length` bytes.
    ///
    /// # Errors
    /// If a small file cannot be read.
    pub(super) fn of_archive(mut file: File, length: u64) -> io::Result<Self> {
        if length > SMALL {
            return Ok(Self::File(FileReader::from(file)));
        }
        let mut bytes = vec![0; length as usize];
        let mut filled = 0;
        // A file that was truncated meanwhile ends early here, as it would on disk.
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

    /// The same contents for one stream of bytes that ends at `end`. Each stream of an object reads ahead on its own.
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
