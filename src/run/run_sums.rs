//! What a set of batches of one run adds up to, in every way that neurotop looks at it: by layer, along the run, by rank.
//!
//! A run is a sum of parts. A batch, a shard, an earlier process and a run are each a set of batches, and this is what
//! any such set comes to. The order in which batches are added, and which of them were added together, never matters:
//! so a run resumes from what an earlier process counted, and shards that were counted on different machines add up to
//! what one pass would have counted. A state file is this value behind a head (`state/`), and the part of a shard is
//! this value with the shard's documents (`part/`).

use super::ranks::{RankSums, Ranks};
use super::series::History;
use super::sums::{MAX_SUM, Operations};
use super::tally::{LayerSums, StepLengths, Tally};
use crate::count::BatchCount;
use crate::snapshot::BatchId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The sums over a set of batches of one run. A clone shares all that does not change afterwards.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "KeptSums", into = "KeptSums")]
pub struct RunSums {
    pub tally: Tally,
    /// Bytes counted.
    pub bytes: u64,
    pub history: History,
    pub ranks: Ranks,
}

/// [`RunSums`] as they are in a state file, in this order.
#[derive(PartialEq, Serialize, Deserialize)]
pub struct KeptSums {
    pub layers: Vec<Arc<LayerSums>>,
    /// How many batches have each layer with each number of steps, by index of the layer; empty where that is unknown.
    pub step_lengths: Vec<Arc<StepLengths>>,
    pub samples: u128,
    pub bytes: u64,
    pub history: History,
    pub ranks: Vec<(u32, RankSums)>,
}

impl From<RunSums> for KeptSums {
    fn from(RunSums { tally, bytes, history, ranks }: RunSums) -> Self {
        Self {
            layers: tally.layers().to_vec(),
            step_lengths: tally.step_lengths().to_vec(),
            samples: tally.samples(),
            bytes,
            history,
            ranks: ranks.sums(),
        }
    }
}

impl TryFrom<KeptSums> for RunSums {
    type Error = &'static str;

    /// Refuses sums that overflow or do not belong together.
    fn try_from(kept: KeptSums) -> Result<Self, Self::Error> {
        let layers = kept.layers.len();
        let are_sound = kept.history.is_sound(layers)
            && kept.layers.iter().all(|layer| layer.is_sound())
            && kept.ranks.iter().all(|(_, sums)| sums.is_sound(layers));
        if !are_sound {
            return Err("a sum is beyond any run's");
        }
        let points = kept.history.points();
        let batches = points.iter().try_fold(0_u64, |sum, point| sum.checked_add(point.sums.batches));
        let batches = batches.ok_or("there are more batches than any run has")?;
        if points.iter().map(|point| point.sums.samples).sum::<u128>() != kept.samples {
            return Err("the points have other samples than the run");
        }
        let tally = Tally::from_layers(kept.layers, kept.step_lengths, batches, kept.samples);
        let (tally, ranks) = (tally.ok_or("a layer is in it twice")?, Ranks::from_sums(kept.ranks));
        Ok(Self { tally, bytes: kept.bytes, history: kept.history, ranks })
    }
}

impl PartialEq for RunSums {
    /// Whether the same would be kept of both.
    fn eq(&self, other: &Self) -> bool {
        KeptSums::from(self.clone()) == KeptSums::from(other.clone())
    }
}

impl RunSums {
    /// Adds a batch. `price` gives the operations of an update of a layer, 0 without a price; it is asked for layers
    /// that are new.
    pub fn add(&mut self, id: BatchId, count: &BatchCount, price: impl Fn(&LayerSums) -> u64) {
        let layers = self.tally.add(id, count);
        let priced = self.history.prices().len();
        if self.tally.layers().len() > priced {
            self.history.price_new(self.tally.layers()[priced..].iter().map(|layer| price(layer)));
        }
        self.history.add(id.number, count.samples, &layers, &count.layers);
        if let Some(rank) = id.rank {
            self.ranks.add(rank, count.samples, &layers, &count.layers);
        }
    }

    /// Takes out a batch that was added with this count.
    pub fn remove(&mut self, id: BatchId, count: &BatchCount) {
        let layers = self.tally.remove(count);
        self.history.remove(id.number, count.samples, &layers, &count.layers);
        if let Some(rank) = id.rank {
            self.ranks.remove(rank, count.samples, &layers, &count.layers);
        }
    }

    /// Adds the sums of other batches of the run. The points keep their operations, so that the layers must be priced in
    /// `other` as they are here.
    pub fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.bytes = self.bytes.saturating_add(other.bytes);
        let layers = other.tally.layers().iter();
        let index: Vec<usize> = layers.filter_map(|layer| self.tally.index_of(&layer.name)).collect();
        self.history.join(&other.history, &index);
        self.ranks.merge(&other.ranks, &index);
    }

    /// Whether the sums of these and of some others together can be added up without an overflow.
    pub fn has_room_for(&self, other: &Self) -> bool {
        let [ours, theirs] = [self, other].map(|sums| sums.tally.total().updates.dense);
        ours.checked_add(theirs).is_some_and(|dense| dense <= MAX_SUM)
    }

    /// The operations of all priced layers.
    pub fn operations(&self) -> Operations {
        let priced = self.tally.layers().iter().zip(self.history.prices());
        priced.map(|(layer, &price)| layer.updates().times(price)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::series::Point;

    /// Batches of no rank and of two ranks; the layers come in another order in every third one.
    fn batches() -> Vec<(BatchId, BatchCount)> {
        let batch = |number: u64| {
            let mut layers = [("a", number, 100), ("b", number + 1, 100), ("c", number + 2, 100)];
            layers.rotate_left(number as usize % 3);
            let count = BatchCount::for_tests(number, &layers);
            let rank = [None, Some(0), Some(7)][number as usize % 3];
            (BatchId { number, rank }, count)
        };
        (0..30).map(batch).collect()
    }

    fn price(layer: &LayerSums) -> u64 {
        if layer.name == "c" { 0 } else { 4 }
    }

    fn added<'a>(batches: impl Iterator<Item = &'a (BatchId, BatchCount)>) -> RunSums {
        let mut sums = RunSums::default();
        batches.for_each(|(id, count)| sums.add(*id, count, price));
        sums
    }

    /// What does not depend on the order in which layers were first seen.
    fn figures(sums: &RunSums) -> impl PartialEq + std::fmt::Debug + use<> {
        let mut layers = sums.tally.layers().to_vec();
        layers.sort_by(|a, b| a.name.cmp(&b.name));
        let along = |point: &Point| {
            let updates = sums.tally.layers().iter().enumerate();
            let mut updates: Vec<_> = updates
                .map(|(at, layer)| {
                    (layer.name.clone(), point.sums.updates.get(at).copied().unwrap_or_default())
                })
                .collect();
            updates.sort_by(|a, b| a.0.cmp(&b.0));
            (point.first, point.sums.samples, point.operations, updates)
        };
        let points = sums.history.points().iter().map(|point| along(point));
        let name = |layer: usize| sums.tally.layers()[layer].name.clone();
        let ranks = sums.ranks.sums().into_iter().map(|(rank, sums)| {
            let mut own: Vec<_> =
                sums.updates.into_iter().flatten().map(|(layer, updates)| (name(layer), updates)).collect();
            own.sort_by(|a, b| a.0.cmp(&b.0));
            (rank, sums.batches, sums.samples, own)
        });
        (layers, sums.tally.total(), points.collect::<Vec<_>>(), ranks.collect::<Vec<_>>())
    }

    #[test]
    fn parts_add_up_to_the_whole_in_any_order_and_grouping() {
        let batches = batches();
        let whole = added(batches.iter());
        assert_eq!(whole.tally.total().batches, 30);
        assert_eq!(figures(&added(batches.iter().rev())), figures(&whole));
        for parts in [2, 5] {
            let mut merged = RunSums::default();
            for part in (0..parts).rev() {
                merged.merge(&added(batches.iter().filter(|(id, _)| id.number % parts == part)));
            }
            assert_eq!(figures(&merged), figures(&whole), "{parts} parts");
        }
        let mut less = added(batches.iter());
        batches[..10].iter().for_each(|(id, count)| less.remove(*id, count));
        assert_eq!(less.tally.total(), added(batches[10..].iter()).tally.total());
        assert_eq!(less.operations(), added(batches[10..].iter()).operations());
    }

    #[test]
    fn what_is_kept_is_read_again_and_what_does_not_belong_together_is_refused() {
        let sums = added(batches().iter());
        let bytes = postcard::to_stdvec(&sums).expect("written");
        assert_eq!(postcard::from_bytes::<RunSums>(&bytes), Ok(sums.clone()));
        let changed = |change: fn(&mut KeptSums)| {
            let mut kept = KeptSums::from(sums.clone());
            change(&mut kept);
            RunSums::try_from(kept)
        };
        assert_eq!(changed(|_| {}), Ok(sums.clone()));
        assert!(changed(|kept| kept.layers.push(Arc::clone(&kept.layers[0]))).is_err(), "a layer twice");
        assert!(changed(|kept| kept.samples += 1).is_err(), "samples in no point");
        assert!(changed(|kept| Arc::make_mut(&mut kept.layers[0]).dense = 0).is_err(), "more than all");
        assert!(changed(|kept| kept.layers.truncate(1)).is_err(), "layers that are not there");
    }
}
