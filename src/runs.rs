//! The runs that a front-end looks at: one, or all of a directory of runs.

use crate::pipeline::Group;
use crate::report::Summary;
use crate::run::{Run, Settings};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A run and where it is.
#[derive(Debug)]
pub struct Entry {
    /// Its directory.
    pub directory: PathBuf,
    /// Its state.
    pub run: Run,
}

/// The runs, by the numbers of their pipelines; one of them is shown, and one may be the baseline that
/// the others are compared with.
#[derive(Debug)]
pub struct Runs {
    entries: Vec<Entry>,
    shown: usize,
    baseline: Option<usize>,
    left_out: usize,
}

impl Runs {
    /// One run, which is shown.
    pub fn new(directory: &Path, settings: Settings) -> Self {
        let entry = Entry { directory: directory.to_owned(), run: Run::new(settings) };
        Self { entries: vec![entry], shown: 0, baseline: None, left_out: 0 }
    }

    /// Adds a run. The first one is shown in place of a directory that is none itself.
    pub fn add(&mut self, directory: &Path, settings: Settings) {
        self.entries.push(Entry { directory: directory.to_owned(), run: Run::new(settings) });
        if self.is_hidden(self.shown) {
            self.shown = self.entries.len() - 1;
        }
    }

    /// Applies updates, which came at `now`.
    pub fn apply(&mut self, group: Group, now: SystemTime) {
        if let Some(entry) = self.entries.get_mut(group.run) {
            entry.run.apply(group.updates, now);
        }
    }

    /// A run by its number, to go on from what is known of it.
    pub fn run_mut(&mut self, number: usize) -> Option<&mut Run> {
        self.entries.get_mut(number).map(|entry| &mut entry.run)
    }

    /// A run by its number.
    pub fn get(&self, number: usize) -> Option<&Entry> {
        self.entries.get(number)
    }

    /// The numbers of the runs, in the order of their directories' names. A directory of runs is none.
    pub fn listed(&self) -> Vec<usize> {
        let mut numbers: Vec<usize> =
            (0..self.entries.len()).filter(|&number| !self.is_hidden(number)).collect();
        numbers.sort_by(|&a, &b| self.entries[a].directory.cmp(&self.entries[b].directory));
        numbers
    }

    /// The listed runs.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.listed().into_iter().map(|number| &self.entries[number])
    }

    /// The figures of the listed runs at `now`.
    pub fn summaries(&self, now: SystemTime) -> Vec<Summary> {
        self.iter().map(|entry| Summary::of(&entry.run, now)).collect()
    }

    /// The name of all that is listed: that of the run, or of the directory of runs.
    pub fn name(&self) -> &str {
        let named = if self.are_several() { &self.entries[0] } else { self.shown() };
        named.run.name()
    }

    /// Whether there is more than one run to choose from.
    pub fn are_several(&self) -> bool {
        self.listed().len() > 1
    }

    /// The number of the shown run.
    pub fn shown_number(&self) -> usize {
        self.shown
    }

    /// The shown run.
    pub fn shown(&self) -> &Entry {
        &self.entries[self.shown]
    }

    /// Shows another run; a number that there is not changes nothing.
    pub fn show(&mut self, number: usize) {
        if number < self.entries.len() {
            self.shown = number;
        }
    }

    /// The number of the run that the others are compared with.
    pub fn baseline(&self) -> Option<usize> {
        self.baseline
    }

    /// Compares the others with this run from now on, or with none where it is the baseline already.
    pub fn mark(&mut self, number: usize) {
        self.baseline = (self.baseline != Some(number) && number < self.entries.len()).then_some(number);
    }

    /// How many batches of all runs were counted by an earlier process.
    pub fn resumed(&self) -> u64 {
        self.entries.iter().map(|entry| entry.run.resumed()).sum()
    }

    /// How many more runs there are than are followed.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Notes how many more runs there are than are followed.
    pub fn leave_out(&mut self, runs: usize) {
        self.left_out = runs;
    }

    /// Whether the pipelines of all runs have ended.
    pub fn have_ended(&self) -> bool {
        self.entries.iter().all(|entry| entry.run.has_ended())
    }

    /// Whether there is nothing to wait for any more in any run.
    pub fn are_over(&self, now: SystemTime) -> bool {
        self.iter().all(|entry| entry.run.is_over(now))
    }

    /// A directory that was given may turn out to be one of runs, and is no run then.
    fn is_hidden(&self, number: usize) -> bool {
        self.entries.len() > 1 && number == 0 && self.entries[0].run.is_blank()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Costs, LayerDefaults};
    use crate::pipeline::Update;
    use crate::snapshot::End;
    use std::time::Duration;

    fn settings() -> Settings {
        Settings {
            name: "x".into(),
            costs: Costs::default(),
            neurons: LayerDefaults::default(),
            resets: LayerDefaults::default(),
            stall_after: Duration::from_secs(30),
            live: true,
        }
    }

    #[test]
    fn a_directory_of_runs_is_no_run_and_gives_way_to_the_first_one() {
        let mut runs = Runs::new(Path::new("runs"), settings());
        assert_eq!(runs.listed(), [0]);
        runs.add(Path::new("runs/b"), Settings { name: "x/b".into(), ..settings() });
        assert_eq!(runs.name(), "x/b", "one run is exported as itself");
        runs.add(Path::new("runs/a"), settings());
        assert_eq!(runs.name(), "x", "several are named after what they are in");
        assert_eq!((runs.listed(), runs.shown_number()), (vec![2, 1], 1));
        let end = Group { run: 0, updates: vec![Update::End(End::default())] };
        runs.apply(end, SystemTime::UNIX_EPOCH);
        assert_eq!(runs.listed(), [0, 2, 1], "it was one after all");
    }

    #[test]
    fn a_second_mark_takes_the_first_away() {
        let mut runs = Runs::new(Path::new("runs"), settings());
        runs.mark(7);
        assert_eq!(runs.baseline(), None);
        runs.mark(0);
        assert_eq!(runs.baseline(), Some(0));
        runs.mark(0);
        assert_eq!(runs.baseline(), None);
        runs.show(3);
        assert_eq!(runs.shown_number(), 0);
    }
}
