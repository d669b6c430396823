//! The help: the keys, from the table that drives them, and the terms.

use super::super::bindings::{KEY_GROUPS, MOUSE};
use super::super::filter::Filter;
use super::super::key_table::{KeyRow, KeyTable};
use super::list::draw_text;
use super::wrap::wrapped;
use super::{Theme, UiState, ViewModel, filter};
use crate::figures::{Figure, ShownIn};
use crate::text::elide;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, _: &ViewModel, theme: &Theme, state: &mut UiState) {
    let (keys, filter) = (Arc::clone(&state.keys), state.text.filter.clone());
    let title = filter::title("Help", &filter, None, usize::from(area.width) / 2);
    let lines = |width| lines(&keys, &filter, theme, width);
    state.places.list = draw_text(frame, area, title, lines, &mut state.text, theme);
}

/// The fewest and the most columns for the keys and terms.
const LABELS: (usize, usize) = (10, 24);

/// A part of the help: its heading, and what is explained there, each with the style of what it is called.
type Part = (&'static str, Vec<(String, &'static str)>, Style);

/// What the words on the screen mean, besides the figures.
const TERMS: [(&str, &str); 31] = [
    ("share", "a layer's part of all effective operations"),
    ("cost", "operations of one update, by NeuroBench or by --cost; – without a price"),
    ("trend", "membrane updates per sample over the batches; of a run, effective operations per sample"),
    ("m", "the price is measured by the recorder; only the total with measured prices has these operations"),
    ("last N batches", "how far these batches alone are from all of them"),
    ("95 %", "the running figure's band: 95 of 100 such bands hold the figure of the whole run"),
    ("unpriced", "without a price, so that the operations leave the layer out: give it one with --cost"),
    ("sum of 12", "the layers that the filter shows, added up"),
    ("±", "half of the interval in which the figure of the whole run lies with 95 % confidence"),
    ("stable to within", "the same interval as a part of the figure: how far it may still move"),
    ("at rest", "a membrane potential that does not change from one time step to the next: no update"),
    ("seen", "batches that are or were in the directory"),
    ("counted", "batches whose operations are in the figures"),
    ("waiting", "batches that are not whole yet, or whose turn is still to come"),
    ("set aside", "batches that cannot be read and are not in the figures; the problems say why"),
    ("complete", "the run is over, every batch is counted, and nothing was set aside"),
    ("= NeuroBench", "NeuroBench's own result is the same; ≠ if it is not"),
    ("live", "batches have come lately"),
    (
        "stalled",
        "nothing was written for longer than --stall-after, and the run has not said that it is over",
    ),
    ("finished", "the run has said that it is over"),
    ("refused", "the manifest cannot be used, so nothing is counted"),
    ("paused", "the view is frozen; counting goes on"),
    ("ETA", "the time until the run is over, by the batches so far"),
    ("… behind", "bytes that were written and are not read yet, and how long reading them takes"),
    ("baseline", "the run that changes are relative to: b in the list of runs, or --baseline"),
    ("change", "the relative change from the baseline"),
    ("→ =", "the run in front; the baseline, whose line is thick where the charts draw several runs"),
    ("1 … 6", "the colour and mark of a line of the charts; in the list of runs, those of a marked run"),
    ("behind", "how many batches fewer a rank has than the furthest one"),
    (
        "silent neuron",
        "one that is never updated after the first time step; always: one that is in every step",
    ),
    ("silent rank", "a rank that has sent nothing for five times as long as a batch takes"),
];

fn parts(keys: &KeyTable, theme: &Theme) -> Vec<Part> {
    let label = |row: &KeyRow| Some((theme.appearance.symbols.label(&row.label()?), row.binding.help));
    let group = |group: &'static str| {
        // Actions without a key are left out.
        let rows = keys.rows().iter().filter(|row| row.binding.action.group() == group);
        (group, rows.filter_map(label).collect(), theme.accent)
    };
    let named = |(name, text): (&str, &'static str)| (name.to_owned(), text);
    let figures = Figure::all_in(ShownIn::Tables).map(|figure| named((figure.heading, figure.help)));
    let rest = [
        ("Mouse", MOUSE.map(named).to_vec(), theme.accent),
        ("Figures", figures.collect(), theme.strong),
        ("Words", TERMS.map(named).to_vec(), theme.strong),
    ];
    KEY_GROUPS.into_iter().map(group).chain(rest).collect()
}

fn lines(keys: &KeyTable, filter: &Filter, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let parts = parts(keys, theme);
    let longest = parts.iter().flat_map(|(_, entries, _)| entries).map(|(label, _)| label.width()).max();
    let label_width = longest.unwrap_or(0).clamp(LABELS.0, LABELS.1);
    for (heading, entries, style) in parts {
        let shows = |(label, text): &&(String, &str)| {
            filter.is_empty() || [heading, label, text].iter().any(|text| filter.shows(text))
        };
        let shown: Vec<&(String, &str)> = entries.iter().filter(shows).collect();
        if shown.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(Line::raw(""));
        }
        lines.push(Line::styled(format!(" {heading}"), theme.dim));
        lines.extend(
            shown.into_iter().flat_map(|(label, text)| entry(label, style, text, label_width, width)),
        );
    }
    if lines.is_empty() {
        lines.push(Line::styled(" Nothing matches.", theme.dim));
    }
    lines
}

/// A key or a term, and what is said of it.
fn entry(label: &str, style: Style, text: &str, label_width: usize, width: usize) -> Vec<Line<'static>> {
    let label = elide(label, label_width);
    let text = wrapped(text, width.saturating_sub(label_width + 2)).into_iter();
    let line = |(at, line)| {
        let label = if at == 0 { label.as_str() } else { "" };
        let space = " ".repeat(label_width.saturating_sub(label.width()));
        Line::from(vec![Span::styled(format!(" {label}{space} "), style), Span::raw(line)])
    };
    text.enumerate().map(line).collect()
}
