//! The owner of a run: the one thread that changes what is known of it.
//!
//! It owns the ledger, the documents, the sums, the problems and the checkpoints of the run ([`Epoch`]), and selects over
//! commands, hints of file events, finished counts, saved progress, and time. It never reads a batch itself, so that a
//! large one delays nothing but its own figures, and it waits for nobody who reads what it publishes: a view is a pointer
//! that it replaces. What it waits for is the directory alone: a disk that hangs there holds up this run, no other.
//!
//! `directory.rs` looks at the directory, `documents.rs` at manifests and ends, `counting.rs` has batches counted,
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
mod rank_documents;
mod recent;
mod resume;

pub(super) use keep::Keep;
pub use layer_sets::FirstBatches;

use super::views::Slot;
use super::worker::{Pool, Workers};
use super::{Ended, Mode, Options, Presence, Problem, Run, Settings, Severity};
use crate::follow::Watcher;
use crate::publish::Series;
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

/// To publish a view may take at most one part in so many of the time.
const PUBLISH_SHARE: u32 = 20;

/// The least time between two views, and what of it each layer and problem adds: what a view shares with the run is
/// copied when it changes next. The first change after that is published at once, and so is a batch that comes alone.
const BETWEEN_VIEWS: Duration = Duration::from_millis(5);
const BETWEEN_VIEWS_BY_LAYER: Duration = Duration::from_micros(20);
const BETWEEN_VIEWS_BY_PROBLEM: Duration = Duration::from_micros(1);

/// What the thread knows.
pub(super) struct Owner {
    options: Options,
    /// The path by which the run is named, and where that leads: batches are read and deleted there alone.
    named: PathBuf,
    directory: Arc<Path>,
    /// Orders to forget all counts and read everything again.
    restart: Receiver<()>,
    /// The order to scan once more, count what is there, and end. Where it closes, the run is followed no more.
    finish: Receiver<()>,
    /// All that belongs to the tally as it is now.
    epoch: Epoch,
    /// Where what is counted is kept.
    keep: Keep,
    workers: Workers,
    hints: Hints,
    watcher: Option<Watcher>,
    /// Tells one directory from another of the same name.
    root: Option<Root>,
    /// Why another run is to be followed, where the run's path leads to another directory by now.
    elsewhere: Option<String>,
    /// How often it is worth to look at what the directory is on.
    pace: LookIntervals,
    /// Counts the manifests that say something else of the layers, so that a batch is read again that an earlier
    /// one refused.
    checks: u64,
    next_scan: Instant,
    /// No scan that events ask for before this.
    no_scan_before: Instant,
    next_look: Instant,
    next_root_check: Instant,
    finish_by: Option<Instant>,
    /// Where the newest view is put, and whether the run differs from it.
    slot: Arc<Slot>,
    changed: bool,
    /// When the accounts are to be published at the latest, where they differ.
    publish_by: Option<Instant>,
    revision: u64,
    next_view: Instant,
    /// The points for TensorBoard, where they are asked for.
    points: Option<Series>,
    /// What there is to say to the user besides the run's problems.
    said: Sender<String>,
}

/// What an owner needs to begin.
pub(super) struct Start {
    pub(super) options: Options,
    pub(super) settings: Settings,
    /// By what absolute path the run is named.
    pub(super) named: PathBuf,
    pub(super) pool: Pool,
    pub(super) keep: Keep,
    /// What an earlier process has kept.
    pub(super) known: Known,
    pub(super) slot: Arc<Slot>,
    pub(super) points: Option<Series>,
    pub(super) said: Sender<String>,
    pub(super) restart: Receiver<()>,
    pub(super) finish: Receiver<()>,
}

impl Owner {
    pub(super) fn new(start: Start) -> Self {
        let Start { options, settings, named, pool, keep, known, slot, points, said, restart, finish } =
            start;
        let now = Instant::now();
        let pace = pace_of(&options, &known.directory);
        let mut owner = Self {
            epoch: Epoch::new(options.settle, Run::new(settings)),
            directory: known.directory.as_path().into(),
            options,
            named,
            restart,
            finish,
            keep,
            workers: Workers::of(pool),
            hints: Hints::new(),
            watcher: None,
            root: None,
            elsewhere: None,
            pace,
            checks: 0,
            next_scan: now,
            no_scan_before: now,
            next_look: now,
            next_root_check: now,
            finish_by: None,
            slot,
            changed: false,
            publish_by: None,
            revision: 0,
            next_view: now,
            points,
            said,
        };
        owner.take_known(known);
        owner.publish(now);
        owner
    }

    /// Goes on until all is done, or the run is followed no more.
    pub(super) fn run(mut self) {
        loop {
            self.let_time_pass(Instant::now());
            if let Some(why) = self.elsewhere.take() {
                self.follow_elsewhere(why);
                continue;
            }
            self.dispatch();
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
            let (restart, finish) = (self.restart.clone(), self.finish.clone());
            let counted = self.workers.counted.clone();
            let (hints, saved) = (self.hints.receiver().clone(), self.keep.saved().clone());
            select! {
                recv(finish) -> order => match order {
                    Ok(()) => self.begin_to_finish(),
                    Err(_) => return self.leave(),
                },
                recv(restart) -> order => {
                    if order.is_ok() {
                        self.restart("as you asked");
                    }
                }
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

    /// The run, to be changed: whoever reads it has a new view soon.
    fn change(&mut self) -> &mut Run {
        self.changed = true;
        &mut self.epoch.run
    }

    /// Takes over the accounts as they are in the ledger. That a batch waits is no news that must be published at once:
    /// soon it is counted, and that is.
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

    /// When the run is to be published, where it differs from what was published last.
    fn next_publication(&self) -> Option<Instant> {
        let by = if self.changed { Some(self.next_view) } else { self.publish_by };
        by.map(|by| by.max(self.next_view))
    }

    /// Publishes the run as it is now.
    fn publish(&mut self, now: Instant) {
        self.note_accounts();
        (self.changed, self.publish_by) = (false, None);
        self.revision += 1;
        let view = self.epoch.run.conclude(self.revision, SystemTime::now());
        let layers = BETWEEN_VIEWS_BY_LAYER * view.tally().layers().len() as u32;
        let problems = BETWEEN_VIEWS_BY_PROBLEM * u32::try_from(view.problem_count()).unwrap_or(u32::MAX);
        self.slot.publish(view);
        let between = (now.elapsed() * PUBLISH_SHARE).max(BETWEEN_VIEWS).max(layers + problems);
        self.next_view = Instant::now() + between;
    }

    /// Ends since the run is followed no more; what is counted of it stays kept.
    fn leave(mut self) {
        self.make_checkpoint(true);
        self.note_last_point();
        self.keep.release();
    }

    /// Says something that is no problem of the run. Where nobody takes it, it is in the log.
    fn say(&self, what: String) {
        tracing::info!("{what}");
        let _ = self.said.try_send(what);
    }

    fn is_present(&self) -> bool {
        self.epoch.run.presence() == Some(&Presence::Present)
    }

    fn take_presence(&mut self, presence: Presence) {
        log::presence(&presence);
        self.change().take_presence(Some(presence));
    }

    /// Takes a point for TensorBoard after a batch, where one is due.
    fn note_point(&mut self) {
        if let Some(points) = &mut self.points {
            points.note(&self.epoch.run, SystemTime::now(), Instant::now());
        }
    }

    fn note_last_point(&mut self) {
        if let Some(points) = &mut self.points {
            points.close(&self.epoch.run, SystemTime::now(), Instant::now());
        }
    }

    /// When something is due next. What nothing would come of must not be in it, or the thread never rests.
    fn next_wake(&self) -> Instant {
        let mut wake = self.next_root_check;
        if let Some(due) = self.next_publication() {
            wake = wake.min(due);
        }
        if let Some(due) = self.points.as_ref().and_then(Series::due) {
            wake = wake.min(due);
        }
        if let (true, Some(due)) = (self.keeps(), self.epoch.checkpoints.due()) {
            wake = wake.min(due);
        }
        if let Some(deadline) = self.finish_by {
            wake = wake.min(deadline);
        }
        if !self.is_present() {
            return wake;
        }
        if self.scans() {
            wake = wake.min(self.next_scan);
        }
        if self.epoch.ledger.waiting().next().is_some() || self.is_reading_documents() {
            wake = wake.min(self.next_look);
        }
        if let (true, Some(due)) = (self.acknowledges(), self.epoch.acknowledgement.due()) {
            wake = wake.min(due);
        }
        let due = self.epoch.deletions.due().into_iter().chain(self.epoch.ledger.next_verification());
        due.fold(wake, Instant::min)
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

    /// Whether a batch has only to rest to be read, and will have before this.
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
            // Where nothing tells one from another, the scans say whether it is there.
            if !self.is_present() || self.root.is_some() {
                self.check_root(now);
            }
        }
        if let Some(points) = &mut self.points {
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

    /// Has what is no longer filled read once more.
    fn verify(&mut self, now: Instant) {
        if self.options.mode == Mode::Once {
            return;
        }
        let expected = self.epoch.run.expected_batches();
        let is_whole = expected.is_some_and(|expected| self.epoch.ledger.account().counted >= expected);
        self.epoch.ledger.verify(self.epoch.has_ended || is_whole, now);
    }

    fn problem(&mut self, path: String, error: SnapshotError) {
        // What is lost is kept, too.
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

/// How often it is worth to look at a directory.
fn pace_of(options: &Options, directory: &Path) -> LookIntervals {
    let mut pace = storage::for_path(directory).pace();
    if let (Some(poll), true) = (options.poll, is_url(directory)) {
        pace.root = poll;
    }
    pace
}
