//! `neurotop merge PART…`: merges the parts of a run, one for each shard, and prints the figures as of one pass.

use super::check::{begin, checks};
use super::{finish, output};
use crate::options::cli::CommandLine;
use crate::options::{OptionValues, Purpose};
use crate::run::{Merge, RunPart, StatePlace};
use crate::text::shown;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

pub(super) fn merge(parts: &[PathBuf], given: &CommandLine) -> anyhow::Result<ExitCode> {
    let mut options = OptionValues::load(given, Purpose::Once)?;
    begin(&options, &StatePlace::Nowhere, &parts.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    let mut merge = Merge::default();
    for path in parts {
        merge.add(path, RunPart::read(path)?)?;
    }
    // A baseline that has to be counted is counted with the rules of the parts.
    let counted = merge.settings()?;
    options.cost = counted.costs.rules().collect();
    (options.neuron, options.reset) = (counted.neurons.values(), counted.resets.values());
    let mut merged = merge.finish(options.stall_after)?;
    merged.run.set_energy(options.energy_per_op);
    let (checks, _signals) = checks(&options)?;
    let summary = checks.summarize(&merged.run, SystemTime::now());
    let code = finish::report_runs(&[summary], &options, true)?;
    for path in &merged.before_end {
        output::say(&format!(
            "{}: made before the run, or a rank of it, ended; count its shard again",
            shown(path)
        ));
    }
    Ok(code)
}
