//! The help: the keys, from the table that drives them, and the terms.

use super::super::bindings::MOUSE;
use super::super::key_table::{KeyRow, KeyTable};
use super::list::draw_text;
use super::wrap::wrapped;
use super::{Theme, UiState, ViewModel};
use crate::figures::{Figure, ShownIn};
use crate::text::elide;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, _: &ViewModel, theme: &Theme, state: &mut UiState) {
    let keys = Arc::clone(&state.keys);
    draw_text(frame, area, "Keys".into(), |width| lines(&keys, theme, width), &mut state.text, theme);
}

/// The fewest and the most columns for the keys and terms.
const LABELS: (usize, usize) = (10, 24);

fn lines(keys: &KeyTable, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    // Actions without a key are left out.
    let label = |row: &KeyRow| Some((theme.appearance.symbols.label(&row.label()?), row.binding.help));
    let keys: Vec<(String, &str)> = keys.rows().iter().filter_map(label).collect();
    let longest = keys.iter().map(|(label, _)| label.width()).max().unwrap_or(0);
    let label_width = longest.clamp(LABELS.0, LABELS.1);
    let entry = |label: &str, label_style: Style, text: &str| -> Vec<Line<'static>> {
        let text = wrapped(text, width.saturating_sub(label_width + 2)).into_iter();
        text.enumerate()
            .map(|(at, line)| {
                let label = if at == 0 { label } else { "" };
                let label = Span::styled(format!(" {label:<label_width$} "), label_style);
                Line::from(vec![label, Span::raw(line)])
            })
            .collect()
    };
    let keys = keys.iter().flat_map(|(label, help)| entry(&elide(label, label_width), theme.accent, help));
    let mouse = MOUSE.into_iter().flat_map(|(what, help)| entry(what, theme.accent, help));
    let figures = Figure::all_in(ShownIn::Tables).map(|figure| (figure.heading, figure.help));
    let terms = [
        ("share", "a layer's part of all effective operations"),
        ("cost", "operations of one update, by NeuroBench or by --cost"),
        ("trend", "membrane updates per sample, over the batches"),
        ("last N batches", "how far these batches alone are from all of them"),
        ("95 %", "the running figure's band: 95 of 100 such bands hold the figure of the whole run"),
        (
            "silent neuron",
            "one that is never updated after the first time step; always: one that is in every step",
        ),
        ("behind", "how many batches fewer a rank has than the furthest one"),
        ("silent", "a rank that has sent nothing for five times as long as a batch takes"),
    ];
    let terms = figures.chain(terms).flat_map(|(term, meaning)| entry(term, theme.strong, meaning));
    keys.chain(mouse).chain(std::iter::once(Line::raw(""))).chain(terms).collect()
}
