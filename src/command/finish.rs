//! The end of every command: the exports, the tables, the exit code.

use super::exporter::Outcome;
use super::leaving::Leaving;
use super::output;
use crate::dashboard::{Appearance, AppearanceOptions, Symbols, ThemeName};
use crate::figures::{Colours, Comparison, Export, Failure, Format, Report, Summary};
use crate::run::Watch;
use crate::text::{printable, shown};
use std::io::IsTerminal;
use std::process::ExitCode;

/// Counted, but something was set aside.
const SET_ASIDE: u8 = 3;

/// Counted, and a condition of `--fail-if` holds or cannot be decided.
const FAILED: u8 = 4;

/// Publishes the last state, and names on standard error what could not be published. Returns whether all was.
pub(super) fn close_publisher(watch: &mut Watch) -> bool {
    let failed = watch.publisher().close(Leaving::for_publishing());
    failed.iter().for_each(|why| output::say(why));
    failed.is_empty()
}

/// Writes the exports and names each that failed on standard error. Returns whether all were written.
pub(super) fn write_exports(exports: &[Export], report: &impl Report) -> bool {
    let write = |export: &Export| {
        let written = export.write(report).map_err(|error| format!("{error:#}"));
        (export.path().to_owned(), written)
    };
    name_exports(&exports.iter().map(write).collect::<Vec<Outcome>>())
}

/// Names exports that were written, or why they could not be. Returns whether all were.
pub(super) fn name_exports(outcomes: &[Outcome]) -> bool {
    for (path, written) in outcomes {
        match written {
            Ok(()) => output::say(&format!("wrote {}", shown(path))),
            Err(why) => output::say(why),
        }
    }
    outcomes.iter().all(|(_, written)| written.is_ok())
}

/// Prints a report on standard output, which may be gone, and names on standard error why it could not be. What is
/// for people is in symbols that can be shown, what is for programs as it is in a file. Returns whether it was
/// printed, as far as anybody wants it.
pub(super) fn print(report: &impl Report, format: Format, symbols: Symbols) -> anyhow::Result<bool> {
    let text = report.render(format, colours())?;
    let symbols = if format == Format::Text { symbols } else { Symbols::Unicode };
    let printed = output::print(&text, symbols);
    if let Err(error) = &printed {
        output::say(&format!("{error:#}"));
    }
    Ok(printed.is_ok())
}

/// Whether standard output shows colours, and the user wants them.
fn colours() -> Colours {
    let theme = Appearance::from_environment(AppearanceOptions::default()).theme;
    if std::io::stdout().is_terminal() && theme != ThemeName::Monochrome { Colours::On } else { Colours::Off }
}

/// Whether the user has just read it on standard output.
fn was_read(printed: Option<Format>) -> bool {
    printed == Some(Format::Text) && std::io::stdout().is_terminal()
}

/// Names what was set aside on standard error, unless the user has just read it on standard output.
pub(super) fn name_problems(summaries: &[Summary], printed: Option<Format>) {
    if was_read(printed) {
        return;
    }
    for summary in summaries {
        let run = prefix(summaries, summary);
        if summary.account.waiting > 0 {
            output::say(&format!(
                "{run}not counted yet: {} of the batches that were seen",
                summary.account.waiting
            ));
        }
        for problem in &summary.problems {
            let what = if problem.severity == "set_aside" { "set aside: " } else { "" };
            output::say(&format!("{run}{}: {what}{}", printable(&problem.path), printable(&problem.reason)));
            if let Some(more) = problem.more.text() {
                output::say(&format!("{run}{more}"));
            }
        }
    }
}

/// Which of several runs is meant.
fn prefix(summaries: &[Summary], summary: &Summary) -> String {
    if summaries.len() > 1 { format!("{}: ", printable(&summary.run.name)) } else { String::new() }
}

/// The same for the runs of a comparison.
pub(super) fn name_set_aside(comparison: &Comparison, printed: Format) {
    if was_read(Some(printed)) {
        return;
    }
    for run in comparison.runs() {
        if run.waiting > 0 {
            let (source, waiting) = (printable(&run.source), run.waiting);
            output::say(&format!("{source}: not counted yet: {waiting} of the batches that were seen"));
        }
        for what in &run.set_aside {
            output::say(&format!("{}: set aside: {}", printable(&run.source), printable(what)));
        }
        for what in &run.notices {
            output::say(&format!("{}: {}", printable(&run.source), printable(what)));
        }
    }
}

/// Names the conditions that hold on standard error, with the run where there are several, unless the user
/// has just read them.
pub(super) fn name_failures(run: Option<&str>, failures: Option<&[Failure]>, printed: Option<Format>) {
    if was_read(printed) {
        return;
    }
    for failure in failures.into_iter().flatten() {
        let run = run.map_or(String::new(), |run| format!("{}: ", printable(run)));
        output::say(&format!("failed: {run}{}", printable(&failure.to_string())));
    }
}

/// The exit code that the figures deserve: of several, the first here. What is written is exported, printed and
/// published.
pub(super) fn exit_code(all_written: bool, failures: Option<&[Failure]>, set_aside: bool) -> ExitCode {
    if !all_written {
        ExitCode::FAILURE
    } else if failures.is_some_and(|failures| !failures.is_empty()) {
        ExitCode::from(FAILED)
    } else if set_aside {
        ExitCode::from(SET_ASIDE)
    } else {
        ExitCode::SUCCESS
    }
}
