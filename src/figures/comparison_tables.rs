//! Comparisons as tables for people: a whole comparison, and the short section on the baseline in a summary.

use super::comparison::{Against, Changes, Compared, Comparison, FigureChanges, PartChanges, PresentIn};
use super::figure::{Figure, FigureUnit, Number};
use super::table_style::{TableStyle, bullets, coloured, draw, draw_figures, failed, name, safe};
use super::{Change, ComparedRun, Direction, Failure};
use crate::run::run_names::directory_to_show;
use crate::text::{elide, thousands};
use comfy_table::Cell;
use std::path::Path;

/// The runs, and for each new one its total, one table for each figure, and notes.
pub(super) fn comparison_tables(comparison: &Comparison, style: TableStyle) -> String {
    let mut parts = vec![heading(comparison, style)];
    let several = comparison.comparisons.len() > 1;
    if several {
        parts.push(overview(comparison, style));
    }
    for compared in &comparison.comparisons {
        if several {
            parts.push(title(&compared.new, style));
        }
        parts.extend(sections(compared, style));
    }
    let problems = comparison.runs().flat_map(|run| {
        let set_aside = run.set_aside.iter().map(|what| format!("{}: set aside: {what}", run.source));
        let others = run.disagreements.iter().chain(&run.notices);
        set_aside.chain(others.map(|what| format!("{}: {what}", run.source)))
    });
    let problems = bullets(problems, style);
    if !problems.is_empty() {
        parts.push(problems);
    }
    parts.extend(failed(comparison.failed.iter().flatten().map(Failure::to_string), style));
    parts.join("\n\n") + "\n"
}

/// Which runs are compared.
fn heading(comparison: &Comparison, style: TableStyle) -> String {
    let names = std::iter::once("BASE").chain(std::iter::repeat("NEW "));
    let runs = names.zip(comparison.runs()).map(|(name, run)| {
        let (source, described) = (safe(&run.source, style), described(run, style));
        match style {
            // A path can be long, so it has a line of its own.
            TableStyle::Text | TableStyle::Coloured => format!("{name}  {source}\n      {described}"),
            TableStyle::Markdown => format!("- {name} {source} · {described}"),
        }
    });
    let runs = runs.collect::<Vec<_>>().join("\n");
    match style {
        TableStyle::Text | TableStyle::Coloured => format!("neurotop · comparison\n{runs}"),
        TableStyle::Markdown => format!("# Comparison\n\n{runs}"),
    }
}

/// `digits-snn · 12 batches, 192 samples · complete`; where the source is an exported file, with the directory that was
/// counted.
fn described(run: &ComparedRun, style: TableStyle) -> String {
    let directory = run.directory.as_deref().filter(|&directory| directory != run.source);
    let directory = directory.and_then(|path| directory_to_show(&run.name, Some(Path::new(path))));
    let directory = directory.map_or(String::new(), |directory| format!(" ({})", safe(&directory, style)));
    format!(
        "{}{directory} · {} batches, {} samples · {}{}",
        safe(&run.name, style),
        thousands(run.batches.into()),
        thousands(run.samples),
        if run.complete { "complete" } else { "NOT complete" },
        if run.waiting > 0 { format!(", {} waiting", thousands(run.waiting.into())) } else { String::new() },
    )
}

/// The longest path of a run in the table of all runs, in columns.
const LONGEST_SOURCE: usize = 24;

/// All runs in one table: the effective operations of each, and how far they are from those of the base.
fn overview(comparison: &Comparison, style: TableStyle) -> String {
    let source = |run: &ComparedRun| match style {
        TableStyle::Markdown => name(&run.source, style),
        TableStyle::Text | TableStyle::Coloured => safe(&elide(&run.source, LONGEST_SOURCE), style),
    };
    let rows = overview_rows(comparison).into_iter().zip(comparison.runs());
    let rows = rows.map(|(cells, run)| std::iter::once(source(run)).chain(cells).collect());
    draw(OVERVIEW.to_vec(), 1, rows.collect::<Vec<Vec<String>>>(), style)
}

/// The columns of the table of all runs.
pub(super) const OVERVIEW: [&str; 5] = ["run", "effective", "sparsity", "against BASE", "that is"];

/// What stands beside each run in the table of all runs, the base first.
pub(super) fn overview_rows(comparison: &Comparison) -> Vec<[String; 4]> {
    let figure = Figure::EFFECTIVE_PER_SAMPLE;
    let value = |run: &ComparedRun, figure: &Figure| figure.text(run.rows.total.values.get(figure));
    let row = |run: &ComparedRun, difference: [String; 2]| {
        let [text, verdict] = difference;
        [value(run, figure), value(run, Figure::SPARSITY), text, verdict]
    };
    let new = comparison.comparisons.iter().map(|Compared { new, differences, .. }| {
        let known = differences.iter().find(|difference| difference.figure == figure);
        let none = || ["–".to_owned(), "unknown".to_owned()];
        row(new, known.map_or_else(none, |known| [known.text(), known.verdict().to_owned()]))
    });
    std::iter::once(row(&comparison.base, [String::new(), String::new()])).chain(new).collect()
}

fn title(run: &ComparedRun, style: TableStyle) -> String {
    let source = safe(&run.source, style);
    match style {
        TableStyle::Text | TableStyle::Coloured => format!("=== NEW is {source} ==="),
        TableStyle::Markdown => format!("## {source}"),
    }
}

fn sections(compared: &Compared, style: TableStyle) -> Vec<String> {
    let changes = &compared.changes;
    let mut parts = vec![total(&changes.total, ["in total", "BASE", "NEW"], style)];
    let measured = changes.total_measured.iter();
    parts.extend(measured.map(|all| total(all, [WITH_MEASURED, "BASE", "NEW"], style)));
    if !compared.differences.is_empty() {
        parts.push(bullets(compared.differences.iter().map(ToString::to_string), style));
    }
    parts.extend(changes.total.figures().map(|figure| figure_table(changes, figure, style)));
    if !changes.notes.is_empty() {
        parts.push(bullets(&changes.notes, style));
    }
    parts
}

/// What the table of the total with the measured layers is called.
const WITH_MEASURED: &str = "in total, with measured prices";

/// All compared figures of a total.
fn total(changes: &FigureChanges, [what, base, new]: [&str; 3], style: TableStyle) -> String {
    let rows = changes.figures().map(|figure| {
        let mut row = vec![Cell::new(figure.label)];
        row.extend(cells(&changes.get(figure)));
        row
    });
    draw(vec![what, base, new, "difference", "change"], 1, rows.collect(), style)
}

/// Base, new, difference and change; of a ratio the change is the difference, in percentage points.
fn cells(change: &Change) -> [Cell; 4] {
    let value = |value: Option<f64>| Cell::new(change.figure.text(value.map(Number::Real)));
    let distance = if change.figure.unit == FigureUnit::Ratio { String::new() } else { change.distance() };
    [value(change.base), value(change.new), coloured(distance, change), coloured(change.text(), change)]
}

/// Whether a figure is the same in every layer and class of two runs.
pub(super) fn is_same_in_all(changes: &Changes, figure: &'static Figure) -> bool {
    let is_same = |part: &PartChanges| {
        part.presence == PresentIn::Both && part.figures.get(figure).direction() == Some(Direction::Same)
    };
    changes.layers.iter().chain(&changes.neurons).all(is_same)
}

/// One figure of every layer and class; only a line if it is the same in all of them.
fn figure_table(changes: &Changes, figure: &'static Figure, style: TableStyle) -> String {
    if is_same_in_all(changes, figure) {
        return format!("{}: the same in every layer.", figure.label);
    }
    let kinds = [("layer", &changes.layers), ("neuron", &changes.neurons)];
    let parts = kinds.into_iter().flat_map(|(kind, parts)| parts.iter().map(move |part| (kind, part)));
    let rows = parts.map(|(kind, part)| {
        let [base, new, distance, change] = cells(&part.figures.get(figure));
        let change = if part.presence == PresentIn::Both { change } else { Cell::new(part.presence.word()) };
        let mut row = vec![Cell::new(kind), Cell::new(name(&part.name, style)), base, new];
        row.extend((figure.unit != FigureUnit::Ratio).then_some(distance));
        row.push(change);
        row
    });
    let mut header = vec!["", figure.label, "BASE", "NEW"];
    header.extend((figure.unit != FigureUnit::Ratio).then_some("difference"));
    header.push("change");
    draw(header, 2, rows.collect(), style)
}

/// The section on the baseline in a summary: the total, and the changes by layer.
pub(super) fn against(against: &Against, style: TableStyle) -> String {
    let changes = &against.changes;
    let source = safe(&against.base.source, style);
    let separator = if style == TableStyle::Markdown { "\n\n" } else { "\n" };
    let mut parts = vec![
        format!("Against the baseline {source}:{separator}{}", described(&against.base, style)),
        total(&changes.total, ["in total", "baseline", "this run"], style),
    ];
    let measured = changes.total_measured.iter();
    parts.extend(measured.map(|all| total(all, [WITH_MEASURED, "baseline", "this run"], style)));
    if !changes.layers.is_empty() {
        parts.push(draw_figures(changes.total.figures().collect(), style, |figures| {
            let header =
                std::iter::once("change by layer").chain(figures.iter().map(|figure| figure.heading));
            let rows = changes.layers.iter().map(|part| layer(part, figures, style)).collect();
            draw(header.collect(), 1, rows, style)
        }));
    }
    if !changes.notes.is_empty() {
        parts.push(bullets(&changes.notes, style));
    }
    parts.join("\n\n")
}

fn layer(part: &PartChanges, figures: &[&'static Figure], style: TableStyle) -> Vec<Cell> {
    let mut row = vec![Cell::new(name(&part.name, style))];
    row.extend(figures.iter().map(|figure| part.figures.get(figure)).map(|change| match part.presence {
        PresentIn::Both => coloured(change.text(), &change),
        _ => Cell::new("–"),
    }));
    if part.presence != PresentIn::Both {
        row[1] = Cell::new(part.presence.word());
    }
    row
}
