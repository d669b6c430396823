//! The ledger of a run: which batches there are, and what became of each. It makes sure that every batch is counted
//! exactly once.
//!
//! # Why there is a ledger
//!
//! It would be simpler to count each file when an event names it. Such a program is wrong within minutes on a real
//! cluster:
//!
//! - Events come late, twice, out of order or not at all: a queue overflows, a network share sends none, the first files
//!   of a new directory are missed. So an event is only a hint where to look. What a full scan finds is the truth, and
//!   [`Ledger::reconcile`] compares the two from time to time.
//! - A file may be half written when it is found. An error in it means nothing while it still changes. So a batch waits,
//!   is read again when it changes, and is only set aside when it has stopped changing for `settle`.
//! - A file may change while it is read, or after it was counted. So each count is tied to the state of the file before
//!   the read, and compared with its state after. A batch that was written again is counted again, and the new count
//!   replaces the old one.
//! - A batch may be deleted after it was counted: by the user, by its producer, or by neurotop itself with `--prune`. It
//!   must stay in the figures, and a later batch of the same number must not be added on top of it.
//! - One batch may have several names (`batch-7.npz`, `batch-007.npz`, the directory `batch-7`), because somebody
//!   unpacked, packed or renamed it. It must count once, whatever the order in which the names come and go.
//!
//! Each of these needs to know what was seen before. That memory is the ledger. It does no I/O, has no clock and adds
//! nothing up: the caller tells it what the directory holds and what came of a read, and does what the [`Verdict`] says.
//! Therefore a test can drive it through any order of events (see `model.rs`), and whoever follows the verdicts to the
//! letter has each batch once in the sums.
//!
//! # How it works
//!
//! A batch is identified by rank and number. Of its names, one is the *owner*: only the owner is read, and it holds the
//! count. Other names that exist at the same time are *twins*; they are reported and not read. When the owner disappears,
//! a twin takes over its count, and is read again unless it is the same file under a new name.
//!
//! ```text
//!            admitted            read whole
//!  (new) ──► Waiting ──► Ready ──► Reading ──► Counted ──► Waiting, when it changes
//!    │          ▲                    │  │
//!    │          └── it changed ──────┘  └──► SetAside: unreadable, and has stopped changing
//!    ├──► Twin: another name of the batch is there
//!    └──► SetAside: a link, a pipe, a wrong suffix
//!  Lost: gone before its last state was counted, or out of reach for now
//! ```
//!
//! A count leaves the figures only when another count of the same batch replaces it, or when it is withdrawn because a
//! later manifest contradicts it. A batch that is deleted, damaged or unreadable after it was counted stays in.
//!
//! A run may delete a million batches as it goes. Keeping an entry for each would take hundreds of megabytes, so a
//! counted batch that is gone becomes part of a range of numbers (`gone.rs`): at once when neurotop deleted it, otherwise
//! when a second scan lacks it, since it may only have been renamed. When its number appears again, it becomes an entry
//! again: gone, and counted.

mod counted;
mod gone;
mod shapes;

pub use counted::{CountedBatch, CountedBatches};

use super::scan::Found;
use crate::snapshot::{BatchId, BatchName, EntryName, LayerShape, SnapshotError};
use crate::storage::{Identity, Shape};
use counted::NO_PLACE;
use gone::{Gone, GoneBatch};
use serde::{Deserialize, Serialize};
use shapes::ShapeSets;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::num::NonZeroU64;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long a directory batch must stay unchanged before it is read, since nothing marks it as complete. If it is
/// read too early, it is read again when it changes.
const DIRECTORY_REST: Duration = Duration::from_millis(500);

/// How long after it was counted a directory batch is read once more. A program that fills a memory-mapped array
/// changes the file, but not its times until the system writes it to disk.
const VERIFY_AFTER: Duration = Duration::from_secs(60);

/// The least time between two attempts to read a batch that is still changing.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// A batch to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    pub name: BatchName,
    /// The state in which it was last seen.
    pub identity: Identity,
}

/// What the ledger must know about a count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedContents {
    /// The counted layers.
    pub shapes: Arc<[LayerShape]>,
    /// The digest of the count.
    pub digest: NonZeroU64,
}

/// The result of reading a batch.
#[derive(Debug)]
pub struct Outcome {
    pub job: Job,
    /// The state after the read; `None` if it was gone.
    pub after: Option<Identity>,
    pub result: Result<CountedContents, SnapshotError>,
    /// Whether it was read completely, so that waiting for the rest cannot cure an error.
    pub is_whole: bool,
}

/// A range of batch numbers of one rank that are in the figures with the same layers.
#[derive(Debug, Clone, Copy)]
pub struct InFigures<'a> {
    pub first: BatchName,
    pub last: BatchName,
    /// `None` if their layers are unknown.
    pub shapes: Option<&'a Arc<[LayerShape]>>,
}

/// What to do with a count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Add the count, after removing the one that it replaces.
    Add {
        /// Whether an earlier count of the same batch must be removed.
        replaces: bool,
    },
    /// Add nothing: the same count is already in the figures.
    Same,
    /// Add nothing now; the batch will be read again.
    Wait,
    /// Add nothing, and report the reason.
    SetAside(SnapshotError),
}

/// What a look at the directory changed, besides the queue.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LedgerChanges {
    /// New problems by batch name.
    pub problems: Vec<(String, SnapshotError)>,
    /// Names whose problem is gone, even if it is among `problems`.
    pub solved: Vec<String>,
    /// Counted batches with a new name.
    pub renamed: Vec<BatchName>,
}

impl LedgerChanges {
    fn problem(&mut self, name: BatchName, problem: SnapshotError) {
        self.problems.push((name.to_string(), problem));
    }

    fn solve(&mut self, name: BatchName) {
        self.solved.push(name.to_string());
    }
}

/// How many batches are in which state: the evidence that the figures are complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Account {
    pub seen: u64,
    /// Batches whose count is in the figures, and that are not being read again.
    pub counted: u64,
    /// Batches that are being written, are queued or are being read.
    pub waiting: u64,
    /// Batches that cannot be counted.
    pub set_aside: u64,
    /// The batches among `set_aside` that also exist under another name.
    #[serde(skip)]
    pub twins: u64,
    /// The bytes of the waiting batches.
    #[serde(skip)]
    pub waiting_bytes: u64,
}

impl AddAssign for Account {
    fn add_assign(&mut self, other: Self) {
        self.seen += other.seen;
        self.counted += other.counted;
        self.waiting += other.waiting;
        self.set_aside += other.set_aside;
        self.twins += other.twins;
        self.waiting_bytes += other.waiting_bytes;
    }
}

#[derive(Debug)]
enum BatchState {
    /// Not readable yet; with the error of the last attempt in this state, if there was one.
    Waiting(Option<Box<SnapshotError>>),
    Ready,
    Reading,
    Counted,
    SetAside,
    /// Not read, since the batch exists under another name.
    Twin,
    /// Gone before it was counted, or unreachable.
    Lost,
}

#[derive(Debug)]
struct BatchEntry {
    identity: Identity,
    state: BatchState,
    /// When the contents were last seen to change.
    changed_at: Instant,
    /// No attempt before this many milliseconds after that.
    rest: u32,
    /// Whether it had not changed for a while when it was first seen, so that there is nothing to wait for.
    quiet: bool,
    is_directory: bool,
    /// Whether its batch is read under this name, and not under another.
    is_owner: bool,
    presence: EntryPresence,
    /// Whether it was still there in the same state after the read. Otherwise another file may have been read in its
    /// place.
    is_certain: bool,
    /// The count in the figures, if there is one.
    count: Option<Count>,
}

/// Whether a counted batch exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntryPresence {
    There,
    /// It did not exist at the last look.
    Gone,
    /// A full scan did not find it.
    Missed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    /// The index of its layers in [`Ledger::shapes`].
    place: u32,
    digest: Option<NonZeroU64>,
}

impl BatchEntry {
    /// An entry for a counted batch, so far without its count.
    fn counted(name: BatchName, identity: Identity, now: Instant) -> Self {
        Self {
            identity,
            state: BatchState::Counted,
            changed_at: now,
            rest: 0,
            quiet: true,
            is_directory: !name.is_file(),
            is_owner: false,
            presence: EntryPresence::There,
            is_certain: true,
            count: None,
        }
    }

    /// An entry for a batch that is seen for the first time.
    fn found(found: &Found, name: BatchName, now: Instant, quiet: bool) -> Self {
        let is_directory = found.shape == Shape::Directory;
        Self {
            is_directory,
            state: BatchState::Waiting(None),
            quiet,
            ..Self::counted(name, found.identity, now)
        }
    }

    fn is_gone(&self) -> bool {
        self.presence != EntryPresence::There
    }

    fn not_before(&self) -> Instant {
        self.changed_at + Duration::from_millis(self.rest.into())
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Ledger {
    settle: Duration,
    entries: BTreeMap<BatchName, BatchEntry>,
    /// Counted batches that are gone and have no entries any more.
    gone: Gone,
    /// The number of entries in the figures, and the lowest of them.
    in_figures: u64,
    lowest: Option<BatchName>,
    /// The sets of layers of counted batches.
    shapes: ShapeSets,
    ready: BTreeSet<BatchName>,
    waiting: HashSet<BatchName>,
    /// The states in which batches were counted that have changed since.
    counted_as: HashMap<BatchName, Identity>,
    /// Directory batches that will be read once more, with the time when they were counted.
    unverified: VecDeque<(Instant, BatchName)>,
    reading: usize,
    account: Account,
    /// The accounts of the ranks, and the ranks that changed since `take_changed_ranks`.
    ranks: BTreeMap<u32, Account>,
    changed_ranks: BTreeSet<u32>,
}

impl Ledger {
    /// An empty ledger. `settle` is how long an unreadable batch must stay unchanged before it is set aside.
    pub fn new(settle: Duration) -> Self {
        Self { settle, ..Self::default() }
    }

    /// A ledger in which these batches are already counted.
    pub fn restore(settle: Duration, counted: &CountedBatches, now: Instant) -> Self {
        let mut ledger = Self::new(settle);
        let shapes: Vec<Arc<[LayerShape]>> =
            counted.shapes.iter().map(|shapes| shapes.clone().into()).collect();
        let place_of = |ledger: &mut Self, place: u32| {
            shapes.get(place as usize).map_or(NO_PLACE, |shapes| ledger.shapes.place_of(shapes))
        };
        for batch in &counted.batches {
            let count = Count { place: place_of(&mut ledger, batch.place), digest: batch.digest };
            ledger.insert(batch.name, BatchEntry::counted(batch.name, batch.identity, now));
            ledger.take_over_count(batch.name, Some(count));
        }
        for stretch in &counted.gone {
            let (mut stretch, place) = (Arc::clone(stretch), place_of(&mut ledger, stretch.place));
            if stretch.place != place {
                Arc::make_mut(&mut stretch).place = place;
            }
            for account in ledger.accounts_of(stretch.first()) {
                account.seen += stretch.len() as u64;
                account.counted += stretch.len() as u64;
            }
            ledger.gone.add_all(stretch);
        }
        for &name in &counted.lost {
            if ledger.entries.contains_key(&name) {
                ledger.set_state(name, BatchState::Lost);
            } else {
                ledger.insert(
                    name,
                    BatchEntry {
                        state: BatchState::Lost,
                        ..BatchEntry::counted(name, Identity::unknown(), now)
                    },
                );
            }
        }
        ledger
    }

    /// Inserts a new entry.
    fn insert(&mut self, name: BatchName, entry: BatchEntry) {
        if matches!(entry.state, BatchState::Waiting(_)) {
            self.waiting.insert(name);
        }
        self.entries.insert(name, entry);
        for account in self.accounts_of(name) {
            account.seen += 1;
        }
        self.account_for(name, true);
    }

    /// Sets or removes the count of an entry.
    fn set_count(&mut self, name: BatchName, count: Option<Count>) {
        let Some(entry) = self.entries.get_mut(&name) else { return };
        let before = std::mem::replace(&mut entry.count, count);
        self.note_in_figures(name, before.is_some(), count.is_some());
    }

    /// Updates how many entries are in the figures, and the lowest one.
    fn note_in_figures(&mut self, name: BatchName, was: bool, is: bool) {
        match (was, is) {
            (false, true) => {
                self.in_figures += 1;
                self.lowest = Some(self.lowest.map_or(name, |lowest| lowest.min(name)));
            }
            (true, false) => {
                self.in_figures -= 1;
                if self.lowest == Some(name) {
                    let mut later = self.entries.range(name..).filter(|(_, entry)| entry.count.is_some());
                    self.lowest = later.find(|(other, _)| **other != name).map(|(&name, _)| name);
                }
            }
            _ => {}
        }
    }

    /// Moves the count of a batch to the entry of a name, which becomes its owner.
    fn take_over_count(&mut self, name: BatchName, count: Option<Count>) {
        self.account_for(name, false);
        self.set_count(name, count);
        if let Some(entry) = self.entries.get_mut(&name) {
            entry.is_owner = true;
        }
        self.account_for(name, true);
    }

    /// The counted batches, each in the state in which it was counted, even if it has changed since.
    pub fn counted(&self) -> CountedBatches {
        let counted = |(&name, entry): (&BatchName, &BatchEntry)| {
            let Count { place, digest } = entry.count?;
            let identity = self.certainly_counted_as(name).unwrap_or(Identity::unknown());
            Some(CountedBatch { name, identity, place, digest })
        };
        let is_lost = |(_, entry): &(&BatchName, &BatchEntry)| matches!(entry.state, BatchState::Lost);
        CountedBatches {
            shapes: self.shapes.iter().map(|shapes| shapes.to_vec()).collect(),
            batches: self.entries.iter().filter_map(counted).collect(),
            gone: self.gone.stretches().cloned().collect(),
            lost: self.entries.iter().filter(is_lost).map(|(&name, _)| name).collect(),
        }
    }

    /// The number of batches in the figures, including those that are being read again.
    pub fn in_figures(&self) -> u64 {
        self.in_figures + self.gone.len()
    }

    /// Whether a counted batch is known to be gone for good.
    pub fn has_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    pub fn is_in_figures(&self, name: BatchName) -> bool {
        let is_gone = || self.gone.get(name.id()).is_some_and(|batch| batch.name == name);
        self.entries.get(&name).map_or_else(is_gone, |entry| entry.count.is_some())
    }

    /// Whether a batch is in the figures that is not among `present`.
    pub fn lacks_any(&self, present: &HashSet<BatchId>) -> bool {
        let is_absent =
            |(name, entry): (&BatchName, &BatchEntry)| entry.count.is_some() && !present.contains(&name.id());
        let back = || present.iter().filter(|id| self.gone.get(**id).is_some()).count() as u64;
        self.entries.iter().any(is_absent) || (!self.gone.is_empty() && self.gone.len() > back())
    }

    /// The state in which a batch was counted, under this name or another, if its contents now are those that were
    /// counted.
    pub fn as_counted(&self, name: BatchName, now: &Identity) -> Option<Identity> {
        if let Some(batch) = self.gone.get(name.id()) {
            return batch.is(now).then_some(*now);
        }
        let owner = || self.owner_besides(name).and_then(|owner| self.certainly_counted_as(owner));
        self.certainly_counted_as(name).or_else(owner).filter(|counted| counted.same_contents(now))
    }

    /// The state in which a batch was counted, if that is certain.
    fn certainly_counted_as(&self, name: BatchName) -> Option<Identity> {
        self.counted_as(name).filter(|_| self.entries.get(&name).is_some_and(|entry| entry.is_certain))
    }

    /// The state in which a batch was counted, if it has an entry and is in the figures.
    pub fn counted_as(&self, name: BatchName) -> Option<Identity> {
        let entry = self.entries.get(&name).filter(|entry| entry.count.is_some())?;
        Some(self.counted_as.get(&name).copied().unwrap_or(entry.identity))
    }

    /// Whether a batch that was counted in this state may be deleted: it has not changed since, is not being read
    /// again, and has no other name.
    pub fn may_be_deleted(&self, name: BatchName, counted: &Identity) -> bool {
        let is_alone = self.entries.range(BatchName::all_of(name.id())).nth(1).is_none();
        let entry = self.entries.get(&name).filter(|entry| entry.count.is_some());
        is_alone
            && entry
                .is_some_and(|entry| entry.identity == *counted && matches!(entry.state, BatchState::Counted))
    }

    /// Whether a read gave a different count than the one in the figures, which would have to be removed.
    pub fn would_replace(&self, job: &Job, contents: &CountedContents) -> bool {
        let Some(count) = self.entries.get(&job.name).and_then(|entry| entry.count) else { return false };
        match count.digest {
            Some(digest) => digest != contents.digest,
            // Counts of an older version have no digest; their file alone identifies them.
            None => !self.counted_as(job.name).is_some_and(|counted| counted.same_contents(&job.identity)),
        }
    }

    pub fn account(&self) -> Account {
        self.account
    }

    /// The accounts of the ranks that changed since the last call; `None` for a rank that is gone.
    pub fn take_changed_ranks(&mut self) -> Vec<(u32, Option<Account>)> {
        let changed = std::mem::take(&mut self.changed_ranks);
        changed.into_iter().map(|rank| (rank, self.ranks.get(&rank).copied())).collect()
    }

    /// Records a rank, which may have no batch yet.
    pub fn note_rank(&mut self, rank: u32) {
        self.ranks.entry(rank).or_insert_with(|| {
            self.changed_ranks.insert(rank);
            Account::default()
        });
    }

    /// The names of the waiting batches, which should be looked at again soon.
    pub fn waiting(&self) -> impl Iterator<Item = String> {
        self.waiting.iter().map(BatchName::to_string)
    }

    /// Whether a batch of this name is waiting, queued or being read.
    pub fn is_in_progress(&self, name: BatchName) -> bool {
        let state = self.entries.get(&name).map(|entry| &entry.state);
        matches!(state, Some(BatchState::Waiting(_) | BatchState::Ready | BatchState::Reading))
    }

    /// The lowest number of a batch in the figures.
    pub fn lowest_counted(&self) -> Option<u64> {
        let present = self.lowest.map(|name| name.number);
        present.into_iter().chain(self.gone.lowest()).min()
    }

    /// Whether any batch is queued or being read.
    pub fn is_busy(&self) -> bool {
        self.reading > 0 || !self.ready.is_empty()
    }

    /// Records the current state of a batch. `whole` means that an event said it is complete.
    pub fn observe(&mut self, found: &Found, whole: bool, now: Instant, clock: SystemTime) -> LedgerChanges {
        let mut changes = LedgerChanges::default();
        self.note(found, whole, now, clock, &mut changes);
        changes
    }

    fn note(
        &mut self,
        found: &Found,
        whole: bool,
        now: Instant,
        clock: SystemTime,
        changes: &mut LedgerChanges,
    ) {
        let Some(name) = BatchName::parse(&found.name) else { return };
        self.bring_back(name.id(), Some(&found.identity), now);
        let has_owner = self.owner_besides(name).is_some_and(|owner| !self.is_gone(owner));
        let Some(entry) = self.entries.get_mut(&name) else {
            self.insert(
                name,
                BatchEntry::found(found, name, now, found.identity.is_quiet(self.settle, clock)),
            );
            tracing::debug!(
                number = name.number,
                batch = name.to_string(),
                bytes = found.identity.size,
                "seen"
            );
            return self.admit(found, name, whole, now, changes);
        };
        entry.presence = EntryPresence::There;
        let is_changed = entry.identity != found.identity;
        match entry.state {
            // The outcome of the read will tell.
            BatchState::Reading => return,
            BatchState::Lost => {}
            BatchState::Twin if !has_owner => {}
            _ if is_changed => {}
            BatchState::Waiting(None) if whole => return self.make_ready(name),
            _ => return,
        }
        let was_twin = matches!(self.entries[&name].state, BatchState::Twin);
        self.await_again(name, found.identity, now);
        self.admit(found, name, whole, now, changes);
        if was_twin && !matches!(self.entries[&name].state, BatchState::Twin | BatchState::SetAside) {
            changes.solve(name);
        }
    }

    /// Makes a changed batch wait until it can be read again.
    fn await_again(&mut self, name: BatchName, identity: Identity, now: Instant) {
        self.account_for(name, false);
        if let Some(entry) = self.entries.get_mut(&name) {
            if entry.count.is_some() {
                self.counted_as.entry(name).or_insert(entry.identity);
            }
            entry.identity = identity;
            entry.rest = milliseconds(entry.not_before().saturating_duration_since(now));
            entry.changed_at = now;
            entry.quiet = false;
        }
        self.account_for(name, true);
        self.set_state(name, BatchState::Waiting(None));
    }

    /// Queues a new or changed batch if it may be read, or reports why it never may in this form.
    fn admit(
        &mut self,
        found: &Found,
        name: BatchName,
        whole: bool,
        now: Instant,
        changes: &mut LedgerChanges,
    ) {
        if let Some(refusal) = found.refusal() {
            if let Some(entry) = self.entries.get_mut(&name) {
                // A counted batch keeps its owner.
                entry.is_owner = entry.count.is_some();
            }
            self.set_state(name, BatchState::SetAside);
            return changes.problem(name, refusal);
        }
        match self.owner_besides(name) {
            Some(owner) if !self.is_gone(owner) => {
                self.set_state(name, BatchState::Twin);
                return changes.problem(
                    name,
                    SnapshotError::new(
                        format!("{} is there twice, and {owner} is the one that counts", name.id()),
                        "give this batch a number of its own, or delete it",
                    ),
                );
            }
            Some(owner) => {
                changes.solve(owner);
                if self.take_over(owner, name, found) {
                    return changes.renamed.push(name);
                }
            }
            None => {}
        }
        let Some(entry) = self.entries.get_mut(&name) else { return };
        entry.is_owner = true;
        let may_be_whole = found.shape == Shape::File && now >= entry.not_before();
        if may_be_whole || whole || entry.quiet {
            self.make_ready(name);
        }
    }

    /// Moves the count of a name that is gone to another name of the same batch. Returns whether it is the same file,
    /// so that nothing has to be read.
    fn take_over(&mut self, owner: BatchName, name: BatchName, found: &Found) -> bool {
        let as_counted = self.counted_as(owner);
        let certain = self.certainly_counted_as(owner);
        let is_certain = self.entries.get(&owner).is_some_and(|entry| entry.is_certain);
        let count = self.entries.get(&owner).and_then(|entry| entry.count);
        self.remove(owner);
        let is_same = certain.is_some_and(|counted| counted.same_contents(&found.identity));
        self.take_over_count(name, count);
        if let Some(entry) = self.entries.get_mut(&name) {
            entry.is_certain = is_certain;
        }
        if is_same {
            self.set_state(name, BatchState::Counted);
        } else if let Some(as_counted) = as_counted {
            self.counted_as.insert(name, as_counted);
        }
        is_same
    }

    /// The other name under which this batch is read, if there is one.
    pub fn owner_besides(&self, name: BatchName) -> Option<BatchName> {
        if let Some(batch) = self.gone.get(name.id()) {
            return Some(batch.name).filter(|&owner| owner != name);
        }
        let mut names = self.entries.range(BatchName::all_of(name.id()));
        names.find(|&(&other, entry)| entry.is_owner && other != name).map(|(&owner, _)| owner)
    }

    fn is_gone(&self, name: BatchName) -> bool {
        self.entries
            .get(&name)
            .is_some_and(|entry| entry.is_gone() && !matches!(entry.state, BatchState::Reading))
    }

    /// Turns a batch in a range back into an entry, counted and gone, since a batch of its number has appeared.
    /// Reading it will tell whether it is the same, unless only its name differs.
    fn bring_back(&mut self, id: BatchId, found: Option<&Identity>, now: Instant) {
        let Some(batch) = self.gone.take(id) else { return };
        let as_counted = found.filter(|found| batch.is(found)).copied().unwrap_or(Identity::unknown());
        let (presence, count) = (EntryPresence::Missed, Some(batch.count));
        let entry = BatchEntry::counted(batch.name, as_counted.of_contents_alone(), now);
        self.entries.insert(batch.name, BatchEntry { presence, count, is_owner: true, ..entry });
        self.note_in_figures(batch.name, false, true);
    }

    /// Moves a counted batch that is gone into a range, if its entry is not needed any more. A file that neurotop
    /// deleted itself cannot come back.
    fn be_of_range(&mut self, name: BatchName, is_deleted: bool) {
        let is_alone = self.entries.range(BatchName::all_of(name.id())).nth(1).is_none();
        let Some(entry) = self.entries.get(&name).filter(|entry| matches!(entry.state, BatchState::Counted))
        else {
            return;
        };
        let Some(count) = entry.count.filter(|_| is_alone && entry.is_owner) else { return };
        let Some(identity) = self.counted_as(name) else { return };
        let can_come_back = entry.is_certain && (!is_deleted || count.digest.is_none());
        let state = can_come_back.then(|| identity.contents_hash());
        self.gone.add(&GoneBatch { name, count, state, written: identity.modified });
        self.entries.remove(&name);
        self.note_in_figures(name, true, false);
    }

    /// Records that neurotop deleted these counted batches.
    pub fn note_deleted(&mut self, names: impl IntoIterator<Item = BatchName>) {
        names.into_iter().for_each(|name| self.be_of_range(name, true));
    }

    /// Records that a name exists, because another name of the same batch is about to be recorded.
    pub fn note_there(&mut self, name: BatchName, now: Instant) {
        if self.gone.get(name.id()).is_some_and(|batch| batch.name == name) {
            self.bring_back(name.id(), None, now);
        }
        if let Some(entry) = self.entries.get_mut(&name) {
            entry.presence = EntryPresence::There;
        }
    }

    /// Records that a name does not exist. Returns whether only a full scan can tell what became of it, since it may
    /// have been renamed.
    pub fn note_gone(&mut self, name: BatchName) -> bool {
        let Some(entry) = self.entries.get_mut(&name) else { return false };
        if entry.count.is_some() && !entry.is_gone() {
            entry.presence = EntryPresence::Gone;
        }
        entry.count.is_none() || self.entries.range(BatchName::all_of(name.id())).nth(1).is_some()
    }

    /// Compares the ledger with everything in the directory. Records what is new or changed. A batch that is gone
    /// before it was counted is a problem; a counted batch stays counted.
    pub fn reconcile(&mut self, found: &[Found], now: Instant, clock: SystemTime) -> LedgerChanges {
        let mut changes = LedgerChanges::default();
        // At the first scan nothing can be missing, and there may be more batches than ever again.
        let is_first = self.entries.is_empty() && self.gone.is_empty();
        let missed = if is_first { Vec::new() } else { self.note_absent(found, now, &mut changes) };
        for found in found {
            self.note(found, false, now, clock, &mut changes);
        }
        if !is_first {
            self.forget_renamed(&mut changes);
            self.forget_empty_ranks(found);
        }
        for name in missed {
            if self.is_gone(name) {
                self.be_of_range(name, false);
            }
        }
        changes
    }

    /// Handles missing names, before existing ones take their place. Returns the names that the previous scan missed
    /// too.
    fn note_absent(&mut self, found: &[Found], now: Instant, changes: &mut LedgerChanges) -> Vec<BatchName> {
        let mut present = HashSet::new();
        for (found, name) in found.iter().filter_map(|found| Some((found, BatchName::parse(&found.name)?))) {
            self.bring_back(name.id(), Some(&found.identity), now);
            present.insert(name);
        }
        let (mut absent, mut missed) = (Vec::new(), Vec::new());
        for (name, entry) in &mut self.entries {
            if present.contains(name) {
                entry.presence = EntryPresence::There;
            } else if entry.presence == EntryPresence::Missed {
                missed.push(*name);
                absent.push(*name);
            } else {
                absent.push(*name);
            }
        }
        for name in absent {
            self.note_one_absent(name, changes);
        }
        missed
    }

    fn note_one_absent(&mut self, name: BatchName, changes: &mut LedgerChanges) {
        let Some(entry) = self.entries.get_mut(&name) else { return };
        match (&entry.state, entry.count.is_some()) {
            // The outcome of the read will tell.
            (BatchState::Reading, _) => {}
            (BatchState::Waiting(_) | BatchState::Ready, _) => {
                if let Some(problem) = self.vanished(name) {
                    changes.problem(name, problem);
                }
            }
            (BatchState::SetAside, true) => {
                entry.presence = EntryPresence::Missed;
                self.be_as_counted(name, BatchState::Counted);
                changes.solve(name);
            }
            (_, true) => entry.presence = EntryPresence::Missed,
            (BatchState::Lost, false) => entry.is_owner = false,
            (_, false) => {
                self.remove(name);
                changes.solve(name);
            }
        }
    }

    /// Forgets lost batches that exist under another name.
    fn forget_renamed(&mut self, changes: &mut LedgerChanges) {
        let is_renamed = |(name, entry): &(&BatchName, &BatchEntry)| {
            let is_lost = matches!(entry.state, BatchState::Lost) && entry.count.is_none() && !entry.is_owner;
            is_lost && self.owner_besides(**name).is_some()
        };
        let renamed: Vec<BatchName> = self.entries.iter().filter(is_renamed).map(|(&name, _)| name).collect();
        for name in renamed {
            self.remove(name);
            changes.solve(name);
        }
    }

    /// Forgets ranks without a batch whose directory is gone.
    fn forget_empty_ranks(&mut self, found: &[Found]) {
        if self.ranks.values().all(|account| account.seen > 0) {
            return;
        }
        let rank_of = |found: &Found| match found.meaning {
            EntryName::Rank(rank) => Some(rank),
            EntryName::Manifest(rank) | EntryName::End(rank) => rank,
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

    fn remove(&mut self, name: BatchName) {
        self.account_for(name, false);
        let Some(entry) = self.entries.remove(&name) else { return };
        self.note_in_figures(name, entry.count.is_some(), false);
        self.counted_as.remove(&name);
        self.waiting.remove(&name);
        self.ready.remove(&name);
        for account in self.accounts_of(name) {
            account.seen -= 1;
        }
    }

    /// Resets a counted batch that is gone to the state in which it was counted.
    fn be_as_counted(&mut self, name: BatchName, state: BatchState) {
        self.set_state(name, state);
        if let (Some(as_counted), Some(entry)) = (self.counted_as.remove(&name), self.entries.get_mut(&name))
        {
            entry.identity = as_counted;
        }
    }

    /// Handles a batch that is gone. That is a problem unless its last state is in the figures. If it never was, its
    /// number is free again.
    fn vanished(&mut self, name: BatchName) -> Option<SnapshotError> {
        let entry = self.entries.get_mut(&name)?;
        entry.presence = EntryPresence::Gone;
        if entry.count.is_some() {
            if !self.counted_as.contains_key(&name) {
                self.set_state(name, BatchState::Counted);
                return None;
            }
            self.be_as_counted(name, BatchState::Lost);
            return Some(SnapshotError::new(
                "it was written again, and deleted before that could be counted; what it was before is counted",
                "write it again if it should count as it was in the end",
            ));
        }
        entry.is_owner = false;
        self.set_state(name, BatchState::Lost);
        Some(SnapshotError::new(
            "it was deleted before it could be counted",
            "write it again if it should count",
        ))
    }

    /// Takes up to `most` batches from the queue, in the order of their numbers.
    pub fn take_ready(&mut self, most: usize) -> Vec<Job> {
        let mut jobs = Vec::new();
        while jobs.len() < most
            && let Some(name) = self.ready.pop_first()
        {
            self.set_state(name, BatchState::Reading);
            jobs.push(Job { name, identity: self.entries[&name].identity });
        }
        jobs
    }

    /// Decides what the outcome of a read means.
    pub fn settle(&mut self, outcome: &Outcome, now: Instant) -> Verdict {
        let name = outcome.job.name;
        let Some(entry) =
            self.entries.get_mut(&name).filter(|entry| matches!(entry.state, BatchState::Reading))
        else {
            return Verdict::Wait;
        };
        entry.presence = if outcome.after.is_none() { EntryPresence::Gone } else { EntryPresence::There };
        let after = match (outcome.after, &outcome.result) {
            (Some(after), _) => after,
            // What was read completely existed. After a passing error, nobody knows what became of the file.
            (None, Ok(_)) => outcome.job.identity,
            (None, Err(reason)) if reason.is_passing() => outcome.job.identity,
            (None, Err(_)) => return self.vanished(name).map_or(Verdict::Wait, Verdict::SetAside),
        };
        if after != outcome.job.identity {
            self.await_again(name, after, now);
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.rest = milliseconds(BETWEEN_ATTEMPTS);
            }
            tracing::debug!(batch = name.to_string(), why = "it changed while it was read", "waiting");
            return Verdict::Wait;
        }
        match &outcome.result {
            Ok(contents) => self.count(name, outcome, contents, now),
            Err(reason) => self.fail(name, reason.clone(), outcome.is_whole, now),
        }
    }

    /// Handles a batch that was read completely.
    fn count(
        &mut self,
        name: BatchName,
        outcome: &Outcome,
        contents: &CountedContents,
        now: Instant,
    ) -> Verdict {
        let is_new = self.entries.get(&name).is_some_and(|entry| entry.count.is_none());
        let is_same = !is_new && !self.would_replace(&outcome.job, contents);
        if !is_same {
            let place = self.shapes.place_of(&contents.shapes);
            self.account_for(name, false);
            self.set_count(name, Some(Count { place, digest: Some(contents.digest) }));
            if !name.is_file() {
                self.unverified.push_back((now, name));
            }
            self.account_for(name, true);
        }
        self.counted_as.remove(&name);
        self.set_state(name, BatchState::Counted);
        if let Some(entry) = self.entries.get_mut(&name) {
            entry.is_certain = outcome.after.is_some();
        }
        if is_same { Verdict::Same } else { Verdict::Add { replaces: !is_new } }
    }

    /// Handles a batch that could not be read or counted.
    fn fail(&mut self, name: BatchName, reason: SnapshotError, is_whole: bool, now: Instant) -> Verdict {
        let Some(entry) = self.entries.get_mut(&name) else { return Verdict::Wait };
        let rested = now.duration_since(entry.changed_at);
        if reason.is_passing() {
            // The file is not to blame. The next full scan that finds it tries again.
            self.set_state(name, BatchState::Lost);
        } else if is_whole || entry.quiet || rested >= self.settle {
            self.set_state(name, BatchState::SetAside);
        } else {
            entry.rest = milliseconds(rested + BETWEEN_ATTEMPTS);
            tracing::debug!(batch = name.to_string(), why = reason.to_string(), "waiting");
            self.set_state(name, BatchState::Waiting(Some(Box::new(reason))));
            return Verdict::Wait;
        }
        Verdict::SetAside(reason)
    }

    /// Queues a batch again, because the manifest that it was checked against has changed meanwhile.
    pub fn read_again(&mut self, job: &Job) {
        if self.entries.get(&job.name).is_some_and(|entry| matches!(entry.state, BatchState::Reading)) {
            self.make_ready(job.name);
        }
    }

    /// Queues directory batches for their second read, see `VERIFY_AFTER`: those that are due, or all of them.
    pub fn verify(&mut self, all: bool, now: Instant) {
        let is_due = |counted: Instant| all || now.duration_since(counted) >= VERIFY_AFTER;
        while let Some(&(counted, name)) = self.unverified.front()
            && is_due(counted)
        {
            self.unverified.pop_front();
            let entry = self.entries.get(&name).filter(|entry| !entry.is_gone() && entry.count.is_some());
            if entry.is_some_and(|entry| matches!(entry.state, BatchState::Counted)) {
                self.make_ready(name);
            }
        }
    }

    /// When the next second read of a directory batch is due.
    pub fn next_verification(&self) -> Option<Instant> {
        self.unverified.front().map(|(counted, _)| *counted + VERIFY_AFTER)
    }

    /// Queues all files that only wait for time to pass. Directories must rest, since nothing marks them as complete.
    pub fn hurry(&mut self) {
        let waits = |name: &&BatchName| {
            let entry = &self.entries[name];
            matches!(entry.state, BatchState::Waiting(None)) && !entry.is_directory
        };
        let waiting: Vec<BatchName> = self.waiting.iter().filter(waits).copied().collect();
        waiting.into_iter().for_each(|name| self.make_ready(name));
    }

    /// When the next waiting batch will have rested long enough to be read or set aside.
    pub fn next_rested(&self) -> Option<Instant> {
        let rested = |name: &BatchName| {
            let entry = self.entries.get(name)?;
            match entry.state {
                BatchState::Waiting(None) => {
                    Some(entry.not_before().max(entry.changed_at + self.directory_rest()))
                }
                BatchState::Waiting(Some(_)) => Some(entry.changed_at + self.settle),
                _ => None,
            }
        };
        self.waiting.iter().filter_map(rested).min()
    }

    fn directory_rest(&self) -> Duration {
        DIRECTORY_REST.min(self.settle)
    }

    /// Queues batches that have rested long enough. Sets aside, and returns, those that are unreadable and have
    /// stopped changing.
    pub fn tick(&mut self, now: Instant) -> Vec<(String, SnapshotError)> {
        let mut set_aside = Vec::new();
        let waiting: Vec<BatchName> = self.waiting.iter().copied().collect();
        for name in waiting {
            let entry = &self.entries[&name];
            let rested = now.duration_since(entry.changed_at);
            match &entry.state {
                BatchState::Waiting(Some(reason)) if rested >= self.settle => {
                    set_aside.push((name.to_string(), SnapshotError::clone(reason)));
                    self.set_state(name, BatchState::SetAside);
                }
                BatchState::Waiting(None)
                    if now >= entry.not_before()
                        && (!entry.is_directory || rested >= self.directory_rest()) =>
                {
                    self.make_ready(name);
                }
                _ => {}
            }
        }
        set_aside
    }

    /// Checks the layers of every counted batch again, after the manifest changed. Returns the batches that fail, and
    /// why; for a range, its first batch. Batches whose layers are unknown are read again.
    pub fn recheck(
        &mut self,
        check: impl Fn(&[LayerShape]) -> Result<(), SnapshotError>,
    ) -> Vec<(BatchName, SnapshotError)> {
        let verdicts: Vec<_> = self.shapes.iter().map(|shapes| check(shapes)).collect();
        let (mut failed, mut unknown) = (Vec::new(), Vec::new());
        for (&name, entry) in &self.entries {
            match entry.count.map(|count| verdicts.get(count.place as usize)) {
                Some(Some(Err(reason))) => failed.push((name, reason.clone())),
                Some(None) if matches!(entry.state, BatchState::Counted) && !entry.is_gone() => {
                    unknown.push(name)
                }
                _ => {}
            }
        }
        for (first, last, place) in self.gone.ranges() {
            let Some(Err(reason)) = verdicts.get(place as usize) else { continue };
            let what = match last.number - first.number {
                0 => reason.what.clone(),
                more => format!("{}; so it is with {more} more up to {last}", reason.what),
            };
            failed.push((first, SnapshotError::new(what, reason.advice.clone())));
        }
        unknown.into_iter().for_each(|name| self.make_ready(name));
        failed
    }

    /// Sets a counted batch aside, because its count is removed from the figures.
    pub fn withdraw(&mut self, name: BatchName) {
        self.account_for(name, false);
        self.counted_as.remove(&name);
        self.set_count(name, None);
        if let Some(entry) = self.entries.get_mut(&name) {
            // If it has changed meanwhile, it is read again anyway.
            if matches!(entry.state, BatchState::Counted) {
                entry.state = BatchState::SetAside;
            }
        }
        self.account_for(name, true);
    }

    /// The layers of a batch in the figures; batches with the same layers share their memory.
    pub fn shapes_of(&self, name: BatchName) -> Option<Arc<[LayerShape]>> {
        let count = self.entries.get(&name)?.count?;
        self.shapes.get(count.place).map(Arc::clone)
    }

    /// The batches in the figures with their layers: entries one by one, and batches that are gone as ranges, which
    /// are few.
    pub fn in_figures_with_layers(&self) -> impl Iterator<Item = InFigures<'_>> {
        let present = |(&name, entry): (&BatchName, &BatchEntry)| Some((name, name, entry.count?.place));
        let all = self.entries.iter().filter_map(present).chain(self.gone.ranges());
        all.map(|(first, last, place)| InFigures { first, last, shapes: self.shapes.get(place) })
    }

    /// Queues every unreadable batch again, after the manifest changed. Returns their names.
    pub fn retry_failed(&mut self) -> Vec<String> {
        let is_retried = |(_, entry): &(&BatchName, &BatchEntry)| {
            entry.is_owner && matches!(entry.state, BatchState::SetAside | BatchState::Waiting(Some(_)))
        };
        let names: Vec<BatchName> = self.entries.iter().filter(is_retried).map(|(&name, _)| name).collect();
        names.iter().for_each(|&name| self.make_ready(name));
        names.iter().map(BatchName::to_string).collect()
    }

    fn make_ready(&mut self, name: BatchName) {
        self.set_state(name, BatchState::Ready);
        self.ready.insert(name);
        tracing::debug!(number = name.number, batch = name.to_string(), "ready");
    }

    fn set_state(&mut self, name: BatchName, state: BatchState) {
        self.account_for(name, false);
        let Some(entry) = self.entries.get_mut(&name) else { return };
        if matches!(entry.state, BatchState::Reading) {
            self.reading -= 1;
        }
        if matches!(state, BatchState::Reading) {
            self.reading += 1;
        }
        if matches!(state, BatchState::Waiting(_)) {
            self.waiting.insert(name);
        } else {
            self.waiting.remove(&name);
        }
        if !matches!(state, BatchState::Ready) {
            self.ready.remove(&name);
        }
        entry.state = state;
        self.account_for(name, true);
    }

    /// The accounts that include a batch: the run's, and that of its rank.
    fn accounts_of(&mut self, name: BatchName) -> impl Iterator<Item = &mut Account> {
        let of_rank = name.rank().map(|rank| {
            self.changed_ranks.insert(rank);
            self.ranks.entry(rank).or_default()
        });
        std::iter::once(&mut self.account).chain(of_rank)
    }

    /// Adds an entry to the accounts, or removes it.
    fn account_for(&mut self, name: BatchName, add: bool) {
        let Some(entry) = self.entries.get(&name) else { return };
        let waits = matches!(entry.state, BatchState::Waiting(_) | BatchState::Ready | BatchState::Reading);
        let is_twin = u64::from(matches!(entry.state, BatchState::Twin));
        let (is_counted, size) = (entry.count.is_some(), entry.identity.size);
        for account in self.accounts_of(name) {
            let column = match (waits, is_counted) {
                (true, _) => &mut account.waiting,
                (false, true) => &mut account.counted,
                (false, false) => &mut account.set_aside,
            };
            let bytes = if waits { size } else { 0 };
            if add {
                *column += 1;
                account.twins += is_twin;
                account.waiting_bytes = account.waiting_bytes.saturating_add(bytes);
            } else {
                *column -= 1;
                account.twins -= is_twin;
                account.waiting_bytes = account.waiting_bytes.saturating_sub(bytes);
            }
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
