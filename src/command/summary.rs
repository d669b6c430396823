//! `neurotop summary DIR`: counts what is there, once, and prints the figures.

use super::check::{checks, open_baseline};
use super::count::count;
use super::finish;
use super::session::check;
use super::signals::leave_signals;
use crate::cli::SummaryArgs;
use crate::pipeline::Mode;
use anyhow::bail;
use std::process::ExitCode;

pub(super) fn summary(args: SummaryArgs) -> anyhow::Result<ExitCode> {
    if !args.dir.exists() {
        bail!("{} does not exist; name the directory that holds the batches", args.dir.display());
    }
    check(&args.dir, &args.run, Mode::Once)?;
    let baseline = open_baseline(args.baseline.as_deref(), &args.run)?;
    let signals = leave_signals()?;
    let checks = checks(baseline, &args.run, &signals)?;
    let mut summary = count(&args.dir, &args.run, &signals)?;
    checks.apply(&mut summary);
    finish::print(&summary, args.format)?;
    let all_written = finish::write_exports(&args.run.export, &summary);
    finish::name_problems(std::slice::from_ref(&summary), Some(args.format));
    finish::name_failures(None, summary.failed.as_deref(), Some(args.format));
    Ok(finish::exit_code(all_written, summary.failed.as_deref(), summary.has_set_aside()))
}
