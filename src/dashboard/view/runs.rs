//! The list of runs: how far each is, and its totals.

use super::super::moment::RunRow;
use super::super::state::State;
use super::{Scene, block, title};
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
        let block =
            block(title(name, scene), scene).title(Line::styled(left_out, scene.theme.warn).right_aligned());
        let inner = block.inner(area);
        frame.render_widget(block, area);
        inner
    } else {
        area
    };
    let seen = usize::from(inner.height.saturating_sub(1));
    let first = state.runs.settle(scene.rows.len(), seen);
    let mut headings = headings(inner.width);
    let others: u16 = headings.iter().map(|heading| heading.1 + 1).sum();
    for heading in headings.iter_mut().filter(|heading| heading.0 == NAME) {
        heading.1 = inner.width.saturating_sub(others);
    }
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

/// The columns that there is room for.
fn headings(width: u16) -> Vec<Heading> {
    let figure = if width >= ROOMY { 15 } else { 7 };
    let all: [(Heading, u16); 9] = [
        (("", 2, false), 0),
        ((NAME, 0, false), 0),
        (("state", if width >= 50 { 12 } else { 1 }, false), 0),
        (("done", 5, true), 46),
        (("samples", 11, true), 80),
        (("effective", figure.max(9), true), 0),
        (("dense", figure, true), 60),
        (("sparsity", 8, true), 40),
        (("problems", 8, true), 70),
    ];
    all.into_iter().filter(|&(_, from)| width >= from).map(|(heading, _)| heading).collect()
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
            "dense" => (known(figure(row.dense)), Style::new()),
            "sparsity" => (row.sparsity.map_or("–".into(), percent), theme.accent),
            _ => (thousands(row.problems as u128), if row.problems > 0 { theme.bad } else { theme.dim }),
        };
        let line = Line::styled(text, style);
        if is_figure { line.right_aligned() } else { line }
    });
    Row::new(cells.collect::<Vec<_>>())
}

/// Whether a run is the one in front, and whether the others are compared with it.
fn marks(row: &RunRow, scene: &Scene<'_>) -> String {
    let shown = if row.number == scene.shown { "→" } else { " " };
    let baseline = if scene.baseline == Some(row.number) { "=" } else { " " };
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
