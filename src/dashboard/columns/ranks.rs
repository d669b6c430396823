//! The columns of the list of ranks: what came from each, how far it is behind the furthest, how long it has been
//! silent.

use super::super::meter::meter;
use super::super::theme::Theme;
use super::figures::{self, FigureStyle};
use super::{ALWAYS, Cell, CellContext, Column, ListColumns, NONE, Sort, SortKey};
use crate::figures::{RankFigures, ShownIn};
use crate::run::ranks::RankState;
use crate::text::{percent, span, thousands};
use ratatui::style::Style;
use ratatui::text::Line;
use std::sync::LazyLock;

const STYLE: FigureStyle =
    FigureStyle { shown_in: ShownIn::RankTables, priority: 60, has_changes: |_| false, ..figures::USUAL };

pub static RANKS: LazyLock<ListColumns<RankFigures>> = LazyLock::new(|| ListColumns {
    own_order: None,
    columns: states().chain(figures::columns(&STYLE)).chain(shares()).collect(),
});

/// By state, the order at the start.
pub const MOST_URGENT: Sort = Sort { column: Some(1), descending: false };

fn states() -> impl Iterator<Item = Column<RankFigures>> {
    [
        rank(),
        state(),
        batches(),
        behind(),
        // `12 min 34 s`, `1 d 02 h`.
        Column::figure("quiet for", 11..=11, 80, |rank: &RankFigures, context| {
            let is_silent = rank.state == RankState::Silent;
            let style = if is_silent { context.theme.warn } else { context.theme.dim };
            let time = rank.quiet().filter(|_| rank.state != RankState::Done);
            Cell::new(time.map_or(NONE.to_owned(), span), style)
        })
        .descending(|rank| rank.quiet().map(|time| time.as_nanos()).into()),
        Column::figure("waiting", 7..=20, 20, |rank: &RankFigures, context| {
            Cell::new(thousands(rank.waiting.into()), context.theme.dim)
        })
        .descending(|rank| SortKey::Whole(rank.waiting.into())),
        Column::figure("set aside", 9..=20, 30, |rank: &RankFigures, context| {
            let style = if rank.set_aside > 0 { context.theme.bad } else { context.theme.dim };
            Cell::new(thousands(rank.set_aside.into()), style)
        })
        .descending(|rank| SortKey::Whole(rank.set_aside.into())),
        Column::figure("samples", 7..=20, 40, |rank: &RankFigures, _| {
            Cell::plain(thousands(rank.sums.samples))
        })
        .descending(|rank| SortKey::Whole(rank.sums.samples)),
    ]
    .into_iter()
}

fn shares() -> impl Iterator<Item = Column<RankFigures>> {
    [
        Column::figure("share", 5..=20, 50, |rank: &RankFigures, _| {
            Cell::plain(rank.share.map_or(NONE.to_owned(), percent))
        })
        .descending(|rank| rank.share.into()),
        // It says what the batches behind say, and does not sort.
        Column::picture("", 8..=60, 10, progress),
    ]
    .into_iter()
}

/// The columns of the panel in the overview.
pub static RANK_PANEL: LazyLock<ListColumns<RankFigures>> =
    LazyLock::new(|| ListColumns { own_order: None, columns: vec![rank(), state(), batches(), behind()] });

fn rank() -> Column<RankFigures> {
    Column::figure("rank", 4..=20, ALWAYS, |rank: &RankFigures, context| {
        Cell::new(rank.rank.to_string(), context.theme.strong)
    })
    .ascending(|rank| SortKey::Whole(rank.rank.into()))
}

fn state() -> Column<RankFigures> {
    Column::text("state", 10..=10, ALWAYS, |rank: &RankFigures, context| {
        let text = format!("{} {}", mark(rank.state), rank.state.name());
        Cell::new(text, state_style(rank.state, context.theme))
    })
    .ascending(urgency)
}

fn batches() -> Column<RankFigures> {
    Column::figure("batches", 7..=20, ALWAYS, |rank: &RankFigures, _| {
        Cell::plain(thousands(rank.batches.into()))
    })
    .descending(|rank| SortKey::Whole(rank.batches.into()))
}

fn behind() -> Column<RankFigures> {
    Column::figure("behind", 6..=20, 70, |rank: &RankFigures, context| {
        let style = if rank.state == RankState::Behind { context.theme.warn } else { Style::new() };
        Cell::new(thousands(rank.behind.into()), style)
    })
    .descending(|rank| SortKey::Whole(rank.behind.into()))
}

fn mark(state: RankState) -> &'static str {
    match state {
        RankState::Silent => "◌",
        RankState::Behind => "▼",
        RankState::Counting => "●",
        RankState::Done => "✓",
    }
}

pub fn state_style(state: RankState, theme: &Theme) -> Style {
    match state {
        RankState::Silent | RankState::Behind => theme.warn,
        RankState::Counting | RankState::Done => theme.good,
    }
}

/// Orders the ranks by how much they need attention: by state, and among equals the furthest behind first.
fn urgency(rank: &RankFigures) -> SortKey<'_> {
    let state = match rank.state {
        RankState::Silent => 0,
        RankState::Behind => 1,
        RankState::Counting => 2,
        RankState::Done => 3,
    };
    SortKey::Whole((state << 64) | u128::from(u64::MAX - rank.behind))
}

/// How far a rank is on the way of the furthest one.
fn progress(rank: &RankFigures, context: &CellContext<'_>, width: u16) -> Line<'static> {
    let seen = rank.batches + rank.waiting + rank.set_aside;
    let furthest = seen + rank.behind;
    let ratio = if furthest > 0 { seen as f64 / furthest as f64 } else { 0.0 };
    let theme = context.theme;
    meter(ratio, width, if rank.state == RankState::Silent { theme.warn } else { theme.running }, theme.dim)
}
