//! The columns of the list of neuron classes, which NeuroBench sums by.

use super::super::changes;
use super::{ALWAYS, Cell, CellContext, Column, ListColumns, NONE};
use crate::figures::{ClassFigures, Figure};
use crate::text::{compact, percent};
use std::sync::LazyLock;

pub static CLASSES: LazyLock<ListColumns<ClassFigures>> = LazyLock::new(|| ListColumns {
    own_order: Some("in the order of the layers"),
    columns: vec![
        Column::text("neuron", 8..=8, ALWAYS, |class: &ClassFigures, _| Cell::plain(class.neuron.clone()))
            .growing(),
        figure("effect.", 7, Figure::EffectivePerSample, |class| class.effective_ops_per_sample.map(compact)),
        figure("dense", 6, Figure::DensePerSample, |class| class.dense_ops_per_sample.map(compact)),
        figure("sparsity", 8, Figure::Sparsity, |class| class.sparsity.map(percent)),
    ],
});

/// A figure, and under it how far it is from the baseline's.
fn figure(
    heading: &'static str,
    width: u16,
    figure: Figure,
    text: fn(&ClassFigures) -> Option<String>,
) -> Column<ClassFigures> {
    let cell = move |class: &ClassFigures, context: &CellContext<'_>| {
        let change = changes::of_class(figure, &class.neuron, &class.sums(), context.model);
        let under = change.map(|change| changes::span(&change, context.theme));
        Cell { under, ..Cell::plain(text(class).unwrap_or_else(|| NONE.to_owned())) }
    };
    Column::figure(heading, width..=width + 2, ALWAYS, cell)
}
