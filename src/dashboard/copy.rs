//! Copies a layer's figures to the clipboard of the terminal, also over ssh (OSC 52).

use crate::figures::{Figure, LayerFigures, Number, ShownIn};
use crate::run::prices::PricedBy;
use crate::text::printable;
use crossterm::clipboard::CopyToClipboard;
use crossterm::queue;
use std::io::{self, Write};

/// Asks the terminal to take a layer's figures; no terminal answers whether it did.
///
/// # Errors
/// Where the terminal cannot be written to.
pub fn copy(layer: &LayerFigures, terminal: &mut impl Write) -> io::Result<()> {
    let mut command = Vec::new();
    queue!(command, CopyToClipboard::to_clipboard_from(row(layer)))?;
    terminal.write_all(&command)?;
    terminal.flush()
}

/// Name, neuron, reset, cost and the figures of the table of layers, with every digit, and where the cost comes from:
/// separated by tabs.
/// An unknown figure is empty. Control characters in names are escaped, so that they cannot end the row or control a
/// terminal that it is pasted into.
pub fn row(layer: &LayerFigures) -> String {
    let name = |name: Option<&str>| printable(name.unwrap_or_default()).into_owned();
    let ops_per_update = layer.ops_per_update.map(|ops| ops.to_string()).unwrap_or_default();
    let figures = Figure::applying_in(ShownIn::Tables, [&layer.sums]).into_iter();
    let figures =
        figures.map(|figure| figure.number(&layer.sums).map(Number::every_digit).unwrap_or_default());
    let names = [Some(layer.name.as_str()), layer.neuron.as_deref(), layer.reset.as_deref()].map(name);
    let priced_by = layer.priced_by.map_or("", PricedBy::name).to_owned();
    let cells = names.into_iter().chain([ops_per_update]).chain(figures).chain([priced_by]);
    cells.collect::<Vec<String>>().join("\t")
}
