//! The overview: totals, layers, neuron classes and two small charts, as much of them as there is room for.

use super::{Theme, UiState, ViewModel, classes, layers, ranks, totals, trends, waiting};
use crate::run::Status;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

/// From this width on, the classes are beside the layers.
const WIDE: u16 = 150;

/// From this width on, there is room for the ranks between the classes and the charts; below, they replace the classes.
const ROOMY: u16 = 110;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    if model.run.status(model.now) == Status::Waiting && model.summary.layers.is_empty() {
        return waiting::draw(frame, area, model, theme);
    }
    let [top, rest] =
        Layout::vertical([Constraint::Length(totals::height(theme.framed)), Constraint::Fill(1)]).areas(area);
    totals::draw(frame, top, model, theme);
    let has_ranks = !model.summary.ranks.is_empty();
    if !theme.framed {
        let line = Constraint::Length(u16::from(has_ranks && rest.height > 2));
        let [line, rest] = Layout::vertical([line, Constraint::Fill(1)]).areas(rest);
        ranks::draw_line(frame, line, model, theme);
        return layers::draw(frame, rest, model, theme, state);
    }
    // The layers take what they need, the charts the rest.
    let beside_layers = if has_ranks && area.width >= WIDE { ranks::panel_height(model) } else { 0 };
    let wanted = layers::height_of(layers::height(model).max(beside_layers), rest.height);
    let [upper, lower] = Layout::vertical([Constraint::Length(wanted), Constraint::Fill(1)]).areas(rest);
    let classes_width = Constraint::Length(classes::width(model));
    let ranks_width = Constraint::Length(if has_ranks { ranks::panel_width(model) } else { 0 });
    if area.width >= WIDE {
        let [table, ranks, classes] =
            Layout::horizontal([Constraint::Fill(1), ranks_width, classes_width]).areas(upper);
        layers::draw(frame, table, model, theme, state);
        if has_ranks {
            ranks::draw_panel(frame, ranks, model, theme);
        }
        classes::draw(frame, classes, model, theme);
        return trends::draw(frame, lower, model, theme);
    }
    layers::draw(frame, upper, model, theme, state);
    let classes_width = if has_ranks && area.width < ROOMY { Constraint::Length(0) } else { classes_width };
    let [classes, ranks, charts] =
        Layout::horizontal([classes_width, ranks_width, Constraint::Fill(1)]).areas(lower);
    if !classes.is_empty() {
        classes::draw(frame, classes, model, theme);
    }
    if has_ranks {
        ranks::draw_panel(frame, ranks, model, theme);
    }
    trends::draw(frame, charts, model, theme);
}
