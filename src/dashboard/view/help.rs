//! The keys, from the table that drives them.

use super::super::keys::BINDINGS;
use super::super::state::State;
use super::{Scene, block, title};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Draws the help, which scrolls.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) {
    let block = block(title("Keys", scene), scene);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let lines = lines(scene);
    state.clamp(scene.moment.summary.layers.len(), lines.len(), usize::from(inner.height));
    let seen: Vec<Line<'_>> = lines.into_iter().skip(state.scroll).take(usize::from(inner.height)).collect();
    frame.render_widget(Paragraph::new(seen), inner);
}

fn lines(scene: &Scene<'_>) -> Vec<Line<'static>> {
    let theme = scene.theme;
    let keys = BINDINGS.iter().map(|binding| {
        Line::from(vec![
            Span::styled(format!(" {:<10} ", binding.label), theme.accent),
            Span::raw(binding.help),
        ])
    });
    let terms = [
        ("effective", "operations of the membrane updates that changed a potential"),
        ("dense", "operations if every neuron were updated at every time step"),
        ("sparsity", "1 - effective / dense"),
        ("share", "a layer's part of all effective operations"),
        ("cost", "operations of one update, by NeuroBench or by --cost"),
        ("trend", "membrane updates per sample, over the batches"),
    ];
    let terms = terms.into_iter().map(|(term, meaning)| {
        Line::from(vec![Span::styled(format!(" {term:<10} "), theme.strong), Span::raw(meaning)])
    });
    keys.chain(std::iter::once(Line::raw(""))).chain(terms).collect()
}
