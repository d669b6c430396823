//! How old a run is, how long it takes and how fast it goes, by the times of its files.
//!
//! A run may have been dead for days when neurotop starts, so that the time at which neurotop sees a batch says nothing
//! about the run. The time of the batch's file does. Only a batch that appears while neurotop looks on is as new as
//! that, whatever the clock of the machine that wrote it shows.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// How many of the newest batches the pace is taken from.
const NEWEST: usize = 32;

/// File systems and servers may be ahead by this much, which is worth no word.
const AHEAD: Duration = Duration::from_secs(5);

/// Batches that appear later than this after they were written were copied, or a clock is wrong.
const LATE: Duration = Duration::from_secs(60);

/// Times within less than this say nothing about the pace: copies without times have such.
const LEAST_SPAN: Duration = Duration::from_secs(1);

/// So many batches do not come by chance within [`LEAST_SPAN`].
const AT_ONCE: u64 = 3;

/// After so many times the usual interval, a batch is overdue and the time left unknown.
const OVERDUE: u32 = 5;

/// When a file was written, where its time can be right: it is not in the future, nor the zero of a copy without times.
pub fn when_written(modified: SystemTime, now: SystemTime) -> Option<SystemTime> {
    let can_be_right = modified > SystemTime::UNIX_EPOCH && modified <= now + AHEAD;
    can_be_right.then(|| modified.min(now))
}

/// When the counted batches were written. Neither the order in which they are noted nor the grouping matters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileTimes {
    first: Option<SystemTime>,
    /// Batches with a time that can be right.
    timed: u64,
    /// Batches without one.
    untimed: u64,
    /// The newest times, the oldest first. The pace is taken from them and not from when batches are seen, so that it is
    /// known at once in the middle of a run.
    newest: VecDeque<SystemTime>,
    /// The newest time that was in the future when it was seen.
    ahead: Option<SystemTime>,
    /// The least time from the writing of a batch to its appearance, of those that appeared while neurotop looked on.
    delay: Option<Duration>,
}

impl FileTimes {
    /// Notes a batch that was there before neurotop looked.
    pub fn note_found(&mut self, written: SystemTime, now: SystemTime) {
        match when_written(written, now) {
            Some(written) => self.note(written),
            None => {
                self.note_ahead(written, now);
                self.untimed += 1;
            }
        }
    }

    /// Notes a batch that appears at `now`.
    pub fn note_appeared(&mut self, written: SystemTime, now: SystemTime) {
        let Some(written) = when_written(written, now) else {
            self.note_ahead(written, now);
            return self.note(now);
        };
        let delay = now.duration_since(written).unwrap_or_default();
        self.delay = Some(self.delay.map_or(delay, |least| least.min(delay)));
        self.note(written);
    }

    fn note_ahead(&mut self, written: SystemTime, now: SystemTime) {
        self.ahead = self.ahead.max(Some(written).filter(|&written| written > now));
    }

    /// Notes that a batch is gone from the figures, or is about to be replaced.
    pub fn take_out(&mut self) {
        self.timed = self.timed.saturating_sub(1);
    }

    /// Says how many batches all the notes are about, and of how many more nobody knows when they were written.
    pub fn stand_for(&mut self, timed: u64, untimed: u64) {
        self.timed = self.timed.max(timed);
        self.untimed = self.untimed.saturating_add(untimed);
    }

    fn note(&mut self, written: SystemTime) {
        self.first = Some(self.first.map_or(written, |first| first.min(written)));
        self.timed += 1;
        self.note_newest(written);
    }

    fn note_newest(&mut self, written: SystemTime) {
        let place = self.newest.partition_point(|&other| other <= written);
        self.newest.insert(place, written);
        if self.newest.len() > NEWEST {
            self.newest.pop_front();
        }
    }

    /// Adds the times of other batches of the run.
    pub fn join(&mut self, other: &Self) {
        other.newest().for_each(|written| self.note_newest(written));
        self.first = self.first.into_iter().chain(other.first).min();
        self.ahead = self.ahead.max(other.ahead);
        self.timed = self.timed.saturating_add(other.timed);
        self.untimed = self.untimed.saturating_add(other.untimed);
    }

    /// The times of batches of which the first, the newest ones and the number are known.
    pub fn from_parts(
        first: Option<SystemTime>,
        newest: impl Iterator<Item = SystemTime>,
        [timed, untimed]: [u64; 2],
    ) -> Self {
        let mut times = Self::default();
        newest.for_each(|written| times.note(written));
        times.first = times.first.into_iter().chain(first).min();
        times.stand_for(timed, untimed);
        times
    }

    pub fn first(&self) -> Option<SystemTime> {
        self.first
    }

    pub fn last(&self) -> Option<SystemTime> {
        self.newest.back().copied()
    }

    /// The least time from the writing of a batch to its appearance.
    pub fn delay(&self) -> Option<Duration> {
        self.delay
    }

    /// The mean time between the newest batches; `None` before there are two at different times.
    pub fn interval(&self) -> Option<Duration> {
        let span = self.newest_span().filter(|span| !span.is_zero())?;
        Some(span / (self.newest.len() as u32 - 1))
    }

    fn newest_span(&self) -> Option<Duration> {
        self.newest.back()?.duration_since(*self.newest.front()?).ok()
    }

    /// The newest times, the oldest first.
    pub fn newest(&self) -> impl Iterator<Item = SystemTime> {
        self.newest.iter().copied()
    }

    /// The newest time that was in the future when it was seen.
    pub fn ahead(&self) -> Option<SystemTime> {
        self.ahead
    }

    /// Takes a time that was in the future.
    pub fn stand_ahead(&mut self, ahead: Option<SystemTime>) {
        self.ahead = self.ahead.max(ahead);
    }

    /// How many batches have a time that can be right, and how many have not.
    pub fn batches(&self) -> [u64; 2] {
        [self.timed, self.untimed]
    }

    /// From the first batch to the last, where all of them have times that can be right.
    fn span(&self) -> Option<Duration> {
        let span = self.last()?.duration_since(self.first?).ok()?;
        (self.untimed == 0 && !self.are_at_once()).then_some(span)
    }

    /// Whether the times are those of a copy and not of the run.
    fn are_at_once(&self) -> bool {
        let span = self.last().zip(self.first).and_then(|(last, first)| last.duration_since(first).ok());
        self.timed >= AT_ONCE && span.is_some_and(|span| span < LEAST_SPAN)
    }

    /// The mean time between two batches from the first to the last.
    fn whole_interval(&self) -> Option<Duration> {
        let between = u32::try_from(self.timed.checked_sub(1)?).ok().filter(|&between| between > 0)?;
        self.span().filter(|&span| span >= LEAST_SPAN).map(|span| span / between)
    }

    /// The mean time between the newest batches.
    fn recent_interval(&self) -> Option<Duration> {
        let recent = self.newest_span().filter(|&span| span >= LEAST_SPAN);
        recent.and(self.interval()).or_else(|| self.whole_interval())
    }

    /// Why the times cannot be right, if they cannot.
    fn doubt(&self, now: SystemTime) -> Option<ClockDoubt> {
        let ahead = self.ahead.and_then(|ahead| ahead.duration_since(now).ok());
        match ahead.filter(|&ahead| ahead > AHEAD) {
            Some(ahead) => Some(ClockDoubt::Ahead(ahead)),
            // Those that appeared are as many as they seem.
            None if self.are_at_once() && self.delay.is_none() => Some(ClockDoubt::AtOnce),
            None if self.untimed > 0 => Some(ClockDoubt::Unknown(self.untimed)),
            None => self.delay.filter(|&delay| delay > LATE).map(ClockDoubt::Late),
        }
    }
}

/// What is wrong with the times of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockDoubt {
    /// The newest file is this far in the future.
    Ahead(Duration),
    /// All files are of the same second, as of a short run or after a copy without times.
    AtOnce,
    /// Each batch appears this long after it was written, or later.
    Late(Duration),
    /// Of so many batches it is not known when they were written.
    Unknown(u64),
}

/// What a run does, as far as its times depend on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Phase {
    /// What was there before neurotop is being counted: so many batches of so many.
    CatchingUp(u64, u64),
    /// Batches are to come: so many, if that is known.
    Live(Option<f64>),
    /// It stalled, or has no batch yet.
    Idle,
    Finished,
}

/// The times of a run at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timing {
    /// When the first and the last batch were written.
    pub first: Option<SystemTime>,
    pub last: Option<SystemTime>,
    /// The time since the last batch was written, or appeared; `None` where no time of a file can be right.
    pub age: Option<Duration>,
    /// From the first batch to the last; of a run that goes on, until now.
    pub elapsed: Option<Duration>,
    /// Batches a second: the newest ones' while the run goes on, else those of the whole run.
    pub batches_per_second: Option<f64>,
    /// Samples a second, for batches of the mean size.
    pub samples_per_second: Option<f64>,
    /// The time left at the pace of the newest batches.
    pub left: Option<Duration>,
    /// How many of the batches that were there before neurotop are counted, and how many they are.
    pub catching_up: Option<(u64, u64)>,
    pub doubt: Option<ClockDoubt>,
}

impl Timing {
    /// The times of a run at `now`: `age` is the time since something was last written, `samples` is the mean of a batch.
    pub fn new(
        times: &FileTimes,
        phase: Phase,
        age: Option<Duration>,
        samples: f64,
        now: SystemTime,
    ) -> Self {
        let live = matches!(phase, Phase::Live(_));
        let interval = match phase {
            Phase::CatchingUp(..) => None,
            Phase::Live(_) => times.recent_interval(),
            Phase::Idle | Phase::Finished => times.whole_interval(),
        };
        let rate = interval.map(|interval| 1.0 / interval.as_secs_f64());
        Self {
            first: times.first,
            last: times.last(),
            age,
            elapsed: match phase {
                Phase::CatchingUp(..) => None,
                _ => times.span().map(|span| if live { span + age.unwrap_or_default() } else { span }),
            },
            batches_per_second: rate,
            samples_per_second: rate.map(|rate| rate * samples),
            left: match phase {
                Phase::Live(Some(batches)) => left(interval, batches, age.unwrap_or_default()),
                _ => None,
            },
            catching_up: match phase {
                Phase::CatchingUp(counted, of) => Some((counted, of)),
                _ => None,
            },
            doubt: times.doubt(now),
        }
    }
}

/// The time left for so many more batches, `age` after the last one; `None` where the next one is overdue, or due now
/// and the last.
fn left(interval: Option<Duration>, batches: f64, age: Duration) -> Option<Duration> {
    let interval = interval.filter(|&interval| age < (interval * OVERDUE).max(LEAST_SPAN * OVERDUE))?;
    let whole = Duration::try_from_secs_f64(interval.as_secs_f64() * batches).ok()?;
    whole.checked_sub(age.min(interval)).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn found(seconds: impl IntoIterator<Item = u64>, now: u64) -> FileTimes {
        let mut times = FileTimes::default();
        seconds.into_iter().for_each(|second| times.note_found(at(second), at(now)));
        times
    }

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn a_run_that_goes_on_has_the_pace_of_its_newest_batches() {
        // 10 batches, one in 100 s, then 32 batches, one in 10 s.
        let times = found((0..10).map(|n| n * 100).chain((0..32).map(|n| 1000 + n * 10)), 1315);
        let timing = Timing::new(&times, Phase::Live(Some(4.0)), seconds(5), 16.0, at(1315));
        assert_eq!((timing.elapsed, timing.left), (seconds(1315), seconds(35)));
        assert_eq!((timing.batches_per_second, timing.samples_per_second), (Some(0.1), Some(1.6)));
        assert_eq!(timing.doubt, None);
    }

    #[test]
    fn a_run_that_is_over_or_stalled_has_no_time_left_and_the_pace_of_all_of_it() {
        let times = found((0..9).map(|n| n * 10), 200_000);
        for phase in [Phase::Idle, Phase::Finished] {
            let timing = Timing::new(&times, phase, seconds(199_920), 16.0, at(200_000));
            assert_eq!((timing.elapsed, timing.left), (seconds(80), None));
            assert_eq!(timing.batches_per_second, Some(0.1));
        }
    }

    #[test]
    fn a_batch_that_is_overdue_leaves_the_time_left_unknown() {
        let times = found((0..9).map(|n| n * 10), 80);
        let left = |batches: f64, age| {
            Timing::new(&times, Phase::Live(Some(batches)), seconds(age), 1.0, at(80 + age)).left
        };
        assert_eq!(left(4.0, 0), seconds(40));
        assert_eq!(left(4.0, 15), seconds(30), "each batch after the next takes its time");
        assert_eq!(left(4.0, 50), None);
        assert_eq!(left(1.0, 9), seconds(1));
        assert_eq!(left(1.0, 12), None, "and not 0 s");
        assert_eq!(left(0.0, 0), None);
    }

    #[test]
    fn what_is_only_being_counted_has_no_pace() {
        let times = found((0..9).map(|n| n * 10), 80);
        let timing = Timing::new(&times, Phase::CatchingUp(9, 3000), seconds(0), 1.0, at(80));
        assert_eq!((timing.catching_up, timing.left, timing.elapsed), (Some((9, 3000)), None, None));
        assert_eq!(timing.batches_per_second, None);
    }

    #[test]
    fn files_of_one_moment_have_no_pace_and_it_is_said() {
        let times = found([7, 7, 7, 7], 60);
        for phase in [Phase::Live(Some(3.0)), Phase::Finished] {
            let timing = Timing::new(&times, phase, seconds(53), 1.0, at(60));
            assert_eq!((timing.elapsed, timing.batches_per_second, timing.left), (None, None, None));
            assert_eq!(timing.doubt, Some(ClockDoubt::AtOnce));
        }
        let mut quick = FileTimes::default();
        (0..5).for_each(|_| quick.note_appeared(at(7), at(7)));
        assert_eq!(quick.doubt(at(7)), None, "a run may be quick");
        let two = Timing::new(&found([7, 7], 60), Phase::Finished, None, 1.0, at(60));
        assert_eq!((two.doubt, two.batches_per_second), (None, None), "two may come by chance");
        assert_eq!(found([7, 7], 60).interval(), None);
    }

    #[test]
    fn files_from_the_future_are_said_and_have_no_times() {
        let times = found([0, 10, 20, 5000, 5010], 30);
        let timing = Timing::new(&times, Phase::Idle, seconds(10), 1.0, at(30));
        assert_eq!(timing.doubt, Some(ClockDoubt::Ahead(Duration::from_secs(4980))));
        assert_eq!((timing.last, timing.elapsed), (Some(at(20)), None));
        let later = Timing::new(&times, Phase::Idle, seconds(10), 1.0, at(6000));
        assert_eq!((later.doubt, later.elapsed), (Some(ClockDoubt::Unknown(2)), None));
        assert_eq!(found([0, 33], 30).doubt(at(30)), None, "a little is usual");
    }

    #[test]
    fn a_batch_that_appears_is_as_new_as_that_where_the_clock_of_its_file_is_ahead() {
        let mut times = FileTimes::default();
        (0..5).for_each(|n| times.note_appeared(at(3600 + n * 10), at(n * 10)));
        let timing = Timing::new(&times, Phase::Live(Some(2.0)), seconds(0), 1.0, at(40));
        assert_eq!((timing.left, timing.elapsed), (seconds(20), seconds(40)));
        assert_eq!(timing.doubt, Some(ClockDoubt::Ahead(Duration::from_secs(3600))));
    }

    #[test]
    fn batches_that_appear_long_after_they_were_written_are_said() {
        let mut times = FileTimes::default();
        (0..5).for_each(|n| times.note_appeared(at(n * 10), at(7200 + n * 10)));
        assert_eq!(times.doubt(at(7300)), Some(ClockDoubt::Late(Duration::from_secs(7200))));
        times.note_appeared(at(7299), at(7300));
        assert_eq!(times.doubt(at(7300)), None, "one came in time");
    }

    #[test]
    fn the_parts_of_a_run_have_its_times_together() {
        let whole = found((0..100).map(|n| n * n), 10_000);
        assert_eq!(whole.newest().count(), NEWEST);
        assert_eq!(whole.interval(), Some(Duration::from_secs(99 * 99 - 68 * 68) / 31));
        assert_eq!(found((0..100).rev().map(|n| n * n), 10_000), whole, "in any order");
        let mut joined = found((0..100).filter(|n| n % 3 == 0).map(|n| n * n), 10_000);
        let other = found((0..100).filter(|n| n % 3 != 0).map(|n| n * n), 10_000);
        joined.join(&FileTimes::from_parts(other.first(), other.newest(), other.batches()));
        let timing = |times| Timing::new(times, Phase::Finished, None, 1.0, at(10_000));
        assert_eq!(timing(&joined), timing(&whole));
        assert_eq!(timing(&whole).elapsed, seconds(99 * 99));
    }
}
