//! The horizontal axis of the charts: where the batches of a run are, or those of several runs.

use crate::run::series::{History, Point};
use std::cmp::Reverse;

/// A place where a run has a point, and the first and the last number of the batches there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    pub place: f64,
    pub first: u64,
    pub last: u64,
}

/// Places begin with 1. The batches of one run are counted, so that there are no gaps, and ranks have places of their
/// own. Those of several runs are at their numbers, so that the same batch has the same place in each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchAxis {
    stops: Vec<Stop>,
    /// The batch number at the first place, where places are numbers.
    first: Option<u64>,
}

impl BatchAxis {
    /// The axis of the run in front, and of the others that are drawn beside it.
    pub fn new(front: &History, others: &[&History]) -> Self {
        let all = || std::iter::once(front).chain(others.iter().copied());
        let lowest = all().filter_map(|history| history.points().first()).map(|point| point.first).min();
        let mut axis = Self { stops: Vec::new(), first: lowest.filter(|_| !others.is_empty()) };
        axis.stops = all().flat_map(|history| axis.stops_of(history)).collect();
        if axis.are_numbers() {
            // Where runs have points of different widths, the narrower ones say more.
            let order = |stop: &Stop| (stop.last, Reverse(stop.first));
            axis.stops.sort_by_key(order);
            axis.stops.dedup_by_key(|stop| stop.last);
        }
        axis
    }

    fn stops_of(&self, history: &History) -> Vec<Stop> {
        let spans = self.spans(history).into_iter().zip(history.points());
        spans.map(|((_, place), point)| Stop { place, first: point.first, last: point.last }).collect()
    }

    /// The first and the last place of each point of a history.
    pub fn spans(&self, history: &History) -> Vec<(f64, f64)> {
        let mut counted = 0;
        let mut span = |point: &Point| match self.first {
            Some(first) => (place(point.first, first), place(point.last, first)),
            None => {
                counted += point.sums.batches;
                ((counted - point.sums.batches) as f64 + 1.0, counted as f64)
            }
        };
        history.points().iter().map(|point| span(point)).collect()
    }

    /// All places, in their order.
    pub fn stops(&self) -> &[Stop] {
        &self.stops
    }

    /// The last place; 1 without any.
    pub fn last_place(&self) -> f64 {
        self.stops.last().map_or(1.0, |stop| stop.place)
    }

    /// Whether the places are batch numbers, since there are several runs.
    pub fn are_numbers(&self) -> bool {
        self.first.is_some()
    }

    /// The stop that is nearest to a place.
    pub fn nearest(&self, at: f64) -> Option<Stop> {
        self.stops.get(self.nearest_index(at)).copied()
    }

    /// The index of the stop that is nearest to a place.
    pub fn nearest_index(&self, at: f64) -> usize {
        let after = self.stops.partition_point(|stop| stop.place < at);
        let before = after.checked_sub(1).map(|before| at - self.stops[before].place);
        match (before, self.stops.get(after).map(|stop| stop.place - at)) {
            (Some(before), Some(next)) if before <= next => after - 1,
            (Some(_), None) => after - 1,
            _ => after,
        }
    }
}

/// The place of a batch by its number, where this one is at the first place.
fn place(number: u64, first: u64) -> f64 {
    number.saturating_sub(first) as f64 + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::LayerCount;

    fn history(numbers: impl IntoIterator<Item = u64>) -> History {
        let mut history = History::default();
        for number in numbers {
            let count =
                LayerCount { updates: 1, dense: 2, updates_by_step: vec![1], ..LayerCount::default() };
            history.add(number, 1, &[0], &[count]);
        }
        history
    }

    fn places(axis: &BatchAxis) -> Vec<f64> {
        axis.stops().iter().map(|stop| stop.place).collect()
    }

    #[test]
    fn the_batches_of_one_run_are_counted_and_those_of_several_are_at_their_numbers() {
        let (gappy, whole) = (history([3, 4, 7]), history(2..6));
        let alone = BatchAxis::new(&gappy, &[]);
        assert_eq!((places(&alone), alone.are_numbers()), (vec![1.0, 2.0, 3.0], false));
        let both = BatchAxis::new(&gappy, &[&whole]);
        assert_eq!(places(&both), [1.0, 2.0, 3.0, 4.0, 6.0]);
        assert_eq!(both.spans(&gappy), [(2.0, 2.0), (3.0, 3.0), (6.0, 6.0)]);
        assert_eq!(both.nearest(5.2).map(|stop| stop.last), Some(7));
    }

    #[test]
    fn runs_without_batches_and_with_the_highest_numbers_have_places() {
        let empty = History::default();
        assert_eq!(BatchAxis::new(&empty, &[&empty]).last_place(), 1.0);
        let far = history([u64::MAX - 1, u64::MAX]);
        assert_eq!(places(&BatchAxis::new(&empty, &[&far])), [1.0, 2.0]);
        assert_eq!(BatchAxis::new(&empty, &[&far]).nearest(9.0).map(|stop| stop.last), Some(u64::MAX));
    }

    #[test]
    fn points_of_different_widths_stand_beside_one_another() {
        let axis = BatchAxis::new(&history(0..1000), &[&history(0..10)]);
        assert!(axis.stops().windows(2).all(|pair| pair[0].place < pair[1].place));
        let one = axis.stops().iter().find(|stop| stop.last == 1).expect("a stop");
        assert_eq!(one.first, 1, "the narrower of two points");
    }
}
