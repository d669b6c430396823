//! The widgets, one file each, and where each goes at each size of the terminal. A widget is a function of the view
//! model, the theme and the UI state; nothing here reads files, keeps figures or handles keys.

mod bars;
mod charts;
mod classes;
mod conditions;
mod digits;
mod filter;
mod footer;
mod header;
mod help;
mod layer;
mod layers;
mod list;
mod neurons;
mod overview;
mod plot;
mod problems;
mod ranks;
mod runs;
mod steps;
mod tabs;
mod totals;
mod trends;
mod waiting;
mod wrap;

use super::theme::Theme;
use super::ui_state::{Places, UiState, View};
use super::view_model::ViewModel;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType};
use std::time::Instant;

/// From here on there is room for frames around the widgets.
const FRAMED: (u16, u16) = (60, 18);

/// Draws what there is to show; a pure function of its arguments, except that it keeps the state's selections within
/// what there is, and notes in the state where it put what can be clicked on.
pub fn draw(frame: &mut Frame<'_>, model: &ViewModel, state: &mut UiState, now: Instant) {
    let area = frame.area();
    let framed = !state.compact && area.width >= FRAMED.0 && area.height >= FRAMED.1;
    let theme = &Theme { framed, ..Theme::new(state.appearance) };
    state.places = Places::default();
    state.settle_selection(&model.summary.layers);
    let [top, body, bottom] = Layout::vertical([
        Constraint::Length(header::height(area, theme)),
        Constraint::Fill(1),
        Constraint::Length(footer::height(area, state)),
    ])
    .areas(area);
    header::draw(frame, top, model, theme, state);
    let draw_view = match state.view {
        View::Overview => overview::draw,
        View::Layer => layer::draw,
        View::Charts => charts::draw,
        View::Runs => runs::draw,
        View::Problems => problems::draw,
        View::Help => help::draw,
        View::Ranks => ranks::draw,
        View::Steps => steps::draw,
    };
    draw_view(frame, body, model, theme, state);
    footer::draw(frame, bottom, model, theme, state, now);
    theme.appearance.symbols.apply(frame.buffer_mut());
}

/// Draws the frame of a widget with its title at the left and a note at the right; returns what is inside. Without
/// frames, that is all but a column for the scroll bar.
fn panel(frame: &mut Frame<'_>, area: Rect, name: impl Into<String>, note: Line<'_>, theme: &Theme) -> Rect {
    if !theme.framed {
        return Rect { width: area.width.saturating_sub(1), ..area };
    }
    let title = Line::styled(format!(" {} ", name.into()), theme.accent);
    let block = Block::bordered().border_type(BorderType::Rounded).border_style(theme.dim).title(title);
    let block = block.title(note.right_aligned());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}
