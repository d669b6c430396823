//! How old a run is, how long it takes and how fast it goes: as figures of an export, and as text.

use crate::run::Status;
use crate::run::timing::{ClockDoubt, Timing};
use crate::text::{age, compact, span, thousands};
use serde::Serialize;
use std::time::{Duration, SystemTime};

/// The times of a run at the moment of an export.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunTimes {
    /// When the first and the newest batch were written, in seconds since 1970 (UTC).
    pub first_batch: Option<f64>,
    pub newest_batch: Option<f64>,
    /// Seconds since something was last written; `None` of a run that is over.
    pub quiet_seconds: Option<f64>,
    /// Seconds from the first batch to the last; of a run that goes on, until now.
    pub elapsed_seconds: Option<f64>,
    pub batches_per_second: Option<f64>,
    pub samples_per_second: Option<f64>,
    pub seconds_left: Option<f64>,
    /// What is wrong with the times of the files.
    pub clock: Option<String>,
    #[serde(skip)]
    pub timing: Timing,
    #[serde(skip)]
    pub status: Status,
}

impl RunTimes {
    pub fn new(timing: Timing, status: Status) -> Self {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        Self {
            first_batch: timing.first.and_then(unix_seconds),
            newest_batch: timing.last.and_then(unix_seconds),
            quiet_seconds: seconds(timing.age.filter(|_| status != Status::Finished)),
            elapsed_seconds: seconds(timing.elapsed),
            batches_per_second: timing.batches_per_second,
            samples_per_second: timing.samples_per_second,
            seconds_left: seconds(timing.left),
            clock: timing.doubt.map(doubt),
            timing,
            status,
        }
    }
}

/// Seconds since 1970 (UTC); `None` before.
pub fn unix_seconds(time: SystemTime) -> Option<f64> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs_f64())
}

/// What a run does, with its age where it is stalled: `stalled, last batch 2 d ago`.
pub fn state(status: Status) -> String {
    match status {
        Status::Waiting => "waiting".to_owned(),
        Status::Live => "live".to_owned(),
        Status::Stalled(Some(quiet)) => format!("stalled, last batch {} ago", age(quiet)),
        Status::Stalled(None) => "stalled".to_owned(),
        Status::Stopped => "stopped".to_owned(),
        Status::Finished => "finished".to_owned(),
    }
}

/// The same of a run that is stalled, in fewer words: `stalled 2 d`.
pub fn stalled(quiet: Option<Duration>) -> String {
    quiet.map_or("stalled".to_owned(), |quiet| format!("stalled {}", age(quiet)))
}

/// How long the run takes and how fast it goes, the most important first: `took 1 h 05 min`, `0.40 batches/s`,
/// `6.40 samples/s`, `ended 2 d ago`.
pub fn parts(timing: &Timing, status: Status) -> Vec<String> {
    elapsed(timing, status).into_iter().chain(pace(timing)).chain(last(timing, status)).collect()
}

/// How long the run takes.
pub fn elapsed(timing: &Timing, status: Status) -> Option<String> {
    let elapsed = span(timing.elapsed?);
    Some(match status {
        Status::Finished => format!("took {elapsed}"),
        Status::Stalled(_) | Status::Stopped => format!("ran for {elapsed}"),
        Status::Waiting | Status::Live => format!("{elapsed} elapsed"),
    })
}

/// How fast the run goes.
pub fn pace(timing: &Timing) -> Vec<String> {
    let rates = [(timing.batches_per_second, "batches"), (timing.samples_per_second, "samples")];
    rates.into_iter().filter_map(|(rate, what)| Some(per_time(rate?, what))).collect()
}

/// When the last batch was written. The age of a run that stalled is part of its state.
pub fn last(timing: &Timing, status: Status) -> Option<String> {
    let what = match status {
        Status::Live | Status::Stopped => "last batch",
        Status::Finished => "ended",
        Status::Waiting | Status::Stalled(_) => return None,
    };
    Some(format!("{what} {} ago", age(timing.age?)))
}

/// A rate by the second, or by the minute or hour where that is easier to read.
pub fn per_time(per_second: f64, what: &str) -> String {
    let (rate, unit) = match per_second {
        slow if slow < 0.1 / 60.0 => (slow * 3600.0, "h"),
        medium if medium < 0.0995 => (medium * 60.0, "min"),
        fast => (fast, "s"),
    };
    format!("{} {what}/{unit}", compact(rate))
}

/// How far what was there at first is counted: `catching up: 12 of 3,000 batches`.
pub fn catching_up((counted, of): (u64, u64)) -> String {
    format!("catching up: {} of {} batches", thousands(counted.into()), thousands(of.into()))
}

/// What is wrong with the times of the files, in words.
pub fn doubt(doubt: ClockDoubt) -> String {
    match doubt {
        ClockDoubt::Ahead(ahead) => {
            format!("the newest file is {} in the future: a clock is wrong", age(ahead))
        }
        ClockDoubt::AtOnce => "all files are of one second: a short run, or a copy without times".to_owned(),
        ClockDoubt::Late(delay) => {
            format!("batches appear {} after they were written: copied, or a clock is wrong", age(delay))
        }
        ClockDoubt::Unknown(1) => "it is not known when 1 batch was written".to_owned(),
        ClockDoubt::Unknown(batches) => {
            format!("it is not known when {} batches were written", thousands(batches.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_the_unit_that_is_easy_to_read() {
        for (rate, text) in [
            (250.0, "250 batches/s"),
            (0.4, "0.40 batches/s"),
            (0.05, "3 batches/min"),
            (0.001, "3.60 batches/h"),
        ] {
            assert_eq!(per_time(rate, "batches"), text);
        }
    }

    #[test]
    fn only_a_run_that_is_over_ended() {
        let day = Duration::from_secs(2 * 86_400 + 600);
        let (elapsed, age) = (Some(Duration::from_secs(3900)), Some(day));
        let timing = Timing { elapsed, age, batches_per_second: Some(0.4), ..Timing::default() };
        let all = |status| parts(&timing, status).join(", ");
        assert_eq!(all(Status::Finished), "took 1 h 05 min, 0.40 batches/s, ended 2 d ago");
        assert_eq!(all(Status::Live), "1 h 05 min elapsed, 0.40 batches/s, last batch 2 d ago");
        assert_eq!(all(Status::Stalled(Some(day))), "ran for 1 h 05 min, 0.40 batches/s");
        assert_eq!(state(Status::Stalled(Some(day))), "stalled, last batch 2 d ago");
    }
}
