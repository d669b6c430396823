//! Measures the times that reading and counting a run take.

use super::interrupted;
use super::write::BenchRun;
use crate::command::signals::NO_THREAD;
use crate::publish::Publisher;
use crate::run::prices::{Costs, LayerDefaults};
use crate::run::{Mode, Options, Place, Settings, Watch};
use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, select};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The size of the buffer for plain reading.
const BUFFER: usize = 1 << 20;

/// Median times in seconds.
pub(super) struct Times {
    /// Reading the files with one thread, and doing nothing with them.
    pub(super) read: f64,
    /// Reading them with all threads.
    pub(super) read_by_all: f64,
    /// Counting with one thread.
    pub(super) one: f64,
    /// Counting with all threads.
    pub(super) all: f64,
}

/// Measures all four in each round. The first round only warms up.
pub(super) fn measure(
    run: &Path,
    written: &BenchRun,
    threads: usize,
    rounds: usize,
    signals: &Receiver<i32>,
) -> anyhow::Result<Times> {
    let mut taken = [const { Vec::new() }; 4];
    for round in 0..=rounds {
        let times = [
            read_plainly(&written.files, 1, signals)?,
            read_plainly(&written.files, threads, signals)?,
            count(run, written.updates, 1, signals)?,
            count(run, written.updates, threads, signals)?,
        ];
        if round > 0 {
            taken.iter_mut().zip(times).for_each(|(list, time)| list.push(time));
        }
    }
    let [read, read_by_all, one, all] = taken.map(median);
    Ok(Times { read, read_by_all, one, all })
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// Reads all bytes. Each thread reads a share of them, so that all read from a single large file too.
fn read_plainly(files: &[PathBuf], threads: usize, signals: &Receiver<i32>) -> anyhow::Result<Duration> {
    let started = Instant::now();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..threads)
            .map(|thread| {
                let read = move || read_share(files, thread, threads, signals);
                std::thread::Builder::new().spawn_scoped(scope, read)
            })
            .collect::<std::io::Result<_>>()
            .context(NO_THREAD)?;
        readers.into_iter().try_for_each(|reader| {
            reader.join().unwrap_or_else(|_| bail!("a reading thread ended unexpectedly"))
        })
    })?;
    Ok(started.elapsed())
}

/// Reads the share of one thread: whole files if there are enough, else a part of each.
fn read_share(
    files: &[PathBuf],
    thread: usize,
    threads: usize,
    signals: &Receiver<i32>,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; BUFFER];
    for (number, path) in files.iter().enumerate() {
        interrupted(signals)?;
        if files.len() >= threads {
            if number % threads == thread {
                read_range(path, 0, u64::MAX, &mut buffer)?;
            }
            continue;
        }
        let length = path.metadata()?.len().div_ceil(threads as u64);
        read_range(path, thread as u64 * length, length, &mut buffer)?;
    }
    Ok(())
}

fn read_range(path: &Path, start: u64, length: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut left = length;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        match file.read(&mut buffer[..most])? {
            0 => break,
            count => left -= count as u64,
        }
    }
    Ok(())
}

/// Counts as `summary` does, and checks the result.
fn count(run: &Path, expected: u64, threads: usize, signals: &Receiver<i32>) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let settings = Settings {
        name: "bench".into(),
        costs: Costs::default(),
        neurons: LayerDefaults::default(),
        resets: LayerDefaults::default(),
        stall_after: Duration::MAX,
        live: false,
    };
    let options = Options::unkept(Mode::Once, threads);
    let watch = Watch::start(run, settings, options, &Place::Nowhere, Publisher::none())?;
    let news = watch.views().news();
    while !watch.runs().have_ended() {
        select! {
            recv(news) -> _ => {}
            recv(signals) -> _ => bail!("interrupted; the runs that were written are removed"),
        }
    }
    let took = started.elapsed();
    let run = Arc::clone(&watch.runs().shown().run);
    if let Some(problem) = run.set_aside().next() {
        bail!("{}: {}", problem.path, problem.reason);
    }
    let updates: u128 = run.tally().layers().iter().map(|layer| layer.updates).sum();
    if updates != u128::from(expected) {
        bail!("{updates} updates were counted instead of {expected}; please report it");
    }
    Ok(took)
}
