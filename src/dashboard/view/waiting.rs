//! What the dashboard shows before there are figures: where it looks, what is there instead, and how to record a run.

use super::wrap::wrapped;
use super::{Theme, ViewModel};
use crate::run::Presence;
use crate::text::{elide, numbered, shown};
use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme) {
    let room = usize::from(area.width) * usize::from(area.height);
    let path = shown(&model.whole_path);
    let (what, style) = match (model.run.refused(), model.run.presence()) {
        (Some(why), _) => (format!("manifest.json: {why}"), theme.bad),
        (None, Some(Presence::Missing(why))) if path.is_empty() => {
            (format!("Waiting for the directory: {why}."), theme.warn)
        }
        (None, Some(Presence::Missing(why))) => (format!("Waiting for {path}: {why}."), theme.warn),
        (None, _) if model.summary.account.waiting > 0 => {
            let waiting = numbered(model.summary.account.waiting.into(), ["batch", "batches"]);
            (format!("Reading {waiting}."), theme.strong)
        }
        (None, _) if path.is_empty() => ("Waiting for the first batch.".to_owned(), theme.strong),
        (None, _) => (format!("Waiting for the first batch in {path}."), theme.strong),
    };
    let mut texts = vec![(what, style)];
    texts.extend(model.instead.iter().map(|instead| (in_a_sentence(instead), theme.warn)));
    if model.run.refused().is_none() {
        texts.extend(how_to_record(&path, theme));
    }
    let width = usize::from(area.width);
    let wrap = |(text, style): &(String, Style)| -> Vec<Line<'static>> {
        wrapped(&elide(text, room), width).into_iter().map(|line| Line::styled(line, *style)).collect()
    };
    let mut blocks: Vec<Vec<Line<'_>>> = texts.iter().map(wrap).collect();
    let rows = |blocks: &[Vec<Line<'_>>]| blocks.iter().map(Vec::len).sum::<usize>();
    // Where there is room, with air; where there is none, without the explanation.
    if rows(&blocks) + blocks.len() < usize::from(area.height) {
        blocks.iter_mut().for_each(|block| block.insert(0, Line::raw("")));
    } else if rows(&blocks) > usize::from(area.height) && model.run.refused().is_none() {
        blocks.remove(blocks.len() - 2);
    }
    let text = Paragraph::new(blocks.concat()).alignment(Alignment::Center);
    frame.render_widget(text, area);
}

/// What records into the directory.
fn how_to_record(path: &str, theme: &Theme) -> [(String, Style); 2] {
    let path = if path.is_empty() { "runs/exp1" } else { path };
    let why = "The figures appear as soon as a benchmark has written a batch there; in Python:";
    [(why.to_owned(), theme.dim), (format!("with neurotop.record(net, {path:?}): …"), theme.accent)]
}

fn in_a_sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('?') { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}
