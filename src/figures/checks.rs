//! What the figures are held against in the end: the baseline and the conditions of `--fail-if`.

use crate::figures::condition::Condition;
use crate::figures::{Against, Baseline, Failure, Figures, Summary};
use crate::run::Runs;
use std::time::SystemTime;

/// What the figures of a run are held against.
#[derive(Debug, Clone, Default)]
pub struct Checks {
    /// Conditions under which they are not what they should be.
    pub conditions: Vec<Condition>,
    /// The run that they are compared with.
    pub baseline: Option<Baseline>,
}

impl Checks {
    /// The figures of the listed runs at `now`, held against these.
    pub fn summarize(&self, runs: &Runs, now: SystemTime) -> Vec<Summary> {
        let summaries = runs.iter().map(|entry| {
            let mut summary = Summary::of(&entry.run, now);
            self.apply(&mut summary);
            summary
        });
        summaries.collect()
    }

    /// Puts the changes from the baseline and the conditions that hold into a summary.
    pub fn apply(&self, summary: &mut Summary) {
        if self.baseline.is_none() && self.conditions.is_empty() {
            return;
        }
        let figures = Figures::of(summary);
        summary.baseline = self.baseline.as_ref().map(|baseline| Against::of(baseline, &figures));
        summary.failed = failures(&self.conditions, &figures, self.baseline.as_ref());
    }
}

/// The conditions that a run fails; `None` where there are no conditions.
pub fn failures(
    conditions: &[Condition],
    run: &Figures,
    baseline: Option<&Baseline>,
) -> Option<Vec<Failure>> {
    let failures = || conditions.iter().filter_map(|condition| condition.failure(run, baseline)).collect();
    (!conditions.is_empty()).then(failures)
}
