//! The command line.

use crate::dashboard::ThemeName;
use crate::figures::condition::Condition;
use crate::figures::{Export, Format};
use crate::follow::Shard;
use crate::options::suggest::nearest;
use crate::publish::Target;
use crate::run::Priority;
use crate::run::StatePlace;
use crate::run::log::Level;
use crate::run::prices::CostRule;
use crate::storage;
use crate::text::thousands;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The most threads that can be asked for: more than any machine has cores.
const MAX_THREADS: usize = 4096;

/// The most rounds of `bench`, and the most bytes of a run that it writes.
const MAX_ROUNDS: usize = 1000;
const MAX_SIZE: u64 = 64_000_000_000;

const EXAMPLES: &str = "\
Examples:
  neurotop demo                                   watch a bundled real run
  neurotop runs/exp1                              watch a run live
  neurotop runs                                   watch all runs in a directory
  neurotop watch runs/exp1 --export exp1.json     and write its figures on exit
  neurotop watch runs/exp1 --tensorboard tb       and show it in TensorBoard, live
  neurotop watch runs/exp1 --openmetrics :9464    and let Prometheus scrape it
  neurotop watch /nfs/runs/exp1 --poll 5          on a network drive
  neurotop watch s3://bucket/exp1                 in an object store
  neurotop summary runs/exp1 --format json        the figures, without a dashboard
  neurotop summary runs/exp1 --cost RLeaky:subtract=5
  neurotop summary runs/exp2 --baseline exp1.json --fail-if 'vs-baseline>+2%'
  neurotop compare exp1.json runs/exp2            two runs side by side, and the changes
  neurotop summary runs/exp1 --shard 3/16 -o part3.json
  neurotop merge part*.json                       one run, counted by several processes
  neurotop doctor runs/exp1                       what is there, and what is wrong with it
  neurotop config                                 the configuration file: every option, the keys

Exit codes:
  0  all that was seen is counted
  1  nothing could be done, or standard output or an export (TensorBoard's and OpenMetrics' too) could not be
     written
  2  the command line is wrong
  3  counted, but something was set aside (each file is named)
  4  counted, and a --fail-if holds or cannot be decided (each is named)
Of several, 1 goes before 4, and 4 before 3.";

const CONDITIONS: &str = "\
Conditions of --fail-if are SUBJECT<BOUND, with <, <=, >, >=, == or !=. The subject is
  FIGURE              in total, compared with a number; sparsity also with a percentage
  vs-baseline.FIGURE  its relative change from the baseline, compared with a percentage
  vs-baseline         that of effective_ops_per_sample
  layer:NAME.…        any of these, of one layer
  neuron:CLASS.…      any of these, of one neuron class
FIGURE is sparsity, effective_ops_per_sample, dense_ops_per_sample, membrane_updates (per sample),
effective_ops, dense_ops, updates or dense_updates. What has no value in the end fails, too.";

/// What `--openmetrics` does for a command that does not stay.
const TO_A_FILE: &str = "Also write the figures to FILE as OpenMetrics text";

const DOCTOR: &str = "\
Exit codes:
  0  nothing is wrong
  1  nothing of a run is there, or standard output could not be written
  3  something is wrong; each file is named, of many with the same fault the first (with --format json all)";

/// Watches the neuron operations of a running spiking-network benchmark.
///
/// A NeuroBench benchmark dumps the membrane potentials of each batch into a directory; neurotop counts
/// each dump as it comes and shows effective and dense neuron operations and sparsity, for each layer
/// and in total. The figures equal NeuroBench's own, bit for bit.
#[derive(Debug, Parser)]
#[command(name = "neurotop", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(override_usage = "neurotop [watch] [OPTIONS] <DIR>\n       neurotop <COMMAND> [OPTIONS] …")]
#[command(arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Parses a command line whose first word is the program; `neurotop DIR` is `neurotop watch DIR`.
    ///
    /// # Errors
    /// Where it is wrong, or asks for help or the version.
    pub fn from_words(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut words: Vec<OsString> = words.into_iter().collect();
        let first = words.get(1).filter(|first| !is_own_word(first)).cloned();
        if first.is_some() {
            words.insert(1, "watch".into());
        }
        // Two words that are no options: the first is no directory to watch, but a command that is mistyped.
        Self::try_parse_from(words).map_err(|error| match error.kind() {
            ErrorKind::UnknownArgument if is_about_a_word(&error) => {
                first.and_then(|first| mistyped(&first)).unwrap_or(error)
            }
            _ => error,
        })
    }
}

/// Whether a first word is a subcommand, or asks for help or the version.
fn is_own_word(word: &OsStr) -> bool {
    let Some(word) = word.to_str() else { return false };
    let own = ["help", "-h", "--help", "-V", "--version"];
    own.contains(&word) || Cli::command().find_subcommand(word).is_some()
}

/// Whether an argument that is one too many is no option.
fn is_about_a_word(error: &clap::Error) -> bool {
    let argument = error.get(ContextKind::InvalidArg);
    matches!(argument, Some(ContextValue::String(text)) if !text.starts_with('-'))
}

/// What to say of a first word that is like a subcommand, and not there.
fn mistyped(word: &OsStr) -> Option<clap::Error> {
    if Path::new(word).exists() {
        return None;
    }
    let (word, mut command) = (word.to_str()?, Cli::command());
    let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let meant = nearest(word, &names)?.to_owned();
    let what = format!("there is no command {word:?}; did you mean {meant}?");
    Some(command.error(ErrorKind::InvalidSubcommand, what))
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch a run live, in a dashboard, and leave with its figures
    #[command(after_help = CONDITIONS)]
    Watch(WatchArgs),
    /// Count a run once and print its figures
    #[command(after_help = CONDITIONS, mut_arg("openmetrics", |arg| arg.value_name("FILE").help(TO_A_FILE)))]
    Summary(SummaryArgs),
    /// Merge the parts of a run, one of each shard, into the figures of one pass
    #[command(after_help = CONDITIONS)]
    Merge(MergeArgs),
    /// Compare runs: the figures of each NEW beside those of BASE, and the changes
    #[command(after_help = CONDITIONS)]
    Compare(CompareArgs),
    /// Watch a bundled real run: a trained network on 192 handwritten digits
    #[command(after_help = "It ends by itself 20 seconds after the run is over, unless a key is pressed.")]
    Demo(DemoArgs),
    /// Say what a directory is, what is in it, and what is wrong with which file
    #[command(after_help = DOCTOR)]
    Doctor(DoctorArgs),
    /// Print the default configuration file, with every option in it, or check one
    #[command(
        after_help = "To begin one (its directory must exist, and what the file has is lost):\n  neurotop config > \"$(neurotop config --path)\""
    )]
    Config(ConfigArgs),
    /// Measure how fast this machine reads and counts
    Bench(BenchArgs),
    /// Print the Python module that records a run, as one file
    #[command(
        after_help = "Save it where Python finds it, for those who have only this command:\n  neurotop recorder > neurotop_recorder.py"
    )]
    Recorder,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page (roff)
    Man,
}

/// The arguments of `watch`.
#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    /// The run's directory or URL (s3://bucket/run); it is waited for if it does not exist yet
    #[arg(value_parser = location())]
    pub dir: PathBuf,
    /// What every command says about a run.
    #[command(flatten)]
    pub run: RunArgs,
    /// Also show the changes from this run: its directory, or its summary that was exported as .json
    #[arg(long, value_name = "PATH", value_parser = location())]
    pub baseline: Option<PathBuf>,
    /// Scan every SECONDS instead of relying on file events, for network drives [default: 5 of a URL]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    pub poll: Option<Duration>,
    /// Count at this priority: low leaves the processors to the benchmark, also while a backlog is counted, which then
    /// takes longer; normal does not [default: low]
    #[arg(long, value_name = "PRIORITY", value_enum)]
    pub priority: Option<Priority>,
    /// What becomes of what is counted.
    #[command(flatten)]
    pub keep: KeepArgs,
    /// Where else the figures go meanwhile.
    #[command(flatten)]
    pub publish: PublishArgs,
    /// When to leave.
    #[command(flatten)]
    pub end: EndArgs,
    /// What the dashboard looks like.
    #[command(flatten)]
    pub look: LookArgs,
}

/// What becomes of what is counted.
#[derive(Debug, Clone, Default, Args)]
pub struct KeepArgs {
    /// Keep the progress in FILE (of a directory of runs in FILE-RUN for each), to go on from there; none for
    /// nowhere [default: in the directory for state]
    #[arg(long, value_name = "FILE", value_parser = place)]
    pub state: Option<StatePlace>,
    /// Delete batches once they are counted and the progress is safely on disk
    #[arg(long, overrides_with = "no_prune")]
    prune: bool,
    /// Delete nothing, whatever the configuration says
    #[arg(long, overrides_with = "prune")]
    no_prune: bool,
}

impl KeepArgs {
    /// Whether to delete batches, where that is said.
    pub fn prune(&self) -> Option<bool> {
        either(self.prune, self.no_prune)
    }
}

/// A path, and of a URL what may be shown.
fn location() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(|text| storage::location(&text))
}

/// Where the figures go while batches are counted.
#[derive(Debug, Clone, Default, Args)]
pub struct PublishArgs {
    /// Also write the figures over the batches below DIR, for TensorBoard, while they are counted
    #[arg(long, value_name = "DIR")]
    pub tensorboard: Option<PathBuf>,
    /// Also write the figures to FILE as OpenMetrics text, or serve them at ADDR (PORT and :PORT are on
    /// loopback), while they are counted
    #[arg(long, value_name = "FILE|ADDR")]
    pub openmetrics: Option<Target>,
}

fn place(text: &str) -> Result<StatePlace, std::convert::Infallible> {
    Ok(StatePlace::from(text.to_owned()))
}

/// The arguments of `summary`.
#[derive(Debug, Clone, Args)]
pub struct SummaryArgs {
    /// The run's directory or URL (s3://bucket/run)
    #[arg(value_parser = location())]
    pub dir: PathBuf,
    /// What every command says about a run.
    #[command(flatten)]
    pub run: RunArgs,
    /// Also show the changes from this run: its directory, or its summary that was exported as .json
    #[arg(long, value_name = "PATH", value_parser = location())]
    pub baseline: Option<PathBuf>,
    /// The format on standard output [default: text]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Count every N-th batch only, from the K-th on, as a part for neurotop merge; as JSON
    #[arg(long, value_name = "K/N", conflicts_with_all = ["baseline", "fail_if", "tensorboard", "openmetrics"])]
    pub shard: Option<Shard>,
    /// Where else the figures go meanwhile.
    #[command(flatten)]
    pub publish: PublishArgs,
}

/// The arguments of `merge`.
#[derive(Debug, Clone, Args)]
pub struct MergeArgs {
    /// The parts, one of each shard, in any order: files that summary --shard K/N DIR -o FILE.json wrote
    #[arg(required = true, value_name = "PART")]
    pub parts: Vec<PathBuf>,
    /// Also write the figures to FILE, as .json, .csv, .md or .txt; repeatable
    #[arg(long, short = 'o', value_name = "FILE")]
    pub export: Vec<Export>,
    /// Exit with code 4 where this holds in the end, as in 'sparsity<0.9', 'layer:lif1.sparsity<50%' or
    /// 'vs-baseline>+2%'; repeatable
    #[arg(long, value_name = "CONDITION")]
    pub fail_if: Vec<Condition>,
    /// Also show the changes from this run: its directory, or its summary that was exported as .json
    #[arg(long, value_name = "PATH")]
    pub baseline: Option<PathBuf>,
    /// The format on standard output [default: text]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Read this configuration instead of the one in the user's configuration directory
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Call a run stalled when nothing came for SECONDS [default: 30]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    pub stall_after: Option<Duration>,
    /// What can be shown.
    #[command(flatten)]
    pub symbols: SymbolArgs,
}

impl MergeArgs {
    /// What it says about a run; the rest is in the parts.
    pub fn as_run(&self) -> RunArgs {
        RunArgs {
            export: self.export.clone(),
            fail_if: self.fail_if.clone(),
            stall_after: self.stall_after,
            symbols: self.symbols.clone(),
            ..RunArgs::default()
        }
    }
}

/// The arguments of `compare`.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// The run to compare with: its directory or URL, or its summary that was exported as .json
    #[arg(value_parser = location())]
    pub base: PathBuf,
    /// The runs to compare, likewise
    #[arg(required = true, value_parser = location())]
    pub new: Vec<PathBuf>,
    /// What every command says about a run.
    #[command(flatten)]
    pub run: RunArgs,
    /// The format on standard output [default: text]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
}

/// The arguments of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Seconds between two batches [default: 1]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    pub pace: Option<Duration>,
    /// Count at this priority: low leaves the processors to the benchmark, also while a backlog is counted, which then
    /// takes longer; normal does not [default: low]
    #[arg(long, value_name = "PRIORITY", value_enum)]
    pub priority: Option<Priority>,
    /// Also write the figures to FILE on exit, as .json, .csv, .md or .txt; repeatable
    #[arg(long, short = 'o', value_name = "FILE")]
    pub export: Vec<Export>,
    /// Where else the figures go meanwhile.
    #[command(flatten)]
    pub publish: PublishArgs,
    /// Read this configuration instead of the one in the user's configuration directory
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What can be shown.
    #[command(flatten)]
    pub symbols: SymbolArgs,
    /// When to leave.
    #[command(flatten)]
    pub end: EndArgs,
    /// What the dashboard looks like.
    #[command(flatten)]
    pub look: LookArgs,
}

/// The arguments of `doctor`.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// A run's directory or URL, a directory of runs, or a batch
    #[arg(value_parser = location())]
    pub path: PathBuf,
    /// Count every batch, too, and do not only read its headers
    #[arg(long)]
    pub deep: bool,
    /// The progress of the run is kept in FILE; none for nowhere [default: in the directory for state]
    #[arg(long, value_name = "FILE", value_parser = place)]
    pub state: Option<StatePlace>,
    /// The format on standard output
    #[arg(long, value_enum, default_value_t)]
    pub format: DoctorFormat,
    /// What is said of layers.
    #[command(flatten)]
    pub layers: LayerArgs,
    /// Read this configuration instead of the one in the user's configuration directory
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What becomes of links.
    #[command(flatten)]
    pub links: LinkArgs,
    /// What can be shown.
    #[command(flatten)]
    pub symbols: SymbolArgs,
}

impl DoctorArgs {
    /// What it says about a run.
    pub fn as_run(&self) -> RunArgs {
        RunArgs {
            layers: self.layers.clone(),
            links: self.links.clone(),
            symbols: self.symbols.clone(),
            ..RunArgs::default()
        }
    }
}

/// The formats of `doctor`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DoctorFormat {
    /// Lines for people.
    #[default]
    Text,
    /// All of it (neurotop.doctor/1).
    Json,
}

/// The arguments of `config`.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// Print where the configuration file is looked for
    #[arg(long, conflicts_with = "check")]
    pub path: bool,
    /// Say whether FILE, or else the configuration file where it is looked for, is right
    #[arg(long, value_name = "FILE")]
    pub check: Option<Option<PathBuf>>,
}

/// When the dashboard is left.
#[derive(Debug, Clone, Args)]
pub struct EndArgs {
    /// Leave when the run is over
    #[arg(long, overrides_with = "no_exit_when_finished")]
    exit_when_finished: bool,
    /// Stay when the run is over, whatever the configuration says
    #[arg(long, overrides_with = "exit_when_finished")]
    no_exit_when_finished: bool,
}

impl EndArgs {
    /// Whether to leave when the run is over, where that is said.
    pub fn exit_when_finished(&self) -> Option<bool> {
        either(self.exit_when_finished, self.no_exit_when_finished)
    }
}

/// The arguments of `bench`.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Bytes of potentials in each run that is written to measure with, as in 400M or 2G
    #[arg(long, value_name = "BYTES", value_parser = byte_size, default_value = "256M")]
    pub size: u64,
    /// Write the runs into DIR instead of the temporary directory
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Rounds of which the median is taken
    #[arg(long, value_name = "N", default_value = "5", allow_negative_numbers = true, value_parser = up_to::<MAX_ROUNDS>)]
    pub rounds: NonZeroUsize,
    /// Count with N threads [default: one for each core]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = up_to::<MAX_THREADS>)]
    pub threads: Option<NonZeroUsize>,
}

/// What the dashboard looks like.
#[derive(Debug, Clone, Args)]
pub struct LookArgs {
    /// The theme of the dashboard [default: the configuration's, or dark; monochrome with NO_COLOR and on a
    /// terminal without colours]
    #[arg(long, value_name = "NAME", value_enum)]
    pub theme: Option<ThemeName>,
    /// Use the mouse, whatever the configuration says
    #[arg(long, overrides_with = "no_mouse")]
    mouse: bool,
    /// Leave the mouse to the terminal, to select text with
    #[arg(long, overrides_with = "mouse")]
    no_mouse: bool,
    /// Start without frames and charts, for small panes
    #[arg(long, overrides_with = "no_compact")]
    compact: bool,
    /// Start with frames and charts, whatever the configuration says
    #[arg(long, overrides_with = "compact")]
    no_compact: bool,
}

impl LookArgs {
    /// Whether to use the mouse, where that is said.
    pub fn mouse(&self) -> Option<bool> {
        either(self.mouse, self.no_mouse)
    }

    /// Whether to start without frames and charts, where that is said.
    pub fn compact(&self) -> Option<bool> {
        either(self.compact, self.no_compact)
    }
}

/// What the terminal can show.
#[derive(Debug, Clone, Default, Args)]
pub struct SymbolArgs {
    /// Show ASCII only [default: where the locale is not UTF-8, and on the console of Linux]
    #[arg(long, overrides_with = "no_ascii")]
    ascii: bool,
    /// Show Unicode, whatever the configuration and the locale say
    #[arg(long, overrides_with = "ascii")]
    no_ascii: bool,
}

impl SymbolArgs {
    /// Whether to show ASCII only, where that is said.
    pub fn ascii(&self) -> Option<bool> {
        either(self.ascii, self.no_ascii)
    }
}

/// What an option and its opposite say.
fn either(yes: bool, no: bool) -> Option<bool> {
    (yes || no).then_some(yes)
}

/// What every command says about a run.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// Also write the figures to FILE, as .json, .csv, .md or .txt; repeatable
    #[arg(long, short = 'o', value_name = "FILE")]
    pub export: Vec<Export>,
    /// Exit with code 4 where this holds in the end, as in 'sparsity<0.9', 'layer:lif1.sparsity<50%' or
    /// 'vs-baseline>+2%'; repeatable
    #[arg(long, value_name = "CONDITION")]
    pub fail_if: Vec<Condition>,
    /// What is said of layers.
    #[command(flatten)]
    pub layers: LayerArgs,
    /// Read this configuration instead of the one in the user's configuration directory
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Call a run stalled when nothing came for SECONDS [default: 30]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    pub stall_after: Option<Duration>,
    /// Set an unreadable file aside when it has not changed for SECONDS [default: 2]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    pub settle: Option<Duration>,
    /// Append what happens to each batch to FILE
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// How much --log says [default: info]
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub log_level: Option<Level>,
    /// Count with N threads [default: one for each core]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = up_to::<MAX_THREADS>)]
    pub threads: Option<NonZeroUsize>,
    /// What becomes of links.
    #[command(flatten)]
    pub links: LinkArgs,
    /// What can be shown.
    #[command(flatten)]
    pub symbols: SymbolArgs,
}

/// What becomes of symbolic links in a run.
#[derive(Debug, Clone, Default, Args)]
pub struct LinkArgs {
    /// Follow symbolic links in runs, wherever they lead: only where you trust who made them
    #[arg(long, overrides_with = "no_follow_links")]
    follow_links: bool,
    /// Follow no links, whatever the configuration says
    #[arg(long, overrides_with = "follow_links")]
    no_follow_links: bool,
}

impl LinkArgs {
    /// Whether to follow them, where that is said.
    pub fn follow_links(&self) -> Option<bool> {
        either(self.follow_links, self.no_follow_links)
    }
}

/// What is said of layers.
#[derive(Debug, Clone, Default, Args)]
pub struct LayerArgs {
    /// Price what NeuroBench does not: operations of one update; repeatable
    #[arg(long, value_name = "NEURON:RESET=OPS")]
    pub cost: Vec<CostRule>,
    /// The neuron of layers that the manifest lacks: of all of them, or of one; repeatable
    #[arg(long, value_name = "[LAYER=]NEURON")]
    pub neuron: Vec<String>,
    /// The reset mechanism of layers that the manifest lacks; repeatable
    #[arg(long, value_name = "[LAYER=]RESET")]
    pub reset: Vec<String>,
}

/// A number from 1 to `MAX`.
fn up_to<const MAX: usize>(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= MAX);
    number.ok_or_else(|| format!("give a number from 1 to {}", thousands(MAX as u128)))
}

/// How many threads are to count.
///
/// # Errors
/// Where there can be no so many.
pub fn thread_count(number: i64) -> Result<NonZeroUsize, String> {
    up_to::<MAX_THREADS>(&number.to_string())
}

fn seconds(text: &str) -> Result<Duration, String> {
    time(text.parse().map_err(|_| "not a number of seconds".to_owned())?)
}

/// A time of so many seconds.
///
/// # Errors
/// Where it is too short or too long for anything that can be asked for.
pub fn time(seconds: f64) -> Result<Duration, String> {
    if !(0.01..=1e9).contains(&seconds) {
        return Err("give between 0.01 and 1,000,000,000 seconds".into());
    }
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Bytes, with a decimal prefix or none.
fn byte_size(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1_000),
        Some((at, 'M')) => (&text[..at], 1_000_000),
        Some((at, 'G')) => (&text[..at], 1_000_000_000),
        _ => (text, 1),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    bytes
        .filter(|bytes| (1..=MAX_SIZE).contains(bytes))
        .ok_or_else(|| "give a number of bytes, as in 400M or 2G, up to 64G".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Cli, clap::Error> {
        Cli::from_words(std::iter::once("neurotop").chain(words.iter().copied()).map(OsString::from))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bare_directory_is_watched() {
        for words in [&["runs/exp1"][..], &["watch", "runs/exp1"], &["--poll", "0.5", "runs/exp1"]] {
            let Command::Watch(args) = parse(words).expect("valid").command else { panic!("{words:?}") };
            assert_eq!(args.dir, PathBuf::from("runs/exp1"));
            assert_eq!(args.poll.is_some(), words.len() > 2);
        }
        let Command::Watch(args) = parse(&["./demo"]).expect("valid").command else { panic!("a directory") };
        assert_eq!(args.dir, PathBuf::from("./demo"));
        assert!(matches!(parse(&["demo"]).expect("valid").command, Command::Demo(_)));
    }

    #[test]
    fn of_an_option_and_its_opposite_the_last_counts() {
        for (words, expected) in [
            (&["x"][..], None),
            (&["x", "--ascii"], Some(true)),
            (&["x", "--ascii", "--no-ascii"], Some(false)),
            (&["x", "--no-ascii", "--ascii"], Some(true)),
        ] {
            let Command::Watch(args) = parse(words).expect("valid").command else { panic!("{words:?}") };
            assert_eq!(args.run.symbols.ascii(), expected, "{words:?}");
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
        assert_eq!(parse(&[]).unwrap_err().kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
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
            &["watch"][..],
            &["x", "y"],
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
            &["summary", "x", "--shard", "1/4", "--fail-if", "sparsity<90%"],
            &["watch", "x", "--shard", "1/4"],
            &["compare", "x", "y", "--baseline", "z"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
