//! A run that a command looks at: its settings, its pipeline and its state.

use crate::cli::RunArgs;
use crate::config::Config;
use crate::cost::{Costs, LayerDefaults};
use crate::dashboard::ThemeName;
use crate::pipeline::{Mode, Options, Pipeline};
use crate::run::{Run, Settings};
use crate::snapshot::{EntryName, classify};
use anyhow::{Context, bail};
use std::path::Path;
use std::time::Duration;

/// A run, and what keeps it up to date.
pub(super) struct Session {
    pub(super) run: Run,
    pub(super) pipeline: Pipeline,
    /// The theme that the configuration file asks for.
    pub(super) theme: Option<ThemeName>,
}

/// How a session follows its directory.
pub(super) struct Following {
    pub(super) mode: Mode,
    pub(super) poll: Option<Duration>,
    pub(super) stall_after: Duration,
}

impl Session {
    /// Checks the user's settings and starts to follow a directory.
    pub(super) fn start(directory: &Path, args: &RunArgs, following: &Following) -> anyhow::Result<Self> {
        check(directory, args)?;
        let config = Config::load(args.config.as_deref())?;
        let rules = config.cost_rules()?.into_iter().chain(args.cost.iter().cloned());
        let settings = Settings {
            name: run_name(directory),
            costs: Costs::with_rules(rules),
            neurons: LayerDefaults::parse(&args.neuron),
            resets: LayerDefaults::parse(&args.reset),
            stall_after: following.stall_after,
            live: following.mode == Mode::Live,
        };
        let options = Options {
            directory: directory.to_owned(),
            mode: following.mode,
            poll: following.poll,
            settle: args.settle,
            threads: args
                .threads
                .or(std::thread::available_parallelism().ok())
                .map_or(1, std::num::NonZeroUsize::get),
        };
        let pipeline = Pipeline::start(options).context("cannot start to count")?;
        Ok(Self { run: Run::new(settings), pipeline, theme: config.theme })
    }
}

/// The name of a run whose manifest gives none: its directory's.
fn run_name(directory: &Path) -> String {
    let absolute = directory.canonicalize().or_else(|_| std::path::absolute(directory));
    let name =
        absolute.ok().and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
    name.unwrap_or_else(|| directory.display().to_string())
}

/// Refuses exports that cannot be written, and what can never become a run.
pub(super) fn check(directory: &Path, args: &RunArgs) -> anyhow::Result<()> {
    for export in &args.export {
        export.check()?;
    }
    check_directory(directory)
}

/// Refuses what can never become a run.
fn check_directory(directory: &Path) -> anyhow::Result<()> {
    let Ok(metadata) = directory.metadata() else { return Ok(()) };
    if !metadata.is_dir() {
        bail!(
            "{} is a file; name the directory that holds manifest.json and the batches",
            directory.display()
        );
    }
    let runs = runs_inside(directory);
    if !is_run(directory) && !runs.is_empty() {
        let listed = runs.iter().take(8).map(|run| format!("  {}", directory.join(run).display()));
        let more =
            if runs.len() > 8 { format!("\n  … and {} more", runs.len() - 8) } else { String::new() };
        bail!(
            "{} is a directory of runs; name one of them:\n{}{more}",
            directory.display(),
            listed.collect::<Vec<_>>().join("\n")
        );
    }
    Ok(())
}

fn is_run(directory: &Path) -> bool {
    let Ok(entries) = directory.read_dir() else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        let meaning = classify(&entry.file_name().to_string_lossy());
        !matches!(meaning, EntryName::Foreign | EntryName::Temporary | EntryName::Misnamed)
    })
}

fn runs_inside(directory: &Path) -> Vec<String> {
    let Ok(entries) = directory.read_dir() else { return Vec::new() };
    let mut runs: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("manifest.json").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    runs.sort_unstable();
    runs
}
