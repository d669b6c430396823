//! Copies what is selected to the clipboard of the terminal, also over ssh (OSC 52).

use super::view_model::RunRow;
use crate::figures::{Figure, LayerFigures, Number, RowSums, ShownIn};
use crate::run::prices::PricedBy;
use crate::text::printable;
use crossterm::clipboard::CopyToClipboard;
use crossterm::queue;
use std::io::{self, Write};

/// Asks the terminal to take a text; no terminal answers whether it did.
///
/// # Errors
/// Where the terminal cannot be written to.
pub fn copy(text: &str, terminal: &mut impl Write) -> io::Result<()> {
    let mut command = Vec::new();
    queue!(command, CopyToClipboard::to_clipboard_from(text))?;
    terminal.write_all(&command)?;
    terminal.flush()
}

/// Name, neuron, reset, cost and the figures of the table of layers, with every digit, and where the cost comes from:
/// separated by tabs. An unknown figure is empty. Control characters in names are escaped, so that they cannot end the row or control a
/// terminal that it is pasted into.
pub fn row(layer: &LayerFigures) -> String {
    let name = |name: Option<&str>| printable(name.unwrap_or_default()).into_owned();
    let ops_per_update = layer.ops_per_update.map(|ops| ops.to_string()).unwrap_or_default();
    let names = [Some(layer.name.as_str()), layer.neuron.as_deref(), layer.reset.as_deref()].map(name);
    let priced_by = layer.priced_by.map_or("", PricedBy::name).to_owned();
    let cells = names.into_iter().chain([ops_per_update]).chain(figures(&layer.sums)).chain([priced_by]);
    cells.collect::<Vec<String>>().join("\t")
}

/// The same of a run: its name, its samples and the figures of the table of runs.
pub fn run_row(run: &RunRow) -> String {
    let cells = [printable(run.label()).into_owned(), run.sums.samples.to_string()].into_iter();
    cells.chain(figures(&run.sums)).collect::<Vec<String>>().join("\t")
}

fn figures(sums: &RowSums) -> impl Iterator<Item = String> {
    let figures = Figure::applying_in(ShownIn::Tables, [sums]).into_iter();
    figures.map(|figure| figure.number(sums).map(Number::every_digit).unwrap_or_default())
}
