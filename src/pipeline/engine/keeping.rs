//! What becomes of what is counted: it is kept, acknowledged, deleted.

use super::Engine;
use crate::follow::prune_leftovers;
use crate::pipeline::checkpoint::CountedBatch;
use crate::pipeline::deletion::Left;
use crate::pipeline::{Keeping, Mode, Update};
use crate::snapshot::{BatchName, SnapshotError};
use crate::storage::is_url;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

impl Engine {
    /// Whether the progress is kept.
    pub(super) fn keeps(&self) -> bool {
        self.options.keeping.has_checkpoints()
    }

    /// Whether the last checkpoint is not on disk yet, so that what it makes safe cannot be deleted yet.
    pub(super) fn waits_for_the_disk(&self, now: Instant) -> bool {
        let in_time = self.finish_by.is_none_or(|deadline| now < deadline);
        self.keeps() && in_time && !self.saving_fails && self.checkpoints.is_being_written()
    }

    /// Lists what is counted where it is time to, as the last update of a group.
    pub(super) fn make_checkpoint(&mut self, last: bool) {
        if !self.keeps() || !self.checkpoints.is_wanted(last) || !self.is_in_its_directory() {
            return;
        }
        let manifest = self.known_manifest().or_else(|| self.restored_manifest.clone());
        let checkpoint =
            self.checkpoints.make(self.ledger.counted(), manifest, self.known_root(), self.may_delete());
        self.pending.push(Update::Checkpoint(Box::new(checkpoint)));
    }

    /// What is in a checkpoint that is on disk can be deleted: by the producer, or here. What was counted again or
    /// taken out since then cannot.
    pub(super) fn take_saved(&mut self, checkpoint: u64, took: Duration) {
        let mut safe = self.checkpoints.saved(checkpoint, took);
        // What is gone for good meanwhile is counted all the same.
        safe.retain(|(name, identity)| match self.ledger.counted_as(*name) {
            Some(counted) => counted == *identity,
            None => self.ledger.is_in_figures(*name),
        });
        self.saving_fails = false;
        self.pending.push(Update::Solved("state".into()));
        for (name, _) in &safe {
            self.acknowledgement.add(name.id());
        }
        self.plan_deletion(safe);
        self.delete(Instant::now());
    }

    /// Whether batches may have been deleted since they were counted, or may be soon.
    pub(super) fn may_delete(&self) -> bool {
        self.may_have_deleted || self.options.keeping == Keeping::ProgressAndPrune || self.acknowledges()
    }

    /// Has batches that are safe deleted, where that is asked for.
    pub(super) fn plan_deletion(&mut self, safe: Vec<CountedBatch>) {
        if self.options.keeping != Keeping::ProgressAndPrune {
            return;
        }
        let ledger = &self.ledger;
        if self.deletions.is_first() {
            prune_leftovers(&self.directory, |name, now| {
                ledger.is_in_figures(name) && ledger.as_counted(name, now).is_some()
            });
        }
        self.deletions.add(safe, Instant::now());
    }

    /// Deletes what is due.
    pub(super) fn delete(&mut self, now: Instant) {
        let ledger = &self.ledger;
        let is_safe = |(name, identity): &CountedBatch| ledger.may_be_deleted(*name, identity);
        let (deleted, left) = self.deletions.delete_due(&self.directory, now, is_safe);
        self.ledger.note_deleted(deleted);
        for Left { batch, error } in left {
            self.notice(batch.to_string(), error);
        }
    }

    /// Whether the producer waits to be told what is counted. A count that is not kept, as that of a
    /// summary, tells it nothing.
    pub(super) fn acknowledges(&self) -> bool {
        let keeps = self.manifest.as_ref().is_some_and(|manifest| manifest.keep.is_some());
        let is_ours = self.options.keeping != Keeping::LeftToAnother && !is_url(&self.directory);
        keeps && is_ours && self.options.mode == Mode::Live
    }

    /// Acknowledges what an earlier process counted of this run, but for what is another batch by now.
    pub(super) fn acknowledge_restored(&mut self, changed: &HashSet<BatchName>) {
        if !self.acknowledges() {
            return;
        }
        let mut by_rank: HashMap<Option<u32>, BTreeSet<u64>> = HashMap::new();
        for name in changed {
            by_rank.entry(name.rank()).or_default().insert(name.number);
        }
        for of in self.ledger.in_figures_with_layers() {
            if of.first != of.last {
                let (rank, numbers) = (of.first.rank(), of.first.number..=of.last.number);
                self.acknowledgement.add_all(rank, numbers, by_rank.entry(rank).or_default());
            } else if !self.recent.has(of.first.id()) && !changed.contains(&of.first) {
                self.acknowledgement.add(of.first.id());
            }
        }
    }

    /// Tells the producer what is counted of this run. What the file says of another one is void.
    pub(super) fn acknowledge(&mut self, now: Instant) {
        if !self.acknowledges() {
            return;
        }
        let id = self.manifest.as_ref().and_then(|manifest| manifest.id.as_deref());
        self.acknowledgement.be_of_run(id);
        if !self.acknowledgement.is_due(now) || !self.is_in_its_directory() {
            return;
        }
        if let Err(error) = self.acknowledgement.write(&self.directory, now) {
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
