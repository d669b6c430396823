//! What the dashboard shows before there are figures: where it looks, what is there instead, and how to record a run.

use super::{Theme, ViewModel};
use crate::run::Presence;
use crate::text::{elide, shown};
use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

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
            (format!("Reading {} batches.", model.summary.account.waiting), theme.strong)
        }
        (None, _) if path.is_empty() => ("Waiting for the first batch.".to_owned(), theme.strong),
        (None, _) => (format!("Waiting for the first batch in {path}."), theme.strong),
    };
    let mut lines = vec![Line::styled(elide(&what, room), style)];
    if let Some(instead) = &model.instead {
        lines.push(Line::styled(elide(&in_a_sentence(instead), room), theme.warn));
    }
    let [why, how] = how_to_record(&path, room, theme);
    if model.run.refused().is_none() {
        lines.extend([why, how]);
    }
    let rows = |lines: &[Line<'_>]| -> usize {
        lines.iter().map(|line| 1 + line.width() / usize::from(area.width.max(1))).sum()
    };
    // Where there is room, with air; where there is none, without the explanation.
    if rows(&lines) + lines.len() < usize::from(area.height) {
        lines = lines.into_iter().flat_map(|line| [Line::raw(""), line]).collect();
    } else if rows(&lines) > usize::from(area.height) && model.run.refused().is_none() {
        lines.remove(lines.len() - 2);
    }
    let text = Paragraph::new(lines).alignment(Alignment::Center).wrap(Wrap { trim: true });
    frame.render_widget(text, area);
}

/// The line that records into the directory.
fn how_to_record(path: &str, room: usize, theme: &Theme) -> [Line<'static>; 2] {
    let path = if path.is_empty() { "runs/exp1" } else { path };
    let line = format!("with neurotop.record(net, {path:?}): …");
    [
        Line::styled(
            "The figures appear as soon as a benchmark has written a batch there; in Python:",
            theme.dim,
        ),
        Line::styled(elide(&line, room), theme.accent),
    ]
}

fn in_a_sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('?') { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}
