//! A count goes on where an earlier process left it, however that ended, and gives the same figures; batches
//! are deleted only once they are counted and the progress is on disk.

use crate::support;
use neurotop::figures::Summary;
use neurotop::follow::Shard;
use neurotop::publish::Publisher;
use neurotop::run::state::Lock;
use neurotop::run::{Keeping, Mode, Presence, Priority, Problem, Run, StatePlace, Watch, WatchOptions};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};
use support::live::{self, newest, remarks};
use support::{Archive, Npy, SMALL, small_batch};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// A directory of its own, gone when dropped, and in it where a run and its progress are to be.
fn place() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let place = directory();
    let (run, state) = (place.path().join("run"), place.path().join("run.state"));
    (place, run, state)
}

fn start(run: &Path, state: &Path, keeping: Keeping) -> Watch {
    start_settling(run, state, keeping, Duration::from_millis(300))
}

fn start_settling(run: &Path, state: &Path, keeping: Keeping, settle: Duration) -> Watch {
    let settings = support::settings("test", true);
    let (mode, shard) = (Mode::Live, Shard::WHOLE);
    let options =
        WatchOptions { mode, shard, poll: None, settle, threads: 2, priority: Priority::Normal, keeping };
    Watch::start(run, settings, options, &StatePlace::File(state.to_owned()), Publisher::none())
        .expect("threads")
}

#[track_caller]
fn until(watch: &mut Watch, what: &str, condition: impl Fn(&Run) -> bool) {
    live::until(watch, what, condition);
}

fn summary(watch: &Watch) -> Summary {
    Summary::new(&newest(watch), SystemTime::UNIX_EPOCH)
}

fn add_batch(run: &Path, number: usize) -> PathBuf {
    support::write_batch(run, number, &small_batch(), Archive::Stored);
    support::batches(run).pop().expect("a batch")
}

/// The updates of a batch with other figures.
const CHANGED: u128 = 12;

/// Such a batch in the place of one.
fn add_changed_batch(run: &Path, number: usize) {
    let mut members = small_batch();
    members.insert("lif.post".into(), Npy::potentials(&[3, 2, 2], (0..12).map(|at| at as f32)));
    support::write_batch(run, number, &members, Archive::Stored);
}

#[track_caller]
fn counted(watch: &mut Watch, batches: u64) {
    let figures = |run: &Run| (run.tally().batches(), run.tally().total().updates.effective);
    live::until_is(watch, figures, (batches, u128::from(batches * SMALL.0)));
}

/// A run whose batches an earlier process has counted.
fn counted_run(run: &Path, state: &Path, batches: u64) {
    support::small_run(run, batches as usize);
    let mut watch = start(run, state, Keeping::Progress);
    counted(&mut watch, batches);
    live::leave(watch, state);
}

/// Waits until a batch is named, for this reason.
#[track_caller]
fn names(watch: &mut Watch, batch: &str, reason: &str) {
    let is_it = |problem: &Problem| problem.path.contains(batch) && problem.reason.contains(reason);
    until(watch, "it is named", |run| run.set_aside().any(is_it));
}

#[test]
fn a_restart_reads_nothing_again_and_ends_with_the_same_figures() {
    for name in ["conv-mixed-digits", "alpha-zero", "directory-batches", "layer-twice"] {
        let (_place, run, state) = place();
        let golden = support::golden(name);
        let batches = support::batches(&golden).len() as u64;
        support::copy_run(&golden, &run);
        let mut undisturbed = start(&run, &state, Keeping::Progress);
        until(&mut undisturbed, "all", |run| run.is_complete());
        let (expected, history) = (summary(&undisturbed), newest(&undisturbed).history().clone());
        live::leave(undisturbed, &state);
        // What is counted could not be read again: it is gone.
        for batch in support::batches(&run) {
            if batch.is_dir() { fs::remove_dir_all(batch) } else { fs::remove_file(batch) }.expect("removed");
        }
        let mut again = start(&run, &state, Keeping::Progress);
        assert_eq!(remarks(&again), [format!("resumed after {batches} batches that were counted before")]);
        until(&mut again, "the documents", |run| run.is_complete());
        let found = summary(&again);
        assert_eq!((found.total, found.layers), (expected.total, expected.layers), "{name}");
        assert_eq!((found.neurobench, found.agreement), (expected.neurobench, expected.agreement), "{name}");
        let points = newest(&again).history().clone();
        assert_eq!(points.points().iter().map(|point| point.sums.batches).sum::<u64>(), batches, "{name}");
        assert_eq!(points, history, "{name}");
    }
}

#[test]
fn what_comes_after_a_restart_is_added_to_what_was_there() {
    let (_place, run, state) = place();
    counted_run(&run, &state, 3);
    add_batch(&run, 3);
    let mut second = start(&run, &state, Keeping::Progress);
    counted(&mut second, 4);
    add_batch(&run, 4);
    counted(&mut second, 5);
    let account = newest(&second).account();
    assert_eq!((account.seen, account.waiting, account.set_aside), (5, 0, 0));
    live::leave(second, &state);
}

#[test]
fn another_run_of_the_same_name_is_counted_from_the_start() {
    let (_place, run, state) = place();
    // By its batches.
    counted_run(&run, &state, 3);
    fs::remove_dir_all(&run).expect("removed");
    support::small_run(&run, 2);
    let mut second = start(&run, &state, Keeping::Progress);
    until(&mut second, "it says so", |run| run.restarted().is_some_and(|why| why.contains("replaced")));
    counted(&mut second, 2);
    live::leave(second, &state);
    // By its manifest.
    support::write_manifest(&run, &[("lif", "Alpha", "zero", &[2])], Some(2));
    let mut third = start(&run, &state, Keeping::Progress);
    until(&mut third, "it says so", |run| run.restarted().is_some_and(|why| why.contains("replaced")));
    counted(&mut third, 2);
    until(&mut third, "the new manifest", |run| run.manifest().is_some());
    assert_eq!(summary(&third).layers[0].ops_per_update, Some(24));
}

/// By ranks, with other digits, with other numbers: none of the batches that are there was counted.
#[test]
fn another_run_with_other_names_between_two_processes_is_counted_from_the_start() {
    let names: [&dyn Fn(usize) -> String; 3] = [
        &|number| format!("batch-{number}.npz"),
        &|number| format!("rank-1.batch-{number:06}.npz"),
        &|number| format!("batch-{:06}.npz", number + 50),
    ];
    for name in names {
        for writes_manifest in [true, false] {
            let (_place, run, state) = place();
            counted_run(&run, &state, 3);
            for batch in support::batches(&run) {
                fs::remove_file(batch).expect("removed");
            }
            if writes_manifest {
                support::write_manifest(&run, &[("lif", "Leaky", "zero", &[2])], None);
            }
            for number in 0..2 {
                let bytes = support::archive_bytes(&small_batch(), Archive::Stored);
                fs::write(run.join(name(number)), bytes).expect("a batch");
            }
            let mut second = start(&run, &state, Keeping::Progress);
            until(&mut second, "it says so", |run| run.restarted().is_some());
            counted(&mut second, 2);
            live::leave(second, &state);
        }
    }
}

#[test]
fn a_batch_that_changed_between_two_processes_is_named() {
    let (_place, run, state) = place();
    counted_run(&run, &state, 3);
    std::thread::sleep(Duration::from_millis(20));
    add_changed_batch(&run, 2);
    // It is never deleted, since it was not counted as it is, and each later process names it, too.
    for _ in 0..2 {
        let mut later = start(&run, &state, Keeping::ProgressAndPrune);
        names(&mut later, "000002", "too long ago");
        counted(&mut later, 3);
        assert!(!summary(&later).complete);
        live::leave(later, &state);
        assert_eq!(support::batches(&run), [run.join("batch-000002.npz")]);
    }
}

#[test]
fn a_counted_batch_that_is_spoiled_holds_up_no_progress() {
    let (_place, run, state) = place();
    support::small_run(&run, 2);
    let mut first = start(&run, &state, Keeping::Progress);
    counted(&mut first, 2);
    fs::File::options()
        .write(true)
        .open(run.join("batch-000001.npz"))
        .expect("a file")
        .set_len(80)
        .expect("cut");
    names(&mut first, "000001", "without its end");
    add_batch(&run, 2);
    counted(&mut first, 3);
    live::leave(first, &state);
    let mut second = start(&run, &state, Keeping::Progress);
    assert_eq!(remarks(&second), ["resumed after 3 batches that were counted before"]);
    names(&mut second, "000001", "without its end");
    counted(&mut second, 3);
}

/// What was counted and deleted is counted nowhere else: one batch that comes again makes no other run.
#[test]
fn a_deleted_batch_that_comes_again_is_named_and_the_figures_stay() {
    for with_manifest in [true, false] {
        let (_place, run, state) = place();
        support::small_run(&run, 3);
        if !with_manifest {
            fs::remove_file(run.join("manifest.json")).expect("removed");
        }
        let mut first = start(&run, &state, Keeping::ProgressAndPrune);
        counted(&mut first, 3);
        until(&mut first, "all are deleted", |_| support::batches(&run).is_empty());
        live::leave(first, &state);
        add_changed_batch(&run, 1);
        let mut second = start(&run, &state, Keeping::ProgressAndPrune);
        names(&mut second, "000001", "too long ago");
        counted(&mut second, 3);
        live::leave(second, &state);
        // A run that begins in the same place writes its manifest.
        fs::remove_file(run.join("batch-000001.npz")).expect("removed");
        let _ = fs::remove_file(run.join("manifest.json"));
        support::small_run(&run, 1);
        let mut third = start(&run, &state, Keeping::ProgressAndPrune);
        until(&mut third, "it says so", |run| run.restarted().is_some_and(|why| why.contains("replaced")));
        counted(&mut third, 1);
    }
}

#[test]
fn batches_that_a_later_manifest_contradicts_are_named_and_stay_in_the_progress() {
    let (_place, run, state) = place();
    support::small_run(&run, 3);
    fs::remove_file(run.join("manifest.json")).expect("removed");
    let mut first = start(&run, &state, Keeping::Progress);
    counted(&mut first, 3);
    live::leave(first, &state);
    support::write_manifest(&run, &[("lif", "Leaky", "zero", &[3])], None);
    for _ in 0..2 {
        let mut later = start(&run, &state, Keeping::Progress);
        assert_eq!(remarks(&later), ["resumed after 3 batches that were counted before"]);
        names(&mut later, "000002", "in the figures all the same");
        counted(&mut later, 3);
        assert!(!summary(&later).complete);
        live::leave(later, &state);
    }
    // With one that fits, nothing is wrong any more.
    let mut last = start(&run, &state, Keeping::Progress);
    names(&mut last, "000002", "it is in the figures all the same");
    support::write_manifest(&run, &[("lif", "Leaky", "zero", &[2])], None);
    until(&mut last, "all is well", |run| run.problems().next().is_none());
    counted(&mut last, 3);
}

#[test]
fn a_damaged_file_is_said_and_everything_counted_again() {
    let (_place, run, state) = place();
    counted_run(&run, &state, 3);
    let mut bytes = fs::read(&state).expect("a file");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&state, bytes).expect("written");
    let mut second = start(&run, &state, Keeping::Progress);
    let said = remarks(&second);
    assert!(said[0].contains("damaged") && said[0].contains("counted again"), "{said:?}");
    counted(&mut second, 3);
    live::leave(second, &state);
    let aside = PathBuf::from(format!("{}.unusable-1", state.display()));
    assert!(aside.is_file() && state.is_file(), "what was there may be needed");
}

#[test]
fn a_file_that_is_no_state_file_is_never_overwritten() {
    let (place, run, _) = place();
    support::small_run(&run, 3);
    let state = place.path().join("notes.txt");
    fs::write(&state, "mine").expect("a file");
    let options = WatchOptions { keeping: Keeping::Progress, ..WatchOptions::unkept(Mode::Live, 1) };
    let refused = Watch::start(
        &run,
        support::settings("test", true),
        options,
        &StatePlace::File(state.clone()),
        Publisher::none(),
    );
    let why = refused.expect_err("it is refused").to_string();
    assert!(why.contains("notes.txt: it is not a state file") && why.contains("--state"), "{why}");
    assert_eq!(fs::read(&state).expect("the file"), b"mine");
    assert_eq!(fs::read_dir(place.path()).expect("listed").count(), 2, "no lock is left");
    // What is in the way is left as it is, and the figures come all the same.
    let state = place.path().join("run.state");
    fs::create_dir_all(state.join("in the way")).expect("a directory");
    let mut watch = start(&run, &state, Keeping::ProgressAndPrune);
    let said = remarks(&watch);
    assert!(said[0].contains("not a regular file") && said[0].contains("nothing deleted"), "{said:?}");
    assert!(!said.iter().any(|remark| remark.contains("names no directory")), "{said:?}");
    counted(&mut watch, 3);
    assert!(summary(&watch).complete, "the figures are whole");
    live::leave(watch, &state);
    assert_eq!(support::batches(&run).len(), 3);
}

#[test]
fn batches_are_deleted_once_they_are_safe_and_nothing_else_is() {
    let (_place, run, state) = place();
    support::small_run(&run, 3);
    fs::write(run.join("notes.txt"), "mine").expect("a file");
    fs::write(run.join("batch-000009.npz"), "no batch").expect("a file");
    let gone = |run: &Path| support::batches(run).len() == 1;
    let mut watch = start(&run, &state, Keeping::ProgressAndPrune);
    counted(&mut watch, 3);
    support::until("all are deleted", || gone(&run));
    assert!(state.is_file(), "the progress went before");
    counted(&mut watch, 3);
    live::leave(watch, &state);
    let mut names: Vec<String> = fs::read_dir(&run)
        .expect("listed")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["batch-000009.npz", "manifest.json", "notes.txt"]);
    let mut again = start(&run, &state, Keeping::ProgressAndPrune);
    counted(&mut again, 3);
}

#[test]
fn nothing_is_deleted_without_being_asked_for_or_before_it_is_safe() {
    let (_place, run, state) = place();
    counted_run(&run, &state, 3);
    assert_eq!(support::batches(&run).len(), 3);
    // Where the progress cannot be written, what is counted is not safe. Nothing is counted before that.
    let blocked = directory();
    let [inside, away, run] = ["state", "away", "run"].map(|name| blocked.path().join(name));
    fs::create_dir(&run).expect("a directory");
    let mut watch = start(&run, &inside.join("run.state"), Keeping::ProgressAndPrune);
    fs::rename(&inside, away).expect("moved");
    fs::write(&inside, "in the way").expect("a file");
    support::small_run(&run, 3);
    counted(&mut watch, 3);
    until(&mut watch, "it says so", |run| run.problems().any(|problem| problem.path == "state"));
    live::leave(watch, &state);
    assert_eq!(support::batches(&run).len(), 3);
}

/// A run whose batches were all counted and deleted.
fn pruned_run(run: &Path, state: &Path, batches: u64) {
    support::small_run(run, batches as usize);
    let mut watch = start(run, state, Keeping::ProgressAndPrune);
    counted(&mut watch, batches);
    until(&mut watch, "all are deleted", |_| support::batches(run).is_empty());
    live::leave(watch, state);
}

/// Where the progress was put that is void.
fn void(state: &Path) -> PathBuf {
    format!("{}.void-1", state.display()).into()
}

/// Waits until a run says that what was counted before is not in its figures, which every later process says, too.
#[track_caller]
fn says_what_is_lost(mut watch: Watch, run: &Path, state: &Path, batches: u64) {
    let is_it = |problem: &Problem| problem.path == "progress" && problem.reason.contains("run.state.void-1");
    until(&mut watch, "it says what is lost", |run| run.set_aside().any(is_it));
    counted(&mut watch, batches);
    live::leave(watch, state);
    assert!(void(state).is_file());
    let mut later = start(run, state, Keeping::Progress);
    until(&mut later, "it says so again", |run| run.set_aside().any(is_it));
    counted(&mut later, batches);
}

/// A producer learns of layers as it goes, and that their shapes vary.
#[test]
fn a_manifest_that_says_less_of_the_shapes_makes_no_other_run() {
    let (_place, run, state) = place();
    pruned_run(&run, &state, 3);
    fs::write(
        run.join("manifest.json"),
        r#"{"format": "neurotop", "version": 1, "run": "test-run", "producer": "the tests",
            "warnings": ["the shape of lif varies"], "layers": [{"name": "lif", "neuron": "Leaky", "reset": "zero"}]}"#,
    )
    .expect("a manifest");
    let mut second = start(&run, &state, Keeping::ProgressAndPrune);
    until(&mut second, "the manifest", |run| run.manifest().is_some());
    counted(&mut second, 3);
    assert_eq!(newest(&second).restarted(), None);
}

#[test]
fn another_run_is_told_by_its_id_and_the_progress_of_what_is_deleted_is_put_aside() {
    let (_place, run, state) = place();
    let with_id = |id: &str| {
        fs::create_dir_all(&run).expect("a directory");
        let manifest = format!(
            r#"{{"format": "neurotop", "version": 1, "id": "{id}", "run": "test-run", "producer": "the tests",
                "expected_batches": 3, "layers": [{{"name": "lif", "neuron": "Leaky", "reset": "zero"}}]}}"#
        );
        fs::write(run.join(".manifest"), manifest).expect("a manifest");
        fs::rename(run.join(".manifest"), run.join("manifest.json")).expect("renamed");
        (0..3).for_each(|number| drop(add_batch(&run, number)));
    };
    with_id("one");
    let mut first = start(&run, &state, Keeping::ProgressAndPrune);
    counted(&mut first, 3);
    until(&mut first, "all are deleted", |_| support::batches(&run).is_empty());
    live::leave(first, &state);
    // The same run goes on: what comes again is counted already, and its manifest may be written anew.
    with_id("one");
    let mut same = start(&run, &state, Keeping::ProgressAndPrune);
    until(&mut same, "it is compared and deleted", |run_| {
        run_.account().waiting == 0 && support::batches(&run).is_empty()
    });
    counted(&mut same, 3);
    assert!(newest(&same).problems().next().is_none());
    live::leave(same, &state);
    with_id("two");
    let second = start(&run, &state, Keeping::Progress);
    says_what_is_lost(second, &run, &state, 3);
    // While it is watched, too.
    let mut third = start(&run, &state.with_extension("third"), Keeping::Progress);
    counted(&mut third, 3);
    with_id("three");
    until(&mut third, "it says so", |run| {
        run.restarted().is_some_and(|why| why.contains("another run was begun"))
    });
    counted(&mut third, 3);
}

/// The benchmark runs again after the dashboard was started again, and its batches come one by one.
#[test]
fn a_run_that_is_begun_again_in_its_place_is_counted_from_the_start() {
    let (_place, run, state) = place();
    counted_run(&run, &state, 3);
    fs::remove_dir_all(&run).expect("removed");
    support::small_run(&run, 0);
    let mut second = start(&run, &state, Keeping::Progress);
    until(&mut second, "the manifest", |run| run.manifest().is_some());
    std::thread::sleep(Duration::from_millis(100));
    add_batch(&run, 0);
    until(&mut second, "it says so", |run| run.restarted().is_some_and(|why| why.contains("replaced")));
    add_batch(&run, 1);
    counted(&mut second, 2);
    assert!(newest(&second).set_aside().next().is_none());
}

#[test]
fn a_run_that_is_moved_goes_on_with_the_state_file_that_is_named() {
    let (place, run, state) = place();
    pruned_run(&run, &state, 3);
    let moved = place.path().join("moved");
    fs::rename(&run, &moved).expect("moved");
    let mut second = start(&moved, &state, Keeping::ProgressAndPrune);
    until(&mut second, "the manifest", |run| run.manifest().is_some());
    add_batch(&moved, 3);
    counted(&mut second, 4);
    assert_eq!(newest(&second).restarted(), None);
    live::leave(second, &state);
    // Another run is none that was moved.
    let other = place.path().join("other");
    support::small_run(&other, 2);
    let third = start(&other, &state, Keeping::Progress);
    says_what_is_lost(third, &other, &state, 2);
}

/// As a mount point looks whose disk is away for a while.
#[test]
fn an_empty_directory_in_the_place_of_a_run_is_waited_out() {
    let (place, run, state) = place();
    support::small_run(&run, 3);
    let away = place.path().join("away");
    let mut watch = start(&run, &state, Keeping::ProgressAndPrune);
    counted(&mut watch, 3);
    until(&mut watch, "all are deleted", |_| support::batches(&run).is_empty());
    fs::rename(&run, &away).expect("moved");
    fs::create_dir(&run).expect("a directory");
    until(&mut watch, "it is noticed", |run| matches!(run.presence(), Some(Presence::Missing(_))));
    fs::remove_dir(&run).expect("removed");
    fs::rename(&away, &run).expect("moved");
    add_batch(&run, 3);
    counted(&mut watch, 4);
    // With another run in it, what is lost is said.
    fs::rename(&run, &away).expect("moved");
    support::small_run(&run, 1);
    says_what_is_lost(watch, &run, &state, 1);
}

/// What a manifest takes out of the figures is not deleted, though it was counted and safe before.
#[test]
fn a_batch_that_was_taken_out_is_not_deleted() {
    let (_place, run, state) = place();
    support::small_run(&run, 3);
    fs::remove_file(run.join("manifest.json")).expect("removed");
    let mut watch = start(&run, &state, Keeping::ProgressAndPrune);
    counted(&mut watch, 3);
    support::write_manifest(&run, &[("lif", "Leaky", "zero", &[3])], None);
    // Whichever comes first: they are deleted and stay in the figures, which is said once of all, or neither.
    let stay = |problem: &&Problem| problem.reason.contains("in the figures all the same");
    let named = live::until(&watch, "all are named", |run| {
        let (stay, batches) = (run.set_aside().filter(stay).count(), run.tally().batches());
        (stay > 0) == (batches > 0) && run.set_aside().count() as u64 - stay as u64 + batches == 3
    });
    let batches = named.tally().batches();
    live::leave(watch, &state);
    assert_eq!(support::batches(&run).len() as u64 + batches, 3);
    support::write_manifest(&run, &[("lif", "Leaky", "zero", &[2])], None);
    let mut later = start(&run, &state, Keeping::Progress);
    counted(&mut later, 3);
    until(&mut later, "all is well", |run| run.problems().next().is_none());
}

/// Nothing says that a directory is whole.
#[test]
fn a_directory_that_is_still_written_is_not_deleted() {
    let (_place, run, state) = place();
    support::small_run(&run, 1);
    fs::remove_file(run.join("manifest.json")).expect("removed");
    let batch = run.join("batch-000001");
    fs::create_dir(&batch).expect("a directory");
    let one = support::small_batch();
    fs::write(batch.join("lif.post.npy"), one["lif.post"].bytes()).expect("a file");
    let mut watch = start(&run, &state, Keeping::ProgressAndPrune);
    counted(&mut watch, 2);
    until(&mut watch, "the file is deleted", |_| !run.join("batch-000000.npz").exists());
    fs::write(batch.join("late.post.npy"), one["lif.post"].bytes()).expect("it is still there");
    until(&mut watch, "both layers", |run| run.tally().layers().len() == 2);
    live::leave(watch, &state);
    assert!(batch.is_dir());
}

#[test]
fn what_is_lost_is_named_by_every_later_process() {
    let (_place, run, state) = place();
    support::small_run(&run, 1);
    // What has settled is set aside, and no problem any more once it is deleted.
    let mut first = start_settling(&run, &state, Keeping::Progress, Duration::from_secs(60));
    counted(&mut first, 1);
    let bytes = fs::read(run.join("batch-000000.npz")).expect("a batch");
    fs::write(run.join("batch-000001.npz"), &bytes[..99]).expect("a part");
    until(&mut first, "it is seen", |run| run.account().seen == 2);
    fs::remove_file(run.join("batch-000001.npz")).expect("removed");
    names(&mut first, "000001", "deleted before it could be counted");
    live::leave(first, &state);
    let mut second = start(&run, &state, Keeping::Progress);
    names(&mut second, "000001", "deleted before it could be counted");
    assert_eq!((summary(&second).complete, summary(&second).leaves_out()), (false, true));
    add_batch(&run, 1);
    counted(&mut second, 2);
    until(&mut second, "all is well", |run| run.problems().next().is_none());
}

/// `neurotop watch` in a process of its own.
fn process(run: &Path, state: &Path, more: &[&str], fault: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    command.args(["watch", "--settle", "0.3"]).arg(run).arg("--state").arg(state).args(more);
    command.env("XDG_CONFIG_HOME", "/nonexistent").env("NEUROTOP_FAULT", fault);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

#[test]
fn killed_at_any_moment_it_ends_with_the_figures_of_an_undisturbed_count() {
    const BATCHES: usize = 400;
    for prune in [false, true] {
        let (place, run, state) = place();
        let export = place.path().join("all.json");
        support::write_manifest(&run, &[("lif", "Leaky", "zero", &[2])], Some(BATCHES));
        let mut more = vec!["--exit-when-finished"];
        more.extend(prune.then_some("--prune"));
        let writer = {
            let run = run.clone();
            std::thread::spawn(move || {
                for number in 0..BATCHES {
                    support::write_batch(&run, number, &small_batch(), Archive::Stored);
                    std::thread::sleep(Duration::from_millis(12));
                }
            })
        };
        // Five times while the batches come, at odd moments.
        for (kill, wait) in [300, 1330, 710, 90, 1170].into_iter().enumerate() {
            let mut child = process(&run, &state, &more, "none");
            std::thread::sleep(Duration::from_millis(wait + kill as u64));
            child.kill().expect("killed");
            child.wait().expect("gone");
        }
        writer.join().expect("written");
        more.extend(["--export", export.to_str().expect("text")]);
        let mut last = process(&run, &state, &more, "none");
        until_gone(&mut last);
        let status = last.wait().expect("its state");
        assert!(status.success(), "{status}");
        let exported = support::json(&export);
        assert_eq!(exported["total"]["updates"], BATCHES as u64 * SMALL.0, "prune: {prune}");
        assert_eq!(exported["run"]["batches"], BATCHES, "prune: {prune}");
        assert_eq!(exported["complete"], true, "prune: {prune}");
        if prune {
            assert_eq!(support::batches(&run), Vec::<PathBuf>::new(), "all are deleted");
        }
    }
}

/// The only batch of a run is written again about when the first is deleted, and neurotop dies at each step of that.
#[test]
fn killed_around_a_deletion_it_says_no_more_than_can_be_known() {
    for (step, aside) in
        [("run", None), ("saved", Some("doubtful")), ("deleted", Some("doubtful")), ("none", Some("void"))]
    {
        let (_place, run, state) = place();
        support::write_manifest(&run, &[("lif", "Leaky", "zero", &[2])], None);
        add_batch(&run, 0);
        if step == "none" {
            let mut first = start(&run, &state, Keeping::ProgressAndPrune);
            until(&mut first, "it is deleted", |_| support::batches(&run).is_empty());
            live::leave(first, &state);
        } else {
            let mut child = process(&run, &state, &["--prune"], step);
            until_gone(&mut child);
        }
        assert_eq!(support::batches(&run).is_empty(), step == "deleted" || step == "none", "{step}");
        add_changed_batch(&run, 0);
        for _ in 0..2 {
            let mut again = start(&run, &state, Keeping::Progress);
            until(&mut again, "the batch as it is now", |run| {
                run.tally().total().updates.effective == CHANGED && run.account().waiting == 0
            });
            let named: Vec<String> =
                newest(&again).set_aside().map(|problem| problem.reason.clone()).collect();
            assert_eq!(named.len(), usize::from(aside.is_some()), "{step}: {named:?}");
            assert!(aside.is_none_or(|aside| named[0].ends_with(&format!("{aside}-1"))), "{step}: {named:?}");
            live::leave(again, &state);
        }
        // A run that is whole lacks nothing, if that is not certain.
        fs::write(run.join("end.json"), r#"{"batches": 1}"#).expect("an end");
        let mut whole = start(&run, &state, Keeping::Progress);
        until(&mut whole, "the end", |run| run.end().is_some());
        assert_eq!(newest(&whole).is_complete(), aside != Some("void"), "{step}");
    }
}

/// Waits until a process has ended by itself.
fn until_gone(child: &mut Child) {
    support::until("it ends", || child.try_wait().expect("its state").is_some());
}

/// A state file cannot hold a time before 1970.
#[cfg(unix)]
#[test]
fn a_file_from_before_1970_holds_up_no_progress() {
    let (_place, run, state) = place();
    support::small_run(&run, 3);
    let long_ago = SystemTime::UNIX_EPOCH - Duration::from_secs(400_000_000);
    for path in support::batches(&run).into_iter().skip(1).chain([run.join("manifest.json"), run.clone()]) {
        fs::File::open(path).and_then(|file| file.set_modified(long_ago)).expect("a time");
    }
    let mut first = start(&run, &state, Keeping::Progress);
    counted(&mut first, 3);
    live::leave(first, &state);
    let mut again = start(&run, &state, Keeping::Progress);
    assert_eq!(remarks(&again), ["resumed after 3 batches that were counted before"]);
    counted(&mut again, 3);
    assert!(newest(&again).problems().next().is_none());
}

#[test]
fn what_cannot_go_together_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    let output = command.args(["watch", "x", "--prune", "--state", "none"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--prune deletes batches"));
}

/// The lock of a state file, as soon as whoever had it has let go of it.
fn lock(state: &Path) -> Lock {
    let mut lock = None;
    support::until("it is let go", || {
        lock = Lock::take(state).expect("a lock");
        lock.is_some()
    });
    lock.expect("it is taken")
}

#[test]
fn of_two_that_watch_a_run_one_keeps_its_progress_and_deletes() {
    let (_place, run, state) = place();
    support::small_run(&run, 3);
    let mut first = start(&run, &state, Keeping::ProgressAndPrune);
    counted(&mut first, 3);
    let gone = || support::batches(&run).is_empty();
    until(&mut first, "all are deleted", |_| gone());
    // The second goes on from what the first has kept, whose batches are gone by then.
    let mut second = start(&run, &state, Keeping::ProgressAndPrune);
    let said = remarks(&second);
    assert!(said[0].contains("another neurotop keeps its progress"), "{said:?}");
    assert_eq!(said[1], "resumed after 3 batches that were counted before");
    live::leave(first, &state);
    // What only the second follows stays where it is, and what the first kept is not overwritten.
    let held = lock(&state);
    add_batch(&run, 3);
    counted(&mut second, 4);
    let before = fs::read(&state).expect("the progress");
    live::end(&second);
    assert_eq!(support::batches(&run).len(), 1);
    assert_eq!(fs::read(&state).expect("the progress"), before);
    drop(held);
    let mut third = start(&run, &state, Keeping::ProgressAndPrune);
    assert_eq!(remarks(&third), ["resumed after 3 batches that were counted before"]);
    counted(&mut third, 4);
    until(&mut third, "the last is deleted", |_| gone());
    live::leave(third, &state);
    drop(lock(&state));
    let mut last = start(&run, &state, Keeping::Progress);
    assert_eq!(remarks(&last), ["resumed after 4 batches that were counted before"]);
    counted(&mut last, 4);
}

#[test]
fn a_batch_that_another_deleted_first_is_named() {
    let (_place, run, state) = place();
    support::small_run(&run, 1);
    let mut first = start(&run, &state, Keeping::ProgressAndPrune);
    counted(&mut first, 1);
    until(&mut first, "it is deleted", |_| support::batches(&run).is_empty());
    fs::write(run.join("end.json"), r#"{"samples": 4, "batches": 2}"#).expect("an end");
    // With another state file it knows nothing of what the first has counted.
    let mut second = start(&run, &state.with_extension("other"), Keeping::Progress);
    add_batch(&run, 1);
    until(&mut second, "what is left", |run| run.tally().batches() == 1 && run.end().is_some());
    assert!(!summary(&second).complete);
    until(&mut first, "both", |run| run.is_complete());
}
