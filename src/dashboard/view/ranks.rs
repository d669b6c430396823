//! The ranks: the list of all, a panel of the overview, and a line where there is no room for more.

use super::super::columns::{MOST_URGENT, RANK_PANEL, RANKS, state_style};
use super::super::list_state::ListState;
use super::list::ListView;
use super::wrap::wrapped;
use super::{Theme, UiState, ViewModel, filter, panel};
use crate::figures::RankFigures;
use crate::run::ranks::RankState;
use crate::text::thousands;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// Rows that the panel asks for at the most.
const PANEL_ROWS: u16 = 8;

/// Columns of a rank's state.
const STATE_WIDTH: u16 = 10;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    let ranks = &model.summary.ranks;
    let note = Line::styled(format!(" {} ", RANKS.order_name(state.ranks.sort)), theme.dim);
    if ranks.is_empty() {
        return draw_none(frame, area, note, model, theme);
    }
    let order = state.shown_ranks(model);
    let room = usize::from(area.width).saturating_sub(note.width() + 6);
    let title = filter::title("Ranks", &state.ranks.filter, Some((order.len(), ranks.len())), room);
    let row = |at: usize| &ranks[order[at]];
    let list = ListView::new(title, note, &RANKS, order.len(), &row);
    state.places.list = list.draw(frame, area, &mut state.ranks, model, theme);
}

fn draw_none(frame: &mut Frame<'_>, area: Rect, note: Line<'_>, model: &ViewModel, theme: &Theme) {
    let inside = panel(frame, area, title(model), note, theme);
    let texts = ["This run has no ranks.", "A rank is a directory rank-R or a prefix of batches' names."];
    let lines = texts.into_iter().flat_map(|text| wrapped(text, inside.width.into()));
    for (line, row) in lines.zip(inside.rows()) {
        frame.render_widget(Line::styled(line, theme.dim), row);
    }
}

/// Columns that the panel asks for: those of its four columns, the spaces behind them and the frame.
pub(super) fn panel_width(model: &ViewModel) -> u16 {
    let widest = |heading: &str, figure: fn(&RankFigures) -> u64| {
        let most = model.summary.ranks.iter().map(figure).max().unwrap_or(0);
        thousands(most.into()).len().max(heading.len()) as u16
    };
    let (rank, batches) = (widest("rank", |rank| rank.rank.into()), widest("batches", |rank| rank.batches));
    rank + STATE_WIDTH + batches + widest("behind", |rank| rank.behind) + 5
}

/// Lines that the panel asks for.
pub(super) fn panel_height(model: &ViewModel) -> u16 {
    u16::try_from(model.summary.ranks.len()).unwrap_or(u16::MAX).min(PANEL_ROWS) + 3
}

/// Draws the panel: as many ranks as there is room for, those that need attention first.
pub(super) fn draw_panel(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    let ranks = &model.summary.ranks;
    let order = RANKS.order(ranks, MOST_URGENT);
    let row = |at: usize| &ranks[order[at]];
    let list = ListView::new(title(model), Line::default(), &RANK_PANEL, order.len(), &row);
    list.draw(frame, area, &mut ListState::text(), model, theme);
}

/// Draws in one line how many ranks are in each state.
pub(super) fn draw_line(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    let mut line = Line::styled(" ranks ", theme.dim);
    for state in [RankState::Silent, RankState::Behind, RankState::Counting, RankState::Done] {
        let count = model.summary.ranks.iter().filter(|rank| rank.state == state).count();
        if count > 0 {
            let text = format!(" {} {} ", thousands(count as u128), state.name());
            line.push_span(Span::styled(text, state_style(state, theme)));
        }
    }
    frame.render_widget(line, area);
}

fn title(model: &ViewModel) -> String {
    format!("Ranks ({})", thousands(model.summary.ranks.len() as u128))
}
