//! Faults of the writer, the disk, the system and the clock: nothing is lost, nothing is counted twice, and
//! what cannot be counted is named.

use crate::support;
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};
use support::watch::Watch;
use support::{Archive, Members, Npy, SMALL, small_batch};
use tempfile::TempDir;

fn start(run: &Path, more: &[&str]) -> Watch {
    Watch::start(Command::new(env!("CARGO_BIN_EXE_neurotop")), run, more)
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn batch_path(run: &Path, number: usize) -> PathBuf {
    run.join(format!("batch-{number:06}.npz"))
}

/// Writes bytes under a temporary name and renames.
fn put(run: &Path, number: usize, bytes: &[u8]) {
    let temporary = run.join(format!(".batch-{number}.npz"));
    fs::write(&temporary, bytes).expect("a file");
    fs::rename(temporary, batch_path(run, number)).expect("renamed");
}

fn small() -> Vec<u8> {
    support::archive_bytes(&small_batch(), Archive::Stored)
}

fn end(run: &Path, batches: usize) {
    fs::write(run.join("end.json"), format!("{{\"batches\": {batches}}}")).expect("an end");
}

/// What an undisturbed count of a run says.
fn undisturbed(run: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(["summary", "--settle", "0.2", "--format", "json"])
        .arg(run)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .output()
        .expect("it runs");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What must be equal whatever happened on the way.
fn figures(summary: &Value) -> Value {
    // Which neurons are silent is not known once a batch is taken out.
    let mut summary = summary.clone();
    support::forget_neurons(&mut summary);
    let layers = summary["layers"].as_array().expect("layers").iter();
    let layers: Vec<_> =
        layers.map(|layer| (&layer["name"], &layer["updates"], &layer["dense_updates"])).collect();
    let problems = summary["problems"].as_array().expect("problems").iter();
    let mut set_aside: Vec<_> = problems
        .filter(|problem| problem["severity"] == "set_aside")
        .map(|problem| problem["path"].clone())
        .collect();
    set_aside.sort_by_key(Value::to_string);
    serde_json::json!({
        "total": summary["total"], "samples": summary["run"]["samples"], "batches": summary["run"]["batches"],
        "layers": layers, "account": summary["account"], "set aside": set_aside,
    })
}

#[test]
fn a_writer_that_is_killed_in_the_middle_of_a_batch() {
    let run = directory();
    support::write_manifest(run.path(), &[("lif", "Leaky", "zero", &[2])], None);
    put(run.path(), 0, &small());
    let mut watch = start(run.path(), &[]);
    let path = batch_path(run.path(), 1);
    let mut writer = Command::new("sh")
        .args(["-c", "exec cat > \"$0\""])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh");
    let bytes = small();
    let mut input = writer.stdin.take().expect("its input");
    input.write_all(&bytes[..bytes.len() / 2]).expect("written");
    watch.until_logged(&["seen", "batch-000001.npz"]);
    writer.kill().expect("killed");
    writer.wait().expect("it ends");
    drop(input);
    watch.until_logged(&["set aside", "batch-000001.npz"]);
    end(run.path(), 2);
    let (code, json) = watch.ends();
    assert_eq!((code, json["total"]["updates"].as_u64()), (3, Some(SMALL.0)));
    assert_eq!(json["problems"][0]["path"], "batch-000001.npz");
    // The writer starts again: in the same run the batch counts.
    fs::remove_file(run.path().join("end.json")).expect("removed");
    let mut watch = start(run.path(), &[]);
    watch.until_logged(&["set aside", "batch-000001.npz"]);
    put(run.path(), 1, &bytes);
    watch.until_logged(&["counted", "batch-000001.npz"]);
    end(run.path(), 2);
    let (code, json) = watch.ends();
    assert_eq!((code, json["total"]["updates"].as_u64()), (0, Some(2 * SMALL.0)));
}

/// A batch that takes a while to read, of so many samples, each with other figures.
fn large(samples: usize) -> Vec<u8> {
    let shape = [40, samples, 400];
    let values = (0..shape.iter().product::<usize>()).map(|at| (at / 37 % (samples + 2)) as f32);
    let members = Members::from([("lif.post".to_owned(), Npy::potentials(&shape, values))]);
    support::archive_bytes(&members, Archive::Stored)
}

#[test]
fn batches_that_are_truncated_and_replaced_while_they_are_read() {
    let run = directory();
    support::write_manifest(run.path(), &[("lif", "Leaky", "zero", &[400])], None);
    let variants: Vec<Vec<u8>> = (4..9).map(large).collect();
    let mut watch = start(run.path(), &[]);
    let mut random = 1_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    let deadline = Instant::now() + Duration::from_secs(4);
    while Instant::now() < deadline {
        let (number, bytes) = (next(5), &variants[next(variants.len())]);
        let path = batch_path(run.path(), number);
        match next(5) {
            0 => put(run.path(), number, bytes),
            1 => fs::write(&path, bytes).expect("written in place"),
            2 => {
                if let Ok(file) = File::options().write(true).open(&path) {
                    file.set_len(next(bytes.len()) as u64).expect("truncated");
                }
            }
            3 => {
                let mut file = File::create(&path).expect("a file");
                for part in bytes.chunks(bytes.len() / 7) {
                    file.write_all(part).expect("written");
                    sleep(Duration::from_millis(next(5) as u64));
                }
            }
            _ => {
                let _ = fs::remove_file(&path);
            }
        }
        sleep(Duration::from_millis(next(30) as u64));
    }
    // In the end five batches are whole, and one never was.
    for (number, bytes) in variants.iter().enumerate() {
        put(run.path(), number, bytes);
    }
    fs::write(batch_path(run.path(), 5), &variants[0][..5000]).expect("a part");
    watch.until_logged(&["set aside", "batch-000005.npz", "without its end"]);
    end(run.path(), 6);
    let (code, json) = watch.ends();
    assert_eq!(code, 3);
    assert_eq!(json["account"], serde_json::json!({"seen": 6, "counted": 5, "waiting": 0, "set_aside": 1}));
    assert_eq!(figures(&json), figures(&undisturbed(run.path())));
}

#[test]
fn a_counted_batch_that_is_cut_afterwards_stays_counted_and_is_named() {
    let run = directory();
    support::write_manifest(run.path(), &[("lif", "Leaky", "zero", &[2])], None);
    put(run.path(), 0, &small());
    let mut watch = start(run.path(), &[]);
    watch.until_logged(&["counted", "batch-000000.npz"]);
    File::options().write(true).open(batch_path(run.path(), 0)).expect("a file").set_len(80).expect("cut");
    watch.until_logged(&["set aside", "batch-000000.npz", "without its end"]);
    end(run.path(), 1);
    let (code, json) = watch.ends();
    assert_eq!((code, json["total"]["updates"].as_u64()), (3, Some(SMALL.0)));
    assert_eq!(
        (json["complete"].as_bool(), json["problems"][0]["path"].as_str()),
        (Some(false), Some("batch-000000.npz"))
    );
}

#[test]
fn a_batch_that_is_deleted_before_it_was_read_is_named() {
    let run = directory();
    support::write_manifest(run.path(), &[("lif", "Leaky", "zero", &[2])], None);
    // What has settled is set aside, and no problem any more once it is deleted.
    let command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    let mut watch = Watch::start_settling(command, run.path(), &["--poll", "0.2"], "60");
    let bytes = small();
    fs::write(batch_path(run.path(), 0), &bytes[..100]).expect("a part");
    watch.until_logged(&["seen", "batch-000000.npz"]);
    fs::remove_file(batch_path(run.path(), 0)).expect("removed");
    put(run.path(), 1, &bytes);
    watch.until_logged(&["set aside", "batch-000000.npz", "deleted before it could be counted"]);
    watch.until_logged(&["counted", "batch-000001.npz"]);
    end(run.path(), 2);
    let (code, json) = watch.ends();
    assert_eq!((code, json["total"]["updates"].as_u64()), (3, Some(SMALL.0)));
    assert_eq!(json["complete"], false);
}

#[test]
fn a_run_that_is_moved_away_and_back_goes_on() {
    let place = directory();
    let (run, away) = (place.path().join("run"), place.path().join("away"));
    support::small_run(&run, 2);
    fs::remove_file(run.join("manifest.json")).expect("removed");
    let mut watch = start(&run, &[]);
    watch.until_logged(&["counted", "batch-000001.npz"]);
    fs::rename(&run, &away).expect("moved");
    watch.until_logged(&["the directory cannot be read", "does not exist"]);
    put(&away, 2, &small());
    fs::rename(&away, &run).expect("moved back");
    watch.until_logged(&["counted", "batch-000002.npz"]);
    put(&run, 3, &small());
    watch.until_logged(&["counted", "batch-000003.npz"]);
    end(&run, 4);
    let (code, json) = watch.ends();
    assert_eq!((code, json["total"]["updates"].as_u64()), (0, Some(4 * SMALL.0)));
}

#[test]
fn a_run_that_is_deleted_and_recreated_again_and_again() {
    let place = directory();
    let run = place.path().join("run");
    let mut watch = start(&run, &[]);
    for round in 1..=4 {
        // Something else may take the inode, so that the new directory has another.
        fs::create_dir(place.path().join(format!("other-{round}"))).expect("a directory");
        fs::create_dir(&run).expect("a directory");
        for number in 0..round {
            put(&run, 100 * round + number, &small());
        }
        watch.until_logged(&["counted", &format!("batch-000{}.npz", 100 * round + round - 1)]);
        if round < 4 {
            fs::remove_dir_all(&run).expect("removed");
            sleep(Duration::from_millis(20));
        }
    }
    end(&run, 4);
    let (code, json) = watch.ends();
    assert_eq!((code, json["total"]["updates"].as_u64()), (0, Some(4 * SMALL.0)), "the last one alone");
}

#[test]
fn more_events_than_the_system_keeps() {
    const BATCHES: usize = 50_000;
    let run = directory();
    support::write_manifest(run.path(), &[("lif", "Leaky", "zero", &[2])], Some(BATCHES));
    put(run.path(), 0, &small());
    let mut watch = start(run.path(), &[]);
    watch.until_logged(&["counted", "batch-000000.npz"]);
    // While it is stopped, nobody takes the events from the system's queue (fs.inotify.max_queued_events).
    watch.signal(Signal::STOP);
    let bytes = small();
    for number in 1..BATCHES {
        fs::write(batch_path(run.path(), number), &bytes).expect("a batch");
    }
    watch.signal(Signal::CONT);
    watch.until_logged(&["file events were lost"]);
    let (code, json) = watch.ends();
    assert_eq!((code, json["complete"].as_bool()), (0, Some(true)));
    assert_eq!(json["total"]["updates"], BATCHES as u64 * SMALL.0);
}

/// Whether this user may make a namespace of its own, where limits and mounts concern nobody else.
fn can_unshare(script: &str) -> bool {
    let status = Command::new("unshare").args(["-Urm", "sh", "-c", script]).stderr(Stdio::null()).status();
    let can = status.is_ok_and(|status| status.success());
    if !can {
        support::not_checked(&format!("this system gives no namespace in which {script:?} works"));
    }
    can
}

#[test]
fn no_more_inotify_instances_or_watches() {
    for limit in ["instances", "watches"] {
        let set = format!("echo 0 > /proc/sys/user/max_inotify_{limit}");
        if !can_unshare(&set) {
            continue;
        }
        let (run, place) = (directory(), directory());
        support::small_run(run.path(), 3);
        let (log, export) = (place.path().join("log"), place.path().join("out.json"));
        let output = Command::new("unshare")
            .args(["-Urm", "sh", "-c", &format!("{set} && exec \"$0\" \"$@\"")])
            .arg(env!("CARGO_BIN_EXE_neurotop"))
            .args(["watch", "--state", "none", "--exit-when-finished"])
            .arg(run.path())
            .arg("--log")
            .arg(&log)
            .arg("--export")
            .arg(&export)
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .env("XDG_STATE_HOME", support::STATE_HOME)
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{limit}: {output:?}");
        let log = fs::read_to_string(log).expect("a log");
        assert!(log.contains("changes are noticed by scanning"), "{limit}: {log}");
        assert_eq!(support::json(&export)["total"]["updates"], 3 * SMALL.0, "{limit}");
    }
}

#[test]
fn clocks_that_jump() {
    let run = directory();
    let year = Duration::from_secs(365 * 86_400);
    support::write_manifest(run.path(), &[("lif", "Leaky", "zero", &[2])], Some(6));
    let mut watch = start(run.path(), &[]);
    let now = SystemTime::now();
    let times =
        [now + 80 * year, SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH - year, now - 20 * year, now + year];
    for (number, time) in times.into_iter().enumerate() {
        let temporary = run.path().join(".tmp.npz");
        fs::write(&temporary, small()).expect("a file");
        File::options().write(true).open(&temporary).expect("a file").set_modified(time).expect("a time");
        fs::rename(&temporary, batch_path(run.path(), number)).expect("renamed");
        watch.until_logged(&["counted", &format!("batch-00000{number}.npz")]);
    }
    // One of the future that is not whole is set aside all the same.
    fs::write(batch_path(run.path(), 5), &small()[..90]).expect("a file");
    let file = File::options().write(true).open(batch_path(run.path(), 5)).expect("a file");
    file.set_modified(now + 80 * year).expect("a time");
    watch.until_logged(&["set aside", "batch-000005.npz"]);
    end(run.path(), 6);
    let (code, json) = watch.ends();
    assert_eq!((code, json["total"]["updates"].as_u64()), (3, Some(5 * SMALL.0)));
    assert_eq!(figures(&json), figures(&undisturbed(run.path())));
}

fn summary_through(script: &str, arguments: &[&Path]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_neurotop")]).args(arguments);
    command
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .output()
        .expect("sh runs")
}

#[track_caller]
fn assert_figures_in_spite_of_the_export(output: &Output) {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stdout.contains("Effective Neuron Ops"), "{stdout}{stderr}");
    assert!(stderr.contains("cannot write the export") && !stderr.contains(".neurotop-"), "{stderr}");
}

/// It is said again and again, and must be the same each time, or it would be another problem.
#[test]
fn progress_that_finds_no_room_is_said_without_the_name_of_a_temporary_file() {
    let (run, place) = (directory(), directory());
    support::small_run(run.path(), 2);
    fs::write(run.path().join("end.json"), "{}").expect("an end");
    let watch = "exec \"$0\" watch \"$1\" --state \"$2\" --exit-when-finished";
    let limited = format!("trap '' XFSZ; ulimit -f 0; {watch}");
    let without_directory = Path::new("/proc/self/no.state");
    for (script, state) in [(&*limited, &*place.path().join("no.state")), (watch, without_directory)] {
        let output = summary_through(script, &[run.path(), state]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr.matches("the progress cannot be kept").count(), 1, "{stderr}");
        assert!(stderr.contains("os error") && !stderr.contains(".neurotop-"), "{stderr}");
    }
}

#[test]
fn an_export_that_finds_no_room() {
    let (run, place) = (directory(), directory());
    support::small_run(run.path(), 2);
    let export = place.path().join("out.json");
    fs::write(&export, "as it was").expect("a file");
    // No file may grow beyond nothing, and the signal of that is ignored: writing fails.
    let limited = "trap '' XFSZ; ulimit -f 0; exec \"$0\" summary \"$1\" --export \"$2\"";
    assert_figures_in_spite_of_the_export(&summary_through(limited, &[run.path(), &export]));
    assert_eq!(fs::read_to_string(&export).expect("a file"), "as it was");
    assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 1, "nothing is left behind");
    let full = "mount -t tmpfs -o size=8k none /mnt && head -c 100000 /dev/zero > /mnt/zeros 2>/dev/null; test -s /mnt/zeros";
    if can_unshare(full) {
        let script = format!(
            "exec unshare -Urm sh -c '{full} && exec \"$0\" summary \"$1\" --export /mnt/out.json' \"$0\" \"$1\""
        );
        let output = summary_through(&script, &[run.path()]);
        assert_figures_in_spite_of_the_export(&output);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("No space left"), "{stderr}");
    }
}

#[test]
fn standard_input_that_is_closed_and_standard_error_that_is_gone() {
    let (run, place) = (directory(), directory());
    support::small_run(run.path(), 2);
    let (first, second) = (place.path().join("a.json"), place.path().join("b.csv"));
    let script = "exec \"$0\" watch --state none --exit-when-finished \"$1\" --export \"$2\" --export \"$3\" <&- 2>/dev/full";
    let output = summary_through(script, &[run.path(), &first, &second]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("Effective Neuron Ops"));
    assert!(first.is_file() && second.is_file());
}

#[test]
fn progress_lines_show_names_that_cannot_steer_a_terminal() {
    let place = directory();
    let run = place.path().join("run\u{1b}[31m\u{202e}x");
    support::small_run(&run, 1);
    fs::remove_file(run.join("manifest.json")).expect("removed");
    let mut child = Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .arg(&run)
        .args(["--state", "none"])
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .env("LC_ALL", "C.UTF-8")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    child.kill().expect("killed");
    child.wait().expect("it ends");
    assert!(line.contains("u{1b}[31m") && !line.contains(['\u{1b}', '\u{202e}']), "{line:?}");
    let runs = Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .arg("summary")
        .arg(place.path())
        .output()
        .expect("it runs");
    let [printed, said] = [runs.stdout, runs.stderr].map(|text| String::from_utf8(text).expect("text"));
    assert!(printed.contains("u{1b}[31m"), "{printed:?}");
    assert!(
        ![&printed, &said].iter().any(|text| text.contains(['\u{1b}', '\u{202e}'])),
        "{printed:?} {said:?}"
    );
}
