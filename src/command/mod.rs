//! The subcommands, one file each, and what they share: following a run (`session.rs`, `count.rs`, `check.rs`), showing
//! it (`display.rs`, `plain.rs`, `bar.rs`), and ending (`signals.rs`, `leaving.rs`, `exporter.rs`, `finish.rs`,
//! `output.rs`). A command reads its options, calls the other modules and sets the exit code. It computes no figures, and
//! only `main.rs` uses it.

mod bar;
mod bench;
mod caller;
mod check;
mod compare;
mod completions;
mod config;
mod count;
mod demo;
mod display;
mod doctor;
mod explain;
mod export;
mod exporter;
mod finish;
mod here;
mod hook;
mod leaving;
mod man;
mod merge;
mod notify;
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

/// Runs the subcommand of a command line.
///
/// # Errors
/// Where nothing could be done. The exit code is then 1, or 2 for a [`clap::Error`].
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Watch { dir, more, options } => watch::watch(dir.as_deref(), &more, &options),
        Command::Summary { dir, options } => summary::summary(&dir, &options),
        Command::Merge { parts, options } => merge::merge(&parts, &options),
        Command::Compare { base, new, options } => compare::compare(&base, &new, &options),
        Command::Export { exports, options } => export::export(&exports, &options),
        Command::Demo { options } => demo::demo(&options),
        Command::Doctor { path, deep, format, options } => doctor::doctor(&path, deep, format, &options),
        Command::Explain { dir, layer, format, options } => {
            explain::explain(&dir, layer.as_deref(), format, &options)
        }
        Command::Config { path, check } => config::config(path, check),
        Command::Bench(args) => bench::bench(&args),
        Command::Recorder => recorder::recorder(),
        Command::Completions { shell } => completions::completions(shell),
        Command::Man => man::man(),
    }
}
