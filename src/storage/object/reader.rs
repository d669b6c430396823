//! Reads a large object in blocks: while one is used, the next is on its way.

use super::client::{BucketClient, ObjectVersion, PendingAnswer, begin, wait};
use crate::storage::StoreError;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// The size of the first block of a stream, and of a block around a single place. It has room for the headers of many
/// members.
const FIRST: u64 = 256 << 10;

/// The size of the largest block. The request costs little compared with its bytes.
const LARGEST: u64 = 4 << 20;

/// How many first blocks all streams of an object share, since headers are read before the data behind them.
const KEPT: usize = 8;

/// One stream of the bytes of one version of an object.
#[derive(Debug)]
pub(crate) struct ObjectReader {
    object: Arc<Object>,
    /// Nothing is read ahead beyond this.
    end: u64,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Object {
    client: Arc<BucketClient>,
    key: String,
    version: ObjectVersion,
    kept: Mutex<VecDeque<FetchedBlock>>,
}

#[derive(Debug, Clone, Default)]
struct FetchedBlock {
    start: u64,
    bytes: Arc<Vec<u8>>,
}

/// The position of a stream.
#[derive(Debug, Default)]
struct Window {
    block: FetchedBlock,
    /// Where the next block begins, and its bytes on their way.
    ahead: Option<(u64, PendingAnswer<Vec<u8>>)>,
}

impl FetchedBlock {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn covers(&self, offset: u64) -> bool {
        (self.start..self.end()).contains(&offset)
    }

    /// Copies what it has from `offset` on.
    fn copy(&self, buffer: &mut [u8], offset: u64) -> usize {
        let from = &self.bytes[(offset - self.start) as usize..];
        let count = from.len().min(buffer.len());
        buffer[..count].copy_from_slice(&from[..count]);
        count
    }
}

impl ObjectReader {
    /// Reads nothing yet.
    pub(super) fn new(client: Arc<BucketClient>, key: String, version: ObjectVersion) -> Self {
        let end = version.size;
        let object = Object { client, key, version, kept: Mutex::default() };
        Self { object: Arc::new(object), end, window: Mutex::default() }
    }

    /// Another stream of the same object, which ends at `end`.
    pub(crate) fn stream(&self, end: u64) -> Self {
        Self { object: Arc::clone(&self.object), end, window: Mutex::default() }
    }

    /// Reads some bytes at `offset`; returns 0 at the end.
    ///
    /// # Errors
    /// If the store cannot be reached, or the object is gone or was replaced.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.object.version.size || buffer.is_empty() {
            return Ok(0);
        }
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if !window.block.covers(offset) {
            self.advance(&mut window, offset)?;
        }
        Ok(window.block.copy(buffer, offset))
    }

    /// Makes the window cover `offset`. Sequential reads get larger blocks each time.
    fn advance(&self, window: &mut Window, offset: u64) -> Result<(), StoreError> {
        let goes_on = offset == window.block.end() && offset > 0;
        let size = window.block.bytes.len() as u64;
        match window.ahead.take() {
            Some((start, begun)) if start == offset => {
                window.block = FetchedBlock { start, bytes: Arc::new(begun.end()?) };
            }
            _ if goes_on => window.block = self.object.read(self.block_at(offset, size * 4))?,
            _ => window.block = self.object.near(offset)?,
        }
        if goes_on {
            let start = window.block.end();
            if start < self.end {
                let range = self.block_at(start, window.block.bytes.len() as u64 * 4);
                window.ahead = Some((start, self.object.begin(range)?));
            }
        }
        Ok(())
    }

    /// The range of about `size` bytes from `start`, clipped to the end of the stream.
    fn block_at(&self, start: u64, size: u64) -> Range<u64> {
        let end = if start < self.end { self.end } else { self.object.version.size };
        start..(start + size.clamp(FIRST, LARGEST)).min(end)
    }
}

impl Object {
    fn read(&self, range: Range<u64>) -> Result<FetchedBlock, StoreError> {
        let start = range.start;
        let bytes = wait(self.client.range(&self.key, range, &self.version))?;
        Ok(FetchedBlock { start, bytes: Arc::new(bytes) })
    }

    fn begin(&self, range: Range<u64>) -> Result<PendingAnswer<Vec<u8>>, StoreError> {
        let (client, key, version) = (Arc::clone(&self.client), self.key.clone(), self.version.clone());
        begin(async move { client.range(&key, range, &version).await })
    }

    /// A first block around `offset`, from memory if it was read before.
    fn near(&self, offset: u64) -> Result<FetchedBlock, StoreError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().find(|block| block.covers(offset)).cloned();
        drop(kept);
        if let Some(block) = known {
            return Ok(block);
        }
        let start = offset / FIRST * FIRST;
        let block = self.read(start..(start + FIRST).min(self.version.size))?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(block.clone());
        Ok(block)
    }
}
