//! Where the progress of one run is kept: its file, the right to write it, and the way to the thread that does.

use crate::run::Keeping;
use crate::run::state::{Known, Lock, Progress, Reason, StatePlace, StateWriter, free_name, known};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for the disk to have what was counted before a run's path led elsewhere.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// How many answers may wait: one for the checkpoint that is being written, and one for the last.
const ANSWERS: usize = 8;

/// The result of writing a checkpoint: how long it took, or why it failed.
pub(super) struct Saved {
    pub(super) epoch: u64,
    pub(super) checkpoint: u64,
    pub(super) written: Result<Duration, String>,
}

/// Where the progress of one run is kept.
pub(in crate::run) struct Keep {
    wanted: Keeping,
    place: StatePlace,
    /// The directory of runs that the run was found in.
    within: Option<PathBuf>,
    writer: Option<StateWriter>,
    /// The state file, if this process may write one.
    file: Option<PathBuf>,
    lock: Option<Lock>,
    /// Where progress that is not resumed from was put, or will be.
    aside: Vec<PathBuf>,
    answers: (Sender<Saved>, Receiver<Saved>),
}

impl Keep {
    /// Nothing is kept until [`Keep::be_at`] says where.
    pub(in crate::run) fn new(
        wanted: Keeping,
        place: StatePlace,
        within: Option<PathBuf>,
        writer: Option<StateWriter>,
    ) -> Self {
        let answers = bounded(ANSWERS);
        Self { wanted, place, within, writer, file: None, lock: None, aside: Vec::new(), answers }
    }

    /// What is wanted of the progress, if it can be kept.
    pub(super) fn wanted(&self) -> Keeping {
        self.wanted
    }

    /// Sets the file that keeps the progress from now on, if any.
    pub(super) fn be_at(&mut self, file: Option<PathBuf>, lock: Option<Lock>) {
        self.file = file;
        self.lock = lock;
        self.aside.clear();
    }

    /// The results of checkpoints.
    pub(super) fn saved(&self) -> &Receiver<Saved> {
        &self.answers.1
    }

    /// Has a checkpoint written, if there is a file for it.
    pub(super) fn save(&self, progress: Progress, epoch: u64, checkpoint: u64) {
        let (Some(writer), Some(file)) = (&self.writer, &self.file) else { return };
        let answers = self.answers.0.clone();
        writer.write(file.clone(), progress, move |written| {
            // The run may no longer be followed.
            let _ = answers.try_send(Saved { epoch, checkpoint, written });
        });
    }

    /// Has progress that is not resumed from put aside; returns where, if there is any.
    pub(super) fn put_aside(&mut self, reason: Reason) -> Option<PathBuf> {
        let (writer, file) = (self.writer.as_ref()?, self.file.as_ref()?);
        let aside = free_name(file, reason, &self.aside);
        let is_there = file.exists();
        self.aside.push(aside.clone());
        writer.put_aside(file.clone(), aside.clone());
        is_there.then_some(aside)
    }

    /// What is known of the run that the path leads to now. The file of the first run is given up only when everything
    /// counted there is in it.
    pub(super) fn look_elsewhere(&mut self, named: &Path, is_another: bool) -> Known {
        let held = self.file.take().zip(self.lock.take());
        let is_written = self.writer.as_ref().is_none_or(|writer| writer.wait(WRITTEN_WITHIN));
        let held = match (held, &self.writer) {
            (Some((_, lock)), Some(writer)) if !is_written => {
                writer.release(lock);
                None
            }
            (held, _) => held,
        };
        known(&self.place, named, self.within.as_deref(), held, is_another)
    }

    /// Gives up the right to write the file, once everything is written.
    pub(super) fn release(&mut self) {
        if let (Some(writer), Some(lock)) = (&self.writer, self.lock.take()) {
            writer.release(lock);
        }
    }
}
