//! The log file of `--log`: what happened to every batch, one line an event. Texts are recorded as quoted strings, so
//! that the lines can be parsed.

use crate::platform::open_at_once;
use crate::run::{Addition, Problem, Severity};
use crate::snapshot::BatchId;
use crate::text::{printable, shown};
use anyhow::Context;
use clap::ValueEnum;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tracing::level_filters::LevelFilter;
use tracing::{info, warn};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Faults of neurotop, and runs that cannot be counted.
    Error,
    /// Also what was set aside, and other problems.
    Warn,
    /// Also what was counted, and what happened to the run.
    #[default]
    Info,
    /// Also when each batch was seen, ready, read, or waited for, and why.
    Debug,
}

impl Level {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}

/// Logs to a file, behind what it has, for as long as the process lives.
///
/// # Errors
/// Where the file cannot be opened, or this process logs already.
pub fn start(path: &Path, level: Level) -> anyhow::Result<()> {
    let file = open(path).with_context(|| format!("--log {}: it cannot be written to", shown(path)))?;
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level.filter())
        .with_ansi(false)
        .with_target(false)
        // A full disk must not write to the screen.
        .log_internal_errors(false)
        .with_writer(Mutex::new(LogFile { path: path.to_path_buf(), file }))
        .finish()
        // Libraries log whole requests.
        .with(filter_fn(|event| event.target().starts_with("neurotop")));
    tracing::subscriber::set_global_default(subscriber).context("--log")?;
    info!(version = env!("CARGO_PKG_VERSION"), "started");
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    // A pipe that nobody reads must not hold up the start. Later on, lines are lost.
    let mut options = File::options();
    open_at_once(options.create(true).append(true), true);
    options.open(path)
}

/// A file that is begun anew where it was moved or deleted, as by logrotate. Everything that could control a terminal is
/// escaped: names come from strangers.
struct LogFile {
    path: PathBuf,
    file: File,
}

impl Write for LogFile {
    /// The subscriber hands over one event at a time.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        if !self.path.exists()
            && let Ok(file) = open(&self.path)
        {
            self.file = file;
        }
        let text = String::from_utf8_lossy(event);
        let line = printable(text.strip_suffix('\n').unwrap_or(&text)).into_owned() + "\n";
        self.file.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

pub fn end(rank: Option<u32>) {
    match rank {
        None => info!("the run is over"),
        Some(rank) => info!(rank, "the rank has come to its end"),
    }
}

pub fn end_gone(rank: Option<u32>) {
    match rank {
        None => info!("end.json is gone: the run is not over"),
        Some(rank) => info!(rank, "the end of the rank is gone"),
    }
}

pub fn counted(batch: &Addition) {
    let Addition { id, name, bytes, replaces, count, .. } = batch;
    let updates: u128 = count.layers.iter().map(|layer| u128::from(layer.updates)).sum();
    let (replaces, BatchId { number, rank }) = (replaces.is_some(), *id);
    info!(number, rank, batch = name, bytes, samples = count.samples, updates, replaces, "counted");
}

pub fn problem(problem: &Problem) {
    match problem.severity {
        Severity::SetAside => warn!(batch = problem.path, why = problem.reason, "set aside"),
        Severity::Notice => warn!(batch = problem.path, why = problem.reason, "a problem"),
    }
}

pub fn restarted(why: &str, lost: u64) {
    info!(why, lost, "the tally starts over");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_moved_or_deleted_is_begun_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let mut log = LogFile { path: at("log"), file: open(&at("log")).expect("a file") };
        log.write_all(b"one\n").expect("written");
        std::fs::rename(at("log"), at("log.1")).expect("moved");
        log.write_all(b"two\n").expect("written");
        log.write_all(b"three\n").expect("written");
        let read = |name: &str| std::fs::read_to_string(at(name)).expect("a log");
        assert_eq!([read("log.1"), read("log")], ["one\n", "two\nthree\n"]);
        if cfg!(windows) {
            return; // A directory with an open file cannot be deleted.
        }
        std::fs::remove_dir_all(directory.path()).expect("deleted");
        log.write_all(b"lost\n").expect("written");
        std::fs::create_dir(directory.path()).expect("a directory");
        log.write_all(b"four\n").expect("written");
        assert_eq!(read("log"), "four\n");
    }

    #[test]
    fn an_event_is_one_line_that_cannot_steer_a_terminal() {
        let path = tempfile::NamedTempFile::new().expect("a file").into_temp_path();
        let mut log = LogFile { path: path.to_path_buf(), file: open(&path).expect("a file") };
        log.write_all("batch=a\u{1b}[2J\nb\u{202e}\n".as_bytes()).expect("written");
        assert_eq!(std::fs::read(&path).expect("a log"), b"batch=a\\u{1b}[2J\\u{a}b\\u{202e}\n");
    }
}
