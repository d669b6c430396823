//! The names of the views and their keys.

use super::{Theme, UiState, View, ViewModel};
use crate::figures::silent_ranks;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

/// The views with what the tab of each says.
pub(super) type Tabs = Vec<(View, String)>;

pub(super) fn width(tabs: &Tabs) -> usize {
    tabs.iter().map(|tab| tab.1.width()).sum()
}

/// Draws tabs from the left of the area on, and notes where they are.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    tabs: Tabs,
    model: &ViewModel,
    theme: &Theme,
    state: &mut UiState,
) {
    let (mut x, problems) = (area.x, model.summary.problem_count());
    for (view, text) in tabs {
        let style = match view {
            _ if view == state.view => theme.selected,
            View::Problems if problems > 0 => theme.bad,
            View::Ranks if silent_ranks(&model.summary.ranks).is_some() => theme.warn,
            _ => theme.dim,
        };
        let place = Rect { x, width: text.width() as u16, height: 1, ..area };
        frame.render_widget(Span::styled(text, style), place);
        state.places.tabs.push((view, place));
        x += place.width;
    }
}

/// The keys of the views, and the names of those that are `named`.
pub(super) fn labels(
    model: &ViewModel,
    theme: &Theme,
    state: &UiState,
    named: impl Fn(View) -> bool,
) -> Tabs {
    let (has_ranks, problems) = (!model.summary.ranks.is_empty(), model.summary.problem_count());
    let label = |view: View| {
        let key =
            state.keys.view_key(view).map_or("-".to_owned(), |key| theme.appearance.symbols.label(&key));
        let name = view.name();
        let count = match view {
            View::Problems if problems > 0 => format!(" ({problems})"),
            View::Ranks if has_ranks => format!(" ({})", model.summary.ranks.len()),
            View::Runs if model.rows.len() > 1 => format!(" ({})", model.rows.len()),
            _ => String::new(),
        };
        let text = if named(view) { format!(" {key} {name}{count} ") } else { format!(" {key} ") };
        (view, text)
    };
    View::of_run(has_ranks || state.view == View::Ranks).map(label).collect()
}
