//! `neurotop watch` in a process of its own, without a terminal: its log, its export, what it says.

use super::json;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// The process, killed when dropped, and a directory of its own.
pub struct Watch {
    child: Child,
    place: TempDir,
}

impl Watch {
    /// Watches a run until it is finished; `command` is the bare command.
    pub fn start(command: Command, run: impl AsRef<OsStr>, more: &[&str]) -> Self {
        Self::start_settling(command, run, more, "0.5")
    }

    /// The same, where what cannot be read is set aside after so many seconds without a change.
    pub fn start_settling(mut command: Command, run: impl AsRef<OsStr>, more: &[&str], settle: &str) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let errors = File::create(place.path().join("errors")).expect("a file");
        let child = command
            .args(["watch", "--exit-when-finished", "--settle", settle, "--log-level", "debug"])
            .arg(run)
            .args(more)
            .arg("--export")
            .arg(place.path().join("out.json"))
            .arg("--log")
            .arg(place.path().join("log"))
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .env("XDG_STATE_HOME", place.path())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("it starts");
        Self { child, place }
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }

    /// What it has said on standard error.
    pub fn said(&self) -> String {
        fs::read_to_string(self.place.path().join("errors")).unwrap_or_default()
    }

    /// Waits until a line of the log has all these parts.
    #[track_caller]
    pub fn until_logged(&self, parts: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().lines().any(|line| parts.iter().all(|part| line.contains(part))) {
            assert!(Instant::now() < deadline, "{parts:?} is not in the log:\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().cast_signed()).expect("a process"), signal).expect("sent");
    }

    /// Waits for the end; returns the exit code and the export.
    #[track_caller]
    pub fn ends(&mut self) -> (i32, Value) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            sleep(Duration::from_millis(20));
        };
        let code = status.code().expect("a code");
        let export = self.place.path().join("out.json");
        assert!(export.exists(), "{code}: {}", self.said());
        (code, json(&export))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
