//! Comparisons for people: their tables and sentences, which every format takes from here, and how text and Markdown put
//! them together.

use super::comparison::{Against, Changes, Compared, Comparison, FigureChanges, PartChanges, PresentIn};
use super::document::{COUNTED, Document, DocumentCell, DocumentTable, whole_table};
use super::figure::{Figure, FigureUnit, Number};
use super::folding::MOST_LAYERS;
use super::problems::first_of;
use super::table_style::{ALL_ARE, TableStyle, bullets, draw_table, failures, safe};
use super::{Change, ComparedRun, Direction};
use crate::run::run_names::directory_to_show;
use crate::text::{elide, numbered, thousands};
use std::path::Path;

const NOISE: &str =
    "± is the 95 % confidence interval of the difference, with the batches as samples of the data.";

/// What is said of a new run and its base.
struct ComparisonSection {
    totals: Vec<DocumentTable>,
    /// Whether the totals differ by more than noise.
    differences: Vec<String>,
    /// A table for each figure that is not the same in every layer.
    parts: Vec<DocumentTable>,
    /// Which figures are, and why the runs are hard to compare.
    notes: Vec<String>,
}

impl ComparisonSection {
    fn new(base: &ComparedRun, Compared { new, changes, differences }: &Compared) -> Self {
        let what = format!("NEW {} compared with BASE {}", new.source, base.source);
        let (same, differing): (Vec<&Figure>, Vec<_>) =
            changes.total.figures().partition(|figure| is_same_in_all(changes, figure));
        let same: Vec<&str> = same.into_iter().map(|figure| figure.label).collect();
        let same = (!same.is_empty()).then(|| format!("the same in every layer: {}", same.join(", ")));
        Self {
            totals: totals(changes, ["BASE", "NEW"], &what),
            differences: differences.iter().map(ToString::to_string).collect(),
            parts: differing.into_iter().map(|figure| parts(changes, figure, &what)).collect(),
            notes: same.into_iter().chain(notes(changes)).collect(),
        }
    }
}

pub(super) fn of_comparison(comparison: &Comparison) -> Document {
    let names = std::iter::once("BASE").chain(std::iter::repeat("NEW"));
    let fact = |(what, run): (&str, &ComparedRun)| format!("{what}: {}: {}", run.source, described(run));
    let several = comparison.comparisons.len() > 1;
    let (mut tables, mut notes) = (Vec::new(), Vec::new());
    tables.extend(several.then(|| overview(comparison, usize::MAX)));
    for compared in &comparison.comparisons {
        let section = ComparisonSection::new(&comparison.base, compared);
        tables.extend(section.totals.into_iter().chain(section.parts));
        let of = if several { format!("{}: ", compared.new.source) } else { String::new() };
        let said = section.differences.into_iter().chain(section.notes);
        notes.extend(said.map(|note| format!("{of}{note}")));
    }
    notes.extend(comparison.problems(ALL_ARE));
    Document {
        title: "Comparison".to_owned(),
        facts: names.zip(comparison.runs()).map(fact).collect(),
        tables,
        notes,
        failed: comparison.failures().collect(),
    }
}

/// The same as text or Markdown.
pub(super) fn comparison_tables(comparison: &Comparison, style: TableStyle) -> String {
    let mut parts = vec![heading(comparison, style)];
    let several = comparison.comparisons.len() > 1;
    if several {
        let longest = if style == TableStyle::Markdown { usize::MAX } else { LONGEST_SOURCE };
        parts.push(draw_table(&overview(comparison, longest), style));
    }
    for compared in &comparison.comparisons {
        if several {
            parts.push(title(&compared.new, style));
        }
        let section = ComparisonSection::new(&comparison.base, compared);
        parts.extend(section.totals.iter().map(|table| draw_table(table, style)));
        parts.extend(bullets(section.differences, style));
        parts.extend(section.parts.iter().map(|table| draw_table(table, style)));
        parts.extend(bullets(section.notes, style));
    }
    parts.extend(bullets(comparison.problems(ALL_ARE), style));
    parts.extend(failures(comparison.failures(), style));
    parts.join("\n\n") + "\n"
}

/// Which runs are compared.
fn heading(comparison: &Comparison, style: TableStyle) -> String {
    let names = std::iter::once("BASE").chain(std::iter::repeat("NEW "));
    let runs = names.zip(comparison.runs()).map(|(name, run)| {
        let (source, described) = (safe(&run.source, style), safe(&described(run), style));
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
fn described(run: &ComparedRun) -> String {
    let directory = run.directory.as_deref().filter(|&directory| directory != run.source);
    let directory = directory.and_then(|path| directory_to_show(&run.name, Some(Path::new(path))));
    format!(
        "{}{} · {}, {} · {}{}",
        run.name,
        directory.map_or(String::new(), |directory| format!(" ({directory})")),
        numbered(run.batches.into(), ["batch", "batches"]),
        numbered(run.samples, ["sample", "samples"]),
        if run.complete { "complete" } else { "NOT complete" },
        if run.waiting > 0 { format!(", {} waiting", thousands(run.waiting.into())) } else { String::new() },
    )
}

/// The longest path of a run in the table of all runs on a terminal, in columns.
const LONGEST_SOURCE: usize = 24;

/// All runs in one table: the effective operations of each, and how far they are from those of the base.
fn overview(comparison: &Comparison, longest_source: usize) -> DocumentTable {
    let figure = Figure::EFFECTIVE_PER_SAMPLE;
    let value = |run: &ComparedRun, figure: &Figure| figure.text(run.rows.total.number(figure));
    let row = |run: &ComparedRun, [difference, verdict]: [String; 2]| {
        let source = elide(&run.source, longest_source);
        vec![source, value(run, figure), value(run, Figure::SPARSITY), difference, verdict]
    };
    let new = comparison.comparisons.iter().map(|Compared { new, differences, .. }| {
        let known = differences.iter().find(|difference| difference.figure == figure);
        let unknown = || ["–".to_owned(), "unknown".to_owned()];
        row(new, known.map_or_else(unknown, |known| [known.text(), known.verdict().to_owned()]))
    });
    let rows: Vec<_> = std::iter::once(row(&comparison.base, Default::default())).chain(new).collect();
    let caption = format!("Effective neuron operations per sample of {} runs. {COUNTED} {NOISE}", rows.len());
    let head = ["run", "effective", "sparsity", "against BASE", "that is"];
    whole_table("runs", caption, &head, 1, rows)
}

fn title(run: &ComparedRun, style: TableStyle) -> String {
    let source = safe(&run.source, style);
    match style {
        TableStyle::Text | TableStyle::Coloured => format!("=== NEW is {source} ==="),
        TableStyle::Markdown => format!("## {source}"),
    }
}

/// All compared figures of the total, and of that with measured prices. `what` is compared with what.
fn totals(changes: &Changes, [base, new]: [&str; 2], what: &str) -> Vec<DocumentTable> {
    let table = |label, of: &str, caption: String, total: &FigureChanges| {
        let row = |figure: &'static Figure| {
            std::iter::once(figure.label.into()).chain(cells(&total.get(figure))).collect()
        };
        let rows: Vec<Vec<DocumentCell>> = total.figures().map(row).collect();
        whole_table(label, caption, &[of, base, new, "difference", "change"], 1, rows)
    };
    let caption = format!("Neuron operations in total: {what}. {COUNTED}");
    let mut tables = vec![table("comparison", "in total", caption, &changes.total)];
    let caption = || format!("Neuron operations in total, with measured prices: {what}.");
    let of = "in total, with measured prices";
    tables.extend(changes.total_measured.iter().map(|all| table("comparison", of, caption(), all)));
    tables
}

/// Base, new, difference and change; of a ratio the change is the difference, in percentage points.
fn cells(change: &Change) -> [DocumentCell; 4] {
    let value = |value: Option<f64>| change.figure.text(value.map(Number::Real)).into();
    let distance = if change.figure.unit == FigureUnit::Ratio { String::new() } else { change.distance() };
    let [distance, text] = [distance, change.text()].map(|text| DocumentCell::of_change(text, change));
    [value(change.base), value(change.new), distance, text]
}

/// Whether a figure is the same in every layer and class of two runs.
fn is_same_in_all(changes: &Changes, figure: &'static Figure) -> bool {
    let is_same = |part: &PartChanges| {
        part.presence == PresentIn::Both && part.figures.get(figure).direction() == Some(Direction::Same)
    };
    changes.layers.iter().chain(&changes.neurons).all(is_same)
}

/// One figure of every layer and class; of very many, those that changed most.
fn parts(changes: &Changes, figure: &'static Figure, what: &str) -> DocumentTable {
    let kinds = [("layer", &changes.layers), ("neuron", &changes.neurons)];
    let parts = kinds.into_iter().flat_map(|(kind, parts)| parts.iter().map(move |part| (kind, part)));
    let mut parts: Vec<(&str, &PartChanges)> = parts.collect();
    if parts.len() > MOST_LAYERS {
        let change = |part: &PartChanges| part.figures.get(figure).absolute().map_or(f64::MAX, f64::abs);
        parts.sort_by(|(_, one), (_, other)| change(other).total_cmp(&change(one)));
    }
    let rows = parts.into_iter().map(|(kind, part)| {
        let [base, new, distance, mut change] = cells(&part.figures.get(figure));
        if part.presence != PresentIn::Both {
            change = part.presence.word().into();
        }
        let mut row = vec![kind.into(), part.name.as_str().into(), base, new];
        row.extend((figure.unit != FigureUnit::Ratio).then_some(distance));
        row.push(change);
        row
    });
    let rows: Vec<Vec<DocumentCell>> = rows.collect();
    let caption = format!("The {} of each layer and neuron class: {what}.", figure.label);
    let mut head = vec!["", figure.label, "BASE", "NEW", "difference", "change"];
    head.retain(|&heading| figure.unit != FigureUnit::Ratio || heading != "difference");
    let rest = format!(
        "and {} rows more, which changed less",
        thousands(rows.len().saturating_sub(MOST_LAYERS) as u128)
    );
    whole_table(figure.name, caption, &head, 2, rows).folded(MOST_LAYERS, rest)
}

/// Why the runs are hard to compare.
fn notes(changes: &Changes) -> Vec<String> {
    first_of(changes.notes.iter().cloned(), ALL_ARE)
}

/// The tables on the baseline of a summary: the total, and the changes by layer.
pub(super) fn against(Against { base, changes }: &Against) -> Vec<DocumentTable> {
    let what = format!("this run compared with the baseline {}", base.source);
    let mut tables = totals(changes, ["baseline", "this run"], &what);
    if !changes.layers.is_empty() {
        let figures: Vec<&'static Figure> = changes.total.figures().collect();
        let rows: Vec<Vec<DocumentCell>> = changes.layers.iter().map(|part| layer(part, &figures)).collect();
        let caption = format!("The change of each layer: {what}.");
        let table = whole_table("baseline", caption, &["change by layer"], 1, rows);
        tables.push(table.with_figures(figures, false));
    }
    tables
}

fn layer(part: &PartChanges, figures: &[&'static Figure]) -> Vec<DocumentCell> {
    let mut row = vec![part.name.as_str().into()];
    row.extend(figures.iter().map(|figure| part.figures.get(figure)).map(|change| match part.presence {
        PresentIn::Both => DocumentCell::of_change(change.text(), &change),
        _ => "–".into(),
    }));
    if part.presence != PresentIn::Both {
        row[1] = part.presence.word().into();
    }
    row
}

/// The section on the baseline in a summary as text.
pub(super) fn against_text(baseline: &Against, style: TableStyle) -> String {
    let source = safe(&baseline.base.source, style);
    let separator = if style == TableStyle::Markdown { "\n\n" } else { "\n" };
    let described = safe(&described(&baseline.base), style);
    let mut parts = vec![format!("Against the baseline {source}:{separator}{described}")];
    parts.extend(against(baseline).iter().map(|table| draw_table(table, style)));
    parts.extend(bullets(notes(&baseline.changes), style));
    parts.join("\n\n")
}
