//! The columns of the list of runs: how far each is, and its totals.

use super::super::changes;
use super::super::view_model::RunRow;
use super::{ALWAYS, Cell, CellContext, Column, ListColumns, NONE, SortKey};
use crate::figures::{Change, Figure};
use crate::run::Status;
use crate::text::{compact, decimal, percent, span, thousands};
use std::sync::LazyLock;

/// From here on the state is written out; below, its mark has to do.
const STATE_WRITTEN: u16 = 50;

pub static RUNS: LazyLock<ListColumns<RunRow>> = LazyLock::new(|| ListColumns {
    own_order: Some("in the order of the directories"),
    columns: vec![
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
        Column::figure("done", 5..=7, 5, |row: &RunRow, _| {
            Cell::plain(
                row.progress.map_or(NONE.to_owned(), |part| format!("{:.0} %", (part * 100.0).floor())),
            )
        })
        .descending(|row| row.progress.into()),
        Column::figure("samples", 9..=30, 1, |row: &RunRow, _| Cell::plain(thousands(row.samples)))
            .descending(|row| SortKey::Whole(row.samples)),
        Column::figure("effective", 9..=30, ALWAYS, |row: &RunRow, context| {
            per_sample(row.effective, row, context)
        })
        .descending(|row| SortKey::Number(row.effective)),
        change(Figure::EffectivePerSample, 8),
        Column::figure("dense", 7..=30, 3, |row: &RunRow, context| per_sample(row.dense, row, context))
            .descending(|row| SortKey::Number(row.dense)),
        Column::figure("sparsity", 8..=10, 7, |row: &RunRow, context| {
            Cell::new(row.sparsity.map_or(NONE.to_owned(), percent), context.theme.accent)
        })
        .descending(|row| row.sparsity.into()),
        change(Figure::Sparsity, 4),
        Column::figure("problems", 8..=12, 2, |row: &RunRow, context| {
            let style = if row.problems > 0 { context.theme.bad } else { context.theme.dim };
            Cell::new(thousands(row.problems as u128), style)
        })
        .descending(|row| SortKey::Whole(row.problems as u128)),
    ],
});

/// How far a run is from the baseline; the baseline itself is not compared.
fn change(figure: Figure, priority: u8) -> Column<RunRow> {
    let cell = move |row: &RunRow, context: &CellContext<'_>| {
        let model = context.model;
        let base = model.base.as_ref().filter(|_| model.marked != Some(row.number) && row.samples > 0);
        let Some(base) = base else { return Cell::plain("") };
        let new = if figure == Figure::Sparsity { row.sparsity } else { Some(row.effective) };
        let change = Change { figure, base: base.total().value(figure), new };
        Cell::new(change.text(), changes::style(&change, context.theme))
    };
    Column::figure("change", 9..=12, priority, cell).shown_if(|model| model.base.is_some())
}

fn per_sample(value: f64, row: &RunRow, context: &CellContext<'_>) -> Cell {
    Cell::plain(match row.samples {
        0 => NONE.to_owned(),
        _ if context.is_roomy() => decimal(value, 2),
        _ => compact(value),
    })
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
