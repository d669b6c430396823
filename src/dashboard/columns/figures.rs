//! The columns of figures. Every list whose rows have sums gets one for each row of the table in `figures/figure.rs`, and
//! behind it how far the figure is from the baseline's.

use super::super::changes::{self, FigureRow};
use super::super::theme::Theme;
use super::super::view_model::ViewModel;
use super::{ALWAYS, Cell, CellContext, Column, NONE, SortKey};
use crate::figures::{Basis, Figure, FigureUnit, Number, ShownIn};
use crate::text::{compact_within, decimal_within, percent_within, thousands};
use ratatui::style::Style;

/// The most columns of a figure before the rest is shared out.
const MOST: u16 = 30;

/// How a list shows figures.
pub(super) struct FigureStyle {
    pub(super) shown_in: ShownIn,
    /// Writes a value that is no ratio, with the digits that its half width leaves.
    pub(super) write: fn(f64, Option<f64>, &CellContext<'_>) -> String,
    pub(super) ratio: fn(&Theme) -> Style,
    /// The highest priority of a figure here, where other columns matter more.
    pub(super) priority: u8,
    /// Whether the list shows changes, and in which model.
    pub(super) has_changes: fn(&ViewModel) -> bool,
}

/// The style of most lists.
pub(super) const USUAL: FigureStyle = FigureStyle {
    shown_in: ShownIn::Tables,
    write: roomy,
    ratio: |_| Style::new(),
    priority: ALWAYS,
    has_changes: |model| model.baseline().is_some(),
};

/// With all digits where there is room, else short.
fn roomy(value: f64, half_width: Option<f64>, context: &CellContext<'_>) -> String {
    if context.is_roomy() { aligned(value, 2, half_width) } else { compact_within(value, half_width) }
}

/// A value with so many decimals or, where its half width leaves fewer, with blanks instead, so that the points of a
/// column are below one another.
pub(super) fn aligned(value: f64, decimals: usize, half_width: Option<f64>) -> String {
    let text = decimal_within(value, decimals, half_width);
    let written = text.rsplit_once('.').map_or(0, |(_, fraction)| fraction.len() + 1);
    let blanks = if decimals > 0 { decimals + 1 - written } else { 0 };
    text + &" ".repeat(blanks)
}

/// The columns of all figures of a list, each with the column of its change.
pub(super) fn columns<T: FigureRow>(style: &'static FigureStyle) -> impl Iterator<Item = Column<T>> {
    Figure::all_in(style.shown_in)
        .flat_map(move |figure| std::iter::once(column(figure, style)).chain(change(figure, style)))
}

fn column<T: FigureRow>(figure: &'static Figure, style: &'static FigureStyle) -> Column<T> {
    let cell = move |row: &T, context: &CellContext<'_>| figure_cell(figure, row, style, context);
    let column = Column::figure(figure.heading, figure.width..=MOST, priority(figure, style), cell)
        .shown_if(move |model| figure.applies_to(&model.summary.total.sums));
    // The energy orders rows as effective operations do, and its column is not always there.
    if figure.basis == Basis::Energy {
        column
    } else {
        column.descending(move |row: &T| row.value(figure).into())
    }
}

/// The cells of a figure with the change under it, for lists whose rows have two lines.
pub(super) fn columns_with_changes_under<T: FigureRow>(
    style: &'static FigureStyle,
) -> impl Iterator<Item = Column<T>> {
    Figure::all_in(style.shown_in).map(move |figure| {
        let cell = move |row: &T, context: &CellContext<'_>| {
            let under = changes::of_row(figure, row, context.model, context.theme);
            Cell { under, ..figure_cell(figure, row, style, context) }
        };
        Column::figure(figure.heading, figure.width..=figure.width + 2, priority(figure, style), cell)
            .shown_if(move |model| figure.applies_to(&model.summary.total.sums))
    })
}

fn priority(figure: &Figure, style: &FigureStyle) -> u8 {
    figure.priority.min(style.priority)
}

fn figure_cell<T: FigureRow>(
    figure: &Figure,
    row: &T,
    style: &FigureStyle,
    context: &CellContext<'_>,
) -> Cell {
    match row.value(figure) {
        Some(Number::Whole(value)) => Cell::plain(thousands(value)),
        Some(Number::Real(ratio)) if figure.unit == FigureUnit::Ratio => {
            Cell::new(percent_within(ratio, row.half_width(figure)), (style.ratio)(context.theme))
        }
        Some(Number::Real(value)) => Cell::plain((style.write)(value, row.half_width(figure), context)),
        None => Cell::plain(NONE),
    }
}

/// How far a figure is from the baseline's. It does not sort, since it comes and goes with the baseline.
fn change<T: FigureRow>(figure: &'static Figure, style: &'static FigureStyle) -> Option<Column<T>> {
    let cell = move |row: &T, context: &CellContext<'_>| {
        let change = changes::of_row(figure, row, context.model, context.theme).unwrap_or_default();
        Cell::new(change.content, change.style)
    };
    let column = Column::figure("change", 4..=MOST, figure.change_priority, cell);
    figure.shown_in.contains(&ShownIn::Comparison).then(|| {
        column
            .shown_if(move |model| (style.has_changes)(model) && figure.applies_to(&model.summary.total.sums))
    })
}

impl From<Option<Number>> for SortKey<'_> {
    fn from(value: Option<Number>) -> Self {
        match value {
            Some(Number::Whole(value)) => Self::Whole(value),
            Some(Number::Real(value)) => Self::Number(value),
            None => Self::Missing,
        }
    }
}
