//! Streams the membrane potentials of one layer through bounded buffers, the values before a step beside those after
//! it, into a [`Sink`] that counts or draws them.
//!
//! # Why a stream
//!
//! Counting the updates of a layer takes one line of NumPy: `(a[1:] != a[:-1]).sum()`. That line loads the whole array,
//! makes one more array as large as it, and reads the memory three times. A layer of 8 GiB does not fit beside the
//! training job on whose node neurotop runs, and allocating fresh memory costs more than counting: the first touch of a
//! page takes longer than comparing the bytes on it. Mapping the file would avoid the copy, but a producer that
//! truncates a mapped file kills the reader with `SIGBUS`.
//!
//! So this file reads blocks of [`BLOCK`] bytes into buffers that are used again for every batch ([`Scratch`]). Memory
//! stays the same however large a batch is, and a block is compared and checksummed while it is still in the cache.
//!
//! # Why it is not one loop
//!
//! An element is compared with the same neuron's element one step earlier. Where that lies depends on how the array was
//! written:
//!
//! - *Traces in C order* keep each step together. If a step is small, whole steps are read in turns into two buffers, so
//!   that each byte is read once and none is copied. If a step is larger than [`MAX_KEPT_STEP`], keeping it would break
//!   the bound on memory: two readers go through the same array, one a step behind the other. Its bytes are read twice
//!   and verified once.
//! - *Traces in Fortran order* keep all steps of one neuron together. Each element is compared with its predecessor; the
//!   last element of a block is carried over in front of the next block.
//! - *Pairs* are two arrays in lockstep, in the order in which they were written: a sink that counts does not care which
//!   neuron comes first.
//! - *Pairs in different orders* are the hard case, and have a file of their own (`transpose.rs`).
//! - *Packed bits* need no comparing.
//!
//! Large layers are cut into ranges that several threads count (`parts.rs`). Therefore every way can begin and end in the
//! middle of a layer, and returns its checksum instead of verifying it: only all ranges together can be verified. What is
//! not verified is not counted. A batch with one flipped bit would otherwise give a figure that is slightly wrong and
//! looks right.

use super::Scratch;
use super::block::Block;
use super::kernel::swap_bytes;
use super::transpose::mixed_orders;
use crate::snapshot::{Array, BatchLayer, Checksum, Dtype, Form, MemberReader, MemoryOrder, SnapshotError};
use crc32fast::Hasher;
use std::ops::Range;

/// Bytes per read: large enough to make system calls cheap, small enough for the cache.
pub(super) const BLOCK: usize = 1 << 20;

/// The largest step, in bytes, that stays in memory for comparison with the next. Larger steps are read twice.
pub(super) const MAX_KEPT_STEP: u64 = 4 << 20;

/// The checksums of the bytes before and after a step; `None` for a side that is not verified, or is already.
pub(crate) type Crcs<'a> = [Option<&'a mut Hasher>; 2];

/// Adds the bytes that follow on either side.
pub(crate) fn add_bytes(crcs: &mut Crcs<'_>, pre: &[u8], post: &[u8]) {
    for (sum, bytes) in crcs.iter_mut().zip([pre, post]) {
        if let Some(sum) = sum.as_mut().filter(|_| !bytes.is_empty()) {
            sum.update(bytes);
        }
    }
}

/// Receives the changes of a layer.
///
/// Each element of the later steps arrives exactly once, through one of the two methods. Elements of the first step
/// may arrive too; they have no predecessor, so that their comparison means nothing.
pub(crate) trait Sink {
    /// Takes elements before and after a step, in native byte order. Both blocks begin at element `at` of the array
    /// in this memory order; `post` says how many there are.
    ///
    /// Must add all bytes of both sides to `crcs`, in their order. This is done here because comparing and
    /// checksumming in one pass reads the bytes only once.
    fn potentials(
        &mut self,
        order: MemoryOrder,
        at: u64,
        dtype: Dtype,
        pre: &[u8],
        post: &[u8],
        crcs: &mut Crcs<'_>,
    );

    /// Takes `bits` elements in C order, beginning at element `at`: one bit each, the highest first, set if the
    /// element changed.
    fn bits(&mut self, at: u64, block: &[u8], bits: u64);

    /// Called before each block.
    ///
    /// # Errors
    /// If no more is wanted.
    fn go_on(&self) -> Result<(), SnapshotError> {
        Ok(())
    }
}

/// Gives all changes of a layer to a sink. Reads and verifies every byte of it.
///
/// # Errors
/// If the data cannot be read, end early or are corrupt, or the sink wants no more.
pub(crate) fn changes(
    layer: &BatchLayer,
    scratch: &mut Scratch,
    sink: &mut dyn Sink,
) -> Result<(), SnapshotError> {
    let checksums = changes_in(layer, 0..extent(layer)?, scratch, sink)?;
    checksums.into_iter().try_for_each(Checksum::verify)
}

/// The length of a layer in the unit of its ranges: elements in the order of the file, or bytes of packed bits.
pub(super) fn extent(layer: &BatchLayer) -> Result<u64, SnapshotError> {
    match &layer.form {
        Form::Bits(array) => array.header.elements(),
        Form::Trace(_) | Form::Pair { .. } => Ok(layer.elements),
    }
}

/// Gives the changes in a range of a layer to a sink. Returns the checksum of each array in this range. Those of all
/// ranges, joined in order, verify the layer. The result is empty if the layer is verified here.
///
/// A range of a trace in C order whose steps are kept ([`MAX_KEPT_STEP`]) must begin and end at a step. Pairs in
/// different orders have only one range.
///
/// # Errors
/// If the data cannot be read or end early, or the sink wants no more.
pub(super) fn changes_in(
    layer: &BatchLayer,
    range: Range<u64>,
    scratch: &mut Scratch,
    sink: &mut dyn Sink,
) -> Result<Vec<Checksum>, SnapshotError> {
    let step = layer.step_elements();
    match &layer.form {
        Form::Bits(array) => Ok(vec![bits(array, step, layer.elements - step, range, scratch, sink)?]),
        Form::Trace(post) if post.header.order == MemoryOrder::C => {
            Ok(vec![trace(post, step, range, scratch, sink)?])
        }
        Form::Trace(post) => Ok(vec![fortran_trace(post, range, scratch, sink)?]),
        Form::Pair { pre, post } if pre.header.order == post.header.order => {
            pair(pre, post, step, range, scratch, sink)
        }
        Form::Pair { pre, post } => mixed_orders(pre, post, scratch, sink).map(|()| Vec::new()),
    }
}

/// Opens a range of elements. The checksum of the first range includes the header.
fn open(array: &Array, range: &Range<u64>) -> Result<MemberReader, SnapshotError> {
    let place = |element| array.header.data_offset + element * array.header.dtype.size as u64;
    let begin = if range.start == 0 { 0 } else { place(range.start) };
    let mut reader = array.member.reader_of(begin..place(range.end))?;
    if range.start == 0 {
        reader.skip(array.header.data_offset)?;
    }
    Ok(reader)
}

/// Reads the elements of an array in native byte order, a block at a time.
pub(super) struct Elements {
    reader: MemberReader,
    /// The index of the next element in the file.
    pub(super) at: u64,
    pub(super) left: u64,
    pub(super) dtype: Dtype,
}

impl Elements {
    /// All elements, verified by [`Elements::finish`].
    pub(super) fn new(array: &Array) -> Result<Self, SnapshotError> {
        Self::range(array, 0..array.header.elements()?)
    }

    /// A range of the elements; [`Elements::end`] returns its checksum.
    fn range(array: &Array, range: Range<u64>) -> Result<Self, SnapshotError> {
        Ok(Self::over(array, open(array, &range)?, range))
    }

    /// The elements from `start` on, unverified, for a second pass.
    fn unverified(array: &Array, start: u64) -> Result<Self, SnapshotError> {
        let place = array.header.data_offset + start * array.header.dtype.size as u64;
        let reader = array.member.reader_from(place)?;
        Ok(Self::over(array, reader, start..array.header.elements()?))
    }

    fn over(array: &Array, reader: MemberReader, range: Range<u64>) -> Self {
        let left = range.end.saturating_sub(range.start);
        Self { reader, at: range.start, left, dtype: array.header.dtype }
    }

    /// The number of elements in the next block of at most `bytes` bytes.
    pub(super) fn block(&self, bytes: usize) -> usize {
        ((bytes / self.dtype.size) as u64).min(self.left) as usize
    }

    /// Reads the next `count` elements into `block`, behind the last `carried` bytes of the previous ones.
    ///
    /// The caller must add their bytes to [`Elements::sum`] before the next read.
    fn read_behind(&mut self, block: &mut Block, count: usize, carried: usize) -> Result<(), SnapshotError> {
        let bytes = block.lay(self.reader.place(), count * self.dtype.size, carried);
        if self.dtype.swapped {
            self.reader.fill(bytes)?;
            swap_bytes(bytes, self.dtype.size);
        } else {
            self.reader.fill_unsummed(bytes)?;
        }
        self.pass(count as u64);
        Ok(())
    }

    /// Reads the next `count` elements and adds them to the checksum.
    pub(super) fn read(&mut self, block: &mut Block, count: usize) -> Result<(), SnapshotError> {
        self.read_behind(block, count, 0)?;
        if let Some(sum) = self.sum() {
            sum.update(block.bytes());
        }
        Ok(())
    }

    /// The checksum to which the elements just read must be added; `None` if they are not verified, or are already in
    /// it.
    fn sum(&mut self) -> Option<&mut Hasher> {
        // The checksum is over the bytes in the file, before they were swapped.
        if self.dtype.swapped { None } else { self.reader.sum() }
    }

    fn skip(&mut self, elements: u64) -> Result<(), SnapshotError> {
        self.reader.skip(elements * self.dtype.size as u64)?;
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

    fn end(self) -> Result<Checksum, SnapshotError> {
        self.reader.end()
    }
}

/// Gives all elements of an array to `take`, a block at a time, in native byte order and in the order of the file.
/// Reads and verifies every byte.
///
/// # Errors
/// If the data cannot be read, end early or are corrupt, or as `take` returns.
pub(crate) fn each_block(
    array: &Array,
    scratch: &mut Scratch,
    mut take: impl FnMut(Dtype, &[u8]) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let mut elements = Elements::new(array)?;
    while elements.left > 0 {
        elements.read(&mut scratch.first, elements.block(BLOCK))?;
        take(elements.dtype, scratch.first.bytes())?;
    }
    elements.finish()
}

/// A trace in C order: compares each element with the one a step earlier.
fn trace(
    post: &Array,
    step: u64,
    range: Range<u64>,
    scratch: &mut Scratch,
    sink: &mut dyn Sink,
) -> Result<Checksum, SnapshotError> {
    let mut elements = Elements::range(post, range)?;
    let dtype = elements.dtype;
    let step_bytes = step * dtype.size as u64;
    if step_bytes > MAX_KEPT_STEP {
        skip_first_step(&mut elements, step, sink)?;
        if elements.left == 0 {
            return elements.end();
        }
        let mut before = Elements::unverified(post, elements.at - step)?;
        return in_lockstep(&mut before, elements, MemoryOrder::C, scratch, sink);
    }
    // Whole steps are read alternately into two buffers, so that none has to be copied.
    let step_bytes = step_bytes as usize;
    let together = (BLOCK / step_bytes.max(1)).max(1) * step_bytes;
    let (mut before, mut after) = (&mut scratch.first, &mut scratch.second);
    match elements.at.checked_sub(step) {
        Some(earlier) if elements.left > 0 => {
            Elements::unverified(post, earlier)?.read(before, step as usize)?;
        }
        _ => elements.read(before, step.min(elements.left) as usize)?,
    }
    while elements.left > 0 {
        sink.go_on()?;
        let at = elements.at;
        elements.read_behind(after, elements.block(together), 0)?;
        let (old, new) = (before.bytes(), after.bytes());
        let mut crcs = [None, elements.sum()];
        sink.potentials(
            MemoryOrder::C,
            at,
            dtype,
            &old[old.len() - step_bytes..],
            &new[..step_bytes],
            &mut crcs,
        );
        if new.len() > step_bytes {
            let earlier = &new[..new.len() - step_bytes];
            sink.potentials(MemoryOrder::C, at + step, dtype, earlier, &new[step_bytes..], &mut crcs);
        }
        std::mem::swap(&mut before, &mut after);
    }
    elements.end()
}

/// Pairs in the same order. In C order, the first step is skipped.
fn pair(
    pre: &Array,
    post: &Array,
    step: u64,
    range: Range<u64>,
    scratch: &mut Scratch,
    sink: &mut dyn Sink,
) -> Result<Vec<Checksum>, SnapshotError> {
    let (mut before, mut after) = (Elements::range(pre, range.clone())?, Elements::range(post, range)?);
    let order = post.header.order;
    if order == MemoryOrder::C {
        skip_first_step(&mut before, step, sink)?;
        skip_first_step(&mut after, step, sink)?;
    }
    let after = in_lockstep(&mut before, after, order, scratch, sink)?;
    Ok(vec![before.end()?, after])
}

/// A trace in Fortran order: compares each element with its predecessor. The first of each `T` elements belongs to
/// the first step.
fn fortran_trace(
    post: &Array,
    range: Range<u64>,
    scratch: &mut Scratch,
    sink: &mut dyn Sink,
) -> Result<Checksum, SnapshotError> {
    let mut elements = Elements::range(post, range)?;
    let dtype = elements.dtype;
    let size = dtype.size;
    let block = &mut scratch.first;
    if elements.left > 0 {
        match elements.at.checked_sub(1) {
            Some(earlier) => Elements::unverified(post, earlier)?.read(block, 1)?,
            None => elements.read(block, 1)?,
        }
    }
    while elements.left > 0 {
        sink.go_on()?;
        let at = elements.at;
        elements.read_behind(block, elements.block(BLOCK), size)?;
        let before = block.with_carried(size);
        let mut crcs = [None, elements.sum()];
        let before = &before[..before.len() - size];
        sink.potentials(MemoryOrder::Fortran, at, dtype, before, block.bytes(), &mut crcs);
    }
    elements.end()
}

/// Skips the part of a range that is in the first step.
fn skip_first_step(elements: &mut Elements, step: u64, sink: &dyn Sink) -> Result<(), SnapshotError> {
    let mut left = step.saturating_sub(elements.at).min(elements.left);
    while left > 0 {
        sink.go_on()?;
        let block = left.min(BLOCK as u64);
        elements.skip(block)?;
        left -= block;
    }
    Ok(())
}

/// Compares two streams block by block until the second ends; returns its checksum.
fn in_lockstep(
    before: &mut Elements,
    mut after: Elements,
    order: MemoryOrder,
    scratch: &mut Scratch,
    sink: &mut dyn Sink,
) -> Result<Checksum, SnapshotError> {
    let (pre, post) = (&mut scratch.first, &mut scratch.second);
    while after.left > 0 {
        sink.go_on()?;
        let (at, count) = (after.at, after.block(BLOCK));
        before.read_behind(pre, count, 0)?;
        after.read_behind(post, count, 0)?;
        let dtype = after.dtype;
        let mut crcs = [before.sum(), after.sum()];
        sink.potentials(order, at, dtype, pre.bytes(), post.bytes(), &mut crcs);
    }
    after.end()
}

/// Packed changes: `bits` of them, beginning at element `first`. `range` is in bytes.
fn bits(
    array: &Array,
    first: u64,
    bits: u64,
    range: Range<u64>,
    scratch: &mut Scratch,
    sink: &mut dyn Sink,
) -> Result<Checksum, SnapshotError> {
    let mut reader = open(array, &range)?;
    let (mut given, end) = (range.start * 8, bits.min(range.end * 8));
    while given < end {
        sink.go_on()?;
        let length = (end - given).div_ceil(8).min(BLOCK as u64) as usize;
        reader.fill(scratch.first.lay(reader.place(), length, 0))?;
        let in_block = (end - given).min(length as u64 * 8);
        sink.bits(first + given, scratch.first.bytes(), in_block);
        given += in_block;
        check_behind(array, scratch.first.bytes(), in_block)?;
    }
    reader.end()
}

/// `numpy.packbits` leaves the bits behind the last element unset: set ones are of another order of bits, and all counts
/// of it would be wrong.
fn check_behind(array: &Array, block: &[u8], bits: u64) -> Result<(), SnapshotError> {
    let behind = block.last().filter(|_| !bits.is_multiple_of(8)).map_or(0, |last| last << (bits % 8));
    if behind == 0 {
        return Ok(());
    }
    let turned = SnapshotError::new(
        "bits are set behind its last element",
        "pack it with numpy.packbits and its own order of bits, bitorder=\"big\"",
    );
    Err(turned.of_member(array.member.name()))
}
