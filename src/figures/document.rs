//! Reports as a document: a title, facts, tables and notes. It has text as it is, which each format escapes.

use super::comparison_tables::{against, of_comparison};
use super::figure::{Figure, ShownIn};
use super::folding::{MOST_LAYERS, by_share, rest};
use super::format::{NO_TABLES, Report};
use super::problems::spelled_out_of;
use super::row::RowSums;
use super::run_times::{RunTimes, elapsed, last, pace, state};
use super::table_style::{ALL_ARE, ratio};
use super::{
    Agreement, Change, ClassFigures, Direction, LayerFigures, RankFigures, Summary, TotalFigures,
    directories_of, failures_of,
};
use crate::run::Status;
use crate::run::interval::Uncertainty;
use crate::run::ranks::RankState;
use crate::text::{numbered, part_of, percent_within, span, thousands, told_apart};
use anyhow::bail;
use std::cmp::Reverse;

/// What a document says. Lines are sentences.
pub(super) struct Document {
    pub(super) title: String,
    pub(super) facts: Vec<String>,
    pub(super) tables: Vec<DocumentTable>,
    pub(super) notes: Vec<String>,
    /// The conditions of `--fail-if` that hold.
    pub(super) failed: Vec<String>,
}

/// A table whose first `text_columns` hold text; the rest hold figures.
pub(super) struct DocumentTable {
    /// One word for it, to refer to it by.
    pub(super) label: &'static str,
    pub(super) caption: String,
    pub(super) head: Vec<DocumentCell>,
    pub(super) text_columns: usize,
    /// The figures that have a column, and the place of the first: where there is little room, some are left out.
    pub(super) figures: Vec<&'static Figure>,
    pub(super) first_figure: usize,
    pub(super) rows: Vec<Vec<DocumentCell>>,
    /// How many rows are shown at first.
    pub(super) shown: usize,
    /// What the rows beyond those are; empty if there are none.
    pub(super) rest: String,
    /// The sums over all rows.
    pub(super) sums: Vec<Vec<DocumentCell>>,
}

/// The text of a cell, and of a change whether it is a gain.
pub(super) struct DocumentCell {
    pub(super) text: String,
    pub(super) direction: Option<Direction>,
}

impl<T: Into<String>> From<T> for DocumentCell {
    fn from(text: T) -> Self {
        Self { text: text.into(), direction: None }
    }
}

impl DocumentCell {
    pub(super) fn of_change(text: String, change: &Change) -> Self {
        Self { text, direction: change.direction() }
    }
}

/// What effective and dense operations are: a table of them means nothing without.
pub(super) const COUNTED: &str = "An effective operation is one operation of an update that changed a neuron's membrane potential; \
    dense operations are those of all updates, at every time step. Sparsity is the part of the dense operations that is \
    not needed.";

/// What the mark of measured prices means.
pub(super) const MEASURED: &str =
    "m: the recorder measured the price; only the total with measured prices has these operations.";

const INTERVAL: &str =
    "± is the 95 % confidence interval of the figure for the whole run, from the batches counted so far.";

pub(super) fn document(report: Report<'_>) -> anyhow::Result<Document> {
    Ok(match report {
        Report::Run(summary) => of_run(summary),
        Report::Runs(summaries) => of_runs(summaries),
        Report::Comparison(comparison) => of_comparison(comparison),
        Report::Part(_) => bail!(NO_TABLES),
    })
}

fn of_run(summary: &Summary) -> Document {
    let mut tables = vec![layers(summary)];
    if summary.neurons.len() > 1 {
        tables.push(classes(summary));
    }
    if !summary.ranks.is_empty() {
        tables.push(ranks(summary));
    }
    tables.extend(summary.baseline.iter().flat_map(against));
    let mut facts = parts_of_heading(summary);
    facts.extend(agreement_lines(&summary.agreement));
    let against = summary.baseline.iter().flat_map(|baseline| baseline.changes.notes.clone());
    Document {
        title: summary.run.name.clone(),
        facts,
        tables,
        notes: notes(summary).chain(against).collect(),
        failed: failures_of(std::slice::from_ref(summary)).collect(),
    }
}

/// What stands below the name of a run: who wrote it, how far it is, whether anything is missing. Not yet safe to print.
pub(super) fn parts_of_heading(summary: &Summary) -> Vec<String> {
    let (run, account) = (&summary.run, &summary.account);
    let counted = format!(
        "{}, {}.",
        part_of(run.batches.into(), run.expected_batches, ["batch", "batches"]),
        part_of(run.samples, run.expected_samples, ["sample", "samples"]),
    );
    let seen = format!(
        "{}{} seen, {} counted, {} waiting, {} set aside.",
        if summary.complete { "Complete: " } else { "" },
        numbered(account.seen.into(), ["batch", "batches"]),
        account.counted,
        account.waiting,
        account.set_aside,
    );
    let lines = [run.producer.as_deref().map(|producer| format!("Produced by {producer}.")), Some(counted)];
    let ends = [
        Some(seen),
        (!summary.complete).then(|| format!("NOT complete: {}.", summary.incomplete.join("; "))),
    ];
    lines.into_iter().flatten().chain(times(summary)).chain(ends.into_iter().flatten()).collect()
}

/// How old the run is and how long it took, how fast it went, and what is wrong with these times: one line each.
pub(super) fn times(summary: &Summary) -> Vec<String> {
    let RunTimes { timing, clock, status, .. } = &summary.run.times;
    let stalled = Some(state(*status)).filter(|_| matches!(status, Status::Stalled(_)));
    let left = timing.left.map(|left| format!("{} left", span(left)));
    let when = stalled.into_iter().chain(elapsed(timing, *status)).chain(left).chain(last(timing, *status));
    let lines = [("Times", when.collect()), ("Pace", pace(timing)), ("Clock", Vec::from_iter(clock.clone()))];
    let lines = lines.into_iter().filter(|(_, parts)| !parts.is_empty());
    lines.map(|(what, parts)| format!("{what}: {}.", parts.join(", "))).collect()
}

/// What NeuroBench's own results say.
pub(super) fn agreement_lines(agreement: &Agreement) -> Vec<String> {
    match agreement {
        Agreement::Unknown => vec![],
        Agreement::Pending => vec!["NeuroBench's own results wait for the last batches.".to_owned()],
        Agreement::Agrees => vec!["Equal to NeuroBench's own results, bit for bit.".to_owned()],
        Agreement::Differs { differences } => {
            std::iter::once("NOT equal to NeuroBench's own results:".to_owned())
                .chain(differences.iter().map(|difference| format!("  {difference}")))
                .collect()
        }
    }
}

/// The problems, and what the mark of measured prices means.
fn notes(summary: &Summary) -> impl Iterator<Item = String> {
    let measured = summary.total_measured.as_ref().map(|_| MEASURED.to_owned());
    spelled_out_of(std::slice::from_ref(summary), ALL_ARE).into_iter().chain(measured)
}

/// Whether any figure of a run still moves.
fn moves(uncertainty: Option<&Uncertainty>) -> bool {
    uncertainty.is_some_and(|uncertainty| uncertainty.half_width > 0.0)
}

/// The sentences that say what is counted, for a caption, and what the mark of measured prices means where there is one.
fn counted(summaries: &[Summary], has_mark: bool) -> String {
    let moving = summaries.iter().any(|summary| moves(summary.total.uncertainty.as_ref()));
    let interval = if moving { INTERVAL } else { "" };
    let measured = if has_mark { MEASURED } else { "" };
    [COUNTED, interval, measured].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The figures of a row, the effective operations with their uncertainty behind ` ± `.
fn cells(
    figures: &[&'static Figure],
    sums: &RowSums,
    uncertainty: Option<&Uncertainty>,
) -> impl Iterator<Item = String> {
    figures.iter().map(move |&figure| match figure == Figure::EFFECTIVE_PER_SAMPLE {
        true => figure.with_uncertainty(sums, uncertainty),
        false => figure.rounded(sums, uncertainty),
    })
}

/// The part of the whole that a row is, with the digits that its operations have: a row that is nearly all of it moves
/// the whole with it, and not its share.
fn share(sums: &RowSums, uncertainty: Option<&Uncertainty>, whole: u128) -> String {
    let Some(share) = sums.share_of(whole) else { return ratio(None) };
    let part = uncertainty.and_then(|uncertainty| uncertainty.relative);
    percent_within(share, part.map(|part| part * share * (1.0 - share)))
}

pub(super) fn layers(summary: &Summary) -> DocumentTable {
    let whole = summary.total_of_all().sums.effective().unwrap_or_default();
    let figures = Figure::applying_in(ShownIn::Tables, [&summary.total.sums]);
    let row = |layer: &LayerFigures| {
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".into());
        let price = layer.cost_text().unwrap_or_else(|| "unpriced".into());
        let mut row = vec![layer.name.clone(), known(&layer.neuron), known(&layer.reset), price];
        row.extend(cells(&figures, &layer.sums, layer.uncertainty.as_ref()));
        row.push(share(&layer.sums, layer.uncertainty.as_ref(), whole));
        row
    };
    let ordered = by_share(&summary.layers, MOST_LAYERS);
    let sum = |(name, total): (&str, &TotalFigures)| {
        let mut sum = vec![name.to_owned(), String::new(), String::new(), String::new()];
        sum.extend(cells(&figures, &total.sums, total.uncertainty.as_ref()));
        sum.push(share(&total.sums, None, whole));
        sum
    };
    let measured = summary.total_measured.iter().map(|total| ("with measured", total));
    let sums =
        std::iter::once(("total", &summary.total)).chain(measured).map(|total| row_of(sum(total))).collect();
    let rest = rest(&ordered, MOST_LAYERS, whole).unwrap_or_default();
    let rows = ordered.into_iter().map(row).collect();
    let caption = format!(
        "Neuron operations per sample of {}, by layer, over {} in {}. {} The cost is the operations of one \
         update.",
        summary.run.name,
        numbered(summary.run.samples, ["sample", "samples"]),
        numbered(summary.run.batches.into(), ["batch", "batches"]),
        counted(std::slice::from_ref(summary), summary.total_measured.is_some()),
    );
    let table = whole_table("layers", caption, &["layer", "neuron", "reset", "cost"], 3, rows);
    DocumentTable { sums, ..table.with_figures(figures, true).folded(MOST_LAYERS, rest) }
}

pub(super) fn classes(summary: &Summary) -> DocumentTable {
    let total = &summary.total_of_all().sums;
    let whole = total.effective().unwrap_or_default();
    let figures = Figure::applying_in(ShownIn::Tables, [total]);
    let row = |class: &ClassFigures| {
        let layers = match (class.measured_layers, class.layers) {
            (0, layers) => layers.to_string(),
            (measured, layers) if measured == layers => format!("{layers} m"),
            (measured, layers) => format!("{layers}, {measured} m"),
        };
        let mut row = vec![class.neuron.clone(), layers];
        let uncertainty = class.uncertainty.as_ref();
        row.extend(cells(&figures, &class.sums, uncertainty));
        row.push(share(&class.sums, uncertainty, whole));
        row
    };
    let mut caption =
        format!("Neuron operations per sample of {}, by the class of the neuron.", summary.run.name);
    if summary.total_measured.is_some() {
        caption = format!("{caption} {MEASURED}");
    }
    let rows = summary.neurons.iter().map(row).collect();
    whole_table("classes", caption, &["neuron", "layers"], 1, rows).with_figures(figures, true)
}

/// The most ranks that are shown at first.
const MOST_RANKS: usize = 64;

/// The ranks. If there are too many, those that need attention come first, silent ones before all.
pub(super) fn ranks(summary: &Summary) -> DocumentTable {
    let figures = Figure::applying_in(ShownIn::RankTables, [&summary.total.sums]);
    // A rank has fewer batches than the run, so that its digits say no more than those of the total.
    let uncertainty = summary.total_of_all().uncertainty.as_ref();
    let row = |rank: &RankFigures| {
        let state = match (rank.state, rank.quiet()) {
            (RankState::Silent, Some(quiet)) => format!("silent for {}", span(quiet)),
            (state, _) => state.name().to_owned(),
        };
        let mut row = vec![rank.rank.to_string(), state];
        let counts = [rank.batches, rank.behind, rank.waiting, rank.set_aside];
        row.extend(counts.map(|count| thousands(count.into())));
        row.push(thousands(rank.sums.samples));
        row.extend(figures.iter().map(|figure| figure.rounded(rank.all_sums(), uncertainty)));
        row.push(ratio(rank.share));
        row
    };
    let mut ranks: Vec<&RankFigures> = summary.ranks.iter().collect();
    let left_out = ranks.len().saturating_sub(MOST_RANKS);
    if left_out > 0 {
        ranks.sort_by_key(|rank| (rank.state, Reverse(rank.behind), rank.rank));
    }
    let caption = format!("Neuron operations per sample of {}, by rank.", summary.run.name);
    let head = ["rank", "state", "batches", "behind", "waiting", "set aside", "samples"];
    let rest = format!("and {} ranks more, which need less looking after", thousands(left_out as u128));
    let table = whole_table("ranks", caption, &head, 2, ranks.into_iter().map(row).collect());
    table.with_figures(figures, true).folded(MOST_RANKS, rest)
}

/// A table that shows all its rows.
pub(super) fn whole_table(
    label: &'static str,
    caption: String,
    head: &[&str],
    text_columns: usize,
    rows: Vec<Vec<impl Into<DocumentCell>>>,
) -> DocumentTable {
    let mut rows: Vec<Vec<DocumentCell>> = rows.into_iter().map(row_of).collect();
    (0..text_columns).for_each(|column| tell_apart(&mut rows, column));
    DocumentTable {
        label,
        caption,
        head: head.iter().copied().map(Into::into).collect(),
        text_columns,
        figures: Vec::new(),
        first_figure: head.len(),
        shown: rows.len(),
        rows,
        rest: String::new(),
        sums: Vec::new(),
    }
}

/// Has texts of a column that would look the same show what differs.
fn tell_apart(rows: &mut [Vec<DocumentCell>], column: usize) {
    let shown = told_apart(rows.iter().filter_map(|row| Some(row.get(column)?.text.as_str())));
    for cell in rows.iter_mut().filter_map(|row| row.get_mut(column)) {
        if let Some(shown) = shown.get(&cell.text) {
            cell.text.clone_from(shown);
        }
    }
}

fn row_of(cells: Vec<impl Into<DocumentCell>>) -> Vec<DocumentCell> {
    cells.into_iter().map(Into::into).collect()
}

impl DocumentTable {
    /// The same with columns for figures behind the others, and for the share of the whole.
    pub(super) fn with_figures(mut self, figures: Vec<&'static Figure>, has_share: bool) -> Self {
        let headings = figures.iter().map(|figure| figure.heading).chain(has_share.then_some("share"));
        self.head.extend(headings.map(Into::into));
        Self { figures, ..self }
    }

    /// The figure that a column has.
    pub(super) fn figure_in(&self, column: usize) -> Option<&'static Figure> {
        column.checked_sub(self.first_figure).and_then(|at| self.figures.get(at)).copied()
    }

    /// Whether a column is there where only these figures have one.
    pub(super) fn has_column(&self, column: usize, figures: &[&'static Figure]) -> bool {
        self.figure_in(column).is_none_or(|figure| figures.contains(&figure))
    }

    /// The figures for which there is room: while the table is wider than `most`, the later ones give way, one after the
    /// other.
    pub(super) fn figures_within(
        &self,
        most: usize,
        width: impl Fn(&[&'static Figure]) -> usize,
    ) -> Vec<&'static Figure> {
        let mut figures = self.figures.clone();
        while figures.iter().any(|figure| figure.is_later) && width(&figures) > most {
            let later = figures.iter().enumerate().filter(|(_, figure)| figure.is_later);
            let least = later.min_by_key(|(_, figure)| figure.priority).map(|(at, _)| at);
            least.map(|at| figures.remove(at));
        }
        figures
    }

    /// The same with so many rows at first; `rest` says what the others are.
    pub(super) fn folded(self, most: usize, rest: String) -> Self {
        if self.rows.len() <= most { self } else { Self { shown: most, rest, ..self } }
    }
}

fn of_runs(summaries: &[Summary]) -> Document {
    Document {
        title: "Runs".to_owned(),
        facts: vec![format!("{} runs.", summaries.len())],
        tables: vec![runs(summaries)],
        notes: spelled_out_of(summaries, ALL_ARE),
        failed: failures_of(summaries).collect(),
    }
}

/// A row for each run.
pub(super) fn runs(summaries: &[Summary]) -> DocumentTable {
    let totals = summaries.iter().map(|summary| &summary.shown_total().0.sums);
    let figures = Figure::applying_in(ShownIn::Tables, totals);
    let directories = directories_of(summaries);
    let has_directory = directories.iter().any(Option::is_some);
    let row = |(summary, directory): (&Summary, &Option<String>)| {
        let (total, is_measured) = summary.shown_total();
        let mark = if is_measured { " (m)" } else { "" };
        let mut row = vec![format!("{}{mark}", summary.run.name)];
        row.extend(has_directory.then(|| directory.clone().unwrap_or_default()));
        row.push(summary.run.status.to_owned());
        row.push(if summary.complete { "yes" } else { "NO" }.to_owned());
        row.push(thousands(summary.run.samples));
        row.extend(cells(&figures, &total.sums, total.uncertainty.as_ref()));
        row
    };
    let has_mark = summaries.iter().any(|summary| summary.shown_total().1);
    let caption = format!("Neuron operations per sample. {}", counted(summaries, has_mark));
    let mut head = vec!["run", "directory", "state", "complete", "samples"];
    head.retain(|&heading| has_directory || heading != "directory");
    let rows = summaries.iter().zip(&directories).map(row).collect();
    whole_table("runs", caption, &head, head.len() - 1, rows).with_figures(figures, false)
}
