//! Goes on from what an earlier process counted, as long as it is of the same run, and starts over.

use super::Engine;
use crate::follow::{Found, Identity, Ledger, scan};
use crate::pipeline::acknowledge::Acknowledgement;
use crate::pipeline::deletion::Deletions;
use crate::pipeline::document::Document;
use crate::pipeline::rank_documents::RankDocuments;
use crate::pipeline::{Keeping, Restored, Update};
use crate::snapshot::BatchName;
use crate::state::Kinship;
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
        tracing::info!(directory = ?self.directory, "goes on from a kept progress");
        self.restored_manifest = restored.manifest;
        self.may_have_deleted = restored.may_have_deleted;
        self.is_from_elsewhere = restored.is_from_elsewhere;
        self.is_unconfirmed = true;
    }

    /// Whether a batch was counted by an earlier process.
    pub(super) fn restored_as(&self, name: BatchName) -> Option<Identity> {
        self.ledger.counted_as(name).filter(|_| !self.recent.has(name.id()))
    }

    /// Why what an earlier process counted is not of this run, if it is not: none of its batches that are there is
    /// as it was, and nothing else says that the others were deleted from this very run. If all is well, those
    /// that are there and safe are deleted where that is asked for.
    pub(super) fn is_another(&mut self, found: &[Found]) -> Option<&'static str> {
        if !self.is_unconfirmed {
            return None;
        }
        let (mut safe, mut changed) = (Vec::new(), HashSet::new());
        for found in found {
            let Some(name) = BatchName::parse(&found.name) else { continue };
            match self.restored_as(name) {
                Some(identity) if identity.same_contents(&found.identity) => safe.push((name, identity)),
                Some(_) => drop(changed.insert(name)),
                None => {}
            }
        }
        let restored = self.ledger.in_figures().saturating_sub(self.recent.len());
        let some_were_deleted = restored > (safe.len() + changed.len()) as u64;
        let is_known = !safe.is_empty()
            || match self.kinship() {
                Kinship::SameId => true,
                Kinship::SameFile => some_were_deleted,
                Kinship::None => false,
            };
        if self.is_from_elsewhere && !is_known {
            return Some(OF_ANOTHER);
        }
        if !changed.is_empty() && !is_known {
            return Some(REPLACED);
        }
        if self.is_from_elsewhere || !changed.is_empty() || !safe.is_empty() {
            self.is_unconfirmed = false;
        }
        if is_known {
            self.acknowledge_restored(&changed);
        }
        self.plan_deletion(safe);
        None
    }

    /// What the manifest says of whether this is the run that was counted; without one, that batches are deleted
    /// here says as much as one that was not written anew.
    pub(super) fn kinship(&self) -> Kinship {
        match (&self.restored_manifest, self.known_manifest()) {
            (Some(before), Some(now)) => before.kinship(&now),
            (None, None) if self.options.keeping == Keeping::ProgressAndPrune => Kinship::SameFile,
            _ => Kinship::None,
        }
    }

    /// Whether a batch that an earlier process counted is not as it was.
    pub(super) fn is_changed(&self, found: &Found) -> bool {
        let restored = BatchName::parse(&found.name).and_then(|name| self.restored_as(name));
        restored.is_some_and(|restored| !restored.same_contents(&found.identity))
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
        self.is_unconfirmed = false;
        self.is_from_elsewhere = false;
        self.may_have_deleted = false;
        self.refused = false;
        self.scanned = false;
        self.known_ignored.clear();
        self.known_misnamed.clear();
        self.closed_ranks.clear();
        self.next_scan = Instant::now();
        self.pending.push(Update::Restarted { why: why.to_owned(), lost });
    }

    /// How many batches were counted and are not there in the same state.
    pub(super) fn counted_and_gone(&self) -> u64 {
        let found = scan(&self.directory, self.options.shard).unwrap_or_default();
        let is_there = |found: &Found| {
            let counted = BatchName::parse(&found.name).and_then(|name| self.ledger.counted_as(name));
            counted.is_some_and(|counted| counted.same_contents(&found.identity))
        };
        let there = found.iter().filter(|found| is_there(found)).count() as u64;
        self.ledger.in_figures().saturating_sub(there)
    }
}
