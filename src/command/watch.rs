//! `neurotop watch DIR`: the dashboard, and the figures on leaving.

use super::check::{checks, open_baseline};
use super::session::{Following, check, start};
use super::signals::{NO_THREAD, leave_signals};
use super::{finish, output, plain};
use crate::checks::Checks;
use crate::cli::WatchArgs;
use crate::config::Config;
use crate::dashboard::{self, Exporter, Inputs, Options, Screen, Symbols, take_faults};
use crate::follow::MAX_RUNS;
use crate::pipeline::{Keeping, Mode};
use crate::publish::Publisher;
use crate::report::{Export, Format, Summaries, Summary};
use crate::settings::{self, RunSettings};
use crate::storage::is_url;
use crate::text::{printable, thousands};
use crate::watch::Watch;
use anyhow::Context;
use crossbeam_channel::Receiver;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::SystemTime;

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
    let options = Options { checks, ..settings::dashboard(&run, &args.end, &args.look, config)? };
    let mut watch = start(&args.dir, &run, &following)?;
    watch.publish_through(publisher);
    watch_runs(watch, &signals, options)
}

/// Shows runs until they are left, then prints and exports their figures, whatever ended it.
pub(super) fn watch_runs(
    mut watch: Watch,
    signals: &Receiver<i32>,
    options: Options,
) -> anyhow::Result<ExitCode> {
    let after = After {
        exports: options.exports.clone(),
        checks: options.checks.clone(),
        symbols: options.look.symbols,
    };
    let mut exporter = Exporter::default();
    let shown = catch_unwind(AssertUnwindSafe(|| show(&mut watch, &mut exporter, signals, options)));
    // Whatever happened, the figures counted so far are the user's.
    let shown =
        shown.unwrap_or_else(|_| Err(anyhow::anyhow!("a fault of neurotop itself; please report it")));
    for fault in take_faults() {
        output::say(&fault);
    }
    leave(watch, &exporter, signals, &after, shown)
}

fn show(
    watch: &mut Watch,
    exporter: &mut Exporter,
    signals: &Receiver<i32>,
    options: Options,
) -> anyhow::Result<()> {
    // A terminal that has no size, and whose description gives none, cannot be drawn on.
    if !std::io::stdout().is_terminal() || crossterm::terminal::size().is_err() {
        return show_lines(watch, signals, &options);
    }
    let title = format!("neurotop {}", printable(watch.runs.shown().run.name()));
    let mut screen = match Screen::take(&title, options.mouse) {
        Ok(screen) => screen,
        // As of a terminal that is not the one of this session, so that no keys would come from it.
        Err(error) => {
            output::say(&format!(
                "no dashboard, but lines of progress: the terminal cannot be taken: {error}"
            ));
            return show_lines(watch, signals, &options);
        }
    };
    let inputs = Inputs {
        events: dashboard::terminal_events().context(NO_THREAD)?,
        signals: signals.clone(),
        jobs: dashboard::job_signals().context(NO_THREAD)?,
    };
    let shown = dashboard::show(&mut screen, watch, exporter, &inputs, &options);
    screen.release_mouse(&inputs.events);
    shown
}

fn show_lines(watch: &mut Watch, signals: &Receiver<i32>, options: &Options) -> anyhow::Result<()> {
    let exit_when_finished = options.exit_when_finished || options.close_after.is_some();
    plain::watch(watch, exit_when_finished, options.look.symbols, signals)
}

/// What there is to do after the dashboard.
struct After {
    exports: Vec<Export>,
    checks: Checks,
    symbols: Symbols,
}

fn leave(
    mut watch: Watch,
    exporter: &Exporter,
    signals: &Receiver<i32>,
    after: &After,
    shown: anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    finish::drain(&mut watch, signals);
    let all_published = finish::close_publisher(&mut watch);
    let mut summaries = watch.runs.summaries(SystemTime::now());
    summaries.iter_mut().for_each(|summary| after.checks.apply(summary));
    let report = Summaries(&summaries);
    finish::wait_for(exporter, signals);
    let exported = finish::write_exports(&after.exports, &report);
    let printed = finish::print(&report, Format::Text, after.symbols)?;
    finish::name_problems(&summaries, Some(Format::Text));
    if watch.runs.left_out() > 0 {
        output::say(&format!(
            "{} older runs are not in these figures: the newest {MAX_RUNS} were followed",
            thousands(watch.runs.left_out() as u128)
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
