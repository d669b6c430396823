//! A directory is followed live: whatever way batches come, each is counted once.

use crate::support;
use neurotop::figures::Summary;
use neurotop::run::{Presence, Run, Severity, Status, Watching};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};
use support::live::Live as Watch;
use support::{Archive, SMALL, small_batch, until};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn put(run: &Path, number: usize) -> PathBuf {
    let bytes = support::archive_bytes(&small_batch(), Archive::Stored);
    let (temporary, path) =
        (run.join(format!(".batch-{number}.npz")), run.join(format!("batch-{number:06}.npz")));
    fs::write(&temporary, bytes).expect("a batch");
    fs::rename(temporary, &path).expect("renamed");
    path
}

fn manifest(run: &Path, expected: Option<usize>) {
    support::write_manifest(run, &[("lif", "Leaky", "zero", &[2])], expected);
}

#[test]
fn batches_that_were_there_before_and_come_late_and_out_of_order() {
    let run = directory();
    manifest(run.path(), None);
    put(run.path(), 4);
    put(run.path(), 1);
    let mut watch = Watch::start(run.path());
    watch.until_counted(2);
    assert_eq!(watch.run.watching(), Some(&Watching::Events));
    for number in [9, 0, 3] {
        put(run.path(), number);
    }
    watch.until_counted(5);
    watch.nothing_more();
    assert_eq!(watch.set_aside(), Vec::<String>::new());
}

#[test]
fn a_burst_of_many_batches() {
    let run = directory();
    let mut watch = Watch::start(run.path());
    for number in 0..2000 {
        put(run.path(), number);
    }
    watch.until_counted(2000);
    watch.nothing_more();
}

#[test]
fn a_directory_that_is_created_after_the_watch_began() {
    let place = directory();
    let run = place.path().join("deep/run");
    let mut watch = Watch::start(&run);
    watch.until(
        "it says what it waits for",
        |run| matches!(run.presence(), Some(Presence::Missing(why)) if why.contains("does not exist")),
    );
    fs::create_dir_all(&run).expect("a directory");
    put(&run, 0);
    watch.until_counted(1);
    put(&run, 1);
    watch.until_counted(2);
}

#[test]
fn a_whole_run_that_is_moved_into_place() {
    let place = directory();
    support::small_run(&place.path().join("elsewhere"), 5);
    let mut watch = Watch::start(&place.path().join("run"));
    fs::rename(place.path().join("elsewhere"), place.path().join("run")).expect("moved");
    watch.until_counted(5);
    assert_eq!(watch.run.status(SystemTime::now()), Status::Finished);
}

#[test]
fn a_batch_written_in_place_by_many_writes_is_waited_for() {
    let run = directory();
    let mut watch = Watch::start_settling(run.path(), Duration::from_secs(10));
    let bytes = support::archive_bytes(&small_batch(), Archive::Stored);
    let mut file = File::create(run.path().join("batch-000000.npz")).expect("a file");
    for part in bytes.chunks(bytes.len() / 12) {
        file.write_all(part).expect("written");
        file.flush().expect("flushed");
        sleep(Duration::from_millis(60));
        watch.take(Duration::from_millis(1));
        assert_eq!(watch.set_aside(), Vec::<String>::new(), "while it is being written");
    }
    drop(file);
    watch.until_counted(1);
    watch.nothing_more();
}

#[test]
fn a_batch_that_stops_half_way_is_set_aside_and_counts_once_it_is_whole() {
    let run = directory();
    let mut watch = Watch::start(run.path());
    let bytes = support::archive_bytes(&small_batch(), Archive::Stored);
    let path = run.path().join("batch-000000.npz");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("half a batch");
    watch.until("it is seen", |run| run.account().seen == 1);
    let is_waiting = watch.run.account().waiting == 1;
    assert!(!is_waiting || watch.set_aside().is_empty(), "not before it has stopped changing");
    watch.until("it is set aside", |run| run.account().set_aside == 1);
    assert!(watch.set_aside()[0].contains("without its end"), "{:?}", watch.set_aside());
    put(run.path(), 1);
    watch.until("the others go on", |run| run.account().counted == 1);
    fs::write(&path, &bytes).expect("the whole batch");
    watch.until_counted(2);
    assert_eq!(watch.set_aside(), Vec::<String>::new());
}

#[test]
fn a_directory_batch_that_fills_file_by_file_or_arrives_whole() {
    let run = directory();
    manifest(run.path(), None);
    let mut watch = Watch::start(run.path());
    let path = run.path().join("batch-000000");
    fs::create_dir(&path).expect("a directory");
    for (name, array) in small_batch() {
        let bytes = array.bytes();
        let mut file = File::create(path.join(format!("{name}.npy"))).expect("a file");
        for part in bytes.chunks(60) {
            file.write_all(part).expect("written");
            sleep(Duration::from_millis(30));
        }
    }
    watch.until_counted(1);
    let elsewhere = support::write_batch(&run.path().join(".new"), 1, &small_batch(), Archive::Directory);
    fs::rename(elsewhere, run.path().join("batch-000001")).expect("moved");
    watch.until_counted(2);
    assert_eq!(watch.set_aside(), Vec::<String>::new());
}

#[test]
fn temporary_names_are_never_read() {
    let run = directory();
    let mut watch = Watch::start(run.path());
    let bytes = support::archive_bytes(&small_batch(), Archive::Stored);
    fs::write(run.path().join(".batch-000000.npz"), &bytes).expect("a file");
    fs::write(run.path().join("batch-000001.npz.tmp"), &bytes).expect("a file");
    put(run.path(), 2);
    watch.until_counted(1);
    watch.nothing_more();
    assert_eq!(watch.run.account().seen, 1);
}

#[test]
fn a_batch_that_is_written_again_replaces_its_count() {
    let run = directory();
    let mut watch = Watch::start(run.path());
    put(run.path(), 0);
    put(run.path(), 1);
    watch.until_counted(2);
    put(run.path(), 1);
    watch.nothing_more();
    watch.until_counted(2);
    let mut twice = small_batch();
    twice.insert("samples".into(), support::Npy::integers(&[], &[10]));
    support::write_batch(run.path(), 1, &twice, Archive::Stored);
    watch.until("the new samples", |run| run.tally().samples() == 12);
    watch.until_counted(2);
}

#[test]
fn a_deleted_batch_that_was_counted_stays_counted() {
    let run = directory();
    let mut watch = Watch::start(run.path());
    let path = put(run.path(), 0);
    watch.until_counted(1);
    fs::remove_file(path).expect("removed");
    watch.nothing_more();
    watch.until_counted(1);
}

#[test]
fn a_directory_that_is_deleted_and_created_again_starts_anew() {
    let place = directory();
    let path = place.path().join("run");
    support::small_run(&path, 3);
    let mut watch = Watch::start(&path);
    watch.until_counted(3);
    fs::remove_dir_all(&path).expect("removed");
    watch.until("it is gone", |run| matches!(run.presence(), Some(Presence::Missing(_))));
    assert_eq!(watch.run.tally().batches(), 3, "the figures stay while it is gone");
    // Something else may take the inode, so that the new directory has another.
    fs::create_dir(place.path().join("other")).expect("a directory");
    fs::create_dir(&path).expect("a directory");
    put(&path, 0);
    watch.until("the new run", |run| run.restarted().is_some() && run.account().counted == 1);
    watch.until_counted(1);
    put(&path, 1);
    watch.until_counted(2);
}

#[test]
fn a_manifest_that_comes_last_prices_what_was_counted() {
    let run = directory();
    let mut watch = Watch::start(run.path());
    put(run.path(), 0);
    watch.until_counted(1);
    assert_eq!(Summary::new(&watch.run, SystemTime::now()).total.sums.effective(), Some(0));
    fs::write(run.path().join("manifest.json"), "{\"format\": \"neuro").expect("half a manifest");
    watch.nothing_more();
    manifest(run.path(), Some(1));
    watch.until("it is priced", |run| run.manifest().is_some());
    let summary = Summary::new(&watch.run, SystemTime::now());
    assert_eq!(summary.total.sums.effective(), Some(u128::from(4 * SMALL.0)));
    watch.until("nothing is wrong any more", |run| run.problems().next().is_none());
}

#[test]
fn a_manifest_that_does_not_match_takes_batches_out_again() {
    let run = directory();
    let mut watch = Watch::start(run.path());
    put(run.path(), 0);
    watch.until_counted(1);
    support::write_manifest(run.path(), &[("lif", "Leaky", "zero", &[3])], None);
    watch.until("it is taken out", |run| run.account().set_aside == 1);
    assert_eq!((watch.updates(), watch.run.tally().samples()), (0, 0));
    assert!(watch.set_aside()[0].contains("[3]"), "{:?}", watch.set_aside());
    manifest(run.path(), None);
    watch.until_counted(1);
    assert_eq!(watch.set_aside(), Vec::<String>::new());
}

#[test]
fn a_newer_manifest_stops_the_counting_until_it_is_replaced() {
    let run = directory();
    fs::write(run.path().join("manifest.json"), r#"{"format": "neurotop", "version": 9}"#)
        .expect("a manifest");
    put(run.path(), 0);
    let mut watch = Watch::start(run.path());
    watch.until("it is refused", |run| run.refused().is_some());
    watch.nothing_more();
    assert_eq!(watch.run.tally().batches(), 0);
    manifest(run.path(), None);
    watch.until_counted(1);
    assert!(watch.run.refused().is_none());
}

#[test]
fn polling_finds_everything_too() {
    let run = directory();
    let mut watch = Watch::start_with(run.path(), Some(Duration::from_millis(50)));
    watch.until("it polls", |run| matches!(run.watching(), Some(Watching::Polling { .. })));
    put(run.path(), 0);
    watch.until_counted(1);
    // A rewrite within the same second, of the same length.
    let mut other = small_batch();
    other.insert("samples".into(), support::Npy::integers(&[], &[7]));
    fs::write(run.path().join("batch-000000.npz"), support::archive_bytes(&other, Archive::Stored))
        .expect("a file");
    watch.until("the new samples", |run| run.tally().samples() == 7);
    watch.until_counted(1);
}

#[test]
fn the_tally_starts_over_when_it_is_told_to() {
    let run = directory();
    support::small_run(run.path(), 3);
    let mut watch = Watch::start(run.path());
    watch.until_counted(3);
    fs::remove_file(run.path().join("batch-000001.npz")).expect("removed");
    watch.watch.restart(0).expect("nothing is deleted");
    watch.until("it starts over", |run| run.restarted().is_some());
    watch.until_counted(2);
    assert!(watch.run.manifest().is_some());
}

#[test]
fn the_order_to_finish_counts_what_is_there_and_ends() {
    let run = directory();
    support::small_run(run.path(), 3);
    let mut watch = Watch::start_with(run.path(), Some(Duration::from_secs(3600)));
    watch.until_counted(3);
    put(run.path(), 3);
    watch.watch.finish();
    watch.until("it ends", Run::has_ended);
    watch.until_counted(4);
    put(run.path(), 4);
    watch.nothing_more();
}

#[test]
fn the_end_and_the_state_of_a_run() {
    let run = directory();
    manifest(run.path(), Some(4));
    let mut watch = Watch::start(run.path());
    watch.until("it is there", |run| run.manifest().is_some());
    assert_eq!(watch.run.status(SystemTime::now()), Status::Waiting);
    put(run.path(), 0);
    watch.until_counted(1);
    assert_eq!(watch.run.status(SystemTime::now()), Status::Live);
    let later = SystemTime::now() + Duration::from_secs(100);
    assert!(matches!(watch.run.status(later), Status::Stalled(time) if time > Some(Duration::from_secs(98))));
    assert!(!watch.run.is_complete());
    fs::write(run.path().join("end.json"), r#"{"batches": 1, "samples": 2}"#).expect("an end");
    watch.until("it is over", |run| run.end().is_some());
    assert_eq!(watch.run.status(later), Status::Finished);
    assert!(watch.run.is_complete());
}

#[test]
fn what_the_format_does_not_know_is_noted_once() {
    let run = directory();
    let mut members = small_batch();
    members.insert("lif.spikes".into(), members["lif.post"].clone());
    support::write_batch(run.path(), 0, &members, Archive::Stored);
    support::write_batch(run.path(), 1, &members, Archive::Stored);
    let mut watch = Watch::start(run.path());
    watch.until_counted(2);
    let problems: Vec<_> = watch.run.problems().collect();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].severity == Severity::Notice && problems[0].reason.contains("lif.spikes"));
}

#[test]
fn a_producer_that_keeps_few_batches_is_told_what_is_counted() {
    let run = directory();
    let told = || fs::read_to_string(run.path().join(".neurotop-counted.json")).unwrap_or_default();
    put(run.path(), 0);
    let mut watch = Watch::start(run.path());
    watch.until_counted(1);
    watch.nothing_more();
    assert_eq!(told(), "", "nobody asked for it");
    let manifest = r#"{"format": "neurotop", "version": 1, "keep": 2, "layers": []}"#;
    fs::write(run.path().join("manifest.json"), manifest).expect("a manifest");
    for number in [1, 2, 5] {
        put(run.path(), number);
    }
    watch.until_counted(4);
    let all = serde_json::json!({"format": "neurotop.counted", "version": 1, "batches": [[0, 2], [5, 5]]});
    until("all are acknowledged", || {
        serde_json::from_str::<serde_json::Value>(&told()).is_ok_and(|told| told == all)
    });
    fs::remove_file(run.path().join("batch-000000.npz")).expect("removed");
    watch.nothing_more();
    watch.until_counted(4);
}
