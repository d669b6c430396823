//! `watch` where standard output is no terminal: a line of progress whenever something has changed.

use super::finish::ended_by_itself;
use super::session::Session;
use crate::report::Summary;
use crate::run::Status;
use crate::text::{decimal, percent, printable, span, thousands};
use crossbeam_channel::{Receiver, select};
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

/// The least time between two lines.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// The time before the first line: what is there already is counted first.
const FIRST_LINE: Duration = Duration::from_millis(300);

/// Prints progress until a signal, the end of the run (where asked for), or a closed pipe.
pub(super) fn watch(
    session: &mut Session,
    exit_when_finished: bool,
    signals: &Receiver<i32>,
) -> anyhow::Result<()> {
    let updates = session.pipeline.updates().clone();
    let mut printer = Printer { last: String::new(), next: Instant::now() + FIRST_LINE };
    loop {
        let over = exit_when_finished && session.run.is_over(SystemTime::now());
        if (over || Instant::now() >= printer.next) && printer.print(session).is_err() {
            return Ok(());
        }
        if over {
            return Ok(());
        }
        select! {
            recv(updates) -> group => match group {
                Ok(group) if !ended_by_itself(&group) => session.run.apply(group, SystemTime::now()),
                _ => anyhow::bail!("counting ended unexpectedly; please report it"),
            },
            recv(signals) -> _ => return Ok(()),
            default(printer.next.saturating_duration_since(Instant::now())) => {}
        }
    }
}

struct Printer {
    last: String,
    next: Instant,
}

impl Printer {
    /// Prints where the run is, unless that was printed last.
    fn print(&mut self, session: &Session) -> std::io::Result<()> {
        let line = line(session);
        self.next = Instant::now() + BETWEEN_LINES;
        if line == self.last {
            return Ok(());
        }
        writeln!(std::io::stdout(), "{line}")?;
        self.last = line;
        Ok(())
    }
}

fn line(session: &Session) -> String {
    let run = &session.run;
    let now = SystemTime::now();
    let summary = Summary::of(run, now);
    let state = match run.status(now) {
        Status::Waiting => "waiting".to_owned(),
        Status::Live => "live".to_owned(),
        // Without the seconds, so that a stalled run prints one line and not one a second.
        Status::Stalled(_) => "stalled".to_owned(),
        Status::Finished => "finished".to_owned(),
    };
    let of = |expected: Option<u64>| {
        expected.map_or(String::new(), |count| format!("/{}", thousands(count.into())))
    };
    let left = run.time_left(now).map_or(String::new(), |left| format!(", {} left", span(left)));
    format!(
        "{} {state}: {}{} batches, {}{} samples, effective {} dense {} ops/sample, sparsity {}, {} waiting, {} set aside{left}",
        printable(&summary.run.name),
        thousands(summary.run.batches.into()),
        of(summary.run.expected_batches),
        thousands(summary.run.samples),
        of(summary.run.expected_samples),
        effective(&summary),
        decimal(summary.total.dense_ops_per_sample, 2),
        summary.total.sparsity.map_or("–".into(), percent),
        summary.account.waiting,
        summary.account.set_aside,
    )
}

fn effective(summary: &Summary) -> String {
    let figure = decimal(summary.total.effective_ops_per_sample, 2);
    match summary.total.uncertainty.and_then(|uncertainty| uncertainty.relative) {
        Some(relative) if relative > 0.0 => format!("{figure} (± {})", percent(relative)),
        _ => figure,
    }
}
