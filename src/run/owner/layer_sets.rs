//! Notices counted batches that lack layers which others have.

use crate::snapshot::{BatchName, LayerShape};
use std::collections::HashSet;

/// The layers of all counted batches. The order of the batches does not matter.
#[derive(Debug, Default)]
pub(super) struct LayerSets {
    all: HashSet<String>,
    first: FirstBatches,
}

/// The first batch by name that has all layers that any batch has, and the first that lacks some.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FirstBatches {
    pub whole: Option<BatchName>,
    pub lacking: Option<BatchName>,
}

impl FirstBatches {
    /// The first of these batches and others, if all have the same layers in all.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        let first = |one: Option<BatchName>, other: Option<BatchName>| one.into_iter().chain(other).min();
        Self { whole: first(self.whole, other.whole), lacking: first(self.lacking, other.lacking) }
    }

    /// The first of these batches if other batches have more layers: then all of these lack some.
    #[must_use]
    pub fn all_lacking(self) -> Self {
        Self { whole: None, lacking: self.joined(Self { whole: None, lacking: self.whole }).lacking }
    }
}

impl LayerSets {
    /// Adds a batch.
    pub(super) fn add(&mut self, batch: BatchName, shapes: &[LayerShape]) {
        let before = self.all.len();
        for shape in shapes {
            if !self.all.contains(&shape.name) {
                self.all.insert(shape.name.clone());
            }
        }
        if self.all.len() > before {
            self.first = self.first.all_lacking();
        }
        // A batch has no layer twice.
        let one = FirstBatches { whole: Some(batch), lacking: None };
        let has_all = shapes.len() == self.all.len();
        self.first = self.first.joined(if has_all { one } else { one.all_lacking() });
    }

    pub(super) fn first(&self) -> FirstBatches {
        self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(number: u64) -> BatchName {
        BatchName::parse(&format!("batch-{number}.npz")).expect("a name")
    }

    fn shapes(names: &[&str]) -> Vec<LayerShape> {
        names.iter().map(|&name| LayerShape { name: name.into(), neurons: Some(vec![1]) }).collect()
    }

    #[test]
    fn the_first_batch_that_lacks_a_layer_is_known_in_whatever_order_they_come() {
        let batches: [(u64, &[&str]); 4] =
            [(1, &["a", "b"]), (2, &["b"]), (3, &["a", "b", "c"]), (0, &["c", "b", "a"])];
        for first in 0..4 {
            for step in [1, 3] {
                let mut sets = LayerSets::default();
                for at in 0..4 {
                    let (number, names) = batches[(first + at * step) % 4];
                    sets.add(batch(number), &shapes(names));
                }
                let expected = FirstBatches { whole: Some(batch(0)), lacking: Some(batch(1)) };
                assert_eq!(sets.first(), expected, "{first} {step}");
            }
        }
        let mut sets = LayerSets::default();
        sets.add(batch(5), &shapes(&["a", "b"]));
        sets.add(batch(6), &shapes(&["b", "a"]));
        assert_eq!(sets.first().lacking, None);
        sets.add(batch(7), &[]);
        assert_eq!(sets.first().lacking, Some(batch(7)));
    }

    /// That is said by itself.
    #[test]
    fn layers_without_elements_are_not_lacking() {
        let mut sets = LayerSets::default();
        sets.add(batch(1), &[LayerShape { name: "a".into(), neurons: None }]);
        sets.add(batch(0), &shapes(&["a"]));
        assert_eq!(sets.first().lacking, None);
    }
}
