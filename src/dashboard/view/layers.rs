//! The list of layers.

use super::super::bindings::Action;
use super::super::columns::LAYERS;
use super::list::ListView;
use super::{Theme, UiState, ViewModel, filter};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr;

/// Lines that the list would like to have.
pub(super) fn height(model: &ViewModel) -> u16 {
    u16::try_from(model.summary.layers.len()).unwrap_or(u16::MAX).saturating_add(3)
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    let layers = &model.summary.layers;
    let order = state.shown(layers);
    let legend = if model.summary.total_measured.is_some() { "m measured, " } else { "" };
    let note = Line::styled(format!(" {legend}{} ", LAYERS.order_name(state.layers.sort)), theme.dim);
    let room = usize::from(area.width).saturating_sub(note.width() + 6);
    let list = ListView {
        title: filter::title(&state.filter, order.len(), layers.len(), room),
        note,
        columns: &LAYERS,
        len: order.len(),
        row: &|at| &layers[order[at]],
        row_height: 1,
    };
    state.places.list = list.draw(frame, area, &mut state.layers, model, theme);
    if order.is_empty() && !state.filter.is_empty() {
        draw_nothing(frame, state.places.list.inside, theme, state);
    }
}

/// Says that the filter hides all layers, and which key shows them again.
fn draw_nothing(frame: &mut Frame<'_>, inside: Rect, theme: &Theme, state: &UiState) {
    let row = Rect { y: inside.y.saturating_add(1), height: 1, ..inside }.intersection(inside);
    let nothing = "No layer's name matches the filter";
    let key =
        state.keys.first_key(Action::Back).map_or(String::new(), |key| theme.appearance.symbols.label(&key));
    let choices = [format!("{nothing}; {key} shows all."), format!("No layer matches; {key} shows all.")];
    let fits = |choice: &&String| !key.is_empty() && choice.width() <= usize::from(row.width);
    let text = choices.iter().find(fits).cloned().unwrap_or_else(|| format!("{nothing}."));
    frame.render_widget(Line::styled(text, theme.dim), row);
}
