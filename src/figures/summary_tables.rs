//! Summaries as tables for people.

use super::comparison_tables::against;
use super::figure::{Figure, ShownIn};
use super::folding::{MOST_LAYERS, by_share, rest};
use super::row::RowSums;
use super::table_style::{TableStyle, bullets, draw, draw_figures, failed, name, ratio, safe};
use super::{Agreement, ClassFigures, RankFigures, Summary};
use crate::run::Severity;
use crate::run::interval::Uncertainty;
use crate::run::ranks::RankState;
use crate::text::{percent, plus_minus, span, thousands};

/// The account, tables by layer, neuron class and rank, and NeuroBench's figures.
pub(super) fn summary_tables(summary: &Summary, style: TableStyle) -> String {
    let mut parts =
        vec![heading(summary, style), "Operations per sample, by layer and by neuron:".to_owned()];
    parts.push(layers(summary, style));
    if summary.neurons.len() > 1 {
        parts.push(classes(summary, style));
    }
    if !summary.ranks.is_empty() {
        parts.push(ranks(summary, style));
    }
    parts.push(totals(summary, style));
    parts.extend(remarks(summary, style));
    parts.join("\n\n") + "\n"
}

/// What stands below the figures: the baseline, the problems, the conditions that hold.
fn remarks(summary: &Summary, style: TableStyle) -> Vec<String> {
    let baseline = summary.baseline.iter().map(|baseline| against(baseline, style));
    let notes = Some(bullets(notes(summary), style)).filter(|notes| !notes.is_empty());
    baseline.chain(notes).chain(failed(summary.failed.as_deref(), style)).collect()
}

fn heading(summary: &Summary, style: TableStyle) -> String {
    let run = &summary.run;
    let name = safe(&run.name, style);
    let title = match style {
        TableStyle::Text | TableStyle::Coloured => format!("neurotop · {name} · {}", run.status),
        TableStyle::Markdown => format!("# {name}"),
    };
    let separator = if style == TableStyle::Markdown { "\n\n" } else { "\n" };
    let lines = parts_of_heading(summary).into_iter().map(|line| safe(&line, style));
    std::iter::once(title).chain(lines).collect::<Vec<_>>().join(separator)
}

/// What stands below the name of a run: who wrote it, how far it is, whether anything is missing. Not yet safe to print.
pub(super) fn parts_of_heading(summary: &Summary) -> Vec<String> {
    let (run, account) = (&summary.run, &summary.account);
    let of = |expected: Option<u64>| {
        expected.map_or(String::new(), |count| format!(" of {}", thousands(count.into())))
    };
    let counted = format!(
        "{}{} batches, {}{} samples.",
        thousands(run.batches.into()),
        of(run.expected_batches),
        thousands(run.samples),
        of(run.expected_samples),
    );
    let seen = format!(
        "{}{} batches seen, {} counted, {} waiting, {} set aside.",
        if summary.complete { "Complete: " } else { "" },
        account.seen,
        account.counted,
        account.waiting,
        account.set_aside,
    );
    let lines = [
        run.producer.as_deref().map(|producer| format!("Produced by {producer}.")),
        Some(counted),
        Some(seen),
        (!summary.complete).then(|| format!("NOT complete: {}.", summary.incomplete.join("; "))),
    ];
    lines.into_iter().flatten().collect()
}

/// The figures of a row, each as a cell.
fn cells<'a>(
    figures: &'a [&'static Figure],
    sums: &'a RowSums,
    uncertainty: Option<&'a Uncertainty>,
) -> impl Iterator<Item = String> + 'a {
    figures.iter().map(move |figure| figure.rounded(sums, uncertainty))
}

fn headings<'a>(before: &[&'a str], figures: &[&'static Figure], behind: &[&'a str]) -> Vec<&'a str> {
    let figures = figures.iter().map(|figure| figure.heading);
    before.iter().copied().chain(figures).chain(behind.iter().copied()).collect()
}

fn layers(summary: &Summary, style: TableStyle) -> String {
    let total = &summary.total.sums;
    let whole = total.effective().unwrap_or_default();
    let ordered = by_share(&summary.layers, MOST_LAYERS);
    let table = draw_figures(Figure::applying_in(ShownIn::Tables, [total]), style, |figures| {
        let mut rows: Vec<Vec<String>> = Vec::with_capacity(ordered.len().min(MOST_LAYERS) + 1);
        rows.extend(ordered.iter().take(MOST_LAYERS).map(|layer| {
            let known = |text: Option<&str>| text.map_or("?".into(), |text| name(text, style));
            let mut row = vec![
                name(&layer.name, style),
                known(layer.neuron.as_deref()),
                known(layer.reset.as_deref()),
                layer.ops_per_update.map_or("unpriced".into(), |ops| ops.to_string()),
            ];
            row.extend(cells(figures, &layer.sums, layer.uncertainty.as_ref()));
            row.push(ratio(layer.sums.share_of(whole)));
            row
        }));
        let mut row = vec!["total".into(), String::new(), String::new(), String::new()];
        row.extend(cells(figures, total, summary.total.uncertainty.as_ref()));
        row.push(ratio(total.share_of(whole)));
        rows.push(row);
        draw(headings(&["layer", "neuron", "reset", "cost"], figures, &["share"]), 3, rows, style)
    });
    match rest(&ordered, MOST_LAYERS, whole) {
        None => table,
        Some(rest) => format!("{table}\n\n{rest}; the JSON and the CSV have all"),
    }
}

fn classes(summary: &Summary, style: TableStyle) -> String {
    let total = &summary.total.sums;
    let whole = total.effective().unwrap_or_default();
    draw_figures(Figure::applying_in(ShownIn::Tables, [total]), style, |figures| {
        let row = |class: &ClassFigures| {
            let mut row = vec![name(&class.neuron, style), class.layers.to_string()];
            row.extend(cells(figures, &class.sums, None));
            row.push(ratio(class.sums.share_of(whole)));
            row
        };
        let rows = summary.neurons.iter().map(row).collect();
        draw(headings(&["neuron", "layers"], figures, &["share"]), 1, rows, style)
    })
}

/// One table with a row for each run, then what stands below the figures of each.
pub(super) fn runs_tables(summaries: &[Summary], style: TableStyle) -> String {
    let totals = summaries.iter().map(|summary| &summary.total.sums);
    let table = draw_figures(Figure::applying_in(ShownIn::Tables, totals), style, |figures| {
        let row = |summary: &Summary| {
            let mut row = vec![
                name(&summary.run.name, style),
                summary.run.status.to_owned(),
                if summary.complete { "yes" } else { "NO" }.to_owned(),
                thousands(summary.run.samples),
            ];
            row.extend(cells(figures, &summary.total.sums, summary.total.uncertainty.as_ref()));
            row
        };
        let rows = summaries.iter().map(row).collect();
        draw(headings(&["run", "state", "complete", "samples"], figures, &[]), 3, rows, style)
    });
    let title =
        if style == TableStyle::Markdown { "# Runs" } else { "neurotop · runs, operations per sample" };
    let mut parts = vec![title.to_owned(), table];
    for summary in summaries {
        let remarks = remarks(summary, style);
        if !remarks.is_empty() {
            parts.push(format!("{}:", safe(&summary.run.name, style)));
            parts.extend(remarks);
        }
    }
    parts.join("\n\n") + "\n"
}

/// The most ranks in a table; the JSON has all.
const MOST_RANKS: usize = 64;

/// The ranks. If there are too many, those that need attention, silent ones first.
fn ranks(summary: &Summary, style: TableStyle) -> String {
    let ranks = &summary.ranks;
    let mut listed: Vec<&RankFigures> = ranks.iter().collect();
    let left_out = ranks.len().saturating_sub(MOST_RANKS);
    if left_out > 0 {
        listed.sort_by_key(|rank| (rank.state, std::cmp::Reverse(rank.behind), rank.rank));
        listed.truncate(MOST_RANKS);
    }
    let total = &summary.total.sums;
    let table = draw_figures(Figure::applying_in(ShownIn::RankTables, [total]), style, |figures| {
        let rows = listed.iter().map(|rank| rank_row(rank, figures)).collect();
        let head = ["rank", "state", "batches", "behind", "waiting", "set aside", "samples"];
        draw(headings(&head, figures, &["share"]), 2, rows, style)
    });
    match left_out {
        0 => table,
        _ => format!(
            "{table}\n\nand {} ranks more, which need less looking after; the JSON has all",
            thousands(left_out as u128)
        ),
    }
}

fn rank_row(rank: &RankFigures, figures: &[&'static Figure]) -> Vec<String> {
    let state = match (rank.state, rank.quiet()) {
        (RankState::Silent, Some(quiet)) => format!("silent for {}", span(quiet)),
        (state, _) => state.name().to_owned(),
    };
    let mut row = vec![
        rank.rank.to_string(),
        state,
        thousands(rank.batches.into()),
        thousands(rank.behind.into()),
        thousands(rank.waiting.into()),
        thousands(rank.set_aside.into()),
        thousands(rank.sums.samples),
    ];
    row.extend(cells(figures, &rank.sums, None));
    row.push(ratio(rank.share));
    row
}

/// NeuroBench's figures, then those that a table may leave out, with every digit.
fn totals(summary: &Summary, style: TableStyle) -> String {
    let ours = &summary.neurobench;
    let mut lines = vec![
        format!("Effective Neuron Ops  {}", effective(summary)),
        format!("Neuron Dense Ops      {:?} per sample", ours.neuron_operations.dense),
        format!("Membrane Updates      {:?} per sample", ours.membrane_updates),
    ];
    let sums = &summary.total.sums;
    let others = Figure::applying_in(ShownIn::Tables, [sums]).into_iter().filter(|figure| figure.is_later);
    lines.extend(
        others.filter_map(|figure| {
            Some(format!("{:<20}  {}", figure.label, figure.number(sums)?.every_digit()))
        }),
    );
    lines.extend(agreement_lines(&summary.agreement));
    match style {
        TableStyle::Text | TableStyle::Coloured => lines.join("\n"),
        TableStyle::Markdown => format!("```text\n{}\n```", lines.join("\n")),
    }
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

/// The effective operations per sample: every digit once they are final, and until then how far they may still move.
fn effective(summary: &Summary) -> String {
    let value = summary.neurobench.neuron_operations.effective;
    match summary.total.uncertainty.filter(|uncertainty| uncertainty.half_width > 0.0) {
        None => format!("{value:?} per sample"),
        Some(uncertainty) => {
            let within = uncertainty.relative;
            let within = within.map_or(String::new(), |part| format!(", stable to within {}", percent(part)));
            format!("{} per sample (95 %{within})", plus_minus(value, uncertainty.half_width))
        }
    }
}

/// What is unpriced, the problems, and the warnings of the producer. Not yet safe to print.
pub(super) fn notes(summary: &Summary) -> Vec<String> {
    let unpriced = summary.layers.iter().filter(|layer| layer.ops_per_update.is_none()).map(|layer| {
        let of = match (&layer.neuron, &layer.reset) {
            (Some(neuron), Some(reset)) => {
                format!(
                    "NeuroBench has no cost for {neuron}:{reset}; give one with --cost {neuron}:{reset}=OPS"
                )
            }
            _ => "its neuron or reset mechanism is unknown; give them with --neuron and --reset".to_owned(),
        };
        format!("{} is unpriced and left out of the operations: {of}", layer.name)
    });
    let problems = summary.problems.iter().flat_map(|problem| {
        let what = if problem.severity == Severity::SetAside { "set aside: " } else { "" };
        [Some(format!("{}: {what}{}", problem.path, problem.reason)), problem.more.text()]
    });
    let problems = problems.flatten();
    let warnings = summary.run.warnings.iter().map(|warning| format!("the producer warns: {warning}"));
    unpriced.chain(problems).chain(warnings).collect()
}
