//! Publishes the runs while they are counted, for TensorBoard and Prometheus. Which figures are published, and under
//! which names, stands in the table of figures; here is only how.
//!
//! OpenMetrics text is made from the newest views of the runs when somebody asks or a file is due. TensorBoard needs a
//! point for each batch: the owner of a run takes it ([`PointTaker`]) and puts it into a bounded queue. Points that find
//! the queue full are left out. Threads of their own write and serve, so that neither a slow disk nor a slow client
//! holds up counting or drawing.

mod clients;
mod event;
mod host;
mod metrics;
mod names;
mod openmetrics;
mod points;
mod request;
mod serve;
mod target;
mod tensorboard;
mod textfile;
mod thinning;

pub use openmetrics::{CONTENT_TYPE, MAX_LAYERS, RunState, render};
pub use target::Target;

use crate::figures::checks::Checks;
use crate::run::{PointTaker, RunPublisher, Views};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use metrics::Metrics;
use points::Points;
use std::path::Path;
use std::time::{Duration, Instant};

/// Sentences that may wait for the user; those beyond are only in the log.
const SENTENCES: usize = 256;

/// Publishes runs until it is closed.
#[derive(Debug)]
pub struct Publisher {
    views: Views,
    points: Option<Points>,
    metrics: Option<Metrics>,
    said: (Sender<String>, Receiver<String>),
}

impl Publisher {
    /// Checks that TensorBoard's directory can be written to and OpenMetrics can be written or served, and starts. The runs in [`Publisher::views`] are published;
    /// there are none yet.
    ///
    /// # Errors
    /// If a directory or a file cannot be written to, an address is in use or not this machine's, or the system gives
    /// no thread.
    pub fn start(tensorboard: Option<&Path>, openmetrics: Option<&Target>) -> anyhow::Result<Self> {
        let mut publisher = Self::none();
        if let Some(directory) = tensorboard {
            publisher.points = Some(Points::start(directory, &publisher.said.0)?);
        }
        if let Some(target) = openmetrics {
            publisher.metrics = Some(Metrics::start(target, publisher.views.clone(), &publisher.said.0)?);
        }
        Ok(publisher)
    }

    /// From now on, conditions that hold are among the problems that are counted.
    pub fn judge_by(&self, checks: &Checks) {
        if let Some(metrics) = &self.metrics {
            metrics.judge_by(checks.clone());
        }
    }

    /// Publishes nothing.
    pub fn none() -> Self {
        Self { views: Views::default(), points: None, metrics: None, said: bounded(SENTENCES) }
    }
}

impl RunPublisher for Publisher {
    fn views(&self) -> &Views {
        &self.views
    }

    fn points(&self, number: usize) -> Option<Box<dyn PointTaker>> {
        let points = self.points.as_ref()?;
        Some(Box::new(points.of_run(number)))
    }

    fn forget(&self, number: usize) {
        if let Some(metrics) = &self.metrics {
            metrics.leave(number);
        }
    }

    fn said(&self) -> &Receiver<String> {
        &self.said.1
    }

    fn close(&mut self, within: Duration) -> Vec<String> {
        let until = Instant::now() + within;
        let points = self.points.take().map(Points::close);
        let metrics = self.metrics.take().and_then(Metrics::close);
        let points = points.and_then(|outcome| failure(&outcome, until, "--tensorboard", "points were"));
        let metrics = metrics.and_then(|outcome| failure(&outcome, until, "--openmetrics", "state was"));
        points.into_iter().chain(metrics).collect()
    }
}

/// Waits until a thread has written everything, at most until the deadline; returns why it could not.
fn failure(outcome: &Receiver<Option<String>>, until: Instant, option: &str, last: &str) -> Option<String> {
    outcome.recv_deadline(until).unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => Some(format!("{option}: the last {last} not written in time")),
        RecvTimeoutError::Disconnected => Some(format!("{option}: a fault of neurotop itself")),
    })
}
