//! One layer: its figures.

use super::super::state::State;
use super::{Scene, layers};
use ratatui::Frame;
use ratatui::layout::Rect;

/// Draws the selected layer.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) {
    layers::draw(frame, area, scene, state);
}
