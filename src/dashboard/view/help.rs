//! The keys, from the table that drives them.

use super::super::keys::{BINDINGS, MOUSE};
use super::super::state::State;
use super::wrap::wrapped;
use super::{Scene, list};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Draws the help, which scrolls.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) {
    list(frame, area, "Keys".into(), |width| lines(scene, width), scene, state);
}

/// Columns of the keys and terms.
const LABEL: usize = 10;

fn lines(scene: &Scene<'_>, width: usize) -> Vec<Line<'static>> {
    let theme = scene.theme;
    let entry = |label: &str, label_style: Style, text: &str| -> Vec<Line<'static>> {
        let text = wrapped(text, width.saturating_sub(LABEL + 2)).into_iter();
        text.enumerate()
            .map(|(at, line)| {
                let label = if at == 0 { label } else { "" };
                let label = Span::styled(format!(" {label:<LABEL$} "), label_style);
                Line::from(vec![label, Span::raw(line)])
            })
            .collect()
    };
    let keys = BINDINGS
        .iter()
        .flat_map(|binding| entry(&scene.symbols.label(binding.label), theme.accent, binding.help));
    let mouse = MOUSE.into_iter().flat_map(|(what, help)| entry(what, theme.accent, help));
    let terms = [
        ("effective", "operations of the membrane updates that changed a potential"),
        ("dense", "operations if every neuron were updated at every time step"),
        ("sparsity", "1 - effective / dense"),
        ("share", "a layer's part of all effective operations"),
        ("cost", "operations of one update, by NeuroBench or by --cost"),
        ("trend", "membrane updates per sample, over the batches"),
    ];
    let terms = terms.into_iter().flat_map(|(term, meaning)| entry(term, theme.strong, meaning));
    keys.chain(mouse).chain(std::iter::once(Line::raw(""))).chain(terms).collect()
}
