//! Summaries as tables for people.

use super::comparison_tables::against;
use super::figure::{Figure, ShownIn};
use super::folding::{MOST_LAYERS, by_share, rest};
use super::problems::spelled_out;
use super::row::RowSums;
use super::run_times::{RunTimes, elapsed, last, pace, state};
use super::table_style::{ALL_ARE, TableStyle, bullets, draw, draw_figures, failed, name, ratio, safe};
use super::{Agreement, ClassFigures, RankFigures, Summary, TotalFigures, directories_of, run_prefixes};
use crate::run::Status;
use crate::run::interval::Uncertainty;
use crate::run::ranks::RankState;
use crate::text::{numbered, part_of, percent, plus_minus, span, thousands};

/// The account, tables by layer, neuron class and rank, the problems, and last NeuroBench's figures: the end of the text is
/// what stands above the prompt.
pub(super) fn summary_tables(summary: &Summary, style: TableStyle) -> String {
    let mut parts =
        vec![heading(summary, style), "Operations per sample, by layer and by neuron:".to_owned()];
    parts.push(layers(summary, style));
    if summary.total_measured.is_some() {
        parts.push(MEASURED.to_owned());
    }
    if summary.neurons.len() > 1 {
        parts.push(classes(summary, style));
    }
    if !summary.ranks.is_empty() {
        parts.push(ranks(summary, style));
    }
    parts.extend(summary.baseline.iter().map(|baseline| against(baseline, style)));
    parts.extend(remarks(std::slice::from_ref(summary), style));
    parts.push(totals(summary, style));
    parts.join("\n\n") + "\n"
}

/// What the mark of measured prices means.
pub(super) const MEASURED: &str =
    "m: the recorder measured the price; only the total with measured prices has these operations.";

/// The problems and the conditions that hold, of all runs together.
fn remarks(summaries: &[Summary], style: TableStyle) -> impl Iterator<Item = String> {
    let names = run_prefixes(summaries);
    let failures = summaries.iter().zip(&names).flat_map(|(summary, name)| {
        summary.failed.iter().flatten().map(move |failure| format!("{name}{failure}"))
    });
    problems(summaries, &names, style).into_iter().chain(failed(failures, style))
}

/// How many problems there are, and the gravest in words; `None` if there are none. The conditions have a list of their
/// own.
fn problems(summaries: &[Summary], names: &[String], style: TableStyle) -> Option<String> {
    let head = match summaries.iter().map(Summary::problem_count).sum::<u64>() {
        0 => return None,
        1 => "1 problem:".to_owned(),
        count => format!("{} problems, the gravest first:", thousands(count.into())),
    };
    let runs = names.iter().zip(summaries).map(|(name, summary)| (name.as_str(), &summary.problems[..]));
    let listed = bullets(spelled_out(runs, ALL_ARE), style);
    Some(if listed.is_empty() { head } else { format!("{head}\n\n{listed}") })
}

fn heading(summary: &Summary, style: TableStyle) -> String {
    let run = &summary.run;
    let name = titled(&run.name, run.directory_to_show().as_deref(), style);
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

/// The name of a run and, where that does not tell which it is, its directory.
fn titled(name: &str, directory: Option<&str>, style: TableStyle) -> String {
    let directory = directory.map_or(String::new(), |directory| format!(" ({})", safe(directory, style)));
    format!("{}{directory}", safe(name, style))
}

/// How old the run is and how long it took, how fast it went, and what is wrong with these times: one line each.
fn times(summary: &Summary) -> Vec<String> {
    let RunTimes { timing, clock, status, .. } = &summary.run.times;
    let stalled = Some(state(*status)).filter(|_| matches!(status, Status::Stalled(_)));
    let left = timing.left.map(|left| format!("{} left", span(left)));
    let when = stalled.into_iter().chain(elapsed(timing, *status)).chain(left).chain(last(timing, *status));
    let lines = [("Times", when.collect()), ("Pace", pace(timing)), ("Clock", Vec::from_iter(clock.clone()))];
    let lines = lines.into_iter().filter(|(_, parts)| !parts.is_empty());
    lines.map(|(what, parts)| format!("{what}: {}.", parts.join(", "))).collect()
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
    let measured = summary.total_measured.as_ref();
    let whole = summary.total_of_all().sums.effective().unwrap_or_default();
    let ordered = by_share(&summary.layers, MOST_LAYERS);
    let table = draw_figures(Figure::applying_in(ShownIn::Tables, [total]), style, |figures| {
        let mut rows: Vec<Vec<String>> = Vec::with_capacity(ordered.len().min(MOST_LAYERS) + 2);
        rows.extend(ordered.iter().take(MOST_LAYERS).map(|layer| {
            let known = |text: Option<&str>| text.map_or("?".into(), |text| name(text, style));
            let mut row = vec![
                name(&layer.name, style),
                known(layer.neuron.as_deref()),
                known(layer.reset.as_deref()),
                layer.cost_text().unwrap_or_else(|| "unpriced".into()),
            ];
            row.extend(cells(figures, &layer.sums, layer.uncertainty.as_ref()));
            row.push(ratio(layer.sums.share_of(whole)));
            row
        }));
        let totals = std::iter::once(("total", &summary.total));
        for (name, total) in totals.chain(measured.map(|total| ("with measured", total))) {
            let mut row = vec![name.into(), String::new(), String::new(), String::new()];
            row.extend(cells(figures, &total.sums, total.uncertainty.as_ref()));
            row.push(ratio(total.sums.share_of(whole)));
            rows.push(row);
        }
        draw(headings(&["layer", "neuron", "reset", "cost"], figures, &["share"]), 3, rows, style)
    });
    match rest(&ordered, MOST_LAYERS, whole) {
        None => table,
        Some(rest) => format!("{table}\n\n{rest}; the JSON and the CSV have all"),
    }
}

/// How many layers a class has, and how many of them with a measured price.
pub(super) fn class_layers(class: &ClassFigures) -> String {
    match (class.measured_layers, class.layers) {
        (0, layers) => layers.to_string(),
        (measured, layers) if measured == layers => format!("{layers} m"),
        (measured, layers) => format!("{layers}, {measured} m"),
    }
}

fn classes(summary: &Summary, style: TableStyle) -> String {
    let total = &summary.total_of_all().sums;
    let whole = total.effective().unwrap_or_default();
    draw_figures(Figure::applying_in(ShownIn::Tables, [total]), style, |figures| {
        let row = |class: &ClassFigures| {
            let mut row = vec![name(&class.neuron, style), class_layers(class)];
            row.extend(cells(figures, &class.sums, None));
            row.push(ratio(class.sums.share_of(whole)));
            row
        };
        let rows = summary.neurons.iter().map(row).collect();
        draw(headings(&["neuron", "layers"], figures, &["share"]), 1, rows, style)
    })
}

/// What is to be said of each run, then one table with a row for each.
pub(super) fn runs_tables(summaries: &[Summary], style: TableStyle) -> String {
    let directories = directories_of(summaries);
    let has_directory = directories.iter().any(Option::is_some);
    let totals = summaries.iter().map(|summary| &summary.shown_total().0.sums);
    let are_measured = summaries.iter().any(|summary| summary.shown_total().1);
    let table = draw_figures(Figure::applying_in(ShownIn::Tables, totals), style, |figures| {
        let row = |(summary, directory): (&Summary, &Option<String>)| {
            let (total, is_measured) = summary.shown_total();
            let mark = if is_measured { " (m)" } else { "" };
            let mut row = vec![name(&summary.run.name, style) + mark];
            row.extend(has_directory.then(|| name(directory.as_deref().unwrap_or_default(), style)));
            row.extend([
                summary.run.status.to_owned(),
                if summary.complete { "yes" } else { "NO" }.to_owned(),
                thousands(summary.run.samples),
            ]);
            row.extend(cells(figures, &total.sums, total.uncertainty.as_ref()));
            row
        };
        let rows = summaries.iter().zip(&directories).map(row).collect();
        let mut head = vec!["run", "directory", "state", "complete", "samples"];
        head.retain(|&heading| has_directory || heading != "directory");
        draw(headings(&head, figures, &[]), head.len() - 1, rows, style)
    });
    let title =
        if style == TableStyle::Markdown { "# Runs" } else { "neurotop · runs, operations per sample" };
    let mut parts = vec![title.to_owned()];
    for (summary, directory) in summaries.iter().zip(&directories) {
        let is_worth_a_word =
            matches!(summary.run.times.status, Status::Stalled(_)) || summary.run.times.clock.is_some();
        let times = if is_worth_a_word { times(summary) } else { Vec::new() };
        let times = times.iter().map(|line| safe(line, style));
        let baseline = summary.baseline.iter().map(|baseline| against(baseline, style));
        let remarks: Vec<String> = times.chain(baseline).collect();
        if !remarks.is_empty() {
            parts.push(format!("{}:", titled(&summary.run.name, directory.as_deref(), style)));
            parts.extend(remarks);
        }
    }
    parts.extend(remarks(summaries, style));
    parts.push(table);
    parts.extend(are_measured.then(|| "m: all its prices were measured by the recorder.".to_owned()));
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
    let mut table = draw_figures(Figure::applying_in(ShownIn::RankTables, [total]), style, |figures| {
        let rows = listed.iter().map(|rank| rank_row(rank, figures)).collect();
        let head = ["rank", "state", "batches", "behind", "waiting", "set aside", "samples"];
        draw(headings(&head, figures, &["share"]), 2, rows, style)
    });
    if summary.total_measured.is_some() {
        table += "\n\nThe operations of the ranks are those with measured prices.";
    }
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
    row.extend(cells(figures, rank.all_sums(), None));
    row.push(ratio(rank.share));
    row
}

/// NeuroBench's figures, then those that a table may leave out, with every digit.
fn totals(summary: &Summary, style: TableStyle) -> String {
    let ours = &summary.neurobench;
    let mut lines = vec![
        format!("Effective Neuron Ops  {}", effective(ours.neuron_operations.effective, &summary.total)),
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
    lines.extend(summary.total_measured.iter().flat_map(with_measured));
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

/// The figures of the total with the layers whose price is measured, which NeuroBench does not have.
fn with_measured(total: &TotalFigures) -> [String; 2] {
    let [per_sample, dense] =
        [total.sums.effective_per_sample(), total.sums.dense_per_sample()].map(Option::unwrap_or_default);
    [
        format!("With measured prices  {}, effective", effective(per_sample, total)),
        format!("                      {dense:?} per sample, dense"),
    ]
}

/// Effective operations per sample: every digit once they are final, and until then how far they may still move.
fn effective(value: f64, total: &TotalFigures) -> String {
    match total.uncertainty.filter(|uncertainty| uncertainty.half_width > 0.0) {
        None => format!("{value:?} per sample"),
        Some(uncertainty) => {
            let within = uncertainty.relative;
            let within = within.map_or(String::new(), |part| format!(", stable to within {}", percent(part)));
            format!("{} per sample (95 %{within})", plus_minus(value, uncertainty.half_width))
        }
    }
}
