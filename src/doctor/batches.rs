//! The batches of a run: how many, how large, which numbers are missing.

use crate::snapshot::BatchId;
use serde::Serialize;
use std::collections::{BTreeSet, HashSet};

/// The batches of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Batches {
    /// How many there are.
    pub seen: u64,
    /// How many of them can be counted, by their headers (or were counted, where all was read).
    pub readable: u64,
    /// The samples in these.
    pub samples: u128,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes of the smallest and the largest.
    pub smallest_and_largest: Option<(u64, u64)>,
    /// The lowest and the highest number.
    pub first_and_last: Option<(u64, u64)>,
    /// Numbers between these that no rank has, as ranges: first to last, both included.
    pub missing: Vec<(u64, u64)>,
    /// How many more neurotop has counted before that are gone by now, as after `--prune`.
    pub counted_and_gone: u64,
    /// The updates in all of them, where all was read.
    pub updates: Option<u128>,
    /// Entries that are being written, or were left behind.
    pub temporary: u64,
    #[serde(skip)]
    pub(super) numbers: BTreeSet<u64>,
    /// Those that are gone.
    #[serde(skip)]
    pub(super) gone: HashSet<BatchId>,
    #[serde(skip)]
    pub(super) ids: HashSet<BatchId>,
}

impl Batches {
    /// Notes a batch; returns whether its number is new of its rank.
    pub(super) fn add(&mut self, id: BatchId, bytes: u64) -> bool {
        self.seen += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let (smallest, largest) = self.smallest_and_largest.unwrap_or((bytes, bytes));
        self.smallest_and_largest = Some((smallest.min(bytes), largest.max(bytes)));
        self.numbers.insert(id.number);
        self.ids.insert(id)
    }

    /// Notes a batch that was counted before; all that are here must have been added.
    pub(super) fn add_counted(&mut self, id: BatchId) {
        if !self.ids.contains(&id) && self.gone.insert(id) {
            self.counted_and_gone += 1;
        }
    }

    /// Notes what can only be said once all are known.
    pub(super) fn finish(&mut self) {
        self.first_and_last = self.numbers.first().copied().zip(self.numbers.last().copied());
        let gone = self.gone.iter().map(|id| id.number);
        let known: BTreeSet<u64> = self.numbers.iter().copied().chain(gone).collect();
        let pairs = known.iter().zip(known.iter().skip(1));
        self.missing = pairs.filter(|(a, b)| **b - **a > 1).map(|(a, b)| (a + 1, b - 1)).collect();
    }

    /// The missing numbers in words; `None` where there are none.
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
            assert!(batches.add(number.into(), 5));
        }
        assert!(!batches.add(9.into(), 7));
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
