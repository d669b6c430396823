//! The overview's small charts: the total operations and sparsity over the batches.

use super::super::batch_axis::BatchAxis;
use super::super::chart_state::{ChartState, Scale, Subject};
use super::charts::{Chart, draw_chart, one_series};
use super::{Theme, ViewModel};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

/// From this width on there is room for both charts.
const BOTH: u16 = 60;

/// Draws both charts side by side, or the operations alone: sparsity mirrors them.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    let second = Constraint::Fill(u16::from(area.width >= BOTH));
    let [first, second] = Layout::horizontal([Constraint::Fill(1), second]).areas(area);
    draw_in(frame, [first, second], model, theme);
}

/// Draws the operations in the first area and the sparsity in the second one; nothing where an area has no room.
pub(super) fn draw_in(frame: &mut Frame<'_>, areas: [Rect; 2], model: &ViewModel, theme: &Theme) {
    let axis = BatchAxis::new(model.run.history(), &[]);
    let total = [one_series((0, &Subject::Total), true, &axis, model, theme)];
    for (area, chart) in areas.into_iter().zip([Chart::operations(Scale::Linear), Chart::sparsities()]) {
        draw_chart(frame, area, &chart, &total, &axis, theme, &ChartState::default());
    }
}
