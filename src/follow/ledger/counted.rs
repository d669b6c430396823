//! The counted batches of a ledger as they are kept for another time.

use super::gone::{Stretch, shared};
use crate::snapshot::{BatchId, BatchName, LayerShape};
use crate::storage::Identity;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::SystemTime;

/// Stands for the layers of a batch that the ledger had no room for.
pub(super) const NO_PLACE: u32 = u32::MAX;

/// The most times that are said of batches which are kept as a range: as many as the pace of a rank is taken from.
const MOST_TIMES: usize = 32;

/// A batch whose count is in the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedBatch {
    /// The name under which it was last seen.
    pub name: BatchName,
    /// The state in which it was counted.
    pub identity: Identity,
    /// Its layers, by their place among the sets of layers.
    pub(super) place: u32,
    /// What tells its count from another; `None` where an older version of neurotop counted it.
    pub(super) digest: Option<NonZeroU64>,
}

/// The counted batches of a ledger, to be kept for another time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedBatches {
    /// The sets of layers that batches have, each once.
    pub(super) shapes: Vec<Vec<LayerShape>>,
    pub(super) batches: Vec<CountedBatch>,
    /// Those that are gone, by rank and number, shared with the ledger.
    #[serde(with = "shared")]
    pub(super) gone: Vec<Arc<Stretch>>,
    /// Batches that were gone before they could be counted, or counted as they were in the end.
    pub(super) lost: Vec<BatchName>,
}

/// What an older version of neurotop kept of a batch: its name, the state in which it was counted, the place of its
/// layers, and what tells its count from another.
pub type OlderBatch = (BatchName, Identity, u32, Option<NonZeroU64>);

impl CountedBatches {
    /// Batches that an older version of neurotop kept: each with the place of its layers among `shapes`.
    pub fn from_older(
        shapes: Vec<Vec<LayerShape>>,
        batches: impl IntoIterator<Item = OlderBatch>,
        lost: Vec<BatchName>,
    ) -> Self {
        let counted = |(name, identity, place, digest)| CountedBatch { name, identity, place, digest };
        Self { shapes, batches: batches.into_iter().map(counted).collect(), gone: Vec::new(), lost }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let gone: usize = self.gone.iter().map(|stretch| stretch.len()).sum();
        self.batches.len() + gone
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.gone.is_empty()
    }

    /// The names of the batches, those that are gone too.
    pub fn names(&self) -> impl Iterator<Item = BatchName> {
        self.all().map(|(name, _)| name)
    }

    /// How many there are of each rank.
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

    /// When batches were written, and of which rank: of those that are kept as a range the newest, about.
    pub fn written(&self) -> impl Iterator<Item = (Option<u32>, SystemTime)> {
        let present = self.batches.iter().map(|batch| (batch.name.rank(), batch.identity.modified));
        let of_stretch =
            |stretch: &Stretch| (stretch.first().rank(), stretch.written(MOST_TIMES).collect::<Vec<_>>());
        let gone = self.gone.iter().map(move |stretch| of_stretch(stretch));
        let all =
            present.chain(gone.flat_map(|(rank, times)| times.into_iter().map(move |time| (rank, time))));
        // That of a state which nobody knows is none.
        all.filter(|(_, written)| *written > SystemTime::UNIX_EPOCH)
    }

    /// The names of batches that cannot be counted any more, as they were in the end.
    pub fn lost(&self) -> &[BatchName] {
        &self.lost
    }

    /// Which batches are counted, and what of each, in one number that does not depend on their order.
    pub fn fingerprint(&self) -> u64 {
        let present = self.batches.iter().map(|batch| batch.name.id().fingerprint(batch.digest));
        let gone = self.gone.iter().map(|stretch| stretch.fingerprint());
        present.chain(gone).fold(0, u64::wrapping_add)
    }

    /// The names of the batches, each with what tells its count from another.
    pub(super) fn all(&self) -> impl Iterator<Item = (BatchName, Option<NonZeroU64>)> {
        let present = self.batches.iter().map(|batch| (batch.name, batch.digest));
        present.chain(self.gone.iter().flat_map(|stretch| stretch.batches()))
    }

    /// Whether all that it says can be: each batch once, each place one that there is.
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

    /// Whether a batch is in one of the ranges, which are in their order.
    fn is_gone(&self, id: BatchId) -> bool {
        let sought = (id.rank, id.number);
        let before = self.gone.partition_point(|stretch| order(stretch.first()) <= sought);
        before.checked_sub(1).is_some_and(|at| order(self.gone[at].last()) >= sought)
    }
}

/// Ranks first: the numbers of one rank follow each other.
fn order(name: BatchName) -> (Option<u32>, u64) {
    (name.rank(), name.number)
}
