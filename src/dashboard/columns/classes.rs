//! The columns of the list of neuron classes, which NeuroBench sums by.

use super::figures::{FigureStyle, USUAL, columns_with_changes_under};
use super::{ALWAYS, Cell, Column, ListColumns};
use crate::figures::ClassFigures;
use crate::text::compact_within;
use std::sync::LazyLock;

const STYLE: FigureStyle =
    FigureStyle { write: |value, half_width, _| compact_within(value, half_width), ..USUAL };

pub static CLASSES: LazyLock<ListColumns<ClassFigures>> = LazyLock::new(|| ListColumns {
    own_order: Some("in the order of the layers"),
    columns: std::iter::once(
        Column::text("neuron", 8..=8, ALWAYS, |class: &ClassFigures, _| Cell::plain(class_name(class)))
            .growing(),
    )
    .chain(columns_with_changes_under(&STYLE))
    .collect(),
});

/// The list of layers says what the mark means.
pub fn class_name(class: &ClassFigures) -> String {
    let mark = if class.measured_layers > 0 { " m" } else { "" };
    format!("{}{mark}", class.neuron)
}
