//! A long run in fast motion: thousands of batches by a writer that makes every fault, while `watch` follows.
//! In the end its figures are those of an undisturbed count, also where it is killed again and again and batches
//! are deleted once they are counted, and it holds no more threads, files and memory
//! than at the start. `cargo test` runs a short one; the long one has 10,000 batches:
//! `cargo test --release --test soak -- --ignored --nocapture`.

use crate::support;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use support::{Archive, Members, Npy, until};

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Holding {
    threads: u64,
    files: u64,
    kib: u64,
}

fn holding(process: u32) -> Holding {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("its status");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a field");
        line.split_whitespace().nth(1).and_then(|value| value.parse().ok()).expect("a number")
    };
    let files = fs::read_dir(format!("/proc/{process}/fd")).expect("its files").count() as u64;
    Holding { threads: field("Threads:"), files, kib: field("VmRSS:") }
}

/// Chance that is the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// A batch of so many samples.
fn batch(samples: usize) -> Members {
    let values = (0..20 * samples * 8).map(|at| (at / 5 % (samples + 3)) as f32);
    Members::from([("lif.post".to_owned(), Npy::potentials(&[20, samples, 8], values))])
}

struct Writer<'a> {
    run: &'a Path,
    chance: Chance,
    /// Batches of several numbers of samples.
    whole: Vec<Vec<u8>>,
}

impl Writer<'_> {
    fn path(&self, number: usize) -> PathBuf {
        self.run.join(format!("batch-{number:06}.npz"))
    }

    fn any(&mut self) -> Vec<u8> {
        let at = self.chance.below(self.whole.len());
        self.whole[at].clone()
    }

    fn put(&mut self, number: usize) {
        let (bytes, temporary) = (self.any(), self.run.join(".new"));
        fs::write(&temporary, bytes).expect("a file");
        fs::rename(&temporary, self.path(number)).expect("renamed");
    }

    fn cut(&mut self, number: usize) {
        let bytes = self.any();
        fs::write(self.path(number), &bytes[..self.chance.below(bytes.len())]).expect("a file");
    }

    /// Writes a batch, with or without a fault; a few are not whole in the end.
    fn write(&mut self, number: usize) {
        match self.chance.below(12) {
            0 => {
                let bytes = self.any();
                let mut file = File::create(self.path(number)).expect("a file");
                for part in bytes.chunks(bytes.len() / 3) {
                    file.write_all(part).expect("written");
                    sleep(Duration::from_millis(1));
                }
            }
            1 => {
                self.cut(number);
                self.put(number);
            }
            2 => {
                self.put(number);
                self.put(number);
            }
            3 => {
                self.put(number);
                let earlier = self.chance.below(number + 1);
                if self.path(earlier).is_file() {
                    self.put(earlier);
                }
            }
            4 => {
                self.cut(number);
                fs::remove_file(self.path(number)).expect("removed");
                self.put(number);
            }
            5 => {
                support::write_batch(self.run, number, &batch(1 + self.chance.below(4)), Archive::Directory);
            }
            6 if self.chance.below(10) == 0 => self.cut(number),
            _ => self.put(number),
        }
    }
}

/// What must be equal.
fn figures(summary: &Value) -> Value {
    let problems = summary["problems"].as_array().expect("problems").iter();
    let mut set_aside: Vec<String> = problems.map(|problem| problem["path"].to_string()).collect();
    set_aside.sort();
    // Which neurons are silent is not known once a batch is taken out.
    let mut summary = summary.clone();
    support::forget_neurons(&mut summary);
    let mut total = summary["total"].clone();
    // The interval is of groups of batches, and so depends on the order in which they came.
    total.as_object_mut().expect("the total").remove("uncertainty");
    serde_json::json!([total, summary["run"]["samples"], summary["account"], set_aside])
}

fn soak(batches: usize) {
    let place = tempfile::tempdir().expect("a directory");
    let (run, export) = (place.path().join("run"), place.path().join("out.json"));
    support::write_manifest(&run, &[("lif", "Leaky", "zero", &[8])], None);
    let neurotop = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
        command
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .env("XDG_STATE_HOME", place.path())
            .stderr(Stdio::null());
        command
    };
    let mut watch = neurotop()
        .args(["watch", "--exit-when-finished", "--settle", "0.5", "--export"])
        .args([&export, &run])
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let whole = (1..5).map(|samples| support::archive_bytes(&batch(samples), Archive::Stored)).collect();
    let mut writer = Writer { run: &run, chance: Chance(7), whole };
    let mut early = None;
    for number in 0..batches {
        writer.write(number);
        if number % 10 == 0 {
            sleep(Duration::from_millis(5));
        }
        if number == batches / 5 {
            // All its threads are there once progress is kept.
            let kept = || fs::read_dir(place.path().join("neurotop")).map_or(0, Iterator::count);
            until("progress is kept", || kept() > 1);
            early = Some(holding(watch.id()));
        }
    }
    // What was cut last has settled, and everything is counted.
    sleep(Duration::from_secs(2));
    let (early, late) = (early.expect("it was looked at"), holding(watch.id()));
    println!("{batches} batches: {early:?} after a fifth, {late:?} in the end");
    fs::write(run.join("end.json"), format!("{{\"batches\": {batches}}}")).expect("an end");
    until("it ends", || watch.try_wait().expect("its state").is_some());
    let status = watch.wait().expect("its state");
    let live = support::json(&export);
    let output = neurotop()
        .args(["summary", "--settle", "0.2", "--format", "json"])
        .arg(&run)
        .output()
        .expect("it runs");
    let undisturbed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(live["account"]["seen"], batches as u64);
    assert_eq!(figures(&live), figures(&undisturbed));
    assert_eq!(status.code(), output.status.code());
    assert!(late.threads <= early.threads, "threads: {early:?} {late:?}");
    assert!(late.files <= early.files + 2, "files: {early:?} {late:?}");
    // 16 MiB of counts are kept, and the ledger remembers every batch.
    let allowed = (20 << 10) + 2 * batches as u64;
    assert!(late.kib < early.kib + allowed, "memory: {early:?} {late:?}");
}

#[test]
fn a_short_run() {
    soak(600);
}

#[test]
#[ignore = "it takes minutes"]
fn a_long_run() {
    soak(10_000);
}

/// Writes batches with faults that leave each of them whole in the end, and the same ones undisturbed elsewhere.
fn write_with_faults(run: &Path, copy: &Path, batches: usize, pause: Duration) {
    let mut chance = Chance(11);
    let whole: Vec<Vec<u8>> =
        (1..5).map(|samples| support::archive_bytes(&batch(samples), Archive::Stored)).collect();
    for number in 0..batches {
        let (bytes, name) = (&whole[chance.below(whole.len())], format!("batch-{number:06}.npz"));
        fs::write(copy.join(&name), bytes).expect("a file");
        let (path, temporary) = (run.join(&name), run.join(".new"));
        let cut = &bytes[..chance.below(bytes.len())];
        match chance.below(6) {
            0 => {
                let mut file = File::create(&path).expect("a file");
                for part in bytes.chunks(bytes.len() / 3) {
                    file.write_all(part).expect("written");
                    sleep(Duration::from_millis(1));
                }
            }
            fault @ (1 | 2) => {
                fs::write(&path, cut).expect("a file");
                if fault == 2 {
                    fs::remove_file(&path).expect("removed");
                }
                fs::write(&temporary, bytes).expect("a file");
                fs::rename(&temporary, &path).expect("renamed");
            }
            _ => {
                fs::write(&temporary, bytes).expect("a file");
                fs::rename(&temporary, &path).expect("renamed");
            }
        }
        sleep(pause);
    }
    fs::write(run.join("end.json"), format!("{{\"batches\": {batches}}}")).expect("an end");
    fs::write(copy.join("end.json"), format!("{{\"batches\": {batches}}}")).expect("an end");
}

/// The dashboard is killed again and again while batches come with faults and are deleted once they are safe.
fn soak_with_kills(batches: usize, kills: usize, pause: Duration) {
    let place = tempfile::tempdir().expect("a directory");
    let [run, copy, state, export] = ["run", "copy", "state", "all.json"].map(|name| place.path().join(name));
    for directory in [&run, &copy] {
        support::write_manifest(directory, &[("lif", "Leaky", "zero", &[8])], Some(batches));
    }
    let watch = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
        command.env("XDG_CONFIG_HOME", "/nonexistent").stdout(Stdio::null()).stderr(Stdio::null());
        command.args(["watch", "--prune", "--settle", "0.3", "--exit-when-finished", "--state"]);
        command.args([&state, &run]);
        command
    };
    let writer = {
        let (run, copy) = (run.clone(), copy.clone());
        std::thread::spawn(move || write_with_faults(&run, &copy, batches, pause))
    };
    let mut chance = Chance(3);
    for kill in 0..kills {
        let mut child = watch().spawn().expect("it starts");
        sleep(Duration::from_millis(50 + chance.below(2400) as u64));
        if kill + 1 == kills {
            // However slow the machine is, something was safe before the last one died.
            until("a batch is deleted", || !run.join("batch-000000.npz").exists());
        }
        // SIGKILL; it may have ended by itself, where all was counted.
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
    writer.join().expect("all is written");
    let left = support::batches(&run).len();
    let status = watch().arg("--export").arg(&export).status().expect("it runs");
    let mut summary = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    summary.env("XDG_CONFIG_HOME", "/nonexistent").args(["summary", "--format", "json"]).arg(&copy);
    let output = summary.output().expect("it runs");
    let undisturbed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let live = support::json(&export);
    assert!(status.success(), "{status}: {:#}", live["problems"]);
    assert_eq!(figures(&live), figures(&undisturbed));
    assert_eq!((&live["complete"], &live["run"]["batches"]), (&Value::from(true), &Value::from(batches)));
    println!("{batches} batches, {kills} kills: {left} batches were left for the last process to look at");
    assert!(left < batches, "batches that were safe are gone");
}

#[test]
fn a_short_run_that_is_killed_again_and_again() {
    soak_with_kills(500, 6, Duration::from_millis(10));
}

#[test]
#[ignore = "it takes minutes"]
fn a_long_run_that_is_killed_a_hundred_times() {
    soak_with_kills(10_000, 100, Duration::from_millis(8));
}
