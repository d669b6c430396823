//! `neurotop watch DIR`: shows the dashboard, and prints and exports the figures on leaving.

use super::caller::Caller;
use super::check::{begin, checks, conflict};
use super::display::{Display, DisplayChannels, fault};
use super::export::{export_again, reopen_all};
use super::exporter::Exporter;
use super::leaving::Leaving;
use super::session::{check, start, unkept};
use super::signals::NO_THREAD;
use super::{finish, here, output, plain};
use crate::dashboard::{
    self, DashboardOptions, DashboardOrder, Inputs, Screen, Symbols, TerminalEvents, give_back_anyway,
    take_faults,
};
use crate::figures::{Export, Format, Report};
use crate::follow::MAX_RUNS;
use crate::options::cli::{CommandLine, similar_command};
use crate::options::{OptionValues, Purpose};
use crate::platform::JobSignal;
use crate::publish::Publisher;
use crate::run::{Keeping, Mode, StatePlace, Views, Watch, WatchOptions};
use crate::storage::is_url;
use crate::text::{printable, thousands};
use anyhow::{Context, anyhow};
use crossbeam_channel::{Receiver, never, select_biased};
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

/// Watches a directory, or without one the runs below the working directory; exported summaries are shown as they are.
pub(super) fn watch(
    directory: Option<&Path>,
    more: &[PathBuf],
    given: &CommandLine,
) -> anyhow::Result<ExitCode> {
    if directory.is_some_and(|path| !more.is_empty() || (!is_url(path) && path.is_file())) {
        let paths: Vec<&Path> = directory.into_iter().chain(more.iter().map(PathBuf::as_path)).collect();
        return show_exports(&paths, given);
    }
    let options = OptionValues::load(given, Purpose::Watch)?;
    options.links().apply();
    match directory.map(Path::to_owned).or_else(|| here::find(Path::new("."))) {
        Some(directory) => watch_directory(&directory, &options),
        None => Ok(here::explain()),
    }
}

fn watch_directory(directory: &Path, options: &OptionValues) -> anyhow::Result<ExitCode> {
    let keeping = options.keeping().map_err(|why| conflict(&why))?;
    if keeping == Keeping::ProgressAndPrune && is_url(directory) {
        let prune = options.prune_as_written();
        let why = format!(
            "{prune} deletes nothing in an object store; set an expiry rule there, and --no-prune here"
        );
        return Err(conflict(&why).into());
    }
    let (poll, priority, place) = (options.poll, options.priority, &options.state.value);
    let how = WatchOptions { poll, keeping, priority, ..unkept(options, Mode::Live) };
    begin(options, place, &[directory])?;
    check(directory, Mode::Live)?;
    let publisher = Publisher::start(options.tensorboard.as_deref(), options.openmetrics.as_ref())?;
    let (checks, signals) = checks(options)?;
    publisher.judge_by(&checks);
    let watch = start(directory, options, how, place, publisher)?;
    let similar_command = similar_command(directory);
    watch_runs(watch, &signals, DashboardOptions { checks, similar_command, ..options.dashboard() })
}

/// Shows exported summaries as the runs that they were. Without a terminal, their figures are printed at once.
fn show_exports(paths: &[&Path], given: &CommandLine) -> anyhow::Result<ExitCode> {
    let options = OptionValues::load(given, Purpose::Once)?;
    if !std::io::stdout().is_terminal() {
        return export_again(paths, &options);
    }
    begin(&options, &StatePlace::Nowhere, paths)?;
    let runs = reopen_all(paths, &options)?;
    let (checks, signals) = checks(&options)?;
    let watch = Watch::showing(runs, Publisher::none()).context("cannot start the dashboard")?;
    watch_runs(watch, &signals, DashboardOptions { checks, ..options.dashboard() })
}

/// The least time between two checks whether the runs are over.
const LOOK: Duration = Duration::from_millis(50);

/// How often to check what depends on the time alone.
const TICK: Duration = Duration::from_secs(1);

/// Shows runs until the user leaves, then prints and exports their figures, whatever ended the display.
pub(super) fn watch_runs(
    mut watch: Watch,
    signals: &Receiver<i32>,
    options: DashboardOptions,
) -> anyhow::Result<ExitCode> {
    let mut exporter = Exporter::new(options.checks.clone());
    let mut caller = Caller::new(&options);
    let of_display = options.clone();
    let shown = catch_unwind(AssertUnwindSafe(|| {
        attend(&mut watch, &mut exporter, &mut caller, signals, of_display)
    }));
    // Whatever happened, the figures counted so far are the user's.
    let shown = shown.unwrap_or_else(|_| Err(fault()));
    leave(watch, (exporter, caller), signals, &options, shown)
}

/// Runs the display, and serves it and the runs until it ends. This thread writes nothing itself, so that no reader can
/// hold it up.
fn attend(
    watch: &mut Watch,
    exporter: &mut Exporter,
    caller: &mut Caller<'_>,
    signals: &Receiver<i32>,
    options: DashboardOptions,
) -> anyhow::Result<()> {
    let (exports, exit_when_finished) = (options.exports.clone(), options.exit_when_finished);
    let mut display = display(watch, options)?;
    let ended = attend_until(watch, (exporter, caller), &display, signals, &exports, exit_when_finished);
    watch.said().try_iter().for_each(|message| display.say(message));
    let stopped = display.stop(Leaving::for_display());
    if stopped.is_none() {
        give_back_anyway();
    }
    ended.or(stopped).unwrap_or(Ok(()))
}

/// Serves signals first, then the display, then the runs. Returns the error or the end of the display; `None` on a signal
/// or when the runs are over.
fn attend_until(
    watch: &mut Watch,
    (exporter, caller): (&mut Exporter, &mut Caller<'_>),
    display: &Display<DashboardOrder>,
    signals: &Receiver<i32>,
    exports: &[Export],
    exit_when_finished: bool,
) -> Option<anyhow::Result<()>> {
    let (news, said) = (watch.views().news(), watch.said().clone());
    let ended_hooks = caller.hooks.outcomes().clone();
    let (outcomes, published) = (exporter.outcomes().clone(), watch.publisher().said().clone());
    let (mut next_look, mut next_tick) = (Instant::now(), Instant::now());
    // Views may come faster than they are worth looking at.
    let mut is_new = true;
    loop {
        let now = Instant::now();
        if (is_new && now >= next_look) || now >= next_tick {
            is_new = false;
            next_look = now + LOOK;
            let runs = watch.runs();
            if watch.follows_any() && runs.has_one_ended() {
                return Some(Err(anyhow!("counting ended unexpectedly; please report it")));
            }
            if exit_when_finished && runs.are_over(SystemTime::now()) {
                caller.look(&runs, display);
                return None;
            }
        }
        if now >= next_tick {
            next_tick = now + TICK;
            caller.look(&watch.runs(), display);
        }
        let (news, wake) = if is_new { (never(), next_look) } else { (news.clone(), next_tick) };
        select_biased! {
            recv(signals) -> _ => return None,
            recv(display.ended()) -> ended => return Some(ended.unwrap_or_else(|_| Err(fault()))),
            recv(display.orders()) -> order => match order {
                Ok(DashboardOrder::Restart(run)) => watch.restart(run).unwrap_or_else(|why| display.say(why.into())),
                Ok(DashboardOrder::Export) => order_exports(watch, exporter, display, exports),
                // The display is about to end.
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            },
            recv(watch.found()) -> found => watch.take_found(found.ok()),
            recv(said) -> message => message.into_iter().for_each(|message| display.say(message)),
            recv(published) -> message => message.into_iter().for_each(|message| display.say(message)),
            recv(ended_hooks) -> outcome => {
                outcome.into_iter().filter_map(|outcome| caller.hooks.take(outcome)).for_each(|why| display.say(why));
            }
            recv(outcomes) -> outcome => outcome.iter().for_each(|outcome| display.say(finish::in_words(outcome))),
            recv(news) -> _ => is_new = true,
            default(wake.saturating_duration_since(Instant::now())) => {}
        }
    }
}

fn order_exports(
    watch: &Watch,
    exporter: &mut Exporter,
    display: &Display<DashboardOrder>,
    exports: &[Export],
) {
    let runs = watch.runs();
    let exports = match exports {
        [] => vec![Export::named_after(runs.name())],
        exports => exports.to_vec(),
    };
    if let Err(error) = exporter.order(runs, &exports) {
        display.say(format!("not exported: {error}"));
    }
}

const NO_DASHBOARD: &str = "no dashboard, but lines of progress";

/// Starts the dashboard or the lines of progress. The display's own thread also takes the terminal, since that writes.
fn display(watch: &Watch, options: DashboardOptions) -> anyhow::Result<Display<DashboardOrder>> {
    let views = watch.views().clone();
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    // Nothing can be drawn on a terminal without a size.
    let can_draw = std::io::stdout().is_terminal() && crossterm::terminal::size().is_ok();
    if can_draw && is_dumb {
        output::say(&format!("{NO_DASHBOARD}: the terminal says that it can draw nothing (TERM=dumb)"));
    } else if can_draw {
        let title = format!("neurotop {}", printable(watch.runs().shown().run.name()));
        let jobs = dashboard::job_signals().context(NO_THREAD)?;
        let show = move |channels| match Screen::take(&title, options.mouse) {
            Ok(screen) => draw(screen, &views, jobs, &channels, options),
            // It may belong to another session, and no keys would come from it.
            Err(error) => {
                output::say(&format!("{NO_DASHBOARD}: the terminal cannot be taken: {error}"));
                plain::print_lines(&views, &options, &channels)
            }
        };
        return Display::start("screen", show);
    }
    watch.views().look_at(watch.runs().looked_at());
    Display::start("lines", move |channels| plain::print_lines(&views, &options, &channels))
}

fn draw(
    mut screen: Screen,
    views: &Views,
    jobs: Receiver<JobSignal>,
    channels: &DisplayChannels<DashboardOrder>,
    mut options: DashboardOptions,
) -> anyhow::Result<()> {
    let mut typed = Vec::new();
    if options.asks_width && options.appearance.symbols == Symbols::Unicode {
        let is_wide;
        (is_wide, typed) = screen.draws_wide();
        if is_wide {
            options.appearance.symbols = Symbols::Ascii;
        }
    }
    let events = TerminalEvents::start(typed).context(NO_THREAD)?;
    let inputs = Inputs {
        events: events.events.clone(),
        stop: channels.stop.clone(),
        jobs,
        messages: channels.messages.clone(),
        alerts: channels.alerts.clone(),
    };
    let shown = dashboard::show(&mut screen, views, &channels.orders, &inputs, &options);
    drop(inputs);
    channels.alerts.try_iter().for_each(|alert| screen.alert(&alert));
    screen.release_mouse_for_good(&events);
    shown
}

fn leave(
    mut watch: Watch,
    (mut exporter, mut caller): (Exporter, Caller<'_>),
    signals: &Receiver<i32>,
    options: &DashboardOptions,
    shown: anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    for fault in take_faults() {
        output::say(&fault);
    }
    let leaving = Leaving::new(signals);
    watch.finish();
    leaving.wait_for_counting(watch.views());
    let all_published = finish::close_publisher(&mut watch);
    let runs = watch.runs();
    let outcomes = exporter.finish(runs.clone(), &options.exports, &leaving);
    let exported = finish::name_exports(&outcomes);
    caller.hooks.finish(&leaving).iter().for_each(|why| output::say(why));
    let exported = exported && !caller.hooks.has_failed();
    if let Some(why) = runs.never_there() {
        shown?;
        output::say(&why);
        return Ok(ExitCode::FAILURE);
    }
    let summaries = options.checks.summarize_all(&runs, SystemTime::now());
    finish::name_problems(&summaries, &options.exports, Some(Format::TEXT));
    if runs.left_out() > 0 {
        output::say(&format!(
            "{} older runs are not in these figures: the newest {MAX_RUNS} were followed",
            thousands(runs.left_out() as u128)
        ));
    }
    finish::name_failures(&summaries, &options.exports, Some(Format::TEXT));
    // Last, so that the totals are what stands above the prompt.
    let printed = finish::print(Report::Runs(&summaries), Format::TEXT, options.appearance.symbols)?;
    shown?;
    Ok(finish::exit_code_of_runs(exported && printed && all_published, &summaries))
}
