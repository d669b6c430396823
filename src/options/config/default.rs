//! The default configuration file: every option with a line about it, commented out.

use crate::dashboard::BINDINGS;

/// All of it but the actions of the dashboard, which come from the table of keys.
const OPTIONS: &str = include_str!("../../../assets/config.toml");

/// The text of the default configuration file.
pub fn default_text() -> String {
    let mut text = OPTIONS.to_owned();
    for binding in &BINDINGS {
        let keys: Vec<String> = binding.keys.iter().map(|key| format!("{key:?}")).collect();
        text += &format!("\n# {}\n#{} = [{}]\n", sentence(binding.help), binding.name, keys.join(", "));
    }
    text
}

/// A text with a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map_or(String::new(), |first| first.to_uppercase().collect());
    format!("{first}{}.", characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::KeyTable;
    use crate::options::cli::{Cli, RunArgs};
    use crate::options::config::{Config, FIELDS};
    use crate::options::settings::RunSettings;
    use clap::CommandFactory;
    use std::collections::BTreeSet;

    /// The file without the marks of what is commented out; explanations have a space behind theirs.
    fn uncommented() -> String {
        let text = default_text();
        let line = |line: &str| match line.strip_prefix('#') {
            Some(option) if !option.starts_with(' ') => option.to_owned(),
            _ => line.to_owned(),
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_default_file_changes_nothing() {
        assert_eq!(Config::parse(&default_text()), Ok(Config::default()));
    }

    #[test]
    fn the_default_file_says_what_the_defaults_are() {
        let config = Config::parse(&uncommented()).expect("a configuration");
        let defaults = RunSettings::new(RunArgs::default(), &Config::default());
        let said = RunSettings::new(RunArgs::default(), &config);
        assert_eq!((said.settle, said.stall_after), (defaults.settle, defaults.stall_after));
        assert_eq!(config.pace, Some(crate::options::settings::PACE));
        assert_eq!(config.priority, Some(crate::options::settings::PRIORITY));
        assert_eq!(config.format, Some(crate::options::settings::FORMAT));
        assert_eq!(config.log_level, Some(crate::run::log::Level::default()));
        assert_eq!(config.theme, Some(crate::dashboard::ThemeName::default()));
        assert_eq!(
            (config.mouse, config.compact, config.exit_when_finished),
            (Some(true), Some(false), Some(false))
        );
        assert_eq!(config.key_table(), Ok(KeyTable::default()));
        assert_eq!(config.keys.len(), BINDINGS.len());
    }

    #[test]
    fn the_default_file_names_every_option_of_the_command_line() {
        let table: toml::Table = uncommented().parse().expect("TOML");
        let in_file: BTreeSet<&str> = table.keys().map(String::as_str).collect();
        assert_eq!(in_file, BTreeSet::from(FIELDS), "every field");
        let command = Cli::command();
        let commands = command
            .get_subcommands()
            .filter(|command| ["watch", "summary", "merge", "compare", "demo"].contains(&command.get_name()));
        let own = |name: &&str| !["config", "help"].contains(name) && !name.starts_with("no-");
        let mut options: BTreeSet<&str> = commands
            .flat_map(|command| command.get_opts())
            .filter_map(|option| option.get_long())
            .filter(own)
            .collect();
        let keys_are_no_option = options.insert("keys");
        assert!(keys_are_no_option);
        assert_eq!(in_file, options, "every option");
    }

    #[test]
    fn every_option_has_an_explanation_above_it() {
        let text = default_text();
        let lines: Vec<&str> = text.lines().collect();
        for (above, line) in lines.iter().zip(&lines[1..]) {
            if line.starts_with('#') && !line.starts_with("# ") {
                assert!(above.starts_with("# ") || above.starts_with('['), "{line}");
            }
        }
    }
}
