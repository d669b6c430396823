//! The sums by neuron class, as NeuroBench sums them.

use super::{Scene, block, title};
use crate::text::{compact, elide, percent};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Row, Table};

/// Columns that the widget takes.
pub(super) const WIDTH: u16 = 34;

/// Draws the classes, effective and dense operations per sample and sparsity of each.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>) {
    let right = |text: String| Line::raw(text).right_aligned();
    let figure = |value: Option<f64>| right(value.map_or("–".into(), compact));
    let rows = scene.moment.summary.neurons.iter().map(|class| {
        Row::new([
            Line::raw(elide(&class.neuron, 8)),
            figure(class.effective_ops_per_sample),
            figure(class.dense_ops_per_sample),
            right(class.sparsity.map_or("–".into(), percent)),
        ])
    });
    let head = ["neuron", "effect.", "dense", "sparsity"];
    let head = head.into_iter().enumerate().map(|(at, text)| {
        let line = Line::styled(text, scene.theme.dim);
        if at == 0 { line } else { line.right_aligned() }
    });
    let widths = [Constraint::Fill(1), Constraint::Length(7), Constraint::Length(6), Constraint::Length(8)];
    let table = Table::new(rows, widths)
        .header(Row::new(head))
        .column_spacing(1)
        .block(block(title("By neuron, per sample", scene), scene));
    frame.render_widget(table, area);
}
