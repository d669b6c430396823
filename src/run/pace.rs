//! How fast a run writes batches, by the times of their files.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// How many of the newest batches the pace is taken from.
const WINDOW: usize = 32;

/// The pace at which a run writes batches, taken from the times at which they were written.
///
/// These are times on disk, not of arrival, so that the pace is known at once when neurotop starts in the middle of a
/// run. It does not depend on the order in which batches are noted, nor on which were noted together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Pace {
    /// The newest times, the oldest first.
    written: VecDeque<SystemTime>,
}

impl Pace {
    /// Notes a batch.
    pub fn note(&mut self, written: SystemTime) {
        let place = self.written.partition_point(|&other| other <= written);
        self.written.insert(place, written);
        if self.written.len() > WINDOW {
            self.written.pop_front();
        }
    }

    /// The newest times, the oldest first, as many as the pace is taken from.
    pub fn times(&self) -> impl Iterator<Item = SystemTime> {
        self.written.iter().copied()
    }

    /// From the oldest of these times to the newest.
    pub fn span(&self) -> Option<Duration> {
        self.written.back()?.duration_since(*self.written.front()?).ok()
    }

    /// The mean time between two batches; `None` before there are two at different times.
    pub fn interval(&self) -> Option<Duration> {
        let span = self.span().filter(|span| !span.is_zero())?;
        Some(span / (self.written.len() as u32 - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_times_stay_whenever_they_are_noted() {
        let of = |seconds: &mut dyn Iterator<Item = u64>| {
            let mut pace = Pace::default();
            seconds
                .for_each(|second| pace.note(SystemTime::UNIX_EPOCH + Duration::from_secs(second * second)));
            pace
        };
        let whole = of(&mut (0..100));
        assert_eq!(whole.times().count(), WINDOW);
        assert_eq!(whole.interval(), Some(Duration::from_secs(99 * 99 - 68 * 68) / 31));
        assert_eq!(of(&mut (0..100).rev()), whole);
        let mut joined = of(&mut (0..100).filter(|second| second % 3 == 0));
        of(&mut (0..100).filter(|second| second % 3 != 0)).times().for_each(|time| joined.note(time));
        assert_eq!(joined, whole);
    }

    #[test]
    fn batches_written_at_the_same_time_have_no_pace() {
        let mut pace = Pace::default();
        pace.note(SystemTime::UNIX_EPOCH);
        pace.note(SystemTime::UNIX_EPOCH);
        assert_eq!(pace.interval(), None);
    }
}
