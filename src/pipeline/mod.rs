//! Runs the way of a snapshot: follows the directory, has ready batches counted by a few threads, and
//! sends what came of it as updates.
//!
//! One thread owns the ledger and selects over commands, hints, finished counts and time. It never
//! reads a batch itself, so that a large one delays nothing but its own figures.

mod acknowledge;
mod checkpoint;
mod deletion;
mod document;
mod pipelines;
mod rank_documents;
mod recent;
mod share;
mod update;
mod worker;

pub use checkpoint::{Checkpoint, Restored};
pub use pipelines::{Group, Pipelines};
pub use update::{Presence, Problem, Severity, Update, Watching};

use crate::fault;
use crate::follow::{
    Account, Found, Hint, Identity, Ledger, Outcome, Shape, Shard, Verdict, Watcher, events_missing_because,
    is_run, look, prune_leftovers, scan, scan_rank,
};
use crate::log;
use crate::snapshot::{
    BatchName, End, EntryName, LayerShape, Manifest, ManifestError, SnapshotError, classify,
};
use crate::state::{Kinship, KnownManifest};
use crate::storage::{self, Pace, Root, is_url};
use acknowledge::Acknowledgement;
use checkpoint::{Checkpoints, CountedBatch};
use crossbeam_channel::{Receiver, Sender, select, unbounded};
use deletion::{Deletions, Left};
use document::{Document, Reading};
use rank_documents::{Kind, RankDocument, RankDocuments};
use recent::RecentCounts;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use worker::{Counted, Pool, Task, Workers};

/// The least time between two full scans beside events.
const SCAN_BESIDE_EVENTS: Duration = Duration::from_secs(5);

/// A full scan may take at most one part in so many of the time, and of the time in which events ask
/// for it.
const SCAN_SHARE: u32 = 20;
const ASKED_SCAN_SHARE: u32 = 4;

/// How long the last batches may take after the order to finish.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

/// Why a tally starts over where a run is not the one that was counted.
const REPLACED: &str = "the run was replaced by another since it was last watched";
const OF_ANOTHER: &str = "the progress in the state file is that of another run";
const BEGUN_AGAIN: &str = "another run was begun in the same directory";

/// More hints than this at once are answered by one scan.
const MANY_HINTS: usize = 4096;

/// The most waiting batches that are looked at between two scans.
const MANY_WAITING: usize = 256;

/// When the pipeline ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// When all that was there at the start is counted or set aside.
    Once,
    /// Never; it goes on until it is told to finish.
    Live,
}

/// How to follow runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// When to end.
    pub mode: Mode,
    /// The batches that are looked at, where others are counted elsewhere; not so for what is followed live.
    pub shard: Shard,
    /// Scan at this interval instead of using file events.
    pub poll: Option<Duration>,
    /// How long an unreadable file must have stopped changing before it is set aside.
    pub settle: Duration,
    /// Threads that count.
    pub threads: usize,
    /// What becomes of what is counted.
    pub keeping: Keeping,
}

impl Options {
    /// With so many threads, whole runs, and nothing of them kept.
    pub fn unkept(mode: Mode, threads: usize) -> Self {
        let (settle, keeping) = (Duration::from_secs(2), Keeping::Nothing);
        Self { mode, shard: Shard::WHOLE, poll: None, settle, threads, keeping }
    }
}

/// What becomes of what is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keeping {
    /// It is forgotten when the program ends.
    #[default]
    Nothing,
    /// The progress is kept: checkpoints are sent, and a batch is safe once one with it is saved.
    Progress,
    /// The same, and batches that are safe are deleted.
    ProgressAndPrune,
    /// All of it is done by another process that follows the run, to which it is left.
    LeftToAnother,
}

impl Keeping {
    /// Whether checkpoints are made.
    fn has_checkpoints(self) -> bool {
        matches!(self, Self::Progress | Self::ProgressAndPrune)
    }
}

/// What the front-end can tell a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Forget all counts and read everything again.
    Restart,
    /// Scan once more, count what is there, and end.
    Finish,
    /// The checkpoint of this number is on disk.
    Saved {
        /// Its number.
        checkpoint: u64,
        /// How long it took to write.
        took: Duration,
    },
    /// A checkpoint could not be written: why.
    NotSaved(String),
}

/// The running pipeline of one run; it ends when this is dropped.
#[derive(Debug)]
struct Pipeline {
    commands: Sender<Command>,
}

impl Pipeline {
    fn start(
        options: Options,
        directory: &Path,
        run: usize,
        pool: Pool,
        groups: Sender<Group>,
        restored: Option<Restored>,
    ) -> std::io::Result<Self> {
        let directory: Arc<Path> = storage::absolute(directory)?.into();
        let (commands, receiver) = unbounded();
        let mut engine = Engine::new(options, directory, Workers::of(pool), receiver, Output { run, groups });
        if let Some(restored) = restored {
            engine.go_on_from(restored);
        }
        std::thread::Builder::new().name("pipeline".into()).spawn(move || {
            let groups = engine.output.clone();
            let _run = log::of_run(&engine.directory).entered();
            // The front-end must learn of a fault of this program, too.
            if catch_unwind(AssertUnwindSafe(|| engine.run())).is_err() {
                let _ = groups.send(vec![Update::Ended]);
            }
        })?;
        Ok(Self { commands })
    }

    fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

/// Where a pipeline's updates go.
#[derive(Clone)]
struct Output {
    run: usize,
    groups: Sender<Group>,
}

impl Output {
    /// Fails where nobody wants updates any more.
    fn send(&self, updates: Vec<Update>) -> Result<(), ()> {
        self.groups.send(Group { run: self.run, updates }).map_err(|_| ())
    }
}

/// The thread that owns the ledger.
struct Engine {
    options: Options,
    directory: Arc<Path>,
    commands: Receiver<Command>,
    output: Output,
    /// Updates since the last group was sent.
    pending: Vec<Update>,
    workers: Workers,
    hints: (Sender<Hint>, Receiver<Hint>),
    watcher: Option<Watcher>,
    presence: Option<Presence>,
    /// Tells one directory from another of the same name.
    root: Option<Root>,
    /// How often it is worth to look at what the directory is on.
    pace: Pace,
    ledger: Ledger,
    /// What can be taken out of the figures again.
    recent: RecentCounts,
    /// Counted batches that do not match the manifest and cannot be taken out.
    mismatched: Vec<BatchName>,
    account: Account,
    manifest_document: Document,
    end_document: Document,
    rank_documents: RankDocuments,
    manifest: Option<Arc<Manifest>>,
    /// The document of a rank that the manifest was taken from, where the run has none of its own.
    borrowed_from: Option<RankDocument>,
    acknowledgement: Acknowledgement,
    checkpoints: Checkpoints,
    /// Whether the last checkpoint could not be written.
    saving_fails: bool,
    /// The manifest that an earlier process knew, until this one knows the run's.
    restored_manifest: Option<KnownManifest>,
    /// Whether nothing says yet that what an earlier process counted is of this run.
    is_unconfirmed: bool,
    /// Whether that process counted in a directory of another name.
    is_from_elsewhere: bool,
    /// Whether batches may have been deleted since they were counted.
    may_have_deleted: bool,
    deletions: Deletions,
    /// Why the run must not be counted at all.
    refused: bool,
    /// Counts the restarts, so that what was read for an earlier tally is not added to this one.
    epoch: u64,
    scanned: bool,
    next_scan: Instant,
    /// No scan that events ask for before this.
    no_scan_before: Instant,
    next_look: Instant,
    next_root_check: Instant,
    finish_by: Option<Instant>,
    /// The first batch, by name, with members that are not read, by what was said of it.
    known_ignored: HashMap<String, BatchName>,
    known_misnamed: HashSet<String>,
    /// What has the name of a rank and cannot be looked into.
    closed_ranks: HashSet<String>,
}

impl Engine {
    fn new(
        options: Options,
        directory: Arc<Path>,
        workers: Workers,
        commands: Receiver<Command>,
        output: Output,
    ) -> Self {
        let now = Instant::now();
        let mut pace = storage::of(&directory).pace();
        if let (Some(poll), true) = (options.poll, is_url(&directory)) {
            pace.root = poll;
        }
        Self {
            ledger: Ledger::new(options.settle),
            recent: RecentCounts::default(),
            mismatched: Vec::new(),
            manifest_document: Document::new(options.settle),
            end_document: Document::new(options.settle),
            rank_documents: RankDocuments::new(options.settle),
            borrowed_from: None,
            options,
            pace,
            directory,
            commands,
            output,
            pending: Vec::new(),
            workers,
            hints: unbounded(),
            watcher: None,
            presence: None,
            root: None,
            account: Account::default(),
            manifest: None,
            acknowledgement: Acknowledgement::new(),
            checkpoints: Checkpoints::new(),
            saving_fails: false,
            restored_manifest: None,
            is_unconfirmed: false,
            is_from_elsewhere: false,
            may_have_deleted: false,
            deletions: Deletions::default(),
            refused: false,
            epoch: 0,
            scanned: false,
            next_scan: now,
            no_scan_before: now,
            next_look: now,
            next_root_check: now,
            finish_by: None,
            known_ignored: HashMap::new(),
            known_misnamed: HashSet::new(),
            closed_ranks: HashSet::new(),
        }
    }

    fn run(mut self) {
        loop {
            self.let_time_pass(Instant::now());
            self.dispatch();
            let now = Instant::now();
            let idle = self.is_done(now);
            self.make_checkpoint(idle);
            let done = idle && !self.waits_for_the_disk(now);
            if done {
                self.pending.push(Update::Ended);
            }
            if self.send().is_err() || done {
                return;
            }
            let wake = self.next_wake().saturating_duration_since(Instant::now());
            let (commands, hints, counted) =
                (self.commands.clone(), self.hints.1.clone(), self.workers.counted.clone());
            select! {
                recv(commands) -> command => match command {
                    Ok(command) => self.obey(command),
                    Err(_) => return,
                },
                recv(hints) -> hint => self.follow_hints(hint.into_iter().chain(hints.try_iter())),
                recv(counted) -> done => {
                    done.into_iter().chain(counted.try_iter()).flatten().for_each(|counted| self.settle(counted));
                }
                default(wake) => {}
            }
        }
    }

    /// Sends what changed as one group.
    fn send(&mut self) -> Result<(), ()> {
        if self.ledger.account() != self.account {
            self.account = self.ledger.account();
            self.pending.push(Update::Account(self.account));
        }
        for (rank, account) in self.ledger.take_changed_ranks() {
            self.pending.push(Update::Rank { rank, account });
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        self.pending.iter().for_each(log::update);
        self.output.send(std::mem::take(&mut self.pending))
    }

    /// When something is due next. What nothing would come of must not be in it, or the thread never rests.
    fn next_wake(&self) -> Instant {
        let mut wake = self.next_root_check;
        if let (true, Some(due)) = (self.keeps(), self.checkpoints.due()) {
            wake = wake.min(due);
        }
        if let Some(deadline) = self.finish_by {
            wake = wake.min(deadline);
        }
        if self.presence != Some(Presence::Present) {
            return wake;
        }
        if self.scans() {
            wake = wake.min(self.next_scan);
        }
        if self.ledger.waiting().next().is_some() || self.is_reading_documents() {
            wake = wake.min(self.next_look);
        }
        if let (true, Some(due)) = (self.acknowledges(), self.acknowledgement.due()) {
            wake = wake.min(due);
        }
        self.deletions.due().map_or(wake, |due| wake.min(due))
    }

    /// Whether everything is looked at from time to time.
    fn scans(&self) -> bool {
        self.finish_by.is_none() && !(self.options.mode == Mode::Once && self.scanned)
    }

    fn is_reading_documents(&self) -> bool {
        self.manifest_document.is_failing()
            || self.end_document.is_failing()
            || self.rank_documents.are_failing()
    }

    fn is_done(&self, now: Instant) -> bool {
        let present = matches!(self.presence, Some(Presence::Present));
        let idle = !present || (self.scanned && (self.refused || !self.ledger.is_busy()));
        match (self.finish_by, self.options.mode) {
            (Some(deadline), _) => idle || now >= deadline,
            (None, Mode::Once) => {
                idle && self.ledger.waiting().next().is_none() && !self.is_reading_documents()
            }
            (None, Mode::Live) => false,
        }
    }

    /// Whether the last checkpoint is not on disk yet, so that what it makes safe cannot be deleted yet.
    fn waits_for_the_disk(&self, now: Instant) -> bool {
        let in_time = self.finish_by.is_none_or(|deadline| now < deadline);
        self.keeps() && in_time && !self.saving_fails && self.checkpoints.is_being_written()
    }

    /// Whether the progress is kept.
    fn keeps(&self) -> bool {
        self.options.keeping.has_checkpoints()
    }

    /// Takes over what an earlier process counted.
    fn go_on_from(&mut self, restored: Restored) {
        self.ledger = Ledger::restore(self.options.settle, &restored.counted, Instant::now());
        for (name, _) in restored.counted.iter() {
            self.acknowledgement.add(name.id());
        }
        tracing::info!(directory = ?self.directory, "goes on from a kept progress");
        self.restored_manifest = restored.manifest;
        self.may_have_deleted = restored.may_have_deleted;
        self.is_from_elsewhere = restored.is_from_elsewhere;
        self.is_unconfirmed = true;
    }

    /// Whether a batch was counted by an earlier process.
    fn restored_as(&self, name: BatchName) -> Option<Identity> {
        self.ledger.counted_as(name).filter(|_| !self.recent.has(name.id()))
    }

    /// Why what an earlier process counted is not of this run, if it is not: none of its batches that are there is
    /// as it was, and nothing else says that the others were deleted from this very run. If all is well, those
    /// that are there and safe are deleted where that is asked for.
    fn is_another(&mut self, found: &[Found]) -> Option<&'static str> {
        if !self.is_unconfirmed {
            return None;
        }
        let (mut safe, mut changed) = (Vec::new(), 0);
        for found in found {
            let Some(name) = BatchName::parse(&found.name) else { continue };
            match self.restored_as(name) {
                Some(identity) if identity.same_contents(&found.identity) => safe.push((name, identity)),
                Some(_) => changed += 1,
                None => {}
            }
        }
        let restored = self.ledger.account().counted - self.recent.len();
        let some_were_deleted = restored > (safe.len() + changed) as u64;
        let is_known = !safe.is_empty()
            || match self.kinship() {
                Kinship::SameId => true,
                Kinship::SameFile => some_were_deleted,
                Kinship::None => false,
            };
        if self.is_from_elsewhere && !is_known {
            return Some(OF_ANOTHER);
        }
        if changed > 0 && !is_known {
            return Some(REPLACED);
        }
        if self.is_from_elsewhere || changed > 0 || !safe.is_empty() {
            self.is_unconfirmed = false;
        }
        self.plan_deletion(safe);
        None
    }

    /// What the manifest says of whether this is the run that was counted; without one, that batches are deleted
    /// here says as much as one that was not written anew.
    fn kinship(&self) -> Kinship {
        let own = self.manifest.as_deref().filter(|_| self.borrowed_from.is_none());
        let now = own.map(|manifest| KnownManifest::of(manifest, self.manifest_document.identity()));
        match (&self.restored_manifest, &now) {
            (Some(before), Some(now)) => before.kinship(now),
            (None, None) if self.options.keeping == Keeping::ProgressAndPrune => Kinship::SameFile,
            _ => Kinship::None,
        }
    }

    /// Lists what is counted where it is time to, as the last update of a group.
    fn make_checkpoint(&mut self, last: bool) {
        if !self.keeps() || !self.checkpoints.is_wanted(last) {
            return;
        }
        // Which rank's manifest comes first is a matter of chance, and makes no other run.
        let own = self.manifest.as_deref().filter(|_| self.borrowed_from.is_none());
        let manifest = own.map(|manifest| KnownManifest::of(manifest, self.manifest_document.identity()));
        let manifest = manifest.or_else(|| self.restored_manifest.clone());
        let checkpoint = self.checkpoints.make(self.ledger.counted(), manifest, self.may_delete());
        self.pending.push(Update::Checkpoint(Box::new(checkpoint)));
    }

    /// What is in a checkpoint that is on disk can be deleted: by the producer, or here. What was counted again or
    /// taken out since then cannot.
    fn take_saved(&mut self, checkpoint: u64, took: Duration) {
        let mut safe = self.checkpoints.saved(checkpoint, took);
        safe.retain(|(name, identity)| self.ledger.counted_as(*name) == Some(*identity));
        self.saving_fails = false;
        self.pending.push(Update::Solved("state".into()));
        for (name, _) in &safe {
            self.acknowledgement.add(name.id());
        }
        self.plan_deletion(safe);
        self.delete(Instant::now());
    }

    /// Whether batches may have been deleted since they were counted, or may be soon.
    fn may_delete(&self) -> bool {
        self.may_have_deleted || self.options.keeping == Keeping::ProgressAndPrune || self.acknowledges()
    }

    /// Has batches that are safe deleted, where that is asked for.
    fn plan_deletion(&mut self, safe: Vec<CountedBatch>) {
        if self.options.keeping != Keeping::ProgressAndPrune {
            return;
        }
        let ledger = &self.ledger;
        if self.deletions.is_first() {
            prune_leftovers(&self.directory, |name| ledger.counted_as(name));
        }
        self.deletions.add(safe, Instant::now());
    }

    /// Deletes what is due.
    fn delete(&mut self, now: Instant) {
        let ledger = &self.ledger;
        let is_safe = |(name, identity): &CountedBatch| ledger.counted_as(*name) == Some(*identity);
        for Left { batch, error } in self.deletions.delete_due(&self.directory, now, is_safe) {
            self.notice(batch.to_string(), error);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Restart => self.restart("as you asked"),
            Command::Finish => {
                self.watcher = None;
                self.finish_by = Some(Instant::now() + FINISH_WITHIN);
                self.scan(Instant::now());
                self.ledger.hurry();
            }
            Command::Saved { checkpoint, took } => self.take_saved(checkpoint, took),
            Command::NotSaved(why) => {
                self.checkpoints.failed();
                self.saving_fails = true;
                self.notice(
                    "state".into(),
                    SnapshotError::new(
                        format!(
                            "the progress cannot be kept ({why}), so that a restart counts everything again"
                        ),
                        "make room, or name another place with --state",
                    ),
                );
            }
        }
    }

    fn restart(&mut self, why: &str) {
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
    fn counted_and_gone(&self) -> u64 {
        let found = scan(&self.directory, self.options.shard).unwrap_or_default();
        let is_there = |found: &Found| {
            let counted = BatchName::parse(&found.name).and_then(|name| self.ledger.counted_as(name));
            counted.is_some_and(|counted| counted.same_contents(&found.identity))
        };
        let there = found.iter().filter(|found| is_there(found)).count() as u64;
        self.ledger.account().counted - there
    }

    /// Does what is due: looks at the directory, at what is waited for, or at everything.
    fn let_time_pass(&mut self, now: Instant) {
        if now >= self.next_root_check {
            self.next_root_check = now + self.pace.root;
            // Where nothing tells one from another, the scans say whether it is there.
            if self.presence != Some(Presence::Present) || self.root.is_some() {
                self.check_root(now);
            }
        }
        if self.presence != Some(Presence::Present) {
            return;
        }
        if now >= self.next_scan && self.scans() {
            self.scan(now);
        }
        if now >= self.next_look {
            self.next_look = now + self.pace.look;
            self.look_at_waiting(now);
            for (name, problem) in self.ledger.tick(now) {
                self.problem(name, problem);
            }
        }
        self.read_documents(now);
        self.acknowledge(now);
        self.delete(now);
    }

    /// Whether the producer waits to be told what is counted. A count that is not kept, as that of a
    /// summary, tells it nothing.
    fn acknowledges(&self) -> bool {
        let keeps = self.manifest.as_ref().is_some_and(|manifest| manifest.keep.is_some());
        let is_ours = self.options.keeping != Keeping::LeftToAnother && !is_url(&self.directory);
        keeps && is_ours && self.options.mode == Mode::Live
    }

    fn acknowledge(&mut self, now: Instant) {
        if self.acknowledges()
            && let Err(error) = self.acknowledgement.write(&self.directory, now)
        {
            self.notice(
                ".neurotop-counted.json".into(),
                SnapshotError::new(
                    format!("the producer cannot be told what is counted, and keeps all batches: {error}"),
                    "give this user permission to write into the run's directory",
                ),
            );
        }
    }

    /// A scan is wanted soon; many events that ask for one share it.
    fn ask_for_scan(&mut self) {
        self.next_scan = self.next_scan.min(Instant::now().max(self.no_scan_before));
    }

    /// Notices a directory that appears, vanishes, or is another one of the same name.
    fn check_root(&mut self, now: Instant) {
        let (presence, root) = match storage::root(&self.directory) {
            Ok(root) => (Presence::Present, root),
            Err(why) => (Presence::Missing(why), None),
        };
        let is_another = self.root.is_some() && root.is_some() && root != self.root;
        let (presence, root) = if is_another && !is_run(&self.directory) {
            // Such is what a disk leaves that is not mounted for a while.
            let why = "another directory is in its place, with nothing of a run in it yet";
            (Presence::Missing(why.into()), None)
        } else {
            (presence, root)
        };
        if root.is_some() && is_another {
            self.watcher = None;
            self.restart("the directory was replaced by another of the same name");
        }
        if self.presence.as_ref() == Some(&presence) {
            if presence == Presence::Present && self.watcher.is_none() && self.root != root {
                self.watch();
            }
            self.root = root.or(self.root);
            return;
        }
        if presence == Presence::Present {
            self.root = root;
            self.watch();
            self.next_scan = now;
        } else {
            self.watcher = None;
        }
        self.presence = Some(presence.clone());
        self.pending.push(Update::Directory(presence));
    }

    /// Watches first and scans then, so that nothing falls in between.
    fn watch(&mut self) {
        if self.options.mode == Mode::Once || self.finish_by.is_some() {
            return;
        }
        let why = match (self.options.poll, events_missing_because(&self.directory)) {
            (Some(_), _) => Some("as you asked".to_owned()),
            (None, Some(why)) => Some(why),
            (None, None) => match Watcher::new(&self.directory, self.hints.0.clone()) {
                Ok(watcher) => {
                    self.watcher = Some(watcher);
                    None
                }
                Err(why) => Some(why),
            },
        };
        self.announce_watching(why);
    }

    fn announce_watching(&mut self, polling_because: Option<String>) {
        self.pending.push(Update::Watching(match polling_because {
            Some(why) => Watching::Polling { every: self.scan_interval(), why },
            None => Watching::Events,
        }));
        self.next_scan = Instant::now();
    }

    fn scan_interval(&self) -> Duration {
        match (self.options.poll, &self.watcher) {
            (Some(interval), _) => interval,
            (None, Some(_)) => SCAN_BESIDE_EVENTS,
            (None, None) => self.pace.scan,
        }
    }

    fn scan(&mut self, now: Instant) {
        let started = Instant::now();
        let found = match scan(&self.directory, self.options.shard) {
            Ok(found) => found,
            Err(error) => {
                self.next_scan = now + self.pace.root;
                if self.root.is_some() {
                    self.check_root(now);
                }
                if self.presence == Some(Presence::Present) {
                    self.presence = Some(Presence::Missing(format!("it cannot be listed: {error}")));
                    self.pending.extend(self.presence.clone().map(Update::Directory));
                }
                return;
            }
        };
        self.scanned = true;
        self.note_documents(&found, now);
        self.note_misnamed(&found);
        self.note_ranks(&found);
        let epoch = self.epoch;
        // The manifest is read before any batch is queued that must be checked against it.
        self.read_documents(now);
        if let Some(why) = self.is_another(&found) {
            self.restart(why);
        }
        if self.epoch != epoch {
            return;
        }
        let changes = self.ledger.reconcile(&found, now, SystemTime::now());
        for (name, problem) in changes.problems {
            self.problem(name, problem);
        }
        self.pending.extend(changes.solved.into_iter().map(Update::Solved));
        self.watch_ranks(&found);
        let (took, ended) = (started.elapsed(), Instant::now());
        self.next_scan = ended + self.scan_interval().max(took * SCAN_SHARE);
        self.no_scan_before = ended + took * ASKED_SCAN_SHARE;
    }

    fn note_documents(&mut self, found: &[Found], now: Instant) {
        for found in found {
            match found.meaning {
                EntryName::Manifest(None) => self.manifest_document.observe(found, now, SystemTime::now()),
                EntryName::End(None) => self.end_document.observe(found, now, SystemTime::now()),
                _ => self.rank_documents.observe(found, now, SystemTime::now()),
            }
        }
    }

    /// Notes all ranks that have a directory.
    fn note_ranks(&mut self, found: &[Found]) {
        if !self.closed_ranks.is_empty() {
            let present: HashSet<&str> = found.iter().map(|found| found.name.as_str()).collect();
            let is_gone = |name: &&String| !present.contains(name.as_str());
            let gone: Vec<String> = self.closed_ranks.iter().filter(is_gone).cloned().collect();
            gone.iter().for_each(|name| self.open_rank(name));
        }
        found.iter().for_each(|found| self.note_rank(found));
    }

    fn note_rank(&mut self, found: &Found) {
        let EntryName::Rank(rank) = found.meaning else { return };
        match found.shape {
            Shape::Directory => {
                self.open_rank(&found.name);
                self.ledger.note_rank(rank);
            }
            Shape::File => {}
            Shape::Other(what) if self.closed_ranks.insert(found.name.clone()) => self.problem(
                found.name.clone(),
                SnapshotError::new(
                    format!("it is {what}, and what is in it is not counted"),
                    "put the directory of the rank itself in its place, where this user may read it",
                ),
            ),
            Shape::Other(_) => {}
        }
    }

    fn open_rank(&mut self, name: &str) {
        if self.closed_ranks.remove(name) {
            self.pending.push(Update::Solved(name.to_owned()));
        }
    }

    /// Watches the directories of ranks that are not watched yet, and looks at them again then, so that
    /// nothing falls in between.
    fn watch_ranks(&mut self, found: &[Found]) {
        for found in found.iter().filter(|found| found.is_rank_directory()) {
            if self.watcher.as_ref().is_some_and(|watcher| !watcher.watches(&found.name)) {
                self.look_into(found);
            }
        }
    }

    /// Looks at all that is in the directory of a rank, which is watched from now on.
    fn look_into(&mut self, found: &Found) {
        if let Some(watcher) = &mut self.watcher
            && let Err(why) = watcher.watch(&found.name)
        {
            self.watcher = None;
            self.announce_watching(Some(why));
        }
        // One that cannot be listed is named by the next full scan.
        let inside = scan_rank(&self.directory, &found.name, self.options.shard).unwrap_or_default();
        inside.into_iter().for_each(|found| self.take_found(found, false));
    }

    fn note_misnamed(&mut self, found: &[Found]) {
        for found in found {
            let error = match found.meaning {
                EntryName::Misnamed => SnapshotError::new(
                    "it is not counted, since its name gives no batch number",
                    "name it batch-N.npz if it is a batch",
                ),
                EntryName::MisnamedRank => SnapshotError::new(
                    "what is in it is not counted, since its name gives no rank",
                    "name it rank-R, a number below 4294967295, if it is that of a rank",
                ),
                _ => continue,
            };
            if self.known_misnamed.insert(found.name.clone()) {
                self.notice(found.name.clone(), error);
            }
        }
    }

    fn follow_hints(&mut self, hints: impl Iterator<Item = Hint>) {
        let mut names: Vec<(String, bool)> = Vec::new();
        let mut everything = false;
        for hint in hints {
            let (paths, whole) = match hint {
                Hint::Touched(paths) => (paths, false),
                Hint::Whole(paths) => (paths, true),
                Hint::Anything => {
                    tracing::debug!("file events were lost; everything is looked at");
                    everything = true;
                    continue;
                }
                Hint::Lost(why) => {
                    self.watcher = None;
                    self.announce_watching(Some(why));
                    continue;
                }
            };
            for path in paths {
                match path.strip_prefix(&self.directory).ok().and_then(|rest| rest.to_str()) {
                    Some("") => self.next_root_check = Instant::now(),
                    Some(name) => names.push((name.replace(std::path::MAIN_SEPARATOR, "/"), whole)),
                    None => {}
                }
            }
        }
        names.sort_unstable();
        names.dedup();
        if everything || names.len() > MANY_HINTS {
            return self.ask_for_scan();
        }
        for (name, whole) in names {
            self.look_at(&name, whole);
        }
    }

    fn look_at(&mut self, name: &str, whole: bool) {
        match look(&self.directory, name) {
            Some(found) if found.is_rank_directory() => {
                self.note_rank(&found);
                self.look_into(&found);
            }
            Some(found) => self.take_found(found, whole),
            // Only a full scan tells a batch that was renamed from one that was deleted.
            None if self.ledger.awaits(name) => self.ask_for_scan(),
            None if matches!(classify(name), EntryName::Rank(_)) => {
                if let Some(watcher) = &mut self.watcher {
                    watcher.forget(name);
                }
                self.ask_for_scan();
            }
            None => {}
        }
    }

    fn take_found(&mut self, found: Found, whole: bool) {
        let now = Instant::now();
        self.note_documents(std::slice::from_ref(&found), now);
        self.note_misnamed(std::slice::from_ref(&found));
        self.note_rank(&found);
        if self.is_unconfirmed && self.is_changed(&found) {
            // It may be the first batch of another run, which the whole directory tells.
            return self.ask_for_scan();
        }
        if let Some(problem) = self.ledger.observe(&found, whole, now, SystemTime::now()) {
            self.problem(found.name, problem);
        }
    }

    /// Whether a batch that an earlier process counted is not as it was.
    fn is_changed(&self, found: &Found) -> bool {
        let restored = BatchName::parse(&found.name).and_then(|name| self.restored_as(name));
        restored.is_some_and(|restored| !restored.same_contents(&found.identity))
    }

    fn look_at_waiting(&mut self, now: Instant) {
        let waiting: Vec<String> = self.ledger.waiting().take(MANY_WAITING).collect();
        for name in waiting {
            self.look_at(&name, false);
        }
        if !self.is_reading_documents() {
            return;
        }
        let of_ranks: Vec<String> = self.rank_documents.unread().into_iter().map(|of| of.name).collect();
        for name in ["manifest.json", "end.json"].into_iter().chain(of_ranks.iter().map(String::as_str)) {
            if let Some(found) = look(&self.directory, name) {
                self.note_documents(&[found], now);
            }
        }
    }

    fn read_documents(&mut self, now: Instant) {
        let path = self.directory.join("manifest.json");
        match self.manifest_document.read(&path, now, parse_manifest) {
            Reading::Nothing => {}
            Reading::Parsed(Ok(manifest)) => self.take_own_manifest(manifest),
            Reading::Parsed(Err(newer)) => self.refuse("manifest.json", newer),
            Reading::Failed(error) => self.problem("manifest.json".into(), error),
        }
        let path = self.directory.join("end.json");
        match self.end_document.read(&path, now, End::parse) {
            Reading::Nothing => {}
            Reading::Parsed(end) => {
                self.pending.push(Update::Solved("end.json".into()));
                self.pending.push(Update::End(end));
            }
            Reading::Failed(error) => {
                self.problem("end.json".into(), error);
                self.pending.push(Update::End(End::default()));
            }
        }
        for of in self.rank_documents.unread() {
            match of.kind {
                Kind::Manifest => self.read_rank_manifest(of, now),
                Kind::End => self.read_rank_end(&of, now),
            }
        }
    }

    fn refuse(&mut self, name: &str, newer: SnapshotError) {
        self.refused = true;
        self.problem(name.into(), newer.clone());
        self.pending.push(Update::Refused(newer));
    }

    /// The manifest of a rank must agree with the run's own, and stands for it where there is none.
    fn read_rank_manifest(&mut self, of: RankDocument, now: Instant) {
        let directory = Arc::clone(&self.directory);
        let manifest = match self.rank_documents.read(&of, &directory, now, parse_manifest) {
            Reading::Nothing => return,
            Reading::Parsed(Ok(manifest)) => manifest,
            Reading::Parsed(Err(newer)) if self.manifest.is_none() && self.manifest_document.is_absent() => {
                return self.refuse(&of.name, newer);
            }
            Reading::Parsed(Err(error)) | Reading::Failed(error) => return self.problem(of.name, error),
        };
        let is_lent = self.manifest.is_none() || self.borrowed_from.as_ref() == Some(&of);
        if is_lent && self.manifest_document.is_absent() {
            self.pending.push(Update::Solved(of.name.clone()));
            self.rank_documents.compare_again(Some(&of));
            self.borrowed_from = Some(of);
            return self.take_manifest(manifest.of_all_ranks());
        }
        match self.manifest.as_ref().and_then(|of_run| manifest.contradiction(of_run)) {
            None => self.pending.push(Update::Solved(of.name)),
            Some(how) => {
                let source = self.borrowed_from.as_ref().map_or("manifest.json", |of| of.name.as_str());
                let error = SnapshotError::new(
                    format!("it contradicts {source}, which is taken for the run's: {how}"),
                    "have all ranks run the same model, or give each a run of its own",
                );
                self.problem(of.name, error);
            }
        }
    }

    fn read_rank_end(&mut self, of: &RankDocument, now: Instant) {
        let directory = Arc::clone(&self.directory);
        let end = match self.rank_documents.read(of, &directory, now, End::parse) {
            Reading::Nothing => return,
            Reading::Parsed(end) => {
                self.pending.push(Update::Solved(of.name.clone()));
                end
            }
            Reading::Failed(error) => {
                self.problem(of.name.clone(), error);
                End::default()
            }
        };
        self.ledger.note_rank(of.rank);
        self.pending.push(Update::RankEnd { rank: of.rank, end });
    }

    fn take_own_manifest(&mut self, manifest: Manifest) {
        if self.restored_manifest.as_ref().is_some_and(|before| !before.may_become(&manifest)) {
            return self.restart(REPLACED);
        }
        let own = self.manifest.as_deref().filter(|_| self.borrowed_from.is_none());
        if let (Some(before), Some(now)) = (own.and_then(|own| own.id.as_ref()), &manifest.id)
            && before != now
        {
            return self.restart(BEGUN_AGAIN);
        }
        self.borrowed_from = None;
        self.rank_documents.compare_again(None);
        self.take_manifest(manifest);
    }

    fn take_manifest(&mut self, manifest: Manifest) {
        let manifest = Arc::new(manifest);
        let checks_changed = match &self.manifest {
            Some(old) => !old.checked_part().eq(manifest.checked_part()),
            None => true,
        };
        self.manifest = Some(Arc::clone(&manifest));
        self.refused = false;
        self.pending.push(Update::Solved("manifest.json".into()));
        self.pending.push(Update::Manifest(Arc::clone(&manifest)));
        if manifest.keep.is_some() && is_url(&self.directory) && self.options.mode == Mode::Live {
            self.notice("manifest.json".into(), never_acknowledged());
        }
        if !checks_changed {
            return;
        }
        let solved = self.mismatched.drain(..).map(|name| name.to_string());
        self.pending.extend(solved.chain(self.ledger.retry_set_aside()).map(Update::Solved));
        for (name, reason) in self.ledger.recheck(|shapes| manifest.check(shapes)) {
            self.take_out(name, reason);
        }
    }

    /// Takes a counted batch out that does not match the manifest, where that is possible.
    fn take_out(&mut self, name: BatchName, reason: SnapshotError) {
        let id = name.id();
        // One that is gone would be lost.
        let counted = self.ledger.counted_as(name);
        let found = look(&self.directory, &name.to_string());
        let is_there =
            found.zip(counted).is_some_and(|(found, counted)| found.identity.same_contents(&counted));
        let count = if is_there { self.recent.take(id) } else { None };
        let Some(count) = count else {
            self.mismatched.push(name);
            let what =
                format!("{}; it is in the figures all the same, counted before that was known", reason.what);
            return self.problem(name.to_string(), SnapshotError::new(what, "start the tally over"));
        };
        self.ledger.withdraw(name);
        self.acknowledgement.remove(id);
        self.checkpoints.touch();
        self.pending.push(Update::Withdrawn { number: id.number, rank: id.rank, count });
        self.problem(name.to_string(), reason);
    }

    /// Gives the workers what is ready, a little more than they can have in hand.
    fn dispatch(&mut self) {
        let past_finish = self.finish_by.is_some_and(|deadline| Instant::now() >= deadline);
        if self.refused || past_finish {
            return;
        }
        let room = self.workers.room();
        for job in self.ledger.take_ready(room) {
            let (directory, manifest) = (Arc::clone(&self.directory), self.manifest.clone());
            self.workers.give(Task { epoch: self.epoch, job, directory, manifest });
        }
    }

    fn settle(&mut self, counted: Counted) {
        fault::point("pipeline");
        self.workers.took_back();
        if counted.epoch != self.epoch {
            return;
        }
        let Counted { job, after, result, .. } = counted;
        let (name, id, identity) = (job.name.clone(), job.id, job.identity);
        let Some(parsed) = BatchName::parse(&name) else { return };
        let (shapes, added) = match result {
            Ok(read) => (self.still_valid(parsed, &read.count.shapes), Some(read)),
            Err(error) => (Err(error), None),
        };
        let verdict = self.ledger.settle(&Outcome { job, after, result: shapes }, Instant::now());
        match (verdict, added) {
            (Verdict::Add { replaces }, Some(mut read)) => {
                let replaces = if replaces { self.recent.take(id) } else { None };
                if let Some(shared) = self.ledger.shapes_of(parsed) {
                    read.count.shapes = shared;
                }
                self.recent.keep(id, &read.count);
                if self.keeps() {
                    self.checkpoints.add((parsed, identity));
                } else {
                    self.acknowledgement.add(id);
                }
                self.pending.push(Update::Solved(name.clone()));
                self.note_ignored(parsed, &read.ignored);
                self.pending.push(Update::Counted {
                    number: id.number,
                    rank: id.rank,
                    name,
                    modified: identity.modified,
                    bytes: identity.size,
                    replaces,
                    count: read.count,
                });
            }
            (Verdict::SetAside(problem), _) => self.problem(name, problem),
            (Verdict::Add { .. } | Verdict::Wait, _) => {}
        }
    }

    /// The manifest may have changed while a batch was read that was checked against the one before; and a batch
    /// cannot be counted again unless its first count can be taken out.
    fn still_valid(
        &self,
        name: BatchName,
        shapes: &Arc<[LayerShape]>,
    ) -> Result<Arc<[LayerShape]>, SnapshotError> {
        if let Some(manifest) = &self.manifest {
            manifest.check(shapes)?;
        }
        if self.restored_as(name).is_some() {
            return Err(SnapshotError::new(
                "it changed after it was counted, too long ago to count it again",
                "start the tally over",
            ));
        }
        Ok(Arc::clone(shapes))
    }

    /// Says it once where batches have members that are not read, of the first such batch by name: the order in
    /// which they are counted must not matter.
    fn note_ignored(&mut self, batch: BatchName, ignored: &[String]) {
        if ignored.is_empty() {
            return;
        }
        let some: Vec<&str> = ignored.iter().take(5).map(String::as_str).collect();
        let error = SnapshotError::new(
            format!(
                "members that the format does not know are not read, here and later: {}",
                some.join(", ")
            ),
            "name potentials <layer>.post, <layer>.pre or <layer>.changed",
        );
        match self.known_ignored.entry(error.to_string()) {
            Entry::Vacant(first) => {
                first.insert(batch);
            }
            Entry::Occupied(first) if *first.get() < batch => return,
            Entry::Occupied(mut first) => {
                let later = first.insert(batch);
                self.pending.push(Update::NoticeGone(later.to_string()));
            }
        }
        self.notice(batch.to_string(), error);
    }

    fn problem(&mut self, path: String, error: SnapshotError) {
        // What is lost is kept, too.
        self.checkpoints.touch();
        self.pending.push(Update::Problem(Problem {
            path,
            reason: error.to_string(),
            severity: Severity::SetAside,
        }));
    }

    fn notice(&mut self, path: String, error: SnapshotError) {
        self.pending.push(Update::Problem(Problem {
            path,
            reason: error.to_string(),
            severity: Severity::Notice,
        }));
    }
}

/// Nothing is written to an object store.
fn never_acknowledged() -> SnapshotError {
    SnapshotError::new(
        "the producer keeps batches until they are acknowledged, and nothing is acknowledged in an object store",
        "record without keep; an expiry rule of the store can delete old batches",
    )
}

/// That a manifest is of a newer version is certain at once; anything else that is wrong with it may
/// only mean that it is still being written.
fn parse_manifest(bytes: &[u8]) -> Result<Result<Manifest, SnapshotError>, SnapshotError> {
    match Manifest::parse(bytes) {
        Ok(manifest) => Ok(Ok(manifest)),
        Err(ManifestError::Newer(error)) => Ok(Err(error)),
        Err(ManifestError::Unusable(error)) => Err(error),
    }
}
