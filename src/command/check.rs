//! Opens and counts what the figures are held against.

use super::count::Source;
use crate::figures::checks::Checks;
use crate::figures::condition::Condition;
use crate::options::cli::Cli;
use crate::options::settings::RunSettings;
use anyhow::Context;
use clap::CommandFactory;
use clap::error::ErrorKind;
use crossbeam_channel::Receiver;
use std::path::Path;

/// Opens the baseline: first of all, so that a wrong one shows at the start of a run and not at its end.
///
/// # Errors
/// Where it cannot be opened, or there is none although a condition needs one: that is a wrong command line.
pub(super) fn open_baseline<'a>(
    path: Option<&'a Path>,
    run: &RunSettings,
) -> anyhow::Result<Option<Source<'a>>> {
    let needing = run.fail_if.iter().find(|condition| condition.needs_baseline());
    match (path, needing) {
        (Some(path), _) => Source::open(path, run).map(Some).context("the baseline"),
        (None, Some(condition)) => Err(without_baseline(condition).into()),
        (None, None) => Ok(None),
    }
}

fn without_baseline(condition: &Condition) -> clap::Error {
    Cli::command().error(
        ErrorKind::MissingRequiredArgument,
        format!("--fail-if '{condition}' needs --baseline PATH, the run to compare with"),
    )
}

/// Counts the baseline, where it is yet to be counted.
pub(super) fn checks(
    baseline: Option<Source<'_>>,
    run: &RunSettings,
    signals: &Receiver<i32>,
) -> anyhow::Result<Checks> {
    let baseline = baseline.map(|source| source.compared(run, signals)).transpose();
    Ok(Checks { conditions: run.fail_if.clone(), baseline: baseline.context("the baseline")? })
}
