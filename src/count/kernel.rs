//! Counts the elements that differ between two blocks of membrane potentials. Knows nothing about files or steps.
//!
//! An element has changed if `(pre - post) != 0` in IEEE arithmetic, as NeuroBench 2.3.0 counts
//! (`torch.count_nonzero(pre - post)` in `neuron_operations.py`): NaN counts, and so does `inf - inf`. The wrapping
//! difference of two integers is 0 only if they are equal.

use super::marks::ActivityMarks;
use crate::snapshot::{Dtype, ElementKind};
use fearless_simd::{Level, dispatch};
use std::iter::Sum;
use std::ops::Range;
use std::sync::LazyLock;

/// How many elements are counted into one small counter, which the compiler keeps in a vector register. Must fit into
/// 16 bits.
const CHUNK: usize = 4096;

/// Shorter runs are counted, and then marked together: a run may begin and end between two bytes of the marks.
const LONG_RUN: usize = 512;

/// The widest vector registers of this processor. The loops below are plain Rust, compiled once for each kind.
static LEVEL: LazyLock<Level> = LazyLock::new(Level::new);

/// The element type says how potentials are compared. They are in native byte order here.
impl Dtype {
    /// Counts the elements that differ between two blocks of whole elements in native byte order, at any alignment.
    /// If one block is longer, its rest is ignored.
    pub fn changed(self, pre: &[u8], post: &[u8]) -> u64 {
        let mut changed = [0];
        self.add_changed(pre, post, usize::MAX, &mut changed);
        changed[0]
    }

    /// Adds the changed elements of each `run` elements to one counter, as far as there are counters. The last run
    /// may be shorter.
    pub fn add_changed(self, pre: &[u8], post: &[u8], run: usize, counters: &mut [u64]) {
        self.add_and_mark(pre, post, run, counters, None);
    }

    /// Does the same, and marks in `marks` which elements changed.
    pub(super) fn add_and_mark(
        self,
        pre: &[u8],
        post: &[u8],
        run: usize,
        counters: &mut [u64],
        marks: Option<&mut ActivityMarks>,
    ) {
        dispatch!(*LEVEL, _simd => match (self.kind, self.size) {
            (ElementKind::Float, 2) => add::<2, u16>(pre, post, run, counters, marks, half_changed),
            (ElementKind::Float, 4) => add::<4, u32>(pre, post, run, counters, marks, single_changed),
            (ElementKind::Float, _) => add::<8, u64>(pre, post, run, counters, marks, double_changed),
            (_, 1) => add::<1, u16>(pre, post, run, counters, marks, integer_changed),
            (_, 2) => add::<2, u16>(pre, post, run, counters, marks, integer_changed),
            (_, 4) => add::<4, u32>(pre, post, run, counters, marks, integer_changed),
            (_, _) => add::<8, u64>(pre, post, run, counters, marks, integer_changed),
        })
    }
}

#[inline(always)]
fn single_changed(pre: [u8; 4], post: [u8; 4]) -> bool {
    f32::from_ne_bytes(pre) - f32::from_ne_bytes(post) != 0.0
}

#[inline(always)]
fn double_changed(pre: [u8; 8], post: [u8; 8]) -> bool {
    f64::from_ne_bytes(pre) - f64::from_ne_bytes(post) != 0.0
}

/// Without converting to a wider float: a half is unchanged where the patterns are equal and finite, or
/// both are zeros of either sign. A difference of two different halves never rounds to zero.
#[inline(always)]
fn half_changed(pre: [u8; 2], post: [u8; 2]) -> bool {
    let (pre, post) = (u16::from_ne_bytes(pre), u16::from_ne_bytes(post));
    let equal_and_finite = (pre == post) & ((pre & 0x7fff) < 0x7c00);
    let both_zero = (pre | post) & 0x7fff == 0;
    !(equal_and_finite | both_zero)
}

/// Compares bit patterns, for which the sign makes no difference.
#[inline(always)]
fn integer_changed<const SIZE: usize>(pre: [u8; SIZE], post: [u8; SIZE]) -> bool {
    pre != post
}

/// The counter should be as wide as an element, to fill vector registers alike, but at least 16 bits, to hold the
/// count of a chunk.
#[inline(always)]
fn count_elements<const SIZE: usize, Counter: From<bool> + Sum + Into<u64>>(
    pre: &[[u8; SIZE]],
    post: &[[u8; SIZE]],
    changed: &impl Fn([u8; SIZE], [u8; SIZE]) -> bool,
) -> u64 {
    let chunks = pre.chunks(CHUNK).zip(post.chunks(CHUNK));
    let in_chunk = |(pre, post): (&[[u8; SIZE]], &[[u8; SIZE]])| -> u64 {
        pre.iter().zip(post).map(|(&pre, &post)| Counter::from(changed(pre, post))).sum::<Counter>().into()
    };
    chunks.map(in_chunk).sum()
}

#[inline(always)]
fn add<const SIZE: usize, Counter: From<bool> + Sum + Into<u64>>(
    pre: &[u8],
    post: &[u8],
    run: usize,
    counters: &mut [u64],
    marks: Option<&mut ActivityMarks>,
    changed: impl Fn([u8; SIZE], [u8; SIZE]) -> bool,
) {
    let (pre, post) = (pre.as_chunks::<SIZE>().0, post.as_chunks::<SIZE>().0);
    let count = |pre: &[_], post: &[_]| count_elements::<SIZE, Counter>(pre, post, &changed);
    if let Some(marks) = marks {
        if run >= LONG_RUN {
            for ((pre, post), counter) in pre.chunks(run).zip(post.chunks(run)).zip(counters) {
                *counter += marks.count(pre, post, &changed, count);
            }
            return;
        }
        marks.count(pre, post, &changed, count);
    }
    if run == 1 {
        for ((&pre, &post), counter) in pre.iter().zip(post).zip(counters) {
            *counter += u64::from(changed(pre, post));
        }
        return;
    }
    for ((pre, post), counter) in pre.chunks(run).zip(post.chunks(run)).zip(counters) {
        *counter += count_elements::<SIZE, Counter>(pre, post, &changed);
    }
}

/// Reverses the bytes of each element of `size` bytes.
pub fn swap_bytes(block: &mut [u8], size: usize) {
    match size {
        2 => block.as_chunks_mut::<2>().0.iter_mut().for_each(|element| element.reverse()),
        4 => block.as_chunks_mut::<4>().0.iter_mut().for_each(|element| element.reverse()),
        8 => block.as_chunks_mut::<8>().0.iter_mut().for_each(|element| element.reverse()),
        _ => {}
    }
}

/// Marks so many elements that are packed as bits.
pub(super) fn mark_bits(marks: &mut ActivityMarks, block: &[u8], bits: usize) {
    dispatch!(*LEVEL, _simd => marks.mark_bits(block, bits));
}

/// Counts the set bits in a range of a block packed by `numpy.packbits`, whose first element is the
/// highest bit of the first byte.
pub fn set_bits(block: &[u8], bits: Range<u64>) -> u64 {
    let skipped = bits.start / 8;
    let block = usize::try_from(skipped).ok().and_then(|skipped| block.get(skipped..)).unwrap_or_default();
    let (first, end) = (bits.start % 8, bits.end - 8 * skipped);
    dispatch!(*LEVEL, _simd => leading_set_bits(block, end) - leading_set_bits(block, first))
}

#[inline(always)]
fn leading_set_bits(block: &[u8], bits: u64) -> u64 {
    let whole = usize::try_from(bits / 8).unwrap_or(usize::MAX).min(block.len());
    let (words, rest) = block[..whole].as_chunks::<8>();
    let mut count: u64 = words.iter().map(|&word| u64::from(u64::from_ne_bytes(word).count_ones())).sum();
    count += rest.iter().map(|&byte| u64::from(byte.count_ones())).sum::<u64>();
    if let Some(&last) = block.get(whole) {
        let padding = 8 - (bits % 8) as u32;
        count += u64::from((u32::from(last) >> padding).count_ones());
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;
    use proptest::prelude::*;

    const FLOATS: [Dtype; 3] =
        [of_kind(ElementKind::Float, 2), of_kind(ElementKind::Float, 4), of_kind(ElementKind::Float, 8)];

    const fn of_kind(kind: ElementKind, size: usize) -> Dtype {
        Dtype { kind, size, swapped: false }
    }

    fn integers() -> impl Iterator<Item = Dtype> {
        let kinds = [ElementKind::Signed, ElementKind::Unsigned].into_iter();
        kinds.flat_map(|kind| [1, 2, 4, 8].map(|size| of_kind(kind, size)))
    }

    fn bytes<const N: usize, T: Copy>(values: &[T], to_bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
        values.iter().flat_map(|&value| to_bytes(value)).collect()
    }

    #[test]
    fn nan_and_the_difference_of_infinities_count() {
        let pre = [f32::NAN, f32::INFINITY, f32::INFINITY, 0.0, -0.0, 1.0, f32::MIN_POSITIVE / 2.0, 1.0];
        let post = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 0.0, 1.0, 0.0, 1.0 + f32::EPSILON];
        assert_eq!(FLOATS[1].changed(&bytes(&pre, f32::to_ne_bytes), &bytes(&post, f32::to_ne_bytes)), 5);
        let (pre, post) = (pre.map(f64::from), post.map(f64::from));
        assert_eq!(FLOATS[2].changed(&bytes(&pre, f64::to_ne_bytes), &bytes(&post, f64::to_ne_bytes)), 5);
    }

    #[test]
    fn every_half_against_the_specials_is_as_subtraction_in_half_precision() {
        let specials =
            [0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x3c00, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0xfe01];
        for pre in 0..=u16::MAX {
            for post in specials.into_iter().chain([pre, pre ^ 1, pre ^ 0x8000]) {
                // Half subtraction is exact in single precision up to one rounding, which never gives zero.
                let difference = f16::from_f32(f16::from_bits(pre).to_f32() - f16::from_bits(post).to_f32());
                let expected = difference.to_f32() != 0.0;
                assert_eq!(
                    half_changed(pre.to_ne_bytes(), post.to_ne_bytes()),
                    expected,
                    "{pre:04x} {post:04x}"
                );
            }
        }
    }

    /// Where the low bytes of a number are in native byte order.
    fn low_bytes(size: usize) -> Range<usize> {
        if cfg!(target_endian = "little") { 0..size } else { 8 - size..8 }
    }

    /// Zeros, infinities, NaN and the numbers next to them, of either sign.
    fn special(dtype: Dtype, choice: u64) -> u64 {
        let (exponent, fraction) = match dtype.size {
            2 => (0x7c00, 10),
            4 => (0x7f80_0000, 23),
            _ => (0x7ff0_0000_0000_0000, 52),
        };
        let bits = [0, 1, exponent, exponent + 1, exponent - 1, 1 << fraction][choice as usize % 6];
        bits | (choice >> 63) << (8 * dtype.size - 1)
    }

    /// The rule in scalars, element by element.
    fn has_changed(dtype: Dtype, pre: u64, post: u64) -> bool {
        let half = |bits: u64| f16::from_bits(bits as u16);
        let single = |bits: u64| f32::from_bits(bits as u32);
        match (dtype.kind, dtype.size) {
            (ElementKind::Float, 2) => {
                f16::from_f32(half(pre).to_f32() - half(post).to_f32()).to_f32() != 0.0
            }
            (ElementKind::Float, 4) => single(pre) - single(post) != 0.0,
            (ElementKind::Float, _) => f64::from_bits(pre) - f64::from_bits(post) != 0.0,
            (_, size) => (pre ^ post) << (64 - 8 * size) != 0,
        }
    }

    proptest! {
        #[test]
        fn blocks_of_any_length_and_alignment_count_as_one_by_one(
            elements in prop::collection::vec((any::<u64>(), any::<u64>(), any::<bool>()), 0..9000),
            specials in prop::bool::weighted(0.3),
            offset in 0_usize..8,
            run in prop_oneof![1_usize..4, 1_usize..9000],
        ) {
            for dtype in FLOATS.into_iter().chain(integers()) {
                let size = dtype.size;
                let (mut pre, mut post) = (vec![0; offset], vec![0; offset]);
                let mut expected = 0;
                for &(a, b, same) in &elements {
                    let (a, b) = if specials { (special(dtype, a), special(dtype, b)) } else { (a, b) };
                    let b = if same { a } else { b };
                    pre.extend(&a.to_ne_bytes()[low_bytes(size)]);
                    post.extend(&b.to_ne_bytes()[low_bytes(size)]);
                    expected += u64::from(has_changed(dtype, a, b));
                }
                let (pre, post) = (&pre[offset..], &post[offset..]);
                prop_assert_eq!(dtype.changed(pre, post), expected);
                let mut counters = vec![1; (pre.len() / size).div_ceil(run)];
                dtype.add_changed(pre, post, run, &mut counters);
                prop_assert_eq!(counters.iter().map(|counter| counter - 1).sum::<u64>(), expected);
                for ((pre, post), counter) in pre.chunks(size * run).zip(post.chunks(size * run)).zip(counters) {
                    prop_assert_eq!(counter, 1 + dtype.changed(pre, post));
                }
            }
        }

        #[test]
        fn bits_count_as_one_by_one(
            block in prop::collection::vec(any::<u8>(), 0..100),
            ends in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let bits = block.len() * 8 + 1;
            let (one, other) = (ends.0.index(bits) as u64, ends.1.index(bits) as u64);
            let range = one.min(other)..one.max(other);
            let is_set = |bit: &u64| block[(bit / 8) as usize] >> (7 - bit % 8) & 1 == 1;
            prop_assert_eq!(set_bits(&block, range.clone()), range.filter(is_set).count() as u64);
        }
    }
}
