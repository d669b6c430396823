//! The counted batches of a ledger as they are kept for another time.

use crate::snapshot::{BatchId, BatchName, LayerShape};
use crate::storage::Identity;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::num::NonZeroU64;

/// Stands for the layers of a batch that the ledger had no room for.
pub(super) const NO_PLACE: u32 = u32::MAX;

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
    /// Batches that were gone before they could be counted, or counted as they were in the end.
    pub(super) lost: Vec<BatchName>,
}

impl CountedBatches {
    /// Batches that an older version of neurotop kept: each with the place of its layers among `shapes`.
    pub fn from_older(
        shapes: Vec<Vec<LayerShape>>,
        batches: Vec<(BatchName, Identity, u32)>,
        lost: Vec<BatchName>,
    ) -> Self {
        let counted = |(name, identity, place)| CountedBatch { name, identity, place, digest: None };
        Self { shapes, batches: batches.into_iter().map(counted).collect(), lost }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The names and states of the batches.
    pub fn iter(&self) -> impl Iterator<Item = (BatchName, &Identity)> {
        self.batches.iter().map(|batch| (batch.name, &batch.identity))
    }

    /// The names of batches that cannot be counted any more, as they were in the end.
    pub fn lost(&self) -> &[BatchName] {
        &self.lost
    }

    /// Which batches are counted, and what of each, in one number that does not depend on their order.
    pub fn fingerprint(&self) -> u64 {
        let batches = self.batches.iter();
        batches.fold(0, |sum: u64, batch| sum.wrapping_add(batch.name.id().fingerprint(batch.digest)))
    }

    /// Whether all that it says can be: each batch once, each place one that there is.
    pub fn is_sound(&self) -> bool {
        let batches: HashSet<BatchId> = self.batches.iter().map(|batch| batch.name.id()).collect();
        let is_place = |place: u32| place == NO_PLACE || (place as usize) < self.shapes.len();
        let lost: HashSet<&BatchName> = self.lost.iter().collect();
        self.batches.iter().all(|batch| is_place(batch.place))
            && batches.len() == self.batches.len()
            && lost.len() == self.lost.len()
    }
}
