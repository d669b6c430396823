//! How long each step of leaving may take.
//!
//! After a signal all of it is over within five seconds, whatever screen, pipe, disk or publisher do: each step has
//! until its time after the signal, and one that needs less leaves more to the next. Without a signal the steps may take
//! longer, and a signal then cuts them short.

use super::exporter::Outcome;
use super::output;
use crate::process::streams;
use crate::run::Views;
use crossbeam_channel::{Receiver, after, at, never, select};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long after the signal the display, the counting, the publishers and the exports are waited for. What is left of
/// five seconds is for printing.
const DISPLAY: Duration = Duration::from_millis(500);
const COUNTING: Duration = Duration::from_millis(2600);
const PUBLISHING: Duration = Duration::from_millis(3200);
const EXPORTS: Duration = Duration::from_millis(4200);

/// The same without a signal, each from its own beginning; exports have all the time that they take.
const UNASKED: Duration = Duration::from_secs(5);

/// What the program is asked while it leaves.
pub(super) struct Leaving<'a> {
    signals: &'a Receiver<i32>,
    /// When exports are waited for no more, since a signal came while they were.
    hurried: Cell<Option<Instant>>,
}

/// What an export that does not hang may take after somebody has pressed Ctrl-C to leave at once.
const HURRIED: Duration = Duration::from_millis(500);

impl<'a> Leaving<'a> {
    /// Signals that came until now asked to leave, and that is what is done.
    pub(super) fn new(signals: &'a Receiver<i32>) -> Self {
        signals.try_iter().for_each(drop);
        Self { signals, hurried: Cell::new(None) }
    }

    /// How long a step may take that has so long after a signal.
    fn within(step: Duration) -> Option<Duration> {
        streams::asked().map(|asked| (asked + step).saturating_duration_since(Instant::now()))
    }

    /// How long the display may take to give the terminal back.
    pub(super) fn for_display() -> Duration {
        Self::within(DISPLAY).unwrap_or(UNASKED)
    }

    /// How long the publishers may take.
    pub(super) fn for_publishing() -> Duration {
        Self::within(PUBLISHING).unwrap_or(UNASKED)
    }

    /// Waits until the owners of all runs have ended.
    pub(super) fn wait_for_counting(&self, views: &Views) {
        let news = views.news();
        let give_up = after(Self::within(COUNTING).unwrap_or(UNASKED));
        let mut say = after(output::SAY_AFTER);
        while !views.runs().have_ended() {
            select! {
                recv(news) -> _ => {}
                recv(say) -> _ => {
                    output::say("counting the last batches (Ctrl-C to leave at once)");
                    say = never();
                }
                recv(self.signals) -> _ => return,
                recv(give_up) -> _ => return,
            }
        }
    }

    /// Waits until one export more is written; `None` where all are, or it is not in time.
    pub(super) fn wait_for_export(&self, finished: &Receiver<Outcome>) -> Option<Outcome> {
        let mut say = after(output::SAY_AFTER);
        loop {
            let asked = streams::asked().map(|asked| asked + EXPORTS);
            let give_up = asked.into_iter().chain(self.hurried.get()).min().map_or_else(never, at);
            select! {
                recv(finished) -> outcome => return outcome.ok(),
                recv(say) -> _ => {
                    output::say("an export is being written (Ctrl-C to leave at once)");
                    say = never();
                }
                recv(self.signals) -> _ => self.hurried.set(Some(Instant::now() + HURRIED)),
                recv(give_up) -> _ => return None,
            }
        }
    }
}
