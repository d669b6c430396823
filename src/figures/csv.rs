//! Reports as CSV: a row for each layer, each neuron class, each rank and the total.

use super::comparison::{Compared, FigureChanges, PresentIn};
use super::figure::{Figure, ShownIn};
use super::format::{NO_TABLES, Report};
use super::provenance::Provenance;
use super::row::RowSums;
use super::{Changes, Comparison, Summary};
use crate::run::prices::PricedBy;
use anyhow::bail;
use csv::Writer;
use std::path::Path;

/// A CSV file has rows only, so that how it came about is in each of them, in the last columns.
pub(super) fn as_csv(report: Report<'_>, provenance: Option<&Provenance>) -> anyhow::Result<String> {
    match report {
        Report::Run(summary) => {
            let figures = exported([summary]);
            let directory = summary.run.directory.is_some();
            write(header(&figures, directory), rows(summary, &figures, directory), provenance)
        }
        Report::Runs(summaries) => several(summaries, provenance),
        Report::Comparison(comparison) => compared(comparison, provenance),
        Report::Part(_) => bail!(NO_TABLES),
    }
}

/// The same rows, with the run's name in a column before them.
fn several(summaries: &[Summary], provenance: Option<&Provenance>) -> anyhow::Result<String> {
    let figures = exported(summaries);
    let directory = summaries.iter().any(|summary| summary.run.directory.is_some());
    let header = std::iter::once("run".to_owned()).chain(header(&figures, directory)).collect();
    let rows = summaries.iter().flat_map(|summary| {
        let name = guarded(&summary.run.name);
        let rows = rows(summary, &figures, directory).into_iter();
        rows.map(move |row| std::iter::once(name.clone()).chain(row).collect())
    });
    write(header, rows, provenance)
}

fn compared(comparison: &Comparison, provenance: Option<&Provenance>) -> anyhow::Result<String> {
    let figures = comparison.figures();
    let rows = comparison.comparisons.iter().flat_map(|Compared { new, changes, .. }| {
        let sources = [guarded(&comparison.base.source), guarded(&new.source)];
        let rows = change_rows(changes, &figures).into_iter();
        rows.map(move |row| sources.iter().cloned().chain(row).collect())
    });
    write(change_header(&figures), rows, provenance)
}

fn write(
    header: Vec<String>,
    rows: impl IntoIterator<Item = Vec<String>>,
    provenance: Option<&Provenance>,
) -> anyhow::Result<String> {
    let mut writer = Writer::from_writer(Vec::new());
    let names = ["exported_at", "exported_by", "sources", "options"].map(str::to_owned);
    writer.write_record(header.into_iter().chain(names.into_iter().filter(|_| provenance.is_some())))?;
    let told = provenance.map(|provenance| {
        let told = [provenance.at.clone(), Provenance::tool(), provenance.sources(), provenance.options()];
        told.map(|text| guarded(&text))
    });
    for row in rows {
        writer.write_record(row.iter().chain(told.iter().flatten()))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// The figures that have columns, in the order of the table.
fn exported<'a>(summaries: impl IntoIterator<Item = &'a Summary>) -> Vec<&'static Figure> {
    Figure::applying_in(ShownIn::Export, summaries.into_iter().map(|summary| &summary.total.sums))
}

/// The figures that came later stand at the end, so that whoever reads columns by their places goes on.
fn header(figures: &[&Figure], directory: bool) -> Vec<String> {
    let names =
        |is_later| figures.iter().filter(move |figure| figure.is_later == is_later).map(|figure| figure.name);
    let kinds = ["kind", "name", "neuron", "reset", "ops_per_update"];
    let all = kinds.into_iter().chain(names(false)).chain(["samples", "complete"]).chain(names(true));
    let all = all.chain(["priced_by"]).chain(directory.then_some("directory"));
    all.map(str::to_owned).collect()
}

/// The rows under [`header`]: the layers, the neuron classes, the ranks, then the totals. What has no price has empty
/// cells. The total stays the last row, as it was before there were measured prices.
fn rows(summary: &Summary, figures: &[&Figure], with_directory: bool) -> Vec<Vec<String>> {
    let directory = summary.run.directory.as_deref().map(Path::to_string_lossy).unwrap_or_default();
    // The names are kind, name, neuron and reset mechanism.
    let row = |names: [&str; 4], (ops_per_update, priced_by): (Option<u64>, &str), sums: &RowSums| {
        let values = |is_later| {
            let figures = figures.iter().filter(move |figure| figure.is_later == is_later);
            figures.map(|figure| cell(figure.number(sums)))
        };
        let mut cells = names.map(guarded).to_vec();
        cells.push(cell(ops_per_update));
        cells.extend(values(false));
        cells.extend([sums.samples.to_string(), summary.complete.to_string()]);
        cells.extend(values(true));
        cells.push(priced_by.to_owned());
        cells.extend(with_directory.then(|| guarded(&directory)));
        cells
    };
    let mut rows = Vec::with_capacity(summary.layers.len() + summary.neurons.len() + summary.ranks.len() + 1);
    rows.extend(summary.layers.iter().map(|layer| {
        let (neuron, reset) = (layer.neuron.as_deref().unwrap_or(""), layer.reset.as_deref().unwrap_or(""));
        let priced_by = layer.priced_by.map_or("", PricedBy::name);
        row(["layer", &layer.name, neuron, reset], (layer.ops_per_update, priced_by), &layer.sums)
    }));
    rows.extend(summary.neurons.iter().map(|class| {
        row(["neuron", &class.neuron, &class.neuron, ""], (None, class.measured_word()), &class.sums)
    }));
    let mut add = |kind, name: &str, sums| rows.push(row([kind, name, "", ""], (None, ""), sums));
    summary.ranks.iter().for_each(|rank| add("rank", &rank.rank.to_string(), &rank.sums));
    let measured = summary.total_measured.iter();
    measured.for_each(|total| add("total_measured", &summary.run.name, &total.sums));
    add("total", &summary.run.name, &summary.total.sums);
    rows
}

fn change_header(figures: &[&Figure]) -> Vec<String> {
    let changes = figures.iter().flat_map(|figure| {
        ["base", "new", "absolute", "relative"].map(|what| format!("{}_{what}", figure.name))
    });
    ["base", "new", "kind", "name", "presence"].map(str::to_owned).into_iter().chain(changes).collect()
}

/// The layers, the neuron classes, then the total of a new run.
fn change_rows(changes: &Changes, figures: &[&'static Figure]) -> Vec<Vec<String>> {
    let row = |kind: &str, name: &str, presence: PresentIn, of_row: &FigureChanges| {
        let mut cells = vec![kind.to_owned(), guarded(name), presence.word().to_owned()];
        for figure in figures {
            let change = of_row.get(figure);
            cells.extend([change.base, change.new, change.absolute(), change.relative()].map(cell));
        }
        cells
    };
    let layers = changes.layers.iter().map(|part| ("layer", part));
    let parts = layers.chain(changes.neurons.iter().map(|part| ("neuron", part)));
    let mut rows: Vec<_> =
        parts.map(|(kind, part)| row(kind, &part.name, part.presence, &part.figures)).collect();
    let measured = changes.total_measured.iter();
    rows.extend(measured.map(|total| row("total_measured", "", PresentIn::Both, total)));
    rows.push(row("total", "", PresentIn::Both, &changes.total));
    rows
}

/// A cell; what has no value is empty.
fn cell(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A spreadsheet runs a cell that begins like a formula; names come from strangers' files.
fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}
