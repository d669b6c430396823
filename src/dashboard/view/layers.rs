//! The list of layers.

use super::super::bindings::Action;
use super::super::columns::{Cell, LAYERS};
use super::super::layer_tree::{LayerRow, RowKind, sum};
use super::list::ListView;
use super::{Theme, UiState, ViewModel, filter};
use crate::figures::LayerFigures;
use crate::text::{spelled_out, thousands};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr;

/// Lines that the list would like to have, its frame and headings included. What is typed into the filter leaves them.
pub(super) fn height(model: &ViewModel, state: &UiState) -> u16 {
    let layers = &model.summary.layers;
    let is_folded = state.is_tree && state.layers.filter.is_empty();
    let rows = if is_folded { state.layer_rows(layers).len() } else { layers.len() };
    u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(3)
}

/// The fewest lines that are worth having below the list.
pub(super) const LEAST_BELOW: u16 = 5;

/// Lines of the list where there are so many for it and the panels below, which give way where not all layers fit.
pub(super) fn height_of(wanted: u16, rest: u16) -> u16 {
    match rest.saturating_sub(wanted) {
        LEAST_BELOW.. => wanted.max(5),
        _ if rest < 4 * LEAST_BELOW => rest,
        _ => rest - 2 * LEAST_BELOW,
    }
}

/// What figures of the list are, in its title.
const PER_SAMPLE: &str = ", per sample";

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    let layers = &model.summary.layers;
    let rows = state.layer_rows(layers);
    let legend = if model.summary.total_measured.is_some() { "m measured, " } else { "" };
    let note = Line::styled(format!(" {legend}{} ", LAYERS.order_name(state.layers.sort)), theme.dim);
    let room = usize::from(area.width).saturating_sub(note.width() + 6);
    let shown = state.shown(layers);
    let common = model.layer_ends;
    let filter = state.layers.filter.clone();
    let label = |at: usize| label(&rows[at], model, theme);
    let counts = Some((shown.len(), layers.len()));
    let mut title = filter::title("Layers", &filter, counts, room);
    if filter.is_empty() && title.width() + PER_SAMPLE.len() <= room {
        title += PER_SAMPLE;
    }
    let row = |at: usize| {
        let row = rows[at].figures(layers).into_owned();
        compared(row, rows[at].layers(), model, |name| rows[at].is_around(name) && filter.shows(name))
    };
    let is_filtered = !filter.is_empty() && filter.fault().is_none() && !shown.is_empty();
    let name = || format!("sum of {}", thousands(shown.len() as u128));
    let sum =
        is_filtered.then(|| compared(sum(&name(), &shown, layers), &shown, model, |name| filter.shows(name)));
    let list = ListView::new(title, note, &LAYERS, rows.len(), &row);
    let list = ListView { label: Some(&label), sum, common, ..list };
    state.places.list = list.draw(frame, area, &mut state.layers, model, theme);
    if rows.is_empty() && !filter.is_empty() {
        draw_nothing(frame, state.places.list.inside, theme, state);
    }
}

/// A layer or a sum of layers with how far its operations may still move; a sum also with that of the baseline's layers
/// of the same names and modules, if there is one.
fn compared(
    mut row: LayerFigures,
    members: &[usize],
    model: &ViewModel,
    is_in: impl Fn(&str) -> bool,
) -> LayerFigures {
    row.uncertainty = model.uncertainty_of(members);
    if let (Some(within), Some(baseline)) = (&mut row.within, model.baseline()) {
        within.base = baseline.rows.sum_of_layers(baseline.samples, is_in);
    }
    row
}

/// The name of a row.
fn label(row: &LayerRow, model: &ViewModel, theme: &Theme) -> Cell {
    let layers = &model.summary.layers;
    let indent = "  ".repeat(row.depth);
    match (&row.kind, row.label.is_empty()) {
        (RowKind::Node(node), _) => {
            let mark = if node.is_open { "▾" } else { "▸" };
            Cell::new(format!("{indent}{mark} {}", row.label), theme.accent)
        }
        (RowKind::Layer(at), true) => Cell::layer(&layers[*at].name, theme.strong, model),
        (RowKind::Layer(at), false) if model.layer_names.contains_key(&layers[*at].name) => {
            Cell::new(format!("{indent}{}", spelled_out(&row.label)), theme.strong)
        }
        (RowKind::Layer(_), false) => {
            let common = (0, row.shared_suffix(model.layer_ends.1, layers));
            Cell { common, ..Cell::new(format!("{indent}{}", row.label), theme.strong) }
        }
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
