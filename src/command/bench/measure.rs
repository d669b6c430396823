//! Measures the times that reading and counting a run take.

use super::interrupted;
use super::write::BenchRun;
use crate::command::signals::NO_THREAD;
use crate::publish::Publisher;
use crate::run::{Mode, Settings, StatePlace, Watch, WatchOptions};
use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, select};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The size of the buffer for plain reading.
const BUFFER: usize = 1 << 20;

/// The times of one round, in seconds.
#[derive(Debug, Clone, Copy)]
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

impl Times {
    /// The least of each time.
    pub(super) fn least(rounds: &[Self]) -> Self {
        let least = |time: fn(&Self) -> f64| rounds.iter().map(time).fold(f64::INFINITY, f64::min);
        Self {
            read: least(|times| times.read),
            read_by_all: least(|times| times.read_by_all),
            one: least(|times| times.one),
            all: least(|times| times.all),
        }
    }
}

/// Measures all four in each round. The first round, which only warms up, is left out.
pub(super) fn measure(
    run: &Path,
    written: &BenchRun,
    threads: usize,
    rounds: usize,
    signals: &Receiver<i32>,
) -> anyhow::Result<Vec<Times>> {
    let round = |_| {
        Ok(Times {
            read: read_plainly(&written.files, 1, signals)?,
            one: count(run, written.updates, 1, signals)?,
            read_by_all: read_plainly(&written.files, threads, signals)?,
            all: count(run, written.updates, threads, signals)?,
        })
    };
    let mut taken = (0..=rounds).map(round).collect::<anyhow::Result<Vec<_>>>()?;
    taken.remove(0);
    Ok(taken)
}

/// Reads all bytes. Each thread reads a share of them, so that all read from a single large file too.
fn read_plainly(files: &[PathBuf], threads: usize, signals: &Receiver<i32>) -> anyhow::Result<f64> {
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
    Ok(started.elapsed().as_secs_f64())
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
fn count(run: &Path, expected: u64, threads: usize, signals: &Receiver<i32>) -> anyhow::Result<f64> {
    let started = Instant::now();
    let settings = Settings { stall_after: Duration::MAX, ..Settings::new("bench") };
    let options = WatchOptions::unkept(Mode::Once, threads);
    let watch = Watch::start(run, settings, options, &StatePlace::Nowhere, Publisher::none())?;
    let news = watch.views().news();
    while !watch.runs().have_ended() {
        select! {
            recv(news) -> _ => {}
            recv(signals) -> _ => bail!("interrupted; the runs that were written are removed"),
        }
    }
    let took = started.elapsed().as_secs_f64();
    let run = Arc::clone(&watch.runs().shown().run);
    if let Some(problem) = run.set_aside().next() {
        bail!("{}: {}", problem.path, problem.reason);
    }
    let updates = run.tally().total().updates.effective;
    if updates != u128::from(expected) {
        bail!("{updates} updates were counted instead of {expected}; please report it");
    }
    Ok(took)
}
