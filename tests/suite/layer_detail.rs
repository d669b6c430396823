//! Details of layers of any shape, width, order and form are those of the whole arrays.

use crate::support;
use ndarray::Axis;
use neurotop::count::Scratch;
use neurotop::count::layer_detail::{LayerDetail, MAX_NEURONS, read_layer_detail};
use neurotop::snapshot::{Manifest, SnapshotError};
use proptest::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::arrays::{arrays, batch, layout};
use support::{Archive, Members, Npy};

fn read(path: &Path, layer: &str) -> Result<LayerDetail, SnapshotError> {
    read_layer_detail(path, None, layer, &mut Scratch::default(), &AtomicBool::new(false))
}

/// The detail of the one layer `x` of a batch.
fn of(members: &Members, archive: Archive) -> LayerDetail {
    let run = tempfile::tempdir().expect("a directory");
    read(&support::write_batch(run.path(), 0, members, archive), "x").expect("the layer's detail")
}

/// The changes of each neuron over the later steps and the samples.
fn rates(pre: Option<&Npy>, post: &Npy) -> Vec<u64> {
    if post.shape[0] == 0 {
        return vec![0; post.shape[2..].iter().product()];
    }
    let changes = support::changes(pre, post).mapv(u64::from);
    changes.sum_axis(Axis(0)).sum_axis(Axis(0)).iter().copied().collect()
}

fn assert_shape_and_rates(found: &LayerDetail, pre: Option<&Npy>, post: &Npy) {
    let shape: Vec<u64> = post.shape.iter().map(|&axis| axis as u64).collect();
    assert_eq!((found.steps, found.samples, found.shape.as_slice()), (shape[0], shape[1], &shape[2..]));
    assert_eq!(found.rates.as_ref().expect("few neurons"), &rates(pre, post));
}

fn assert_potentials(found: &LayerDetail, post: &Npy) {
    let values: Vec<f64> = post.values().iter().copied().collect();
    let count = |is: fn(&f64) -> bool| values.iter().filter(|value| is(value)).count() as u64;
    let found = found.potentials.as_ref().expect("potentials");
    assert_eq!(found.count, values.len() as u64);
    assert_eq!(found.finite, count(|value| value.is_finite()));
    assert_eq!(found.nan, count(|value| value.is_nan()));
    assert_eq!(found.positive_infinity, count(|&value| value == f64::INFINITY));
    assert_eq!(found.negative_infinity, count(|&value| value == f64::NEG_INFINITY));
    assert_eq!(found.at_rest, count(|&value| value == 0.0));
    let finite: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    assert_eq!(found.bins(7).iter().sum::<u64>(), found.finite);
    let Some(range) = found.range else {
        assert!(finite.is_empty());
        return;
    };
    assert_eq!(range.min, finite.iter().copied().fold(f64::INFINITY, f64::min));
    assert_eq!(range.max, finite.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    let mean = finite.iter().map(|value| value / finite.len() as f64).sum::<f64>();
    let largest = range.min.abs().max(range.max.abs());
    assert!((range.mean - mean).abs() <= largest * 1e-12, "{range:?} {mean}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn of_any_pair(
        (pre, post) in arrays(),
        fortran in any::<[bool; 2]>(),
        swapped in any::<[bool; 2]>(),
        deflated in any::<bool>(),
    ) {
        let pair = batch(
            Some(layout(pre.clone(), fortran[0], swapped[0])),
            layout(post.clone(), fortran[1], swapped[1]),
        );
        let found = of(&pair, if deflated { Archive::Deflated } else { Archive::Stored });
        assert_shape_and_rates(&found, Some(&pre), &post);
        assert_potentials(&found, &post);
    }

    #[test]
    fn of_any_trace_and_its_bits((_, post) in arrays(), fortran in any::<bool>(), swapped in any::<bool>()) {
        let found = of(&batch(None, layout(post.clone(), fortran, swapped)), Archive::Directory);
        assert_shape_and_rates(&found, None, &post);
        assert_potentials(&found, &post);
        let bits = of(&support::as_bits(&batch(None, post.clone())), Archive::Stored);
        assert_shape_and_rates(&bits, None, &post);
        prop_assert_eq!(bits.potentials, None);
    }
}

#[test]
fn of_every_golden_layer() {
    let mut layers = 0;
    for name in support::golden_names() {
        let run = support::golden(&name);
        let manifest = std::fs::read(run.join("manifest.json")).expect("a manifest");
        let manifest = Manifest::parse(&manifest).expect("a manifest");
        for path in support::batches(&run) {
            let members = support::read_batch(&path);
            for (layer, pre, post) in support::layers(&members) {
                let cancel = AtomicBool::new(false);
                let found =
                    read_layer_detail(&path, Some(&manifest), &layer, &mut Scratch::default(), &cancel);
                let found = found.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                assert_shape_and_rates(&found, pre, post);
                assert_potentials(&found, post);
                layers += 1;
            }
        }
    }
    assert!(layers > 100, "{layers}");
}

/// Potentials that stay or go up by one, without a period that a block could hide.
fn large(shape: &[usize]) -> Npy {
    let step: usize = shape[1..].iter().product();
    let mut values: Vec<f32> = Vec::with_capacity(step * shape[0]);
    for at in 0..step * shape[0] {
        let before = if at < step { 0.0 } else { values[at - step] };
        values.push(before + ((at * 2_654_435_761) >> 7 & 1) as f32);
    }
    Npy::potentials(shape, values)
}

#[test]
fn of_layers_larger_than_every_buffer() {
    for shape in [[40, 3, 10_007], [3, 1, 1_200_000], [100_003, 3, 2]] {
        let post = large(&shape);
        let step = shape[1] * shape[2];
        let value = |at: usize| f32::from_le_bytes(post.data[4 * at..][..4].try_into().expect("four bytes"));
        let mut rates = vec![0; shape[2]];
        (step..post.data.len() / 4)
            .for_each(|at| rates[at % shape[2]] += (value(at) - value(at - step)) as u64);
        let mean = (0..post.data.len() / 4).map(|at| f64::from(value(at))).sum::<f64>()
            / (post.data.len() / 4) as f64;
        for members in [batch(None, post.clone()), batch(None, post.reordered())] {
            let found = of(&members, Archive::Stored);
            assert!(found.rates.as_ref() == Some(&rates), "{shape:?}");
            let range = found.potentials.and_then(|potentials| potentials.range).expect("potentials");
            assert!((range.mean / mean - 1.0).abs() < 1e-12, "{shape:?} {range:?} {mean}");
        }
        let bits = of(&support::as_bits(&batch(None, post.clone())), Archive::Directory);
        assert!(bits.rates.as_ref() == Some(&rates), "{shape:?} as bits");
    }
}

#[test]
fn of_a_layer_with_too_many_neurons() {
    let neurons = MAX_NEURONS as usize + 1;
    let post =
        Npy { descr: "<f2".into(), fortran: false, shape: vec![1, 1, neurons], data: vec![0; 2 * neurons] };
    let found = of(&batch(None, post), Archive::Stored);
    assert_eq!(found.rates, None);
    assert_eq!(found.potentials.expect("potentials").at_rest, neurons as u64);
}

#[test]
fn a_layer_or_batch_that_is_not_there() {
    let run = tempfile::tempdir().expect("a directory");
    let path = support::write_batch(run.path(), 0, &support::small_batch(), Archive::Stored);
    let error = read(&path, "lif9").unwrap_err();
    assert!(error.what.contains("\"lif9\"") && error.what.contains("\"lif\""), "{error}");
    std::fs::remove_file(&path).expect("it was there");
    let error = read(&path, "lif").unwrap_err();
    assert!(error.what.contains("cannot read it"), "{error}");
}

#[test]
fn reading_that_is_cancelled_ends() {
    let run = tempfile::tempdir().expect("a directory");
    let path = support::write_batch(run.path(), 0, &support::small_batch(), Archive::Stored);
    let cancelled = read_layer_detail(&path, None, "lif", &mut Scratch::default(), &AtomicBool::new(true));
    assert!(cancelled.unwrap_err().what.contains("cancelled"));
}

#[test]
fn reading_is_cancelled_while_it_goes_on() {
    let run = tempfile::tempdir().expect("a directory");
    let path = run.path().join("batch-0");
    std::fs::create_dir(&path).expect("a directory");
    // Files with a hole take no room on disk, and far longer to read than it takes to cancel.
    support::write_zeros(&path.join("x.post.npy"), [1000, 1000, 1000]);
    let cancel = AtomicBool::new(false);
    let found = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read_layer_detail(&path, None, "x", &mut Scratch::default(), &cancel));
        std::thread::sleep(Duration::from_millis(100));
        cancel.store(true, Ordering::Relaxed);
        reading.join().expect("no panic")
    });
    assert!(found.unwrap_err().what.contains("cancelled"));
}

#[test]
fn a_corrupt_layer_has_no_detail() {
    let run = tempfile::tempdir().expect("a directory");
    let path = support::write_batch(run.path(), 0, &batch(None, large(&[5, 4, 300])), Archive::Stored);
    let mut bytes = std::fs::read(&path).expect("a batch");
    bytes[5000] ^= 1;
    std::fs::write(&path, bytes).expect("a batch");
    let error = read(&path, "x").unwrap_err();
    assert!(error.what.contains("CRC"), "{error}");
}
