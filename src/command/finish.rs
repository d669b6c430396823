//! How commands end: with exports, tables, messages on standard error, and the exit code.

use super::exporter::Outcome;
use super::leaving::Leaving;
use super::output;
use crate::dashboard::{Appearance, AppearanceOptions, Symbols, ThemeName};
use crate::figures::problems::spelled_out;
use crate::figures::{Comparison, Export, Failure, Format, Report, Summary, directories_of};
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
    name_failures_of_runs(summaries, Some(options.format));
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
    for (path, written) in outcomes {
        match written {
            Ok(()) => output::say(&format!("wrote {}", shown(path))),
            Err(why) => output::say(why),
        }
    }
    outcomes.iter().all(|(_, written)| written.is_ok())
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

/// Reports what is wrong on standard error, at most ten problems of a run, unless the report on the terminal says it.
pub(super) fn name_problems(summaries: &[Summary], exports: &[Export], printed: Option<Format>) {
    if was_read(printed) {
        return;
    }
    for (summary, run) in summaries.iter().zip(prefixes(summaries)) {
        if summary.account.waiting > 0 {
            output::say(&format!(
                "{run}not counted yet: {} of the batches that were seen",
                summary.account.waiting
            ));
        }
        for sentence in spelled_out(&summary.problems, &where_all_are(exports)) {
            output::say(&format!("{run}{}", printable(&sentence)));
        }
    }
}

/// What stands in front of messages about each of these runs: of several its name, and its directory where the name does
/// not tell which it is.
fn prefixes(summaries: &[Summary]) -> impl Iterator<Item = String> {
    summaries.iter().zip(directories_of(summaries)).map(|(summary, directory)| {
        let directory = directory.map_or(String::new(), |directory| format!(" ({})", printable(&directory)));
        let name = printable(&summary.run.name);
        if summaries.len() > 1 { format!("{name}{directory}: ") } else { String::new() }
    })
}

/// Where all problems are: in an export that was written, or in one that can be.
fn where_all_are(exports: &[Export]) -> String {
    match exports.iter().find(|export| export.format() == Format::JSON) {
        Some(export) => format!("see {}", shown(export.path())),
        None => "see --format json".to_owned(),
    }
}

/// Does the same for the runs of a comparison.
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
        for what in run.disagreements.iter().chain(&run.notices) {
            output::say(&format!("{}: {}", printable(&run.source), printable(what)));
        }
    }
}

/// Reports the conditions that hold or cannot be decided, for each run.
pub(super) fn name_failures_of_runs(summaries: &[Summary], printed: Option<Format>) {
    for (summary, run) in summaries.iter().zip(prefixes(summaries)) {
        name_failures(&run, summary.failed.as_deref(), printed);
    }
}

/// Reports the conditions that failed on standard error, with the name of the run if one is given, unless the report on
/// the terminal said it.
pub(super) fn name_failures(run: &str, failures: Option<&[Failure]>, printed: Option<Format>) {
    if was_read(printed) {
        return;
    }
    for failure in failures.into_iter().flatten() {
        output::say(&format!("failed: {run}{}", printable(&failure.to_string())));
    }
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
