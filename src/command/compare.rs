//! `neurotop compare BASE NEW…`: counts or reads runs, each once, and prints how their figures differ.

use super::count::Source;
use super::finish;
use super::signals::leave_signals;
use crate::figures::checks::failures;
use crate::figures::condition::Condition;
use crate::figures::{ComparedRun, Comparison, Failure};
use crate::options::cli::CompareArgs;
use crate::options::config::Config;
use crate::options::settings::{self, RunSettings};
use std::process::ExitCode;

pub(super) fn compare(args: CompareArgs) -> anyhow::Result<ExitCode> {
    let config = &Config::load(args.run.config.as_deref())?;
    let (run, format) = (RunSettings::new(args.run, config), settings::format(args.format, config));
    run.begin()?;
    for export in &run.exports {
        export.check()?;
    }
    let base = Source::open(&args.base, &run)?;
    let others = args.new.iter().map(|path| Source::open(path, &run));
    let others = others.collect::<anyhow::Result<Vec<_>>>()?;
    let signals = leave_signals()?;
    let base = base.compared(&run, &signals)?;
    let others = others.into_iter().map(|source| source.compared(&run, &signals));
    let others = others.collect::<anyhow::Result<Vec<_>>>()?;
    let mut comparison = Comparison::new(&base, &others);
    comparison.failed = all_failures(&run.fail_if, &base, &others);
    let exported = finish::write_exports(&run.exports, &comparison);
    let printed = finish::print(&comparison, format, run.symbols)?;
    finish::name_set_aside(&comparison, format);
    finish::name_failures(None, comparison.failed.as_deref(), Some(format));
    let leaves_out = comparison.runs().any(ComparedRun::leaves_out);
    Ok(finish::exit_code(exported && printed, comparison.failed.as_deref(), leaves_out))
}

/// The conditions that any of the runs fails; `None` where there are no conditions.
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
