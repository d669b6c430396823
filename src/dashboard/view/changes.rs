//! How far figures are from the baseline's: with a sign, and in the colour of a gain or a loss.

use super::Scene;
use crate::figures::{Change, Direction, Figure, Part, Sums};
use ratatui::style::Style;
use ratatui::text::Span;

/// The change of a figure of the total; `None` where nothing is compared.
pub(super) fn of_total(figure: Figure, scene: &Scene<'_>) -> Option<Change> {
    let summary = &scene.moment.summary;
    let base = scene.baseline?.total();
    Some(between(figure, Some(base), &summary.total.sums(), summary.run.samples))
}

/// The change of a figure of a layer; without a value where the baseline has no such layer.
pub(super) fn of_layer(figure: Figure, name: &str, sums: &Sums, scene: &Scene<'_>) -> Option<Change> {
    let base = scene.baseline?.layer(name);
    Some(between(figure, base, sums, scene.moment.summary.run.samples))
}

/// The change of a figure of a neuron class.
pub(super) fn of_class(figure: Figure, name: &str, sums: &Sums, scene: &Scene<'_>) -> Option<Change> {
    let base = scene.baseline?.neuron(name);
    Some(between(figure, base, sums, scene.moment.summary.run.samples))
}

fn between(figure: Figure, base: Option<&Part>, sums: &Sums, samples: u128) -> Change {
    Change { figure, base: base.and_then(|base| base.value(figure)), new: figure.of(sums, samples) }
}

/// The colour of a change.
pub(super) fn style(change: &Change, scene: &Scene<'_>) -> Style {
    match change.direction() {
        Some(Direction::Better) => scene.theme.good,
        Some(Direction::Worse) => scene.theme.bad,
        Some(Direction::Same) | None => scene.theme.dim,
    }
}

/// A change as it is written behind its figure.
pub(super) fn span(change: &Change, scene: &Scene<'_>) -> Span<'static> {
    Span::styled(change.text(), style(change, scene))
}
