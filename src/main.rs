//! The `neurotop` command.

use neurotop::command::{explain, say};
use neurotop::options::cli::Cli;
use neurotop::platform::streams;
use std::process::ExitCode;

fn main() -> ExitCode {
    streams::expect_limits();
    let cli = match Cli::from_words(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    match neurotop::command::run(cli) {
        Ok(code) => code,
        Err(error) => match error.downcast::<clap::Error>() {
            // Some errors of a command line show only together with the configuration.
            Ok(error) => explain(&error),
            Err(error) => {
                say(&format!("{error:#}"));
                ExitCode::FAILURE
            }
        },
    }
}
