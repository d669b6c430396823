//! The summary as CSV: a row for each layer, each neuron class and the total.

use super::Summary;
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
pub fn csv(summary: &Summary) -> anyhow::Result<String> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    let samples = summary.run.samples.to_string();
    let complete = summary.complete.to_string();
    let mut row = |names: [&str; 4], figures: [String; 8]| {
        let cells = names.into_iter().map(guarded).chain(figures).chain([samples.clone(), complete.clone()]);
        writer.write_record(cells)
    };
    for layer in &summary.layers {
        row(
            [
                "layer",
                &layer.name,
                layer.neuron.as_deref().unwrap_or(""),
                layer.reset.as_deref().unwrap_or(""),
            ],
            [
                cell(layer.ops_per_update),
                layer.updates.to_string(),
                layer.dense_updates.to_string(),
                cell(layer.effective_ops),
                cell(layer.dense_ops),
                cell(layer.effective_ops_per_sample),
                cell(layer.dense_ops_per_sample),
                cell(layer.sparsity),
            ],
        )?;
    }
    for class in &summary.neurons {
        row(
            ["neuron", &class.neuron, &class.neuron, ""],
            [
                String::new(),
                class.updates.to_string(),
                class.dense_updates.to_string(),
                cell(class.effective_ops),
                cell(class.dense_ops),
                cell(class.effective_ops_per_sample),
                cell(class.dense_ops_per_sample),
                cell(class.sparsity),
            ],
        )?;
    }
    let total = &summary.total;
    row(
        ["total", &summary.run.name, "", ""],
        [
            String::new(),
            total.updates.to_string(),
            total.dense_updates.to_string(),
            total.effective_ops.to_string(),
            total.dense_ops.to_string(),
            total.effective_ops_per_sample.to_string(),
            total.dense_ops_per_sample.to_string(),
            cell(total.sparsity),
        ],
    )?;
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn cell(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A spreadsheet runs a cell that begins like a formula; names come from strangers' files.
fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}
