//! All that is shown of the runs at one moment: the figures of the one in front, a row for each, and what
//! is kept of them while the view is paused.

use super::inspector::Portrayal;
use crate::figures::{Baseline, Figures, RankFigures, Summary, sparsity};
use crate::run::series::History;
use crate::run::sums::Operations;
use crate::run::tally::{LayerSums, quotient};
use crate::run::{Backlog, Run, RunEntry, Runs, Status};
use crate::run::{Presence, Watching};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// All that is shown of one run at one moment, except its history.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The figures.
    pub summary: Summary,
    /// Whether the run goes on.
    pub status: Status,
    /// The part of it that is counted, where it is known what to expect.
    pub progress: Option<f64>,
    /// Time left, where it is known.
    pub time_left: Option<Duration>,
    /// Whether the directory is there.
    pub presence: Option<Presence>,
    /// How changes are noticed.
    pub watching: Option<Watching>,
    /// Bytes that wait to be counted.
    pub waiting_bytes: u64,
    /// How long they take, where that is long.
    pub backlog: Option<Backlog>,
    /// Why the run must not be counted.
    pub refused: Option<String>,
    /// The batch with the highest number.
    pub newest_batch: Option<String>,
}

impl Moment {
    /// What is to be shown of a run at `now`.
    pub fn of(run: &Run, now: SystemTime) -> Self {
        Self {
            summary: Summary::without_steps(run, now),
            status: run.status(now),
            progress: run.progress(),
            time_left: run.time_left(now),
            presence: run.presence().cloned(),
            watching: run.watching().cloned(),
            waiting_bytes: run.account().waiting_bytes,
            backlog: run.backlog(now),
            refused: run.refused().map(ToString::to_string),
            newest_batch: run.newest_batch().map(str::to_owned),
        }
    }

    /// Brings what is shown of a run up to date where its layers are the same.
    fn bring_up_to(&mut self, run: &Run, now: SystemTime) {
        self.summary.bring_up_to(run, now);
        self.presence.clone_from(&run.presence().cloned());
        self.watching.clone_from(&run.watching().cloned());
        self.progress = run.progress();
        self.waiting_bytes = run.account().waiting_bytes;
        self.refused = run.refused().map(ToString::to_string);
        self.newest_batch = run.newest_batch().map(str::to_owned);
        self.pass(run, now);
    }

    /// Lets time pass where nothing else has changed.
    fn pass(&mut self, run: &Run, now: SystemTime) {
        self.status = run.status(now);
        self.time_left = run.time_left(now);
        self.backlog = run.backlog(now);
        self.summary.ranks = RankFigures::of(run, now);
    }
}

/// What the list of runs shows of one.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Its number.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// Whether it goes on.
    pub status: Status,
    /// The part of it that is counted, where it is known what to expect.
    pub progress: Option<f64>,
    /// Batches counted.
    pub batches: u64,
    /// Samples counted.
    pub samples: u128,
    /// Effective operations per sample.
    pub effective: f64,
    /// Dense operations per sample.
    pub dense: f64,
    /// 1 - effective / dense; `None` where dense is 0.
    pub sparsity: Option<f64>,
    /// Batches set aside, and other problems.
    pub problems: usize,
    /// Whether its figures are whole.
    pub complete: bool,
    /// Whether it must not be counted.
    pub refused: bool,
}

impl RunRow {
    /// Without a whole summary of the run: there may be hundreds of them.
    fn of(number: usize, entry: &RunEntry, now: SystemTime) -> Self {
        let run = &entry.run;
        let (samples, Operations { effective, dense }) = (run.tally().samples(), run.operations());
        Self {
            number,
            name: run.name().to_owned(),
            status: run.status(now),
            progress: run.progress(),
            batches: run.tally().batches(),
            samples,
            effective: quotient(effective, samples),
            dense: quotient(dense, samples),
            sparsity: sparsity(effective, dense),
            problems: run.problem_count() as usize,
            complete: run.is_complete(),
            refused: run.refused().is_some(),
        }
    }
}

/// What is drawn, borrowed from where it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// The run in front.
    pub moment: &'a Moment,
    /// Its figures over the batches.
    pub history: &'a History,
    /// Its layers' sums, with those by time step.
    pub layers: &'a [Arc<LayerSums>],
    /// A layer of it, seen closely.
    pub portrait: Option<&'a Portrayal>,
    /// All runs, in the order in which they are listed.
    pub rows: &'a [RunRow],
    /// The number of the run in front.
    pub shown: usize,
    /// What the runs are compared with.
    pub baseline: Option<&'a Baseline>,
    /// The number of the run that the others are compared with, where it is one of them.
    pub marked: Option<usize>,
    /// Runs that are not followed, since there are too many.
    pub left_out: usize,
    /// Whether it is kept as it was.
    pub paused: bool,
}

/// A figure and the revision of the run that it was made from.
#[derive(Debug)]
struct At<T> {
    revision: u64,
    structure: (u64, u64),
    number: usize,
    figures: T,
}

impl<T> At<T> {
    fn new(number: usize, run: &Run, figures: T) -> Self {
        Self { revision: run.revision(), structure: run.structure(), number, figures }
    }
}

/// Keeps what is shown, and makes it again only where the run has changed.
#[derive(Debug)]
pub struct Board {
    front: At<Moment>,
    rows: Vec<RunRow>,
    revisions: Vec<u64>,
    /// The baseline that the user named at the start.
    named: Option<Baseline>,
    marked: Option<At<Baseline>>,
    frozen: Option<Box<Frozen>>,
}

#[derive(Debug)]
struct Frozen {
    moment: Moment,
    history: History,
    layers: Vec<Arc<LayerSums>>,
    rows: Vec<RunRow>,
    shown: usize,
}

impl Board {
    /// What is to be shown of the runs at `now`, compared with a baseline where the user named one.
    pub fn new(runs: &Runs, baseline: Option<Baseline>, now: SystemTime) -> Self {
        let mut board = Self {
            front: Self::front(runs, now),
            rows: Vec::new(),
            revisions: Vec::new(),
            named: baseline,
            marked: None,
            frozen: None,
        };
        board.refresh(runs, now);
        board
    }

    fn front(runs: &Runs, now: SystemTime) -> At<Moment> {
        let run = &runs.shown().run;
        At::new(runs.shown_number(), run, Moment::of(run, now))
    }

    /// Makes again what has changed by `now`.
    pub fn refresh(&mut self, runs: &Runs, now: SystemTime) {
        let (number, run) = (runs.shown_number(), &runs.shown().run);
        if (self.front.number, self.front.structure) != (number, run.structure()) {
            self.front = Self::front(runs, now);
        } else if self.front.revision != run.revision() {
            self.front.figures.bring_up_to(run, now);
            self.front.revision = run.revision();
        } else {
            self.front.figures.pass(run, now);
        }
        self.refresh_rows(runs, now);
        self.refresh_baseline(runs, now);
    }

    fn refresh_baseline(&mut self, runs: &Runs, now: SystemTime) {
        let marked = runs.baseline().and_then(|number| Some((number, &runs.get(number)?.run)));
        let Some((number, run)) = marked else {
            self.marked = None;
            return;
        };
        let revision = run.revision();
        if self.marked.as_ref().is_none_or(|kept| (kept.number, kept.revision) != (number, revision)) {
            let figures = Figures::of(&Summary::without_steps(run, now));
            self.marked = Some(At::new(number, run, Baseline::new(run.name(), figures)));
        }
    }

    fn refresh_rows(&mut self, runs: &Runs, now: SystemTime) {
        let mut kept: std::collections::HashMap<usize, (u64, RunRow)> = self
            .rows
            .drain(..)
            .zip(self.revisions.drain(..))
            .map(|(row, revision)| (row.number, (revision, row)))
            .collect();
        for number in runs.listed() {
            let Some(entry) = runs.get(number) else { continue };
            let revision = entry.run.revision();
            let row = match kept.remove(&number) {
                Some((at, row)) if at == revision => RunRow { status: entry.run.status(now), ..row },
                _ => RunRow::of(number, entry, now),
            };
            self.rows.push(row);
            self.revisions.push(revision);
        }
    }

    /// What is to be drawn, with the newest portrait of a layer.
    pub fn contents<'a>(&'a self, runs: &'a Runs, portrait: Option<&'a Portrayal>) -> Contents<'a> {
        let (marked, left_out) = (runs.baseline(), runs.left_out());
        let baseline = match &self.marked {
            Some(marked) => Some(&marked.figures),
            None => self.named.as_ref(),
        };
        let run = &runs.shown().run;
        let live = Contents {
            moment: &self.front.figures,
            history: run.history(),
            layers: run.tally().layers(),
            portrait,
            rows: &self.rows,
            shown: self.front.number,
            baseline,
            marked,
            left_out,
            paused: false,
        };
        let Some(frozen) = &self.frozen else { return live };
        let Frozen { moment, history, layers, rows, shown } = &**frozen;
        Contents { moment, history, layers, rows, shown: *shown, paused: true, ..live }
    }

    /// Keeps what is shown as it is, or lets it go on.
    pub fn pause(&mut self, runs: &Runs) {
        self.frozen = match self.frozen.take() {
            Some(_) => None,
            None => Some(Box::new(Frozen {
                moment: self.front.figures.clone(),
                history: runs.shown().run.history().clone(),
                layers: runs.shown().run.tally().layers().to_vec(),
                rows: self.rows.clone(),
                shown: self.front.number,
            })),
        };
    }

    /// Lets it go on.
    pub fn go_on(&mut self) {
        self.frozen = None;
    }
}
