//! Holds a counting thread back from a backlog while other programs want the processors.
//!
//! # Why a low priority is not enough
//!
//! Linux shares a processor between *sessions* first (autogroup, on by default: `sched_autogroup(7)`), and by nice
//! value only among the threads of one session. A dashboard in another pane or over ssh is in another session than
//! the benchmark, so that its threads get half of every processor although they are at the lowest priority: a
//! benchmark on two cores lost half of its steps while a backlog was counted beside it. The session has a nice value
//! of its own, but that is not ours to change where a shell leads it, and it would hold the drawing back as well.
//!
//! # What is done instead
//!
//! A thread asks the system how long it has run and how long it has waited for a processor, in
//! `/proc/thread-self/schedstat`. If it has waited for half as long as it ran, others want the processors. Before the
//! next batch it then pauses for long enough to take no more than [`SHARE`] of one processor. If nothing makes it wait,
//! it is not held back: not on an idle machine, and not once the benchmark is over. Among threads of one session the
//! nice value keeps the share low, and pauses add little.
//!
//! - **Only a backlog** is held back: what was written before this process started. Batches that arrive later come at
//!   the benchmark's own pace, and are counted at once, so that counting never falls behind.
//! - **Not by ourselves.** Threads that wait because this program keeps all cores busy are not held back: the processor
//!   time of the process tells.
//! - **Waking up** is no sign: a thread that has slept is let in at once, ahead of others. So pauses go on until the
//!   thread has run for [`QUIET`] without waiting.
//! - **A small backlog** is not worth it: the first [`GRACE`] of processor time are free.
//! - **Not on leaving**: [`Hurry`] ends every pause, and there are no more.
//! - Without schedstat (another system, a kernel without it) nothing is held back.
//!
//! A pause takes [`LONGEST`] at most, so that a mistake costs little. A batch that takes too long to count for that has
//! a larger share.

use crate::platform::{open_thread_times, thread_times};
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The part of one processor that a held-back thread takes.
const SHARE: f64 = 0.005;

/// The longest pause.
const LONGEST: Duration = Duration::from_millis(500);

/// Processor time of a thread before it is first held back.
const GRACE: Duration = Duration::from_millis(10);

/// Processor time without waiting after which nobody else wants the processors.
const QUIET: Duration = Duration::from_millis(20);

/// The time between two looks at the system's figures, so that they cost nothing.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// The time over which the share of this process is measured: over less, it is chance.
const WINDOW: Duration = Duration::from_millis(50);

/// A process with this part of all processors is itself what its threads wait for.
const OWN: f64 = 0.75;

/// How a thread spent some time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Interval {
    /// How long it ran.
    ran: Duration,
    /// How long it could have run and waited for a processor.
    waited: Duration,
    /// How long all of that took, without pauses.
    took: Duration,
    /// The part of all processors that the process had of late, from 0 to 1.
    own: f64,
}

/// Whether others want the processors, as far as is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Contention {
    is_there: bool,
    /// How long the thread has run since it last waited.
    quiet: Duration,
    /// How long it has run in all.
    ran: Duration,
}

impl Contention {
    /// Takes an interval into account; returns how long to pause after it.
    fn note(&mut self, interval: Interval) -> Duration {
        self.ran += interval.ran;
        self.quiet += interval.ran;
        if interval.waited * 2 >= interval.ran.max(BETWEEN_LOOKS) {
            self.quiet = Duration::ZERO;
            self.is_there = interval.own < OWN;
        } else if self.quiet >= QUIET {
            self.is_there = false;
        }
        if !self.is_there || self.ran < GRACE {
            return Duration::ZERO;
        }
        interval.ran.div_f64(SHARE).saturating_sub(interval.took).min(LONGEST)
    }
}

/// Ends all pauses, once.
#[derive(Debug, Clone, Default)]
pub(super) struct Hurry(Arc<(Mutex<bool>, Condvar)>);

impl Hurry {
    /// Lets everything be counted as fast as possible from now on.
    pub(super) fn begin(&self) {
        let (hurries, woken) = &*self.0;
        *hurries.lock().unwrap_or_else(PoisonError::into_inner) = true;
        woken.notify_all();
    }

    /// Waits, unless there is a hurry.
    fn pause(&self, time: Duration) {
        let (hurries, woken) = &*self.0;
        let hurries = hurries.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = woken.wait_timeout_while(hurries, time, |hurries| !*hurries);
    }
}

/// Holds back the thread that made it.
pub(super) struct Throttle {
    hurry: Hurry,
    contention: Contention,
    /// Where the system says how long this thread ran and waited.
    times: File,
    processors: f64,
    last: SchedReading,
    /// The readings at the beginning of this [`WINDOW`] and of the one before.
    windows: [SchedReading; 2],
}

#[derive(Clone, Copy)]
struct SchedReading {
    ran: Duration,
    waited: Duration,
    process: Duration,
    at: Instant,
}

impl Throttle {
    /// A throttle for the calling thread; `None` where the system does not say how long it waits.
    pub(super) fn new(hurry: Hurry) -> Option<Self> {
        let times = open_thread_times()?;
        let processors = std::thread::available_parallelism().ok()?.get() as f64;
        let last = read(&times)?;
        Some(Self { hurry, contention: Contention::default(), times, processors, last, windows: [last; 2] })
    }

    /// How long to pause before the next batch of a backlog; `None` if nothing was counted since the last.
    pub(super) fn due(&mut self) -> Option<Duration> {
        let interval = self.interval()?;
        Some(self.contention.note(interval)).filter(|pause| !pause.is_zero())
    }

    /// Pauses, unless there is a hurry.
    pub(super) fn pause(&mut self, time: Duration) {
        let start = Instant::now();
        self.hurry.pause(time);
        // Waking up may take a while, which is waiting. The pause itself is not.
        self.last.at += start.elapsed().min(time);
    }

    /// How the thread spent the time since the last call, if that is a while ago.
    fn interval(&mut self) -> Option<Interval> {
        if self.last.at.elapsed() < BETWEEN_LOOKS {
            return None;
        }
        let (before, now) = (self.last, read(&self.times)?);
        self.last = now;
        if now.at.duration_since(self.windows[1].at) >= WINDOW {
            self.windows = [self.windows[1], now];
        }
        let had = now.process.saturating_sub(self.windows[0].process).as_secs_f64();
        let within = now.at.duration_since(self.windows[0].at).as_secs_f64();
        Some(Interval {
            ran: now.ran.saturating_sub(before.ran),
            waited: now.waited.saturating_sub(before.waited),
            took: now.at.duration_since(before.at),
            own: had / (within * self.processors),
        })
    }
}

fn read(times: &File) -> Option<SchedReading> {
    let (ran, waited, process) = thread_times(times)?;
    Some(SchedReading { ran, waited, process, at: Instant::now() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// So many milliseconds of running and of waiting, by a process that has little of the machine.
    fn interval(ran: u32, waited: u32) -> Interval {
        Interval { ran: MS * ran, waited: MS * waited, took: MS * (ran + waited), own: 0.3 }
    }

    /// A thread that has had its grace.
    fn seasoned() -> Contention {
        Contention { ran: GRACE, ..Contention::default() }
    }

    #[test]
    fn who_never_waits_is_not_held_back() {
        let mut contention = seasoned();
        for _ in 0..1000 {
            assert_eq!(contention.note(interval(5, 0)), Duration::ZERO);
        }
    }

    #[test]
    fn who_waits_for_others_has_a_small_share() {
        let mut contention = seasoned();
        assert_eq!(contention.note(interval(2, 2)), MS * (400 - 4));
        assert_eq!(contention.note(interval(1, 0)), MS * 199, "waking up is no waiting");
        assert_eq!(
            contention.note(interval(1, 220)),
            Duration::ZERO,
            "as one of low priority in its session"
        );
        assert_eq!(contention.note(interval(2, 500)), Duration::ZERO);
    }

    #[test]
    fn once_the_others_are_gone_nothing_is_held_back() {
        let mut contention = seasoned();
        assert!(contention.note(interval(3, 3)) > Duration::ZERO);
        let pauses = (0..50).take_while(|_| contention.note(interval(1, 0)) > Duration::ZERO).count();
        assert_eq!(MS * (pauses as u32 + 1), QUIET);
    }

    #[test]
    fn who_waits_for_this_program_is_not_held_back() {
        let mut contention = seasoned();
        assert_eq!(contention.note(Interval { own: 0.97, ..interval(3, 3) }), Duration::ZERO);
        assert!(contention.note(interval(3, 3)) > Duration::ZERO);
        assert_eq!(contention.note(Interval { own: 0.97, ..interval(3, 3) }), Duration::ZERO);
    }

    #[test]
    fn a_small_backlog_is_free_and_a_pause_has_a_bound() {
        let mut contention = Contention::default();
        assert_eq!(contention.note(interval(4, 4)), Duration::ZERO);
        assert_eq!(contention.note(interval(4, 4)), Duration::ZERO);
        assert_eq!(contention.note(interval(4, 4)), LONGEST, "the grace is used up");
        assert_eq!(contention.note(interval(10_000, 10_000)), LONGEST);
    }

    #[test]
    fn a_hurry_ends_a_pause() {
        let hurry = Hurry::default();
        let held = hurry.clone();
        let thread = std::thread::spawn(move || held.pause(Duration::from_secs(3600)));
        hurry.begin();
        thread.join().expect("it ends");
        hurry.pause(Duration::from_secs(3600));
    }
}
