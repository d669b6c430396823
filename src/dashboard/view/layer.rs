//! One layer: its figures, the updates in each time step, and its neurons and membrane potentials in the newest batch.

use super::super::bindings::Action;
use super::super::changes::{self, FigureRow};
use super::super::detail_loader::DetailResult;
use super::super::list_state::Motion;
use super::super::step_axis::StepAxis;
use super::super::ticks::{decimals, round_ticks};
use super::steps::{by_step, draw_numbers, mark_step};
use super::wrap::fitting;
use super::{Theme, UiState, ViewModel, bars, neurons, panel};
use crate::count::NeuronCounts;
use crate::count::layer_detail::Potentials;
use crate::figures::{Figure, FigureUnit, LayerFigures, Number};
use crate::run::Ended;
use crate::run::tally::quotient;
use crate::text::{compact, compact_within, decimal_within, elide, percent, percent_within, thousands};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

/// Stands for the cost of a layer without a price.
const UNPRICED: &str = "unpriced";

/// Up to this height, the time steps have no line for values.
const BARE: u16 = 2;

/// From this width on, the time steps have a scale.
const SCALED: u16 = 24;

/// From this width on, the three pictures are side by side.
const WIDE: u16 = 110;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    let layers = &model.summary.layers;
    state.layers.settle(state.layer_rows(layers).len(), usize::from(area.height));
    let (Some(index), Some((at, shown))) = (state.selected_index(layers), state.layer_place(layers)) else {
        let what =
            if layers.is_empty() { "No layer is known yet." } else { "No layer's name matches the filter." };
        return frame.render_widget(Line::styled(format!(" {what}"), theme.dim), area);
    };
    let layer = &LayerFigures { uncertainty: model.uncertainty_of(&[index]), ..layers[index].clone() };
    let detail = model.detail.as_deref().filter(|detail| detail.key.layer == layer.name);
    let place = format!("{} of {shown}", at + 1);
    if theme.framed {
        let keys: Vec<String> = [-1, 1]
            .map(|rows| Action::Go(Motion::Rows(rows)))
            .iter()
            .filter_map(|&go| state.keys.first_key(go))
            .collect();
        let keys = theme.appearance.symbols.label(&keys.join(" "));
        let place = if keys.is_empty() { place } else { format!("{place}, {keys} for others") };
        return draw_framed(frame, area, (layer, &place, detail), model, theme, state);
    }
    let [facts, steps, potentials] =
        Layout::vertical([Constraint::Length(3), Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    frame.render_widget(Paragraph::new(short_facts(layer, &place, area.width, model, theme)), facts);
    draw_steps(frame, steps, layer, model, theme, state);
    if state.step.is_some() && steps.height <= BARE {
        // The bars have no room for the values at the cursor.
        let values = step_values(layer, by_step(layer, model), 0.0, potentials.width, theme, state.step);
        return frame.render_widget(values, potentials);
    }
    let read = detail.and_then(|detail| detail.result.as_ref().ok()?.potentials.as_ref());
    if let Some(found) = read.or(exported_potentials(layer, model).map(|(_, found)| found)) {
        frame.render_widget(statistics(found, potentials.width, theme), potentials);
    }
}

/// The batch and the potentials in it that an exported summary has of a layer.
fn exported_potentials<'a>(layer: &LayerFigures, model: &'a ViewModel) -> Option<(&'a str, &'a Potentials)> {
    let exported = model.run.potentials()?;
    Some((&exported.batch, exported.layers.get(&layer.name)?))
}

fn draw_framed(
    frame: &mut Frame<'_>,
    area: Rect,
    (layer, place, detail): (&LayerFigures, &str, Option<&DetailResult>),
    model: &ViewModel,
    theme: &Theme,
    state: &mut UiState,
) {
    let height = 5 + u16::from(layer.sums.neurons.is_some());
    let [facts, rest] = Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(area);
    draw_facts(frame, facts, layer, place, detail, model, theme);
    let [steps, map, histogram] = if area.width >= WIDE {
        Layout::horizontal([Constraint::Fill(1); 3]).areas(rest)
    } else {
        let [left, map] = Layout::horizontal([Constraint::Fill(1); 2]).areas(rest);
        let [steps, histogram] = Layout::vertical([Constraint::Fill(1); 2]).areas(left);
        [steps, map, histogram]
    };
    let inner = titled(frame, steps, "Updates by time step", ["all batches", "all"], theme);
    draw_steps(frame, inner, layer, model, theme, state);
    let exported = exported_potentials(layer, model);
    let batch = detail.map_or("", |detail| &detail.key.batch);
    let map = titled(frame, map, "Neurons by update rate", [batch, "newest"], theme);
    let batch = exported.map_or(batch, |(batch, _)| batch);
    let histogram = titled(frame, histogram, "Membrane potentials", [batch, "newest"], theme);
    match detail.map(|detail| &detail.result) {
        None => {
            let what = match (model.run.newest_batch(), model.run.ended()) {
                (Some(_), _) => "reading the newest batch",
                (None, Some(Ended::Done)) => "an exported summary has no batches: watch the run itself",
                (None, _) => "no batch yet",
            };
            say(frame, map, what, theme);
            match exported {
                Some((_, potentials)) => draw_potentials(frame, histogram, potentials, theme),
                None => say(frame, histogram, what, theme),
            }
        }
        Some(Err(why)) => {
            say(frame, map, why, theme);
            say(frame, histogram, why, theme);
        }
        Some(Ok(detail)) => {
            neurons::draw(frame, map, detail, theme, state);
            match &detail.potentials {
                Some(potentials) => draw_potentials(frame, histogram, potentials, theme),
                None => say(frame, histogram, "the batch has packed bits, which carry no potentials", theme),
            }
        }
    }
}

/// Draws a frame with a title and, where there is room, a note, or a shorter one.
fn titled(frame: &mut Frame<'_>, area: Rect, name: &str, [note, short]: [&str; 2], theme: &Theme) -> Rect {
    let room = usize::from(area.width).saturating_sub(name.width() + 8);
    let note = match room {
        _ if note.is_empty() => String::new(),
        12.. => format!(" {} ", elide(note, room)),
        _ if short.width() <= room => format!(" {short} "),
        _ => String::new(),
    };
    panel(frame, area, name, Line::styled(note, theme.dim), theme)
}

fn say(frame: &mut Frame<'_>, area: Rect, what: &str, theme: &Theme) {
    let room = usize::from(area.width) * usize::from(area.height);
    let text = Paragraph::new(elide(what, room)).style(theme.dim).wrap(Wrap { trim: true });
    frame.render_widget(text, area);
}

/// Columns from which on it is worth to say why a layer has no price.
const UNPRICED_ROOM: usize = 30;

/// Why the layer has no price, before where it is among the others; without the keys for these where there is no room.
fn unpriced(layer: &LayerFigures, place: &str, width: usize, theme: &Theme) -> Option<Line<'static>> {
    let why = layer.unpriced.as_deref()?;
    let whole = format!(" layer {place} ");
    let short = format!(" {} ", place.split(',').next().unwrap_or_default());
    let room = |walk: &str| width.saturating_sub(layer.name.width() + walk.width() + 18);
    let walk = [whole, short].into_iter().find(|walk| room(walk) >= UNPRICED_ROOM)?;
    let why = format!(" unpriced: {}", elide(why, room(&walk)));
    Some(Line::from(vec![Span::styled(why, theme.warn), Span::styled(walk, theme.dim)]))
}

fn draw_facts(
    frame: &mut Frame<'_>,
    area: Rect,
    layer: &LayerFigures,
    place: &str,
    detail: Option<&DetailResult>,
    model: &ViewModel,
    theme: &Theme,
) {
    let room = usize::from(area.width).saturating_sub(place.width() + 24);
    let walk = unpriced(layer, place, usize::from(area.width), theme)
        .unwrap_or_else(|| Line::styled(format!(" layer {place} "), theme.dim));
    let inner = panel(frame, area, elide(model.layer_name(&layer.name), room), walk, theme);
    let facts = facts(layer, detail, model, theme);
    let [inner, below] = Layout::vertical([Constraint::Length(3), Constraint::Fill(1)]).areas(inner);
    frame.render_widget(activity(layer, below.width), below);
    let rows: [Rect; 3] = Layout::vertical([Constraint::Length(1); 3]).areas(inner);
    let columns = |row| Layout::horizontal([Constraint::Fill(1); 4]).areas::<4>(row);
    let places: Vec<Rect> = rows.into_iter().flat_map(columns).collect();
    let room = |place: &Rect| usize::from(place.width).saturating_sub(1);
    // All in the same form: next to figures with a name or a change, one without it reads as another figure.
    let fits = |form: &FactForm| {
        facts.iter().zip(&places).all(|(fact, place)| fact.words(*form, room(place)).is_some())
    };
    let form = FactForm::ALL.into_iter().find(fits).unwrap_or(FactForm::Values);
    for (fact, place) in facts.iter().zip(&places) {
        frame.render_widget(fact.line(form, room(place), theme), *place);
    }
}

/// How much of each fact is shown, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FactForm {
    /// Names, values, and their changes against the baseline.
    Whole,
    /// Names and values.
    Named,
    /// Values.
    Values,
}

impl FactForm {
    const ALL: [Self; 3] = [Self::Whole, Self::Named, Self::Values];
}

/// What a figure is called, the longest first.
type Labels = &'static [&'static str];

/// A figure with its labels, and a shorter form of its value.
struct Fact {
    labels: Labels,
    value: String,
    /// The value in a few digits; `None` where it is text, which may be shortened in the middle.
    short_value: Option<String>,
    /// Its change against the baseline.
    change: Option<Span<'static>>,
}

impl Fact {
    fn change(&self, form: FactForm) -> Option<&Span<'static>> {
        self.change.as_ref().filter(|_| form == FactForm::Whole)
    }

    /// The label, followed by a space, and the value: the longest that fit, with the value's digits before the label's
    /// words.
    fn words(&self, form: FactForm, room: usize) -> Option<(String, &str)> {
        let change = self.change(form).map_or(0, |change| change.width() + 1);
        let labels: Vec<String> = match form {
            FactForm::Whole | FactForm::Named => {
                self.labels.iter().map(|label| format!("{label} ")).collect()
            }
            FactForm::Values => vec![String::new()],
        };
        let values = std::iter::once(&self.value).chain(&self.short_value);
        let mut choices = values.flat_map(|value| labels.iter().map(move |label| (label, value)));
        let least = |value: &str| if self.short_value.is_some() { value.width() } else { 1 };
        let fits = |(label, value): &(&String, &String)| label.width() + least(value) + change < room;
        choices.find(fits).map(|(label, value)| (label.clone(), value.as_str()))
    }

    fn line(&self, form: FactForm, room: usize, theme: &Theme) -> Line<'static> {
        let Some((label, value)) = self.words(form, room) else { return Line::default() };
        let value = elide(value, room.saturating_sub(label.width()));
        let style = if value == UNPRICED { theme.warn } else { theme.strong };
        let mut line =
            Line::from(vec![Span::raw(" "), Span::styled(label, theme.dim), Span::styled(value, style)]);
        line.extend(self.change(form).into_iter().flat_map(|change| [Span::raw(" "), change.clone()]));
        line
    }
}

/// A value with all digits, and with a few.
type Value = (String, Option<String>);

fn word(text: impl Into<String>) -> Value {
    (text.into(), None)
}

fn number(text: String, value: f64) -> Value {
    (text, Some(compact(value)))
}

fn part(value: Option<f64>, half_width: Option<f64>) -> Value {
    let text = value.map(|value| percent_within(value, half_width));
    text.map_or_else(|| word("–"), |text| (text.clone(), Some(text)))
}

/// A figure with the digits that its half width leaves.
fn figure(figure: &Figure, layer: &LayerFigures) -> Value {
    let half_width = layer.half_width(figure);
    match figure.number(&layer.sums).map(Number::as_f64) {
        Some(value) if figure.unit != FigureUnit::Ratio => {
            (decimal_within(value, 2, half_width), Some(compact_within(value, half_width)))
        }
        value => part(value, half_width),
    }
}

/// What is known of the layer from the start, then what its neurons did.
fn facts(layer: &LayerFigures, detail: Option<&DetailResult>, model: &ViewModel, theme: &Theme) -> Vec<Fact> {
    let none = || word("–");
    let count = |value: u128| number(thousands(value), value as f64);
    let share = layer.sums.share_of(model.summary.total_of_all().sums.effective().unwrap_or_default());
    let updates = layer.sums.updates.unwrap_or_default();
    let counted = by_step(layer, model).len() as u64;
    let detail = detail.and_then(|detail| detail.result.as_ref().ok());
    // The newest batch may have fewer than others, and those of very long runs are not counted one by one.
    let steps = detail.map(|detail| detail.steps).max((counted > 0).then_some(counted));
    let shape = layer.shape.as_ref().map_or_else(none, |shape| {
        let axes: Vec<String> = shape.iter().map(u64::to_string).collect();
        let neurons = shape.iter().map(|&axis| axis as f64).product();
        number(if axes.is_empty() { "1".to_owned() } else { axes.join("×") }, neurons)
    });
    let cost = layer.ops_per_update.map_or_else(
        || word(UNPRICED),
        |ops| {
            let measured = if layer.is_measured() { ", measured" } else { "" };
            (format!("{} ops/update{measured}", thousands(ops.into())), layer.cost_text())
        },
    );
    let facts: [(Labels, Value); 8] = [
        (&["neuron"], word(layer.neuron.as_deref().unwrap_or("?"))),
        (&["reset"], word(layer.reset.as_deref().unwrap_or("?"))),
        (&["cost"], cost),
        (&["neurons"], shape),
        (&["time steps", "steps"], steps.map_or_else(none, |steps| count(steps.into()))),
        (&["updates", "upd."], count(updates.effective)),
        (&["of dense", "of"], count(updates.dense)),
        (&["share of effective", "share"], part(share, None)),
    ];
    let facts = facts.map(|(labels, (value, short_value))| Fact { labels, value, short_value, change: None });
    let compared: [(Labels, &'static Figure); 4] = [
        (&["effective/sample", "eff./sample", "eff."], Figure::EFFECTIVE_PER_SAMPLE),
        (&["dense/sample", "dense"], Figure::DENSE_PER_SAMPLE),
        (&["updates/sample", "upd./sample", "upd."], Figure::MEMBRANE_UPDATES),
        (&["sparsity"], Figure::SPARSITY),
    ];
    let compared = compared.map(|(labels, compared)| {
        let change = changes::of_row(compared, layer, model, theme);
        let (value, short_value) = figure(compared, layer);
        Fact { labels, value, short_value, change }
    });
    facts.into_iter().chain(compared).collect()
}

/// The most important facts in three lines, with as many words and digits as fit.
fn short_facts(
    layer: &LayerFigures,
    place: &str,
    width: u16,
    model: &ViewModel,
    theme: &Theme,
) -> Vec<Line<'static>> {
    let (width, name) = (usize::from(width), model.layer_name(&layer.name));
    let known = |value: &Option<String>| value.as_deref().map_or("?".to_owned(), |value| elide(value, 12));
    let kind = format!("{}:{}", known(&layer.neuron), known(&layer.reset));
    let figure = |figure: &Figure, text: fn(f64, Option<f64>) -> String| {
        let value = figure.number(&layer.sums).map(Number::as_f64);
        value.map_or("–".to_owned(), |value| text(value, layer.half_width(figure)))
    };
    let effective = |text| figure(Figure::EFFECTIVE_PER_SAMPLE, text);
    let operations = |text| format!("{} of {}", effective(text), figure(Figure::DENSE_PER_SAMPLE, text));
    let precise: fn(f64, Option<f64>) -> String = |value, half_width| decimal_within(value, 2, half_width);
    let all_updates = layer.sums.updates.unwrap_or_default().effective;
    let sparsity = figure(Figure::SPARSITY, percent_within);
    let updates = |text: String| format!("{sparsity} sparse, {text} updates");
    let (unit, mark) = if layer.is_measured() { ("ops, measured", " m") } else { ("ops", "") };
    let place = if width > place.width() + 3 { format!(" {place}") } else { String::new() };
    vec![
        Line::from(vec![
            Span::styled(format!(" {}", elide(name, width.saturating_sub(place.width() + 2))), theme.accent),
            Span::styled(place, theme.dim),
        ]),
        roomiest(
            width,
            [
                format!("{kind} {} {unit}", operations(precise)),
                format!("{kind} {}{mark}", operations(precise)),
                format!("{kind} {} {unit}", operations(compact_within)),
                format!("{} {unit}", operations(compact_within)),
                format!("{} {unit}", effective(compact_within)),
                format!("{} ops{mark}", effective(compact_within)),
            ],
        ),
        roomiest(
            width,
            [
                updates(thousands(all_updates)),
                updates(compact(all_updates as f64)),
                format!("{sparsity} sparse"),
                sparsity.clone(),
            ],
        ),
    ]
}

/// How many neurons are silent and always active, if that is known.
fn activity(layer: &LayerFigures, width: u16) -> Line<'static> {
    let Some(NeuronCounts { neurons, silent, always_active }) = layer.sums.neurons else {
        return Line::default();
    };
    let part = percent(quotient(silent, neurons));
    let [neurons, silent, always] = [neurons, silent, always_active].map(thousands);
    roomiest(
        usize::from(width),
        [
            format!("{silent} of {neurons} neurons silent ({part}), {always} always active, in all batches"),
            format!("{silent} of {neurons} neurons silent ({part}), {always} always active"),
            format!("{silent} of {neurons} neurons silent, {always} always active"),
            format!("{silent} of {neurons} silent, {always} always"),
            format!("{silent} of {neurons} silent"),
        ],
    )
}

/// The first text that fits, else nothing: a number that is cut is another number.
fn roomiest(width: usize, texts: impl IntoIterator<Item = String>) -> Line<'static> {
    let text = texts.into_iter().find(|text| text.width() < width);
    Line::raw(text.map_or(String::new(), |text| format!(" {text}")))
}

/// Draws the share of the neurons that is updated in each step, with its scale at the left, the numbers of the steps
/// below, and the values at the cursor. In the first step, all are updated by definition; its bar is as high as the
/// highest of the others.
fn draw_steps(
    frame: &mut Frame<'_>,
    area: Rect,
    layer: &LayerFigures,
    model: &ViewModel,
    theme: &Theme,
    state: &mut UiState,
) {
    let by_step = by_step(layer, model);
    let Some(&all) = by_step.first().filter(|&&all| all > 0) else {
        return say(frame, area, "no membrane update yet", theme);
    };
    let shares: Vec<f64> = by_step.iter().map(|&updates| quotient(updates, all)).collect();
    let highest = shares.iter().skip(1).copied().fold(0.0, f64::max);
    let scale = if highest > 0.0 { highest } else { 1.0 };
    let values = Constraint::Length(u16::from(area.height > BARE));
    let [rows, numbers, values] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1), values]).areas(area);
    let labels =
        if area.width >= SCALED && rows.height > 1 { scale_labels(scale, rows.height) } else { Vec::new() };
    let width = labels.iter().map(|label| label.1.width() + 1).max().unwrap_or(0) as u16;
    let [gutter, bars_area] =
        Layout::horizontal([Constraint::Length(width), Constraint::Fill(1)]).areas(rows);
    for (row, text) in labels {
        let place = Rect { y: gutter.y + row, height: 1, width: gutter.width.saturating_sub(1), ..gutter };
        frame.render_widget(Line::styled(text, theme.dim).right_aligned(), place);
    }
    let axis = StepAxis::within(bars_area, by_step.len());
    state.step = state.step.map(|step| step.min(axis.steps - 1));
    bars::draw(frame, axis.area, &shares, scale, theme.running);
    mark_step(frame, axis.area, axis, state.step, theme);
    if width >= 5 {
        frame.render_widget(Line::styled("step", theme.dim), numbers);
    }
    draw_numbers(frame, numbers, axis, state.step, theme);
    frame.render_widget(step_values(layer, by_step, highest, values.width, theme, state.step), values);
    let height = numbers.bottom() - axis.area.y;
    state.places.steps = Some(StepAxis { area: Rect { height, ..axis.area }, ..axis });
}

/// The rows and texts of the scale's labels, from 0 to the highest share, in percent.
fn scale_labels(highest: f64, rows: u16) -> Vec<(u16, String)> {
    let ticks = round_ticks(0.0, highest * 100.0, usize::from(rows / 4) + 1);
    let digits = decimals(&ticks);
    let mut labels: Vec<(u16, String)> = Vec::new();
    for tick in ticks {
        let filled = (tick / (highest * 100.0) * f64::from(rows)).ceil() as u16;
        let row = rows - filled.clamp(1, rows);
        if labels.iter().all(|label| label.0 != row) {
            labels.push((row, format!("{tick:.digits$} %")));
        }
    }
    labels
}

/// What happened in the step at the cursor; without one, how the scale is to be read.
fn step_values(
    layer: &LayerFigures,
    by_step: &[u128],
    highest: f64,
    width: u16,
    theme: &Theme,
    step: Option<usize>,
) -> Line<'static> {
    let all = by_step.first().copied().unwrap_or(0);
    let Some((step, &updates)) = step.and_then(|step| Some((step, by_step.get(step)?))) else {
        let kept: u128 = by_step.iter().sum();
        let is_cut = kept < layer.sums.updates.unwrap_or_default().effective;
        let steps = format!("  {} steps{}", by_step.len(), if is_cut { " of more" } else { "" });
        let parts = [format!("1: all, then at most {}", percent(highest)), steps];
        return fitting(parts.map(|part| Span::styled(part, theme.dim)), width);
    };
    let parts = vec![
        Span::styled(format!("step {}", step + 1), theme.strong),
        Span::raw(format!(" {}", percent(quotient(updates, all)))),
        Span::raw(format!(", {} of {}", thousands(updates), thousands(all))),
        Span::styled(" updates", theme.dim),
    ];
    fitting(parts, width)
}

fn draw_potentials(frame: &mut Frame<'_>, area: Rect, potentials: &Potentials, theme: &Theme) {
    let [bars, axis, text] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)]).areas(area);
    if let Some(range) = potentials.range {
        let bins: Vec<f64> =
            potentials.bins(usize::from(bars.width)).into_iter().map(|count| count as f64).collect();
        bars::draw(frame, bars, &bins, range.highest_beside_rest(&bins), theme.running);
        frame.render_widget(Line::styled(format!("{:.4}", range.min), theme.dim), axis);
        frame.render_widget(Line::styled(format!("{:.4}", range.max), theme.dim).right_aligned(), axis);
    }
    frame.render_widget(statistics(potentials, text.width, theme), text);
}

/// NaN and infinities, then mean, share at rest and range, as far as they fit.
fn statistics(potentials: &Potentials, width: u16, theme: &Theme) -> Line<'static> {
    let infinite = potentials.positive_infinity + potentials.negative_infinity;
    let odd = [(potentials.nan, "NaN"), (infinite, "infinite")];
    let mut parts: Vec<Span<'static>> = odd
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| Span::styled(format!(" {} {what}", thousands(count.into())), theme.bad))
        .collect();
    if let Some(range) = potentials.range {
        parts.push(Span::raw(format!(" mean {:.4}", range.mean)));
    }
    if let Some(share) = potentials.share_at_rest() {
        parts.push(Span::raw(format!("  {} at rest", percent(share))));
    }
    if let Some(range) = potentials.range {
        parts.push(Span::styled(format!("  {:.3} to {:.3}", range.min, range.max), theme.dim));
    }
    fitting(parts, width)
}
