//! What the final figures are checked against: the baseline and the conditions of `--fail-if`.

use super::condition::{Condition, Judged, Standing};
use super::{Against, ComparedRun, Failure, Summary};
use crate::run::{Run, Runs};
use std::time::SystemTime;

/// What the final figures of a run are checked against.
#[derive(Debug, Clone, Default)]
pub struct Checks {
    /// Each one that holds makes the command fail.
    pub conditions: Vec<Condition>,
    /// The run that they are compared with.
    pub baseline: Option<ComparedRun>,
}

impl Checks {
    /// The figures of a run at `now`, held against these.
    pub fn summarize(&self, run: &Run, now: SystemTime) -> Summary {
        let mut summary = Summary::new(run, now);
        self.apply(&mut summary);
        summary
    }

    /// The figures of the listed runs.
    pub fn summarize_all(&self, runs: &Runs, now: SystemTime) -> Vec<Summary> {
        runs.iter().map(|entry| self.summarize(&entry.run, now)).collect()
    }

    /// How near a run is to each condition. Those that hold are among the problems of the summary, once anything is
    /// counted: before that, nothing can be said.
    pub fn judge(&self, summary: &mut Summary) -> Vec<Standing> {
        let standing = |condition: &Condition| condition.standing(&*summary, self.baseline.as_ref());
        let standings: Vec<Standing> = self.conditions.iter().map(standing).collect();
        if summary.run.batches > 0 && !standings.is_empty() {
            summary
                .set_failed(Some(standings.iter().filter_map(|standing| standing.failure.clone()).collect()));
        }
        standings
    }

    /// How many conditions are among the problems of a run, as [`Self::judge`] puts them there.
    pub fn failing(&self, run: &Run) -> u64 {
        let fails = |condition: &&Condition| condition.failure(run, self.baseline.as_ref()).is_some();
        let is_begun = run.tally().batches() > 0;
        self.conditions.iter().filter(|_| is_begun).filter(fails).count() as u64
    }

    /// Puts the changes from the baseline and the conditions that hold into a summary.
    pub fn apply(&self, summary: &mut Summary) {
        if self.baseline.is_none() && self.conditions.is_empty() {
            return;
        }
        let run = ComparedRun::from_summary("", summary);
        summary.baseline = self.baseline.as_ref().map(|baseline| Against::new(baseline, &run));
        summary.set_failed(failures(&self.conditions, &run, self.baseline.as_ref()));
    }
}

/// The conditions that a run fails; `None` where there are no conditions.
pub fn failures(
    conditions: &[Condition],
    run: &impl Judged,
    baseline: Option<&ComparedRun>,
) -> Option<Vec<Failure>> {
    let failures = || conditions.iter().filter_map(|condition| condition.failure(run, baseline)).collect();
    (!conditions.is_empty()).then(failures)
}
