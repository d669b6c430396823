//! The newest state of the runs as OpenMetrics text, made once for all who write or serve it.

use super::names::Names;
use super::openmetrics::{RunState, render};
use super::serve::serve;
use super::target::Target;
use super::textfile;
use crate::figures::Summary;
use crate::figures::checks::Checks;
use crate::run::Views;
use crossbeam_channel::{Receiver, Sender};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The shortest time between two texts.
const INTERVAL: Duration = Duration::from_secs(1);

/// Making texts takes at most one part in so many of the time.
const SHARE: u32 = 50;

/// Writes or serves the newest text.
#[derive(Debug)]
pub(super) struct Metrics {
    newest: Arc<Newest>,
    /// `None` if the text is served. Dropping the sender ends the thread that writes, and the receiver then gets why
    /// the last text could not be written, if so.
    file: Option<(Sender<()>, Receiver<Option<String>>)>,
}

/// The text of the newest state. It is made when somebody asks.
#[derive(Debug)]
pub(super) struct Newest {
    views: Views,
    /// What the figures are checked against, once that is known.
    checks: OnceLock<Checks>,
    /// The lock is held while a text is made, so that clients at the same time share one.
    made: Mutex<MadeText>,
}

/// The text that was made last, and what it was made of.
#[derive(Debug, Default)]
struct MadeText {
    labels: Names,
    /// By run, its state, the revision that it was made from, and whether nothing more was to be expected of it.
    known: HashMap<usize, ((u64, bool), RunState)>,
    text: Arc<str>,
    /// The text is not made again before this.
    next: Option<Instant>,
}

impl Newest {
    pub(super) fn new(views: Views) -> Self {
        Self { views, checks: OnceLock::new(), made: Mutex::default() }
    }

    /// The text, at most a moment old.
    pub(super) fn text(&self) -> Arc<str> {
        // The text is whole at any time, even if a holder of the lock has panicked.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if made.next.is_none_or(|next| now >= next) {
            made.make(&self.views, self.checks.get(), SystemTime::now());
            made.next = Some(now + INTERVAL.max(now.elapsed() * SHARE));
        }
        Arc::clone(&made.text)
    }

    /// The text of the state as it is now.
    pub(super) fn last_text(&self) -> Arc<str> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).next = None;
        self.text()
    }
}

impl MadeText {
    fn make(&mut self, views: &Views, checks: Option<&Checks>, wall: SystemTime) {
        let runs = views.runs();
        let mut numbers = runs.listed();
        // The first run of a name keeps it.
        numbers.sort_unstable();
        let mut states = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some(entry) = runs.get(number) else { continue };
            let revision = (entry.run.revision(), entry.run.is_settled(wall));
            let known = self.known.remove(&number).filter(|(known, state)| {
                // A run stalls without any change.
                *known == revision && state.summary.run.status == Summary::status(&entry.run, wall)
            });
            let aged = known.map(|(_, mut state)| {
                // Nobody else has it by now, so that no layer is copied.
                Arc::make_mut(&mut state.summary).pass_time(&entry.run, wall);
                state
            });
            let state = aged.unwrap_or_else(|| {
                let mut summary = Summary::without_steps(&entry.run, wall);
                checks.map(|checks| checks.judge(&mut summary));
                RunState {
                    label: self.labels.name_for(number, entry.run.name()).to_owned(),
                    summary: Arc::new(summary),
                    last_batch: entry.run.last_activity(),
                }
            });
            self.known.insert(number, (revision, state.clone()));
            states.push(state);
        }
        self.text = render(&states).into();
    }
}

impl Metrics {
    /// Starts to write or to serve.
    ///
    /// # Errors
    /// If the file cannot be written, the address is in use or not this machine's, or the system gives no thread.
    pub(super) fn start(target: &Target, views: Views, said: &Sender<String>) -> anyhow::Result<Self> {
        let newest = Arc::new(Newest::new(views));
        let file = match target {
            Target::File(path) => Some(textfile::start(path, Arc::clone(&newest), said.clone())?),
            Target::Address(address) => {
                let served = serve(*address, Arc::clone(&newest))?;
                let _ = said.try_send(served);
                None
            }
        };
        Ok(Self { newest, file })
    }

    /// From now on, conditions that hold are among the problems.
    pub(super) fn judge_by(&self, checks: Checks) {
        // They are given once.
        let _ = self.newest.checks.set(checks);
    }

    /// Forgets a run that is no longer followed. No other run gets its label.
    pub(super) fn leave(&self, number: usize) {
        self.newest.made.lock().unwrap_or_else(PoisonError::into_inner).known.remove(&number);
    }

    /// Has the last state written if the text goes into a file.
    pub(super) fn close(self) -> Option<Receiver<Option<String>>> {
        self.file.map(|(_until, outcome)| outcome)
    }
}
