//! `neurotop watch DIR`: the dashboard, and the figures on leaving.

use super::check::{checks, open_baseline};
use super::display::{Display, Ends, fault};
use super::exporter::{Exporter, Outcome};
use super::leaving::Leaving;
use super::session::{Following, check, start};
use super::signals::{NO_THREAD, leave_signals};
use super::{finish, output, plain};
use crate::dashboard::{
    self, DashboardOptions, DashboardOrder, Inputs, JobSignal, Screen, Symbols, give_back_anyway, take_faults,
};
use crate::figures::checks::Checks;
use crate::figures::{Export, Format, Summaries, Summary};
use crate::follow::MAX_RUNS;
use crate::options::cli::WatchArgs;
use crate::options::config::Config;
use crate::options::settings::{self, RunSettings};
use crate::publish::Publisher;
use crate::run::{Keeping, Mode, Views, Watch};
use crate::storage::is_url;
use crate::text::{printable, thousands};
use anyhow::{Context, anyhow};
use crossbeam_channel::{Receiver, never, select_biased};
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

pub(super) fn watch(args: WatchArgs) -> anyhow::Result<ExitCode> {
    let config = &Config::load(args.run.config.as_deref())?;
    let conflict = |why: String| clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, why + "\n");
    let (place, keeping) = settings::keeping(&args.keep, config).map_err(conflict)?;
    if keeping == Keeping::ProgressAndPrune && is_url(&args.dir) {
        let prune = settings::pruning(&args.keep, config);
        let why = format!(
            "{prune} deletes nothing in an object store; set an expiry rule there, and --no-prune here"
        );
        return Err(conflict(why).into());
    }
    let poll = settings::poll(&args, config);
    let priority = settings::priority(args.priority, config);
    let following = Following { poll, place, keeping, priority, ..Following::unkept(Mode::Live) };
    let run = RunSettings::new(args.run, config);
    let publishing = settings::publishing(args.publish, config);
    settings::check_outputs(&run, &following.place, &publishing).map_err(conflict)?;
    run.begin()?;
    check(&args.dir, &run, Mode::Live)?;
    let publisher = Publisher::start(&publishing)?;
    let baseline = open_baseline(settings::baseline(args.baseline.as_deref(), config), &run)?;
    let signals = leave_signals()?;
    let checks = checks(baseline, &run, &signals)?;
    let options = DashboardOptions { checks, ..settings::dashboard(&run, &args.end, &args.look, config)? };
    let watch = start(&args.dir, &run, &following, publisher)?;
    watch_runs(watch, &signals, options)
}

/// How often it is looked whether the runs are over, at the most.
const LOOK: Duration = Duration::from_millis(50);

/// How often what depends on the time alone is looked at.
const TICK: Duration = Duration::from_secs(1);

/// Shows runs until they are left, then prints and exports their figures, whatever ended it.
pub(super) fn watch_runs(
    mut watch: Watch,
    signals: &Receiver<i32>,
    options: DashboardOptions,
) -> anyhow::Result<ExitCode> {
    let after = After {
        exports: options.exports.clone(),
        checks: options.checks.clone(),
        symbols: options.appearance.symbols,
    };
    let mut exporter = Exporter::new(options.checks.clone());
    let shown = catch_unwind(AssertUnwindSafe(|| attend(&mut watch, &mut exporter, signals, options)));
    // Whatever happened, the figures counted so far are the user's.
    let shown = shown.unwrap_or_else(|_| Err(fault()));
    leave(watch, exporter, signals, &after, shown)
}

/// Has the runs shown, and does what there is to do meanwhile. It never writes anything itself, so that nobody who does
/// not read holds it up; signals go before everything else.
fn attend(
    watch: &mut Watch,
    exporter: &mut Exporter,
    signals: &Receiver<i32>,
    options: DashboardOptions,
) -> anyhow::Result<()> {
    let (exports, exit_when_finished) = (options.exports.clone(), options.exit_when_finished);
    let mut display = display(watch, options)?;
    let ended = attend_until(watch, exporter, &display, signals, &exports, exit_when_finished);
    watch.said().try_iter().for_each(|message| display.say(message));
    let stopped = display.stop(Leaving::for_display());
    if stopped.is_none() {
        give_back_anyway();
    }
    match (ended, stopped) {
        (Some(ended), _) => ended,
        (None, Some(ended)) => ended,
        (None, None) => Ok(()),
    }
}

/// Returns why to leave where that is neither the user nor a display that has ended.
fn attend_until(
    watch: &mut Watch,
    exporter: &mut Exporter,
    display: &Display<DashboardOrder>,
    signals: &Receiver<i32>,
    exports: &[Export],
    exit_when_finished: bool,
) -> Option<anyhow::Result<()>> {
    let (news, said) = (watch.views().news(), watch.said().clone());
    let (outcomes, published) = (exporter.outcomes().clone(), watch.publisher().said().clone());
    let (mut next_look, mut next_tick) = (Instant::now(), Instant::now());
    // Of many views only so many are looked at.
    let mut is_new = true;
    loop {
        let now = Instant::now();
        if (is_new && now >= next_look) || now >= next_tick {
            is_new = false;
            next_look = now + LOOK;
            let runs = watch.runs();
            if runs.has_one_ended() {
                return Some(Err(anyhow!("counting ended unexpectedly; please report it")));
            }
            if exit_when_finished && runs.are_over(SystemTime::now()) {
                return None;
            }
        }
        if now >= next_tick {
            next_tick = now + TICK;
            watch.tell_idle();
        }
        let (news, wake) = if is_new { (never(), next_look) } else { (news.clone(), next_tick) };
        select_biased! {
            recv(signals) -> _ => return None,
            recv(display.ended()) -> ended => return Some(ended.unwrap_or_else(|_| Err(fault()))),
            recv(display.orders()) -> order => match order {
                Ok(DashboardOrder::Restart(run)) => watch.restart(run).unwrap_or_else(|why| display.say(why.into())),
                Ok(DashboardOrder::Export) => order_exports(watch, exporter, display, exports),
                // It is about to end.
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            },
            recv(watch.found()) -> found => watch.take_found(found.ok()),
            recv(said) -> message => message.into_iter().for_each(|message| display.say(message)),
            recv(published) -> message => message.into_iter().for_each(|message| display.say(message)),
            recv(outcomes) -> outcome => outcome.iter().for_each(|outcome| display.say(in_words(outcome))),
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

/// What became of an export, in words.
fn in_words((path, written): &Outcome) -> String {
    match written {
        Ok(()) => format!("wrote {}", path.display()),
        Err(why) => why.clone(),
    }
}

/// What shows the runs. Taking the terminal is for its own thread, too: that writes to it.
fn display(watch: &Watch, options: DashboardOptions) -> anyhow::Result<Display<DashboardOrder>> {
    let views = watch.views().clone();
    // A terminal that has no size, and whose description gives none, cannot be drawn on.
    if std::io::stdout().is_terminal() && crossterm::terminal::size().is_ok() {
        let title = format!("neurotop {}", printable(watch.runs().shown().run.name()));
        let jobs = dashboard::job_signals().context(NO_THREAD)?;
        let show = move |ends| match Screen::take(&title, options.mouse) {
            Ok(screen) => draw(screen, &views, jobs, &ends, &options),
            // As of a terminal that is not the one of this session, so that no keys would come from it.
            Err(error) => {
                let why = "no dashboard, but lines of progress: the terminal cannot be taken";
                output::say(&format!("{why}: {error}"));
                plain::print_lines(&views, &options, &ends)
            }
        };
        return Display::start("screen", show);
    }
    watch.views().look_at(watch.runs().looked_at());
    Display::start("lines", move |ends| plain::print_lines(&views, &options, &ends))
}

fn draw(
    mut screen: Screen,
    views: &Views,
    jobs: Receiver<JobSignal>,
    ends: &Ends<DashboardOrder>,
    options: &DashboardOptions,
) -> anyhow::Result<()> {
    let events = dashboard::terminal_events().context(NO_THREAD)?;
    let inputs = Inputs { events, stop: ends.stop.clone(), jobs, messages: ends.messages.clone() };
    let shown = dashboard::show(&mut screen, views, &ends.orders, &inputs, options);
    screen.release_mouse(&inputs.events);
    shown
}

/// What there is to do after the dashboard.
struct After {
    exports: Vec<Export>,
    checks: Checks,
    symbols: Symbols,
}

fn leave(
    mut watch: Watch,
    mut exporter: Exporter,
    signals: &Receiver<i32>,
    after: &After,
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
    let outcomes = exporter.finish(runs.clone(), &after.exports, &leaving);
    let exported = finish::name_exports(&outcomes);
    let mut summaries = runs.summaries(SystemTime::now());
    summaries.iter_mut().for_each(|summary| after.checks.apply(summary));
    let printed = finish::print(&Summaries(&summaries), Format::Text, after.symbols)?;
    finish::name_problems(&summaries, Some(Format::Text));
    if runs.left_out() > 0 {
        output::say(&format!(
            "{} older runs are not in these figures: the newest {MAX_RUNS} were followed",
            thousands(runs.left_out() as u128)
        ));
    }
    for summary in &summaries {
        let run = (summaries.len() > 1).then_some(summary.run.name.as_str());
        finish::name_failures(run, summary.failed.as_deref(), Some(Format::Text));
    }
    shown?;
    let failures: Vec<_> = summaries.iter().flat_map(|summary| summary.failed.clone()).flatten().collect();
    let set_aside = summaries.iter().any(Summary::leaves_out);
    Ok(finish::exit_code(exported && printed && all_published, Some(&failures), set_aside))
}
