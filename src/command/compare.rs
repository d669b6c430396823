//! `neurotop compare BASE NEW…`: counts each run once, or reads its summary, and prints how the figures differ.

use super::check::begin;
use super::count::RunSource;
use super::finish;
use super::signals::leave_signals;
use crate::figures::checks::failures;
use crate::figures::condition::Condition;
use crate::figures::{ComparedRun, Comparison, Failure, Report};
use crate::options::cli::CommandLine;
use crate::options::{OptionValues, Purpose};
use crate::run::StatePlace;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(super) fn compare(base: &Path, new: &[PathBuf], given: &CommandLine) -> anyhow::Result<ExitCode> {
    let options = &OptionValues::load(given, Purpose::Once)?;
    let sources: Vec<&Path> = std::iter::once(base).chain(new.iter().map(PathBuf::as_path)).collect();
    begin(options, &StatePlace::Nowhere, &sources)?;
    let base = RunSource::open(base)?;
    let others = new.iter().map(|path| RunSource::open(path));
    let others = others.collect::<anyhow::Result<Vec<_>>>()?;
    let signals = leave_signals()?;
    let base = base.compared(options, &signals)?;
    let others = others.into_iter().map(|source| source.compared(options, &signals));
    let others = others.collect::<anyhow::Result<Vec<_>>>()?;
    let mut comparison = Comparison::new(&base, &others);
    comparison.failed = all_failures(&options.fail_if, &base, &others);
    let report = Report::Comparison(&comparison);
    let exported = finish::write_exports(&options.export, report);
    let printed = finish::print(report, options.format, options.symbols())?;
    finish::name_comparison(&comparison, &options.export, options.format);
    let leaves_out = comparison.runs().any(ComparedRun::leaves_out);
    Ok(finish::exit_code(exported && printed, comparison.failed.as_deref(), leaves_out))
}

/// The conditions that any of the runs fails; `None` if there are no conditions.
fn all_failures(
    conditions: &[Condition],
    base: &ComparedRun,
    others: &[ComparedRun],
) -> Option<Vec<Failure>> {
    let mut all = Vec::new();
    for new in others {
        let failures = failures(conditions, new, Some(base))?;
        all.extend(failures.into_iter().map(|failure| Failure { new: Some(new.source.clone()), ..failure }));
    }
    Some(all)
}
