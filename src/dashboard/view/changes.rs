//! How far figures are from the baseline's: with a sign, and in the colour of a gain or a loss.

use super::Scene;
use crate::figures::{Change, ComparedRow, Direction, Figure, Number, RowSums};
use ratatui::style::Style;
use ratatui::text::Span;

/// The change of a figure of the total; `None` where nothing is compared.
pub(super) fn of_total(figure: &'static Figure, scene: &Scene<'_>) -> Option<Change> {
    let summary = &scene.moment.summary;
    let base = &scene.baseline?.rows.total;
    Some(between(figure, Some(base), &summary.total.sums))
}

/// The change of a figure of a layer; without a value where the baseline has no such layer.
pub(super) fn of_layer(
    figure: &'static Figure,
    name: &str,
    sums: &RowSums,
    scene: &Scene<'_>,
) -> Option<Change> {
    let base = scene.baseline?.rows.layer(name);
    Some(between(figure, base, sums))
}

/// The change of a figure of a neuron class.
pub(super) fn of_class(
    figure: &'static Figure,
    name: &str,
    sums: &RowSums,
    scene: &Scene<'_>,
) -> Option<Change> {
    let base = scene.baseline?.rows.neuron(name);
    Some(between(figure, base, sums))
}

fn between(figure: &'static Figure, base: Option<&ComparedRow>, sums: &RowSums) -> Change {
    Change {
        figure,
        base: base.and_then(|base| base.value(figure)),
        new: figure.value(sums).map(Number::as_f64),
    }
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
