//! What the tables for people share: how they are drawn, and cells that are safe to print.

use super::escape_markdown::escaped;
use super::figure::Figure;
use super::{Change, Direction, Failure};
use crate::text::{elide, percent, printable};
use comfy_table::{Cell, CellAlignment, Color, Table, TableComponent, presets};

/// How tables are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// With rules, for a text file.
    Text,
    /// With rules, and changes in colour, for a terminal.
    Coloured,
    /// GitHub's Markdown.
    Markdown,
}

/// Draws a table whose first `text_columns` hold text; the rest hold figures, aligned to the right.
pub(super) fn draw(
    header: Vec<&str>,
    text_columns: usize,
    rows: Vec<Vec<impl Into<Cell>>>,
    style: Style,
) -> String {
    let mut table = Table::new();
    table.load_preset(if style == Style::Markdown {
        presets::ASCII_MARKDOWN
    } else {
        presets::UTF8_HORIZONTAL_ONLY
    });
    if style != Style::Markdown {
        for between_rows in [
            TableComponent::HorizontalLines,
            TableComponent::LeftBorderIntersections,
            TableComponent::MiddleIntersections,
            TableComponent::RightBorderIntersections,
        ] {
            table.remove_style(between_rows);
        }
    }
    // Whether there is a terminal is the caller's to say.
    if style == Style::Coloured {
        table.enforce_styling()
    } else {
        table.force_no_tty()
    };
    table.set_header(header).add_rows(rows);
    if style != Style::Markdown {
        // Two columns apart: the table fits a terminal of 80 columns.
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 1));
        });
    }
    for column in table.column_iter_mut().skip(text_columns) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// Columns of a terminal.
const TERMINAL: usize = 80;

/// Draws a table that has a column for each of these figures. Where it is wider than a terminal, the figures that give
/// way are left out, one after the other; Markdown has room for all.
pub(super) fn draw_figures(
    mut figures: Vec<&'static Figure>,
    style: Style,
    table: impl Fn(&[&'static Figure]) -> String,
) -> String {
    loop {
        let drawn = table(&figures);
        // The first line is a rule as wide as the table.
        let width = drawn.lines().next().map_or(0, |rule| rule.chars().count());
        let giving_way = figures.iter().enumerate().max_by_key(|(_, figure)| figure.gives_way);
        match giving_way {
            Some((at, figure)) if style != Style::Markdown && width > TERMINAL && figure.gives_way > 0 => {
                figures.remove(at);
            }
            _ => return drawn,
        }
    }
}

/// The cell of a change: green for a gain, red for a loss. Its sign says so too. (The names of the colours are
/// crossterm's: these two are the terminal's own green and red, which a light background shows as well.)
pub(super) fn coloured(text: String, change: &Change) -> Cell {
    let cell = Cell::new(text);
    match change.direction() {
        Some(Direction::Better) => cell.fg(Color::DarkGreen),
        Some(Direction::Worse) => cell.fg(Color::DarkRed),
        Some(Direction::Same) | None => cell,
    }
}

/// Text from a stranger's file, made safe to print in this style.
pub(super) fn safe(text: &str, style: Style) -> String {
    let text = printable(text);
    match style {
        Style::Text | Style::Coloured => text.into_owned(),
        Style::Markdown => escaped(&text),
    }
}

/// The most columns of a name in a table: each row is as wide as the longest name in it. JSON and CSV have all.
const LONGEST_NAME: usize = 200;

/// The same for a name in a table, which loses its middle where it is very long.
pub(super) fn name(text: &str, style: Style) -> String {
    safe(&elide(text, LONGEST_NAME), style)
}

/// A ratio as a percentage, or a dash.
pub(super) fn ratio(value: Option<f64>) -> String {
    value.map_or("–".into(), percent)
}

/// A list of notes, one a line.
pub(super) fn bullets(notes: impl IntoIterator<Item = impl AsRef<str>>, style: Style) -> String {
    notes.into_iter().map(|note| format!("- {}", safe(note.as_ref(), style))).collect::<Vec<_>>().join("\n")
}

/// The conditions that hold, where there are any.
pub(super) fn failed(failures: Option<&[Failure]>, style: Style) -> Option<String> {
    let failures = failures.filter(|failures| !failures.is_empty())?;
    Some(format!("FAILED:\n\n{}", bullets(failures.iter().map(Failure::to_string), style)))
}
