//! Copies a layer's figures to the clipboard of the terminal, also over ssh (OSC 52).

use crate::figures::LayerFigures;
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

/// Name, neuron, reset, cost, effective and dense operations per sample, sparsity: with every digit, separated by tabs.
/// An unknown figure is empty. Control characters in names are escaped, so that they cannot end the row or control a
/// terminal that it is pasted into.
pub fn row(layer: &LayerFigures) -> String {
    let name = |name: Option<&str>| printable(name.unwrap_or_default()).into_owned();
    let figure = |value: Option<f64>| value.map(|value| format!("{value:?}")).unwrap_or_default();
    [
        name(Some(&layer.name)),
        name(layer.neuron.as_deref()),
        name(layer.reset.as_deref()),
        layer.ops_per_update.map(|ops| ops.to_string()).unwrap_or_default(),
        figure(layer.effective_ops_per_sample),
        figure(layer.dense_ops_per_sample),
        figure(layer.sparsity),
    ]
    .join("\t")
}
