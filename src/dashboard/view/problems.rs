//! The list of problems: what was set aside and why, what the producer warns of, what disagrees.

use super::super::state::State;
use super::wrap::wrapped;
use super::{Scene, list};
use crate::report::Agreement;
use crate::text::printable;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// How many entries there are to list.
pub(super) fn count(scene: &Scene<'_>) -> usize {
    let summary = &scene.moment.summary;
    let differs = matches!(summary.agreement, Agreement::Differs { .. });
    summary.problems.len()
        + summary.run.warnings.len()
        + usize::from(differs)
        + usize::from(scene.moment.refused.is_some() && summary.problems.is_empty())
}

/// Draws the list, which scrolls by lines.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &mut State) {
    list(frame, area, format!("Problems ({})", count(scene)), |width| lines(scene, width), scene, state);
}

fn lines(scene: &Scene<'_>, width: usize) -> Vec<Line<'static>> {
    let (summary, theme) = (&scene.moment.summary, scene.theme);
    let mut lines = Vec::new();
    let mut entry = |head: String, head_style: Style, text: &str| {
        let head = if head.width() <= width { vec![head] } else { wrapped(&head, width) };
        lines.extend(head.into_iter().map(|line| Line::styled(line, head_style)));
        lines.extend(
            wrapped(text, width.saturating_sub(2))
                .into_iter()
                .map(|line| Line::from(vec![Span::raw("  "), Span::raw(line)])),
        );
    };
    for problem in &summary.problems {
        let (what, style) = match problem.severity {
            "set_aside" => ("set aside", theme.bad),
            _ => ("note", theme.warn),
        };
        entry(format!("{what}  {}", printable(&problem.path)), style, &printable(&problem.reason));
    }
    if let Agreement::Differs { differences } = &summary.agreement {
        entry("not equal to NeuroBench's own results".into(), theme.bad, &differences.join("; "));
    }
    for warning in &summary.run.warnings {
        entry("the producer warns".into(), theme.warn, &printable(warning));
    }
    if lines.is_empty() {
        let none = wrapped("None: every batch that was seen is counted or waits its turn.", width);
        lines.extend(none.into_iter().map(|line| Line::styled(line, theme.good)));
    }
    lines
}
