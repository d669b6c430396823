//! The bytes of a file, wherever they are wanted: of a small one all at once, of a large one as asked.

use rawzip::{FileReader, ReaderAt};
use std::fs::File;
use std::io::{self, Read};

/// A file up to this size is read whole with one system call; an archive would take a dozen.
const SMALL: u64 = 128 << 10;

/// The bytes of a file that is open.
#[derive(Debug)]
pub(super) enum Contents {
    /// A large file, or one whose bytes are read once and in order.
    File(FileReader),
    /// A small file, as it was when it was opened.
    Memory(Vec<u8>),
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
}

impl ReaderAt for Contents {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buffer, offset),
            Self::Memory(bytes) => bytes.as_slice().read_at(buffer, offset),
        }
    }
}
