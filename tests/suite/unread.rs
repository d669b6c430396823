//! Nobody reads the terminal, or the pipe: counting, pruning, acknowledging and publishing go on as if somebody did.

use crate::support;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::{Archive, SMALL, archive_bytes, small_batch, until};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_neurotop");

/// How many batches come, and in what time.
const BATCHES: u64 = 2000;
const TIME: Duration = Duration::from_secs(20);

/// How much more memory it may take in the end than after a quarter of the batches.
const MORE_MEMORY: u64 = 8 << 20;

/// A run that somebody writes, and what neurotop writes of it.
struct Place {
    directory: TempDir,
    port: u16,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Self { directory, port: free_port() };
        fs::create_dir(place.run()).expect("a directory");
        let manifest = json!({"format": "neurotop", "version": 1, "run": "r", "id": "r", "keep": 5,
            "layers": [{"name": "lif", "neuron": "Leaky", "reset": "zero", "shape": [2]}]});
        fs::write(place.run().join("manifest.json"), manifest.to_string()).expect("a manifest");
        place
    }

    fn run(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    fn words(&self) -> Vec<String> {
        let words = ["watch", "run", "--prune", "--state", "run.state", "-o", "out.json", "--openmetrics"];
        words.into_iter().map(str::to_owned).chain([format!("127.0.0.1:{}", self.port)]).collect()
    }

    fn add_batch(&self, number: u64) {
        let hidden = self.run().join(".being-written");
        fs::write(&hidden, archive_bytes(&small_batch(), Archive::Stored)).expect("a file");
        fs::rename(hidden, self.run().join(format!("batch-{number:06}.npz"))).expect("renamed");
    }

    /// How many batches are counted, as Prometheus would be told now.
    fn published(&self) -> Option<u64> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.port);
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let counted = text
            .lines()
            .find(|line| line.starts_with("neurotop_batches{") && line.contains("state=\"counted\""))?;
        counted.rsplit(' ').next()?.parse::<f64>().ok().map(|counted| counted as u64)
    }

    fn acknowledged(&self) -> Value {
        let file = self.run().join(".neurotop-counted.json");
        let file = fs::read(file).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        file.map_or(Value::Null, |mut file| file["batches"].take())
    }
}

/// A port that is free, and that nobody else takes before neurotop does: systems choose none below 32,768 for a program
/// that asks for any, and no two tests try the same ones.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 1000) as u16 * 10;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..10).map(|_| first + NEXT.fetch_add(1, Ordering::Relaxed) % 10).find(is_free).expect("a port")
}

/// Bytes of memory of a process.
fn memory(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("its state");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Has all batches written while `pid` watches, which nobody reads; `nudge` makes it write something.
fn write_batches(place: &Place, pid: Pid, mut nudge: impl FnMut()) {
    until("it does not publish", || place.published().is_some());
    let begun = Instant::now();
    let mut before = 0;
    for number in 0..BATCHES {
        place.add_batch(number);
        if number % 100 == 0 {
            nudge();
        }
        if number == BATCHES / 4 {
            before = memory(pid);
        }
        if number % 500 == 499 {
            let counted = format!("{} are not counted, but {:?}", number + 1, place.published());
            until(&counted, || place.published() == Some(number + 1));
        }
        sleep((TIME * (number as u32 + 1) / BATCHES as u32).saturating_sub(begun.elapsed()));
    }
    until("not all are pruned", || support::batches(&place.run()).is_empty());
    let all = json!([[0, BATCHES - 1]]);
    until("not all are acknowledged", || place.acknowledged() == all);
    let after = memory(pid);
    assert!(after < before + MORE_MEMORY, "{before} bytes became {after}");
}

/// Has a process leave, and checks that it does and what it leaves behind; returns how it ended.
fn assert_leaves<S>(place: &Place, pid: Pid, mut ended: impl FnMut() -> Option<S>) -> S {
    kill_process(pid, Signal::TERM).expect("sent");
    let mut status = None;
    until("it does not end", || {
        status = ended();
        status.is_some()
    });
    let export = support::json(&place.directory.path().join("out.json"));
    assert_eq!(export["run"]["batches"], BATCHES);
    assert_eq!(export["total"]["updates"], BATCHES * SMALL.0);
    assert_eq!(export["account"]["set_aside"], 0);
    status.expect("it has ended")
}

fn inside(mut command: Command, place: &Path) -> Command {
    command.current_dir(place).stdin(Stdio::null());
    command.env("XDG_CONFIG_HOME", "/nonexistent").env("XDG_STATE_HOME", place.join("state"));
    command
}

#[test]
fn a_terminal_that_nobody_reads_holds_up_nothing() {
    let place = Place::new();
    let size = PtySize { rows: 60, cols: 200, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
    let mut command = CommandBuilder::new(BINARY);
    command.args(place.words());
    command.cwd(place.directory.path());
    for (name, value) in
        [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("XDG_CONFIG_HOME", "/nonexistent")]
    {
        command.env(name, value);
    }
    let mut child = pair.slave.spawn_command(command).expect("it starts");
    let pid = child.process_id().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("a process");
    let mut keys = pair.master.take_writer().expect("its input");
    // Frames are small where little changes; Ctrl-L has it draw everything, until the terminal takes nothing more.
    write_batches(&place, pid, || keys.write_all(b"\x0c").expect("typed"));
    let status = assert_leaves(&place, pid, || child.try_wait().expect("its state"));
    assert_eq!(status.exit_code(), 1, "not all could be shown");
}

/// What is in the pipe before neurotop writes to it: all that it takes.
const FULL: &str = "head -c 65536 /dev/zero; exec \"$0\" \"$@\"";

fn spawn_with_a_full_pipe(place: &Place) -> Child {
    let mut command = Command::new("bash");
    command.args(["-c", FULL, BINARY]).args(place.words());
    inside(command, place.directory.path()).stdout(Stdio::piped()).spawn().expect("it starts")
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_nothing() {
    let place = Place::new();
    let mut child = spawn_with_a_full_pipe(&place);
    let pid = Pid::from_raw(child.id().cast_signed()).expect("a process");
    write_batches(&place, pid, || {});
    let status = assert_leaves(&place, pid, || child.try_wait().expect("its state"));
    assert_eq!(status.code(), Some(1), "not all could be printed");
}
