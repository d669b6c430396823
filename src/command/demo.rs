//! `neurotop demo`: replays a bundled real run into a temporary directory, and watches it.

use super::check::begin;
use super::session::{check, start, unkept};
use super::signals::leave_signals;
use super::watch::watch_runs;
use crate::dashboard::DashboardOptions;
use crate::options::cli::CommandLine;
use crate::options::{OptionValues, Purpose};
use crate::publish::Publisher;
use crate::run::{Mode, StatePlace, WatchOptions};
use anyhow::Context;
use crossbeam_channel::bounded;
use include_dir::{Dir, File, include_dir};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A recorded NeuroBench benchmark of a trained network on 192 handwritten digits: the run in `assets/demo-run`, with
/// the two large layers packed into bits in all batches but the last, which makes it a seventh as large.
static RUN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/demo");

/// How long the dashboard stays after the run is over, if nobody presses a key.
const CLOSE_AFTER: Duration = Duration::from_secs(20);

/// How often the writer checks whether it is to stop.
const CHECK: Duration = Duration::from_millis(50);

/// The name of the bundled run, and of its directory.
const NAME: &str = "digits-snn";

/// When the run is stalled: at a slow pace after three batches that do not come.
const STALL_AFTER: Duration = Duration::from_secs(30);
const STALL_AFTER_BATCHES: u32 = 3;

pub(super) fn demo(given: &CommandLine) -> anyhow::Result<ExitCode> {
    let mut options = OptionValues::load(given, Purpose::Demo)?;
    let pace = options.pace;
    options.stall_after = STALL_AFTER.max(pace * STALL_AFTER_BATCHES);
    let signals = leave_signals()?;
    let directory =
        tempfile::Builder::new().prefix("neurotop-demo-").tempdir().context("no temporary directory")?;
    let run = directory.path().join(NAME);
    std::fs::create_dir(&run).context("no temporary directory")?;
    begin(&options, &StatePlace::Nowhere, &[&run])?;
    check(&run, Mode::Live)?;
    let publisher = Publisher::start(options.tensorboard.as_deref(), options.openmetrics.as_ref())?;
    let how = WatchOptions { priority: options.priority, ..unkept(&options, Mode::Live) };
    let watch = start(&run, &options, how, &StatePlace::Nowhere, publisher)?;
    let leave = Arc::new(AtomicBool::new(false));
    let (end, ended) = bounded(1);
    let write = {
        let (path, leave) = (run, Arc::clone(&leave));
        // The main thread may have left.
        move || drop(end.send(replay(&path, pace, &leave)))
    };
    std::thread::Builder::new().name("demo".into()).spawn(write)?;
    let dashboard = DashboardOptions { close_after: Some(CLOSE_AFTER), ..options.dashboard() };
    let code = watch_runs(watch, &signals, dashboard);
    leave.store(true, Ordering::Relaxed);
    let failed = |_| Err(std::io::Error::other("the writer of the run failed"));
    let written = ended.recv_timeout(ENDS_WITHIN).unwrap_or_else(failed);
    directory.close().context("the temporary directory cannot be removed")?;
    written.context("the run cannot be written to the temporary directory")?;
    code
}

/// How long the writer may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// Writes the run as a benchmark would: the manifest, a batch every `pace`, the end.
fn replay(directory: &Path, pace: Duration, leave: &AtomicBool) -> std::io::Result<()> {
    let mut batches: Vec<&File<'_>> =
        RUN.files().filter(|file| file.path().extension().is_some_and(|suffix| suffix == "npz")).collect();
    batches.sort_unstable_by_key(|file| file.path());
    let first = RUN.get_file("manifest.json").into_iter();
    let last = RUN.get_file("end.json").into_iter();
    for file in first.chain(batches).chain(last) {
        let is_batch = file.path().extension().is_some_and(|suffix| suffix == "npz");
        if is_batch && !pause(pace, leave) {
            return Ok(());
        }
        let name = file.path().file_name().unwrap_or_default();
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        std::fs::write(directory.join(&temporary), file.contents())?;
        std::fs::rename(directory.join(&temporary), directory.join(name))?;
    }
    Ok(())
}

/// Waits. Returns false if the writer is to stop.
fn pause(time: Duration, leave: &AtomicBool) -> bool {
    let until = std::time::Instant::now() + time;
    while !leave.load(Ordering::Relaxed) {
        let left = until.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(CHECK));
    }
    false
}
