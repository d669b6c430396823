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
        let rounds = measure(&run, &written, threads, args.rounds.get(), &signals)?;
        std::fs::remove_dir_all(&run).context("a run that was measured cannot be removed")?;
        if print(&rows(name, &written, &rounds))? == Reader::Gone {
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

/// The medians, and below them what the least times make.
fn rows(name: &str, written: &BenchRun, rounds: &[Times]) -> String {
    let size =
        format!("{:>8} {:>11}", text::thousands(written.files.len() as u128), text::bytes(written.bytes));
    let medians = row(name, &size, written, rounds);
    let best = row("  at best", &" ".repeat(size.len()), written, &[Times::least(rounds)]);
    format!("{medians}\n{best}")
}

/// Medians over the rounds. A ratio is the median of the ratios within each round, whose times were taken one after the
/// other, so that a change of the machine's speed hardly moves it.
fn row(name: &str, size: &str, written: &BenchRun, rounds: &[Times]) -> String {
    let over_rounds = |figure: &dyn Fn(&Times) -> f64| median(rounds.iter().map(figure).collect());
    let speed = |time: fn(&Times) -> f64| over_rounds(&|times| written.bytes as f64 / time(times) / 1e9);
    format!(
        "{name:10} {size} {:>7.2} {:>9.2} {:>8.2} {:>10.2} {:>8.2} {:>8.2} {:>10}",
        speed(|times| times.read),
        speed(|times| times.one),
        over_rounds(&|times| times.read / times.one),
        speed(|times| times.all),
        over_rounds(&|times| times.read_by_all / times.all),
        over_rounds(&|times| times.one / times.all),
        text::thousands(over_rounds(&|times| written.files.len() as f64 / times.all) as u128),
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    // Of an even number, the mean of the two in the middle.
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

fn notes(rounds: usize) -> String {
    format!(
        "Medians of {rounds} rounds, in each of which all is measured in turns, and the best of each; the files were just \
         written\nand so are in memory. \"read\" reads the same bytes into a buffer of 1 MiB and does nothing with them, \
         \"by all\" the\nsame with as many threads; sizes are on disk. All counts are right."
    )
}
