//! Looks at the directory: whether it is there, what events say of it, and everything in it.

use super::Owner;
use crate::follow::{
    Found, Hint, LedgerChanges, Neighbour, Shard, Watcher, beside_run, beside_runs, events_missing_because,
    holds_any_batch, is_run, look, scan, scan_rank,
};
use crate::run::{Keeping, Mode, Presence, Problem, Severity, Watching};
use crate::snapshot::{BatchName, EntryName, classify};
use crate::storage;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// The time between two full scans beside events.
const SCAN_BESIDE_EVENTS: Duration = Duration::from_secs(5);

/// Full scans take at most one part in so many of the time, and more of it when events ask for them.
const SCAN_SHARE: u32 = 20;
const ASKED_SCAN_SHARE: u32 = 4;

/// A disk that is not mounted for a while leaves such a directory.
const NOT_A_RUN_YET: &str = "another directory is in its place, with nothing of a run in it yet";

/// More hints than this at once are answered by one scan.
const MANY_HINTS: usize = 4096;

/// The most waiting batches to look at between two scans.
const MANY_WAITING: usize = 256;

impl Owner {
    /// Asks for a scan soon. Many events share one.
    pub(super) fn ask_for_scan(&mut self) {
        self.next_scan = self.next_scan.min(Instant::now().max(self.no_scan_before));
    }

    /// Notices a directory that appears, vanishes, or is replaced by another of the same name, and a path that leads
    /// elsewhere.
    pub(super) fn check_root(&mut self, now: Instant) {
        let place = storage::canonical(&self.named);
        if self.may_go_elsewhere() && *place != *self.directory {
            return self.look_elsewhere(&place);
        }
        let (presence, root) = match storage::root(&self.directory) {
            Ok(root) => (Presence::Present, root),
            Err(why) => (Presence::Missing(why), None),
        };
        let is_another = self.root.is_some() && root.is_some() && root != self.root;
        let (presence, root) = if is_another && !is_run(&self.directory) {
            (Presence::Missing(NOT_A_RUN_YET.into()), None)
        } else {
            (presence, root)
        };
        if root.is_some() && is_another {
            self.watcher = None;
            let why = "the directory was replaced by another of the same name";
            if self.may_go_elsewhere() && self.options.keeping != Keeping::Nothing {
                self.elsewhere = Some(why.into());
                return;
            }
            self.restart(why);
        }
        if self.was_moved_here(&presence) {
            self.elsewhere = Some(String::new());
            return;
        }
        if self.epoch.run.presence() == Some(&presence) {
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
        self.take_presence(presence);
    }

    /// Follows the run under another name.
    pub(super) fn take_new_name(&mut self, named: PathBuf) {
        tracing::info!(to = %named.display(), "the run was renamed");
        self.change().move_to(&named);
        if self.options.keeping != Keeping::Nothing {
            // Its progress is kept by its name, which another run may have from now on.
            self.elsewhere = Some(format!("it was renamed to {}", named.display()));
        }
        self.named = named;
        self.next_root_check = Instant::now();
    }

    /// Whether another run may be followed that takes the place of this one.
    fn may_go_elsewhere(&self) -> bool {
        self.options.mode == Mode::Live && self.finish_by.is_none()
    }

    /// Whether a whole run is there all at once that was waited for: its progress may be kept by its former name.
    fn was_moved_here(&self, presence: &Presence) -> bool {
        let was_waited_for =
            matches!(self.epoch.run.presence(), Some(Presence::Missing(_))) && self.root.is_none();
        let is_there = *presence == Presence::Present && is_run(&self.directory);
        was_waited_for
            && is_there
            && self.keeps()
            && self.may_go_elsewhere()
            && self.epoch.ledger.in_figures() == 0
    }

    /// Follows the path to where it leads now. The same directory under another name is the same run. Another directory
    /// is another run, as soon as there is one in it.
    fn look_elsewhere(&mut self, place: &Path) {
        let root = storage::root(place);
        let is_same = self.root.is_some_and(|(_, made)| made.is_some()) && root == Ok(self.root);
        let is_there = root.is_ok();
        if is_same {
            self.directory = place.into();
            self.watch();
        } else if self.epoch.ledger.in_figures() == 0 || (is_there && is_run(place)) {
            self.go_elsewhere(place);
        } else {
            let presence = Presence::Missing(root.err().unwrap_or_else(|| NOT_A_RUN_YET.into()));
            self.watcher = None;
            if self.epoch.run.presence() != Some(&presence) {
                self.take_presence(presence);
            }
        }
    }

    /// Goes to another directory. If progress is kept, that of the other run must be looked for; if not, the tally just
    /// starts over.
    fn go_elsewhere(&mut self, place: &Path) {
        let why = format!("its path leads to {} now", place.display());
        if self.options.keeping != Keeping::Nothing {
            self.elsewhere = Some(why);
            return;
        }
        if self.has_figures() {
            self.restart(&why);
        }
        self.directory = place.into();
        self.change().rename(place);
        self.watcher = None;
        self.change().take_presence(None);
        self.root = None;
        self.next_root_check = Instant::now();
    }

    pub(super) fn has_figures(&self) -> bool {
        self.epoch.ledger.in_figures() > 0 || self.epoch.run.manifest().is_some()
    }

    /// Whether the directory is still the one in which batches were counted, so that what is counted is of this run.
    pub(super) fn is_in_its_directory(&mut self) -> bool {
        let is_another = self.root.is_some()
            && storage::root(&self.directory).is_ok_and(|root| root.is_some() && root != self.root);
        if is_another {
            self.next_root_check = Instant::now();
        }
        !is_another
    }

    /// Starts to watch. The scan comes afterwards, so that nothing falls in between.
    pub(super) fn watch(&mut self) {
        if self.options.mode == Mode::Once || self.finish_by.is_some() {
            return;
        }
        let why = match (self.options.poll, events_missing_because(&self.directory)) {
            (Some(_), _) => Some("as you asked".to_owned()),
            (None, Some(why)) => Some(why),
            (None, None) => match Watcher::new(&self.directory, self.hints.taker()) {
                Ok(watcher) => {
                    self.watcher = Some(watcher);
                    None
                }
                Err(why) => Some(why),
            },
        };
        self.announce_watching(why);
    }

    pub(super) fn announce_watching(&mut self, polling_because: Option<String>) {
        let watching = match polling_because {
            Some(why) => {
                let every = self.scan_interval();
                tracing::info!(?every, why, "changes are noticed by scanning");
                Watching::Polling { every, why }
            }
            None => {
                tracing::info!("changes are noticed by file events");
                Watching::Events
            }
        };
        self.change().take_watching(watching);
        self.next_scan = Instant::now();
    }

    pub(super) fn scan_interval(&self) -> Duration {
        match (self.options.poll, &self.watcher) {
            (Some(interval), _) => interval,
            (None, Some(_)) => SCAN_BESIDE_EVENTS,
            (None, None) => self.pace.scan,
        }
    }

    pub(super) fn scan(&mut self, now: Instant) {
        let started = Instant::now();
        let found = match scan(&self.directory, self.options.shard) {
            Ok(found) => found,
            Err(error) => {
                self.next_scan = now + self.pace.root;
                if self.root.is_some() {
                    self.check_root(now);
                }
                if self.is_present() {
                    self.take_presence(Presence::Missing(format!("it cannot be listed: {error}")));
                }
                return;
            }
        };
        if self.root.is_some() {
            // The listing may be of another directory than what was counted.
            let epoch = self.epoch.number();
            self.check_root(now);
            let is_elsewhere = self.elsewhere.is_some() || self.epoch.number() != epoch;
            if is_elsewhere || !self.is_present() {
                return;
            }
        }
        let is_first = !std::mem::replace(&mut self.epoch.scanned, true);
        self.note_documents(&found, now);
        self.forget_documents(&found);
        self.note_neighbours(&found);
        self.note_ranks(&found);
        let epoch = self.epoch.number();
        // The manifest is read before any batch is queued that it must be checked against.
        self.read_documents(now);
        self.epoch.is_in_doubt = false;
        if let Some(why) = self.is_another(&found) {
            self.restart_at_a_guess(why);
        }
        if self.epoch.number() != epoch {
            return;
        }
        let changes = self.epoch.ledger.reconcile(&found, now, SystemTime::now());
        self.take_changes(changes);
        if is_first {
            self.note_first_found(&found);
        }
        self.watch_ranks(&found);
        let (took, ended) = (started.elapsed(), Instant::now());
        self.next_scan = ended + self.scan_interval().max(took * SCAN_SHARE);
        self.no_scan_before = ended + took * ASKED_SCAN_SHARE;
    }

    /// Notes what there is at first. Until it is counted, no batch is new to the run.
    fn note_first_found(&mut self, found: &[Found]) {
        let batches =
            found.iter().filter_map(|found| Some((found.meaning.batch()?, found.identity.modified)));
        let (seen, now) = (self.epoch.ledger.account().seen, SystemTime::now());
        self.change().find(seen, batches.map(|(batch, written)| (batch.rank, written)), now);
    }

    /// Whether to scan from time to time.
    pub(super) fn scans(&self) -> bool {
        self.finish_by.is_none() && !(self.options.mode == Mode::Once && self.epoch.scanned)
    }

    /// Takes note of all ranks that have a directory.
    pub(super) fn note_ranks(&mut self, found: &[Found]) {
        if !self.epoch.closed_ranks.is_empty() {
            let present: HashSet<&str> = found.iter().map(|found| found.name.as_str()).collect();
            let is_gone = |name: &&String| !present.contains(name.as_str());
            let gone: Vec<String> = self.epoch.closed_ranks.iter().filter(is_gone).cloned().collect();
            gone.iter().for_each(|name| self.open_rank(name));
        }
        found.iter().for_each(|found| self.note_rank(found));
    }

    pub(super) fn note_rank(&mut self, found: &Found) {
        let EntryName::Rank(rank) = found.meaning else { return };
        if found.is_rank_directory() {
            self.open_rank(&found.name);
            self.epoch.ledger.note_rank(rank);
        } else if let Some(refusal) = found.refusal()
            && self.epoch.closed_ranks.insert(found.name.clone())
        {
            self.problem(found.name.clone(), refusal);
        }
    }

    pub(super) fn open_rank(&mut self, name: &str) {
        if self.epoch.closed_ranks.remove(name) {
            self.change().solve(name);
        }
    }

    /// Watches new directories of ranks, and looks into them afterwards, so that nothing falls in between.
    pub(super) fn watch_ranks(&mut self, found: &[Found]) {
        for found in found.iter().filter(|found| found.is_rank_directory()) {
            if self.watcher.as_ref().is_some_and(|watcher| !watcher.watches(&found.name)) {
                self.look_into(found);
            }
        }
    }

    /// Looks at everything in the directory of a rank, which is watched from now on.
    pub(super) fn look_into(&mut self, found: &Found) {
        if let Some(watcher) = &mut self.watcher
            && let Err(why) = watcher.watch(&found.name)
        {
            self.watcher = None;
            self.announce_watching(Some(why));
        }
        // If it cannot be listed, the next full scan reports it.
        let inside = scan_rank(&self.directory, &found.name, self.options.shard).unwrap_or_default();
        inside.into_iter().for_each(|found| self.take_found(found, false));
    }

    /// Reports what looks like a part of the run and is not counted. If there is no batch at all, and a neighbour seems
    /// to hold some, it is set aside: nothing else can be the run.
    pub(super) fn note_neighbours(&mut self, found: &[Found]) {
        let is_part = |found: &Found| found.meaning.batch().is_some() || found.meaning.is_document();
        let mut neighbours = beside_run(&self.directory, found);
        if !found.iter().any(is_part) {
            neighbours.extend(beside_runs(&self.directory));
        }
        let has_batches = self.epoch.ledger.account().seen > 0
            || found.iter().any(|found| found.meaning.batch().is_some())
            || (self.options.shard != Shard::WHOLE && holds_any_batch(&self.directory));
        let problem = |neighbour: Neighbour| Problem {
            severity: if neighbour.may_be_the_run(has_batches) {
                Severity::SetAside
            } else {
                Severity::Notice
            },
            path: neighbour.name,
            reason: neighbour.error.to_string(),
        };
        let now: Vec<Problem> = neighbours.into_iter().map(problem).collect();
        let before = std::mem::replace(&mut self.epoch.neighbours, now.clone());
        let gone = before.iter().filter(|problem| !now.contains(problem));
        gone.for_each(|problem| self.change().solve(&problem.path));
        let new = now.into_iter().filter(|problem| !before.contains(problem));
        new.for_each(|problem| self.add_problem(problem));
    }

    /// Has a scan report something that looks like a part of the run and is none.
    fn note_misnamed(&mut self, found: &Found) {
        let is_misnamed = matches!(found.meaning, EntryName::Misnamed(_) | EntryName::MisnamedRank);
        // If some are reported already, the next scan says how many there are.
        if is_misnamed && self.epoch.neighbours.is_empty() {
            self.ask_for_scan();
        }
    }

    pub(super) fn follow_hints(&mut self, hints: impl Iterator<Item = Hint>) {
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
        // A manifest must be read before a batch is taken for one of its run.
        let (documents, others): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|(name, _)| classify(name).is_document());
        if !documents.is_empty() {
            documents.iter().for_each(|(name, whole)| self.look_at(name, *whole));
            self.read_documents(Instant::now());
        }
        for (name, whole) in others {
            self.look_at(&name, whole);
        }
    }

    pub(super) fn look_at(&mut self, name: &str, whole: bool) {
        match look(&self.directory, name) {
            Some(found) if found.is_rank_directory() => {
                self.note_rank(&found);
                self.look_into(&found);
            }
            Some(found) => self.take_found(found, whole),
            // Only a full scan tells a renamed batch from a deleted one.
            None if BatchName::parse(name).is_some_and(|name| self.epoch.ledger.note_gone(name)) => {
                self.ask_for_scan();
            }
            None if classify(name).is_document() => self.ask_for_scan(),
            None if matches!(classify(name), EntryName::Rank(_)) => {
                if let Some(watcher) = &mut self.watcher {
                    watcher.forget(name);
                }
                self.ask_for_scan();
            }
            None => {}
        }
    }

    pub(super) fn take_found(&mut self, found: Found, whole: bool) {
        let now = Instant::now();
        self.note_documents(std::slice::from_ref(&found), now);
        self.note_misnamed(&found);
        self.note_rank(&found);
        let Some(name) = BatchName::parse(&found.name) else { return };
        if self.may_be_of_another(&found, name) {
            // Only the whole directory can tell.
            self.epoch.is_in_doubt = true;
            return self.ask_for_scan();
        }
        if let Some(owner) = self.epoch.ledger.owner_besides(name) {
            // Events may report the new name before they report that the old one is gone.
            match look(&self.directory, &owner.to_string()) {
                Some(_) => self.epoch.ledger.note_there(owner, now),
                None => drop(self.epoch.ledger.note_gone(owner)),
            }
        }
        let changes = self.epoch.ledger.observe(&found, whole, now, SystemTime::now());
        self.take_changes(changes);
    }

    fn take_changes(&mut self, changes: LedgerChanges) {
        for (name, problem) in changes.problems {
            self.problem(name, problem);
        }
        changes.solved.iter().for_each(|name| self.change().solve(name));
        for name in changes.renamed {
            self.epoch.checkpoints.touch();
            if let Some(identity) = self.epoch.ledger.counted_as(name) {
                self.note_safe_to_keep(name, identity);
            }
        }
    }

    pub(super) fn look_at_waiting(&mut self, now: Instant) {
        let waiting: Vec<String> = self.epoch.ledger.waiting().take(MANY_WAITING).collect();
        for name in waiting {
            self.look_at(&name, false);
        }
        if !self.is_reading_documents() {
            return;
        }
        for of in self.epoch.documents.unread() {
            if let Some(found) = look(&self.directory, &of.name) {
                self.note_documents(&[found], now);
            }
        }
    }
}
