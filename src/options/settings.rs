//! What applies: the command line goes before the configuration file, and that before the defaults.
//! What can be given repeatedly adds up, the command line's last.

use crate::dashboard::{Appearance, AppearanceOptions, Conflict, DashboardOptions, Mouse, Symbols};
use crate::figures::condition::Condition;
use crate::figures::{Export, Format};
use crate::follow::Shard;
use crate::options::cli::{
    DemoArgs, EndArgs, KeepArgs, LinkArgs, LookArgs, PublishArgs, RunArgs, SymbolArgs, WatchArgs,
};
use crate::options::config::Config;
use crate::publish::{Publishing, Target};
use crate::run::Place;
use crate::run::log::{Level, Log};
use crate::run::prices::CostRule;
use crate::run::state::lock_beside;
use crate::run::{Keeping, Priority};
use crate::storage::{Links, canonical};
use crate::text::shown;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// When an unreadable file is set aside.
pub const SETTLE: Duration = Duration::from_secs(2);

/// When a run is stalled.
pub const STALL_AFTER: Duration = Duration::from_secs(30);

/// At what priority batches are counted that are watched: the benchmark is to have the processors.
pub const PRIORITY: Priority = Priority::Low;

/// The time between two batches of the demo.
pub const PACE: Duration = Duration::from_secs(1);

/// The format on standard output.
pub const FORMAT: Format = Format::Text;

/// What applies to a run.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// Files to write the figures to.
    pub exports: Vec<Export>,
    /// Conditions that fail a script's check.
    pub fail_if: Vec<Condition>,
    /// What updates cost.
    pub costs: Vec<CostRule>,
    /// The neuron of layers that the manifest lacks.
    pub neurons: Vec<String>,
    /// The reset mechanism of layers that the manifest lacks.
    pub resets: Vec<String>,
    /// When it is stalled.
    pub stall_after: Duration,
    /// When an unreadable file is set aside.
    pub settle: Duration,
    /// Threads that count.
    pub threads: usize,
    /// What becomes of symbolic links in runs.
    pub links: Links,
    /// What the terminal can show.
    pub symbols: Symbols,
    /// Where to log what happens, where that is wanted.
    pub log: Option<Log>,
}

impl RunSettings {
    /// What the command line, the configuration and the defaults say.
    pub fn new(args: RunArgs, config: &Config) -> Self {
        Self {
            exports: both(&config.export, args.export),
            fail_if: both(&config.fail_if, args.fail_if),
            costs: both(&config.cost, args.layers.cost),
            neurons: both(&config.neuron, args.layers.neuron),
            resets: both(&config.reset, args.layers.reset),
            stall_after: args.stall_after.or(config.stall_after).unwrap_or(STALL_AFTER),
            settle: args.settle.or(config.settle).unwrap_or(SETTLE),
            threads: threads(args.threads.or(config.threads)),
            links: links(&args.links, config),
            symbols: symbols(&args.symbols, config),
            log: log(args.log, args.log_level, config),
        }
    }

    /// Has links followed, where that is wanted, and starts the log.
    ///
    /// # Errors
    /// Where the file of the log cannot be written to.
    pub fn begin(&self) -> anyhow::Result<()> {
        self.links.apply();
        self.log.as_ref().map_or(Ok(()), Log::start)
    }
}

/// How many threads count: so many, else one for each core.
pub fn threads(given: Option<NonZeroUsize>) -> usize {
    given.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
}

fn links(args: &LinkArgs, config: &Config) -> Links {
    if args.follow_links().or(config.follow_links).unwrap_or(false) { Links::Followed } else { Links::Named }
}

fn log(path: Option<PathBuf>, level: Option<Level>, config: &Config) -> Option<Log> {
    let path = path.or_else(|| config.log.clone())?;
    Some(Log { path, level: level.or(config.log_level).unwrap_or_default() })
}

/// Of two for the same thing the later counts.
fn both<T: Clone>(configured: &[T], mut given: Vec<T>) -> Vec<T> {
    given.splice(..0, configured.iter().cloned());
    given
}

/// Where the progress of runs is kept.
pub fn state(named: Option<&Place>, config: &Config) -> Place {
    named.or(config.state.as_ref()).cloned().unwrap_or(Place::Default)
}

/// Where the progress is kept, and whether batches that are counted are deleted.
///
/// # Errors
/// Where they are to be deleted although their counts are kept nowhere.
pub fn keeping(args: &KeepArgs, config: &Config) -> Result<(Place, Keeping), String> {
    let place = state(args.state.as_ref(), config);
    let prune = args.prune().or(config.prune).unwrap_or(false);
    match (&place, prune) {
        (Place::Nowhere, true) => {
            let state = option(args.state.is_some(), "--state none", "state = \"none\"", config);
            let prune = pruning(args, config);
            Err(format!("{prune} deletes batches, and {state} keeps nothing of them; drop one of the two"))
        }
        (Place::Nowhere, false) => Ok((place, Keeping::Nothing)),
        (_, prune) => Ok((place, if prune { Keeping::ProgressAndPrune } else { Keeping::Progress })),
    }
}

/// What has batches deleted, where something does: the option, or the file that says it.
pub fn pruning(args: &KeepArgs, config: &Config) -> String {
    option(args.prune().is_some(), "--prune", "prune = true", config)
}

/// An option as the user wrote it: on the command line, or in the configuration, which is named.
fn option(is_typed: bool, typed: &str, configured: &str, config: &Config) -> String {
    match &config.file {
        Some(file) if !is_typed => format!("{configured} in {}", shown(file)),
        _ => typed.to_owned(),
    }
}

/// Where the runs are published while they are watched.
pub fn publishing(args: PublishArgs, config: &Config) -> Publishing {
    Publishing {
        tensorboard: args.tensorboard.or_else(|| config.tensorboard.clone()),
        openmetrics: args.openmetrics.or_else(|| config.openmetrics.clone()),
    }
}

/// Refuses outputs of one name: one would be written over the other, and what is kept be lost.
///
/// # Errors
/// Where there are such, in words for the user.
pub fn check_outputs(run: &RunSettings, place: &Place, publishing: &Publishing) -> Result<(), String> {
    let mut outputs: Vec<(&str, &Path)> =
        run.exports.iter().map(|export| ("--export", export.path())).collect();
    // One that is given twice is written twice.
    outputs.sort_unstable();
    outputs.dedup();
    outputs.extend(run.log.as_ref().map(|log| ("--log", log.path.as_path())));
    outputs.extend(publishing.tensorboard.as_deref().map(|directory| ("--tensorboard", directory)));
    if let Some(Target::File(file)) = &publishing.openmetrics {
        outputs.push(("--openmetrics", file));
    }
    let lock;
    if let Place::File(file) = place {
        lock = lock_beside(file);
        outputs.extend([("--state", file.as_path()), ("--state", lock.as_path())]);
    }
    let mut seen: HashMap<PathBuf, &str> = HashMap::new();
    for (option, path) in outputs.into_iter().filter(|(_, path)| !is_device(path)) {
        match seen.insert(canonical(path), option) {
            Some(other) if other != option => {
                return Err(format!(
                    "{other} and {option} are both {}; give each a file of its own",
                    shown(path)
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether what is written there comes one after the other, as to a pipe or to standard output, whatever that is.
fn is_device(path: &Path) -> bool {
    let target = std::fs::read_link(path).unwrap_or_else(|_| path.to_owned());
    target.starts_with("/dev")
        || path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// How often to scan, where that is said.
pub fn poll(args: &WatchArgs, config: &Config) -> Option<Duration> {
    args.poll.or(config.poll)
}

/// At what priority batches are counted that are watched.
pub fn priority(given: Option<Priority>, config: &Config) -> Priority {
    given.or(config.priority).unwrap_or(PRIORITY)
}

/// The time between two batches of the demo.
pub fn pace(args: &DemoArgs, config: &Config) -> Duration {
    args.pace.or(config.pace).unwrap_or(PACE)
}

/// The format on standard output.
pub fn format(given: Option<Format>, config: &Config) -> Format {
    given.or(config.format).unwrap_or(FORMAT)
}

/// The shard to count, where that is said.
pub fn shard(given: Option<Shard>, config: &Config) -> Option<Shard> {
    given.or(config.shard)
}

/// What of a configuration applies to one shard: nothing that is about the figures of a whole run.
pub fn of_shard(config: &Config) -> Config {
    Config { export: Vec::new(), fail_if: Vec::new(), baseline: None, format: None, ..config.clone() }
}

/// The run to compare with, where there is one.
pub fn baseline<'a>(given: Option<&'a Path>, config: &'a Config) -> Option<&'a Path> {
    given.or(config.baseline.as_deref())
}

/// How the dashboard ends, what it looks like and which keys it has.
///
/// # Errors
/// Where two actions have the same key.
pub fn dashboard(
    run: &RunSettings,
    end: &EndArgs,
    look: &LookArgs,
    config: &Config,
) -> Result<DashboardOptions, Conflict> {
    let wishes =
        AppearanceOptions { theme: look.theme, configured: config.theme, symbols: Some(run.symbols) };
    let uses_mouse = look.mouse().or(config.mouse).unwrap_or(true);
    Ok(DashboardOptions {
        exit_when_finished: end.exit_when_finished().or(config.exit_when_finished).unwrap_or(false),
        exports: run.exports.clone(),
        appearance: Appearance::from_environment(wishes),
        mouse: if uses_mouse { Mouse::Captured } else { Mouse::Left },
        compact: look.compact().or(config.compact).unwrap_or(false),
        keys: Arc::new(config.key_table()?),
        ..DashboardOptions::default()
    })
}

/// What the terminal can show.
fn symbols(args: &SymbolArgs, config: &Config) -> Symbols {
    let ascii = args.ascii().or(config.ascii);
    let wished = ascii.map(|ascii| if ascii { Symbols::Ascii } else { Symbols::Unicode });
    Appearance::from_environment(AppearanceOptions { symbols: wished, ..AppearanceOptions::default() })
        .symbols
}
