//! The buffers that potentials are read into.

use std::ops::Range;

/// The system copies pages. On common processors it copies several times slower to a place a little further
/// in its page than the bytes come from, so a block is laid at the same place in a page as in its file.
const PAGE: usize = 4096;

/// Buffers that a counting thread uses again for each batch.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) first: Block,
    pub(super) second: Block,
    pub(super) gathered: Vec<u8>,
}

/// A buffer with the bytes that were last read into it. It only grows, so that no block pays for fresh
/// memory twice.
#[derive(Debug, Default)]
pub(super) struct Block {
    buffer: Vec<u8>,
    held: Range<usize>,
}

impl Block {
    /// Room for so many bytes that are at `place` in their file. The last `carried` bytes of those held
    /// before, less than a page, come to stand in front of it.
    pub(super) fn lay(&mut self, place: u64, length: usize, carried: usize) -> &mut [u8] {
        let needed = length + 2 * PAGE;
        if self.buffer.len() < needed {
            self.buffer.resize(needed, 0);
        }
        let in_page = (place as usize).wrapping_sub(self.buffer.as_ptr().addr()) % PAGE;
        let start = PAGE + in_page;
        let last = self.held.end.saturating_sub(carried)..self.held.end;
        self.buffer.copy_within(last, start - carried);
        self.held = start..start + length;
        &mut self.buffer[self.held.clone()]
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.held.clone()]
    }

    /// The bytes, and so many that were carried in front of them.
    pub(super) fn with_carried(&self, carried: usize) -> &[u8] {
        &self.buffer[self.held.start - carried..self.held.end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_lies_in_its_page_as_in_its_file() {
        let mut block = Block::default();
        for (place, length) in [(0, 10), (1, 5000), (4095, 70_000), (70_000_000_001, 1)] {
            let bytes = block.lay(place, length, 0);
            assert_eq!((bytes.as_ptr().addr() % PAGE, bytes.len()), (place as usize % PAGE, length));
        }
    }

    #[test]
    fn the_last_bytes_are_carried_whatever_lies_where() {
        let mut block = Block::default();
        let mut last = [0; 8];
        for (place, length) in [(0, 8), (5000, 30), (17, 100_000), (16, 8), (12_287, 9)] {
            let number = place as u8;
            block.lay(place, length, 8).fill(number);
            assert_eq!(block.with_carried(8)[..8], last);
            assert!(block.bytes().iter().all(|&byte| byte == number));
            last = [number; 8];
        }
    }
}
