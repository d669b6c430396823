//! What is checked before anything is counted, and what figures are checked against: the baseline, and the conditions of
//! `--fail-if`.

use super::count::RunSource;
use super::signals::leave_signals;
use crate::figures::Export;
use crate::figures::checks::Checks;
use crate::figures::condition::Condition;
use crate::options::OptionValues;
use crate::options::cli::Cli;
use crate::run::StatePlace;
use anyhow::Context;
use clap::CommandFactory;
use clap::error::ErrorKind;
use crossbeam_channel::Receiver;
use std::path::Path;

/// Opens the baseline before anything is counted, so that an error shows at once and not at the end of the run.
///
/// # Errors
/// Where it cannot be opened; or a [`clap::Error`], where a condition needs a baseline and there is none.
fn open_baseline(options: &OptionValues) -> anyhow::Result<Option<RunSource<'_>>> {
    let needing = options.fail_if.iter().find(|condition| condition.needs_baseline());
    match (&options.baseline, needing) {
        (Some(path), _) => RunSource::open(path).map(Some).context("the baseline"),
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

/// An error of the command line: options that do not go together.
pub(super) fn conflict(why: &str) -> clap::Error {
    clap::Error::raw(ErrorKind::ArgumentConflict, format!("{why}\n"))
}

/// Begins a command that reads these: refuses outputs that would overwrite something and exports that cannot be written,
/// notes what is read for the exports that say it, and starts the log.
pub(super) fn begin(options: &OptionValues, place: &StatePlace, sources: &[&Path]) -> anyhow::Result<()> {
    options.check_outputs(place, sources).map_err(|why| conflict(&why))?;
    options.export.iter().try_for_each(Export::check)?;
    options.note_inputs(sources.iter().copied());
    options.begin()
}

/// What figures are checked against. Counts the baseline, unless it is an exported summary; from then on, signals to leave
/// are received.
pub(super) fn checks(options: &OptionValues) -> anyhow::Result<(Checks, Receiver<i32>)> {
    let baseline = open_baseline(options)?;
    let signals = leave_signals()?;
    let baseline = baseline.map(|source| source.compared(options, &signals)).transpose();
    let checks = Checks { conditions: options.fail_if.clone(), baseline: baseline.context("the baseline")? };
    Ok((checks, signals))
}
