//! The progress of a run, kept in a file so that a count can go on after the program ended, however it did.

mod file;
mod keeper;
mod lock;
mod sweep;

pub use file::{decode, default_path, encode, read, write};
pub use keeper::Keeper;
pub use lock::Lock;

use crate::follow::{CountedBatches, Identity};
use crate::history::{History, MAX_SUM};
use crate::ranks::RankSums;
use crate::snapshot::Manifest;
use crate::tally::LayerSums;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;

/// The version of what is kept; another one is not read.
pub const VERSION: u32 = 5;

/// The progress of a run at one moment: which batches are counted, and what came of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The run's directory.
    pub directory: PathBuf,
    /// The run's own manifest, where it had one.
    pub manifest: Option<KnownManifest>,
    /// The counted batches.
    pub counted: CountedBatches,
    /// Sums by layer.
    pub layers: Vec<LayerSums>,
    /// Samples counted.
    pub samples: u128,
    /// Bytes counted.
    pub bytes: u64,
    /// The figures over the batches.
    pub history: History,
    /// The sums by rank.
    pub ranks: Vec<(u32, RankSums)>,
    /// The batch with the highest number.
    pub newest: Option<(u64, String)>,
}

/// What is known of a run's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownManifest {
    /// What of it makes it that of another run.
    pub fingerprint: Fingerprint,
    /// The state of its file.
    pub identity: Option<Identity>,
}

/// What of a manifest makes it that of another run: its name, its producer, and what its layers are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// That of a manifest.
    pub fn of(manifest: &Manifest) -> Self {
        let layers =
            manifest.layers.iter().map(|layer| (&layer.name, &layer.neuron, &layer.reset, &layer.shape));
        let layers: Vec<_> = layers.collect();
        Self(format!("{:?} {:?} {layers:?}", manifest.run, manifest.producer))
    }
}

impl Progress {
    /// Whether its parts belong together.
    fn is_sound(&self) -> bool {
        if !self.history.is_sound(self.layers.len()) || !self.counted.is_sound() {
            return false;
        }
        let points = self.history.points();
        let batches = points.iter().try_fold(0_u64, |sum, point| sum.checked_add(point.batches));
        let samples: u128 = points.iter().map(|point| point.samples).sum();
        let layers = self.layers.iter().all(|layer| {
            let by_step = layer.updates_by_step.iter().all(|&updates| updates <= MAX_SUM);
            by_step && layer.updates <= MAX_SUM && layer.dense <= MAX_SUM
        });
        layers
            && self.has_sound_ranks()
            && batches == Some(self.counted.len() as u64)
            && samples == self.samples
    }

    /// Whether each rank has as many batches in its sums as are counted of it.
    fn has_sound_ranks(&self) -> bool {
        let mut counted: HashMap<u32, u64> = HashMap::new();
        for rank in self.counted.iter().filter_map(|(name, _)| name.rank()) {
            *counted.entry(rank).or_default() += 1;
        }
        let ranks = self.ranks.iter().all(|(rank, sums)| {
            sums.is_sound(self.layers.len()) && sums.batches == counted.remove(rank).unwrap_or(0)
        });
        ranks && counted.is_empty()
    }
}
