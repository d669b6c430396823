//! `neurotop completions SHELL`: prints a completion script.

use super::output;
use crate::options::cli::Cli;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::process::ExitCode;

pub(super) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "neurotop", &mut script);
    output::print_alone(&with_directories(shell, String::from_utf8(script)?).into_bytes())
}

/// The script, with directories where a subcommand can stand: `neurotop DIR` is `neurotop watch DIR`.
fn with_directories(shell: Shell, script: String) -> String {
    match shell {
        Shell::Bash => {
            let script = script.replace("complete -F _neurotop -o", "complete -F _neurotop_or_directory -o");
            format!("{BASH}{script}")
        }
        Shell::Zsh => script.replacen(ZSH_COMMANDS, ZSH_COMMANDS_AND_DIRECTORIES, 1),
        Shell::Fish => format!("{script}{FISH}"),
        _ => script,
    }
}

const BASH: &str = r#"_neurotop_or_directory() {
    _neurotop "$@"
    local directory
    if [[ ${COMP_CWORD} -eq 1 && ${COMP_WORDS[1]} != -* ]]; then
        while IFS= read -r directory; do
            COMPREPLY+=("${directory}")
        done < <(compgen -d -- "${COMP_WORDS[1]}")
        # It knows how to quote their names.
        type compopt > /dev/null 2>&1 && compopt -o filenames
    fi
}

"#;

const ZSH_COMMANDS: &str = "    _describe -t commands 'neurotop commands' commands \"$@\"\n";

const ZSH_COMMANDS_AND_DIRECTORIES: &str = "    local ret=1
    _describe -t commands 'neurotop commands' commands \"$@\" && ret=0
    _directories && ret=0
    return ret
";

const FISH: &str =
    "complete -c neurotop -n \"__fish_neurotop_needs_command\" -f -a \"(__fish_complete_directories)\"
";
