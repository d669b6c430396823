//! One layer: its figures, the updates in each time step, and, of the newest batch, its neurons and
//! membrane potentials.

use super::super::inspector::Portrayal;
use super::super::keys::Action;
use super::super::state::State;
use super::wrap::fitting;
use super::{Scene, bars, changes, neurons, panel};
use crate::count::layer_detail::{FiniteRange, LayerDetail, Potentials};
use crate::figures::{Figure, LayerFigures};
use crate::run::tally::quotient;
use crate::text::{compact, decimal, elide, percent, thousands};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

/// From here on the three pictures stand beside one another.
const WIDE: u16 = 110;

/// Draws the selected layer.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) {
    let layers = &scene.moment.summary.layers;
    let shown = state.shown(layers);
    state.layers.settle(shown.len(), usize::from(area.height));
    let Some(layer) = shown.get(state.layers.selected).map(|&at| &layers[at]) else {
        let what =
            if layers.is_empty() { "No layer is known yet." } else { "No layer's name matches the filter." };
        return frame.render_widget(Line::styled(format!(" {what}"), scene.theme.dim), area);
    };
    let portrait = scene.portrait.filter(|portrayal| portrayal.sitter.layer == layer.name);
    let place = format!("{} of {}", state.layers.selected + 1, shown.len());
    if scene.framed {
        let keys: Vec<String> =
            [-1, 1].iter().filter_map(|&step| state.keys.of(Action::Side(step))).collect();
        let keys = scene.symbols.label(&keys.join(" "));
        let place = if keys.is_empty() { place } else { format!("{place}, {keys} for others") };
        return draw_framed(frame, area, layer, &place, portrait, scene);
    }
    let [facts, steps, potentials] =
        Layout::vertical([Constraint::Length(3), Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    frame.render_widget(Paragraph::new(short_facts(layer, &place, area.width, scene)), facts);
    draw_steps(frame, steps, layer, scene);
    if let Some(Ok(LayerDetail { potentials: Some(found), .. })) = portrait.map(|portrayal| &portrayal.result)
    {
        frame.render_widget(statistics(found, potentials.width, scene), potentials);
    }
}

fn draw_framed(
    frame: &mut Frame<'_>,
    area: Rect,
    layer: &LayerFigures,
    place: &str,
    portrait: Option<&Portrayal>,
    scene: &Scene<'_>,
) {
    let [facts, rest] = Layout::vertical([Constraint::Length(5), Constraint::Fill(1)]).areas(area);
    draw_facts(frame, facts, layer, place, portrait, scene);
    let [steps, map, histogram] = if area.width >= WIDE {
        Layout::horizontal([Constraint::Fill(1); 3]).areas(rest)
    } else {
        let [left, map] = Layout::horizontal([Constraint::Fill(1); 2]).areas(rest);
        let [steps, histogram] = Layout::vertical([Constraint::Fill(1); 2]).areas(left);
        [steps, map, histogram]
    };
    let inner = titled(frame, steps, "Updates by time step", "all batches", scene);
    draw_steps(frame, inner, layer, scene);
    let batch = portrait.map_or(String::new(), |portrayal| portrayal.sitter.batch.clone());
    let map = titled(frame, map, "Neurons by update rate", &batch, scene);
    let histogram = titled(frame, histogram, "Membrane potentials", &batch, scene);
    match portrait.map(|portrayal| &portrayal.result) {
        None => {
            let what =
                if scene.moment.newest_batch.is_some() { "reading the newest batch" } else { "no batch yet" };
            say(frame, map, what, scene);
            say(frame, histogram, what, scene);
        }
        Some(Err(why)) => {
            say(frame, map, why, scene);
            say(frame, histogram, why, scene);
        }
        Some(Ok(portrait)) => {
            neurons::draw(frame, map, portrait, scene);
            match &portrait.potentials {
                Some(potentials) => draw_potentials(frame, histogram, potentials, scene),
                None => say(frame, histogram, "the batch has packed bits, which carry no potentials", scene),
            }
        }
    }
}

/// Draws a frame with a title and, where there is room, a note.
fn titled(frame: &mut Frame<'_>, area: Rect, name: &str, note: &str, scene: &Scene<'_>) -> Rect {
    let room = usize::from(area.width).saturating_sub(name.width() + 8);
    let note = if room >= 12 { format!(" {} ", elide(note, room)) } else { String::new() };
    panel(frame, area, name, Line::styled(note, scene.theme.dim), scene)
}

fn say(frame: &mut Frame<'_>, area: Rect, what: &str, scene: &Scene<'_>) {
    let room = usize::from(area.width) * usize::from(area.height);
    let text = Paragraph::new(elide(what, room)).style(scene.theme.dim).wrap(Wrap { trim: true });
    frame.render_widget(text, area);
}

fn draw_facts(
    frame: &mut Frame<'_>,
    area: Rect,
    layer: &LayerFigures,
    place: &str,
    portrait: Option<&Portrayal>,
    scene: &Scene<'_>,
) {
    let room = usize::from(area.width).saturating_sub(place.width() + 24);
    let walk = Line::styled(format!(" layer {place} "), scene.theme.dim);
    let inner = panel(frame, area, elide(&layer.name, room), walk, scene);
    let facts = facts(layer, portrait, scene);
    let rows: [Rect; 3] = Layout::vertical([Constraint::Length(1); 3]).areas(inner);
    let columns = |row| Layout::horizontal([Constraint::Fill(1); 4]).areas::<4>(row);
    let places: Vec<Rect> = rows.into_iter().flat_map(columns).collect();
    let room = |place: &Rect| usize::from(place.width).saturating_sub(1);
    // All in the same form: a figure without its name, or without its change, beside others that have
    // theirs reads as another figure.
    let fits =
        |form: &Form| facts.iter().zip(&places).all(|(fact, place)| fact.words(*form, room(place)).is_some());
    let form = Form::ALL.into_iter().find(fits).unwrap_or(Form::Values);
    for (fact, place) in facts.iter().zip(&places) {
        frame.render_widget(fact.line(form, room(place), scene), *place);
    }
}

/// What is left of the facts, the most of it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Names, values, and how far these are from the baseline's.
    Whole,
    /// Names and values.
    Named,
    /// Values.
    Values,
}

impl Form {
    const ALL: [Self; 3] = [Self::Whole, Self::Named, Self::Values];
}

/// A figure with its label, and shorter ones for where there is less room.
struct Fact {
    label: &'static str,
    short_label: &'static str,
    value: String,
    /// The value in a few digits; `None` where it is no number, and may lose its middle.
    short_value: Option<String>,
    /// How far it is from the baseline's.
    change: Option<Span<'static>>,
}

impl Fact {
    fn change(&self, form: Form) -> Option<&Span<'static>> {
        self.change.as_ref().filter(|_| form == Form::Whole)
    }

    /// The label, with a space behind it, and the value: as much of both as there is room for, digits first.
    fn words(&self, form: Form, room: usize) -> Option<(String, &str)> {
        let change = self.change(form).map_or(0, |change| change.width() + 1);
        let labels = match form {
            Form::Whole | Form::Named => [self.label, self.short_label].map(|label| format!("{label} ")),
            Form::Values => [String::new(), String::new()],
        };
        let values = std::iter::once(&self.value).chain(&self.short_value);
        let mut choices = values.flat_map(|value| labels.iter().map(move |label| (label, value)));
        let least = |value: &str| if self.short_value.is_some() { value.width() } else { 1 };
        let fits = |(label, value): &(&String, &String)| label.width() + least(value) + change < room;
        choices.find(fits).map(|(label, value)| (label.clone(), value.as_str()))
    }

    fn line(&self, form: Form, room: usize, scene: &Scene<'_>) -> Line<'static> {
        let Some((label, value)) = self.words(form, room) else { return Line::default() };
        let value = elide(value, room.saturating_sub(label.width()));
        let mut line = Line::from(vec![
            Span::raw(" "),
            Span::styled(label, scene.theme.dim),
            Span::styled(value, scene.theme.strong),
        ]);
        line.extend(self.change(form).into_iter().flat_map(|change| [Span::raw(" "), change.clone()]));
        line
    }
}

/// A value in all digits, and in a few.
type Value = (String, Option<String>);

fn word(text: impl Into<String>) -> Value {
    (text.into(), None)
}

fn number(text: String, value: f64) -> Value {
    (text, Some(compact(value)))
}

/// What is known of the layer whatever its neurons do, then what they did.
fn facts(layer: &LayerFigures, portrait: Option<&Portrayal>, scene: &Scene<'_>) -> Vec<Fact> {
    let none = || word("–");
    let per_sample = |value: Option<f64>| value.map_or_else(none, |value| number(decimal(value, 2), value));
    let count = |value: u128| number(thousands(value), value as f64);
    let part = |value: Option<f64>| value.map_or_else(none, |value| (percent(value), Some(percent(value))));
    let whole = scene.moment.summary.total.effective_ops;
    let share = layer.effective_ops.filter(|_| whole > 0).map(|part| quotient(part, whole));
    let counted = by_step(layer, scene).len() as u64;
    let portrait = portrait.and_then(|portrayal| portrayal.result.as_ref().ok());
    let steps = portrait.map(|portrait| portrait.steps).or((counted > 0).then_some(counted));
    let shape = layer.shape.as_ref().map_or_else(none, |shape| {
        let axes: Vec<String> = shape.iter().map(u64::to_string).collect();
        let neurons = shape.iter().map(|&axis| axis as f64).product();
        number(if axes.is_empty() { "1".to_owned() } else { axes.join("×") }, neurons)
    });
    let cost = layer.ops_per_update.map_or_else(
        || word("unpriced"),
        |ops| (format!("{} ops/update", thousands(ops.into())), Some(thousands(ops.into()))),
    );
    let per_sample_updates = Some(quotient(layer.updates, scene.moment.summary.run.samples));
    [
        ("neuron", "neuron", word(layer.neuron.as_deref().unwrap_or("?"))),
        ("reset", "reset", word(layer.reset.as_deref().unwrap_or("?"))),
        ("cost", "cost", cost),
        ("neurons", "neurons", shape),
        ("time steps", "steps", steps.map_or_else(none, |steps| count(steps.into()))),
        ("updates", "upd.", count(layer.updates)),
        ("of dense", "of", count(layer.dense_updates)),
        ("share of effective", "share", part(share)),
        ("effective/sample", "eff.", per_sample(layer.effective_ops_per_sample)),
        ("dense/sample", "dense", per_sample(layer.dense_ops_per_sample)),
        ("updates/sample", "upd.", per_sample(per_sample_updates)),
        ("sparsity", "sparsity", part(layer.sparsity)),
    ]
    .map(|(label, short_label, (value, short_value))| {
        let figure = match label {
            "effective/sample" => Some(Figure::EffectivePerSample),
            "dense/sample" => Some(Figure::DensePerSample),
            "updates/sample" => Some(Figure::MembraneUpdates),
            "sparsity" => Some(Figure::Sparsity),
            _ => None,
        };
        let change = figure.and_then(|figure| changes::of_layer(figure, &layer.name, &layer.sums(), scene));
        let change = change.map(|change| changes::span(&change, scene));
        Fact { label, short_label, value, short_value, change }
    })
    .into()
}

/// The most important of them in three lines, in as many words and digits as there is room for.
fn short_facts(layer: &LayerFigures, place: &str, width: u16, scene: &Scene<'_>) -> Vec<Line<'static>> {
    let width = usize::from(width);
    let known = |value: &Option<String>| value.as_deref().map_or("?".to_owned(), |value| elide(value, 12));
    let kind = format!("{}:{}", known(&layer.neuron), known(&layer.reset));
    let per_sample = |value: Option<f64>, text: &dyn Fn(f64) -> String| value.map_or("–".to_owned(), text);
    let (effective, dense) = (layer.effective_ops_per_sample, layer.dense_ops_per_sample);
    let precise = |value| decimal(value, 2);
    let operations = |text| format!("{} of {}", per_sample(effective, text), per_sample(dense, text));
    let sparsity = layer.sparsity.map_or("–".into(), percent);
    let updates = |text: String| format!("{sparsity} sparse, {text} updates");
    let place = if width > place.width() + 3 { format!(" {place}") } else { String::new() };
    vec![
        Line::from(vec![
            Span::styled(
                format!(" {}", elide(&layer.name, width.saturating_sub(place.width() + 2))),
                scene.theme.accent,
            ),
            Span::styled(place, scene.theme.dim),
        ]),
        roomiest(
            width,
            [
                format!("{kind} {} ops", operations(&precise)),
                format!("{kind} {}", operations(&precise)),
                format!("{kind} {} ops", operations(&compact)),
                format!("{} ops", operations(&compact)),
                format!("{} ops", per_sample(effective, &compact)),
            ],
        ),
        roomiest(
            width,
            [
                updates(thousands(layer.updates)),
                updates(compact(layer.updates as f64)),
                format!("{sparsity} sparse"),
                sparsity.clone(),
            ],
        ),
    ]
}

/// The first of the texts that fits: where none does, nothing, since a number that is cut is another number.
fn roomiest(width: usize, texts: impl IntoIterator<Item = String>) -> Line<'static> {
    let text = texts.into_iter().find(|text| text.width() < width);
    Line::raw(text.map_or(String::new(), |text| format!(" {text}")))
}

/// The updates of each time step, over all batches.
fn by_step<'a>(layer: &LayerFigures, scene: &'a Scene<'_>) -> &'a [u128] {
    let sums = layer.index.and_then(|at| scene.layers.get(at));
    sums.map(|sums| &sums.updates_by_step[..]).unwrap_or_default()
}

/// The part of the neurons that is updated in each step. All are in the first, by definition; it is drawn
/// as high as the highest of the others.
fn draw_steps(frame: &mut Frame<'_>, area: Rect, layer: &LayerFigures, scene: &Scene<'_>) {
    let by_step = by_step(layer, scene);
    let Some(&all) = by_step.first().filter(|&&all| all > 0) else {
        return say(frame, area, "no membrane update yet", scene);
    };
    let shares: Vec<f64> = by_step.iter().map(|&updates| quotient(updates, all)).collect();
    let highest = shares.iter().skip(1).copied().fold(0.0, f64::max);
    let [bars, axis] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    bars::draw(frame, bars, &shares, if highest > 0.0 { highest } else { 1.0 }, scene.theme.running);
    let kept: u128 = by_step.iter().sum();
    let last = match by_step.len() {
        steps if kept < layer.updates => format!("step {steps} of more "),
        steps => format!("step {steps} "),
    };
    let scale = format!("1: all, then at most {}", percent(highest));
    frame.render_widget(Line::styled(last.clone(), scene.theme.dim).right_aligned(), axis);
    if scale.width() + last.width() < usize::from(axis.width) {
        frame.render_widget(Line::styled(scale, scene.theme.dim), axis);
    }
}

fn draw_potentials(frame: &mut Frame<'_>, area: Rect, potentials: &Potentials, scene: &Scene<'_>) {
    let [bars, axis, text] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)]).areas(area);
    if let Some(range) = potentials.range {
        let bins: Vec<f64> =
            potentials.bins(usize::from(bars.width)).into_iter().map(|count| count as f64).collect();
        bars::draw(frame, bars, &bins, highest_beside_rest(&bins, range), scene.theme.running);
        frame.render_widget(Line::styled(format!("{:.4}", range.min), scene.theme.dim), axis);
        frame.render_widget(Line::styled(format!("{:.4}", range.max), scene.theme.dim).right_aligned(), axis);
    }
    frame.render_widget(statistics(potentials, text.width, scene), text);
}

/// The highest bin beside that of rest, in which most neurons often are: it would press all others down.
fn highest_beside_rest(bins: &[f64], range: FiniteRange) -> f64 {
    let place = (0.0 - range.min) / (range.max - range.min) * bins.len() as f64;
    let beside = bins.iter().enumerate().filter(|&(at, _)| place.floor() != at as f64);
    let highest = beside.map(|(_, &count)| count).fold(0.0, f64::max);
    if highest > 0.0 { highest } else { bins.iter().copied().fold(0.0, f64::max) }
}

/// Range, mean and share at rest, as much of it as fits, and what is no number first.
fn statistics(potentials: &Potentials, width: u16, scene: &Scene<'_>) -> Line<'static> {
    let infinite = potentials.positive_infinity + potentials.negative_infinity;
    let odd = [(potentials.nan, "NaN"), (infinite, "infinite")];
    let mut parts: Vec<Span<'static>> = odd
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| Span::styled(format!(" {} {what}", thousands(count.into())), scene.theme.bad))
        .collect();
    if let Some(range) = potentials.range {
        parts.push(Span::raw(format!(" mean {:.4}", range.mean)));
    }
    if let Some(share) = potentials.share_at_rest() {
        parts.push(Span::raw(format!(" {} at rest", percent(share))));
    }
    if let Some(range) = potentials.range {
        parts.push(Span::styled(format!(" {:.3} to {:.3}", range.min, range.max), scene.theme.dim));
    }
    fitting(parts, width)
}
