//! The sums along a run, for charts and for the confidence interval: a bounded series, however many batches there are.

use super::sums::{MAX_SUM, Operations, Sums, Updates};
use crate::count::LayerCount;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::sync::Arc;

/// The most points that are kept; beyond it, neighbours are joined.
pub const MAX_POINTS: usize = 512;

/// The most sums of layers over all points, so that batches with ever new layers do not take ever more memory: 16 MiB,
/// and half as much again while points are joined that a view still has. With so many layers that many points have no
/// room, there are fewer points.
const MAX_LAYER_SUMS: usize = 1 << 19;

/// The fewest points that a limit can leave: the highest bit of the batch number always makes two of them.
const FEWEST_POINTS: usize = 2;

/// The sums over some consecutive batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The lowest batch number.
    pub first: u64,
    /// The highest batch number.
    pub last: u64,
    /// The sums, with the updates of each layer by its index in the tally. Layers that were first seen later are
    /// absent, and all of them are where [`History::lacks_layers`].
    pub sums: Sums<Vec<Updates>>,
    /// The operations of all layers in the total: those with a price, apart from measured ones.
    pub operations: Operations,
    /// Of a point that was made elsewhere, the operations of the layers whose price is measured, where they are known.
    /// They are never in a state file, since the points there have the sums of their layers.
    #[serde(skip)]
    pub measured: Option<Operations>,
}

/// The series, in the order of the batch numbers.
///
/// A point stands for the batches whose numbers are the same but for the lowest `shift` bits. `shift` is the least with
/// which the points are few enough for the number of layers in all batches. So the series depends on which batches were
/// added, and not on their order, nor on which of them were added together. Where there are very many layers, batches
/// are told apart less finely, and no sum is lost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    points: Vec<Arc<Point>>,
    /// Bits of the batch number that do not matter for the point that a batch belongs to.
    shift: u32,
    /// Operations of an update, by index in the tally; 0 without a price. One for each layer that there is.
    prices: Vec<u64>,
    /// Whether the points do not say which layers their operations are of, as those of earlier exports.
    #[serde(skip)]
    lacks_layers: bool,
}

impl History {
    /// Adds a batch, which may come late: `layers` are indices in the tally.
    pub fn add(&mut self, number: u64, samples: u64, layers: &[usize], counts: &[LayerCount]) {
        let known = layers.iter().map(|layer| layer + 1).max().unwrap_or(0);
        if self.prices.len() < known {
            self.prices.resize(known, 0);
            // Before the points have sums of the new layers.
            self.widen_to(self.shift);
        }
        let position = self.place(number);
        Arc::make_mut(&mut self.points[position]).add(number, samples, layers, counts, &self.prices);
        // Where many ranks have a batch of each number, one bit more may not be enough.
        self.widen_to(self.shift);
    }

    /// The series of these points, which ignore `shift` bits of the batch number.
    pub fn from_points(points: Vec<Point>, shift: u32, lacks_layers: bool) -> Self {
        let points = points.into_iter().map(Arc::new).collect();
        Self { points, shift, lacks_layers, ..Self::default() }
    }

    /// Adds the points of other batches of the same run, whose layers are at `index` here. The operations count as priced
    /// there.
    pub fn join(&mut self, other: &Self, index: &[usize]) {
        let layers = index.iter().map(|layer| layer + 1).max().unwrap_or(0);
        self.prices.resize(self.prices.len().max(layers), 0);
        self.widen_to(self.shift.max(other.shift));
        for point in &other.points {
            let position = self.place(point.first);
            Arc::make_mut(&mut self.points[position]).join(&point.with_layers_at(index));
            self.widen_to(self.shift);
        }
        if self.lacks_layers || other.lacks_layers {
            self.forget_layers();
        }
    }

    /// Forgets the sums of the layers, where it is not known of all points.
    fn forget_layers(&mut self) {
        self.lacks_layers = true;
        self.points.iter_mut().for_each(|point| Arc::make_mut(point).sums.updates.clear());
    }

    /// Whether the points do not say which layers their operations are of.
    pub fn lacks_layers(&self) -> bool {
        self.lacks_layers
    }

    /// The series with what an update of each layer cost in the points that were joined, for all layers that there are.
    pub fn priced_at(mut self, prices: Vec<u64>) -> Self {
        self.prices = prices;
        self.widen_to(self.shift);
        self
    }

    /// Takes out a batch that was added with these values.
    pub fn remove(&mut self, number: u64, samples: u64, layers: &[usize], counts: &[LayerCount]) {
        let Ok(position) = self.find(number) else { return };
        let point = Arc::make_mut(&mut self.points[position]);
        point.remove(samples, layers, counts, &self.prices);
        if point.sums.batches == 0 {
            self.points.remove(position);
        }
    }

    /// The samples of each point, and the effective operations of its layers, of those in the total and those whose price
    /// is measured. `measured` are the prices of the latter by index in the tally, 0 for others. `None` where a point
    /// has lost what it needs.
    pub fn units_with_measured(&self, measured: &[u64]) -> Option<Vec<(u128, u128)>> {
        let units = self.points.iter().map(|point| {
            let effective = point.operations.effective + point.measured_operations(measured)?.effective;
            Some((effective, point.sums.samples))
        });
        units.collect()
    }

    /// Forgets the operations of measured layers in points that were made elsewhere, since their prices do not agree, and
    /// with them the layers.
    pub fn forget_measured(&mut self) {
        self.points.iter_mut().for_each(|point| Arc::make_mut(point).measured = None);
        self.forget_layers();
    }

    /// The points, in the order of the batch numbers.
    pub fn points(&self) -> &[Arc<Point>] {
        &self.points
    }

    /// The bits of the batch number, from the lowest on, that do not matter for the point of a batch.
    pub fn shift(&self) -> u32 {
        self.shift
    }

    /// Whether a file may hold this series of so many layers: no sum can overflow.
    pub fn is_sound(&self, layers: usize) -> bool {
        are_in_place(&self.points, self.shift) && self.points.iter().all(|point| point.is_sound(layers))
    }

    /// Prices all layers, in the points that are there and in those to come. `prices` are operations of an update by
    /// index in the tally, 0 for a layer without a price.
    pub fn reprice(&mut self, prices: Vec<u64>) {
        let have_changed = prices != self.prices;
        self.prices = prices;
        self.widen_to(self.shift);
        if have_changed {
            self.points.iter_mut().for_each(|point| Arc::make_mut(point).reprice(&self.prices));
        }
    }

    /// Prices more layers, which come behind those that have a price and are in no point yet. Every batch may have
    /// some, so that the points are not looked at.
    pub fn price_new(&mut self, prices: impl IntoIterator<Item = u64>) {
        self.prices.extend(prices);
        self.widen_to(self.shift);
    }

    /// The prices, by index in the tally.
    pub fn prices(&self) -> &[u64] {
        &self.prices
    }

    /// Where the point of a batch is, or where it would have to be.
    fn find(&self, number: u64) -> Result<usize, usize> {
        let shift = self.shift;
        self.points.binary_search_by_key(&(number >> shift), |point| point.first >> shift)
    }

    /// The point that a batch belongs to, made where there is none.
    fn place(&mut self, number: u64) -> usize {
        self.find(number).unwrap_or_else(|position| {
            self.points.insert(position, Point::at(number).into());
            position
        })
    }

    /// How many points there is room for, with so many layers.
    fn most_points(&self) -> usize {
        (MAX_LAYER_SUMS / self.prices.len().max(1)).clamp(FEWEST_POINTS, MAX_POINTS)
    }

    /// Joins the points that differ in so many bits alone, and more where there are too many points still.
    fn widen_to(&mut self, shift: u32) {
        let most = self.most_points();
        while self.shift < shift || self.points.len() > most {
            self.shift += 1;
            let mut joined: Vec<Arc<Point>> = Vec::with_capacity(self.points.len());
            for point in self.points.drain(..) {
                match joined.last_mut().filter(|last| last.first >> self.shift == point.first >> self.shift) {
                    Some(last) => Arc::make_mut(last).join(&point),
                    None => joined.push(point),
                }
            }
            self.points = joined;
        }
    }
}

/// Whether points are in order, few enough, and each for batches that differ in so many bits alone.
pub fn are_in_place(points: &[impl Borrow<Point>], shift: u32) -> bool {
    let group = |number: u64| number.checked_shr(shift);
    let whole = |point: &Point| point.first <= point.last && group(point.first) == group(point.last);
    let ordered = points.windows(2).all(|pair| group(pair[0].borrow().last) < group(pair[1].borrow().first));
    let are_whole = points.iter().map(Borrow::borrow).all(whole);
    shift < u64::BITS && ordered && points.len() <= MAX_POINTS && are_whole
}

impl Point {
    /// A point without batches, which begins at this number.
    pub fn at(number: u64) -> Self {
        Self {
            first: number,
            last: number,
            sums: Sums::default(),
            operations: Operations::default(),
            measured: None,
        }
    }

    /// Adds a batch: `layers` and `prices` are by index in the tally.
    pub fn add(
        &mut self,
        number: u64,
        samples: u64,
        layers: &[usize],
        counts: &[LayerCount],
        prices: &[u64],
    ) {
        self.first = self.first.min(number);
        self.last = self.last.max(number);
        self.sums.batches += 1;
        self.sums.samples += u128::from(samples);
        self.grow_to(layers.iter().map(|layer| layer + 1).max().unwrap_or(0));
        for (&layer, count) in layers.iter().zip(counts) {
            self.sums.updates[layer] += count.into();
            self.operations += priced(count.into(), prices, layer);
        }
    }

    /// Takes out a batch that was added with these values.
    pub fn remove(&mut self, samples: u64, layers: &[usize], counts: &[LayerCount], prices: &[u64]) {
        self.sums.batches -= 1;
        self.sums.samples -= u128::from(samples);
        for (&layer, count) in layers.iter().zip(counts) {
            self.sums.updates[layer] -= count.into();
            self.operations -= priced(count.into(), prices, layer);
        }
    }

    pub fn reprice(&mut self, prices: &[u64]) {
        let layers = self.sums.updates.iter().enumerate();
        self.operations = layers.map(|(layer, &updates)| priced(updates, prices, layer)).sum();
    }

    /// The operations of the layers whose price is measured. `prices` are theirs by index in the tally, 0 for others.
    /// `None` where the point has neither the sums of its layers nor these operations.
    pub fn measured_operations(&self, prices: &[u64]) -> Option<Operations> {
        if self.measured.is_some() || self.sums.updates.is_empty() {
            return self.measured;
        }
        let layers = prices.iter().enumerate().filter(|&(_, &price)| price > 0);
        let updates = |layer| self.sums.updates.get(layer).copied().unwrap_or_default();
        Some(layers.map(|(layer, &price)| updates(layer).times(price)).sum())
    }

    /// Whether a file may hold this point over so many layers: no sum can overflow.
    pub fn is_sound(&self, layers: usize) -> bool {
        let Sums { samples, updates, .. } = &self.sums;
        let are_sound = *samples <= MAX_SUM && updates.iter().all(|updates| updates.is_sound());
        are_sound && self.first <= self.last && updates.len() <= layers
    }

    /// The same with each layer at its index in another tally.
    fn with_layers_at(&self, index: &[usize]) -> Self {
        let index = &index[..index.len().min(self.sums.updates.len())];
        let mut updates = vec![Updates::default(); index.iter().map(|layer| layer + 1).max().unwrap_or(0)];
        index.iter().zip(&self.sums.updates).for_each(|(&layer, &own)| updates[layer] += own);
        Self { sums: Sums { updates, ..self.sums }, ..*self }
    }

    fn join(&mut self, next: &Self) {
        self.first = self.first.min(next.first);
        self.last = self.last.max(next.last);
        self.sums.batches += next.sums.batches;
        self.sums.samples += next.sums.samples;
        self.operations += next.operations;
        self.measured = match (self.measured, next.measured) {
            _ if self.sums.batches == next.sums.batches => next.measured,
            (Some(mut ours), Some(theirs)) => {
                ours += theirs;
                Some(ours)
            }
            _ => None,
        };
        self.grow_to(next.sums.updates.len());
        self.sums.updates.iter_mut().zip(&next.sums.updates).for_each(|(ours, &theirs)| *ours += theirs);
    }

    /// Makes room for so many layers, and for no more.
    fn grow_to(&mut self, layers: usize) {
        let own = &mut self.sums.updates;
        if layers > own.len() {
            own.reserve_exact(layers - own.len());
            own.resize(layers, Updates::default());
        }
    }
}

/// The operations of some updates of a layer, at the layer's price.
pub fn priced(updates: Updates, prices: &[u64], layer: usize) -> Operations {
    updates.times(prices.get(layer).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn count(updates: u64) -> [LayerCount; 1] {
        [LayerCount { updates, dense: updates + 1, ..LayerCount::default() }]
    }

    #[test]
    fn operations_follow_the_prices() {
        let mut history = History::default();
        history.add(0, 1, &[0], &count(3));
        assert_eq!(history.points()[0].operations.effective, 0, "without a price");
        history.reprice(vec![4]);
        assert_eq!(
            (history.points()[0].operations.effective, history.points()[0].operations.dense),
            (12, 16)
        );
        history.add(1, 1, &[0], &count(5));
        assert_eq!(history.points()[1].operations.effective, 20);
    }

    #[test]
    fn the_same_number_of_many_ranks_is_one_place() {
        let mut history = History::default();
        for number in 0..2000 {
            for _rank in 0..50 {
                history.add(number, 1, &[0], &count(number));
                assert!(history.points().len() <= MAX_POINTS);
            }
        }
        assert!(history.is_sound(1));
        assert_eq!(history.points().iter().map(|point| point.sums.batches).sum::<u64>(), 100_000);
        history.remove(1999, 1, &[0], &count(1999));
        assert_eq!(history.points().iter().map(|point| point.sums.samples).sum::<u128>(), 99_999);
    }

    /// Sums of layers that all points have room for.
    fn layer_sums(history: &History) -> usize {
        history.points().iter().map(|point| point.sums.updates.len()).sum()
    }

    fn counts(layers: usize) -> Vec<LayerCount> {
        (0..layers as u64)
            .map(|updates| LayerCount { updates, dense: updates, ..count(0)[0].clone() })
            .collect()
    }

    #[test]
    fn sums_of_layers_are_bounded_and_none_is_lost() {
        let mut history = History::default();
        for number in 0..600_u64 {
            // Each batch has layers of its own.
            let layers: Vec<usize> = (0..100).map(|layer| number as usize * 100 + layer).collect();
            history.price_new(layers.iter().map(|_| 2));
            history.add(number, 1, &layers, &counts(100));
            assert!(layer_sums(&history) <= MAX_LAYER_SUMS);
        }
        assert_eq!((history.points().len(), history.shift()), (5, 7), "fewer than 9 points of 60,000 layers");
        let effective: u128 = history.points().iter().map(|point| point.operations.effective).sum();
        assert_eq!(effective, 600 * 2 * 4950);
        history.reprice(vec![3; 60_000]);
        let effective: u128 = history.points().iter().map(|point| point.operations.effective).sum();
        assert_eq!(effective, 600 * 3 * 4950);
        history.remove(599, 1, &(59_900..60_000).collect::<Vec<_>>(), &counts(100));
        assert_eq!(history.points().iter().map(|point| point.sums.batches).sum::<u64>(), 599);
    }

    #[test]
    fn more_layers_than_there_is_room_for_leave_two_points() {
        let mut history = History::default();
        for number in [0, 1, 2, 1 << 63, u64::MAX] {
            history.add(number, 1, &[MAX_LAYER_SUMS], &count(1));
        }
        assert_eq!((history.points().len(), history.shift()), (2, 63));
        assert!(history.is_sound(MAX_LAYER_SUMS + 1));
    }

    /// Where there are very many layers, too, the points do not depend on the order of the batches, nor on which
    /// of them were counted together.
    #[test]
    fn the_points_that_many_layers_leave_are_the_same_in_any_order_and_split() {
        const LAYERS: usize = 40_000;
        let numbers: Vec<u64> = (0..60).collect();
        // In each order the layers have other indices, as in a tally.
        let added = |numbers: &mut dyn Iterator<Item = u64>| {
            let mut history = History::default();
            let mut index = std::collections::HashMap::new();
            for number in numbers {
                let names = (0..LAYERS / 60).map(|layer| number as usize * (LAYERS / 60) + layer);
                let layers: Vec<usize> = names
                    .map(|name| {
                        let next = index.len();
                        *index.entry(name).or_insert(next)
                    })
                    .collect();
                history.price_new((history.prices().len()..index.len()).map(|_| 3));
                history.add(number, 2, &layers, &counts(layers.len()));
            }
            history
        };
        let bare = |history: &History| -> Vec<Point> {
            history.points().iter().map(|point| point.with_layers_at(&[])).collect()
        };
        let whole = added(&mut numbers.iter().copied());
        assert_eq!((whole.points().len(), whole.shift()), (8, 3));
        let backwards = added(&mut numbers.iter().rev().copied());
        assert_eq!((bare(&backwards), backwards.shift()), (bare(&whole), whole.shift()));
        for parts in [2, 3, 7] {
            let mut joined = History::default();
            for part in (0..parts).rev() {
                let mine = || numbers.iter().copied().filter(|number| number % parts == part);
                let names =
                    |number: u64| (0..LAYERS / 60).map(move |at| number as usize * (LAYERS / 60) + at);
                joined.join(&added(&mut mine()), &mine().flat_map(names).collect::<Vec<_>>());
                assert!(layer_sums(&joined) <= MAX_LAYER_SUMS);
            }
            let joined = joined.priced_at(vec![3; whole.prices().len()]);
            assert!(joined == whole, "{parts} parts");
        }
    }

    proptest! {
        /// In any order, and in any split, the points are the same.
        #[test]
        fn points_do_not_depend_on_the_order_or_the_split(
            numbers in prop::collection::hash_set(prop_oneof![0_u64..3000, any::<u64>()], 0..2000),
            turn in any::<u64>(),
            parts in 1_u64..6,
        ) {
            let added = |numbers: &mut dyn Iterator<Item = u64>| {
                let mut history = History::default();
                history.reprice(vec![3]);
                numbers.for_each(|number| history.add(number, 2, &[0], &count(number % 1000)));
                history
            };
            let mut sorted: Vec<u64> = numbers.iter().copied().collect();
            sorted.sort_unstable();
            let whole = added(&mut sorted.iter().copied());
            sorted.sort_unstable_by_key(|number| number.wrapping_mul(turn | 1));
            prop_assert_eq!(&added(&mut sorted.iter().copied()), &whole);
            let mut joined = History::default();
            for part in 0..parts {
                joined.join(&added(&mut sorted.iter().copied().filter(|number| number % parts == part)), &[0]);
            }
            prop_assert_eq!(&joined.clone().priced_at(vec![3]), &whole);
            prop_assert!(joined.is_sound(1));
            joined.forget_measured();
            joined.join(&whole, &[0]);
            prop_assert!(joined.lacks_layers() && joined.is_sound(0), "sums of some batches alone are none");
        }

        #[test]
        fn points_are_bounded_ordered_and_lose_nothing(mut numbers in prop::collection::hash_set(0_u64..5000, 0..3000)) {
            let mut history = History::default();
            history.reprice(vec![3]);
            for &number in &numbers {
                history.add(number, 2, &[0], &count(number));
            }
            let removed: Vec<u64> = numbers.iter().copied().take(100).collect();
            for number in removed {
                history.remove(number, 2, &[0], &count(number));
                numbers.remove(&number);
            }
            let points = history.points();
            prop_assert!(points.len() <= MAX_POINTS);
            prop_assert!(points.windows(2).all(|pair| pair[0].last < pair[1].first));
            prop_assert_eq!(points.iter().map(|point| point.sums.batches).sum::<u64>(), numbers.len() as u64);
            prop_assert!(points.iter().all(|point| point.operations.effective == 3 * point.sums.updates[0].effective));
            prop_assert!(points.iter().all(|point| point.operations.dense == 3 * point.sums.updates[0].dense));
            let updates: u128 = points.iter().map(|point| point.sums.updates[0].effective).sum();
            prop_assert_eq!(updates, numbers.iter().map(|&number| u128::from(number)).sum::<u128>());
        }
    }
}
