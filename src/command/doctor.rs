//! `neurotop doctor PATH`: what a directory is, what is in it, and what is wrong with which file.

use super::output;
use crate::doctor::{Diagnosis, DoctorOptions, PathKind};
use crate::options::cli::{DoctorArgs, DoctorFormat};
use crate::options::config::Config;
use crate::options::settings::{self, RunSettings};
use crate::run::prices::{Costs, LayerDefaults};
use std::process::ExitCode;

/// Something is wrong.
const WRONG: u8 = 3;

pub(super) fn doctor(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let config = &Config::load(args.config.as_deref())?;
    let run = RunSettings::new(args.as_run(), config);
    run.links.apply();
    let options = DoctorOptions {
        costs: Costs::with_rules(run.costs.iter().cloned()),
        neurons: LayerDefaults::parse(&run.neurons),
        resets: LayerDefaults::parse(&run.resets),
        deep: args.deep,
        state: settings::state(args.state.as_ref(), config),
    };
    let diagnosis = Diagnosis::for_path(&args.path, &options);
    let text = match args.format {
        DoctorFormat::Text => diagnosis.text(),
        DoctorFormat::Json => serde_json::to_string_pretty(&diagnosis)? + "\n",
    };
    output::print(&text, run.symbols)?;
    Ok(match diagnosis.kind {
        PathKind::Missing | PathKind::Other => ExitCode::FAILURE,
        _ if diagnosis.is_wrong() => ExitCode::from(WRONG),
        _ => ExitCode::SUCCESS,
    })
}
