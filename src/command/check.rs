//! The baseline and the conditions of `--fail-if`: what the figures are held against in the end.

use super::count::Source;
use crate::cli::RunArgs;
use crate::condition::Condition;
use crate::report::{Against, Baseline, Failure, Figures, Summary};
use anyhow::Context;
use crossbeam_channel::Receiver;
use std::path::Path;

/// What the figures of a run are held against.
#[derive(Default)]
pub(super) struct Checks {
    conditions: Vec<Condition>,
    baseline: Option<Baseline>,
}

/// Opens the baseline: first of all, so that a wrong one shows at the start of a run and not at its end.
pub(super) fn open_baseline<'a>(path: Option<&'a Path>, run: &RunArgs) -> anyhow::Result<Option<Source<'a>>> {
    path.map(|path| Source::open(path, run)).transpose().context("the baseline")
}

impl Checks {
    /// Counts the baseline, where it is yet to be counted.
    pub(super) fn new(
        baseline: Option<Source<'_>>,
        run: &RunArgs,
        signals: &Receiver<i32>,
    ) -> anyhow::Result<Self> {
        let baseline = baseline.map(|source| source.baseline(run, signals)).transpose();
        Ok(Self { conditions: run.fail_if.clone(), baseline: baseline.context("the baseline")? })
    }

    /// Puts the changes from the baseline and the conditions that hold into a summary.
    pub(super) fn apply(&self, summary: &mut Summary) {
        if self.baseline.is_none() && self.conditions.is_empty() {
            return;
        }
        let figures = Figures::of(summary);
        summary.baseline = self.baseline.as_ref().map(|baseline| Against::of(baseline, &figures));
        summary.failed = failures(&self.conditions, &figures, self.baseline.as_ref());
    }
}

/// The conditions that a run fails; `None` where there are no conditions.
pub(super) fn failures(
    conditions: &[Condition],
    run: &Figures,
    baseline: Option<&Baseline>,
) -> Option<Vec<Failure>> {
    let failures = || conditions.iter().filter_map(|condition| condition.failure(run, baseline)).collect();
    (!conditions.is_empty()).then(failures)
}
