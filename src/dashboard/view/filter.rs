//! The filter of a list: the line in which it is typed, and its text once it is kept.

use super::super::filter::Filter;
use super::super::key_table::EDIT_KEYS;
use super::footer::key_and_word;
use super::{Theme, UiState, ViewModel};
use crate::text::{elide, printable, thousands};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The title of a list, of at most `room` columns: how many rows are shown of how many, where that is known, and the
/// filter.
pub(super) fn title(name: &str, filter: &Filter, rows: Option<(usize, usize)>, room: usize) -> String {
    let head = match rows {
        Some((_, all)) if filter.is_empty() => format!("{name} ({})", thousands(all as u128)),
        Some((shown, all)) => format!("{name} ({})", counts(shown, all)),
        None => name.to_owned(),
    };
    if filter.is_empty() {
        return head;
    }
    let fault = if filter.fault().is_some() { " is not a valid pattern" } else { "" };
    let text = elide(filter.text(), room.saturating_sub(head.width() + 2 + fault.width()));
    format!("{head} /{text}{fault}")
}

fn counts(shown: usize, all: usize) -> String {
    format!("{} of {}", thousands(shown as u128), thousands(all as u128))
}

/// A kept filter where the list has no title, in at most `room` columns.
pub(super) fn summary(model: &ViewModel, state: &UiState, room: usize) -> String {
    let filter = state.filter_here();
    let counts = match (filter.fault(), state.filter_counts(model)) {
        (Some(_), _) => " (invalid pattern)".to_owned(),
        (None, Some((shown, all))) => format!(" ({})", counts(shown, all)),
        (None, None) => String::new(),
    };
    let text = elide(filter.text(), room.saturating_sub(counts.width() + 3).max(4));
    format!(" /{text}{counts} ")
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
    for row in EDIT_KEYS.rows() {
        let (Some(hint), Some(key)) = (row.binding.hint(state.view), row.first_label()) else { continue };
        if line.width() + key.width() + hint.word.width() + 3 <= width {
            line.extend(key_and_word(&key, hint.word, theme));
        }
    }
    frame.render_widget(line, area);
}

/// How many rows the filter shows, or why it is invalid, in at most `room` columns.
fn result(model: &ViewModel, theme: &Theme, state: &UiState, room: usize) -> Span<'static> {
    let shown = state.filter_counts(model);
    let (choices, style) = match state.filter_here().fault() {
        Some(why) => (
            vec![format!(" not a regular expression: {why} "), format!(" {why} "), " invalid ".to_owned()],
            theme.bad,
        ),
        None => {
            (shown.map(|(shown, all)| format!(" {} ", counts(shown, all))).into_iter().collect(), theme.dim)
        }
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
