//! The progress of a run, kept in a file so that counting can resume after the program ended, however it ended.
//!
//! # Why a file, and what it must survive
//!
//! Batches may be deleted once they are counted (`--prune`, or by a producer that is told which ones are). From then on
//! the state file is the only place that has their counts. So nothing is deleted before a file that counts it has
//! reached the disk, and a file that cannot be used is never overwritten: it is put aside or left alone, and the run
//! names it as a problem until somebody has dealt with it.
//!
//! # What is in it
//!
//! A head that says whose progress it is (the directory and the manifest, which are read alone when a run is looked
//! for), the list of counted batches, and what they add up to: a [`RunSums`], as in every other part of a run. The list
//! and the sums are written together, from one moment, and are checked against each other when written and when read:
//! the same number of batches, the same samples, each layer once, each rank with as many batches as the list has of it.
//! What follows from other files is not kept. Manifests, ends and problems that can still be seen are read again.
//!
//! The form is postcard (fields in order, no names) behind a header with a magic number, the version, the length and a
//! CRC-32. The file is written to a temporary name, synced and renamed, so that a crash leaves the old one or the new
//! one. A change of form is a new [`VERSION`], and `older.rs` then reads the form before it: nobody may lose counts by
//! an update. A file of a newer version is left alone, since the program that wrote it may still need it. So a file is
//! read, or refused with the reason, but never misread.
//!
//! # Whose it is
//!
//! A file is found by the path of its run (`place.rs`), and a path may lead to another run tomorrow. An id in both
//! manifests decides. Without ids, a manifest file that was not rewritten does, and without manifests the batches that
//! are still there as they were counted. Anything less is a guess: then the run starts over, and the old file is put
//! aside rather than replaced. The other way round, a run whose directory was moved finds its progress under its old
//! name (`search.rs`), if the id says so and nothing else can lay claim to it.
//!
//! One process at a time writes a file (`lock.rs`), in a thread of its own (`writer.rs`), so that no run waits for the
//! disk. Progress of runs that are gone is deleted after a while (`sweep.rs`), unless it has the only copy of counts.

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
pub use known::{Known, Loss, doubtful_loss, is_another_directory, is_of_another_run, kept, known};
pub use lock::Lock;
pub(crate) use lock::path_beside as lock_beside;
pub use place::StatePlace;
pub use writer::StateWriter;

use crate::follow::{CountedBatches, Identity};
use crate::run::run_sums::RunSums;
use crate::snapshot::{LayerEntry, Manifest};
use crate::storage::Root;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The version of the form. `older.rs` reads older ones; a file of a newer one is left as it is.
pub const VERSION: u32 = 8;

/// The progress of a run at one moment: which batches are counted, and what they add up to. The directory and the
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
    /// Whether batches may have been deleted since they were counted, so that their counts are here alone.
    pub may_have_deleted: bool,
    /// Problems that cannot be seen in the directory any more, by path: what keeps the figures from being whole, and
    /// what was noticed of counted batches, which are not read again.
    pub problems: Vec<(String, String)>,
    /// What the counted batches add up to.
    pub sums: RunSums,
    /// The batch with the highest number.
    pub newest: Option<(u64, String)>,
}

/// What is known of a run's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownManifest {
    id: Option<String>,
    run: Option<String>,
    producer: Option<String>,
    layers: Vec<KnownLayer>,
    /// The state of its file.
    pub identity: Option<Identity>,
}

/// What tells a layer of one model from that of another. Prices do not: a recorder may measure them later, and nothing
/// is priced from here, since the manifest is read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KnownLayer {
    name: String,
    neuron: String,
    reset: String,
    shape: Option<Vec<u64>>,
}

impl From<&LayerEntry> for KnownLayer {
    fn from(LayerEntry { name, neuron, reset, shape, price: _ }: &LayerEntry) -> Self {
        Self { name: name.clone(), neuron: neuron.clone(), reset: reset.clone(), shape: shape.clone() }
    }
}

/// What says that two manifests are of the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameRun {
    /// Both have the same id.
    ById,
    /// Both are the same file, which was not rewritten.
    ByFile,
    /// Nothing.
    Unknown,
}

impl KnownManifest {
    /// What is known of a manifest whose file is in this state.
    pub fn from_manifest(manifest: &Manifest, identity: Option<Identity>) -> Self {
        let Manifest { id, run, producer, layers, .. } = manifest;
        let layers = layers.iter().map(KnownLayer::from).collect();
        Self { id: id.clone(), run: run.clone(), producer: producer.clone(), layers, identity }
    }

    /// Whether another manifest says the same, and no id says that it is of another run.
    fn resembles(&self, other: &Self) -> bool {
        let is_other = self.id.as_ref().zip(other.id.as_ref()).is_some_and(|(one, other)| one != other);
        !is_other && (&self.run, &self.producer, &self.layers) == (&other.run, &other.producer, &other.layers)
    }

    /// What says that a later manifest is of the same run.
    pub fn same_run(&self, later: &Self) -> SameRun {
        match (&self.id, &later.id) {
            (Some(before), Some(now)) if before == now => SameRun::ById,
            (Some(_), Some(_)) => SameRun::Unknown,
            _ => {
                let files = self.identity.zip(later.identity);
                let is_same = files.is_some_and(|(before, now)| before.same_contents(&now));
                if is_same { SameRun::ByFile } else { SameRun::Unknown }
            }
        }
    }

    /// Whether a manifest may be of the same run, some time later. A producer learns of layers as it goes, and that their
    /// shapes vary. If both have an id, that alone decides.
    pub fn may_become(&self, later: &Manifest) -> bool {
        if let (Some(before), Some(now)) = (&self.id, &later.id) {
            return before == now;
        }
        let before: HashMap<&str, &KnownLayer> =
            self.layers.iter().map(|layer| (layer.name.as_str(), layer)).collect();
        let mut common = later.layers.iter().filter_map(|now| Some((before.get(now.name.as_str())?, now)));
        let may_become = |before: &KnownLayer, now: &LayerEntry| {
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
    /// Whether the list of counted batches and the sums belong together: the same batches in all, and of each rank.
    fn is_sound(&self) -> bool {
        let batches = self.sums.tally.batches();
        if !self.counted.is_sound() || batches != self.counted.len() as u64 {
            return false;
        }
        let mut counted = self.counted.by_rank();
        let mut ranks = self.sums.ranks.all();
        ranks.all(|(rank, known)| known.sums.batches == counted.remove(&rank).unwrap_or(0))
            && counted.is_empty()
    }
}
