//! Counts a large batch with all threads that have nothing else to do.

use crate::count::{
    BatchCount, LayerPart, PartCount, PartialCount, Scratch, count_batch, count_part, cut, is_large,
};
use crate::platform::fault;
use crate::snapshot::{Batch, SnapshotError};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How the counting threads of a pool share a large batch.
#[derive(Clone)]
pub(super) struct Helpers {
    offers: Sender<Offer>,
    threads: usize,
}

/// An offer to count parts of a batch that another thread has opened.
pub(super) struct Offer {
    shared: Arc<SplitBatch>,
    results: Sender<(usize, Result<PartCount, SnapshotError>)>,
}

/// A batch in parts, each of which is counted by one thread.
struct SplitBatch {
    batch: Batch,
    parts: Vec<LayerPart>,
    next: AtomicUsize,
}

impl Helpers {
    /// For a pool of so many threads, each of which listens for offers.
    pub(super) fn new(threads: usize) -> (Self, Receiver<Offer>) {
        let (offers, receiver) = bounded(threads * threads);
        (Self { offers, threads }, receiver)
    }

    /// Counts a batch, with the other threads where it is large.
    ///
    /// # Errors
    /// Where any of it cannot be read.
    pub(super) fn count(&self, batch: Batch, scratch: &mut Scratch) -> Result<Read, SnapshotError> {
        if self.threads > 1 && is_large(&batch) {
            let parts = cut(&batch)?;
            return self.share(SplitBatch { batch, parts, next: AtomicUsize::new(0) }, scratch);
        }
        Ok(Read::new(count_batch(&batch, scratch)?, batch.remarks))
    }

    fn share(&self, shared: SplitBatch, scratch: &mut Scratch) -> Result<Read, SnapshotError> {
        let shared = Arc::new(shared);
        let (results, received) = bounded(shared.parts.len());
        for _ in 1..self.threads.min(shared.parts.len()) {
            // If so many wait already, every thread is busy.
            let _ = self.offers.try_send(Offer { shared: Arc::clone(&shared), results: results.clone() });
        }
        drop(results);
        let count = shared.count_all(&received, scratch);
        // After an error the others stop.
        shared.stop();
        Ok(Read::new(count?, shared.batch.remarks.clone()))
    }
}

/// A batch that was read.
pub(super) struct Read {
    pub(super) count: BatchCount,
    /// Tells the count from another count of the same batch.
    pub(super) digest: NonZeroU64,
    /// What the user should know about it.
    pub(super) remarks: Vec<SnapshotError>,
}

impl Read {
    fn new(count: BatchCount, remarks: Vec<SnapshotError>) -> Self {
        Self { digest: count.digest(), count, remarks }
    }
}

impl Offer {
    /// Counts parts until none is left.
    pub(super) fn take(self, scratch: &mut Scratch) {
        while let Some(part) = self.shared.take() {
            // A fault of this program in one batch must not end a run of days.
            let count = catch_unwind(AssertUnwindSafe(|| self.shared.count(part, scratch)))
                .unwrap_or_else(|_| Err(SnapshotError::fault()));
            if self.results.send((part, count)).is_err() {
                return;
            }
        }
    }
}

impl SplitBatch {
    fn take(&self) -> Option<usize> {
        Some(self.next.fetch_add(1, Ordering::Relaxed)).filter(|&part| part < self.parts.len())
    }

    fn stop(&self) {
        self.next.store(self.parts.len(), Ordering::Relaxed);
    }

    fn count(&self, part: usize, scratch: &mut Scratch) -> Result<PartCount, SnapshotError> {
        fault::point("part");
        count_part(&self.batch, &self.parts[part], scratch)
    }

    /// Counts parts while other threads do, and waits for theirs.
    fn count_all(
        &self,
        others: &Receiver<(usize, Result<PartCount, SnapshotError>)>,
        scratch: &mut Scratch,
    ) -> Result<BatchCount, SnapshotError> {
        let mut total = PartialCount::new(&self.batch, &self.parts);
        while let Some(part) = self.take() {
            total.add(part, self.count(part, scratch)?);
            for (part, count) in others.try_iter() {
                total.add(part, count?);
            }
        }
        while total.missing() > 0 {
            let (part, count) = others.recv().map_err(|_| SnapshotError::fault())?;
            total.add(part, count?);
        }
        total.finish()
    }
}
