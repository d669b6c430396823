//! What the tables for people share: how they are drawn, and cells that are safe to print.

use super::Direction;
use super::document::{DocumentCell, DocumentTable};
use super::escape_markdown::escaped;
use super::figure::Figure;
use super::problems::first_of;
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

/// Draws a table. If it is wider than a terminal, later figures are left out, one after the other. Markdown has room for
/// all.
pub(super) fn draw_table(table: &DocumentTable, style: TableStyle) -> String {
    // The first line is a rule as wide as the table.
    let width = |drawn: &str| drawn.lines().next().map_or(0, |rule| rule.chars().count());
    let most = if style == TableStyle::Markdown { usize::MAX } else { TERMINAL };
    let figures = table.figures_within(most, |figures| width(&draw(table, figures, style)));
    draw(table, &figures, style)
}

/// The width of a terminal, in columns.
const TERMINAL: usize = 80;

/// Draws a table with columns for these figures alone. Figures are aligned to the right.
fn draw(document: &DocumentTable, figures: &[&'static Figure], style: TableStyle) -> String {
    let is_shown = |column: &usize| document.has_column(*column, figures);
    let cell = |(column, cell): (usize, &DocumentCell)| {
        let text = &cell.text;
        Cell::new(match document.figure_in(column) {
            _ if column < document.text_columns => name(text, style),
            // The digits of a figure say how far it may move, and there is no room for more.
            Some(_) => text.split(" ± ").next().unwrap_or_default().to_owned(),
            None => text.clone(),
        })
    };
    let row = |cells: &Vec<DocumentCell>| -> Vec<Cell> {
        let shown = cells.iter().enumerate().filter(|(column, _)| is_shown(column));
        shown.map(|(column, text)| coloured(cell((column, text)), text.direction)).collect()
    };
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
    let head = document.head.iter().enumerate().filter(|(column, _)| is_shown(column));
    table.set_header(head.map(|(_, heading)| &heading.text));
    table.add_rows(document.rows.iter().take(document.shown).chain(&document.sums).map(row));
    if style != TableStyle::Markdown {
        // Narrow gaps, so that the table fits a terminal.
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 1));
        });
    }
    for column in table.column_iter_mut().skip(document.text_columns) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let rest = if document.rest.is_empty() {
        String::new()
    } else {
        format!("\n\n{}; the JSON and the CSV have all", document.rest)
    };
    table.trim_fmt() + &rest
}

/// A gain is green and a loss red, and the sign is there in any case. crossterm's `DarkGreen` and `DarkRed` are the
/// terminal's own green and red, which are readable on a light background too.
fn coloured(cell: Cell, direction: Option<Direction>) -> Cell {
    match direction {
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

/// A name in a table. A very long name loses its middle, since the longest sets the width of every row, and a terminal has
/// little room. JSON and CSV have the whole name.
fn name(text: &str, style: TableStyle) -> String {
    let longest = if style == TableStyle::Markdown { 200 } else { 60 };
    safe(&elide(text, longest), style)
}

/// A ratio as a percentage, or a dash.
pub(super) fn ratio(value: Option<f64>) -> String {
    value.map_or("–".into(), percent)
}

/// A list of notes, one a line; `None` without any.
pub(super) fn bullets(notes: Vec<String>, style: TableStyle) -> Option<String> {
    let notes: Vec<String> = notes.iter().map(|note| format!("- {}", safe(note, style))).collect();
    (!notes.is_empty()).then(|| notes.join("\n"))
}

/// The conditions that hold; `None` if there are none.
pub(super) fn failures(failures: impl Iterator<Item = String>, style: TableStyle) -> Option<String> {
    let failures = bullets(first_of(failures, ALL_ARE), style)?;
    Some(format!("FAILED:\n\n{failures}"))
}

/// Where all problems and conditions are of which a table names some.
pub(super) const ALL_ARE: &str = "see --format json";
