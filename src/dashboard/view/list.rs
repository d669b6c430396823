//! Draws lists of every kind: rows in columns, or lines of text, with a scroll bar and the position where there is
//! more than fits. Only rows in sight are built.

use super::super::columns::{ALWAYS, Cell, CellContext, Column, ColumnContent, EXTRA, Growth, ListColumns};
use super::super::list_state::{ListPlaces, ListState};
use super::{Theme, ViewModel, panel};
use crate::text::{elide, elide_common};
use ratatui::Frame;
use ratatui::layout::{Constraint, Position, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Paragraph, Row, Table, TableState};
use std::borrow::Borrow;
use unicode_width::UnicodeWidthStr;

/// The columns that a scroll bar is wide.
const BAR: u16 = 1;

/// Columns that the mark of the sorted column needs beside its heading.
const MARK: u16 = 2;

/// From this many rows on, a list has room for the sum of its rows.
const SUM_FROM: u16 = 2;

/// What a list shows. `B` is a row as it is kept, or one made for drawing.
pub(super) struct ListView<'a, T, B> {
    pub(super) title: String,
    /// Stands at the right of the title.
    pub(super) note: Line<'a>,
    pub(super) columns: &'a ListColumns<T>,
    /// How many rows there are, in the order in which they are shown.
    pub(super) len: usize,
    pub(super) row: &'a dyn Fn(usize) -> B,
    /// Lines of each row.
    pub(super) row_height: u16,
    /// What the first column shows of a row instead of its own cell.
    pub(super) label: Option<&'a dyn Fn(usize) -> Cell>,
    /// A row that stays below the others: their sum.
    pub(super) sum: Option<B>,
    /// How many bytes at the beginning and at the end of all names say least.
    pub(super) common: (usize, usize),
}

/// A column that is shown, with its cells in sight.
struct ShownColumn<'a, T> {
    number: usize,
    column: &'a Column<T>,
    /// Empty where the column is a picture.
    cells: Vec<Cell>,
    /// The cells' texts as they are drawn where the column has room for them.
    texts: Vec<String>,
    /// The columns that its texts need, at most as many as there are.
    needed: u16,
    width: u16,
}

impl<'a, T, B: Borrow<T>> ListView<'a, T, B> {
    /// A list whose rows have one line, of columns alone.
    pub(super) fn new(
        title: String,
        note: Line<'a>,
        columns: &'a ListColumns<T>,
        len: usize,
        row: &'a dyn Fn(usize) -> B,
    ) -> Self {
        Self { title, note, columns, len, row, row_height: 1, label: None, sum: None, common: (0, 0) }
    }

    /// Draws the list; with frames, in a frame.
    pub(super) fn draw(
        mut self,
        frame: &mut Frame<'_>,
        area: Rect,
        state: &mut ListState,
        model: &ViewModel,
        theme: &Theme,
    ) -> ListPlaces {
        // Without frames, the bar takes a column only where there is one.
        let framed = theme.framed.then(|| panel(frame, area, &*self.title, self.note.clone(), theme));
        let inside = framed.unwrap_or(area);
        let has_head = self.columns.columns.iter().any(|column| !column.heading.is_empty());
        let head = Rect { height: u16::from(has_head).min(inside.height), ..inside };
        let below = Rect { y: head.bottom(), height: inside.height - head.height, ..inside };
        let sum = self.sum.take().filter(|_| below.height > SUM_FROM);
        let below = Rect { height: below.height - u16::from(sum.is_some()), ..below };
        let first = state.settle(self.len, usize::from(below.height / self.row_height));
        let seen = (usize::from(below.height.div_ceil(self.row_height))).min(self.len - first);
        let rows: Vec<B> = (first..first + seen).map(self.row).chain(sum).collect();
        let labels = self.label.map(|label| (first..first + seen).map(label).collect());
        // A frame has the bar, else it takes a column.
        let bar = if state.is_longer() && !theme.framed { BAR.min(inside.width) } else { 0 };
        let table_area = Rect { width: inside.width - bar, ..inside };
        let context = CellContext { model, theme, width: table_area.width, common: self.common };
        let columns = fit(self.shown_columns(&rows, labels, state, &context), table_area.width);
        let mut drawn =
            rows.iter().enumerate().map(|(at, row)| self.table_row(at, row.borrow(), &columns, &context));
        let table = Table::new(
            drawn.by_ref().take(seen).collect::<Vec<_>>(),
            columns.iter().map(|shown| Constraint::Length(shown.width)),
        )
        .column_spacing(1)
        .row_highlight_style(theme.selected);
        let table = if has_head { table.header(head_row(&columns, state, theme)) } else { table };
        let table = match drawn.next() {
            Some(sum) => table.footer(sum.style(theme.strong)),
            None => table,
        };
        let mut selection = TableState::new().with_selected(state.selected().map(|at| at - first));
        frame.render_stateful_widget(table, table_area, &mut selection);
        if let Some(at) = selection.selected() {
            let y = below.y + (at as u16).saturating_mul(self.row_height);
            let row = Rect { y, height: self.row_height, ..table_area }.intersection(below);
            keep_pictures(frame, row, theme);
        }
        draw_bar(frame, Rect { width: below.width - bar, ..below }, state, theme);
        draw_position(frame, area, state, theme);
        let height = (seen as u16).saturating_mul(self.row_height);
        let rows = Rect { height, width: table_area.width, ..below }.intersection(below);
        ListPlaces { headings: headings(head, &columns), rows, inside, position: state.position() }
    }

    fn shown_columns<'c>(
        &'c self,
        rows: &[B],
        mut labels: Option<Vec<Cell>>,
        state: &ListState,
        context: &'c CellContext<'_>,
    ) -> Vec<ShownColumn<'c, T>> {
        let most = context.width;
        let mut shown = |(number, column): (usize, &'c Column<T>)| {
            let mut cells = if number == 0 { labels.take().unwrap_or_default() } else { Vec::new() };
            if let ColumnContent::Text(cell) = &column.content {
                cells.extend(rows.iter().skip(cells.len()).map(|row| cell(row.borrow(), context)));
            }
            let mark = if state.sort.column == Some(number) { MARK } else { 0 };
            let head = if column.is_heading_cut { 0 } else { column.heading.width() as u16 + mark };
            let texts: Vec<String> = cells.iter().map(|cell| elide(&cell.text, most.into())).collect();
            let width = |(cell, text): (&Cell, &String)| {
                let under = cell.under.as_ref().map_or(0, |under| under.width());
                text.width().max(under) as u16
            };
            let needed = cells.iter().zip(&texts).map(width).max().unwrap_or(0);
            let (least, limit) = (*column.width.start().max(&head), *column.width.end());
            ShownColumn { number, column, cells, texts, needed, width: needed.min(limit).max(least) }
        };
        self.columns.shown(context.model).map(&mut shown).collect()
    }

    fn table_row<'t>(
        &self,
        at: usize,
        row: &T,
        columns: &[ShownColumn<'_, T>],
        context: &CellContext<'_>,
    ) -> Row<'t> {
        let cells = columns.iter().map(|shown| {
            let text = match &shown.column.content {
                ColumnContent::Picture(draw) => Text::from(draw(row, context, shown.width)),
                ColumnContent::Text(_) => {
                    let is_tight = shown.needed > shown.width;
                    text(&shown.cells[at], &shown.texts[at], shown.width, is_tight)
                }
            };
            if shown.column.is_right_aligned { text.right_aligned() } else { text }
        });
        Row::new(cells.collect::<Vec<_>>()).height(self.row_height)
    }
}

/// Takes the reversed colours of the selected row from blocks, whose heights could not be read.
fn keep_pictures(frame: &mut Frame<'_>, row: Rect, theme: &Theme) {
    for position in row.positions() {
        let cell = &mut frame.buffer_mut()[position];
        if cell.symbol().starts_with(|symbol| ('▁'..='█').contains(&symbol)) {
            cell.modifier.remove(Modifier::REVERSED);
            cell.set_style(theme.running);
        }
    }
}

/// A cell whose text is `whole` where that fits. Where any text of the column does not, none has what all of them share.
fn text(cell: &Cell, whole: &str, width: u16, is_tight: bool) -> Text<'static> {
    let fits = whole.width() <= usize::from(width);
    let text = match (cell.common, is_tight) {
        ((0, 0), _) | (_, false) if fits => whole.to_owned(),
        (common, _) => elide_common(&cell.text, common, width.into(), false),
    };
    std::iter::once(Line::styled(text, cell.style)).chain(cell.under.clone().map(Line::from)).collect()
}

/// Takes out columns until the others fit, those of the lowest priority first, and shares out what is left.
fn fit<T>(mut columns: Vec<ShownColumn<'_, T>>, width: u16) -> Vec<ShownColumn<'_, T>> {
    let needed = |columns: &[ShownColumn<'_, T>]| columns.iter().map(|shown| shown.width + 1).sum::<u16>();
    let mut priorities: Vec<u8> = columns.iter().map(|shown| shown.column.priority).collect();
    priorities.sort_unstable();
    // What names and other texts need in order to be whole.
    let missing = |columns: &[ShownColumn<'_, T>]| {
        let texts = columns.iter().filter(|shown| shown.column.growth == Growth::ToContent);
        texts.map(|shown| shown.needed.saturating_sub(shown.width)).sum::<u16>()
    };
    for priority in priorities {
        let more = if priority < EXTRA { missing(&columns) } else { 0 };
        if needed(&columns) + more <= width + 1 || priority == ALWAYS {
            break;
        }
        columns.retain(|shown| shown.column.priority != priority);
    }
    let mut spare = (width + 1).saturating_sub(needed(&columns));
    let mut grow = |shown: &mut ShownColumn<'_, T>, most: u16| {
        let more = most.saturating_sub(shown.width).min(spare);
        shown.width += more;
        spare -= more;
    };
    for shown in columns.iter_mut().filter(|shown| shown.column.growth == Growth::ToContent) {
        grow(shown, shown.needed);
    }
    for shown in &mut columns {
        if let Growth::ToFill(most) = shown.column.growth {
            grow(shown, most);
        }
    }
    for shown in columns.iter_mut().filter(|shown| shown.column.growth == Growth::ToContent) {
        grow(shown, u16::MAX);
    }
    columns
}

fn head_row<'t, T>(columns: &[ShownColumn<'_, T>], state: &ListState, theme: &Theme) -> Row<'t> {
    let head = |shown: &ShownColumn<'_, T>| {
        let mark = match state.sort.column == Some(shown.number) {
            true if state.sort.descending => " ▼",
            true => " ▲",
            false => "",
        };
        // A letter of a heading says nothing.
        let is_cut = shown.column.is_heading_cut && shown.column.heading.width() > usize::from(shown.width);
        let (heading, mark) = if is_cut { ("", mark.trim_start()) } else { (shown.column.heading, mark) };
        let text: String = heading.chars().chain(mark.chars()).take(shown.width.into()).collect();
        let line = Line::styled(text, theme.dim);
        if shown.column.is_right_aligned { line.right_aligned() } else { line }
    };
    Row::new(columns.iter().map(head).collect::<Vec<_>>())
}

fn headings<T>(head: Rect, columns: &[ShownColumn<'_, T>]) -> Vec<(usize, Rect)> {
    let mut x = head.x;
    let heading = |shown: &ShownColumn<'_, T>| {
        let place = Rect { x, width: shown.width, ..head }.intersection(head);
        x = x.saturating_add(shown.width + 1);
        (shown.number, place)
    };
    columns.iter().map(heading).collect()
}

/// Draws lines of text in a frame, which scroll; `lines` makes them for a width.
pub(super) fn draw_text(
    frame: &mut Frame<'_>,
    area: Rect,
    title: String,
    lines: impl Fn(usize) -> Vec<Line<'static>>,
    state: &mut ListState,
    theme: &Theme,
) -> ListPlaces {
    let inside = panel(frame, area, title, Line::default(), theme);
    let (lines, rows) = (lines(usize::from(inside.width)), usize::from(inside.height));
    let first = state.settle(lines.len(), rows);
    let seen: Vec<Line<'_>> = lines.into_iter().skip(first).take(rows).collect();
    frame.render_widget(Paragraph::new(seen), inside);
    draw_bar(frame, inside, state, theme);
    draw_position(frame, area, state, theme);
    ListPlaces { headings: Vec::new(), rows: inside, inside, position: state.position() }
}

/// Draws the scroll bar at the right of the rows, where not all of them are in sight.
pub(super) fn draw_bar(frame: &mut Frame<'_>, rows: Rect, state: &ListState, theme: &Theme) {
    if !state.is_longer() {
        return;
    }
    let (first, size) = state.thumb(rows.height.into());
    for at in 0..usize::from(rows.height) {
        let (symbol, style) =
            if (first..first + size).contains(&at) { ("┃", theme.accent) } else { ("│", theme.dim) };
        if let Some(cell) = frame.buffer_mut().cell_mut(Position::new(rows.right(), rows.y + at as u16)) {
            cell.set_symbol(symbol).set_style(style);
        }
    }
}

/// Writes the position into the lower edge of the frame, where there is one.
pub(super) fn draw_position(frame: &mut Frame<'_>, area: Rect, state: &ListState, theme: &Theme) {
    let Some(position) = state.position().filter(|_| theme.framed && area.height > 1) else { return };
    let text = format!(" {position} ");
    let width = text.width() as u16;
    if width + 2 <= area.width {
        let place = Rect { x: area.right() - width - 1, y: area.bottom() - 1, width, height: 1 };
        frame.render_widget(Line::styled(text, theme.dim), place);
    }
}
