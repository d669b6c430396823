//! `neurotop watch DIR`: the dashboard, and the figures on leaving.

use super::session::{Following, Session};
use super::signals::leave_signals;
use super::{finish, plain};
use crate::cli::WatchArgs;
use crate::condition::Condition;
use crate::config::Config;
use crate::dashboard::{self, Inputs, Options, Screen, Symbols, take_faults};
use crate::pipeline::Mode;
use crate::report::{Export, Format};
use crate::settings::{self, RunSettings};
use crossbeam_channel::Receiver;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

pub(super) fn watch(args: WatchArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(args.run.config.as_deref())?;
    let following = Following { mode: Mode::Live, poll: settings::poll(&args, &config) };
    let signals = leave_signals()?;
    let applies = RunSettings::new(args.run, &config);
    let session = Session::start(&args.dir, &applies, &following)?;
    let options =
        Options { exports: applies.exports, ..settings::dashboard(&args.end, &args.look, &config)? };
    watch_session(session, &signals, options, &applies.fail_if)
}

/// Shows a session until it is left, then prints and exports its figures, whatever ended it.
pub(super) fn watch_session(
    mut session: Session,
    signals: &Receiver<i32>,
    options: Options,
    fail_if: &[Condition],
) -> anyhow::Result<ExitCode> {
    let after = After { exports: options.exports.clone(), fail_if, symbols: options.look.symbols };
    let shown = catch_unwind(AssertUnwindSafe(|| show(&mut session, signals, options)));
    // Whatever happened, the figures counted so far are the user's.
    let shown =
        shown.unwrap_or_else(|_| Err(anyhow::anyhow!("a fault of neurotop itself; please report it")));
    for fault in take_faults() {
        eprintln!("neurotop: {fault}");
    }
    leave(session, signals, &after, shown)
}

fn show(session: &mut Session, signals: &Receiver<i32>, mut options: Options) -> anyhow::Result<()> {
    if !std::io::stdout().is_terminal() {
        options.exit_when_finished |= options.close_after.is_some();
        let symbols = options.look.symbols;
        return plain::watch(&mut session.watch, options.exit_when_finished, symbols, signals);
    }
    let mut screen =
        Screen::take(&format!("neurotop {}", session.watch.runs.shown().run.name()), options.mouse)?;
    let inputs = Inputs { events: dashboard::terminal_events()?, signals: signals.clone() };
    dashboard::show(screen.terminal(), &mut session.watch, &inputs, &options)
}

/// What is done after the dashboard.
struct After<'a> {
    exports: Vec<Export>,
    fail_if: &'a [Condition],
    symbols: Symbols,
}

fn leave(
    mut session: Session,
    signals: &Receiver<i32>,
    after: &After<'_>,
    shown: anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    finish::drain(&mut session, signals);
    let summaries = finish::summaries(&session.watch.runs);
    let all_written = finish::write_exports(&after.exports, &summaries);
    finish::print(&summaries, Format::Text, after.symbols)?;
    finish::name_problems(&summaries, Some(Format::Text));
    let failed = finish::name_failures(after.fail_if, &summaries);
    shown?;
    Ok(finish::exit_code(&summaries, all_written, failed))
}
