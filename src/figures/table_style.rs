//! What the tables for people share: how they are drawn, and cells that are safe to print.

use super::escape_markdown::escaped;
use super::figure::Figure;
use super::problems::first_of;
use super::{Change, Direction};
use crate::text::{elide, percent, printable};
use comfy_table::{Cell, CellAlignment, Color, LineStyle, Table, presets};

/// How tables are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableStyle {
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
    style: TableStyle,
) -> String {
    let mut table = Table::new();
    table.load_style(match style {
        TableStyle::Markdown => presets::ASCII_MARKDOWN,
        TableStyle::Text | TableStyle::Coloured => {
            presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none())
        }
    });
    // The caller knows whether there is a terminal.
    if style == TableStyle::Coloured {
        table.enforce_styling()
    } else {
        table.force_no_tty()
    };
    table.set_header(header).add_rows(rows);
    if style != TableStyle::Markdown {
        // Narrow gaps, so that the table fits a terminal.
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 1));
        });
    }
    for column in table.column_iter_mut().skip(text_columns) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// The width of a terminal, in columns.
const TERMINAL: usize = 80;

/// Draws a table with a column for each of these figures. If it is wider than a terminal, later figures are left out,
/// one after the other. Markdown has room for all.
pub(super) fn draw_figures(
    mut figures: Vec<&'static Figure>,
    style: TableStyle,
    table: impl Fn(&[&'static Figure]) -> String,
) -> String {
    loop {
        let drawn = table(&figures);
        // The first line is a rule as wide as the table.
        let width = drawn.lines().next().map_or(0, |rule| rule.chars().count());
        let later = figures.iter().enumerate().filter(|(_, figure)| figure.is_later);
        match later.min_by_key(|(_, figure)| figure.priority) {
            Some((at, _)) if style != TableStyle::Markdown && width > TERMINAL => {
                figures.remove(at);
            }
            _ => return drawn,
        }
    }
}

/// The cell of a change: green for a gain, red for a loss, with a sign in any case. crossterm's `DarkGreen` and `DarkRed`
/// are the terminal's own green and red, which are readable on a light background too.
pub(super) fn coloured(text: String, change: &Change) -> Cell {
    let cell = Cell::new(text);
    match change.direction() {
        Some(Direction::Better) => cell.fg(Color::DarkGreen),
        Some(Direction::Worse) => cell.fg(Color::DarkRed),
        Some(Direction::Same) | None => cell,
    }
}

/// Text from an untrusted file, made safe to print in this style.
pub(super) fn safe(text: &str, style: TableStyle) -> String {
    let text = printable(text);
    match style {
        TableStyle::Text | TableStyle::Coloured => text.into_owned(),
        TableStyle::Markdown => escaped(&text),
    }
}

/// The longest name in a table, in columns, since the longest name sets the width of every row. JSON and CSV have the
/// whole name.
const LONGEST_NAME: usize = 200;

/// The same for a name in a table. A very long name loses its middle.
pub(super) fn name(text: &str, style: TableStyle) -> String {
    safe(&elide(text, LONGEST_NAME), style)
}

/// A ratio as a percentage, or a dash.
pub(super) fn ratio(value: Option<f64>) -> String {
    value.map_or("–".into(), percent)
}

/// A list of notes, one a line.
pub(super) fn bullets(notes: impl IntoIterator<Item = impl AsRef<str>>, style: TableStyle) -> String {
    notes.into_iter().map(|note| format!("- {}", safe(note.as_ref(), style))).collect::<Vec<_>>().join("\n")
}

/// The conditions that hold; `None` if there are none.
pub(super) fn failed(failures: impl Iterator<Item = String>, style: TableStyle) -> Option<String> {
    let failures = first_of(failures, ALL_ARE);
    (!failures.is_empty()).then(|| format!("FAILED:\n\n{}", bullets(failures, style)))
}

/// Where all problems and conditions are of which a table names some.
pub(super) const ALL_ARE: &str = "see --format json";
