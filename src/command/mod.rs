//! The subcommands, one file each, and what they share.

mod bar;
mod bench;
mod check;
mod compare;
mod completions;
mod config;
mod count;
mod demo;
mod display;
mod doctor;
mod exporter;
mod finish;
mod leaving;
mod man;
mod merge;
mod output;
mod plain;
mod recorder;
mod session;
mod signals;
mod summary;
mod watch;

pub use output::{explain, say};

use crate::options::cli::{Cli, Command};
use std::process::ExitCode;

/// Carries out a command line.
///
/// # Errors
/// Where nothing could be done; the exit code is 1 then.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Watch(args) => watch::watch(args),
        Command::Summary(args) => summary::summary(args),
        Command::Merge(args) => merge::merge(args),
        Command::Compare(args) => compare::compare(args),
        Command::Demo(args) => demo::demo(args),
        Command::Doctor(args) => doctor::doctor(args),
        Command::Config(args) => config::config(args),
        Command::Bench(args) => bench::bench(args),
        Command::Recorder => recorder::recorder(),
        Command::Completions { shell } => completions::completions(shell),
        Command::Man => man::man(),
    }
}
