//! What a set of batches adds up to, before any price: a batch, a shard, a rank, an earlier process and a run are each
//! such a set. The order and the grouping in which sums are added never matter.

use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::{AddAssign, SubAssign};

/// The largest sum that a file may hold: no run comes near it, and no sum of operations overflows with it.
pub const MAX_SUM: u128 = 1 << 80;

/// Membrane updates: those that changed a membrane potential, and all that there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Updates {
    /// Membrane potentials that differ from those of the time step before.
    pub effective: u128,
    /// Membrane potentials of all time steps.
    pub dense: u128,
}

/// Neuron operations: updates × operations of one update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Operations {
    /// Operations of the updates that changed a membrane potential.
    pub effective: u128,
    /// Operations of all updates.
    pub dense: u128,
}

/// The sums over a set of batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sums {
    /// How many batches there are.
    pub batches: u64,
    /// Their samples.
    pub samples: u128,
    /// Their membrane updates.
    pub updates: Updates,
}

impl Updates {
    /// Their operations, where one update takes so many.
    pub fn times(self, ops_per_update: u64) -> Operations {
        let price = u128::from(ops_per_update);
        Operations {
            effective: self.effective.saturating_mul(price),
            dense: self.dense.saturating_mul(price),
        }
    }

    /// Whether both are small enough to be read from a file; and no more potentials changed than there were.
    pub fn is_sound(self) -> bool {
        self.effective <= self.dense && self.dense <= MAX_SUM
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
