//! How fast batches are counted at present.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// The time over which the speed is measured.
const WINDOW: Duration = Duration::from_secs(2);

/// Counts this close together are kept as one, so that thousands of batches a second take no memory.
const TOGETHER: Duration = Duration::from_millis(100);

/// A speed over less time means nothing.
const LEAST: Duration = Duration::from_millis(300);

/// The bytes that were counted in the last seconds.
#[derive(Debug, Default, Clone)]
pub struct Throughput {
    counted: VecDeque<(SystemTime, u64)>,
}

impl Throughput {
    /// Notes bytes that are counted now.
    pub fn note(&mut self, bytes: u64, now: SystemTime) {
        if self.counted.back().is_some_and(|&(last, _)| last > now) {
            // The clock was set back.
            self.counted.clear();
        }
        match self.counted.back_mut() {
            Some((last, sum)) if elapsed(*last, now) < TOGETHER => *sum = sum.saturating_add(bytes),
            _ => self.counted.push_back((now, bytes)),
        }
        while self.counted.front().is_some_and(|&(first, _)| elapsed(first, now) > WINDOW) {
            self.counted.pop_front();
        }
    }

    /// Bytes a second; `None` if too little was counted lately to tell.
    pub fn per_second(&self, now: SystemTime) -> Option<f64> {
        let mut lately = self.counted.iter().skip_while(|&&(time, _)| elapsed(time, now) > WINDOW);
        // How long the first took is not known.
        let time = elapsed(lately.next()?.0, now);
        let bytes: u64 = lately.map(|&(_, bytes)| bytes).fold(0, u64::saturating_add);
        (time >= LEAST && bytes > 0).then(|| bytes as f64 / time.as_secs_f64())
    }
}

/// The time that passed; none if the clock was set back.
fn elapsed(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    #[test]
    fn an_even_stream_has_its_speed_however_fine_it_is() {
        for every in [1, 10, 250] {
            let mut throughput = Throughput::default();
            for time in (0..=10_000).step_by(every) {
                throughput.note(1000 * every as u64, at(time));
            }
            let speed = throughput.per_second(at(10_000)).expect("a speed");
            assert!((speed / 1e6 - 1.0).abs() < 0.1, "{every}: {speed}");
            assert!(throughput.counted.len() <= 22, "{}", throughput.counted.len());
        }
    }

    #[test]
    fn what_was_counted_long_ago_says_nothing() {
        let mut throughput = Throughput::default();
        assert_eq!(throughput.per_second(at(0)), None);
        throughput.note(5000, at(0));
        assert_eq!(throughput.per_second(at(400)), None, "one batch took an unknown time");
        throughput.note(5000, at(500));
        assert_eq!(throughput.per_second(at(500)), Some(10_000.0));
        assert_eq!(throughput.per_second(at(3000)), None);
        throughput.note(1, at(60_000));
        throughput.note(1000, at(61_000));
        assert_eq!(throughput.per_second(at(61_000)), Some(1000.0), "a pause is no part of it");
        assert_eq!(throughput.per_second(at(59_000)), None, "a clock that was set back");
        throughput.note(1, at(50_000));
        throughput.note(3000, at(51_000));
        assert_eq!(throughput.per_second(at(51_000)), Some(3000.0));
    }
}
