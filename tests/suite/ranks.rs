//! A run of many ranks is one run: whatever way the batches of the ranks come, each is counted once, for its
//! rank, and a rank that falls silent is noticed.

use crate::support;
use neurotop::figures::{Agreement, Summary};
use neurotop::follow::Shard;
use neurotop::publish::Publisher;
use neurotop::run::ranks::RankState;
use neurotop::run::sums::Operations;
use neurotop::run::{Keeping, Mode, Priority, Run, Severity, StatePlace, Status, Watch, WatchOptions};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};
use support::live::{self, newest, remarks, wait};
use support::{Archive, PATIENCE, SMALL, small_batch, until};
use tempfile::TempDir;

/// The layer of the small batches.
const LAYER: (&str, &str, &str, &[usize]) = ("lif", "Leaky", "zero", &[2]);

/// A run that is followed, and where its progress is kept.
struct Follower {
    watch: Watch,
}

impl Follower {
    fn start(run: &Path) -> Self {
        Self::with(run, Mode::Live, Keeping::Nothing, StatePlace::Nowhere)
    }

    fn keeping(run: &Path, state: &Path, keeping: Keeping) -> Self {
        Self::with(run, Mode::Live, keeping, StatePlace::File(state.to_owned()))
    }

    fn with(run: &Path, mode: Mode, keeping: Keeping, place: StatePlace) -> Self {
        Self::settling(run, mode, keeping, place, Duration::from_millis(300))
    }

    fn settling(run: &Path, mode: Mode, keeping: Keeping, place: StatePlace, settle: Duration) -> Self {
        // Ranks are silent, and the run stalled, early enough for a test to wait for.
        let settings = neurotop::run::Settings {
            stall_after: Duration::from_secs(1),
            ..support::settings("test", mode == Mode::Live)
        };
        let options = WatchOptions {
            mode,
            poll: None,
            settle,
            threads: 2,
            priority: Priority::Normal,
            keeping,
            shard: Shard::WHOLE,
        };
        Self { watch: Watch::start(run, settings, options, &place, Publisher::none()).expect("threads") }
    }

    fn run(&self) -> Arc<Run> {
        newest(&self.watch)
    }

    fn take(&mut self, patience: Duration) {
        wait(&self.watch, patience);
    }

    #[track_caller]
    fn until(&mut self, what: &str, condition: impl Fn(&Run) -> bool) {
        live::until(&self.watch, what, condition);
    }

    /// Waits for so many batches, and checks that each is in the figures once.
    #[track_caller]
    fn until_counted(&mut self, batches: u64) {
        let figures = |run: &Run| {
            let account = run.account();
            (account.counted, account.waiting, run.tally().batches(), run.tally().total().updates.effective)
        };
        live::until_is(&self.watch, figures, (batches, 0, batches, u128::from(batches * SMALL.0)));
    }

    #[track_caller]
    fn until_problem(&mut self, path: &str, part: &str) {
        self.until(&format!("{path}: {part}"), |run| {
            run.problems().any(|problem| problem.path == path && problem.reason.contains(part))
        });
    }

    fn summary(&self) -> Summary {
        Summary::new(&self.run(), SystemTime::now())
    }

    /// Of each rank: batches counted, batches behind, samples.
    fn ranks(&self) -> Vec<(u32, u64, u64, u128)> {
        let ranks = self.summary().ranks.into_iter();
        ranks.map(|rank| (rank.rank, rank.batches, rank.behind, rank.sums.samples)).collect()
    }

    fn state(&self, rank: u32) -> Option<RankState> {
        self.run()
            .rank_statuses(SystemTime::now())
            .into_iter()
            .find(|own| own.rank == rank)
            .map(|own| own.state)
    }

    fn set_aside(&self) -> Vec<String> {
        self.run().set_aside().map(|problem| format!("{}: {}", problem.path, problem.reason)).collect()
    }
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Writes a batch under a temporary name and renames it.
fn put(run: &Path, name: &str) -> PathBuf {
    let path = run.join(name);
    let within = path.parent().expect("a parent");
    fs::create_dir_all(within).expect("a directory");
    let temporary = within.join(format!(".{}", path.file_name().expect("a name").to_string_lossy()));
    fs::write(&temporary, support::archive_bytes(&small_batch(), Archive::Stored)).expect("a batch");
    fs::rename(temporary, &path).expect("renamed");
    path
}

fn batch(rank: u32, number: u64) -> String {
    format!("rank-{rank}/batch-{number:06}.npz")
}

#[test]
fn directories_and_prefixes_are_one_run_and_numbers_are_those_of_their_ranks() {
    let run = directory();
    support::write_manifest(run.path(), &[LAYER], None);
    for name in ["rank-0/batch-0.npz", "rank-01/batch-0.npz", "rank-2.batch-0.npz", "batch-0.npz"] {
        put(run.path(), name);
    }
    support::write_batch(&run.path().join("rank-0"), 1, &small_batch(), Archive::Directory);
    let mut follower = Follower::start(run.path());
    follower.until_counted(5);
    assert_eq!(follower.ranks(), [(0, 2, 0, 4), (1, 1, 1, 2), (2, 1, 1, 2)]);
    // Another name of the same batch, in the other form.
    put(run.path(), "rank-1.batch-000000.npz");
    follower.until_problem("rank-1.batch-000000.npz", "batch number 0 of rank 1 is there twice");
    put(run.path(), "rank-2.batch-1.npz");
    put(run.path(), "rank-01/batch-7.npz");
    follower.until("both", |run| run.account().counted == 7);
    let summary = follower.summary();
    assert_eq!(summary.account.set_aside, 1);
    let shares: f64 = summary.ranks.iter().filter_map(|rank| rank.share).sum();
    assert!((shares - 6.0 / 7.0).abs() < 1e-9, "one batch belongs to no rank: {shares}");
    let own = &summary.ranks[0];
    assert_eq!(own.sums.updates.map(|updates| (updates.effective, updates.dense)), Some((18, 24)));
    assert_eq!(own.sums.operations, Some(Operations { effective: 72, dense: 96 }));
    // A batch of a rank that is written again replaces its own count, and no other's.
    sleep(Duration::from_millis(20));
    let mut changed = small_batch();
    changed.insert("lif.post".into(), support::Npy::potentials(&[3, 2, 2], [0.; 12]));
    fs::write(run.path().join("rank-0/batch-0.npz"), support::archive_bytes(&changed, Archive::Stored))
        .expect("written again");
    follower.until("the new count", |run| {
        run.tally().layers()[0].updates().effective == u128::from(6 * SMALL.0 + 4)
    });
    let ranks = follower.summary().ranks;
    assert_eq!(
        [0, 1, 2].map(|at: usize| ranks[at].sums.updates.map(|updates| updates.effective)),
        [13, 18, 18].map(Some)
    );
}

#[test]
fn ranks_that_appear_late_and_race_their_first_files() {
    let run = directory();
    support::write_manifest(run.path(), &[LAYER], None);
    let mut follower = Follower::start(run.path());
    follower.until("it is there", |run| run.manifest().is_some());
    for rank in 0..40 {
        for number in 0..5 {
            put(run.path(), &batch(rank, number));
        }
    }
    follower.until_counted(200);
    // Their directories are watched by now.
    for rank in 0..40 {
        put(run.path(), &batch(rank, 5));
    }
    follower.until_counted(240);
    assert!(follower.ranks().iter().all(|rank| (rank.1, rank.2) == (6, 0)), "{:?}", follower.ranks());
    // One that is moved in with what is in it.
    let elsewhere = tempfile::tempdir_in(run.path().parent().expect("a parent")).expect("a directory");
    put(elsewhere.path(), "rank-99/batch-0.npz");
    fs::rename(elsewhere.path().join("rank-99"), run.path().join("rank-99")).expect("moved");
    follower.until_counted(241);
    put(run.path(), "rank-99/batch-1.npz");
    follower.until_counted(242);
}

#[test]
fn a_rank_whose_directory_is_deleted_stays_counted_and_may_come_back() {
    let run = directory();
    support::write_manifest(run.path(), &[LAYER], None);
    fs::create_dir(run.path().join("rank-7")).expect("a directory");
    put(run.path(), &batch(0, 0));
    put(run.path(), &batch(1, 0));
    let mut follower = Follower::start(run.path());
    follower.until_counted(2);
    assert_eq!(follower.ranks(), [(0, 1, 0, 2), (1, 1, 0, 2), (7, 0, 1, 0)], "a rank without a batch is one");
    for rank in ["rank-1", "rank-7"] {
        fs::remove_dir_all(run.path().join(rank)).expect("removed");
    }
    follower.until("the empty rank is gone", |run| run.rank_statuses(SystemTime::now()).len() == 2);
    assert_eq!(follower.ranks(), [(0, 1, 0, 2), (1, 1, 0, 2)]);
    for number in 1..4 {
        put(run.path(), &batch(1, number));
    }
    follower.until_counted(5);
    put(run.path(), &batch(1, 4));
    follower.until_counted(6);
    assert_eq!(follower.set_aside(), Vec::<String>::new());
}

#[test]
fn a_link_in_the_place_of_a_rank_is_named_and_not_followed() {
    let (run, elsewhere) = (directory(), directory());
    put(elsewhere.path(), "batch-0.npz");
    symlink(elsewhere.path(), run.path().join("rank-1")).expect("a link");
    put(run.path(), &batch(0, 0));
    let mut follower = Follower::start(run.path());
    follower.until_problem("rank-1", "a symbolic link");
    follower.until_counted(1);
    assert!(
        follower.set_aside()[0].starts_with("rank-1: it is a symbolic link"),
        "{:?}",
        follower.set_aside()
    );
    put(elsewhere.path(), "batch-1.npz");
    fs::remove_file(run.path().join("rank-1")).expect("removed");
    put(run.path(), &batch(1, 0));
    follower.until_counted(2);
    follower.until("the link is no problem any more", |run| run.problems().count() == 0);
    assert_eq!(fs::read_dir(elsewhere.path()).expect("listed").count(), 2);
}

#[test]
fn names_that_give_no_rank_are_named_and_count_nothing() {
    let run = directory();
    let hostile =
        ["rank-99999999999999999999", "rank-4294967295", "rank--1", "rank-", "rank-1\u{1b}[2J", "rank-٣"];
    for name in hostile {
        put(run.path(), &format!("{name}/batch-0.npz"));
    }
    put(run.path(), "rank--1.batch-0.npz");
    put(run.path(), "rank-99999999999999999999.batch-0.npz");
    put(run.path(), "rank-0/rank-1/batch-0.npz");
    put(run.path(), "rank-4294967294/batch-18446744073709551615.npz");
    fs::write(run.path().join("rank-5"), "a file is no rank").expect("a file");
    let mut follower = Follower::start(run.path());
    follower.until_counted(1);
    assert_eq!(follower.ranks(), [(0, 0, 1, 0), (4_294_967_294, 1, 0, 2)]);
    // One of them stands for all.
    follower.until_problem("rank-", "its name gives no rank");
    follower.until_problem("rank-", &format!("{} more are like it", hostile.len() - 1));
    follower.until_problem("rank--1.batch-0.npz", "its name gives no batch number");
    assert!(follower.run().problems().all(|problem| problem.severity == Severity::Notice));
}

#[test]
fn manifests_of_ranks_stand_for_the_runs_and_must_not_contradict_it() {
    let run = directory();
    for rank in [2, 5] {
        put(run.path(), &batch(rank, 0));
        support::write_manifest(&run.path().join(format!("rank-{rank}")), &[LAYER], Some(1));
    }
    let other = ("lif", "Leaky", "subtract", &[2_usize][..]);
    support::write_manifest(&run.path().join("rank-9"), &[other], None);
    let mut follower = Follower::start(run.path());
    follower.until_counted(2);
    follower.until_problem("rank-9/manifest.json", "contradicts rank-2/manifest.json");
    let summary = follower.summary();
    assert_eq!(summary.layers[0].ops_per_update, Some(4));
    assert_eq!(
        (summary.run.name.as_str(), summary.run.expected_batches),
        ("test", None),
        "those are of a rank"
    );
    // The run's own goes before those of ranks, whenever it comes.
    support::write_manifest(run.path(), &[("lif", "Alpha", "zero", &[2])], Some(2));
    follower.until("its own", |run| run.name() == "test-run");
    follower.until_problem("rank-2/manifest.json", "contradicts manifest.json");
    follower.until_problem(
        "rank-5/manifest.json",
        "Leaky with reset zero here, and Alpha with reset zero in the",
    );
    assert_eq!(follower.summary().layers[0].ops_per_update, Some(24));
    support::write_manifest(run.path(), &[LAYER], Some(2));
    follower.until("they agree again", |run| run.problems().count() == 1);
    follower.until_problem("rank-9/manifest.json", "contradicts manifest.json");
    fs::write(run.path().join("rank-5/manifest.json"), "{").expect("written");
    follower.until_problem("rank-5/manifest.json", "not a manifest");
}

fn write_end(path: &Path, end: &Value) {
    fs::write(path, end.to_string()).expect("an end");
}

#[test]
fn the_run_ends_with_its_last_rank_and_each_is_held_against_its_own_results() {
    let run = directory();
    support::write_manifest(run.path(), &[LAYER], None);
    put(run.path(), &batch(0, 0));
    put(run.path(), "rank-1.batch-0.npz");
    put(run.path(), "rank-1.batch-1.npz");
    let results = |effective: f64| json!({"NeuronOperations": {"Effective Neuron Ops": effective, "Neuron Dense Ops": 24.0}, "MembraneUpdates": 4.5});
    write_end(
        &run.path().join("rank-0/end.json"),
        &json!({"samples": 2, "batches": 1, "neurobench": results(18.0)}),
    );
    let mut follower = Follower::start(run.path());
    follower.until_counted(3);
    follower.until("rank 0 is done", |run| run.rank_statuses(SystemTime::now())[0].state == RankState::Done);
    assert!(follower.run().end().is_none() && follower.state(1) != Some(RankState::Done));
    let end = run.path().join("rank-1.end.json");
    write_end(&end, &json!({"samples": 4, "batches": 2, "neurobench": results(18.0)}));
    follower.until("the run is over", |run| {
        run.is_complete() && run.status(SystemTime::now()) == Status::Finished
    });
    assert_eq!(follower.run().end().expect("an end").batches, Some(3));
    assert_eq!(follower.summary().agreement, Agreement::Agrees);
    write_end(&end, &json!({"samples": 4, "batches": 2, "neurobench": results(18.5)}));
    follower.until("they differ", |run| {
        matches!(Summary::new(run, SystemTime::now()).agreement,
            Agreement::Differs { ref differences } if differences[0].starts_with("rank 1: Effective Neuron Ops: NeuroBench reports 18.5"))
    });
    // The run's own end goes first.
    write_end(&run.path().join("end.json"), &json!({"batches": 4}));
    follower.until("a batch is missing", |run| !run.is_complete());
    fs::write(&end, "[]").expect("written");
    follower.until_problem("rank-1.end.json", "not an end of a run");
}

#[test]
fn a_rank_that_falls_silent_is_noticed_until_it_speaks_again() {
    let run = directory();
    support::write_manifest(run.path(), &[LAYER], None);
    let mut follower = Follower::start(run.path());
    let deadline = Instant::now() + PATIENCE;
    let mut number = 0;
    let mut write = |follower: &mut Follower, both: bool| {
        put(run.path(), &batch(0, number));
        if both {
            put(run.path(), &batch(1, number));
        }
        number += 1;
        follower.take(Duration::from_millis(50));
    };
    for _ in 0..10 {
        write(&mut follower, true);
    }
    // Of the one that goes on, a busy machine may be late to count a batch.
    while follower.state(1) != Some(RankState::Silent) || follower.state(0) == Some(RankState::Silent) {
        assert!(Instant::now() < deadline, "{:#?}", follower.summary().ranks);
        write(&mut follower, false);
    }
    while follower.state(1) == Some(RankState::Silent) {
        assert!(Instant::now() < deadline, "{:#?}", follower.summary().ranks);
        write(&mut follower, true);
    }
}

#[test]
fn each_of_thousands_of_ranks_counts_for_itself_and_the_world_size_adds_those_without_a_batch() {
    let run = directory();
    let manifest = json!({"format": "neurotop", "version": 1, "world_size": 4100,
        "layers": [{"name": "lif", "neuron": "Leaky", "reset": "zero"}]});
    fs::write(run.path().join("manifest.json"), manifest.to_string()).expect("a manifest");
    for rank in 0..2000 {
        put(run.path(), &batch(rank, 0));
        put(run.path(), &format!("rank-{}.batch-0.npz", rank + 2000));
    }
    let mut follower = Follower::start(run.path());
    follower.until_counted(4000);
    let ranks = follower.ranks();
    assert_eq!(ranks.len(), 4100);
    let (written, expected) = ranks.split_at(4000);
    assert!(written.iter().enumerate().all(|(at, rank)| *rank == (at as u32, 1, 0, 2)));
    assert!(expected.iter().enumerate().all(|(at, rank)| *rank == (at as u32 + 4000, 0, 1, 0)));
    for rank in [3, 1999] {
        put(run.path(), &batch(rank, 1));
    }
    follower.until_counted(4002);
    assert_eq!(follower.ranks()[4], (4, 1, 1, 2));
    assert_eq!(follower.run().history().points().len(), 2, "one for each number");
}

#[test]
fn a_restart_goes_on_with_each_rank_where_it_was() {
    let place = directory();
    let (run, state) = (place.path().join("run"), place.path().join("run.state"));
    // Which manifest is first to be read must not make it another run.
    support::write_manifest(&run.join("rank-1"), &[LAYER], None);
    for name in ["rank-1/batch-0.npz", "rank-1/batch-1.npz", "rank-2.batch-0.npz", "batch-0.npz"] {
        put(&run, name);
    }
    let mut first = Follower::keeping(&run, &state, Keeping::Progress);
    first.until_counted(4);
    let (ranks, layers) = (first.ranks(), first.summary().layers);
    live::leave(first.watch, &state);
    // What is counted could not be read again: it is gone.
    for name in ["rank-1/batch-0.npz", "rank-2.batch-0.npz"] {
        fs::remove_file(run.join(name)).expect("removed");
    }
    support::write_manifest(&run.join("rank-0"), &[LAYER], None);
    let mut second = Follower::keeping(&run, &state, Keeping::Progress);
    assert_eq!(remarks(&second.watch), ["resumed after 4 batches that were counted before"]);
    second.until("a manifest", |run| run.manifest().is_some());
    second.until("ranks", |run| run.rank_statuses(SystemTime::now()).len() == 3);
    assert_eq!(second.run().restarted(), None);
    assert_eq!((second.ranks()[1..].to_vec(), second.summary().layers), (ranks, layers));
    assert!(second.summary().ranks[1].newest_batch.is_some());
    put(&run, "rank-2.batch-1.npz");
    second.until_counted(5);
    assert_eq!(second.ranks(), [(0, 0, 2, 0), (1, 2, 0, 4), (2, 2, 0, 4)]);
    live::leave(second.watch, &state);
}

#[test]
fn batches_of_ranks_are_deleted_once_they_are_safe_and_nothing_through_a_link() {
    let place = directory();
    let (run, state, moved) =
        (place.path().join("run"), place.path().join("run.state"), place.path().join("moved"));
    support::write_manifest(&run, &[LAYER], None);
    for name in ["rank-0/batch-0.npz", "rank-0/notes.txt", "rank-1/batch-0.npz", "rank-2.batch-0.npz"] {
        put(&run, name);
    }
    let mut first = Follower::keeping(&run, &state, Keeping::Progress);
    first.until_counted(3);
    live::leave(first.watch, &state);
    // What is counted of rank 1 is elsewhere now, and there is a link to it.
    fs::rename(run.join("rank-1"), &moved).expect("moved");
    symlink(&moved, run.join("rank-1")).expect("a link");
    let mut second = Follower::keeping(&run, &state, Keeping::ProgressAndPrune);
    second.until("the others are deleted", |_| {
        !run.join("rank-0/batch-0.npz").exists() && !run.join("rank-2.batch-0.npz").exists()
    });
    put(&run, "rank-0/batch-1.npz");
    second.until("what comes later, too", |counted| {
        counted.account().counted == 4 && !run.join("rank-0/batch-1.npz").exists()
    });
    second.until_problem("rank-1", "a symbolic link");
    assert!(moved.join("batch-0.npz").is_file() && run.join("rank-0/notes.txt").is_file());
    assert_eq!(second.ranks(), [(0, 2, 0, 4), (1, 1, 1, 2), (2, 1, 1, 2)]);
    live::leave(second.watch, &state);
}

#[test]
fn producers_are_told_what_is_counted_of_each_rank() {
    let run = directory();
    let manifest = json!({"format": "neurotop", "version": 1, "keep": 1, "world_size": 2,
        "layers": [{"name": "lif", "neuron": "Leaky", "reset": "zero"}]});
    fs::write(run.path().join("manifest.json"), manifest.to_string()).expect("a manifest");
    for name in ["rank-0.batch-0.npz", "rank-0.batch-2.npz", "rank-1.batch-1.npz"] {
        put(run.path(), name);
    }
    let mut follower = Follower::start(run.path());
    let told = || {
        let told = fs::read(run.path().join(".neurotop-counted.json")).ok()?;
        serde_json::from_slice::<Value>(&told).ok()
    };
    follower.until("all is acknowledged", |_| {
        told().is_some_and(|told| told["ranks"] == json!({"0": [[0, 0], [2, 2]], "1": [[1, 1]]}))
    });
    assert_eq!(told().expect("it is there")["batches"], json!([]));
}

#[test]
fn a_summary_counts_ranks_once_and_tells_of_each() {
    let run = directory();
    put(run.path(), &batch(0, 0));
    put(run.path(), &batch(1, 0));
    let mut once = Follower::with(run.path(), Mode::Once, Keeping::Nothing, StatePlace::Nowhere);
    once.until("it ends", Run::has_ended);
    let summary: Value = serde_json::to_value(once.summary()).expect("a summary");
    let rank = &summary["ranks"][1];
    assert_eq!((&rank["rank"], &rank["batches"], &rank["samples"]), (&json!(1), &json!(1), &json!(2)));
    assert_eq!((&rank["waiting"], &rank["set_aside"], &rank["behind"]), (&json!(0), &json!(0), &json!(0)));
    assert!(rank["newest_batch"].as_f64().is_some_and(|time| time > 1e9));
    let plain = directory();
    put(plain.path(), "batch-0.npz");
    let mut once = Follower::with(plain.path(), Mode::Once, Keeping::Nothing, StatePlace::Nowhere);
    once.until("it ends", Run::has_ended);
    let summary: Value = serde_json::to_value(once.summary()).expect("a summary");
    assert_eq!(summary.get("ranks"), None);
}

#[test]
fn polling_finds_ranks_too() {
    let run = directory();
    support::write_manifest(run.path(), &[LAYER], None);
    let settings = support::settings("test", true);
    let poll = Some(Duration::from_millis(100));
    let options = WatchOptions {
        mode: Mode::Live,
        poll,
        settle: Duration::from_millis(300),
        threads: 2,
        priority: Priority::Normal,
        keeping: Keeping::Nothing,
        shard: Shard::WHOLE,
    };
    let watch = Watch::start(run.path(), settings, options, &StatePlace::Nowhere, Publisher::none())
        .expect("threads");
    let mut follower = Follower { watch };
    for number in 0..3 {
        for rank in 0..5 {
            put(run.path(), &batch(rank, number));
        }
        follower.until_counted(5 * (number + 1));
    }
}

#[test]
fn writers_in_the_directory_of_a_rank_that_do_not_rename() {
    let run = directory();
    let rank = run.path().join("rank-3");
    fs::create_dir(&rank).expect("a directory");
    let mut follower = Follower::start(run.path());
    let whole = support::archive_bytes(&small_batch(), Archive::Stored);
    fs::write(rank.join("batch-0.npz"), &whole[..whole.len() / 2]).expect("half a batch");
    follower.until_problem("rank-3/batch-0.npz", "zip archive");
    assert_eq!(follower.ranks(), [(3, 0, 0, 0)]);
    assert_eq!(follower.summary().ranks[0].set_aside, 1);
    fs::write(rank.join("batch-0.npz"), &whole).expect("the whole batch");
    follower.until_counted(1);
    // A directory batch, and one that is deleted before it can be read.
    support::write_batch(&rank, 1, &small_batch(), Archive::Directory);
    follower.until_counted(2);
    assert_eq!(follower.summary().ranks[0].set_aside, 0);
    // What has settled is set aside, and no problem any more once it is deleted.
    let (keeping, place) = (Keeping::Nothing, StatePlace::Nowhere);
    let mut follower = Follower::settling(run.path(), Mode::Live, keeping, place, Duration::from_secs(60));
    follower.until_counted(2);
    fs::write(rank.join("batch-2.npz"), &whole[..whole.len() / 2]).expect("half a batch");
    follower.until("it is seen", |run| run.account().seen == 3);
    fs::remove_file(rank.join("batch-2.npz")).expect("removed");
    follower.until_problem("rank-3/batch-2.npz", "deleted before it could be counted");
    assert_eq!(follower.summary().ranks[0].set_aside, 1);
    assert!(!follower.summary().complete);
}

/// `neurotop watch` in a process of its own.
fn process(run: &Path, state: &Path, more: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    command.args(["watch", "--settle", "0.3", "--prune", "--exit-when-finished"]).arg(run);
    command.arg("--state").arg(state).args(more);
    command.env("XDG_CONFIG_HOME", "/nonexistent").stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("it starts")
}

#[test]
fn killed_at_any_moment_it_ends_with_the_figures_of_each_rank() {
    const BATCHES: u64 = 120;
    let place = directory();
    let (run, state, export) =
        (place.path().join("run"), place.path().join("run.state"), place.path().join("all.json"));
    support::write_manifest(&run, &[LAYER], Some(3 * BATCHES as usize));
    let writer = {
        let run = run.clone();
        std::thread::spawn(move || {
            for number in 0..BATCHES {
                put(&run, &batch(0, number));
                put(&run, &batch(1, number));
                put(&run, &format!("rank-2.batch-{number}.npz"));
                sleep(Duration::from_millis(25));
            }
        })
    };
    for wait in [300, 1130, 710, 90] {
        let mut child = process(&run, &state, &[]);
        sleep(Duration::from_millis(wait));
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
    writer.join().expect("written");
    let mut last = process(&run, &state, &["--export", export.to_str().expect("text")]);
    until("it ends", || last.try_wait().expect("its state").is_some());
    let status = last.wait().expect("its state");
    assert!(status.success(), "{status}");
    let exported = support::json(&export);
    assert_eq!((&exported["run"]["batches"], &exported["complete"]), (&json!(3 * BATCHES), &json!(true)));
    let ranks = exported["ranks"].as_array().expect("ranks");
    assert_eq!(ranks.len(), 3);
    for rank in ranks {
        assert_eq!((&rank["batches"], &rank["samples"]), (&json!(BATCHES), &json!(2 * BATCHES)), "{rank}");
        assert_eq!(rank["updates"], json!(BATCHES * SMALL.0), "{rank}");
    }
    let left = fs::read_dir(run.join("rank-0")).expect("listed").count();
    assert_eq!(left, 0, "all are deleted");
}

#[test]
fn a_newer_manifest_of_a_rank_refuses_the_run_only_where_nothing_else_says_what_it_is() {
    let newer = json!({"format": "neurotop", "version": 2}).to_string();
    let run = directory();
    put(run.path(), &batch(0, 0));
    put(run.path(), &batch(1, 0));
    fs::write(run.path().join("rank-1/manifest.json"), &newer).expect("a manifest");
    let mut follower = Follower::start(run.path());
    follower.until("it is refused", |run| run.refused().is_some());
    support::write_manifest(&run.path().join("rank-0"), &[LAYER], None);
    follower.until_counted(2);
    assert!(follower.run().refused().is_none());
    let run = directory();
    put(run.path(), &batch(0, 0));
    support::write_manifest(&run.path().join("rank-0"), &[LAYER], None);
    let mut follower = Follower::start(run.path());
    follower.until_counted(1);
    fs::create_dir(run.path().join("rank-1")).expect("a directory");
    fs::write(run.path().join("rank-1/manifest.json"), &newer).expect("a manifest");
    follower.until_problem("rank-1/manifest.json", "version 2");
    assert!(follower.run().refused().is_none());
}
