//! More runs in a directory than are followed: the newest are, also those that come later.

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
