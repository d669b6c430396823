//! Counts the membrane updates of one layer from streams of its potentials, through bounded buffers.
//!
//! The first step of `[T, B, …]` counts every element; each later step counts the elements whose
//! potential before it differs from the one after it. What lies next to what in the file depends on the
//! memory order: in C order a step is contiguous, in Fortran order the steps of one neuron are.

use super::Scratch;
use super::kernel::{Width, set_bits, swap_bytes};
use super::transpose::count_mixed_orders;
use crate::snapshot::{Array, BatchLayer, Form, MemberReader, Order, SnapshotError};

/// Bytes read at a time: large enough for the system calls, small enough for the cache.
pub(super) const BLOCK: usize = 1 << 20;

/// The largest step that is kept to compare the next one with; larger ones are read twice.
const MAX_KEPT_STEP: u64 = 4 << 20;

/// Counts the updates of a layer, reading and verifying every byte of it.
///
/// # Errors
/// Where the data cannot be read, end early or are corrupt.
pub(super) fn updates(layer: &BatchLayer, scratch: &mut Scratch) -> Result<u64, SnapshotError> {
    let first_step = layer.elements.checked_div(layer.steps()).unwrap_or(0);
    let changed = match &layer.form {
        Form::Bits(array) => bits(array, layer.elements - first_step, scratch)?,
        Form::Trace(post) if post.header.order == Order::C => trace(post, first_step, scratch)?,
        Form::Trace(post) => fortran_trace(post, layer.steps(), scratch)?,
        Form::Pair { pre, post } => match (pre.header.order, post.header.order) {
            (Order::C, Order::C) => pair(pre, post, first_step, scratch)?,
            (Order::Fortran, Order::Fortran) => fortran_pair(pre, post, layer.steps(), scratch)?,
            _ => count_mixed_orders(pre, post, first_step, scratch)?,
        },
    };
    Ok(first_step + changed)
}

/// The elements of an array in native byte order, a block at a time.
pub(super) struct Elements {
    reader: MemberReader,
    /// Elements left to read.
    pub(super) left: u64,
    pub(super) width: Width,
    swapped: bool,
}

impl Elements {
    /// All elements, verified by [`Elements::finish`].
    pub(super) fn new(array: &Array) -> Result<Self, SnapshotError> {
        let mut reader = array.member.reader()?;
        reader.skip(array.header.data_offset)?;
        Self::over(array, reader, array.header.elements()?)
    }

    /// The elements from the start, for a second pass that is not verified.
    fn unverified(array: &Array) -> Result<Self, SnapshotError> {
        let reader = array.member.reader_from(array.header.data_offset)?;
        Self::over(array, reader, array.header.elements()?)
    }

    fn over(array: &Array, reader: MemberReader, left: u64) -> Result<Self, SnapshotError> {
        let dtype = array.header.dtype;
        let width = match dtype.size {
            2 => Width::F16,
            4 => Width::F32,
            _ => Width::F64,
        };
        Ok(Self { reader, left, width, swapped: dtype.swapped })
    }

    /// How many elements the next block of at most `bytes` bytes has.
    pub(super) fn block(&self, bytes: usize) -> usize {
        ((bytes / self.width.bytes()) as u64).min(self.left) as usize
    }

    /// Fills `buffer`, which holds whole elements, with the next ones.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<(), SnapshotError> {
        self.reader.fill(buffer)?;
        if self.swapped {
            swap_bytes(buffer, self.width.bytes());
        }
        self.left -= (buffer.len() / self.width.bytes()) as u64;
        Ok(())
    }

    pub(super) fn skip(&mut self, elements: u64) -> Result<(), SnapshotError> {
        self.reader.skip(elements * self.width.bytes() as u64)?;
        self.left -= elements;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), SnapshotError> {
        self.reader.finish()
    }
}

/// A trace in C order: each element against the one a step before it.
fn trace(post: &Array, step: u64, scratch: &mut Scratch) -> Result<u64, SnapshotError> {
    let mut elements = Elements::new(post)?;
    let width = elements.width;
    if elements.left <= step {
        elements.finish()?;
        return Ok(0);
    }
    let step_bytes = step * width.bytes() as u64;
    if step_bytes > MAX_KEPT_STEP {
        let mut before = Elements::unverified(post)?;
        elements.skip(step)?;
        return in_lockstep(&mut before, elements, scratch, |pre, post| width.changed(pre, post));
    }
    // Whole steps are read in turns into two buffers, so that none is copied to stay for the next.
    let step_bytes = step_bytes as usize;
    let steps_together = (BLOCK / step_bytes.max(1)).max(1);
    let (mut before, mut after) = scratch.both(steps_together * step_bytes);
    elements.fill(&mut before[..step_bytes])?;
    let mut last = 0;
    let mut changed = 0;
    while elements.left > 0 {
        let length = elements.block(after.len()) * width.bytes();
        elements.fill(&mut after[..length])?;
        changed += width.changed(&before[last..last + step_bytes], &after[..step_bytes]);
        changed += width.changed(&after[..length - step_bytes], &after[step_bytes..length]);
        last = length - step_bytes;
        std::mem::swap(&mut before, &mut after);
    }
    elements.finish()?;
    Ok(changed)
}

/// Pairs in C order, of which the first step is not looked at.
fn pair(pre: &Array, post: &Array, step: u64, scratch: &mut Scratch) -> Result<u64, SnapshotError> {
    let (mut before, mut after) = (Elements::new(pre)?, Elements::new(post)?);
    let width = after.width;
    before.skip(step)?;
    after.skip(step)?;
    let changed = in_lockstep(&mut before, after, scratch, |pre, post| width.changed(pre, post))?;
    before.finish()?;
    Ok(changed)
}

/// A trace in Fortran order: each element against its predecessor, except at the start of a neuron's
/// run of `steps` elements.
fn fortran_trace(post: &Array, steps: u64, scratch: &mut Scratch) -> Result<u64, SnapshotError> {
    let mut elements = Elements::new(post)?;
    let width = elements.width;
    let size = width.bytes();
    let buffer = scratch.first(size + BLOCK);
    let mut changed = 0;
    let mut position = 0;
    if elements.left > 0 {
        elements.fill(&mut buffer[..size])?;
        position = 1;
    }
    while elements.left > 0 {
        let length = elements.block(BLOCK) * size;
        elements.fill(&mut buffer[size..size + length])?;
        let (pre, post) = (&buffer[..length], &buffer[size..size + length]);
        changed += width.changed(pre, post) - changed_in_first_steps(width, pre, post, position, steps);
        position += (length / size) as u64;
        buffer.copy_within(length..length + size, 0);
    }
    elements.finish()?;
    Ok(changed)
}

/// Pairs in Fortran order.
fn fortran_pair(pre: &Array, post: &Array, steps: u64, scratch: &mut Scratch) -> Result<u64, SnapshotError> {
    let (mut before, after) = (Elements::new(pre)?, Elements::new(post)?);
    let width = after.width;
    let mut position = 0;
    let changed = in_lockstep(&mut before, after, scratch, |pre, post| {
        let first_steps = changed_in_first_steps(width, pre, post, position, steps);
        position += (post.len() / width.bytes()) as u64;
        width.changed(pre, post) - first_steps
    })?;
    before.finish()?;
    Ok(changed)
}

/// Of a block in Fortran order that begins at element `position`: the changed elements that belong to a
/// first step, where the comparison means nothing.
fn changed_in_first_steps(width: Width, pre: &[u8], post: &[u8], position: u64, steps: u64) -> u64 {
    let size = width.bytes();
    let mut next = (steps - position % steps) % steps;
    let mut changed = 0;
    while next < (post.len() / size) as u64 {
        let at = next as usize * size;
        changed += width.changed(&pre[at..at + size], &post[at..at + size]);
        next += steps;
    }
    changed
}

/// Counts over two streams of equal length, a block of each at a time, and verifies the second.
fn in_lockstep(
    before: &mut Elements,
    mut after: Elements,
    scratch: &mut Scratch,
    mut count: impl FnMut(&[u8], &[u8]) -> u64,
) -> Result<u64, SnapshotError> {
    let (pre, post) = scratch.both(BLOCK);
    let mut changed = 0;
    while after.left > 0 {
        let length = after.block(BLOCK) * after.width.bytes();
        before.fill(&mut pre[..length])?;
        after.fill(&mut post[..length])?;
        changed += count(&pre[..length], &post[..length]);
    }
    after.finish()?;
    Ok(changed)
}

/// Changes packed to bits.
fn bits(array: &Array, bits: u64, scratch: &mut Scratch) -> Result<u64, SnapshotError> {
    let mut reader = array.member.reader()?;
    reader.skip(array.header.data_offset)?;
    let buffer = scratch.first(BLOCK);
    let mut bits_left = bits;
    let mut changed = 0;
    while bits_left > 0 {
        let length = bits_left.div_ceil(8).min(BLOCK as u64) as usize;
        reader.fill(&mut buffer[..length])?;
        let counted = bits_left.min(length as u64 * 8);
        changed += set_bits(&buffer[..length], counted);
        bits_left -= counted;
    }
    reader.finish()?;
    Ok(changed)
}
