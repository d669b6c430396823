//! The names of the views and their keys.

use super::{Theme, UiState, View, ViewModel, problems};
use crate::figures::silent_ranks;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

/// Draws the views' keys and names as far as they fit into the line, and notes where they are; returns their width.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    model: &ViewModel,
    theme: &Theme,
    state: &mut UiState,
) -> u16 {
    let all = labels(model, theme, state, |_| true);
    let few = labels(model, theme, state, |view| view == state.view);
    let labels = if width(&all) <= area.width { all } else { few };
    if width(&labels) > area.width {
        return 0;
    }
    let mut x = area.x;
    for (view, text) in &labels {
        let here = *view == state.view;
        let style = match view {
            _ if here => theme.selected,
            View::Problems if problems::count(model) > 0 => theme.bad,
            View::Ranks if silent_ranks(&model.summary.ranks).is_some() => theme.warn,
            _ => theme.dim,
        };
        let place = Rect { x, width: text.width() as u16, height: 1, ..area };
        frame.render_widget(Span::styled(text.clone(), style), place);
        state.places.tabs.push((*view, place));
        x += place.width;
    }
    width(&labels)
}

fn width(labels: &[(View, String)]) -> u16 {
    labels.iter().map(|label| label.1.width() as u16).sum()
}

fn labels(
    model: &ViewModel,
    theme: &Theme,
    state: &UiState,
    named: impl Fn(View) -> bool,
) -> Vec<(View, String)> {
    let has_ranks = !model.summary.ranks.is_empty();
    let label = |view: View| {
        let key =
            state.keys.view_key(view).map_or("-".to_owned(), |key| theme.appearance.symbols.label(&key));
        let name = view.name();
        let count = match view {
            View::Problems if problems::count(model) > 0 => format!(" ({})", problems::count(model)),
            View::Ranks if has_ranks => format!(" ({})", model.summary.ranks.len()),
            View::Runs if model.rows.len() > 1 => format!(" ({})", model.rows.len()),
            _ => String::new(),
        };
        let text = if named(view) { format!(" {key} {name}{count} ") } else { format!(" {key} ") };
        (view, text)
    };
    View::of_run(has_ranks || state.view == View::Ranks).map(label).collect()
}
