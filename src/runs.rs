//! The runs that a front-end looks at: one, or all of a directory of runs.

use crate::pipeline::Group;
use crate::report::Summary;
use crate::run::{Run, Settings};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A run and where it is.
#[derive(Debug)]
pub struct Entry {
    /// Its directory.
    pub directory: PathBuf,
    /// Its state.
    pub run: Run,
    added: SystemTime,
}

impl Entry {
    fn new(directory: &Path, settings: Settings) -> Self {
        Self { directory: directory.to_owned(), run: Run::new(settings), added: SystemTime::now() }
    }

    /// Whether nothing is to be expected of it: it is over, or nothing has come for so long that it is stalled.
    fn is_idle(&self, now: SystemTime) -> bool {
        let last = self.run.last_activity().unwrap_or(self.added);
        let silent = now.duration_since(last).unwrap_or_default();
        let is_over = self.run.is_over(now) || silent >= self.run.settings().stall_after;
        is_over && self.run.account().waiting == 0
    }
}

/// The runs, by the numbers of their pipelines; one of them is shown, and one may be the baseline that
/// the others are compared with.
#[derive(Debug)]
pub struct Runs {
    entries: BTreeMap<usize, Entry>,
    /// The number of the next run. None is given twice.
    next: usize,
    shown: usize,
    baseline: Option<usize>,
    left_out: usize,
}

impl Runs {
    /// One run, which is shown.
    pub fn new(directory: &Path, settings: Settings) -> Self {
        let entries = BTreeMap::from([(0, Entry::new(directory, settings))]);
        Self { entries, next: 1, shown: 0, baseline: None, left_out: 0 }
    }

    /// Adds a run. The first one is shown in place of a directory that is none itself.
    pub fn add(&mut self, directory: &Path, settings: Settings) {
        let number = self.next;
        self.next += 1;
        self.entries.insert(number, Entry::new(directory, settings));
        if self.is_hidden(self.shown) {
            self.shown = number;
        }
    }

    /// The directories of the runs that may give way to newer ones at `now`: those of which nothing is to be expected
    /// and that nobody looks at.
    pub fn idle(&self, now: SystemTime) -> Vec<PathBuf> {
        let may_give_way = |number: &usize| !self.is_looked_at(*number) && self.entries[number].is_idle(now);
        let idle = self.listed().into_iter().filter(may_give_way);
        idle.map(|number| self.entries[&number].directory.clone()).collect()
    }

    /// The number of a run, by its directory.
    pub fn number_of(&self, directory: &Path) -> Option<usize> {
        let found = self.entries.iter().find(|(_, entry)| entry.directory == directory);
        found.map(|(&number, _)| number)
    }

    /// Takes a run out, unless it is shown or the baseline.
    pub fn take_out(&mut self, number: usize) -> Option<Entry> {
        if self.is_looked_at(number) { None } else { self.entries.remove(&number) }
    }

    fn is_looked_at(&self, number: usize) -> bool {
        number == self.shown || Some(number) == self.baseline
    }

    /// Applies updates, which came at `now`.
    pub fn apply(&mut self, group: Group, now: SystemTime) {
        if let Some(entry) = self.entries.get_mut(&group.run) {
            entry.run.apply(group.updates, now);
        }
    }

    /// A run by its number, to go on from what is known of it.
    pub fn run_mut(&mut self, number: usize) -> Option<&mut Run> {
        self.entries.get_mut(&number).map(|entry| &mut entry.run)
    }

    /// A run by its number.
    pub fn get(&self, number: usize) -> Option<&Entry> {
        self.entries.get(&number)
    }

    /// The numbers of the runs, in the order of their directories' names. A directory of runs is none.
    pub fn listed(&self) -> Vec<usize> {
        let mut numbers: Vec<usize> =
            self.entries.keys().copied().filter(|&number| !self.is_hidden(number)).collect();
        numbers.sort_by(|a, b| self.entries[a].directory.cmp(&self.entries[b].directory));
        numbers
    }

    /// The listed runs.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.listed().into_iter().map(|number| &self.entries[&number])
    }

    /// The figures of the listed runs at `now`.
    pub fn summaries(&self, now: SystemTime) -> Vec<Summary> {
        self.iter().map(|entry| Summary::of(&entry.run, now)).collect()
    }

    /// The name of all that is listed: that of the run, or of the directory of runs.
    pub fn name(&self) -> &str {
        let named = self.entries.get(&0).filter(|_| self.are_several()).unwrap_or_else(|| self.shown());
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
        &self.entries[&self.shown]
    }

    /// Shows another run; a number that there is not changes nothing.
    pub fn show(&mut self, number: usize) {
        if self.entries.contains_key(&number) {
            self.shown = number;
        }
    }

    /// The number of the run that the others are compared with.
    pub fn baseline(&self) -> Option<usize> {
        self.baseline
    }

    /// Compares the others with this run from now on, or with none where it is the baseline already.
    pub fn mark(&mut self, number: usize) {
        self.baseline =
            (self.baseline != Some(number) && self.entries.contains_key(&number)).then_some(number);
    }

    /// How many batches of all runs were counted by an earlier process.
    pub fn resumed(&self) -> u64 {
        self.entries.values().map(|entry| entry.run.resumed()).sum()
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
        self.entries.values().all(|entry| entry.run.has_ended())
    }

    /// Whether there is nothing to wait for any more in any run.
    pub fn are_over(&self, now: SystemTime) -> bool {
        self.iter().all(|entry| entry.run.is_over(now))
    }

    /// A directory that was given may turn out to be one of runs, and is no run then.
    fn is_hidden(&self, number: usize) -> bool {
        number == 0 && self.entries.len() > 1 && self.entries[&0].run.is_blank()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Costs, LayerDefaults};
    use crate::count::BatchCount;
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
    fn only_runs_that_are_over_or_stalled_and_not_looked_at_give_way() {
        let mut runs = Runs::new(Path::new("runs"), settings());
        for name in ["shown", "over", "baseline", "live", "stalled", "waiting"] {
            runs.add(&Path::new("runs").join(name), settings());
        }
        let now = SystemTime::now();
        let counted = |run, since: Duration| {
            let (name, modified, count) = (
                "batch-0.npz".to_owned(),
                now,
                BatchCount { samples: 1, shapes: [].into(), layers: Vec::new() },
            );
            let counted = Update::Counted {
                id: 0.into(),
                name,
                modified,
                bytes: 1,
                replaces: None,
                digest: count.digest(),
                count,
            };
            (Group { run, updates: vec![counted] }, now - since)
        };
        for (group, at) in [counted(4, Duration::from_secs(3)), counted(5, Duration::from_secs(60))] {
            runs.apply(group, at);
        }
        for run in [1, 2, 3] {
            runs.apply(Group { run, updates: vec![Update::End(End::default())] }, now);
        }
        runs.mark(3);
        let idle = |runs: &Runs, later: u64| -> Vec<String> {
            let idle = runs.idle(now + Duration::from_secs(later)).into_iter();
            idle.map(|run| run.file_name().expect("a name").to_string_lossy().into_owned()).collect()
        };
        assert_eq!(runs.shown_number(), 1);
        assert_eq!(idle(&runs, 0), ["over", "stalled"]);
        assert_eq!(idle(&runs, 40), ["live", "over", "stalled", "waiting"], "nothing ever came of the last");
        let taken_out = [1, 3, 2, 2].map(|number| runs.take_out(number).is_some());
        assert_eq!(taken_out, [false, false, true, false]);
        assert_eq!(runs.listed(), [3, 4, 1, 5, 6]);
        runs.show(2);
        assert_eq!((runs.shown_number(), runs.number_of(Path::new("runs/over"))), (1, None));
        runs.add(Path::new("runs/new"), settings());
        assert_eq!(runs.number_of(Path::new("runs/new")), Some(7), "no number is given twice");
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
