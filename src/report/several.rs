//! The figures of several runs together: one document for all formats.

use super::{Format, Style, Summary, csv, json, table};
use serde::Serialize;

/// The schema of the JSON form.
const SCHEMA: &str = "neurotop.summaries/1";

/// The summaries of several runs in a format; of one run alone it is its own summary.
///
/// # Errors
/// Where they cannot be written so.
pub fn render(format: Format, summaries: &[Summary]) -> anyhow::Result<String> {
    if let [summary] = summaries {
        return format.render(summary);
    }
    match format {
        Format::Text => Ok(table::runs(summaries, Style::Text)),
        Format::Md => Ok(table::runs(summaries, Style::Markdown)),
        Format::Json => json::json(&Summaries { schema: SCHEMA, runs: summaries }),
        Format::Csv => csv::runs(summaries),
    }
}

#[derive(Serialize)]
struct Summaries<'a> {
    schema: &'static str,
    runs: &'a [Summary],
}
