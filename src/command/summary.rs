//! `neurotop summary DIR`: counts what is there, once, and prints the figures.

use super::finish;
use super::session::{Following, Session};
use super::signals::leave_signals;
use crate::cli::SummaryArgs;
use crate::config::Config;
use crate::dashboard::Symbols;
use crate::pipeline::{Mode, Presence};
use crate::report::Summary;
use crate::run::Run;
use crate::settings::{self, RunSettings};
use anyhow::bail;
use crossbeam_channel::select;
use indicatif::{ProgressBar, ProgressStyle};
use std::process::ExitCode;
use std::time::SystemTime;

pub(super) fn summary(args: SummaryArgs) -> anyhow::Result<ExitCode> {
    if !args.dir.exists() {
        bail!("{} does not exist; name the directory that holds the batches", args.dir.display());
    }
    let config = Config::load(args.run.config.as_deref())?;
    let (symbols, format) = (settings::symbols(&args.symbols, &config), settings::format(&args, &config));
    let applies = RunSettings::new(args.run, &config);
    let following = Following { mode: Mode::Once, poll: None };
    let mut session = Session::start(&args.dir, &applies, &following)?;
    count_all(&mut session, symbols)?;
    let run = &session.watch.runs.shown().run;
    if let Some(why) = run.refused() {
        bail!("{}: manifest.json: {why}", args.dir.display());
    }
    if let Some(Presence::Missing(why)) = run.presence() {
        bail!("{}: {why}", args.dir.display());
    }
    let summary = Summary::of(run, SystemTime::now());
    if run.manifest().is_none() && summary.account.seen == 0 {
        finish::name_problems(&[summary], None);
        bail!(
            "{} holds neither manifest.json nor a batch-N.npz; is it the right directory?",
            args.dir.display()
        );
    }
    let summaries = [summary];
    finish::print(&summaries, format, symbols)?;
    let all_written = finish::write_exports(&applies.exports, &summaries);
    finish::name_problems(&summaries, Some(format));
    let failed = finish::name_failures(&applies.fail_if, &summaries);
    Ok(finish::exit_code(&summaries, all_written, failed))
}

/// Takes updates until the pipeline has ended, with a progress bar on standard error.
fn count_all(session: &mut Session, symbols: Symbols) -> anyhow::Result<()> {
    let signals = leave_signals()?;
    let groups = session.watch.groups().clone();
    let bar = ProgressBar::new(0).with_style(style(symbols)?);
    while !session.watch.runs.have_ended() {
        select! {
            recv(groups) -> group => match group {
                Ok(group) => session.watch.apply(group),
                Err(_) => bail!("counting ended unexpectedly; please report it"),
            },
            recv(signals) -> _ => bail!("interrupted before all batches were counted"),
        }
        show(&bar, &session.watch.runs.shown().run);
    }
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
