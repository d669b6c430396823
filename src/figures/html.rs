//! Reports as one HTML file, which needs nothing else: no network, no scripts. Its style follows the reader's choice of a
//! light or a dark screen.

use super::document::{Document, DocumentCell, DocumentTable, document};
use super::figure::{Figure, ShownIn};
use super::format::Report;
use super::html_charts::{comparison_charts, run_charts, runs_charts};
use super::provenance::Provenance;
use super::{Direction, Summary};
use crate::text::printable;

const STYLE: &str = include_str!("html.css");

/// Nothing is loaded from anywhere, whatever the text of a stranger's file says.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

pub(super) fn as_html(report: Report<'_>, provenance: Option<&Provenance>) -> anyhow::Result<String> {
    let Document { title, facts, tables, notes, failed } = document(report)?;
    let title = escaped(&title);
    let mut body = format!("<h1>{title}</h1>\n{}", list("facts", &facts));
    body.push_str(&list("failed", &failed.iter().map(|what| format!("FAILED: {what}")).collect::<Vec<_>>()));
    body.push_str(&tiles(report));
    body.push_str(&charts(report));
    tables.iter().for_each(|table| body.push_str(&section(table)));
    if !notes.is_empty() {
        body.push_str("<h2>Notes</h2>\n");
        body.push_str(&list("notes", &notes));
    }
    let written = provenance.map_or_else(Provenance::tool, ToString::to_string);
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"{POLICY}\">\n<title>{title} · neurotop</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}\
         <footer>{}</footer>\n</body>\n</html>\n",
        escaped(&written)
    ))
}

/// Text as it is: printable, and without what HTML gives a meaning.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(character),
        }
    }
    html
}

/// A list of sentences; nothing if there are none.
fn list(class: &str, items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String = items.iter().map(|item| format!("<li>{}</li>\n", escaped(item))).collect();
    format!("<ul class=\"{class}\">\n{items}</ul>\n")
}

/// The figures of a run in total, in large type.
fn tiles(report: Report<'_>) -> String {
    let Report::Run(Summary { total, .. }) = report else { return String::new() };
    let figures = Figure::applying_in(ShownIn::Totals, [&total.sums]);
    let tiles = figures.into_iter().map(|figure| {
        let value = figure.with_uncertainty(&total.sums, total.uncertainty.as_ref());
        let per = if figure.per_sample { ", per sample" } else { "" };
        format!(
            "<div class=\"tile\"><b>{}</b><span>{}{per}</span></div>\n",
            escaped(&value),
            escaped(figure.panel_label)
        )
    });
    format!("<div class=\"tiles\">\n{}</div>\n", tiles.collect::<String>())
}

fn charts(report: Report<'_>) -> String {
    let charts = match report {
        Report::Run(summary) => run_charts(summary),
        Report::Runs(summaries) => runs_charts(summaries),
        Report::Comparison(comparison) => comparison_charts(comparison),
        Report::Part(_) => vec![],
    };
    match charts.is_empty() {
        true => String::new(),
        false => format!("<div class=\"charts\">\n{}</div>\n", charts.concat()),
    }
}

/// A table with its caption. Rows that are not shown at first are behind a line that opens them.
fn section(table: &DocumentTable) -> String {
    let head = row("th", table, &table.head);
    let body: String = table.rows.iter().take(table.shown).map(|cells| row("td", table, cells)).collect();
    let sums: String = table.sums.iter().map(|sum| row("td", table, sum)).collect();
    let foot = if sums.is_empty() { sums } else { format!("<tfoot>\n{sums}</tfoot>\n") };
    let mut text = format!(
        "<h2>{}</h2>\n<p class=\"caption\">{}</p>\n<div class=\"scroll\"><table>\n<thead>\n{head}</thead>\n<tbody>\n\
         {body}</tbody>\n{foot}</table></div>\n",
        escaped(&table.label.replace('_', " ")),
        escaped(&table.caption)
    );
    if table.shown < table.rows.len() {
        let rest: String = table.rows.iter().skip(table.shown).map(|cells| row("td", table, cells)).collect();
        text.push_str(&format!(
            "<details><summary>{}</summary>\n<div class=\"scroll\"><table>\n<thead>\n{head}</thead>\n<tbody>\n{rest}\
             </tbody>\n</table></div></details>\n",
            escaped(&table.rest)
        ));
    }
    text
}

fn row(tag: &str, table: &DocumentTable, cells: &[DocumentCell]) -> String {
    let cells = cells.iter().enumerate().map(|(at, DocumentCell { text, direction })| {
        let class = match direction {
            _ if at < table.text_columns => " class=\"t\"",
            Some(Direction::Better) => " class=\"better\"",
            Some(Direction::Worse) => " class=\"worse\"",
            Some(Direction::Same) | None => "",
        };
        format!("<{tag}{class}>{}</{tag}>", escaped(text))
    });
    format!("<tr>{}</tr>\n", cells.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_html_gives_a_meaning_is_escaped() {
        assert_eq!(
            escaped("<img src=x onerror='alert(1)'> & \"\u{202e}"),
            "&lt;img src=x onerror=&#39;alert(1)&#39;&gt; &amp; &quot;\\u{202e}"
        );
    }
}
