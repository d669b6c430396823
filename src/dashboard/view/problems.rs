//! The list of problems: what was set aside and why, what the producer warns of, what disagrees.

use super::super::filter::Filter;
use super::list::draw_text;
use super::wrap::wrapped;
use super::{Theme, UiState, ViewModel, filter};
use crate::figures::Agreement;
use crate::run::Severity;
use crate::run::problem_list::More;
use crate::text::{elide, thousands};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// How many problems there are.
pub(super) fn count(model: &ViewModel) -> usize {
    let more = model.summary.problems.iter().map(|problem| problem.more.total());
    entry_count(model) + more.sum::<u64>() as usize
}

/// How many entries the list has.
fn entry_count(model: &ViewModel) -> usize {
    let summary = &model.summary;
    let differs = matches!(summary.agreement, Agreement::Differs { .. });
    summary.problems.len()
        + summary.run.warnings.len()
        + usize::from(differs)
        + usize::from(model.run.refused().is_some() && summary.problems.is_empty())
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    let filter = state.other_filters.text.clone();
    let title =
        filter::title(&format!("Problems ({})", count(model)), &filter, None, usize::from(area.width) / 2);
    draw_text(frame, area, title, |width| lines(model, &filter, theme, width), &mut state.text, theme);
}

/// The most entries, and the most columns of each text: a run can have endless problems, and every frame builds the list
/// again.
const MOST_LISTED: usize = 1000;
const LONGEST: usize = 1000;

fn lines(model: &ViewModel, filter: &Filter, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let shown = |head: &str, text: &str| filter.is_empty() || filter.shows(head) || filter.shows(text);
    let entries = entries(model, theme).take(MOST_LISTED);
    for (head, style, text, more) in entries.filter(|(head, _, text, _)| shown(head, text)) {
        let head = if head.width() <= width { vec![head] } else { wrapped(&head, width) };
        lines.extend(head.into_iter().map(|line| Line::styled(line, style)));
        let text = wrapped(&elide(&text, LONGEST), width.saturating_sub(2));
        lines.extend(text.into_iter().map(|line| Line::from(vec![Span::raw("  "), Span::raw(line)])));
        lines.extend(more.text().map(|more| Line::styled(more, theme.warn)));
    }
    if lines.is_empty() && !filter.is_empty() {
        return vec![Line::styled("No problem matches the filter.", theme.dim)];
    }
    if lines.is_empty() {
        let none = wrapped("None: every batch that was seen is counted or waits its turn.", width);
        lines.extend(none.into_iter().map(|line| Line::styled(line, theme.good)));
    }
    let more = entry_count(model).saturating_sub(MOST_LISTED);
    if more > 0 {
        let more = format!("and {} more, which the exports have", thousands(more as u128));
        lines.push(Line::styled(more, theme.warn));
    }
    lines
}

/// Heads, texts, and how many more there are like each, made as they are asked for.
fn entries<'a>(
    model: &'a ViewModel,
    theme: &'a Theme,
) -> impl Iterator<Item = (String, Style, Cow<'a, str>, More)> {
    let summary = &model.summary;
    let problems = summary.problems.iter().map(|problem| {
        let (what, style) = match problem.severity {
            Severity::SetAside => ("set aside", theme.bad),
            Severity::Notice => ("note", theme.warn),
        };
        (
            format!("{what}  {}", elide(&problem.path, LONGEST)),
            style,
            Cow::from(&problem.reason),
            problem.more,
        )
    });
    let differs = match &summary.agreement {
        // Each takes several columns, so these fill more than is shown.
        Agreement::Differs { differences } => Some(differences[..differences.len().min(LONGEST)].join("; ")),
        _ => None,
    };
    let differs =
        differs.map(|how| ("not equal to NeuroBench's own results".to_owned(), theme.bad, Cow::from(how)));
    let warnings = summary.run.warnings.iter();
    let warnings = warnings.map(|warning| ("the producer warns".to_owned(), theme.warn, Cow::from(warning)));
    let alone =
        differs.into_iter().chain(warnings).map(|(head, style, text)| (head, style, text, More::default()));
    problems.chain(alone)
}
