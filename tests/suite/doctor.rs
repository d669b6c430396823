//! `neurotop doctor`: what it says of good runs, of broken ones, and of what is no run.

use crate::support;
use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};
use support::{Archive, SMALL, small_batch};

fn doctor(path: &Path, args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .arg("doctor")
        .arg(path)
        .args(args)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", "/nonexistent")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code().expect("a code"), String::from_utf8(output.stdout).expect("text"))
}

/// What it says, without what depends on the machine.
fn said(path: &Path, args: &[&str]) -> String {
    let (code, text) = doctor(path, args);
    let lines = text.lines().filter(|line| !["  on ", "  times: "].iter().any(|of| line.starts_with(of)));
    let name = path.file_name().expect("a name").to_string_lossy();
    let text = lines.collect::<Vec<_>>().join("\n").replace(&format!(" ({name}):"), " (PATH):");
    format!("{}\nexit code {code}\n", text.replace(path.to_str().expect("text"), "PATH"))
}

fn json(path: &Path, args: &[&str]) -> (i32, Value) {
    let (code, text) = doctor(path, &[args, &["--format", "json"]].concat());
    (code, serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn good_runs() {
    for name in
        ["conv-mixed-digits", "directory-batches", "unpriced-rleaky", "unpriced-reset-none", "layer-twice"]
    {
        insta::assert_snapshot!(name, said(&support::golden(name), &[]));
    }
    insta::assert_snapshot!("demo-run-deep", said(&support::demo_run(), &["--deep"]));
}

#[test]
fn nothing_is_wrong_with_any_golden_run_and_its_updates_are_those_expected() {
    for name in support::golden_names() {
        let run = support::golden(&name);
        let expected = support::json(&run.join("expected.json"));
        let (code, said) = json(&run, &["--deep"]);
        assert_eq!(code, 0, "{name}: {said}");
        assert_eq!(said["runs"][0]["batches"]["readable"], expected["batches"], "{name}");
        let layers = expected["layers"].as_object().expect("layers");
        let updates: u64 = layers.values().map(|layer| layer["updates"].as_u64().expect("updates")).sum();
        assert_eq!(said["runs"][0]["batches"]["updates"], updates, "{name}");
    }
}

#[test]
fn a_run_with_everything_that_can_be_wrong() {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path().join("run");
    support::write_manifest(
        &run,
        &[("lif", "Leaky", "zero", &[2]), ("own\u{1b}[2J", "RLeaky", "subtract", &[2])],
        Some(20),
    );
    let mut members = small_batch();
    members.insert("own\u{1b}[2J.post".into(), members["lif.post"].clone());
    for number in [0, 1, 5] {
        support::write_batch(&run, number, &members, Archive::Stored);
    }
    members.insert("more.post".into(), members["lif.post"].clone());
    members.insert("lif.spikes".into(), members["lif.post"].clone());
    support::write_batch(&run, 9, &support::as_bits(&members), Archive::Stored);
    members.remove("own\u{1b}[2J.post");
    support::write_batch(&run, 10, &members, Archive::Stored);
    let whole = fs::read(run.join("batch-000000.npz")).expect("a batch");
    fs::write(run.join("batch-000011.npz"), &whole[..whole.len() / 2]).expect("half a batch");
    fs::write(run.join("batch-12"), "x").expect("a file");
    fs::write(run.join("batch-1.npz"), &whole).expect("a batch twice");
    fs::create_dir(run.join("batch-000013.npz")).expect("a directory");
    std::os::unix::fs::symlink("batch-000000.npz", run.join("batch-000014.npz")).expect("a link");
    fs::write(run.join("batch-x.npz"), &whole).expect("a file");
    fs::write(run.join(".batch-000015.npz"), &whole).expect("a file");
    fs::write(run.join("end.json"), r#"{"batches": 20}"#).expect("an end");
    let said = said(&run, &[]);
    assert!(!said.contains('\u{1b}'));
    insta::assert_snapshot!("everything-wrong", said);
}

#[test]
fn documents_that_are_wrong() {
    for (name, text) in [
        ("manifest.json", "{\"format\": \"neurotop\", "),
        ("manifest.json", "{\"format\": \"neurotop\", \"version\": 9}"),
        ("end.json", "[]"),
    ] {
        let run = tempfile::tempdir().expect("a directory");
        support::small_run(run.path(), 2);
        fs::write(run.path().join(name), text).expect("a file");
        let (code, said) = json(run.path(), &[]);
        assert_eq!(code, 3, "{name}: {said}");
        let finding = &said["runs"][0]["findings"][0];
        assert_eq!((finding["severity"].as_str(), finding["about"].as_str()), (Some("wrong"), Some(name)));
        assert_eq!(said["runs"][0]["batches"]["readable"], 2, "{name}");
    }
}

#[test]
fn an_end_that_is_wrong_is_not_called_missing() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 2);
    fs::write(run.path().join("end.json"), "[]").expect("a file");
    let (_, text) = doctor(run.path(), &[]);
    assert!(text.contains("no end.json that can be used") && !text.contains("no end.json yet"), "{text}");
    fs::remove_file(run.path().join("manifest.json")).expect("removed");
    let (_, text) = doctor(run.path(), &[]);
    assert!(text.contains("no manifest.json and no end.json that can be used"), "{text}");
}

#[test]
fn what_is_wrong_with_many_batches_alike_is_said_once() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 6);
    support::write_manifest(run.path(), &[("other", "Leaky", "zero", &[2])], None);
    let (code, text) = doctor(run.path(), &[]);
    assert_eq!((code, text.matches("WRONG").count()), (3, 1), "{text}");
    assert!(text.contains("batch-000000.npz, batch-000001.npz, batch-000002.npz and 3 more: "), "{text}");
    assert!(text.contains("6 things are wrong."), "{text}");
}

#[test]
fn what_cannot_be_looked_at_is_not_called_missing() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let (code, text) = doctor(&file.path().join("run"), &[]);
    assert_eq!(code, 1);
    assert!(text.contains("it cannot be looked at: ") && !text.contains("nothing is there"), "{text}");
}

#[test]
fn links_that_cannot_be_followed_are_called_what_they_are() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 1);
    std::os::unix::fs::symlink("nowhere", run.path().join("batch-000001.npz")).expect("a link");
    std::os::unix::fs::symlink("batch-000002.npz", run.path().join("batch-000002.npz")).expect("a link");
    let (_, followed) = doctor(run.path(), &["--follow-links"]);
    assert!(followed.contains("it is a symbolic link that leads nowhere, and no batch"), "{followed}");
    assert!(followed.contains("it is a loop of symbolic links, and no batch"), "{followed}");
    let (_, named) = doctor(run.path(), &[]);
    let both = "batch-000001.npz, batch-000002.npz: it is a symbolic link, which is not followed";
    assert!(named.contains(both), "{named}");
}

#[test]
fn a_batch_that_only_its_data_spoil_is_found_by_deep_alone() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 2);
    let path = run.path().join("batch-000001.npz");
    let mut bytes = fs::read(&path).expect("a batch");
    let at = bytes.windows(4).position(|bytes| bytes == 2_f32.to_le_bytes()).expect("a potential");
    bytes[at] ^= 1;
    fs::write(&path, bytes).expect("written");
    let (code, shallow) = json(run.path(), &[]);
    assert_eq!((code, &shallow["runs"][0]["batches"]["updates"]), (0, &Value::Null));
    let (code, deep) = json(run.path(), &["--deep"]);
    assert_eq!((code, deep["runs"][0]["batches"]["updates"].as_u64()), (3, Some(SMALL.0)));
    assert!(deep["runs"][0]["findings"][0]["what"].as_str().is_some_and(|what| what.contains("CRC-32")));
}

#[test]
fn a_fault_in_reading_batches_is_named_and_hides_nothing_else() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 2);
    fs::write(run.path().join("end.json"), "{").expect("a file");
    for args in [&[][..], &["--deep"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_neurotop"))
            .arg("doctor")
            .arg(run.path())
            .args(args)
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .env("XDG_STATE_HOME", "/nonexistent")
            .env("NEUROTOP_FAULT", "doctor")
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{text}");
        let says = "batch-000000.npz, batch-000001.npz: a fault of neurotop itself; please report it";
        assert!(text.contains(says), "{text}");
        assert!(text.contains("end.json") && text.contains("test-run"), "{text}");
    }
}

#[test]
fn what_the_user_says_of_layers_prices_them() {
    let run = tempfile::tempdir().expect("a directory");
    support::write_batch(run.path(), 0, &small_batch(), Archive::Stored);
    let (code, said) = json(run.path(), &[]);
    assert_eq!((code, &said["runs"][0]["layers"][0]["ops_per_update"]), (0, &Value::Null));
    let (_, said) = json(run.path(), &["--neuron", "RLeaky", "--reset", "zero", "--cost", "RLeaky:zero=7"]);
    assert_eq!(said["runs"][0]["layers"][0]["ops_per_update"], 7);
    assert_eq!(
        said["runs"][0]["findings"].as_array().map(Vec::len),
        Some(1),
        "the manifest alone is missing"
    );
}

#[test]
fn runs_and_batches_are_told_apart_from_what_is_none() {
    let place = tempfile::tempdir().expect("a directory");
    support::small_run(&place.path().join("runs/a"), 2);
    support::small_run(&place.path().join("runs/b"), 1);
    support::write_batch(&place.path().join("alone"), 3, &small_batch(), Archive::Directory);
    fs::create_dir(place.path().join("empty")).expect("a directory");
    fs::write(place.path().join("notes.txt"), "x").expect("a file");
    for (path, kind, code, runs) in [
        ("runs/a", "run", 0, 1),
        ("runs", "runs", 0, 2),
        ("runs/a/batch-000000.npz", "batch", 0, 1),
        ("alone/batch-000003", "batch", 0, 1),
        ("empty", "other", 1, 0),
        ("notes.txt", "other", 1, 0),
        ("nowhere", "missing", 1, 0),
    ] {
        let (found, said) = json(&place.path().join(path), &[]);
        assert_eq!((said["kind"].as_str(), found), (Some(kind), code), "{path}: {said}");
        assert_eq!(said["runs"].as_array().map(Vec::len), Some(runs), "{path}");
        assert_eq!(said["schema"], "neurotop.doctor/1");
    }
    fs::write(place.path().join("runs/b/batch-000000.npz"), "x").expect("a file");
    assert_eq!(doctor(&place.path().join("runs"), &[]).0, 3, "a run inside is wrong");
}

#[test]
fn a_producer_that_keeps_few_batches_has_gaps_that_are_no_fault() {
    let run = tempfile::tempdir().expect("a directory");
    let manifest = r#"{"format": "neurotop", "version": 1, "keep": 2, "layers": []}"#;
    for number in [0, 7, 8] {
        support::write_batch(run.path(), number, &small_batch(), Archive::Stored);
    }
    fs::write(run.path().join("manifest.json"), manifest).expect("a manifest");
    fs::write(run.path().join("end.json"), r#"{"batches": 9}"#).expect("an end");
    let (code, said) = json(run.path(), &[]);
    assert_eq!((code, said["runs"][0]["documents"]["keep"].as_u64()), (0, Some(2)), "{said}");
    assert_eq!(said["runs"][0]["batches"]["missing"], serde_json::json!([[1, 6]]));
    assert!(!said.to_string().contains("batch numbers are missing"));
}

#[test]
fn batches_that_were_counted_and_deleted_are_not_missing() {
    let place = tempfile::tempdir().expect("a directory");
    let (run, state) = (place.path().join("run"), place.path().join("run.state"));
    support::small_run(&run, 5);
    for (number, batch) in support::batches(&run).into_iter().enumerate() {
        let time = SystemTime::now() - Duration::from_secs(100 - 10 * number as u64);
        fs::File::options()
            .append(true)
            .open(batch)
            .and_then(|file| file.set_modified(time))
            .expect("a time");
    }
    fs::write(run.join("end.json"), r#"{"samples": 10, "batches": 5}"#).expect("an end");
    let state = state.to_str().expect("text");
    let watched = Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(["watch", "--prune", "--exit-when-finished", "--state", state])
        .arg(&run)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .output()
        .expect("it runs");
    assert!(watched.status.success(), "{watched:?}");
    assert!(support::batches(&run).is_empty());
    insta::assert_snapshot!("after-prune", said(&run, &["--state", state]));
    let (_, pruned) = doctor(&run, &["--state", state]);
    assert!(
        pruned.contains("batches/s") && !pruned.contains("samples/"),
        "nobody knows of how many: {pruned}"
    );
    let (code, without) = doctor(&run, &["--state", "none"]);
    assert_eq!(code, 3);
    assert!(without.contains("of the 5 batches that it names, 5 are not there"), "{without}");
    fs::write(state, "no progress").expect("a file");
    let (_, damaged) = doctor(&run, &["--state", state]);
    assert!(damaged.contains("the kept progress: it cannot be read"), "{damaged}");
}

#[test]
fn ranks_are_told_of_and_what_is_wrong_with_which() {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path().join("run");
    let layer = |reset| [("lif", "Leaky", reset, &[2_usize][..])];
    for (rank, batches) in [("rank-0", 3), ("rank-1", 2)] {
        for number in 0..batches {
            support::write_batch(&run.join(rank), number, &small_batch(), Archive::Stored);
        }
        support::write_manifest(&run.join(rank), &layer("zero"), Some(3));
        fs::write(run.join(rank).join("end.json"), "{}").expect("an end");
    }
    let good = json(&run, &["--deep"]);
    assert_eq!((good.0, &good.1["kind"]), (0, &Value::from("run")));
    let (said_of, batches) = (&good.1["runs"][0], &good.1["runs"][0]["batches"]);
    assert_eq!((&batches["seen"], &batches["updates"]), (&Value::from(5), &Value::from(5 * SMALL.0)));
    assert_eq!(said_of["documents"]["ended"], true, "all ranks are at their end");
    assert_eq!(said_of["ranks"][1], serde_json::json!({"rank": 1, "batches": 2, "ended": true}));
    support::write_manifest(&run.join("rank-1"), &layer("subtract"), None);
    let whole = fs::read(run.join("rank-0/batch-000000.npz")).expect("a batch");
    fs::write(run.join("rank-1.batch-1.npz"), &whole).expect("a batch twice");
    fs::write(run.join("rank-2.batch-7.npz"), &whole[..whole.len() / 2]).expect("half a batch");
    fs::write(run.join("rank-1/.batch-000002.npz"), &whole).expect("a file");
    fs::write(run.join("rank-2.end.json"), "[]").expect("an end");
    std::os::unix::fs::symlink("rank-0", run.join("rank-3")).expect("a link");
    for name in ["rank-99999999999999999999", "rank-x\u{1b}[2J"] {
        support::write_batch(&run.join(name), 0, &small_batch(), Archive::Stored);
    }
    let said = said(&run, &[]);
    assert!(!said.contains('\u{1b}'));
    insta::assert_snapshot!("ranks-wrong", said);
}

/// What a run says of a batch that counts under one of its names and is a link under another: the doctor says the same.
#[test]
fn a_batch_beside_a_link_of_its_number_is_no_twin() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 2);
    let (first, again) = (run.path().join("batch-000001.npz"), run.path().join("batch-1.npz"));
    fs::rename(&first, &again).expect("renamed");
    std::os::unix::fs::symlink("batch-1.npz", &first).expect("a link");
    let (code, said) = json(run.path(), &[]);
    let findings = said["runs"][0]["findings"].as_array().expect("findings");
    let wrong: Vec<&str> = findings.iter().filter_map(|finding| finding["about"].as_str()).collect();
    assert_eq!((code, wrong), (3, vec!["batch-000001.npz"]), "{said}");
    assert_eq!(said["runs"][0]["batches"]["readable"], 2);
}

#[test]
fn progress_of_another_run_in_a_directory_of_the_same_name_says_nothing_of_this_one() {
    let place = tempfile::tempdir().expect("a directory");
    let (run, state) = (place.path().join("run"), place.path().join("run.state"));
    let state = state.to_str().expect("text");
    for number in 0..5 {
        support::write_batch(&run, number, &small_batch(), Archive::Stored);
    }
    fs::write(run.join("end.json"), r#"{"batches": 5}"#).expect("an end");
    let watched = Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(["watch", "--prune", "--exit-when-finished", "--state", state])
        .arg(&run)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .output()
        .expect("it runs");
    assert!(watched.status.success(), "{watched:?}");
    let gone = |said: &Value| said["runs"][0]["batches"]["counted_and_gone"].as_u64();
    // As long as nothing else is there, what was counted is the run.
    assert_eq!(gone(&json(&run, &["--state", state]).1), Some(5));
    fs::rename(&run, place.path().join("old")).expect("moved");
    support::write_batch(&run, 7, &small_batch(), Archive::Stored);
    let (code, said) = json(&run, &["--state", state]);
    assert_eq!((code, gone(&said)), (0, Some(0)), "{said}");
    assert!(said.to_string().contains("it is that of another run"), "{said}");
}
