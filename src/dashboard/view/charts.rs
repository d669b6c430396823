//! The charts: operations per sample and sparsity over the batches, of the total and of layers, together.

use super::super::appearance::ThemeName;
use super::super::chart_state::{ChartLines, Scale, Subject, nearest, places};
use super::super::columns::{CHART_LINES, ChartLine, TOTAL};
use super::super::symbols::Symbols;
use super::list::ListView;
use super::plot::{Curve, CurveShape, Plot, dots, numbers};
use super::wrap::fitting;
use super::{Theme, UiState, ViewModel, panel, plot};
use crate::figures::sparsity;
use crate::run::Run;
use crate::run::interval::along;
use crate::run::series::Point;
use crate::run::sums::Operations;
use crate::run::tally::quotient;
use crate::text::{compact, compact_by, decimal, elide, percent, thousands};
use ratatui::Frame;
use ratatui::layout::{Constraint, Direction, Layout, Rect};
use ratatui::style::Style;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// Columns of the list of lines, and the least width of the view that has room for it.
const LIST: u16 = 28;
const WITH_LIST: u16 = 90;

/// From here on the charts stand beside one another.
const BESIDE: u16 = 150;

/// From this ratio of the highest line to the lowest on, the scale is logarithmic.
const FAR_APART: f64 = 50.0;

/// The most columns for a name below the charts.
const NAME: usize = 40;

/// The figures of one subject over the batches.
pub(super) struct ChartSeries {
    name: String,
    /// Draws its curve where there are no colours.
    mark: char,
    style: Style,
    operations: CurvePoints,
    sparsities: CurvePoints,
}

/// Places in the run and values.
#[derive(Default)]
pub(super) struct CurvePoints {
    /// Over all batches up to the place.
    pub(super) running: Vec<(f64, f64)>,
    /// Over the batches at the place alone.
    pub(super) single: Vec<(f64, f64)>,
    /// Half the width of the 95 % confidence interval of the running values; only for the first line.
    pub(super) half_widths: Vec<(f64, f64)>,
}

/// One of the two charts.
pub(super) struct Chart {
    pub(super) name: &'static str,
    pub(super) points: fn(&ChartSeries) -> &CurvePoints,
    pub(super) scale: Scale,
    /// The smallest and the largest possible value.
    pub(super) limits: (f64, f64),
    /// Writes a value at the axis, with so many extra digits.
    pub(super) label: fn(f64, usize) -> String,
}

impl Chart {
    pub(super) fn operations(scale: Scale) -> Self {
        let name = match scale {
            Scale::Linear => "Effective ops/sample",
            Scale::Logarithmic => "Effective ops/sample, log scale",
        };
        Self {
            name,
            points: |series| &series.operations,
            scale,
            limits: (0.0, f64::INFINITY),
            label: compact_by,
        }
    }

    pub(super) fn sparsities() -> Self {
        let label = |value: f64, more: usize| format!("{:.*} %", 1 + more, value * 100.0);
        let points: fn(&ChartSeries) -> &CurvePoints = |series| &series.sparsities;
        Self { name: "Sparsity", points, scale: Scale::Linear, limits: (0.0, 1.0), label }
    }
}

/// Draws the charts, the list of lines, and the values at the cursor.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    let all = series(model, theme, state);
    let list = if theme.framed && area.width >= WITH_LIST { LIST } else { 0 };
    let [list, rest] = Layout::horizontal([Constraint::Length(list), Constraint::Fill(1)]).areas(area);
    // The values are the legend, too.
    let legend = (all.len() as u16 + 1).min(area.height / if theme.framed { 2 } else { 3 });
    let [charts, legend] = Layout::vertical([Constraint::Fill(1), Constraint::Length(legend)]).areas(rest);
    draw_list(frame, list, model, theme, state);
    state.places.scale = state.charts.scale.unwrap_or_else(|| fitting_scale(&all));
    let (operations, sparsities) = (Chart::operations(state.places.scale), Chart::sparsities());
    // A small terminal has room for one.
    let both = charts.height >= 14 || rest.width >= BESIDE;
    let direction = if rest.width >= BESIDE { Direction::Horizontal } else { Direction::Vertical };
    let share = [Constraint::Fill(1), Constraint::Fill(u16::from(both))];
    let [first, second] = Layout::new(direction, share).areas(charts);
    let graph = draw_chart(frame, first, &operations, &all, model, theme, state);
    state.places.plot = graph.map(|graph| (graph, state.charts.window(last_place(model))));
    if both {
        draw_chart(frame, second, &sparsities, &all, model, theme, state);
    }
    draw_values(frame, legend, &all, list.width == 0, model, theme, state);
}

/// Logarithmic where lines would otherwise lie on the axis.
fn fitting_scale(all: &[ChartSeries]) -> Scale {
    let newest = all.iter().filter_map(|series| series.operations.running.last());
    let (low, high) = newest
        .map(|point| point.1)
        .filter(|&value| value > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    if high > FAR_APART * low { Scale::Logarithmic } else { Scale::Linear }
}

fn last_place(model: &ViewModel) -> f64 {
    model.run.history().points().iter().map(|point| point.sums.batches).sum::<u64>().max(1) as f64
}

/// The figures of all lines that are drawn, in the order in which they were added.
fn series(model: &ViewModel, theme: &Theme, state: &UiState) -> Vec<ChartSeries> {
    let places = places(model.run.history());
    let subjects = state.charts.overlaid.iter().enumerate();
    subjects.map(|(at, subject)| one_series(at, subject, &places, model, theme)).collect()
}

pub(super) fn one_series(
    at: usize,
    subject: &Subject,
    places: &[f64],
    model: &ViewModel,
    theme: &Theme,
) -> ChartSeries {
    let (name, layer) = match subject {
        Subject::Total => (TOTAL.to_owned(), None),
        Subject::Layer(name) => {
            let layers = &model.summary.layers;
            (name.clone(), Some(layers.iter().find(|layer| layer.name == *name)))
        }
    };
    let mut series = ChartSeries {
        name,
        mark: char::from_digit(at as u32 + 1, 10).unwrap_or('*'),
        style: theme.line(Some(at)),
        operations: CurvePoints::default(),
        sparsities: CurvePoints::default(),
    };
    let priced = layer.map(|layer| layer.and_then(|layer| Some((layer.index?, layer.ops_per_update?))));
    let total = shown_operations(model);
    let (mut samples, mut effective, mut dense) = (0, 0, 0);
    let mut units = Vec::new();
    for (point, &place) in model.run.history().points().iter().zip(places) {
        let own = match priced {
            None => total(point),
            Some(None) => break,
            // An exported summary has no sums by layer along the run.
            Some(Some(_)) if point.sums.updates.is_empty() => continue,
            Some(Some((index, price))) => point.sums.updates.get(index).unwrap_or_default().times(price),
        };
        samples += point.sums.samples;
        effective += own.effective;
        dense += own.dense;
        series.operations.running.push((place, quotient(effective, samples)));
        series.operations.single.push((place, quotient(own.effective, point.sums.samples)));
        series.sparsities.running.extend(sparsity(effective, dense).map(|value| (place, value)));
        series.sparsities.single.extend(sparsity(own.effective, own.dense).map(|value| (place, value)));
        units.push((place, own, point.sums.samples));
    }
    // Several bands would hide one another.
    if at == 0 {
        let against = |bottom: fn(&(f64, Operations, u128)) -> f64| {
            let ratio = |unit: &(f64, Operations, u128)| (unit.1.effective as f64, bottom(unit));
            let widths = along(&units.iter().map(ratio).collect::<Vec<_>>(), counted_part(&model.run));
            units.iter().zip(widths).filter_map(|(unit, width)| Some((unit.0, width?))).collect()
        };
        series.operations.half_widths = against(|unit| unit.2 as f64);
        series.sparsities.half_widths = against(|unit| unit.1.dense as f64);
    }
    series
}

/// The operations of a point that the total shows: those of the layers with a measured price where no layer has another.
pub(super) fn shown_operations(model: &ViewModel) -> impl Fn(&Point) -> Operations {
    let measured = if model.summary.shown_total().1 { model.run.measured_prices() } else { Vec::new() };
    move |point| {
        let with_measured = measured.first().and_then(|_| point.measured_operations(&measured));
        with_measured.unwrap_or(point.operations)
    }
}

/// The part of the run that is counted, where it is known what to expect.
fn counted_part(run: &Run) -> Option<f64> {
    if run.is_complete() { Some(1.0) } else { run.progress() }
}

fn draw_chart(
    frame: &mut Frame<'_>,
    area: Rect,
    chart: &Chart,
    all: &[ChartSeries],
    model: &ViewModel,
    theme: &Theme,
    state: &UiState,
) -> Option<Rect> {
    let note = Line::styled(zoom(model, state), theme.dim);
    let room = usize::from(area.width).saturating_sub(chart.name.width() + note.width() + 6);
    let style = all.first().map_or(theme.running, |series| series.style);
    let meaning = if marks_lines(theme, state) { "" } else { running_symbol(theme) };
    let hidden = zeros(chart, all, theme);
    let room = room.saturating_sub(hidden.width());
    let mut legend = legend(room, state.charts.lines, meaning, (style, style.patch(theme.behind)), theme);
    legend.push_span(hidden);
    legend.extend(note);
    let inner = framed(frame, area, chart.name, legend, theme);
    if all.iter().all(|series| (chart.points)(series).single.is_empty()) {
        frame.render_widget(Line::styled(" nothing to draw yet", theme.dim), inner);
        return None;
    }
    let curves: Vec<Curve> = all
        .iter()
        .flat_map(|series| curves(series, (chart.points)(series), inner.width, theme, state))
        .collect();
    let window = state.charts.window(last_place(model));
    let band = band(all.first().map(chart.points), state.charts.lines);
    let plot = Plot { curves: &curves, band, window, chart, cursor: state.charts.cursor };
    Some(plot::draw(frame, inner, &plot, model, theme))
}

/// Says which lines a logarithmic scale has no place for.
fn zeros(chart: &Chart, all: &[ChartSeries], theme: &Theme) -> Span<'static> {
    let is_zero =
        |series: &&ChartSeries| (chart.points)(series).running.last().is_some_and(|point| point.1 <= 0.0);
    let marks: Vec<String> = match chart.scale {
        Scale::Linear => Vec::new(),
        Scale::Logarithmic => all.iter().filter(is_zero).map(|series| series.mark.to_string()).collect(),
    };
    let text =
        if marks.is_empty() { String::new() } else { format!("not drawn, since 0: {} ", marks.join(", ")) };
    Span::styled(text, theme.warn)
}

/// Whether each curve is drawn with its own mark, since colours do not tell lines apart.
fn marks_lines(theme: &Theme, state: &UiState) -> bool {
    state.charts.overlaid.len() > 1
        && (state.appearance.theme == ThemeName::Monochrome || theme.appearance.symbols == Symbols::Ascii)
}

/// What stands for a line of running figures in a legend.
pub(super) fn running_symbol(theme: &Theme) -> &'static str {
    if theme.appearance.symbols == Symbols::Unicode { "━" } else { "*" }
}

/// Says what is drawn, in as many words as fit: running figures and their confidence, and those of single batches.
/// `line` stands for a line, and nothing where each has its own mark.
pub(super) fn legend(
    room: usize,
    lines: ChartLines,
    line: &str,
    (running, single): (Style, Style),
    theme: &Theme,
) -> Line<'static> {
    let dot = if line.is_empty() { "" } else { "•" };
    let parts = |words: [&str; 3]| {
        let mut parts = Vec::new();
        if lines != ChartLines::Single {
            parts.push(Span::styled(format!(" {line} {}", words[0]).replace("  ", " "), running));
        }
        if lines != ChartLines::Running {
            parts.push(Span::styled(format!(" {dot} {}", words[1]).replace("  ", " "), single));
        }
        if lines != ChartLines::Single && !words[2].is_empty() {
            parts.push(Span::styled(format!(" ░ {}", words[2]), theme.dim));
        }
        parts.push(Span::raw(" "));
        Line::from(parts)
    };
    let choices = [
        ["running", "each batch", "95 % sure"],
        ["running", "batch", "95 %"],
        ["running", "batch", ""],
        ["run.", "bat.", ""],
    ];
    choices.map(parts).into_iter().find(|line| line.width() <= room).unwrap_or_default()
}

/// The confidence band around a line: places, and its lower and upper edge there.
pub(super) fn band(points: Option<&CurvePoints>, lines: ChartLines) -> Vec<(f64, f64, f64)> {
    let Some(points) = points.filter(|_| lines != ChartLines::Single) else { return Vec::new() };
    let value = |place: f64| {
        let at = points.running.partition_point(|point| point.0 < place);
        points.running.get(at).filter(|point| point.0 == place).map(|point| point.1)
    };
    let edges =
        |&(place, width): &(f64, f64)| value(place).map(|value| (place, value - width, value + width));
    points.half_widths.iter().filter_map(edges).collect()
}

/// Draws a frame with a title and a note, or without frames only these.
fn framed(frame: &mut Frame<'_>, area: Rect, name: &str, note: Line<'static>, theme: &Theme) -> Rect {
    if theme.framed {
        return panel(frame, area, name, note, theme);
    }
    let [head, inner] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let parts = std::iter::once(Span::styled(format!(" {name}"), theme.accent)).chain(note);
    frame.render_widget(fitting(parts, head.width), head);
    inner
}

fn zoom(model: &ViewModel, state: &UiState) -> String {
    if !state.charts.is_zoomed() {
        return String::new();
    }
    let (start, end) = state.charts.window(last_place(model));
    let places = places(model.run.history());
    let first = places.partition_point(|&place| place < start);
    let last = places.partition_point(|&place| place <= end).saturating_sub(1);
    let points = model.run.history().points();
    let in_sight = points.get(first..=last).filter(|points| !points.is_empty());
    match (in_sight, points) {
        (Some([first, .., last]), [whole, .., newest]) => {
            format!(" batches {} to {} of {} to {} ", first.first, last.last, whole.first, newest.last)
        }
        (Some([only]), [whole, .., newest]) => {
            format!(" batch {} of {} to {} ", numbers(only), whole.first, newest.last)
        }
        // There is one point in all, or the part in sight lies between two points.
        _ => String::new(),
    }
}

/// Dots for single batches, lines for running figures; without colours each curve is drawn with its own mark.
fn curves(
    series: &ChartSeries,
    figures: &CurvePoints,
    width: u16,
    theme: &Theme,
    state: &UiState,
) -> Vec<Curve> {
    let lines = state.charts.lines;
    let marked = marks_lines(theme, state);
    let mut curves = Vec::new();
    if lines != ChartLines::Running {
        let marker = if marked {
            Marker::Custom(series.mark)
        } else {
            dots(figures.single.len(), width, theme.appearance.symbols)
        };
        // Dots are dimmed only behind lines.
        let style = if lines == ChartLines::Both { series.style.patch(theme.behind) } else { series.style };
        let points = figures.single.clone();
        curves.push(Curve { points, shape: CurveShape::Dots, marker, style });
    }
    if lines != ChartLines::Single {
        let marker = if marked { Marker::Custom(series.mark) } else { Marker::Braille };
        let points = figures.running.clone();
        curves.push(Curve { points, shape: CurveShape::Line, marker, style: series.style });
    }
    curves
}

/// Draws the list of the total and the layers; a mark shows which are drawn.
fn draw_list(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    if area.width == 0 {
        return;
    }
    let layers = &model.summary.layers;
    let subjects = state.subjects(layers);
    let overlaid = &state.charts.overlaid;
    let row = |at: usize| {
        let layer: Option<usize> = subjects[at];
        let name = layer.map(|at| layers[at].name.as_str());
        ChartLine { layer, drawn: overlaid.iter().position(|subject| subject.is(name)) }
    };
    let list = ListView {
        title: "Lines".to_owned(),
        note: Line::styled(" Enter draws ", theme.dim),
        columns: &CHART_LINES,
        len: subjects.len(),
        row: &row,
        row_height: 1,
    };
    state.places.list = list.draw(frame, area, &mut state.chart_lines, model, theme);
}

/// Draws the values at the cursor, or the newest ones.
fn draw_values(
    frame: &mut Frame<'_>,
    area: Rect,
    all: &[ChartSeries],
    listless: bool,
    model: &ViewModel,
    theme: &Theme,
    state: &mut UiState,
) {
    if area.height == 0 {
        return;
    }
    let places = places(model.run.history());
    let at = match state.charts.cursor {
        Some(at) => nearest(&places, at),
        None => places.len().saturating_sub(1),
    };
    let names = all.iter().map(|series| elide(&series.name, NAME).width()).max().unwrap_or(0);
    let lines = std::iter::once(place_line(at, listless, area.width, model, theme, state)).chain(
        all.iter().map(|series| value_line(series, names, places.get(at), usize::from(area.width), theme)),
    );
    for (line, row) in lines.zip(area.rows()) {
        frame.render_widget(line, row);
    }
}

/// The batches that the values come from.
fn place_line(
    at: usize,
    listless: bool,
    width: u16,
    model: &ViewModel,
    theme: &Theme,
    state: &mut UiState,
) -> Line<'static> {
    let mut spans = match model.run.history().points().get(at) {
        Some(point) => {
            let what = if point.first == point.last { "batch" } else { "batches" };
            vec![
                Span::raw(format!(" {what} {}", numbers(point))),
                Span::raw(format!(", {} samples", thousands(point.sums.samples))),
            ]
        }
        None => vec![Span::raw(" no batch yet")],
    };
    if state.charts.cursor.is_none() {
        spans.push(Span::styled(", the newest", theme.dim));
    }
    if listless {
        let layers = &model.summary.layers;
        let subjects = state.subjects(layers);
        state.chart_lines.settle(subjects.len(), 1);
        let selected = subjects.get(state.chart_lines.selected).copied().flatten();
        let name = elide(selected.map_or(TOTAL, |at| &layers[at].name), 20);
        spans.push(Span::styled(format!("  Enter: {name}"), theme.accent));
    }
    fitting(spans, width)
}

/// The values of one line; the longest name of all takes `names` columns.
fn value_line(
    series: &ChartSeries,
    names: usize,
    place: Option<&f64>,
    width: usize,
    theme: &Theme,
) -> Line<'static> {
    let value = |points: &[(f64, f64)]| {
        let at = points.partition_point(|point| Some(&point.0) < place);
        points.get(at).filter(|point| Some(&point.0) == place).map(|point| point.1)
    };
    let figure = |points: &[(f64, f64)], text: fn(f64) -> String| value(points).map_or("–".to_owned(), text);
    let (operations, sparsities) = (&series.operations, &series.sparsities);
    // Where there is no room, the figures of the single batch go first, then the captions.
    let (roomy, single_too) = (width >= 100, width >= 60);
    let precise: fn(f64) -> String = if roomy { |value| decimal(value, 2) } else { compact };
    let captions = if roomy { [" effective ", " sparsity "] } else { [" ", " "] };
    let digits = if roomy { 14 } else { 6 };
    let room = if roomy { (width - 78).min(NAME) } else { width.saturating_sub(50).clamp(8, 28) };
    let room = room.min(names.max(8));
    let single = |text: String, width: usize| {
        let text = if single_too { format!(" batch {text:>width$} ") } else { String::new() };
        Span::styled(text, theme.dim)
    };
    let parts = vec![
        Span::styled(format!(" {} {:<room$}", series.mark, elide(&series.name, room)), series.style),
        Span::styled(captions[0], theme.dim),
        Span::raw(format!("{:>digits$}", figure(&operations.running, precise))),
        single(figure(&operations.single, precise), digits),
        Span::styled(captions[1], theme.dim),
        Span::raw(format!("{:>8}", figure(&sparsities.running, percent))),
        single(figure(&sparsities.single, percent), 8),
    ];
    fitting(parts, width as u16)
}
