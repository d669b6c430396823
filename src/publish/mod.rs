//! Hands the runs, while they are counted, to what a team looks at already: TensorBoard and Prometheus.
//!
//! Whoever applies updates tells the [`Publisher`]; threads of their own write and serve, so that neither a
//! slow disk nor a slow client holds up counting or drawing.

mod clients;
mod event;
mod host;
mod metrics;
mod names;
mod openmetrics;
mod request;
mod scalars;
mod serve;
mod target;
mod tensorboard;
mod textfile;
mod thinning;

pub use openmetrics::{CONTENT_TYPE, MAX_LAYERS, RunState, render};
pub use target::Target;

use crate::run::Run;
use crate::runs::Runs;
use crossbeam_channel::{Receiver, Sender, unbounded};
use metrics::Metrics;
use scalars::Scalars;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

/// Where runs are published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publishing {
    /// The directory of TensorBoard's event files.
    pub tensorboard: Option<PathBuf>,
    /// Where OpenMetrics text is written or served.
    pub openmetrics: Option<Target>,
}

/// Publishes runs until it is closed.
#[derive(Debug)]
pub struct Publisher {
    scalars: Option<Scalars>,
    metrics: Option<Metrics>,
    said: (Sender<String>, Receiver<String>),
}

impl Publisher {
    /// Makes sure that all of it can be written and served, and starts.
    ///
    /// # Errors
    /// Where a directory or a file cannot be written to, an address is in use or not this machine's, or the
    /// system gives no thread.
    pub fn start(publishing: &Publishing) -> anyhow::Result<Self> {
        let said = unbounded();
        let scalars = publishing.tensorboard.as_deref().map(|directory| Scalars::start(directory, &said.0));
        let scalars = scalars.transpose()?;
        let metrics = publishing.openmetrics.as_ref().map(|target| Metrics::start(target, &said.0));
        Ok(Self { scalars, metrics: metrics.transpose()?, said })
    }

    /// Whether the state after each batch is wanted, and not only that after a group of updates.
    pub fn wants_every_batch(&self) -> bool {
        self.scalars.is_some()
    }

    /// Notes the state of a run after a batch.
    pub fn note(&mut self, number: usize, runs: &Runs) {
        if let (Some(scalars), Some(entry)) = (&mut self.scalars, runs.get(number)) {
            scalars.note(number, &entry.run, SystemTime::now(), Instant::now());
        }
    }

    /// Takes the last state of a run that is followed no more.
    pub fn leave(&mut self, number: usize, run: &Run) {
        if let Some(scalars) = &mut self.scalars {
            scalars.leave(number, run, SystemTime::now(), Instant::now());
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.leave(number);
        }
    }

    /// Hands the newest state over where it is time to; call it often. Returns what there is to say to the user.
    pub fn publish(&mut self, runs: &Runs) -> Vec<String> {
        let (wall, now) = (SystemTime::now(), Instant::now());
        if let Some(scalars) = &mut self.scalars {
            scalars.publish(runs, wall, now);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.publish(runs, wall, now);
        }
        self.said.1.try_iter().collect()
    }

    /// Hands the last state over and waits, though not for ever, until it is written. What is served is served
    /// until the process ends. Returns what could not be written.
    pub fn close(mut self, runs: &Runs) -> Vec<String> {
        let wall = SystemTime::now();
        if let Some(metrics) = &mut self.metrics {
            metrics.hand_over(runs, wall);
        }
        let scalars = self.scalars.take().and_then(|scalars| scalars.close(runs, wall));
        let metrics = self.metrics.take().and_then(Metrics::close);
        scalars.into_iter().chain(metrics).collect()
    }
}
