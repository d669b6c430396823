//! The total sparsity and operations over the batches.

use super::super::symbols::Symbols;
use super::meter::bounds;
use super::{Scene, block, title};
use crate::report::sparsity;
use crate::tally::quotient;
use crate::text::compact;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType};

/// One figure over the batches: up to each batch, and in it alone.
struct Series {
    running: Vec<(f64, f64)>,
    single: Vec<(f64, f64)>,
}

/// Draws both charts beside one another.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>) {
    let [first, second] = Layout::horizontal([Constraint::Fill(1); 2]).areas(area);
    let (operations, sparsities) = series(scene);
    chart(frame, first, "Effective ops/sample", &operations, compact, scene);
    chart(frame, second, "Sparsity", &sparsities, |value| format!("{:.1} %", value * 100.0), scene);
}

/// The effective operations per sample and the sparsity of all priced layers.
fn series(scene: &Scene<'_>) -> (Series, Series) {
    let prices = scene.moment.summary.prices();
    let empty = || Series { running: Vec::new(), single: Vec::new() };
    let (mut operations, mut sparsities) = (empty(), empty());
    let (mut batches, mut samples, mut effective, mut dense) = (0, 0, 0, 0);
    for point in scene.history.priced(&prices) {
        batches += point.batches;
        samples += point.samples;
        effective += point.effective;
        dense += point.dense;
        let at = batches as f64;
        operations.running.push((at, quotient(effective, samples)));
        operations.single.push((at, quotient(point.effective, point.samples)));
        sparsities.running.extend(sparsity(effective, dense).map(|value| (at, value)));
        sparsities.single.extend(sparsity(point.effective, point.dense).map(|value| (at, value)));
    }
    (operations, sparsities)
}

fn chart(
    frame: &mut Frame<'_>,
    area: Rect,
    name: &str,
    series: &Series,
    label: impl Fn(f64) -> String,
    scene: &Scene<'_>,
) {
    let values: Vec<f64> = series.running.iter().chain(&series.single).map(|point| point.1).collect();
    let block = block(title(name, scene), scene);
    let Some(last) = series.running.last().map(|point| point.0) else {
        return frame.render_widget(block, area);
    };
    let line = if scene.symbols == Symbols::Unicode { "━" } else { "*" };
    let legend = Line::from(vec![
        Span::styled(format!(" {line} running"), scene.theme.running),
        Span::styled(" · batch ", scene.theme.single),
    ]);
    let wide_enough = usize::from(area.width) > name.len() + 28;
    let block = if wide_enough { block.title(legend.right_aligned()) } else { block };
    let (low, high) = padded(bounds(&values));
    // Dots are easy to see, and too large for many of them; in ASCII there is nothing smaller.
    let crowded = series.single.len() > usize::from(area.width) / 3 && scene.symbols == Symbols::Unicode;
    let marker = if crowded { Marker::Braille } else { Marker::Dot };
    let dataset = |data, graph_type, marker, style: Style| {
        Dataset::default().data(data).graph_type(graph_type).marker(marker).style(style)
    };
    let chart = Chart::new(vec![
        dataset(&series.single, GraphType::Scatter, marker, scene.theme.single),
        dataset(&series.running, GraphType::Line, Marker::Braille, scene.theme.running),
    ])
    .block(block)
    .legend_position(None)
    .x_axis(axis([1.0_f64.min(last), last.max(2.0)], ["1".to_owned(), format!("{last:.0}")], scene))
    .y_axis(axis([low, high], [label(low), label(high)], scene));
    frame.render_widget(chart, area);
}

fn axis<'a>(range: [f64; 2], labels: [String; 2], scene: &Scene<'_>) -> Axis<'a> {
    Axis::default().bounds(range).labels(labels.map(Line::from)).style(scene.theme.dim)
}

/// Some room above and below, and a range at all where all values are equal.
fn padded((low, high): (f64, f64)) -> (f64, f64) {
    let room = if high > low { (high - low) * 0.08 } else { (high.abs() * 0.05).max(0.01) };
    (low - room, high + room)
}
