//! Prints how long it takes from a batch's renaming into place until its updates are in the newest view, and from
//! the start of the command until its first frame.
//!
//! `cargo bench --bench live`; with `-- ROUNDS`, so many batches and so many starts.

use anyhow::{Context, Result, bail};
use crossbeam_channel::Receiver;
use neurotop::publish::Publisher;
use neurotop::run::{Mode, Settings, StatePlace, Watch, WatchOptions};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Elements of a batch of about 1 MiB: 64 steps of 4,096 neurons.
const SHAPE: [usize; 3] = [64, 1, 4096];

/// The time between two batches, in which nothing happens.
const PAUSE: Duration = Duration::from_millis(20);

fn main() -> Result<()> {
    let rounds = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(200);
    print_percentiles("renamed 1 MiB batch until its updates are there", &mut latencies(rounds)?);
    let mut starts = (0..rounds.min(50)).map(|_| first_frame()).collect::<Result<Vec<_>>>()?;
    print_percentiles("start until the first frame of an empty directory", &mut starts);
    Ok(())
}

fn print_percentiles(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!("{what}: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms", at(50), at(90), at(99));
}

fn latencies(rounds: usize) -> Result<Vec<Duration>> {
    let run = tempfile::tempdir()?;
    let threads = std::thread::available_parallelism()?.get();
    let settings = Settings { live: true, ..Settings::new("bench") };
    let options = WatchOptions::unkept(Mode::Live, threads);
    let watch = Watch::start(run.path(), settings, options, &StatePlace::Nowhere, Publisher::none())?;
    let news = watch.views().news();
    // Whoever renames at once may be quicker than the watcher's start.
    std::thread::sleep(Duration::from_millis(500));
    let mut times = Vec::with_capacity(rounds);
    for number in 0..rounds {
        let hidden = run.path().join(".batch");
        fs::write(&hidden, batch()?)?;
        std::thread::sleep(PAUSE);
        let started = Instant::now();
        fs::rename(&hidden, run.path().join(format!("batch-{number:06}.npz")))?;
        wait_for(&watch, &news, number as u64 + 1)?;
        times.push(started.elapsed());
    }
    Ok(times)
}

fn wait_for(watch: &Watch, news: &Receiver<()>, batches: u64) -> Result<()> {
    loop {
        news.recv_timeout(Duration::from_secs(10)).context("nothing came")?;
        let runs = watch.runs();
        let run = &runs.shown().run;
        if let Some(problem) = run.problems().next() {
            bail!("{}: {}", problem.path, problem.reason);
        }
        if run.tally().batches() == batches {
            return Ok(());
        }
    }
}

fn batch() -> Result<Vec<u8>> {
    let potentials = ndarray::Array3::from_shape_fn(SHAPE, |(step, _, neuron)| ((step * neuron) % 7) as f32);
    let mut archive = ndarray_npy::NpzWriter::new(std::io::Cursor::new(Vec::new()));
    archive.add_array("samples", &ndarray::arr0(1_i64))?;
    archive.add_array("lif.post", &potentials)?;
    Ok(archive.finish()?.into_inner())
}

fn first_frame() -> Result<Duration> {
    let run = tempfile::tempdir()?;
    let pty =
        native_pty_system().openpty(PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 })?;
    let mut reader = pty.master.try_clone_reader()?;
    let mut writer = pty.master.take_writer()?;
    let started = Instant::now();
    let mut child = pty.slave.spawn_command(command(run.path()))?;
    drop(pty.slave);
    let mut seen = Vec::new();
    let mut buffer = [0; 8192];
    while !String::from_utf8_lossy(&seen).contains("neurotop") || seen.len() < 500 {
        match reader.read(&mut buffer)? {
            0 => bail!("it ended without a frame"),
            count => seen.extend(&buffer[..count]),
        }
    }
    let took = started.elapsed();
    writer.write_all(b"q")?;
    // Reads on, since a terminal that nobody reads from stops whoever writes to it.
    let drain = std::thread::spawn(move || while let Ok(1..) = reader.read(&mut buffer) {});
    child.wait()?;
    drop((pty.master, writer));
    let _ = drain.join();
    Ok(took)
}

fn command(run: &Path) -> CommandBuilder {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_neurotop"));
    command.arg(run);
    command.env("TERM", "xterm-256color");
    command
}
