//! Reports as tables for people: plain text, with or without colours, and Markdown.

use super::comparison_tables::comparison_tables;
use super::format::FormatWriter;
use super::summary_tables::{runs_tables, summary_tables};
use super::table_style::TableStyle;
use super::{Comparison, Summary};
use crate::follow::Account;
use crate::run::RunPart;
use crate::text::{printable, thousands};
use anyhow::bail;

pub(super) struct Tables(pub(super) TableStyle);

impl FormatWriter for Tables {
    fn summary(&self, summary: &Summary) -> anyhow::Result<String> {
        Ok(summary_tables(summary, self.0))
    }

    fn summaries(&self, summaries: &[Summary]) -> anyhow::Result<String> {
        Ok(runs_tables(summaries, self.0))
    }

    fn comparison(&self, comparison: &Comparison) -> anyhow::Result<String> {
        Ok(comparison_tables(comparison, self.0))
    }

    fn part(&self, part: &RunPart) -> anyhow::Result<String> {
        match self.0 {
            TableStyle::Text | TableStyle::Coloured => Ok(part_line(part)),
            TableStyle::Markdown => bail!("a shard has no tables; merge the shards first"),
        }
    }
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
