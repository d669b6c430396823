//! The summary as CSV: a row for each layer, each neuron class, each rank and the total.

use super::{Summary, Sums};
use csv::Writer;

const HEADER: [&str; 14] = [
    "kind",
    "name",
    "neuron",
    "reset",
    "ops_per_update",
    "updates",
    "dense_updates",
    "effective_ops",
    "dense_ops",
    "effective_ops_per_sample",
    "dense_ops_per_sample",
    "sparsity",
    "samples",
    "complete",
];

/// The summary as CSV with a header row; what has no price has empty cells.
///
/// # Errors
/// Where a row cannot be written.
pub(super) fn csv(summary: &Summary) -> anyhow::Result<String> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for row in rows(summary) {
        writer.write_record(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// Several summaries: the same rows, with the run's name in a column before them.
pub(super) fn several(summaries: &[Summary]) -> anyhow::Result<String> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(["run"].into_iter().chain(HEADER))?;
    for summary in summaries {
        let run = guarded(&summary.run.name);
        for row in rows(summary) {
            writer.write_record([run.clone()].into_iter().chain(row))?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn rows(summary: &Summary) -> Vec<Vec<String>> {
    let samples = summary.run.samples;
    let complete = summary.complete.to_string();
    let row_of = |names: [&str; 4], ops_per_update: Option<u64>, sums: Option<Sums>, samples: u128| {
        let figures = [
            cell(ops_per_update),
            cell(sums.map(|sums| sums.updates)),
            cell(sums.map(|sums| sums.dense_updates)),
            cell(sums.and_then(|sums| sums.effective_ops)),
            cell(sums.and_then(|sums| sums.dense_ops)),
            cell(sums.and_then(|sums| sums.effective_ops_per_sample)),
            cell(sums.and_then(|sums| sums.dense_ops_per_sample)),
            cell(sums.and_then(|sums| sums.sparsity)),
        ];
        let ends = [samples.to_string(), complete.clone()];
        names.into_iter().map(guarded).chain(figures).chain(ends).collect::<Vec<String>>()
    };
    let row = |names: [&str; 4], ops_per_update: Option<u64>, sums: Sums| {
        row_of(names, ops_per_update, Some(sums), samples)
    };
    let layers = summary.layers.iter().map(|layer| {
        let (neuron, reset) = (layer.neuron.as_deref(), layer.reset.as_deref());
        let names = ["layer", &layer.name, neuron.unwrap_or(""), reset.unwrap_or("")];
        row(names, layer.ops_per_update, layer.sums())
    });
    let classes = summary
        .neurons
        .iter()
        .map(|class| row(["neuron", &class.neuron, &class.neuron, ""], None, class.sums()));
    let total = row(["total", &summary.run.name, "", ""], None, summary.total.sums());
    let ranks = summary
        .ranks
        .iter()
        .map(|rank| row_of(["rank", &rank.rank.to_string(), "", ""], None, rank.sums(), rank.samples));
    layers.chain(classes).chain(ranks).chain(std::iter::once(total)).collect()
}

/// A cell; what has no value is empty.
pub(super) fn cell(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A spreadsheet runs a cell that begins like a formula; names come from strangers' files.
pub(super) fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}
