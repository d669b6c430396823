//! The progress of a run, kept in a file so that a count can go on after the program ended, however it did.

mod aside;
mod file;
mod known;
mod lock;
mod older;
mod place;
mod search;
mod sweep;
mod writer;

pub use aside::{Reason, free_name};
pub use file::{Unreadable, decode, default_path, encode, read, write};
pub use known::{Known, Loss, is_another_directory, is_of_another_run, kept, known};
pub use lock::Lock;
pub(crate) use lock::path_beside as lock_beside;
pub use place::Place;
pub use writer::StateWriter;

use crate::follow::{CountedBatches, Identity};
use crate::run::ranks::RankSums;
use crate::run::series::History;
use crate::run::sums::MAX_SUM;
use crate::run::tally::LayerSums;
use crate::snapshot::{LayerEntry, Manifest};
use crate::storage::Root;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// The version of what is kept. An older one is read as `older.rs` says; a newer one is left as it is.
pub const VERSION: u32 = 7;

/// The progress of a run at one moment: which batches are counted, and what came of them. The directory and the
/// manifest stay first, so that they can be read alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The run's directory, in whatever bytes the system has for it.
    pub directory: Vec<u8>,
    /// The run's own manifest, where it had one.
    pub manifest: Option<KnownManifest>,
    /// What tells the directory from another of the same name, where that is known.
    pub root: Option<Root>,
    /// The counted batches.
    pub counted: CountedBatches,
    /// Whether batches may have been deleted since they were counted: what is known of them is here alone.
    pub may_have_deleted: bool,
    /// What cannot be seen in the directory any more and keeps the figures from being whole, by its path; and what was
    /// noticed of counted batches, which are not read again.
    pub problems: Vec<(String, String)>,
    /// Sums by layer.
    pub layers: Vec<Arc<LayerSums>>,
    /// How many batches have each layer with so many steps, by the index of the layer: see
    /// [`Tally::step_lengths`](crate::run::tally::Tally::step_lengths). Empty where that is not known.
    pub step_lengths: Vec<Vec<(u64, u64)>>,
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
    id: Option<String>,
    run: Option<String>,
    producer: Option<String>,
    layers: Vec<LayerEntry>,
    /// The state of its file.
    pub identity: Option<Identity>,
}

/// What two manifests say of whether they are of the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinship {
    /// They have the same id: they are.
    SameId,
    /// They are the same file, which was not written anew.
    SameFile,
    /// Nothing.
    None,
}

impl KnownManifest {
    /// What there is to know of a manifest, whose file is in this state.
    pub fn of(manifest: &Manifest, identity: Option<Identity>) -> Self {
        let Manifest { id, run, producer, layers, .. } = manifest.clone();
        Self { id, run, producer, layers: layers.to_vec(), identity }
    }

    /// Whether it says the same as another one, of which no id tells that it is that of another run.
    fn resembles(&self, other: &Self) -> bool {
        let is_other = self.id.as_ref().zip(other.id.as_ref()).is_some_and(|(one, other)| one != other);
        !is_other && (&self.run, &self.producer, &self.layers) == (&other.run, &other.producer, &other.layers)
    }

    /// What it and a later one say of whether they are of the same run.
    pub fn kinship(&self, later: &Self) -> Kinship {
        match (&self.id, &later.id) {
            (Some(before), Some(now)) if before == now => Kinship::SameId,
            (Some(_), Some(_)) => Kinship::None,
            _ => {
                let files = self.identity.zip(later.identity);
                let is_same = files.is_some_and(|(before, now)| before.same_contents(&now));
                if is_same { Kinship::SameFile } else { Kinship::None }
            }
        }
    }

    /// Whether a manifest may be that of the same run, some time later: a producer learns of layers as it goes, and
    /// that their shapes vary. Where both have an id, that alone says it.
    pub fn may_become(&self, later: &Manifest) -> bool {
        if let (Some(before), Some(now)) = (&self.id, &later.id) {
            return before == now;
        }
        let before: HashMap<&str, &LayerEntry> =
            self.layers.iter().map(|layer| (layer.name.as_str(), layer)).collect();
        let mut common = later.layers.iter().filter_map(|now| Some((before.get(now.name.as_str())?, now)));
        let may_become = |before: &LayerEntry, now: &LayerEntry| {
            let shapes_fit = match (&before.shape, &now.shape) {
                (Some(before), Some(now)) => before == now,
                _ => true,
            };
            (&before.neuron, &before.reset) == (&now.neuron, &now.reset) && shapes_fit
        };
        let any_in_common =
            self.layers.is_empty() || later.layers.is_empty() || common.clone().next().is_some();
        (&self.run, &self.producer) == (&later.run, &later.producer)
            && any_in_common
            && common.all(|(before, now)| may_become(before, now))
    }
}

/// The bytes of a path, as they are kept.
pub fn path_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

impl Progress {
    /// Whether its parts belong together.
    fn is_sound(&self) -> bool {
        if !self.history.is_sound(self.layers.len())
            || !self.counted.is_sound()
            || !self.has_each_layer_once()
        {
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

    fn has_each_layer_once(&self) -> bool {
        let names: HashSet<&str> = self.layers.iter().map(|layer| layer.name.as_str()).collect();
        names.len() == self.layers.len()
    }

    /// Whether each rank has as many batches in its sums as are counted of it.
    fn has_sound_ranks(&self) -> bool {
        let mut counted = self.counted.by_rank();
        let ranks = self.ranks.iter().all(|(rank, sums)| {
            sums.is_sound(self.layers.len()) && sums.batches == counted.remove(rank).unwrap_or(0)
        });
        ranks && counted.is_empty()
    }
}
