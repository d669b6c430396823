//! The log file of `--log`: what happened to every batch, one line an event. Texts are recorded as texts, not as
//! they are displayed: so they are in quotes, and the lines can be parsed.

use crate::pipeline::{Presence, Severity, Update, Watching};
use crate::snapshot::BatchId;
use crate::text::printable;
use anyhow::Context;
use clap::ValueEnum;
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tracing::level_filters::LevelFilter;
use tracing::{debug, error, info, warn};
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

/// Where to log, and how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The file, which is appended to.
    pub path: PathBuf,
    /// How much.
    pub level: Level,
}

impl Log {
    /// Opens the file and logs to it for as long as the process lives.
    ///
    /// # Errors
    /// Where the file cannot be opened, or this process logs already.
    pub fn start(&self) -> anyhow::Result<()> {
        let path = &self.path;
        // A pipe that nobody reads holds up nothing: not the start, and later on a line is lost.
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let file = File::options().create(true).append(true).custom_flags(flags).open(path);
        let file = file.with_context(|| format!("--log {}: it cannot be written to", path.display()))?;
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(self.level.filter())
            .with_ansi(false)
            .with_target(false)
            // A full disk must not spoil the screen.
            .log_internal_errors(false)
            .with_writer(Mutex::new(Lines(file)))
            .finish()
            // What libraries log has requests in it.
            .with(filter_fn(|event| event.target().starts_with("neurotop")));
        tracing::subscriber::set_global_default(subscriber).context("--log")?;
        info!(version = env!("CARGO_PKG_VERSION"), "started");
        Ok(())
    }
}

/// Writes lines, with everything escaped that could steer a terminal: names in them come from strangers.
struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    /// The subscriber hands over one event at a time.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = printable(text.strip_suffix('\n').unwrap_or(&text)).into_owned() + "\n";
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The span of everything that happens to one run.
pub fn of_run(directory: &Path) -> tracing::Span {
    tracing::error_span!("run", ?directory)
}

/// Logs what a pipeline tells its front-end.
pub fn update(update: &Update) {
    match update {
        Update::Directory(Presence::Present) => info!("the directory is there"),
        Update::Directory(Presence::Missing(why)) => warn!(why, "the directory cannot be read"),
        Update::Watching(Watching::Events) => info!("changes are noticed by file events"),
        Update::Watching(Watching::Polling { every, why }) => {
            info!(?every, why, "changes are noticed by scanning");
        }
        Update::Manifest(manifest) => info!(layers = manifest.layers.len(), "manifest.json was read"),
        Update::End(_) => info!("the run is over"),
        Update::RankEnd { rank, .. } => info!(rank, "the rank has come to its end"),
        Update::EndGone(None) => info!("end.json is gone: the run is not over"),
        Update::EndGone(Some(rank)) => info!(rank, "the end of the rank is gone"),
        Update::RefusalGone => info!("the manifest that was refused is gone"),
        Update::Counted { id, name, bytes, replaces, count, .. } => {
            let updates: u128 = count.layers.iter().map(|layer| u128::from(layer.updates)).sum();
            let (replaces, BatchId { number, rank }) = (replaces.is_some(), *id);
            info!(number, rank, batch = name, bytes, samples = count.samples, updates, replaces, "counted");
        }
        Update::Withdrawn { id: BatchId { number, rank }, .. } => {
            info!(number, rank, "its count was taken out");
        }
        Update::Problem(problem) if problem.severity == Severity::SetAside => {
            warn!(batch = problem.path, why = problem.reason, "set aside");
        }
        Update::Problem(problem) => warn!(batch = problem.path, why = problem.reason, "a problem"),
        // Every batch that is counted has no problem any more, most never had one.
        Update::Solved(_)
        | Update::NoticeGone(_)
        | Update::FirstBatches(_)
        | Update::Account(_)
        | Update::Layers(_)
        | Update::Rank { .. } => {}
        Update::Checkpoint(checkpoint) => debug!(batches = checkpoint.counted.len(), "a checkpoint"),
        Update::Refused(why) => error!(why = why.to_string(), "the run is not counted"),
        Update::Restarted { why, lost } => info!(why, lost, "the tally starts over"),
        Update::Lost(why) => warn!(why, "what was counted is lost"),
        Update::Elsewhere => info!("the path leads to another directory"),
        Update::Ended => info!("counting has ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_that_cannot_steer_a_terminal() {
        let mut lines = Lines(Vec::new());
        lines.write_all("batch=a\u{1b}[2J\nb\u{202e}\n".as_bytes()).expect("written");
        assert_eq!(lines.0, b"batch=a\\u{1b}[2J\\u{a}b\\u{202e}\n");
    }
}
