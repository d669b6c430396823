//! The sums by neuron class, as NeuroBench sums them.

use super::{Scene, block, changes, title};
use crate::figures::{ClassFigures, Figure};
use crate::text::{compact, elide, percent};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Row, Table};

/// Columns that the widget takes.
pub(super) fn width(scene: &Scene<'_>) -> u16 {
    WIDTHS.iter().map(|width| width + 1).sum::<u16>() + 1 + if scene.baseline.is_some() { 6 } else { 0 }
}

/// The columns: name, effective and dense operations, sparsity.
const WIDTHS: [u16; 4] = [8, 7, 6, 8];

/// Draws the classes, effective and dense operations per sample and sparsity of each, and under them how
/// far they are from the baseline's.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>) {
    let classes = &scene.moment.summary.neurons;
    // Where there is no room for the changes of all, there is for all classes.
    let compared = scene.baseline.is_some() && classes.len() * 2 + 3 <= usize::from(area.height);
    // There may be as many classes as layers; what is below the area need not be made.
    let rows = classes.iter().take(usize::from(area.height)).map(|class| row(class, compared, scene));
    let head = ["neuron", "effect.", "dense", "sparsity"];
    let head = head.into_iter().enumerate().map(|(at, text)| {
        let line = Line::styled(text, scene.theme.dim);
        if at == 0 { line } else { line.right_aligned() }
    });
    let more = if scene.baseline.is_some() { 2 } else { 0 };
    let [_, figures @ ..] = WIDTHS.map(|width| Constraint::Length(width + more));
    let widths = std::iter::once(Constraint::Fill(1)).chain(figures);
    let table = Table::new(rows, widths)
        .header(Row::new(head))
        .column_spacing(1)
        .block(block(title("By neuron, per sample", scene), scene));
    frame.render_widget(table, area);
}

fn row<'a>(class: &ClassFigures, compared: bool, scene: &Scene<'_>) -> Row<'a> {
    let sums = class.sums;
    let figure = |value: Option<f64>| value.map_or("–".into(), compact);
    let cell = |text: String, figure: &'static Figure| {
        let change = changes::of_class(figure, &class.neuron, &sums, scene).filter(|_| compared);
        let under = change.map(|change| Line::from(changes::span(&change, scene)));
        Text::from_iter(std::iter::once(Line::raw(text)).chain(under)).right_aligned()
    };
    let cells = [
        Text::raw(elide(&class.neuron, usize::from(WIDTHS[0]))),
        cell(figure(class.sums.effective_per_sample()), Figure::EFFECTIVE_PER_SAMPLE),
        cell(figure(class.sums.dense_per_sample()), Figure::DENSE_PER_SAMPLE),
        cell(class.sums.sparsity().map_or("–".into(), percent), Figure::SPARSITY),
    ];
    Row::new(cells).height(if compared { 2 } else { 1 })
}
