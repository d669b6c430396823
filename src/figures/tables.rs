//! Reports as tables for people: plain text, with or without colours, and Markdown.

use super::comparison_tables::comparison_tables;
use super::format::{NO_TABLES, Report};
use super::provenance::Provenance;
use super::summary_tables::{runs_tables, summary_tables};
use super::table_style::{TableStyle, safe};
use crate::follow::Account;
use crate::run::RunPart;
use crate::text::{printable, thousands};
use anyhow::bail;

pub(super) fn as_tables(
    report: Report<'_>,
    style: TableStyle,
    provenance: Option<&Provenance>,
) -> anyhow::Result<String> {
    let tables = match report {
        Report::Run(summary) => summary_tables(summary, style),
        Report::Runs(summaries) => runs_tables(summaries, style),
        Report::Comparison(comparison) => comparison_tables(comparison, style),
        Report::Part(_) if style == TableStyle::Markdown => bail!(NO_TABLES),
        Report::Part(part) => part_line(part),
    };
    Ok(match provenance {
        None => tables,
        Some(provenance) => format!("{tables}\n{}\n", safe(&provenance.to_string(), style)),
    })
}

/// The part of a shard in one line: its figures are those of a shard alone, and in no table.
fn part_line(part: &RunPart) -> String {
    let Account { seen, counted, waiting, set_aside, .. } = part.account();
    let [seen, counted, waiting, set_aside] =
        [seen, counted, waiting, set_aside].map(|count| thousands(count.into()));
    let (run, shard, samples) = (printable(part.name()), part.shard(), thousands(part.samples()));
    format!(
        "neurotop · {run} · shard {shard}: {seen} batches seen, {counted} counted with {samples} samples, {waiting} \
         waiting, {set_aside} set aside; neurotop merge adds the shards up\n"
    )
}
