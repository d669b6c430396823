//! Streams one layer's potentials, those before beside those after each step, through bounded buffers
//! into a sink.
//!
//! What lies next to what in the file depends on the memory order of `[T, B, …]`: in C order a step is
//! contiguous, in Fortran order the steps of one neuron are.

use super::Scratch;
use super::block::Block;
use super::kernel::{Width, swap_bytes};
use super::transpose::mixed_orders;
use crate::snapshot::{Array, BatchLayer, Form, MemberReader, Order, SnapshotError};

/// Bytes read at a time: large enough for the system calls, small enough for the cache.
pub(super) const BLOCK: usize = 1 << 20;

/// The largest step that is kept to compare the next one with; larger ones are read twice.
const MAX_KEPT_STEP: u64 = 4 << 20;

/// What is made of the changes of a layer.
///
/// Each element of the later steps is given once, in one of the two ways. Elements of the first step
/// may be given too: they have no step before them, and what they are compared with means nothing.
pub(crate) trait Sink {
    /// Elements before and after a step, in native byte order, of which the first is element `at` of
    /// the array in this memory order. As many as `post` has; both begin at the same element.
    fn potentials(&mut self, order: Order, at: u64, width: Width, pre: &[u8], post: &[u8]);

    /// So many elements in C order, of which the first is element `at`: the bits of the block, the
    /// highest first, set where the element changed.
    fn bits(&mut self, at: u64, block: &[u8], bits: u64);

    /// Looked at before each block.
    ///
    /// # Errors
    /// Where no more is wanted.
    fn go_on(&self) -> Result<(), SnapshotError> {
        Ok(())
    }
}

/// Gives all changes of a layer to a sink, reading and verifying every byte of it.
///
/// # Errors
/// Where the data cannot be read, end early or are corrupt, or the sink wants no more.
pub(crate) fn changes(
    layer: &BatchLayer,
    scratch: &mut Scratch,
    sink: &mut dyn Sink,
) -> Result<(), SnapshotError> {
    let step = layer.step_elements();
    match &layer.form {
        Form::Bits(array) => bits(array, step, layer.elements - step, scratch, sink),
        Form::Trace(post) if post.header.order == Order::C => trace(post, step, scratch, sink),
        Form::Trace(post) => fortran_trace(post, scratch, sink),
        Form::Pair { pre, post } if pre.header.order == post.header.order => {
            pair(pre, post, step, scratch, sink)
        }
        Form::Pair { pre, post } => mixed_orders(pre, post, scratch, sink),
    }
}

/// The elements of an array in native byte order, a block at a time.
pub(super) struct Elements {
    reader: MemberReader,
    /// The place of the next element in the file.
    pub(super) at: u64,
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
        Ok(Self { reader, at: 0, left, width, swapped: dtype.swapped })
    }

    /// How many elements the next block of at most `bytes` bytes has.
    pub(super) fn block(&self, bytes: usize) -> usize {
        ((bytes / self.width.bytes()) as u64).min(self.left) as usize
    }

    /// Reads the next `count` elements into `block`; the last `carried` bytes of those before come to stand
    /// in front of them.
    fn read_behind(&mut self, block: &mut Block, count: usize, carried: usize) -> Result<(), SnapshotError> {
        let bytes = block.lay(self.reader.place(), count * self.width.bytes(), carried);
        self.reader.fill(bytes)?;
        if self.swapped {
            swap_bytes(bytes, self.width.bytes());
        }
        self.pass(count as u64);
        Ok(())
    }

    /// Reads the next `count` elements into `block`.
    pub(super) fn read(&mut self, block: &mut Block, count: usize) -> Result<(), SnapshotError> {
        self.read_behind(block, count, 0)
    }

    fn skip(&mut self, elements: u64) -> Result<(), SnapshotError> {
        self.reader.skip(elements * self.width.bytes() as u64)?;
        self.pass(elements);
        Ok(())
    }

    fn pass(&mut self, elements: u64) {
        self.at += elements;
        self.left -= elements;
    }

    pub(super) fn finish(self) -> Result<(), SnapshotError> {
        self.reader.finish()
    }
}

/// Gives all elements of an array, in native byte order and the order of the file, a block at a time;
/// reads and verifies every byte of it.
///
/// # Errors
/// Where the data cannot be read, end early or are corrupt, or as `take` returns.
pub(crate) fn each_block(
    array: &Array,
    scratch: &mut Scratch,
    mut take: impl FnMut(Width, &[u8]) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let mut elements = Elements::new(array)?;
    while elements.left > 0 {
        elements.read(&mut scratch.first, elements.block(BLOCK))?;
        take(elements.width, scratch.first.bytes())?;
    }
    elements.finish()
}

/// A trace in C order: each element against the one a step before it.
fn trace(post: &Array, step: u64, scratch: &mut Scratch, sink: &mut dyn Sink) -> Result<(), SnapshotError> {
    let mut elements = Elements::new(post)?;
    let width = elements.width;
    if elements.left <= step {
        return elements.finish();
    }
    let step_bytes = step * width.bytes() as u64;
    if step_bytes > MAX_KEPT_STEP {
        let mut before = Elements::unverified(post)?;
        skip(&mut elements, step, sink)?;
        return in_lockstep(&mut before, elements, Order::C, scratch, sink);
    }
    // Whole steps are read in turns into two buffers, so that none is copied to stay for the next.
    let step_bytes = step_bytes as usize;
    let together = (BLOCK / step_bytes.max(1)).max(1) * step_bytes;
    let (mut before, mut after) = (&mut scratch.first, &mut scratch.second);
    elements.read(before, step as usize)?;
    while elements.left > 0 {
        sink.go_on()?;
        let at = elements.at;
        elements.read(after, elements.block(together))?;
        let (old, new) = (before.bytes(), after.bytes());
        sink.potentials(Order::C, at, width, &old[old.len() - step_bytes..], &new[..step_bytes]);
        if new.len() > step_bytes {
            let earlier = &new[..new.len() - step_bytes];
            sink.potentials(Order::C, at + step, width, earlier, &new[step_bytes..]);
        }
        std::mem::swap(&mut before, &mut after);
    }
    elements.finish()
}

/// Pairs in the same order; in C order the first step is not looked at.
fn pair(
    pre: &Array,
    post: &Array,
    step: u64,
    scratch: &mut Scratch,
    sink: &mut dyn Sink,
) -> Result<(), SnapshotError> {
    let (mut before, mut after) = (Elements::new(pre)?, Elements::new(post)?);
    let order = post.header.order;
    if order == Order::C {
        skip(&mut before, step, sink)?;
        skip(&mut after, step, sink)?;
    }
    in_lockstep(&mut before, after, order, scratch, sink)?;
    before.finish()
}

/// A trace in Fortran order: each element against its predecessor. The first of each `T` elements is
/// one of the first step.
fn fortran_trace(post: &Array, scratch: &mut Scratch, sink: &mut dyn Sink) -> Result<(), SnapshotError> {
    let mut elements = Elements::new(post)?;
    let width = elements.width;
    let size = width.bytes();
    let block = &mut scratch.first;
    if elements.left > 0 {
        elements.read(block, 1)?;
    }
    while elements.left > 0 {
        sink.go_on()?;
        let at = elements.at;
        elements.read_behind(block, elements.block(BLOCK), size)?;
        let before = block.with_carried(size);
        sink.potentials(Order::Fortran, at, width, &before[..before.len() - size], block.bytes());
    }
    elements.finish()
}

/// Reads over elements.
fn skip(elements: &mut Elements, count: u64, sink: &dyn Sink) -> Result<(), SnapshotError> {
    let mut left = count;
    while left > 0 {
        sink.go_on()?;
        let block = left.min(BLOCK as u64);
        elements.skip(block)?;
        left -= block;
    }
    Ok(())
}

/// Two streams that are as far from their ends, a block of each at a time; verifies the second.
fn in_lockstep(
    before: &mut Elements,
    mut after: Elements,
    order: Order,
    scratch: &mut Scratch,
    sink: &mut dyn Sink,
) -> Result<(), SnapshotError> {
    let (pre, post) = (&mut scratch.first, &mut scratch.second);
    while after.left > 0 {
        sink.go_on()?;
        let (at, count) = (after.at, after.block(BLOCK));
        before.read(pre, count)?;
        after.read(post, count)?;
        sink.potentials(order, at, after.width, pre.bytes(), post.bytes());
    }
    after.finish()
}

/// Changes packed to bits, of which the first is element `at`.
fn bits(
    array: &Array,
    at: u64,
    bits: u64,
    scratch: &mut Scratch,
    sink: &mut dyn Sink,
) -> Result<(), SnapshotError> {
    let mut reader = array.member.reader()?;
    reader.skip(array.header.data_offset)?;
    let mut given = 0;
    while given < bits {
        sink.go_on()?;
        let length = (bits - given).div_ceil(8).min(BLOCK as u64) as usize;
        reader.fill(scratch.first.lay(reader.place(), length, 0))?;
        let in_block = (bits - given).min(length as u64 * 8);
        sink.bits(at + given, scratch.first.bytes(), in_block);
        given += in_block;
    }
    reader.finish()
}
