//! The buffers into which potentials are read.

use std::ops::Range;

/// The kernel copies from its page cache. On common processors that is several times slower if the target lies up to
/// [`NEAR`] bytes further into its page than the source. Otherwise it is best to begin at a page.
const PAGE: usize = 4096;
const NEAR: usize = 64;

/// Buffers that a counting thread reuses for every batch.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) first: Block,
    pub(super) second: Block,
    pub(super) gathered: Vec<u8>,
}

/// A buffer with the bytes that were last read into it. It only grows, since fresh memory is expensive.
#[derive(Debug, Default)]
pub(super) struct Block {
    buffer: Vec<u8>,
    held: Range<usize>,
}

impl Block {
    /// Makes room for `length` bytes that are at `place` in their file. The last `carried` bytes of the previous
    /// block, less than a page, are copied in front of it.
    pub(super) fn lay(&mut self, place: u64, length: usize, carried: usize) -> &mut [u8] {
        let needed = length + 2 * PAGE + PAGE / 2;
        if self.buffer.len() < needed {
            self.buffer.resize(needed, 0);
        }
        let page = 2 * PAGE - self.buffer.as_ptr().addr() % PAGE;
        let further = (place as usize).wrapping_neg() % PAGE;
        let start = if (1..NEAR).contains(&further) { page + PAGE / 2 } else { page };
        let last = self.held.end.saturating_sub(carried)..self.held.end;
        self.buffer.copy_within(last, start - carried);
        self.held = start..start + length;
        &mut self.buffer[self.held.clone()]
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.held.clone()]
    }

    /// The bytes with the carried ones in front of them.
    pub(super) fn with_carried(&self, carried: usize) -> &[u8] {
        &self.buffer[self.held.start - carried..self.held.end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_block_lies_a_little_further_in_its_page_than_in_its_file() {
        let mut block = Block::default();
        for place in (0..3 * PAGE).chain([70_000_000_001]) {
            let bytes = block.lay(place as u64, 5000, 0);
            let at = bytes.as_ptr().addr();
            assert_eq!((at % NEAR, bytes.len()), (0, 5000));
            assert!(!(1..NEAR).contains(&(at.wrapping_sub(place) % PAGE)), "{place}");
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
