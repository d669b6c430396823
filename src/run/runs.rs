//! The runs as one reader has them: the newest view of each that it has taken, and which of them it looks at.

use super::{Presence, Run, Settings};
use crate::text::{natural_order, shown};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A run and where it is.
#[derive(Debug, Clone)]
pub struct RunEntry {
    /// The directory, as it was named or found.
    pub directory: PathBuf,
    pub run: Arc<Run>,
    pub(super) added: SystemTime,
}

impl RunEntry {
    /// Whether nothing more is expected: the run is over, or has been silent for so long that it is stalled.
    fn is_idle(&self, now: SystemTime) -> bool {
        let last = self.run.last_activity().unwrap_or(self.added);
        let silent = now.duration_since(last).unwrap_or_default();
        let is_over = self.run.is_over(now) || silent >= self.run.settings().stall_after;
        is_over && self.run.account().waiting == 0
    }
}

/// The runs by number; no number is given twice. One of them is shown, and one may be the baseline that the others are
/// compared with.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    entries: BTreeMap<usize, RunEntry>,
    shown: usize,
    baseline: Option<usize>,
    /// Those that are looked at besides.
    kept: Vec<usize>,
    left_out: usize,
    instead: Option<String>,
}

impl Runs {
    /// One run with nothing counted, which is shown.
    pub fn new(directory: &Path, settings: Settings) -> Self {
        let mut runs = Self::default();
        runs.set(0, directory, Run::new(settings));
        runs
    }

    /// Sets a run, whether it was there before or not.
    pub fn set(&mut self, number: usize, directory: &Path, run: Run) {
        let added = self.entries.get(&number).map_or_else(SystemTime::now, |entry| entry.added);
        let entry = RunEntry { directory: directory.to_owned(), run: run.into(), added };
        let mut entries = std::mem::take(&mut self.entries);
        entries.insert(number, entry);
        self.take(entries, self.left_out);
    }

    /// Takes the newest runs. What is looked at stays as it was last, even if it is no longer followed. If the shown
    /// directory turns out not to be a run itself, the first run is shown.
    pub(super) fn take(&mut self, mut entries: BTreeMap<usize, RunEntry>, left_out: usize) {
        for number in self.looked_at() {
            if let (false, Some(before)) = (entries.contains_key(&number), self.entries.remove(&number)) {
                entries.insert(number, before);
            }
        }
        (self.entries, self.left_out) = (entries, left_out);
        if self.is_hidden(self.shown)
            && let Some(&first) = self.entries.keys().find(|&&number| !self.is_hidden(number))
        {
            self.shown = first;
        }
    }

    /// The numbers of the runs that are looked at.
    pub fn looked_at(&self) -> Vec<usize> {
        std::iter::once(self.shown).chain(self.baseline).chain(self.kept.iter().copied()).collect()
    }

    /// The directories of the runs that may give way to newer ones at `now`: nothing more is expected of them, and
    /// nobody looks at them.
    pub fn idle(&self, looked_at: &[usize], now: SystemTime) -> Vec<PathBuf> {
        let may_give_way = |number: &usize| !looked_at.contains(number) && self.entries[number].is_idle(now);
        let idle = self.listed().into_iter().filter(may_give_way);
        idle.map(|number| self.entries[&number].directory.clone()).collect()
    }

    /// The number of a run, by its directory.
    pub fn number_of(&self, directory: &Path) -> Option<usize> {
        let found = self.entries.iter().find(|(_, entry)| entry.directory == directory);
        found.map(|(&number, _)| number)
    }

    pub fn get(&self, number: usize) -> Option<&RunEntry> {
        self.entries.get(&number)
    }

    pub fn all(&self) -> impl Iterator<Item = usize> {
        self.entries.keys().copied()
    }

    /// The numbers of the runs, in the order of their directories' names, without a directory of runs.
    pub fn listed(&self) -> Vec<usize> {
        let mut numbers: Vec<usize> =
            self.entries.keys().copied().filter(|&number| !self.is_hidden(number)).collect();
        let path = |number: &usize| self.entries[number].directory.to_string_lossy();
        numbers.sort_by(|a, b| natural_order(&path(a), &path(b)));
        numbers
    }

    pub fn iter(&self) -> impl Iterator<Item = &RunEntry> {
        self.listed().into_iter().map(|number| &self.entries[&number])
    }

    /// The name of what is listed: the run, or the directory of runs.
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

    pub fn shown(&self) -> &RunEntry {
        &self.entries[&self.shown]
    }

    /// Shows another run, if there is one of this number.
    pub fn show(&mut self, number: usize) {
        if self.entries.contains_key(&number) {
            self.shown = number;
        }
    }

    /// The number of the run that the others are compared with.
    pub fn baseline(&self) -> Option<usize> {
        self.baseline
    }

    /// Makes this run the baseline or, if it is the baseline already, none.
    pub fn mark(&mut self, number: usize) {
        self.baseline =
            (self.baseline != Some(number) && self.entries.contains_key(&number)).then_some(number);
    }

    /// Looks at these runs besides; returns whether they are others than before.
    pub fn keep(&mut self, numbers: Vec<usize>) -> bool {
        let are_others = self.kept != numbers;
        self.kept = numbers;
        are_others
    }

    /// How many batches of all runs were counted by an earlier process.
    pub fn resumed(&self) -> u64 {
        self.entries.values().map(|entry| entry.run.resumed()).sum()
    }

    /// How many more runs there are than are followed.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// What is there where no run is.
    pub fn instead(&self) -> Option<&str> {
        self.instead.as_deref()
    }

    pub(super) fn set_instead(&mut self, instead: Option<String>) {
        self.instead = instead;
    }

    /// Why nothing was counted, where no path of a run leads anywhere.
    pub fn never_there(&self) -> Option<String> {
        let nowhere = |entry: &RunEntry| match entry.run.presence() {
            Some(Presence::Missing(why)) if entry.run.tally().batches() == 0 => {
                Some(format!("nothing was counted: {}: {why}", shown(&entry.directory)))
            }
            _ => None,
        };
        let whys: Vec<Option<String>> = self.entries.values().map(nowhere).collect();
        if whys.iter().all(Option::is_some) { whys.into_iter().next().flatten() } else { None }
    }

    /// Whether the owners of all runs have ended.
    pub fn have_ended(&self) -> bool {
        self.entries.values().all(|entry| entry.run.has_ended())
    }

    /// Whether the owner of a run has ended by a fault, or before it was told to.
    pub fn has_one_ended(&self) -> bool {
        self.entries.values().any(|entry| entry.run.has_ended())
    }

    /// Whether there is nothing left to wait for in any run.
    pub fn are_over(&self, now: SystemTime) -> bool {
        self.iter().all(|entry| entry.run.is_over(now))
    }

    /// A given directory may turn out to be a directory of runs, which is no run.
    fn is_hidden(&self, number: usize) -> bool {
        number == 0 && self.entries.len() > 1 && self.entries[&0].run.is_blank()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::BatchCount;
    use crate::run::Addition;
    use crate::snapshot::End;
    use std::time::Duration;

    fn settings() -> Settings {
        Settings { live: true, ..Settings::new("x") }
    }

    fn named(name: &str) -> Run {
        Run::new(Settings { name: name.into(), ..settings() })
    }

    #[test]
    fn a_directory_of_runs_is_no_run_and_gives_way_to_the_first_one() {
        let mut runs = Runs::new(Path::new("runs"), settings());
        assert_eq!(runs.listed(), [0]);
        runs.set(1, Path::new("runs/b"), named("x/b"));
        assert_eq!(runs.name(), "x/b", "one run is exported as itself");
        runs.set(2, Path::new("runs/a"), named("x"));
        assert_eq!(runs.name(), "x", "several are named after what they are in");
        assert_eq!((runs.listed(), runs.shown_number()), (vec![2, 1], 1));
        let mut ended = named("x");
        ended.take_end(Some(End::default()));
        runs.set(0, Path::new("runs"), ended);
        assert_eq!(runs.listed(), [0, 2, 1], "it was one after all");
    }

    #[test]
    fn only_runs_that_are_over_or_stalled_and_not_looked_at_give_way() {
        let mut runs = Runs::new(Path::new("runs"), settings());
        let now = SystemTime::now();
        let counted = |since: Duration| {
            let count = BatchCount::for_tests(1, &[]);
            let (id, name) = (0.into(), "batch-0.npz".to_owned());
            let mut run = named("x");
            run.add(Addition::new(id, name, now, 1, count), now - since);
            run
        };
        let over = || {
            let mut run = named("x");
            run.take_end(Some(End { batches: Some(0), ..End::default() }));
            run.concluded(now)
        };
        let all = [
            ("shown", over()),
            ("over", over()),
            ("baseline", over()),
            ("live", counted(Duration::from_secs(3))),
            ("stalled", counted(Duration::from_secs(60))),
            ("waiting", named("x")),
        ];
        for (at, (name, run)) in all.into_iter().enumerate() {
            runs.set(at + 1, &Path::new("runs").join(name), run);
        }
        runs.mark(3);
        let idle = |runs: &Runs, later: u64| -> Vec<String> {
            let idle = runs.idle(&runs.looked_at(), now + Duration::from_secs(later)).into_iter();
            idle.map(|run| run.file_name().expect("a name").to_string_lossy().into_owned()).collect()
        };
        assert_eq!(runs.shown_number(), 1);
        assert_eq!(idle(&runs, 0), ["over", "stalled"]);
        assert_eq!(idle(&runs, 40), ["live", "over", "stalled", "waiting"], "nothing ever came of the last");
    }

    #[test]
    fn what_is_looked_at_stays_as_it_was_until_something_else_is() {
        let mut runs = Runs::new(Path::new("runs"), settings());
        for number in 1..4 {
            runs.set(number, Path::new(&format!("runs/{number}")), named("x"));
        }
        runs.mark(3);
        let mut without = runs.entries.clone();
        (1..4).for_each(|number| drop(without.remove(&number)));
        runs.take(without.clone(), 0);
        assert_eq!(runs.listed(), [1, 3], "they are shown and marked");
        runs.mark(3);
        runs.take(without, 0);
        assert_eq!(runs.listed(), [1]);
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
