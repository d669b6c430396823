//! The times that reading and counting a run take.

use super::interrupted;
use super::write::Written;
use crate::follow::Shard;
use crate::pipeline::{Keeping, Mode, Options, Pipelines, Update};
use anyhow::bail;
use crossbeam_channel::{Receiver, select};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The buffer of plain reading.
const BUFFER: usize = 1 << 20;

/// Median times in seconds.
pub(super) struct Times {
    /// Reading the files and doing nothing with them.
    pub(super) read: f64,
    /// Counting with one thread.
    pub(super) one: f64,
    /// Counting with all threads.
    pub(super) all: f64,
}

/// Measures in turns, after one round that is not timed.
pub(super) fn measure(
    run: &Path,
    written: &Written,
    threads: usize,
    rounds: usize,
    signals: &Receiver<i32>,
) -> anyhow::Result<Times> {
    let (mut read, mut one, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let times = [
            read_plainly(&written.files, signals)?,
            count(run, written.updates, 1, signals)?,
            count(run, written.updates, threads, signals)?,
        ];
        if round > 0 {
            for (list, time) in [&mut read, &mut one, &mut all].into_iter().zip(times) {
                list.push(time);
            }
        }
    }
    Ok(Times { read: median(read), one: median(one), all: median(all) })
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn read_plainly(files: &[PathBuf], signals: &Receiver<i32>) -> anyhow::Result<Duration> {
    let mut buffer = vec![0; BUFFER];
    let started = Instant::now();
    for path in files {
        interrupted(signals)?;
        let mut file = File::open(path)?;
        while file.read(&mut buffer)? > 0 {}
    }
    Ok(started.elapsed())
}

/// Counts as `summary` does, and checks the count.
fn count(run: &Path, expected: u64, threads: usize, signals: &Receiver<i32>) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let options = Options {
        mode: Mode::Once,
        shard: Shard::WHOLE,
        poll: None,
        settle: Duration::from_secs(2),
        threads,
        keeping: Keeping::Nothing,
    };
    let mut pipelines = Pipelines::start(options)?;
    pipelines.follow(run, None)?;
    let mut updates = 0;
    loop {
        let group = select! {
            recv(pipelines.groups()) -> group => group?,
            recv(signals) -> _ => bail!("interrupted; the runs that were written are removed"),
        };
        for update in group.updates {
            match update {
                Update::Counted { count, .. } => {
                    updates += count.layers.iter().map(|layer| layer.updates).sum::<u64>();
                }
                Update::Problem(problem) => bail!("{}: {}", problem.path, problem.reason),
                Update::Ended if updates == expected => return Ok(started.elapsed()),
                Update::Ended => {
                    bail!("{updates} updates were counted instead of {expected}; please report it")
                }
                _ => {}
            }
        }
    }
}
