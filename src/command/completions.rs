//! `neurotop completions SHELL`: prints a completion script.

use super::output;
use crate::options::cli::Cli;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::process::ExitCode;

pub(super) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "neurotop", &mut script);
    output::print_alone(&script)
}
