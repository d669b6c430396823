//! The figures over the batches of a run, for charts: a bounded series, however many batches there are.

use crate::count::LayerCount;

/// The most points that are kept; beyond it, neighbours are joined.
pub const MAX_POINTS: usize = 512;

/// The sums over some consecutive batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The lowest batch number.
    pub first: u64,
    /// The highest batch number.
    pub last: u64,
    /// How many batches it stands for.
    pub batches: u64,
    /// Their samples.
    pub samples: u128,
    /// The layers' sums, by index in the tally; layers first seen later are absent.
    pub layers: Vec<(u128, u128)>,
}

/// The operations of some consecutive batches, over all priced layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PricedPoint {
    /// How many batches it stands for.
    pub batches: u64,
    /// Their samples.
    pub samples: u128,
    /// Effective operations.
    pub effective: u128,
    /// Dense operations.
    pub dense: u128,
}

/// The series, in the order of the batch numbers.
#[derive(Debug, Clone, Default)]
pub struct History {
    points: Vec<Point>,
    /// Batches that a point may stand for.
    stride: u64,
}

impl History {
    /// Adds a batch, which may come late: `layers` are indices in the tally.
    pub fn add(&mut self, number: u64, samples: u64, layers: &[usize], counts: &[LayerCount]) {
        let position = self.place(number);
        let point = &mut self.points[position];
        point.first = point.first.min(number);
        point.last = point.last.max(number);
        point.batches += 1;
        point.samples += u128::from(samples);
        for (&layer, count) in layers.iter().zip(counts) {
            if point.layers.len() <= layer {
                point.layers.resize(layer + 1, (0, 0));
            }
            point.layers[layer].0 += u128::from(count.updates);
            point.layers[layer].1 += u128::from(count.dense);
        }
        if self.points.len() > MAX_POINTS {
            self.halve();
        }
    }

    /// Takes a batch out again that was added with these values.
    pub fn remove(&mut self, number: u64, samples: u64, layers: &[usize], counts: &[LayerCount]) {
        let covers = |point: &Point| point.first <= number && number <= point.last;
        let Some(position) = self.points.iter().position(covers) else { return };
        let point = &mut self.points[position];
        point.batches -= 1;
        point.samples -= u128::from(samples);
        for (&layer, count) in layers.iter().zip(counts) {
            point.layers[layer].0 -= u128::from(count.updates);
            point.layers[layer].1 -= u128::from(count.dense);
        }
        if point.batches == 0 {
            self.points.remove(position);
        }
    }

    /// The points, in the order of the batch numbers.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The points in operations: `prices` are the priced layers' indices in the tally and their
    /// operations of an update.
    pub fn priced<'a>(&'a self, prices: &'a [(usize, u128)]) -> impl Iterator<Item = PricedPoint> + 'a {
        self.points.iter().map(|point| {
            let sums = |layer: usize| point.layers.get(layer).copied().unwrap_or((0, 0));
            let operations = |updates: fn((u128, u128)) -> u128| {
                prices.iter().map(|&(layer, price)| updates(sums(layer)).saturating_mul(price)).sum()
            };
            PricedPoint {
                batches: point.batches,
                samples: point.samples,
                effective: operations(|sums| sums.0),
                dense: operations(|sums| sums.1),
            }
        })
    }

    /// The point that a batch belongs to, made where there is none.
    fn place(&mut self, number: u64) -> usize {
        self.stride = self.stride.max(1);
        let after = self.points.partition_point(|point| point.first <= number);
        if after > 0 {
            let before = &self.points[after - 1];
            if number <= before.last || before.batches < self.stride {
                return after - 1;
            }
        }
        let empty = Point { first: number, last: number, batches: 0, samples: 0, layers: Vec::new() };
        self.points.insert(after, empty);
        after
    }

    fn halve(&mut self) {
        self.stride *= 2;
        let mut joined: Vec<Point> = Vec::with_capacity(self.points.len() / 2 + 1);
        for point in self.points.drain(..) {
            match joined.last_mut().filter(|last| last.batches + point.batches <= self.stride) {
                Some(last) => last.join(&point),
                None => joined.push(point),
            }
        }
        self.points = joined;
    }
}

impl Point {
    fn join(&mut self, next: &Self) {
        self.last = next.last;
        self.batches += next.batches;
        self.samples += next.samples;
        if self.layers.len() < next.layers.len() {
            self.layers.resize(next.layers.len(), (0, 0));
        }
        for (mine, theirs) in self.layers.iter_mut().zip(&next.layers) {
            mine.0 += theirs.0;
            mine.1 += theirs.1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn count(updates: u64) -> [LayerCount; 1] {
        [LayerCount { updates, dense: updates + 1, updates_by_step: Vec::new() }]
    }

    #[test]
    fn a_late_batch_takes_its_place() {
        let mut history = History::default();
        for number in [0, 2, 1] {
            history.add(number, 1, &[0], &count(number));
        }
        let numbers: Vec<u64> = history.points().iter().map(|point| point.first).collect();
        assert_eq!(numbers, [0, 1, 2]);
        history.remove(1, 1, &[0], &count(1));
        assert_eq!(history.points().len(), 2);
    }

    proptest! {
        #[test]
        fn points_are_bounded_ordered_and_lose_nothing(mut numbers in prop::collection::hash_set(0_u64..5000, 0..3000)) {
            let mut history = History::default();
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
            prop_assert_eq!(points.iter().map(|point| point.batches).sum::<u64>(), numbers.len() as u64);
            let updates: u128 = points.iter().map(|point| point.layers[0].0).sum();
            prop_assert_eq!(updates, numbers.iter().map(|&number| u128::from(number)).sum::<u128>());
        }
    }
}
