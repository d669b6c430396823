//! Reports as JSON.

use super::{Report, SUMMARIES_SCHEMA, Summary};
use serde::Serialize;

pub(super) fn as_json(report: Report<'_>) -> anyhow::Result<String> {
    match report {
        Report::Run(summary) => json(summary),
        Report::Runs(summaries) => json(&SummariesJson { schema: SUMMARIES_SCHEMA, runs: summaries }),
        Report::Comparison(comparison) => json(comparison),
        Report::Part(part) => json(part),
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
