//! How commands end: with exports, tables, messages on standard error, and the exit code.

use super::exporter::Outcome;
use super::leaving::Leaving;
use super::output;
use crate::dashboard::{Appearance, AppearanceOptions, Symbols, ThemeName};
use crate::figures::problems::{first_of, spelled_out_of};
use crate::figures::{Comparison, Export, Failure, Format, Report, Summary, failures_of, run_prefixes};
use crate::options::OptionValues;
use crate::run::Watch;
use crate::text::{printable, shown};
use std::io::IsTerminal;
use std::process::ExitCode;

/// The exit code where figures lack something, or differ from NeuroBench's own.
const SET_ASIDE: u8 = 3;

/// The exit code where a condition of `--fail-if` holds or cannot be decided.
const FAILED: u8 = 4;

/// Exports and prints the figures of runs, and reports what is wrong with them. Returns the exit code.
pub(super) fn report_runs(
    summaries: &[Summary],
    options: &OptionValues,
    all_published: bool,
) -> anyhow::Result<ExitCode> {
    let report = Report::Runs(summaries);
    let exported = write_exports(&options.export, report);
    name_problems(summaries, &options.export, Some(options.format));
    name_failures(summaries, &options.export, Some(options.format));
    // Last, so that the totals are what stands above the prompt.
    let printed = print(report, options.format, options.symbols())?;
    Ok(exit_code_of_runs(exported && printed && all_published, summaries))
}

/// The exit code for these figures.
pub(super) fn exit_code_of_runs(all_written: bool, summaries: &[Summary]) -> ExitCode {
    let failures: Vec<Failure> =
        summaries.iter().flat_map(|summary| summary.failed.clone()).flatten().collect();
    exit_code(all_written, Some(&failures), summaries.iter().any(Summary::leaves_out))
}

/// Publishes the last figures, and reports failures on standard error. Returns whether there were none.
pub(super) fn close_publisher(watch: &mut Watch) -> bool {
    let failed = watch.publisher().close(Leaving::for_publishing());
    failed.iter().for_each(|why| output::say(why));
    failed.is_empty()
}

/// Writes the exports, and reports each on standard error. Returns whether all succeeded.
pub(super) fn write_exports(exports: &[Export], report: Report<'_>) -> bool {
    let write = |export: &Export| {
        let written = export.write(report).map_err(|error| format!("{error:#}"));
        (export.path().to_owned(), written)
    };
    name_exports(&exports.iter().map(write).collect::<Vec<Outcome>>())
}

/// Reports exports on standard error. Returns whether all succeeded.
pub(super) fn name_exports(outcomes: &[Outcome]) -> bool {
    outcomes.iter().for_each(|outcome| output::say(&in_words(outcome)));
    outcomes.iter().all(|(_, written)| written.is_ok())
}

/// The outcome of an export as a message.
pub(super) fn in_words((path, written): &Outcome) -> String {
    written.as_ref().map_or_else(Clone::clone, |()| format!("wrote {}", shown(path)))
}

/// Prints a report on standard output. Text for people uses the symbols that the terminal can show; formats for programs
/// are the same as in a file. Returns false if writing failed, which is reported on standard error. It is no failure if
/// the reader has closed standard output.
pub(super) fn print(report: Report<'_>, format: Format, symbols: Symbols) -> anyhow::Result<bool> {
    let text = report.render(format, shows_colours())?;
    let symbols = if format == Format::TEXT { symbols } else { Symbols::Unicode };
    let printed = output::print(&text, symbols);
    if let Err(error) = &printed {
        output::say(&format!("{error:#}"));
    }
    Ok(printed.is_ok())
}

/// Whether standard output can show colours and the user wants them.
fn shows_colours() -> bool {
    let theme = Appearance::from_environment(AppearanceOptions::default()).theme;
    std::io::stdout().is_terminal() && theme != ThemeName::Monochrome
}

/// Whether the report that was printed has told the user already.
fn was_read(printed: Option<Format>) -> bool {
    printed == Some(Format::TEXT) && std::io::stdout().is_terminal()
}

/// Reports what is wrong on standard error, at most ten problems of all runs together, unless the report on the terminal
/// says it.
pub(super) fn name_problems(summaries: &[Summary], exports: &[Export], printed: Option<Format>) {
    if was_read(printed) {
        return;
    }
    let (runs, where_all_are) = (run_prefixes(summaries), where_all_are(exports));
    let waiting = summaries.iter().zip(runs).filter(|(summary, _)| summary.account.waiting > 0);
    let waiting = waiting.map(|(summary, run)| {
        format!("{run}not counted yet: {} of the batches that were seen", summary.account.waiting)
    });
    say_all(first_of(waiting, &where_all_are));
    say_all(spelled_out_of(summaries, &where_all_are));
}

fn say_all(sentences: Vec<String>) {
    sentences.iter().for_each(|sentence| output::say(&printable(sentence)));
}

/// Where all problems are: in an export that was written, or in one that can be.
fn where_all_are(exports: &[Export]) -> String {
    match exports.iter().find(|export| export.format() == Format::JSON) {
        Some(export) => format!("see {}", shown(export.path())),
        None => "see --format json".to_owned(),
    }
}

/// Reports the conditions that hold or cannot be decided on standard error, at most ten of all runs together, unless the
/// report on the terminal says it.
pub(super) fn name_failures(summaries: &[Summary], exports: &[Export], printed: Option<Format>) {
    if !was_read(printed) {
        say_all(first_of(failures_of(summaries), &where_all_are(exports)));
    }
}

/// Does both for the runs of a comparison.
pub(super) fn name_comparison(comparison: &Comparison, exports: &[Export], printed: Format) {
    if was_read(Some(printed)) {
        return;
    }
    let waiting = comparison.runs().filter(|run| run.waiting > 0);
    let waiting = waiting
        .map(|run| format!("{}: not counted yet: {} of the batches that were seen", run.source, run.waiting));
    let where_all_are = where_all_are(exports);
    say_all(first_of(waiting, &where_all_are));
    say_all(comparison.problems(&where_all_are));
    say_all(first_of(comparison.failures(), &where_all_are));
}

/// The exit code. If several apply, the first here wins. `all_written` is about exports, standard output and publishing.
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
