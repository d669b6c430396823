//! Writes the progress of runs in a thread of its own, so that nobody waits for the disk.

use super::file::default_directory;
use super::sweep::sweep;
use super::{Lock, Progress, write};
use crate::platform::fault;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// What the thread is to do, one after the other.
enum StateOrder {
    /// Writes progress, and tells how long that took or why it failed.
    Write { path: PathBuf, progress: Box<Progress>, tell: Box<dyn FnOnce(Result<Duration, String>) + Send> },
    /// Gives a file another name.
    PutAside { from: PathBuf, to: PathBuf },
    /// Drops this once everything before it is done: whoever waits for that is told, or a file may be written by others.
    Drop(Box<dyn Send>),
}

/// How many orders may wait: of each run at most a checkpoint and the last one, and what becomes of its file.
const ORDERS: usize = 1024;

/// The way to the thread, for each owner of a run. The thread ends with the last of them.
#[derive(Debug, Clone)]
pub struct StateWriter {
    orders: Sender<StateOrder>,
}

impl StateWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start() -> io::Result<Self> {
        let (orders, receiver) = bounded(ORDERS);
        std::thread::Builder::new().name("state".into()).spawn(move || {
            if let Some(directory) = default_directory() {
                sweep(&directory, SystemTime::now());
            }
            work(&receiver);
        })?;
        Ok(Self { orders })
    }

    /// Has the progress of a run written. `tell` gets how long it took or why it failed, unless newer progress of the
    /// same run replaced it.
    pub fn write(
        &self,
        path: PathBuf,
        progress: Progress,
        tell: impl FnOnce(Result<Duration, String>) + Send + 'static,
    ) {
        let write = StateOrder::Write { path, progress: Box::new(progress), tell: Box::new(tell) };
        if let Err(refused) = self.orders.try_send(write)
            && let StateOrder::Write { tell, .. } = refused.into_inner()
        {
            tell(Err("the disk has not taken what was to be written before".into()));
        }
    }

    /// Has a file with void progress put aside, after the writes that were ordered before. If there is no room for the
    /// order, this waits: what is put aside must not be overwritten.
    pub fn put_aside(&self, from: PathBuf, to: PathBuf) {
        let _ = self.orders.send(StateOrder::PutAside { from, to });
    }

    /// Waits until everything ordered so far is done, for so long at the most; returns whether it is.
    pub fn wait(&self, most: Duration) -> bool {
        let until = Instant::now() + most;
        let (tell, told) = bounded::<()>(0);
        let is_sent = self.orders.send_deadline(StateOrder::Drop(Box::new(tell)), until).is_ok();
        is_sent && told.recv_deadline(until) == Err(RecvTimeoutError::Disconnected)
    }

    /// Gives up the right to write a file once everything ordered so far is done.
    pub fn release(&self, lock: Lock) {
        let _ = self.orders.send(StateOrder::Drop(Box::new(lock)));
    }
}

fn work(orders: &Receiver<StateOrder>) {
    let mut in_the_way = HashMap::new();
    while let Ok(order) = orders.recv() {
        let mut waiting = vec![order];
        for order in orders.try_iter() {
            if let StateOrder::Write { path, .. } = &order {
                drop_older(&mut waiting, path);
            }
            waiting.push(order);
        }
        waiting.into_iter().for_each(|order| carry_out(order, &mut in_the_way));
    }
}

/// Carries out an order. Files that could not be put aside are `in_the_way`, with where they belong: nothing is written
/// over them.
fn carry_out(order: StateOrder, in_the_way: &mut HashMap<PathBuf, PathBuf>) {
    match order {
        StateOrder::Write { path, progress, tell } => {
            if let Some(aside) = in_the_way.get(&path)
                && let Err(error) = put_aside(&path, aside)
            {
                let why = format!("{}: what was counted before cannot be put aside: {error}", path.display());
                return tell(Err(why));
            }
            in_the_way.remove(&path);
            tell(write_timed(&path, &progress));
        }
        StateOrder::PutAside { from, to } => {
            if let Err(error) = put_aside(&from, &to) {
                tracing::warn!(file = ?from, why = error.to_string(), "void progress cannot be put aside");
                in_the_way.insert(from, to);
            }
        }
        StateOrder::Drop(held) => drop(held),
    }
}

/// Gives a file another name. A file that is not there has nothing to lose.
fn put_aside(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && from.symlink_metadata().is_err() => Ok(()),
        renamed => renamed,
    }
}

/// Drops older progress of the same run, unless a file is put aside between them.
fn drop_older(waiting: &mut Vec<StateOrder>, path: &Path) {
    let aside = waiting.iter().rposition(|order| matches!(order, StateOrder::PutAside { .. }));
    let mut at = aside.map_or(0, |at| at + 1);
    while at < waiting.len() {
        if matches!(&waiting[at], StateOrder::Write { path: older, .. } if older == path) {
            waiting.remove(at);
        } else {
            at += 1;
        }
    }
}

/// Writes progress; returns how long that took, or why it failed.
fn write_timed(path: &Path, progress: &Progress) -> Result<Duration, String> {
    let started = Instant::now();
    // After a fault, the owner still gets an answer.
    let written = catch_unwind(AssertUnwindSafe(|| {
        fault::point("state");
        write(path, progress)
    }));
    match written {
        Ok(Ok(())) => Ok(started.elapsed()),
        Ok(Err(error)) => Err(format!("{}: {error}", path.display())),
        Err(_) => Err("a fault of neurotop itself; please report it".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::tests::progress;
    use super::*;

    #[test]
    fn nothing_is_written_over_what_cannot_be_put_aside() {
        let directory = tempfile::tempdir().expect("a directory");
        let (state, aside) =
            (directory.path().join("run.state"), directory.path().join("gone/run.state.void-1"));
        write(&state, &progress()).expect("written");
        let before = std::fs::read(&state).expect("a file");
        let (tell, told) = bounded(1);
        let writer = StateWriter::start().expect("a thread");
        let keep = || {
            let tell = tell.clone();
            let mut later = progress();
            later.sums.bytes = 9;
            writer.write(state.clone(), later, move |written| drop(tell.send(written)));
            told.recv().expect("an answer")
        };
        writer.put_aside(state.clone(), aside.clone());
        assert!(keep().expect_err("it is refused").contains("cannot be put aside"));
        assert_eq!(std::fs::read(&state).expect("a file"), before);
        std::fs::create_dir(directory.path().join("gone")).expect("a directory");
        keep().expect("written");
        assert_eq!(std::fs::read(&aside).expect("a file"), before);
        writer.put_aside(directory.path().join("nothing"), aside);
        assert!(writer.wait(Duration::from_secs(30)));
    }
}
