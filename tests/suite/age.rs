//! How old a run is, how fast it goes and which of several it is, as the commands say it.

use crate::support;
use assert_cmd::Command;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

const DAYS: u64 = 2 * 86_400 + 600;

fn neurotop(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(args)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", "/nonexistent")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("it runs");
    String::from_utf8(output.stdout).expect("text")
}

fn summary(run: &Path) -> Value {
    serde_json::from_str(&neurotop(&["summary", text(run), "--format", "json"])).expect("JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// The first batches of the demo's run, one every ten seconds, the last one written `ago` seconds ago.
fn run_of(directory: PathBuf, batches: usize, ago: i64) -> PathBuf {
    support::copy_run(&support::demo_run(), &directory);
    for (number, path) in support::batches(&directory).iter().enumerate() {
        match batches.checked_sub(number + 1) {
            Some(later) => set_time(path, ago + 10 * later as i64),
            None => fs::remove_file(path).expect("it was there"),
        }
    }
    if batches < 12 {
        fs::remove_file(directory.join("end.json")).expect("it was there");
    }
    directory
}

/// Has a file be written so many seconds ago.
fn set_time(path: &Path, ago: i64) {
    let distance = Duration::from_secs(ago.unsigned_abs());
    let now = SystemTime::now();
    let time = if ago < 0 { now + distance } else { now - distance };
    File::options().append(true).open(path).and_then(|file| file.set_modified(time)).expect("a time");
}

/// The lines of progress about a run, up to the first that has this text.
fn progress(run: &Path, until: &str) -> String {
    progress_of(&["watch", "--state", "none", text(run)], Path::new("/nonexistent"), until, || true)
}

/// The same of any command, which goes on until what else it has to do `is_done`.
fn progress_of(args: &[&str], state: &Path, until: &str, is_done: impl Fn() -> bool) -> String {
    let mut watch = std::process::Command::new(env!("CARGO_BIN_EXE_neurotop"));
    watch.args(args).env("XDG_CONFIG_HOME", "/nonexistent").env("XDG_STATE_HOME", state);
    let child = watch.env("LC_ALL", "C.UTF-8").stdout(Stdio::piped()).spawn();
    let mut child = child.expect("it starts");
    // It would end if nobody could read its lines any more.
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let mut said = String::new();
    while !said.contains(until)
        && let Some(line) = lines.next()
    {
        // A busy machine may have counted nothing when the first line is due.
        if !line.contains(" waiting: 0 batches") {
            said += &(line + "\n");
        }
    }
    support::until("it does what it has to", is_done);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    said
}

/// A run of two ranks, each of which has the first batches of the demo's run.
fn ranks_of(directory: PathBuf, ago: i64) -> PathBuf {
    for rank in 0..2 {
        run_of(directory.join(format!("rank-{rank}")), 5, ago);
    }
    fs::copy(support::demo_run().join("manifest.json"), directory.join("manifest.json")).expect("a copy");
    directory
}

fn seconds(figures: &Value, field: &str) -> f64 {
    figures["run"][field].as_f64().unwrap_or_else(|| panic!("{field}: {:#}", figures["run"]))
}

#[test]
fn a_run_that_died_two_days_ago_says_so_at_once_and_has_no_time_left() {
    let place = tempfile::tempdir().expect("a directory");
    let run = run_of(place.path().join("run"), 8, DAYS as i64);
    let figures = summary(&run);
    assert_eq!(figures["run"]["status"], "stalled");
    assert!((seconds(&figures, "quiet_seconds") - DAYS as f64).abs() < 60.0);
    assert!((seconds(&figures, "elapsed_seconds") - 70.0).abs() < 0.1);
    assert!((seconds(&figures, "batches_per_second") - 0.1).abs() < 0.001);
    assert!((seconds(&figures, "samples_per_second") - 1.6).abs() < 0.01);
    assert!((seconds(&figures, "newest_batch") - seconds(&figures, "first_batch") - 70.0).abs() < 0.1);
    assert_eq!((&figures["run"]["seconds_left"], &figures["run"]["clock"]), (&Value::Null, &Value::Null));
    let said = neurotop(&["summary", text(&run)]);
    let times =
        "Times: stalled, last batch 2 d ago, ran for 1 min 10 s.\nPace: 0.10 batches/s, 1.60 samples/s.\n";
    assert!(said.contains(times), "{said}");
    assert!(
        neurotop(&["doctor", text(&run)])
            .contains("  times: stalled, last batch 2 d ago, ran for 1 min 10 s")
    );
    let lines = progress(&run, "8/12 batches");
    assert!(lines.lines().all(|line| line.contains("stalled, last batch 2 d ago: ")), "{lines}");
    assert!(!lines.contains(" left"), "{lines}");
}

#[test]
fn a_run_that_goes_on_has_the_time_left_at_its_own_pace() {
    let place = tempfile::tempdir().expect("a directory");
    let run = run_of(place.path().join("run"), 8, 3);
    let left = seconds(&summary(&run), "seconds_left");
    assert!((1.0..=37.0).contains(&left), "{left}");
    let lines = progress(&run_of(place.path().join("other"), 8, 3), "8/12 batches");
    assert!(lines.lines().all(|line| line.contains(" live: ")), "{lines}");
    assert!(lines.lines().all(|line| !(line.contains("catching up") && line.contains(" left"))), "{lines}");
}

#[test]
fn a_finished_run_says_when_it_ended_and_how_long_it_took() {
    let place = tempfile::tempdir().expect("a directory");
    let run = run_of(place.path().join("run"), 12, DAYS as i64);
    let figures = summary(&run);
    assert_eq!(
        (&figures["run"]["status"], &figures["run"]["quiet_seconds"]),
        (&"finished".into(), &Value::Null)
    );
    let said = neurotop(&["summary", text(&run)]);
    assert!(
        said.contains("Times: took 1 min 50 s, ended 2 d ago.\nPace: 0.10 batches/s, 1.60 samples/s.\n"),
        "{said}"
    );
    let lines = progress(&run, "finished: 12/12 batches");
    assert!(lines.contains("ended 2 d ago"), "{lines}");
}

#[test]
fn the_doctor_counts_no_batch_twice_for_the_pace_because_progress_is_saved() {
    let place = tempfile::tempdir().expect("a directory");
    let (run, state) = (run_of(place.path().join("run"), 12, DAYS as i64), place.path().join("state"));
    neurotop(&["watch", "--exit-when-finished", "--state", text(&state), text(&run)]);
    assert!(state.exists());
    let said = neurotop(&["doctor", "--state", text(&state), text(&run)]);
    assert!(said.contains("took 1 min 50 s, 0.10 batches/s, 1.60 samples/s"), "{said}");
}

#[test]
fn clocks_that_are_wrong_are_said_and_give_no_pace() {
    let place = tempfile::tempdir().expect("a directory");
    let copied = run_of(place.path().join("copied"), 8, 0);
    support::batches(&copied).iter().for_each(|path| set_time(path, 3600));
    let ahead = run_of(place.path().join("ahead"), 8, -7200);
    let unknown = run_of(place.path().join("unknown"), 8, 3600);
    let first = File::options().append(true).open(unknown.join("batch-000000.npz")).expect("a file");
    first.set_modified(SystemTime::UNIX_EPOCH).expect("a time");
    for (run, why) in [
        (copied, "all files are of one second: a short run, or a copy without times"),
        (ahead, "the newest file is 1 h in the future: a clock is wrong"),
        (unknown, "it is not known when 1 batch was written"),
    ] {
        let figures = summary(&run);
        let said = figures["run"]["clock"].as_str().expect("it is said").to_owned();
        assert!(said == why || said == why.replace("1 h", "2 h"), "{said}");
        assert_eq!(figures["run"]["elapsed_seconds"], Value::Null, "{why}");
        assert_eq!(figures["run"]["seconds_left"], Value::Null, "{why}");
        assert!(neurotop(&["summary", text(&run)]).contains(&said));
        assert!(neurotop(&["doctor", text(&run)]).contains(&said));
    }
}

#[test]
fn the_ranks_of_a_run_that_died_two_days_ago_have_been_silent_as_long() {
    let place = tempfile::tempdir().expect("a directory");
    let run = ranks_of(place.path().join("run"), DAYS as i64);
    let export = place.path().join("out.json");
    let mut watch = std::process::Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(["watch", "--state", "none", text(&run), "--export", text(&export)])
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
    let counted = lines.map_while(Result::ok).find(|line| line.contains("10/12 batches"));
    assert!(counted.is_some(), "it is counted");
    let pid = rustix::process::Pid::from_child(&watch);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("sent");
    watch.wait().expect("it ends");
    let figures = support::json(&export);
    for rank in figures["ranks"].as_array().expect("ranks") {
        let quiet = rank["quiet_seconds"].as_f64().expect("seconds");
        assert!((quiet - DAYS as f64).abs() < 60.0 && rank["state"] == "silent", "{rank}");
    }
}

#[test]
fn a_run_whose_times_cannot_be_right_is_stalled_without_an_age() {
    let place = tempfile::tempdir().expect("a directory");
    for (name, ago) in [("ahead", -7200), ("unknown", i64::MAX)] {
        let run = run_of(place.path().join(name), 8, 3600);
        for path in support::batches(&run) {
            match ago {
                i64::MAX => {
                    let file = File::options().append(true).open(&path).expect("a file");
                    file.set_modified(SystemTime::UNIX_EPOCH).expect("a time");
                }
                ago => set_time(&path, ago),
            }
        }
        let figures = summary(&run);
        assert_eq!(
            (&figures["run"]["status"], &figures["run"]["quiet_seconds"]),
            (&"stalled".into(), &Value::Null)
        );
        assert!(figures["run"]["clock"].is_string(), "{name}");
        let said = neurotop(&["summary", text(&run)]);
        assert!(!said.contains(" ago") && said.contains("Times: stalled.\n"), "{said}");
        assert!(neurotop(&["doctor", text(&run)]).contains("  times: stalled, "), "{name}");
        // While somebody looks on, it may go on, but not for ever; also after its batches were deleted.
        for more in [&["--state", "none"][..], &["--prune"], &["--prune"]] {
            for (stall_after, status) in [("9999", "live: "), ("0.5", "stalled: ")] {
                let args = [&["watch", "--stall-after", stall_after, text(&run)], more].concat();
                let is_pruned = || more != ["--prune"] || support::batches(&run).is_empty();
                let lines = progress_of(&args, &place.path().join("state"), status, is_pruned);
                assert!(lines.contains(status) && !lines.contains(" ago"), "{lines}");
            }
        }
        assert!(support::batches(&run).is_empty());
    }
}

#[test]
fn runs_of_one_name_are_told_apart_by_their_directories() {
    let place = tempfile::tempdir().expect("a directory");
    let runs = place.path().join("runs");
    for seed in 1..4 {
        run_of(runs.join(format!("seed-{seed}")), 12, 60);
    }
    let doctor = neurotop(&["doctor", text(&runs)]);
    let exports = ["out.json", "out.csv", "out.md", "out.txt"].map(|name| place.path().join(name));
    let metrics = place.path().join("metrics.prom");
    let mut args = vec![
        "watch",
        "--exit-when-finished",
        "--state",
        "none",
        text(&runs),
        "--openmetrics",
        text(&metrics),
    ];
    exports.iter().for_each(|path| args.extend(["--export", text(path)]));
    let lines = neurotop(&args);
    let mut outputs: Vec<String> = exports
        .iter()
        .chain([&metrics])
        .map(|path| fs::read_to_string(path).expect("it is written"))
        .collect();
    outputs.extend([doctor, lines]);
    for output in outputs {
        assert!((1..4).all(|seed| output.contains(&format!("seed-{seed}"))), "{output}");
    }
    let figures = support::json(&exports[0]);
    let directory = figures["runs"][0]["run"]["directory"].as_str().expect("a directory");
    assert_eq!(Path::new(directory), runs.join("seed-1"));
}

#[test]
fn a_name_that_is_not_the_directorys_has_it_beside_it() {
    let place = tempfile::tempdir().expect("a directory");
    let (other, same) = (place.path().join("exp1"), place.path().join("digits-snn"));
    for path in [&other, &same] {
        run_of(path.clone(), 12, 60);
    }
    assert!(neurotop(&["summary", text(&other)]).contains("neurotop · digits-snn (exp1) · finished"));
    assert!(neurotop(&["summary", text(&same)]).contains("neurotop · digits-snn · finished"));
    let export = place.path().join("exported.json");
    neurotop(&["summary", text(&other), "--export", text(&export)]);
    let compared = neurotop(&["compare", text(&export), text(&same)]);
    assert!(compared.contains("digits-snn (exp1) · 12 batches"), "{compared}");
}

#[test]
fn a_shard_that_has_only_a_batch_of_the_future_keeps_no_merged_run_alive() {
    let place = tempfile::tempdir().expect("a directory");
    let run = run_of(place.path().join("run"), 8, DAYS as i64);
    set_time(&run.join("batch-000007.npz"), -3600);
    let parts: Vec<PathBuf> = (1..=8).map(|number| place.path().join(format!("{number}.json"))).collect();
    for (number, part) in parts.iter().enumerate() {
        neurotop(&["summary", text(&run), "--shard", &format!("{}/8", number + 1), "-o", text(part)]);
    }
    let merge: Vec<&str> =
        ["merge", "--format", "json"].into_iter().chain(parts.iter().map(|part| text(part))).collect();
    let merged: Value = serde_json::from_str(&neurotop(&merge)).expect("JSON");
    assert_eq!(merged["run"]["status"], "stalled");
    assert!((seconds(&merged, "quiet_seconds") - seconds(&summary(&run), "quiet_seconds")).abs() < 60.0);
}
