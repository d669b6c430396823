//! Runs in a directory: more than are followed, of which the newest are; runs that are renamed, or have two names.

use crate::support;
use neurotop::follow::MAX_RUNS;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::watch::Watch;

/// A run without a batch, which is over unless it goes on.
fn write_run(runs: &Path, name: &str, is_over: bool) {
    let run = runs.join(name);
    fs::create_dir(&run).expect("a directory");
    let layer = serde_json::json!({"name": "lif", "neuron": "Leaky", "reset": "zero"});
    let manifest = serde_json::json!({"format": "neurotop", "version": 1, "run": name, "layers": [layer]});
    // The end comes first: what is seen in between is a run in any case.
    if is_over {
        fs::write(run.join("end.json"), r#"{"batches": 0}"#).expect("an end");
    }
    fs::write(run.join("manifest.json"), manifest.to_string()).expect("a manifest");
}

#[test]
fn a_run_that_comes_later_takes_the_place_of_one_that_is_over() {
    let runs = tempfile::tempdir().expect("a directory");
    write_run(runs.path(), "live", false);
    for number in 0..MAX_RUNS - 1 {
        write_run(runs.path(), &format!("over-{number:03}"), true);
    }
    let command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    let mut watch =
        Watch::start(command, runs.path(), &["--state", "none", "--poll", "0.2", "--stall-after", "9999"]);
    watch.until_logged(&["over-000", "the run is over"]);
    write_run(runs.path(), "late-1", true);
    write_run(runs.path(), "late-2", true);
    for late in ["late-1", "late-2"] {
        watch.until_logged(&[late, "manifest.json was read"]);
    }
    fs::write(runs.path().join("live/end.json"), r#"{"batches": 0}"#).expect("an end");
    let (code, figures) = watch.ends();
    let names = figures["runs"].as_array().expect("runs").iter().map(|run| run["run"]["name"].as_str());
    let names: BTreeSet<&str> = names.map(|name| name.expect("text")).collect();
    assert_eq!((code, names.len()), (0, MAX_RUNS), "{}", watch.said());
    assert!(["late-1", "late-2", "live"].iter().all(|name| names.contains(name)), "{names:?}");
    assert!(figures["runs"].as_array().expect("runs").iter().all(|run| run["complete"] == Value::Bool(true)));
    let said = watch.said();
    assert!(said.contains("2 older runs are not in these figures"), "{said}");
}

/// A run of so many batches that is not over yet.
fn write_open_run(run: &Path, batches: usize) {
    support::write_manifest(run, &[("lif", "Leaky", "zero", &[2])], None);
    for number in 0..batches {
        support::write_batch(run, number, &support::small_batch(), support::Archive::Stored);
    }
}

/// With and without progress that is kept.
#[test]
fn a_run_that_is_renamed_is_one_run_and_another_may_have_its_name() {
    for state in [&["--state", "none"][..], &[]] {
        let runs = tempfile::tempdir().expect("a directory");
        let at = |name: &str| runs.path().join(name);
        for (name, batches) in [("a", 2), ("b", 3)] {
            fs::create_dir(at(name)).expect("a directory");
            write_open_run(&at(name), batches);
        }
        let command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
        let more = [&["--poll", "0.2"], state].concat();
        let mut watch = Watch::start(command, runs.path(), &more);
        watch.until_logged(&["/b", "batch-000002.npz", "counted"]);
        watch.until_logged(&["/a", "batch-000001.npz", "counted"]);
        fs::rename(at("a"), at("renamed")).expect("renamed");
        watch.until_logged(&["the run was renamed", "/renamed"]);
        fs::create_dir(at("a")).expect("a directory");
        write_open_run(&at("a"), 4);
        support::write_batch(&at("renamed"), 2, &support::small_batch(), support::Archive::Stored);
        watch.until_logged(&["batch-000003.npz", "counted"]);
        for (name, batches) in [("a", 4), ("b", 3), ("renamed", 3)] {
            fs::write(at(name).join("end.json"), format!(r#"{{"batches": {batches}}}"#)).expect("an end");
        }
        let (code, figures) = watch.ends();
        let found: Vec<(&str, u64)> = figures["runs"]
            .as_array()
            .expect("runs")
            .iter()
            .map(|run| (run["run"]["directory"].as_str(), run["account"]["counted"].as_u64()))
            .map(|(path, counted)| (path.expect("text"), counted.expect("a number")))
            .map(|(path, counted)| (path.rsplit('/').next().expect("a name"), counted))
            .collect();
        assert_eq!((code, &found[..]), (0, &[("a", 4), ("b", 3), ("renamed", 3)][..]), "{}", watch.log());
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_is_linked_to_beside_itself_is_one_run() {
    let runs = tempfile::tempdir().expect("a directory");
    write_run(runs.path(), "zero", true);
    write_run(runs.path(), "one", true);
    for (name, target) in [("latest", "zero"), ("a-link", "one")] {
        std::os::unix::fs::symlink(target, runs.path().join(name)).expect("a link");
    }
    let command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    let (code, figures) = Watch::start(command, runs.path(), &["--state", "none", "--follow-links"]).ends();
    assert_eq!((code, figures["runs"].as_array().expect("runs").len()), (0, 2));
}
