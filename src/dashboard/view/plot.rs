//! Curves over the batches of a run, with axes and a cursor.

use super::super::batch_axis::{BatchAxis, Stop};
use super::super::chart_state::Scale;
use super::super::meter::bounds;
use super::super::symbols::Symbols;
use super::super::ticks::{logarithmic_ticks, round_steps, round_ticks};
use super::Theme;
use super::charts::Chart;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::canvas::{Canvas, Context, Line as Segment, Points};
use unicode_width::UnicodeWidthStr;

/// From this width on, the horizontal axis has room for its name.
const NAMED: u16 = 20;

/// The least distance in rows between two labels of the vertical axis.
const LABEL_EVERY: u16 = 3;

/// The name of the horizontal axis.
const PLACES: &str = "batch";

/// The most extra digits for labels: 64-bit floats have no more.
const MORE_DIGITS: usize = 14;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CurveShape {
    Line,
    Dots,
}

/// Points in the order of their places, drawn in one style.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    /// Place in the run, in batches, and value.
    pub(super) points: Vec<(f64, f64)>,
    pub(super) shape: CurveShape,
    pub(super) marker: Marker,
    pub(super) style: Style,
}

/// What is drawn into an area.
pub(super) struct Plot<'a> {
    pub(super) curves: &'a [Curve],
    /// Places, and the lower and the upper edge of the confidence band there.
    pub(super) band: Vec<(f64, f64, f64)>,
    /// The places of the first and the last column.
    pub(super) window: (f64, f64),
    pub(super) chart: &'a Chart,
    /// Where the batches are.
    pub(super) axis: &'a BatchAxis,
    /// The place whose values are shown.
    pub(super) cursor: Option<f64>,
}

/// Draws a plot; returns where its curves are.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, plot: &Plot<'_>, theme: &Theme) -> Rect {
    let curves = visible(plot);
    let values = curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.1));
    let limit = |value| transformed(value, plot.chart.scale);
    let limits = plot.chart.limits;
    let range = padded(bounds(values), (limit(limits.0), limit(limits.1)));
    let [upper, lower] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    let labels = labels(plot, range, upper.height);
    let widest = labels.iter().map(|label| label.1.width()).max().unwrap_or(0);
    let width = if area.width >= NAMED { widest.max(PLACES.len()) } else { widest } as u16;
    let columns = [Constraint::Length(width), Constraint::Length(1), Constraint::Fill(1)];
    let [label_area, axis, graph] = Layout::horizontal(columns).areas(upper);
    for (row, text) in labels {
        let place = Rect { y: upper.y + row, height: 1, ..label_area };
        frame.render_widget(Line::styled(text, theme.dim).right_aligned(), place);
    }
    for y in axis.top()..axis.bottom() {
        frame.buffer_mut().set_string(axis.x, y, "│", theme.dim);
    }
    let canvas = Canvas::default()
        .x_bounds([plot.window.0, plot.window.1.max(plot.window.0 + 1.0)])
        .y_bounds([range.0, range.1])
        .paint(|context| {
            for (curve, mark) in curves.iter().zip(marks()) {
                paint(context, curve, mark);
            }
        });
    frame.render_widget(canvas, graph);
    restyle(frame, graph, &curves);
    draw_band(frame, graph, plot, range, theme);
    if usize::from(width) >= PLACES.len() {
        let name = Rect { x: lower.x, width, ..lower };
        frame.render_widget(Line::styled(PLACES, theme.dim).right_aligned(), name);
    }
    draw_places(frame, Rect { x: graph.x, width: graph.width, ..lower }, plot, theme);
    draw_cursor(frame, graph, plot, theme);
    graph
}

/// The part of the curves in sight, in the units of the axis. A logarithmic scale has no place for 0.
fn visible(plot: &Plot<'_>) -> Vec<Curve> {
    let (start, end) = plot.window;
    let seen = |curve: &Curve| {
        let points = curve.points.iter().filter(|point| start <= point.0 && point.0 <= end);
        let points = points.map(|&(at, value)| (at, transformed(value, plot.chart.scale)));
        Curve { points: points.filter(|point| point.1.is_finite()).collect(), ..curve.clone() }
    };
    plot.curves.iter().map(seen).collect()
}

fn transformed(value: f64, scale: Scale) -> f64 {
    if scale == Scale::Logarithmic { value.log10() } else { value }
}

/// The canvas knows only colours, so while it is drawn, each curve has a colour that stands for its style.
fn marks() -> impl Iterator<Item = Color> {
    (0..=u8::MAX).map(Color::Indexed)
}

fn paint(context: &mut Context<'_>, curve: &Curve, color: Color) {
    context.layer();
    context.marker(curve.marker);
    match curve.shape {
        CurveShape::Dots => context.draw(&Points { coords: &curve.points, color }),
        CurveShape::Line if curve.points.len() == 1 => context.draw(&Points { coords: &curve.points, color }),
        CurveShape::Line => {
            for pair in curve.points.windows(2) {
                let ((x1, y1), (x2, y2)) = (pair[0], pair[1]);
                context.draw(&Segment { x1, y1, x2, y2, color });
            }
        }
    }
}

/// Gives the cells of each curve its style.
fn restyle(frame: &mut Frame<'_>, graph: Rect, curves: &[Curve]) {
    for position in graph.positions() {
        let cell = &mut frame.buffer_mut()[position];
        if let Some((curve, _)) = curves.iter().zip(marks()).find(|(_, mark)| *mark == cell.fg) {
            cell.fg = Color::Reset;
            cell.set_style(curve.style);
        }
    }
}

/// The rows and texts of the labels, with enough digits to tell neighbours apart.
fn labels(plot: &Plot<'_>, range: (f64, f64), rows: u16) -> Vec<(u16, String)> {
    if rows == 0 {
        return Vec::new();
    }
    let most = usize::from(((rows - 1) / LABEL_EVERY).clamp(2, 8)) + 1;
    let ticks = match plot.chart.scale {
        Scale::Linear => round_ticks(range.0, range.1, most),
        Scale::Logarithmic => logarithmic_ticks(10_f64.powf(range.0), 10_f64.powf(range.1), most),
    };
    let row = |tick: f64| {
        let part = (range.1 - transformed(tick, plot.chart.scale)) / (range.1 - range.0);
        (part.clamp(0.0, 1.0) * f64::from(rows - 1)).round() as u16
    };
    // From the top down, and one label in a row.
    let mut labelled: Vec<(u16, f64)> = ticks.into_iter().rev().map(|tick| (row(tick), tick)).collect();
    labelled.dedup_by_key(|label| label.0);
    let texts = |more: usize| -> Vec<String> {
        labelled.iter().map(|&(_, tick)| (plot.chart.label)(tick, more)).collect()
    };
    let differ = |texts: &Vec<String>| texts.windows(2).all(|pair| pair[0] != pair[1]);
    let texts = (0..MORE_DIGITS).map(texts).find(differ).unwrap_or_else(|| texts(0));
    labelled.iter().map(|label| label.0).zip(texts).collect()
}

/// Fills what is blank between the edges of the confidence band.
fn draw_band(frame: &mut Frame<'_>, graph: Rect, plot: &Plot<'_>, range: (f64, f64), theme: &Theme) {
    let (Some(first), Some(last)) = (plot.band.first(), plot.band.last()) else { return };
    for x in graph.left()..graph.right() {
        let part = f64::from(x - graph.x) / f64::from(graph.width.saturating_sub(1).max(1));
        let at = plot.window.0 + part * (plot.window.1 - plot.window.0);
        // Half a column more at each end, so that the newest place has its part of the band.
        let half = (plot.window.1 - plot.window.0) / f64::from(graph.width.max(1)) / 2.0;
        if at < first.0 - half || at > last.0 + half {
            continue;
        }
        let (low, high) = edges(&plot.band, at);
        let row = |value: f64| {
            let value = transformed(value, plot.chart.scale);
            let value = if value.is_finite() { value } else { range.0 };
            (range.1 - value) / (range.1 - range.0) * f64::from(graph.height)
        };
        for y in 0..graph.height {
            let middle = f64::from(y) + 0.5;
            let cell = &mut frame.buffer_mut()[(x, graph.y + y)];
            if row(high) <= middle && middle <= row(low) && matches!(cell.symbol(), " " | "\u{2800}") {
                cell.set_char('░').set_style(theme.dim);
            }
        }
    }
}

/// The edges of a band at a place between two of its points.
fn edges(band: &[(f64, f64, f64)], at: f64) -> (f64, f64) {
    let after = band.partition_point(|point| point.0 < at).min(band.len() - 1);
    let (before, after) = (band[after.saturating_sub(1)], band[after]);
    let width = after.0 - before.0;
    let part = if width > 0.0 { ((at - before.0) / width).clamp(0.0, 1.0) } else { 1.0 };
    let between = |before: f64, after: f64| before + part * (after - before);
    (between(before.1, after.1), between(before.2, after.2))
}

/// Draws the numbers of the first and the last batch in sight, and of the one at the cursor, each at its place.
fn draw_places(frame: &mut Frame<'_>, area: Rect, plot: &Plot<'_>, theme: &Theme) {
    let stops = plot.axis.stops();
    let (start, end) = plot.window;
    let first = stops.partition_point(|stop| stop.place < start);
    let last = stops.partition_point(|stop| stop.place <= end).saturating_sub(1);
    let at_cursor = plot.cursor.map(|at| (plot.axis.nearest_index(at), theme.accent));
    let mut taken = Vec::new();
    // Where two labels would touch, the cursor's wins.
    let round = round_places(stops.get(first..=last).unwrap_or_default(), area.width);
    let round = round.into_iter().map(|point| (first + point, theme.dim));
    for (point, style) in at_cursor.into_iter().chain([(last, theme.dim), (first, theme.dim)]).chain(round) {
        let Some(stop) = stops.get(point) else { continue };
        let Some(column) = column(area, plot, stop.place) else { continue };
        let text = numbers(stop);
        let place = around(column, text.width() as u16, area);
        let touches = |other: &Rect| place.x <= other.right() && other.x <= place.right();
        if !taken.iter().any(touches) {
            frame.render_widget(Line::styled(text, style), place);
            taken.push(place);
        }
    }
}

/// The stops with round numbers, at most as many as there is room for.
fn round_places(stops: &[Stop], width: u16) -> Vec<usize> {
    let ([first, ..], [.., last]) = (stops, stops) else { return Vec::new() };
    let widest = numbers(last).width().max(1) + 3;
    let range = usize::try_from(last.last - first.first).unwrap_or(usize::MAX);
    let every = round_steps(range, (usize::from(width) / widest).max(1)) as u64;
    (0..stops.len()).filter(|&at| stops[at].first.is_multiple_of(every)).collect()
}

/// The numbers of the batches at a stop.
pub(super) fn numbers(stop: &Stop) -> String {
    if stop.first == stop.last { stop.first.to_string() } else { format!("{}–{}", stop.first, stop.last) }
}

/// So many columns around one of them, within an area.
fn around(column: u16, width: u16, area: Rect) -> Rect {
    let left = column.saturating_sub(width / 2).min(area.right().saturating_sub(width)).max(area.x);
    Rect { x: left, width, ..area }.intersection(area)
}

/// The column that a place in the run is drawn in, where it is in sight.
fn column(area: Rect, plot: &Plot<'_>, at: f64) -> Option<u16> {
    let (start, end) = plot.window;
    if !(start..=end).contains(&at) || area.width == 0 {
        return None;
    }
    let part = if end > start { (at - start) / (end - start) } else { 0.0 };
    Some(area.x + (part * f64::from(area.width - 1)).round() as u16)
}

/// Draws the cursor behind the curves.
fn draw_cursor(frame: &mut Frame<'_>, graph: Rect, plot: &Plot<'_>, theme: &Theme) {
    let Some(column) = plot.cursor.and_then(|at| column(graph, plot, at)) else { return };
    for y in graph.top()..graph.bottom() {
        let cell = &mut frame.buffer_mut()[(column, y)];
        if matches!(cell.symbol(), " " | "\u{2800}") {
            cell.set_symbol("│").set_style(theme.accent);
        }
    }
}

/// Large dots are easy to see, but too large for many points; ASCII has nothing smaller.
pub(super) fn dots(points: usize, width: u16, symbols: Symbols) -> Marker {
    let crowded = points > usize::from(width) / 3 && symbols == Symbols::Unicode;
    if crowded { Marker::Braille } else { Marker::Dot }
}

/// Adds room above and below within the limits, so that there is a range even where all values are equal.
fn padded((low, high): (f64, f64), limits: (f64, f64)) -> (f64, f64) {
    let room = if high > low { (high - low) * 0.08 } else { (high.abs() * 0.05).max(0.01) };
    ((low - room).max(limits.0.min(low)), (high + room).min(limits.1.max(high)))
}
