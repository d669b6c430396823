//! What becomes of counted batches: they are kept, acknowledged, deleted.

use super::Owner;
use super::checkpoint::CountedBatch;
use super::epoch::Epoch;
use super::keep::Saved;
use crate::follow::prune_leftovers;
use crate::platform::fault;
use crate::run::{Keeping, Mode};
use crate::snapshot::{BatchName, SnapshotError};
use crate::storage::is_url;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;

impl Owner {
    pub(super) fn keeps(&self) -> bool {
        self.options.keeping.has_checkpoints()
    }

    /// Whether the last checkpoint is not on disk yet, so that its batches cannot be deleted.
    pub(super) fn waits_for_the_disk(&self, now: Instant) -> bool {
        let in_time = self.finish_by.is_none_or(|deadline| now < deadline);
        self.keeps() && in_time && self.epoch.checkpoints.is_being_written()
    }

    /// Makes a checkpoint if it is time. First the sums are compared with the ledger: an error must not become the next
    /// process's, and what is there can be counted again.
    pub(super) fn make_checkpoint(&mut self, last: bool) {
        if !self.keeps() || !self.epoch.checkpoints.is_wanted(last) || !self.is_in_its_directory() {
            return;
        }
        let started = Instant::now();
        let counted = self.epoch.ledger.counted();
        if !self.epoch.run.agrees_with(counted.fingerprint(), counted.len() as u64) {
            return self.restart(
                "the sums and the list of counted batches differ, which is a fault of neurotop; please report it",
            );
        }
        tracing::debug!(batches = counted.len(), "a checkpoint");
        let manifest = self.known_manifest().or_else(|| self.epoch.restored_manifest.clone());
        let may_delete = self.may_delete();
        let progress =
            self.epoch.run.progress_at(&self.directory, counted, manifest, self.known_root(), may_delete);
        let checkpoint = self.epoch.checkpoints.make(started.elapsed());
        self.keep.save(progress, self.epoch.number(), checkpoint);
    }

    /// Takes the result of a checkpoint. Batches in one that is on disk can be deleted, by the producer or here, unless
    /// they were counted again or taken out since.
    pub(super) fn take_saved(&mut self, saved: Saved) {
        if saved.epoch != self.epoch.number() {
            return;
        }
        let took = match saved.written {
            Ok(took) => took,
            Err(why) => return self.take_unsaved(&why),
        };
        let mut safe = self.epoch.checkpoints.saved(saved.checkpoint, took);
        // What is gone for good by now is counted all the same.
        safe.retain(|(name, identity)| match self.epoch.ledger.counted_as(*name) {
            Some(counted) => counted == *identity,
            None => self.epoch.ledger.is_in_figures(*name),
        });
        self.change().solve("state");
        for (name, _) in &safe {
            self.epoch.acknowledgement.add(name.id());
        }
        self.plan_deletion(safe);
        fault::point("saved");
        self.delete(Instant::now());
    }

    fn take_unsaved(&mut self, why: &str) {
        self.epoch.checkpoints.failed();
        let what = format!("the progress cannot be kept ({why}), so that a restart counts everything again");
        self.notice(
            "state".into(),
            SnapshotError::new(what, "make room, or name another place with --state"),
        );
    }

    /// Whether batches may have been deleted since they were counted, or may be soon.
    pub(super) fn may_delete(&self) -> bool {
        self.epoch.run.may_have_deleted
            || self.options.keeping == Keeping::ProgressAndPrune
            || self.acknowledges()
    }

    /// Has safe batches deleted, if that is asked for.
    pub(super) fn plan_deletion(&mut self, safe: Vec<CountedBatch>) {
        if self.options.keeping != Keeping::ProgressAndPrune {
            return;
        }
        let ledger = &self.epoch.ledger;
        if self.epoch.deletions.is_first() {
            prune_leftovers(&self.directory, |name, now| {
                ledger.is_in_figures(name) && ledger.as_counted(name, now).is_some()
            });
        }
        self.epoch.deletions.add(safe, Instant::now());
    }

    pub(super) fn delete(&mut self, now: Instant) {
        let ledger = &self.epoch.ledger;
        let is_safe = |(name, identity): &CountedBatch| ledger.may_be_deleted(*name, identity);
        let (deleted, left) = self.epoch.deletions.delete_due(&self.directory, now, is_safe);
        if !deleted.is_empty() {
            fault::point("deleted");
            // A later process must know that these cannot have been written again.
            self.epoch.checkpoints.touch();
        }
        self.epoch.ledger.note_deleted(deleted);
        for (batch, error) in left {
            self.notice(batch.to_string(), error);
        }
    }

    /// Whether the producer waits to be told what is counted. A count that is not kept, as in a summary, tells it
    /// nothing.
    pub(super) fn acknowledges(&self) -> bool {
        let keeps = self.epoch.run.manifest().is_some_and(|manifest| manifest.keep.is_some());
        let is_ours = self.options.keeping != Keeping::LeftToAnother && !is_url(&self.directory);
        keeps && is_ours && self.options.mode == Mode::Live
    }

    /// Acknowledges what an earlier process counted of this run, except batches that were replaced since.
    pub(super) fn acknowledge_restored(&mut self, changed: &HashSet<BatchName>) {
        if !self.acknowledges() {
            return;
        }
        let mut by_rank: HashMap<Option<u32>, BTreeSet<u64>> = HashMap::new();
        for name in changed {
            by_rank.entry(name.rank()).or_default().insert(name.number);
        }
        let Epoch { ledger, acknowledgement, recent, .. } = &mut self.epoch;
        for (first, last, _) in ledger.in_figures_with_layers() {
            if first != last {
                let (rank, numbers) = (first.rank(), first.number..=last.number);
                acknowledgement.add_all(rank, numbers, by_rank.entry(rank).or_default());
            } else if !recent.has(first.id()) && !changed.contains(&first) {
                acknowledgement.add(first.id());
            }
        }
    }

    /// Tells the producer what is counted of this run. If the file is of another run, it is replaced.
    pub(super) fn acknowledge(&mut self, now: Instant) {
        if !self.acknowledges() {
            return;
        }
        let id = self.epoch.run.manifest().and_then(|manifest| manifest.id.as_deref());
        self.epoch.acknowledgement.be_of_run(id);
        if self.epoch.acknowledgement.due().is_none_or(|due| now < due) || !self.is_in_its_directory() {
            return;
        }
        if let Err(error) = self.epoch.acknowledgement.write(&self.directory, now) {
            self.notice(
                ".neurotop-counted.json".into(),
                SnapshotError::new(
                    format!("the producer cannot be told what is counted, and keeps all batches: {error}"),
                    "give this user permission to write into the run's directory",
                ),
            );
        }
    }
}
