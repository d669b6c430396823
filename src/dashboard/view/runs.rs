//! The list of runs: how far each is, and its totals.

use super::super::moment::RunRow;
use super::super::state::State;
use super::{Scene, changes, panel};
use crate::figures::{Change, Figure};
use crate::run::Status;
use crate::text::{compact, decimal, elide, percent, span, thousands};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Row, Table, TableState};

/// From here on, figures are written out.
const ROOMY: u16 = 100;

/// The heading of the names, which take what room there is.
const NAME: &str = "run";

/// The least room for a name.
const NAME_LEAST: u16 = 14;

/// The headings of what is compared with the baseline.
const EFFECTIVE_CHANGE: &str = "change";
const SPARSITY_CHANGE: &str = "change ";

/// A column: its heading, its width, and whether it holds figures.
type Heading = (&'static str, u16, bool);

/// Draws the list; only rows that are seen are built.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) {
    let inner = if scene.framed {
        let left_out = match scene.left_out {
            0 => String::new(),
            runs => format!(" {} older ones are not followed ", thousands(runs as u128)),
        };
        let name = format!("Runs ({})", thousands(scene.rows.len() as u128));
        panel(frame, area, name, Line::styled(left_out, scene.theme.warn), scene)
    } else {
        area
    };
    let seen = usize::from(inner.height.saturating_sub(1));
    let first = state.runs.settle(scene.rows.len(), seen);
    let headings = headings(inner.width, scene);
    let rows: Vec<Row<'_>> =
        scene.rows.iter().skip(first).take(seen).map(|row| line(row, &headings, scene)).collect();
    let below = Rect { y: inner.y.saturating_add(1), height: rows.len() as u16, ..inner };
    state.places.rows = below.intersection(inner);
    let head = headings.iter().map(|&(text, _, is_figure)| {
        let line = Line::styled(text, scene.theme.dim);
        if is_figure { line.right_aligned() } else { line }
    });
    let widths = headings.iter().map(|heading| Constraint::Length(heading.1));
    let table = Table::new(rows, widths)
        .header(Row::new(head))
        .column_spacing(1)
        .row_highlight_style(scene.theme.selected);
    let mut selection = TableState::new().with_selected(Some(state.runs.selected - first));
    frame.render_stateful_widget(table, inner, &mut selection);
}

/// The columns that there is room for, those that matter least given up first; the names take what is left.
fn headings(width: u16, scene: &Scene<'_>) -> Vec<Heading> {
    let figure = if width >= ROOMY { 15 } else { 7 };
    // Each with its rank: the lowest goes first.
    let all: [(Heading, u8); 11] = [
        (("", 2, false), 9),
        ((NAME, 0, false), 9),
        (("state", if width >= 50 { 12 } else { 1 }, false), 9),
        (("done", 5, true), 5),
        (("samples", 11, true), 1),
        (("effective", figure.max(9), true), 9),
        ((EFFECTIVE_CHANGE, 9, true), 8),
        (("dense", figure, true), 3),
        (("sparsity", 8, true), 7),
        ((SPARSITY_CHANGE, 9, true), 4),
        (("problems", 8, true), 2),
    ];
    let is_change = |heading: Heading| matches!(heading.0, EFFECTIVE_CHANGE | SPARSITY_CHANGE);
    let mut kept: Vec<(Heading, u8)> =
        all.into_iter().filter(|&(heading, _)| scene.base.is_some() || !is_change(heading)).collect();
    let room = |kept: &[(Heading, u8)]| {
        let others: u16 = kept.iter().map(|(heading, _)| heading.1 + 1).sum();
        (width + 1).saturating_sub(others)
    };
    for rank in 1..9 {
        if room(&kept) >= NAME_LEAST {
            break;
        }
        kept.retain(|&(_, of)| of != rank);
    }
    let names = room(&kept);
    let widened = |(heading, _): (Heading, u8)| match heading {
        (NAME, _, is_figure) => (NAME, names, is_figure),
        heading => heading,
    };
    kept.into_iter().map(widened).collect()
}

fn line<'a>(row: &RunRow, headings: &[Heading], scene: &Scene<'_>) -> Row<'a> {
    let theme = scene.theme;
    let roomy = headings.iter().any(|heading| heading.0 == "effective" && heading.1 > 10);
    let figure: fn(f64) -> String = if roomy { |value| decimal(value, 2) } else { compact };
    let known = |text: String| if row.samples > 0 { text } else { "–".to_owned() };
    let cells = headings.iter().map(|&(heading, width, is_figure)| {
        let (text, style) = match heading {
            "" => (marks(row, scene), theme.accent),
            NAME => (elide(&row.name, usize::from(width)), theme.strong),
            "state" => state_of(row, scene),
            "done" => (
                row.progress.map_or("–".into(), |part| format!("{:.0} %", (part * 100.0).floor())),
                Style::new(),
            ),
            "samples" => (thousands(row.samples), Style::new()),
            "effective" => (known(figure(row.effective)), Style::new()),
            EFFECTIVE_CHANGE => change(Figure::EFFECTIVE_PER_SAMPLE, Some(row.effective), row, scene),
            SPARSITY_CHANGE => change(Figure::SPARSITY, row.sparsity, row, scene),
            "dense" => (known(figure(row.dense)), Style::new()),
            "sparsity" => (row.sparsity.map_or("–".into(), percent), theme.accent),
            _ => (thousands(row.problems as u128), if row.problems > 0 { theme.bad } else { theme.dim }),
        };
        let line = Line::styled(text, style);
        if is_figure { line.right_aligned() } else { line }
    });
    Row::new(cells.collect::<Vec<_>>())
}

/// How far a run is from the baseline; the baseline itself is not compared.
fn change(figure: &'static Figure, new: Option<f64>, row: &RunRow, scene: &Scene<'_>) -> (String, Style) {
    let base = scene.base.filter(|_| scene.marked != Some(row.number) && row.samples > 0);
    let Some(base) = base else { return (String::new(), Style::new()) };
    let change = Change { figure, base: base.rows.total.value(figure), new };
    (change.text(), changes::style(&change, scene))
}

/// Whether a run is the one in front, and whether the others are compared with it.
fn marks(row: &RunRow, scene: &Scene<'_>) -> String {
    let shown = if row.number == scene.shown { "→" } else { " " };
    let baseline = if scene.marked == Some(row.number) { "=" } else { " " };
    format!("{shown}{baseline}")
}

fn state_of(row: &RunRow, scene: &Scene<'_>) -> (String, Style) {
    let theme = scene.theme;
    match row.status {
        _ if row.refused => ("✗ refused".to_owned(), theme.bad),
        Status::Waiting => ("○ waiting".to_owned(), theme.dim),
        Status::Live => ("● live".to_owned(), theme.good),
        Status::Stalled(time) => (format!("◌ {}", span(time)), theme.warn),
        Status::Finished if row.complete => ("✓ complete".to_owned(), theme.good),
        Status::Finished => ("✓ finished".to_owned(), theme.good),
    }
}
