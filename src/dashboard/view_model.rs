//! All that is shown of the runs at one moment. Widgets ask this and nothing else about the runs; a paused dashboard
//! keeps it as it is.

use super::detail_loader::DetailResult;
use super::layer_tree::{shared_ends, shared_parts};
use crate::figures::checks::Checks;
use crate::figures::condition::Standing;
use crate::figures::problems::count_for_run;
use crate::figures::{ComparedRun, RowSums, Summary, uncertainty_of_layers, uncertainty_of_total};
use crate::run::interval::Uncertainty;
use crate::run::run_names::directories_to_show;
use crate::run::series::Point;
use crate::run::sums::Operations;
use crate::run::timing::Timing;
use crate::run::{Run, RunEntry, Runs, Status};
use crate::storage::absolute;
use crate::text::told_apart;
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
    /// How many bytes at the beginning and at the end of the names of all its layers are the same modules.
    pub layer_ends: (usize, usize),
    /// What is shown for names of its layers that would look like others.
    pub layer_names: HashMap<String, String>,
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
    /// What is shown for names of runs that would look like others.
    pub run_names: HashMap<String, String>,
    /// What the runs are compared with: a run that the user marked, else what the user named at the start.
    pub base: Option<Arc<ComparedRun>>,
    /// The number of the run that the others are compared with, where it is one of them.
    pub marked: Option<usize>,
    /// Runs that are not followed, since there are too many.
    pub left_out: usize,
    pub paused: bool,
    /// Whether nothing more was to be expected of the run in front.
    pub is_settled: bool,
    /// What the figures are checked against.
    pub checks: Arc<Checks>,
    /// How near the run in front is to each condition.
    pub conditions: Vec<Standing>,
    /// The number and the revision of the marked run that `base` was made from.
    pub base_made_from: Option<(usize, u64)>,
}

impl ViewModel {
    /// What there is to show of one run at `now`.
    pub fn for_run(run: Arc<Run>, now: SystemTime) -> Self {
        let summary = Summary::without_steps(&run, now);
        Self {
            layer_ends: shared_ends(&summary.layers),
            layer_names: layer_names(&summary),
            summary,
            is_settled: run.is_settled(now),
            run,
            now,
            shown: 0,
            whole_path: PathBuf::new(),
            instead: None,
            detail: None,
            rows: Vec::new(),
            run_names: HashMap::new(),
            base: None,
            marked: None,
            left_out: 0,
            paused: false,
            checks: Arc::default(),
            conditions: Vec::new(),
            base_made_from: None,
        }
    }

    /// What there is to show of the runs at `now`, held against checks and compared with their baseline.
    pub fn new(runs: &Runs, checks: Checks, now: SystemTime) -> Self {
        let mut model = Self::for_run(Arc::clone(&runs.shown().run), now);
        (model.shown, model.base) = (runs.shown_number(), checks.baseline.clone().map(Arc::new));
        model.checks = Arc::new(checks);
        model.conditions = model.checks.judge(&mut model.summary);
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
        // A run may be the same as before these were known.
        let directory = &runs.shown().directory;
        self.whole_path = absolute(directory).unwrap_or_else(|_| directory.clone());
        self.instead = runs.instead().map(str::to_owned);
        let (number, run) = (runs.shown_number(), &runs.shown().run);
        let is_same = (self.shown, self.run.structure()) == (number, run.structure());
        // What is missing is known by the clock alone.
        if is_same && (self.run.revision(), self.is_settled) == (run.revision(), run.is_settled(self.now)) {
            // Runs stall and ranks fall silent by the clock alone, too.
            self.summary.pass_time(run, self.now);
            return;
        }
        match is_same {
            true => self.summary.bring_up_to(run, self.now),
            false => {
                self.summary = Summary::without_steps(run, self.now);
                self.layer_ends = shared_ends(&self.summary.layers);
                self.layer_names = layer_names(&self.summary);
            }
        }
        self.conditions = self.checks.judge(&mut self.summary);
        self.is_settled = run.is_settled(self.now);
        (self.shown, self.run) = (number, Arc::clone(run));
    }

    fn refresh_rows(&mut self, runs: &Runs) {
        let mut kept: HashMap<usize, RunRow> = self.rows.drain(..).map(|row| (row.number, row)).collect();
        for number in runs.listed() {
            let Some(entry) = runs.get(number) else { continue };
            self.rows.push(match kept.remove(&number) {
                Some(row)
                    if row.run.revision() == entry.run.revision()
                        && row.is_settled == entry.run.is_settled(self.now) =>
                {
                    let run = &entry.run;
                    RunRow { status: run.status(self.now), timing: run.timing(self.now), ..row }
                }
                _ => RunRow::new(number, entry, self.problems_of(number, entry), self.now),
            });
        }
        self.refresh_directories(runs);
    }

    /// Finds out which runs their names do not tell apart.
    fn refresh_directories(&mut self, runs: &Runs) {
        let listed = self.rows.iter().map(|row| {
            let directory = runs.get(row.number).and_then(|entry| entry.run.directory());
            (row.name.as_str(), directory)
        });
        let shown = directories_to_show(&listed.collect::<Vec<_>>());
        self.rows.iter_mut().zip(shown).for_each(|(row, shown)| row.directory = shown);
        self.run_names = told_apart(self.rows.iter().map(|row| row.name.as_str()));
    }

    /// The name of a layer as it is shown.
    pub fn layer_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.layer_names.get(name).map_or(name, String::as_str)
    }

    /// The name of a run as it is shown.
    pub fn run_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.run_names.get(name).map_or(name, String::as_str)
    }

    /// The directory to show beside the name of the run in front.
    pub fn directory(&self) -> Option<String> {
        match self.row(self.shown) {
            Some(row) => row.directory.clone(),
            None => self.summary.run.directory_to_show(),
        }
    }

    /// How far the effective operations per sample of some layers together may still move; `None` once they do not.
    pub fn uncertainty_of(&self, layers: &[usize]) -> Option<Uncertainty> {
        if self.run.is_complete() {
            return None;
        }
        uncertainty_of_layers(&self.run, layers.iter().map(|&at| &self.summary.layers[at]))
    }

    /// The row of a run, if it is listed.
    pub fn row(&self, number: usize) -> Option<&RunRow> {
        self.rows.iter().find(|row| row.number == number)
    }

    /// How many bytes at the beginning and at the end of what all runs are called are the same words.
    pub fn shared_ends(&self, name: fn(&RunRow) -> &str) -> (usize, usize) {
        shared_parts(self.rows.iter().map(name), &['.', '/', '-', '_', ' '])
    }

    /// How many problems a run has, as all who count them.
    fn problems_of(&self, number: usize, entry: &RunEntry) -> u64 {
        if (number, entry.run.revision()) == (self.shown, self.run.revision()) {
            return self.summary.problem_count();
        }
        count_for_run(&entry.run, self.now).saturating_add(self.checks.failing(&entry.run))
    }

    fn refresh_base(&mut self, runs: &Runs, now: SystemTime) {
        self.marked = runs.baseline();
        let Some((number, entry)) = self.marked.and_then(|number| Some((number, runs.get(number)?))) else {
            if self.base_made_from.take().is_some() {
                self.base = self.checks.baseline.clone().map(Arc::new);
            }
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
}

fn layer_names(summary: &Summary) -> HashMap<String, String> {
    told_apart(summary.layers.iter().map(|layer| layer.name.as_str()))
}

/// A run in the list of runs.
#[derive(Debug, Clone)]
pub struct RunRow {
    pub number: usize,
    /// The view that it was made from.
    pub run: Arc<Run>,
    pub name: String,
    /// The directory to show beside the name, where that does not tell which run it is.
    pub directory: Option<String>,
    pub status: Status,
    pub timing: Timing,
    /// The part of it that is counted, where it is known what to expect.
    pub progress: Option<f64>,
    pub sums: RowSums,
    /// How far its effective operations per sample may still move.
    pub uncertainty: Option<Uncertainty>,
    /// Whether these are the sums with measured prices, since it has no others.
    pub is_measured: bool,
    /// How many problems it has.
    pub problems: u64,
    /// Whether nothing more was to be expected of it.
    pub is_settled: bool,
    /// Whether its figures are whole.
    pub complete: bool,
    /// Whether it must not be counted.
    pub refused: bool,
}

impl RunRow {
    /// What tells it from the other runs: its name, or its directory where the name does not.
    pub fn label(&self) -> &str {
        self.directory.as_ref().unwrap_or(&self.name)
    }

    fn new(number: usize, entry: &RunEntry, problems: u64, now: SystemTime) -> Self {
        let run = &entry.run;
        let (sums, is_measured) = RowSums::shown_for_run(run);
        Self {
            number,
            run: Arc::clone(run),
            name: run.name().to_owned(),
            directory: None,
            status: run.status(now),
            timing: run.timing(now),
            progress: run.progress(),
            sums,
            uncertainty: uncertainty_of_total(run, is_measured),
            is_measured,
            problems,
            is_settled: run.is_settled(now),
            complete: run.is_complete(),
            refused: run.refused().is_some(),
        }
    }
}

/// The operations of a point that the total shows: those of the layers with a measured price where no layer has another.
pub(super) fn shown_operations(run: &Run, is_measured: bool) -> impl Fn(&Point) -> Operations {
    let measured = if is_measured { run.measured_prices() } else { Vec::new() };
    move |point| {
        let with_measured = measured.first().and_then(|_| point.measured_operations(&measured));
        with_measured.unwrap_or(point.operations)
    }
}
