//! The subcommands, one file each, and what they share.

mod completions;
mod demo;
mod finish;
mod man;
mod plain;
mod session;
mod signals;
mod summary;
mod watch;

use crate::cli::{Cli, Command};
use std::process::ExitCode;

/// Carries out a command line.
///
/// # Errors
/// Where nothing could be done; the exit code is 1 then.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Some(Command::Watch(args)) => watch::watch(args),
        Some(Command::Summary(args)) => summary::summary(args),
        Some(Command::Demo(args)) => demo::demo(args),
        Some(Command::Completions { shell }) => completions::completions(shell),
        Some(Command::Man) => man::man(),
        None => match cli.watch {
            Some(args) => watch::watch(args),
            None => anyhow::bail!("name a run's directory, or see --help"),
        },
    }
}
