//! The threads that open and count batches.

use crate::count::{BatchCount, Scratch, count_batch};
use crate::fault;
use crate::follow::{Identity, Job, look};
use crate::snapshot::{Batch, Manifest, SnapshotError};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Batches in the hands of each worker: enough small ones to be busy while the pipeline scans.
const IN_HAND: usize = 64;

/// Small batches are handed in together, so that thousands a second do not wake the pipeline each; none
/// is held back longer than a fraction of a frame.
const TOGETHER: usize = 32;
const HOLD_BACK: Duration = Duration::from_millis(1);

/// A batch to be counted.
pub(super) struct Task {
    pub(super) epoch: u64,
    pub(super) job: Job,
    pub(super) directory: Arc<Path>,
    pub(super) manifest: Option<Arc<Manifest>>,
}

/// What reading a batch gave.
pub(super) struct Read {
    pub(super) count: BatchCount,
    /// Members that the format does not know.
    pub(super) ignored: Vec<String>,
}

/// A batch that a worker is done with.
pub(super) struct Counted {
    pub(super) epoch: u64,
    pub(super) job: Job,
    /// Its state after it was read; `None` where it is gone.
    pub(super) after: Option<Identity>,
    pub(super) result: Result<Read, SnapshotError>,
}

/// The workers, and how much they have in hand.
pub(super) struct Workers {
    tasks: Sender<Task>,
    pub(super) counted: Receiver<Vec<Counted>>,
    capacity: usize,
    in_hand: usize,
    /// Tasks of an earlier epoch are not worth their reading.
    epoch: Arc<AtomicU64>,
}

impl Workers {
    /// Starts the threads; they end when this is dropped.
    pub(super) fn start(threads: usize) -> std::io::Result<Self> {
        let (tasks, task_receiver) = unbounded();
        let (counted_sender, counted) = unbounded();
        let epoch = Arc::new(AtomicU64::new(0));
        for index in 0..threads {
            let (tasks, counted, epoch) = (task_receiver.clone(), counted_sender.clone(), Arc::clone(&epoch));
            let work = move || work(&tasks, &counted, &epoch);
            std::thread::Builder::new().name(format!("count-{index}")).spawn(work)?;
        }
        Ok(Self { tasks, counted, capacity: threads * IN_HAND, in_hand: 0, epoch })
    }

    /// How many more tasks they can be given.
    pub(super) fn room(&self) -> usize {
        self.capacity - self.in_hand
    }

    pub(super) fn give(&mut self, task: Task) {
        self.in_hand += 1;
        // The workers live as long as the sender.
        let _ = self.tasks.send(task);
    }

    /// Tasks of earlier epochs come back unread from now on.
    pub(super) fn forget_before(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    pub(super) fn took_back(&mut self) {
        self.in_hand -= 1;
    }
}

fn work(tasks: &Receiver<Task>, counted: &Sender<Vec<Counted>>, current: &AtomicU64) {
    let mut scratch = Scratch::default();
    let mut done = Vec::new();
    let mut since = Instant::now();
    loop {
        let task = match tasks.try_recv() {
            Ok(task) => task,
            Err(_) => {
                // Whoever has nothing more to do first hands in what is done.
                if !done.is_empty() && counted.send(std::mem::take(&mut done)).is_err() {
                    return;
                }
                let Ok(task) = tasks.recv() else { return };
                task
            }
        };
        if done.is_empty() {
            since = Instant::now();
        }
        done.push(count(task, current, &mut scratch));
        let full = done.len() >= TOGETHER || since.elapsed() >= HOLD_BACK;
        if full && counted.send(std::mem::take(&mut done)).is_err() {
            return;
        }
    }
}

fn count(task: Task, current: &AtomicU64, scratch: &mut Scratch) -> Counted {
    let Task { epoch, job, directory, manifest } = task;
    if epoch < current.load(Ordering::Relaxed) {
        let result = Err(SnapshotError::new("it was to be counted for an earlier tally", "wait"));
        return Counted { epoch, job, after: None, result };
    }
    let path = directory.join(&job.name);
    // A fault of this program in one batch must not end a run of days.
    let result = catch_unwind(AssertUnwindSafe(|| read(&path, manifest.as_deref(), scratch)))
        .unwrap_or_else(|_| Err(SnapshotError::new("a fault of neurotop itself", "please report it")));
    let after = look(&directory, &job.name).map(|found| found.identity);
    Counted { epoch, job, after, result }
}

fn read(path: &Path, manifest: Option<&Manifest>, scratch: &mut Scratch) -> Result<Read, SnapshotError> {
    fault::point("count");
    let batch = Batch::open(path, manifest)?;
    let count = count_batch(&batch, scratch)?;
    Ok(Read { count, ignored: batch.ignored })
}
