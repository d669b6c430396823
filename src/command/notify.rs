//! Calls the user (`--notify`): when a run is over or stalls, when a problem costs figures, when a `--fail-if` begins to
//! hold. Each is told once, and not what was so before the dashboard began, except that a run is over.

use super::display::listed;
use super::hook::{Hook, HookOption};
use crate::dashboard::NotifyWay;
use crate::figures::checks::Checks;
use crate::figures::problems::{NAMED, ProblemKind, group};
use crate::figures::{Format, Report, Summary};
use crate::run::{Run, RunEntry, Runs, Severity, Status};
use crate::text::{decimal, printable, span};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::SystemTime;

/// What the user is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunEvent {
    Finished,
    Stalled,
    Problem,
    Condition,
}

impl RunEvent {
    fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Stalled => "stalled",
            Self::Problem => "problem",
            Self::Condition => "condition",
        }
    }
}

/// An event of a run, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notification {
    pub(super) event: RunEvent,
    /// The number of the run.
    pub(super) run: usize,
    pub(super) name: String,
    pub(super) directory: PathBuf,
    pub(super) text: String,
}

/// What was told of the runs before.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    checks: Checks,
    known: HashMap<usize, ToldRun>,
    first_look: Option<SystemTime>,
}

/// What was told of a run, or was so before.
#[derive(Debug, Default)]
struct ToldRun {
    /// The revision, whether it was over, and whether it was stalled, at the last look.
    seen: Option<(u64, bool, bool)>,
    /// Whether all that was there when the dashboard began is counted or set aside.
    is_caught_up: bool,
    is_finished: bool,
    is_stalled: bool,
    problems: HashSet<ProblemKind>,
    conditions: HashSet<String>,
}

impl Notifier {
    pub(super) fn new(checks: Checks) -> Self {
        Self { checks, ..Self::default() }
    }

    /// What is new of the runs at `now`.
    pub(super) fn look(&mut self, runs: &Runs, now: SystemTime) -> Vec<Notification> {
        let mut notifications = Vec::new();
        for (number, entry, directory) in listed(runs) {
            // Runs that were there before may be found later: how old they are is known once something of them is.
            let is_unknown = entry.run.account().seen == 0 && entry.run.problem_count() == 0;
            if self.first_look.is_some() && is_unknown && !self.known.contains_key(&number) {
                continue;
            }
            // What is written later is new as a whole.
            let is_later = |first| entry.run.last_activity().is_none_or(|last| last > first);
            let is_new = self.first_look.is_some_and(is_later);
            let told = self
                .known
                .entry(number)
                .or_insert_with(|| ToldRun { is_caught_up: is_new, ..ToldRun::default() });
            let news = told.news(&entry.run, &self.checks, now);
            let directory = directory.map_or(String::new(), |directory| format!(" ({directory})"));
            let name = printable(entry.run.name()).into_owned();
            notifications.extend(news.into_iter().map(|(event, text)| Notification {
                event,
                run: number,
                name: name.clone(),
                directory: entry.directory.clone(),
                text: format!("{name}{}", printable(&format!("{directory}: {text}"))),
            }));
        }
        self.first_look.get_or_insert(now);
        notifications
    }
}

impl ToldRun {
    fn news(&mut self, run: &Run, checks: &Checks, now: SystemTime) -> Vec<(RunEvent, String)> {
        let stalled = match run.status(now) {
            // Without an age it has been silent for that long at least.
            Status::Stalled(silent) => Some(silent.unwrap_or(run.settings().stall_after)),
            Status::Waiting | Status::Live | Status::Stopped | Status::Finished => None,
        };
        let seen = (run.revision(), run.is_over(now), stalled.is_some());
        if self.seen == Some(seen) {
            return Vec::new();
        }
        self.seen = Some(seen);
        let mut summary = Summary::without_steps(run, now);
        checks.judge(&mut summary);
        let mut news = self.new_problems(&summary);
        news.extend(self.new_conditions(&summary));
        let has_stalled = stalled.filter(|_| !self.is_stalled);
        news.extend(
            has_stalled.map(|silent| (RunEvent::Stalled, format!("nothing has come for {}", span(silent)))),
        );
        self.is_stalled = stalled.is_some();
        if !self.is_caught_up {
            news.clear();
            self.is_caught_up = run.presence().is_some() && run.account().waiting == 0;
        }
        if seen.1 && !self.is_finished {
            self.is_finished = true;
            news.push((RunEvent::Finished, over(&summary)));
        }
        news
    }

    /// The first problem of each kind that costs figures.
    fn new_problems(&mut self, summary: &Summary) -> Vec<(RunEvent, String)> {
        let costly = summary.problems.iter().filter(|problem| problem.severity == Severity::SetAside);
        let mut news = Vec::new();
        for alike in group(costly) {
            if self.problems.insert(alike.kind.clone()) {
                news.push((RunEvent::Problem, alike.sentence(NAMED)));
            }
        }
        news
    }

    fn new_conditions(&mut self, summary: &Summary) -> Vec<(RunEvent, String)> {
        let mut news = Vec::new();
        for failure in summary.failed.iter().flatten() {
            if self.conditions.insert(failure.condition.clone()) {
                news.push((RunEvent::Condition, failure.to_string()));
            }
        }
        news
    }
}

/// That a run is over, with its figures.
fn over(summary: &Summary) -> String {
    let effective = decimal(summary.neurobench.neuron_operations.effective, 2);
    let whole = if summary.complete { "complete" } else { "over, and not complete" };
    let problems = match summary.problem_count() {
        0 => String::new(),
        1 => ", 1 problem".to_owned(),
        count => format!(", {count} problems"),
    };
    format!("{whole}, {effective} effective ops/sample{problems}")
}

/// The command of a way of calling the user, where it is one.
pub(super) fn notify_hook(way: &NotifyWay, about: &Notification) -> Option<Hook> {
    let NotifyWay::Command(command) = way else { return None };
    let environment = vec![
        ("NEUROTOP_EVENT", about.event.name().into()),
        ("NEUROTOP_TEXT", about.text.clone().into()),
        ("NEUROTOP_RUN", about.name.clone().into()),
        ("NEUROTOP_DIRECTORY", about.directory.clone().into_os_string()),
    ];
    Some(Hook { option: HookOption::Notify, command: command.clone(), environment, files: None })
}

/// The command of `--on-finish` for a run that is over. Its figures are in a file of their own.
///
/// # Errors
/// Where the file cannot be written.
pub(super) fn finish_hook(command: &str, entry: &RunEntry, checks: &Checks) -> anyhow::Result<Hook> {
    let summary = checks.summarize(&entry.run, SystemTime::now());
    let files = tempfile::Builder::new().prefix("neurotop-summary-").tempdir()?;
    let file = files.path().join("summary.json");
    std::fs::write(&file, Report::Run(&summary).render(Format::JSON, false)?)?;
    let environment = vec![
        ("NEUROTOP_SUMMARY", file.into_os_string()),
        ("NEUROTOP_RUN", printable(entry.run.name()).into_owned().into()),
        ("NEUROTOP_DIRECTORY", entry.directory.clone().into_os_string()),
        ("NEUROTOP_COMPLETE", if summary.complete { "yes" } else { "no" }.into()),
        ("NEUROTOP_PROBLEMS", summary.problem_count().to_string().into()),
    ];
    Ok(Hook { option: HookOption::OnFinish, command: command.to_owned(), environment, files: Some(files) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::{BatchCount, LayerCount};
    use crate::follow::Account;
    use crate::run::{Addition, Presence, Problem, Settings};
    use crate::snapshot::LayerShape;
    use std::path::Path;
    use std::time::Duration;

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    /// A run and what was told of it.
    struct NotifyBench {
        run: Run,
        runs: Runs,
        notifier: Notifier,
    }

    impl NotifyBench {
        /// A run that the dashboard has begun with, with so many batches waiting.
        fn new(waiting: u64) -> Self {
            let settings = || Settings { live: true, ..Settings::new("r") };
            let (run, runs) = (Run::new(settings()), Runs::new(Path::new("r"), settings()));
            let mut bench = Self { run, runs, notifier: Notifier::default() };
            bench.run.take_presence(Some(Presence::Present));
            bench.account(0, waiting);
            bench
        }

        fn account(&mut self, counted: u64, waiting: u64) {
            let seen = counted + waiting;
            self.run.take_account(Account { seen, counted, waiting, ..Account::default() });
        }

        fn batch(&mut self, number: u64, seconds: u64) {
            let at = START + Duration::from_secs(seconds);
            let shape = LayerShape { name: "lif".into(), neurons: Some(vec![2]) };
            let layer = LayerCount { updates: 1, dense: 2, ..LayerCount::default() };
            let count = BatchCount { samples: 1, shapes: vec![shape].into(), layers: vec![layer] };
            self.run.add(Addition::new(number.into(), format!("batch-{number}.npz"), at, 1, count), at);
            self.account(number + 1, 0);
        }

        fn damage(&mut self, number: u64, what: &str) {
            let reason = format!("lif: {what}; write it again");
            let path = format!("batch-{number}.npz");
            self.run.add_problem(Problem { path, reason, severity: Severity::SetAside });
        }

        fn look(&mut self, seconds: u64) -> Vec<RunEvent> {
            let now = START + Duration::from_secs(seconds);
            self.run = self.run.clone().concluded(now);
            self.runs.set(0, Path::new("r"), self.run.clone());
            self.notifier.look(&self.runs, now).into_iter().map(|told| told.event).collect()
        }
    }

    #[test]
    fn a_kind_of_problem_is_told_once() {
        let mut bench = NotifyBench::new(0);
        assert_eq!(bench.look(1), []);
        bench.damage(1, "it ends at byte 7");
        assert_eq!(bench.look(2), [RunEvent::Problem]);
        bench.damage(2, "it ends at byte 99");
        assert_eq!(bench.look(3), [], "the same once more");
        bench.damage(3, "its data are corrupt");
        assert_eq!(bench.look(4), [RunEvent::Problem]);
        assert_eq!(bench.look(5), []);
    }

    #[test]
    fn what_was_so_before_is_not_told() {
        let mut bench = NotifyBench::new(3);
        bench.damage(1, "it ends at byte 7");
        assert_eq!(bench.look(1), []);
        bench.damage(2, "its data are corrupt");
        bench.account(1, 0);
        assert_eq!(bench.look(2), [], "it was there, and is only now counted");
        bench.damage(4, "it has no layers");
        assert_eq!(bench.look(3), [RunEvent::Problem]);
    }

    #[test]
    fn of_a_run_that_comes_later_everything_is_new() {
        let mut bench = NotifyBench::new(0);
        bench.look(1);
        let mut run = Run::new(Settings { live: true, ..Settings::new("s") });
        let (path, reason) = ("batch-1.npz".to_owned(), "it is wrong; write it again".to_owned());
        run.add_problem(Problem { path, reason, severity: Severity::SetAside });
        bench.runs.set(1, Path::new("s"), run.concluded(START));
        let told = bench.notifier.look(&bench.runs, START + Duration::from_secs(2));
        let told: Vec<_> = told.iter().map(|told| (told.run, told.event, told.name.as_str())).collect();
        assert_eq!(told, [(1, RunEvent::Problem, "s")]);
    }

    #[test]
    fn what_was_so_of_a_run_that_is_found_later_is_not_told() {
        let mut bench = NotifyBench::new(0);
        assert_eq!(bench.look(1000), []);
        let mut old = NotifyBench::new(0);
        old.batch(0, 1);
        let now = START + Duration::from_secs(1001);
        bench.runs.set(1, Path::new("old"), old.run.concluded(now));
        assert_eq!(bench.notifier.look(&bench.runs, now), [], "it has long been stalled");
    }

    #[test]
    fn a_stall_is_told_each_time_and_the_end_once() {
        let mut bench = NotifyBench::new(0);
        bench.batch(0, 1);
        assert_eq!(bench.look(2), []);
        assert_eq!(bench.look(60), [RunEvent::Stalled]);
        assert_eq!(bench.look(61), []);
        bench.batch(1, 62);
        assert_eq!(bench.look(63), []);
        assert_eq!(bench.look(120), [RunEvent::Stalled]);
        let end = crate::snapshot::End::parse(br#"{"batches": 2}"#).expect("an end");
        bench.run.take_end(Some(end));
        assert_eq!(bench.look(180), [], "a copy in alphabetical order brings the manifest last");
        assert_eq!(bench.look(190), [RunEvent::Finished]);
        assert_eq!(bench.look(191), []);
    }
}
