//! Checks a directory, and starts to follow the runs in it.

use crate::follow::{Neighbour, beside_runs, is_run, runs_inside};
use crate::options::{OptionValues, thread_count};
use crate::publish::Publisher;
use crate::run::{Mode, Settings, StatePlace, Watch, WatchOptions};
use crate::storage;
use crate::text::{printable, shown};
use anyhow::{Context, bail};
use std::path::Path;

/// Follows in this mode, and keeps no progress.
pub(super) fn unkept(options: &OptionValues, mode: Mode) -> WatchOptions {
    WatchOptions { settle: options.settle, ..WatchOptions::unkept(mode, thread_count(options.threads)) }
}

/// Starts to follow a directory that was checked: a run, or in live mode also a directory of runs.
pub(super) fn start(
    directory: &Path,
    options: &OptionValues,
    how: WatchOptions,
    place: &StatePlace,
    publisher: Publisher,
) -> anyhow::Result<Watch> {
    let [neurons, resets] = options.layer_defaults();
    let settings = Settings {
        name: run_name(directory),
        costs: options.costs(),
        neurons,
        resets,
        stall_after: options.stall_after,
        live: how.mode == Mode::Live,
    };
    Watch::start(directory, settings, how, place, publisher).context("cannot start to count")
}

/// The name of a run whose manifest gives none: that of its directory.
fn run_name(directory: &Path) -> String {
    let path = storage::canonical(directory);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| directory.display().to_string())
}

/// Refuses paths that can never become a run, and several runs where one is to be counted.
pub(super) fn check(directory: &Path, mode: Mode) -> anyhow::Result<()> {
    if storage::is_url(directory) {
        check_url(directory, mode)?;
        return check_runs(directory, mode);
    }
    let Ok(metadata) = directory.metadata() else { return Ok(()) };
    if !metadata.is_dir() {
        bail!(
            "{} is a file; name the directory that holds manifest.json and the batches, or read an exported summary with \
             neurotop export",
            shown(directory)
        );
    }
    check_runs(directory, mode)
}

/// Refuses a URL that cannot be read; where a run is to be counted at once, also one that cannot be listed now.
fn check_url(url: &Path, mode: Mode) -> anyhow::Result<()> {
    if let Some(why) = storage::refusal(url) {
        bail!("{}: {why}", shown(url));
    }
    match storage::root(url) {
        Err(why) if mode == Mode::Once => bail!("{}: {why}", shown(url)),
        _ => Ok(()),
    }
}

/// Refuses a directory of several runs where one is to be counted.
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
