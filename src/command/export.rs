//! `neurotop export EXPORT…`: reads exported summaries again, and prints or writes their figures in any format.

use super::check::{begin, checks};
use super::finish;
use crate::figures::{Summary, reopen};
use crate::options::cli::CommandLine;
use crate::options::{OptionValues, Purpose};
use crate::run::{Run, StatePlace};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

pub(super) fn export(paths: &[PathBuf], given: &CommandLine) -> anyhow::Result<ExitCode> {
    let options = OptionValues::load(given, Purpose::Once)?;
    export_again(&paths.iter().map(PathBuf::as_path).collect::<Vec<_>>(), &options)
}

/// Prints the figures of exported summaries, and exports them.
pub(super) fn export_again(paths: &[&Path], options: &OptionValues) -> anyhow::Result<ExitCode> {
    begin(options, &StatePlace::Nowhere, paths)?;
    let runs = reopen_all(paths, options)?;
    let (checks, _signals) = checks(options)?;
    let now = SystemTime::now();
    let summaries: Vec<Summary> = runs.iter().map(|(_, run)| checks.summarize(run, now)).collect();
    finish::report_runs(&summaries, options, true)
}

/// The runs in these exports.
pub(super) fn reopen_all(paths: &[&Path], options: &OptionValues) -> anyhow::Result<Vec<(PathBuf, Run)>> {
    let runs = paths.iter().map(|path| reopen(path, options.stall_after, options.energy_per_op));
    let runs = runs.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(runs.into_iter().flatten().collect())
}
