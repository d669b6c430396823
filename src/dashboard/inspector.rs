//! Has portraits of layers made in a thread of its own, so that the dashboard never waits for a disk.

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
pub struct Sitter {
    /// The run's directory.
    pub directory: PathBuf,
    /// The batch's name in it.
    pub batch: String,
    /// The layer's name.
    pub layer: String,
}

/// A portrait, or why there is none.
#[derive(Debug, Clone)]
pub struct Portrayal {
    /// Of what.
    pub sitter: Sitter,
    /// What came of it.
    pub result: Result<LayerDetail, String>,
}

struct Order {
    sitter: Sitter,
    manifest: Option<Arc<Manifest>>,
    cancel: Arc<AtomicBool>,
}

/// Has one portrait made at a time: that of what is wanted now.
#[derive(Debug)]
pub struct Inspector {
    orders: Sender<Order>,
    answers: Receiver<Portrayal>,
    pending: Option<(Sitter, Arc<AtomicBool>)>,
    newest: Option<Portrayal>,
}

impl Inspector {
    /// Starts the thread; it ends when this is dropped.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        // One is made at a time, and nobody orders another before it is taken.
        let ((orders, order_receiver), (answer_sender, answers)) = (bounded(1), bounded(1));
        std::thread::Builder::new()
            .name("inspector".into())
            .spawn(move || work(&order_receiver, &answer_sender))?;
        Ok(Self { orders, answers, pending: None, newest: None })
    }

    /// Has a portrait made, unless it is there or being made. Another batch of the same layer waits for
    /// the one that is being made, another layer does not.
    pub fn want(&mut self, wanted: Option<(Sitter, Option<Arc<Manifest>>)>) {
        let Some((sitter, manifest)) = wanted else {
            if let Some((_, cancel)) = &self.pending {
                cancel.store(true, Ordering::Relaxed);
            }
            return;
        };
        if let Some((pending, cancel)) = &self.pending {
            if (&pending.layer, &pending.directory) != (&sitter.layer, &sitter.directory) {
                cancel.store(true, Ordering::Relaxed);
            }
        } else if self.newest.as_ref().is_none_or(|newest| newest.sitter != sitter) {
            let cancel = Arc::new(AtomicBool::new(false));
            self.pending = Some((sitter.clone(), Arc::clone(&cancel)));
            // The thread lives as long as the sender.
            let _ = self.orders.try_send(Order { sitter, manifest, cancel });
        }
    }

    /// Portraits that are done; each is to be given to [`Inspector::take`].
    pub fn answers(&self) -> &Receiver<Portrayal> {
        &self.answers
    }

    /// Takes a portrait; one that was cancelled is none.
    pub fn take(&mut self, portrayal: Portrayal) {
        let cancelled = self.pending.take().is_some_and(|(_, cancel)| cancel.load(Ordering::Relaxed));
        if !cancelled {
            self.newest = Some(portrayal);
        }
    }

    /// The newest portrait.
    pub fn newest(&self) -> Option<&Portrayal> {
        self.newest.as_ref()
    }
}

fn work(orders: &Receiver<Order>, answers: &Sender<Portrayal>) {
    let mut scratch = Scratch::default();
    for Order { sitter, manifest, cancel } in orders {
        let path = sitter.directory.join(&sitter.batch);
        let draw = || read_layer_detail(&path, manifest.as_deref(), &sitter.layer, &mut scratch, &cancel);
        let result = catch_unwind(AssertUnwindSafe(draw))
            .map_err(|_| "a fault of neurotop itself; please report it".to_owned())
            .and_then(|result| result.map_err(|error| error.to_string()))
            .map_err(|why| if is_deleted(&path) { deleted(&sitter.batch) } else { why });
        if answers.send(Portrayal { sitter, result }).is_err() {
            return;
        }
    }
}

/// Whether a batch is gone from a disk; of a store only reading it says so.
fn is_deleted(path: &Path) -> bool {
    !is_url(path) && path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// What there is to say of a batch that is gone: only one that was counted is ever looked at, and its producer,
/// or this program, may delete it then.
fn deleted(batch: &str) -> String {
    format!("{batch} was counted and is deleted: there is nothing to draw")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn sitter(layer: &str) -> Sitter {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo-run");
        Sitter { directory, batch: "batch-000003.npz".into(), layer: layer.into() }
    }

    fn next(inspector: &mut Inspector) {
        let answer = inspector.answers().recv_timeout(Duration::from_secs(20)).expect("an answer");
        inspector.take(answer);
    }

    #[test]
    fn what_is_wanted_is_made_once() {
        let mut inspector = Inspector::start().expect("a thread");
        inspector.want(Some((sitter("lif1"), None)));
        inspector.want(Some((sitter("lif1"), None)));
        next(&mut inspector);
        let portrait = inspector.newest().expect("a portrait").result.clone().expect("it can be read");
        assert_eq!((portrait.shape, portrait.samples), (vec![8, 8, 8], 16));
        inspector.want(Some((sitter("lif1"), None)));
        assert!(inspector.answers().recv_timeout(Duration::from_millis(100)).is_err(), "it is there already");
    }

    #[test]
    fn a_batch_that_was_counted_and_deleted_is_no_error() {
        let mut inspector = Inspector::start().expect("a thread");
        let gone = Sitter { batch: "batch-000099.npz".into(), ..sitter("lif1") };
        inspector.want(Some((gone, None)));
        next(&mut inspector);
        let why = inspector.newest().expect("an answer").result.clone().unwrap_err();
        assert_eq!(why, "batch-000099.npz was counted and is deleted: there is nothing to draw");
    }

    #[test]
    fn another_layer_does_not_wait_and_what_is_wrong_is_said() {
        let mut inspector = Inspector::start().expect("a thread");
        inspector.want(Some((sitter("lif1"), None)));
        inspector.want(Some((sitter("none"), None)));
        next(&mut inspector);
        assert!(inspector.newest().is_none(), "it was cancelled, however far it was");
        inspector.want(Some((sitter("none"), None)));
        next(&mut inspector);
        let why = inspector.newest().expect("an answer").result.clone().unwrap_err();
        assert!(why.contains("lif2"), "{why}");
    }
}
