//! Reports as tables for people: plain text, with or without colours, and Markdown.

use super::comparison_tables::{against_text, comparison_tables};
use super::document::{MEASURED, agreement_lines, classes, layers, parts_of_heading, ranks, runs, times};
use super::figure::{Figure, Number, ShownIn};
use super::format::{NO_TABLES, Report};
use super::problems::spelled_out_of;
use super::provenance::Provenance;
use super::table_style::{ALL_ARE, TableStyle, bullets, draw_table, failures, safe};
use super::{Summary, TotalFigures, directories_of, failures_of};
use crate::follow::Account;
use crate::run::{RunPart, Status};
use crate::text::{percent_within, printable, thousands};
use anyhow::bail;

pub(super) fn as_tables(
    report: Report<'_>,
    style: TableStyle,
    provenance: Option<&Provenance>,
) -> anyhow::Result<String> {
    let tables = match report {
        Report::Run(summary) => run_tables(summary, style),
        Report::Runs(summaries) => runs_tables(summaries, style),
        Report::Comparison(comparison) => comparison_tables(comparison, style),
        Report::Part(_) if style == TableStyle::Markdown => bail!(NO_TABLES),
        Report::Part(part) => part_line(part),
    };
    Ok(match provenance {
        None => tables,
        Some(provenance) => format!("{tables}\n{}\n", safe(&provenance.to_string(), style)),
    })
}

/// The part of a shard in one line: its figures are those of a shard alone, and in no table.
fn part_line(part: &RunPart) -> String {
    let Account { seen, counted, waiting, set_aside, .. } = part.account();
    let [seen, counted, waiting, set_aside] =
        [seen, counted, waiting, set_aside].map(|count| thousands(count.into()));
    let (run, shard, samples) = (printable(part.name()), part.shard(), thousands(part.samples()));
    format!(
        "neurotop · {run} · shard {shard}: {seen} batches seen, {counted} counted with {samples} samples, {waiting} \
         waiting, {set_aside} set aside; neurotop merge adds the shards up\n"
    )
}

/// The account, tables by layer, neuron class and rank, the problems, and last NeuroBench's figures: the end of the text is
/// what stands above the prompt.
fn run_tables(summary: &Summary, style: TableStyle) -> String {
    let mut parts =
        vec![heading(summary, style), "Operations per sample, by layer and by neuron:".to_owned()];
    parts.push(draw_table(&layers(summary), style));
    let has_measured = summary.total_measured.is_some();
    parts.extend(has_measured.then(|| MEASURED.to_owned()));
    if summary.neurons.len() > 1 {
        parts.push(draw_table(&classes(summary), style));
    }
    if !summary.ranks.is_empty() {
        parts.push(draw_table(&ranks(summary), style));
        let measured = "The operations of the ranks are those with measured prices.";
        parts.extend(has_measured.then(|| measured.to_owned()));
    }
    parts.extend(summary.baseline.iter().map(|baseline| against_text(baseline, style)));
    parts.extend(remarks(std::slice::from_ref(summary), style));
    parts.push(totals(summary, style));
    parts.join("\n\n") + "\n"
}

/// The problems and the conditions that hold, of all runs together.
fn remarks(summaries: &[Summary], style: TableStyle) -> impl Iterator<Item = String> {
    problems(summaries, style).into_iter().chain(failures(failures_of(summaries), style))
}

/// How many problems there are, and the gravest in words; `None` if there are none but conditions, which have a list of
/// their own.
fn problems(summaries: &[Summary], style: TableStyle) -> Option<String> {
    let head = match summaries.iter().map(Summary::problem_count).sum::<u64>() {
        1 => "1 problem:".to_owned(),
        count => format!("{} problems, the gravest first:", thousands(count.into())),
    };
    let listed = bullets(spelled_out_of(summaries, ALL_ARE), style)?;
    Some(format!("{head}\n\n{listed}"))
}

fn heading(summary: &Summary, style: TableStyle) -> String {
    let run = &summary.run;
    let name = titled(&run.name, run.directory_to_show().as_deref(), style);
    let title = match style {
        TableStyle::Text | TableStyle::Coloured => format!("neurotop · {name} · {}", run.status),
        TableStyle::Markdown => format!("# {name}"),
    };
    let separator = if style == TableStyle::Markdown { "\n\n" } else { "\n" };
    let lines = parts_of_heading(summary).into_iter().map(|line| safe(&line, style));
    std::iter::once(title).chain(lines).collect::<Vec<_>>().join(separator)
}

/// The name of a run and, where that does not tell which it is, its directory.
fn titled(name: &str, directory: Option<&str>, style: TableStyle) -> String {
    let directory = directory.map_or(String::new(), |directory| format!(" ({})", safe(directory, style)));
    format!("{}{directory}", safe(name, style))
}

/// What is to be said of each run, then one table with a row for each.
fn runs_tables(summaries: &[Summary], style: TableStyle) -> String {
    let directories = directories_of(summaries);
    let title =
        if style == TableStyle::Markdown { "# Runs" } else { "neurotop · runs, operations per sample" };
    let mut parts = vec![title.to_owned()];
    for (summary, directory) in summaries.iter().zip(&directories) {
        let is_worth_a_word =
            matches!(summary.run.times.status, Status::Stalled(_)) || summary.run.times.clock.is_some();
        let times = if is_worth_a_word { times(summary) } else { Vec::new() };
        let times = times.iter().map(|line| safe(line, style));
        let baseline = summary.baseline.iter().map(|baseline| against_text(baseline, style));
        let remarks: Vec<String> = times.chain(baseline).collect();
        if !remarks.is_empty() {
            parts.push(format!("{}:", titled(&summary.run.name, directory.as_deref(), style)));
            parts.extend(remarks);
        }
    }
    parts.extend(remarks(summaries, style));
    parts.push(draw_table(&runs(summaries), style));
    let are_measured = summaries.iter().any(|summary| summary.shown_total().1);
    parts.extend(are_measured.then(|| "m: all its prices were measured by the recorder.".to_owned()));
    parts.join("\n\n") + "\n"
}

/// NeuroBench's figures, then those that a table may leave out, with every digit.
fn totals(summary: &Summary, style: TableStyle) -> String {
    let total = &summary.total;
    let mut lines = vec![
        format!("Effective Neuron Ops  {}", effective(total)),
        format!("Neuron Dense Ops      {} per sample", every_digit(Figure::DENSE_PER_SAMPLE, total)),
        format!("Membrane Updates      {} per sample", every_digit(Figure::MEMBRANE_UPDATES, total)),
    ];
    let others = Figure::applying_in(ShownIn::Tables, [&total.sums]).into_iter();
    let others = others.filter(|figure| figure.is_later && figure.number(&total.sums).is_some());
    lines.extend(others.map(|figure| format!("{:<20}  {}", figure.label, every_digit(figure, total))));
    lines.extend(summary.total_measured.iter().flat_map(with_measured));
    lines.extend(agreement_lines(&summary.agreement));
    match style {
        TableStyle::Text | TableStyle::Coloured => lines.join("\n"),
        TableStyle::Markdown => format!("```text\n{}\n```", lines.join("\n")),
    }
}

/// The figures of the total with the layers whose price is measured, which NeuroBench does not have.
fn with_measured(total: &TotalFigures) -> [String; 2] {
    [
        format!("With measured prices  {}, effective", effective(total)),
        format!("                      {} per sample, dense", every_digit(Figure::DENSE_PER_SAMPLE, total)),
    ]
}

/// A figure of the total: every digit once it is final, and until then how far it may still move.
fn every_digit(figure: &Figure, total: &TotalFigures) -> String {
    match figure.half_width(&total.sums, total.uncertainty.as_ref()) {
        Some(_) => figure.with_uncertainty(&total.sums, total.uncertainty.as_ref()),
        None => figure.number(&total.sums).map_or_else(|| figure.text(None), Number::every_digit),
    }
}

fn effective(total: &TotalFigures) -> String {
    let text = every_digit(Figure::EFFECTIVE_PER_SAMPLE, total);
    match total.uncertainty.filter(|uncertainty| uncertainty.half_width > 0.0) {
        None => format!("{text} per sample"),
        Some(uncertainty) => {
            let within = uncertainty.relative;
            let within = within
                .map_or(String::new(), |part| format!(", stable to within {}", percent_within(part, within)));
            format!("{text} per sample (95 %{within})")
        }
    }
}
