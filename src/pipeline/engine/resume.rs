//! Goes on from what an earlier process counted, as long as it is of the same run, and starts over.

use super::Engine;
use crate::follow::{Account, Found, Identity, Ledger, scan};
use crate::pipeline::acknowledge::Acknowledgement;
use crate::pipeline::deletion::Deletions;
use crate::pipeline::document::Document;
use crate::pipeline::layer_sets::FirstBatches;
use crate::pipeline::rank_documents::RankDocuments;
use crate::pipeline::{Keeping, Mode, Restored, Update};
use crate::run::PROGRESS;
use crate::snapshot::{BatchId, BatchName, SnapshotError};
use crate::state::{Kinship, is_another_directory};
use crate::storage::Root;
use std::collections::HashSet;
use std::time::Instant;

/// Why a tally starts over where a run is not the one that was counted.
pub(super) const REPLACED: &str = "the run was replaced by another since it was last watched";
const OF_ANOTHER: &str = "the progress in the state file is that of another run";
pub(super) const BEGUN_AGAIN: &str = "another run was begun in the same directory";

impl Engine {
    /// Takes over what an earlier process counted.
    pub(in crate::pipeline) fn go_on_from(&mut self, restored: Restored) {
        self.ledger = Ledger::restore(self.options.settle, &restored.counted, Instant::now());
        self.note_restored_layers();
        tracing::info!(directory = ?self.directory, "goes on from a kept progress");
        self.restored_manifest = restored.manifest;
        self.restored_root = restored.root;
        self.may_have_deleted = restored.may_have_deleted;
        self.is_from_elsewhere = restored.is_from_elsewhere;
        self.is_unconfirmed = true;
    }

    /// Why what was counted is not of the run that is there, if it is not. If all is well, what an earlier process
    /// counted and is there as it was is deleted where that is asked for.
    pub(super) fn is_another(&mut self, found: &[Found]) -> Option<&'static str> {
        if !self.is_unconfirmed {
            return self.is_begun_again(found).then_some(BEGUN_AGAIN);
        }
        let (mut safe, mut changed, mut others) = (Vec::new(), HashSet::new(), 0);
        for found in found {
            let Some(name) = BatchName::parse(&found.name) else { continue };
            match self.as_counted(found, name) {
                Some(identity) => safe.push((name, identity)),
                None if self.ledger.is_in_figures(name) => drop(changed.insert(name)),
                None => others += 1,
            }
        }
        if safe.is_empty() && changed.is_empty() && others == 0 {
            return None;
        }
        let is_known = !safe.is_empty()
            || match self.kinship() {
                Kinship::SameId => true,
                // What was counted may have been deleted because it was; a batch of its name is another one.
                Kinship::SameFile => self.may_have_deleted && self.ledger.in_figures() > changed.len() as u64,
                Kinship::None => false,
            };
        if self.is_from_elsewhere && !is_known {
            return Some(OF_ANOTHER);
        }
        if !is_known && (!changed.is_empty() || !self.may_delete() || self.is_elsewhere()) {
            return Some(if self.recent.is_empty() { REPLACED } else { BEGUN_AGAIN });
        }
        self.is_unconfirmed = false;
        self.restored_root = None;
        if is_known {
            self.acknowledge_restored(&changed);
        }
        self.plan_deletion(safe);
        None
    }

    /// Whether another run was begun in the place of the one that was counted, without a word in its manifest: of
    /// the batches that are there none is counted, their numbers begin where the counted ones began, and some of
    /// those are gone. Where batches are deleted once they are counted, that is no wonder.
    fn is_begun_again(&self, found: &[Found]) -> bool {
        let batches = || found.iter().filter_map(|found| Some((found, BatchName::parse(&found.name)?)));
        let (Some(lowest), Some(first)) =
            (self.ledger.lowest_counted(), batches().map(|(_, name)| name.number).min())
        else {
            return false;
        };
        let has_id = self.own_manifest().is_some_and(|manifest| manifest.id.is_some());
        if has_id || first > lowest || self.may_delete() || self.options.mode == Mode::Once {
            return false;
        }
        if batches().any(|(found, name)| self.as_counted(found, name).is_some()) {
            return false;
        }
        let present: HashSet<BatchId> = batches().map(|(_, name)| name.id()).collect();
        self.ledger.lacks_any(&present)
    }

    /// Whether a batch may be one of another run: the first of it, or one that came after that.
    pub(super) fn may_be_of_another(&self, found: &Found, name: BatchName) -> bool {
        let begins = || self.ledger.lowest_counted().is_some_and(|lowest| name.number <= lowest);
        let is_telling = self.is_unconfirmed || self.is_in_doubt || (begins() && !self.may_delete());
        is_telling && !self.ledger.is_in_progress(name) && self.as_counted(found, name).is_none()
    }

    /// The state in which a batch was counted, under this name or another, if it is in that state still.
    fn as_counted(&self, found: &Found, name: BatchName) -> Option<Identity> {
        self.ledger.as_counted(name, &found.identity)
    }

    /// What the manifest says of whether this is the run that was counted; without one, that batches are deleted
    /// here says as much as one that was not written anew.
    pub(super) fn kinship(&self) -> Kinship {
        match (&self.restored_manifest, self.known_manifest()) {
            (Some(before), Some(now)) => before.kinship(&now),
            (None, None) if self.options.keeping == Keeping::ProgressAndPrune && !self.is_elsewhere() => {
                Kinship::SameFile
            }
            _ => Kinship::None,
        }
    }

    /// Whether an earlier process counted in another directory than the one that is there.
    fn is_elsewhere(&self) -> bool {
        let roots = self.restored_root.as_ref().zip(self.root.as_ref());
        roots.is_some_and(|(before, now)| is_another_directory(before, now))
    }

    /// What tells the directory of what is counted from another, as long as nothing says that it is still the same.
    pub(super) fn known_root(&self) -> Option<Root> {
        if self.is_unconfirmed { self.restored_root } else { self.root }
    }

    /// Starts over where only the batches say that the run is another one, and says what is gone with the old one.
    pub(super) fn restart_at_a_guess(&mut self, why: &str) {
        let gone = if self.may_delete() { 0 } else { self.counted_and_gone() };
        self.restart(why);
        if gone > 0 {
            self.notice(
                PROGRESS.into(),
                SnapshotError::new(
                    format!("{gone} batches that were counted before and are gone are not in the figures: {why}"),
                    "write an \"id\" into manifest.json, so that nobody has to guess whether it is the same run",
                ),
            );
        }
    }

    pub(super) fn restart(&mut self, why: &str) {
        let lost = if self.may_delete() { self.counted_and_gone() } else { 0 };
        self.epoch += 1;
        self.workers.forget_before(self.epoch);
        self.ledger = Ledger::new(self.options.settle);
        self.recent.clear();
        self.mismatched.clear();
        self.manifest_document = Document::new(self.options.settle);
        self.end_document = Document::new(self.options.settle);
        self.rank_documents = RankDocuments::new(self.options.settle);
        self.manifest = None;
        self.borrowed_from = None;
        self.acknowledgement = Acknowledgement::new();
        self.checkpoints.forget();
        self.deletions = Deletions::default();
        self.restored_manifest = None;
        self.restored_root = None;
        self.is_unconfirmed = false;
        self.is_in_doubt = false;
        self.is_from_elsewhere = false;
        self.may_have_deleted = false;
        self.refused = false;
        self.has_ended = false;
        // The run's account begins anew, too.
        self.account = Account::default();
        self.scanned = false;
        self.known_remarks.clear();
        self.layer_sets = None;
        self.told_first = FirstBatches::default();
        self.neighbours.clear();
        self.closed_ranks.clear();
        self.next_scan = Instant::now();
        self.pending.push(Update::Restarted { why: why.to_owned(), lost });
    }

    /// How many batches were counted and are not there in the same state.
    pub(super) fn counted_and_gone(&self) -> u64 {
        let found = scan(&self.directory, self.options.shard).unwrap_or_default();
        let is_there = |found: &Found| {
            let name = BatchName::parse(&found.name).filter(|name| self.ledger.is_in_figures(*name));
            name.is_some_and(|name| self.as_counted(found, name).is_some())
        };
        let there = found.iter().filter(|found| is_there(found)).count() as u64;
        self.ledger.in_figures().saturating_sub(there)
    }
}
