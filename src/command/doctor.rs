//! `neurotop doctor PATH`: says what a directory is, what is in it, and what is wrong with which file.

use super::output;
use crate::doctor::{Diagnosis, DoctorOptions, PathKind};
use crate::options::cli::{CommandLine, DoctorFormat};
use crate::options::{OptionValues, Purpose};
use std::path::Path;
use std::process::ExitCode;

/// The exit code where something is wrong.
const WRONG: u8 = 3;

pub(super) fn doctor(
    path: &Path,
    deep: bool,
    format: DoctorFormat,
    given: &CommandLine,
) -> anyhow::Result<ExitCode> {
    let options = OptionValues::load(given, Purpose::Once)?;
    options.links().apply();
    let [neurons, resets] = options.layer_defaults();
    let (state, stall_after) = (options.state.value.clone(), options.stall_after);
    let settings = DoctorOptions { costs: options.costs(), neurons, resets, deep, stall_after, state };
    let diagnosis = Diagnosis::for_path(path, &settings);
    let text = match format {
        DoctorFormat::Text => diagnosis.text(),
        DoctorFormat::Json => serde_json::to_string_pretty(&diagnosis)? + "\n",
    };
    output::print(&text, options.symbols())?;
    Ok(match diagnosis.kind {
        PathKind::Missing | PathKind::Other => ExitCode::FAILURE,
        _ if diagnosis.is_wrong() => ExitCode::from(WRONG),
        _ => ExitCode::SUCCESS,
    })
}
