//! `neurotop summary DIR`: counts a run once, or each run in a directory, and prints the figures, or with `--shard` the part
//! for `merge`.

use super::check::{begin, checks, conflict};
use super::count::{CountedRun, count};
use super::session::check;
use super::signals::leave_signals;
use super::{finish, output};
use crate::figures::{Format, Report};
use crate::follow::{Neighbour, Shard, beside_runs, is_run, runs_inside};
use crate::options::cli::CommandLine;
use crate::options::config::Config;
use crate::options::{OptionValues, Purpose};
use crate::platform::streams::asked;
use crate::publish::{Publisher, Target};
use crate::run::{BatchPotentials, Mode, RunPart, StatePlace};
use crate::storage::is_url;
use crate::text::{printable, shown};
use anyhow::{bail, ensure};
use clap::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

pub(super) fn summary(directory: &Path, given: &CommandLine) -> anyhow::Result<ExitCode> {
    let config = Config::load(given.config.as_deref())?;
    if !is_url(directory) && !directory.exists() {
        bail!("{} does not exist; name the directory that holds the batches", shown(directory));
    }
    let options = OptionValues::resolve(given, &config, Purpose::Once)?;
    if let Some(shard) = options.shard {
        return part(directory, &OptionValues::resolve(given, &config, Purpose::Shard)?, shard);
    }
    if let Some(Target::Address(address)) = options.openmetrics {
        return Err(without_time_to_serve(address).into());
    }
    begin(&options, &StatePlace::Nowhere, &[directory])?;
    if !is_run(directory) {
        let mut runs = runs_inside(directory);
        if !runs.is_empty() {
            runs.sort_unstable();
            return all_runs(directory, &runs, &options);
        }
    }
    check(directory, Mode::Once)?;
    let publisher = Publisher::start(options.tensorboard.as_deref(), options.openmetrics.as_ref())?;
    let (checks, signals) = checks(&options)?;
    publisher.judge_by(&checks);
    let CountedRun { mut summary, all_published, .. } =
        count(directory, &options, Shard::WHOLE, publisher, &signals)?;
    checks.apply(&mut summary);
    finish::report_runs(&[summary], &options, all_published)
}

/// Counts each run in a directory, one after the other, and reports them together. A run that cannot be counted is named,
/// and the others are reported all the same.
fn all_runs(directory: &Path, runs: &[PathBuf], options: &OptionValues) -> anyhow::Result<ExitCode> {
    if options.tensorboard.is_some() || options.openmetrics.is_some() {
        return Err(conflict(&format!(
            "--tensorboard and --openmetrics: {} holds several runs; name one of them, or use watch",
            shown(directory)
        ))
        .into());
    }
    for Neighbour { name, error, .. } in beside_runs(directory) {
        output::say(&format!("{}: {error}", printable(&name)));
    }
    let (checks, signals) = checks(options)?;
    let (mut summaries, mut refused) = (Vec::new(), Vec::new());
    for run in runs {
        match count(run, options, Shard::WHOLE, Publisher::none(), &signals) {
            Ok(CountedRun { mut summary, .. }) => {
                checks.apply(&mut summary);
                summaries.push(summary);
            }
            // The user does not want the others either.
            Err(why) if asked().is_some() => return Err(why),
            Err(why) => refused.push(format!("{}: not in these figures: {why:#}", shown(run))),
        }
    }
    refused.iter().for_each(|why| output::say(why));
    ensure!(!summaries.is_empty(), "{}: none of its runs can be counted", shown(directory));
    let code = finish::report_runs(&summaries, options, true)?;
    let is_fine = code == ExitCode::SUCCESS;
    Ok(if is_fine && !refused.is_empty() { finish::exit_code(true, None, true) } else { code })
}

fn without_time_to_serve(address: SocketAddr) -> Error {
    conflict(&format!(
        "--openmetrics {address}: summary ends once it has counted, before anybody asks; give a file, or use watch"
    ))
}

/// Counts a shard, and refuses options that are about the figures of a whole run.
fn part(directory: &Path, options: &OptionValues, shard: Shard) -> anyhow::Result<ExitCode> {
    let has_tables = |format| ![Format::TEXT, Format::JSON].contains(&format);
    if has_tables(options.format) || options.export.iter().any(|export| export.format() != Format::JSON) {
        return Err(whole_run_only("the part of a shard is written as JSON only").into());
    }
    if options.tensorboard.is_some() || options.openmetrics.is_some() {
        return Err(whole_run_only("--tensorboard and --openmetrics are about a whole run").into());
    }
    if options.baseline.is_some() || !options.fail_if.is_empty() {
        return Err(whole_run_only("--baseline and --fail-if are about a whole run").into());
    }
    begin(options, &StatePlace::Nowhere, &[directory])?;
    check(directory, Mode::Once)?;
    let CountedRun { run, summary, .. } =
        count(directory, options, shard, Publisher::none(), &leave_signals()?)?;
    let mut part = RunPart::from_run(&run, shard);
    part.read_potentials(&run, Instant::now() + BatchPotentials::PATIENCE);
    let report = Report::Part(&part);
    let exported = finish::write_exports(&options.export, report);
    let printed = finish::print(report, options.format, options.symbols())?;
    finish::name_problems(std::slice::from_ref(&summary), &options.export, None);
    Ok(finish::exit_code(exported && printed, None, summary.leaves_out()))
}

fn whole_run_only(why: &str) -> Error {
    let advice = "leave that to neurotop merge once all shards are counted, or to a count of the whole run";
    conflict(&format!("with --shard, {why}; {advice}"))
}
