//! The columns of the list of what can be drawn in the charts.

use super::{ALWAYS, Cell, Column, ListColumns};
use std::sync::LazyLock;

/// The name of all priced layers together.
pub const TOTAL: &str = "total";

/// The total, a run or a layer, and whether it is drawn.
pub struct ChartLine {
    pub name: Cell,
    /// Its place among the lines that are drawn.
    pub drawn: Option<usize>,
    /// Whether it has no operations to draw.
    pub is_unpriced: bool,
}

pub static CHART_LINES: LazyLock<ListColumns<ChartLine>> = LazyLock::new(|| ListColumns {
    own_order: Some("in the order of the layers"),
    columns: vec![
        Column::text("", 1..=1, ALWAYS, |line: &ChartLine, context| {
            let mark = line.drawn.map_or(" ".to_owned(), |at| (at + 1).to_string());
            Cell::new(mark, context.theme.line(line.drawn))
        }),
        Column::text("", 8..=8, ALWAYS, |line: &ChartLine, context| {
            let style = if line.is_unpriced { context.theme.warn } else { context.theme.line(line.drawn) };
            Cell { common: line.name.common, ..Cell::new(line.name.text.clone(), style) }
        })
        .growing(),
    ],
});
