//! When the progress of a run is to be kept, and what of it is safely on disk.

use crate::follow::{CountedBatches, Identity};
use crate::snapshot::BatchName;
use crate::state::KnownManifest;
use crate::storage::Root;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The least time between two checkpoints, and the most that writing them may take of it, one part in so many:
/// the sums of thousands of layers over hundreds of points are megabytes.
const EVERY: Duration = Duration::from_secs(1);
const SHARE: u32 = 10;

/// The counted batches at one moment; what is known of the run by then belongs to them.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Its number, which counts from 1.
    pub number: u64,
    /// The run's own manifest, where it has one.
    pub manifest: Option<KnownManifest>,
    /// What tells its directory from another of the same name, where that is known.
    pub root: Option<Root>,
    /// The batches.
    pub counted: CountedBatches,
    /// Whether some of them may have been deleted since they were counted.
    pub may_have_deleted: bool,
}

/// What a pipeline goes on from.
#[derive(Debug, Clone)]
pub struct Restored {
    /// The run's own manifest, where it had one.
    pub manifest: Option<KnownManifest>,
    /// What told its directory from another of the same name, where that was known.
    pub root: Option<Root>,
    /// The counted batches.
    pub counted: CountedBatches,
    /// Whether some of them may have been deleted since they were counted.
    pub may_have_deleted: bool,
    /// Whether they were counted in a directory of another name, which may be that of another run.
    pub is_from_elsewhere: bool,
}

/// A batch in the state in which it was counted.
pub(super) type CountedBatch = (BatchName, Identity);

/// The checkpoints of a run.
#[derive(Debug)]
pub(super) struct Checkpoints {
    number: u64,
    changed: bool,
    due: Instant,
    /// Batches that were counted since the last checkpoint.
    fresh: Vec<CountedBatch>,
    /// Those of the checkpoints that are not known to be on disk.
    sent: VecDeque<(u64, Vec<CountedBatch>)>,
}

impl Checkpoints {
    pub(super) fn new() -> Self {
        Self {
            number: 0,
            changed: false,
            due: Instant::now() + EVERY,
            fresh: Vec::new(),
            sent: VecDeque::new(),
        }
    }

    /// Notes a counted batch.
    pub(super) fn add(&mut self, batch: CountedBatch) {
        self.fresh.push(batch);
        self.changed = true;
    }

    /// Notes that what is counted has changed in another way.
    pub(super) fn touch(&mut self) {
        self.changed = true;
    }

    /// Forgets what was counted, for the tally starts over.
    pub(super) fn forget(&mut self) {
        self.fresh.clear();
        self.sent.clear();
        self.changed = true;
    }

    /// When the next one is to be made; `None` while there is nothing to keep, or one is being written.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.changed && self.sent.is_empty()).then_some(self.due)
    }

    /// Whether one was made that is not known to be on disk.
    pub(super) fn is_being_written(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Whether one is to be made now; the last one waits for nothing.
    pub(super) fn is_wanted(&self, last: bool) -> bool {
        if last { self.changed } else { self.due().is_some_and(|due| Instant::now() >= due) }
    }

    /// Makes a checkpoint of what is counted.
    pub(super) fn make(
        &mut self,
        counted: CountedBatches,
        manifest: Option<KnownManifest>,
        root: Option<Root>,
        may_have_deleted: bool,
    ) -> Checkpoint {
        self.number += 1;
        self.changed = false;
        self.due = Instant::now() + EVERY;
        self.sent.push_back((self.number, std::mem::take(&mut self.fresh)));
        Checkpoint { number: self.number, manifest, root, counted, may_have_deleted }
    }

    /// A checkpoint is on disk, which took so long, and so is what was in those before it. Returns the batches
    /// that are safe now.
    pub(super) fn saved(&mut self, number: u64, took: Duration) -> Vec<CountedBatch> {
        self.due = self.due.max(Instant::now() + took * SHARE);
        let mut safe = Vec::new();
        while self.sent.front().is_some_and(|(sent, _)| *sent <= number) {
            safe.extend(self.sent.pop_front().into_iter().flat_map(|(_, batches)| batches));
        }
        safe
    }

    /// A checkpoint could not be written; the next one is made in time, with what was in it.
    pub(super) fn failed(&mut self) {
        let lost = self.sent.drain(..).flat_map(|(_, batches)| batches);
        self.fresh = lost.chain(std::mem::take(&mut self.fresh)).collect();
        self.changed = true;
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
        let mut checkpoints = Checkpoints::new();
        assert_eq!(checkpoints.due(), None);
        let (first, second, third) = (batch(1), batch(2), batch(3));
        checkpoints.add(first);
        assert!(checkpoints.due().is_some());
        checkpoints.make(CountedBatches::default(), None, None, false);
        checkpoints.add(second);
        checkpoints.make(CountedBatches::default(), None, None, false);
        checkpoints.add(third);
        assert_eq!(checkpoints.saved(1, Duration::ZERO), [first]);
        checkpoints.failed();
        let last = checkpoints.make(CountedBatches::default(), None, None, false);
        let safe = checkpoints.saved(last.number, Duration::ZERO);
        assert_eq!(safe, [second, third], "one that is newer holds all before it");
        assert_eq!(checkpoints.saved(last.number, Duration::ZERO), []);
    }

    #[test]
    fn one_is_written_at_a_time_and_the_last_one_waits_for_nothing() {
        let mut checkpoints = Checkpoints::new();
        checkpoints.touch();
        assert!(!checkpoints.is_wanted(false) && checkpoints.is_wanted(true));
        let first = checkpoints.make(CountedBatches::default(), None, None, false);
        assert!(!checkpoints.is_wanted(true), "nothing has changed");
        checkpoints.touch();
        assert_eq!(checkpoints.due(), None, "the first one is being written");
        assert!(checkpoints.is_wanted(true));
        checkpoints.saved(first.number, Duration::from_secs(10));
        let due = checkpoints.due().expect("it is written");
        assert!(due > Instant::now() + Duration::from_secs(90), "what takes long is done seldom");
    }
}
