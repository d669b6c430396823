//! The newest state of the runs, for whoever writes or serves it as OpenMetrics text.

use super::names::Names;
use super::openmetrics::{RunState, render};
use super::serve::serve;
use super::target::Target;
use super::textfile::TextFile;
use crate::report::Summary;
use crate::runs::Runs;
use crossbeam_channel::Sender;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The least time between two states.
const INTERVAL: Duration = Duration::from_secs(1);

/// To make a state may take at most one part in so many of the time.
const SHARE: u32 = 50;

/// Keeps the newest state where others find it.
#[derive(Debug)]
pub(super) struct Metrics {
    newest: Arc<Newest>,
    labels: Names,
    /// Of each run what its state was made of.
    known: HashMap<usize, (u64, RunState)>,
    next: Instant,
    /// Where the text is written, unless it is served.
    file: Option<TextFile>,
}

/// The newest state, and the text of it once somebody wanted that.
#[derive(Debug, Default)]
pub(super) struct Newest {
    state: Mutex<(Vec<RunState>, Option<Arc<str>>)>,
    /// Held by the one who makes the text, so that it is made once and not by every client.
    making: Mutex<()>,
}

impl Newest {
    fn set(&self, runs: Vec<RunState>) {
        *lock(&self.state) = (runs, None);
    }

    /// The text, which is made once for each state.
    pub(super) fn text(&self) -> Arc<str> {
        let _making = lock(&self.making);
        let runs = {
            let state = lock(&self.state);
            if let Some(text) = &state.1 {
                return Arc::clone(text);
            }
            state.0.clone()
        };
        // Not under the state's lock: whoever sets the next state must not wait for this.
        let text: Arc<str> = render(&runs).into();
        let mut state = lock(&self.state);
        let same = |(a, b): (&RunState, &RunState)| Arc::ptr_eq(&a.summary, &b.summary);
        if state.0.len() == runs.len() && state.0.iter().zip(&runs).all(same) {
            state.1 = Some(Arc::clone(&text));
        }
        text
    }
}

/// A lock that is taken also where its holder has panicked: what it guards is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// Starts to write or to serve.
    ///
    /// # Errors
    /// Where the file cannot be written, the address is in use or not this machine's, or the system gives no
    /// thread.
    pub(super) fn start(target: &Target, said: &Sender<String>) -> anyhow::Result<Self> {
        let newest = Arc::new(Newest::default());
        let file = match target {
            Target::File(path) => Some(TextFile::start(path.clone(), Arc::clone(&newest), said.clone())?),
            Target::Address(address) => {
                let served = serve(*address, Arc::clone(&newest))?;
                let _ = said.send(served);
                None
            }
        };
        Ok(Self { newest, labels: Names::default(), known: HashMap::new(), next: Instant::now(), file })
    }

    /// Hands the state over, where it is time to.
    pub(super) fn publish(&mut self, runs: &Runs, wall: SystemTime, now: Instant) {
        if now >= self.next {
            self.hand_over(runs, wall);
            let took = now.elapsed();
            self.next = now + INTERVAL.max(took * SHARE);
        }
    }

    /// Hands the state over.
    pub(super) fn hand_over(&mut self, runs: &Runs, wall: SystemTime) {
        let mut numbers = runs.listed();
        // The first run of a name keeps it.
        numbers.sort_unstable();
        let mut states = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some(entry) = runs.get(number) else { continue };
            let revision = entry.run.revision();
            let known = self.known.get(&number).filter(|(known, state)| {
                // A run stalls without any update.
                *known == revision && state.summary.run.status == Summary::status(&entry.run, wall)
            });
            let state = known.map(|(_, state)| state.clone()).unwrap_or_else(|| RunState {
                label: self.labels.of(number, entry.run.name()).to_owned(),
                summary: Arc::new(Summary::without_steps(&entry.run, wall)),
                last_batch: entry.run.last_activity(),
            });
            self.known.insert(number, (revision, state.clone()));
            states.push(state);
        }
        self.newest.set(states);
    }

    /// Forgets a run that is followed no more. Its label stays its own.
    pub(super) fn leave(&mut self, number: usize) {
        self.known.remove(&number);
    }

    /// Has the last state written; returns what could not be.
    pub(super) fn close(self) -> Option<String> {
        self.file.and_then(TextFile::close)
    }
}
