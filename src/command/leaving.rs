//! How long each step of leaving may take.
//!
//! After a signal the program ends within five seconds, whatever the screen, pipes, disks and publishers do. Each step has
//! a deadline, counted from the signal, so that a step that needs less leaves more to the next. Without a signal the
//! steps may take longer, and a signal then cuts them short.

use super::exporter::Outcome;
use super::hook::HookOutcome;
use super::output;
use crate::platform::streams;
use crate::run::Views;
use crossbeam_channel::{Receiver, after, at, never, select};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// The deadlines after the signal. The rest of the five seconds is for printing.
const DISPLAY: Duration = Duration::from_millis(500);
const COUNTING: Duration = Duration::from_millis(2600);
const PUBLISHING: Duration = Duration::from_millis(3200);
const EXPORTS: Duration = Duration::from_millis(4200);

/// How long a step may take without a signal. Exports may take any time then.
const UNASKED: Duration = Duration::from_secs(5);

/// Waits for the steps of leaving, and for signals meanwhile.
pub(super) struct Leaving<'a> {
    signals: &'a Receiver<i32>,
    /// The deadline of the exports, once a signal came while they were written.
    hurried: Cell<Option<Instant>>,
}

/// How long an export may still take after a Ctrl-C to leave at once.
const HURRIED: Duration = Duration::from_millis(500);

impl<'a> Leaving<'a> {
    /// Drops the signals that came before: leaving is what they asked for.
    pub(super) fn new(signals: &'a Receiver<i32>) -> Self {
        signals.try_iter().for_each(drop);
        Self { signals, hurried: Cell::new(None) }
    }

    /// The time left for a step with this deadline, if there was a signal.
    fn within(step: Duration) -> Option<Duration> {
        streams::asked().map(|asked| (asked + step).saturating_duration_since(Instant::now()))
    }

    /// The time left for the display to restore the terminal.
    pub(super) fn for_display() -> Duration {
        Self::within(DISPLAY).unwrap_or(UNASKED)
    }

    /// The time left for the publishers.
    pub(super) fn for_publishing() -> Duration {
        Self::within(PUBLISHING).unwrap_or(UNASKED)
    }

    /// Waits until counting has ended for all runs.
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

    /// Waits for the next command of the user to end; with patience, as long as the user does. `None` if it is late.
    pub(super) fn wait_for_hook(
        &self,
        outcomes: &Receiver<HookOutcome>,
        is_patient: bool,
    ) -> Option<HookOutcome> {
        let asked = Self::within(EXPORTS);
        let give_up = match (asked, is_patient) {
            (Some(within), _) => after(within),
            (None, true) => never(),
            (None, false) => after(UNASKED),
        };
        let mut say = if is_patient { after(output::SAY_AFTER) } else { never() };
        loop {
            select! {
                recv(outcomes) -> outcome => return outcome.ok(),
                recv(say) -> _ => {
                    output::say("the command of --on-finish runs (Ctrl-C to leave at once)");
                    say = never();
                }
                recv(self.signals) -> _ => return None,
                recv(give_up) -> _ => return None,
            }
        }
    }

    /// Waits for the outcome of the next export. `None` if all are written, or the next is late.
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
