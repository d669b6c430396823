//! Nothing that is kept of a run is lost without a word: below links that move, under other names, of other versions,
//! damaged, or put aside before the process was killed; and a producer is told of its own batches alone.

use crate::support;
use neurotop::run::state::read;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::{Archive, PATIENCE, SMALL, small_batch, until};

/// A user with a directory for runs and one for state of their own.
struct User {
    home: tempfile::TempDir,
    started: std::cell::Cell<u32>,
}

/// A process that watches a run, killed when dropped.
struct Watcher {
    child: Child,
    export: PathBuf,
}

impl User {
    fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a directory"), started: 0.into() }
    }

    /// A path in the user's directory, without links.
    fn path(&self, name: &str) -> PathBuf {
        self.home.path().canonicalize().expect("a directory").join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
        command.env("XDG_STATE_HOME", self.path("state")).env("XDG_CONFIG_HOME", "/nonexistent");
        command.env("HOME", self.home.path()).current_dir(self.home.path());
        command.stdin(Stdio::null());
        command
    }

    fn watch(&self, run: &str, more: &[&str]) -> Watcher {
        self.started.set(self.started.get() + 1);
        let export = self.path(&format!("export-{}.json", self.started.get()));
        let errors = fs::File::create(export.with_extension("errors")).expect("a file");
        let mut command = self.command();
        command
            .args(["watch", run, "--settle", "0.3", "--stall-after", "1"])
            .args(more)
            .arg("--export")
            .arg(&export)
            .arg("--log")
            .arg(export.with_extension("log"));
        let child = command.stdout(Stdio::null()).stderr(errors).spawn().expect("it starts");
        Watcher { child, export }
    }

    /// The same until the run is finished: the exit code, the export, and what was said.
    #[track_caller]
    fn watch_to_its_end(&self, run: &str, more: &[&str]) -> (i32, Value, String) {
        let more: Vec<&str> = more.iter().copied().chain(["--exit-when-finished"]).collect();
        self.watch(run, &more).ends()
    }

    /// Runs a command that ends at once.
    fn output(&self, words: &[&str]) -> Output {
        let mut child = self
            .command()
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("its state").is_none() {
            if Instant::now() > deadline {
                child.kill().expect("killed");
                panic!("it does not end: {words:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        child.wait_with_output().expect("its output")
    }

    /// The files in the directory for state, but for locks.
    fn states(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("state/neurotop")).expect("a directory");
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.retain(|path| path.extension().is_some_and(|suffix| suffix != "lock"));
        files.sort();
        files
    }

    /// A run whose batches were counted and deleted, and which waits for more.
    #[track_caller]
    fn pruned_run(&self, name: &str, id: Option<&str>, batches: usize) {
        let run = self.path(name);
        manifest(&run, id, json!({}));
        (0..batches).for_each(|number| add_batch(&run, number));
        let mut watcher = self.watch(name, &["--prune"]);
        until("all are deleted", || support::batches(&run).is_empty());
        watcher.kill();
    }
}

impl Watcher {
    #[track_caller]
    fn ends(&mut self) -> (i32, Value, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        };
        let export = if self.export.exists() { support::json(&self.export) } else { Value::Null };
        (status.code().expect("a code"), export, self.said())
    }

    fn said(&self) -> String {
        fs::read_to_string(self.export.with_extension("errors")).unwrap_or_default()
    }

    /// Waits until it watches a directory that is there, and takes signals.
    #[track_caller]
    fn until_it_watches(&self) {
        let log = || fs::read_to_string(self.export.with_extension("log")).unwrap_or_default();
        until("it watches", || log().contains("the directory is there"));
    }

    #[track_caller]
    fn leaves(&mut self) -> (i32, Value, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("sent");
        self.ends()
    }

    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the manifest of a run under another name, and renames it.
fn manifest(run: &Path, id: Option<&str>, more: Value) {
    let mut content = json!({
        "format": "neurotop", "version": 1, "run": "test-run", "producer": "the tests",
        "layers": [{"name": "lif", "neuron": "Leaky", "reset": "zero", "shape": [2]}],
    });
    if let Some(id) = id {
        content["id"] = id.into();
    }
    let more = more.as_object().expect("fields").clone();
    content.as_object_mut().expect("fields").extend(more);
    fs::create_dir_all(run).expect("a directory");
    fs::write(run.join(".manifest"), content.to_string()).expect("a manifest");
    fs::rename(run.join(".manifest"), run.join("manifest.json")).expect("renamed");
}

fn add_batch(run: &Path, number: usize) {
    support::write_batch(run, number, &small_batch(), Archive::Stored);
}

fn end(run: &Path, batches: usize) {
    fs::write(run.join("end.json"), json!({"batches": batches}).to_string()).expect("an end");
}

/// Asserts that so many batches are counted, all there are, and nothing is wrong.
#[track_caller]
fn is_whole((code, export, said): &(i32, Value, String), batches: usize) {
    assert_eq!((&export["run"]["batches"], *code), (&batches.into(), 0), "{said}\n{export:#}");
    assert_eq!(export["total"]["updates"], batches as u64 * SMALL.0);
    assert_eq!(export["complete"], true);
}

/// What is said of progress that is lost.
fn losses(export: &Value) -> Vec<String> {
    let problems = export["problems"].as_array().expect("problems").iter();
    let of_progress =
        problems.filter(|problem| problem["path"].as_str().is_some_and(|path| path.starts_with("progress")));
    of_progress
        .filter(|problem| problem["severity"] == "set_aside")
        .map(|problem| problem["reason"].as_str().expect("text").to_owned())
        .collect()
}

/// Asserts that so many losses are said, and nothing is complete.
#[track_caller]
fn has_lost((code, export, said): &(i32, Value, String), losses_said: usize) {
    assert_eq!((losses(export).len(), *code), (losses_said, 3), "{said}\n{export:#}");
    assert_eq!(export["complete"], false);
    assert!(said.contains("set aside"), "{said}");
}

#[test]
fn a_run_below_a_link_goes_on_however_early_the_watch_began() {
    let user = User::new();
    fs::create_dir(user.path("disk")).expect("a directory");
    symlink("disk", user.path("scratch")).expect("a link");
    symlink("scratch/exp2", user.path("latest")).expect("a link to nothing yet");
    for (named, run) in [("scratch/exp1", "disk/exp1"), ("latest", "disk/exp2")] {
        let run = user.path(run);
        let mut first = user.watch(named, &["--prune"]);
        until("it waits", || user.path("state/neurotop").is_dir());
        std::thread::sleep(Duration::from_millis(300));
        manifest(&run, None, json!({}));
        (0..4).for_each(|number| add_batch(&run, number));
        until("all are deleted", || support::batches(&run).is_empty());
        // By any name it is one run, which one process keeps.
        let mut other = user.watch(run.to_str().expect("text"), &["--prune"]);
        until("the other leaves it to the first", || {
            other.said().contains("another neurotop keeps its progress")
        });
        other.kill();
        first.kill();
        (4..6).for_each(|number| add_batch(&run, number));
        end(&run, 6);
        is_whole(&user.watch_to_its_end(named, &["--prune"]), 6);
        is_whole(&user.watch_to_its_end(run.to_str().expect("text"), &["--prune"]), 6);
    }
}

#[test]
fn a_link_that_is_moved_on_leads_to_a_run_with_progress_of_its_own() {
    for id in [true, false] {
        let user = User::new();
        let id = |name| id.then_some(name);
        let (one, two) = (user.path("run-1"), user.path("run-2"));
        manifest(&one, id("one"), json!({}));
        (0..3).for_each(|number| add_batch(&one, number));
        symlink("run-1", user.path("latest")).expect("a link");
        let mut watcher = user.watch("latest", &["--prune"]);
        until("all of the first are deleted", || support::batches(&one).is_empty());
        let before = user.states();
        let kept = || {
            let progress = read(&before[0]).expect("it is read").expect("progress");
            (progress.directory, progress.counted.fingerprint(), progress.sums)
        };
        let of_the_first = kept();
        symlink("run-2", user.path("next")).expect("a link");
        fs::rename(user.path("next"), user.path("latest")).expect("moved on");
        std::thread::sleep(Duration::from_millis(700));
        manifest(&two, id("two"), json!({}));
        (0..2).for_each(|number| add_batch(&two, number));
        until("all of the second are deleted", || support::batches(&two).is_empty());
        assert_eq!(kept(), of_the_first, "that of the first stays as it was");
        watcher.kill();
        for (run, batches) in [(&two, 2), (&one, 3)] {
            add_batch(run, batches);
            end(run, batches + 1);
        }
        is_whole(&user.watch_to_its_end("latest", &["--prune"]), 3);
        is_whole(&user.watch_to_its_end("run-1", &["--prune"]), 4);
        assert_eq!(user.states().len(), 2, "nothing was put aside");
    }
}

#[test]
fn a_link_that_is_moved_back_finds_what_was_counted_there() {
    let user = User::new();
    let runs = ["run-1", "run-2"].map(|name| user.path(name));
    for run in &runs {
        manifest(run, None, json!({}));
        add_batch(run, 0);
    }
    let point_to = |name: &str| {
        symlink(name, user.path("next")).expect("a link");
        fs::rename(user.path("next"), user.path("latest")).expect("moved on");
    };
    point_to("run-1");
    let mut watcher = user.watch("latest", &["--prune"]);
    until("the first is deleted", || support::batches(&runs[0]).is_empty());
    point_to("run-2");
    until("the second is deleted", || support::batches(&runs[1]).is_empty());
    point_to("run-1");
    add_batch(&runs[0], 1);
    until("the last is deleted", || support::batches(&runs[0]).is_empty());
    let (code, export, said) = watcher.leaves();
    assert_eq!((&export["run"]["batches"], code), (&2.into(), 0), "{said}");
}

#[test]
fn a_run_that_is_watched_through_another_name_from_now_on_keeps_its_progress() {
    let user = User::new();
    user.pruned_run("exp1", None, 3);
    // The disk is full: the run moves, and a link leads to it.
    fs::create_dir(user.path("disk")).expect("a directory");
    let mut watcher = user.watch("exp1", &["--prune"]);
    watcher.until_it_watches();
    fs::rename(user.path("exp1"), user.path("disk/exp1")).expect("moved");
    symlink("disk/exp1", user.path("exp1")).expect("a link");
    let run = user.path("disk/exp1");
    std::thread::sleep(Duration::from_millis(700));
    add_batch(&run, 3);
    until("it is deleted", || support::batches(&run).is_empty());
    watcher.kill();
    add_batch(&run, 4);
    end(&run, 5);
    is_whole(&user.watch_to_its_end("exp1", &["--prune"]), 5);
    is_whole(&user.watch_to_its_end("disk/exp1", &["--prune"]), 5);
}

#[test]
fn a_pruned_run_that_is_copied_to_another_disk_while_it_is_watched_keeps_its_progress() {
    let user = User::new();
    user.pruned_run("exp1", Some("one"), 3);
    let mut watcher = user.watch("exp1", &["--prune"]);
    add_batch(&user.path("exp1"), 3);
    until("it is deleted", || support::batches(&user.path("exp1")).is_empty());
    let run = user.path("disk/exp1");
    fs::create_dir_all(&run).expect("a directory");
    fs::copy(user.path("exp1/manifest.json"), run.join("manifest.json")).expect("copied");
    fs::remove_dir_all(user.path("exp1")).expect("removed");
    symlink("disk/exp1", user.path("exp1")).expect("a link");
    add_batch(&run, 4);
    until("it is deleted there", || support::batches(&run).is_empty());
    let (code, export, said) = watcher.leaves();
    assert_eq!((&export["run"]["batches"], code), (&5.into(), 0), "{said}");
    assert_eq!(user.states().len(), 1, "{said}");
}

#[test]
fn a_pruned_run_that_is_renamed_is_found_by_its_manifest() {
    for id in [Some("one"), None] {
        let user = User::new();
        user.pruned_run("exp1", id, 3);
        fs::rename(user.path("exp1"), user.path("kept")).expect("renamed");
        // Another run of the same network begins in its place, and has nothing to do with it.
        let other = user.path("exp1");
        manifest(&other, id.map(|_| "two"), json!({}));
        add_batch(&other, 0);
        end(&other, 1);
        let run = user.path("kept");
        add_batch(&run, 3);
        end(&run, 4);
        // Whether it is waited for or is there already.
        fs::rename(&run, user.path("away")).expect("moved");
        fs::rename(&other, user.path("later")).expect("moved");
        let mut waits = user.watch("kept", &["--prune", "--exit-when-finished"]);
        until("it waits", || waits.said().contains("waiting for") || user.states().len() == 1);
        std::thread::sleep(Duration::from_millis(700));
        fs::rename(user.path("away"), &run).expect("moved");
        is_whole(&waits.ends(), 4);
        is_whole(&user.watch_to_its_end("kept", &["--prune"]), 4);
        fs::rename(user.path("later"), &other).expect("moved");
        is_whole(&user.watch_to_its_end("exp1", &["--prune"]), 1);
    }
}

#[test]
fn a_copy_takes_nothing_away_from_the_run_that_is_still_there() {
    let user = User::new();
    user.pruned_run("exp1", Some("one"), 3);
    support::copy_run(&user.path("exp1"), &user.path("copy"));
    for name in ["copy", "exp1"] {
        add_batch(&user.path(name), 3);
        end(&user.path(name), 4);
    }
    // What the copy lacks is in the progress of the run itself.
    has_lost(&user.watch_to_its_end("copy", &[]), 1);
    is_whole(&user.watch_to_its_end("exp1", &[]), 4);
}

/// A run without an id that is copied to another disk, and deleted here.
#[test]
fn progress_that_may_be_of_a_run_which_was_moved_is_said() {
    let user = User::new();
    user.pruned_run("exp1", None, 3);
    support::copy_run(&user.path("exp1"), &user.path("moved"));
    fs::remove_dir_all(user.path("exp1")).expect("removed");
    let moved = user.path("moved");
    add_batch(&moved, 3);
    end(&moved, 4);
    let told = user.watch_to_its_end("moved", &["--prune"]);
    has_lost(&told, 1);
    let state = losses(&told.1)[0].rsplit(' ').next().expect("a file").to_owned();
    assert!(Path::new(&state).is_file(), "{state}");
}

#[test]
fn a_link_to_a_directory_of_runs_that_is_moved_on_leads_to_other_runs() {
    let user = User::new();
    for (set, batches) in [("set-1", 3), ("set-2", 2)] {
        for name in ["exp1", "exp2"] {
            let run = user.path(set).join(name);
            manifest(&run, None, json!({}));
            (0..batches).for_each(|number| add_batch(&run, number));
        }
    }
    symlink("set-1", user.path("sets")).expect("a link");
    let all_deleted = |set: &str| {
        ["exp1", "exp2"].iter().all(|name| support::batches(&user.path(set).join(name)).is_empty())
    };
    let mut watcher = user.watch("./sets", &["--prune"]);
    until("those of the first are deleted", || all_deleted("set-1"));
    symlink("set-2", user.path("next")).expect("a link");
    fs::rename(user.path("next"), user.path("sets")).expect("moved on");
    until("those of the second are deleted", || all_deleted("set-2"));
    let (code, export, said) = watcher.leaves();
    let batches = |at: usize| &export["runs"][at]["run"]["batches"];
    assert_eq!((batches(0), batches(1), code), (&2.into(), &2.into(), 0), "{said}");
    for (set, batches) in [("set-1", 4), ("set-2", 3)] {
        let run = user.path(set).join("exp1");
        add_batch(&run, batches);
        end(&run, batches);
        is_whole(&user.watch_to_its_end(&format!("{set}/exp1"), &[]), batches);
    }
}

#[test]
fn a_run_that_comes_back_to_its_place_goes_on() {
    let user = User::new();
    user.pruned_run("run", Some("one"), 3);
    fs::rename(user.path("run"), user.path("away")).expect("moved");
    manifest(&user.path("run"), Some("two"), json!({}));
    add_batch(&user.path("run"), 0);
    end(&user.path("run"), 1);
    has_lost(&user.watch_to_its_end("run", &["--prune"]), 1);
    has_lost(&user.watch_to_its_end("run", &["--prune"]), 1);
    fs::remove_dir_all(user.path("run")).expect("removed");
    fs::rename(user.path("away"), user.path("run")).expect("moved");
    end(&user.path("run"), 3);
    let (_, export, said) = user.watch_to_its_end("run", &["--prune"]);
    assert_eq!(export["run"]["batches"], 3, "{said}");
}

#[test]
fn progress_that_was_put_aside_is_said_whenever_the_process_is_killed_and_each_time() {
    let user = User::new();
    let run = user.path("run");
    user.pruned_run("run", Some("one"), 3);
    let state = user.states().pop().expect("progress");
    let aside = |number: u32| PathBuf::from(format!("{}.void-{number}", state.display()));
    for (number, id) in [(1, "two"), (2, "three")] {
        manifest(&run, Some(id), json!({}));
        add_batch(&run, 0);
        // Killed as soon as anything of it can be seen.
        let mut watcher = user.watch("run", &["--prune"]);
        until("it is put aside", || aside(number).exists());
        watcher.kill();
        let mut watcher = user.watch("run", &["--prune"]);
        until("its own is deleted", || support::batches(&run).is_empty());
        watcher.kill();
    }
    end(&run, 1);
    for _ in 0..2 {
        let told = user.watch_to_its_end("run", &["--prune"]);
        has_lost(&told, 2);
        let reasons = losses(&told.1).join("\n");
        assert!(
            reasons.contains("3 batches") && reasons.contains("void-1") && reasons.contains("void-2"),
            "{reasons}"
        );
    }
    // Whoever deletes them has been told.
    fs::remove_file(aside(1)).expect("removed");
    has_lost(&user.watch_to_its_end("run", &["--prune"]), 1);
    fs::remove_file(aside(2)).expect("removed");
    is_whole(&user.watch_to_its_end("run", &["--prune"]), 1);
}

#[test]
fn of_two_runs_that_replace_one_another_while_they_are_watched_both_are_said() {
    let user = User::new();
    let run = user.path("run");
    manifest(&run, Some("one"), json!({}));
    add_batch(&run, 0);
    let mut watcher = user.watch("run", &["--prune"]);
    for id in ["two", "three"] {
        until("it is deleted", || support::batches(&run).is_empty());
        std::thread::sleep(Duration::from_millis(300));
        manifest(&run, Some(id), json!({}));
        std::thread::sleep(Duration::from_millis(300));
        add_batch(&run, 0);
    }
    until("the last is deleted", || support::batches(&run).is_empty());
    end(&run, 1);
    has_lost(&watcher.leaves(), 2);
    has_lost(&user.watch_to_its_end("run", &["--prune"]), 2);
}

/// What becomes of a state file.
type Spoil = fn(&Path);

/// A state file that a pruned run cannot be gone on from, in whatever way.
#[test]
fn a_state_file_that_cannot_be_gone_on_from_is_said_by_every_later_process() {
    let spoil: [(&str, Spoil); 4] = [
        ("damaged", |state| {
            let mut bytes = fs::read(state).expect("progress");
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(state, bytes).expect("written");
        }),
        ("cut off", |state| fs::write(state, &fs::read(state).expect("progress")[..50]).expect("written")),
        ("cut off", |state| fs::write(state, "").expect("written")),
        ("of version 3", |state| {
            let mut bytes = fs::read(state).expect("progress");
            bytes[16] = 3;
            fs::write(state, bytes).expect("written");
        }),
    ];
    for (what, spoil) in spoil {
        let user = User::new();
        let run = user.path("run");
        user.pruned_run("run", None, 3);
        spoil(&user.states()[0]);
        add_batch(&run, 3);
        end(&run, 4);
        let told = user.watch_to_its_end("run", &["--prune"]);
        has_lost(&told, 1);
        assert!(told.2.contains(what), "{what}: {}", told.2);
        assert_eq!(told.1["run"]["batches"], 1);
        has_lost(&user.watch_to_its_end("run", &[]), 1);
        assert_eq!(user.states().len(), 2, "what was there is still there");
    }
}

#[test]
fn nothing_is_lost_where_all_batches_are_counted_again() {
    let user = User::new();
    let run = user.path("run");
    manifest(&run, None, json!({}));
    (0..3).for_each(|number| add_batch(&run, number));
    end(&run, 3);
    is_whole(&user.watch_to_its_end("run", &[]), 3);
    fs::write(&user.states()[0], "").expect("written");
    for _ in 0..2 {
        let told = user.watch_to_its_end("run", &[]);
        is_whole(&told, 3);
        assert!(told.2.contains("progress"), "it is said all the same: {}", told.2);
    }
    // An empty file that somebody made is none that lost anything.
    fs::write(user.path("mine.state"), "").expect("a file");
    let told = user.watch_to_its_end("run", &["--state", "mine.state"]);
    assert!(told.0 == 0 && !told.2.contains("progress:"), "{}", told.2);
}

#[test]
fn progress_of_a_newer_version_is_left_for_the_program_that_wrote_it() {
    let user = User::new();
    user.pruned_run("run", None, 3);
    let state = user.states().pop().expect("progress");
    let mut bytes = fs::read(&state).expect("progress");
    bytes[16] = 200;
    fs::write(&state, &bytes).expect("written");
    let output = user.output(&["watch", "run", "--prune", "--exit-when-finished"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("version 200") && said.contains("update neurotop"), "{said}");
    assert_eq!(fs::read(&state).expect("progress"), bytes);
}

#[test]
fn progress_of_the_versions_before_is_gone_on_from() {
    for (version, id, updates) in [(5, "v5", 88), (6, "one", 96)] {
        let user = User::new();
        let run = user.path("run");
        let layer = |name| json!({"name": name, "neuron": "Leaky", "reset": "zero", "shape": [2]});
        manifest(&run, Some(id), json!({"layers": [layer("a"), layer("b")]}));
        let state = user.path("old.state");
        let old = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::copy(old.join(format!("tests/states/version-{version}.state")), &state).expect("a copy");
        end(&run, 6);
        // The second goes on from what the first made of it.
        for _ in 0..2 {
            let told = user.watch_to_its_end("run", &["--state", "old.state"]);
            let total = &told.1["total"];
            assert_eq!(
                (&told.1["run"]["batches"], &total["updates"]),
                (&5.into(), &updates.into()),
                "{}",
                told.2
            );
            assert!(told.2.contains("batch-7.npz"), "what it named is named: {}", told.2);
        }
    }
}

#[test]
fn a_state_file_that_cannot_be_read_now_is_a_loss_until_all_is_counted() {
    let user = User::new();
    let run = user.path("run");
    user.pruned_run("run", None, 2);
    let state = user.states().pop().expect("progress");
    let away = user.path("away");
    fs::rename(&state, &away).expect("moved");
    fs::create_dir(&state).expect("in the way");
    add_batch(&run, 2);
    end(&run, 3);
    for _ in 0..2 {
        has_lost(&user.watch_to_its_end("run", &["--prune"]), 1);
        assert_eq!(support::batches(&run).len(), 1, "nothing is deleted");
    }
    fs::remove_dir(&state).expect("removed");
    fs::rename(&away, &state).expect("moved back");
    is_whole(&user.watch_to_its_end("run", &["--prune"]), 3);
}

#[test]
fn a_state_file_behind_a_link_stays_where_it_is() {
    let user = User::new();
    let run = user.path("run");
    fs::create_dir(user.path("disk")).expect("a directory");
    symlink("disk/run.state", user.path("run.state")).expect("a link");
    manifest(&run, None, json!({}));
    add_batch(&run, 0);
    let mut first = user.watch("run", &["--state", "run.state"]);
    until("it is written", || user.path("disk/run.state").is_file());
    let second = user.watch("run", &["--state", "disk/run.state"]);
    until("it is one file", || second.said().contains("another neurotop keeps its progress"));
    first.leaves();
    assert!(user.path("run.state").is_symlink());
}

#[test]
fn pipes_and_links_in_the_place_of_files_are_refused_at_once() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let user = User::new();
    manifest(&user.path("run"), None, json!({"expected_batches": 0}));
    let pipe = |name: &str| {
        mknodat(CWD, user.path(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe")
    };
    ["run.state", "locked.state.lock", "config"].into_iter().for_each(pipe);
    fs::write(user.path("mine"), "mine").expect("a file");
    symlink("mine", user.path("linked.state.lock")).expect("a link");
    for (words, named) in [
        (["--state", "run.state"], "run.state: it is a pipe"),
        (["--state", "locked.state"], "locked.state.lock is a link or no regular file"),
        (["--state", "linked.state"], "linked.state.lock is a link or no regular file"),
        (["--config", "config"], "config"),
    ] {
        let output = user.output(&["watch", "run", words[0], words[1], "--exit-when-finished"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        assert!(said.contains(named), "{words:?}: {said}");
    }
    assert!(!user.path("linked.state").exists());
}

#[test]
fn two_outputs_of_one_name_are_refused() {
    let user = User::new();
    manifest(&user.path("run"), None, json!({"expected_batches": 0}));
    fs::create_dir(user.path("disk")).expect("a directory");
    symlink("disk", user.path("link")).expect("a link");
    for words in [
        ["--state", "all.json", "--export", "all.json"],
        ["--state", "disk/all.json", "--export", "link/all.json"],
        ["--log", "all.json", "--export", "./all.json"],
        ["--log", "x", "--state", "x"],
        ["--tensorboard", "x", "--state", "x"],
        ["--openmetrics", "x.prom", "--state", "x.prom"],
        ["--log", "x.lock", "--state", "x"],
    ] {
        let output = user.output(&[&["watch", "run", "--exit-when-finished"][..], &words].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(words[0]) && said.contains(words[2]), "{words:?}: {said}");
    }
    fs::write(user.path("config"), "export = \"all.json\"\n").expect("a file");
    let output =
        user.output(&["watch", "run", "--config", "config", "--state", "all.json", "--exit-when-finished"]);
    assert_eq!(output.status.code(), Some(2));
    let output = user.output(&["summary", "run", "--log", "all.json", "--export", "all.json"]);
    assert_eq!(output.status.code(), Some(2));
}

/// What the file in the run's directory says.
fn acknowledged(run: &Path) -> Value {
    let text = fs::read_to_string(run.join(".neurotop-counted.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

#[test]
fn acknowledgements_are_of_the_run_that_is_there() {
    let user = User::new();
    let run = user.path("run");
    let keep = |id: &str| manifest(&run, Some(id), json!({"keep": 2}));
    let of = |id: &str, batches: Value| {
        let told = acknowledged(&run);
        told["id"] == id && told["batches"] == batches
    };
    keep("one");
    (0..3).for_each(|number| add_batch(&run, number));
    let mut watcher = user.watch("run", &[]);
    until("all are acknowledged", || of("one", json!([[0, 2]])));
    // While it is watched: the producer deletes, and begins another run.
    support::batches(&run).iter().for_each(|batch| fs::remove_file(batch).expect("removed"));
    keep("two");
    until("nothing of the second is counted", || of("two", json!([])));
    add_batch(&run, 0);
    until("it is acknowledged", || of("two", json!([[0, 0]])));
    watcher.kill();
    // While nobody watches.
    fs::remove_file(run.join("batch-000000.npz")).expect("removed");
    keep("three");
    let mut watcher = user.watch("run", &[]);
    until("nothing of the third is counted", || of("three", json!([])));
    watcher.kill();
    // A restart acknowledges what was counted before, but for what is another batch by now.
    (0..3).for_each(|number| add_batch(&run, number));
    let mut watcher = user.watch("run", &[]);
    until("all are acknowledged", || of("three", json!([[0, 2]])));
    watcher.kill();
    std::thread::sleep(Duration::from_millis(50));
    add_batch(&run, 1);
    let mut watcher = user.watch("run", &[]);
    until("the one that changed is not", || of("three", json!([[0, 0], [2, 2]])));
    watcher.kill();
}

#[test]
fn acknowledgements_of_ranks_have_the_id_of_the_run() {
    let user = User::new();
    let run = user.path("run");
    manifest(&run, Some("one"), json!({"keep": 2, "world_size": 2}));
    for rank in 0..2 {
        add_batch(&run, rank);
        fs::rename(
            run.join(format!("batch-00000{rank}.npz")),
            run.join(format!("rank-{rank}.batch-00000{rank}.npz")),
        )
        .expect("renamed");
    }
    let _watcher = user.watch("run", &[]);
    let ranks = |told: &Value| told["ranks"] == json!({"0": [[0, 0]], "1": [[1, 1]]});
    until("all are acknowledged", || acknowledged(&run)["id"] == "one" && ranks(&acknowledged(&run)));
    for rank in 0..2 {
        fs::remove_file(run.join(format!("rank-{rank}.batch-00000{rank}.npz"))).expect("removed");
    }
    manifest(&run, Some("two"), json!({"keep": 2, "world_size": 2}));
    until("nothing is", || acknowledged(&run)["id"] == "two" && acknowledged(&run)["ranks"].is_null());
}

/// The directory is replaced by that of another run, which was watched before under its own name.
#[test]
fn a_directory_that_is_replaced_has_the_progress_of_the_run_that_is_in_it_now() {
    for with_id in [true, false] {
        let id = |name| with_id.then_some(name);
        let user = User::new();
        user.pruned_run("other", id("other"), 2);
        user.pruned_run("run", id("first"), 3);
        let run = user.path("run");
        let mut watcher = user.watch("run", &["--prune"]);
        watcher.until_it_watches();
        fs::rename(&run, user.path("first")).expect("moved");
        fs::rename(user.path("other"), &run).expect("moved");
        // A number that the first one does not have.
        add_batch(&run, 7);
        until("it is deleted", || support::batches(&run).is_empty());
        end(&run, 3);
        std::thread::sleep(Duration::from_millis(700));
        let told = watcher.leaves();
        assert_eq!(told.1["run"]["batches"], 3, "{}", told.2);
        // Both are found under other names, without what was lost in the place that they had.
        for (from, name, batches) in [("first", "first", 4), ("run", "moved", 4)] {
            fs::rename(user.path(from), user.path(name)).expect("renamed");
            add_batch(&user.path(name), 9);
            end(&user.path(name), batches);
            is_whole(&user.watch_to_its_end(name, &["--prune"]), batches);
        }
    }
}

/// The manifests say nothing, and no batch is there that the first run had.
#[test]
fn a_directory_that_is_replaced_by_a_run_without_an_id_has_nothing_of_the_first() {
    let user = User::new();
    user.pruned_run("run", None, 3);
    let run = user.path("run");
    let mut watcher = user.watch("run", &["--prune"]);
    watcher.until_it_watches();
    fs::rename(&run, user.path("first")).expect("moved");
    manifest(&user.path("new"), None, json!({}));
    fs::rename(user.path("new"), &run).expect("moved");
    std::thread::sleep(Duration::from_millis(1200));
    add_batch(&run, 7);
    until("it is deleted", || support::batches(&run).is_empty());
    let told = watcher.leaves();
    assert_eq!(told.1["run"]["batches"], 1, "{}", told.2);
    has_lost(&told, 1);
}

/// Makes a directory with these batches under another name, and renames it.
fn make_run(user: &User, has_manifest: bool, numbers: &[usize]) {
    let new = user.path("new");
    fs::create_dir(&new).expect("a directory");
    if has_manifest {
        manifest(&new, None, json!({}));
    }
    numbers.iter().for_each(|&number| add_batch(&new, number));
    fs::rename(new, user.path("run")).expect("moved");
}

/// Its manifest has no id, or there is none, and no batch is left: only the directory itself says it.
#[test]
fn a_pruned_run_whose_directory_was_made_anew_between_two_processes_is_another_one() {
    for (has_manifest, numbers) in [(true, [0, 1]), (true, [7, 8]), (false, [0, 1]), (false, [7, 8])] {
        let user = User::new();
        make_run(&user, has_manifest, &[0, 1, 2, 3]);
        let run = user.path("run");
        let mut first = user.watch("run", &["--prune"]);
        until("all are deleted", || support::batches(&run).is_empty());
        first.kill();
        fs::rename(&run, user.path("first")).expect("moved");
        make_run(&user, has_manifest, &numbers);
        end(&run, 2);
        let told = user.watch_to_its_end("run", &["--prune"]);
        assert_eq!(told.1["run"]["batches"], 2, "{has_manifest} {numbers:?} {}", told.2);
        has_lost(&told, 1);
        assert!(losses(&told.1)[0].starts_with("4 batches"), "{:?}", losses(&told.1));
    }
}

#[test]
fn another_directory_alone_makes_no_other_run() {
    // The same one goes on, whatever numbers come.
    let user = User::new();
    make_run(&user, false, &[0, 1, 2, 3]);
    let run = user.path("run");
    let mut first = user.watch("run", &["--prune"]);
    until("all are deleted", || support::batches(&run).is_empty());
    first.kill();
    [7, 8].iter().for_each(|&number| add_batch(&run, number));
    end(&run, 6);
    is_whole(&user.watch_to_its_end("run", &["--prune"]), 6);
    // A batch that is there as it was counted, and the same id.
    for id in [None, Some("one")] {
        let user = User::new();
        let run = user.path("run");
        manifest(&run, id, json!({}));
        (0..4).for_each(|number| add_batch(&run, number));
        let mut first = user.watch("run", &[]);
        until("they are kept", || user.path("state/neurotop").is_dir() && !user.states().is_empty());
        let told = first.leaves();
        assert_eq!(told.1["run"]["batches"], 4, "{}", told.2);
        fs::rename(&run, user.path("first")).expect("moved");
        manifest(&run, id, json!({}));
        if id.is_none() {
            fs::rename(user.path("first/batch-000003.npz"), run.join("batch-000003.npz")).expect("moved");
        }
        add_batch(&run, 4);
        end(&run, 5);
        is_whole(&user.watch_to_its_end("run", &["--prune"]), 5);
    }
}

/// Without a manifest, nothing says of which of two runs it was.
#[test]
fn what_was_put_aside_is_not_taken_for_the_run_that_came_after_it() {
    let user = User::new();
    let run = user.path("run");
    let filled_and_pruned = |numbers: &[usize]| {
        fs::create_dir_all(user.path("new")).expect("a directory");
        numbers.iter().for_each(|&number| add_batch(&user.path("new"), number));
        fs::rename(user.path("new"), &run).expect("moved");
        until("all are deleted", || support::batches(&run).is_empty());
    };
    let mut watcher = user.watch("run", &["--prune"]);
    filled_and_pruned(&[1, 2, 3]);
    fs::rename(&run, user.path("first")).expect("moved");
    filled_and_pruned(&[7]);
    assert_eq!(watcher.leaves().1["run"]["batches"], 1);
    let mut later = user.watch("run", &["--prune"]);
    later.until_it_watches();
    let told = later.leaves();
    assert_eq!(told.1["run"]["batches"], 1, "{}", told.2);
}
