//! Reports as JSON.

use super::format::FormatWriter;
use super::{Comparison, SUMMARIES_SCHEMA, Summary};
use crate::run::RunPart;
use serde::Serialize;

pub(super) struct Json;

impl FormatWriter for Json {
    fn summary(&self, summary: &Summary) -> anyhow::Result<String> {
        json(summary)
    }

    fn summaries(&self, summaries: &[Summary]) -> anyhow::Result<String> {
        json(&SummariesJson { schema: SUMMARIES_SCHEMA, runs: summaries })
    }

    fn comparison(&self, comparison: &Comparison) -> anyhow::Result<String> {
        json(comparison)
    }

    fn part(&self, part: &RunPart) -> anyhow::Result<String> {
        json(part)
    }
}

#[derive(Serialize)]
struct SummariesJson<'a> {
    schema: &'static str,
    runs: &'a [Summary],
}

/// An indented JSON object, with a line feed at the end.
fn json(report: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}
