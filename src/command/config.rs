//! `neurotop config`: prints the default configuration file or the path of the user's, or checks one.

use super::output;
use crate::options::cli::CommandLine;
use crate::options::config::{Config, default_path};
use crate::options::{OptionValues, Purpose, default_text};
use crate::text::shown;
use anyhow::Context;
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) fn config(is_path: bool, check_file: Option<Option<PathBuf>>) -> anyhow::Result<ExitCode> {
    let text = match check_file {
        Some(file) => check(file)?,
        None if is_path => format!("{}\n", path()?.display()),
        None => default_text(),
    };
    output::print_alone(text.as_bytes())
}

fn path() -> anyhow::Result<PathBuf> {
    default_path().context("there is no configuration directory; set HOME, or name a file with --config")
}

/// Says that a configuration is right. Only the user's own may be missing, not one that is named.
fn check(named: Option<PathBuf>) -> anyhow::Result<String> {
    let is_named = named.is_some();
    let path = named.map_or_else(path, Ok)?;
    if !is_named && !path.is_file() {
        return Ok(format!("{} does not exist; the defaults apply\n", shown(&path)));
    }
    let config = Config::read(&path)?;
    // Each option may be right by itself, but not together with another.
    let options = OptionValues::resolve(&CommandLine::default(), &config, Purpose::Watch)?;
    options.keeping().map_err(anyhow::Error::msg)?;
    Ok(format!("{} is right\n", shown(&path)))
}
