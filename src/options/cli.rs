//! The command line: the subcommands, and the arguments that only one of them has. What they share is in `table.rs`.

use super::default_file::wrapped;
use super::parsers::{MAX_ROUNDS, MAX_THREADS, byte_size, location, up_to};
use super::resolve::Layer;
use super::table::OPTIONS;
use crate::figures::FIGURES;
use crate::options::Declaration;
use crate::text::nearest;
use clap::builder::PathBufValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  neurotop demo                                   watch a bundled real run
  neurotop                                        watch the runs below here
  neurotop runs/exp1                              watch a run live
  neurotop runs                                   watch all runs in a directory
  neurotop watch runs/exp1 --export exp1.json     and write its figures on exit
  neurotop watch runs/exp1 --tensorboard tb       and show it in TensorBoard
  neurotop watch runs/exp1 --openmetrics :9464    and let Prometheus scrape it
  neurotop watch /nfs/runs/exp1 --poll 5          on a network drive
  neurotop watch s3://bucket/exp1                 in an object store
  neurotop summary runs/exp1 --format json        the figures as JSON
  neurotop summary runs/exp1 --cost RLeaky:subtract=5
  neurotop summary runs/exp2 --baseline exp1.json --fail-if 'vs-baseline>+2%'
  neurotop summary runs                           all runs in it, in one table
  neurotop compare exp1.json runs/exp2            two runs, and the changes
  neurotop summary runs/exp1 --shard 3/16 -o part3.json
  neurotop merge part*.json                       one run, counted in shards
  neurotop exp1.json                              an exported run again
  neurotop export exp1.json --export exp1.tex     in another format
  neurotop doctor runs/exp1                       what is there, what is wrong
  neurotop explain runs/exp1 lif1                 what a layer costs, and why
  neurotop config                                 every option, and the keys

Exit codes:
  0  everything that was seen is counted
  1  nothing could be done, or something failed: standard output, an export,
     TensorBoard, OpenMetrics, --on-finish
  2  the command line is wrong
  3  counted, but something was set aside or is missing, or NeuroBench's own
     result differs (each is named)
  4  counted, and a --fail-if holds or cannot be decided (each is named)
If several apply, 1 wins over 4, and 4 over 3.";

const CONDITIONS: &str = "\
Conditions of --fail-if are SUBJECT<BOUND, with <, <=, >, >=, == or !=. SUBJECT is
  FIGURE              in total, compared with a number; sparsity also with a %
  vs-baseline.FIGURE  its relative change from the baseline, compared with a %
  vs-baseline         the relative change of effective_ops_per_sample
  layer:NAME.…        any of these, of one layer
  neuron:CLASS.…      any of these, of one neuron class
  total_measured.…    any of these, in total with the measured prices
A figure without a value also fails. FIGURE is one of";

/// How conditions are written, and the figures that they can be about, for a terminal of 80 columns.
fn conditions() -> String {
    let figures = FIGURES.iter().map(|figure| {
        let help = wrapped(figure.help, 52).join(&format!("\n{:28}", ""));
        format!("\n  {:<26}{help}", figure.name)
    });
    std::iter::once(CONDITIONS.to_owned()).chain(figures).collect()
}

const CONFIG: &str = "\
To start one (its directory must exist; an existing file is overwritten):
  neurotop config > \"$(neurotop config --path)\"";

const RECORDER: &str = "\
To use it without installing the Python package, save it where Python finds it:
  neurotop recorder > neurotop_recorder.py";

const CONFIG_FILE: &str = "Read this configuration instead of the one in the user's configuration directory";

/// What `--state` says for a command that only reads it.
const STATE_OF_A_RUN: &str =
    "The progress of the run is kept in FILE; none if nowhere [default: in the user's directory for state]";

/// What `--openmetrics` does for a command that ends before anybody could scrape it.
const TO_A_FILE: &str = "Also write the figures to FILE as OpenMetrics text";

const SHARD_CONFLICTS: [&str; 5] = ["baseline", "energy-per-op", "fail-if", "tensorboard", "openmetrics"];

const DOCTOR: &str = "\
Exit codes:
  0  nothing is wrong
  1  there is no run, or standard output could not be written
  3  something is wrong; each file is named, but of many with the same fault
     only the first (--format json: all)";

const EXPLAIN: &str = "\
The run comes first, as in every other command, so that a shell can complete it and one layer after the other can be \
typed behind it. A price comes from NeuroBench's table or else --cost, cost= of the recorder, or its measurement.";

/// Watches the neuron operations of a running spiking-network benchmark.
///
/// A NeuroBench benchmark dumps the membrane potentials of each batch into a directory; neurotop counts
/// each dump as it arrives and shows effective and dense neuron operations and sparsity, for each layer
/// and in total. The figures equal NeuroBench's own, bit for bit.
#[derive(Debug, Parser)]
#[command(name = "neurotop", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(override_usage = "neurotop [watch] [OPTIONS] [DIR]\n       neurotop <COMMAND> [OPTIONS] …")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Parses a command line whose first word is the program; `neurotop DIR` is `neurotop watch DIR`, also without
    /// DIR.
    ///
    /// # Errors
    /// Where it is wrong, or asks for help or the version.
    pub fn from_words(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut words: Vec<OsString> = words.into_iter().collect();
        let first = words.get(1).filter(|first| !is_own_word(first)).cloned();
        if first.is_some() || words.len() < 2 {
            words.insert(1, "watch".into());
        }
        // Two words that are not options: the first is a mistyped command and not a directory to watch.
        let command = Self::try_parse_from(&words).map_err(|error| match &first {
            Some(first) if error.kind() == ErrorKind::UnknownArgument => {
                mistyped_with_options(first, &words).unwrap_or(error)
            }
            _ => error,
        })?;
        match command.command {
            Command::Watch { dir, more, .. } if !more.is_empty() && !are_exports(dir.as_deref(), &more) => {
                Err(first.and_then(|first| mistyped(&first)).unwrap_or_else(several_runs))
            }
            command => Ok(Self { command }),
        }
    }
}

/// Whether a first word is a subcommand, or asks for help or the version.
fn is_own_word(word: &OsStr) -> bool {
    let Some(word) = word.to_str() else { return false };
    let own = ["help", "-h", "--help", "-V", "--version"];
    own.contains(&word) || Cli::command().find_subcommand(word).is_some()
}

/// Whether all of these can be exported summaries, by their names.
fn are_exports(first: Option<&Path>, more: &[PathBuf]) -> bool {
    let is_export = |path: &Path| path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("json"));
    first.is_none_or(is_export) && more.iter().all(|path| is_export(path))
}

/// The error for several paths that are no exported summaries.
fn several_runs() -> clap::Error {
    let why = "several paths are shown together only if all are exported summaries (.json); to watch several runs, name \
               the directory that holds them";
    Cli::command().error(ErrorKind::TooManyValues, why)
}

/// The error for a first word that is similar to a subcommand and not a path that exists.
fn mistyped(word: &OsStr) -> Option<clap::Error> {
    let meant = similar_command(Path::new(word))?;
    let (word, mut command) = (word.to_str()?, Cli::command());
    let what = format!("there is no command {word:?}; did you mean {meant}?");
    Some(command.error(ErrorKind::InvalidSubcommand, what))
}

/// The same where the subcommand has the options that `watch` has not.
fn mistyped_with_options(word: &OsStr, words: &[OsString]) -> Option<clap::Error> {
    let meant = OsString::from(similar_command(Path::new(word))?);
    let [program, _watch, _word, others @ ..] = words else { return None };
    let is_valid = Cli::try_parse_from([program, &meant].into_iter().chain(others)).is_ok();
    if is_valid { mistyped(word) } else { None }
}

/// The subcommand that a path may be meant for: it does not exist, and is one similar word.
pub fn similar_command(path: &Path) -> Option<String> {
    let word = path.to_str().filter(|word| !word.contains(std::path::is_separator) && !path.exists())?;
    let command = Cli::command();
    let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    nearest(word, &names).map(str::to_owned)
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch a run live, in a dashboard, and leave with its figures
    #[command(after_help = conditions())]
    Watch {
        /// The run's directory or URL (s3://bucket/run), which may not exist yet; or an exported summary (.json); without
        /// it, the runs below the working directory
        #[arg(value_parser = location())]
        dir: Option<PathBuf>,
        /// More exported summaries, to be shown with the first
        #[arg(value_name = "EXPORT")]
        more: Vec<PathBuf>,
        #[command(flatten)]
        options: CommandLine,
    },
    /// Count a run once, or each run in a directory, and print the figures
    #[command(after_help = conditions())]
    #[command(mut_arg("openmetrics", |arg| arg.value_name("FILE").help(TO_A_FILE)))]
    #[command(mut_arg("shard", |arg| arg.conflicts_with_all(SHARD_CONFLICTS)))]
    Summary {
        /// The run's directory or URL (s3://bucket/run), or a directory of runs
        #[arg(value_parser = location())]
        dir: PathBuf,
        #[command(flatten)]
        options: CommandLine,
    },
    /// Merge the parts of a run, one of each shard, into the figures of one pass
    #[command(after_help = conditions())]
    Merge {
        /// The parts, one of each shard, in any order: files that summary --shard K/N DIR -o FILE.json wrote
        #[arg(required = true, value_name = "PART")]
        parts: Vec<PathBuf>,
        #[command(flatten)]
        options: CommandLine,
    },
    /// Compare runs: the figures of each NEW beside those of BASE, and the changes
    #[command(after_help = conditions())]
    Compare {
        /// The run to compare with: its directory or URL, or its summary exported as .json
        #[arg(value_parser = location())]
        base: PathBuf,
        /// The runs to compare, likewise
        #[arg(required = true, value_parser = location())]
        new: Vec<PathBuf>,
        #[command(flatten)]
        options: CommandLine,
    },
    /// Print exported summaries again, or write them in another format
    #[command(after_help = conditions())]
    Export {
        /// Summaries that --export FILE.json wrote, of one run or of several
        #[arg(required = true, value_name = "EXPORT")]
        exports: Vec<PathBuf>,
        #[command(flatten)]
        options: CommandLine,
    },
    /// Watch a bundled real run: a trained network on 192 handwritten digits
    #[command(after_help = "It ends by itself 20 seconds after the run is over, unless a key is pressed.")]
    Demo {
        #[command(flatten)]
        options: CommandLine,
    },
    /// Say what a directory is, what is in it, and what is wrong with which file
    #[command(after_help = DOCTOR)]
    #[command(mut_arg("state", |arg| arg.help(STATE_OF_A_RUN)))]
    Doctor {
        /// A run's directory or URL, a directory of runs, or a batch
        #[arg(value_parser = location())]
        path: PathBuf,
        /// Also count every batch, instead of reading its headers only
        #[arg(long)]
        deep: bool,
        /// The format on standard output
        #[arg(id = "doctor-format", long = "format", value_name = "FORMAT", value_enum, default_value_t)]
        format: DoctorFormat,
        #[command(flatten)]
        options: CommandLine,
    },
    /// Say where the operations of a layer come from: its price, operation by operation, and its updates
    #[command(after_help = EXPLAIN)]
    Explain {
        /// The run's directory or URL (s3://bucket/run)
        #[arg(value_parser = location())]
        dir: PathBuf,
        /// The layer: its name, or the last parts of it [default: the prices of all layers]
        layer: Option<String>,
        /// The format on standard output
        #[arg(id = "explain-format", long = "format", value_name = "FORMAT", value_enum, default_value_t)]
        format: ExplainFormat,
        #[command(flatten)]
        options: CommandLine,
    },
    /// Print the default configuration file, with every option in it, or check one
    #[command(after_help = CONFIG)]
    Config {
        /// Print where the configuration file is looked for
        #[arg(long, conflicts_with = "check")]
        path: bool,
        /// Check FILE, or the configuration file where it is looked for
        #[arg(long, value_name = "FILE")]
        check: Option<Option<PathBuf>>,
    },
    /// Measure how fast this machine reads and counts
    Bench(BenchArgs),
    /// Print the Python module that records a run, as one file
    #[command(after_help = RECORDER)]
    Recorder,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page (roff)
    Man,
}

/// The formats of `doctor`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DoctorFormat {
    /// Lines for people
    #[default]
    Text,
    /// Everything (neurotop.doctor/1)
    Json,
}

/// The formats of `explain`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    /// Lines for people
    #[default]
    Text,
    /// Everything (neurotop.explanation/1)
    Json,
}

/// The arguments of `bench`.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Bytes of potentials in each run that is written and measured, as in 400M or 2G
    #[arg(long, value_name = "BYTES", value_parser = byte_size, default_value = "256M")]
    pub size: u64,
    /// Write the runs into DIR instead of the temporary directory
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Measure in N rounds
    #[arg(long, value_name = "N", default_value = "15", allow_negative_numbers = true, value_parser = up_to::<MAX_ROUNDS>)]
    pub rounds: NonZeroUsize,
    /// Count with N threads [default: one for each core]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = up_to::<MAX_THREADS>)]
    pub threads: Option<NonZeroUsize>,
}

/// What a command line says of the options in the table, and which configuration file it names.
#[derive(Debug, Clone, Default)]
pub struct CommandLine {
    pub config: Option<PathBuf>,
    pub values: Layer,
}

impl Args for CommandLine {
    /// Adds the options that are declared for the subcommand.
    fn augment_args(command: clap::Command) -> clap::Command {
        let name = command.get_name().to_owned();
        let own = OPTIONS.iter().filter(|option| option.commands.contains(&name.as_str()));
        let config =
            Arg::new("config").long("config").value_name("FILE").value_parser(PathBufValueParser::new());
        command.args(own.flat_map(Declaration::arguments)).arg(config.help(CONFIG_FILE))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for CommandLine {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = OPTIONS.iter().filter_map(|option| Some((option.name, option.given(matches)?)));
        Ok(Self { config: matches.get_one("config").cloned(), values: given.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::config::Config;
    use crate::options::{OptionValues, Purpose};

    impl Command {
        pub(in crate::options) fn options(&self) -> Option<&CommandLine> {
            match self {
                Self::Watch { options, .. }
                | Self::Summary { options, .. }
                | Self::Merge { options, .. }
                | Self::Compare { options, .. }
                | Self::Export { options, .. }
                | Self::Demo { options }
                | Self::Explain { options, .. }
                | Self::Doctor { options, .. } => Some(options),
                _ => None,
            }
        }
    }

    fn parse(words: &[&str]) -> Result<Cli, clap::Error> {
        Cli::from_words(std::iter::once("neurotop").chain(words.iter().copied()).map(OsString::from))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_stands_below_the_options_fits_a_terminal_of_80_columns() {
        let root = Cli::command();
        let commands =
            root.get_subcommands().map(|command| command.get_after_help().map(ToString::to_string));
        let texts: Vec<String> = commands.flatten().collect();
        assert!(texts.len() > 5);
        for line in texts.iter().flat_map(|text| text.lines()).chain(EXAMPLES.lines()) {
            // What is no table is wrapped by clap.
            assert!(!line.starts_with("  ") || line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn a_bare_directory_is_watched() {
        for words in [&["runs/exp1"][..], &["watch", "runs/exp1"], &["--poll", "0.5", "runs/exp1"]] {
            let Command::Watch { dir, options, .. } = parse(words).expect("valid").command else {
                panic!("{words:?}")
            };
            assert_eq!(dir, Some(PathBuf::from("runs/exp1")));
            assert_eq!(options.values.contains_key("poll"), words.len() > 2);
        }
        let Command::Watch { dir, .. } = parse(&["./demo"]).expect("valid").command else {
            panic!("a directory")
        };
        assert_eq!(dir, Some(PathBuf::from("./demo")));
        for words in [&[][..], &["watch"], &["--theme", "light"]] {
            let Command::Watch { dir, .. } = parse(words).expect("valid").command else {
                panic!("{words:?}")
            };
            assert_eq!(dir, None, "{words:?}");
        }
        assert!(matches!(parse(&["demo"]).expect("valid").command, Command::Demo { .. }));
    }

    #[test]
    fn of_an_option_and_its_opposite_the_last_counts() {
        for (words, expected) in [
            (&["x"][..], None),
            (&["x", "--ascii"], Some(true)),
            (&["x", "--ascii", "--no-ascii"], Some(false)),
            (&["x", "--no-ascii", "--ascii"], Some(true)),
        ] {
            let cli = parse(words).expect("valid");
            let given = cli.command.options().expect("options");
            let values = OptionValues::resolve(given, &Config::default(), Purpose::Watch).expect("values");
            assert_eq!(values.ascii, expected, "{words:?}");
        }
    }

    #[test]
    fn sizes_have_prefixes() {
        for (text, bytes) in [("5", 5), ("40k", 40_000), ("2M", 2_000_000), ("3G", 3_000_000_000)] {
            let Command::Bench(args) = parse(&["bench", "--size", text]).expect("valid").command else {
                panic!("{text}")
            };
            assert_eq!(args.size, bytes);
        }
    }

    #[test]
    fn help_and_version_are_no_directories() {
        use clap::error::ErrorKind;
        for (word, kind) in [
            ("--help", ErrorKind::DisplayHelp),
            ("-V", ErrorKind::DisplayVersion),
            ("help", ErrorKind::DisplayHelp),
        ] {
            assert_eq!(parse(&[word]).unwrap_err().kind(), kind, "{word}");
        }
    }

    #[test]
    fn numbers_have_bounds_which_are_said() {
        let seconds = "between 0.01 and 1,000,000,000";
        for (words, bounds) in [
            (&["x", "--poll"][..], seconds),
            (&["x", "--settle"], seconds),
            (&["x", "--stall-after"], seconds),
            (&["demo", "--pace"], seconds),
            (&["x", "--threads"], "from 1 to 4,096"),
            (&["bench", "--rounds"], "from 1 to 1,000"),
        ] {
            for value in ["0", "-1", "1e30", "1000000000000"] {
                let error = parse(&[words, &[value]].concat()).unwrap_err();
                assert!(error.to_string().contains(bounds), "{words:?} {value}: {error}");
                assert_eq!(error.exit_code(), 2);
            }
        }
    }

    #[test]
    fn wrong_values_are_usage_errors() {
        for wrong in [
            &["x", "y"][..],
            &["x", "--export", "x.pdf"],
            &["x", "--cost", "Leaky:zero=9"],
            &["x", "--poll", "0"],
            &["x", "--fail-if", "colour<1"],
            &["x", "--theme", "solarized"],
            &["x", "--priority", "lowest"],
            &["summary", "x", "--priority", "low"],
            &["summary", "x", "--theme", "dark"],
            &["x", "--poll", "NaN"],
            &["summary", "x", "--format", "xml"],
            &["summary", "x", "--threads", "0"],
            &["summary", "x", "--threads", "4097"],
            &["bench", "--rounds", "1001"],
            &["bench", "--size", "65G"],
            &["bench", "--size", "0"],
            &["bench", "--size", "4X"],
            &["bench", "--size", "99999999999G"],
            &["summary", "x", "--fail-if", "sparsity<90"],
            &["x", "--openmetrics", "node7:9464"],
            &["x", "--openmetrics", ":65536"],
            &["compare", "x", "y", "--tensorboard", "z"],
            &["compare", "x"],
            &["merge"],
            &["merge", "x", "--cost", "RLeaky:subtract=5"],
            &["summary", "x", "--shard", "0/4"],
            &["summary", "x", "--shard", "5/4"],
            &["summary", "x", "--shard", "x"],
            &["summary", "x", "--shard", "1/4", "--baseline", "y"],
            &["summary", "x", "--shard", "1/4", "--energy-per-op", "1pJ"],
            &["summary", "x", "--shard", "1/4", "--fail-if", "sparsity<90%"],
            &["watch", "x", "--shard", "1/4"],
            &["compare", "x", "y", "--baseline", "z"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
