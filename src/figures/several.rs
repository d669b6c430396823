//! The figures of several runs together: one document for all formats.

use super::draw::{Style, draw, name, per_sample, ratio, safe};
use super::{Colours, Format, Report, Summary, csv, json, table};
use crate::text::thousands;
use serde::Serialize;

/// The schema of the JSON form.
pub(super) const SCHEMA: &str = "neurotop.summaries/1";

/// The summaries of several runs; that of one alone is reported as itself.
#[derive(Debug, Clone, Copy)]
pub struct Summaries<'a>(pub &'a [Summary]);

impl Report for Summaries<'_> {
    fn render(&self, format: Format, colours: Colours) -> anyhow::Result<String> {
        let summaries = match self.0 {
            [summary] => return summary.render(format, colours),
            summaries => summaries,
        };
        match format {
            Format::Text => Ok(tables(summaries, colours.style())),
            Format::Md => Ok(tables(summaries, Style::Markdown)),
            Format::Json => json::json(&Document { schema: SCHEMA, runs: summaries }),
            Format::Csv => csv::several(summaries),
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    runs: &'a [Summary],
}

/// A table with a row for each run, then what there is to say about each.
fn tables(summaries: &[Summary], style: Style) -> String {
    let rows = summaries
        .iter()
        .map(|summary| {
            vec![
                name(&summary.run.name, style),
                summary.run.status.to_owned(),
                if summary.complete { "yes" } else { "NO" }.to_owned(),
                thousands(summary.run.samples),
                per_sample(Some(summary.total.effective_ops_per_sample)),
                per_sample(Some(summary.total.dense_ops_per_sample)),
                ratio(summary.total.sparsity),
            ]
        })
        .collect();
    let header = ["run", "state", "complete", "samples", "effective", "dense", "sparsity"];
    let title = if style == Style::Markdown { "# Runs" } else { "neurotop · runs, operations per sample" };
    let mut parts = vec![title.to_owned(), draw(header, 3, rows, style)];
    for summary in summaries {
        let remarks = table::remarks(summary, style);
        if !remarks.is_empty() {
            parts.push(format!("{}:", safe(&summary.run.name, style)));
            parts.extend(remarks);
        }
    }
    parts.join("\n\n") + "\n"
}
