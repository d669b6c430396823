//! The threads that open and count batches, shared by the owners of all runs.

use super::Priority;
use super::split::{Helpers, Offer, Read};
use super::throttle::{Hurry, Throttle};
use crate::count::Scratch;
use crate::follow::{Identity, Job, look};
use crate::platform::fault;
use crate::snapshot::{Batch, Manifest, SnapshotError};
use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How many batches each worker may have in hand, so that it is busy while the owner scans.
const IN_HAND: usize = 64;

/// Small batches are handed in together, so that thousands a second do not wake the owner one by one. None is held back
/// for longer than a fraction of a frame.
const TOGETHER: usize = 32;
const HOLD_BACK: Duration = Duration::from_millis(1);

/// If the system gives fewer threads than were asked for, so many are left to the rest of the program.
const LEFT_TO_OTHERS: usize = 16;

/// A batch to be counted.
pub(super) struct Task {
    pub(super) epoch: u64,
    pub(super) job: Job,
    pub(super) directory: Arc<Path>,
    pub(super) manifest: Option<Arc<Manifest>>,
    /// The number of the manifest that it is checked against.
    pub(super) checks: u64,
}

/// A task, the current epoch of its owner, and where its result goes.
type Order = (Task, Arc<AtomicU64>, Sender<Vec<Counted>>);

/// The result of a task.
pub(super) struct Counted {
    pub(super) task: Task,
    /// The state of the file after it was read; `None` if it is gone.
    pub(super) after: Option<Identity>,
    pub(super) result: Result<Read, SnapshotError>,
}

/// The counting threads. They end when this and all owners that use it are dropped.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    tasks: Sender<Order>,
    threads: usize,
    hurry: Hurry,
}

impl Pool {
    /// Starts at least one thread, and fewer than are asked for if the system gives no more.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(threads: usize, priority: Priority) -> std::io::Result<Self> {
        let threads = threads.max(1);
        // It never has more than all owners may have in hand.
        let (tasks, orders) = unbounded();
        let (helpers, offers) = Helpers::new(threads);
        let (hurry, began) = (Hurry::default(), SystemTime::now());
        let mut started = Vec::new();
        for index in 0..threads {
            let (orders, offers, helpers) = (orders.clone(), offers.clone(), helpers.clone());
            let hurry = hurry.clone();
            let (gate, opened) = bounded::<()>(1);
            let work = move || {
                if opened.recv().is_ok() {
                    let throttle = priority.apply(hurry);
                    work(&orders, &offers, &helpers, began, throttle);
                }
            };
            match std::thread::Builder::new().name(format!("count-{index}")).spawn(work) {
                Ok(thread) => started.push((gate, thread)),
                Err(error) if started.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        let few = started.len().saturating_sub(LEFT_TO_OTHERS).max(1);
        let kept = if started.len() == threads { threads } else { few };
        for (gate, thread) in started.drain(kept..) {
            drop(gate);
            // It has done nothing yet, so that its place is free.
            let _ = thread.join();
        }
        // A thread that was started waits at the gate.
        started.iter().for_each(|(gate, _)| gate.send(()).unwrap_or_default());
        Ok(Self { tasks, threads: kept, hurry })
    }

    /// Counts everything as fast as possible from now on, even if other programs want the processors.
    pub(super) fn hurry(&self) {
        self.hurry.begin();
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads
    }
}

/// The counting threads as one owner sees them: what it gave them, and what comes back.
pub(super) struct Workers {
    pool: Pool,
    reply: Sender<Vec<Counted>>,
    pub(super) counted: Receiver<Vec<Counted>>,
    in_hand: usize,
    /// Tasks of an earlier epoch are not read.
    epoch: Arc<AtomicU64>,
}

impl Workers {
    /// The workers of a pool.
    pub(super) fn new(pool: Pool) -> Self {
        // It never has more than this owner has in hand.
        let (reply, counted) = unbounded();
        Self { pool, reply, counted, in_hand: 0, epoch: Arc::default() }
    }

    /// How many more tasks can be given.
    pub(super) fn room(&self) -> usize {
        self.pool.threads * IN_HAND - self.in_hand
    }

    pub(super) fn give(&mut self, task: Task) {
        self.in_hand += 1;
        // The workers live as long as the pool.
        let _ = self.pool.tasks.send((task, Arc::clone(&self.epoch), self.reply.clone()));
    }

    /// Tasks of earlier epochs come back unread from now on.
    pub(super) fn forget_before(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    pub(super) fn took_back(&mut self) {
        self.in_hand -= 1;
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.forget_before(u64::MAX);
    }
}

/// What a worker does next.
enum Work {
    Batch(Order),
    Help(Offer),
}

fn work(
    orders: &Receiver<Order>,
    offers: &Receiver<Offer>,
    helpers: &Helpers,
    began: SystemTime,
    mut throttle: Option<Throttle>,
) {
    let mut scratch = Scratch::default();
    let mut done = Done::default();
    while let Some(work) = next(orders, offers, &mut done) {
        match work {
            Work::Batch((task, current, reply)) => {
                // Batches that were written after the threads started are never held back.
                if task.job.identity.modified < began
                    && let Some(throttle) = &mut throttle
                    && let Some(pause) = throttle.due()
                {
                    done.hand_in();
                    throttle.pause(pause);
                }
                let started = Instant::now();
                let counted = count(task, &current, helpers, &mut scratch);
                done.add(counted, started, reply);
            }
            Work::Help(offer) => {
                done.hand_in();
                offer.take(&mut scratch);
            }
        }
    }
}

/// Waits for work. A batch that was begun goes before the next one, so that few are in memory. `None` once there will
/// be no more.
fn next(orders: &Receiver<Order>, offers: &Receiver<Offer>, done: &mut Done) -> Option<Work> {
    if let Ok(offer) = offers.try_recv() {
        return Some(Work::Help(offer));
    }
    if let Ok(order) = orders.try_recv() {
        return Some(Work::Batch(order));
    }
    // Before waiting, what is counted is handed in.
    done.hand_in();
    select! {
        recv(offers) -> offer => offer.ok().map(Work::Help),
        recv(orders) -> order => order.ok().map(Work::Batch),
    }
}

/// What is counted and not yet handed in, for one owner.
#[derive(Default)]
struct Done {
    counted: Vec<Counted>,
    reply: Option<Sender<Vec<Counted>>>,
    since: Option<Instant>,
}

impl Done {
    fn add(&mut self, counted: Counted, started: Instant, reply: Sender<Vec<Counted>>) {
        if self.reply.as_ref().is_some_and(|other| !other.same_channel(&reply)) {
            self.hand_in();
        }
        let since = *self.since.get_or_insert(started);
        self.reply = Some(reply);
        self.counted.push(counted);
        if self.counted.len() >= TOGETHER || since.elapsed() >= HOLD_BACK {
            self.hand_in();
        }
    }

    fn hand_in(&mut self) {
        self.since = None;
        if let Some(reply) = self.reply.take() {
            // An owner that has ended takes nothing.
            let _ = reply.send(std::mem::take(&mut self.counted));
        }
    }
}

fn count(task: Task, current: &AtomicU64, helpers: &Helpers, scratch: &mut Scratch) -> Counted {
    if task.epoch < current.load(Ordering::Relaxed) {
        let result = Err(SnapshotError::new("it was to be counted for an earlier tally", "wait"));
        return Counted { task, after: None, result };
    }
    let name = task.job.name.to_string();
    let path = task.directory.join(&name);
    let started = Instant::now();
    // A fault of this program in one batch must not end a run of days.
    let result = catch_unwind(AssertUnwindSafe(|| read(&path, task.manifest.as_deref(), helpers, scratch)))
        .unwrap_or_else(|_| Err(SnapshotError::fault()));
    tracing::debug!(?path, took = ?started.elapsed(), whole = result.is_ok(), "read");
    let after = look(&task.directory, &name).map(|found| found.identity);
    Counted { task, after, result }
}

fn read(
    path: &Path,
    manifest: Option<&Manifest>,
    helpers: &Helpers,
    scratch: &mut Scratch,
) -> Result<Read, SnapshotError> {
    fault::point("count");
    helpers.count(Batch::open(path, manifest)?, scratch)
}
