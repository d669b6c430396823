//! `neurotop summary DIR`: counts what is there, once, and prints the figures.

use super::finish;
use super::session::{Following, Session};
use super::signals::leave_signals;
use crate::cli::SummaryArgs;
use crate::pipeline::{Mode, Presence};
use crate::report::Summary;
use crate::run::Run;
use anyhow::bail;
use crossbeam_channel::select;
use indicatif::{ProgressBar, ProgressStyle};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// A run that is not over and has written nothing for this long is stalled.
const STALL_AFTER: Duration = Duration::from_secs(30);

pub(super) fn summary(args: SummaryArgs) -> anyhow::Result<ExitCode> {
    if !args.dir.exists() {
        bail!("{} does not exist; name the directory that holds the batches", args.dir.display());
    }
    let following = Following { mode: Mode::Once, poll: None, stall_after: STALL_AFTER };
    let mut session = Session::start(&args.dir, &args.run, &following)?;
    count_all(&mut session)?;
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
    finish::print(&summaries, args.format)?;
    let all_written = finish::write_exports(&args.run.export, &summaries);
    finish::name_problems(&summaries, Some(args.format));
    let failed = finish::name_failures(&args.run.fail_if, &summaries);
    Ok(finish::exit_code(&summaries, all_written, failed))
}

/// Takes updates until the pipeline has ended, with a progress bar on standard error.
fn count_all(session: &mut Session) -> anyhow::Result<()> {
    let signals = leave_signals()?;
    let groups = session.watch.groups().clone();
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{spinner} {wide_bar} {pos} of {len} batches, {msg}, {eta} left",
    )?);
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

fn show(bar: &ProgressBar, run: &Run) {
    let account = run.account();
    bar.set_length(account.seen);
    bar.set_position(account.counted + account.set_aside);
    if !bar.is_hidden() {
        bar.set_message(crate::text::bytes(run.bytes()));
    }
}
