//! When the outside says no: outputs without room or readers, exports to odd places, limits of the system, signals,
//! and terminals that nobody reads or that are larger than any screen.

use crate::support;
use portable_pty::{Child as PtyChild, CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::{PATIENCE, until};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_neurotop");

/// A run of two batches, and room for what comes of it.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        support::small_run(&directory.path().join("run"), 2);
        Self { directory }
    }

    /// A run without a manifest, so that it is never over.
    fn endless() -> Self {
        let place = Self::new();
        fs::remove_file(place.at("run/manifest.json")).expect("removed");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// neurotop, in this directory.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(words);
        self.inside(command)
    }

    /// A script of bash, whose $0 is neurotop.
    fn script(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", script, BINARY]);
        self.inside(command)
    }

    fn inside(&self, mut command: Command) -> Command {
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command.env("XDG_CONFIG_HOME", "/nonexistent").env("XDG_STATE_HOME", self.at("state"));
        command
    }

    fn exported(&self, name: &str) -> serde_json::Value {
        support::json(&self.at(name))
    }
}

fn said(output: &Output) -> String {
    without_waiting(&String::from_utf8_lossy(&output.stderr))
}

/// What was said, but for what is waited for: a busy machine takes longer to count and to write.
fn without_waiting(said: &str) -> String {
    said.split_inclusive('\n').filter(|line| !line.contains("(Ctrl-C to leave at once)")).collect()
}

/// The names of the threads of a process: once that of its display is there, it takes signals.
fn thread_names(pid: Pid) -> Vec<String> {
    let process = pid.as_raw_nonzero().get().cast_unsigned();
    nice_values(process).into_iter().map(|(name, _)| name).collect()
}

#[track_caller]
fn until_thread(pid: Pid, name: &str) {
    until(name, || thread_names(pid).iter().any(|thread| thread == name));
}

#[track_caller]
fn ends(child: &mut Child) -> ExitStatus {
    let mut status = None;
    until("it does not end", || {
        status = child.try_wait().expect("its state");
        status.is_some()
    });
    status.expect("it has ended")
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).expect("a process"), signal).expect("sent");
}

fn make_pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).expect("a pipe");
}

/// Every command that prints something, all of which end by themselves.
const PRINTING: [&[&str]; 18] = [
    &["summary", "run"],
    &["summary", "run", "--format", "json"],
    &["summary", "run", "--format", "csv"],
    &["summary", "run", "--format", "md"],
    &["summary", "run", "--shard", "1/1"],
    &["compare", "run", "run"],
    &["compare", "run", "run", "--format", "json"],
    &["merge", "part.json", "--format", "json"],
    &["doctor", "run"],
    &["doctor", "run", "--format", "json"],
    &["watch", "run", "--state", "none", "--exit-when-finished"],
    &["bench", "--size", "40k", "--rounds", "1"],
    &["config"],
    &["completions", "bash"],
    &["man"],
    &["recorder"],
    &["--help"],
    &["--version"],
];

fn with_a_part() -> Place {
    let place = Place::new();
    let part =
        place.command(&["summary", "run", "--shard", "1/1", "-o", "part.json"]).output().expect("it runs");
    assert!(part.status.success(), "{}", said(&part));
    place
}

#[test]
fn standard_output_without_room_is_named_by_every_command() {
    let place = with_a_part();
    for words in PRINTING {
        let full = File::options().write(true).open("/dev/full").expect("a full disk");
        let output = place.command(words).stdout(full).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", said(&output));
        assert!(said(&output).contains("cannot write to standard output: No space left"), "{words:?}");
    }
    let full = File::options().write(true).open("/dev/full").expect("a full disk");
    let output = place.command(&["summary", "run", "-o", "out.json"]).stdout(full).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(place.exported("out.json")["run"]["batches"], 2, "the exports are written all the same");
}

#[test]
fn a_reader_that_has_read_enough_is_no_fault() {
    let place = with_a_part();
    for words in PRINTING {
        let mut child =
            place.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""), "{words:?}");
    }
    // Where something was set aside, that is what the exit code says, and it is named.
    fs::write(place.at("run/batch-000000.npz"), "no archive").expect("a file");
    let mut child = place.command(&["summary", "run", "--settle", "0.05"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    drop(child.stdout.take());
    assert_eq!(ends(&mut child).code(), Some(3));
}

#[test]
fn a_live_watch_ends_once_nobody_reads_its_lines() {
    let place = Place::endless();
    let words = ["watch", "run", "--state", "none", "-o", "out.json"];
    let mut child =
        place.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its lines")).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.contains("2 batches")), "it is counted");
    // Nothing happens any more that there would be a line about.
    drop(lines);
    assert_eq!(ends(&mut child).code(), Some(0));
    let mut said = String::new();
    child.stderr.take().expect("what it says").read_to_string(&mut said).expect("text");
    let said = without_waiting(&said);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!((lines[0], lines.len()), ("neurotop: wrote out.json", 2), "{said}");
    assert!(lines[1].starts_with("neurotop: lif: unpriced: "), "without a manifest: {said}");
    assert_eq!(place.exported("out.json")["run"]["batches"], 2);
}

#[test]
fn a_live_watch_goes_on_where_its_lines_find_no_room() {
    let place = Place::endless();
    let full = File::options().write(true).open("/dev/full").expect("a full disk");
    let errors = File::create(place.at("errors")).expect("a file");
    let words = ["watch", "run", "--state", "none", "-o", "out.json"];
    let mut child = place.command(&words).stdout(full).stderr(errors).spawn().expect("it starts");
    let said = || fs::read_to_string(place.at("errors")).expect("text");
    until("it says nothing", || said().contains("No space left"));
    support::write_batch(&place.at("run"), 2, &support::small_batch(), support::Archive::Stored);
    sleep(Duration::from_millis(2500));
    assert_eq!(child.try_wait().expect("its state"), None, "{}", said());
    send(&child, Signal::INT);
    assert_eq!(ends(&mut child).code(), Some(1));
    assert_eq!(
        said().matches("No space left").count(),
        2,
        "once of the lines, once of the summary: {}",
        said()
    );
    assert_eq!(place.exported("out.json")["run"]["batches"], 3);
}

#[test]
fn files_that_may_not_grow_are_as_a_full_disk() {
    let place = Place::new();
    fs::write(place.at("out.json"), "old").expect("a file");
    for (script, code) in [
        ("ulimit -f 0; exec \"$0\" --help > printed", 1),
        ("ulimit -f 0; exec \"$0\" summary run > printed", 1),
        ("ulimit -f 0; exec \"$0\" summary run -o out.json", 1),
        ("ulimit -f 0; exec \"$0\" summary run --tensorboard tb", 1),
        ("ulimit -f 0; exec \"$0\" summary run --openmetrics out.prom", 1),
        ("ulimit -f 0; exec \"$0\" summary run --log log", 0),
        ("ulimit -f 0; exec \"$0\" watch run --exit-when-finished", 0),
        ("ulimit -f 0; exec \"$0\" bench --size 40k --rounds 1 --dir .", 1),
    ] {
        let output = place.script(script).output().expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{script}: {:?}: {}", output.status, said(&output));
    }
    assert_eq!(fs::read_to_string(place.at("out.json")).expect("a file"), "old");
    let left = fs::read_dir(place.directory.path()).expect("listed");
    let names = left.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let hidden: Vec<String> = names.filter(|name| name.starts_with(".neurotop")).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

/// The user of one of the tests here. The system counts the processes of a user, so no two tests share one, also of
/// different processes of the tests.
fn user(of_test: u32) -> u32 {
    60_000 + 5 * (std::process::id() % 1000) + of_test
}

/// A script as a user without rights, which the superuser needs: neither permissions nor limits bind that one.
fn as_a_stranger(place: &Place, user: u32, script: &str) -> Command {
    fs::set_permissions(place.directory.path(), fs::Permissions::from_mode(0o777)).expect("set");
    // The directory of the build may be closed to the user.
    // Copied by another process: a program that another test starts meanwhile would have the file open for writing, and
    // what is open for writing cannot be run.
    let copied =
        Command::new("cp").args([Path::new(BINARY), &place.at("neurotop")]).status().expect("it starts");
    assert!(copied.success());
    let mut command = place.script(script);
    if geteuid().is_root() {
        command.uid(user).gid(user);
    }
    command.env("HOME", place.directory.path());
    command
}

/// Whether a limit can be tested that the system applies to all processes of a user.
fn has_users(test: &str) -> bool {
    if !geteuid().is_root() {
        support::not_checked(&format!("{test}: only the superuser can switch to a user without processes"));
    }
    geteuid().is_root()
}

#[test]
fn fewer_threads_than_are_asked_for_count_all_the_same() {
    if !has_users("a limit of threads") {
        return;
    }
    let place = Place::new();
    for run in 0..50 {
        support::small_run(&place.at(&format!("runs/exp{run:02}")), 1);
    }
    for (script, batches) in [
        ("ulimit -u 30; exec ./neurotop summary run --threads 4096 -o out.json", 2),
        ("ulimit -u 30; exec ./neurotop watch run --threads 4096 --exit-when-finished -o out.json", 2),
        ("ulimit -u 60; exec ./neurotop bench --size 40k --rounds 1 --threads 4096 --dir .", 0),
    ] {
        let output = as_a_stranger(&place, user(0), script).output().expect("it runs");
        assert!(!said(&output).contains("panicked"), "{script}: {}", said(&output));
        if batches > 0 {
            assert_eq!(output.status.code(), Some(0), "{script}: {:?} {}", output.status, said(&output));
            assert_eq!(
                said(&output).matches("of 4,096 threads count").count(),
                1,
                "{script}: {}",
                said(&output)
            );
            assert_eq!(place.exported("out.json")["run"]["batches"], batches, "{script}");
            fs::remove_file(place.at("out.json")).expect("removed");
        } else {
            assert_eq!(output.status.code(), Some(1), "{script}: {:?} {}", output.status, said(&output));
        }
    }
}

#[test]
fn runs_for_which_there_is_no_thread_are_left_out_and_said() {
    if !has_users("runs without a thread") {
        return;
    }
    let place = Place::new();
    for run in 0..50 {
        support::small_run(&place.at(&format!("runs/exp{run:02}")), 1);
    }
    let script = "ulimit -u 40; exec ./neurotop watch runs --threads 2 --state none -o out.json --log log";
    let mut command = as_a_stranger(&place, user(1), script);
    let errors = File::create(place.at("errors")).expect("a file");
    let mut child = command.stdout(Stdio::null()).stderr(errors).spawn().expect("it starts");
    let said = || fs::read_to_string(place.at("errors")).expect("text");
    until("nothing is said", || said().contains("are not followed"));
    let left_out =
        || said().split_whitespace().find_map(|word| word.parse::<usize>().ok()).expect("a number");
    let counted = || fs::read_to_string(place.at("log")).expect("a log").matches(" counted ").count();
    until("all that are followed are counted", || counted() == 50 - left_out());
    assert_eq!(child.try_wait().expect("its state"), None, "{}", said());
    send(&child, Signal::TERM);
    let status = ends(&mut child);
    assert!(status.signal().is_none() && !said().contains("panicked"), "{status:?}: {}", said());
    assert_eq!(said().matches("are not followed").count(), 1, "{}", said());
    let export = place.exported("out.json");
    let runs = export["runs"].as_array().expect("runs");
    assert!((5..50).contains(&runs.len()), "{} runs", runs.len());
    assert!(runs.iter().all(|run| run["run"]["batches"] == 1), "each that is followed is counted");
}

#[test]
fn a_batch_or_a_directory_that_may_not_be_read_is_named() {
    let place = Place::new();
    let summary = || {
        let script = "exec ./neurotop summary run --settle 0.1 --format json";
        as_a_stranger(&place, user(2), script).output().expect("it runs")
    };
    let forbid = |name: &str, mode| {
        fs::set_permissions(place.at(name), fs::Permissions::from_mode(mode)).expect("permissions");
    };
    forbid("run/batch-000001.npz", 0o000);
    let output = summary();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&figures["account"]["counted"], &figures["account"]["set_aside"]), (&1.into(), &1.into()));
    let problem = &figures["problems"][0];
    assert_eq!(problem["path"], "batch-000001.npz");
    let reason = problem["reason"].as_str().expect("a reason");
    assert!(reason.contains("cannot read") && reason.contains("ermission"), "{reason}");
    assert!(said(&output).contains("batch-000001.npz"), "{}", said(&output));
    forbid("run", 0o000);
    let output = summary();
    forbid("run", 0o755);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("ermission denied") && output.stdout.is_empty(), "{}", said(&output));
}

#[test]
fn an_export_that_cannot_be_written_is_refused_at_the_start() {
    let place = Place::endless();
    fs::create_dir(place.at("closed")).expect("a directory");
    fs::write(place.at("closed/mine.json"), "old").expect("a file");
    symlink("nowhere/out.json", place.at("dangling.json")).expect("a link");
    symlink("loop.json", place.at("loop.json")).expect("a link");
    let long = format!("{}.json", "x".repeat(300));
    for name in ["dangling.json", "loop.json", "out.json/", &long] {
        let output =
            place.command(&["watch", "run", "--state", "none", "-o", name]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
        assert!(said(&output).contains(name), "{}", said(&output));
    }
    let user = user(3);
    fs::set_permissions(place.at("closed"), fs::Permissions::from_mode(0o555)).expect("set");
    for command in ["watch run --state none", "summary run", "compare run run"] {
        let script = format!("exec ./neurotop {command} -o closed/out.json");
        let output = as_a_stranger(&place, user, &script).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{script}: {}", said(&output));
        assert!(said(&output).contains("closed/out.json: it cannot be written"), "{}", said(&output));
        assert!(output.stdout.is_empty(), "{script}: nothing was counted");
    }
    // A file that may be written to needs no directory that may be.
    if geteuid().is_root() {
        std::os::unix::fs::chown(place.at("closed/mine.json"), Some(user), Some(user)).expect("given away");
    }
    let script = "exec ./neurotop summary run -o closed/mine.json";
    let output = as_a_stranger(&place, user, script).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(place.exported("closed/mine.json")["run"]["batches"], 2);
}

/// Otherwise a batch that is also the log would be read again for ever, and a run would lose what describes it.
#[test]
fn nothing_is_written_over_a_part_of_a_run_or_what_is_read() {
    let place = with_a_part();
    support::small_run(&place.at("other"), 1);
    let output = place.command(&["summary", "run", "-o", "run.json"]).output().expect("it runs");
    assert!(output.status.success(), "{}", said(&output));
    symlink("run/end.json", place.at("link.json")).expect("a link");
    for words in [
        ["summary", "run", "--export", "run/manifest.json"],
        ["summary", "run", "--export", "run/end.json"],
        ["summary", "run", "--export", "run/rank-3.end.json"],
        ["summary", "run", "--export", "run/batch-3/figures.json"],
        ["summary", "run", "--export", "other/manifest.json"],
        ["summary", "run", "--export", "link.json"],
        ["summary", "run", "--log", "run/batch-000000.npz"],
        ["watch", "run", "--log", "run/manifest.json"],
        ["explain", "run", "--log", "run/batch-000000.npz"],
        ["watch", "run", "--openmetrics", "run/batch-000001.npz"],
        ["watch", "run", "--state", "run/batch-7"],
        ["merge", "part.json", "--export", "part.json"],
    ] {
        let output = place.command(&words).output().expect("it runs");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(words[2]) && said.contains("write to another file"), "{words:?}: {said}");
    }
    let output = place.command(&["compare", "run.json", "run", "-o", "run.json"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    for words in [["-o", "run/figures.json"], ["-o", "batch-3.json"], ["--log", "manifest.json"]] {
        let output = place.command(&[&["summary", "run"][..], &words].concat()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", said(&output));
    }
}

/// What is given up for a lack of permission is named; whatever is not needed for the figures does not spoil them.
#[test]
fn what_this_user_may_not_write_or_read_is_named() {
    let place = Place::new();
    fs::write(place.at("run/end.json"), "{\"batches\": 2}").expect("an end");
    fs::create_dir(place.at("closed")).expect("a directory");
    fs::write(place.at("secret.toml"), "ascii = true").expect("a configuration");
    for (name, mode) in [("run", 0o555), ("closed", 0o555), ("secret.toml", 0o000)] {
        fs::set_permissions(place.at(name), fs::Permissions::from_mode(mode)).expect("permissions");
    }
    let counted = "--exit-when-finished -o out.json";
    for (words, code, named) in [
        (
            format!("watch run --prune {counted}"),
            0,
            "batch-000000.npz, batch-000001.npz: it is counted and cannot be deleted",
        ),
        (format!("watch run --state closed/x {counted}"), 0, "the progress cannot be kept"),
        (format!("watch run --log closed/log {counted}"), 1, "--log closed/log"),
        ("summary run --tensorboard closed".into(), 1, "--tensorboard closed"),
        ("summary run --openmetrics closed/x.prom".into(), 1, "--openmetrics closed/x.prom"),
        ("summary run --config secret.toml".into(), 1, "secret.toml"),
        ("bench --dir closed --size 40k --rounds 1".into(), 1, "--dir"),
    ] {
        let script = format!("exec ./neurotop {words}");
        let output = as_a_stranger(&place, user(4), &script).output().expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{words}: {}", said(&output));
        assert!(said(&output).contains(named), "{words}: {}", said(&output));
        assert!(said(&output).contains("ermission denied"), "{words}: {}", said(&output));
        if fs::remove_file(place.at("out.json")).is_ok() {
            assert!(String::from_utf8_lossy(&output.stdout).contains("Neuron Ops"), "{words}");
        }
    }
    fs::set_permissions(place.at("run"), fs::Permissions::from_mode(0o755)).expect("permissions");
    assert_eq!(support::batches(&place.at("run")).len(), 2, "nothing is deleted");
}

#[test]
fn exports_and_openmetrics_go_where_links_lead_and_files_stay_as_they_are() {
    let place = Place::new();
    fs::create_dir(place.at("shared")).expect("a directory");
    for name in ["out.json", "out.prom"] {
        fs::write(place.at("shared").join(name), "old").expect("a file");
        fs::set_permissions(place.at("shared").join(name), fs::Permissions::from_mode(0o640)).expect("set");
        symlink(format!("shared/{name}"), place.at(name)).expect("a link");
    }
    symlink("shared/new.csv", place.at("new.csv")).expect("a link");
    // Only the superuser can leave a file to its owner.
    let owner = if geteuid().is_root() { 54_321 } else { geteuid().as_raw() };
    std::os::unix::fs::chown(place.at("shared/out.json"), Some(owner), None).expect("given away");
    let words = ["summary", "run", "-o", "out.json", "-o", "new.csv", "--openmetrics", "out.prom"];
    let output = place.command(&words).output().expect("it runs");
    assert!(output.status.success(), "{}", said(&output));
    for (name, new) in [("out.json", "neurotop.summary"), ("out.prom", "# EOF"), ("new.csv", "total")] {
        assert!(place.at(name).is_symlink(), "{name}");
        let target = place.at("shared").join(name);
        assert!(fs::read_to_string(&target).expect("a file").contains(new), "{name}");
        if name != "new.csv" {
            assert_eq!(target.metadata().expect("there").mode() & 0o777, 0o640, "{name}");
        }
    }
    assert_eq!(place.at("shared/out.json").metadata().expect("there").uid(), owner);
    let script = "umask 027; exec \"$0\" summary run -o fresh.json";
    assert!(place.script(script).output().expect("it runs").status.success());
    assert_eq!(
        place.at("fresh.json").metadata().expect("there").mode() & 0o777,
        0o640,
        "as the umask has it"
    );
}

#[test]
fn devices_pipes_and_open_files_are_written_to_and_not_replaced() {
    let place = Place::new();
    for (name, target) in [("null.json", "/dev/null"), ("out.json", "/dev/stdout"), ("third.md", "/dev/fd/3")]
    {
        symlink(target, place.at(name)).expect("a link");
    }
    make_pipe(&place.at("pipe.csv"));
    let script = "cat pipe.csv > read & \
        \"$0\" summary run -o null.json -o out.json -o pipe.csv -o third.md --openmetrics /dev/stdout \
        > printed 3> third; code=$?; [ $code = 0 ] || kill $!; wait; exit $code";
    let output = place.script(script).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(Path::new("/dev/null").metadata().expect("there").file_type().is_char_device());
    assert!(place.at("pipe.csv").metadata().expect("there").file_type().is_fifo());
    let text = |name: &str| fs::read_to_string(place.at(name)).expect("text");
    assert!(text("read").contains("total") && text("third").starts_with('#'));
    let printed = text("printed");
    let parts = ["# EOF", "\"schema\": \"neurotop.summary/", "Operations per sample"];
    let at = parts.map(|part| printed.find(part).unwrap_or_else(|| panic!("{part} is not in {printed}")));
    assert!(at.is_sorted(), "one after the other: {at:?}");
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_neither_the_end_nor_the_log() {
    let place = Place::new();
    make_pipe(&place.at("pipe.json"));
    let output =
        place.command(&["summary", "run", "-o", "pipe.json", "-o", "out.csv"]).output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("pipe.json: nobody reads it"), "{}", said(&output));
    assert!(place.at("out.csv").is_file(), "the others are written");
    let output = place.command(&["summary", "run", "--log", "pipe.json"]).output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("--log pipe.json: it cannot be written to"), "{}", said(&output));
}

#[test]
fn a_configuration_is_read_to_a_bound_and_no_pipe_is_waited_for() {
    let place = Place::new();
    make_pipe(&place.at("pipe.toml"));
    fs::write(place.at("large.toml"), "#".repeat((1 << 20) + 1)).expect("a file");
    for (file, why) in [
        ("pipe.toml", "and no file"),
        (".", "and no file"),
        ("large.toml", "larger than 1 MiB"),
        ("/dev/zero", "larger than 1 MiB"),
    ] {
        for words in [&["summary", "run", "--config", file][..], &["config", "--check", file]] {
            let output = place.command(words).output().expect("it ends");
            assert_eq!(output.status.code(), Some(1), "{words:?}");
            assert!(said(&output).contains(why), "{words:?}: {}", said(&output));
        }
    }
    for file in ["/dev/null", "<(echo 'format = \"json\"')"] {
        let script = format!("exec \"$0\" summary run --config {file}");
        let output = place.script(&script).output().expect("it ends");
        assert!(output.status.success(), "{file}: {}", said(&output));
        assert_eq!(output.stdout.starts_with(b"{"), file != "/dev/null", "{file}");
    }
}

/// neurotop in a pseudo-terminal that it is the leader of.
struct Terminal {
    master: Box<dyn MasterPty + Send>,
    _slave: Box<dyn SlavePty + Send>,
    child: Box<dyn PtyChild + Send + Sync>,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn new(place: &Place, columns: u16, rows: u16, words: &[&str]) -> Self {
        Self::of_program(place, BINARY, columns, rows, words)
    }

    fn of_program(place: &Place, program: &str, columns: u16, rows: u16, words: &[&str]) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(program);
        command.args(words);
        command.cwd(place.directory.path());
        for (name, value) in
            [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("XDG_CONFIG_HOME", "/nonexistent")]
        {
            command.env(name, value);
        }
        command.env("XDG_STATE_HOME", place.at("state"));
        let child = pair.slave.spawn_command(command).expect("it starts");
        Self { master: pair.master, _slave: pair.slave, child, output: Arc::default() }
    }

    /// Reads what it writes from now on.
    fn read(&self) {
        let mut reader = self.master.try_clone_reader().expect("its output");
        let output = Arc::clone(&self.output);
        std::thread::spawn(move || {
            let mut bytes = [0; 65536];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                output.lock().expect("the output").extend_from_slice(&bytes[..count]);
            }
        });
    }

    fn written(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().expect("the output")).into_owned()
    }

    /// What is on a screen of 80×24.
    fn shown(&self) -> String {
        let mut screen = vt100::Parser::new(24, 80, 0);
        screen.process(&self.output.lock().expect("the output"));
        screen.screen().contents()
    }

    fn pid(&self) -> Pid {
        let pid = self.child.process_id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        pid.expect("a process")
    }

    #[track_caller]
    fn ends(&mut self) -> u32 {
        let mut status = None;
        until("it does not end", || {
            status = self.child.try_wait().expect("its state");
            status.is_some()
        });
        status.expect("it has ended").exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// Bytes of memory that a process had at most.
fn most_memory(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("its state");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[test]
fn a_terminal_larger_than_any_screen_is_drawn_on_in_part() {
    for size in [5000, 65_535] {
        let place = Place::endless();
        let words = ["watch", "run", "--state", "none", "-o", "out.json"];
        let mut terminal = Terminal::new(&place, size, size, &words);
        terminal.read();
        until("no figures", || terminal.written().contains("run"));
        // A change of size is drawn, too.
        let larger = PtySize { rows: 900, cols: size - 1, pixel_width: 0, pixel_height: 0 };
        terminal.master.resize(larger).expect("a new size");
        sleep(Duration::from_millis(500));
        let memory = most_memory(terminal.pid());
        assert!(memory < 400 << 20, "{memory} bytes at {size}");
        terminal.master.take_writer().expect("its input").write_all(b"q").expect("typed");
        assert_eq!(terminal.ends(), 0, "{size}");
        assert_eq!(place.exported("out.json")["run"]["batches"], 2);
    }
}

#[test]
fn signals_that_would_kill_leave_the_terminal_and_the_figures() {
    for signal in [
        Signal::QUIT,
        Signal::USR1,
        Signal::USR2,
        Signal::XCPU,
        Signal::ALARM,
        Signal::VTALARM,
        Signal::PROF,
        Signal::IO,
        Signal::POWER,
        Signal::XFSZ,
    ] {
        let place = Place::endless();
        let mut terminal =
            Terminal::new(&place, 80, 24, &["watch", "run", "--state", "none", "-o", "out.json"]);
        terminal.read();
        until("no figures", || terminal.written().contains("batches"));
        kill_process(terminal.pid(), signal).expect("sent");
        if signal == Signal::XFSZ {
            // It says nothing but that a file may not grow, which whoever writes learns, too.
            sleep(Duration::from_millis(500));
            assert!(terminal.child.try_wait().expect("its state").is_none());
            kill_process(terminal.pid(), Signal::TERM).expect("sent");
        }
        assert_eq!(terminal.ends(), 0, "{signal:?}");
        until("the terminal is not given back", || terminal.written().contains("\x1b[?1049l"));
        assert_eq!(place.exported("out.json")["run"]["batches"], 2, "{signal:?}");
    }
}

#[test]
fn what_is_ignored_at_the_start_stays_ignored() {
    let place = Place::endless();
    let script = "trap '' HUP QUIT USR1; exec \"$0\" watch run --state none -o out.json";
    let mut child = place.script(script).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    let mut reader = BufReader::new(child.stdout.take().expect("its lines"));
    reader.read_line(&mut line).expect("a line");
    for signal in [Signal::HUP, Signal::QUIT, Signal::USR1] {
        send(&child, signal);
    }
    sleep(Duration::from_millis(1000));
    assert_eq!(child.try_wait().expect("its state"), None, "as nohup asks");
    send(&child, Signal::TERM);
    assert_eq!(ends(&mut child).code(), Some(0));
    assert!(place.at("out.json").is_file());
}

/// Bytes that a process has written so far.
fn bytes_written(pid: Pid) -> u64 {
    let told = fs::read_to_string(format!("/proc/{}/io", pid.as_raw_nonzero())).expect("what it wrote");
    let line = told.lines().find_map(|line| line.strip_prefix("wchar: ")).expect("a line");
    line.parse().expect("a number")
}

#[test]
fn a_terminal_that_nobody_reads_does_not_hold_up_leaving() {
    let place = Place::endless();
    let mut terminal = Terminal::new(&place, 200, 60, &["watch", "run", "--state", "none", "-o", "out.json"]);
    // Whole frames, until the terminal takes no more.
    let mut keys = terminal.master.take_writer().expect("its input");
    until_thread(terminal.pid(), "screen");
    let (mut written, mut last) = (0, Instant::now());
    while written == 0 || last.elapsed() < Duration::from_secs(3) {
        keys.write_all(b"\x0c").expect("typed");
        sleep(Duration::from_millis(50));
        let now = bytes_written(terminal.pid());
        if now > written {
            (written, last) = (now, Instant::now());
        }
    }
    for number in 2..6 {
        support::write_batch(&place.at("run"), number, &support::small_batch(), support::Archive::Stored);
    }
    sleep(Duration::from_millis(1000));
    kill_process(terminal.pid(), Signal::TERM).expect("sent");
    assert_eq!(terminal.ends(), 1, "not all could be shown");
    assert_eq!(place.exported("out.json")["run"]["batches"], 6);
}

#[test]
fn a_summary_whose_terminal_nobody_reads_ends_when_it_is_told_to() {
    let place = Place::new();
    // The terminal takes nothing more when neurotop draws its bar.
    let script = "timeout 1 yes; exec \"$0\" summary run > /dev/null";
    let mut terminal = Terminal::of_program(&place, "bash", 80, 24, &["-c", script, BINARY]);
    let comm = format!("/proc/{}/comm", terminal.pid().as_raw_nonzero());
    until("it does not begin", || fs::read_to_string(&comm).is_ok_and(|name| name.starts_with("neurotop")));
    let pid = terminal.pid();
    let takes_signals = || thread_names(pid).iter().any(|name| name == "signals");
    until("it begins", || terminal.child.try_wait().expect("its state").is_some() || takes_signals());
    // Whether all was counted by then or not.
    let _ = kill_process(pid, Signal::TERM);
    assert!(terminal.ends() <= 1);
}

#[test]
fn a_pipe_that_nobody_reads_does_not_hold_up_leaving() {
    let place = Place::endless();
    // The pipe is full when neurotop begins.
    let script = "head -c 65536 /dev/zero; exec \"$0\" watch run --state none -o out.json";
    let mut child = place.script(script).stdout(Stdio::piped()).spawn().expect("it starts");
    until_thread(Pid::from_child(&child), "lines");
    send(&child, Signal::TERM);
    assert_eq!(ends(&mut child).code(), Some(1));
    assert_eq!(place.exported("out.json")["run"]["batches"], 2);
}

#[test]
fn a_terminal_that_gives_no_keys_gets_lines_of_progress() {
    let place = Place::new();
    let pair = native_pty_system().openpty(PtySize::default()).expect("a pseudo-terminal");
    let name = pair.master.tty_name().expect("a name");
    let noctty = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
    let tty = File::options().read(true).write(true).custom_flags(noctty).open(name).expect("the terminal");
    let mut reader = pair.master.try_clone_reader().expect("its output");
    let mut command = Command::new("setsid");
    command.args(["--wait", BINARY, "watch", "run", "--state", "none", "--exit-when-finished"]);
    let output = place.inside(command).stdout(tty).output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("no dashboard"), "{}", said(&output));
    let mut shown = [0; 4096];
    let count = reader.read(&mut shown).expect("its output");
    let shown = String::from_utf8_lossy(&shown[..count]).into_owned();
    assert!(shown.contains("finished: 2/2 batches") && !shown.contains("\x1b[?1049h"), "{shown}");
}

#[test]
fn an_export_by_key_is_written_before_the_program_ends() {
    let place = Place::endless();
    // Where e writes without --export: a pipe, whose reader is late.
    make_pipe(&place.at("run-neurotop.json"));
    let mut terminal = Terminal::new(&place, 80, 24, &["watch", "run", "--state", "none"]);
    terminal.read();
    until("no figures", || terminal.shown().contains(" 2 batches"));
    let mut keys = terminal.master.take_writer().expect("its input");
    keys.write_all(b"e").expect("typed");
    sleep(Duration::from_millis(300));
    keys.write_all(b"q").expect("typed");
    until("the terminal is not given back", || terminal.written().contains("\x1b[?1049l"));
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut pipe = File::options();
    let mut pipe =
        pipe.read(true).custom_flags(nonblocking).open(place.at("run-neurotop.json")).expect("a pipe");
    let mut read = Vec::new();
    until("nothing is exported", || {
        let _ = pipe.read_to_end(&mut read);
        !read.is_empty()
    });
    assert_eq!(terminal.ends(), 0);
    let _ = pipe.read_to_end(&mut read);
    let export: serde_json::Value = serde_json::from_slice(&read).expect("JSON");
    assert_eq!(export["run"]["batches"], 2);
}

#[test]
fn ctrl_l_draws_everything_anew() {
    let place = Place::endless();
    let mut terminal = Terminal::new(&place, 80, 24, &["watch", "run", "--state", "none"]);
    terminal.read();
    until("no figures", || terminal.written().contains("batches"));
    // What was drawn is drawn once.
    sleep(Duration::from_millis(1500));
    terminal.output.lock().expect("the output").clear();
    let mut keys = terminal.master.take_writer().expect("its input");
    keys.write_all(b"\x0c").expect("typed");
    until("it is not drawn anew", || {
        let written = terminal.written();
        written.find("\x1b[2J").is_some_and(|at| written[at..].contains("batches"))
    });
    keys.write_all(b"q").expect("typed");
    assert_eq!(terminal.ends(), 0);
}

/// A report of the wheel.
const REPORT: &[u8] = b"\x1b[<64;20;10M";

/// What of the mouse's reports is left for the shell, where they come until the mouse is given back and a little
/// longer, as over ssh. `None` where this machine was too busy to send them in time.
fn reports_left(place: &Place) -> Option<String> {
    let mut terminal = Terminal::new(place, 80, 24, &["watch", "run", "--state", "none"]);
    terminal.read();
    until("no figures", || terminal.written().contains("batches"));
    let mut keys = terminal.master.take_writer().expect("its input");
    keys.write_all(b"q").expect("typed");
    let (mut last, mut until_silent) = (Instant::now(), None);
    while until_silent.is_none_or(|silent| Instant::now() < silent) {
        keys.write_all(REPORT).expect("sent");
        sleep(Duration::from_millis(5));
        if last.elapsed() > Duration::from_millis(60) {
            return None;
        }
        last = Instant::now();
        if until_silent.is_none() && terminal.written().contains("\x1b[?1000l") {
            until_silent = Some(Instant::now() + Duration::from_millis(50));
        }
    }
    assert_eq!(terminal.ends(), 0);
    keys.write_all(b"\n").expect("typed");
    let mut line = String::new();
    let tty = File::open(terminal.master.tty_name().expect("a name")).expect("the terminal");
    BufReader::new(tty).read_line(&mut line).expect("a line");
    Some(line)
}

#[test]
fn nothing_of_the_mouse_is_left_for_the_shell() {
    let place = Place::endless();
    let left = (0..10).find_map(|_| reports_left(&place));
    assert!(left.is_none_or(|left| left == "\n"), "there are reports left");
}

/// The nice values of the threads of a process, by their names.
#[cfg(target_os = "linux")]
fn nice_values(process: u32) -> Vec<(String, i64)> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let values = threads.filter_map(|thread| {
        let stat = fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
        let (start, fields) = stat.rsplit_once(')')?;
        let name = start.split_once('(')?.1.to_owned();
        Some((name, fields.split_whitespace().nth(16)?.parse().ok()?))
    });
    values.collect()
}

#[test]
#[cfg(target_os = "linux")]
fn counting_threads_alone_run_at_the_priority_that_is_asked_for() {
    let place = Place::endless();
    let before = nice_values(std::process::id())[0].1;
    for (args, expected) in [(&[][..], 19), (&["--priority", "low"], 19), (&["--priority", "normal"], before)]
    {
        let words = [&["watch", "run", "--state", "none", "--threads", "2"], args].concat();
        let mut child =
            place.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        let start = Instant::now();
        let threads = loop {
            let threads = nice_values(child.id());
            let counting =
                threads.iter().filter(|(name, nice)| name.starts_with("count-") && *nice == expected);
            if counting.count() == 2 || start.elapsed() > PATIENCE {
                break threads;
            }
            sleep(Duration::from_millis(10));
        };
        child.kill().and_then(|()| child.wait()).expect("it is ended");
        let counting = threads.iter().filter(|(name, _)| name.starts_with("count-")).count();
        assert_eq!(counting, 2, "{args:?}: {threads:?}");
        for (name, nice) in threads {
            let expected = if name.starts_with("count-") { expected } else { before };
            assert_eq!(nice, expected, "{name} {args:?}");
        }
    }
}
