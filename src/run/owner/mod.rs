//! The owner of a run: the one thread that changes what is known of it.
//!
//! # Why one thread
//!
//! A batch must be counted exactly once, while it may be written, replaced, renamed and deleted at any time, and while
//! file events, scans, counting threads and the disk each tell of it in their own time. So everything that says what is
//! counted is in one value ([`Epoch`]: ledger, documents, sums, problems, checkpoints), and one thread changes it, one
//! message after the other: orders from `main`, hints of file events, finished counts, saved checkpoints, and the time.
//! There are no locks to order and no states in between. What any message claims is checked against the directory and
//! the ledger before it counts: a hint is never the truth, and losing one delays a batch until the next scan.
//!
//! # Whom it waits for
//!
//! - It never reads a batch. Counting threads do, so that a large batch delays nothing but its own figures.
//! - It never waits for a reader. A view is a clone that shares everything that does not change, and is published by
//!   replacing a pointer. Views come at most every few milliseconds, longer apart the more layers there are, and take
//!   at most one part in [`PUBLISH_SHARE`] of the time, as long as none takes very long.
//! - It never waits for the disk that keeps its progress. The state writer answers when a checkpoint is safe, and only
//!   then does the owner tell the producer of its batches, or delete them.
//! - It does wait for the run's own directory. A file system that hangs there holds up this run, and no other.
//!
//! # Starting over
//!
//! Another run may be written in the same place, or what is counted may turn out to be wrong. Then the epoch is replaced
//! as a whole, so that nothing of the old tally can be left in the new one. Tasks and answers carry the number of their
//! epoch, and those of an earlier one are dropped. Before each checkpoint the sums are compared with the ledger: a fault
//! that made them differ must not become the next process's figures, and the batches are there to be counted again.
//!
//! # When it ends
//!
//! On an order to finish it scans once more, counts what is there, for two seconds at the most, and publishes a last view.
//! When it is no longer followed (its channel closes), it keeps its progress and ends. When it panics, the view says so
//! (`watch.rs`).
//!
//! `directory.rs` looks at the directory, `documents.rs` reads manifests and ends, `counting.rs` has batches counted,
//! `keeping.rs` has progress kept and batches deleted, `resume.rs` resumes and starts over.

mod acknowledge;
mod checkpoint;
mod counting;
mod deletion;
mod directory;
mod document;
mod documents;
mod epoch;
mod hints;
mod keep;
mod keeping;
mod layer_sets;
mod recent;
mod resume;
mod run_documents;

pub(super) use keep::Keep;
pub use layer_sets::FirstBatches;

use super::worker::{Pool, Workers};
use super::{Ended, Mode, PointTaker, Presence, Problem, Run, Severity, Views, WatchOptions};
use crate::follow::Watcher;
use crate::run::log;
use crate::run::state::Known;
use crate::snapshot::SnapshotError;
use crate::storage::{self, LookIntervals, Root, is_url};
use crossbeam_channel::{Receiver, Sender, select};
use epoch::Epoch;
use hints::Hints;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long the last batches may take after the order to finish.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

/// Publishing views takes at most one part in so many of the time.
const PUBLISH_SHARE: u32 = 20;

/// The least time between two views, and what each layer and problem adds to it, since what a view shares with the run is
/// copied when it changes next. After that time a change is published at once, and so is a batch that comes alone.
const BETWEEN_VIEWS: Duration = Duration::from_millis(5);
const BETWEEN_VIEWS_BY_LAYER: Duration = Duration::from_micros(20);
const BETWEEN_VIEWS_BY_PROBLEM: Duration = Duration::from_micros(1);

/// The most that one slow view delays the next. A process that stood still meanwhile would be silent for
/// [`PUBLISH_SHARE`] times as long.
const DELAY_BY_A_SLOW_VIEW: Duration = Duration::from_secs(2);

/// What the thread knows.
pub(super) struct Owner {
    options: WatchOptions,
    /// The path by which the run is named.
    named: PathBuf,
    /// Where that path leads: batches are read and deleted there alone.
    directory: Arc<Path>,
    links: OwnerLinks,
    /// All that belongs to the tally as it is now.
    epoch: Epoch,
    /// Where the progress is kept.
    keep: Keep,
    workers: Workers,
    hints: Hints,
    watcher: Option<Watcher>,
    /// Tells one directory from another of the same name.
    root: Option<Root>,
    /// Why to follow another run, if the path of this one leads to another directory by now.
    elsewhere: Option<String>,
    /// How often it is worth looking at this kind of storage.
    pace: LookIntervals,
    /// Counts the manifests that change what batches must have, so that a batch that an earlier one refused is read
    /// again.
    checks: u64,
    next_scan: Instant,
    /// Events cause no scan before this.
    no_scan_before: Instant,
    next_look: Instant,
    next_root_check: Instant,
    finish_by: Option<Instant>,
    /// Whether the run differs from its newest view.
    changed: bool,
    /// When the accounts are to be published at the latest, where they differ.
    publish_by: Option<Instant>,
    revision: u64,
    next_view: Instant,
}

/// The ways between an owner and the rest of the program.
pub(super) struct OwnerLinks {
    /// Where the newest view is put, and the number of the run there.
    pub(super) views: Views,
    pub(super) number: usize,
    /// What takes points of the run, if points are wanted.
    pub(super) points: Option<Box<dyn PointTaker>>,
    /// Sentences for the user besides the run's problems.
    pub(super) said: Sender<String>,
    /// Orders to forget all counts and read everything again.
    pub(super) restart: Receiver<()>,
    /// Where the run is now, if it was renamed in its directory of runs.
    pub(super) rename: Receiver<PathBuf>,
    /// The order to scan once more, count what is there, and end. Once it is closed, the run is no longer followed.
    pub(super) finish: Receiver<()>,
}

impl Owner {
    /// The owner of a run that is `named`, of which an earlier process has kept what is `known`.
    pub(super) fn new(
        options: WatchOptions,
        run: Run,
        named: PathBuf,
        pool: Pool,
        keep: Keep,
        known: Known,
        links: OwnerLinks,
    ) -> Self {
        let now = Instant::now();
        let mut owner = Self {
            pace: pace_for(&options, &known.directory),
            epoch: Epoch::new(options.settle, run),
            directory: known.directory.as_path().into(),
            options,
            named,
            links,
            keep,
            workers: Workers::new(pool),
            hints: Hints::new(),
            watcher: None,
            root: None,
            elsewhere: None,
            checks: 0,
            next_scan: now,
            no_scan_before: now,
            next_look: now,
            next_root_check: now,
            finish_by: None,
            changed: false,
            publish_by: None,
            revision: 0,
            next_view: now,
        };
        owner.take_known(known);
        owner.publish(now);
        owner
    }

    /// Runs until all is done, or the run is no longer followed.
    pub(super) fn run(mut self) {
        loop {
            self.let_time_pass(Instant::now());
            if let Some(why) = self.elsewhere.take() {
                self.follow_elsewhere(why);
                continue;
            }
            self.dispatch();
            self.note_caught_up();
            let now = Instant::now();
            let is_done = self.is_done(now);
            self.make_checkpoint(is_done);
            let is_done = self.is_done(now) && !self.waits_for_the_disk(now);
            if is_done {
                tracing::info!("counting has ended");
                self.note_last_point();
                self.change().end_with(Ended::Done);
                return self.publish(now);
            }
            self.note_accounts();
            if self.next_publication().is_some_and(|due| now >= due) {
                self.publish(now);
            }
            let wake = self.next_wake().saturating_duration_since(Instant::now());
            let OwnerLinks { restart, rename, finish, .. } = &self.links;
            let (restart, rename, finish) = (restart.clone(), rename.clone(), finish.clone());
            let counted = self.workers.counted.clone();
            let (hints, saved) = (self.hints.receiver().clone(), self.keep.saved().clone());
            select! {
                recv(finish) -> order => match order {
                    Ok(()) => self.begin_to_finish(),
                    Err(_) => return self.leave(),
                },
                recv(restart) -> order => {
                    if order.is_ok() {
                        self.restart("you asked for it");
                    }
                }
                recv(rename) -> named => named.into_iter().for_each(|named| self.take_new_name(named)),
                recv(saved) -> saved => saved.into_iter().for_each(|saved| self.take_saved(saved)),
                recv(hints) -> hint => {
                    self.follow_hints(hint.into_iter().chain(hints.try_iter()));
                }
                recv(counted) -> done => {
                    done.into_iter().chain(counted.try_iter()).flatten().for_each(|counted| self.settle(counted));
                }
                default(wake) => {}
            }
        }
    }

    /// The run, to be changed. A new view is published soon.
    fn change(&mut self) -> &mut Run {
        self.changed = true;
        &mut self.epoch.run
    }

    /// Takes the accounts from the ledger. A batch that waits is no news to publish at once: soon it is counted, which
    /// is.
    fn note_accounts(&mut self) {
        let (account, ranks) = (self.epoch.ledger.account(), self.epoch.ledger.take_changed_ranks());
        if account != self.epoch.run.account() || !ranks.is_empty() {
            self.publish_by.get_or_insert_with(|| Instant::now() + BETWEEN_VIEWS);
        }
        self.epoch.run.take_account(account);
        for (rank, account) in ranks {
            self.epoch.run.take_rank(rank, account);
        }
    }

    /// Notes that what was there at first is counted; what is still being written does not belong to it.
    fn note_caught_up(&mut self) {
        if self.epoch.run.found.is_some() && !self.epoch.ledger.is_busy() {
            self.change().found = None;
        }
    }

    /// When to publish the run, if it differs from its newest view.
    fn next_publication(&self) -> Option<Instant> {
        let by = if self.changed { Some(self.next_view) } else { self.publish_by };
        by.map(|by| by.max(self.next_view))
    }

    fn publish(&mut self, now: Instant) {
        self.note_accounts();
        (self.changed, self.publish_by) = (false, None);
        self.revision += 1;
        let view = self.epoch.run.conclude(self.revision, SystemTime::now());
        let layers = BETWEEN_VIEWS_BY_LAYER * view.tally().layers().len() as u32;
        let problems = BETWEEN_VIEWS_BY_PROBLEM * u32::try_from(view.problem_count()).unwrap_or(u32::MAX);
        self.links.views.publish(self.links.number, view);
        let by_time = delay_after_a_view(now.elapsed());
        self.next_view = Instant::now() + by_time.max(layers + problems);
    }

    /// Ends, since the run is no longer followed. Its progress stays kept.
    fn leave(mut self) {
        self.make_checkpoint(true);
        self.note_last_point();
        self.keep.release();
    }

    /// Tells the user something that is no problem of the run. It is in the log, too, in case nobody takes it.
    fn say(&self, what: String) {
        tracing::info!("{what}");
        let _ = self.links.said.try_send(what);
    }

    fn is_present(&self) -> bool {
        self.epoch.run.presence() == Some(&Presence::Present)
    }

    fn take_presence(&mut self, presence: Presence) {
        match &presence {
            Presence::Present => tracing::info!("the directory is there"),
            Presence::Missing(why) => tracing::warn!(why, "the directory cannot be read"),
        }
        self.change().take_presence(Some(presence));
    }

    /// Has a point taken after a batch, if one is due.
    fn note_point(&mut self) {
        if let Some(points) = &mut self.links.points {
            points.note(&self.epoch.run, SystemTime::now(), Instant::now());
        }
    }

    fn note_last_point(&mut self) {
        if let Some(points) = &mut self.links.points {
            points.close(&self.epoch.run, SystemTime::now(), Instant::now());
        }
    }

    /// When something is due next. A time at which nothing would be done must not be in it, or the thread never rests.
    fn next_wake(&self) -> Instant {
        let Epoch { ledger, checkpoints, acknowledgement, deletions, .. } = &self.epoch;
        let waits = ledger.waiting().next().is_some() || self.is_reading_documents();
        let always = [
            self.next_publication(),
            self.links.points.as_ref().and_then(|points| points.due()),
            checkpoints.due().filter(|_| self.keeps()),
            self.finish_by,
        ];
        let while_present = [
            self.scans().then_some(self.next_scan),
            waits.then_some(self.next_look),
            acknowledgement.due().filter(|_| self.acknowledges()),
            deletions.due(),
            ledger.next_verification(),
        ];
        let while_present = while_present.into_iter().filter(|_| self.is_present());
        always.into_iter().chain(while_present).flatten().fold(self.next_root_check, Instant::min)
    }

    fn is_done(&self, now: Instant) -> bool {
        let present = self.is_present();
        let idle = !present
            || (self.epoch.scanned && (self.epoch.run.refused().is_some() || !self.epoch.ledger.is_busy()));
        match (self.finish_by, self.options.mode) {
            (Some(deadline), _) => (idle && !self.waits_for_rest(deadline)) || now >= deadline,
            (None, Mode::Once) => {
                idle && self.epoch.ledger.waiting().next().is_none() && !self.is_reading_documents()
            }
            (None, Mode::Live) => false,
        }
    }

    /// Whether a batch will have rested long enough to be read before this.
    fn waits_for_rest(&self, deadline: Instant) -> bool {
        let is_present = self.is_present() && self.epoch.run.refused().is_none();
        is_present && self.epoch.ledger.next_rested().is_some_and(|rested| rested < deadline)
    }

    /// Counts what is there, and ends then.
    fn begin_to_finish(&mut self) {
        self.watcher = None;
        self.finish_by = Some(Instant::now() + FINISH_WITHIN);
        self.scan(Instant::now());
        if !self.epoch.scanned {
            // Another directory was in the place of the one that was counted.
            self.scan(Instant::now());
        }
        self.epoch.ledger.hurry();
    }

    /// Does what is due: looks at the directory, at what is waited for, or at everything.
    fn let_time_pass(&mut self, now: Instant) {
        if now >= self.next_root_check {
            self.next_root_check = now + self.pace.root;
            // Where nothing tells one directory from another, the scans say whether it is there.
            if !self.is_present() || self.root.is_some() {
                self.check_root(now);
            }
        }
        if let Some(points) = &mut self.links.points {
            points.pass(&self.epoch.run, SystemTime::now(), now);
        }
        if self.elsewhere.is_some() || !self.is_present() {
            return;
        }
        self.follow_hints(self.hints.lost().into_iter());
        if now >= self.next_scan && self.scans() {
            self.scan(now);
        }
        if now >= self.next_look {
            self.next_look = now + self.pace.look;
            self.look_at_waiting(now);
            for (name, problem) in self.epoch.ledger.tick(now) {
                self.problem(name, problem);
            }
        }
        self.read_documents(now);
        self.verify(now);
        self.acknowledge(now);
        self.delete(now);
    }

    /// Has the last batches read once more, when none is written any longer.
    fn verify(&mut self, now: Instant) {
        if self.options.mode == Mode::Once {
            return;
        }
        let Epoch { run, ledger, .. } = &mut self.epoch;
        let is_whole = run.expected_batches().is_some_and(|expected| ledger.account().counted >= expected);
        ledger.verify(run.own_end().is_some() || is_whole, now);
    }

    fn problem(&mut self, path: String, error: SnapshotError) {
        // Lost batches are part of the progress that is kept.
        self.epoch.checkpoints.touch();
        self.add_problem(Problem { path, reason: error.to_string(), severity: Severity::SetAside });
    }

    fn notice(&mut self, path: String, error: SnapshotError) {
        self.add_problem(Problem { path, reason: error.to_string(), severity: Severity::Notice });
    }

    fn add_problem(&mut self, problem: Problem) {
        log::problem(&problem);
        self.change().add_problem(problem);
    }
}

/// How often it is worth looking at a directory.
fn pace_for(options: &WatchOptions, directory: &Path) -> LookIntervals {
    let mut pace = storage::for_path(directory).pace();
    if let (Some(poll), true) = (options.poll, is_url(directory)) {
        pace.root = poll;
    }
    pace
}

/// The least time until the next view, after one that took so long to publish.
fn delay_after_a_view(took: Duration) -> Duration {
    (took * PUBLISH_SHARE).clamp(BETWEEN_VIEWS, DELAY_BY_A_SLOW_VIEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_stood_still_is_not_silent_for_long() {
        let delays =
            [0, 1, 20, 7_000].map(|took| delay_after_a_view(Duration::from_millis(took)).as_millis());
        assert_eq!(delays, [5, 20, 400, 2_000]);
    }
}
