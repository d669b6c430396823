//! How far figures are from the baseline's: with a sign, and in the colour of a gain or a loss.

use super::theme::Theme;
use super::view_model::ViewModel;
use crate::figures::{Change, Direction, Figure, Part, Sums};
use ratatui::style::Style;
use ratatui::text::Span;

/// The change of a figure of the total; `None` where nothing is compared.
pub(super) fn of_total(figure: Figure, model: &ViewModel) -> Option<Change> {
    Some(between(figure, Some(model.baseline()?.total()), &model.summary.total.sums(), model))
}

/// The change of a figure of a layer; without a value where the baseline has no such layer.
pub(super) fn of_layer(figure: Figure, name: &str, sums: &Sums, model: &ViewModel) -> Option<Change> {
    Some(between(figure, model.baseline()?.layer(name), sums, model))
}

/// The change of a figure of a neuron class.
pub(super) fn of_class(figure: Figure, name: &str, sums: &Sums, model: &ViewModel) -> Option<Change> {
    Some(between(figure, model.baseline()?.neuron(name), sums, model))
}

fn between(figure: Figure, base: Option<&Part>, sums: &Sums, model: &ViewModel) -> Change {
    let new = figure.of(sums, model.summary.run.samples);
    Change { figure, base: base.and_then(|base| base.value(figure)), new }
}

/// The colour of a change.
pub(super) fn style(change: &Change, theme: &Theme) -> Style {
    match change.direction() {
        Some(Direction::Better) => theme.good,
        Some(Direction::Worse) => theme.bad,
        Some(Direction::Same) | None => theme.dim,
    }
}

/// A change as it is written behind its figure.
pub(super) fn span(change: &Change, theme: &Theme) -> Span<'static> {
    Span::styled(change.text(), style(change, theme))
}
