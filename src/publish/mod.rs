//! Hands the runs, while they are counted, to what a team looks at already: TensorBoard and Prometheus.
//!
//! OpenMetrics is made from the newest views of the runs, whenever somebody asks or a file is due. TensorBoard wants a
//! point for each batch: the owner of a run takes them ([`PointTaker`]) and puts them into a bounded queue, where they are
//! thinned when it is full. Threads of their own write and serve, so that neither a slow disk nor a slow client holds
//! up counting or drawing.

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

use crate::run::{PointTaker, RunPublisher, Views};
use crossbeam_channel::{Receiver, Sender, bounded};
use metrics::Metrics;
use scalars::Scalars;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Sentences that may wait to be said; what finds no room is in the log.
const SENTENCES: usize = 256;

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
    views: Views,
    scalars: Option<Scalars>,
    metrics: Option<Metrics>,
    said: (Sender<String>, Receiver<String>),
}

impl Publisher {
    /// Makes sure that all of it can be written and served, and starts. What is published are the runs in
    /// [`Publisher::views`], of which there are none yet.
    ///
    /// # Errors
    /// Where a directory or a file cannot be written to, an address is in use or not this machine's, or the
    /// system gives no thread.
    pub fn start(publishing: &Publishing) -> anyhow::Result<Self> {
        let mut publisher = Self::none();
        if let Some(directory) = &publishing.tensorboard {
            publisher.scalars = Some(Scalars::start(directory, &publisher.said.0)?);
        }
        if let Some(target) = &publishing.openmetrics {
            publisher.metrics = Some(Metrics::start(target, publisher.views.clone(), &publisher.said.0)?);
        }
        Ok(publisher)
    }

    /// Publishes nothing.
    pub fn none() -> Self {
        Self { views: Views::default(), scalars: None, metrics: None, said: bounded(SENTENCES) }
    }
}

impl RunPublisher for Publisher {
    fn views(&self) -> &Views {
        &self.views
    }

    fn points(&self, number: usize) -> Option<Box<dyn PointTaker>> {
        let scalars = self.scalars.as_ref()?;
        Some(Box::new(scalars.series(number)))
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
        let scalars = self.scalars.take().map(Scalars::close);
        let metrics = self.metrics.take().and_then(Metrics::close);
        let scalars = scalars.and_then(|closing| closing.wait(until));
        scalars.into_iter().chain(metrics.and_then(|closing| closing.wait(until))).collect()
    }
}
