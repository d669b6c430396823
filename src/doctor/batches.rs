//! The batches of a run: how many, how large, which numbers are missing.

use crate::snapshot::BatchId;
use serde::Serialize;
use std::collections::{BTreeSet, HashSet};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Batches {
    /// Files and directories that are named as batches, twins too.
    pub seen: u64,
    /// Those that can be counted, by their headers; with `--deep`, by their data too.
    pub readable: u64,
    /// The samples in the readable ones.
    pub samples: u128,
    pub bytes: u64,
    /// In bytes.
    pub smallest_and_largest: Option<(u64, u64)>,
    /// The lowest and the highest number.
    pub first_and_last: Option<(u64, u64)>,
    /// Numbers between these that no rank has, as ranges: first to last, both included.
    pub missing: Vec<(u64, u64)>,
    /// Batches that neurotop has counted and that are gone by now, as after `--prune`.
    pub counted_and_gone: u64,
    /// Only with `--deep`.
    pub updates: Option<u128>,
    /// Batches that are being written, or were left behind, by their names.
    pub temporary: u64,
    #[serde(skip)]
    pub(super) ids: HashSet<BatchId>,
    #[serde(skip)]
    pub(super) gone: HashSet<BatchId>,
}

impl Batches {
    pub(super) fn add(&mut self, id: BatchId, bytes: u64) {
        self.seen += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let (smallest, largest) = self.smallest_and_largest.unwrap_or((bytes, bytes));
        self.smallest_and_largest = Some((smallest.min(bytes), largest.max(bytes)));
        self.ids.insert(id);
    }

    /// Batches that are here, or were counted and are gone.
    pub(super) fn known(&self) -> u64 {
        self.seen + self.counted_and_gone
    }

    /// Whether each batch can be counted, and none is gone.
    pub(super) fn are_all_readable(&self) -> bool {
        self.readable == self.seen && self.counted_and_gone == 0
    }

    /// Notes a batch that was counted before. All batches that are here must have been added.
    pub(super) fn add_counted(&mut self, id: BatchId) {
        if !self.ids.contains(&id) && self.gone.insert(id) {
            self.counted_and_gone += 1;
        }
    }

    /// Fills in what can only be said once all are known.
    pub(super) fn finish(&mut self) {
        let here: BTreeSet<u64> = self.ids.iter().map(|id| id.number).collect();
        self.first_and_last = here.first().copied().zip(here.last().copied());
        let gone = self.gone.iter().map(|id| id.number);
        let known: BTreeSet<u64> = here.into_iter().chain(gone).collect();
        let pairs = known.iter().zip(known.iter().skip(1));
        self.missing = pairs.filter(|(a, b)| **b - **a > 1).map(|(a, b)| (a + 1, b - 1)).collect();
    }

    /// The missing numbers in words; `None` if there are none.
    pub(super) fn missing_in_words(&self) -> Option<String> {
        const SHOWN: usize = 8;
        let range = |(first, last): &(u64, u64)| {
            if first == last { first.to_string() } else { format!("{first} to {last}") }
        };
        let some: Vec<String> = self.missing.iter().take(SHOWN).map(range).collect();
        let more = self.missing.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more gaps") } else { String::new() };
        (!some.is_empty()).then(|| some.join(", ") + &more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_named_as_ranges() {
        let mut batches = Batches::default();
        for number in [3, 4, 9, 11, u64::MAX] {
            batches.add(number.into(), 5);
        }
        batches.add(9.into(), 7);
        for number in [4, 7, 7, 12] {
            batches.add_counted(BatchId::from(number));
        }
        assert_eq!(batches.counted_and_gone, 2);
        batches.gone.clear();
        batches.finish();
        assert_eq!(batches.missing, [(5, 8), (10, 10), (12, u64::MAX - 1)]);
        assert_eq!(batches.missing_in_words().as_deref(), Some("5 to 8, 10, 12 to 18446744073709551614"));
        assert_eq!((batches.seen, batches.bytes, batches.smallest_and_largest), (6, 32, Some((5, 7))));
        assert_eq!(batches.first_and_last, Some((3, u64::MAX)));
        assert_eq!(Batches::default().missing_in_words(), None);
    }
}
