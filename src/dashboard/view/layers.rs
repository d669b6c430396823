//! The table of layers: where the operations go.

use super::super::columns::{COLUMNS, Column};
use super::super::keys::Action;
use super::super::state::State;
use super::meter::trend;
use super::{Scene, changes, filter, panel};
use crate::figures::{Change, Figure, LayerFigures};
use crate::run::series::Point;
use crate::run::tally::quotient;
use crate::text::{compact, decimal, elide, percent, thousands};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Row, Table, TableState};
use unicode_width::UnicodeWidthStr;

/// The least room for a layer's name, and the most that is kept for it before other columns are given up.
const NAME_LEAST: u16 = 8;
const NAME_KEPT: u16 = 18;

/// From here on, decimals only take room.
const LARGE: f64 = 100_000.0;

/// The least room for a trend.
const TREND_LEAST: u16 = 8;

/// The columns in the order in which they are given up where there is no room.
const GIVEN_UP: [Column; 10] = [
    Column::Reset,
    Column::Trend,
    Column::Cost,
    Column::Neuron,
    Column::DenseChange,
    Column::Dense,
    Column::Share,
    Column::SparsityChange,
    Column::Sparsity,
    Column::EffectiveChange,
];

/// Lines that the table would like to have.
pub(super) fn height(scene: &Scene<'_>) -> u16 {
    u16::try_from(scene.moment.summary.layers.len()).unwrap_or(u16::MAX).saturating_add(3)
}

/// Draws the table; only rows that are seen are built.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) {
    let layers = &scene.moment.summary.layers;
    let order = state.shown(layers);
    let inner = if scene.framed {
        let sorted = match (state.sort.column, state.sort.descending) {
            (None, false) => " in the order of the model ".to_owned(),
            (None, true) => " in the model's order, last first ".to_owned(),
            (Some(column), _) => format!(" by {} ", heading(column)),
        };
        let sorted = Line::styled(sorted, scene.theme.dim);
        let room = usize::from(area.width).saturating_sub(sorted.width() + 6);
        let name = filter::title(&state.filter, order.len(), layers.len(), room);
        panel(frame, area, name, sorted, scene)
    } else {
        area
    };
    let rows = usize::from(inner.height.saturating_sub(1));
    let first = state.layers.settle(order.len(), rows);
    let shown: Vec<&LayerFigures> = order.iter().skip(first).take(rows).map(|&at| &layers[at]).collect();
    let columns = columns(inner.width, state.sort.column, &shown, scene);
    note_places(inner, &columns, shown.len(), state);
    let widths: Vec<Constraint> = columns.iter().map(|(_, width)| Constraint::Length(*width)).collect();
    let header = Row::new(columns.iter().map(|&(column, _)| head(column, state, scene)));
    let body = shown
        .iter()
        .map(|layer| Row::new(columns.iter().map(|&(column, width)| cell(column, width, layer, scene))));
    let table =
        Table::new(body, widths).header(header).column_spacing(1).row_highlight_style(scene.theme.selected);
    let mut selection =
        TableState::new().with_selected((!shown.is_empty()).then(|| state.layers.selected - first));
    frame.render_stateful_widget(table, inner, &mut selection);
    if shown.is_empty() && !state.filter.is_empty() {
        let row = Rect { y: inner.y.saturating_add(1), height: 1, ..inner }.intersection(inner);
        let nothing = "No layer's name matches the filter";
        let key = state.keys.of(Action::Back).map_or(String::new(), |key| scene.symbols.label(&key));
        let choices = [format!("{nothing}; {key} shows all."), format!("No layer matches; {key} shows all.")];
        let fits = |choice: &&String| !key.is_empty() && choice.width() <= usize::from(row.width);
        let text = choices.iter().find(fits).cloned().unwrap_or_else(|| format!("{nothing}."));
        frame.render_widget(Line::styled(text, scene.theme.dim), row);
    }
}

/// Notes where the headings and the rows are.
fn note_places(inner: Rect, columns: &[(Column, u16)], rows: usize, state: &mut State) {
    let mut x = inner.x;
    let heading = |&(column, width): &(Column, u16)| {
        let area = Rect { x, y: inner.y, width, height: 1 }.intersection(inner);
        x = x.saturating_add(width + 1);
        (column, area)
    };
    state.places.headings = columns.iter().map(heading).collect();
    let below = Rect { y: inner.y.saturating_add(1), height: rows as u16, ..inner };
    state.places.rows = below.intersection(inner);
}

/// The columns that fit, and their widths.
fn columns(
    width: u16,
    sorted: Option<Column>,
    shown: &[&LayerFigures],
    scene: &Scene<'_>,
) -> Vec<(Column, u16)> {
    // The mark of the sorted column needs a place beside its heading.
    let mark = |column| if sorted == Some(column) { 2 } else { 0 };
    let mut columns: Vec<(Column, u16)> = COLUMNS
        .into_iter()
        .filter(|column| scene.baseline.is_some() || !column.is_change())
        .map(|column| (column, column_width(column, mark(column), shown, scene)))
        .collect();
    let needed = |columns: &[(Column, u16)]| columns.iter().map(|(_, width)| width + 1).sum::<u16>();
    for given_up in GIVEN_UP {
        if needed(&columns) <= width + 1 {
            break;
        }
        columns.retain(|&(column, _)| column != given_up);
    }
    // What is left goes to the names as far as they need it, then to the trend.
    let mut spare = (width + 1).saturating_sub(needed(&columns));
    let longest = longest_name(shown, width);
    let has_trend = columns.iter().any(|(column, _)| *column == Column::Trend);
    for (column, width) in &mut columns {
        let more = match column {
            Column::Name if has_trend => longest.saturating_sub(*width).min(spare),
            Column::Name | Column::Trend => spare,
            _ => 0,
        };
        *width += more;
        spare -= more;
    }
    columns
}

/// The columns of the longest name, where it needs no more than `most`.
fn longest_name(shown: &[&LayerFigures], most: u16) -> u16 {
    let longest = shown.iter().map(|layer| elide(&layer.name, usize::from(most)).width()).max();
    u16::try_from(longest.unwrap_or(0)).unwrap_or(most)
}

fn column_width(column: Column, mark: usize, shown: &[&LayerFigures], scene: &Scene<'_>) -> u16 {
    let widest = |least: usize, most: usize| {
        let text = |layer: &&LayerFigures| elide(&figure(column, layer, scene), most).width();
        let head = heading(column).width() + mark;
        shown.iter().map(text).max().unwrap_or(0).clamp(least.max(head), most) as u16
    };
    match column {
        Column::Name => longest_name(shown, NAME_KEPT).clamp(NAME_LEAST, NAME_KEPT),
        Column::Neuron => widest(6, 14),
        Column::Reset => widest(5, 10),
        Column::Trend => TREND_LEAST,
        _ => widest(4, 30),
    }
}

fn heading(column: Column) -> &'static str {
    match column {
        Column::Name => "layer",
        Column::Neuron => "neuron",
        Column::Reset => "reset",
        Column::Cost => "cost",
        Column::Effective => "effective",
        Column::Dense => "dense",
        Column::Sparsity => "sparsity",
        Column::EffectiveChange | Column::DenseChange | Column::SparsityChange => "change",
        Column::Share => "share",
        Column::Trend => "trend",
    }
}

fn is_text(column: Column) -> bool {
    matches!(column, Column::Name | Column::Neuron | Column::Reset | Column::Trend)
}

fn head<'a>(column: Column, state: &State, scene: &Scene<'_>) -> Cell<'a> {
    let mark = match state.sort.column == Some(column) {
        true if state.sort.descending => " ▼",
        true => " ▲",
        false => "",
    };
    let line = Line::styled(format!("{}{mark}", heading(column)), scene.theme.dim);
    Cell::new(if is_text(column) { line } else { line.right_aligned() })
}

fn cell<'a>(column: Column, width: u16, layer: &LayerFigures, scene: &Scene<'_>) -> Cell<'a> {
    let theme = scene.theme;
    let style = match column {
        Column::Name => theme.strong,
        Column::Trend => theme.running,
        Column::Cost if layer.ops_per_update.is_none() => theme.warn,
        column if column.is_change() => {
            change(column, layer, scene).map_or(theme.dim, |change| changes::style(&change, scene))
        }
        Column::Neuron | Column::Reset | Column::Cost => theme.dim,
        _ => ratatui::style::Style::new(),
    };
    let text = match column {
        Column::Trend => trend(&per_batch(layer, scene), usize::from(width)),
        _ => elide(&figure(column, layer, scene), usize::from(width)),
    };
    let line = Line::styled(text, style);
    Cell::new(Text::from(if is_text(column) { line } else { line.right_aligned() }))
}

fn figure(column: Column, layer: &LayerFigures, scene: &Scene<'_>) -> String {
    let unknown = || "?".to_owned();
    let none = || "–".to_owned();
    let per_sample = |value: Option<f64>| {
        value.map_or_else(none, |value| match scene.framed {
            true => decimal(value, decimals(scene)),
            false => compact(value),
        })
    };
    match column {
        Column::Name => layer.name.clone(),
        Column::Neuron => layer.neuron.clone().unwrap_or_else(unknown),
        Column::Reset => layer.reset.clone().unwrap_or_else(unknown),
        Column::Cost => layer.ops_per_update.map_or_else(none, |ops| thousands(ops.into())),
        Column::Effective => per_sample(layer.effective_ops_per_sample),
        Column::Dense => per_sample(layer.dense_ops_per_sample),
        Column::Sparsity => layer.sparsity.map_or_else(none, percent),
        Column::Share => {
            let whole = scene.moment.summary.total.effective_ops;
            let share = layer.effective_ops.filter(|_| whole > 0).map(|part| quotient(part, whole));
            share.map_or_else(none, percent)
        }
        Column::Trend => String::new(),
        Column::EffectiveChange | Column::DenseChange | Column::SparsityChange => {
            change(column, layer, scene).map_or_else(none, |change| change.text())
        }
    }
}

/// How far a figure is from the baseline's.
fn change(column: Column, layer: &LayerFigures, scene: &Scene<'_>) -> Option<Change> {
    let figure = match column {
        Column::EffectiveChange => Figure::EffectivePerSample,
        Column::DenseChange => Figure::DensePerSample,
        _ => Figure::Sparsity,
    };
    changes::of_layer(figure, &layer.name, &layer.sums(), scene)
}

/// The same for every figure, so that they are aligned.
fn decimals(scene: &Scene<'_>) -> usize {
    if scene.moment.summary.total.dense_ops_per_sample >= LARGE { 0 } else { 2 }
}

/// Updates per sample over the batches; the price, which is the same for all, changes no trend.
fn per_batch(layer: &LayerFigures, scene: &Scene<'_>) -> Vec<f64> {
    let Some(index) = layer.index else { return Vec::new() };
    let points = scene.history.points().iter();
    let updates = |point: &Point| point.sums.updates.get(index).unwrap_or_default().effective;
    points.map(|point| quotient(updates(point), point.sums.samples)).collect()
}
