//! The overview's small charts: the total operations and sparsity over the batches.

use super::super::batch_axis::BatchAxis;
use super::super::chart_state::{ChartLines, Scale, Subject};
use super::charts::{Chart, CurvePoints, DrawnLine, band, legend, one_series, running_symbol};
use super::plot::{Curve, CurveShape, Plot, dots};
use super::{Theme, ViewModel, block, plot, title};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::Marker;

/// Draws both charts side by side.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    let [first, second] = Layout::horizontal([Constraint::Fill(1); 2]).areas(area);
    draw_in(frame, [first, second], model, theme);
}

/// Draws the operations in the first area and the sparsity in the second one; nothing where an area has no room.
pub(super) fn draw_in(frame: &mut Frame<'_>, areas: [Rect; 2], model: &ViewModel, theme: &Theme) {
    let axis = BatchAxis::new(model.run.history(), &[]);
    let line = DrawnLine { place: 0, subject: &Subject::Total, has_band: true };
    let total = one_series(&line, &axis, model, theme);
    for (area, chart) in areas.into_iter().zip([Chart::operations(Scale::Linear), Chart::sparsities()]) {
        draw_chart(frame, area, &chart, (chart.points)(&total), &axis, theme);
    }
}

fn draw_chart(
    frame: &mut Frame<'_>,
    area: Rect,
    chart: &Chart,
    points: &CurvePoints,
    axis: &BatchAxis,
    theme: &Theme,
) {
    // Where there is no room for "Effective ops/sample", its unit gives way.
    let fits = chart.name.len() + 3 <= usize::from(area.width);
    let name = if fits { chart.name } else { chart.name.split('/').next().unwrap_or_default() };
    let block = block(title(name, theme), theme);
    let Some(last) = points.running.last().map(|point| point.0) else {
        return frame.render_widget(block, area);
    };
    let room = usize::from(area.width).saturating_sub(name.len() + 5);
    let legend = legend(room, ChartLines::Both, running_symbol(theme), (theme.running, theme.single), theme);
    // Where the title leaves no room, it is at the bottom.
    let block = if legend.width() > 0 {
        block.title(legend.right_aligned())
    } else {
        let room = usize::from(area.width).saturating_sub(4);
        let styles = (theme.running, theme.single);
        block.title_bottom(self::legend(room, ChartLines::Both, running_symbol(theme), styles, theme))
    };
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let curve =
        |points: &[(f64, f64)], shape, marker, style| Curve { points: points.to_vec(), shape, marker, style };
    let marker = dots(points.single.len(), area.width, theme.appearance.symbols);
    let curves = [
        curve(&points.single, CurveShape::Dots, marker, theme.single),
        curve(&points.running, CurveShape::Line, Marker::Braille, theme.running),
    ];
    let band = band(Some(points), ChartLines::Both);
    let plot = Plot { curves: &curves, band, window: (1.0_f64.min(last), last), chart, axis, cursor: None };
    plot::draw(frame, inner, &plot, theme);
}
