//! The `neurotop` command.

use clap::Parser;
use neurotop::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    match neurotop::command::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("neurotop: {error:#}");
            ExitCode::FAILURE
        }
    }
}
