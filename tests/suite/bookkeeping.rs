//! Which batch, which run, what was lost: whatever becomes of names, contents and runs, the figures are those of what
//! is there, each batch once, and what they are not is said.

use crate::support;
use neurotop::figures::Summary;
use neurotop::publish::Publisher;
use neurotop::run::{Mode, Problem, Run, StatePlace, Watch, WatchOptions};
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};
use support::live::{Live, newest};
use support::{Archive, Members, Npy, PATIENCE, SMALL, archive_bytes, small_batch, write_manifest};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// A batch of one layer, whose potentials are these.
fn batch(layer: &str, shape: [usize; 3], values: impl Fn(usize) -> f32) -> Members {
    let elements = shape.iter().product();
    Members::from([
        ("samples".to_owned(), Npy::integers(&[], &[shape[1] as i64])),
        (format!("{layer}.post"), Npy::potentials(&shape, (0..elements).map(values))),
    ])
}

/// Puts a batch in its place as a whole.
fn put(run: &Path, name: &str, members: &Members) {
    let hidden = run.join(".being-written");
    fs::write(&hidden, archive_bytes(members, Archive::Stored)).expect("a file");
    fs::rename(hidden, run.join(name)).expect("renamed");
}

/// The same as a directory of arrays, as `unzip` makes one.
fn put_unpacked(run: &Path, name: &str, members: &Members) {
    let hidden = run.join(".being-unpacked");
    fs::create_dir(&hidden).expect("a directory");
    for (member, array) in members {
        fs::write(hidden.join(format!("{member}.npy")), array.bytes()).expect("an array");
    }
    fs::rename(hidden, run.join(name)).expect("renamed");
}

/// What a summary says of what is there now.
fn summary_of(run: &Path) -> Value {
    let settings = support::settings("test", false);
    let options = WatchOptions::unkept(Mode::Once, 1);
    let watch =
        Watch::start(run, settings, options, &StatePlace::Nowhere, Publisher::none()).expect("threads");
    let news = watch.views().news();
    while !watch.runs().have_ended() {
        news.recv_timeout(PATIENCE).expect("something new");
    }
    let once = newest(&watch);
    figures(&once)
}

/// All figures of a run but the account, what depends on when it is looked at, and the neurons, which are not known any
/// more once a batch is taken out.
fn figures(run: &Run) -> Value {
    let mut summary = serde_json::to_value(Summary::new(run, SystemTime::now())).expect("JSON");
    // The part has the account and the times, too; its sums are those of the layers.
    for field in ["account", "complete", "incomplete", "part"] {
        summary.as_object_mut().expect("an object").remove(field);
    }
    summary["run"].as_object_mut().expect("an object").remove("status");
    support::forget_times(&mut summary);
    support::forget_neurons(&mut summary);
    // What is said of the run that was there before.
    let problems = summary["problems"].as_array_mut().expect("problems");
    problems.retain(|problem| problem["path"] != "progress");
    for rank in summary["ranks"].as_array_mut().into_iter().flatten() {
        let rank = rank.as_object_mut().expect("an object");
        rank.remove("quiet_seconds");
        rank.remove("state");
    }
    summary
}

#[track_caller]
fn until_as_there(live: &mut Live, run: &Path, what: &str) {
    let deadline = Instant::now() + PATIENCE;
    let expected = summary_of(run);
    let is_settled = |run: &Run| {
        let account = run.account();
        (account.seen, account.waiting, account.set_aside) == (account.counted, 0, 0)
    };
    while figures(&live.run) != expected || !is_settled(&live.run) {
        let found = figures(&live.run);
        let account = live.run.account();
        assert!(Instant::now() < deadline, "{what}: {account:?} {found:#}\ninstead of\n{expected:#}");
        live.take(Duration::from_millis(50));
    }
}

#[test]
fn a_batch_that_is_renamed_unpacked_or_packed_anew_is_the_same_batch() {
    let place = directory();
    let run = place.path();
    write_manifest(run, &[("lif", "Leaky", "zero", &[2])], None);
    let mut live = Live::start(run);
    put(run, "batch-7.npz", &small_batch());
    put(run, "batch-8.npz", &small_batch());
    live.until_counted(2);
    fs::rename(run.join("batch-7.npz"), run.join("batch-000007.npz")).expect("renamed");
    live.nothing_more();
    until_as_there(&mut live, run, "renamed");
    put_unpacked(run, "batch-8", &small_batch());
    fs::remove_file(run.join("batch-8.npz")).expect("removed");
    until_as_there(&mut live, run, "unpacked");
    let packed = archive_bytes(&small_batch(), Archive::Deflated);
    fs::write(run.join(".packed"), packed).expect("a file");
    fs::remove_file(run.join("batch-000007.npz")).expect("removed");
    fs::rename(run.join(".packed"), run.join("batch-07.npz")).expect("renamed");
    until_as_there(&mut live, run, "packed anew");
    assert_eq!(live.run.corrections().1, 0, "nothing was taken out, since all was counted");
    // What is written under the new name counts, too.
    put(run, "batch-07.npz", &batch("lif", [4, 2, 2], |at| at as f32));
    until_as_there(&mut live, run, "written again under another name");
    assert_eq!((live.run.account().counted, live.updates()), (2, u128::from(SMALL.0) + 16));
}

#[test]
fn what_is_replaced_leaves_no_trace() {
    let place = directory();
    let run = place.path();
    write_manifest(run, &[("lif", "Leaky", "zero", &[])], None);
    fs::remove_file(run.join("manifest.json")).expect("removed");
    let mut live = Live::start(run);
    put(run, "batch-0.npz", &batch("b", [9, 2, 5], |at| at as f32));
    put(run, "batch-1.npz", &batch("a", [3, 2, 2], |at| (at / 5) as f32));
    put(run, "batch-2.npz", &batch("a", [8, 2, 3], |at| at as f32));
    until_as_there(&mut live, run, "all three");
    // Fewer steps, another shape, another layer: what only the batch before had is gone.
    put(run, "batch-2.npz", &batch("a", [2, 2, 2], |at| at as f32));
    until_as_there(&mut live, run, "fewer steps");
    put(run, "batch-0.npz", &batch("c", [2, 2, 2], |at| at as f32));
    until_as_there(&mut live, run, "another layer");
    put(run, "batch-1.npz", &batch("c", [2, 2, 4], |_| 0.0));
    until_as_there(&mut live, run, "another shape");
}

#[test]
fn a_batch_that_is_written_in_place_with_its_old_length_and_times_is_counted_again() {
    let place = directory();
    let run = place.path();
    let members = |step: f32| batch("lif", [4, 2, 2], move |at| at as f32 * step);
    put(run, "batch-0.npz", &members(0.0));
    let path = run.join("batch-0.npz");
    let mut live = Live::start(run);
    until_as_there(&mut live, run, "as it was");
    let times = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");
    let file = File::options().write(true).open(&path).expect("open");
    std::io::Write::write_all(&mut &file, &archive_bytes(&members(1.0), Archive::Stored)).expect("written");
    file.set_modified(times).expect("a time");
    drop(file);
    until_as_there(&mut live, run, "with its old time");
    assert_eq!(live.updates(), 16);
}

#[test]
fn a_change_of_permissions_is_no_change_of_the_figures() {
    use std::os::unix::fs::PermissionsExt;
    let place = directory();
    let run = place.path();
    support::small_run(run, 2);
    let mut live = Live::start(run);
    live.until_counted(2);
    fs::set_permissions(run.join("batch-000000.npz"), fs::Permissions::from_mode(0o640))
        .expect("permissions");
    live.nothing_more();
    assert_eq!(live.run.corrections().1, 0);
}

#[test]
fn a_manifest_that_is_corrected_while_batches_wait_has_them_counted() {
    for wrong in ["wider", "more layers"] {
        let place = directory();
        let run = place.path();
        let mut live = Live::start(run);
        match wrong {
            "wider" => write_manifest(run, &[("lif", "Leaky", "zero", &[7])], None),
            _ => write_manifest(run, &[("lif", "Leaky", "zero", &[2]), ("out", "Leaky", "zero", &[2])], None),
        }
        live.until("the manifest", |run| run.manifest().is_some());
        put(run, "batch-0.npz", &small_batch());
        live.until("it waits", |run| run.account().seen == 1);
        // Less than what a batch must have rested before it is set aside.
        sleep(Duration::from_millis(100));
        write_manifest(run, &[("lif", "Leaky", "zero", &[2])], None);
        until_as_there(&mut live, run, wrong);
        assert_eq!(live.run.account().counted, 1, "{wrong}");
        live.nothing_more();
    }
}

/// Another run, which says nothing of itself, in the place of one that is watched.
#[test]
fn a_run_that_is_begun_again_while_it_is_watched_is_not_added_to_the_old_one() {
    let names: [&dyn Fn(usize) -> String; 4] = [
        &|number| format!("batch-{number:03}.npz"),
        &|number| format!("rank-0.batch-{number}.npz"),
        &|number| format!("batch-{number}.npz"),
        &|number| format!("batch-{}.npz", number + 70),
    ];
    for (at, name) in names.iter().enumerate() {
        for writes_manifest in [true, false] {
            if !writes_manifest && at == 3 {
                // Higher numbers alone are no other run: whoever watches may delete what was counted.
                continue;
            }
            let place = directory();
            let run = place.path();
            let manifest = || write_manifest(run, &[("lif", "Leaky", "zero", &[2])], None);
            manifest();
            for number in 0..5 {
                put(run, &format!("batch-{number}.npz"), &small_batch());
            }
            let mut live = Live::start(run);
            live.until_counted(5);
            for path in support::batches(run) {
                fs::remove_file(path).expect("removed");
            }
            if writes_manifest {
                manifest();
            }
            for number in 0..3 {
                put(run, &name(number), &batch("lif", [2, 2, 2], |at| at as f32));
            }
            let what = format!("{}, its manifest: {writes_manifest}", name(0));
            until_as_there(&mut live, run, &what);
            assert_eq!(live.run.account().counted, 3, "{what}");
            let said = |problem: &Problem| problem.reason.contains("5 batches that were counted before");
            assert!(live.run.problems().any(said), "{what}");
        }
    }
}

/// Where the run says which one it is, nobody guesses.
#[test]
fn a_batch_that_is_written_again_when_the_others_are_gone_is_of_the_same_run_where_that_has_an_id() {
    let place = directory();
    let run = place.path();
    let manifest = r#"{"format": "neurotop", "version": 1, "id": "one",
        "layers": [{"name": "lif", "neuron": "Leaky", "reset": "zero"}]}"#;
    fs::write(run.join("manifest.json"), manifest).expect("a manifest");
    (0..3).for_each(|number| put(run, &format!("batch-{number}.npz"), &small_batch()));
    let mut live = Live::start(run);
    live.until_counted(3);
    (1..3).for_each(|number| fs::remove_file(run.join(format!("batch-{number}.npz"))).expect("removed"));
    put(run, "batch-0.npz", &batch("lif", [4, 2, 2], |at| at as f32));
    live.until("it is counted", |run| run.corrections().1 > 0);
    assert_eq!((live.run.tally().batches(), live.updates()), (3, u128::from(2 * SMALL.0) + 16));
}

/// Labels and the like, with another name in each batch.
#[test]
fn members_that_nobody_knows_are_said_once_whatever_their_names() {
    let place = directory();
    let run = place.path();
    write_manifest(run, &[("lif", "Leaky", "zero", &[2])], None);
    for number in 0..20 {
        let mut members = small_batch();
        members.insert(format!("labels_{number}"), Npy::integers(&[], &[1]));
        put(run, &format!("batch-{number}.npz"), &members);
    }
    let summary = summary_of(run);
    let problems = summary["problems"].as_array().expect("problems");
    assert_eq!((problems.len(), &problems[0]["path"]), (1, &"batch-0.npz".into()), "{problems:?}");
    assert!(problems[0]["reason"].as_str().is_some_and(|reason| reason.contains("labels_0")), "{problems:?}");
}

#[test]
fn what_is_deleted_by_somebody_while_more_comes_stays_counted() {
    let place = directory();
    let run = place.path();
    write_manifest(run, &[("lif", "Leaky", "zero", &[2])], None);
    let mut live = Live::start(run);
    for number in 0..6 {
        put(run, &format!("batch-{number}.npz"), &small_batch());
        live.until_counted(number + 1);
        fs::remove_file(run.join(format!("batch-{number}.npz"))).expect("removed");
    }
    live.nothing_more();
    live.until_counted(6);
}

/// What is waiting and counted of a directory that is filled while one leaves. `None` where this machine was too busy to
/// write so often that it never rests.
fn left_of_a_directory_that_is_filled() -> Option<(u64, u128)> {
    let place = directory();
    let run = place.path();
    let mut live = Live::start(run);
    let directory = run.join("batch-0");
    fs::create_dir(&directory).expect("a directory");
    live.until("it is seen", |run| run.account().seen == 1);
    live.watch.finish();
    let layer = Npy::potentials(&[2, 2, 2], (0..8).map(|at| at as f32));
    let (mut writes, mut written) = (0, Instant::now());
    while !live.run.has_ended() {
        fs::write(directory.join(format!("l{writes}.post.npy")), layer.bytes()).expect("written");
        live.take(Duration::from_millis(50));
        if written.elapsed() > Duration::from_millis(200) {
            return None;
        }
        (writes, written) = (writes + 1, Instant::now());
    }
    assert!(!live.run.is_complete());
    Some((live.run.account().waiting, live.updates()))
}

#[test]
fn a_directory_that_is_filled_while_one_leaves_is_not_counted_by_half() {
    let left = (0..10).find_map(|_| left_of_a_directory_that_is_filled());
    assert!(left.is_none_or(|left| left == (1, 0)), "waiting and updates: {left:?}");
}

#[test]
fn a_run_is_not_over_before_its_first_batch() {
    let place = directory();
    let run = place.path();
    write_manifest(run, &[("lif", "Leaky", "zero", &[2])], None);
    fs::write(run.join("end.json"), r#"{"batches": 2}"#).expect("an end");
    let mut live = Live::start(run);
    live.until("the end", |run| run.end().is_some());
    assert!(!live.run.is_over(SystemTime::now()));
    put(run, "batch-0.npz", &small_batch());
    put(run, "batch-00.npz", &small_batch());
    live.until("both", |run| run.account().seen == 2 && run.account().counted == 1);
    assert!(!live.run.is_over(SystemTime::now()), "a second name is no second batch");
    fs::remove_file(run.join("batch-00.npz")).expect("removed");
    put(run, "batch-1.npz", &small_batch());
    live.until("all", |run| run.account().counted == 2);
    live.until("it is over", |run| run.is_over(SystemTime::now()));
}

/// What is counted again is waited for, as it was the first time.
#[test]
fn a_run_is_not_over_while_it_is_counted_again() {
    let place = directory();
    let run = place.path();
    write_manifest(run, &[("lif", "Leaky", "zero", &[400])], Some(1));
    put(run, "batch-0.npz", &batch("lif", [60, 200, 400], |at| (at % 1000) as f32));
    fs::write(run.join("end.json"), r#"{"batches": 1}"#).expect("an end");
    let mut live = Live::start(run);
    live.until("it is counted", |run| run.is_over(SystemTime::now()));
    live.watch.restart(0).expect("nothing is deleted");
    live.until("it starts over", |run| run.restarted().is_some());
    while live.run.tally().batches() == 0 {
        assert!(live.run.end().is_none() || !live.run.is_over(SystemTime::now()));
        live.take(Duration::from_millis(1));
    }
}

#[test]
fn a_directory_that_is_replaced_right_before_the_end_is_not_added_to_the_old_one() {
    let place = directory();
    let run = &place.path().join("run");
    support::small_run(run, 4);
    let mut live = Live::start(run);
    live.until_counted(4);
    fs::rename(run, place.path().join("old")).expect("renamed");
    support::small_run(run, 1);
    live.watch.finish();
    live.until("it ends", Run::has_ended);
    let counted = live.run.tally().batches();
    assert!(counted <= 1, "{counted} batches, one is there");
}
