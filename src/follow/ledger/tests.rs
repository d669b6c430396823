//! Tests the ledger on a real directory, case by case.

use super::*;
use crate::follow::look;
use std::fs;

const SETTLE: Duration = Duration::from_secs(2);

/// A ledger for a real directory, with a clock of its own.
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

    fn scan(&mut self) -> LedgerChanges {
        let found = crate::follow::scan(self.directory.path(), crate::follow::Shard::WHOLE).expect("a scan");
        self.ledger.reconcile(&found, self.now, SystemTime::now())
    }

    fn names_ready(&mut self) -> Vec<Job> {
        self.ledger.take_ready(usize::MAX)
    }

    fn finish(&mut self, job: Job, result: Result<(), &str>) -> Verdict {
        let after = look(self.directory.path(), &job.name.to_string()).map(|found| found.identity);
        let result = match result {
            Ok(()) => Ok(contents(&job)),
            Err(what) => Err(SnapshotError::new(what, "")),
        };
        self.ledger.settle(&Outcome { job, after, result, is_whole: false }, self.now)
    }

    fn counts(&self) -> (u64, u64, u64, u64) {
        let account = self.ledger.account();
        assert_eq!(account.seen, account.counted + account.waiting + account.set_aside);
        assert!(account.waiting > 0 || account.waiting_bytes == 0);
        (account.seen, account.counted, account.waiting, account.set_aside)
    }
}

/// A count that differs for each file size.
fn contents(job: &Job) -> CountedContents {
    let shapes: Arc<[LayerShape]> = Arc::new([LayerShape { name: "a".into(), neurons: Some(vec![1]) }]);
    CountedContents { shapes, digest: NonZeroU64::MIN.saturating_add(job.identity.size) }
}

#[test]
fn a_batch_is_read_once_and_again_only_when_it_changes() {
    let mut bench = Bench::new();
    bench.write("batch-1.npz", "one");
    bench.write("batch-0.npz", "zero");
    bench.scan();
    let jobs = bench.names_ready();
    assert_eq!(jobs.iter().map(|job| job.name.number).collect::<Vec<_>>(), [0, 1], "in order of number");
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
    assert_eq!(bench.scan(), LedgerChanges::default());
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

#[test]
fn a_batch_that_changes_while_it_is_read_leaves_nothing_to_be_read() {
    let mut bench = Bench::new();
    bench.write("batch-0.npz", "half");
    bench.scan();
    let job = bench.names_ready().pop().expect("ready");
    bench.write("batch-0.npz", "half and more");
    assert_eq!(bench.finish(job, Ok(())), Verdict::Wait);
    bench.wait(SETTLE);
    bench.ledger.tick(bench.now);
    let job = bench.names_ready().pop().expect("it changed");
    assert_eq!(bench.finish(job, Ok(())), Verdict::Add { replaces: false });
    assert!(!bench.ledger.is_busy(), "whoever waits for the last read would wait for ever");
}

/// The saved count must be the one in the figures, whatever happens to the file.
#[test]
fn a_counted_batch_is_kept_in_the_state_in_which_it_was_counted() {
    let mut bench = Bench::new();
    bench.write("batch-0.npz", "one");
    bench.scan();
    let job = bench.names_ready().pop().expect("ready");
    let first = job.identity;
    let kept =
        |bench: &Bench| bench.ledger.counted().batches.iter().map(|batch| batch.identity).collect::<Vec<_>>();
    bench.finish(job, Ok(()));
    assert_eq!(kept(&bench), [first]);
    bench.write("batch-0.npz", "cut off");
    fs::File::options()
        .write(true)
        .open(bench.path("batch-0.npz"))
        .and_then(|file| file.set_modified(SystemTime::now() - Duration::from_secs(9)))
        .expect("another time");
    bench.scan();
    assert_eq!((kept(&bench), bench.ledger.in_figures()), (vec![first], 1), "it is read again");
    let job = bench.names_ready().pop().expect("ready");
    assert_eq!(bench.finish(job, Err("no end")), Verdict::Wait);
    bench.wait(SETTLE);
    assert_eq!(bench.ledger.tick(bench.now).len(), 1);
    assert_eq!((kept(&bench), bench.counts()), (vec![first], (1, 1, 0, 0)), "it cannot be read");
    bench.ledger.retry_failed();
    let job = bench.names_ready().pop().expect("ready");
    let (identity, verdict) = (job.identity, bench.finish(job, Ok(())));
    assert_eq!((verdict, kept(&bench)), (Verdict::Add { replaces: true }, vec![identity]));

    // A file that is moved away before it can be read again is read when it comes back.
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

fn counted_batch(bench: &mut Bench, name: &str, contents: &str) {
    bench.write(name, contents);
    bench.scan();
    let job = bench.names_ready().pop().expect("ready");
    assert_eq!(bench.finish(job, Ok(())), Verdict::Add { replaces: false });
}

fn counted_and_deleted(bench: &mut Bench, batch: &str) {
    counted_batch(bench, batch, "x");
    fs::remove_file(bench.path(batch)).expect("removed");
    bench.ledger.note_deleted([name(batch)]);
}

fn name(name: &str) -> BatchName {
    BatchName::parse(name).expect("a name")
}

#[test]
fn what_this_program_deleted_is_one_of_a_range_at_once_and_a_batch_of_its_number_is_read() {
    let mut bench = Bench::new();
    for batch in ["batch-0.npz", "batch-1.npz", "rank-3.batch-0.npz"] {
        counted_and_deleted(&mut bench, batch);
    }
    assert!(bench.ledger.entries.is_empty());
    let ranges: Vec<(String, String)> =
        bench.ledger.in_figures_with_layers().map(|of| (of.0.to_string(), of.1.to_string())).collect();
    let expected = [("batch-0.npz", "batch-1.npz"), ("rank-3.batch-0.npz", "rank-3.batch-0.npz")];
    assert_eq!(ranges, expected.map(|(first, last)| (first.to_owned(), last.to_owned())));
    assert_eq!(
        (bench.ledger.in_figures(), bench.ledger.lowest_counted(), bench.counts()),
        (3, Some(0), (3, 3, 0, 0))
    );
    assert!(
        bench.ledger.is_in_figures(name("batch-1.npz")) && !bench.ledger.is_in_figures(name("batch-01.npz"))
    );
    assert_eq!(bench.ledger.owner_besides(name("batch-01.npz")), Some(name("batch-1.npz")));

    // The same count under another name, and another count under the same name.
    for (batch, contents, verdict) in
        [("batch-01.npz", "y", Verdict::Same), ("rank-3.batch-0.npz", "xx", Verdict::Add { replaces: true })]
    {
        bench.write(batch, contents);
        bench.scan();
        let job = bench.names_ready().pop().expect("it is read");
        assert_eq!(job.name, name(batch));
        assert_eq!(bench.finish(job, Ok(())), verdict);
        assert_eq!((bench.ledger.in_figures(), bench.counts()), (3, (3, 3, 0, 0)));
    }
    assert_eq!(bench.ledger.lowest_counted(), Some(0));
}

#[test]
fn what_somebody_else_deleted_is_one_of_a_range_once_two_scans_lack_it() {
    for scans in [1, 2] {
        let mut bench = Bench::new();
        counted_batch(&mut bench, "batch-1.npz", "x");
        let as_counted = bench.ledger.counted_as(name("batch-1.npz")).expect("counted");
        fs::rename(bench.path("batch-1.npz"), bench.path("away")).expect("moved");
        bench.ledger.note_gone(name("batch-1.npz"));
        (0..scans).for_each(|_| drop(bench.scan()));
        assert_eq!(bench.ledger.entries.len(), 2 - scans);
        assert_eq!(bench.ledger.as_counted(name("batch-1.npz"), &as_counted), Some(as_counted));
        // The same file is the same batch, whatever its name.
        fs::rename(bench.path("away"), bench.path("batch-01.npz")).expect("moved");
        let changes = bench.scan();
        assert_eq!(
            (changes.renamed, changes.solved),
            (vec![name("batch-01.npz")], vec!["batch-1.npz".to_owned()])
        );
        assert!(bench.names_ready().is_empty());
        assert_eq!(bench.counts(), (1, 1, 0, 0));
    }
}

#[test]
fn ranges_are_checked_against_another_manifest_as_one() {
    let mut bench = Bench::new();
    for batch in ["batch-0.npz", "batch-1.npz", "batch-2.npz"] {
        counted_and_deleted(&mut bench, batch);
    }
    let failed = bench.ledger.recheck(|_| Err(SnapshotError::new("no", "")));
    assert_eq!((failed.len(), failed[0].0), (1, name("batch-0.npz")));
    assert_eq!(failed[0].1.what, "no; so it is with 2 more up to batch-2.npz");
}

#[test]
fn what_is_kept_of_ranges_must_be_possible() {
    let mut bench = Bench::new();
    for batch in ["batch-0.npz", "batch-1.npz"] {
        counted_and_deleted(&mut bench, batch);
    }
    counted_batch(&mut bench, "batch-2.npz", "x");
    let kept = bench.ledger.counted();
    assert!(kept.is_sound() && kept.len() == 3);
    let twice = CountedBatches { gone: [kept.gone.clone(), kept.gone.clone()].concat(), ..kept.clone() };
    assert!(!twice.is_sound());
    let mut present = kept.batches.clone();
    present[0].name = name("batch-1");
    assert!(!CountedBatches { batches: present, ..kept.clone() }.is_sound());
    assert!(!CountedBatches { shapes: Vec::new(), batches: Vec::new(), ..kept }.is_sound());
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

/// A program that maps an array can fill it without changing its times.
#[test]
fn a_directory_batch_is_read_once_more_before_the_run_is_over() {
    let mut bench = Bench::new();
    fs::create_dir(bench.path("batch-0")).expect("a directory");
    bench.write("batch-0/a.post.npy", "zeros");
    bench.write("batch-1.npz", "x");
    bench.scan();
    bench.wait(DIRECTORY_REST);
    bench.ledger.tick(bench.now);
    for job in bench.names_ready() {
        assert_eq!(bench.finish(job, Ok(())), Verdict::Add { replaces: false });
    }
    bench.ledger.verify(false, bench.now);
    assert!(bench.names_ready().is_empty(), "not yet");
    let as_counted = bench.ledger.counted_as(name("batch-0")).expect("counted");
    bench.ledger.verify(true, bench.now);
    let job = bench.names_ready().pop().expect("the directory");
    assert_eq!((job.name, bench.counts()), (name("batch-0"), (2, 1, 1, 0)));
    assert!(!bench.ledger.may_be_deleted(name("batch-0"), &as_counted));
    // It was filled meanwhile, and is read again until it stays the same.
    let filled = CountedContents { digest: NonZeroU64::MAX, ..contents(&job) };
    let again = |bench: &mut Bench, job: Job| {
        let outcome = Outcome { after: Some(job.identity), job, result: Ok(filled.clone()), is_whole: true };
        bench.ledger.settle(&outcome, bench.now)
    };
    assert_eq!(again(&mut bench, job), Verdict::Add { replaces: true });
    bench.wait(VERIFY_AFTER);
    bench.ledger.verify(false, bench.now);
    let job = bench.names_ready().pop().expect("once more");
    assert_eq!(again(&mut bench, job), Verdict::Same);
    bench.ledger.verify(true, bench.now);
    assert_eq!((bench.names_ready().len(), bench.counts()), (0, (2, 2, 0, 0)));
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
    assert_eq!(bench.names_ready().pop().expect("ready").name, name("batch-1.npz"));
    assert_eq!(bench.counts(), (1, 0, 1, 0));
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
    let names: Vec<String> = jobs.iter().map(|job| job.name.to_string()).collect();
    assert_eq!(names, ["batch-0.npz", "rank-1/batch-0.npz", "rank-02/batch-0.npz", "rank-1/batch-1.npz"]);
    bench.ledger.note_rank(7);
    let account = |seen, waiting, set_aside, waiting_bytes| {
        Some(Account { seen, waiting, set_aside, twins: set_aside, waiting_bytes, ..Account::default() })
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
