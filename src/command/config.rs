//! `neurotop config`: the default configuration file, where the user's is looked for, whether one is right.

use super::output;
use crate::options::cli::{ConfigArgs, KeepArgs};
use crate::options::config::{Config, default_path, default_text};
use crate::options::settings;
use crate::text::shown;
use anyhow::Context;
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) fn config(args: ConfigArgs) -> anyhow::Result<ExitCode> {
    let text = match args.check {
        Some(file) => check(file)?,
        None if args.path => format!("{}\n", path()?.display()),
        None => default_text(),
    };
    output::print_alone(text.as_bytes())
}

fn path() -> anyhow::Result<PathBuf> {
    default_path().context("there is no configuration directory; set HOME, or name a file with --config")
}

/// What there is to say of a configuration that is not wrong. Only the one of the user may be missing.
fn check(named: Option<PathBuf>) -> anyhow::Result<String> {
    let is_named = named.is_some();
    let path = named.map_or_else(path, Ok)?;
    if !is_named && !path.is_file() {
        return Ok(format!("{} does not exist; the defaults apply\n", shown(&path)));
    }
    let config = Config::read(&path)?;
    // Each option may be right, and two of them not go together.
    settings::keeping(&KeepArgs::default(), &config).map_err(anyhow::Error::msg)?;
    Ok(format!("{} is right\n", shown(&path)))
}
