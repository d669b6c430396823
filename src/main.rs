//! The `neurotop` command.

use neurotop::cli::Cli;
use neurotop::command::say;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::from_words(std::env::args_os()).unwrap_or_else(|error| error.exit());
    match neurotop::command::run(cli) {
        Ok(code) => code,
        Err(error) => match error.downcast::<clap::Error>() {
            // What is wrong with a command line may show only beside the configuration.
            Ok(error) => error.exit(),
            Err(error) => {
                say(&format!("{error:#}"));
                ExitCode::FAILURE
            }
        },
    }
}
