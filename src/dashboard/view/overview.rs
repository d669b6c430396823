//! The overview: totals, layers, neuron classes and two small charts, as much of them as there is room for.

use super::super::state::State;
use super::{Scene, classes, header, layers, totals, trends};
use crate::run::Status;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

/// From here on the classes stand beside the layers.
const WIDE: u16 = 150;

/// Draws the overview.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) {
    if scene.moment.status == Status::Waiting && scene.moment.summary.layers.is_empty() {
        return header::draw_waiting(frame, area, scene);
    }
    let [top, rest] =
        Layout::vertical([Constraint::Length(totals::height(scene.framed)), Constraint::Fill(1)]).areas(area);
    totals::draw(frame, top, scene);
    if !scene.framed {
        return layers::draw(frame, rest, scene, state);
    }
    // The layers take what they need, the charts what is left, and neither is starved.
    let charts_least = 7.max(rest.height * 2 / 5).min(rest.height / 2);
    let wanted = layers::height(scene).clamp(5, rest.height.saturating_sub(charts_least).max(5));
    let [upper, lower] = Layout::vertical([Constraint::Length(wanted), Constraint::Fill(1)]).areas(rest);
    let beside = [Constraint::Fill(1), Constraint::Length(classes::width(scene))];
    if area.width >= WIDE {
        let [table, classes] = Layout::horizontal(beside).areas(upper);
        layers::draw(frame, table, scene, state);
        classes::draw(frame, classes, scene);
        return trends::draw(frame, lower, scene);
    }
    layers::draw(frame, upper, scene, state);
    let [classes, charts] = Layout::horizontal([beside[1], beside[0]]).areas(lower);
    classes::draw(frame, classes, scene);
    trends::draw(frame, charts, scene);
}
