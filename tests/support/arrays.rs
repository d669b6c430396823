//! Arrays of any shape, width and order, for property tests.

use super::{Members, Npy};
use proptest::prelude::*;

/// A batch of one layer `x`.
pub fn batch(pre: Option<Npy>, post: Npy) -> Members {
    let mut members = Members::from([("x.post".to_owned(), post)]);
    members.extend(pre.map(|pre| ("x.pre".to_owned(), pre)));
    members
}

/// The array in a memory order and byte order.
pub fn layout(array: Npy, fortran: bool, swapped: bool) -> Npy {
    let array = if fortran { array.reordered() } else { array };
    if swapped { array.swapped() } else { array }
}

prop_compose! {
    /// Two arrays of the same shape; about half of the elements are the same in both, and in runs.
    pub fn arrays()(
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
