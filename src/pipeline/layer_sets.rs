//! Which layers the counted batches have, to notice those that lack some which others have.

use crate::snapshot::{BatchName, LayerShape, SnapshotError};
use std::collections::HashSet;

/// Of more layers none is named that is missing: whoever brings ever new ones must not hold up the counting.
const MANY: usize = 1000;

/// The most missing layers that are named.
const NAMED: usize = 3;

/// The layers of all counted batches. In whatever order these come, it is the same in the end.
#[derive(Debug, Default)]
pub(super) struct LayerSets {
    all: HashSet<String>,
    /// The first batch, by name, that has all of them.
    whole: Option<BatchName>,
    /// The first that does not.
    lacking: Option<BatchName>,
}

impl LayerSets {
    /// Adds a batch.
    pub(super) fn add(&mut self, batch: BatchName, shapes: &[LayerShape]) {
        let before = self.all.len();
        for shape in shapes.iter().filter(|shape| shape.neurons.is_some()) {
            if !self.all.contains(&shape.name) {
                self.all.insert(shape.name.clone());
            }
        }
        if self.all.len() > before {
            self.lacking = self.lacking.into_iter().chain(self.whole.take()).min();
        }
        let has = shapes.iter().filter(|shape| self.all.contains(&shape.name)).count();
        let place = if has == self.all.len() { &mut self.whole } else { &mut self.lacking };
        *place = place.map_or(Some(batch), |first| Some(first.min(batch)));
    }

    /// What changes where another thing is to be said.
    pub(super) fn key(&self) -> (usize, Option<BatchName>) {
        (self.all.len(), self.lacking)
    }

    /// The first batch that lacks a layer.
    pub(super) fn lacking(&self) -> Option<BatchName> {
        self.lacking
    }

    /// What to say of that batch, whose layers these are.
    pub(super) fn remark(&self, shapes: &[LayerShape]) -> SnapshotError {
        SnapshotError::new(
            format!(
                "it lacks {}, here and perhaps later: its samples count for their figures per sample all the same",
                self.missing(shapes)
            ),
            "write every layer in every batch, and a run for each network",
        )
    }

    fn missing(&self, shapes: &[LayerShape]) -> String {
        if self.all.len() > MANY {
            return "layers that other batches have".to_owned();
        }
        let here: HashSet<&str> = shapes.iter().map(|shape| shape.name.as_str()).collect();
        let mut missing: Vec<&str> =
            self.all.iter().map(String::as_str).filter(|name| !here.contains(name)).collect();
        missing.sort_unstable();
        let named: Vec<String> = missing.iter().take(NAMED).map(|name| format!("{name:?}")).collect();
        let more = match missing.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("layers that other batches have ({}{more})", named.join(", "))
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
                assert_eq!(sets.lacking(), Some(batch(1)), "{first} {step}");
                let said = sets.remark(&shapes(batches[0].1)).what;
                assert!(said.contains("(\"c\")"), "{said}");
            }
        }
        let mut sets = LayerSets::default();
        sets.add(batch(5), &shapes(&["a", "b"]));
        sets.add(batch(6), &shapes(&["b", "a"]));
        assert_eq!(sets.lacking(), None);
        sets.add(batch(7), &[]);
        assert_eq!(sets.lacking(), Some(batch(7)));
    }

    /// An array without elements is said by itself.
    #[test]
    fn layers_without_elements_are_not_lacking() {
        let mut sets = LayerSets::default();
        sets.add(batch(0), &shapes(&["a"]));
        sets.add(batch(1), &[LayerShape { name: "a".into(), neurons: None }]);
        sets.add(batch(2), &[LayerShape { name: "b".into(), neurons: None }]);
        assert_eq!(sets.lacking(), Some(batch(2)), "it has no a");
    }
}
