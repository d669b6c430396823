//! Potentials that are integers, as fixed-point frameworks save them, count where they differ: in every width, byte
//! order, memory order and form, as a plain loop over their values counts them.

use crate::support;
use neurotop::count::layer_detail::read_layer_detail;
use neurotop::count::{Activity, LayerCount, Scratch, count_batch};
use neurotop::snapshot::{Batch, SnapshotError};
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use support::arrays::{batch, layout};
use support::{Archive, Members, Npy};
use tempfile::TempDir;

/// The types, as NumPy writes them: how many bytes, and whether they are signed.
const TYPES: [(&str, usize, bool); 8] = [
    ("|i1", 1, true),
    ("<i2", 2, true),
    ("<i4", 4, true),
    ("<i8", 8, true),
    ("|u1", 1, false),
    ("<u2", 2, false),
    ("<u4", 4, false),
    ("<u8", 8, false),
];

const ARCHIVES: [Archive; 4] = [Archive::Stored, Archive::Deflated, Archive::Zip64, Archive::Directory];

/// The value of the lowest bytes of a number.
fn value(bits: u64, bytes: usize, signed: bool) -> i128 {
    let width = 8 * bytes as u32;
    let unsigned = i128::from(bits) & ((1 << width) - 1);
    if signed && unsigned >> (width - 1) == 1 { unsigned - (1 << width) } else { unsigned }
}

fn array(descr: &str, bytes: usize, shape: &[usize], values: &[u64]) -> Npy {
    let data = values.iter().flat_map(|value| value.to_le_bytes()[..bytes].to_vec()).collect();
    Npy { descr: descr.into(), fortran: false, shape: shape.to_vec(), data }
}

/// The count of values in C order, one by one: of the first step all, later those whose difference is not 0.
fn plain_count(shape: &[usize], pre: Option<&[i128]>, post: &[i128]) -> LayerCount {
    if post.is_empty() {
        return LayerCount::default();
    }
    let step: usize = shape[1..].iter().product();
    let mut updates_by_step = vec![0; shape[0]];
    for (at, &after) in post.iter().enumerate() {
        let before = if at < step { None } else { Some(pre.map_or_else(|| post[at - step], |pre| pre[at])) };
        updates_by_step[at / step] += u64::from(before.is_none_or(|before| after - before != 0));
    }
    LayerCount {
        updates: updates_by_step.iter().sum(),
        dense: post.len() as u64,
        updates_by_step,
        ..LayerCount::default()
    }
}

fn write(members: &Members, archive: Archive) -> (TempDir, PathBuf) {
    let run = tempfile::tempdir().expect("a directory");
    let path = support::write_batch(run.path(), 0, members, archive);
    (run, path)
}

fn open(members: &Members) -> Result<Batch, SnapshotError> {
    let (_run, path) = write(members, Archive::Stored);
    Batch::open(&path, None)
}

fn count(members: &Members, archive: Archive) -> LayerCount {
    let (_run, path) = write(members, archive);
    let batch = Batch::open(&path, None).expect("a batch");
    let count = count_batch(&batch, &mut Scratch::default()).expect("a count").layers.remove(0);
    LayerCount { activity: Activity::default(), ..count }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_pair_and_trace_count_as_their_values(
        kind in 0..TYPES.len(),
        shape in prop::collection::vec(0_usize..6, 2..5),
        fill in prop::collection::vec(prop_oneof![any::<u64>(), 0..3_u64, Just(u64::MAX), Just(1 << 63)], 2 * 6_usize.pow(4)),
        same in prop::collection::vec(any::<bool>(), 6_usize.pow(4)),
        fortran in any::<[bool; 2]>(),
        swapped in any::<[bool; 2]>(),
        archive in 0..ARCHIVES.len(),
    ) {
        let (descr, bytes, signed) = TYPES[kind];
        let elements: usize = shape.iter().product();
        let post = &fill[..elements];
        let pre: Vec<u64> = (0..elements).map(|at| if same[at] { post[at] } else { fill[elements + at] }).collect();
        let values = |bits: &[u64]| -> Vec<i128> { bits.iter().map(|&bits| value(bits, bytes, signed)).collect() };
        let (pre_values, post_values) = (values(&pre), values(post));
        let (pre, post) = (array(descr, bytes, &shape, &pre), array(descr, bytes, &shape, post));
        let (pre, post) = (layout(pre, fortran[0], swapped[0]), layout(post, fortran[1], swapped[1]));
        let archive = ARCHIVES[archive];
        let trace = count(&batch(None, post.clone()), archive);
        prop_assert_eq!(trace, plain_count(&shape, None, &post_values));
        let pair = count(&batch(Some(pre), post), archive);
        prop_assert_eq!(pair, plain_count(&shape, Some(&pre_values), &post_values));
    }
}

/// Larger than the blocks that are compared and summed at once, and than those that are counted in small counters.
#[test]
fn large_arrays_of_every_type_count_as_their_values() {
    let shape = [5, 3, 20_011];
    let elements: usize = shape.iter().product();
    for (descr, bytes, signed) in TYPES {
        let bits = |salt: usize| -> Vec<u64> {
            let draw = move |at: usize| ((at + salt) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            (0..elements).map(|at| (draw(at) % 3).wrapping_sub(1)).collect()
        };
        let values =
            |bits: &[u64]| -> Vec<i128> { bits.iter().map(|&bits| value(bits, bytes, signed)).collect() };
        let (pre_bits, post_bits) = (bits(1), bits(2));
        let (pre, post) = (array(descr, bytes, &shape, &pre_bits), array(descr, bytes, &shape, &post_bits));
        let (pre_values, post_values) = (values(&pre_bits), values(&post_bits));
        let expected = plain_count(&shape, None, &post_values);
        assert!(expected.updates > 100_000 && expected.updates < expected.dense, "{descr}");
        for archive in ARCHIVES {
            assert_eq!(count(&batch(None, post.clone()), archive), expected, "{descr} {archive:?}");
        }
        assert_eq!(
            count(&batch(None, post.reordered().swapped()), Archive::Stored),
            expected,
            "{descr} turned"
        );
        let expected = plain_count(&shape, Some(&pre_values), &post_values);
        assert_eq!(count(&batch(Some(pre.clone()), post.clone()), Archive::Stored), expected, "{descr} pair");
        assert_eq!(
            count(&batch(Some(pre.reordered()), post), Archive::Deflated),
            expected,
            "{descr} mixed pair"
        );
    }
}

/// In fewer bits the two would be the same.
#[test]
fn pairs_of_different_types_are_refused() {
    let types = ["|i1", "|u1", "<i4", "<u4", "<f4", "<f8", "<i8"];
    for (at, before) in types.iter().enumerate() {
        for (other, after) in types.iter().enumerate() {
            let array = |descr: &str| {
                let bytes: usize = descr[2..].parse().expect("a size");
                array(descr, bytes, &[2, 1, 3], &[0; 6])
            };
            let opened = open(&batch(Some(array(before)), array(after)));
            assert_eq!(opened.is_ok(), at == other, "{before} {after}");
            if let Err(error) = opened {
                assert!(error.to_string().contains(".pre and .post alike"), "{error}");
            }
        }
    }
}

#[test]
fn the_portrait_of_a_layer_of_integers_has_their_values() {
    for (descr, bytes, signed) in TYPES {
        let bits: Vec<u64> =
            [3, 0, 250, 3, 0, 1].map(|value: u64| if value == 250 { u64::MAX - 5 } else { value }).to_vec();
        let post = array(descr, bytes, &[3, 1, 2], &bits);
        for swapped in [false, true] {
            let (_run, path) = write(&batch(None, layout(post.clone(), false, swapped)), Archive::Stored);
            let portrait =
                read_layer_detail(&path, None, "x", &mut Scratch::default(), &AtomicBool::new(false))
                    .expect("one");
            assert_eq!(portrait.rates, Some(vec![2, 2]), "{descr}");
            let potentials = portrait.potentials.expect("potentials");
            let range = potentials.range.expect("a range");
            let lowest_or_highest = value(u64::MAX - 5, bytes, signed) as f64;
            let expected = if signed { (lowest_or_highest, 3.0) } else { (0.0, lowest_or_highest) };
            assert_eq!((range.min, range.max), expected, "{descr}");
            assert!(
                (range.mean - (7.0 + lowest_or_highest) / 6.0).abs() <= range.max.abs() * 1e-12,
                "{descr}"
            );
            assert_eq!((potentials.count, potentials.finite, potentials.at_rest), (6, 6, 2), "{descr}");
        }
    }
}
