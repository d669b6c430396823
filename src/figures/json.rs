//! Reports as JSON.

use super::provenance::Provenance;
use super::{Report, SUMMARIES_SCHEMA, Summary};
use serde::Serialize;

pub(super) fn as_json(report: Report<'_>, export: Option<&Provenance>) -> anyhow::Result<String> {
    match report {
        Report::Run(report) => json(&ExportJson { report, export }),
        Report::Runs(runs) => {
            json(&ExportJson { report: &SummariesJson { schema: SUMMARIES_SCHEMA, runs }, export })
        }
        Report::Comparison(report) => json(&ExportJson { report, export }),
        // It says which shard of which run it is, and by which rules it was counted.
        Report::Part(part) => json(part),
    }
}

/// A report, and how it came about.
#[derive(Serialize)]
struct ExportJson<'a, T> {
    #[serde(flatten)]
    report: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    export: Option<&'a Provenance>,
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
