//! The newest view of each run, for whoever reads them, each at its own pace.
//!
//! An owner publishes by replacing a pointer. It wakes the readers by a message, which is dropped if one is waiting
//! already. The lock is held for that alone, and never while anything is counted, drawn or written.

use super::{Ended, Run, RunEntry, Runs};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The newest views of all runs that are followed.
#[derive(Debug, Clone, Default)]
pub struct Views(Arc<Mutex<AllViews>>);

#[derive(Debug, Default)]
struct AllViews {
    entries: BTreeMap<usize, RunEntry>,
    /// Who wants to know when something is new.
    readers: Vec<Sender<()>>,
    left_out: usize,
    /// What is there where no run is.
    instead: Option<String>,
    /// The runs that somebody looks at, which do not give way to newer ones.
    looked_at: Vec<usize>,
}

impl AllViews {
    fn wake(&self) {
        for reader in &self.readers {
            // One message is as good as many.
            let _ = reader.try_send(());
        }
    }
}

impl Views {
    /// What is known, even if whoever had the lock has panicked: it is whole at any time.
    fn lock(&self) -> MutexGuard<'_, AllViews> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A channel that has a message whenever something is new.
    pub fn news(&self) -> Receiver<()> {
        let (wake, news) = bounded(1);
        self.lock().readers.push(wake);
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
        let all = self.lock();
        let (entries, left_out, instead) = (all.entries.clone(), all.left_out, all.instead.clone());
        drop(all);
        runs.take(entries, left_out);
        runs.set_instead(instead);
    }

    /// The newest view of a run.
    pub fn newest(&self, number: usize) -> Option<Arc<Run>> {
        self.lock().entries.get(&number).map(|entry| Arc::clone(&entry.run))
    }

    /// Adds a run.
    pub(super) fn add(&self, number: usize, directory: &Path, run: Run) {
        let entry = RunEntry { directory: directory.to_owned(), run: run.into(), added: SystemTime::now() };
        self.lock().entries.insert(number, entry);
    }

    /// Publishes a view of a run, unless the run was removed.
    pub(super) fn publish(&self, number: usize, view: Run) {
        let view = Arc::new(view);
        let mut all = self.lock();
        let before = all.entries.get_mut(&number).map(|entry| std::mem::replace(&mut entry.run, view));
        all.wake();
        // Freeing the old view takes time, which is not spent under the lock.
        drop(all);
        drop(before);
    }

    /// Says that a fault has ended the owner of a run, which cannot say so itself.
    pub(super) fn fail(&self, number: usize) {
        let Some(newest) = self.newest(number) else { return };
        let mut view = Run::clone(&newest);
        view.end_with(Ended::Fault);
        let revision = view.revision() + 1;
        self.publish(number, view.conclude(revision, SystemTime::now()));
    }

    /// Sets where a run is now.
    pub(super) fn rename(&self, number: usize, directory: &Path) {
        if let Some(entry) = self.lock().entries.get_mut(&number) {
            directory.clone_into(&mut entry.directory);
        }
    }

    /// Removes a run, unless somebody looks at it; returns whether it is removed.
    pub(super) fn take_out(&self, number: usize) -> bool {
        let mut all = self.lock();
        let is_out = !all.looked_at.contains(&number);
        if is_out {
            all.entries.remove(&number);
            all.wake();
        }
        is_out
    }

    /// Sets how many more runs there are than are followed, and what is there where no run is.
    pub(super) fn set_found(&self, left_out: usize, instead: Option<String>) {
        let mut all = self.lock();
        (all.left_out, all.instead) = (left_out, instead);
        all.wake();
    }

    /// Sets which runs somebody looks at.
    pub fn look_at(&self, runs: Vec<usize>) {
        self.lock().looked_at = runs;
    }

    /// The runs that somebody looks at.
    pub(super) fn looked_at(&self) -> Vec<usize> {
        self.lock().looked_at.clone()
    }
}
