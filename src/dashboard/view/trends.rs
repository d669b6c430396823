//! The overview's small charts: the total operations and sparsity over the batches.

use super::super::charting::{Scale, places};
use super::super::symbols::Symbols;
use super::plot::{Curve, OPERATIONS, Plot, SPARSITIES, Shape, dots};
use super::{Scene, block, plot, title};
use crate::figures::sparsity;
use crate::run::tally::quotient;
use crate::text::compact_by;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};

/// One figure over the batches: up to each batch, and in it alone.
struct Series {
    running: Vec<(f64, f64)>,
    single: Vec<(f64, f64)>,
}

/// Draws both charts beside one another.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>) {
    let [first, second] = Layout::horizontal([Constraint::Fill(1); 2]).areas(area);
    let (operations, sparsities) = series(scene);
    chart(frame, first, "Effective ops/sample", &operations, OPERATIONS, &compact_by, scene);
    let percentage = |value: f64, more: usize| format!("{:.*} %", 1 + more, value * 100.0);
    chart(frame, second, "Sparsity", &sparsities, SPARSITIES, &percentage, scene);
}

/// The effective operations per sample and the sparsity of all priced layers.
fn series(scene: &Scene<'_>) -> (Series, Series) {
    let empty = || Series { running: Vec::new(), single: Vec::new() };
    let (mut operations, mut sparsities) = (empty(), empty());
    let (mut samples, mut effective, mut dense) = (0, 0, 0);
    for (point, at) in scene.history.points().iter().zip(places(scene.history)) {
        samples += point.sums.samples;
        effective += point.operations.effective;
        dense += point.operations.dense;
        operations.running.push((at, quotient(effective, samples)));
        operations.single.push((at, quotient(point.operations.effective, point.sums.samples)));
        sparsities.running.extend(sparsity(effective, dense).map(|value| (at, value)));
        sparsities
            .single
            .extend(sparsity(point.operations.effective, point.operations.dense).map(|value| (at, value)));
    }
    (operations, sparsities)
}

fn chart(
    frame: &mut Frame<'_>,
    area: Rect,
    name: &str,
    series: &Series,
    limits: (f64, f64),
    label: &dyn Fn(f64, usize) -> String,
    scene: &Scene<'_>,
) {
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
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let curve =
        |points: &[(f64, f64)], shape, marker, style| Curve { points: points.to_vec(), shape, marker, style };
    let marker = dots(series.single.len(), area.width, scene.symbols);
    let curves = [
        curve(&series.single, Shape::Dots, marker, scene.theme.single),
        curve(&series.running, Shape::Line, Marker::Braille, scene.theme.running),
    ];
    let plot = Plot {
        curves: &curves,
        window: (1.0_f64.min(last), last),
        scale: Scale::Linear,
        limits,
        cursor: None,
        label,
    };
    plot::draw(frame, inner, &plot, scene);
}
