//! The columns of the list of layers: where the operations go.

use super::super::changes;
use super::super::meter::trend;
use super::{ALWAYS, Cell, CellContext, Column, ListColumns, NONE, SortKey};
use crate::figures::{Figure, LayerFigures};
use crate::run::tally::quotient;
use crate::text::{compact, decimal, percent, thousands};
use ratatui::style::Style;
use ratatui::text::Line;
use std::sync::LazyLock;

/// From here on, decimals only take room.
const LARGE: f64 = 100_000.0;

pub static LAYERS: LazyLock<ListColumns<LayerFigures>> = LazyLock::new(|| ListColumns {
    own_order: Some("in the order of the model"),
    columns: vec![
        Column::text("layer", 8..=18, ALWAYS, |layer: &LayerFigures, context| {
            Cell::new(layer.name.clone(), context.theme.strong)
        })
        .growing()
        .ascending(|layer| SortKey::Text(&layer.name)),
        Column::text("neuron", 6..=14, 4, |layer: &LayerFigures, context| known(&layer.neuron, context))
            .ascending(|layer| layer.neuron.as_ref().into()),
        Column::text("reset", 5..=10, 1, |layer: &LayerFigures, context| known(&layer.reset, context))
            .ascending(|layer| layer.reset.as_ref().into()),
        Column::figure("cost", 4..=30, 3, |layer: &LayerFigures, context| match layer.ops_per_update {
            Some(ops) => Cell::new(thousands(ops.into()), context.theme.dim),
            None => Cell::new(NONE, context.theme.warn),
        })
        .descending(|layer| layer.ops_per_update.map(u128::from).into()),
        Column::figure("effective", 4..=30, ALWAYS, |layer: &LayerFigures, context| {
            per_sample(layer.effective_ops_per_sample, context)
        })
        .descending(|layer| layer.effective_ops.into()),
        change(Figure::EffectivePerSample, 10),
        Column::figure("dense", 4..=30, 6, |layer: &LayerFigures, context| {
            per_sample(layer.dense_ops_per_sample, context)
        })
        .descending(|layer| layer.dense_ops.into()),
        change(Figure::DensePerSample, 5),
        Column::figure("sparsity", 4..=30, 9, |layer: &LayerFigures, _| part(layer.sparsity))
            .descending(|layer| layer.sparsity.into()),
        change(Figure::Sparsity, 8),
        Column::figure("share", 4..=30, 7, |layer: &LayerFigures, context| part(share(layer, context)))
            .descending(|layer| layer.effective_ops.into()),
        Column::picture("trend", 8..=u16::MAX, 2, |layer: &LayerFigures, context, width| {
            Line::styled(trend(&per_batch(layer, context), usize::from(width)), context.theme.running)
        }),
    ],
});

/// How far a figure is from the baseline's. It does not sort, since it comes and goes with the baseline.
fn change(figure: Figure, priority: u8) -> Column<LayerFigures> {
    let cell = move |layer: &LayerFigures, context: &CellContext<'_>| match changes::of_layer(
        figure,
        &layer.name,
        &layer.sums(),
        context.model,
    ) {
        Some(change) => Cell::new(change.text(), changes::style(&change, context.theme)),
        None => Cell::new(NONE, context.theme.dim),
    };
    Column::figure("change", 4..=30, priority, cell).shown_if(|model| model.baseline().is_some())
}

fn known(text: &Option<String>, context: &CellContext<'_>) -> Cell {
    Cell::new(text.as_deref().unwrap_or("?"), context.theme.dim)
}

/// All rows have as many decimals, so that they are aligned.
fn per_sample(value: Option<f64>, context: &CellContext<'_>) -> Cell {
    let decimals = if context.model.summary.total.dense_ops_per_sample >= LARGE { 0 } else { 2 };
    let write = |value| if context.theme.framed { decimal(value, decimals) } else { compact(value) };
    Cell::new(value.map_or(NONE.to_owned(), write), Style::new())
}

fn part(value: Option<f64>) -> Cell {
    Cell::plain(value.map_or(NONE.to_owned(), percent))
}

/// The layer's part of all effective operations.
fn share(layer: &LayerFigures, context: &CellContext<'_>) -> Option<f64> {
    let whole = context.model.summary.total.effective_ops;
    layer.effective_ops.filter(|_| whole > 0).map(|part| quotient(part, whole))
}

/// Updates per sample over the batches; the price, which is the same for all, changes no trend.
fn per_batch(layer: &LayerFigures, context: &CellContext<'_>) -> Vec<f64> {
    let Some(index) = layer.index else { return Vec::new() };
    let points = context.model.run.history().points().iter();
    points
        .map(|point| {
            quotient(point.sums.updates.get(index).unwrap_or_default().effective, point.sums.samples)
        })
        .collect()
}
