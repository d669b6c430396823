//! What is on the screen: the pages, and where each widget goes at each size of the terminal.

mod charts;
mod classes;
mod filter;
mod footer;
mod header;
mod help;
mod layers;
mod meter;
mod problems;
mod totals;
mod wrap;

use super::state::{Moment, Page, Places, State};
use super::symbols::Symbols;
use super::theme::Theme;
use crate::history::History;
use crate::run::{Run, Status};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Paragraph};
use std::time::{Instant, SystemTime};

/// From here on there is room for frames around the widgets.
const FRAMED: (u16, u16) = (60, 18);

/// From here on the classes stand beside the layers.
const WIDE: u16 = 150;

/// All that a widget needs to be drawn.
struct Scene<'a> {
    moment: &'a Moment,
    history: &'a History,
    theme: &'a Theme,
    symbols: Symbols,
    now: Instant,
    /// Whether the widgets have frames.
    framed: bool,
}

/// Draws a run, or what was frozen of it when the view was paused.
pub fn draw_run(frame: &mut Frame<'_>, run: &Run, state: &mut State) {
    let now = Instant::now();
    match state.frozen.take() {
        Some(frozen) => {
            draw(frame, &frozen.0, &frozen.1, state, now, true);
            state.frozen = Some(frozen);
        }
        None => draw(frame, &Moment::of(run, SystemTime::now()), run.history(), state, now, false),
    }
}

/// Draws one moment of a run; a pure function of its arguments, except that the state's selection is
/// kept within what there is, and that the state remembers what is where.
pub fn draw(
    frame: &mut Frame<'_>,
    moment: &Moment,
    history: &History,
    state: &mut State,
    now: Instant,
    paused: bool,
) {
    let area = frame.area();
    let framed = area.width >= FRAMED.0 && area.height >= FRAMED.1;
    let (theme, symbols) = (state.look.styles(), state.look.symbols);
    let scene = Scene { moment, history, theme: &theme, symbols, now, framed };
    state.places = Places::default();
    let [top, body, bottom] = Layout::vertical([
        Constraint::Length(header::height(area, &scene)),
        Constraint::Fill(1),
        Constraint::Length(footer::height(area, state)),
    ])
    .areas(area);
    header::draw(frame, top, &scene, paused);
    match state.page {
        Page::Overview => overview(frame, body, &scene, state),
        Page::Problems => problems::draw(frame, body, &scene, state),
        Page::Help => help::draw(frame, body, &scene, state),
    }
    footer::draw(frame, bottom, &scene, state);
    symbols.apply(frame.buffer_mut());
}

fn overview(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) {
    if scene.moment.status == Status::Waiting && scene.moment.summary.layers.is_empty() {
        return header::draw_waiting(frame, area, scene);
    }
    let [top, rest] =
        Layout::vertical([Constraint::Length(totals::height(scene.framed)), Constraint::Fill(1)]).areas(area);
    totals::draw(frame, top, scene);
    if !scene.framed {
        return layers::draw(frame, rest, scene, state);
    }
    // The layers take what they need, the charts what is left, and neither is starved.
    let charts_least = 7.max(rest.height * 2 / 5).min(rest.height / 2);
    let wanted = layers::height(scene).clamp(5, rest.height.saturating_sub(charts_least).max(5));
    let [upper, lower] = Layout::vertical([Constraint::Length(wanted), Constraint::Fill(1)]).areas(rest);
    let beside = [Constraint::Fill(1), Constraint::Length(classes::WIDTH)];
    if area.width >= WIDE {
        let [table, classes] = Layout::horizontal(beside).areas(upper);
        layers::draw(frame, table, scene, state);
        classes::draw(frame, classes, scene);
        return charts::draw(frame, lower, scene);
    }
    layers::draw(frame, upper, scene, state);
    let [classes, charts] = Layout::horizontal([beside[1], beside[0]]).areas(lower);
    classes::draw(frame, classes, scene);
    charts::draw(frame, charts, scene);
}

/// The frame around a widget; its title is in the first line of the area either way.
fn block<'a>(title: impl Into<Line<'a>>, scene: &Scene<'_>) -> Block<'a> {
    Block::bordered().border_type(BorderType::Rounded).border_style(scene.theme.dim).title(title.into())
}

/// Draws a list of lines that scrolls, in a frame; `lines` makes them for a width.
fn list(
    frame: &mut Frame<'_>,
    area: Rect,
    name: String,
    lines: impl Fn(usize) -> Vec<Line<'static>>,
    scene: &Scene<'_>,
    state: &mut State,
) {
    let block = block(title(name, scene), scene);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let (lines, rows) = (lines(usize::from(inner.width)), usize::from(inner.height));
    state.clamp(scene.moment.summary.layers.len(), lines.len(), rows);
    let seen: Vec<Line<'_>> = lines.into_iter().skip(state.scroll).take(rows).collect();
    frame.render_widget(Paragraph::new(seen), inner);
}

/// The title of a widget.
fn title<'a>(text: impl Into<String>, scene: &Scene<'_>) -> Line<'a> {
    Line::styled(format!(" {} ", text.into()), scene.theme.accent)
}
