//! Writes the progress of runs in a thread of its own, so that nobody waits for the disk.

use super::file::default_directory;
use super::sweep::sweep;
use super::{Progress, write};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// Progress to be written, and whom to tell what came of it.
struct Order {
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
            let _ = orders.send(Order { path, progress: Box::new(progress), tell: Box::new(tell) });
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
        // Of several that wait, the newest of each run is enough.
        let mut newest = vec![order];
        for order in orders.try_iter() {
            newest.retain(|older| older.path != order.path);
            newest.push(order);
        }
        for Order { path, progress, tell } in newest {
            let started = Instant::now();
            let written = write(&path, &progress);
            tell(match written {
                Ok(()) => Ok(started.elapsed()),
                Err(error) => Err(format!("{}: {error}", path.display())),
            });
        }
    }
}
