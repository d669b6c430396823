//! Reads the detail of the selected layer in a thread of its own, so that the dashboard never waits for a disk.

use crate::count::Scratch;
use crate::count::layer_detail::{LayerDetail, read_layer_detail};
use crate::snapshot::Manifest;
use crate::storage::is_url;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A layer in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetailKey {
    /// The run's directory.
    pub directory: PathBuf,
    /// The batch's name in it.
    pub batch: String,
    pub layer: String,
}

/// The detail of a layer, or why there is none.
#[derive(Debug, Clone)]
pub struct DetailResult {
    pub key: DetailKey,
    pub result: Result<LayerDetail, String>,
}

/// A detail to read, the run's manifest, and whether reading is cancelled.
type DetailOrder = (DetailKey, Option<Arc<Manifest>>, Arc<AtomicBool>);

/// Reads one detail at a time: the one that is wanted now.
#[derive(Debug)]
pub struct DetailLoader {
    orders: Sender<DetailOrder>,
    results: Receiver<DetailResult>,
    pending: Option<(DetailKey, Arc<AtomicBool>)>,
    newest: Option<Arc<DetailResult>>,
}

impl DetailLoader {
    /// Starts the thread; it ends when this is dropped.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        // One is read at a time, and nobody orders another before its result is taken.
        let ((orders, order_receiver), (result_sender, results)) = (bounded(1), bounded(1));
        std::thread::Builder::new()
            .name("detail".into())
            .spawn(move || work(&order_receiver, &result_sender))?;
        Ok(Self { orders, results, pending: None, newest: None })
    }

    /// Starts to read a detail unless it is there or being read; `None` cancels what is being read. Another batch of
    /// the same layer waits for the pending one, another layer cancels it.
    pub fn want(&mut self, wanted: Option<(DetailKey, Option<Arc<Manifest>>)>) {
        let Some((key, manifest)) = wanted else {
            if let Some((_, cancel)) = &self.pending {
                cancel.store(true, Ordering::Relaxed);
            }
            return;
        };
        if let Some((pending, cancel)) = &self.pending {
            if (&pending.layer, &pending.directory) != (&key.layer, &key.directory) {
                cancel.store(true, Ordering::Relaxed);
            }
        } else if self.newest.as_ref().is_none_or(|newest| newest.key != key) {
            let cancel = Arc::new(AtomicBool::new(false));
            self.pending = Some((key.clone(), Arc::clone(&cancel)));
            // The thread lives as long as the sender.
            let _ = self.orders.try_send((key, manifest, cancel));
        }
    }

    /// The results; give each to [`DetailLoader::take`].
    pub fn results(&self) -> &Receiver<DetailResult> {
        &self.results
    }

    /// Takes a result, and drops one that was cancelled.
    pub fn take(&mut self, result: DetailResult) {
        let cancelled = self.pending.take().is_some_and(|(_, cancel)| cancel.load(Ordering::Relaxed));
        if !cancelled {
            self.newest = Some(Arc::new(result));
        }
    }

    /// The newest result.
    pub fn newest(&self) -> Option<Arc<DetailResult>> {
        self.newest.clone()
    }
}

fn work(orders: &Receiver<DetailOrder>, results: &Sender<DetailResult>) {
    let mut scratch = Scratch::default();
    for (key, manifest, cancel) in orders {
        let path = key.directory.join(&key.batch);
        let read = || read_layer_detail(&path, manifest.as_deref(), &key.layer, &mut scratch, &cancel);
        let result = catch_unwind(AssertUnwindSafe(read))
            .map_err(|_| "a fault of neurotop itself; please report it".to_owned())
            .and_then(|result| result.map_err(|error| error.to_string()))
            .map_err(|why| if is_deleted(&path) { deleted(&key.batch) } else { why });
        if results.send(DetailResult { key, result }).is_err() {
            return;
        }
    }
}

/// Whether a batch is gone from a disk; of a store only reading it says so.
fn is_deleted(path: &Path) -> bool {
    !is_url(path) && path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Only a counted batch is ever looked at, and its producer, or this program, may delete it then.
fn deleted(batch: &str) -> String {
    format!("{batch} was counted and is deleted: there is nothing to draw")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn key(layer: &str) -> DetailKey {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo-run");
        DetailKey { directory, batch: "batch-000003.npz".into(), layer: layer.into() }
    }

    fn next(loader: &mut DetailLoader) {
        let result = loader.results().recv_timeout(Duration::from_secs(20)).expect("a result");
        loader.take(result);
    }

    #[test]
    fn what_is_wanted_is_made_once() {
        let mut loader = DetailLoader::start().expect("a thread");
        loader.want(Some((key("lif1"), None)));
        loader.want(Some((key("lif1"), None)));
        next(&mut loader);
        let detail = loader.newest().expect("a detail").result.clone().expect("it can be read");
        assert_eq!((detail.shape, detail.samples), (vec![8, 8, 8], 16));
        loader.want(Some((key("lif1"), None)));
        assert!(loader.results().recv_timeout(Duration::from_millis(100)).is_err(), "it is there already");
    }

    #[test]
    fn a_batch_that_was_counted_and_deleted_is_no_error() {
        let mut loader = DetailLoader::start().expect("a thread");
        let gone = DetailKey { batch: "batch-000099.npz".into(), ..key("lif1") };
        loader.want(Some((gone, None)));
        next(&mut loader);
        let why = loader.newest().expect("a result").result.clone().unwrap_err();
        assert_eq!(why, "batch-000099.npz was counted and is deleted: there is nothing to draw");
    }

    #[test]
    fn another_layer_does_not_wait_and_what_is_wrong_is_said() {
        let mut loader = DetailLoader::start().expect("a thread");
        loader.want(Some((key("lif1"), None)));
        loader.want(Some((key("none"), None)));
        next(&mut loader);
        assert!(loader.newest().is_none(), "it was cancelled, however far it was");
        loader.want(Some((key("none"), None)));
        next(&mut loader);
        let why = loader.newest().expect("a result").result.clone().unwrap_err();
        assert!(why.contains("lif2"), "{why}");
    }
}
