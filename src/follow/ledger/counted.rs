//! The counted batches of a ledger, as they are saved.

use super::gone::{Stretch, shared};
use crate::snapshot::{BatchId, BatchName, LayerShape};
use crate::storage::Identity;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::SystemTime;

/// Stands for unknown layers: the ledger had no room for them.
pub(super) const NO_PLACE: u32 = u32::MAX;

/// The most times returned for batches in a range: as many as the pace of a rank is computed from.
const MOST_TIMES: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedBatch {
    /// The last known name.
    pub name: BatchName,
    pub identity: Identity,
    /// The index of its set of layers.
    pub place: u32,
    /// The digest of its count; `None` if an older version of neurotop counted it.
    pub digest: Option<NonZeroU64>,
}

/// The counted batches of a ledger, to be saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedBatches {
    /// The distinct sets of layers.
    pub(super) shapes: Vec<Vec<LayerShape>>,
    pub(super) batches: Vec<CountedBatch>,
    /// Batches that are gone, by rank and number, shared with the ledger.
    #[serde(with = "shared")]
    pub(super) gone: Vec<Arc<Stretch>>,
    /// Batches that were gone before their last state was counted.
    pub(super) lost: Vec<BatchName>,
}

impl CountedBatches {
    /// Batches of which none is gone, as older versions of neurotop saved them.
    pub fn from_older(
        shapes: Vec<Vec<LayerShape>>,
        batches: Vec<CountedBatch>,
        lost: Vec<BatchName>,
    ) -> Self {
        Self { shapes, batches, gone: Vec::new(), lost }
    }

    pub fn len(&self) -> usize {
        let gone: usize = self.gone.iter().map(|stretch| stretch.len()).sum();
        self.batches.len() + gone
    }

    pub fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.gone.is_empty()
    }

    /// The names of all batches, including those that are gone.
    pub fn names(&self) -> impl Iterator<Item = BatchName> {
        self.all().map(|(name, _)| name)
    }

    /// The number of batches of each rank.
    pub fn by_rank(&self) -> HashMap<u32, u64> {
        let present = self.batches.iter().map(|batch| (batch.name.rank(), 1));
        let gone = self.gone.iter().map(|stretch| (stretch.first().rank(), stretch.len() as u64));
        let mut ranks = HashMap::new();
        for (rank, batches) in present.chain(gone) {
            if let Some(rank) = rank {
                *ranks.entry(rank).or_default() += batches;
            }
        }
        ranks
    }

    /// The rank of batches and when they were written. For batches in a range, approximate times of the newest
    /// ones, and that of the oldest.
    pub fn written(&self) -> impl Iterator<Item = (Option<u32>, SystemTime)> {
        let present = self.batches.iter().map(|batch| (batch.name.rank(), batch.identity.modified));
        let of_stretch =
            |stretch: &Stretch| (stretch.first().rank(), stretch.written(MOST_TIMES).collect::<Vec<_>>());
        let gone = self.gone.iter().map(move |stretch| of_stretch(stretch));
        let all =
            present.chain(gone.flat_map(|(rank, times)| times.into_iter().map(move |time| (rank, time))));
        // An unknown state has no time.
        all.filter(|(_, written)| *written > SystemTime::UNIX_EPOCH)
    }

    /// How many batches have no known time.
    pub fn untimed(&self) -> u64 {
        let is_known = |written: SystemTime| written > SystemTime::UNIX_EPOCH;
        let present = self.batches.iter().filter(|batch| !is_known(batch.identity.modified)).count();
        let gone = self.gone.iter().filter(|stretch| !stretch.written(1).any(is_known));
        (present + gone.map(|stretch| stretch.len()).sum::<usize>()) as u64
    }

    /// The names of batches whose last state cannot be counted any more.
    pub fn lost(&self) -> &[BatchName] {
        &self.lost
    }

    /// One number for the set of counted batches and their counts, independent of their order.
    pub fn fingerprint(&self) -> u64 {
        let present = self.batches.iter().map(|batch| batch.name.id().fingerprint(batch.digest));
        let gone = self.gone.iter().map(|stretch| stretch.fingerprint());
        present.chain(gone).fold(0, u64::wrapping_add)
    }

    /// The names of the batches with the digests of their counts.
    pub(super) fn all(&self) -> impl Iterator<Item = (BatchName, Option<NonZeroU64>)> {
        let present = self.batches.iter().map(|batch| (batch.name, batch.digest));
        present.chain(self.gone.iter().flat_map(|stretch| stretch.batches()))
    }

    /// Whether it is consistent: each batch is there once, and each index is valid.
    pub fn is_sound(&self) -> bool {
        let is_place = |place: u32| place == NO_PLACE || (place as usize) < self.shapes.len();
        let batches: HashSet<BatchId> = self.batches.iter().map(|batch| batch.name.id()).collect();
        let lost: HashSet<&BatchName> = self.lost.iter().collect();
        self.batches.iter().all(|batch| is_place(batch.place))
            && self.gone.iter().all(|stretch| is_place(stretch.place) && stretch.is_sound())
            && batches.len() == self.batches.len()
            && lost.len() == self.lost.len()
            && self.gone.is_sorted_by(|stretch, next| order(stretch.last()) < order(next.first()))
            && batches.iter().all(|&batch| !self.is_gone(batch))
    }

    /// Whether a batch is in one of the sorted ranges.
    fn is_gone(&self, id: BatchId) -> bool {
        let sought = (id.rank, id.number);
        let before = self.gone.partition_point(|stretch| order(stretch.first()) <= sought);
        before.checked_sub(1).is_some_and(|at| order(self.gone[at].last()) >= sought)
    }
}

/// Sorts by rank, so that the numbers of one rank are adjacent.
fn order(name: BatchName) -> (Option<u32>, u64) {
    (name.rank(), name.number)
}
