//! The charts: operations per sample and sparsity over the batches, of the total and of layers, together.

use super::super::appearance::ThemeName;
use super::super::batch_axis::{BatchAxis, Stop};
use super::super::chart_state::{ChartLines, ChartState, Scale, Subject};
use super::super::columns::{CHART_LINES, Cell, ChartLine, TOTAL, run_marks};
use super::super::symbols::Symbols;
use super::super::view_model::{RunRow, shown_operations};
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
use crate::text::{compact_by, compact_within, decimal_within, numbered, percent_within};
use ratatui::Frame;
use ratatui::layout::{Constraint, Direction, Layout, Rect};
use ratatui::style::{Modifier, Style};
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
    name: Cell,
    /// Draws its curve where there are no colours.
    mark: char,
    style: Style,
    /// Whether the other lines are compared with it.
    is_baseline: bool,
    /// Whether no other line is drawn.
    is_alone: bool,
    /// Whether it is of another run than the one in front: those batches would hide one another.
    is_other_run: bool,
    /// The first and the last place of each point.
    spans: Vec<(f64, f64)>,
    operations: CurvePoints,
    sparsities: CurvePoints,
}

/// Places in the run and values.
#[derive(Default)]
struct CurvePoints {
    /// Over all batches up to the place.
    running: Vec<(f64, f64)>,
    /// Over the batches at the place alone.
    single: Vec<(f64, f64)>,
    /// Half the width of the 95 % confidence interval of the running values.
    half_widths: Vec<(f64, f64)>,
}

/// One of the two charts.
pub(super) struct Chart {
    pub(super) name: &'static str,
    points: fn(&ChartSeries) -> &CurvePoints,
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
    let axis = state.axis(model);
    let all = series(&axis, model, theme, state);
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
    let graph = draw_chart(frame, first, &operations, &all, &axis, theme, &state.charts);
    state.places.plot = graph.map(|graph| (graph, state.charts.window(axis.last_place())));
    if both {
        draw_chart(frame, second, &sparsities, &all, &axis, theme, &state.charts);
    }
    draw_values(frame, legend, (&all, &axis), list.width == 0, model, theme, state);
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

/// The figures of all lines that are drawn: the baseline's, then the others in the order of their marks.
fn series(axis: &BatchAxis, model: &ViewModel, theme: &Theme, state: &UiState) -> Vec<ChartSeries> {
    let is_shown = |(place, subject): &(usize, &Subject)| state.line_of(subject, model) == Some(*place);
    let mut drawn: Vec<(usize, &Subject)> = state.charts.drawn().filter(is_shown).collect();
    drawn.sort_by_key(|(_, subject)| !is_baseline(subject, axis, model));
    let is_alone = drawn.len() == 1;
    drawn.into_iter().map(|drawn| one_series(drawn, is_alone, axis, model, theme)).collect()
}

/// Whether a line is of the run that others are compared with, where there are others.
fn is_baseline(subject: &Subject, axis: &BatchAxis, model: &ViewModel) -> bool {
    axis.are_numbers() && model.marked.is_some() && run_of(subject, model) == model.marked
}

/// The number of the run whose total a line shows.
fn run_of(subject: &Subject, model: &ViewModel) -> Option<usize> {
    match subject {
        Subject::Total => Some(model.shown),
        Subject::Run(number) => Some(*number),
        Subject::Layer(_) => None,
    }
}

/// What a line is called; where there are several runs, the total has the name of its run.
fn name_of(subject: &Subject, has_several: bool, model: &ViewModel, theme: &Theme) -> Cell {
    let number = match (subject, run_of(subject, model)) {
        (Subject::Layer(name), _) => {
            return Cell::layer(name, Style::new(), model);
        }
        _ if !has_several => return Cell::new(TOTAL, Style::new()),
        (_, number) => number.unwrap_or(model.shown),
    };
    let label = match model.row(number) {
        Some(row) => model.run_name(row.label()),
        None if number == model.shown => model.run.name(),
        None => "no longer listed",
    };
    let marks = run_marks(number, None, model, theme).text.replace(' ', "");
    if marks.is_empty() {
        return Cell { common: model.shared_ends(RunRow::label), ..Cell::new(label, Style::new()) };
    }
    Cell::new(format!("{marks} {label}"), Style::new())
}

/// The figures of a line, by its place among the colours and marks.
pub(super) fn one_series(
    (place, subject): (usize, &Subject),
    is_alone: bool,
    axis: &BatchAxis,
    model: &ViewModel,
    theme: &Theme,
) -> ChartSeries {
    let is_baseline = is_baseline(subject, axis, model);
    let style = theme.line(Some(place));
    let mut series = ChartSeries {
        name: name_of(subject, axis.are_numbers(), model, theme),
        mark: char::from_digit(place as u32 + 1, 10).unwrap_or('*'),
        style: if is_baseline { style.add_modifier(Modifier::BOLD) } else { style },
        is_baseline,
        is_alone,
        is_other_run: run_of(subject, model).is_some_and(|number| number != model.shown),
        spans: Vec::new(),
        operations: CurvePoints::default(),
        sparsities: CurvePoints::default(),
    };
    let front = (&model.run, model.summary.shown_total().1);
    let (run, is_measured) = match subject {
        Subject::Run(number) if *number != model.shown => match model.row(*number) {
            Some(row) => (&row.run, row.is_measured),
            None => return series,
        },
        _ => front,
    };
    series.spans = axis.spans(run.history());
    let units = match subject {
        Subject::Layer(name) => layer_units(name, model),
        _ => total_units(run, is_measured),
    };
    let units: Vec<(f64, Unit)> =
        series.spans.iter().zip(units).filter_map(|(span, unit)| Some((span.1, unit?))).collect();
    series.add(&units);
    series.add_half_widths(&units, counted_part(run));
    series
}

/// The operations and the samples of a point.
type Unit = (Operations, u128);

/// Those of all priced layers, at each point of a run.
fn total_units(run: &Run, is_measured: bool) -> Vec<Option<Unit>> {
    let total = shown_operations(run, is_measured);
    run.history().points().iter().map(|point| Some((total(point), point.sums.samples))).collect()
}

/// Those of a layer of the run in front; none where it has no price, or where a point has no sums by layer, as those of
/// exports of earlier versions.
fn layer_units(name: &str, model: &ViewModel) -> Vec<Option<Unit>> {
    let layer = model.summary.layers.iter().find(|layer| layer.name == name);
    let Some((index, price)) = layer.and_then(|layer| Some((layer.index?, layer.ops_per_update?))) else {
        return Vec::new();
    };
    let unit = |point: &Point| {
        let updates = point.sums.updates.get(index).copied().unwrap_or_default();
        (!point.sums.updates.is_empty()).then(|| (updates.times(price), point.sums.samples))
    };
    model.run.history().points().iter().map(|point| unit(point)).collect()
}

impl ChartSeries {
    /// The style of its single batches: where it is the only line, another one. They are dimmed only behind lines.
    fn dots_style(&self, lines: ChartLines, theme: &Theme) -> Style {
        match lines {
            ChartLines::Both if self.is_alone => theme.single,
            ChartLines::Both => self.style.patch(theme.behind),
            ChartLines::Running | ChartLines::Single => self.style,
        }
    }

    /// Adds the figures of points at their places.
    fn add(&mut self, units: &[(f64, Unit)]) {
        let (mut samples, mut effective, mut dense) = (0, 0, 0);
        for &(place, (own, of_samples)) in units {
            samples += of_samples;
            effective += own.effective;
            dense += own.dense;
            self.operations.running.push((place, quotient(effective, samples)));
            self.operations.single.push((place, quotient(own.effective, of_samples)));
            self.sparsities.running.extend(sparsity(effective, dense).map(|value| (place, value)));
            self.sparsities.single.extend(sparsity(own.effective, own.dense).map(|value| (place, value)));
        }
    }

    /// Adds how sure the running figures are.
    fn add_half_widths(&mut self, units: &[(f64, Unit)], counted: Option<f64>) {
        let against = |bottom: fn(&Unit) -> f64| {
            let ratio = |(_, unit): &(f64, Unit)| (unit.0.effective as f64, bottom(unit));
            let widths = along(&units.iter().map(ratio).collect::<Vec<_>>(), counted);
            units.iter().zip(widths).filter_map(|(unit, width)| Some((unit.0, width?))).collect()
        };
        self.operations.half_widths = against(|unit| unit.1 as f64);
        self.sparsities.half_widths = against(|unit| unit.0.dense as f64);
    }

    /// Where to read its running value and that of a single batch, at the cursor or (`None`) at its own newest batch:
    /// between its batches the running value stays, and beyond the last one it has none.
    fn reading(&self, cursor: Option<f64>) -> [Option<f64>; 2] {
        let Some(cursor) = cursor else { return [self.spans.last().map(|span| span.1); 2] };
        let at = self.spans.partition_point(|span| span.1 < cursor);
        let before = at.checked_sub(1).map(|before| self.spans[before].1);
        match self.spans.get(at) {
            Some(span) if span.0 <= cursor => [Some(span.1); 2],
            Some(_) => [before, None],
            None => [None; 2],
        }
    }
}

/// The part of the run that is counted, where it is known what to expect.
fn counted_part(run: &Run) -> Option<f64> {
    if run.is_complete() { Some(1.0) } else { run.progress() }
}

/// Draws one chart; returns where its curves are.
pub(super) fn draw_chart(
    frame: &mut Frame<'_>,
    area: Rect,
    chart: &Chart,
    all: &[ChartSeries],
    axis: &BatchAxis,
    theme: &Theme,
    charts: &ChartState,
) -> Option<Rect> {
    // Where there is no room for "Effective ops/sample", its unit gives way.
    let fits = chart.name.width() + 3 <= usize::from(area.width);
    let name = if fits { chart.name } else { chart.name.split('/').next().unwrap_or_default() };
    let note = Line::styled(zoom(axis, charts), theme.dim);
    let hidden = zeros(chart, all, theme);
    let room = usize::from(area.width).saturating_sub(name.width() + note.width() + hidden.width() + 5);
    let marked = marks_lines(theme, charts);
    let [mut top, bottom] = [room, usize::from(area.width).saturating_sub(4)].map(|room| {
        all.first().map_or(Line::default(), |first| legend(room, first, marked, charts.lines, theme))
    });
    // Where the title leaves no room, the legend is at the bottom.
    let bottom = if top.width() > 0 { Line::default() } else { bottom };
    top.push_span(hidden);
    top.extend(note);
    let inner = framed(frame, area, name, [top, bottom], theme);
    if all.iter().all(|series| (chart.points)(series).single.is_empty()) {
        frame.render_widget(Line::styled(" nothing to draw yet", theme.dim), inner);
        return None;
    }
    let curves: Vec<Curve> = all
        .iter()
        .flat_map(|series| curves(series, (chart.points)(series), inner.width, marked, charts.lines, theme))
        .collect();
    let window = charts.window(axis.last_place());
    let band = band(all.first().map(chart.points), charts.lines);
    let plot = Plot { curves: &curves, band, window, chart, axis, cursor: charts.cursor };
    Some(plot::draw(frame, inner, &plot, theme))
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
fn marks_lines(theme: &Theme, charts: &ChartState) -> bool {
    let appearance = theme.appearance;
    charts.drawn().count() > 1
        && (appearance.theme == ThemeName::Monochrome || appearance.symbols == Symbols::Ascii)
}

/// Says what is drawn, in as many words as fit: running figures and their confidence, and those of single batches. Where
/// lines are marked, nothing else stands for one.
fn legend(room: usize, first: &ChartSeries, marked: bool, lines: ChartLines, theme: &Theme) -> Line<'static> {
    let [line, dot] = match theme.appearance.symbols {
        _ if marked => ["", ""],
        Symbols::Unicode => ["━", "•"],
        Symbols::Ascii => ["*", "•"],
    };
    let parts = |words: [&str; 3]| {
        let mut parts = Vec::new();
        if lines != ChartLines::Single {
            parts.push(Span::styled(format!(" {line} {}", words[0]).replace("  ", " "), first.style));
        }
        if lines != ChartLines::Running {
            let text = format!(" {dot} {}", words[1]).replace("  ", " ");
            parts.push(Span::styled(text, first.dots_style(lines, theme)));
        }
        if lines != ChartLines::Single && !words[2].is_empty() {
            parts.push(Span::styled(format!(" ░ {}", words[2]), theme.dim));
        }
        parts.push(Span::raw(" "));
        Line::from(parts)
    };
    let choices = [
        ["running", "each batch", "95 % band"],
        ["running", "batch", "95 %"],
        ["running", "batch", ""],
        ["run.", "bat.", ""],
    ];
    choices.map(parts).into_iter().find(|line| line.width() <= room).unwrap_or_default()
}

/// The confidence band around a line: places, and its lower and upper edge there.
fn band(points: Option<&CurvePoints>, lines: ChartLines) -> Vec<(f64, f64, f64)> {
    let Some(points) = points.filter(|_| lines != ChartLines::Single) else { return Vec::new() };
    let edges = |&(place, width): &(f64, f64)| {
        value_at(&points.running, place).map(|value| (place, value - width, value + width))
    };
    points.half_widths.iter().filter_map(edges).collect()
}

/// The value at a place, if there is a point.
fn value_at(points: &[(f64, f64)], place: f64) -> Option<f64> {
    let at = points.partition_point(|point| point.0 < place);
    points.get(at).filter(|point| point.0 == place).map(|point| point.1)
}

/// Draws a frame with a title and notes above and below, or without frames only what is above.
fn framed(
    frame: &mut Frame<'_>,
    area: Rect,
    name: &str,
    [note, below]: [Line<'static>; 2],
    theme: &Theme,
) -> Rect {
    if theme.framed {
        let inner = panel(frame, area, name, note, theme);
        let edge = Rect { x: area.x + 1, y: area.bottom().saturating_sub(1), width: inner.width, height: 1 };
        frame.render_widget(below, edge.intersection(area));
        return inner;
    }
    let [head, inner] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let parts = std::iter::once(Span::styled(format!(" {name}"), theme.accent)).chain(note);
    frame.render_widget(fitting(parts, head.width), head);
    inner
}

fn zoom(axis: &BatchAxis, charts: &ChartState) -> String {
    if !charts.is_zoomed() {
        return String::new();
    }
    let ((start, end), stops) = (charts.window(axis.last_place()), axis.stops());
    let first = stops.partition_point(|stop| stop.place < start);
    let last = stops.partition_point(|stop| stop.place <= end).saturating_sub(1);
    let in_sight = stops.get(first..=last).filter(|stops| !stops.is_empty());
    match (in_sight, stops) {
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
    marked: bool,
    lines: ChartLines,
    theme: &Theme,
) -> Vec<Curve> {
    let mut curves = Vec::new();
    if lines == ChartLines::Single || lines == ChartLines::Both && !series.is_other_run {
        let marker = if marked {
            Marker::Custom(series.mark)
        } else {
            dots(figures.single.len(), width, theme.appearance.symbols)
        };
        let (points, style) = (figures.single.clone(), series.dots_style(lines, theme));
        curves.push(Curve { points, shape: CurveShape::Dots, marker, style });
    }
    if lines != ChartLines::Single {
        let marker = match series.is_baseline {
            _ if marked => Marker::Custom(series.mark),
            true => Marker::Quadrant,
            false => Marker::Braille,
        };
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
    let subjects = state.subjects(model);
    let has_several = state.axis(model).are_numbers();
    let drawn: Vec<Option<usize>> = subjects.iter().map(|subject| state.line_of(subject, model)).collect();
    let unpriced = |name: &String| {
        let layer = model.summary.layers.iter().find(|layer| layer.name == *name);
        layer.is_some_and(|layer| layer.ops_per_update.is_none())
    };
    let row = |at: usize| ChartLine {
        name: name_of(&subjects[at], has_several, model, theme),
        drawn: drawn[at],
        is_unpriced: matches!(&subjects[at], Subject::Layer(name) if unpriced(name)),
    };
    let note = Line::styled(" Enter draws ", theme.dim);
    let list = ListView::new("Lines".to_owned(), note, &CHART_LINES, subjects.len(), &row);
    state.places.list = list.draw(frame, area, &mut state.chart_lines, model, theme);
}

/// Draws the values at the cursor, or the newest ones.
fn draw_values(
    frame: &mut Frame<'_>,
    area: Rect,
    (all, axis): (&[ChartSeries], &BatchAxis),
    listless: bool,
    model: &ViewModel,
    theme: &Theme,
    state: &mut UiState,
) {
    if area.height == 0 {
        return;
    }
    let at = state.charts.cursor.and_then(|at| axis.nearest(at));
    let place = at.map(|stop| stop.place);
    let names = all.iter().map(|series| series.name.within(NAME).width()).max().unwrap_or(0);
    let lines = std::iter::once(place_line(at, axis, listless, area.width, model, theme, state))
        .chain(all.iter().map(|series| value_line(series, names, place, usize::from(area.width), theme)));
    for (line, row) in lines.zip(area.rows()) {
        frame.render_widget(line, row);
    }
}

/// The batches that the values come from: those at the cursor, or the newest.
fn place_line(
    at: Option<Stop>,
    axis: &BatchAxis,
    listless: bool,
    width: u16,
    model: &ViewModel,
    theme: &Theme,
    state: &mut UiState,
) -> Line<'static> {
    let mut spans = match at.or(axis.stops().last().copied()) {
        Some(_) if at.is_none() && axis.are_numbers() => vec![Span::raw(" newest batch of each run")],
        Some(stop) => {
            let what = if stop.first == stop.last { "batch" } else { "batches" };
            vec![Span::raw(format!(" {what} {}", numbers(&stop)))]
        }
        None => vec![Span::raw(" no batch yet")],
    };
    let points = axis.spans(model.run.history()).into_iter().zip(model.run.history().points());
    let place = at.map_or(axis.last_place(), |stop| stop.place);
    // Those of several runs may differ.
    let point = points.filter(|_| !axis.are_numbers()).find(|(span, _)| span.1 == place);
    let samples = point.map(|(_, point)| numbered(point.sums.samples, ["sample", "samples"]));
    spans.extend(samples.map(|samples| Span::raw(format!(", {samples}"))));
    if at.is_none() && !axis.are_numbers() && !axis.stops().is_empty() {
        spans.push(Span::styled(", the newest", theme.dim));
    }
    if listless {
        let subjects = state.subjects(model);
        state.chart_lines.settle(subjects.len(), 1);
        let selected = subjects.get(state.chart_lines.selected).unwrap_or(&Subject::Total);
        let name = name_of(selected, axis.are_numbers(), model, theme);
        spans.push(Span::styled(format!("  Enter: {}", name.within(20)), theme.accent));
    }
    fitting(spans, width)
}

/// The values of one line; the longest name of all takes `names` columns.
fn value_line(
    series: &ChartSeries,
    names: usize,
    cursor: Option<f64>,
    width: usize,
    theme: &Theme,
) -> Line<'static> {
    let [running, alone] = series.reading(cursor);
    let value = |points: &[(f64, f64)], place: Option<f64>| place.and_then(|place| value_at(points, place));
    let figure = |value: Option<f64>, half_width, text: fn(f64, Option<f64>) -> String| {
        value.map_or("–".to_owned(), |value| text(value, half_width))
    };
    let running = |points: &CurvePoints, text| {
        figure(value(&points.running, running), value(&points.half_widths, running), text)
    };
    let alone = |points: &CurvePoints, text| figure(value(&points.single, alone), None, text);
    let (operations, sparsities) = (&series.operations, &series.sparsities);
    // Where there is no room, the figures of the single batch go first, then the captions.
    let (roomy, single_too) = (width >= 84 + names.clamp(8, 16), width >= 60);
    let precise: fn(f64, Option<f64>) -> String =
        if roomy { |value, half_width| decimal_within(value, 2, half_width) } else { compact_within };
    let captions = if roomy { [" effective ", " sparsity "] } else { [" ", " "] };
    let digits = if roomy { 14 } else { 6 };
    let room = if roomy { (width - 84).min(NAME) } else { width.saturating_sub(50).clamp(8, 28) };
    let room = room.min(names.max(8));
    let single = |text: String, width: usize| {
        let text = if single_too { format!(" batch {text:>width$} ") } else { String::new() };
        Span::styled(text, theme.dim)
    };
    let parts = vec![
        Span::styled(format!(" {} {:<room$}", series.mark, series.name.within(room)), series.style),
        Span::styled(captions[0], theme.dim),
        Span::raw(format!("{:>digits$}", running(operations, precise))),
        single(alone(operations, precise), digits),
        Span::styled(captions[1], theme.dim),
        Span::raw(format!("{:>8}", running(sparsities, percent_within))),
        single(alone(sparsities, percent_within), 8),
    ];
    fitting(parts, width as u16)
}
