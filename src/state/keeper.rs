//! Writes the progress of runs in a thread of its own, so that nobody waits for the disk.

use super::file::default_directory;
use super::sweep::sweep;
use super::{Lock, Progress, write};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// What is to be done, in this order.
enum Order {
    Write(Write),
    /// Gives a file another name.
    PutAside {
        from: PathBuf,
        to: PathBuf,
    },
    /// Gives up the right to write a file.
    Release(Lock),
}

/// Progress to be written, and whom to tell what came of it.
struct Write {
    path: PathBuf,
    progress: Box<Progress>,
    tell: Box<dyn FnOnce(Result<Duration, String>) + Send>,
}

/// The thread that writes; dropping it waits until all is written.
#[derive(Debug)]
pub struct Keeper {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let (orders, receiver) = unbounded();
        let thread = std::thread::Builder::new().name("keeper".into()).spawn(move || {
            if let Some(directory) = default_directory() {
                sweep(&directory, SystemTime::now());
            }
            work(&receiver);
        })?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Has the progress of a run written. How long it took, or why it could not be, is told unless newer progress
    /// of the same run went before it.
    pub fn keep(
        &self,
        path: PathBuf,
        progress: Progress,
        tell: impl FnOnce(Result<Duration, String>) + Send + 'static,
    ) {
        if let Some(orders) = &self.orders {
            // The thread lives as long as the sender.
            let write = Write { path, progress: Box::new(progress), tell: Box::new(tell) };
            let _ = orders.send(Order::Write(write));
        }
    }

    /// Has a file with progress that is void put aside, once what was to be written to it before is written.
    pub fn put_aside(&self, from: PathBuf, to: PathBuf) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(Order::PutAside { from, to });
        }
    }

    /// Gives up the right to write a file, once what was to be written to it before is written.
    pub fn release(&self, lock: Lock) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(Order::Release(lock));
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A fault in it is told by the panic's own message.
            let _ = thread.join();
        }
    }
}

fn work(orders: &Receiver<Order>) {
    while let Ok(order) = orders.recv() {
        let mut waiting = vec![order];
        for order in orders.try_iter() {
            if let Order::Write(write) = &order {
                drop_older(&mut waiting, &write.path);
            }
            waiting.push(order);
        }
        for order in waiting {
            match order {
                Order::Write(write) => carry_out(write),
                Order::Release(lock) => drop(lock),
                Order::PutAside { from, to } => {
                    if let Err(error) = std::fs::rename(&from, &to) {
                        tracing::warn!(file = ?from, why = error.to_string(), "void progress cannot be put aside");
                    }
                }
            }
        }
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

fn carry_out(Write { path, progress, tell }: Write) {
    let started = Instant::now();
    let written = write(&path, &progress);
    tell(match written {
        Ok(()) => Ok(started.elapsed()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    });
}
