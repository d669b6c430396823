//! The columns of the list of layers: where the operations go.

use super::super::changes::FigureRow;
use super::super::meter::{number_and_bar, trend};
use super::figures::{self, FigureStyle};
use super::{ALWAYS, Cell, CellContext, Column, ColumnContent, Growth, ListColumns, NONE, SortKey};
use crate::figures::{Figure, LayerFigures};
use crate::run::series::Point;
use crate::run::tally::quotient;
use crate::text::{compact_within, percent, percent_within, thousands};
use ratatui::text::Line;
use std::sync::LazyLock;

/// From here on, decimals only take room.
const LARGE: f64 = 100_000.0;

const STYLE: FigureStyle = FigureStyle { write, ..figures::USUAL };

pub static LAYERS: LazyLock<ListColumns<LayerFigures>> = LazyLock::new(|| ListColumns {
    own_order: Some("in the order of the model"),
    columns: names().chain(figures::columns(&STYLE).map(with_bar)).chain(parts()).collect(),
});

fn names() -> impl Iterator<Item = Column<LayerFigures>> {
    [
        Column::text("layer", 8..=18, ALWAYS, |layer: &LayerFigures, context| {
            Cell::name(layer.name.clone(), context.theme.strong, context)
        })
        .growing()
        .ascending(|layer| SortKey::Text(&layer.name)),
        Column::text("neuron", 6..=14, 40, |layer: &LayerFigures, context| {
            known(layer, &layer.neuron, context)
        })
        .ascending(|layer| layer.neuron.as_ref().into()),
        Column::text("reset", 5..=10, 10, |layer: &LayerFigures, context| {
            known(layer, &layer.reset, context)
        })
        .ascending(|layer| layer.reset.as_ref().into()),
        Column::figure("cost", 4..=30, 30, cost)
            .descending(|layer| layer.ops_per_update.map(u128::from).into()),
    ]
    .into_iter()
}

fn parts() -> impl Iterator<Item = Column<LayerFigures>> {
    [
        Column::picture("share", NUMBER..=WITH_BAR, 70, |layer: &LayerFigures, context, width| {
            let whole = context.model.summary.total_of_all().sums.effective().unwrap_or_default();
            let bar = |share| number_and_bar(&percent(share), share, width, context.theme);
            layer.sums.share_of(whole).map_or_else(nothing, bar)
        })
        .descending(|layer| layer.sums.effective().into()),
        Column::picture("trend", 8..=u16::MAX, 20, |layer: &LayerFigures, context, width| {
            Line::styled(trend(&per_batch(layer, context), usize::from(width)), context.theme.running)
        }),
    ]
    .into_iter()
}

/// Columns of a share as a number, and with a bar.
const NUMBER: u16 = 8;
const WITH_BAR: u16 = 20;

/// Gives the sparsity a bar.
fn with_bar(column: Column<LayerFigures>) -> Column<LayerFigures> {
    if column.heading != Figure::SPARSITY.heading {
        return column;
    }
    let bar = |layer: &LayerFigures, context: &CellContext<'_>, width: u16| {
        let bar = |sparsity| {
            let text = percent_within(sparsity, layer.half_width(Figure::SPARSITY));
            number_and_bar(&text, sparsity, width, context.theme)
        };
        layer.sums.sparsity().map_or_else(nothing, bar)
    };
    Column {
        is_right_aligned: false,
        width: NUMBER..=NUMBER,
        growth: Growth::ToFill(WITH_BAR),
        content: ColumnContent::Picture(Box::new(bar)),
        ..column
    }
}

/// Stands for a share that a layer without a price does not have.
fn nothing() -> Line<'static> {
    Line::raw(format!("{NONE:>width$}", width = NUMBER.into()))
}

/// Operations of one update; of a sum of layers, where they differ, how many have no price.
fn cost(layer: &LayerFigures, context: &CellContext<'_>) -> Cell {
    match (layer.ops_per_update, &layer.within) {
        (Some(_), _) => Cell::new(layer.cost_text().unwrap_or_default(), context.theme.dim),
        (None, Some(within)) if within.unpriced == 0 => {
            Cell::new(if within.measured > 0 { "m" } else { "" }, context.theme.dim)
        }
        (None, Some(within)) => {
            Cell::new(format!("{} unpriced", thousands(within.unpriced as u128)), context.theme.warn)
        }
        (None, None) => Cell::new(NONE, context.theme.warn),
    }
}

/// What the layer is; of a sum, what all of its layers are.
fn known(layer: &LayerFigures, text: &Option<String>, context: &CellContext<'_>) -> Cell {
    let unknown = if layer.within.is_some() { "" } else { "?" };
    Cell::new(text.as_deref().unwrap_or(unknown), context.theme.dim)
}

/// The points of all rows are below one another.
fn write(value: f64, half_width: Option<f64>, context: &CellContext<'_>) -> String {
    let decimals = if context.model.summary.neurobench.neuron_operations.dense >= LARGE { 0 } else { 2 };
    match context.theme.framed {
        true => figures::aligned(value, decimals, half_width),
        false => compact_within(value, half_width),
    }
}

/// Updates per sample over the batches; the price, which is the same for all, changes no trend.
fn per_batch(layer: &LayerFigures, context: &CellContext<'_>) -> Vec<f64> {
    let alone: Vec<usize> = layer.index.into_iter().collect();
    let indices = layer.within.as_ref().map_or(&alone, |within| &within.indices);
    if indices.is_empty() {
        return Vec::new();
    }
    // Exports of earlier versions have no sums by layer along the run.
    let points = context.model.run.history().points().iter().filter(|point| !point.sums.updates.is_empty());
    let of_layer =
        |point: &Point, index: usize| point.sums.updates.get(index).copied().unwrap_or_default().effective;
    let updates = |point: &Point| indices.iter().map(|&index| of_layer(point, index)).sum();
    points.map(|point| quotient(updates(point), point.sums.samples)).collect()
}
