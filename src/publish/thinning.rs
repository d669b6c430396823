//! Decides which batches get a point, so that a series grows with the logarithm of its length.

use std::time::{Duration, Instant};

/// Values of a series before its points become sparser.
const VALUES: usize = 1 << 17;

/// The least and the most points of a series before they become sparser.
const POINTS: (usize, usize) = (16, 512);

/// The longest time that a counted batch waits for a point, at first.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says when a point is due. Each of the first `2 P` batches has one, every second one of the next `2 P`, every fourth
/// one of the next `4 P`, and so on. No batch waits for a point longer than 5 s or a `P`-th of the time so far. `P` is
/// 512, or less if a point has many values.
#[derive(Debug, Clone)]
pub(super) struct Thinning {
    points: u64,
    started: Instant,
    next_step: u64,
    next_time: Instant,
}

impl Thinning {
    /// A series that starts now, with `values` in each point.
    pub(super) fn new(values: usize, now: Instant) -> Self {
        let points = (VALUES / values.max(1)).clamp(POINTS.0, POINTS.1) as u64;
        Self { points, started: now, next_step: 0, next_time: now }
    }

    /// Whether a point is due at this step.
    pub(super) fn is_due(&self, step: u64, now: Instant) -> bool {
        step >= self.next_step || now >= self.next_time
    }

    /// Notes a point.
    pub(super) fn took(&mut self, step: u64, now: Instant) {
        let spacing = (step / self.points).checked_ilog2().map_or(1, |log| 1_u64 << log);
        self.next_step = (step / spacing + 1).saturating_mul(spacing);
        let elapsed = now.saturating_duration_since(self.started);
        self.next_time = now + PATIENCE.max(elapsed / self.points as u32);
    }

    /// Starts the steps again from 0.
    pub(super) fn restart(&mut self) {
        self.next_step = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many points a series of so many batches has, when one comes in each `pace`.
    fn points(values: usize, batches: u64, pace: Duration) -> u64 {
        let start = Instant::now();
        let mut thinning = Thinning::new(values, start);
        (1..=batches).fold(0, |points, step| {
            let now = start + pace * step as u32;
            if thinning.is_due(step, now) {
                thinning.took(step, now);
                points + 1
            } else {
                points
            }
        })
    }

    #[test]
    fn short_series_are_whole_and_long_ones_grow_with_their_logarithm() {
        assert_eq!(points(11, 1000, Duration::ZERO), 1000);
        assert_eq!(points(11, 100_000, Duration::ZERO), 4_365);
        assert_eq!(points(8_007, 100_000, Duration::ZERO), 216);
        let slow = points(8_007, 100_000, Duration::from_secs(1));
        assert!((216..400).contains(&slow), "{slow}");
    }

    #[test]
    fn a_batch_gets_its_point_in_time() {
        let start = Instant::now();
        let mut thinning = Thinning::new(1, start);
        thinning.took(1_000_000, start);
        assert!(!thinning.is_due(1_000_001, start + Duration::from_secs(4)));
        assert!(thinning.is_due(1_000_001, start + Duration::from_secs(5)));
        thinning.restart();
        assert!(thinning.is_due(1, start));
    }
}
