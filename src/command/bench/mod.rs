//! `neurotop bench`: measures how fast this machine reads and counts, on runs that it writes.

mod measure;
mod write;

use super::output::{self, Reader};
use super::signals::leave_signals;
use crate::dashboard::Symbols;
use crate::options::cli::BenchArgs;
use crate::options::thread_count;
use crate::text::{self, shown};
use anyhow::{Context, bail};
use crossbeam_channel::Receiver;
use measure::{Times, measure};
use std::process::ExitCode;
use write::{BenchRun, FORMS, write_run};

pub(super) fn bench(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    let signals = leave_signals()?;
    let threads = thread_count(args.threads);
    // Dropping it removes the runs, whatever ends this function.
    let mut temporary = tempfile::Builder::new();
    let temporary = temporary.prefix("neurotop-bench-");
    let directory = match &args.dir {
        Some(parent) => temporary.tempdir_in(parent),
        None => temporary.tempdir(),
    };
    let directory = directory.context("no directory to write the runs into; name one with --dir")?;
    if print(&heading(threads))? == Reader::Gone {
        return Ok(ExitCode::SUCCESS);
    }
    for (form, name) in FORMS {
        let run = directory.path().join(name);
        let written = write_run(form, &run, args.size, &|| interrupted(&signals))
            .with_context(|| format!("the run cannot be written to {}", shown(directory.path())))?;
        let times = measure(&run, &written, threads, args.rounds.get(), &signals)?;
        std::fs::remove_dir_all(&run).context("a run that was measured cannot be removed")?;
        if print(&row(name, &written, &times))? == Reader::Gone {
            return Ok(ExitCode::SUCCESS);
        }
    }
    print(&format!("\n{}", notes(args.rounds.get())))?;
    directory.close().context("the temporary directory cannot be removed")?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a line. Nothing more is measured once the reader is gone.
fn print(line: &str) -> anyhow::Result<Reader> {
    output::print(&format!("{line}\n"), Symbols::Unicode)
}

/// Fails once a signal asks to leave.
fn interrupted(signals: &Receiver<i32>) -> anyhow::Result<()> {
    if signals.is_empty() { Ok(()) } else { bail!("interrupted; the runs that were written are removed") }
}

fn heading(threads: usize) -> String {
    let threads = format!("{threads} threads");
    let first = format!(
        "{:10} {:>8} {:>11} {:>7} {:>9} {:>8} {:>10} {:>8} {:>8} {:>10}",
        "run", "batches", "size", "read", "1 thread", "of read", threads, "of read", "of 1", "batches"
    );
    let second = format!(
        "{:10} {:>8} {:>11} {:>7} {:>9} {:>8} {:>10} {:>8} {:>8} {:>10}",
        "", "", "", "GB/s", "GB/s", "", "GB/s", "by all", "thread", "a second"
    );
    format!("{first}\n{second}")
}

fn row(name: &str, written: &BenchRun, times: &Times) -> String {
    let speed = |seconds: f64| written.bytes as f64 / seconds / 1e9;
    format!(
        "{name:10} {:>8} {:>11} {:>7.2} {:>9.2} {:>8.2} {:>10.2} {:>8.2} {:>8.2} {:>10}",
        text::thousands(written.files.len() as u128),
        text::bytes(written.bytes),
        speed(times.read),
        speed(times.one),
        times.read / times.one,
        speed(times.all),
        times.read_by_all / times.all,
        times.one / times.all,
        text::thousands((written.files.len() as f64 / times.all) as u128),
    )
}

fn notes(rounds: usize) -> String {
    format!(
        "Medians of {rounds} rounds, taken in turns, of files that were just written and so are in memory. \
         \"read\"\nreads the same bytes into a buffer of 1 MiB and does nothing with them, \"by all\" the same with \
         as many\nthreads; sizes are on disk. All counts are right."
    )
}
