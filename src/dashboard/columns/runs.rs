//! The columns of the list of runs: how far each is, and its totals.

use super::super::meter::trend;
use super::super::theme::Theme;
use super::super::view_model::{RunRow, ViewModel, shown_operations};
use super::figures::{self, FigureStyle};
use super::{ALWAYS, Cell, CellContext, Column, ListColumns, NONE, SortKey};
use crate::figures::run_times::{per_time, stalled};
use crate::run::Status;
use crate::run::tally::quotient;
use crate::text::{age, span, thousands};
use ratatui::text::Line;
use std::sync::LazyLock;
use std::time::Duration;

/// From here on the state is written out; below, its mark has to do.
const STATE_WRITTEN: u16 = 50;

const STYLE: FigureStyle =
    FigureStyle { ratio: |theme| theme.accent, has_changes: |model| model.base.is_some(), ..figures::USUAL };

pub static RUNS: LazyLock<ListColumns<RunRow>> = LazyLock::new(|| ListColumns {
    own_order: Some("in the order of the directories"),
    columns: states().chain(figures::columns(&STYLE)).chain(times()).chain([problems(), trends()]).collect(),
});

fn states() -> impl Iterator<Item = Column<RunRow>> {
    [
        Column::text("", 2..=3, ALWAYS, |row: &RunRow, context| {
            run_marks(row.number, None, context.model, context.theme)
        }),
        Column::text("run", 14..=14, ALWAYS, |row: &RunRow, context| {
            let name = context.model.run_name(&row.name);
            Cell::name(name, context.theme.strong, context)
        })
        .growing()
        .ascending(|row| SortKey::Text(&row.name)),
        Column::text("directory", 9..=10, ALWAYS, |row: &RunRow, context| {
            Cell::new(row.directory.clone().unwrap_or_default(), context.theme.dim)
        })
        .growing()
        .shown_if(|model| model.rows.iter().any(|row| row.directory.is_some()))
        .ascending(|row| row.directory.as_ref().into()),
        Column::text("state", 1..=16, ALWAYS, state)
            .with_heading_cut()
            .ascending(|row| SortKey::Whole(progress_order(row))),
        Column::figure("done", 5..=7, 85, |row: &RunRow, _| {
            Cell::plain(
                row.progress.map_or(NONE.to_owned(), |part| format!("{:.0} %", (part * 100.0).floor())),
            )
        })
        .descending(|row| row.progress.into()),
        Column::figure("samples", 9..=30, 6, |row: &RunRow, _| Cell::plain(thousands(row.sums.samples)))
            .descending(|row| SortKey::Whole(row.sums.samples)),
        Column::text("prices", 8..=8, 15, |row: &RunRow, context| {
            Cell::new(if row.is_measured { "measured" } else { "" }, context.theme.dim)
        })
        .shown_if(|model| model.rows.iter().any(|row| row.is_measured)),
    ]
    .into_iter()
}

fn problems() -> Column<RunRow> {
    Column::figure("problems", 8..=12, 20, |row: &RunRow, context| {
        let style = if row.problems > 0 { context.theme.bad } else { context.theme.dim };
        Cell::new(thousands(row.problems.into()), style)
    })
    .descending(|row| SortKey::Whole(row.problems.into()))
}

fn trends() -> Column<RunRow> {
    Column::picture("trend", 8..=u16::MAX, 5, |row: &RunRow, context, width| {
        let operations = shown_operations(&row.run, row.is_measured);
        let points = row.run.history().points().iter();
        let per_sample: Vec<f64> =
            points.map(|point| quotient(operations(point).effective, point.sums.samples)).collect();
        Line::styled(trend(&per_sample, width.into()), context.theme.running)
    })
}

/// How old each run is, how fast it goes and how long it takes.
fn times() -> impl Iterator<Item = Column<RunRow>> {
    let seconds = |time: Option<Duration>| SortKey::from(time.map(|time| time.as_secs_f64()));
    let written = |time: Option<Duration>, text: fn(Duration) -> String| {
        Cell::plain(time.map_or(NONE.to_owned(), text))
    };
    [
        Column::figure("last batch", 10..=10, 18, move |row: &RunRow, _| {
            written(row.timing.age, |quiet| format!("{} ago", age(quiet)))
        })
        .ascending(move |row| seconds(row.timing.age)),
        Column::figure("left", 4..=12, 17, move |row: &RunRow, _| written(row.timing.left, span))
            .ascending(move |row| seconds(row.timing.left)),
        Column::figure("elapsed", 7..=12, 8, move |row: &RunRow, _| written(row.timing.elapsed, span))
            .descending(move |row| seconds(row.timing.elapsed)),
        Column::figure("speed", 8..=17, 7, |row: &RunRow, _| {
            let speed = row.timing.batches_per_second;
            Cell::plain(speed.map_or(NONE.to_owned(), |rate| per_time(rate, "batches")))
        })
        .descending(|row| row.timing.batches_per_second.into()),
    ]
    .into_iter()
}

/// Whether a run is the one in front, whether the others are compared with it, and the place of its line in the charts.
pub fn run_marks(number: usize, line: Option<usize>, model: &ViewModel, theme: &Theme) -> Cell {
    let shown = if number == model.shown { "→" } else { " " };
    let baseline = if model.marked == Some(number) { "=" } else { " " };
    let mark = line.map_or(String::new(), |at| (at + 1).to_string());
    Cell::new(
        format!("{shown}{baseline}{mark}"),
        if line.is_some() { theme.line(line) } else { theme.accent },
    )
}

fn state(row: &RunRow, context: &CellContext<'_>) -> Cell {
    let theme = context.theme;
    let (mark, text, style) = match row.status {
        _ if row.refused => ("✗", "refused".to_owned(), theme.bad),
        Status::Waiting => ("○", "waiting".to_owned(), theme.dim),
        Status::Live => ("●", "live".to_owned(), theme.good),
        Status::Stalled(quiet) => ("◌", stalled(quiet), theme.warn),
        Status::Stopped => ("✗", "stopped".to_owned(), theme.bad),
        Status::Finished if row.complete => ("✓", "complete".to_owned(), theme.good),
        Status::Finished if row.is_settled => ("!", "finished".to_owned(), theme.warn),
        Status::Finished => ("✓", "finished".to_owned(), theme.good),
    };
    let is_written = context.width >= STATE_WRITTEN;
    Cell::new(if is_written { format!("{mark} {text}") } else { mark.to_owned() }, style)
}

/// Orders the runs by how much they need attention: refused, stopped or stalled, live, waiting, over.
fn progress_order(row: &RunRow) -> u128 {
    match row.status {
        _ if row.refused => 0,
        Status::Stalled(_) | Status::Stopped => 1,
        Status::Live => 2,
        Status::Waiting => 3,
        Status::Finished => 4,
    }
}
