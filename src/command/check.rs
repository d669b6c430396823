//! Opens and counts what the figures are held against.

use super::count::Source;
use crate::checks::Checks;
use crate::cli::RunArgs;
use anyhow::Context;
use crossbeam_channel::Receiver;
use std::path::Path;

/// Opens the baseline: first of all, so that a wrong one shows at the start of a run and not at its end.
pub(super) fn open_baseline<'a>(path: Option<&'a Path>, run: &RunArgs) -> anyhow::Result<Option<Source<'a>>> {
    path.map(|path| Source::open(path, run)).transpose().context("the baseline")
}

/// Counts the baseline, where it is yet to be counted.
pub(super) fn checks(
    baseline: Option<Source<'_>>,
    run: &RunArgs,
    signals: &Receiver<i32>,
) -> anyhow::Result<Checks> {
    let baseline = baseline.map(|source| source.baseline(run, signals)).transpose();
    Ok(Checks { conditions: run.fail_if.clone(), baseline: baseline.context("the baseline")? })
}
