//! Writes the progress of runs in a thread of its own, so that nobody waits for the disk.

use super::file::default_directory;
use super::sweep::sweep;
use super::{Lock, Progress, write};
use crate::process::fault;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// What is to be done, in this order.
enum Order {
    Write(Write),
    /// Gives a file another name.
    PutAside {
        from: PathBuf,
        to: PathBuf,
    },
    /// Tells that all before it is done, by dropping it.
    Tell(Sender<()>),
    /// Gives the right to write a file to others, once what was to be written is.
    Release(Lock),
}

/// Progress to be written, and whom to tell what came of it.
struct Write {
    path: PathBuf,
    progress: Box<Progress>,
    tell: Box<dyn FnOnce(Result<Duration, String>) + Send>,
}

/// Orders that may wait: of each run that is followed at most one checkpoint and the last one, and what becomes of its
/// file.
const ORDERS: usize = 1024;

/// The way to the thread that writes, for each owner of a run. The thread ends with the last of them.
#[derive(Debug, Clone)]
pub struct StateWriter {
    orders: Sender<Order>,
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

    /// Has the progress of a run written. How long it took, or why it could not be, is told unless newer progress
    /// of the same run went before it.
    pub fn write(
        &self,
        path: PathBuf,
        progress: Progress,
        tell: impl FnOnce(Result<Duration, String>) + Send + 'static,
    ) {
        let write = Write { path, progress: Box::new(progress), tell: Box::new(tell) };
        if let Err(refused) = self.orders.try_send(Order::Write(write))
            && let Order::Write(write) = refused.into_inner()
        {
            (write.tell)(Err("the disk has not taken what was to be written before".into()));
        }
    }

    /// Has a file with progress that is void put aside, once what was to be written to it before is written. Where so much
    /// waits that there is no room, this waits, too: what is put aside must not be overwritten.
    pub fn put_aside(&self, from: PathBuf, to: PathBuf) {
        let _ = self.orders.send(Order::PutAside { from, to });
    }

    /// Waits until all that was ordered by now is done, for so long at the most; returns whether it is.
    pub fn wait(&self, most: Duration) -> bool {
        let until = Instant::now() + most;
        let (tell, told) = bounded(0);
        let is_sent = self.orders.send_deadline(Order::Tell(tell), until).is_ok();
        is_sent && told.recv_deadline(until) == Err(RecvTimeoutError::Disconnected)
    }

    /// Gives up the right to write a file once all that was ordered by now is done.
    pub fn release(&self, lock: Lock) {
        let _ = self.orders.send(Order::Release(lock));
    }
}

fn work(orders: &Receiver<Order>) {
    let mut in_the_way = HashMap::new();
    while let Ok(order) = orders.recv() {
        let mut waiting = vec![order];
        for order in orders.try_iter() {
            if let Order::Write(write) = &order {
                drop_older(&mut waiting, &write.path);
            }
            waiting.push(order);
        }
        waiting.into_iter().for_each(|order| carry_out(order, &mut in_the_way));
    }
}

/// Carries out an order. What could not be put aside is `in_the_way`, by where it is: nothing is written over it.
fn carry_out(order: Order, in_the_way: &mut HashMap<PathBuf, PathBuf>) {
    match order {
        Order::Write(write) => {
            if let Some(aside) = in_the_way.get(&write.path)
                && let Err(error) = put_aside(&write.path, aside)
            {
                let why =
                    format!("{}: what was counted before cannot be put aside: {error}", write.path.display());
                return (write.tell)(Err(why));
            }
            in_the_way.remove(&write.path);
            write_and_tell(write);
        }
        Order::PutAside { from, to } => {
            if let Err(error) = put_aside(&from, &to) {
                tracing::warn!(file = ?from, why = error.to_string(), "void progress cannot be put aside");
                in_the_way.insert(from, to);
            }
        }
        Order::Tell(tell) => drop(tell),
        Order::Release(lock) => drop(lock),
    }
}

/// Gives a file another name; one that is not there has nothing to lose.
fn put_aside(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && from.symlink_metadata().is_err() => Ok(()),
        renamed => renamed,
    }
}

/// Of several that wait, the newest of each run is enough, unless a file is put aside between them.
fn drop_older(waiting: &mut Vec<Order>, path: &Path) {
    let aside = waiting.iter().rposition(|order| matches!(order, Order::PutAside { .. }));
    let mut at = aside.map_or(0, |at| at + 1);
    while at < waiting.len() {
        if matches!(&waiting[at], Order::Write(older) if older.path == path) {
            waiting.remove(at);
        } else {
            at += 1;
        }
    }
}

fn write_and_tell(Write { path, progress, tell }: Write) {
    let started = Instant::now();
    // A fault in it must not keep whoever waits for the answer waiting.
    let written = catch_unwind(AssertUnwindSafe(|| {
        fault::point("state");
        write(&path, &progress)
    }));
    tell(match written {
        Ok(Ok(())) => Ok(started.elapsed()),
        Ok(Err(error)) => Err(format!("{}: {error}", path.display())),
        Err(_) => Err("a fault of neurotop itself; please report it".into()),
    });
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
