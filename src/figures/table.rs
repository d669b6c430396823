//! The summary as tables for people: plain text for a terminal, or Markdown.

use super::comparison::against;
use super::draw::{Style, bullets, draw, failed, name, per_sample, ratio, safe};
use super::{Agreement, RankFigures, Summary};
use crate::run::ranks::RankState;
use crate::text::{decimal, percent, span, thousands};

/// The summary with its account, tables by layer and by neuron class, and NeuroBench's figures.
pub(super) fn table(summary: &Summary, style: Style) -> String {
    let mut parts =
        vec![heading(summary, style), "Operations per sample, by layer and by neuron:".to_owned()];
    parts.push(layers(summary, style));
    if summary.neurons.len() > 1 {
        parts.push(classes(summary, style));
    }
    if !summary.ranks.is_empty() {
        parts.push(ranks(&summary.ranks, style));
    }
    parts.push(figures(summary, style));
    parts.extend(remarks(summary, style));
    parts.join("\n\n") + "\n"
}

/// What there is to say beside the figures: the baseline, what is wrong, which conditions hold.
pub(super) fn remarks(summary: &Summary, style: Style) -> Vec<String> {
    let baseline = summary.baseline.iter().map(|baseline| against(baseline, style));
    let notes = Some(notes(summary, style)).filter(|notes| !notes.is_empty());
    baseline.chain(notes).chain(failed(summary.failed.as_deref(), style)).collect()
}

fn heading(summary: &Summary, style: Style) -> String {
    let run = &summary.run;
    let of = |expected: Option<u64>| {
        expected.map_or(String::new(), |count| format!(" of {}", thousands(count.into())))
    };
    let name = safe(&run.name, style);
    let title = match style {
        Style::Text | Style::Coloured => format!("neurotop · {name} · {}", run.status),
        Style::Markdown => format!("# {name}"),
    };
    let account = &summary.account;
    let lines = [
        run.producer.as_deref().map(|producer| format!("Produced by {}.", safe(producer, style))),
        Some(format!(
            "{}{} batches, {}{} samples.",
            thousands(run.batches.into()),
            of(run.expected_batches),
            thousands(run.samples),
            of(run.expected_samples),
        )),
        Some(format!(
            "{}{} batches seen, {} counted, {} waiting, {} set aside.",
            if summary.complete { "Complete: " } else { "" },
            account.seen,
            account.counted,
            account.waiting,
            account.set_aside,
        )),
        (!summary.complete)
            .then(|| format!("NOT complete: {}.", safe(&summary.incomplete.join("; "), style))),
    ];
    let separator = if style == Style::Markdown { "\n\n" } else { "\n" };
    std::iter::once(title).chain(lines.into_iter().flatten()).collect::<Vec<_>>().join(separator)
}

fn layers(summary: &Summary, style: Style) -> String {
    let total = &summary.total;
    let mut rows: Vec<Vec<String>> = summary
        .layers
        .iter()
        .map(|layer| {
            vec![
                name(&layer.name, style),
                layer.neuron.as_deref().map_or("?".into(), |neuron| name(neuron, style)),
                layer.reset.as_deref().map_or("?".into(), |reset| name(reset, style)),
                layer.ops_per_update.map_or("unpriced".into(), |ops| ops.to_string()),
                per_sample(layer.effective_ops_per_sample),
                per_sample(layer.dense_ops_per_sample),
                ratio(layer.sparsity),
                ratio(share(layer.effective_ops, total.effective_ops)),
            ]
        })
        .collect();
    rows.push(vec![
        "total".into(),
        String::new(),
        String::new(),
        String::new(),
        per_sample(Some(total.effective_ops_per_sample)),
        per_sample(Some(total.dense_ops_per_sample)),
        ratio(total.sparsity),
        ratio(share(Some(total.effective_ops), total.effective_ops)),
    ]);
    draw(["layer", "neuron", "reset", "cost", "effective", "dense", "sparsity", "share"], 3, rows, style)
}

fn classes(summary: &Summary, style: Style) -> String {
    let rows = summary
        .neurons
        .iter()
        .map(|class| {
            vec![
                name(&class.neuron, style),
                class.layers.to_string(),
                per_sample(class.effective_ops_per_sample),
                per_sample(class.dense_ops_per_sample),
                ratio(class.sparsity),
                ratio(share(class.effective_ops, summary.total.effective_ops)),
            ]
        })
        .collect();
    draw(["neuron", "layers", "effective", "dense", "sparsity", "share"], 1, rows, style)
}

/// Ranks that a table lists; the JSON has all.
const MOST_RANKS: usize = 64;

/// The ranks; of more than there is room for those that need looking after, silent ones first.
fn ranks(ranks: &[RankFigures], style: Style) -> String {
    let mut listed: Vec<&RankFigures> = ranks.iter().collect();
    let left_out = ranks.len().saturating_sub(MOST_RANKS);
    if left_out > 0 {
        listed.sort_by_key(|rank| (rank.state, std::cmp::Reverse(rank.behind), rank.rank));
        listed.truncate(MOST_RANKS);
    }
    let row = |rank: &RankFigures| {
        let state = match (rank.state, rank.quiet()) {
            (RankState::Silent, Some(quiet)) => format!("silent for {}", span(quiet)),
            (state, _) => state.name().to_owned(),
        };
        vec![
            rank.rank.to_string(),
            state,
            thousands(rank.batches.into()),
            thousands(rank.behind.into()),
            thousands(rank.waiting.into()),
            thousands(rank.set_aside.into()),
            thousands(rank.samples),
            per_sample(rank.effective_ops_per_sample),
            ratio(rank.share),
        ]
    };
    let rows = listed.into_iter().map(row).collect();
    let head =
        ["rank", "state", "batches", "behind", "waiting", "set aside", "samples", "effective", "share"];
    let table = draw(head, 2, rows, style);
    match left_out {
        0 => table,
        _ => format!(
            "{table}\n\nand {} ranks more, which need less looking after; the JSON has all",
            thousands(left_out as u128)
        ),
    }
}

/// NeuroBench's figures, every digit of them.
fn figures(summary: &Summary, style: Style) -> String {
    let ours = &summary.neurobench;
    let mut lines = vec![
        format!(
            "Effective Neuron Ops  {:?} per sample{}",
            ours.neuron_operations.effective,
            still_moving(summary)
        ),
        format!("Neuron Dense Ops      {:?} per sample", ours.neuron_operations.dense),
        format!("Membrane Updates      {:?} per sample", ours.membrane_updates),
    ];
    lines.extend(match &summary.agreement {
        Agreement::Unknown => vec![],
        Agreement::Pending => vec!["NeuroBench's own results wait for the last batches.".to_owned()],
        Agreement::Agrees => vec!["Equal to NeuroBench's own results, bit for bit.".to_owned()],
        Agreement::Differs { differences } => {
            std::iter::once("NOT equal to NeuroBench's own results:".to_owned())
                .chain(differences.iter().map(|difference| format!("  {difference}")))
                .collect()
        }
    });
    match style {
        Style::Text | Style::Coloured => lines.join("\n"),
        Style::Markdown => format!("```text\n{}\n```", lines.join("\n")),
    }
}

/// How far the figure may still move, while it may.
fn still_moving(summary: &Summary) -> String {
    let moving = summary.total.uncertainty.filter(|uncertainty| uncertainty.half_width > 0.0);
    moving.map_or(String::new(), |uncertainty| {
        let within = uncertainty
            .relative
            .map_or(String::new(), |part| format!(", stable to within {}", percent(part)));
        format!(" ± {} (95 %{within})", decimal(uncertainty.half_width, 2))
    })
}

fn notes(summary: &Summary, style: Style) -> String {
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
        let what = if problem.severity == "set_aside" { "set aside: " } else { "" };
        [Some(format!("{}: {what}{}", problem.path, problem.reason)), problem.more.text()]
    });
    let problems = problems.flatten();
    let warnings = summary.run.warnings.iter().map(|warning| format!("the producer warns: {warning}"));
    bullets(unpriced.chain(problems).chain(warnings), style)
}

/// A layer's or class's part of the effective operations.
fn share(part: Option<u128>, whole: u128) -> Option<f64> {
    part.filter(|_| whole > 0).map(|part| crate::run::tally::quotient(part, whole))
}
