//! Resumes from what an earlier process counted if it is of the same run, and starts over.

use super::Owner;
use super::epoch::Epoch;
use super::pace_for;
use crate::follow::{Found, Identity, scan};
use crate::run::log;
use crate::run::state::{Known, Loss, Reason, SameRun, doubtful_loss, is_another_directory};
use crate::run::view::PROGRESS;
use crate::run::{Keeping, Mode, Run};
use crate::snapshot::{BatchId, BatchName, SnapshotError};
use crate::storage::{self, Root};
use crate::text::{shown, thousands};
use std::collections::HashSet;
use std::time::Instant;

/// Why a tally starts over if the run is not the one that was counted.
pub(super) const REPLACED: &str = "the run was replaced by another since it was last watched";
const OF_ANOTHER: &str = "the progress in the state file is that of another run";
pub(super) const BEGUN_AGAIN: &str = "another run was begun in the same directory";

impl Owner {
    /// Takes what is known of the run from an earlier process: the file that keeps its progress, the progress to resume
    /// from, and what becomes of it from now on.
    pub(super) fn take_known(&mut self, mut known: Known) {
        known.remarks.drain(..).for_each(|remark| self.say(remark));
        if let Some(why) = known.refused.take() {
            known.file = None;
            known.losses.push(Loss::Possible(why));
        }
        if let Some(progress) = known.progress.take() {
            self.epoch.resume(self.options.settle, &progress, known.is_from_elsewhere);
            self.note_all_layers();
        }
        known.losses.drain(..).for_each(|loss| self.epoch.run.note_loss(loss));
        self.options.keeping = match &known.file {
            _ if known.is_kept_elsewhere => Keeping::LeftToAnother,
            None => Keeping::Nothing,
            Some(_) => self.keep.wanted(),
        };
        if known.is_kept_elsewhere {
            self.say(format!(
                "{}: another neurotop keeps its progress, and deletes batches where that is asked for; this one \
                 does neither",
                shown(&self.named)
            ));
        }
        let file = known.file.filter(|_| !known.is_kept_elsewhere);
        self.keep.be_at(file, known.lock);
        self.directory = known.directory.as_path().into();
        self.changed = true;
    }

    /// Follows another run that has replaced this one, as another process would: the path leads to another directory,
    /// or another run has the same path.
    pub(super) fn follow_elsewhere(&mut self, why: String) {
        self.make_checkpoint(true);
        let had_figures = self.has_figures();
        log::restarted(&why, 0);
        let is_another = had_figures && storage::canonical(&self.named) == *self.directory;
        let known = self.keep.look_elsewhere(&self.named, is_another);
        self.begin(self.epoch.run.replaced(had_figures.then_some(why), &known.directory));
        self.take_known(known);
        self.watcher = None;
        self.root = None;
        self.pace = pace_for(&self.options, &self.directory);
        self.next_root_check = Instant::now();
    }

    /// Replaces the epoch.
    fn begin(&mut self, run: Run) {
        self.epoch = Epoch::new(self.options.settle, run);
        self.workers.forget_before(self.epoch.number());
        self.changed = true;
        self.next_scan = Instant::now();
    }

    /// Why what was counted is not of the run that is there, if it is not. If it is, batches that an earlier process
    /// counted and that are unchanged are deleted if that is asked for.
    pub(super) fn is_another(&mut self, found: &[Found]) -> Option<&'static str> {
        if !self.epoch.is_unconfirmed {
            return self.is_begun_again(found).then_some(BEGUN_AGAIN);
        }
        let (mut safe, mut changed, mut others) = (Vec::new(), HashSet::new(), 0);
        for found in found {
            let Some(name) = BatchName::parse(&found.name) else { continue };
            match self.as_counted(found, name) {
                Some(identity) => safe.push((name, identity)),
                None if self.epoch.ledger.is_in_figures(name) => drop(changed.insert(name)),
                None => others += 1,
            }
        }
        if safe.is_empty() && changed.is_empty() && others == 0 {
            return None;
        }
        let is_known = !safe.is_empty()
            || match self.same_run() {
                SameRun::ById => true,
                // Counted batches may have been deleted because they were counted. Then a batch with the name of one is
                // another batch.
                SameRun::ByFile => {
                    self.epoch.run.may_have_deleted && self.epoch.ledger.in_figures() > changed.len() as u64
                }
                SameRun::Unknown => false,
            };
        if self.epoch.is_from_elsewhere && !is_known {
            return Some(OF_ANOTHER);
        }
        if !is_known && (!changed.is_empty() || !self.may_delete() || self.is_elsewhere()) {
            return Some(if self.epoch.recent.is_empty() { REPLACED } else { BEGUN_AGAIN });
        }
        self.epoch.is_unconfirmed = false;
        self.epoch.restored_root = None;
        if is_known {
            self.acknowledge_restored(&changed);
        }
        self.plan_deletion(safe);
        None
    }

    /// Whether another run was begun in place of the counted one, although no manifest says so: none of the batches
    /// that are there is counted, their numbers begin where the counted ones began, and some of those are gone. If
    /// counted batches are deleted, that is normal.
    fn is_begun_again(&self, found: &[Found]) -> bool {
        let batches = || found.iter().filter_map(|found| Some((found, BatchName::parse(&found.name)?)));
        let (Some(lowest), Some(first)) =
            (self.epoch.ledger.lowest_counted(), batches().map(|(_, name)| name.number).min())
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
        self.epoch.ledger.lacks_any(&present)
    }

    /// Whether a batch may be of another run: the first of it, or one that came after the first.
    pub(super) fn may_be_of_another(&self, found: &Found, name: BatchName) -> bool {
        let begins = || self.epoch.ledger.lowest_counted().is_some_and(|lowest| name.number <= lowest);
        let is_telling =
            self.epoch.is_unconfirmed || self.epoch.is_in_doubt || (begins() && !self.may_delete());
        is_telling && !self.epoch.ledger.is_in_progress(name) && self.as_counted(found, name).is_none()
    }

    /// The state of the file when the batch was counted, under this name or another, if it is still the same.
    fn as_counted(&self, found: &Found, name: BatchName) -> Option<Identity> {
        self.epoch.ledger.as_counted(name, &found.identity)
    }

    /// What says that this is the run that was counted. Without manifests, that batches are deleted here says as much
    /// as a manifest that was not rewritten.
    pub(super) fn same_run(&self) -> SameRun {
        match (&self.epoch.restored_manifest, self.known_manifest()) {
            (Some(before), Some(now)) => before.same_run(&now),
            (None, None) if self.options.keeping == Keeping::ProgressAndPrune && !self.is_elsewhere() => {
                SameRun::ByFile
            }
            _ => SameRun::Unknown,
        }
    }

    /// Whether an earlier process counted in another directory.
    fn is_elsewhere(&self) -> bool {
        let roots = self.epoch.restored_root.as_ref().zip(self.root.as_ref());
        roots.is_some_and(|(before, now)| is_another_directory(before, now))
    }

    /// What tells the counted directory from another, as long as it is not certain that it is the same.
    pub(super) fn known_root(&self) -> Option<Root> {
        if self.epoch.is_unconfirmed { self.epoch.restored_root } else { self.root }
    }

    /// Starts over if only the batches say that this is another run, and says what is gone with the old one.
    pub(super) fn restart_at_a_guess(&mut self, why: &str) {
        let gone = if self.may_delete() { 0 } else { self.counted_and_gone() };
        // A batch that is there, and not as it was counted, may have been written again before it was deleted.
        let is_deleted = self.epoch.ledger.has_gone() || self.counted_without(|_, _| true) > 0;
        self.start_over(why, if is_deleted { Reason::Void } else { Reason::Doubtful });
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
        self.start_over(why, Reason::Void);
    }

    /// Forgets all counts. Where some are of deleted batches, their progress is put aside for this reason.
    fn start_over(&mut self, why: &str, reason: Reason) {
        let lost = if self.may_delete() { self.counted_and_lost() } else { 0 };
        log::restarted(why, lost);
        self.begin(self.epoch.run.begun_again(why));
        // That nothing is counted is kept, too.
        self.epoch.checkpoints.touch();
        if lost > 0 {
            self.put_progress_aside(why, lost, reason);
        }
    }

    /// Keeps the progress of batches that were counted and deleted, or may have been, from being overwritten, and has
    /// the run say so from now on.
    fn put_progress_aside(&mut self, why: &str, lost: u64, reason: Reason) {
        let aside = self.keep.put_aside(reason);
        let loss = match (reason, &aside) {
            (Reason::Doubtful, Some(aside)) => doubtful_loss(Some(lost), why, aside),
            _ => {
                let place = aside.map(|aside| format!("; their progress is in {}", aside.display()));
                Loss::Certain(format!(
                    "{} batches that were counted and then deleted are not in the figures any more: {why}{}",
                    thousands(lost.into()),
                    place.unwrap_or_default()
                ))
            }
        };
        tracing::warn!(?loss, "what was counted is lost, or may be");
        self.change().note_loss(loss);
    }

    /// Whether a batch that is not as it was counted is another version of a batch that this process counted and did
    /// not delete: its writer has replaced it, and it is counted again.
    fn is_rewritten(&self, name: BatchName) -> bool {
        self.epoch.recent.has(name.id()) && self.epoch.ledger.counted_as(name).is_some()
    }

    /// How many counted batches are not there in the same state.
    pub(super) fn counted_and_gone(&self) -> u64 {
        self.counted_without(|found, name| self.as_counted(found, name).is_some())
    }

    /// How many counted batches are not in any figures once the tally starts over, since they were deleted.
    fn counted_and_lost(&self) -> u64 {
        self.counted_without(|found, name| self.as_counted(found, name).is_some() || self.is_rewritten(name))
    }

    /// How many counted batches there are besides those for which `is_there` holds.
    fn counted_without(&self, is_there: impl Fn(&Found, BatchName) -> bool) -> u64 {
        let found = scan(&self.directory, self.options.shard).unwrap_or_default();
        let is_counted = |found: &&Found| {
            let name = BatchName::parse(&found.name).filter(|name| self.epoch.ledger.is_in_figures(*name));
            name.is_some_and(|name| is_there(found, name))
        };
        let there = found.iter().filter(is_counted).count() as u64;
        self.epoch.ledger.in_figures().saturating_sub(there)
    }
}
