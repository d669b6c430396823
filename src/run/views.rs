//! The newest view of each run, for whoever reads them, each at its own pace.
//!
//! An owner publishes by replacing a pointer. It wakes the readers by a message, which is dropped if one is waiting
//! already. The locks here are held for that alone, and never while anything is counted, drawn or written.

use super::{Ended, Run, RunEntry, Runs};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Where the owner of one run puts what it publishes.
#[derive(Debug)]
pub(super) struct Slot {
    entry: Mutex<RunEntry>,
    readers: Readers,
}

impl Slot {
    pub(super) fn publish(&self, view: Run) {
        let before = std::mem::replace(&mut lock(&self.entry).run, Arc::new(view));
        // Freeing the old view takes time, which is not spent under the lock.
        drop(before);
        wake(&self.readers);
    }

    /// Says that a fault has ended the owner, which cannot say so itself.
    pub(super) fn fail(&self) {
        let mut view = Run::clone(&self.newest());
        view.end_with(Ended::Fault);
        let revision = view.revision() + 1;
        self.publish(view.conclude(revision, SystemTime::now()));
    }

    fn newest(&self) -> Arc<Run> {
        Arc::clone(&lock(&self.entry).run)
    }
}

/// Who wants to know when something is new.
type Readers = Arc<Mutex<Vec<Sender<()>>>>;

fn wake(readers: &Readers) {
    for reader in lock(readers).iter() {
        // One message is as good as many.
        let _ = reader.try_send(());
    }
}

/// The newest views of all runs that are followed.
#[derive(Debug, Clone, Default)]
pub struct Views(Arc<AllViews>);

#[derive(Debug, Default)]
struct AllViews {
    slots: Mutex<BTreeMap<usize, Arc<Slot>>>,
    readers: Readers,
    left_out: AtomicUsize,
    /// What is there where no run is.
    instead: Mutex<Option<String>>,
    /// The runs that somebody looks at, which do not give way to newer ones.
    looked_at: Mutex<Vec<usize>>,
}

impl Views {
    /// A channel that has a message whenever something is new.
    pub fn news(&self) -> Receiver<()> {
        let (wake, news) = bounded(1);
        lock(&self.0.readers).push(wake);
        news
    }

    /// The newest views of all runs.
    pub fn runs(&self) -> Runs {
        let mut runs = Runs::default();
        self.bring_up_to_date(&mut runs);
        runs
    }

    /// Brings a reader's list up to date.
    pub fn bring_up_to_date(&self, runs: &mut Runs) {
        let slots: Vec<(usize, Arc<Slot>)> =
            lock(&self.0.slots).iter().map(|(&number, slot)| (number, Arc::clone(slot))).collect();
        let entries = slots.into_iter().map(|(number, slot)| (number, lock(&slot.entry).clone()));
        runs.take(entries.collect(), self.0.left_out.load(Ordering::Relaxed));
        runs.set_instead(lock(&self.0.instead).clone());
    }

    /// The newest view of a run.
    pub fn newest(&self, number: usize) -> Option<Arc<Run>> {
        lock(&self.0.slots).get(&number).map(|slot| slot.newest())
    }

    /// Adds a run.
    pub(super) fn add(&self, number: usize, directory: &Path, run: Run) -> Arc<Slot> {
        let entry = RunEntry { directory: directory.to_owned(), run: run.into(), added: SystemTime::now() };
        let slot = Arc::new(Slot { entry: entry.into(), readers: Arc::clone(&self.0.readers) });
        lock(&self.0.slots).insert(number, Arc::clone(&slot));
        slot
    }

    /// Sets where a run is now.
    pub(super) fn rename(&self, number: usize, directory: &Path) {
        if let Some(slot) = lock(&self.0.slots).get(&number) {
            directory.clone_into(&mut lock(&slot.entry).directory);
        }
    }

    /// Removes a run, unless somebody looks at it; returns whether it is removed.
    pub(super) fn take_out(&self, number: usize) -> bool {
        let is_out = !lock(&self.0.looked_at).contains(&number);
        if is_out {
            lock(&self.0.slots).remove(&number);
            wake(&self.0.readers);
        }
        is_out
    }

    /// Sets how many more runs there are than are followed.
    pub(super) fn leave_out(&self, runs: usize) {
        self.0.left_out.store(runs, Ordering::Relaxed);
        wake(&self.0.readers);
    }

    /// Sets what is there where no run is.
    pub(super) fn set_instead(&self, instead: Option<String>) {
        *lock(&self.0.instead) = instead;
        wake(&self.0.readers);
    }

    /// Sets which runs somebody looks at.
    pub fn look_at(&self, runs: Vec<usize>) {
        *lock(&self.0.looked_at) = runs;
    }

    /// The runs that somebody looks at.
    pub(super) fn looked_at(&self) -> Vec<usize> {
        lock(&self.0.looked_at).clone()
    }
}

/// Takes a lock even if its holder has panicked: what it guards is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
