//! `neurotop watch DIR`: the dashboard, and the figures on leaving.

use super::check::{checks, open_baseline};
use super::session::{Following, Session, check};
use super::signals::leave_signals;
use super::{finish, plain};
use crate::checks::Checks;
use crate::cli::{LookArgs, WatchArgs};
use crate::dashboard::{self, Inputs, Look, Options, Screen, Wishes, take_faults};
use crate::pipeline::Mode;
use crate::report::{Export, Format, Summaries, Summary};
use crossbeam_channel::Receiver;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

pub(super) fn watch(args: WatchArgs) -> anyhow::Result<ExitCode> {
    let following = Following { mode: Mode::Live, poll: args.poll, stall_after: args.stall_after };
    check(&args.dir, &args.run, Mode::Live)?;
    let baseline = open_baseline(args.baseline.as_deref(), &args.run)?;
    let signals = leave_signals()?;
    let checks = checks(baseline, &args.run, &signals)?;
    let session = Session::start(&args.dir, &args.run, &following)?;
    let options = Options {
        exit_when_finished: args.exit_when_finished,
        close_after: None,
        exports: args.run.export,
        look: look(&args.look, &session),
        mouse: args.look.mouse(),
        checks,
    };
    watch_session(session, &signals, options)
}

/// What the dashboard looks like, by the command line, the configuration and the environment.
pub(super) fn look(args: &LookArgs, session: &Session) -> Look {
    let wishes = Wishes { theme: args.theme, configured: session.theme, symbols: args.symbols() };
    Look::from_environment(wishes)
}

/// Shows a session until it is left, then prints and exports its figures, whatever ended it.
pub(super) fn watch_session(
    mut session: Session,
    signals: &Receiver<i32>,
    options: Options,
) -> anyhow::Result<ExitCode> {
    let (exports, checks) = (options.exports.clone(), options.checks.clone());
    let shown = catch_unwind(AssertUnwindSafe(|| show(&mut session, signals, options)));
    // Whatever happened, the figures counted so far are the user's.
    let shown =
        shown.unwrap_or_else(|_| Err(anyhow::anyhow!("a fault of neurotop itself; please report it")));
    for fault in take_faults() {
        eprintln!("neurotop: {fault}");
    }
    leave(session, signals, &exports, &checks, shown)
}

fn show(session: &mut Session, signals: &Receiver<i32>, mut options: Options) -> anyhow::Result<()> {
    if !std::io::stdout().is_terminal() {
        options.exit_when_finished |= options.close_after.is_some();
        return plain::watch(&mut session.watch, options.exit_when_finished, signals);
    }
    let mut screen =
        Screen::take(&format!("neurotop {}", session.watch.runs.shown().run.name()), options.mouse)?;
    let inputs = Inputs { events: dashboard::terminal_events()?, signals: signals.clone() };
    dashboard::show(screen.terminal(), &mut session.watch, &inputs, &options)
}

fn leave(
    mut session: Session,
    signals: &Receiver<i32>,
    exports: &[Export],
    checks: &Checks,
    shown: anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    finish::drain(&mut session, signals);
    let mut summaries = finish::summaries(&session.watch.runs);
    summaries.iter_mut().for_each(|summary| checks.apply(summary));
    let report = Summaries(&summaries);
    let all_written = finish::write_exports(exports, &report);
    finish::print(&report, Format::Text)?;
    finish::name_problems(&summaries, Some(Format::Text));
    for summary in &summaries {
        let run = (summaries.len() > 1).then_some(summary.run.name.as_str());
        finish::name_failures(run, summary.failed.as_deref(), Some(Format::Text));
    }
    shown?;
    let failures: Vec<_> = summaries.iter().flat_map(|summary| summary.failed.clone()).flatten().collect();
    let set_aside = summaries.iter().any(Summary::has_set_aside);
    Ok(finish::exit_code(all_written, Some(&failures), set_aside))
}
