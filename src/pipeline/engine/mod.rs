//! The thread that owns the ledger of a run, and selects over commands, hints, finished counts and time.
//!
//! It never reads a batch itself, so that a large one delays nothing but its own figures.

mod counting;
mod directory;
mod documents;
mod keeping;
mod resume;

use super::acknowledge::Acknowledgement;
use super::checkpoint::Checkpoints;
use super::deletion::Deletions;
use super::document::Document;
use super::layer_sets::{FirstBatches, LayerSets};
use super::rank_documents::{RankDocument, RankDocuments};
use super::recent::RecentCounts;
use super::worker::Workers;
use super::{Command, Mode, Options, Output, Presence, Problem, Severity, Update, Whereabouts};
use crate::follow::{Account, Hint, Ledger, Watcher};
use crate::log;
use crate::snapshot::{BatchName, Manifest, SnapshotError};
use crate::state::KnownManifest;
use crate::storage::{self, Pace, Root, is_url};
use crossbeam_channel::{Receiver, Sender, select, unbounded};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the last batches may take after the order to finish.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

/// What the thread knows.
pub(super) struct Engine {
    options: Options,
    /// The path by which the run is named, and where that leads: batches are read and deleted there alone.
    named: PathBuf,
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
    /// Why the pipeline ends, where the run's path leads to another directory by now.
    elsewhere: Option<String>,
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
    /// What told its directory from another then.
    restored_root: Option<Root>,
    /// Whether nothing says yet that what an earlier process counted is of this run.
    is_unconfirmed: bool,
    /// Whether batches came that may be of another run, so that no other is taken before everything is looked at.
    is_in_doubt: bool,
    /// Whether that process counted in a directory of another name.
    is_from_elsewhere: bool,
    /// Whether batches may have been deleted since they were counted.
    may_have_deleted: bool,
    deletions: Deletions,
    /// Why the run must not be counted at all.
    refused: bool,
    /// Counts the manifests that say something else of the layers, so that a batch is read again that an earlier
    /// one refused.
    checks: u64,
    /// Whether the run has come to its end, so that nothing is filled any more.
    has_ended: bool,
    /// Counts the restarts, so that what was read for an earlier tally is not added to this one.
    epoch: u64,
    scanned: bool,
    next_scan: Instant,
    /// No scan that events ask for before this.
    no_scan_before: Instant,
    next_look: Instant,
    next_root_check: Instant,
    finish_by: Option<Instant>,
    /// The first batch, by name, of which something was said that counts all the same, by what that is.
    known_remarks: HashMap<(String, String), (BatchName, Problem)>,
    /// The layers of the counted batches, once they are looked at.
    layer_sets: Option<LayerSets>,
    /// What was told of them.
    told_first: FirstBatches,
    /// What is said of what looks like a part of the run and is none.
    neighbours: Vec<Problem>,
    /// What has the name of a rank and cannot be looked into.
    closed_ranks: HashSet<String>,
}

impl Engine {
    pub(super) fn new(
        options: Options,
        Whereabouts { named, directory }: Whereabouts,
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
            elsewhere: None,
            pace,
            named,
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
            restored_root: None,
            is_unconfirmed: false,
            is_in_doubt: false,
            is_from_elsewhere: false,
            may_have_deleted: false,
            deletions: Deletions::default(),
            refused: false,
            checks: 0,
            has_ended: false,
            epoch: 0,
            scanned: false,
            next_scan: now,
            no_scan_before: now,
            next_look: now,
            next_root_check: now,
            finish_by: None,
            known_remarks: HashMap::new(),
            layer_sets: None,
            told_first: FirstBatches::default(),
            neighbours: Vec::new(),
            closed_ranks: HashSet::new(),
        }
    }

    /// Goes on until all is done, or nobody wants updates any more.
    pub(super) fn run(mut self) {
        loop {
            self.let_time_pass(Instant::now());
            if let Some(why) = self.elsewhere.take() {
                return self.end_elsewhere(why);
            }
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
        let due = self.deletions.due().into_iter().chain(self.ledger.next_verification());
        due.fold(wake, Instant::min)
    }

    fn is_done(&self, now: Instant) -> bool {
        let present = matches!(self.presence, Some(Presence::Present));
        let idle = !present || (self.scanned && (self.refused || !self.ledger.is_busy()));
        match (self.finish_by, self.options.mode) {
            (Some(deadline), _) => (idle && !self.waits_for_rest(deadline)) || now >= deadline,
            (None, Mode::Once) => {
                idle && self.ledger.waiting().next().is_none() && !self.is_reading_documents()
            }
            (None, Mode::Live) => false,
        }
    }

    /// Whether a batch has only to rest to be read, and will have before this.
    fn waits_for_rest(&self, deadline: Instant) -> bool {
        let is_present = self.presence == Some(Presence::Present) && !self.refused;
        is_present && self.ledger.next_rested().is_some_and(|rested| rested < deadline)
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Restart => self.restart("as you asked"),
            Command::Recount => {
                self.restart("the sums and the list of counted batches differ, which is a fault of neurotop; please report it");
            }
            Command::Finish => {
                self.watcher = None;
                self.finish_by = Some(Instant::now() + FINISH_WITHIN);
                self.scan(Instant::now());
                if !self.scanned {
                    // Another directory was in the place of the one that was counted.
                    self.scan(Instant::now());
                }
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

    /// Does what is due: looks at the directory, at what is waited for, or at everything.
    fn let_time_pass(&mut self, now: Instant) {
        if now >= self.next_root_check {
            self.next_root_check = now + self.pace.root;
            // Where nothing tells one from another, the scans say whether it is there.
            if self.presence != Some(Presence::Present) || self.root.is_some() {
                self.check_root(now);
            }
        }
        if self.elsewhere.is_some() {
            return;
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
        self.verify(now);
        self.acknowledge(now);
        self.delete(now);
    }

    /// Has what is no longer filled read once more.
    fn verify(&mut self, now: Instant) {
        if self.options.mode == Mode::Once {
            return;
        }
        let expected = self.manifest.as_ref().and_then(|manifest| manifest.expected_batches);
        let is_whole = expected.is_some_and(|expected| self.ledger.account().counted >= expected);
        self.ledger.verify(self.has_ended || is_whole, now);
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
