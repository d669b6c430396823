//! The details of one layer in one batch, read on demand: which neurons were updated, and how their potentials were
//! distributed. Streams the layer's arrays in bounded memory, as counting does.

mod histogram;
mod potentials;
mod rates;

pub use potentials::{FiniteRange, Potentials};

use crate::count::{Scratch, changes, each_block};
use crate::snapshot::{Array, Batch, BatchLayer, Form, Manifest, SnapshotError, elements};
use rates::RateCounter;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The most neurons whose updates are counted individually.
pub const MAX_NEURONS: u64 = 1 << 21;

/// The most layers that an error names.
const NAMED_LAYERS: usize = 20;

/// One layer in one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerDetail {
    /// The shape of one sample's neurons: the layer's `[T, B, …]` without the first two axes.
    pub shape: Vec<u64>,
    /// `B`.
    pub samples: u64,
    /// `T`.
    pub steps: u64,
    /// The membrane updates of each neuron, in C order over `shape`, summed over the samples and over the
    /// steps 1 to `T` - 1, so that each is at most `B * (T - 1)`. The first step, in which every element
    /// counts by definition, is left out: it says nothing about a neuron. `None` for a layer of more than
    /// [`MAX_NEURONS`].
    pub rates: Option<Vec<u64>>,
    /// The distribution of the potentials after each step, including the first; `None` for packed bits, which have
    /// none.
    pub potentials: Option<Potentials>,
}

/// Reads the details of a layer of the batch at `path`.
///
/// Checks `cancel` before each block, and returns an error once it is set.
///
/// # Errors
/// If the batch cannot be opened, has no such layer, or the layer cannot be read whole.
pub fn read_layer_detail(
    path: &Path,
    manifest: Option<&Manifest>,
    layer: &str,
    scratch: &mut Scratch,
    cancel: &AtomicBool,
) -> Result<LayerDetail, SnapshotError> {
    go_on(cancel)?;
    let batch = Batch::open(path, manifest)?;
    let found = batch.layers.iter().find(|found| found.name == layer);
    let layer = found.ok_or_else(|| no_such_layer(layer, &batch.layers))?;
    let rates = match elements(&layer.shape[2..]) {
        Ok(neurons) if neurons <= MAX_NEURONS => {
            let mut counter = RateCounter::new(layer, neurons, cancel);
            changes(layer, scratch, &mut counter)?;
            Some(counter.finish())
        }
        _ => None,
    };
    let potentials = match &layer.form {
        Form::Trace(post) | Form::Pair { post, .. } => Some(potentials(post, scratch, cancel)?),
        Form::Bits(_) => None,
    };
    Ok(LayerDetail {
        shape: layer.shape[2..].to_vec(),
        samples: layer.shape[1],
        steps: layer.steps(),
        rates,
        potentials,
    })
}

/// The most elements whose distributions an export has, over all layers: 64 MiB in single precision.
const MOST_FILED: u64 = 1 << 24;

/// Reads the distributions of the potentials in the batch at `path` for a file, by layer. Layers that would be too much
/// are left out, and packed bits have none.
///
/// # Errors
/// If the batch cannot be opened or read whole.
pub fn read_potentials(
    path: &Path,
    manifest: Option<&Manifest>,
    cancel: &AtomicBool,
) -> Result<BTreeMap<String, Potentials>, SnapshotError> {
    let (mut scratch, mut left) = (Scratch::default(), MOST_FILED);
    let mut found = BTreeMap::new();
    for layer in Batch::open(path, manifest)?.layers {
        let (Form::Trace(post) | Form::Pair { post, .. }) = &layer.form else { continue };
        let Some(rest) = left.checked_sub(layer.elements) else { continue };
        left = rest;
        found.insert(layer.name, potentials(post, &mut scratch, cancel)?.for_file());
    }
    Ok(found)
}

fn potentials(post: &Array, scratch: &mut Scratch, cancel: &AtomicBool) -> Result<Potentials, SnapshotError> {
    let mut potentials = Potentials::default();
    each_block(post, scratch, |dtype, block| {
        go_on(cancel)?;
        potentials.add(dtype, block);
        Ok(())
    })?;
    Ok(potentials.finish())
}

fn go_on(cancel: &AtomicBool) -> Result<(), SnapshotError> {
    if cancel.load(Ordering::Relaxed) {
        return Err(SnapshotError::new("reading it was cancelled", "ask for it again"));
    }
    Ok(())
}

fn no_such_layer(layer: &str, layers: &[BatchLayer]) -> SnapshotError {
    let names: Vec<String> =
        layers.iter().take(NAMED_LAYERS).map(|layer| format!("{:?}", layer.name)).collect();
    let more = match layers.len().saturating_sub(NAMED_LAYERS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let has = if names.is_empty() { "no layers".into() } else { names.join(", ") + &more };
    SnapshotError::new(format!("layer {layer:?} is not in it; it has {has}"), "choose another layer or batch")
}
