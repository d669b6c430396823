//! Counts the membrane updates of a batch, from arrays to numbers; and reads the details of one layer. Nothing here
//! knows about directories, or about which batches were counted before.

mod activity;
mod block;
mod kernel;
pub mod layer_detail;
mod marks;
mod parts;
mod steps;
mod stream;
mod transpose;

pub use activity::{ActiveNeurons, Activity, MAX_ACTIVE_NEURONS, NeuronCounts};
pub use block::Scratch;
pub use kernel::set_bits;
pub(crate) use parts::{LayerPart, PartCount, PartialCount, count_part, cut, is_large};
pub(crate) use stream::{Crcs, Sink, add_bytes, changes, each_block};

use crate::snapshot::{Batch, BatchLayer, LayerShape, SnapshotError};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;
use std::sync::Arc;
use steps::StepCounter;

/// The most time steps of a layer that are counted individually.
pub const MAX_LAYER_STEPS: usize = 4096;

/// The most time steps that are counted individually in all layers of a batch together.
pub const MAX_BATCH_STEPS: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchCount {
    pub samples: u64,
    /// The layers' names and shapes, in the order of `layers`.
    pub shapes: Arc<[LayerShape]>,
    pub layers: Vec<LayerCount>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LayerCount {
    /// Membrane updates: all elements of the first step, and the changed elements of the later ones.
    pub updates: u64,
    /// The elements of all steps.
    pub dense: u64,
    /// The updates of each time step. Only the first [`MAX_LAYER_STEPS`] steps, and no more than the layer's equal
    /// share of [`MAX_BATCH_STEPS`], are counted individually. The updates of later steps are in `updates` only.
    /// Empty if there are no elements.
    pub updates_by_step: Vec<u64>,
    /// Which neurons are updated after the first step. Where a count is kept to be taken out of the sums again, this is
    /// not: nothing can be taken out of the activity.
    #[serde(skip)]
    pub activity: Activity,
}

impl LayerCount {
    /// Whether there is an element after the first step, so that the layer says something of its activity.
    pub fn has_later_steps(&self) -> bool {
        self.dense > self.updates_by_step.first().copied().unwrap_or(0)
    }
}

/// Counts a batch. Reads and verifies all of it.
///
/// # Errors
/// If any layer cannot be read completely. Then nothing of the batch may be added.
pub fn count_batch(batch: &Batch, scratch: &mut Scratch) -> Result<BatchCount, SnapshotError> {
    let layers = batch.layers.len();
    let is_tracked = activity::are_few_neurons(&batch.layers);
    let count = |layer| {
        let mut counter = StepCounter::new(layer, layers, is_tracked);
        changes(layer, scratch, &mut counter)?;
        Ok(counter.finish(layer.elements))
    };
    let layers = batch.layers.iter().map(count).collect::<Result<_, _>>()?;
    Ok(BatchCount::from_layers(batch, layers))
}

impl BatchCount {
    /// Two checksums over everything in it but the activity, which distinguish this count from another. They are the same on every
    /// machine, since they are saved in files, and for any order of the layers, since a directory has a different
    /// order than an archive.
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

    /// One of layers of two neurons and one step: of each its name, updates and dense updates.
    #[cfg(test)]
    pub(crate) fn for_tests(samples: u64, layers: &[(&str, u64, u64)]) -> Self {
        let shape = |layer: &(&str, u64, u64)| LayerShape { name: layer.0.into(), neurons: Some(vec![2]) };
        let count = |&(_, updates, dense): &(&str, u64, u64)| LayerCount {
            updates,
            dense,
            updates_by_step: vec![updates],
            ..LayerCount::default()
        };
        Self {
            samples,
            shapes: layers.iter().map(shape).collect(),
            layers: layers.iter().map(count).collect(),
        }
    }

    fn from_layers(batch: &Batch, layers: Vec<LayerCount>) -> Self {
        let shapes = batch.layers.iter().map(BatchLayer::layer_shape).collect();
        Self { samples: batch.samples, shapes, layers }
    }
}
