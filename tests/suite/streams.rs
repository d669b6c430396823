//! Streams of potentials of any shape, width and order count as whole arrays do.

use crate::support;
use neurotop::count::{
    Activity, LayerCount, MAX_BATCH_STEPS, MAX_LAYER_STEPS, NeuronCounts, Scratch, count_batch,
};
use neurotop::snapshot::Batch;
use proptest::prelude::*;
use support::arrays::{arrays, batch, layout};
use support::{Archive, Members, Npy};

/// Counts the one layer `x` of a batch. Which neurons are active is not compared here.
fn count(members: &Members, archive: Archive) -> LayerCount {
    LayerCount { activity: Activity::default(), ..whole_count(members, archive) }
}

/// How many neurons of the one layer `x` of a batch are silent and always active.
fn neurons(members: &Members, archive: Archive) -> Option<NeuronCounts> {
    whole_count(members, archive).activity.counts()
}

/// The same of its arrays, neuron by neuron.
fn plain_neurons(pre: Option<&Npy>, post: &Npy) -> Option<NeuronCounts> {
    if post.shape.contains(&0) || post.shape[0] < 2 {
        return None;
    }
    let neurons = post.shape[2..].iter().product::<usize>();
    let changes: Vec<bool> = support::changes(pre, post).iter().copied().collect();
    let of = |neuron: usize| changes[neuron..].iter().step_by(neurons);
    let count = |holds: &dyn Fn(usize) -> bool| (0..neurons).filter(|&neuron| holds(neuron)).count() as u128;
    Some(NeuronCounts {
        neurons: neurons as u128,
        silent: count(&|neuron| !of(neuron).any(|&changed| changed)),
        always_active: count(&|neuron| of(neuron).all(|&changed| changed)),
    })
}

fn whole_count(members: &Members, archive: Archive) -> LayerCount {
    let run = tempfile::tempdir().expect("a directory");
    let path = support::write_batch(run.path(), 0, members, archive);
    let batch = Batch::open(&path, None).expect("a batch");
    let mut count = count_batch(&batch, &mut Scratch::default()).expect("a count");
    count.layers.remove(0)
}

/// The count of arrays with so few steps that all are counted one by one.
fn reference(pre: Option<&Npy>, post: &Npy) -> LayerCount {
    let updates_by_step = support::updates_by_step(pre, post);
    let dense = post.shape.iter().product::<usize>() as u64;
    LayerCount { updates: updates_by_step.iter().sum(), dense, updates_by_step, ..LayerCount::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_pair_counts_as_its_arrays(
        (pre, post) in arrays(),
        fortran in any::<[bool; 2]>(),
        swapped in any::<[bool; 2]>(),
        deflated in any::<bool>(),
    ) {
        let expected = reference(Some(&pre), &post);
        let members = batch(Some(layout(pre, fortran[0], swapped[0])), layout(post, fortran[1], swapped[1]));
        let archive = if deflated { Archive::Deflated } else { Archive::Stored };
        prop_assert_eq!(count(&members, archive), expected);
    }

    /// In C order, or in two orders; in Fortran order alone it is not known.
    #[test]
    fn the_neurons_of_any_pair_trace_and_bits_are_those_of_their_arrays(
        (pre, post) in arrays(),
        fortran in any::<bool>(),
        swapped in any::<bool>(),
        deflated in any::<bool>(),
    ) {
        let archive = if deflated { Archive::Deflated } else { Archive::Stored };
        let expected = plain_neurons(Some(&pre), &post);
        let pair = batch(Some(layout(pre.clone(), fortran, swapped)), layout(post.clone(), false, swapped));
        prop_assert_eq!(neurons(&pair, archive), expected);
        let bits = support::as_bits(&batch(Some(pre.clone()), post.clone()));
        prop_assert_eq!(neurons(&bits, archive), expected);
        let trace = batch(None, layout(post.clone(), false, swapped));
        prop_assert_eq!(neurons(&trace, archive), plain_neurons(None, &post));
        let fortran = batch(Some(pre.reordered()), post.reordered());
        let activity = whole_count(&fortran, archive).activity;
        prop_assert_eq!(activity, if expected.is_some() { Activity::Unknown } else { Activity::Untold });
    }

    #[test]
    fn the_neurons_of_many_short_steps_are_those_of_their_arrays(
        steps in 1_usize..600,
        samples in 1_usize..3,
        width in 1_usize..40,
        salt in any::<u16>(),
    ) {
        let post = rare(&[steps, samples, width], usize::from(salt));
        let expected = plain_neurons(None, &post);
        let trace = batch(None, post);
        prop_assert_eq!(neurons(&trace, Archive::Stored), expected);
        prop_assert_eq!(neurons(&support::as_bits(&trace), Archive::Stored), expected);
    }

    #[test]
    fn many_short_steps_count_as_their_arrays(
        steps in 1_usize..600,
        samples in 1_usize..3,
        neurons in 1_usize..4,
        salt in any::<u16>(),
        fortran in any::<[bool; 2]>(),
    ) {
        let shape = [steps, samples, neurons];
        let (pre, post) = (large(&shape, usize::from(salt)), large(&shape, usize::from(salt) + 1));
        let expected = plain_count(&pre, &post, 0);
        let pair = batch(Some(layout(pre, fortran[0], false)), layout(post.clone(), fortran[1], false));
        prop_assert_eq!(count(&pair, Archive::Directory), expected);
        let expected = plain_count(&post, &post, samples * neurons);
        let trace = batch(None, layout(post.clone(), fortran[0], false));
        prop_assert_eq!(count(&trace, Archive::Stored), expected.clone());
        prop_assert_eq!(count(&support::as_bits(&batch(None, post)), Archive::Stored), expected);
    }

    #[test]
    fn any_trace_and_its_bits_count_as_its_array((_, post) in arrays(), fortran in any::<bool>(), swapped in any::<bool>()) {
        let expected = reference(None, &post);
        let trace = batch(None, layout(post.clone(), fortran, swapped));
        prop_assert_eq!(count(&trace, Archive::Directory), expected.clone());
        prop_assert_eq!(count(&support::as_bits(&batch(None, post)), Archive::Stored), expected);
    }
}

/// Potentials that change in a pattern without a period that a block could hide.
fn large(shape: &[usize], salt: usize) -> Npy {
    let elements = shape.iter().product::<usize>();
    let value = move |at: usize| ((at * 2_654_435_761 + salt) >> 7) % 3;
    Npy::potentials(shape, (0..elements).map(|at| value(at) as f32))
}

/// Potentials of which a third never change, a third change rarely, and a third always.
fn rare(shape: &[usize], salt: usize) -> Npy {
    let (elements, step) = (shape.iter().product::<usize>(), shape[1..].iter().product::<usize>());
    let value = move |at: usize| match at % step % 3 {
        0 => 0,
        1 => (((at + salt) * 2_654_435_761) >> 7) % 97 / 96,
        _ => at / step % 2,
    };
    Npy::potentials(shape, (0..elements).map(|at| value(at) as f32))
}

#[test]
fn the_neurons_of_arrays_larger_than_every_buffer() {
    for shape in [vec![7, 3, 50_001], vec![3, 1, 1_200_000], vec![300_003, 1, 2], vec![4097, 1, 65]] {
        for post in [rare(&shape, 3), large(&shape, 3)] {
            let expected = plain_neurons(None, &post);
            let trace = batch(None, post);
            assert_eq!(neurons(&trace, Archive::Stored), expected, "{shape:?}");
            assert_eq!(neurons(&support::as_bits(&trace), Archive::Stored), expected, "{shape:?} bits");
        }
    }
}

/// The count of a pair in C order, without the reference's one allocation an element.
fn plain_count(pre: &Npy, post: &Npy, lag: usize) -> LayerCount {
    let elements = post.data.len() / 4;
    let step = elements / post.shape[0];
    let mut by_step = vec![0; post.shape[0]];
    by_step[0] = step as u64;
    for at in step..elements {
        by_step[at / step] += u64::from(pre.data[4 * (at - lag)..][..4] != post.data[4 * at..][..4]);
    }
    let updates = by_step.iter().sum();
    by_step.truncate(MAX_LAYER_STEPS);
    LayerCount { updates, dense: elements as u64, updates_by_step: by_step, ..LayerCount::default() }
}

#[test]
fn arrays_larger_than_every_buffer() {
    // Few steps, steps read twice, and many more steps than are counted one by one.
    for shape in [vec![7, 3, 50_001], vec![3, 1, 1_200_000], vec![1_000_003, 1, 2], vec![4097, 1, 65]] {
        let post = large(&shape, 1);
        let step = shape[1..].iter().product();
        let expected = plain_count(&post, &post, step);
        assert_eq!(count(&batch(None, post.clone()), Archive::Stored), expected, "{shape:?}");
        assert_eq!(count(&batch(None, post.clone()), Archive::Deflated), expected, "{shape:?} deflated");
        assert_eq!(count(&batch(None, post.reordered()), Archive::Directory), expected, "{shape:?} fortran");
        let pre = large(&shape, 2);
        let expected = plain_count(&pre, &post, 0);
        let pair = batch(Some(pre.clone()), post.clone());
        assert_eq!(count(&pair, Archive::Stored), expected, "{shape:?} pair");
        let fortran = batch(Some(pre.reordered()), post.reordered());
        assert_eq!(count(&fortran, Archive::Stored), expected, "{shape:?} fortran pair");
    }
}

#[test]
fn a_pair_of_both_orders_larger_than_the_window() {
    let shape = [5, 3, 300_007];
    let (pre, post) = (large(&shape, 1), large(&shape, 2));
    let expected = plain_count(&pre, &post, 0);
    assert!(post.data.len() > 17 << 20);
    assert_eq!(count(&batch(Some(pre.reordered()), post.clone()), Archive::Stored), expected);
    assert_eq!(count(&batch(Some(pre), post.reordered()), Archive::Stored), expected);
}

#[test]
fn the_steps_of_a_batch_are_shared_out_among_its_layers() {
    let run = tempfile::tempdir().expect("a directory");
    let layers = 600;
    let names: Vec<String> = (0..layers).map(|layer| format!("{layer:03}.changed")).collect();
    let (steps, share) = (2000, MAX_BATCH_STEPS / layers);
    let mut members = Members::new();
    for name in &names {
        members.insert(name.clone(), Npy::packed(&vec![true; steps - 1]));
        members.insert(name.replace("changed", "shape"), Npy::integers(&[2], &[steps as i64, 1]));
    }
    let path = support::write_batch(run.path(), 0, &members, Archive::Stored);
    let batch = Batch::open(&path, None).expect("a batch");
    let count = count_batch(&batch, &mut Scratch::default()).expect("a count");
    for layer in &count.layers {
        assert_eq!((layer.updates, layer.updates_by_step.len()), (steps as u64, share));
        assert!(layer.updates_by_step.iter().all(|&updates| updates == 1));
    }
}
