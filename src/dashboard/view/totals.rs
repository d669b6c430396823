//! The totals: operations per sample, sparsity, membrane updates.

use super::meter::meter;
use super::{Scene, block, title};
use crate::report::Agreement;
use crate::text::{compact, decimal, percent};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// Lines that the totals take.
pub(super) fn height(framed: bool) -> u16 {
    if framed { 5 } else { 2 }
}

/// Draws the totals.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>) {
    if scene.framed { draw_framed(frame, area, scene) } else { draw_lines(frame, area, scene) }
}

fn draw_framed(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>) {
    let block = block(title("Total, per sample", scene), scene).title(agreement(scene).right_aligned());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [labels, values, gauge] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Length(1)]).areas(inner);
    let total = &scene.moment.summary.total;
    let figures: [(&str, String, Style); 4] = [
        ("effective ops", effective(scene, usize::from(inner.width / 4)), scene.theme.strong),
        ("dense ops", decimal(total.dense_ops_per_sample, 2), scene.theme.strong),
        (
            "membrane updates",
            decimal(scene.moment.summary.neurobench.membrane_updates, 2),
            scene.theme.strong,
        ),
        ("sparsity", total.sparsity.map_or("–".into(), percent), scene.theme.accent),
    ];
    let columns = Layout::horizontal([Constraint::Fill(1); 4]);
    let (label_cells, value_cells) = (columns.split(labels), columns.split(values));
    for (at, (label, value, style)) in figures.into_iter().enumerate() {
        frame.render_widget(Line::styled(format!(" {label}"), scene.theme.dim), label_cells[at]);
        frame.render_widget(Line::styled(format!(" {value}"), style), value_cells[at]);
    }
    draw_gauge(frame, gauge, scene);
}

/// The effective operations per sample, with how far they may still move where `room` allows.
fn effective(scene: &Scene<'_>, room: usize) -> String {
    let total = &scene.moment.summary.total;
    let figure = decimal(total.effective_ops_per_sample, 2);
    let moving = total.uncertainty.filter(|uncertainty| uncertainty.half_width > 0.0);
    let with = moving.map(|uncertainty| format!("{figure} ± {}", compact(uncertainty.half_width)));
    with.filter(|with| with.width() < room).unwrap_or(figure)
}

/// How many of the dense operations are effective.
fn draw_gauge(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>) {
    let total = &scene.moment.summary.total;
    let ratio = total.sparsity.map_or(0.0, |sparsity| 1.0 - sparsity);
    let label = match total.unpriced_layers {
        0 => format!(" {} of dense is effective ", percent(ratio)),
        1 => format!(" {} of dense is effective; 1 layer unpriced ", percent(ratio)),
        layers => format!(" {} of dense is effective; {layers} layers unpriced ", percent(ratio)),
    };
    let [line, text] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(label.width() as u16)]).areas(area);
    let line = Rect { x: line.x + 1, width: line.width.saturating_sub(1), ..line };
    frame.render_widget(meter(ratio, line.width, scene.theme.running, scene.theme.dim), line);
    let style = if total.unpriced_layers > 0 { scene.theme.warn } else { scene.theme.dim };
    frame.render_widget(Line::styled(label, style), text);
}

/// Whether NeuroBench's own results agree.
fn agreement(scene: &Scene<'_>) -> Line<'static> {
    match &scene.moment.summary.agreement {
        Agreement::Unknown => stability(scene),
        Agreement::Pending => Line::styled(" NeuroBench has reported ", scene.theme.dim),
        Agreement::Agrees => Line::styled(" = NeuroBench's own result ", scene.theme.good),
        Agreement::Differs { .. } => Line::styled(" ≠ NeuroBench's own result ", scene.theme.bad),
    }
}

/// Whether the figure can be trusted yet.
fn stability(scene: &Scene<'_>) -> Line<'static> {
    let relative = scene.moment.summary.total.uncertainty.and_then(|uncertainty| uncertainty.relative);
    relative.filter(|&relative| relative > 0.0).map_or(Line::raw(""), |relative| {
        Line::styled(format!(" stable to within {} ", percent(relative)), scene.theme.dim)
    })
}

fn draw_lines(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>) {
    let total = &scene.moment.summary.total;
    let sparsity = total.sparsity.map_or("–".into(), percent);
    let unpriced = match total.unpriced_layers {
        0 => Span::raw(""),
        layers => Span::styled(format!("{layers} unpriced "), scene.theme.warn),
    };
    let lines = [
        (
            "effective",
            total.effective_ops_per_sample,
            Span::styled(format!("{sparsity} sparse "), scene.theme.accent),
        ),
        ("dense", total.dense_ops_per_sample, unpriced),
    ];
    let rows = Layout::vertical([Constraint::Length(1); 2]).split(area);
    for ((label, value, mark), row) in lines.into_iter().zip(rows.iter()) {
        draw_line(frame, *row, label, &decimal(value, 2), mark, scene);
    }
}

/// A figure at the left and a mark at the right; the unit gives way first, then the mark.
fn draw_line(frame: &mut Frame<'_>, row: Rect, label: &str, value: &str, mark: Span<'_>, scene: &Scene<'_>) {
    let figure = Line::from(vec![
        Span::styled(format!(" {label} "), scene.theme.dim),
        Span::styled(value.to_owned(), scene.theme.strong),
    ]);
    let unit = Span::styled(" ops/sample", scene.theme.dim);
    let (width, figure_width) = (usize::from(row.width), figure.width());
    let mark_fits = figure_width + 1 + mark.width() <= width;
    let unit_fits = figure_width + unit.width() + if mark_fits { 1 + mark.width() } else { 0 } <= width;
    let figure = if unit_fits { figure + unit } else { figure };
    frame.render_widget(figure, row);
    if mark_fits {
        let mark_width = mark.width() as u16;
        frame.render_widget(mark, Rect { x: row.right() - mark_width, width: mark_width, ..row });
    }
}
