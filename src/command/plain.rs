//! `watch` without a terminal: prints a line of progress whenever something has changed.

use super::display::{DisplayChannels, listed};
use super::output::{self, Reader};
use crate::dashboard::{DashboardOptions, Symbols};
use crate::figures::run_times::{self, catching_up, state};
use crate::figures::{Figure, Summary, TotalFigures, silent_ranks};
use crate::platform::streams::reader_is_gone;
use crate::run::{News, Presence, RunEntry, Runs, Status, Views};
use crate::text::{bytes, decimal, printable, shown, span, thousands};
use crossbeam_channel::{never, select};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

/// The least time between two lines of a run.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// The least time between two looks at the runs.
const LOOK: Duration = Duration::from_millis(50);

/// The time before the first line, in which what exists already is counted.
const FIRST_LINE: Duration = Duration::from_millis(300);

/// Prints progress until it is told to stop or nobody reads any more, and where a dashboard would close by itself, until
/// the runs are over.
pub(super) fn print_lines<O>(
    views: &Views,
    options: &DashboardOptions,
    channels: &DisplayChannels<O>,
) -> anyhow::Result<()> {
    let symbols = options.appearance.symbols;
    let wake = views.news();
    let (mut news, mut missing) = (News::default(), MissingRuns::default());
    let next = Instant::now() + FIRST_LINE;
    let mut printer = Printer { symbols, last: HashMap::new(), next, failed: false };
    if let Some(command) = &options.similar_command {
        output::say(&format!("did you mean the command neurotop {command}?"));
    }
    let mut next_look = Instant::now();
    loop {
        let (now, runs) = (Instant::now(), views.runs());
        let said = channels.messages.try_iter().chain(news.take(&runs));
        said.for_each(|said| output::say(&printable(&said)));
        missing.report(&runs);
        let is_over = options.close_after.is_some() && runs.are_over(SystemTime::now());
        let is_due = is_over || now >= printer.next;
        if (is_due && printer.print(&runs) == Reader::Gone) || is_over {
            return Ok(());
        }
        // Holding a view while the run goes on takes memory.
        drop(runs);
        let (next, wake) = if now >= next_look {
            next_look = now + LOOK;
            (printer.next, wake.clone())
        } else {
            // Views may come faster than they are worth looking at.
            (printer.next.min(next_look), never())
        };
        select! {
            recv(channels.stop) -> _ => {
                channels.alerts.try_iter().for_each(|alert| output::alert(&alert));
                let runs = views.runs();
                let said = channels.messages.try_iter().chain(news.take(&runs));
                said.for_each(|said| output::say(&printable(&said)));
                if runs.are_over(SystemTime::now()) {
                    printer.print(&runs);
                }
                return Ok(());
            }
            recv(wake) -> _ => {}
            recv(channels.alerts) -> alert => alert.iter().for_each(|alert| output::alert(alert)),
            recv(channels.messages) -> said => said.iter().for_each(|said| output::say(&printable(said))),
            default(next.saturating_duration_since(Instant::now())) => {}
        }
    }
}

struct Printer {
    symbols: Symbols,
    /// The news of the last line of each run, by the number of the run.
    last: HashMap<usize, String>,
    next: Instant,
    /// Whether the last line could not be written.
    failed: bool,
}

impl Printer {
    /// Prints the line of each run if it has changed. If that fails, counting goes on and one message says so.
    fn print(&mut self, runs: &Runs) -> Reader {
        self.next = Instant::now() + BETWEEN_LINES;
        let printed = self.print_lines(runs);
        if let (Err(error), false) = (&printed, self.failed) {
            output::say(&format!("{error:#}"));
        }
        self.failed = printed.is_err();
        // Nothing may be written for days, so that only this notices a reader that is gone.
        if reader_is_gone() { Reader::Gone } else { printed.unwrap_or(Reader::There) }
    }

    fn print_lines(&mut self, runs: &Runs) -> anyhow::Result<Reader> {
        for (number, entry, directory) in listed(runs) {
            let (news, line) = line(entry, directory.as_deref(), SystemTime::now());
            if self.last.get(&number) != Some(&news) {
                if output::print(&format!("{line}\n"), self.symbols)? == Reader::Gone {
                    return Ok(Reader::Gone);
                }
                self.last.insert(number, news);
            }
        }
        Ok(Reader::There)
    }
}

/// What is worth a line about a run if it changes, and the line: a stalled run prints one line, not one every second.
fn line(entry: &RunEntry, directory: Option<&str>, now: SystemTime) -> (String, String) {
    let run = &entry.run;
    let summary = Summary::without_steps(run, now);
    let timing = &summary.run.times.timing;
    let of = |expected: Option<u64>| {
        expected.map_or(String::new(), |count| format!("/{}", thousands(count.into())))
    };
    let directory = directory.map_or(String::new(), |directory| format!(" ({})", printable(directory)));
    // Without the time, likewise.
    let silent = silent_ranks(&summary.ranks).map_or(String::new(), |silent| format!(", {silent}"));
    let behind = run.backlog(now).filter(|_| timing.catching_up.is_none()).map_or(String::new(), |backlog| {
        let (behind, speed) = (bytes(backlog.bytes), bytes(backlog.per_second as u64));
        format!(", {behind} behind at {speed}/s: {}", span(backlog.left))
    });
    let counts = format!(
        "{}{} batches, {}{} samples, effective {} dense {} ops/sample, sparsity {}{}, {} waiting, {} set aside{silent}",
        thousands(summary.run.batches.into()),
        of(summary.run.expected_batches),
        thousands(summary.run.samples),
        of(summary.run.expected_samples),
        effective(&summary.total),
        decimal(summary.neurobench.neuron_operations.dense, 2),
        sparsity(&summary.total),
        with_measured(&summary),
        summary.account.waiting,
        summary.account.set_aside,
    );
    let name = printable(&summary.run.name);
    let (status, doubt) = (run.status(now), timing.doubt.as_ref().map(std::mem::discriminant));
    let times = times(&summary, status);
    let news = format!("{name}{directory} {}: {counts}{behind} {doubt:?}", summary.run.status);
    (news, format!("{name}{directory} {}: {counts}{times}{behind}", state(status)))
}

/// How far and how fast the run is, and what is wrong with these times.
fn times(summary: &Summary, status: Status) -> String {
    let timing = &summary.run.times.timing;
    let mut parts = timing.catching_up.map(catching_up).into_iter().collect::<Vec<_>>();
    parts.extend(run_times::parts(timing, status));
    parts.extend(timing.left.map(|left| format!("{} left", span(left))));
    parts.extend(summary.run.times.clock.clone());
    parts.iter().map(|part| format!(", {part}")).collect()
}

/// The total with the layers whose price is measured, if there are any.
fn with_measured(summary: &Summary) -> String {
    summary.total_measured.as_ref().map_or(String::new(), |total| {
        let dense = decimal(total.sums.dense_per_sample().unwrap_or_default(), 2);
        let (effective, sparsity) = (effective(total), sparsity(total));
        format!(", with measured prices effective {effective} dense {dense}, sparsity {sparsity}")
    })
}

fn effective(total: &TotalFigures) -> String {
    Figure::EFFECTIVE_PER_SAMPLE.with_uncertainty(&total.sums, total.uncertainty.as_ref())
}

fn sparsity(total: &TotalFigures) -> String {
    Figure::SPARSITY.rounded(&total.sums, total.uncertainty.as_ref())
}

/// Runs whose directories are missing, and why, by the numbers of the runs; and what was last said to be there instead.
#[derive(Debug, Default)]
struct MissingRuns(HashMap<usize, String>, Option<String>);

impl MissingRuns {
    /// Says once for each reason why a directory or a store cannot be read, and when it can be read again.
    fn report(&mut self, runs: &Runs) {
        for number in runs.all() {
            let Some(entry) = runs.get(number) else { continue };
            let news = |presence| self.news(number, &shown(&entry.directory), presence);
            let said = entry.run.presence().and_then(news);
            said.iter().for_each(|said| output::say(said));
        }
        let instead = runs.instead().map(str::to_owned);
        if self.1 != instead {
            instead.iter().for_each(|instead| output::say(instead));
            self.1 = instead;
        }
    }

    /// The message about a run, unless it was the last one about it.
    fn news(&mut self, run: usize, directory: &str, presence: &Presence) -> Option<String> {
        match presence {
            Presence::Missing(why) => {
                let is_new = self.0.insert(run, why.clone()).as_ref() != Some(why);
                let why = why.strip_prefix("it ").unwrap_or(why);
                is_new.then(|| format!("waiting for {directory} ({why})"))
            }
            Presence::Present => self.0.remove(&run).map(|_| format!("{directory} is there now")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_run_is_reported_once_for_each_reason() {
        let mut runs = MissingRuns::default();
        let missing = |why: &str| Presence::Missing(why.to_owned());
        let mut news = |presence: &Presence| runs.news(0, "dem", presence);
        assert_eq!(news(&Presence::Present), None, "it was never missing");
        let absent = Some("waiting for dem (does not exist yet)".to_owned());
        assert_eq!(news(&missing("it does not exist yet")), absent);
        assert_eq!(news(&missing("it does not exist yet")), None);
        let unreadable = Some("waiting for dem (cannot be listed: no permission)".to_owned());
        assert_eq!(news(&missing("it cannot be listed: no permission")), unreadable);
        assert_eq!(news(&Presence::Present), Some("dem is there now".to_owned()));
        assert_eq!(news(&Presence::Present), None);
    }
}
