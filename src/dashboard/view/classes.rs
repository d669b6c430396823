//! The sums by neuron class, as NeuroBench sums them.

use super::super::columns::CLASSES;
use super::super::list_state::ListState;
use super::list::ListView;
use super::{Theme, ViewModel};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

/// Columns that the list takes without and with changes against a baseline, its frame included.
const WIDTH: u16 = 35;
const COMPARED_WIDTH: u16 = 40;
/// More for the column of the energy.
const ENERGY_WIDTH: u16 = 11;

pub(super) fn width(model: &ViewModel) -> u16 {
    let width = if model.baseline().is_some() { COMPARED_WIDTH } else { WIDTH };
    width + if model.summary.total.sums.energy_per_op.is_some() { ENERGY_WIDTH } else { 0 }
}

/// Lines that the list would like to have, its frame included.
pub(super) fn height(model: &ViewModel) -> u16 {
    let rows = if model.baseline().is_some() { 2 } else { 1 };
    u16::try_from(model.summary.neurons.len() * rows).unwrap_or(u16::MAX).saturating_add(3)
}

/// Draws operations per sample and sparsity of each class, and under them how far they are from the baseline's, where
/// there is room for the changes of all.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    let classes = &model.summary.neurons;
    let is_compared = model.baseline().is_some() && classes.len() * 2 + 3 <= usize::from(area.height);
    let list = ListView {
        title: "By neuron, per sample".to_owned(),
        note: Line::default(),
        columns: &CLASSES,
        len: classes.len(),
        row: &|at| &classes[at],
        row_height: if is_compared { 2 } else { 1 },
    };
    list.draw(frame, area, &mut ListState::text(), model, theme);
}
