//! Runs the way of a snapshot: follows the directory, has ready batches counted by a few threads, and
//! sends what came of it as updates.

mod acknowledge;
mod checkpoint;
mod deletion;
mod document;
mod engine;
mod layer_sets;
mod pipelines;
mod priority;
mod rank_documents;
mod recent;
mod share;
mod throttle;
mod update;
mod worker;

pub use checkpoint::{Checkpoint, Restored};
pub use layer_sets::FirstBatches;
pub use pipelines::{Group, Pipelines};
pub use priority::Priority;
pub use update::{Presence, Problem, Severity, Update, Watching};

use crate::follow::Shard;
use crate::log;
use crossbeam_channel::{Sender, unbounded};
use engine::Engine;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use worker::{Pool, Workers};

/// When the pipeline ends by itself.
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
    /// The progress is kept: checkpoints are sent, and a batch is safe once one with it is saved.
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

/// What the front-end can tell a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Forget all counts and read everything again.
    Restart,
    /// The sums are not those of the batches that are counted: read everything again, and say so.
    Recount,
    /// Scan once more, count what is there, and end.
    Finish,
    /// The checkpoint of this number is on disk.
    Saved {
        /// Its number.
        checkpoint: u64,
        /// How long it took to write.
        took: Duration,
    },
    /// A checkpoint could not be written: why.
    NotSaved(String),
}

/// Where a run is.
struct Whereabouts {
    /// By what absolute path it is named.
    named: PathBuf,
    /// Where that leads: a link that is moved on leads to another run.
    directory: Arc<Path>,
}

/// The running pipeline of one run; it ends when this is dropped.
#[derive(Debug)]
struct Pipeline {
    commands: Sender<Command>,
}

impl Pipeline {
    fn start(
        options: Options,
        at: Whereabouts,
        pool: Pool,
        output: Output,
        restored: Option<Restored>,
    ) -> std::io::Result<Self> {
        let (commands, receiver) = unbounded();
        let (name, of_engine) = (Arc::clone(&at.directory), output.clone());
        let mut engine = Engine::new(options, at, Workers::of(pool), receiver, of_engine);
        if let Some(restored) = restored {
            engine.go_on_from(restored);
        }
        std::thread::Builder::new().name("pipeline".into()).spawn(move || {
            let _run = log::of_run(&name).entered();
            // The front-end must learn of a fault of this program, too.
            if catch_unwind(AssertUnwindSafe(|| engine.run())).is_err() {
                let _ = output.send(vec![Update::Ended]);
            }
        })?;
        Ok(Self { commands })
    }

    fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

/// Where a pipeline's updates go.
#[derive(Clone)]
struct Output {
    run: usize,
    groups: Sender<Group>,
}

impl Output {
    /// Fails where nobody wants updates any more.
    fn send(&self, updates: Vec<Update>) -> Result<(), ()> {
        self.groups.send(Group { run: self.run, updates }).map_err(|_| ())
    }
}
