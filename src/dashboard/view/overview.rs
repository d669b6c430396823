//! The overview: totals, layers, neuron classes and two small charts, as much of them as there is room for.

use super::super::state::State;
use super::{Scene, classes, header, layers, ranks, totals, trends};
use crate::run::Status;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

/// From here on the classes stand beside the layers.
const WIDE: u16 = 150;

/// From here on there is room for the ranks between the classes and the charts; below, they are in the place
/// of the classes.
const ROOMY: u16 = 110;

/// Draws the overview.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) {
    if scene.moment.status == Status::Waiting && scene.moment.summary.layers.is_empty() {
        return header::draw_waiting(frame, area, scene);
    }
    let [top, rest] =
        Layout::vertical([Constraint::Length(totals::height(scene.framed)), Constraint::Fill(1)]).areas(area);
    totals::draw(frame, top, scene);
    let has_ranks = !scene.moment.summary.ranks.is_empty();
    if !scene.framed {
        let line = Constraint::Length(u16::from(has_ranks && rest.height > 2));
        let [line, rest] = Layout::vertical([line, Constraint::Fill(1)]).areas(rest);
        ranks::draw_line(frame, line, scene);
        return layers::draw(frame, rest, scene, state);
    }
    // The layers take what they need, the charts what is left, and neither is starved.
    let charts_least = 7.max(rest.height * 2 / 5).min(rest.height / 2);
    let beside_layers = if has_ranks && area.width >= WIDE { ranks::panel_height(scene) } else { 0 };
    let wanted =
        layers::height(scene).max(beside_layers).clamp(5, rest.height.saturating_sub(charts_least).max(5));
    let [upper, lower] = Layout::vertical([Constraint::Length(wanted), Constraint::Fill(1)]).areas(rest);
    let classes_width = Constraint::Length(classes::width(scene));
    let ranks_width = Constraint::Length(if has_ranks { ranks::panel_width(scene) } else { 0 });
    if area.width >= WIDE {
        let [table, ranks, classes] =
            Layout::horizontal([Constraint::Fill(1), ranks_width, classes_width]).areas(upper);
        layers::draw(frame, table, scene, state);
        if has_ranks {
            ranks::draw_panel(frame, ranks, scene);
        }
        classes::draw(frame, classes, scene);
        return trends::draw(frame, lower, scene);
    }
    layers::draw(frame, upper, scene, state);
    let classes_width = if has_ranks && area.width < ROOMY { Constraint::Length(0) } else { classes_width };
    let [classes, ranks, charts] =
        Layout::horizontal([classes_width, ranks_width, Constraint::Fill(1)]).areas(lower);
    if !classes.is_empty() {
        classes::draw(frame, classes, scene);
    }
    if has_ranks {
        ranks::draw_panel(frame, ranks, scene);
    }
    trends::draw(frame, charts, scene);
}
