//! The conditions of `--fail-if` above the layers: how near the run is to each.

use super::{Theme, ViewModel};
use crate::text::elide;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// The most lines, and the part of the rows that they may take.
const MOST: usize = 4;
const SHARE: u16 = 6;

/// How many lines the conditions take of so many rows.
pub(super) fn height(model: &ViewModel, rows: u16) -> u16 {
    (model.conditions.len().min(MOST) as u16).min((rows / SHARE).max(1))
}

/// Draws those that fail first, then the others in their order, and how many more there are.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    let mut conditions: Vec<_> = model.conditions.iter().collect();
    conditions.sort_by_key(|condition| condition.failure.is_none());
    let rows = usize::from(area.height);
    let more = conditions.len().saturating_sub(rows);
    let is_begun = model.summary.run.batches > 0;
    for (at, (row, condition)) in area.rows().zip(conditions).enumerate() {
        let (mark, style) = match condition.failure {
            Some(_) if is_begun => ("✗", theme.bad),
            Some(_) => ("○", theme.dim),
            None => ("✓", theme.good),
        };
        let behind = if at + 1 == rows && more > 0 { format!(" +{more}") } else { String::new() };
        let room = usize::from(row.width).saturating_sub(4 + behind.len());
        let whole = condition.text.width() <= room;
        let text = elide(if whole { &condition.text } else { &condition.short }, room);
        let line = [Span::styled(format!(" {mark} "), style), Span::styled(text, style), Span::raw(behind)];
        frame.render_widget(Line::from_iter(line), row);
    }
}
