//! The default configuration file: every option and every key of the dashboard, commented out, with what it does.

use super::declaration::{Declaration, FileScope, Purpose, ValueKind};
use super::table::OPTIONS;
use crate::dashboard::BINDINGS;

/// The longest line of a comment.
const WIDTH: usize = 100;

const HEAD: &str = "\
The configuration of neurotop. A line that is commented out shows the default, or an example where there is none; to \
change it, remove the #. The command line wins over this file. An option that can be repeated there adds to the values \
here, and --no-NAME turns off what is true here. To ignore this file: --config /dev/null.";

const HEADINGS: &str = "\
What stands below a heading in brackets belongs to that heading, so keep the options above it.";

const KEYS: &str = "\
The keys of the dashboard: a key or a list of keys for each action, [] for none. Keys are written q, Q, ctrl-c, alt-x, \
shift-tab, f1, enter, esc, space, tab, backspace, delete, insert, left, right, up, down, pgup, pgdn, home, end, minus. \
Ctrl-C always leaves. A key can have one action only.";

/// The text of the default configuration file.
pub fn default_text() -> String {
    let is_table = |option: &&Declaration| option.kind == ValueKind::Table;
    let mut text = comment(HEAD);
    for option in OPTIONS.iter().filter(|option| !is_table(option)) {
        text += &format!("\n{}#{}\n", comment(&option.in_the_file()), option.line(&option.shown_values()));
    }
    text += &format!("\n{}", comment(HEADINGS));
    for option in OPTIONS.iter().filter(is_table) {
        let line = option.line(&option.shown_values()).replace('\n', "\n#");
        text += &format!("\n{}{line}\n", comment(&option.in_the_file()));
    }
    text += &format!("\n{}[keys]\n", comment(KEYS));
    for binding in &BINDINGS {
        let keys: Vec<String> = binding.keys.iter().map(|key| format!("{key:?}")).collect();
        let action = comment(&sentence(binding.help));
        text += &format!("\n{action}#{} = [{}]\n", binding.name, keys.join(", "));
    }
    text
}

impl Declaration {
    /// Its line in a configuration file, with values that are written as on the command line.
    pub(super) fn line(&self, values: &[&str]) -> String {
        let name = self.name;
        let quoted: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
        match self.kind {
            ValueKind::Switch | ValueKind::Number => format!("{name} = {}", values.concat()),
            ValueKind::Text => format!("{name} = {}", quoted.concat()),
            ValueKind::List => format!("{name} = [{}]", quoted.join(", ")),
            ValueKind::Table => {
                let row = |value: &&str| {
                    value.rsplit_once('=').map(|(key, number)| format!("\n{key:?} = {number}"))
                };
                format!("[{name}]{}", values.iter().filter_map(row).collect::<String>())
            }
        }
    }

    /// What the default file shows as its value.
    fn shown_values(&self) -> Vec<&'static str> {
        match (self.default, self.kind) {
            (Some(default), _) => vec![default],
            (None, ValueKind::Switch) => vec!["true"],
            (None, _) if self.is_repeatable() => self.examples.to_vec(),
            (None, _) => vec![self.examples[0]],
        }
    }

    /// What the default file says about it.
    fn in_the_file(&self) -> String {
        let default = match (self.default_in_words, self.default) {
            ("", Some(_)) => String::new(),
            ("", None) => " Default: none.".to_owned(),
            (words, _) => format!(" Default: {words}."),
        };
        let applies = |command: &&&str| self.scope.includes(Purpose::for_command(command));
        let choices = match self.choices() {
            choices if choices.is_empty() || self.kind == ValueKind::Switch => String::new(),
            choices => format!(" One of {}.", choices.join(", ")),
        };
        let commands: Vec<&str> = self.commands.iter().filter(applies).copied().collect();
        let shard = if self.scope == FileScope::WholeRuns { "; not for a shard" } else { "" };
        let help = sentence(self.help.trim_start());
        format!("{help}{choices}{default} For neurotop {}{shard}.", list(&commands))
    }
}

/// `a, b and c`.
fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A text with a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map_or(String::new(), |first| first.to_uppercase().collect());
    format!("{first}{}.", characters.as_str())
}

/// A text as lines of a comment.
fn comment(text: &str) -> String {
    wrapped(text, WIDTH - 2).iter().map(|line| format!("# {line}\n")).collect()
}

/// A text in lines of at most so many bytes, unless a word is longer.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < width => *line += &format!(" {word}"),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::OptionValues;
    use crate::options::cli::CommandLine;
    use crate::options::config::Config;
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
        let values = |config: &Config| {
            OptionValues::resolve(&CommandLine::default(), config, Purpose::Watch).expect("values")
        };
        let config = Config::parse(&uncommented()).expect("a configuration");
        let (defaults, said) = (values(&Config::default()), values(&config));
        for option in OPTIONS.iter().filter(|option| option.default.is_some()) {
            let said = said.debug(option.name).replace("File", "Default");
            assert_eq!(said, defaults.debug(option.name), "{}", option.name);
        }
        assert_eq!(said.keys, defaults.keys);
    }

    #[test]
    fn the_default_file_has_every_option_and_every_action() {
        let table: toml::Table = uncommented().parse().expect("TOML");
        let in_file: BTreeSet<&str> = table.keys().map(String::as_str).collect();
        assert_eq!(in_file, OPTIONS.iter().map(|option| option.name).chain(["keys"]).collect());
        let actions = table["keys"].as_table().expect("a table");
        assert_eq!(actions.len(), BINDINGS.len());
        assert!(BINDINGS.iter().all(|binding| actions.contains_key(binding.name)));
    }

    #[test]
    fn every_option_has_an_explanation_above_it() {
        let text = default_text();
        let lines: Vec<&str> = text.lines().collect();
        for (above, line) in lines.iter().zip(&lines[1..]) {
            if line.starts_with('#') && !line.starts_with("# ") {
                let is_row = above.starts_with("#\"") && line.starts_with("#\"");
                assert!(above.starts_with("# ") || above.starts_with('[') || is_row, "{line}");
            }
            assert!(line.len() <= WIDTH, "{line}");
        }
    }
}
