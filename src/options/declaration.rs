//! What is said of an option, and the macro that makes the table of them and the struct of their values.

use clap::builder::ValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};
use std::ffi::{OsStr, OsString};

/// An option that the command line and the configuration file share.
#[derive(Debug, Clone, Copy)]
pub struct Declaration {
    /// `--NAME` on the command line, `NAME = …` in the file.
    pub name: &'static str,
    /// What it does: a sentence without a full stop.
    pub help: &'static str,
    pub kind: ValueKind,
    /// What the help calls its value.
    pub value_name: &'static str,
    pub short: Option<char>,
    /// The subcommands that have it.
    pub commands: &'static [&'static str],
    /// Where its value in the file applies.
    pub scope: FileScope,
    /// The default, written as on the command line, unless there is none or it depends on the machine.
    pub default: Option<&'static str>,
    /// The default in words, where the text of it does not say enough.
    pub default_in_words: &'static str,
    /// Two values for the documentation and the tests; the first is not the default. A switch needs none.
    pub examples: [&'static str; 2],
    /// What `--no-NAME` does, of a switch.
    pub opposite: &'static str,
    pub(super) opposite_name: &'static str,
    pub(super) parser: fn() -> ValueParser,
    /// Says what is wrong with a value.
    pub(super) check: fn(&OsStr) -> Result<(), String>,
}

/// The form of a value in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// `true` or `false`; `--NAME` or `--no-NAME` on the command line.
    Switch,
    Number,
    Text,
    /// A text or several. Repeatable on the command line, whose values are added to those in the file.
    List,
    /// `"KEY" = NUMBER` below the heading `[NAME]`: `--NAME KEY=NUMBER`, repeatable as a list is.
    Table,
}

/// Where the value that the file gives an option applies. The command line applies wherever it can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileScope {
    Everywhere,
    /// Neither in the demo, which is not the user's run, nor to a shard, whose figures are a part of a run's.
    WholeRuns,
    Watch,
}

/// What the values of the options are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Runs are followed until the user leaves.
    Watch,
    /// Whole runs are counted, merged, compared or examined once.
    Once,
    Shard,
    Demo,
}

impl Purpose {
    /// What a subcommand wants them for; `summary --shard` wants them for a shard.
    pub(super) fn for_command(command: &str) -> Self {
        match command {
            "watch" => Self::Watch,
            "demo" => Self::Demo,
            _ => Self::Once,
        }
    }
}

impl FileScope {
    pub(super) fn includes(self, purpose: Purpose) -> bool {
        match self {
            Self::Everywhere => true,
            Self::WholeRuns => matches!(purpose, Purpose::Watch | Purpose::Once),
            Self::Watch => purpose == Purpose::Watch,
        }
    }
}

impl Declaration {
    /// An option without a default that no command has yet. The macro calls this.
    pub(super) const fn new(
        [name, opposite_name]: [&'static str; 2],
        help: &'static str,
        parser: fn() -> ValueParser,
        check: fn(&OsStr) -> Result<(), String>,
    ) -> Self {
        Self {
            name,
            help,
            kind: ValueKind::Text,
            value_name: "",
            short: None,
            commands: &[],
            scope: FileScope::Everywhere,
            default: None,
            default_in_words: "",
            examples: ["", ""],
            opposite: "",
            opposite_name,
            parser,
            check,
        }
    }

    /// Whether it can be given more than once.
    pub fn is_repeatable(&self) -> bool {
        matches!(self.kind, ValueKind::List | ValueKind::Table)
    }

    /// The values that it can have, if it has a name for each.
    pub(super) fn choices(&self) -> Vec<String> {
        let parser = (self.parser)();
        let choices = parser.possible_values();
        choices.into_iter().flatten().map(|choice| choice.get_name().to_owned()).collect()
    }

    /// Its arguments for clap: one, or of a switch two.
    pub(super) fn arguments(&self) -> Vec<Arg> {
        let argument = Arg::new(self.name).long(self.name).help(self.argument_help());
        if self.kind == ValueKind::Switch {
            let opposite = Arg::new(self.opposite_name).long(self.opposite_name).help(self.opposite);
            return vec![
                argument.action(ArgAction::SetTrue).overrides_with(self.opposite_name),
                opposite.action(ArgAction::SetTrue).overrides_with(self.name),
            ];
        }
        let argument = argument
            .value_name(self.value_name)
            .value_parser((self.parser)())
            .allow_negative_numbers(self.kind == ValueKind::Number)
            .action(if self.is_repeatable() { ArgAction::Append } else { ArgAction::Set });
        vec![match self.short {
            Some(short) => argument.short(short),
            None => argument,
        }]
    }

    fn argument_help(&self) -> String {
        let help = self.help.trim_start();
        let repeatable = if self.is_repeatable() { "; repeatable" } else { "" };
        match (self.default_in_words, self.default) {
            ("", Some(default)) if self.kind != ValueKind::Switch => format!("{help} [default: {default}]"),
            ("", _) => format!("{help}{repeatable}"),
            (words, _) => format!("{help}{repeatable} [default: {words}]"),
        }
    }

    /// Its values on a command line, where it is given there.
    pub(super) fn given(&self, matches: &ArgMatches) -> Option<Vec<OsString>> {
        let is_given = |id: &str| {
            matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine)
        };
        if self.kind == ValueKind::Switch && is_given(self.opposite_name) {
            return Some(vec!["false".into()]);
        }
        let is_given = is_given(self.name);
        is_given.then(|| matches.get_raw(self.name).into_iter().flatten().map(OsStr::to_owned).collect())
    }
}

/// Declares the options:
///
/// ```text
/// /// What it does
/// "its-name" its_field: TypeOfTheField = parser_of_one_value, { property of Declaration: value, … }
/// ```
///
/// The type of the field is that of one value where there is a default, `Option` of it where there may be none, `Vec`
/// of it where the option is repeatable, and [`super::Said`] of it where it matters who gave the value.
macro_rules! declare_options {
    ($(
        $(#[doc = $help:literal])+
        $name:literal $field:ident: $type:ty = $parser:expr, { $($property:ident: $value:expr),+ $(,)? }
    )+) => {
        #[allow(non_upper_case_globals)]
        mod declared {
            use super::*;

            $(pub(super) const $field: Declaration = Declaration {
                $($property: $value,)+
                ..Declaration::new(
                    [$name, concat!("no-", $name)],
                    concat!($($help),+),
                    || ValueParser::new($parser),
                    |text| parse(&$parser, text).map(drop),
                )
            };)+
        }

        /// All of them, in the order of the help.
        pub const OPTIONS: &[Declaration] = &[$(declared::$field),+];

        /// The value of each option: the command line's, else the file's, else the default.
        #[derive(Debug, Clone)]
        pub struct OptionValues {
            /// The configuration file that was read.
            pub file: Option<PathBuf>,
            /// The keys of the dashboard.
            pub keys: Arc<KeyTable>,
            $($(#[doc = $help])+ pub $field: $type,)+
        }

        impl OptionValues {
            /// # Errors
            /// Where a value cannot be parsed, which the command line and the file have made sure of before.
            pub fn resolve(
                command_line: &CommandLine,
                config: &Config,
                purpose: Purpose,
            ) -> anyhow::Result<Self> {
                let layers = [&command_line.values, &config.values];
                Ok(Self {
                    file: config.file.clone(),
                    keys: Arc::clone(&config.keys),
                    $($field: value(&declared::$field, &$parser, layers, purpose)?,)+
                })
            }

            /// The value of the option with this name, for comparing.
            #[cfg(test)]
            pub(super) fn debug(&self, name: &str) -> String {
                match name {
                    $($name => format!("{:?}", self.$field),)+
                    _ => panic!("no option {name}"),
                }
            }
        }
    };
}

pub(super) use declare_options;

#[cfg(test)]
mod tests {
    use super::super::cli::{Cli, CommandLine};
    use super::super::config::Config;
    use super::*;
    use crate::options::{OPTIONS, OptionValues};
    use clap::CommandFactory;
    use std::collections::HashSet;

    /// Two values of an option: each as words of a command line and as a line of the file.
    fn values(option: &Declaration) -> [(Vec<String>, String); 2] {
        if option.kind == ValueKind::Switch {
            let is_on = option.default == Some("true");
            return [!is_on, is_on].map(|is_on| {
                let word = if is_on { option.name } else { option.opposite_name };
                (vec![format!("--{word}")], format!("{} = {is_on}", option.name))
            });
        }
        option
            .examples
            .map(|example| (vec![format!("--{}", option.name), example.to_owned()], option.line(&[example])))
    }

    /// The value of an option with these words and this text of a file.
    fn value(option: &Declaration, command: &str, words: &[String], file: &str) -> String {
        let positional: &[&str] = if command == "compare" { &["x", "y"] } else { &["x"] };
        let positional = if command == "demo" { &[] } else { positional };
        let start = ["neurotop", command].into_iter().chain(positional.iter().copied()).map(OsString::from);
        let cli = Cli::from_words(start.chain(words.iter().map(OsString::from))).expect(option.name);
        let config = Config::parse(file).expect(option.name);
        let command_line: &CommandLine = cli.command.options().expect("a command with options");
        let values =
            OptionValues::resolve(command_line, &config, Purpose::for_command(command)).expect(option.name);
        // Who gave a value is another question.
        values.debug(option.name).split(", origin").next().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_that_over_the_default() {
        for option in OPTIONS {
            let [(first_words, first_line), (second_words, second_line)] = &values(option);
            assert!(!option.commands.is_empty(), "{}", option.name);
            for &command in option.commands {
                let value = |words: &[String], file: &str| value(option, command, words, file);
                let about = format!("{command} --{}", option.name);
                let (default, first) = (value(&[], ""), value(first_words, ""));
                let second = value(second_words, "");
                assert!(default != first && first != second, "{about}: {default} {first} {second}");
                let applies = match option.scope {
                    FileScope::Everywhere => true,
                    FileScope::WholeRuns => command != "demo",
                    FileScope::Watch => command == "watch",
                };
                assert_eq!(value(&[], first_line), if applies { first } else { default.clone() }, "{about}");
                let both = match option.is_repeatable() && applies {
                    true => value(&[first_words.as_slice(), second_words].concat(), ""),
                    false => second,
                };
                assert_eq!(value(second_words, first_line), both, "{about}");
                if let (Some(default_text), false) = (option.default, option.kind == ValueKind::Switch) {
                    let words = [format!("--{}", option.name), default_text.to_owned()];
                    assert_eq!(value(&words, second_line), default, "{about}");
                }
            }
        }
    }

    #[test]
    fn a_shard_has_nothing_of_the_file_that_is_about_a_whole_run() {
        for option in OPTIONS {
            let [(_, line), _] = values(option);
            let config = Config::parse(&line).expect(option.name);
            let shard = OptionValues::resolve(&CommandLine::default(), &config, Purpose::Shard);
            let default = OptionValues::resolve(&CommandLine::default(), &Config::default(), Purpose::Shard);
            let [shard, default] =
                [shard, default].map(|values| values.expect(option.name).debug(option.name));
            assert_eq!(shard != default, option.scope == FileScope::Everywhere, "{}", option.name);
        }
    }

    #[test]
    fn declarations_are_whole() {
        let names: HashSet<&str> = OPTIONS.iter().map(|option| option.name).collect();
        assert_eq!(names.len(), OPTIONS.len(), "a name is declared twice");
        let commands = Cli::command();
        for option in OPTIONS {
            let name = option.name;
            assert!(
                option.commands.iter().all(|command| commands.find_subcommand(command).is_some()),
                "{name}"
            );
            assert!(!option.help.trim().is_empty() && !option.help.ends_with('.'), "{name}");
            let is_switch = option.kind == ValueKind::Switch;
            assert_eq!(is_switch, !option.opposite.is_empty(), "{name}");
            assert_eq!(is_switch, option.value_name.is_empty(), "{name}");
        }
    }
}
