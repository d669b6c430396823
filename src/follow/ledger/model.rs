//! Tests the ledger against a simple model. Whatever happens to the files, and in whatever order the ledger learns of
//! it, each batch is in the sums once, and finally with the contents that are on disk.
//!
//! The model is a map from names to contents; the sums are a map from batches to contents. The driver follows the
//! ledger's verdicts as the run does, and is no smarter.

use super::*;
use crate::snapshot::classify;
use proptest::prelude::*;
use std::collections::BTreeMap;

const SETTLE: Duration = Duration::from_secs(2);

/// Several names for three batches, one of them of a rank.
const NAMES: [&str; 7] = [
    "batch-0.npz",
    "batch-00.npz",
    "batch-0",
    "batch-1.npz",
    "batch-01.npz",
    "rank-0/batch-0.npz",
    "rank-0.batch-00.npz",
];

/// The result of reading a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readable {
    Whole,
    Cut,
    /// A passing error of the system.
    NotNow,
}

#[derive(Debug, Clone)]
enum Step {
    /// A file is written, or written again. Files with the same contents have the same count.
    Write(usize, u8, Readable),
    /// Contents and times stay, owner or permissions change.
    Touch(usize),
    /// Contents change, length and time of modification stay.
    Replace(usize, u8),
    Heal(usize),
    Rename(usize, usize),
    Delete(usize),
    /// The file is moved out of the directory, or back.
    MoveAway(usize),
    MoveBack(usize),
    /// An event about a name, which may say that it is complete.
    Event(usize, bool),
    Scan,
    /// Up to this many reads begin.
    Begin(usize),
    /// One of the reads ends, in no particular order.
    Finish(usize),
    Wait(u64),
    /// The manifest starts or stops refusing odd contents.
    Manifest(bool),
    /// The process ends, and another continues from its progress.
    Restart,
    /// Batches that may be deleted are deleted.
    Prune,
}

#[derive(Debug, Clone, Copy)]
struct File {
    contents: u8,
    readable: Readable,
    identity: Identity,
    past: Past,
}

/// What was done to a file that leaves its contents, length and time of modification, or seems to: with both of it
/// nothing tells that its contents are others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Past {
    Plain,
    Renamed,
    Replaced,
}

struct World {
    ledger: Ledger,
    files: BTreeMap<usize, File>,
    away: BTreeMap<usize, File>,
    reading: Vec<(Job, Option<File>, bool)>,
    sums: BTreeMap<BatchId, u8>,
    /// Batches whose counts can be removed from the sums.
    recent: BTreeSet<BatchId>,
    problems: BTreeMap<String, String>,
    refuses_odd: bool,
    now: Instant,
    clock: SystemTime,
    serial: u64,
}

fn name_of(at: usize) -> BatchName {
    BatchName::parse(NAMES[at]).expect("the name of a batch")
}

fn place_of(name: BatchName) -> usize {
    NAMES.iter().position(|&other| other == name.to_string()).expect("a name")
}

fn contents(of: u8) -> CountedContents {
    let shapes = Arc::new([LayerShape { name: "a".into(), neurons: Some(vec![1]) }]);
    CountedContents { shapes, digest: NonZeroU64::MIN.saturating_add(of.into()) }
}

impl World {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(SETTLE),
            files: BTreeMap::new(),
            away: BTreeMap::new(),
            reading: Vec::new(),
            sums: BTreeMap::new(),
            recent: BTreeSet::new(),
            problems: BTreeMap::new(),
            refuses_odd: false,
            now: Instant::now(),
            clock: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000),
            serial: 0,
        }
    }

    fn identity(&mut self, before: Option<Identity>) -> Identity {
        self.serial += 1;
        let modified = self.clock + Duration::from_nanos(self.serial);
        Identity::for_tests(before.map_or(self.serial, |before| before.inode()), 1, modified, self.serial)
    }

    fn found(&self, at: usize) -> Option<Found> {
        let name = NAMES[at];
        let shape = if name_of(at).is_file() { Shape::File } else { Shape::Directory };
        let File { identity, .. } = *self.files.get(&at)?;
        Some(Found { name: name.into(), meaning: classify(name), shape, identity })
    }

    fn take(&mut self, changes: LedgerChanges) {
        for (name, problem) in changes.problems {
            self.problems.insert(name, problem.what);
        }
        for name in changes.solved {
            self.problems.remove(&name);
        }
    }

    fn event(&mut self, at: usize, whole: bool) {
        let Some(found) = self.found(at) else {
            self.ledger.note_gone(name_of(at));
            return;
        };
        if let Some(owner) = self.ledger.owner_besides(name_of(at)) {
            let owner_at = place_of(owner);
            match self.files.get(&owner_at) {
                Some(_) => self.ledger.note_there(owner, self.now),
                None => drop(self.ledger.note_gone(owner)),
            }
        }
        let changes = self.ledger.observe(&found, whole, self.now, self.clock);
        self.take(changes);
    }

    fn scan(&mut self) {
        let mut found: Vec<Found> = (0..NAMES.len()).filter_map(|at| self.found(at)).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let changes = self.ledger.reconcile(&found, self.now, self.clock);
        self.take(changes);
    }

    fn begin(&mut self, most: usize) {
        for job in self.ledger.take_ready(most) {
            let at = place_of(job.name);
            let file = self.files.get(&at).copied();
            self.reading.push((job, file, self.refuses_odd));
        }
    }

    fn finish(&mut self, place: usize) {
        if self.reading.is_empty() {
            return;
        }
        let (job, begun, refused_odd) = self.reading.swap_remove(place % self.reading.len());
        let at = place_of(job.name);
        let after = self.files.get(&at).map(|file| file.identity);
        let not_now = || SnapshotError::io("it", &crate::platform::passing_error());
        let result = match begun {
            None => Err(SnapshotError::new("it is gone", "")),
            Some(File { readable: Readable::Cut, .. }) => Err(SnapshotError::new("it is cut off", "")),
            Some(File { readable: Readable::NotNow, .. }) => Err(not_now()),
            Some(File { contents, .. }) if refused_odd && contents % 2 == 1 => {
                Err(SnapshotError::new("the manifest refuses it", ""))
            }
            Some(File { contents, .. }) => Ok(contents),
        };
        if result.is_err() && refused_odd != self.refuses_odd {
            return self.ledger.read_again(&job);
        }
        let (id, is_whole) = (job.name.id(), result.is_ok());
        let checked = result.and_then(|read| match () {
            () if self.refuses_odd && read % 2 == 1 => Err(SnapshotError::new("the manifest refuses it", "")),
            () if self.ledger.would_replace(&job, &contents(read)) && !self.recent.contains(&id) => {
                Err(SnapshotError::new("too long ago", ""))
            }
            () => Ok(read),
        });
        let read = checked.as_ref().ok().copied();
        let outcome = Outcome { job, after, result: checked.map(contents), is_whole };
        match self.ledger.settle(&outcome, self.now) {
            Verdict::Add { replaces } => {
                let before = self.sums.insert(id, read.expect("it was read"));
                assert_eq!(before.is_some(), replaces, "{id} is in the sums");
                self.recent.insert(id);
                self.problems.remove(&job.name.to_string());
            }
            Verdict::Same => {
                assert_eq!(self.sums.get(&id), read.as_ref(), "{id} is in the sums as it is");
                self.problems.remove(&job.name.to_string());
            }
            Verdict::SetAside(reason) => drop(self.problems.insert(job.name.to_string(), reason.what)),
            Verdict::Wait => {}
        }
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        self.clock += Duration::from_millis(milliseconds);
        for (name, reason) in self.ledger.tick(self.now) {
            self.problems.insert(name, reason.what);
        }
        self.ledger.verify(false, self.now);
    }

    /// What the run does with another manifest.
    fn manifest(&mut self, refuses_odd: bool) {
        if self.refuses_odd == refuses_odd {
            return;
        }
        self.refuses_odd = refuses_odd;
        for name in self.ledger.retry_failed() {
            self.problems.remove(&name);
        }
        let odd: Vec<BatchName> = (0..NAMES.len())
            .map(name_of)
            .filter(|name| self.ledger.counted_as(*name).is_some() && self.sums[&name.id()] % 2 == 1)
            .collect();
        for name in odd.into_iter().filter(|_| refuses_odd) {
            let at = place_of(name);
            let is_there = self.files.get(&at).map(|file| file.identity) == self.ledger.counted_as(name);
            if is_there && self.recent.remove(&name.id()) {
                self.ledger.withdraw(name);
                self.sums.remove(&name.id());
                self.problems.insert(name.to_string(), "the manifest refuses it".into());
            }
        }
    }

    fn restart(&mut self) {
        let kept = postcard::to_stdvec(&self.ledger.counted()).expect("it can be kept");
        let kept: CountedBatches = postcard::from_bytes(&kept).expect("it can be read");
        assert_eq!(kept, self.ledger.counted());
        let before = self.ledger.in_figures();
        self.ledger = Ledger::restore(SETTLE, &kept, self.now);
        assert_eq!(self.ledger.in_figures(), before);
        // Layers that no counted batch has any more may be unknown.
        assert_eq!(CountedBatches { shapes: kept.shapes.clone(), ..self.ledger.counted() }, kept);
        self.reading.clear();
        self.recent.clear();
        let lost: Vec<String> = kept.lost().iter().map(BatchName::to_string).collect();
        self.problems.retain(|name, _| lost.contains(name));
        self.scan();
    }

    fn prune(&mut self) {
        for at in 0..NAMES.len() {
            let name = name_of(at);
            let Some(counted) = self.ledger.counted_as(name) else { continue };
            let Some(file) = self.files.get(&at) else { continue };
            if self.ledger.may_be_deleted(name, &counted) && file.identity == counted {
                assert_eq!(self.sums.get(&name.id()), Some(&file.contents), "what is deleted is counted");
                self.files.remove(&at);
                self.ledger.note_deleted([name]);
            }
        }
    }

    /// Moves a file to another place, unless that is taken.
    fn move_file(&mut self, at: usize, is_back: bool) {
        self.serial += 1;
        let (from, to) =
            if is_back { (&mut self.away, &mut self.files) } else { (&mut self.files, &mut self.away) };
        if !to.contains_key(&at)
            && let Some(file) = from.remove(&at)
        {
            let identity = file.identity.touched_for_tests(self.serial);
            to.insert(at, File { identity, ..file });
        }
    }

    fn take_step(&mut self, step: &Step) {
        match *step {
            Step::Write(at, contents, readable) => {
                let identity = self.identity(None);
                self.files.insert(at, File { contents, readable, identity, past: Past::Plain });
            }
            Step::Touch(at) => {
                self.serial += 1;
                let serial = self.serial;
                if let Some(file) = self.files.get_mut(&at) {
                    file.identity = file.identity.touched_for_tests(serial);
                }
            }
            Step::Replace(at, contents) => {
                if self.files.get(&at).is_some_and(|file| file.past != Past::Renamed) {
                    self.take_step(&Step::Touch(at));
                }
                if let Some(file) = self.files.get_mut(&at).filter(|file| file.past != Past::Renamed) {
                    (file.contents, file.past) = (contents, Past::Replaced);
                }
            }
            Step::Heal(at) => {
                if let Some(file) = self.files.get(&at).copied() {
                    let before = (file.readable == Readable::NotNow).then_some(file.identity);
                    let identity = before.unwrap_or_else(|| self.identity(Some(file.identity)));
                    self.files.insert(at, File { readable: Readable::Whole, identity, ..file });
                }
            }
            Step::Rename(from, to) => {
                let same_kind = name_of(from).is_file() == name_of(to).is_file();
                let is_known = self.files.get(&from).is_some_and(|file| file.past != Past::Replaced);
                if same_kind && is_known && !self.files.contains_key(&to) {
                    self.take_step(&Step::Touch(from));
                    let file = self.files.remove(&from).expect("it is there");
                    self.files.insert(to, File { past: Past::Renamed, ..file });
                }
            }
            Step::Delete(at) => drop(self.files.remove(&at)),
            Step::MoveAway(at) => self.move_file(at, false),
            Step::MoveBack(at) => self.move_file(at, true),
            Step::Event(at, whole) => self.event(at, whole),
            Step::Scan => self.scan(),
            Step::Begin(most) => self.begin(most),
            Step::Finish(place) => self.finish(place),
            Step::Wait(milliseconds) => self.wait(milliseconds),
            Step::Manifest(refuses_odd) => self.manifest(refuses_odd),
            Step::Restart => self.restart(),
            Step::Prune => self.prune(),
        }
        self.check_always();
    }

    /// Checks what must hold at any moment.
    fn check_always(&self) {
        let kept = self.ledger.counted();
        assert!(kept.is_sound());
        let kept_counts: Vec<(BatchId, Option<NonZeroU64>)> =
            kept.all().map(|(name, digest)| (name.id(), digest)).collect();
        let sums = self.sums.iter().map(|(&id, &read)| (id, Some(contents(read).digest)));
        assert_eq!(kept_counts.len(), self.sums.len());
        assert_eq!(kept_counts.into_iter().collect::<BTreeMap<_, _>>(), sums.clone().collect());
        let expected = sums.map(|(id, digest)| id.fingerprint(digest));
        assert_eq!(expected.fold(0, u64::wrapping_add), kept.fingerprint());
        self.check_figures();
        let account = self.ledger.account();
        assert_eq!(account.seen, account.counted + account.waiting + account.set_aside);
        let mut owners = BTreeSet::new();
        for (name, _) in self.ledger.entries.iter().filter(|(_, entry)| entry.is_owner) {
            assert!(owners.insert(name.id()), "two owners of {}", name.id());
        }
    }

    /// What the ledger says about all counted batches.
    fn check_figures(&self) {
        assert_eq!(self.ledger.in_figures(), self.sums.len() as u64);
        assert_eq!(self.ledger.lowest_counted(), self.sums.keys().map(|id| id.number).min());
        let numbers = |(first, last): (BatchName, BatchName)| {
            (first.number..=last.number).map(move |number| BatchId { number, rank: first.rank() })
        };
        let ranges = self.ledger.in_figures_with_layers().map(|(first, last, _)| (first, last));
        let in_figures: Vec<BatchId> = ranges.flat_map(numbers).collect();
        assert_eq!(in_figures.len(), self.sums.len());
        assert!(in_figures.iter().all(|id| self.sums.contains_key(id)));
        let present: HashSet<BatchId> = self.files.keys().map(|&at| name_of(at).id()).collect();
        assert_eq!(self.ledger.lacks_any(&present), self.sums.keys().any(|id| !present.contains(id)));
        for stretch in self.ledger.gone.stretches() {
            for id in stretch.batches().map(|(name, _)| name.id()) {
                assert_eq!(
                    self.ledger.entries.range(BatchName::all_of(id)).next().map(|(name, _)| name),
                    None
                );
            }
        }
    }

    /// Lets everything settle: no more errors, everything is read, nothing changes.
    fn settle(&mut self) {
        for at in 0..NAMES.len() {
            if self.files.get(&at).is_some_and(|file| file.readable == Readable::NotNow) {
                self.take_step(&Step::Heal(at));
            }
        }
        self.manifest(false);
        for _ in 0..8 {
            self.scan();
            self.begin(usize::MAX);
            while !self.reading.is_empty() {
                self.finish(0);
            }
            self.wait(3000);
        }
        self.check_always();
        assert!(self.ledger.account().waiting == 0 && !self.ledger.is_busy());
        for id in NAMES.iter().map(|name| BatchName::parse(name).expect("a name").id()) {
            self.check_settled(id);
        }
    }

    fn check_settled(&self, id: BatchId) {
        let names: Vec<usize> = (0..NAMES.len()).filter(|&at| name_of(at).id() == id).collect();
        let there: Vec<File> = names.iter().filter_map(|at| self.files.get(at)).copied().collect();
        let said: Vec<&String> = names.iter().filter_map(|&at| self.problems.get(NAMES[at])).collect();
        let counted = self.sums.get(&id);
        if let [file] = there[..] {
            match file.readable {
                // A count can only be replaced if it can be removed.
                Readable::Whole if counted != Some(&file.contents) => {
                    assert!(
                        counted.is_some() && said == ["too long ago"],
                        "{id}: {counted:?}, {file:?}, {said:?}"
                    );
                }
                Readable::Whole => assert!(said.is_empty(), "{id} is counted: {said:?}"),
                _ => assert!(!said.is_empty(), "{id} cannot be read, and nobody says so"),
            }
        }
        if there.len() > 1 {
            assert!(!said.is_empty(), "{id} is there twice, and nobody says so");
        }
        let is_lost = self.ledger.counted().lost().iter().any(|name| name.id() == id);
        if there.is_empty() {
            assert_eq!(is_lost, !said.is_empty(), "{id} is gone: {said:?}");
        }
    }
}

fn a_name() -> impl Strategy<Value = usize> {
    0..NAMES.len()
}

fn readable() -> impl Strategy<Value = Readable> {
    prop_oneof![5 => Just(Readable::Whole), 1 => Just(Readable::Cut), 2 => Just(Readable::NotNow)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (a_name(), 0..4_u8, readable()).prop_map(|(at, contents, readable)| Step::Write(at, contents, readable)),
        1 => a_name().prop_map(Step::Touch),
        1 => (a_name(), 0..4_u8).prop_map(|(at, contents)| Step::Replace(at, contents)),
        1 => a_name().prop_map(Step::Heal),
        3 => (a_name(), a_name()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => a_name().prop_map(Step::Delete),
        2 => a_name().prop_map(Step::MoveAway),
        2 => a_name().prop_map(Step::MoveBack),
        6 => (a_name(), any::<bool>()).prop_map(|(at, whole)| Step::Event(at, whole)),
        5 => Just(Step::Scan),
        5 => (1..4_usize).prop_map(Step::Begin),
        5 => (0..4_usize).prop_map(Step::Finish),
        3 => prop_oneof![Just(50), Just(600), Just(2500), Just(70_000)].prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Manifest),
        1 => Just(Step::Restart),
        2 => Just(Step::Prune),
    ]
}

/// Bugs of the past, each in as few steps as possible.
#[test]
fn what_went_wrong_once_goes_right() {
    use Readable::{NotNow, Whole};
    use Step::{Begin, Delete, Event, Finish, Manifest, Rename, Replace, Scan, Wait, Write};
    let stories: [&[Step]; 9] = [
        // A passing error freed the number of a counted batch, so that its twin was added on top.
        &[
            Write(3, 0, Whole),
            Scan,
            Begin(1),
            Finish(0),
            Write(3, 0, NotNow),
            Event(3, false),
            Write(4, 0, Whole),
            Begin(1),
            Finish(0),
        ],
        // A twin that had become the owner was freed again by the next scan.
        &[
            Write(4, 2, Whole),
            Write(3, 1, Whole),
            Scan,
            Delete(4),
            Begin(3),
            Finish(1),
            Write(3, 1, Whole),
            Event(3, true),
            Begin(3),
            Finish(3),
        ],
        // A counted batch that was renamed, or whose twin stayed, was there twice for ever.
        &[Write(5, 0, Whole), Scan, Begin(1), Rename(5, 6)],
        &[Write(4, 0, Whole), Write(3, 0, Whole), Event(4, false), Begin(1), Delete(4)],
        // The manifest was corrected while a batch was read, and while it waited.
        &[Write(0, 1, Whole), Manifest(true), Event(0, false), Begin(1), Manifest(false), Finish(0)],
        &[Manifest(true), Write(0, 1, Whole), Event(0, false), Begin(1), Finish(0), Manifest(false)],
        // A counted batch that is back was taken for gone when another name of it came.
        &[
            Write(5, 0, Whole),
            Scan,
            Begin(1),
            Finish(0),
            Delete(5),
            Scan,
            Wait(50),
            Write(6, 0, Whole),
            Write(5, 0, Whole),
        ],
        // A file that had briefly taken the place of a renamed batch was taken for that batch.
        &[Write(1, 2, Whole), Event(1, false), Rename(1, 0), Write(1, 0, Whole), Begin(1), Delete(1)],
        // A batch that was renamed while it was read, and whose contents changed then.
        &[Write(3, 1, Whole), Scan, Begin(1), Rename(3, 4), Replace(4, 0)],
    ];
    for story in stories {
        let mut world = World::new();
        story.iter().for_each(|step| world.take_step(step));
        world.settle();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]
    #[test]
    fn each_batch_is_in_the_sums_once_and_in_the_end_as_it_is_on_disk(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.take_step(step));
        world.settle();
    }
}
