//! A run while it is counted: its sums, the owner that keeps them right, and the views that it publishes.
//!
//! `sums.rs`, `tally.rs`, `series.rs` and `ranks.rs` add up, and `run_sums.rs` has all of it as one value; `state/` keeps
//! that value in a file, and `part/` exchanges it between machines. `owner/` is the one thread that changes what is known
//! of a run, and `view.rs` is what that is. `views.rs` has the newest view of each run for whoever reads, and `runs.rs` is
//! such a reader's own list of them. `worker.rs` and `split.rs` are the threads that count; `watch.rs` starts and ends all
//! of it. Nothing here makes summaries, draws, prints or exports, and nothing here waits for anybody who does. Whoever
//! publishes a run implements the traits in `points.rs`.

pub mod energy;
pub mod exported;
pub mod interval;
pub mod log;
mod news;
mod owner;
pub mod pace;
mod part;
mod points;
mod potentials;
pub mod prices;
mod priority;
mod problem;
pub mod problem_list;
pub mod ranks;
pub mod run_names;
pub mod run_sums;
mod runs;
pub mod series;
mod split;
pub mod state;
pub mod sums;
pub mod tally;
mod throttle;
pub mod throughput;
pub mod timing;
mod view;
mod views;
mod watch;
mod worker;

pub use news::News;
pub use owner::FirstBatches;
pub use part::{Merge, Merged, PART_SCHEMA, RunPart, Tool};
pub use points::{PointTaker, RunPublisher};
pub use potentials::BatchPotentials;
pub use priority::Priority;
pub use problem::{Cause, Presence, Problem, Severity, Watching};
pub use runs::{RunEntry, Runs};
pub use view::{Addition, Backlog, Ended, Run, Settings, Status};
pub use views::Views;
pub use watch::{StatePlace, Watch, kept};

use crate::follow::Shard;
use std::time::Duration;

/// When counting ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Once all that was there at the start is counted or set aside.
    Once,
    /// Never: it goes on until it is told to finish.
    Live,
}

/// How to follow runs.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    pub mode: Mode,
    /// Which batches to look at, where others are counted elsewhere; all of them in live mode.
    pub shard: Shard,
    /// Scan at this interval instead of using file events.
    pub poll: Option<Duration>,
    /// How long an unreadable file must have stopped changing before it is set aside.
    pub settle: Duration,
    /// Threads that count.
    pub threads: usize,
    pub priority: Priority,
    /// What becomes of what is counted.
    pub keeping: Keeping,
}

impl WatchOptions {
    /// Options to count whole runs with so many threads, and to keep nothing.
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
    /// Checkpoints are written, and a batch is safe once a checkpoint with it is on disk.
    Progress,
    /// The same, and safe batches are deleted.
    ProgressAndPrune,
    /// Another process follows the run, and does all of this.
    LeftToAnother,
}

impl Keeping {
    fn has_checkpoints(self) -> bool {
        matches!(self, Self::Progress | Self::ProgressAndPrune)
    }
}
