//! All that is shown of the runs at one moment. Widgets ask this and nothing else about the runs; a paused dashboard
//! keeps it as it is.

use super::detail_loader::DetailResult;
use crate::figures::{ComparedRun, RankFigures, RowSums, Summary};
use crate::run::{Run, RunEntry, Runs, Status};
use crate::storage::absolute;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// The run in front with its figures, a row for each run, and what they are compared with.
#[derive(Debug, Clone)]
pub struct ViewModel {
    /// The view of the run in front.
    pub run: Arc<Run>,
    /// When it was looked at.
    pub now: SystemTime,
    /// Its figures then, without those by time step.
    pub summary: Summary,
    /// Its number.
    pub shown: usize,
    /// The whole path of its directory, as it was named.
    pub whole_path: PathBuf,
    /// What is there where no run is.
    pub instead: Option<String>,
    /// A layer of it, looked at closely.
    pub detail: Option<Arc<DetailResult>>,
    /// All runs, in the order of their directories.
    pub rows: Vec<RunRow>,
    /// What the runs are compared with: a run that the user marked, else what the user named at the start.
    pub base: Option<Arc<ComparedRun>>,
    /// The number of the run that the others are compared with, where it is one of them.
    pub marked: Option<usize>,
    /// Runs that are not followed, since there are too many.
    pub left_out: usize,
    pub paused: bool,
    /// The baseline that the user named at the start.
    pub named_base: Option<Arc<ComparedRun>>,
    /// The number and the revision of the marked run that `base` was made from.
    pub base_made_from: Option<(usize, u64)>,
}

impl ViewModel {
    /// What there is to show of one run at `now`.
    pub fn for_run(run: Arc<Run>, now: SystemTime) -> Self {
        Self {
            summary: Summary::without_steps(&run, now),
            run,
            now,
            shown: 0,
            whole_path: PathBuf::new(),
            instead: None,
            detail: None,
            rows: Vec::new(),
            base: None,
            marked: None,
            left_out: 0,
            paused: false,
            named_base: None,
            base_made_from: None,
        }
    }

    /// What there is to show of the runs at `now`, compared with a baseline where the user named one.
    pub fn new(runs: &Runs, baseline: Option<ComparedRun>, now: SystemTime) -> Self {
        let mut model = Self::for_run(Arc::clone(&runs.shown().run), now);
        (model.shown, model.named_base) = (runs.shown_number(), baseline.map(Arc::new));
        model.refresh(runs, now);
        model
    }

    /// Takes over what has changed by `now`; of the runs nothing while it is paused.
    pub fn refresh(&mut self, runs: &Runs, now: SystemTime) {
        if !self.paused {
            self.now = now;
            self.refresh_run(runs);
            self.refresh_rows(runs);
        }
        self.left_out = runs.left_out();
        self.refresh_base(runs, now);
    }

    fn refresh_run(&mut self, runs: &Runs) {
        let (number, run) = (runs.shown_number(), &runs.shown().run);
        if (self.shown, self.run.structure()) != (number, run.structure()) {
            self.summary = Summary::without_steps(run, self.now);
        } else if self.run.revision() != run.revision() {
            self.summary.bring_up_to(run, self.now);
        } else {
            // Ranks fall silent by the clock alone.
            self.summary.ranks = RankFigures::all(run, self.now);
        }
        (self.shown, self.run) = (number, Arc::clone(run));
        let directory = &runs.shown().directory;
        self.whole_path = absolute(directory).unwrap_or_else(|_| directory.clone());
        self.instead = runs.instead().map(str::to_owned);
    }

    fn refresh_rows(&mut self, runs: &Runs) {
        let mut kept: HashMap<usize, RunRow> = self.rows.drain(..).map(|row| (row.number, row)).collect();
        for number in runs.listed() {
            let Some(entry) = runs.get(number) else { continue };
            self.rows.push(match kept.remove(&number) {
                Some(row) if row.revision == entry.run.revision() => {
                    RunRow { status: entry.run.status(self.now), ..row }
                }
                _ => RunRow::new(number, entry, self.now),
            });
        }
    }

    fn refresh_base(&mut self, runs: &Runs, now: SystemTime) {
        self.marked = runs.baseline();
        let Some((number, entry)) = self.marked.and_then(|number| Some((number, runs.get(number)?))) else {
            (self.base, self.base_made_from) = (self.named_base.clone(), None);
            return;
        };
        let made_from = Some((number, entry.run.revision()));
        if self.base_made_from != made_from {
            let summary = Summary::without_steps(&entry.run, now);
            self.base = Some(Arc::new(ComparedRun::from_summary(entry.run.name(), &summary)));
            self.base_made_from = made_from;
        }
    }

    /// What the run in front is compared with; nothing where it is the baseline itself.
    pub fn baseline(&self) -> Option<&ComparedRun> {
        self.base.as_deref().filter(|_| self.marked != Some(self.shown))
    }

    /// Keeps it as it is, or lets it go on.
    pub fn pause(&mut self) {
        self.paused = !self.paused;
    }

    pub fn resume(&mut self) {
        self.paused = false;
    }
}

/// A run in the list of runs.
#[derive(Debug, Clone)]
pub struct RunRow {
    pub number: usize,
    /// The revision of the run that it was made from.
    pub revision: u64,
    pub name: String,
    pub status: Status,
    /// The part of it that is counted, where it is known what to expect.
    pub progress: Option<f64>,
    pub sums: RowSums,
    /// Batches set aside, and other problems.
    pub problems: usize,
    /// Whether its figures are whole.
    pub complete: bool,
    /// Whether it must not be counted.
    pub refused: bool,
}

impl RunRow {
    /// Without a whole summary of the run: there may be hundreds of them.
    fn new(number: usize, entry: &RunEntry, now: SystemTime) -> Self {
        let run = &entry.run;
        Self {
            number,
            revision: run.revision(),
            name: run.name().to_owned(),
            status: run.status(now),
            progress: run.progress(),
            sums: RowSums::for_run(run),
            problems: run.problem_count() as usize,
            complete: run.is_complete(),
            refused: run.refused().is_some(),
        }
    }
}
