//! The ranks: what came from each, how far it is behind the furthest, how long it has been silent.

use super::super::rank_columns::{RANK_COLUMNS, RankColumn, RankSort};
use super::super::state::State;
use super::meter::meter;
use super::{Scene, panel};
use crate::figures::RankFigures;
use crate::run::ranks::RankState;
use crate::text::{compact, decimal, elide, percent, span, thousands};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table, TableState};
use unicode_width::UnicodeWidthStr;

/// From here on, figures are written out.
const ROOMY: u16 = 100;

/// The room for a figure that is written out.
const ROOMY_FIGURE: u16 = 15;

/// The least room for the way of a rank, and the most.
const WAY: (u16, u16) = (8, 60);

/// Rows of the panel in the overview that are wanted at the most.
const PANEL_ROWS: u16 = 8;

/// The columns in the order in which they are given up where there is no room.
const GIVEN_UP: [RankColumn; 7] = [
    RankColumn::Waiting,
    RankColumn::SetAside,
    RankColumn::Samples,
    RankColumn::Share,
    RankColumn::Effective,
    RankColumn::Behind,
    RankColumn::Quiet,
];

/// The columns of the panel in the overview.
const PANEL: [RankColumn; 4] = [RankColumn::Rank, RankColumn::State, RankColumn::Batches, RankColumn::Behind];

/// Draws the table of all ranks; only rows that are seen are built.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) {
    let ranks = &scene.moment.summary.ranks;
    let inner = if scene.framed {
        let sort = state.rank_sort;
        let turned = if sort.descending == RankSort::by(sort.column).descending { "" } else { ", turned" };
        let sorted = Line::styled(format!(" by {}{turned} ", heading(sort.column)), scene.theme.dim);
        panel(frame, area, title(scene), sorted, scene)
    } else {
        area
    };
    if ranks.is_empty() {
        let lines = ["This run has no ranks.", "A rank is a directory rank-R or a prefix of batches' names."];
        for (at, line) in lines.into_iter().enumerate() {
            let row = Rect { y: inner.y.saturating_add(at as u16), height: 1, ..inner }.intersection(inner);
            frame.render_widget(Line::styled(line, scene.theme.dim), row);
        }
        return;
    }
    let order = state.rank_sort.order(ranks);
    let rows = usize::from(inner.height.saturating_sub(1));
    let first = state.ranks.settle(order.len(), rows);
    let shown: Vec<&RankFigures> = order.iter().skip(first).take(rows).map(|&at| &ranks[at]).collect();
    let columns = columns(inner.width, state.rank_sort.column, &shown);
    note_places(inner, &columns, shown.len(), state);
    let selected = state.ranks.selected - first;
    draw_table(frame, inner, &shown, &columns, Some((state.rank_sort, selected)), scene);
}

/// Columns that the panel in the overview takes.
pub(super) fn panel_width(scene: &Scene<'_>) -> u16 {
    let ranks: Vec<&RankFigures> = scene.moment.summary.ranks.iter().collect();
    PANEL.into_iter().map(|column| width_of(column, 0, &ranks) + 1).sum::<u16>() + 1
}

/// Lines that the panel in the overview would like to have.
pub(super) fn panel_height(scene: &Scene<'_>) -> u16 {
    u16::try_from(scene.moment.summary.ranks.len()).unwrap_or(u16::MAX).min(PANEL_ROWS) + 3
}

/// Draws a panel with as many ranks as there is room for, those that need looking after first.
pub(super) fn draw_panel(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>) {
    let ranks = &scene.moment.summary.ranks;
    let rows = usize::from(area.height.saturating_sub(3));
    let more = match ranks.len().saturating_sub(rows) {
        0 => String::new(),
        more => format!(" +{} ", thousands(more as u128)),
    };
    let inner = panel(frame, area, title(scene), Line::styled(more, scene.theme.dim), scene);
    let order = RankSort::default().order(ranks);
    let shown: Vec<&RankFigures> = order.iter().take(rows).map(|&at| &ranks[at]).collect();
    let all: Vec<&RankFigures> = ranks.iter().collect();
    let columns: Vec<(RankColumn, u16)> =
        PANEL.into_iter().map(|column| (column, width_of(column, 0, &all))).collect();
    draw_table(frame, inner, &shown, &columns, None, scene);
}

/// Draws in one line how many ranks do what, for where there is no room for more.
pub(super) fn draw_line(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>) {
    let ranks = &scene.moment.summary.ranks;
    let mut line = Line::styled(" ranks ", scene.theme.dim);
    for state in [RankState::Silent, RankState::Behind, RankState::Counting, RankState::Done] {
        let count = ranks.iter().filter(|rank| rank.state == state).count();
        if count > 0 {
            let text = format!(" {} {} ", thousands(count as u128), state.name());
            line.push_span(Span::styled(text, style_of(state, scene)));
        }
    }
    frame.render_widget(line, area);
}

fn title(scene: &Scene<'_>) -> String {
    format!("Ranks ({})", thousands(scene.moment.summary.ranks.len() as u128))
}

/// Draws rows of ranks; where they are the table of all, with its order and the selected row.
fn draw_table(
    frame: &mut Frame<'_>,
    inner: Rect,
    shown: &[&RankFigures],
    columns: &[(RankColumn, u16)],
    table: Option<(RankSort, usize)>,
    scene: &Scene<'_>,
) {
    let head = columns.iter().map(|&(column, width)| {
        let mark = match table {
            Some((sort, _)) if sort.column == column => {
                if sort.descending {
                    " ▼"
                } else {
                    " ▲"
                }
            }
            _ => "",
        };
        let text = elide(&format!("{}{mark}", heading(column)), usize::from(width));
        let line = Line::styled(text, scene.theme.dim);
        if is_text(column) { line } else { line.right_aligned() }
    });
    let rows = shown.iter().map(|rank| {
        Row::new(columns.iter().map(|&(column, width)| cell(column, width, rank, scene)).collect::<Vec<_>>())
    });
    let widths = columns.iter().map(|&(_, width)| Constraint::Length(width));
    let widget = Table::new(rows, widths)
        .header(Row::new(head))
        .column_spacing(1)
        .row_highlight_style(scene.theme.selected);
    let mut selection = TableState::new().with_selected(table.map(|(_, selected)| selected));
    frame.render_stateful_widget(widget, inner, &mut selection);
}

/// Notes where the headings and the rows are.
fn note_places(inner: Rect, columns: &[(RankColumn, u16)], rows: usize, state: &mut State) {
    let mut x = inner.x;
    let heading = |&(column, width): &(RankColumn, u16)| {
        let area = Rect { x, y: inner.y, width, height: 1 }.intersection(inner);
        x = x.saturating_add(width + 1);
        (column, area)
    };
    state.places.rank_headings = columns.iter().map(heading).collect();
    let below = Rect { y: inner.y.saturating_add(1), height: rows as u16, ..inner };
    state.places.rows = below.intersection(inner);
}

/// The columns that fit, and their widths; what is left goes to the way.
fn columns(width: u16, sorted: RankColumn, shown: &[&RankFigures]) -> Vec<(RankColumn, u16)> {
    let roomy = width >= ROOMY;
    let mark = |column| if sorted == column { MARK } else { 0 };
    let mut columns: Vec<(RankColumn, u16)> = RANK_COLUMNS
        .into_iter()
        .map(|column| match column {
            RankColumn::Effective if roomy => (column, ROOMY_FIGURE),
            RankColumn::Way => (column, WAY.0),
            column => (column, width_of(column, mark(column), shown)),
        })
        .collect();
    let needed = |columns: &[(RankColumn, u16)]| columns.iter().map(|(_, width)| width + 1).sum::<u16>();
    if needed(&columns) > width + 1 {
        columns.retain(|&(column, _)| column != RankColumn::Way);
    }
    for given_up in GIVEN_UP {
        if needed(&columns) <= width + 1 {
            break;
        }
        columns.retain(|&(column, _)| column != given_up);
    }
    let spare = (width + 1).saturating_sub(needed(&columns));
    for (column, width) in &mut columns {
        if *column == RankColumn::Way {
            *width = (*width + spare).min(WAY.1);
        }
    }
    columns
}

/// Columns that the mark of the sorted column needs beside its heading.
const MARK: usize = 2;

fn width_of(column: RankColumn, mark: usize, shown: &[&RankFigures]) -> u16 {
    let head = heading(column).width() + mark;
    let widest = |text: &dyn Fn(&RankFigures) -> String| {
        shown.iter().map(|rank| text(rank).width()).max().unwrap_or(0).clamp(head, 20) as u16
    };
    match column {
        RankColumn::State => 10,
        // `12 min 34 s`, `1 d 02 h`; of figures `123.4k`.
        RankColumn::Quiet => 11,
        RankColumn::Effective => head as u16,
        column => widest(&|rank| figure(column, rank, false)),
    }
}

fn heading(column: RankColumn) -> &'static str {
    match column {
        RankColumn::Rank => "rank",
        RankColumn::State => "state",
        RankColumn::Batches => "batches",
        RankColumn::Behind => "behind",
        RankColumn::Quiet => "quiet for",
        RankColumn::Waiting => "waiting",
        RankColumn::SetAside => "set aside",
        RankColumn::Samples => "samples",
        RankColumn::Effective => "effective",
        RankColumn::Share => "share",
        RankColumn::Way => "",
    }
}

fn is_text(column: RankColumn) -> bool {
    matches!(column, RankColumn::State | RankColumn::Way)
}

fn cell(column: RankColumn, width: u16, rank: &RankFigures, scene: &Scene<'_>) -> Line<'static> {
    let theme = scene.theme;
    let style = match column {
        RankColumn::Rank => theme.strong,
        RankColumn::State => style_of(rank.state, scene),
        RankColumn::Quiet if rank.state == RankState::Silent => theme.warn,
        RankColumn::Behind if rank.state == RankState::Behind => theme.warn,
        RankColumn::SetAside if rank.set_aside > 0 => theme.bad,
        RankColumn::Way => return way(rank, width, scene),
        RankColumn::Quiet | RankColumn::Waiting | RankColumn::SetAside => theme.dim,
        _ => Style::new(),
    };
    let roomy = column == RankColumn::Effective && width == ROOMY_FIGURE;
    let line = Line::styled(elide(&figure(column, rank, roomy), usize::from(width)), style);
    if is_text(column) { line } else { line.right_aligned() }
}

fn figure(column: RankColumn, rank: &RankFigures, roomy: bool) -> String {
    let none = || "–".to_owned();
    match column {
        RankColumn::Rank => rank.rank.to_string(),
        RankColumn::State => format!("{} {}", mark(rank.state), rank.state.name()),
        RankColumn::Batches => thousands(rank.batches.into()),
        RankColumn::Behind => thousands(rank.behind.into()),
        RankColumn::Quiet if rank.state == RankState::Done => none(),
        RankColumn::Quiet => rank.quiet().map_or_else(none, span),
        RankColumn::Waiting => thousands(rank.waiting.into()),
        RankColumn::SetAside => thousands(rank.set_aside.into()),
        RankColumn::Samples => thousands(rank.sums.samples),
        RankColumn::Effective => match rank.sums.effective_per_sample().filter(|_| rank.sums.samples > 0) {
            Some(figure) if roomy => decimal(figure, 2),
            Some(figure) => compact(figure),
            None => none(),
        },
        RankColumn::Share => rank.share.map_or_else(none, percent),
        RankColumn::Way => String::new(),
    }
}

fn mark(state: RankState) -> &'static str {
    match state {
        RankState::Silent => "◌",
        RankState::Behind => "▼",
        RankState::Counting => "●",
        RankState::Done => "✓",
    }
}

fn style_of(state: RankState, scene: &Scene<'_>) -> Style {
    match state {
        RankState::Silent | RankState::Behind => scene.theme.warn,
        RankState::Counting | RankState::Done => scene.theme.good,
    }
}

/// How far a rank is on the way of the furthest.
fn way(rank: &RankFigures, width: u16, scene: &Scene<'_>) -> Line<'static> {
    let seen = rank.batches + rank.waiting + rank.set_aside;
    let furthest = seen + rank.behind;
    let ratio = if furthest > 0 { seen as f64 / furthest as f64 } else { 0.0 };
    let style = if rank.state == RankState::Silent { scene.theme.warn } else { scene.theme.running };
    meter(ratio, width, style, scene.theme.dim)
}
