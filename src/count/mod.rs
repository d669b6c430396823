//! Membrane updates of a batch, counted from its potentials as a stream.

mod block;
mod crcs;
mod kernel;
pub mod layer_detail;
mod parts;
mod steps;
mod stream;
mod transpose;
mod wide;

pub use block::Scratch;
pub(crate) use crcs::Crcs;
pub use kernel::{Width, set_bits};
pub(crate) use parts::{LayerPart, PartCount, PartialCount, count_part, cut, is_large};
pub(crate) use stream::{Sink, changes, each_block};
pub(crate) use transpose::Odometer;

use crate::snapshot::{Batch, BatchLayer, LayerShape, SnapshotError};
use std::num::NonZeroU64;
use std::sync::Arc;
use steps::StepCounter;

/// The most time steps of a layer that are counted one by one.
pub const MAX_LAYER_STEPS: usize = 4096;

/// The most time steps that are counted one by one in all layers of a batch together.
pub const MAX_BATCH_STEPS: usize = 1 << 20;

/// What one batch adds to the figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchCount {
    /// Samples in the batch.
    pub samples: u64,
    /// The layers' names and shapes, in the order of `layers`.
    pub shapes: Arc<[LayerShape]>,
    /// The counts of each layer.
    pub layers: Vec<LayerCount>,
}

/// What one batch adds to the figures of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerCount {
    /// Membrane updates: elements of the first step, and changed elements of the later ones.
    pub updates: u64,
    /// Elements of all steps.
    pub dense: u64,
    /// The updates of each time step. Their sum is `updates`, unless the layer has more steps than
    /// are counted one by one: the first [`MAX_LAYER_STEPS`], and no more than its equal share of
    /// [`MAX_BATCH_STEPS`] among the batch's layers. The updates of the steps after those are in
    /// `updates` only. Empty where there are no elements.
    pub updates_by_step: Vec<u64>,
}

/// Counts a batch, reading and verifying all of it.
///
/// # Errors
/// Where any layer cannot be read whole; nothing of the batch may be added then.
pub fn count_batch(batch: &Batch, scratch: &mut Scratch) -> Result<BatchCount, SnapshotError> {
    let layers = batch.layers.len();
    let count = |layer| {
        let mut counter = StepCounter::new(layer, layers);
        changes(layer, scratch, &mut counter)?;
        Ok(counter.finish(layer.elements))
    };
    let layers = batch.layers.iter().map(count).collect::<Result<_, _>>()?;
    Ok(BatchCount::from_layers(batch, layers))
}

impl BatchCount {
    /// What tells this count from another, by two checksums over all that is in it: the same on every machine, since
    /// it is kept in files, and for the same layers in any order, since a directory has another one than an archive.
    pub fn digest(&self) -> NonZeroU64 {
        let (mut high, mut low) = (crc32fast::Hasher::new(), 0);
        let mut take = |bytes: &[u8]| {
            high.update(bytes);
            low = crc32c::crc32c_append(low, bytes);
        };
        take(&self.samples.to_le_bytes());
        let mut layers: Vec<(&LayerShape, &LayerCount)> = self.shapes.iter().zip(&self.layers).collect();
        layers.sort_unstable_by(|a, b| a.0.name.cmp(&b.0.name));
        for (shape, count) in layers {
            take(&(shape.name.len() as u64).to_le_bytes());
            take(shape.name.as_bytes());
            for neurons in [&shape.neurons, &Some(count.updates_by_step.clone())] {
                take(&neurons.as_ref().map_or(u64::MAX, |axes| axes.len() as u64).to_le_bytes());
                neurons.iter().flatten().for_each(|number| take(&number.to_le_bytes()));
            }
            take(&count.updates.to_le_bytes());
            take(&count.dense.to_le_bytes());
        }
        let digest = u64::from(high.finalize()) << 32 | u64::from(low);
        NonZeroU64::new(digest).unwrap_or(NonZeroU64::MIN)
    }

    fn from_layers(batch: &Batch, layers: Vec<LayerCount>) -> Self {
        let shapes = batch.layers.iter().map(BatchLayer::layer_shape).collect();
        Self { samples: batch.samples, shapes, layers }
    }
}
