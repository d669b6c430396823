//! The filter of the layers or the problems: the line in which it is typed, and its text once it is kept.

use super::super::filter::Filter;
use super::super::key_table::KeyTable;
use super::{Theme, UiState, View, ViewModel};
use crate::text::{elide, printable, thousands};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The title of the list of layers, of at most `room` columns: how many are shown, and the filter.
pub(super) fn title(filter: &Filter, shown: usize, layers: usize, room: usize) -> String {
    if filter.is_empty() {
        return format!("Layers ({})", thousands(layers as u128));
    }
    let counts = format!("Layers ({})", counts(shown, layers));
    let fault = if filter.fault().is_some() { " is not a valid pattern" } else { "" };
    let text = elide(filter.text(), room.saturating_sub(counts.width() + 2 + fault.width()));
    format!("{counts} /{text}{fault}")
}

fn counts(shown: usize, layers: usize) -> String {
    format!("{} of {}", thousands(shown as u128), thousands(layers as u128))
}

/// How much of the list that is shown the filter shows.
fn counts_here(model: &ViewModel, state: &UiState) -> String {
    let (layers, problems) = (&model.summary.layers, &model.summary.problems);
    match state.view {
        View::Problems => counts(state.problems.shown(problems).len(), problems.len()),
        _ => counts(state.shown(layers).len(), layers.len()),
    }
}

/// A kept filter where the list has no title, in at most `room` columns.
pub(super) fn summary(model: &ViewModel, state: &UiState, room: usize) -> String {
    let counts = match state.filter_here().fault() {
        Some(_) => "invalid pattern".to_owned(),
        None => counts_here(model, state),
    };
    let text = elide(state.filter_here().text(), room.saturating_sub(counts.width() + 6).max(4));
    format!(" /{text} ({counts}) ")
}

/// Draws the line in which a filter is typed: the text, its result, the keys.
pub(super) fn draw_input(
    frame: &mut Frame<'_>,
    area: Rect,
    model: &ViewModel,
    theme: &Theme,
    state: &UiState,
) {
    let width = usize::from(area.width);
    let typed = printable(state.filter_here().text());
    // The typed text gets at least a third.
    let result = result(model, theme, state, width.saturating_sub((typed.width() + 3).min(width / 3)));
    let text = tail(&typed, width.saturating_sub(result.width() + 3));
    let mut line = Line::from(vec![Span::styled(" /", theme.accent), Span::raw(text)]);
    let cursor = Position::new(area.x.saturating_add(line.width() as u16), area.y);
    if area.contains(cursor) {
        frame.set_cursor_position(cursor);
    }
    line.push_span(Span::raw(" "));
    line.push_span(result);
    for row in KeyTable::edits().rows() {
        let (Some(hint), Some(key)) = (row.binding.hint(state.view), row.first_label()) else { continue };
        if line.width() + key.width() + hint.word.width() + 3 <= width {
            line.push_span(Span::styled(format!(" {key}"), theme.accent));
            line.push_span(Span::styled(format!(" {} ", hint.word), theme.dim));
        }
    }
    frame.render_widget(line, area);
}

/// How many layers or problems the filter shows, or why it is invalid, in at most `room` columns.
fn result(model: &ViewModel, theme: &Theme, state: &UiState, room: usize) -> Span<'static> {
    let (choices, style) = match state.filter_here().fault() {
        Some(why) => (
            vec![format!(" not a regular expression: {why} "), format!(" {why} "), " invalid ".to_owned()],
            theme.bad,
        ),
        None => (vec![format!(" {} ", counts_here(model, state))], theme.dim),
    };
    let fitting = choices.into_iter().find(|choice| choice.width() <= room);
    Span::styled(fitting.unwrap_or_default(), style)
}

/// The end of a text, where the cursor is, in at most `width` columns.
fn tail(text: &str, width: usize) -> String {
    let mut used = 0;
    let fitting = text.chars().rev().take_while(|character| {
        used += character.width().unwrap_or(0);
        used <= width
    });
    let mut tail: Vec<char> = fitting.collect();
    tail.reverse();
    tail.into_iter().collect()
}
