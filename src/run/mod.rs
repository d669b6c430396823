//! A run while it is counted: its owner, the views that it publishes, and what several runs have in common.
//!
//! `owner/` is the one thread that changes what is known of a run, and `view.rs` what that is; `views.rs` has the newest
//! view of each run for whoever reads, and `runs.rs` is such a reader's own list of them. `worker.rs` and `split.rs` are
//! the threads that count, `watch.rs` what starts and ends all of it. Nothing here draws, prints or exports, and nothing
//! here waits for anybody who does.

pub mod energy;
pub mod interval;
pub mod log;
mod news;
mod owner;
pub mod pace;
pub mod pairs;
pub mod prices;
mod priority;
mod problem;
pub mod problems;
pub mod ranks;
mod runs;
pub mod series;
mod split;
pub mod state;
pub mod sums;
pub mod tally;
mod throttle;
pub mod throughput;
mod view;
mod views;
mod watch;
mod worker;

pub use news::News;
pub use owner::FirstBatches;
pub use priority::Priority;
pub use problem::{Presence, Problem, Severity, Watching};
pub use runs::{Entry, Runs};
pub use view::{Addition, Backlog, Ended, Run, Settings, Status};
pub use views::Views;
pub use watch::{Place, Watch, kept};

use crate::follow::Shard;
use std::time::Duration;

/// When the count of a run ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// When all that was there at the start is counted or set aside.
    Once,
    /// Never; it goes on until it is told to finish.
    Live,
}

/// How to follow runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// When to end.
    pub mode: Mode,
    /// The batches that are looked at, where others are counted elsewhere; not so for what is followed live.
    pub shard: Shard,
    /// Scan at this interval instead of using file events.
    pub poll: Option<Duration>,
    /// How long an unreadable file must have stopped changing before it is set aside.
    pub settle: Duration,
    /// Threads that count.
    pub threads: usize,
    /// At what priority they count.
    pub priority: Priority,
    /// What becomes of what is counted.
    pub keeping: Keeping,
}

impl Options {
    /// With so many threads, whole runs, and nothing of them kept.
    pub fn unkept(mode: Mode, threads: usize) -> Self {
        let (settle, priority) = (Duration::from_secs(2), Priority::Normal);
        Self { mode, shard: Shard::WHOLE, poll: None, settle, threads, priority, keeping: Keeping::Nothing }
    }
}

/// What becomes of what is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keeping {
    /// It is forgotten when the program ends.
    #[default]
    Nothing,
    /// The progress is kept: checkpoints are written, and a batch is safe once one with it is on disk.
    Progress,
    /// The same, and batches that are safe are deleted.
    ProgressAndPrune,
    /// All of it is done by another process that follows the run, to which it is left.
    LeftToAnother,
}

impl Keeping {
    /// Whether checkpoints are made.
    fn has_checkpoints(self) -> bool {
        matches!(self, Self::Progress | Self::ProgressAndPrune)
    }
}
