//! The overview: totals, layers, neuron classes and two small charts, as much of them as there is room for.

use super::{Theme, UiState, ViewModel, classes, conditions, layers, ranks, totals, trends, waiting};
use crate::run::Status;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

/// From this width on, the classes are beside the layers.
const WIDE: u16 = 150;

/// The fewest lines of a chart.
const CHART_LEAST: u16 = 8;

/// From this width on, there is room for the ranks between the classes and the charts; below, they replace the classes.
const ROOMY: u16 = 110;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    let has_nothing = matches!(model.run.status(model.now), Status::Waiting | Status::Stopped)
        && model.summary.account.seen == 0;
    if has_nothing && model.summary.layers.is_empty() {
        return waiting::draw(frame, area, model, theme);
    }
    let has_ranks = !model.summary.ranks.is_empty();
    let beside_layers = if has_ranks && area.width >= WIDE { ranks::panel_height(model) } else { 0 };
    let wanted = layers::height(model, state).max(beside_layers);
    let judged = conditions::height(model, area.height);
    let top = totals::height(area, wanted.saturating_add(judged), layers::LEAST_BELOW, theme);
    let [top, judged, rest] =
        Layout::vertical([Constraint::Length(top), Constraint::Length(judged), Constraint::Fill(1)])
            .areas(area);
    totals::draw(frame, top, model, theme);
    conditions::draw(frame, judged, model, theme);
    if !theme.framed {
        let line = Constraint::Length(u16::from(has_ranks && rest.height > 2));
        let [line, rest] = Layout::vertical([line, Constraint::Fill(1)]).areas(rest);
        ranks::draw_line(frame, line, model, theme);
        return layers::draw(frame, rest, model, theme, state);
    }
    // The layers take what they need, the charts the rest.
    let wanted = layers::height_of(wanted, rest.height);
    let [upper, lower] = Layout::vertical([Constraint::Length(wanted), Constraint::Fill(1)]).areas(rest);
    let classes_width = Constraint::Length(classes::width(model, area.width));
    let ranks_width = Constraint::Length(if has_ranks { ranks::panel_width(model) } else { 0 });
    if area.width >= WIDE {
        let [table, ranks, classes] =
            Layout::horizontal([Constraint::Fill(1), ranks_width, classes_width]).areas(upper);
        layers::draw(frame, table, model, theme, state);
        if has_ranks {
            ranks::draw_panel(frame, ranks, model, theme);
        }
        return draw_classes_and_charts(frame, classes, lower, model, theme);
    }
    layers::draw(frame, upper, model, theme, state);
    let classes_width = if has_ranks && area.width < ROOMY { Constraint::Length(0) } else { classes_width };
    let [classes, ranks, charts] =
        Layout::horizontal([classes_width, ranks_width, Constraint::Fill(1)]).areas(lower);
    if has_ranks {
        ranks::draw_panel(frame, ranks, model, theme);
    }
    draw_classes_and_charts(frame, classes, charts, model, theme);
}

/// Draws the classes in the lines that they need, and the charts; where there is room below the classes, one of the charts
/// is there, so that the other one gets wider.
fn draw_classes_and_charts(
    frame: &mut Frame<'_>,
    classes: Rect,
    charts: Rect,
    model: &ViewModel,
    theme: &Theme,
) {
    let wanted = classes::height(model);
    if classes.is_empty() {
        return trends::draw(frame, charts, model, theme);
    }
    if classes.height < wanted + CHART_LEAST {
        classes::draw(frame, classes, model, theme);
        return trends::draw(frame, charts, model, theme);
    }
    let [classes, below] = Layout::vertical([Constraint::Length(wanted), Constraint::Fill(1)]).areas(classes);
    classes::draw(frame, classes, model, theme);
    trends::draw_in(frame, [charts, below], model, theme);
}
