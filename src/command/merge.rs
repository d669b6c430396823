//! `neurotop merge PART…`: merges the parts of a run, one of each shard, and prints the figures of one pass.

use super::check::{checks, open_baseline};
use super::signals::leave_signals;
use super::{finish, output};
use crate::figures::Summary;
use crate::options::cli::MergeArgs;
use crate::options::config::Config;
use crate::options::settings::{self, RunSettings};
use crate::run::{Merge, RunPart};
use crate::text::shown;
use std::process::ExitCode;
use std::time::SystemTime;

pub(super) fn merge(args: MergeArgs) -> anyhow::Result<ExitCode> {
    let config = &Config::load(args.config.as_deref())?;
    let (mut run, format) = (RunSettings::new(args.as_run(), config), settings::format(args.format, config));
    for export in &run.exports {
        export.check()?;
    }
    let mut merge = Merge::default();
    for path in &args.parts {
        merge.add(path, RunPart::read(path)?)?;
    }
    // A baseline that is yet to be counted is counted as the parts were.
    let counted = merge.settings()?;
    run.costs = counted.costs.rules().collect();
    (run.neurons, run.resets) = (counted.neurons.values(), counted.resets.values());
    let merged = merge.finish(run.stall_after)?;
    let baseline = open_baseline(settings::baseline(args.baseline.as_deref(), config), &run)?;
    let checks = checks(baseline, &run, &leave_signals()?)?;
    let mut summary = Summary::of(&merged.run, SystemTime::now());
    checks.apply(&mut summary);
    let exported = finish::write_exports(&run.exports, &summary);
    let printed = finish::print(&summary, format, run.symbols)?;
    for path in &merged.before_end {
        output::say(&format!(
            "{}: made before the run, or a rank of it, ended; count its shard again",
            shown(path)
        ));
    }
    finish::name_problems(std::slice::from_ref(&summary), Some(format));
    finish::name_failures(None, summary.failed.as_deref(), Some(format));
    Ok(finish::exit_code(exported && printed, summary.failed.as_deref(), summary.leaves_out()))
}
