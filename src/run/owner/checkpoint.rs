//! When to make a checkpoint of the progress, and which batches are safely on disk.

use crate::follow::Identity;
use crate::snapshot::BatchName;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The least time between two checkpoints, and the greatest part of the time (one in so many) that making and writing
/// them may take: the sums of thousands of layers over hundreds of points are megabytes.
const EVERY: Duration = Duration::from_secs(1);
const SHARE: u32 = 10;

/// A batch, and the state of its file when it was counted.
pub(super) type CountedBatch = (BatchName, Identity);

/// The checkpoints of a run.
#[derive(Debug)]
pub(super) struct Checkpoints {
    number: u64,
    changed: bool,
    due: Instant,
    /// Batches that were counted since the last checkpoint.
    fresh: Vec<CountedBatch>,
    /// Batches of checkpoints that are not known to be on disk.
    sent: VecDeque<(u64, Vec<CountedBatch>)>,
    /// Whether the last checkpoint could not be written.
    is_failing: bool,
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self {
            number: 0,
            changed: false,
            due: Instant::now() + EVERY,
            fresh: Vec::new(),
            sent: VecDeque::new(),
            is_failing: false,
        }
    }
}

impl Checkpoints {
    /// Notes a counted batch.
    pub(super) fn add(&mut self, batch: CountedBatch) {
        self.fresh.push(batch);
        self.changed = true;
    }

    /// Notes another change of what is counted.
    pub(super) fn touch(&mut self) {
        self.changed = true;
    }

    /// When to make the next checkpoint; `None` if there is nothing to keep, or one is being written.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.changed && self.sent.is_empty()).then_some(self.due)
    }

    /// Whether a checkpoint is being written.
    pub(super) fn is_being_written(&self) -> bool {
        !self.sent.is_empty() && !self.is_failing
    }

    /// Whether to make a checkpoint now. The last one does not wait.
    pub(super) fn is_wanted(&self, last: bool) -> bool {
        if last { self.changed } else { self.due().is_some_and(|due| Instant::now() >= due) }
    }

    /// Notes that a checkpoint was made, which took so long; returns its number, counted from 1.
    pub(super) fn make(&mut self, took: Duration) -> u64 {
        self.number += 1;
        self.changed = false;
        self.due = Instant::now() + EVERY.max(took * SHARE);
        self.sent.push_back((self.number, std::mem::take(&mut self.fresh)));
        self.number
    }

    /// Notes that a checkpoint and those before it are on disk, which took so long. Returns the batches that are safe
    /// now.
    pub(super) fn saved(&mut self, number: u64, took: Duration) -> Vec<CountedBatch> {
        self.is_failing = false;
        self.due = self.due.max(Instant::now() + took * SHARE);
        let mut safe = Vec::new();
        while self.sent.front().is_some_and(|(sent, _)| *sent <= number) {
            safe.extend(self.sent.pop_front().into_iter().flat_map(|(_, batches)| batches));
        }
        safe
    }

    /// Notes that a checkpoint could not be written. The next one is made in time, with the same batches.
    pub(super) fn failed(&mut self) {
        let lost = self.sent.drain(..).flat_map(|(_, batches)| batches);
        self.fresh = lost.chain(std::mem::take(&mut self.fresh)).collect();
        self.changed = true;
        self.is_failing = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::look;

    #[test]
    fn only_what_is_on_disk_is_safe() {
        let directory = tempfile::tempdir().expect("a directory");
        let batch = |number: u64| {
            let name = format!("batch-{number}.npz");
            std::fs::write(directory.path().join(&name), "x").expect("a file");
            let identity = look(directory.path(), &name).expect("it is there").identity;
            (BatchName::parse(&name).expect("a name"), identity)
        };
        let mut checkpoints = Checkpoints::default();
        assert_eq!(checkpoints.due(), None);
        let (first, second, third) = (batch(1), batch(2), batch(3));
        checkpoints.add(first);
        assert!(checkpoints.due().is_some());
        checkpoints.make(Duration::ZERO);
        checkpoints.add(second);
        checkpoints.make(Duration::ZERO);
        checkpoints.add(third);
        assert_eq!(checkpoints.saved(1, Duration::ZERO), [first]);
        checkpoints.failed();
        let last = checkpoints.make(Duration::ZERO);
        let safe = checkpoints.saved(last, Duration::ZERO);
        assert_eq!(safe, [second, third], "one that is newer holds all before it");
        assert_eq!(checkpoints.saved(last, Duration::ZERO), []);
    }

    #[test]
    fn one_is_written_at_a_time_and_the_last_one_waits_for_nothing() {
        let mut checkpoints = Checkpoints::default();
        checkpoints.touch();
        assert!(!checkpoints.is_wanted(false) && checkpoints.is_wanted(true));
        let first = checkpoints.make(Duration::ZERO);
        assert!(!checkpoints.is_wanted(true), "nothing has changed");
        checkpoints.touch();
        assert_eq!(checkpoints.due(), None, "the first one is being written");
        assert!(checkpoints.is_wanted(true));
        checkpoints.saved(first, Duration::from_secs(10));
        let due = checkpoints.due().expect("it is written");
        assert!(due > Instant::now() + Duration::from_secs(90), "what takes long is done seldom");
    }
}
