//! What lies beside the parts of a run and looks like one: names that are nearly right, and runs in another place than
//! the one that was named. Each is said, once for its kind; what is not certain enough is not.

use crate::support;
use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;
use support::{Archive, small_batch, small_run, write_batch};
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// The exit code, standard output and standard error of a command about a path.
fn neurotop(command: &str, path: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .arg(command)
        .arg(path)
        .args(args)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("a code"), text(&output.stdout), text(&output.stderr))
}

/// The exit code, the figures and the problems (with how grave they are) of a summary.
fn summary(run: &Path) -> (i32, Value, Vec<(String, String, String)>) {
    let (code, figures, _) = neurotop("summary", run, &["--format", "json"]);
    let figures: Value = serde_json::from_str(&figures).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let problems = figures["problems"].as_array().expect("a list").iter();
    let problems = problems
        .map(|problem| (text(&problem["path"]), text(&problem["reason"]), text(&problem["severity"])))
        .collect();
    (code, figures, problems)
}

/// Puts a batch that could be counted under another name.
fn misname(run: &Path, names: &[&str]) {
    let elsewhere = directory();
    let batch = write_batch(elsewhere.path(), 0, &small_batch(), Archive::Stored);
    for name in names {
        let path = run.join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::copy(&batch, path).expect("a copy");
    }
}

/// A run without a batch of its own name.
fn run_of(names: &[&str]) -> TempDir {
    let run = directory();
    small_run(run.path(), 0);
    misname(run.path(), names);
    run
}

/// Where nothing else is the run, figures of nothing are not those of the run.
#[test]
fn a_run_all_of_whose_batches_are_misnamed_is_not_right() {
    for (names, hint) in [
        (["batch_000000.npz", "batch_000001.npz"], "name it batch-000000.npz"),
        (["batch0.npz", "batch1.npz"], "name it batch-0.npz"),
        (["step-3.npz", "step-4.npz"], "name it batch-3.npz"),
        (["batch-0.NPZ", "batch-1.NPZ"], "name it batch-0.npz"),
        (["batch-0.pt", "batch-1.pt"], "numpy.savez as batch-0.npz"),
        (["batch-0.npz.gz", "batch-1.npz.gz"], "unpack it"),
        (["batch-0.tar", "batch-1.tar.gz"], "unpack it"),
        (["batch-0.npz.bak", "batch-1.npz.bak"], "name it batch-0.npz"),
        (["batch-0.npz.1", "batch-0.npz.2"], "name it batch-0.npz"),
        (["batch-0.npz ", "batch-1.npz "], "name it batch-0.npz"),
        (["rank0/batch-0.npz", "rank1/batch-0.npz"], "name it rank-0"),
        (["rank_0/batch_0.npz", "rank_1/batch_0.npz"], "name it rank-0"),
        (["rank-a/batch-0.npz", "rank-b/batch-0.npz"], "name it rank-R"),
        (["rank-4294967295/batch-0.npz", "rank-4294967296/batch-0.npz"], "name it rank-R, a number below"),
        (["out/Batch_0.npz", "out/Batch_1.npz"], "move them there"),
        (["rank-0/batch_0.npz", "rank-1/batch_0.npz"], "name it rank-0/batch-0.npz"),
        (["batches/batch-0.npz", "batches/batch-1.npz"], "move them there"),
        (["data/batch-0.npz", "notes/notes.txt"], "move them there"),
    ] {
        let run = run_of(&names);
        let (code, figures, problems) = summary(run.path());
        assert_eq!((code, &figures["complete"]), (3, &Value::Bool(false)), "{names:?}: {problems:?}");
        let first = problems.first().unwrap_or_else(|| panic!("nothing is said of {names:?}"));
        assert!(first.1.contains(hint) && first.2 == "set_aside", "{names:?}: {problems:?}");
        assert!(names[0].starts_with(&first.0), "{problems:?}");
        let (code, said, _) = neurotop("doctor", run.path(), &[]);
        assert!(code == 3 && said.contains("WRONG") && said.contains(hint), "{names:?}: {code}: {said}");
    }
}

#[test]
fn beside_real_batches_the_same_is_a_notice() {
    let run =
        run_of(&["batch_7.npz", "batch-8.NPZ", "rank_1/batch-0.npz", "run/batch-0.npz", "manifest.json.txt"]);
    write_batch(run.path(), 0, &small_batch(), Archive::Stored);
    let (code, figures, problems) = summary(run.path());
    assert_eq!((code, &figures["account"]["counted"]), (0, &Value::from(1)), "{problems:?}");
    let named: Vec<(&str, &str)> = problems.iter().map(|(path, _, grave)| (&**path, &**grave)).collect();
    // The document is there under its right name.
    assert_eq!(named, ["batch-8.NPZ", "batch_7.npz", "rank_1", "run"].map(|name| (name, "notice")));
    let (code, said, _) = neurotop("doctor", run.path(), &[]);
    assert!(code == 0 && said.contains("run: it is a run of its own"), "{code}: {said}");
}

#[test]
fn copies_are_not_spoken_of_beside_batches_but_a_batch_with_a_blank_at_its_end_is() {
    let run = run_of(&["batch-0.npz.bak", "batch-0.npz~", "batch-7.npz.1", "batch-8.npz "]);
    write_batch(run.path(), 0, &small_batch(), Archive::Stored);
    let (code, _, problems) = summary(run.path());
    let named: Vec<&str> = problems.iter().map(|(path, ..)| &**path).collect();
    assert_eq!((code, &named[..]), (0, &["batch-8.npz "][..]), "{problems:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_text_is_not_right() {
    use std::os::unix::ffi::OsStrExt;
    let run = run_of(&[]);
    let name = std::ffi::OsStr::from_bytes(b"batch-0\xff.npz");
    write_batch(run.path(), 0, &small_batch(), Archive::Stored);
    fs::rename(run.path().join("batch-000000.npz"), run.path().join(name)).expect("renamed");
    let (code, _, problems) = summary(run.path());
    assert!(
        code == 3 && problems[0].1.contains("its name is not UTF-8; name it batch-N.npz"),
        "{problems:?}"
    );
    let (code, said, _) = neurotop("doctor", run.path(), &[]);
    assert!(code == 3 && said.contains("not UTF-8"), "{code}: {said}");
}

#[test]
fn of_many_of_a_kind_one_is_said_with_how_many_there_are() {
    let run = run_of(&[]);
    let names: Vec<String> = (0..300).map(|number| format!("batch_{number:06}.npz")).collect();
    misname(run.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    let (code, _, errors) = neurotop("summary", run.path(), &[]);
    let lines: Vec<&str> = errors.lines().filter(|line| line.contains("batch_")).collect();
    assert_eq!((code, lines.len()), (3, 1), "{errors}");
    assert!(lines[0].contains("batch_000000.npz") && lines[0].contains("299 more"), "{errors}");
    let (_, said, _) = neurotop("doctor", run.path(), &["--format", "json"]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let findings = said["runs"][0]["findings"].as_array().expect("a list");
    assert_eq!(findings.iter().filter(|finding| finding["severity"] == "wrong").count(), 1, "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn documents_that_are_nearly_right_are_said_unless_the_right_one_is_there() {
    for (wrong, right) in
        [("Manifest.json", "manifest.json"), ("manifest.json.txt", "manifest.json"), ("end.JSON", "end.json")]
    {
        let run = run_of(&[]);
        write_batch(run.path(), 0, &small_batch(), Archive::Stored);
        fs::copy(run.path().join("manifest.json"), run.path().join(wrong)).expect("a copy");
        if right == "manifest.json" {
            fs::remove_file(run.path().join(right)).expect("removed");
        }
        let (_, _, problems) = summary(run.path());
        let said = problems.iter().find(|(path, ..)| path == wrong);
        assert!(
            said.is_some_and(|(_, reason, _)| reason.contains(&format!("name it {right}"))),
            "{problems:?}"
        );
        fs::write(run.path().join(right), fs::read(run.path().join(wrong)).expect("read")).expect("written");
        let (_, _, problems) = summary(run.path());
        assert!(problems.iter().all(|(path, ..)| path != wrong), "{problems:?}");
    }
}

#[test]
fn nothing_is_said_of_what_people_keep_beside_batches() {
    let run = directory();
    small_run(run.path(), 1);
    let names = [
        "notes.txt",
        "model.pt",
        "checkpoint-3.pt",
        "batch_size.txt",
        "batch-0.log",
        ".batch_1.npz",
        "batch_1.npz.tmp",
        "manifest.json.bak",
        "rank_0/stdout.log",
        "logs/log.txt",
        "plots/batch_0.png",
        ".git/config",
    ];
    for name in names {
        let path = run.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, "x").expect("a file");
    }
    let (code, figures, problems) = summary(run.path());
    assert_eq!((code, &figures["complete"], problems), (0, &Value::Bool(true), vec![]));
    let (_, said, _) = neurotop("doctor", run.path(), &[]);
    assert!(names.iter().all(|name| !said.contains(name)), "{said}");
}

#[test]
fn a_directory_that_is_one_level_too_high_says_where_runs_are() {
    let top = directory();
    small_run(&top.path().join("experiments/seed-1"), 1);
    for command in ["summary", "doctor"] {
        let (code, said, errors) = neurotop(command, top.path(), &[]);
        let said = said + &errors;
        assert!(
            code == 1 && said.contains("experiments") && said.contains("directory of runs"),
            "{command}: {said}"
        );
    }
}

#[test]
fn ranks_that_are_taken_for_runs_are_said() {
    let run = directory();
    misname(run.path(), &["rank0/batch-0.npz", "rank1/batch-0.npz"]);
    let (code, said, _) = neurotop("doctor", run.path(), &[]);
    assert!(
        code == 0 && said.contains("taken for a run of its own") && said.contains("name it rank-0"),
        "{said}"
    );
    let (code, _, said) = neurotop("summary", run.path(), &[]);
    assert!(code == 0 && said.contains("name it rank-0"), "{said}");
}

#[cfg(unix)]
#[test]
fn links_to_runs_in_a_directory_of_runs_are_said_and_not_followed() {
    use std::os::unix::fs::symlink;
    let (runs, elsewhere) = (directory(), directory());
    small_run(&elsewhere.path().join("seed-1"), 1);
    symlink(elsewhere.path().join("seed-1"), runs.path().join("best")).expect("a link");
    let (code, said, _) = neurotop("doctor", runs.path(), &[]);
    assert!(code == 1 && said.contains("best") && said.contains("symbolic link to a run"), "{said}");
    small_run(&runs.path().join("seed-2"), 1);
    symlink("seed-2", runs.path().join("latest")).expect("a link");
    let (code, said, _) = neurotop("doctor", runs.path(), &[]);
    assert!(code == 0 && said.contains("best") && !said.contains("latest"), "{said}");
    let (_, said, _) = neurotop("doctor", runs.path(), &["--follow-links"]);
    assert!(!said.contains("symbolic link to a run"), "{said}");
    let mut watch = support::watch::Watch::start(
        std::process::Command::new(env!("CARGO_BIN_EXE_neurotop")),
        runs.path(),
        &["--state", "none"],
    );
    let (code, figures) = watch.ends();
    assert_eq!((code, &figures["run"]["batches"]), (0, &Value::from(1)), "one run is followed");
    let said = watch.said();
    assert!(said.contains("best: it is a symbolic link to a run") && !said.contains("latest"), "{said}");
}

/// What is said follows what is there.
#[cfg(unix)]
#[test]
fn a_hint_goes_with_the_name_that_it_is_about() {
    let run = directory();
    support::write_manifest(run.path(), &[("lif", "Leaky", "zero", &[2])], Some(2));
    misname(run.path(), &["batch_0.npz"]);
    let mut watch = support::watch::Watch::start(
        std::process::Command::new(env!("CARGO_BIN_EXE_neurotop")),
        run.path(),
        &["--state", "none", "--poll", "0.1"],
    );
    watch.until_logged(&["batch_0.npz", "batch number"]);
    fs::rename(run.path().join("batch_0.npz"), run.path().join("batch-0.npz")).expect("renamed");
    write_batch(run.path(), 1, &small_batch(), Archive::Stored);
    let (code, figures) = watch.ends();
    assert_eq!((code, &figures["problems"]), (0, &Value::Array(vec![])), "{}", watch.said());
}
