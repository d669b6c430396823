//! Reports as tables for people: plain text, with or without colours, and Markdown.

use super::comparison_tables::comparison_tables;
use super::format::FormatWriter;
use super::summary_tables::{runs_tables, summary_tables};
use super::table_style::TableStyle;
use super::{Comparison, RunPart, Summary};
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
            TableStyle::Text | TableStyle::Coloured => Ok(part.line()),
            TableStyle::Markdown => bail!("a shard has no tables; merge the shards first"),
        }
    }
}
