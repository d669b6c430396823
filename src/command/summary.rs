//! `neurotop summary DIR`: counts what is there, once, and prints the figures.

use super::check::{checks, open_baseline};
use super::count::{Counted, count};
use super::finish;
use super::session::check;
use super::signals::leave_signals;
use crate::cli::SummaryArgs;
use crate::config::Config;
use crate::pipeline::Mode;
use crate::publish::{Publisher, Publishing, Target};
use crate::settings::{self, RunSettings};
use anyhow::bail;
use clap::error::{Error, ErrorKind};
use std::net::SocketAddr;
use std::process::ExitCode;

pub(super) fn summary(args: SummaryArgs) -> anyhow::Result<ExitCode> {
    let config = &Config::load(args.run.config.as_deref())?;
    if !args.dir.exists() {
        bail!("{} does not exist; name the directory that holds the batches", args.dir.display());
    }
    // What the configuration says of publishing is for runs that are watched.
    let publishing =
        Publishing { tensorboard: args.publish.tensorboard, openmetrics: args.publish.openmetrics };
    if let Some(Target::Address(address)) = publishing.openmetrics {
        return Err(without_time_to_serve(address).into());
    }
    let (run, format) = (RunSettings::new(args.run, config), settings::format(args.format, config));
    run.start_log()?;
    check(&args.dir, &run, Mode::Once)?;
    let publisher = Publisher::start(&publishing)?;
    let baseline = open_baseline(settings::baseline(args.baseline.as_deref(), config), &run)?;
    let signals = leave_signals()?;
    let checks = checks(baseline, &run, &signals)?;
    let Counted { mut summary, all_published } = count(&args.dir, &run, Some(publisher), &signals)?;
    checks.apply(&mut summary);
    finish::print(&summary, format, run.symbols)?;
    let all_written = finish::write_exports(&run.exports, &summary);
    finish::name_problems(std::slice::from_ref(&summary), Some(format));
    finish::name_failures(None, summary.failed.as_deref(), Some(format));
    Ok(finish::exit_code(all_written && all_published, summary.failed.as_deref(), summary.has_set_aside()))
}

fn without_time_to_serve(address: SocketAddr) -> Error {
    let why = format!(
        "--openmetrics {address}: summary ends once it has counted, before anybody asks; give a file, or use watch\n"
    );
    Error::raw(ErrorKind::ArgumentConflict, why)
}
