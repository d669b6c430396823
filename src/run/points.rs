//! What a run needs of those who publish it elsewhere. The run's owner calls them after each batch, so that none of these
//! calls may wait for a disk or a network.

use super::{Run, Views};
use crossbeam_channel::Receiver;
use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime};

/// Takes points of one run, at the times that it chooses.
pub trait PointTaker: Debug + Send {
    /// Takes a point after a batch, if one is due.
    fn note(&mut self, run: &Run, wall: SystemTime, now: Instant);

    /// When to call [`PointTaker::pass`] next; `None` where no point can become due with time.
    fn due(&self) -> Option<Instant>;

    /// Takes the point that has become due with time, if there is one.
    fn pass(&mut self, run: &Run, wall: SystemTime, now: Instant);

    /// Takes the last point.
    fn close(&mut self, run: &Run, wall: SystemTime, now: Instant);
}

/// Publishes runs elsewhere, by their numbers, until it is closed.
pub trait RunPublisher: Debug {
    /// The views that are published, of which there are none at the start.
    fn views(&self) -> &Views;

    /// What takes the points of a run, if points are wanted.
    fn points(&self, number: usize) -> Option<Box<dyn PointTaker>>;

    /// Forgets a run that is no longer followed.
    fn forget(&self, number: usize);

    /// Sentences for the user.
    fn said(&self) -> &Receiver<String>;

    /// Has the last state written, once the owners of the runs have ended, and waits for that for so long at the most.
    /// What is served is served until the process ends. Returns what could not be written.
    fn close(&mut self, within: Duration) -> Vec<String>;
}
