//! `watch` where standard output is no terminal: a line of progress whenever something has changed.

use super::display::Ends;
use super::output::{self, Reader};
use crate::dashboard::{DashboardOptions, Symbols};
use crate::figures::{Summary, silent_ranks};
use crate::process::streams::reader_is_gone;
use crate::run::{Entry, News, Presence, Runs, Status, Views};
use crate::text::{bytes, decimal, percent, printable, shown, span, thousands};
use crossbeam_channel::{never, select};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

/// The least time between two lines.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// The least time between two looks at the runs.
const LOOK: Duration = Duration::from_millis(50);

/// The time before the first line: what is there already is counted first.
const FIRST_LINE: Duration = Duration::from_millis(300);

/// Prints progress until it is told to stop, or nobody reads any more; where a dashboard would close by itself, until
/// the runs are over.
pub(super) fn print_lines<O>(
    views: &Views,
    options: &DashboardOptions,
    ends: &Ends<O>,
) -> anyhow::Result<()> {
    let symbols = options.appearance.symbols;
    let wake = views.news();
    let (mut news, mut absent) = (News::default(), Absent::default());
    let next = Instant::now() + FIRST_LINE;
    let mut printer = Printer { symbols, last: HashMap::new(), next, failed: false };
    let mut next_look = Instant::now();
    loop {
        let (now, runs) = (Instant::now(), views.runs());
        let said = ends.messages.try_iter().chain(news.take(&runs));
        said.for_each(|said| output::say(&printable(&said)));
        absent.name(&runs);
        let is_over = options.close_after.is_some() && runs.are_over(SystemTime::now());
        let is_due = is_over || now >= printer.next;
        if (is_due && printer.print(&runs) == Reader::Gone) || is_over {
            return Ok(());
        }
        // A view that is held while the run goes on takes memory.
        drop(runs);
        let (next, wake) = if now >= next_look {
            next_look = now + LOOK;
            (printer.next, wake.clone())
        } else {
            // Of many views only so many are looked at.
            (printer.next.min(next_look), never())
        };
        select! {
            recv(ends.stop) -> _ => {
                let runs = views.runs();
                let said = ends.messages.try_iter().chain(news.take(&runs));
                said.for_each(|said| output::say(&printable(&said)));
                if runs.are_over(SystemTime::now()) {
                    printer.print(&runs);
                }
                return Ok(());
            }
            recv(wake) -> _ => {}
            recv(ends.messages) -> said => said.iter().for_each(|said| output::say(&printable(said))),
            default(next.saturating_duration_since(Instant::now())) => {}
        }
    }
}

struct Printer {
    symbols: Symbols,
    /// The last line of each run, by its number.
    last: HashMap<usize, String>,
    next: Instant,
    /// Whether the last line found no room.
    failed: bool,
}

impl Printer {
    /// Prints where each run is, unless that was printed last of it. Counting goes on without lines that find no
    /// room, which is said once.
    fn print(&mut self, runs: &Runs) -> Reader {
        self.next = Instant::now() + BETWEEN_LINES;
        let printed = self.print_lines(runs);
        if let (Err(error), false) = (&printed, self.failed) {
            output::say(&format!("{error:#}"));
        }
        self.failed = printed.is_err();
        // A run of which there is nothing to say may be read by nobody for days.
        if reader_is_gone() { Reader::Gone } else { printed.unwrap_or(Reader::There) }
    }

    fn print_lines(&mut self, runs: &Runs) -> anyhow::Result<Reader> {
        for number in runs.listed() {
            let Some(entry) = runs.get(number) else { continue };
            let line = line(entry);
            if self.last.get(&number) != Some(&line) {
                if output::print(&format!("{line}\n"), self.symbols)? == Reader::Gone {
                    return Ok(Reader::Gone);
                }
                self.last.insert(number, line);
            }
        }
        Ok(Reader::There)
    }
}

fn line(entry: &Entry) -> String {
    let run = &entry.run;
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
    // Without the time, for the same reason.
    let silent = silent_ranks(&summary.ranks).map_or(String::new(), |silent| format!(", {silent}"));
    let left = run.time_left(now).map_or(String::new(), |left| format!(", {} left", span(left)));
    let behind = run.backlog(now).map_or(String::new(), |backlog| {
        let (behind, speed) = (bytes(backlog.bytes), bytes(backlog.per_second as u64));
        format!(", {behind} behind at {speed}/s: {}", span(backlog.left))
    });
    format!(
        "{} {state}: {}{} batches, {}{} samples, effective {} dense {} ops/sample, sparsity {}, {} waiting, {} set aside{silent}{left}{behind}",
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

/// Directories that are waited for, and why, by the numbers of their runs.
#[derive(Debug, Default)]
struct Absent(HashMap<usize, String>);

impl Absent {
    /// Says why nothing comes from a directory or a store, once for each reason, and when it is there again.
    fn name(&mut self, runs: &Runs) {
        for number in runs.all() {
            let Some(entry) = runs.get(number) else { continue };
            if let Some(said) = entry.run.presence().and_then(|presence| self.news(number, presence)) {
                output::say(&format!("{}: {said}", shown(&entry.directory)));
            }
        }
    }

    /// What there is to say of a directory that was not said before.
    fn news(&mut self, run: usize, presence: &Presence) -> Option<String> {
        match presence {
            Presence::Missing(why) => {
                let news = self.0.get(&run) != Some(why);
                self.0.insert(run, why.clone());
                news.then(|| format!("waited for: {why}"))
            }
            Presence::Present => self.0.remove(&run).map(|_| "it is there".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_said_once_for_each_reason() {
        let mut absent = Absent::default();
        let missing = |why: &str| Presence::Missing(why.to_owned());
        assert_eq!(absent.news(0, &Presence::Present), None, "nobody waits");
        let news = absent.news(0, &missing("it does not exist yet"));
        assert_eq!(news.as_deref(), Some("waited for: it does not exist yet"));
        assert_eq!(absent.news(0, &missing("it does not exist yet")), None);
        let news = absent.news(0, &missing("it cannot be listed: no permission"));
        assert_eq!(news.as_deref(), Some("waited for: it cannot be listed: no permission"));
        assert_eq!(absent.news(0, &Presence::Present).as_deref(), Some("it is there"));
        assert_eq!(absent.news(0, &Presence::Present), None);
    }
}
