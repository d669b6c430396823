//! Pairs of which one array is in C order and the other in Fortran order, in bounded memory.
//!
//! NumPy saves an array in Fortran order only if it was laid out so. A pair in different orders is rare, but valid: a
//! producer that transposes one side in place writes it without noticing. Element `i` of one file then belongs to a
//! distant element of the other. A window of the array in Fortran order stays in memory while the other array streams
//! past; an array larger than the window takes several passes.
//!
//! That costs about 30 times the processor time of a pair in one order: 0.38 s against 0.01 s for 2 × 64 MiB of f4. It
//! stays because the alternative is to refuse the batch, and with it the run, and because what is here is short.

use super::Scratch;
use super::block::Block;
use super::stream::{BLOCK, Elements, Sink};
use crate::snapshot::{Array, MemoryOrder, SnapshotError};
use std::ops::Range;

/// Bytes of the window.
const WINDOW: usize = 16 << 20;

/// Gives the elements of both arrays to the sink in C order. Exactly one of the arrays must be in Fortran order.
///
/// # Errors
/// If the data cannot be read, end early or are corrupt, or the sink wants no more.
pub(super) fn mixed_orders(
    pre: &Array,
    post: &Array,
    scratch: &mut Scratch,
    sink: &mut dyn Sink,
) -> Result<(), SnapshotError> {
    let (held, streamed) = if pre.header.order == MemoryOrder::Fortran { (pre, post) } else { (post, pre) };
    let mut windows = Elements::new(held)?;
    while windows.left > 0 {
        sink.go_on()?;
        let start = windows.at;
        windows.read(&mut scratch.first, windows.block(WINDOW))?;
        let window = scratch.first.bytes();
        give_window(window, start, streamed, (&mut scratch.second, &mut scratch.gathered), sink)?;
    }
    if windows.at == 0 {
        Elements::new(streamed)?.finish()?;
    }
    windows.finish()
}

/// Gives the elements in a window of the Fortran-ordered array, which begins at element `start`, while the C-ordered
/// array streams past.
fn give_window(
    window: &[u8],
    start: u64,
    streamed: &Array,
    (block, gathered): (&mut Block, &mut Vec<u8>),
    sink: &mut dyn Sink,
) -> Result<(), SnapshotError> {
    let mut elements = Elements::new(streamed)?;
    let dtype = elements.dtype;
    let size = dtype.size;
    let held = start..start + (window.len() / size) as u64;
    let mut place = Odometer::new(&streamed.header.shape);
    gathered.resize(BLOCK, 0);
    while elements.left > 0 {
        sink.go_on()?;
        let (at, count) = (elements.at, elements.block(BLOCK));
        elements.read(block, count)?;
        let mut next = 0;
        while next < count {
            let run = place.gather(window, &held, &mut gathered[next * size..count * size], size);
            let bytes = next * size..(next + run) * size;
            if run > 0 {
                // The sink only compares, so that it does not matter which side is which.
                sink.potentials(
                    MemoryOrder::C,
                    at + next as u64,
                    dtype,
                    &gathered[bytes.clone()],
                    &block.bytes()[bytes],
                    &mut [None, None],
                );
            }
            next += run + place.pass_outside(&held, count - next - run);
        }
    }
    elements.finish()
}

/// Walks the elements of an array in C order, and keeps the index of each in Fortran order.
struct Odometer {
    /// For each axis, the last one first: its index, length and stride in Fortran order.
    axes: Vec<(u64, u64, u64)>,
    /// The index in Fortran order.
    fortran: u64,
}

impl Odometer {
    fn new(shape: &[u64]) -> Self {
        let mut distance = 1;
        let mut axes = Vec::with_capacity(shape.len());
        for &length in shape {
            axes.push((0, length, distance));
            distance *= length;
        }
        axes.reverse();
        Self { axes, fortran: 0 }
    }

    fn advance(&mut self) {
        for (index, length, distance) in &mut self.axes {
            *index += 1;
            if *index < *length {
                self.fortran += *distance;
                return;
            }
            self.fortran -= (*length - 1) * *distance;
            *index = 0;
        }
    }

    /// Copies elements from a window, which holds the range `held` of the Fortran-ordered array, until `gathered` is
    /// full or the next element is outside; returns how many.
    fn gather(&mut self, window: &[u8], held: &Range<u64>, gathered: &mut [u8], size: usize) -> usize {
        let mut count = 0;
        for element in gathered.chunks_exact_mut(size) {
            if !held.contains(&self.fortran) {
                break;
            }
            let from = (self.fortran - held.start) as usize * size;
            element.copy_from_slice(&window[from..from + size]);
            count += 1;
            self.advance();
        }
        count
    }

    /// Skips at most `most` elements outside the window; returns how many.
    fn pass_outside(&mut self, held: &Range<u64>, most: usize) -> usize {
        let mut count = 0;
        while count < most && !held.contains(&self.fortran) {
            count += 1;
            self.advance();
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array, ShapeBuilder};

    #[test]
    fn the_odometer_finds_each_element_of_the_other_order() {
        let shape = [3, 2, 4, 5];
        let fortran = Array::from_shape_vec(shape.f(), (0..120_u64).collect()).expect("an array");
        let mut place = Odometer::new(&shape.map(|axis| axis as u64));
        // `iter` walks in logical (C) order; the value is the place in memory.
        for &expected in &fortran {
            assert_eq!(place.fortran, expected);
            place.advance();
        }
    }
}
