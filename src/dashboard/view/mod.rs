//! What is on the screen: the pages, and where each widget goes at each size of the terminal.

mod bars;
mod changes;
mod charts;
mod classes;
mod filter;
mod footer;
mod header;
mod help;
mod layer;
mod layers;
mod meter;
mod neurons;
mod overview;
mod plot;
mod problems;
mod ranks;
mod runs;
mod tabs;
mod totals;
mod trends;
mod wrap;

use super::inspector::Portrayal;
use super::look::Look;
use super::moment::{Contents, Moment, RunRow};
use super::state::{Places, State, View};
use super::symbols::Symbols;
use super::theme::Theme;
use crate::figures::ComparedRun;
use crate::run::series::History;
use crate::run::tally::LayerSums;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Paragraph};
use std::sync::Arc;
use std::time::Instant;

/// From here on there is room for frames around the widgets.
const FRAMED: (u16, u16) = (60, 18);

/// All that a widget needs to be drawn.
struct Scene<'a> {
    moment: &'a Moment,
    history: &'a History,
    layers: &'a [Arc<LayerSums>],
    portrait: Option<&'a Portrayal>,
    rows: &'a [RunRow],
    shown: usize,
    /// What the runs are compared with, and the one in front unless it is that itself.
    base: Option<&'a ComparedRun>,
    baseline: Option<&'a ComparedRun>,
    marked: Option<usize>,
    left_out: usize,
    paused: bool,
    theme: &'a Theme,
    look: Look,
    symbols: Symbols,
    now: Instant,
    /// Whether the widgets have frames.
    framed: bool,
}

/// Draws what there is to show; a pure function of its arguments, except that the state's selections are
/// kept within what there is, and that the state remembers what is where.
pub fn draw(frame: &mut Frame<'_>, contents: &Contents<'_>, state: &mut State, now: Instant) {
    let area = frame.area();
    let (theme, symbols) = (state.look.styles(), state.look.symbols);
    let &Contents { moment, history, layers, portrait, rows, shown, baseline, marked, left_out, paused } =
        contents;
    let framed = !state.compact && area.width >= FRAMED.0 && area.height >= FRAMED.1;
    let scene = Scene {
        moment,
        history,
        layers,
        portrait,
        rows,
        shown,
        base: baseline,
        baseline: baseline.filter(|_| marked != Some(shown)),
        marked,
        left_out,
        paused,
        theme: &theme,
        look: state.look,
        symbols,
        now,
        framed,
    };
    state.places = Places::default();
    state.settle_selection(&moment.summary.layers);
    let [top, body, bottom] = Layout::vertical([
        Constraint::Length(header::height(area, &scene)),
        Constraint::Fill(1),
        Constraint::Length(footer::height(area, state)),
    ])
    .areas(area);
    header::draw(frame, top, &scene, state);
    match state.view {
        View::Overview => overview::draw(frame, body, &scene, state),
        View::Layer => layer::draw(frame, body, &scene, state),
        View::Charts => charts::draw(frame, body, &scene, state),
        View::Runs => runs::draw(frame, body, &scene, state),
        View::Problems => problems::draw(frame, body, &scene, state),
        View::Help => help::draw(frame, body, &scene, state),
        View::Ranks => ranks::draw(frame, body, &scene, state),
    }
    footer::draw(frame, bottom, &scene, state);
    symbols.apply(frame.buffer_mut());
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
    let inner = panel(frame, area, name, Line::default(), scene);
    let (lines, rows) = (lines(usize::from(inner.width)), usize::from(inner.height));
    let first = state.lines.settle(lines.len(), rows);
    let seen: Vec<Line<'_>> = lines.into_iter().skip(first).take(rows).collect();
    frame.render_widget(Paragraph::new(seen), inner);
}

/// Draws the frame of a widget with its title at the left and a note at the right; returns what is inside.
fn panel(
    frame: &mut Frame<'_>,
    area: Rect,
    name: impl Into<String>,
    note: Line<'_>,
    scene: &Scene<'_>,
) -> Rect {
    let block = block(title(name, scene), scene).title(note.right_aligned());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

/// The title of a widget.
fn title<'a>(text: impl Into<String>, scene: &Scene<'_>) -> Line<'a> {
    Line::styled(format!(" {} ", text.into()), scene.theme.accent)
}
