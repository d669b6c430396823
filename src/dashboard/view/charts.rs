//! The charts: operations per sample and sparsity over the batches, of the total and of layers, together.

use super::super::charting::{Lines, Scale, Subject, nearest, places};
use super::super::state::State;
use super::super::symbols::Symbols;
use super::super::theme::ThemeName;
use super::plot::{Curve, OPERATIONS, Plot, SPARSITIES, Shape, dots, numbers};
use super::wrap::fitting;
use super::{Scene, panel, plot};
use crate::figures::sparsity;
use crate::run::tally::quotient;
use crate::text::{compact, compact_by, decimal, elide, percent, thousands};
use ratatui::Frame;
use ratatui::layout::{Constraint, Direction, Layout, Rect};
use ratatui::style::Style;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table, TableState};
use unicode_width::UnicodeWidthStr;

/// Columns of the list of what can be drawn, and the width from which on it is there.
const LIST: u16 = 28;
const WITH_LIST: u16 = 90;

/// From here on the charts stand beside one another.
const BESIDE: u16 = 150;

/// The most columns of a name below the charts.
const NAME: usize = 40;

/// The name of all priced layers together.
const TOTAL: &str = "total";

/// The figures of one subject over the batches.
struct Series {
    name: String,
    /// What stands for its curve where there are no colours.
    mark: char,
    style: Style,
    operations: Figures,
    sparsities: Figures,
}

/// Places in the run and values.
#[derive(Default)]
struct Figures {
    /// Of all batches up to the place.
    running: Vec<(f64, f64)>,
    /// Of the batches at the place alone.
    single: Vec<(f64, f64)>,
}

/// One of the two charts.
struct Chart<'a> {
    name: &'a str,
    figures: fn(&Series) -> &Figures,
    scale: Scale,
    limits: (f64, f64),
    label: &'a dyn Fn(f64, usize) -> String,
}

/// Draws the charts, the list of what can be drawn in them, and the values at the cursor.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) {
    let all = series(scene, state);
    let list = if scene.framed && area.width >= WITH_LIST { LIST } else { 0 };
    let [list, rest] = Layout::horizontal([Constraint::Length(list), Constraint::Fill(1)]).areas(area);
    let legend = (all.len() as u16 + 1).min(area.height / 3);
    let [charts, legend] = Layout::vertical([Constraint::Fill(1), Constraint::Length(legend)]).areas(rest);
    draw_list(frame, list, scene, state);
    let operations = Chart {
        name: if state.charts.scale == Scale::Linear {
            "Effective ops/sample"
        } else {
            "Effective ops/sample, log"
        },
        figures: |series| &series.operations,
        scale: state.charts.scale,
        limits: OPERATIONS,
        label: &compact_by,
    };
    let sparsities = Chart {
        name: "Sparsity",
        figures: |series| &series.sparsities,
        scale: Scale::Linear,
        limits: SPARSITIES,
        label: &|value, more| format!("{:.*} %", 1 + more, value * 100.0),
    };
    // A small terminal has room for one.
    let both = charts.height >= 14 || rest.width >= BESIDE;
    let direction = if rest.width >= BESIDE { Direction::Horizontal } else { Direction::Vertical };
    let share = [Constraint::Fill(1), Constraint::Fill(u16::from(both))];
    let [first, second] = Layout::new(direction, share).areas(charts);
    let graph = draw_chart(frame, first, &operations, &all, scene, state);
    state.places.plot = graph.map(|graph| (graph, state.charts.window(last_place(scene))));
    if both {
        draw_chart(frame, second, &sparsities, &all, scene, state);
    }
    draw_values(frame, legend, &all, list.width == 0, scene, state);
}

fn last_place(scene: &Scene<'_>) -> f64 {
    scene.history.points().iter().map(|point| point.sums.batches).sum::<u64>().max(1) as f64
}

/// The figures of what is overlaid, in the order in which it was asked for.
fn series(scene: &Scene<'_>, state: &State) -> Vec<Series> {
    let places = places(scene.history);
    let subjects = state.charts.overlaid.iter().enumerate();
    subjects.map(|(at, subject)| one_series(at, subject, &places, scene)).collect()
}

fn one_series(at: usize, subject: &Subject, places: &[f64], scene: &Scene<'_>) -> Series {
    let (name, layer) = match subject {
        Subject::Total => (TOTAL.to_owned(), None),
        Subject::Layer(name) => {
            let layers = &scene.moment.summary.layers;
            (name.clone(), Some(layers.iter().find(|layer| layer.name == *name)))
        }
    };
    let mut series = Series {
        name,
        mark: char::from_digit(at as u32 + 1, 10).unwrap_or('*'),
        style: scene.theme.series[at % scene.theme.series.len()],
        operations: Figures::default(),
        sparsities: Figures::default(),
    };
    let priced = layer.map(|layer| layer.and_then(|layer| Some((layer.index?, layer.ops_per_update?))));
    let (mut samples, mut effective, mut dense) = (0, 0, 0);
    for (point, &at) in scene.history.points().iter().zip(places) {
        let own = match priced {
            None => point.operations,
            Some(None) => break,
            Some(Some((index, price))) => point.sums.updates.get(index).unwrap_or_default().times(price),
        };
        samples += point.sums.samples;
        effective += own.effective;
        dense += own.dense;
        series.operations.running.push((at, quotient(effective, samples)));
        series.operations.single.push((at, quotient(own.effective, point.sums.samples)));
        series.sparsities.running.extend(sparsity(effective, dense).map(|value| (at, value)));
        series.sparsities.single.extend(sparsity(own.effective, own.dense).map(|value| (at, value)));
    }
    series
}

fn draw_chart(
    frame: &mut Frame<'_>,
    area: Rect,
    chart: &Chart<'_>,
    all: &[Series],
    scene: &Scene<'_>,
    state: &State,
) -> Option<Rect> {
    let inner = framed(frame, area, chart.name, zoom(scene, state), scene);
    if all.iter().all(|series| (chart.figures)(series).single.is_empty()) {
        frame.render_widget(Line::styled(" nothing to draw yet", scene.theme.dim), inner);
        return None;
    }
    let curves: Vec<Curve> = all
        .iter()
        .flat_map(|series| curves(series, (chart.figures)(series), inner.width, scene, state))
        .collect();
    let window = state.charts.window(last_place(scene));
    let &Chart { scale, limits, label, .. } = chart;
    let plot = Plot { curves: &curves, window, scale, limits, cursor: state.charts.cursor, label };
    Some(plot::draw(frame, inner, &plot, scene))
}

/// Draws a frame with a title and a note, or only the title where there are no frames.
fn framed(frame: &mut Frame<'_>, area: Rect, name: &str, note: String, scene: &Scene<'_>) -> Rect {
    if scene.framed {
        return panel(frame, area, name, Line::styled(note, scene.theme.dim), scene);
    }
    let [head, inner] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let parts = [format!(" {name}"), note].map(|part| Span::styled(part, scene.theme.accent));
    frame.render_widget(fitting(parts, head.width), head);
    inner
}

fn zoom(scene: &Scene<'_>, state: &State) -> String {
    if !state.charts.is_zoomed() {
        return String::new();
    }
    let (start, end) = state.charts.window(last_place(scene));
    let places = places(scene.history);
    let first = places.partition_point(|&place| place < start);
    let last = places.partition_point(|&place| place <= end).saturating_sub(1);
    let points = scene.history.points();
    let in_sight = points.get(first..=last).filter(|points| !points.is_empty());
    match (in_sight, points) {
        (Some([first, .., last]), [whole, .., newest]) => {
            format!(" batches {} to {} of {} to {} ", first.first, last.last, whole.first, newest.last)
        }
        (Some([only]), [whole, .., newest]) => {
            format!(" batch {} of {} to {} ", numbers(only), whole.first, newest.last)
        }
        // There is one in all, or the part in sight is between two of them.
        _ => String::new(),
    }
}

/// Dots for single batches, lines for what runs on; without colours each curve is drawn in its own mark.
fn curves(series: &Series, figures: &Figures, width: u16, scene: &Scene<'_>, state: &State) -> Vec<Curve> {
    let lines = state.charts.lines;
    let marked = state.charts.overlaid.len() > 1
        && (state.look.theme == ThemeName::Monochrome || scene.symbols == Symbols::Ascii);
    let mut curves = Vec::new();
    if lines != Lines::Running {
        let marker = if marked {
            Marker::Custom(series.mark)
        } else {
            dots(figures.single.len(), width, scene.symbols)
        };
        // Dots step back only where there are lines before them.
        let style = if lines == Lines::Both { series.style.patch(scene.theme.behind) } else { series.style };
        let points = figures.single.clone();
        curves.push(Curve { points, shape: Shape::Dots, marker, style });
    }
    if lines != Lines::Single {
        let marker = if marked { Marker::Custom(series.mark) } else { Marker::Braille };
        let points = figures.running.clone();
        curves.push(Curve { points, shape: Shape::Line, marker, style: series.style });
    }
    curves
}

/// The total and the layers; a mark shows which are drawn.
fn draw_list(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) {
    if area.width == 0 {
        return;
    }
    let inner = panel(frame, area, "Lines", Line::styled(" Enter draws ", scene.theme.dim), scene);
    let layers = &scene.moment.summary.layers;
    let subjects = state.subjects(layers);
    let first = state.subjects.settle(subjects.len(), usize::from(inner.height));
    let seen = subjects.iter().skip(first).take(usize::from(inner.height));
    let rows: Vec<Row<'_>> = seen
        .map(|subject| {
            let layer = subject.map(|at| layers[at].name.as_str());
            let drawn = state.charts.overlaid.iter().position(|other| other.is(layer));
            let (mark, style) = match drawn {
                Some(at) => ((at + 1).to_string(), scene.theme.series[at % scene.theme.series.len()]),
                None => (" ".to_owned(), scene.theme.dim),
            };
            let name = elide(layer.unwrap_or(TOTAL), usize::from(inner.width.saturating_sub(3)));
            Row::new([Line::styled(format!("{mark} {name}"), style)])
        })
        .collect();
    state.places.rows = Rect { height: rows.len() as u16, ..inner };
    let table = Table::new(rows, [Constraint::Fill(1)]).row_highlight_style(scene.theme.selected);
    let mut selection = TableState::new().with_selected(Some(state.subjects.selected - first));
    frame.render_stateful_widget(table, inner, &mut selection);
}

/// The values at the cursor, or the newest ones.
fn draw_values(
    frame: &mut Frame<'_>,
    area: Rect,
    all: &[Series],
    listless: bool,
    scene: &Scene<'_>,
    state: &mut State,
) {
    if area.height == 0 {
        return;
    }
    let places = places(scene.history);
    let at = match state.charts.cursor {
        Some(at) => nearest(&places, at),
        None => places.len().saturating_sub(1),
    };
    let names = all.iter().map(|series| elide(&series.name, NAME).width()).max().unwrap_or(0);
    let lines = std::iter::once(place_line(at, listless, area.width, scene, state)).chain(
        all.iter().map(|series| value_line(series, names, places.get(at), usize::from(area.width), scene)),
    );
    for (line, row) in lines.zip(area.rows()) {
        frame.render_widget(line, row);
    }
}

/// Which batches the values are of.
fn place_line(at: usize, listless: bool, width: u16, scene: &Scene<'_>, state: &mut State) -> Line<'static> {
    let mut spans = match scene.history.points().get(at) {
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
        spans.push(Span::styled(", the newest", scene.theme.dim));
    }
    if listless {
        let layers = &scene.moment.summary.layers;
        let subjects = state.subjects(layers);
        state.subjects.settle(subjects.len(), 1);
        let selected = subjects.get(state.subjects.selected).copied().flatten();
        let name = elide(selected.map_or(TOTAL, |at| &layers[at].name), 20);
        spans.push(Span::styled(format!("  Enter: {name}"), scene.theme.accent));
    }
    fitting(spans, width)
}

/// The values of one line; the longest name of all takes `names` columns.
fn value_line(
    series: &Series,
    names: usize,
    place: Option<&f64>,
    width: usize,
    scene: &Scene<'_>,
) -> Line<'static> {
    let value = |points: &[(f64, f64)]| {
        let at = points.partition_point(|point| Some(&point.0) < place);
        points.get(at).filter(|point| Some(&point.0) == place).map(|point| point.1)
    };
    let figure = |points: &[(f64, f64)], text: fn(f64) -> String| value(points).map_or("–".to_owned(), text);
    let (operations, sparsities) = (&series.operations, &series.sparsities);
    // The figures of the single batch give way first, then the captions.
    let (roomy, single_too) = (width >= 100, width >= 60);
    let precise: fn(f64) -> String = if roomy { |value| decimal(value, 2) } else { compact };
    let captions = if roomy { [" effective ", " sparsity "] } else { [" ", " "] };
    let digits = if roomy { 14 } else { 6 };
    let room = if roomy { (width - 78).min(NAME) } else { width.saturating_sub(50).clamp(8, 28) };
    let room = room.min(names.max(8));
    let single = |text: String, width: usize| {
        let text = if single_too { format!(" batch {text:>width$} ") } else { String::new() };
        Span::styled(text, scene.theme.dim)
    };
    let parts = vec![
        Span::styled(format!(" {} {:<room$}", series.mark, elide(&series.name, room)), series.style),
        Span::styled(captions[0], scene.theme.dim),
        Span::raw(format!("{:>digits$}", figure(&operations.running, precise))),
        single(figure(&operations.single, precise), digits),
        Span::styled(captions[1], scene.theme.dim),
        Span::raw(format!("{:>8}", figure(&sparsities.running, percent))),
        single(figure(&sparsities.single, percent), 8),
    ];
    fitting(parts, width as u16)
}
