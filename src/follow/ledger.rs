//! The ledger of a run's batches: which are waited for, being read, counted or set aside.
//!
//! Pure bookkeeping: it is told what the directory holds and what came of reading a batch, and it says
//! what to read next. A batch is read when it looks whole, again only when its contents changed, and
//! set aside only when it could not be read and has stopped changing.

use super::scan::Found;
use crate::snapshot::{BatchId, BatchName, EntryName, LayerShape, SnapshotError};
use crate::storage::{self, Identity, Shape};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long a directory batch must be left alone before it is read: it has no mark that says it is
/// whole. One that is read too early is read again when it changes.
const DIRECTORY_REST: Duration = Duration::from_millis(500);

/// The least time between two attempts at a batch that is still changing.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// A batch to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Which batch it is.
    pub id: BatchId,
    /// Its name in the run's directory.
    pub name: String,
    /// The state in which it was seen.
    pub identity: Identity,
}

/// What came of reading a batch.
#[derive(Debug)]
pub struct Outcome {
    /// What was to be read.
    pub job: Job,
    /// The state in which it was found afterwards; `None` where it was gone.
    pub after: Option<Identity>,
    /// The layers that were counted, or why nothing was.
    pub result: Result<Arc<[LayerShape]>, SnapshotError>,
}

/// What the ledger makes of an outcome, or of time that has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The count is to be added, after the one it replaces was taken out.
    Add {
        /// Whether an earlier count of the same batch is to be taken out.
        replaces: bool,
    },
    /// Nothing of it is to be added, now; it is looked at again.
    Wait,
    /// Nothing of it is to be added; the reason is a problem to be shown.
    SetAside(SnapshotError),
}

/// What a full scan changed besides the queue.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Batches with a problem, by name.
    pub problems: Vec<(String, SnapshotError)>,
    /// Batches whose problem is gone with them.
    pub solved: Vec<String>,
}

/// The account of a run: evidence that its figures are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Batches seen.
    pub seen: u64,
    /// Batches whose count is in the figures.
    pub counted: u64,
    /// Batches that are being written, queued or being read.
    pub waiting: u64,
    /// Batches that cannot be counted.
    pub set_aside: u64,
    /// Bytes of the batches that wait.
    pub waiting_bytes: u64,
}

impl AddAssign for Account {
    /// Adds that of other batches.
    fn add_assign(&mut self, other: Self) {
        self.seen += other.seen;
        self.counted += other.counted;
        self.waiting += other.waiting;
        self.set_aside += other.set_aside;
        self.waiting_bytes += other.waiting_bytes;
    }
}

/// The counted batches of a ledger, to be kept for another time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedBatches {
    /// The sets of layers that batches have, each once.
    shapes: Vec<Vec<LayerShape>>,
    /// Each batch with the state in which it was counted, and its layers by their place.
    batches: Vec<(BatchName, Identity, u32)>,
    /// Batches that were gone before they could be counted, or counted as they were in the end.
    lost: Vec<BatchName>,
}

impl CountedBatches {
    /// Those that were kept in another form.
    pub(crate) fn new(
        shapes: Vec<Vec<LayerShape>>,
        batches: Vec<(BatchName, Identity, u32)>,
        lost: Vec<BatchName>,
    ) -> Self {
        Self { shapes, batches, lost }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The names and states of the batches.
    pub fn iter(&self) -> impl Iterator<Item = (BatchName, &Identity)> {
        self.batches.iter().map(|(name, identity, _)| (*name, identity))
    }

    /// The names of batches that cannot be counted any more, as they were in the end.
    pub fn lost(&self) -> &[BatchName] {
        &self.lost
    }

    /// Whether all that it says can be: each batch once, each place one that there is.
    pub fn is_sound(&self) -> bool {
        let batches: HashSet<BatchId> = self.batches.iter().map(|(name, ..)| name.id()).collect();
        let places = self.batches.iter().all(|(.., place)| (*place as usize) < self.shapes.len());
        let lost: HashSet<&BatchName> = self.lost.iter().collect();
        places && batches.len() == self.batches.len() && lost.len() == self.lost.len()
    }
}

#[derive(Debug)]
enum State {
    /// Not readable yet; the reason of the last attempt at this identity, where there was one.
    Waiting(Option<Box<SnapshotError>>),
    /// In the queue.
    Ready,
    /// Being read.
    Reading,
    Counted,
    SetAside,
    /// Gone before it was counted, or out of reach.
    Lost,
}

#[derive(Debug)]
struct Entry {
    identity: Identity,
    state: State,
    /// When the contents were last seen to change.
    changed_at: Instant,
    /// No attempt before so many milliseconds after that.
    rest: u32,
    /// Whether it was old already when it was first seen, so that there is nothing to wait for.
    quiet: bool,
    is_directory: bool,
    /// Whether its number is read under this name: others of the same number are not.
    owns_number: bool,
    /// The layers of the count that is in the figures, by their place in [`Ledger::shapes`]; `None` where
    /// none is.
    counted: Option<u32>,
}

impl Entry {
    /// That of a batch which is not waited for.
    fn of(name: BatchName, identity: Identity, now: Instant) -> Self {
        Self {
            identity,
            state: State::Counted,
            changed_at: now,
            rest: 0,
            quiet: true,
            is_directory: !name.is_file(),
            owns_number: false,
            counted: None,
        }
    }

    fn not_before(&self) -> Instant {
        self.changed_at + Duration::from_millis(self.rest.into())
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// The ledger of a run.
#[derive(Debug)]
pub struct Ledger {
    settle: Duration,
    entries: BTreeMap<BatchName, Entry>,
    /// The layers of counted batches, each set of them once, and where each set is.
    shapes: Vec<Arc<[LayerShape]>>,
    places: HashMap<Arc<[LayerShape]>, u32>,
    ready: BTreeSet<BatchName>,
    waiting: HashSet<BatchName>,
    /// The states in which batches were counted that were in another one when they were last seen.
    counted_as: HashMap<BatchName, Identity>,
    /// Batches that are set aside because another name has their number.
    twins: BTreeSet<BatchName>,
    reading: usize,
    account: Account,
    /// The accounts of the ranks, and which of them changed since they were last asked for.
    ranks: BTreeMap<u32, Account>,
    changed_ranks: BTreeSet<u32>,
}

impl Ledger {
    /// An empty ledger; `settle` is how long a batch that cannot be read must have stopped changing
    /// before it is set aside.
    pub fn new(settle: Duration) -> Self {
        Self {
            settle,
            entries: BTreeMap::new(),
            shapes: Vec::new(),
            places: HashMap::new(),
            ready: BTreeSet::new(),
            waiting: HashSet::new(),
            counted_as: HashMap::new(),
            twins: BTreeSet::new(),
            reading: 0,
            account: Account::default(),
            ranks: BTreeMap::new(),
            changed_ranks: BTreeSet::new(),
        }
    }

    /// A ledger in which these batches are counted.
    pub fn restore(settle: Duration, counted: &CountedBatches, now: Instant) -> Self {
        let mut ledger = Self::new(settle);
        let shapes: Vec<Arc<[LayerShape]>> =
            counted.shapes.iter().map(|shapes| shapes.clone().into()).collect();
        for (name, identity, place) in &counted.batches {
            let Some(shapes) = shapes.get(*place as usize) else { continue };
            let place = ledger.place_of(shapes);
            let entry = Entry { counted: Some(place), owns_number: true, ..Entry::of(*name, *identity, now) };
            ledger.insert(*name, entry);
        }
        for &name in &counted.lost {
            if ledger.entries.contains_key(&name) {
                ledger.set_state(name, State::Lost);
            } else {
                ledger
                    .insert(name, Entry { state: State::Lost, ..Entry::of(name, Identity::unknown(), now) });
            }
        }
        ledger
    }

    /// Notes an entry that is none yet.
    fn insert(&mut self, name: BatchName, entry: Entry) {
        if matches!(entry.state, State::Waiting(_)) {
            self.waiting.insert(name);
        }
        self.entries.insert(name, entry);
        self.count_seen(name);
        self.account_for(name, true);
    }

    /// The counted batches, each in the state in which it was counted, whatever it is in now.
    pub fn counted(&self) -> CountedBatches {
        let counted = |(name, entry): (&BatchName, &Entry)| {
            let identity = self.counted_as.get(name).unwrap_or(&entry.identity);
            entry.counted.map(|place| (*name, *identity, place))
        };
        let is_lost = |(_, entry): &(&BatchName, &Entry)| matches!(entry.state, State::Lost);
        CountedBatches {
            shapes: self.shapes.iter().map(|shapes| shapes.to_vec()).collect(),
            batches: self.entries.iter().filter_map(counted).collect(),
            lost: self.entries.iter().filter(is_lost).map(|(&name, _)| name).collect(),
        }
    }

    /// How many batches are in the figures, those too that are read again.
    pub fn in_figures(&self) -> u64 {
        self.entries.values().filter(|entry| entry.counted.is_some()).count() as u64
    }

    /// The state in which a batch was counted whose count is in the figures.
    pub fn counted_as(&self, name: BatchName) -> Option<Identity> {
        let entry = self.entries.get(&name).filter(|entry| entry.counted.is_some())?;
        Some(self.counted_as.get(&name).copied().unwrap_or(entry.identity))
    }

    /// The account as it stands.
    pub fn account(&self) -> Account {
        self.account
    }

    /// The accounts of the ranks that changed since this was last asked for; `None` for a rank that is gone.
    pub fn take_changed_ranks(&mut self) -> Vec<(u32, Option<Account>)> {
        let changed = std::mem::take(&mut self.changed_ranks);
        changed.into_iter().map(|rank| (rank, self.ranks.get(&rank).copied())).collect()
    }

    /// Notes that there is a rank, which may have no batch yet.
    pub fn note_rank(&mut self, rank: u32) {
        self.ranks.entry(rank).or_insert_with(|| {
            self.changed_ranks.insert(rank);
            Account::default()
        });
    }

    /// Batches that are waited for, by name: those to look at again soon.
    pub fn waiting(&self) -> impl Iterator<Item = String> {
        self.waiting.iter().map(BatchName::to_string)
    }

    /// Whether a batch is queued or being read.
    pub fn is_busy(&self) -> bool {
        self.reading > 0 || !self.ready.is_empty()
    }

    /// Notes a batch as it is now. `whole` says that an event told it is complete.
    ///
    /// Returns a problem where its name alone, or what kind of thing it is, keeps it from being read.
    pub fn observe(
        &mut self,
        found: &Found,
        whole: bool,
        now: Instant,
        clock: SystemTime,
    ) -> Option<SnapshotError> {
        let name = BatchName::parse(&found.name)?;
        if let Some(entry) = self.entries.get_mut(&name) {
            let unchanged = entry.identity.same_contents(&found.identity);
            let readable_again = match entry.state {
                State::SetAside => entry.identity != found.identity,
                State::Lost => true,
                _ => false,
            };
            if unchanged && !readable_again {
                if whole && matches!(entry.state, State::Waiting(None)) {
                    self.make_ready(name);
                }
                return None;
            }
            // While it is being read, the reader finds out by itself.
            if !matches!(entry.state, State::Reading) {
                self.account_for(name, false);
                let entry = self.entries.get_mut(&name)?;
                if entry.counted.is_some() {
                    self.counted_as.entry(name).or_insert(entry.identity);
                }
                entry.identity = found.identity;
                entry.rest = milliseconds(entry.not_before().saturating_duration_since(now));
                entry.changed_at = now;
                entry.quiet = false;
                entry.state = State::Waiting(None);
                self.waiting.insert(name);
                self.ready.remove(&name);
                self.account_for(name, true);
                return self.admit(found, name, whole, now);
            }
            return None;
        }
        let quiet = found.identity.is_quiet(self.settle, clock);
        let entry = Entry {
            is_directory: found.shape == Shape::Directory,
            state: State::Waiting(None),
            quiet,
            ..Entry::of(name, found.identity, now)
        };
        self.insert(name, entry);
        tracing::debug!(number = name.number, batch = name.to_string(), bytes = found.identity.size, "seen");
        self.admit(found, name, whole, now)
    }

    /// Queues a changed batch where it may be read, or says why it never may in this form.
    fn admit(&mut self, found: &Found, name: BatchName, whole: bool, now: Instant) -> Option<SnapshotError> {
        let refusal = match (&found.meaning, found.shape) {
            (_, Shape::Other(what)) => {
                Some(SnapshotError::new(storage::refusal_of(what, "batch"), storage::advice(what)))
            }
            (EntryName::BatchFile(_), Shape::Directory) => {
                Some(SnapshotError::new("it is a directory, and its name says .npz", "drop the suffix"))
            }
            (EntryName::BatchDirectory(_), Shape::File) => {
                Some(SnapshotError::new("it is a file without a suffix", "name it .npz"))
            }
            _ => self.owned_by_another(name).map(|owner| {
                self.twins.insert(name);
                SnapshotError::new(
                    format!("{} is there twice, and {owner} is the one that counts", name.id()),
                    "give this batch a number of its own, or delete it",
                )
            }),
        };
        if let Some(refusal) = refusal {
            self.set_state(name, State::SetAside);
            return Some(refusal);
        }
        self.own(name, true);
        let entry = &self.entries[&name];
        let may_be_whole = found.shape == Shape::File && now >= entry.not_before();
        if may_be_whole || whole || entry.quiet {
            self.make_ready(name);
        }
        None
    }

    fn owned_by_another(&self, name: BatchName) -> Option<BatchName> {
        let same_number = self.entries.range(BatchName::all_of(name.id()));
        let owner = same_number.filter(|(_, entry)| entry.owns_number).map(|(&owner, _)| owner).next();
        owner.filter(|&owner| owner != name)
    }

    fn own(&mut self, name: BatchName, owns: bool) {
        if let Some(entry) = self.entries.get_mut(&name) {
            entry.owns_number = owns;
        }
    }

    /// Compares the ledger with all that the directory holds: what is new or changed is noted, a batch
    /// that is gone before it was counted is a problem, one that was counted stays counted.
    pub fn reconcile(&mut self, found: &[Found], now: Instant, clock: SystemTime) -> Reconciled {
        let mut changes = Reconciled::default();
        // At the first scan nothing is absent, and there may be more batches than ever again.
        let first = self.entries.is_empty();
        let known = if first { &[] } else { found };
        let present: HashSet<BatchName> =
            known.iter().filter_map(|found| BatchName::parse(&found.name)).collect();
        for name in self.absent(&present, |state| matches!(state, State::Waiting(_) | State::Ready)) {
            let problem = self.vanished(name);
            changes.problems.extend(problem.map(|problem| (name.to_string(), problem)));
        }
        for found in found {
            let problem = self.observe(found, false, now, clock);
            changes.problems.extend(problem.map(|problem| (found.name.clone(), problem)));
        }
        if first {
            return changes;
        }
        for name in self.absent(&present, |state| matches!(state, State::SetAside | State::Lost)) {
            if self.forget(name) {
                changes.solved.push(name.to_string());
            }
        }
        self.free_twins(found, now, clock, &mut changes);
        self.forget_empty_ranks(found);
        changes
    }

    /// Looks again at one batch of each number that was another name's which is gone; the rest have to wait for it.
    fn free_twins(&mut self, found: &[Found], now: Instant, clock: SystemTime, changes: &mut Reconciled) {
        let mut looked_at = None;
        for name in self.twins.clone() {
            // All of a number follow one another.
            if looked_at.replace(name.id()) == Some(name.id()) || self.owned_by_another(name).is_some() {
                continue;
            }
            self.twins.remove(&name);
            let text = name.to_string();
            self.remove(name);
            let at = found.binary_search_by(|found| found.name.cmp(&text));
            match at.ok().and_then(|at| self.observe(&found[at], false, now, clock)) {
                Some(problem) => changes.problems.push((text, problem)),
                None => changes.solved.push(text),
            }
        }
    }

    /// Forgets ranks without a batch whose directory is gone.
    fn forget_empty_ranks(&mut self, found: &[Found]) {
        if self.ranks.values().all(|account| account.seen > 0) {
            return;
        }
        let rank_of = |found: &Found| match found.meaning {
            EntryName::Rank(rank) => Some(rank),
            _ => None,
        };
        let present: HashSet<u32> = found.iter().filter_map(rank_of).collect();
        let gone = |(rank, account): (&u32, &Account)| account.seen == 0 && !present.contains(rank);
        let gone: Vec<u32> = self.ranks.iter().filter(|&entry| gone(entry)).map(|(&rank, _)| rank).collect();
        for rank in gone {
            self.ranks.remove(&rank);
            self.changed_ranks.insert(rank);
        }
    }

    fn absent(&self, present: &HashSet<BatchName>, in_state: impl Fn(&State) -> bool) -> Vec<BatchName> {
        let absent = |(name, entry): &(&BatchName, &Entry)| in_state(&entry.state) && !present.contains(name);
        self.entries.iter().filter(absent).map(|(&name, _)| name).collect()
    }

    /// Forgets a batch that is gone and was never counted, unless that is a loss; of one that was counted what
    /// could not be. Returns whether it has no problem any more.
    fn forget(&mut self, name: BatchName) -> bool {
        let entry = &self.entries[&name];
        let is_lost = matches!(entry.state, State::Lost);
        if entry.counted.is_some() {
            if !is_lost {
                self.be_as_counted(name, State::Counted);
            }
            return !is_lost;
        }
        let renamed = self.owned_by_another(name).is_some();
        (!is_lost || renamed) && self.remove(name)
    }

    fn remove(&mut self, name: BatchName) -> bool {
        self.account_for(name, false);
        let removed = self.entries.remove(&name).is_some();
        if removed {
            for account in self.accounts_of(name) {
                account.seen -= 1;
            }
        }
        removed
    }

    /// Has a counted batch that is gone in the state in which it was counted.
    fn be_as_counted(&mut self, name: BatchName, state: State) {
        self.set_state(name, state);
        if let (Some(as_counted), Some(entry)) = (self.counted_as.remove(&name), self.entries.get_mut(&name))
        {
            entry.identity = as_counted;
        }
    }

    /// A batch is gone; a problem unless it is in the figures as it was. Its number is free again where it is not.
    fn vanished(&mut self, name: BatchName) -> Option<SnapshotError> {
        let entry = &self.entries[&name];
        if entry.counted.is_some() {
            if !self.counted_as.contains_key(&name) {
                self.set_state(name, State::Counted);
                return None;
            }
            self.be_as_counted(name, State::Lost);
            return Some(SnapshotError::new(
                "it was written again, and deleted before that could be counted; what it was before is counted",
                "write it again if it should count as it was in the end",
            ));
        }
        self.own(name, false);
        self.set_state(name, State::Lost);
        Some(SnapshotError::new(
            "it was deleted before it could be counted",
            "write it again if it should count",
        ))
    }

    /// Whether a batch of this name is known and not counted.
    pub fn awaits(&self, name: &str) -> bool {
        let entry = BatchName::parse(name).and_then(|name| self.entries.get(&name));
        entry.is_some_and(|entry| entry.counted.is_none())
    }

    /// Takes up to `most` batches from the queue, in the order of their numbers, to be read.
    pub fn take_ready(&mut self, most: usize) -> Vec<Job> {
        let mut jobs = Vec::new();
        while jobs.len() < most
            && let Some(name) = self.ready.pop_first()
        {
            self.set_state(name, State::Reading);
            let identity = self.entries[&name].identity;
            jobs.push(Job { id: name.id(), name: name.to_string(), identity });
        }
        jobs
    }

    /// Judges what came of reading a batch.
    pub fn settle(&mut self, outcome: &Outcome, now: Instant) -> Verdict {
        let Some(name) = BatchName::parse(&outcome.job.name) else { return Verdict::Wait };
        let place = outcome.result.as_ref().ok().map(|shapes| self.place_of(shapes));
        let Some(entry) = self.entries.get_mut(&name) else { return Verdict::Wait };
        let after = match outcome.after {
            Some(after) => after,
            // What was read whole and verified was there; what was not is lost.
            None if outcome.result.is_ok() => outcome.job.identity,
            // Nobody knows what became of it.
            None if outcome.result.as_ref().is_err_and(SnapshotError::is_passing) => outcome.job.identity,
            None => return self.vanished(name).map_or(Verdict::Wait, Verdict::SetAside),
        };
        if !after.same_contents(&outcome.job.identity) {
            self.account_for(name, false);
            let Some(entry) = self.entries.get_mut(&name) else { return Verdict::Wait };
            entry.identity = after;
            entry.changed_at = now;
            entry.rest = milliseconds(BETWEEN_ATTEMPTS);
            entry.quiet = false;
            self.account_for(name, true);
            self.set_state(name, State::Waiting(None));
            tracing::debug!(batch = name.to_string(), why = "it changed while it was read", "waiting");
            return Verdict::Wait;
        }
        entry.identity = after;
        match &outcome.result {
            Ok(_) => {
                let replaces = std::mem::replace(&mut entry.counted, place).is_some();
                self.counted_as.remove(&name);
                self.set_state(name, State::Counted);
                Verdict::Add { replaces }
            }
            // Its contents are not to blame: the next full scan that finds it tries it again.
            Err(reason) if reason.is_passing() => {
                let reason = reason.clone();
                self.own(name, false);
                self.set_state(name, State::Lost);
                Verdict::SetAside(reason)
            }
            Err(reason) if entry.quiet || now.duration_since(entry.changed_at) >= self.settle => {
                let reason = reason.clone();
                self.set_state(name, State::SetAside);
                Verdict::SetAside(reason)
            }
            Err(reason) => {
                entry.rest = milliseconds(now.duration_since(entry.changed_at) + BETWEEN_ATTEMPTS);
                tracing::debug!(batch = name.to_string(), why = reason.to_string(), "waiting");
                let reason = reason.clone();
                self.set_state(name, State::Waiting(Some(Box::new(reason))));
                Verdict::Wait
            }
        }
    }

    /// Queues all that waits for nothing but time.
    pub fn hurry(&mut self) {
        let waits = |name: &&BatchName| matches!(self.entries[name].state, State::Waiting(None));
        let waiting: Vec<BatchName> = self.waiting.iter().filter(waits).copied().collect();
        waiting.into_iter().for_each(|name| self.make_ready(name));
    }

    /// Lets time pass: queues what has rested long enough, and sets aside what could not be read and
    /// has stopped changing. Returns the latter.
    pub fn tick(&mut self, now: Instant) -> Vec<(String, SnapshotError)> {
        let mut set_aside = Vec::new();
        let waiting: Vec<BatchName> = self.waiting.iter().copied().collect();
        for name in waiting {
            let entry = &self.entries[&name];
            let rested = now.duration_since(entry.changed_at);
            match &entry.state {
                State::Waiting(Some(reason)) if rested >= self.settle => {
                    set_aside.push((name.to_string(), SnapshotError::clone(reason)));
                    self.set_state(name, State::SetAside);
                }
                State::Waiting(None)
                    if now >= entry.not_before()
                        && (!entry.is_directory || rested >= DIRECTORY_REST.min(self.settle)) =>
                {
                    self.make_ready(name);
                }
                _ => {}
            }
        }
        set_aside
    }

    /// Checks the layers of every counted batch again, after the manifest changed. Returns those that fail, and
    /// why.
    pub fn recheck(
        &self,
        check: impl Fn(&[LayerShape]) -> Result<(), SnapshotError>,
    ) -> Vec<(BatchName, SnapshotError)> {
        let verdicts: Vec<_> = self.shapes.iter().map(|shapes| check(shapes)).collect();
        let failed = |(&name, entry): (&BatchName, &Entry)| {
            let verdict = verdicts.get(entry.counted? as usize)?;
            verdict.as_ref().err().map(|reason| (name, reason.clone()))
        };
        self.entries.iter().filter_map(failed).collect()
    }

    /// Sets a counted batch aside whose count is taken out of the figures.
    pub fn withdraw(&mut self, name: BatchName) {
        self.account_for(name, false);
        self.counted_as.remove(&name);
        if let Some(entry) = self.entries.get_mut(&name) {
            entry.counted = None;
            // One that has changed meanwhile is read again all the same.
            if matches!(entry.state, State::Counted) {
                entry.state = State::SetAside;
            }
        }
        self.account_for(name, true);
    }

    /// The layers of a batch whose count is in the figures, in the memory that they share with other batches.
    pub fn shapes_of(&self, name: BatchName) -> Option<Arc<[LayerShape]>> {
        let place = self.entries.get(&name)?.counted?;
        self.shapes.get(place as usize).map(Arc::clone)
    }

    /// Where these layers are among the sets of layers; they are put there where they are new.
    fn place_of(&mut self, shapes: &Arc<[LayerShape]>) -> u32 {
        *self.places.entry(Arc::clone(shapes)).or_insert_with(|| {
            self.shapes.push(Arc::clone(shapes));
            (self.shapes.len() - 1) as u32
        })
    }

    /// Reads every batch that was set aside again, after what it was checked against changed. Returns
    /// their names.
    pub fn retry_set_aside(&mut self) -> Vec<String> {
        let is_retried =
            |(_, entry): &(&BatchName, &Entry)| matches!(entry.state, State::SetAside) && entry.owns_number;
        let names: Vec<BatchName> = self.entries.iter().filter(is_retried).map(|(&name, _)| name).collect();
        names.iter().for_each(|&name| self.make_ready(name));
        names.iter().map(BatchName::to_string).collect()
    }

    fn make_ready(&mut self, name: BatchName) {
        self.set_state(name, State::Ready);
        self.ready.insert(name);
        tracing::debug!(number = name.number, batch = name.to_string(), "ready");
    }

    fn set_state(&mut self, name: BatchName, state: State) {
        self.account_for(name, false);
        let Some(entry) = self.entries.get_mut(&name) else { return };
        if matches!(entry.state, State::Reading) {
            self.reading -= 1;
        }
        if matches!(state, State::Reading) {
            self.reading += 1;
        }
        if matches!(state, State::Waiting(_)) {
            self.waiting.insert(name);
        } else {
            self.waiting.remove(&name);
        }
        if !matches!(state, State::Ready) {
            self.ready.remove(&name);
        }
        entry.state = state;
        self.account_for(name, true);
    }

    /// The accounts that a batch is in: the run's, and that of its rank.
    fn accounts_of(&mut self, name: BatchName) -> impl Iterator<Item = &mut Account> {
        let of_rank = name.rank().map(|rank| {
            self.changed_ranks.insert(rank);
            self.ranks.entry(rank).or_default()
        });
        std::iter::once(&mut self.account).chain(of_rank)
    }

    fn count_seen(&mut self, name: BatchName) {
        for account in self.accounts_of(name) {
            account.seen += 1;
        }
    }

    /// Adds an entry to the accounts, or takes it out.
    fn account_for(&mut self, name: BatchName, add: bool) {
        let Some(entry) = self.entries.get(&name) else { return };
        let waits = matches!(entry.state, State::Waiting(_) | State::Ready | State::Reading);
        let (is_counted, size) = (entry.counted.is_some(), entry.identity.size);
        for account in self.accounts_of(name) {
            let column = match (waits, is_counted) {
                (true, _) => &mut account.waiting,
                (false, true) => &mut account.counted,
                (false, false) => &mut account.set_aside,
            };
            let bytes = if waits { size } else { 0 };
            if add {
                *column += 1;
                account.waiting_bytes = account.waiting_bytes.saturating_add(bytes);
            } else {
                *column -= 1;
                account.waiting_bytes = account.waiting_bytes.saturating_sub(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::look;
    use std::fs;
    use std::path::Path;

    const SETTLE: Duration = Duration::from_secs(2);

    /// A ledger over a real directory, with a clock of its own.
    struct Bench {
        directory: tempfile::TempDir,
        ledger: Ledger,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            Self { directory, ledger: Ledger::new(SETTLE), now: Instant::now() }
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.directory.path().join(name)
        }

        fn write(&self, name: &str, contents: &str) {
            fs::write(self.path(name), contents).expect("a file");
        }

        fn wait(&mut self, time: Duration) {
            self.now += time;
        }

        fn scan(&mut self) -> Reconciled {
            let found =
                crate::follow::scan(self.directory.path(), crate::follow::Shard::WHOLE).expect("a scan");
            self.ledger.reconcile(&found, self.now, SystemTime::now())
        }

        fn names_ready(&mut self) -> Vec<Job> {
            self.ledger.take_ready(usize::MAX)
        }

        fn finish(&mut self, job: Job, result: Result<(), &str>) -> Verdict {
            let after = look(self.directory.path(), &job.name).map(|found| found.identity);
            let result = match result {
                Ok(()) => Ok(shapes()),
                Err(what) => Err(SnapshotError::new(what, "")),
            };
            self.ledger.settle(&Outcome { job, after, result }, self.now)
        }

        fn counts(&self) -> (u64, u64, u64, u64) {
            let account = self.ledger.account();
            assert_eq!(account.seen, account.counted + account.waiting + account.set_aside);
            assert!(account.waiting > 0 || account.waiting_bytes == 0);
            (account.seen, account.counted, account.waiting, account.set_aside)
        }
    }

    fn shapes() -> Arc<[LayerShape]> {
        Arc::new([LayerShape { name: "a".into(), neurons: Some(vec![1]) }])
    }

    #[test]
    fn a_batch_is_read_once_and_again_only_when_it_changes() {
        let mut bench = Bench::new();
        bench.write("batch-1.npz", "one");
        bench.write("batch-0.npz", "zero");
        bench.scan();
        let jobs = bench.names_ready();
        assert_eq!(jobs.iter().map(|job| job.id.number).collect::<Vec<_>>(), [0, 1], "in order of number");
        assert_eq!(bench.counts(), (2, 0, 2, 0));
        for job in jobs {
            assert_eq!(bench.finish(job, Ok(())), Verdict::Add { replaces: false });
        }
        bench.scan();
        assert!(bench.names_ready().is_empty());
        bench.write("batch-1.npz", "one again");
        bench.scan();
        let job = bench.names_ready().pop().expect("it changed");
        assert_eq!(bench.finish(job, Ok(())), Verdict::Add { replaces: true });
        fs::remove_file(bench.path("batch-0.npz")).expect("removed");
        assert_eq!(bench.scan(), Reconciled::default());
        assert_eq!(bench.counts(), (2, 2, 0, 0), "a deleted batch that was counted stays counted");
    }

    #[test]
    fn an_unreadable_batch_waits_while_it_changes_and_is_then_set_aside_until_it_changes() {
        let mut bench = Bench::new();
        bench.write("batch-0.npz", "half");
        bench.scan();
        let job = bench.names_ready().pop().expect("ready");
        assert_eq!(bench.finish(job, Err("no end")), Verdict::Wait);
        bench.wait(SETTLE / 2);
        assert!(bench.ledger.tick(bench.now).is_empty());
        bench.write("batch-0.npz", "half and more");
        bench.scan();
        let job = bench.names_ready().pop().expect("it changed");
        assert_eq!(bench.finish(job, Err("no end")), Verdict::Wait);
        bench.wait(SETTLE - Duration::from_millis(1));
        assert!(bench.ledger.tick(bench.now).is_empty());
        bench.wait(Duration::from_millis(1));
        assert_eq!(bench.ledger.tick(bench.now).len(), 1);
        assert_eq!(bench.counts(), (1, 0, 0, 1));
        bench.scan();
        assert!(bench.names_ready().is_empty());
        bench.write("batch-0.npz", "half and more, whole");
        bench.scan();
        let job = bench.names_ready().pop().expect("it changed");
        assert_eq!(bench.finish(job, Ok(())), Verdict::Add { replaces: false });
        assert_eq!(bench.counts(), (1, 1, 0, 0));
    }

    /// What is kept must be what is in the figures, whatever becomes of the file.
    #[test]
    fn a_counted_batch_is_kept_in_the_state_in_which_it_was_counted() {
        let mut bench = Bench::new();
        bench.write("batch-0.npz", "one");
        bench.scan();
        let job = bench.names_ready().pop().expect("ready");
        let first = job.identity;
        let kept = |bench: &Bench| bench.ledger.counted().iter().map(|(_, &state)| state).collect::<Vec<_>>();
        bench.finish(job, Ok(()));
        assert_eq!(kept(&bench), [first]);
        bench.write("batch-0.npz", "cut");
        fs::File::options()
            .write(true)
            .open(bench.path("batch-0.npz"))
            .and_then(|file| file.set_modified(SystemTime::now() - Duration::from_secs(9)))
            .expect("another time");
        bench.scan();
        assert_eq!((kept(&bench), bench.ledger.in_figures()), (vec![first], 1), "it is read again");
        let job = bench.names_ready().pop().expect("ready");
        assert_eq!(bench.finish(job.clone(), Err("no end")), Verdict::Wait);
        bench.wait(SETTLE);
        assert_eq!(bench.ledger.tick(bench.now).len(), 1);
        assert_eq!((kept(&bench), bench.counts()), (vec![first], (1, 1, 0, 0)), "it cannot be read");
        bench.ledger.retry_set_aside();
        let job = bench.names_ready().pop().expect("ready");
        let (identity, verdict) = (job.identity, bench.finish(job, Ok(())));
        assert_eq!((verdict, kept(&bench)), (Verdict::Add { replaces: true }, vec![identity]));

        // One that is moved away before it could be read again is read when it is back.
        bench.write("batch-0.npz", "another");
        bench.scan();
        fs::rename(bench.path("batch-0.npz"), bench.path("away")).expect("moved");
        let problems = bench.scan().problems;
        assert!(problems[0].1.what.contains("what it was before is counted"), "{problems:?}");
        assert_eq!((kept(&bench), bench.counts()), (vec![identity], (1, 1, 0, 0)));
        assert_eq!(bench.ledger.counted().lost().len(), 1);
        fs::rename(bench.path("away"), bench.path("batch-0.npz")).expect("moved");
        bench.scan();
        assert_eq!(bench.names_ready().len(), 1);
    }

    #[test]
    fn what_changes_while_it_is_read_is_not_added() {
        let mut bench = Bench::new();
        bench.write("batch-0.npz", "before");
        bench.scan();
        let job = bench.names_ready().pop().expect("ready");
        bench.write("batch-0.npz", "after, longer");
        assert_eq!(bench.finish(job, Ok(())), Verdict::Wait);
        assert_eq!(bench.counts(), (1, 0, 1, 0));
        bench.wait(BETWEEN_ATTEMPTS);
        bench.ledger.tick(bench.now);
        let job = bench.names_ready().pop().expect("again");
        assert_eq!(bench.finish(job, Ok(())), Verdict::Add { replaces: false });
    }

    #[test]
    fn an_old_batch_that_cannot_be_read_is_set_aside_at_once() {
        let mut bench = Bench::new();
        bench.write("batch-0.npz", "half");
        let old = SystemTime::now() - Duration::from_secs(60);
        fs::File::options()
            .write(true)
            .open(bench.path("batch-0.npz"))
            .expect("open")
            .set_modified(old)
            .expect("time");
        bench.scan();
        let job = bench.names_ready().pop().expect("ready");
        assert!(matches!(bench.finish(job, Err("no end")), Verdict::SetAside(_)));
    }

    #[test]
    fn a_directory_rests_before_it_is_read_unless_it_was_renamed_into_place() {
        let mut bench = Bench::new();
        fs::create_dir(bench.path("batch-0")).expect("a directory");
        bench.write("batch-0/a.post.npy", "x");
        bench.scan();
        assert!(bench.names_ready().is_empty());
        bench.wait(DIRECTORY_REST);
        bench.ledger.tick(bench.now);
        assert_eq!(bench.names_ready().len(), 1);
        fs::create_dir(bench.path("batch-1")).expect("a directory");
        let found = look(bench.directory.path(), "batch-1").expect("it is there");
        bench.ledger.observe(&found, true, bench.now, SystemTime::now());
        assert_eq!(bench.names_ready().len(), 1);
    }

    #[test]
    fn a_number_counts_once_and_a_renamed_batch_takes_its_number_along() {
        let mut bench = Bench::new();
        bench.write("batch-1.npz", "x");
        bench.write("batch-01.npz", "y");
        let changes = bench.scan();
        assert_eq!(changes.problems.len(), 1);
        assert!(changes.problems[0].1.what.contains("twice"), "{changes:?}");
        assert_eq!(bench.names_ready().len(), 1);
        assert_eq!(bench.counts(), (2, 0, 1, 1));

        let mut bench = Bench::new();
        bench.write("batch-1.npz", "x");
        bench.scan();
        fs::rename(bench.path("batch-1.npz"), bench.path("batch-000001.npz")).expect("renamed");
        let changes = bench.scan();
        assert_eq!(changes.solved, ["batch-1.npz"]);
        assert_eq!(bench.names_ready().pop().expect("ready").name, "batch-000001.npz");
        assert_eq!(bench.counts(), (1, 0, 1, 0));
    }

    #[test]
    fn a_batch_counts_once_the_one_that_had_its_number_is_gone() {
        let mut bench = Bench::new();
        bench.write("batch-1.npz", "broken");
        bench.write("batch-01.npz", "whole");
        assert_eq!(bench.scan().problems[0].0, "batch-1.npz");
        let job = bench.names_ready().pop().expect("ready");
        assert_eq!(bench.finish(job, Err("no end")), Verdict::Wait);
        bench.wait(SETTLE);
        bench.ledger.tick(bench.now);
        fs::remove_file(bench.path("batch-01.npz")).expect("removed");
        let changes = bench.scan();
        assert_eq!(
            (changes.solved, changes.problems.len()),
            (vec!["batch-01.npz".into(), "batch-1.npz".into()], 0)
        );
        assert_eq!(bench.names_ready().pop().expect("ready").name, "batch-1.npz");
        assert_eq!(bench.counts(), (1, 0, 1, 0));
    }

    #[test]
    fn what_is_lost_stays_lost_for_a_later_ledger() {
        let mut bench = Bench::new();
        bench.write("batch-1.npz", "x");
        bench.scan();
        fs::remove_file(bench.path("batch-1.npz")).expect("removed");
        bench.scan();
        let kept = bench.ledger.counted();
        assert!(kept.is_sound() && kept.lost().len() == 1);
        bench.ledger = Ledger::restore(SETTLE, &kept, bench.now);
        assert_eq!((bench.scan(), bench.counts()), (Reconciled::default(), (1, 0, 0, 1)));
        bench.write("batch-1.npz", "x");
        bench.scan();
        assert_eq!((bench.names_ready().len(), bench.ledger.counted().lost().len()), (1, 0));
    }

    #[test]
    fn ranks_have_numbers_and_accounts_of_their_own() {
        let mut bench = Bench::new();
        for rank in ["rank-1", "rank-02", "rank-7"] {
            fs::create_dir(bench.path(rank)).expect("a directory");
        }
        for name in [
            "batch-0.npz",
            "rank-1/batch-0.npz",
            "rank-02/batch-0.npz",
            "rank-2.batch-0.npz",
            "rank-1/batch-1.npz",
        ] {
            bench.write(name, name);
        }
        let changes = bench.scan();
        let twice = &changes.problems[0].1.what;
        assert!(
            changes.problems.len() == 1 && twice.contains("batch number 0 of rank 2 is there twice"),
            "{twice}"
        );
        let jobs = bench.names_ready();
        let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
        assert_eq!(names, ["batch-0.npz", "rank-1/batch-0.npz", "rank-02/batch-0.npz", "rank-1/batch-1.npz"]);
        bench.ledger.note_rank(7);
        let account = |seen, waiting, set_aside, waiting_bytes| {
            Some(Account { seen, waiting, set_aside, waiting_bytes, ..Account::default() })
        };
        let ranks = bench.ledger.take_changed_ranks();
        assert_eq!(ranks, [(1, account(2, 2, 0, 36)), (2, account(2, 1, 1, 19)), (7, account(0, 0, 0, 0))]);
        for job in jobs {
            assert_eq!(bench.finish(job, Ok(())), Verdict::Add { replaces: false });
        }
        assert_eq!(bench.counts(), (5, 4, 0, 1));
        assert_eq!(bench.ledger.take_changed_ranks().len(), 2);
        fs::remove_dir(bench.path("rank-7")).expect("removed");
        fs::remove_file(bench.path("rank-2.batch-0.npz")).expect("removed");
        bench.scan();
        let counted = Account { seen: 1, counted: 1, ..Account::default() };
        assert_eq!(bench.ledger.take_changed_ranks(), [(2, Some(counted)), (7, None)]);
        let kept = bench.ledger.counted();
        assert!(kept.is_sound());
        let mut restored = Ledger::restore(SETTLE, &kept, bench.now);
        assert_eq!(restored.account(), bench.ledger.account());
        assert_eq!(restored.take_changed_ranks().len(), 2);
    }

    #[test]
    fn a_batch_deleted_before_it_was_counted_is_a_problem_until_it_comes_back() {
        let mut bench = Bench::new();
        bench.write("batch-1.npz", "x");
        bench.scan();
        fs::remove_file(bench.path("batch-1.npz")).expect("removed");
        assert_eq!(bench.scan().problems.len(), 1);
        assert_eq!((bench.scan(), bench.counts()), (Reconciled::default(), (1, 0, 0, 1)));
        bench.write("batch-1.npz", "x");
        bench.scan();
        assert_eq!(bench.names_ready().len(), 1);

        bench.write("batch-2.npz", "x");
        bench.scan();
        let job = bench.names_ready().pop().expect("ready");
        fs::remove_file(bench.path("batch-2.npz")).expect("removed");
        assert!(matches!(bench.finish(job, Err("gone")), Verdict::SetAside(_)));
    }

    #[test]
    fn a_set_aside_batch_that_is_deleted_is_no_problem_any_more() {
        let mut bench = Bench::new();
        fs::create_dir(bench.path("batch-1.npz")).expect("a directory");
        bench.write("batch-2", "a file");
        assert_eq!(bench.scan().problems.len(), 2);
        assert_eq!(bench.counts(), (2, 0, 0, 2));
        fs::remove_dir(bench.path("batch-1.npz")).expect("removed");
        assert_eq!(bench.scan().solved, ["batch-1.npz"]);
        assert_eq!(bench.counts(), (1, 0, 0, 1));
    }

    #[test]
    fn a_changed_manifest_takes_out_what_does_not_match_and_reads_again_what_was_set_aside() {
        let mut bench = Bench::new();
        bench.write("batch-0.npz", "x");
        bench.scan();
        let job = bench.names_ready().pop().expect("ready");
        bench.finish(job, Ok(()));
        assert!(bench.ledger.recheck(|_| Ok(())).is_empty());
        let failed = bench.ledger.recheck(|_| Err(SnapshotError::new("no", "")));
        assert_eq!((failed.len(), bench.counts()), (1, (1, 1, 0, 0)));
        bench.ledger.withdraw(failed[0].0);
        assert!(bench.ledger.counted_as(failed[0].0).is_none());
        assert_eq!((bench.ledger.counted().len(), bench.counts()), (0, (1, 0, 0, 1)));
        assert_eq!(bench.ledger.retry_set_aside(), ["batch-0.npz"]);
        let job = bench.names_ready().pop().expect("ready");
        assert_eq!(bench.finish(job, Ok(())), Verdict::Add { replaces: false });
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_are_never_read() {
        let mut bench = Bench::new();
        std::os::unix::fs::symlink(Path::new("/dev/zero"), bench.path("batch-0.npz")).expect("a link");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            bench.path("batch-1.npz"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .expect("a pipe");
        assert_eq!(bench.scan().problems.len(), 2);
        assert!(bench.names_ready().is_empty());
    }
}
