//! The sums by neuron class, as NeuroBench sums them.

use super::super::columns::{CLASSES, class_name as name};
use super::super::list_state::ListState;
use super::list::ListView;
use super::{Theme, ViewModel};
use crate::figures::ClassFigures;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr;

/// Columns that the list takes without and with changes against a baseline, its frame included.
const WIDTH: u16 = 35;
const COMPARED_WIDTH: u16 = 40;
/// More for the column of the energy.
const ENERGY_WIDTH: u16 = 11;

/// Columns that names have in these widths, how many more long ones may have, and the width from which on they have them.
const NAME: u16 = 8;
const LONG_NAME: u16 = 8;
const WIDE: u16 = 72;

/// Columns that the list takes of so many.
pub(super) fn width(model: &ViewModel, all: u16) -> u16 {
    let longest = model.summary.neurons.iter().map(|class| name(class).width() as u16).max().unwrap_or(0);
    let more = longest.saturating_sub(NAME).min(LONG_NAME).min(all.saturating_sub(WIDE));
    let width = if model.baseline().is_some() { COMPARED_WIDTH } else { WIDTH };
    width + more + if model.summary.total.sums.energy_per_op.is_some() { ENERGY_WIDTH } else { 0 }
}

/// Lines that the list would like to have, its frame included.
pub(super) fn height(model: &ViewModel) -> u16 {
    let rows = if model.baseline().is_some() { 2 } else { 1 };
    u16::try_from(model.summary.neurons.len() * rows).unwrap_or(u16::MAX).saturating_add(3)
}

/// Draws operations per sample and sparsity of each class, and under them how far they are from the baseline's, where
/// there is room for the changes of all.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    let (classes, layers) = (&model.summary.neurons, &model.summary.layers);
    let is_compared = model.baseline().is_some() && classes.len() * 2 + 3 <= usize::from(area.height);
    let row = |at: usize| {
        let is_within = |&layer: &usize| layers[layer].neuron.as_deref() == Some(&classes[at].neuron);
        let within: Vec<usize> = (0..layers.len()).filter(is_within).collect();
        ClassFigures { uncertainty: model.uncertainty_of(&within), ..classes[at].clone() }
    };
    let title = "By neuron, per sample".to_owned();
    let list = ListView::new(title, Line::default(), &CLASSES, classes.len(), &row);
    let list = ListView { row_height: if is_compared { 2 } else { 1 }, ..list };
    list.draw(frame, area, &mut ListState::text(), model, theme);
}
