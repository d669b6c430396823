//! The names of the views and their keys: where the user is, and where else there is to go.

use super::super::state::{State, View};
use super::{Scene, problems};
use crate::figures::silent_ranks;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

/// Draws the views' keys and names as far as they fit into the line, and notes where they are; returns
/// the columns that they take.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) -> u16 {
    let all = labels(scene, state, |_| true);
    let few = labels(scene, state, |view| view == state.view);
    let labels = if width(&all) <= area.width { all } else { few };
    if width(&labels) > area.width {
        return 0;
    }
    let mut x = area.x;
    for (view, text) in &labels {
        let here = *view == state.view;
        let style = match view {
            _ if here => scene.theme.selected,
            View::Problems if problems::count(scene) > 0 => scene.theme.bad,
            View::Ranks if silent_ranks(&scene.moment.summary.ranks).is_some() => scene.theme.warn,
            _ => scene.theme.dim,
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

fn labels(scene: &Scene<'_>, state: &State, named: impl Fn(View) -> bool) -> Vec<(View, String)> {
    let has_ranks = !scene.moment.summary.ranks.is_empty();
    let label = |view: View| {
        let key = state.keys.of_view(view).map_or("-".to_owned(), |key| scene.symbols.label(&key));
        let name = view.name();
        let count = match view {
            View::Problems if problems::count(scene) > 0 => format!(" ({})", problems::count(scene)),
            View::Ranks if has_ranks => format!(" ({})", scene.moment.summary.ranks.len()),
            View::Runs if scene.rows.len() > 1 => format!(" ({})", scene.rows.len()),
            _ => String::new(),
        };
        let text = if named(view) { format!(" {key} {name}{count} ") } else { format!(" {key} ") };
        (view, text)
    };
    View::of_run(has_ranks || state.view == View::Ranks).map(label).collect()
}
