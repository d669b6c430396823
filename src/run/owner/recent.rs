//! The counts of recent batches, so that they can be taken out of the sums again.

use crate::count::BatchCount;
use crate::snapshot::{BatchId, LayerShape};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The memory for these counts.
const MAX_BYTES: usize = 8 << 20;

/// The counts of the batches with the highest numbers, as many as there is room for.
#[derive(Debug, Default)]
pub(super) struct RecentCounts {
    batches: BTreeMap<BatchId, Kept>,
    bytes: usize,
    /// Where counts are written first, so that each is kept in one allocation of its size: rows that grow and shrink for
    /// each batch would fragment the memory.
    scratch: Vec<u8>,
}

impl RecentCounts {
    /// Keeps the count of a batch. Its shapes are `shared` with others, or take memory of their own.
    pub(super) fn keep(&mut self, id: BatchId, count: &BatchCount, shared: bool) {
        self.take(id);
        let Ok(mut written) = postcard::to_extend(&count.layers, std::mem::take(&mut self.scratch)) else {
            return;
        };
        let kept = Kept {
            samples: count.samples,
            shapes: Arc::clone(&count.shapes),
            layers: written.as_slice().into(),
            shape_bytes: if shared { 0 } else { LayerShape::bytes_of(&count.shapes) },
        };
        written.clear();
        self.scratch = written;
        self.bytes += kept.bytes();
        self.batches.insert(id, kept);
        while self.bytes > MAX_BYTES
            && let Some((_, forgotten)) = self.batches.pop_first()
        {
            self.bytes -= forgotten.bytes();
        }
    }

    /// Whether no batch can be taken out, as after a restart.
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether a batch can be taken out.
    pub(super) fn has(&self, id: BatchId) -> bool {
        self.batches.contains_key(&id)
    }

    /// Removes and returns the count of a batch, which is to be taken out of the sums.
    pub(super) fn take(&mut self, id: BatchId) -> Option<BatchCount> {
        let kept = self.batches.remove(&id)?;
        self.bytes -= kept.bytes();
        let layers = postcard::from_bytes(&kept.layers).ok()?;
        Some(BatchCount { samples: kept.samples, shapes: kept.shapes, layers })
    }
}

/// The count of one batch.
#[derive(Debug, Clone)]
struct Kept {
    samples: u64,
    shapes: Arc<[LayerShape]>,
    /// The counts of its layers, in few bytes where they are small.
    layers: Box<[u8]>,
    /// The memory that the shapes take for this batch alone.
    shape_bytes: usize,
}

impl Kept {
    /// The memory that it takes: its counts, itself, and what the tree and the allocator add.
    fn bytes(&self) -> usize {
        self.layers.len() + self.shape_bytes + 2 * size_of::<(BatchId, Self)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::LayerCount;
    use proptest::prelude::*;

    fn shapes(layers: usize) -> Arc<[LayerShape]> {
        (0..layers).map(|layer| LayerShape { name: layer.to_string(), neurons: Some(vec![2]) }).collect()
    }

    #[test]
    fn memory_is_bounded_and_the_highest_numbers_stay() {
        let wide = BatchCount::for_tests(1, &[("a", u64::MAX, 1); 50_000]);
        let mut recent = RecentCounts::default();
        (0..12).for_each(|number: u64| recent.keep(number.into(), &wide, true));
        assert!(recent.bytes <= MAX_BYTES);
        assert!(!recent.has(0.into()) && recent.take(0.into()).is_none());
        assert_eq!(recent.take(11.into()), Some(wide));
        assert!(!recent.has(11.into()));
    }

    #[test]
    fn the_same_number_of_two_ranks_is_two_batches() {
        let of_rank = |rank| BatchId { number: 3, rank };
        let count = |samples| BatchCount::for_tests(samples, &[]);
        let mut recent = RecentCounts::default();
        for (samples, rank) in [(1, None), (2, Some(0)), (3, Some(1))] {
            recent.keep(of_rank(rank), &count(samples), true);
        }
        assert_eq!(recent.take(of_rank(Some(0))), Some(count(2)));
        assert!(recent.take(of_rank(Some(0))).is_none() && recent.has(of_rank(None)));
    }

    proptest! {
        #[test]
        fn what_is_taken_is_what_was_kept(
            batches in prop::collection::vec(
                prop::collection::vec((any::<u64>(), any::<u32>(), prop::collection::vec(any::<u32>(), 0..5)), 0..4),
                0..20,
            ),
            wide in any::<bool>(),
        ) {
            let counts: Vec<BatchCount> = batches.iter().map(|layers| BatchCount {
                samples: 1,
                shapes: shapes(layers.len()),
                layers: layers.iter().map(|(updates, dense, steps)| LayerCount {
                    updates: if wide { *updates } else { u64::from(*dense) },
                    dense: u64::from(*dense),
                    updates_by_step: steps.iter().map(|&step| u64::from(step)).collect(),
                    ..LayerCount::default()
                }).collect(),
            }).collect();
            let mut recent = RecentCounts::default();
            for (number, count) in counts.iter().enumerate() {
                recent.keep((number as u64 % 7).into(), count, true);
            }
            let kept: usize = recent.batches.values().map(Kept::bytes).sum();
            prop_assert_eq!(recent.bytes, kept);
            for (number, count) in counts.iter().enumerate().rev().take(7) {
                let taken = recent.take((number as u64 % 7).into());
                prop_assert_eq!(taken.as_ref(), Some(count));
            }
            prop_assert_eq!(recent.bytes, 0);
        }
    }
}
