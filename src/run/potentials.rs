//! The membrane potentials in the newest batch of a run, for exports: these are looked at again without the batches.

use super::Run;
use crate::count::layer_detail::{Potentials, read_potentials};
use crate::storage::is_url;
use crossbeam_channel::bounded;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The distributions of the potentials in one batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchPotentials {
    pub batch: String,
    pub layers: BTreeMap<String, Potentials>,
}

impl BatchPotentials {
    /// How long reading may take: an export must not wait for a disk that hangs, and less so on leaving.
    pub const PATIENCE: Duration = Duration::from_secs(2);
    pub const WITHIN: Duration = Duration::from_millis(500);

    /// Reads those of the newest batch of a run; a run that was exported has its own. `None` if the batch is in an object
    /// store, is gone, or cannot be read until then.
    pub fn newest(run: &Run, until: Instant) -> Option<Arc<Self>> {
        if run.potentials().is_some() {
            return run.potentials().cloned();
        }
        let batch = run.newest_batch()?.to_owned();
        let path = run.directory().filter(|directory| !is_url(directory))?.join(&batch);
        let (manifest, cancel) = (run.shared_manifest(), Arc::new(AtomicBool::new(false)));
        let (found, result) = bounded(1);
        let is_cancelled = Arc::clone(&cancel);
        let read = move || {
            let layers = read_potentials(&path, manifest.as_deref(), &is_cancelled);
            // Nobody may wait any more.
            let _ = found.send(layers);
        };
        std::thread::Builder::new().name("detail".into()).spawn(read).ok()?;
        let layers = result.recv_deadline(until);
        cancel.store(true, Ordering::Relaxed);
        let layers = layers.ok()?.ok().filter(|layers| !layers.is_empty())?;
        Some(Arc::new(Self { batch, layers }))
    }
}
