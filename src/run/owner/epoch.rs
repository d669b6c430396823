//! All that belongs to one tally of a run, from its first batch, or from kept progress, until it starts over.
//!
//! A tally that starts over is this value replaced by a new one, so that nothing of the old one can be left in the new
//! one. What outlives it, the run hands over by name ([`Run::begun_again`]), or it is the owner's: where the run is, and
//! when to look at it again.

use super::acknowledge::Acknowledgement;
use super::checkpoint::Checkpoints;
use super::deletion::Deletions;
use super::document::Document;
use super::layer_sets::LayerSets;
use super::rank_documents::{RankDocument, RankDocuments};
use super::recent::RecentCounts;
use crate::follow::Ledger;
use crate::run::state::{KnownManifest, Progress};
use crate::run::{Problem, Run};
use crate::snapshot::BatchName;
use crate::storage::Root;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant, SystemTime};

/// One tally, and what must be known to keep it right.
pub(super) struct Epoch {
    /// What everybody may know of it.
    pub(super) run: Run,
    pub(super) ledger: Ledger,
    /// What can be taken out of the figures again.
    pub(super) recent: RecentCounts,
    /// Counted batches that do not match the manifest and cannot be taken out.
    pub(super) mismatched: Vec<BatchName>,
    pub(super) manifest_document: Document,
    pub(super) end_document: Document,
    pub(super) rank_documents: RankDocuments,
    /// The document of a rank that the manifest was taken from, where the run has none of its own.
    pub(super) borrowed_from: Option<RankDocument>,
    pub(super) acknowledgement: Acknowledgement,
    pub(super) checkpoints: Checkpoints,
    /// The manifest that an earlier process knew, until this one knows the run's.
    pub(super) restored_manifest: Option<KnownManifest>,
    /// What told its directory from another then.
    pub(super) restored_root: Option<Root>,
    /// Whether nothing says yet that what an earlier process counted is of this run.
    pub(super) is_unconfirmed: bool,
    /// Whether batches came that may be of another run, so that no other is taken before everything is looked at.
    pub(super) is_in_doubt: bool,
    /// Whether an earlier process counted in a directory of another name, which may be that of another run.
    pub(super) is_from_elsewhere: bool,
    /// Whether batches may have been deleted since they were counted.
    pub(super) may_have_deleted: bool,
    pub(super) deletions: Deletions,
    /// Whether the run has come to its end, so that nothing is filled any more.
    pub(super) has_ended: bool,
    /// Whether everything was looked at.
    pub(super) scanned: bool,
    /// The first batch, by name, of which something was said that counts all the same, by what that is.
    pub(super) known_remarks: HashMap<(String, String), (BatchName, Problem)>,
    /// The layers of the counted batches, once they are looked at.
    pub(super) layer_sets: Option<LayerSets>,
    /// What is said of what looks like a part of the run and is none.
    pub(super) neighbours: Vec<Problem>,
    /// What has the name of a rank and cannot be looked into.
    pub(super) closed_ranks: HashSet<String>,
}

impl Epoch {
    /// One in which nothing is counted, as nothing is in the run.
    pub(super) fn new(settle: Duration, run: Run) -> Self {
        Self {
            run,
            ledger: Ledger::new(settle),
            recent: RecentCounts::default(),
            mismatched: Vec::new(),
            manifest_document: Document::new(settle),
            end_document: Document::new(settle),
            rank_documents: RankDocuments::new(settle),
            borrowed_from: None,
            acknowledgement: Acknowledgement::new(),
            checkpoints: Checkpoints::new(),
            restored_manifest: None,
            restored_root: None,
            is_unconfirmed: false,
            is_in_doubt: false,
            is_from_elsewhere: false,
            may_have_deleted: false,
            deletions: Deletions::default(),
            has_ended: false,
            scanned: false,
            known_remarks: HashMap::new(),
            layer_sets: None,
            neighbours: Vec::new(),
            closed_ranks: HashSet::new(),
        }
    }

    /// Resumes from the progress that an earlier process kept.
    pub(super) fn resume(&mut self, settle: Duration, progress: &Progress, is_from_elsewhere: bool) {
        self.run.resume(progress, SystemTime::now());
        self.ledger = Ledger::restore(settle, &progress.counted, Instant::now());
        self.restored_manifest.clone_from(&progress.manifest);
        self.restored_root = progress.root;
        self.may_have_deleted = progress.may_have_deleted;
        self.is_from_elsewhere = is_from_elsewhere;
        self.is_unconfirmed = true;
    }

    /// Which of the tallies of this process it is.
    pub(super) fn number(&self) -> u64 {
        self.run.restarts()
    }
}
