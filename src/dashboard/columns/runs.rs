//! The columns of the list of runs: how far each is, and its totals.

use super::super::view_model::RunRow;
use super::figures::{self, FigureStyle};
use super::{ALWAYS, Cell, CellContext, Column, ListColumns, NONE, SortKey};
use crate::figures::ShownIn;
use crate::run::Status;
use crate::text::{span, thousands};
use std::sync::LazyLock;

/// From here on the state is written out; below, its mark has to do.
const STATE_WRITTEN: u16 = 50;

const STYLE: FigureStyle = FigureStyle {
    shown_in: ShownIn::Tables,
    write: figures::roomy,
    ratio: |theme| theme.accent,
    priority: ALWAYS,
    has_changes: |model| model.base.is_some(),
};

pub static RUNS: LazyLock<ListColumns<RunRow>> = LazyLock::new(|| ListColumns {
    own_order: Some("in the order of the directories"),
    columns: states().chain(figures::columns(&STYLE)).chain(problems()).collect(),
});

fn states() -> impl Iterator<Item = Column<RunRow>> {
    [
        Column::text("", 2..=2, ALWAYS, |row: &RunRow, context| {
            Cell::new(marks(row, context), context.theme.accent)
        }),
        Column::text("run", 14..=14, ALWAYS, |row: &RunRow, context| {
            Cell::new(row.name.clone(), context.theme.strong)
        })
        .growing()
        .ascending(|row| SortKey::Text(&row.name)),
        Column::text("state", 1..=14, ALWAYS, state)
            .with_heading_cut()
            .ascending(|row| SortKey::Whole(progress_order(row))),
        Column::figure("done", 5..=7, 85, |row: &RunRow, _| {
            Cell::plain(
                row.progress.map_or(NONE.to_owned(), |part| format!("{:.0} %", (part * 100.0).floor())),
            )
        })
        .descending(|row| row.progress.into()),
        Column::figure("samples", 9..=30, 10, |row: &RunRow, _| Cell::plain(thousands(row.sums.samples)))
            .descending(|row| SortKey::Whole(row.sums.samples)),
    ]
    .into_iter()
}

fn problems() -> impl Iterator<Item = Column<RunRow>> {
    std::iter::once(
        Column::figure("problems", 8..=12, 20, |row: &RunRow, context| {
            let style = if row.problems > 0 { context.theme.bad } else { context.theme.dim };
            Cell::new(thousands(row.problems.into()), style)
        })
        .descending(|row| SortKey::Whole(row.problems.into())),
    )
}

/// Whether a run is the one in front, and whether the others are compared with it.
fn marks(row: &RunRow, context: &CellContext<'_>) -> String {
    let shown = if row.number == context.model.shown { "→" } else { " " };
    let baseline = if context.model.marked == Some(row.number) { "=" } else { " " };
    format!("{shown}{baseline}")
}

fn state(row: &RunRow, context: &CellContext<'_>) -> Cell {
    let theme = context.theme;
    let (mark, text, style) = match row.status {
        _ if row.refused => ("✗", "refused".to_owned(), theme.bad),
        Status::Waiting => ("○", "waiting".to_owned(), theme.dim),
        Status::Live => ("●", "live".to_owned(), theme.good),
        Status::Stalled(time) => ("◌", span(time), theme.warn),
        Status::Finished if row.complete => ("✓", "complete".to_owned(), theme.good),
        Status::Finished => ("✓", "finished".to_owned(), theme.good),
    };
    let is_written = context.width >= STATE_WRITTEN;
    Cell::new(if is_written { format!("{mark} {text}") } else { mark.to_owned() }, style)
}

/// Orders the runs by how much they need attention: refused, stalled, live, waiting, over.
fn progress_order(row: &RunRow) -> u128 {
    match row.status {
        _ if row.refused => 0,
        Status::Stalled(_) => 1,
        Status::Live => 2,
        Status::Waiting => 3,
        Status::Finished => 4,
    }
}
