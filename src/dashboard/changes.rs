//! Rows of figures: how far each figure may still move, and how far it is from the baseline's, with a sign, and in the
//! colour of a gain or a loss.

use super::theme::Theme;
use super::view_model::{RunRow, ViewModel};
use crate::figures::{
    Basis, Change, ClassFigures, ComparedRow, Direction, Figure, LayerFigures, Number, RankFigures, RowSums,
    TotalFigures,
};
use crate::run::interval::Uncertainty;
use ratatui::text::Span;

/// A row that has figures: in a list, or the total.
pub(super) trait FigureRow: 'static {
    /// Its sums, and how far its effective operations per sample may still move, if that is known.
    fn figures(&self) -> (&RowSums, Option<&Uncertainty>);

    /// How far a figure may still move: its digits say no more than that.
    fn half_width(&self, figure: &Figure) -> Option<f64> {
        let (sums, uncertainty) = self.figures();
        match figure.basis {
            // Updates of one price move as their operations do, and those of several about as far.
            Basis::Updates if figure.per_sample => {
                Some(uncertainty?.relative? * figure.number(sums)?.as_f64()).filter(|&width| width > 0.0)
            }
            _ => figure.half_width(sums, uncertainty),
        }
    }

    /// The same row of the baseline, if there is one; `None` where nothing is compared.
    fn base<'a>(&'a self, model: &'a ViewModel) -> Option<Option<&'a ComparedRow>>;

    /// The value that is shown.
    fn value(&self, figure: &Figure) -> Option<Number> {
        figure.number(self.figures().0)
    }
}

impl FigureRow for TotalFigures {
    fn figures(&self) -> (&RowSums, Option<&Uncertainty>) {
        (&self.sums, self.uncertainty.as_ref())
    }

    fn base<'a>(&'a self, model: &'a ViewModel) -> Option<Option<&'a ComparedRow>> {
        let rows = &model.baseline()?.rows;
        Some(Some(if self.has_measured { rows.total_of_all() } else { &rows.total }))
    }
}

impl FigureRow for ClassFigures {
    fn figures(&self) -> (&RowSums, Option<&Uncertainty>) {
        (&self.sums, self.uncertainty.as_ref())
    }

    fn base<'a>(&'a self, model: &'a ViewModel) -> Option<Option<&'a ComparedRow>> {
        Some(model.baseline()?.rows.neuron(&self.neuron))
    }
}

impl FigureRow for LayerFigures {
    fn figures(&self) -> (&RowSums, Option<&Uncertainty>) {
        (&self.sums, self.uncertainty.as_ref())
    }

    fn base<'a>(&'a self, model: &'a ViewModel) -> Option<Option<&'a ComparedRow>> {
        let rows = &model.baseline()?.rows;
        Some(match &self.within {
            Some(within) => within.base.as_ref(),
            None => rows.layer(&self.name),
        })
    }
}

impl FigureRow for RankFigures {
    fn figures(&self) -> (&RowSums, Option<&Uncertainty>) {
        (self.all_sums(), None)
    }

    fn base<'a>(&'a self, _: &'a ViewModel) -> Option<Option<&'a ComparedRow>> {
        None
    }

    fn value(&self, figure: &Figure) -> Option<Number> {
        figure.value(self.all_sums())
    }
}

impl FigureRow for RunRow {
    fn figures(&self) -> (&RowSums, Option<&Uncertainty>) {
        (&self.sums, self.uncertainty.as_ref())
    }

    /// The baseline itself is not compared.
    fn base<'a>(&'a self, model: &'a ViewModel) -> Option<Option<&'a ComparedRow>> {
        let is_compared = model.marked != Some(self.number) && self.sums.samples > 0;
        let rows = &model.base.as_ref().filter(|_| is_compared)?.rows;
        Some(Some(if self.is_measured { rows.total_of_all() } else { &rows.total }))
    }

    fn value(&self, figure: &Figure) -> Option<Number> {
        figure.value(&self.sums)
    }
}

/// The change of a figure of a row, without values if the baseline lacks the row; `None` where nothing is compared.
pub(super) fn of_row(
    figure: &'static Figure,
    row: &impl FigureRow,
    model: &ViewModel,
    theme: &Theme,
) -> Option<Span<'static>> {
    let base = row.base(model)?;
    let new = figure.value(row.figures().0).map(Number::as_f64);
    Some(span(&Change { figure, base: base.and_then(|base| base.value(figure)), new }, theme))
}

/// A change as it is written behind its figure.
pub(super) fn span(change: &Change, theme: &Theme) -> Span<'static> {
    let style = match change.direction() {
        Some(Direction::Better) => theme.good,
        Some(Direction::Worse) => theme.bad,
        Some(Direction::Same) | None => theme.dim,
    };
    Span::styled(change.text(), style)
}
