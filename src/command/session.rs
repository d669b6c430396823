//! The runs that a command looks at: checked, then followed.

use crate::follow::{Neighbour, Shard, beside_runs, is_run, runs_inside};
use crate::options::settings::RunSettings;
use crate::publish::Publisher;
use crate::run::prices::{Costs, LayerDefaults};
use crate::run::{Keeping, Mode, Priority, Settings, StatePlace, Watch, WatchOptions};
use crate::storage;
use crate::text::{printable, shown};
use anyhow::{Context, bail};
use std::path::Path;
use std::time::Duration;

/// How a directory is followed.
pub(super) struct Following {
    pub(super) mode: Mode,
    pub(super) shard: Shard,
    pub(super) poll: Option<Duration>,
    pub(super) place: StatePlace,
    pub(super) keeping: Keeping,
    pub(super) priority: Priority,
}

impl Following {
    /// So, and nothing of it is kept.
    pub(super) fn unkept(mode: Mode) -> Self {
        Self {
            mode,
            shard: Shard::WHOLE,
            poll: None,
            place: StatePlace::Nowhere,
            keeping: Keeping::Nothing,
            priority: Priority::Normal,
        }
    }
}

/// Starts to follow a directory that was checked: a run, or, live, a directory of runs.
pub(super) fn start(
    directory: &Path,
    run: &RunSettings,
    following: &Following,
    publisher: Publisher,
) -> anyhow::Result<Watch> {
    let settings = Settings {
        name: run_name(directory),
        costs: Costs::with_rules(run.costs.iter().cloned()),
        neurons: LayerDefaults::parse(&run.neurons),
        resets: LayerDefaults::parse(&run.resets),
        stall_after: run.stall_after,
        live: following.mode == Mode::Live,
    };
    let options = WatchOptions {
        mode: following.mode,
        shard: following.shard,
        poll: following.poll,
        settle: run.settle,
        threads: run.threads,
        priority: following.priority,
        keeping: following.keeping,
    };
    Watch::start(directory, settings, options, &following.place, publisher).context("cannot start to count")
}

/// The name of a run whose manifest gives none: its directory's.
fn run_name(directory: &Path) -> String {
    let path = storage::canonical(directory);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| directory.display().to_string())
}

/// Refuses exports that cannot be written, and what can never become a run.
pub(super) fn check(directory: &Path, run: &RunSettings, mode: Mode) -> anyhow::Result<()> {
    for export in &run.exports {
        export.check()?;
    }
    check_directory(directory, mode)
}

/// Refuses what can never become a run, and, where one run is to be counted, several.
fn check_directory(directory: &Path, mode: Mode) -> anyhow::Result<()> {
    if storage::is_url(directory) {
        check_url(directory, mode)?;
        return check_runs(directory, mode);
    }
    let Ok(metadata) = directory.metadata() else { return Ok(()) };
    if !metadata.is_dir() {
        bail!("{} is a file; name the directory that holds manifest.json and the batches", shown(directory));
    }
    check_runs(directory, mode)
}

/// Refuses what nothing can be read from, and where one run is to be counted, what cannot be listed now.
fn check_url(url: &Path, mode: Mode) -> anyhow::Result<()> {
    if let Some(why) = storage::refusal(url) {
        bail!("{}: {why}", shown(url));
    }
    match storage::root(url) {
        Err(why) if mode == Mode::Once => bail!("{}: {why}", shown(url)),
        _ => Ok(()),
    }
}

/// Refuses several runs where one is to be counted.
fn check_runs(directory: &Path, mode: Mode) -> anyhow::Result<()> {
    if mode == Mode::Live || is_run(directory) {
        return Ok(());
    }
    let mut runs = runs_inside(directory);
    if !runs.is_empty() {
        runs.sort_unstable();
        let listed = runs.iter().take(8).map(|run| format!("  {}", shown(run)));
        let more = if runs.len() > 8 { format!("\n  and {} more", runs.len() - 8) } else { String::new() };
        let hint = |Neighbour { name, error, .. }| format!("\n{}: {error}", printable(&name));
        let hints: String = beside_runs(directory).into_iter().map(hint).collect();
        bail!(
            "{} is a directory of runs; name one of them, or watch them all with neurotop watch:\n{}{more}{hints}",
            shown(directory),
            listed.collect::<Vec<_>>().join("\n")
        );
    }
    Ok(())
}
