//! The columns of the list of what can be drawn in the charts.

use super::{ALWAYS, Cell, Column, ListColumns};
use std::sync::LazyLock;

/// The name of all priced layers together.
pub const TOTAL: &str = "total";

/// The total or a layer, and whether it is drawn.
pub struct ChartLine {
    /// The number of the layer; `None` is the total.
    pub layer: Option<usize>,
    /// Its place among the lines that are drawn.
    pub drawn: Option<usize>,
}

pub static CHART_LINES: LazyLock<ListColumns<ChartLine>> = LazyLock::new(|| ListColumns {
    own_order: Some("in the order of the layers"),
    columns: vec![
        Column::text("", 1..=1, ALWAYS, |line: &ChartLine, context| {
            let mark = line.drawn.map_or(" ".to_owned(), |at| (at + 1).to_string());
            Cell::new(mark, context.theme.line(line.drawn))
        }),
        Column::text("", 8..=8, ALWAYS, |line: &ChartLine, context| {
            let layer = line.layer.and_then(|at| context.model.summary.layers.get(at));
            let is_unpriced = layer.is_some_and(|layer| layer.ops_per_update.is_none());
            let style = if is_unpriced { context.theme.warn } else { context.theme.line(line.drawn) };
            Cell::new(layer.map_or(TOTAL, |layer| &layer.name), style)
        })
        .growing(),
    ],
});
