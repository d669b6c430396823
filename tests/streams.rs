//! Streams of potentials of any shape, width and order count as whole arrays do.

mod support;

use neurotop::count::{Scratch, count_batch};
use neurotop::snapshot::Batch;
use proptest::prelude::*;
use support::{Archive, Members, Npy};

/// Counts the one layer `x` of a batch.
fn count(members: &Members, archive: Archive) -> (u64, u64) {
    let run = tempfile::tempdir().expect("a directory");
    let path = support::write_batch(run.path(), 0, members, archive);
    let batch = Batch::open(&path, None).expect("a batch");
    let count = count_batch(&batch, &mut Scratch::default()).expect("a count");
    (count.layers[0].updates, count.layers[0].dense)
}

fn batch(pre: Option<Npy>, post: Npy) -> Members {
    let mut members = Members::from([("x.post".to_owned(), post)]);
    members.extend(pre.map(|pre| ("x.pre".to_owned(), pre)));
    members
}

fn layout(array: Npy, fortran: bool, swapped: bool) -> Npy {
    let array = if fortran { array.reordered() } else { array };
    if swapped { array.swapped() } else { array }
}

prop_compose! {
    /// Two arrays of the same shape; about half of the elements are the same in both, and in runs.
    fn arrays()(
        size in prop::sample::select(vec![2_usize, 4, 8]),
        shape in prop::collection::vec(0_usize..6, 2..5),
    )(
        data in prop::collection::vec(
            prop_oneof![Just(None), any::<[u8; 8]>().prop_map(Some), special().prop_map(Some)],
            2 * shape.iter().product::<usize>(),
        ),
        size in Just(size),
        shape in Just(shape),
    ) -> (Npy, Npy) {
        let mut last = vec![0; size];
        let bytes: Vec<u8> = data
            .into_iter()
            .flat_map(|element| {
                if let Some(element) = element {
                    last = element[8 - size..].to_vec();
                }
                last.clone()
            })
            .collect();
        let (pre, post) = bytes.split_at(bytes.len() / 2);
        let array = |data: &[u8]| Npy { descr: format!("<f{size}"), fortran: false, shape: shape.clone(), data: data.to_vec() };
        (array(pre), array(post))
    }
}

/// Highest bytes of zeros, infinities and NaNs in every width.
fn special() -> impl Strategy<Value = [u8; 8]> {
    prop::sample::select(vec![
        [0, 0],
        [0, 0x80],
        [0xf0, 0x7f],
        [0xf0, 0xff],
        [0x80, 0x7f],
        [0, 0x7c],
        [0xf8, 0x7f],
    ])
    .prop_map(|[low, high]| [0, 0, 0, 0, 0, 0, low, high])
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
        let expected = support::reference(Some(&pre), &post);
        let members = batch(Some(layout(pre, fortran[0], swapped[0])), layout(post, fortran[1], swapped[1]));
        let archive = if deflated { Archive::Deflated } else { Archive::Stored };
        prop_assert_eq!(count(&members, archive), expected);
    }

    #[test]
    fn any_trace_and_its_bits_count_as_its_array((_, post) in arrays(), fortran in any::<bool>(), swapped in any::<bool>()) {
        let expected = support::reference(None, &post);
        let trace = batch(None, layout(post.clone(), fortran, swapped));
        prop_assert_eq!(count(&trace, Archive::Directory), expected);
        prop_assert_eq!(count(&support::as_bits(&batch(None, post)), Archive::Stored), expected);
    }
}

/// Potentials that change in a pattern without a period that a block could hide.
fn large(shape: &[usize], salt: usize) -> Npy {
    let elements = shape.iter().product::<usize>();
    let value = move |at: usize| ((at * 2_654_435_761 + salt) >> 7) % 3;
    Npy::potentials(shape, (0..elements).map(|at| value(at) as f32))
}

/// The count of a pair in C order, without the reference's one allocation an element.
fn plain_count(pre: &Npy, post: &Npy, lag: usize) -> (u64, u64) {
    let elements = post.data.len() / 4;
    let step = elements / post.shape[0];
    let changed =
        (step..elements).filter(|&at| pre.data[4 * (at - lag)..][..4] != post.data[4 * at..][..4]).count();
    ((step + changed) as u64, elements as u64)
}

#[test]
fn arrays_larger_than_every_buffer() {
    for shape in [vec![7, 3, 50_001], vec![3, 1, 1_200_000], vec![1_000_003, 1, 2]] {
        let post = large(&shape, 1);
        let step = shape[1..].iter().product();
        let expected = plain_count(&post, &post, step);
        assert_eq!(count(&batch(None, post.clone()), Archive::Stored), expected, "{shape:?}");
        assert_eq!(count(&batch(None, post.clone()), Archive::Deflated), expected, "{shape:?} deflated");
        assert_eq!(count(&batch(None, post.reordered()), Archive::Directory), expected, "{shape:?} fortran");
        let pre = large(&shape, 2);
        let expected = plain_count(&pre, &post, 0);
        assert_eq!(
            count(&batch(Some(pre.clone()), post.clone()), Archive::Stored),
            expected,
            "{shape:?} pair"
        );
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
