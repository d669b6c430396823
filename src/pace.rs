//! How fast batches come, and when the last one is to be expected.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// Batches that the pace is taken from.
const WINDOW: usize = 32;

/// The pace at which a run writes batches, by the times at which they were written.
///
/// The times on disk, not those of arrival: attached in the middle of a run, the pace is known at once.
#[derive(Debug, Default, Clone)]
pub struct Pace {
    written: VecDeque<SystemTime>,
}

impl Pace {
    /// Notes a batch.
    pub fn note(&mut self, written: SystemTime) {
        if self.written.len() == WINDOW {
            self.written.pop_front();
        }
        self.written.push_back(written);
    }

    /// The newest time noted.
    pub fn newest(&self) -> Option<SystemTime> {
        self.written.iter().max().copied()
    }

    /// The mean time between two batches; `None` before there are two at different times.
    pub fn interval(&self) -> Option<Duration> {
        let (oldest, newest) = (self.written.iter().min()?, self.written.iter().max()?);
        let span = newest.duration_since(*oldest).ok().filter(|span| !span.is_zero())?;
        Some(span / (self.written.len() as u32 - 1))
    }

    /// The time left for `batches` more batches.
    pub fn left(&self, batches: f64, now: SystemTime) -> Option<Duration> {
        let since = now.duration_since(self.newest()?).unwrap_or_default();
        let whole = self.interval()?.as_secs_f64() * batches;
        Duration::try_from_secs_f64(whole).ok().map(|whole| whole.saturating_sub(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_the_mean_interval_times_what_is_left() {
        let start = SystemTime::UNIX_EPOCH;
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::default();
        assert_eq!(pace.left(3.0, at(0)), None);
        pace.note(at(0));
        assert_eq!(pace.left(3.0, at(0)), None);
        pace.note(at(4));
        pace.note(at(2));
        assert_eq!(pace.interval(), Some(Duration::from_secs(2)));
        assert_eq!(pace.left(3.0, at(5)), Some(Duration::from_secs(5)));
        assert_eq!(pace.left(1.0, at(60)), Some(Duration::ZERO));
        assert_eq!(pace.left(1.0, at(1)), Some(Duration::from_secs(2)), "a clock behind the file's");
    }

    #[test]
    fn batches_written_at_the_same_time_have_no_pace() {
        let mut pace = Pace::default();
        pace.note(SystemTime::UNIX_EPOCH);
        pace.note(SystemTime::UNIX_EPOCH);
        assert_eq!(pace.interval(), None);
    }
}
