//! Decides when safe batches are deleted, and deletes them.

use super::checkpoint::CountedBatch;
use crate::follow::{Pruned, prune};
use crate::snapshot::{BatchName, SnapshotError};
use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a batch directory must be unchanged before it is deleted. Nothing says that it is complete, and its writer
/// may only have paused.
const DIRECTORY_REST: Duration = Duration::from_secs(60);

/// Batches that are to be deleted.
#[derive(Debug, Default)]
pub(super) struct Deletions {
    files: Vec<CountedBatch>,
    /// In the order in which they are due.
    directories: VecDeque<(Instant, CountedBatch)>,
    has_begun: bool,
}

impl Deletions {
    /// Whether this is the first call.
    pub(super) fn is_first(&mut self) -> bool {
        !std::mem::replace(&mut self.has_begun, true)
    }

    /// Adds batches whose counts are on disk.
    pub(super) fn add(&mut self, safe: Vec<CountedBatch>, now: Instant) {
        for batch in safe {
            if batch.0.is_file() {
                self.files.push(batch);
            } else {
                self.directories.push_back((now + DIRECTORY_REST, batch));
            }
        }
    }

    /// When the next directory is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.directories.front().map(|(due, _)| *due)
    }

    /// Deletes the batches that are due and still safe. Returns the deleted ones, and those that are left, each with the
    /// reason.
    pub(super) fn delete_due(
        &mut self,
        directory: &Path,
        now: Instant,
        is_safe: impl Fn(&CountedBatch) -> bool,
    ) -> (Vec<BatchName>, Vec<(BatchName, SnapshotError)>) {
        let mut due = std::mem::take(&mut self.files);
        let rested = self.directories.partition_point(|(due, _)| *due <= now);
        due.extend(self.directories.drain(..rested).map(|(_, batch)| batch));
        due.retain(is_safe);
        let (mut deleted, mut left) = (Vec::new(), Vec::new());
        for batch in &due {
            match delete(directory, batch) {
                Ok(true) => deleted.push(batch.0),
                Ok(false) => {}
                Err(why) => left.push((batch.0, why)),
            }
        }
        (deleted, left)
    }
}

/// Deletes a batch if it is as it was counted; returns whether it was.
fn delete(directory: &Path, (batch, identity): &CountedBatch) -> Result<bool, SnapshotError> {
    let name = batch.to_string();
    let (what, advice) = match prune(directory, &name, identity) {
        Ok(Pruned::Deleted) => {
            tracing::info!(batch = name, "deleted");
            return Ok(true);
        }
        Ok(Pruned::Changed) => {
            tracing::debug!(batch = name, "not deleted: it is not as it was counted");
            return Ok(false);
        }
        Ok(Pruned::HoldsMore(other)) => {
            let what = format!("it is counted and not deleted, since {other:?} is in it, which is no array");
            (what, "delete it yourself once you do not need that any more")
        }
        Err(error) => {
            let what = format!("it is counted and cannot be deleted: {error}");
            (what, "give this user permission to write into the run's directory")
        }
    };
    Err(SnapshotError::new(what, advice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::look;
    use std::fs;

    #[test]
    fn directories_wait_and_what_is_not_safe_any_more_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        for name in ["batch-1.npz", "batch-2.npz"] {
            fs::write(path.join(name), "x").expect("a file");
        }
        fs::create_dir(path.join("batch-3")).expect("a directory");
        fs::write(path.join("batch-3/a.post.npy"), "x").expect("a file");
        let batch = |name: &str| {
            let identity = look(path, name).expect("it is there").identity;
            (BatchName::parse(name).expect("a name"), identity)
        };
        let (mut deletions, now) = (Deletions::default(), Instant::now());
        assert!(deletions.is_first() && !deletions.is_first());
        let batch_1 = batch("batch-1.npz");
        deletions.add(["batch-1.npz", "batch-2.npz", "batch-3"].map(batch).into(), now);
        let (deleted, left) = deletions.delete_due(path, now, |(name, _)| name.number != 2);
        assert!(deleted == [batch_1.0] && left.is_empty(), "{deleted:?}");
        let there = |name: &str| path.join(name).exists();
        assert_eq!(["batch-1.npz", "batch-2.npz", "batch-3"].map(there), [false, true, true]);
        assert_eq!(deletions.due(), Some(now + DIRECTORY_REST));
        assert_eq!(deletions.delete_due(path, now + DIRECTORY_REST, |_| true).0.len(), 1);
        assert_eq!((deletions.due(), there("batch-3"), there("batch-2.npz")), (None, false, true));
    }
}
