//! The comparison as CSV: a row for each layer, each neuron class and the total of each new run.

use super::{Changes, Compared, Comparison, FigureChanges, Presence};
use crate::figures::Figure;
use crate::figures::csv::{cell, guarded};
use csv::Writer;

/// The comparison as CSV with a header row; what has no value has empty cells.
pub(super) fn csv(comparison: &Comparison) -> anyhow::Result<String> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(header())?;
    for Compared { new, changes } in &comparison.comparisons {
        let sources = [guarded(&comparison.base.source), guarded(&new.source)];
        for row in rows(changes) {
            writer.write_record(sources.iter().chain(&row))?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn header() -> Vec<String> {
    let figures = Figure::COMPARED.into_iter().flat_map(|figure| {
        ["base", "new", "absolute", "relative"].map(|what| format!("{}_{what}", figure.name()))
    });
    ["base", "new", "kind", "name", "presence"].map(str::to_owned).into_iter().chain(figures).collect()
}

fn rows(changes: &Changes) -> impl Iterator<Item = Vec<String>> {
    let layers = changes.layers.iter().map(|part| ("layer", part));
    let parts = layers.chain(changes.neurons.iter().map(|part| ("neuron", part)));
    let parts = parts.map(|(kind, part)| row(kind, &part.name, part.presence, &part.figures));
    parts.chain(std::iter::once_with(|| row("total", "", Presence::Both, &changes.total)))
}

fn row(kind: &str, name: &str, presence: Presence, figures: &FigureChanges) -> Vec<String> {
    let mut cells = vec![kind.to_owned(), guarded(name), presence.word().to_owned()];
    for change in figures.each() {
        cells.extend([change.base, change.new, change.absolute(), change.relative()].map(cell));
    }
    cells
}
