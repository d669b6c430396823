//! `neurotop summary DIR`: counts what is there, once, and prints the figures; of one shard of it the part.

use super::check::{checks, open_baseline};
use super::count::{Counted, count, count_shard};
use super::finish;
use super::session::check;
use super::signals::leave_signals;
use crate::figures::Format;
use crate::follow::Shard;
use crate::options::cli::SummaryArgs;
use crate::options::config::Config;
use crate::options::settings::{self, RunSettings};
use crate::publish::{Publisher, Publishing, Target};
use crate::run::Mode;
use crate::run::StatePlace;
use crate::storage::is_url;
use crate::text::shown;
use anyhow::bail;
use clap::error::{Error, ErrorKind};
use std::net::SocketAddr;
use std::process::ExitCode;

pub(super) fn summary(args: SummaryArgs) -> anyhow::Result<ExitCode> {
    let config = &Config::load(args.run.config.as_deref())?;
    if !is_url(&args.dir) && !args.dir.exists() {
        bail!("{} does not exist; name the directory that holds the batches", shown(&args.dir));
    }
    if let Some(shard) = settings::shard(args.shard, config) {
        return part(args, &settings::of_shard(config), shard);
    }
    // What the configuration says of publishing is for runs that are watched.
    let publishing =
        Publishing { tensorboard: args.publish.tensorboard, openmetrics: args.publish.openmetrics };
    if let Some(Target::Address(address)) = publishing.openmetrics {
        return Err(without_time_to_serve(address).into());
    }
    let (run, format) = (RunSettings::new(args.run, config), settings::format(args.format, config));
    settings::check_outputs(&run, &StatePlace::Nowhere, &publishing)
        .map_err(|why| -> Error { Error::raw(ErrorKind::ArgumentConflict, why + "\n") })?;
    run.begin()?;
    check(&args.dir, &run, Mode::Once)?;
    let publisher = Publisher::start(&publishing)?;
    let baseline = open_baseline(settings::baseline(args.baseline.as_deref(), config), &run)?;
    let signals = leave_signals()?;
    let checks = checks(baseline, &run, &signals)?;
    let Counted { mut summary, all_published } = count(&args.dir, &run, Some(publisher), &signals)?;
    checks.apply(&mut summary);
    let exported = finish::write_exports(&run.exports, &summary);
    let printed = finish::print(&summary, format, run.symbols)?;
    finish::name_problems(std::slice::from_ref(&summary), Some(format));
    finish::name_failures(None, summary.failed.as_deref(), Some(format));
    Ok(finish::exit_code(
        exported && printed && all_published,
        summary.failed.as_deref(),
        summary.leaves_out(),
    ))
}

fn without_time_to_serve(address: SocketAddr) -> Error {
    let why = format!(
        "--openmetrics {address}: summary ends once it has counted, before anybody asks; give a file, or use watch\n"
    );
    Error::raw(ErrorKind::ArgumentConflict, why)
}

/// Counts a shard; what is about the figures of a whole run is refused.
fn part(args: SummaryArgs, config: &Config, shard: Shard) -> anyhow::Result<ExitCode> {
    let (run, format) = (RunSettings::new(args.run, config), settings::format(args.format, config));
    let has_tables = |format| ![Format::TEXT, Format::JSON].contains(&format);
    if has_tables(format) || run.exports.iter().any(|export| export.format() != Format::JSON) {
        return Err(whole_run_only("the part of a shard is written as JSON only").into());
    }
    if args.publish.tensorboard.is_some() || args.publish.openmetrics.is_some() {
        return Err(whole_run_only("--tensorboard and --openmetrics are about a whole run").into());
    }
    if args.baseline.is_some() || !run.fail_if.is_empty() {
        return Err(whole_run_only("--baseline and --fail-if are about a whole run").into());
    }
    run.begin()?;
    check(&args.dir, &run, Mode::Once)?;
    let (summary, part) = count_shard(&args.dir, &run, shard, &leave_signals()?)?;
    let exported = finish::write_exports(&run.exports, &part);
    let printed = finish::print(&part, format, run.symbols)?;
    finish::name_problems(std::slice::from_ref(&summary), None);
    Ok(finish::exit_code(exported && printed, None, summary.leaves_out()))
}

fn whole_run_only(why: &str) -> Error {
    let advice = "leave that to neurotop merge once all shards are counted, or to a count of the whole run";
    Error::raw(ErrorKind::ArgumentConflict, format!("with --shard, {why}; {advice}\n"))
}
