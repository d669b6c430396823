//! What a set of batches adds up to, before any price. A batch, a shard, a rank, an earlier process and a run are each
//! such a set. The order and the grouping in which sums are added never matter.
//!
//! In files, an `Updates` is two numbers one after the other, and so is an `Operations`.

use crate::count::{BatchCount, LayerCount};
use crate::snapshot::MAX_COST;
use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::{AddAssign, SubAssign};

/// The largest sum that a file may hold: no run comes near it, and no sum of operations overflows with it.
pub const MAX_SUM: u128 = 1 << 80;

/// Membrane updates: those that changed a membrane potential, and all that there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Updates {
    /// Membrane potentials that differ from the time step before.
    #[serde(rename = "updates")]
    pub effective: u128,
    /// Membrane potentials of all time steps.
    #[serde(rename = "dense_updates")]
    pub dense: u128,
}

/// Neuron operations: updates × operations of one update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Operations {
    /// Operations of the updates that changed a membrane potential.
    pub effective: u128,
    /// Operations of all updates.
    pub dense: u128,
}

/// The sums over a set of batches. `U` is their updates: those of all layers together, or those of each layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sums<U = Updates> {
    /// How many batches there are.
    pub batches: u64,
    /// Their samples.
    pub samples: u128,
    /// Their membrane updates.
    pub updates: U,
}

impl From<&LayerCount> for Updates {
    fn from(count: &LayerCount) -> Self {
        Self { effective: count.updates.into(), dense: count.dense.into() }
    }
}

impl From<&BatchCount> for Sums {
    fn from(batch: &BatchCount) -> Self {
        let updates = batch.layers.iter().map(Updates::from).sum();
        Self { batches: 1, samples: batch.samples.into(), updates }
    }
}

impl Updates {
    /// The operations of these updates, at so many for one update.
    pub fn times(self, ops_per_update: u64) -> Operations {
        let price = u128::from(ops_per_update);
        Operations {
            effective: self.effective.saturating_mul(price),
            dense: self.dense.saturating_mul(price),
        }
    }

    /// The rest without some of these updates; `None` where there are not as many.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let effective = self.effective.checked_sub(other.effective)?;
        Some(Self { effective, dense: self.dense.checked_sub(other.dense)? })
    }

    /// Whether a file may hold these sums: no more potentials changed than there were, and nothing can overflow.
    pub fn is_sound(self) -> bool {
        self.effective <= self.dense && self.dense <= MAX_SUM
    }
}

impl Operations {
    /// Whether a file may hold these: what the most updates cost at the highest price.
    pub fn is_sound(self) -> bool {
        let most = MAX_SUM * u128::from(MAX_COST);
        self.effective <= self.dense && self.dense <= most
    }
}

macro_rules! adds {
    ($type:ty: $($field:ident)+) => {
        impl AddAssign for $type {
            fn add_assign(&mut self, other: Self) {
                $(self.$field += other.$field;)+
            }
        }
        impl SubAssign for $type {
            fn sub_assign(&mut self, other: Self) {
                $(self.$field -= other.$field;)+
            }
        }
        impl Sum for $type {
            fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
                all.fold(Self::default(), |mut sum, one| {
                    sum += one;
                    sum
                })
            }
        }
    };
}

adds!(Updates: effective dense);
adds!(Operations: effective dense);
adds!(Sums: batches samples updates);
