//! Counts a run once, with a progress bar, for `summary`, `compare` and baselines.

use super::display::{Display, DisplayChannels};
use super::session::{check, start, unkept};
use super::{bar, finish, output};
use crate::dashboard::Symbols;
use crate::figures::{ComparedRun, Summary, read_figures};
use crate::follow::{Shard, is_run};
use crate::options::OptionValues;
use crate::publish::Publisher;
use crate::run::{BatchPotentials, Ended, Mode, Presence, Run, StatePlace, Views, Watch, WatchOptions};
use crate::storage::is_url;
use crate::text::{printable, shown};
use anyhow::bail;
use crossbeam_channel::{Receiver, select};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A run as the user names it: a directory or URL to count, or an exported summary.
pub(super) struct RunSource<'a> {
    path: &'a Path,
    exported: Option<ComparedRun>,
}

impl<'a> RunSource<'a> {
    /// Reads an exported summary, or checks that a directory can be counted. Errors in any run show before the first
    /// is counted.
    pub(super) fn open(path: &'a Path) -> anyhow::Result<Self> {
        let exported = if is_url(path) || path.is_dir() {
            check(path, Mode::Once)?;
            None
        } else {
            Some(read_figures(path)?)
        };
        Ok(Self { path, exported })
    }

    /// Its figures, to compare them.
    pub(super) fn compared(
        self,
        options: &OptionValues,
        signals: &Receiver<i32>,
    ) -> anyhow::Result<ComparedRun> {
        match self.exported {
            Some(exported) => Ok(exported),
            None => {
                let counted = count(self.path, options, Shard::WHOLE, Publisher::none(), signals)?;
                Ok(ComparedRun::from_summary(self.path.to_string_lossy(), &counted.summary))
            }
        }
    }
}

/// The result of counting a run once.
pub(super) struct CountedRun {
    pub(super) run: Arc<Run>,
    pub(super) summary: Summary,
    /// Whether publishing succeeded, if it was asked for.
    pub(super) all_published: bool,
}

/// Counts a run or one shard of it once, and publishes it.
pub(super) fn count(
    directory: &Path,
    options: &OptionValues,
    shard: Shard,
    publisher: Publisher,
    signals: &Receiver<i32>,
) -> anyhow::Result<CountedRun> {
    let how = WatchOptions { shard, ..unkept(options, Mode::Once) };
    let mut watch = start(directory, options, how, &StatePlace::Nowhere, publisher)?;
    count_all(&watch, options.symbols(), signals)?;
    let all_published = finish::close_publisher(&mut watch);
    let run = Arc::clone(&watch.runs().shown().run);
    if let Some(why) = run.refused() {
        bail!("{}: manifest.json: {}", shown(directory), printable(&why.to_string()));
    }
    if let Some(Presence::Missing(why)) = run.presence() {
        bail!("{}: {}", shown(directory), printable(why));
    }
    let mut summary = Summary::new(&run, SystemTime::now());
    if options.writes_potentials() && shard == Shard::WHOLE {
        summary.read_potentials(&run, Instant::now() + BatchPotentials::PATIENCE);
    }
    if shard != Shard::WHOLE {
        summary.judge_files_alone();
    }
    // All batches of a small run may be in other shards.
    let elsewhere = shard != Shard::WHOLE && is_run(directory);
    if run.manifest().is_none() && summary.account.seen == 0 && !elsewhere {
        finish::name_problems(&[summary], &[], None);
        bail!(
            "{} holds neither manifest.json nor a batch-N.npz; is it the right directory?",
            shown(directory)
        );
    }
    Ok(CountedRun { run, summary, all_published })
}

/// Waits until everything is counted, with a progress bar on standard error. If nobody reads that, it holds up nothing.
fn count_all(watch: &Watch, symbols: Symbols, signals: &Receiver<i32>) -> anyhow::Result<()> {
    let (views, style) = (watch.views().clone(), style(symbols)?);
    let mut bar = Display::<()>::start("bar", move |channels| show_bar(&views, style, &channels))?;
    let counted = wait_until_counted(watch, &bar, signals);
    watch.said().try_iter().for_each(|said| bar.say(said));
    bar.stop(if counted.is_ok() { CLEARING } else { Duration::ZERO });
    counted
}

/// How long clearing the bar may take.
const CLEARING: Duration = Duration::from_millis(500);

fn wait_until_counted(watch: &Watch, bar: &Display<()>, signals: &Receiver<i32>) -> anyhow::Result<()> {
    let news = watch.views().news();
    loop {
        match watch.runs().shown().run.ended() {
            Some(Ended::Done) => return Ok(()),
            Some(Ended::Fault) => bail!("counting ended unexpectedly; please report it"),
            None => {}
        }
        select! {
            recv(news) -> _ => {}
            recv(watch.said()) -> said => said.into_iter().for_each(|said| bar.say(said)),
            recv(signals) -> _ => bail!("interrupted before all batches were counted"),
        }
    }
}

fn show_bar(views: &Views, style: ProgressStyle, channels: &DisplayChannels<()>) -> anyhow::Result<()> {
    let bar = ProgressBar::with_draw_target(Some(0), bar::target()).with_style(style);
    let news = views.news();
    loop {
        select! {
            recv(channels.stop) -> _ => break,
            recv(channels.messages) -> said => said.iter().for_each(|said| output::say(said)),
            recv(news) -> _ => show(&bar, &views.runs().shown().run),
        }
    }
    channels.messages.try_iter().for_each(|said| output::say(&said));
    bar.finish_and_clear();
    Ok(())
}

fn style(symbols: Symbols) -> anyhow::Result<ProgressStyle> {
    let style =
        ProgressStyle::with_template("{spinner} {wide_bar} {pos} of {len} batches, {msg}, {eta} left")?;
    Ok(match symbols {
        Symbols::Unicode => style,
        Symbols::Ascii => style.tick_chars("|/-\\ ").progress_chars("#>-"),
    })
}

fn show(bar: &ProgressBar, run: &Run) {
    let account = run.account();
    bar.set_length(account.seen);
    bar.set_position(account.counted + account.set_aside);
    if !bar.is_hidden() {
        bar.set_message(crate::text::bytes(run.bytes()));
    }
}
