//! Reads one array file of a batch, in an `.npz` or on its own, as a stream of decoded bytes.

use super::SnapshotError;
use super::bounded::shown;
use crate::storage::{Container, Contents, open_regular};
use crc32fast::Hasher;
use flate2::bufread::DeflateDecoder;
use rawzip::{FileReader, RangeReader};
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::sync::Arc;

/// Compressed bytes per read.
const DEFLATED_BLOCK: usize = 256 << 10;

/// Stored bytes that are read ahead, so that a header with a small array costs one system call. Larger blocks are
/// read directly into the caller's buffer.
const STORED_AHEAD: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Stored,
    Deflated,
}

/// Where the bytes of one `.npy` of a batch are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Member {
    pub(super) name: String,
    pub(super) container: Container,
    /// Where the encoded bytes are in the file.
    pub(super) range: Range<u64>,
    pub(super) encoding: Encoding,
    /// The declared number of decoded bytes, which is checked when the member is read.
    pub(super) size: u64,
    /// The CRC-32 of the decoded bytes, if the container has one.
    pub(super) crc: Option<u32>,
}

impl Member {
    /// The name without `.npy`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens the member at its first byte, to be read completely and verified by [`MemberReader::finish`].
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn reader(&self) -> Result<MemberReader, SnapshotError> {
        self.reader_of(0..self.size)
    }

    /// Opens a range of the decoded bytes. Several threads can read a range each. The results of their
    /// [`MemberReader::end`]s, joined in order, verify the whole.
    ///
    /// # Errors
    /// If the file cannot be opened, or the bytes before the range cannot be decoded.
    pub(crate) fn reader_of(&self, range: Range<u64>) -> Result<MemberReader, SnapshotError> {
        let mut reader = self.reader_from(range.start)?;
        reader.remaining = range.end.min(self.size).saturating_sub(range.start);
        reader.sum = self.crc.map(|_| Hasher::new());
        Ok(reader)
    }

    /// Opens the member at the decoded byte `offset`, without verification.
    ///
    /// This is for a second pass over bytes that another reader verifies.
    ///
    /// # Errors
    /// If the file cannot be opened or the bytes before `offset` cannot be decoded.
    pub(crate) fn reader_from(&self, offset: u64) -> Result<MemberReader, SnapshotError> {
        let stored = self.encoding == Encoding::Stored;
        let mut reader = MemberReader {
            name: self.name.clone(),
            source: self.source(if stored { offset } else { 0 })?,
            remaining: self.size.saturating_sub(if stored { offset } else { 0 }),
            sum: None,
            expected: self.crc,
        };
        if !stored {
            reader.skip(offset)?;
        }
        Ok(reader)
    }

    /// The declared number of decoded bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether a reader can begin anywhere without decoding what comes before.
    pub(crate) fn is_stored(&self) -> bool {
        self.encoding == Encoding::Stored
    }

    fn source(&self, offset: u64) -> Result<MemberSource, SnapshotError> {
        let file = match &self.container {
            Container::Open(contents) => contents.stream(self.range.end),
            Container::File(path) => {
                let file =
                    open_regular(path).map_err(|error| SnapshotError::io(shown(&self.name), &error))?;
                Arc::new(Contents::File(FileReader::from(file)))
            }
        };
        let range = self.range.start.saturating_add(offset).min(self.range.end)..self.range.end;
        let bytes = RangeReader::new(file, range);
        Ok(match self.encoding {
            Encoding::Stored => MemberSource::Stored(BufReader::with_capacity(STORED_AHEAD, bytes)),
            Encoding::Deflated => MemberSource::Deflated(Box::new(DeflateDecoder::new(
                BufReader::with_capacity(DEFLATED_BLOCK, bytes),
            ))),
        })
    }
}

#[derive(Debug)]
enum MemberSource {
    Stored(BufReader<RangeReader<Arc<Contents>>>),
    Deflated(Box<DeflateDecoder<BufReader<RangeReader<Arc<Contents>>>>>),
}

/// A stream of a member's decoded bytes.
#[derive(Debug)]
pub struct MemberReader {
    name: String,
    source: MemberSource,
    remaining: u64,
    /// The checksum of the bytes so far, if they are to be verified.
    sum: Option<Hasher>,
    /// The CRC-32 of the whole member.
    expected: Option<u32>,
}

/// The checksum of a range of a member's bytes.
#[derive(Debug, Clone)]
pub(crate) struct Checksum {
    member: String,
    /// The checksum of the bytes that were read, and the declared one of the whole member; `None` if there is none.
    sums: Option<(Hasher, u32)>,
}

impl Checksum {
    /// Adds the checksum of the next range.
    pub(crate) fn append(&mut self, next: &Self) {
        if let (Some((sum, _)), Some((next, _))) = (&mut self.sums, &next.sums) {
            sum.combine(next);
        }
    }

    /// Verifies the whole member. All its ranges must have been added.
    ///
    /// # Errors
    /// If it differs from the declared one.
    pub(crate) fn verify(self) -> Result<(), SnapshotError> {
        if self.sums.is_none_or(|(sum, expected)| sum.finalize() == expected) {
            return Ok(());
        }
        Err(SnapshotError::new(
            format!("{}: the data are corrupt (their CRC-32 does not match)", shown(&self.member)),
            "write the batch again",
        ))
    }
}

impl MemberReader {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The offset of the next bytes in the file; 0 if they are not stored there literally.
    pub(crate) fn place(&self) -> u64 {
        match &self.source {
            MemberSource::Stored(source) => source.get_ref().position() - source.buffer().len() as u64,
            MemberSource::Deflated(_) => 0,
        }
    }

    /// Fills `buffer` with the next bytes.
    ///
    /// # Errors
    /// If the member ends before that, cannot be read, or cannot be inflated.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<(), SnapshotError> {
        self.fill_unsummed(buffer)?;
        if let Some(sum) = &mut self.sum {
            sum.update(buffer);
        }
        Ok(())
    }

    /// Fills `buffer` with the next bytes. The caller must add them to [`MemberReader::sum`] before the next read.
    ///
    /// # Errors
    /// As [`MemberReader::fill`].
    pub(crate) fn fill_unsummed(&mut self, buffer: &mut [u8]) -> Result<(), SnapshotError> {
        if buffer.len() as u64 > self.remaining {
            return Err(self.ends_early());
        }
        let result = match &mut self.source {
            MemberSource::Stored(source) => source.read_exact(buffer),
            MemberSource::Deflated(source) => source.read_exact(buffer),
        };
        result.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.ends_early(),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => SnapshotError::new(
                format!("{}: the compressed data are corrupt", shown(&self.name)),
                "write the batch again",
            ),
            _ => SnapshotError::io(shown(&self.name), &error),
        })?;
        self.remaining -= buffer.len() as u64;
        Ok(())
    }

    /// The checksum so far; `None` if the bytes are not verified.
    pub(crate) fn sum(&mut self) -> Option<&mut Hasher> {
        self.sum.as_mut()
    }

    /// Skips the next `bytes` bytes.
    ///
    /// # Errors
    /// As [`MemberReader::fill`].
    pub fn skip(&mut self, bytes: u64) -> Result<(), SnapshotError> {
        let mut scratch = [0; 16 << 10];
        let mut left = bytes;
        while left > 0 {
            let block = left.min(scratch.len() as u64) as usize;
            self.fill(&mut scratch[..block])?;
            left -= block as u64;
        }
        Ok(())
    }

    /// Reads the rest of the range, and returns its checksum.
    ///
    /// # Errors
    /// If the member has more or fewer bytes than declared.
    pub(crate) fn end(mut self) -> Result<Checksum, SnapshotError> {
        self.skip(self.remaining)?;
        if let MemberSource::Deflated(source) = &mut self.source
            && !matches!(source.read(&mut [0]), Ok(0))
        {
            return Err(SnapshotError::new(
                format!("{}: inflates to more than the size it declares", shown(&self.name)),
                "write the batch again",
            ));
        }
        Ok(Checksum { member: self.name, sums: self.sum.zip(self.expected) })
    }

    /// Reads the rest, and verifies the whole.
    ///
    /// # Errors
    /// If the member has more or fewer bytes than declared, or another CRC-32.
    pub fn finish(self) -> Result<(), SnapshotError> {
        self.end()?.verify()
    }

    fn ends_early(&self) -> SnapshotError {
        SnapshotError::new(
            format!("{}: the data end early", shown(&self.name)),
            "it may have been cut off while it was written: write the batch again",
        )
    }
}
