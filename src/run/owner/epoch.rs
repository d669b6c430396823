//! Everything that belongs to one tally of a run, from its first batch, or from kept progress, until it starts over.
//!
//! A tally starts over by replacing this value, so that nothing of the old one can be left. What outlives it is passed
//! on by name ([`Run::begun_again`]), or belongs to the owner: where the run is, and when to look at it again.

use super::acknowledge::Acknowledgement;
use super::checkpoint::Checkpoints;
use super::deletion::Deletions;
use super::layer_sets::LayerSets;
use super::recent::RecentCounts;
use super::run_documents::{DocumentKey, RunDocuments};
use crate::follow::Ledger;
use crate::run::state::{KnownManifest, Progress};
use crate::run::{Problem, Run};
use crate::snapshot::BatchName;
use crate::storage::Root;
use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime};

/// One tally, and what must be known to keep it right.
#[derive(Default)]
pub(super) struct Epoch {
    /// What readers see of it.
    pub(super) run: Run,
    pub(super) ledger: Ledger,
    /// Counts that can be taken out of the sums again.
    pub(super) recent: RecentCounts,
    /// Counted batches that do not match the manifest and cannot be taken out.
    pub(super) mismatched: Vec<BatchName>,
    pub(super) documents: RunDocuments,
    /// The document of a rank that the manifest was taken from, if the run has none of its own.
    pub(super) borrowed_from: Option<DocumentKey>,
    pub(super) acknowledgement: Acknowledgement,
    pub(super) checkpoints: Checkpoints,
    /// The manifest that an earlier process knew, until this one knows the run's.
    pub(super) restored_manifest: Option<KnownManifest>,
    /// What told the directory from another then.
    pub(super) restored_root: Option<Root>,
    /// Whether it is not yet certain that what an earlier process counted is of this run.
    pub(super) is_unconfirmed: bool,
    /// Whether batches arrived that may be of another run, so that no other batch is counted before a full scan.
    pub(super) is_in_doubt: bool,
    /// Whether an earlier process counted in a directory of another name, which may be that of another run.
    pub(super) is_from_elsewhere: bool,
    pub(super) deletions: Deletions,
    /// Whether there was a full scan.
    pub(super) scanned: bool,
    /// The layers of the counted batches, once they are needed.
    pub(super) layer_sets: Option<LayerSets>,
    /// Problems of entries that look like a part of the run and are none.
    pub(super) neighbours: Vec<Problem>,
    /// Entries that are named like ranks and cannot be listed.
    pub(super) closed_ranks: HashSet<String>,
}

impl Epoch {
    /// An epoch with nothing counted.
    pub(super) fn new(settle: Duration, run: Run) -> Self {
        let (ledger, documents) = (Ledger::new(settle), RunDocuments::new(settle));
        Self { run, ledger, documents, ..Self::default() }
    }

    /// Resumes from the progress that an earlier process kept.
    pub(super) fn resume(&mut self, settle: Duration, progress: &Progress, is_from_elsewhere: bool) {
        self.run.resume(progress, SystemTime::now());
        self.ledger = Ledger::restore(settle, &progress.counted, Instant::now());
        self.restored_manifest.clone_from(&progress.manifest);
        self.restored_root = progress.root;
        self.is_from_elsewhere = is_from_elsewhere;
        self.is_unconfirmed = true;
    }

    /// The number of this tally in this process.
    pub(super) fn number(&self) -> u64 {
        self.run.lasting.epoch
    }
}
