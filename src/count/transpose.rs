//! Counts pairs of which one array is in C order and the other in Fortran order, in bounded memory.
//!
//! NumPy saves an array in Fortran order only where it was laid out so; a pair of both orders is rare,
//! but it is valid. Element `i` of one file then belongs to a far-away element of the other. A window of
//! one array is held in memory while the other streams past; an array larger than the window takes
//! several passes.

use super::Scratch;
use super::stream::{BLOCK, Elements};
use crate::snapshot::{Array, Order, SnapshotError};

/// Bytes of the array that is held.
const WINDOW: usize = 16 << 20;

/// Counts the changed elements of the later steps. Exactly one of the arrays is in Fortran order.
///
/// # Errors
/// Where the data cannot be read, end early or are corrupt.
pub(super) fn count_mixed_orders(
    pre: &Array,
    post: &Array,
    step: u64,
    scratch: &mut Scratch,
) -> Result<u64, SnapshotError> {
    let (held, streamed) = if pre.header.order == Order::Fortran { (pre, post) } else { (post, pre) };
    let mut windows = Elements::new(held)?;
    let size = windows.width.bytes();
    let mut changed = 0;
    let mut start = 0;
    while windows.left > 0 {
        let length = windows.block(WINDOW) * size;
        let (window, block) = scratch.both_of(length.min(WINDOW), BLOCK);
        windows.fill(&mut window[..length])?;
        changed += count_window(&window[..length], start, streamed, step, block)?;
        start += (length / size) as u64;
    }
    windows.finish()?;
    if start == 0 {
        Elements::new(streamed)?.finish()?;
    }
    Ok(changed)
}

/// Counts the elements that lie in a window of the Fortran-ordered array, beginning at its element
/// `start`, while the C-ordered array streams past.
fn count_window(
    window: &[u8],
    start: u64,
    streamed: &Array,
    step: u64,
    block: &mut [u8],
) -> Result<u64, SnapshotError> {
    let mut elements = Elements::new(streamed)?;
    let width = elements.width;
    let size = width.bytes();
    let end = start + (window.len() / size) as u64;
    let mut place = Odometer::new(&streamed.header.shape);
    let mut position = 0;
    let mut changed = 0;
    while elements.left > 0 {
        let length = elements.block(block.len()) * size;
        elements.fill(&mut block[..length])?;
        for element in block[..length].chunks_exact(size) {
            if position >= step && (start..end).contains(&place.fortran) {
                let at = (place.fortran - start) as usize * size;
                changed += width.changed(&window[at..at + size], element);
            }
            position += 1;
            place.advance();
        }
    }
    elements.finish()?;
    Ok(changed)
}

/// Walks the elements of an array in C order and knows the place of each in Fortran order.
struct Odometer {
    /// For each axis, the last one first: its index, length and distance in Fortran order.
    axes: Vec<(u64, u64, u64)>,
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
