//! Layers × time steps: a heat map of which part of the neurons was updated in which step, over all batches, with
//! the sums at its edges.

use super::super::bindings::Action;
use super::super::columns::Cell;
use super::super::heat;
use super::super::list_state::ListPlaces;
use super::super::step_axis::StepAxis;
use super::list::{draw_bar, draw_position};
use super::wrap::fitting;
use super::{Theme, UiState, ViewModel, bars, panel};
use crate::figures::LayerFigures;
use crate::run::tally::quotient;
use crate::text::{compact, elide, elide_common, percent, thousands};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// The fewest and the most columns for names.
const NAMES: (u16, u16) = (8, 40);

/// From this width on, sums are written with all digits.
const ROOMY: u16 = 100;

/// The sums over the layers that are shown.
struct StepSums {
    /// The updates of each step.
    by_step: Vec<u128>,
    /// All updates, and with them those of steps that are not kept one by one.
    all: u128,
    /// The largest part of a layer's neurons that was updated in a step, apart from the first one.
    highest: f64,
}

/// The updates of each time step of a layer, summed over all batches.
pub(super) fn by_step<'a>(layer: &LayerFigures, model: &'a ViewModel) -> &'a [u128] {
    let sums = layer.index.and_then(|at| model.run.tally().layers().get(at));
    sums.map(|sums| &sums.updates_by_step[..]).unwrap_or_default()
}

impl StepSums {
    fn new(shown: &[usize], model: &ViewModel) -> Self {
        let mut sums = Self { by_step: Vec::new(), all: 0, highest: 0.0 };
        for layer in shown.iter().map(|&at| &model.summary.layers[at]) {
            let steps = by_step(layer, model);
            if sums.by_step.len() < steps.len() {
                sums.by_step.resize(steps.len(), 0);
            }
            for (sum, updates) in sums.by_step.iter_mut().zip(steps) {
                *sum += updates;
            }
            sums.all += layer.sums.updates.unwrap_or_default().effective;
            let most = steps.iter().skip(1).copied().max().unwrap_or(0);
            sums.highest = sums.highest.max(quotient(most, steps.first().copied().unwrap_or(0)));
        }
        sums
    }
}

/// Where the parts of the view go.
struct StepPlaces {
    head: Rect,
    rows: Rect,
    totals: Rect,
    values: Rect,
    legend: Rect,
    names: u16,
    sums: u16,
}

impl StepPlaces {
    /// For so many layers, with names of so many columns. Lines that the layers do not need are the sums'.
    fn new(inner: Rect, layers: usize, names: u16) -> Self {
        let totals = match inner.height {
            ..6 => 0,
            6..14 => 1,
            14..30 => 2,
            _ => 4,
        };
        let spare = inner.height.saturating_sub(3).saturating_sub(u16::try_from(layers).unwrap_or(u16::MAX));
        let totals = totals.max(spare.min(inner.height * 2 / 3));
        let line = |from: u16| Constraint::Length(u16::from(inner.height >= from));
        let [head, rows, totals, values, legend] =
            Layout::vertical([line(3), Constraint::Fill(1), Constraint::Length(totals), line(2), line(5)])
                .areas(inner);
        let sums = if inner.width >= ROOMY { 16 } else { 8 };
        let sums = if inner.width < 24 { 0 } else { sums };
        Self { head, rows, totals, values, legend, names: names.min(inner.width / 3), sums }
    }

    /// The columns of the heat map, in some of its rows.
    fn map(&self, rows: Rect) -> Rect {
        let left = self.names + 1;
        Rect { x: rows.x + left.min(rows.width), width: rows.width.saturating_sub(left + self.sums), ..rows }
    }

    /// The columns of the sums.
    fn edge(&self, rows: Rect) -> Rect {
        Rect { x: rows.right() - self.sums, width: self.sums, ..rows }
    }
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    let layers = &model.summary.layers;
    let shown = state.layers_in_order(layers);
    state.step_rows.selected = state.layer_place(layers).map_or(0, |(at, _)| at);
    let note = if shown.len() < layers.len() {
        format!(" {} of {} layers ", shown.len(), layers.len())
    } else {
        " all batches ".to_owned()
    };
    let note = Line::styled(note, theme.dim);
    let inner = panel(frame, area, "Updates by layer and time step", note, theme);
    let sums = StepSums::new(&shown, model);
    if sums.by_step.is_empty() {
        let what = if shown.is_empty() && !layers.is_empty() {
            "No layer's name matches the filter."
        } else {
            "no membrane update yet"
        };
        return frame.render_widget(Line::styled(format!(" {what}"), theme.dim), inner);
    }
    let first =
        state.step_rows.settle(shown.len(), usize::from(StepPlaces::new(inner, shown.len(), 0).rows.height));
    let seen: Vec<&LayerFigures> =
        shown.iter().skip(first).take(inner.height.into()).map(|&at| &layers[at]).collect();
    let longest = seen
        .iter()
        .map(|layer| elide(model.layer_name(&layer.name), inner.width.into()).width())
        .max()
        .unwrap_or(0);
    let places = StepPlaces::new(inner, shown.len(), (longest as u16).clamp(NAMES.0, NAMES.1));
    let is_tight = longest > usize::from(places.names);
    let axis = StepAxis::within(places.map(places.rows), sums.by_step.len());
    state.step = state.step.map(|step| step.min(axis.steps - 1));
    draw_head(frame, &places, axis, theme, state);
    for ((at, layer), row) in seen.iter().enumerate().zip(places.rows.rows()) {
        let is_selected = first + at == state.step_rows.selected;
        let name = Cell::layer(&layer.name, theme.strong, model);
        let name = match is_tight {
            true => elide_common(&name.text, name.common, places.names.into(), false),
            false => elide(&name.text, places.names.into()),
        };
        draw_row(frame, row, &places, axis, (layer, &name, sums.highest, is_selected), model, theme);
    }
    draw_totals(frame, &places, axis, &sums, theme, state);
    let selected = shown.get(state.step_rows.selected).map(|&at| &layers[at]);
    draw_values(frame, places.values, selected, &sums, model, theme, state);
    draw_legend(frame, places.legend, axis, &sums, theme);
    draw_bar(frame, places.rows, &state.step_rows, theme);
    draw_position(frame, area, &state.step_rows, theme);
    note_places(&places, axis, inner, seen.len(), state);
}

/// Notes what can be clicked on.
fn note_places(places: &StepPlaces, axis: StepAxis, inside: Rect, seen: usize, state: &mut UiState) {
    let height = places.totals.bottom().saturating_sub(places.head.y);
    state.places.steps = Some(StepAxis { area: Rect { y: places.head.y, height, ..axis.area }, ..axis });
    let rows = Rect { height: places.rows.height.min(seen as u16), ..places.rows };
    state.places.list =
        ListPlaces { rows, inside, position: state.step_rows.position(), ..ListPlaces::default() };
}

fn draw_head(frame: &mut Frame<'_>, places: &StepPlaces, axis: StepAxis, theme: &Theme, state: &UiState) {
    let head = places.head;
    frame.render_widget(Line::styled(elide("layer", places.names.into()), theme.dim), head);
    frame.render_widget(Line::styled("updates", theme.dim).right_aligned(), places.edge(head));
    let numbers = Rect { y: head.y, height: head.height, ..axis.area };
    draw_numbers(frame, numbers, axis, state.step, theme);
}

/// Writes the numbers of the steps, which begin with 1: that of the cursor, then as many others as fit.
pub(super) fn draw_numbers(
    frame: &mut Frame<'_>,
    line: Rect,
    axis: StepAxis,
    cursor: Option<usize>,
    theme: &Theme,
) {
    let mut taken: Vec<Rect> = Vec::new();
    let labels = axis.labelled().into_iter().map(|step| (step, theme.dim));
    let limit = Rect { x: axis.area.x, width: axis.area.width, ..line };
    for (step, style) in cursor.map(|step| (step, theme.selected)).into_iter().chain(labels) {
        let text = (step + 1).to_string();
        let columns = axis.columns(axis.group(step));
        let middle = columns.start + (columns.len() as u16).saturating_sub(1) / 2;
        let width = text.len() as u16;
        let x = (middle.saturating_sub(width.saturating_sub(1) / 2))
            .min(limit.right().saturating_sub(width))
            .max(limit.x);
        let place = Rect { x, width, ..limit }.intersection(limit);
        let touches = |other: &Rect| place.x <= other.right() && other.x <= place.right();
        if place.width == width && !taken.iter().any(touches) {
            frame.render_widget(Line::styled(text, style), place);
            taken.push(place);
        }
    }
}

/// Draws a layer: its name, the part of its neurons that was updated in each step, its updates in all.
fn draw_row(
    frame: &mut Frame<'_>,
    row: Rect,
    places: &StepPlaces,
    axis: StepAxis,
    (layer, name, highest, is_selected): (&LayerFigures, &str, f64, bool),
    model: &ViewModel,
    theme: &Theme,
) {
    let style = if is_selected { theme.selected } else { theme.strong };
    let names = usize::from(places.names);
    frame.render_widget(Span::styled(format!("{name:<names$}"), style), row);
    let updates = layer.sums.updates.unwrap_or_default().effective;
    frame.render_widget(Line::raw(written(updates, places.sums)).right_aligned(), places.edge(row));
    let steps = by_step(layer, model);
    let Some(&all) = steps.first() else { return };
    for group in 0..axis.groups() {
        let range = axis.steps_of(group);
        // In the first step, all neurons are updated by definition.
        let counted = steps.get(range.start.max(1)..range.end.min(steps.len())).unwrap_or_default();
        let mean = match counted.len() {
            0 => None,
            steps => Some(quotient(counted.iter().sum(), all) / steps as f64),
        };
        let is_first = counted.is_empty() && range.start == 0;
        for x in axis.columns(group) {
            let cell = &mut frame.buffer_mut()[(x, row.y)];
            match mean {
                Some(share) => heat::paint(cell, if highest > 0.0 { share / highest } else { 0.0 }, theme),
                None if is_first => {
                    cell.set_char('•').set_style(theme.dim);
                }
                None => {}
            }
        }
    }
}

/// With all digits, or in a few.
fn written(updates: u128, room: u16) -> String {
    let whole = thousands(updates);
    if whole.width() < usize::from(room) { whole } else { compact(updates as f64) }
}

/// Draws the updates of all layers in each step as bars; the first step's is cut at the highest of the others.
fn draw_totals(
    frame: &mut Frame<'_>,
    places: &StepPlaces,
    axis: StepAxis,
    sums: &StepSums,
    theme: &Theme,
    state: &UiState,
) {
    let rows = places.totals;
    if rows.is_empty() {
        return;
    }
    let last = Rect { y: rows.bottom() - 1, height: 1, ..rows };
    frame.render_widget(Line::styled(elide("together", places.names.into()), theme.dim), last);
    let all = Line::styled(written(sums.all, places.sums), theme.strong);
    frame.render_widget(all.right_aligned(), places.edge(last));
    let values: Vec<f64> = sums.by_step.iter().map(|&updates| updates as f64).collect();
    let highest = values.iter().skip(1).copied().fold(0.0, f64::max);
    let area = Rect { y: rows.y, height: rows.height, ..axis.area };
    bars::draw(frame, area, &values, if highest > 0.0 { highest } else { f64::MAX }, theme.running);
    mark_step(frame, area, axis, state.step, theme);
}

/// Marks the bar at the cursor.
pub(super) fn mark_step(
    frame: &mut Frame<'_>,
    area: Rect,
    axis: StepAxis,
    step: Option<usize>,
    theme: &Theme,
) {
    let Some(group) = step.map(|step| axis.group(step)) else { return };
    let columns = axis.columns(group);
    let middle = columns.start + (columns.len() as u16).saturating_sub(1) / 2;
    for (x, y) in columns.flat_map(|x| (area.top()..area.bottom()).map(move |y| (x, y))) {
        let cell = &mut frame.buffer_mut()[(x, y)];
        if cell.symbol() != " " {
            cell.set_style(theme.single);
        } else if x == middle {
            cell.set_char('╎').set_style(theme.dim);
        }
    }
}

/// Writes the values at the cursor; without one, the sums of the selected layer.
fn draw_values(
    frame: &mut Frame<'_>,
    area: Rect,
    selected: Option<&LayerFigures>,
    sums: &StepSums,
    model: &ViewModel,
    theme: &Theme,
    state: &UiState,
) {
    let Some(layer) = selected.filter(|_| area.height > 0) else { return };
    let room = usize::from(area.width / 3).max(8);
    let name = Cell::layer(&layer.name, theme.accent, model).within(room);
    let steps = by_step(layer, model);
    let Some(step) = state.step else {
        let updates = layer.sums.updates.unwrap_or_default().effective;
        let keys = [-1, 1].map(|step| state.keys.first_key(Action::Side(step)).unwrap_or_default());
        let keys = theme.appearance.symbols.label(keys.join(" ").trim());
        let parts = vec![
            Span::styled(format!(" {name}"), theme.accent),
            Span::raw(format!(" {} updates in {} steps", thousands(updates), steps.len())),
            Span::styled(if keys.is_empty() { keys } else { format!("; {keys} read one step") }, theme.dim),
        ];
        return frame.render_widget(fitting(parts, area.width), area);
    };
    frame.render_widget(fitting(at_step(&name, step, steps, sums, theme), area.width), area);
}

/// What a layer, and all layers together, did in a step.
fn at_step(name: &str, step: usize, steps: &[u128], sums: &StepSums, theme: &Theme) -> Vec<Span<'static>> {
    let mut parts = vec![
        Span::styled(format!(" step {}", step + 1), theme.strong),
        Span::styled(format!(" {name}"), theme.accent),
    ];
    match (steps.get(step), steps.first()) {
        (Some(&updates), Some(&all)) => {
            let neurons = if step == 0 {
                "all neurons, by definition".to_owned()
            } else {
                format!("{} of its neurons", percent(quotient(updates, all)))
            };
            parts.push(Span::raw(format!(" {neurons}")));
            parts.push(Span::styled(format!(", {} updates", thousands(updates)), theme.dim));
        }
        _ => parts.push(Span::styled(" has no such step", theme.dim)),
    }
    let together = sums.by_step.get(step).copied().unwrap_or(0);
    parts.push(Span::raw(format!("; together {}", thousands(together))));
    parts
        .push(Span::styled(format!(", {} of all updates", percent(quotient(together, sums.all))), theme.dim));
    parts
}

fn draw_legend(frame: &mut Frame<'_>, area: Rect, axis: StepAxis, sums: &StepSums, theme: &Theme) {
    let mut parts = heat::scale(&percent(sums.highest), theme);
    parts.push(Span::styled(" of the neurons", theme.dim));
    let together = axis.steps.div_ceil(axis.groups().max(1));
    if together > 1 {
        parts.push(Span::styled(format!("  a column: the mean of up to {together} steps"), theme.warn));
    }
    if sums.by_step.iter().sum::<u128>() < sums.all {
        parts.push(Span::styled("  later steps are not kept one by one", theme.warn));
    }
    parts.push(Span::styled("  • the first step updates all", theme.dim));
    frame.render_widget(fitting(parts, area.width), area);
}
