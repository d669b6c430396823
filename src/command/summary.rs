//! `neurotop summary DIR`: counts what is there, once, and prints the figures.

use super::check::{checks, open_baseline};
use super::count::count;
use super::finish;
use super::session::check;
use super::signals::leave_signals;
use crate::cli::SummaryArgs;
use crate::config::Config;
use crate::pipeline::Mode;
use crate::settings::{self, RunSettings};
use crate::storage::is_url;
use anyhow::bail;
use std::process::ExitCode;

pub(super) fn summary(args: SummaryArgs) -> anyhow::Result<ExitCode> {
    let config = &Config::load(args.run.config.as_deref())?;
    if !is_url(&args.dir) && !args.dir.exists() {
        bail!("{} does not exist; name the directory that holds the batches", args.dir.display());
    }
    let (run, format) = (RunSettings::new(args.run, config), settings::format(args.format, config));
    run.start_log()?;
    check(&args.dir, &run, Mode::Once)?;
    let baseline = open_baseline(settings::baseline(args.baseline.as_deref(), config), &run)?;
    let signals = leave_signals()?;
    let checks = checks(baseline, &run, &signals)?;
    let mut summary = count(&args.dir, &run, &signals)?;
    checks.apply(&mut summary);
    finish::print(&summary, format, run.symbols)?;
    let all_written = finish::write_exports(&run.exports, &summary);
    finish::name_problems(std::slice::from_ref(&summary), Some(format));
    finish::name_failures(None, summary.failed.as_deref(), Some(format));
    Ok(finish::exit_code(all_written, summary.failed.as_deref(), summary.has_set_aside()))
}
