//! The list of problems: those of one kind together, the gravest first, each with what to do about it.

use super::super::problem_state::ProblemEntry;
use super::list::{draw_bar, draw_position};
use super::wrap::wrapped;
use super::{Theme, UiState, ViewModel, filter, panel};
use crate::figures::ProblemFigures;
use crate::figures::problems::{AlikeProblems, NAMED};
use crate::run::{Cause, Severity};
use crate::text::{elide, thousands};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

/// The most columns of each text: a file can have an endless name.
const LONGEST: usize = 1000;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &mut UiState) {
    let problems = &model.summary.problems;
    let shown: u64 = state.problems.shown(problems).into_iter().map(ProblemFigures::count).sum();
    let (filter, counts) =
        (&state.problems.list.filter, (shown as usize, model.summary.problem_count() as usize));
    let title = filter::title("Problems", filter, Some(counts), usize::from(area.width).saturating_sub(4));
    let inside = panel(frame, area, title, Line::default(), theme);
    state.places.list.rows = inside;
    let (state, places) = (&mut state.problems, &mut state.places.list);
    let entries = state.entries(problems);
    if entries.is_empty() {
        let (text, style) = match problems.is_empty() {
            true => ("None: every batch that was seen is counted or waits its turn.", theme.good),
            false => ("None of them has what the filter asks for: Esc shows all.", theme.warn),
        };
        frame.render_widget(Paragraph::new(styled(text, style, 0, inside.width.into())), inside);
        state.rows.clear();
        state.list.settle(0, 0);
        return;
    }
    let selected = state.list.selected.min(entries.len() - 1);
    let lines_of = |at: usize| lines(&entries[at], at == selected, theme, usize::from(inside.width));
    let (first, seen) =
        in_sight(state.list.first, selected, entries.len(), inside.height, |at| lines_of(at).len());
    state.list.first = first;
    state.list.settle(entries.len(), seen);
    let in_rows = (first..entries.len()).flat_map(|at| lines_of(at).into_iter().map(move |line| (at, line)));
    let (rows, shown): (Vec<usize>, Vec<Line<'_>>) = in_rows.take(usize::from(inside.height)).unzip();
    state.rows = rows;
    frame.render_widget(Paragraph::new(shown), inside);
    draw_bar(frame, inside, &state.list, theme);
    draw_position(frame, area, &state.list, theme);
    places.position = state.list.position();
}

/// The first entry to show and how many fit: the first stays as long as the selected entry is in sight.
fn in_sight(
    first: usize,
    selected: usize,
    len: usize,
    rows: u16,
    height: impl Fn(usize) -> usize,
) -> (usize, usize) {
    let rows = usize::from(rows);
    // How far up one may begin so that an entry is still whole.
    let earliest = |entry: usize| {
        let (mut begin, mut used) = (entry, height(entry));
        while begin > 0 && used + height(begin - 1) <= rows {
            begin -= 1;
            used += height(begin);
        }
        begin
    };
    // No row is left empty below the last entry while there is something above.
    let first = first.clamp(earliest(selected), selected.min(earliest(len - 1)));
    let mut used = 0;
    let fitting = (first..len).take_while(|&at| {
        used += height(at);
        used <= rows
    });
    (first, fitting.count().max(1))
}

fn lines(entry: &ProblemEntry<'_>, is_selected: bool, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let mut lines = match entry {
        ProblemEntry::Kind { alike, is_open } => kind_lines(alike, *is_open, theme, width),
        ProblemEntry::Member(problem) => {
            let (what, _) = problem.what_and_remedy();
            styled(&format!("{}: {what}", problem.path), Style::default(), 4, width)
        }
        ProblemEntry::NotListed(more) => {
            let more = format!("and {} more, which are not listed", thousands((*more).into()));
            styled(&more, theme.warn, 4, width)
        }
    };
    if let (true, Some(head)) = (is_selected, lines.first_mut()) {
        *head = std::mem::take(head).patch_style(theme.selected);
    }
    lines
}

fn kind_lines(alike: &AlikeProblems<'_>, is_open: bool, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let style = match (alike.kind.0, alike.kind.1) {
        (Severity::SetAside, _) | (_, Cause::ConditionFails) => theme.bad,
        (Severity::Notice, _) => theme.warn,
    };
    let mark = match (alike.count, is_open) {
        (1, _) => "  ",
        (_, true) => "▾ ",
        (_, false) => "▸ ",
    };
    let number = if alike.count > 1 { format!("{}  ", thousands(alike.count.into())) } else { String::new() };
    let head = format!("{mark}{number}{}  {}", alike.kind.1.words(), elide(&alike.names(NAMED), LONGEST));
    let (what, remedy) = alike.first.what_and_remedy();
    let mut lines = styled(&head, style, 0, width);
    lines.extend(styled(what, Style::default(), 4, width));
    if !remedy.is_empty() {
        lines.extend(styled(&format!("→ {remedy}"), theme.accent, 4, width));
    }
    if alike.of_other_kinds > 0 {
        let more = format!("and {} more of other kinds", thousands(alike.of_other_kinds.into()));
        lines.extend(styled(&more, theme.warn, 4, width));
    }
    lines
}

/// Text in lines, indented where there is room.
fn styled(text: &str, style: Style, indent: usize, width: usize) -> Vec<Line<'static>> {
    let text = elide(text, LONGEST);
    // Keep the blanks in front, and those that separate.
    if indent == 0 && text.width() <= width {
        return vec![Line::styled(text, style)];
    }
    let indent = if width >= 60 { indent } else { indent / 2 };
    let lines = wrapped(&text, width.saturating_sub(indent)).into_iter();
    lines.map(|line| Line::styled(format!("{}{line}", " ".repeat(indent)), style)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_entry_is_in_sight_and_no_room_is_wasted() {
        let heights = [3_usize, 2, 4, 1, 1, 2];
        for rows in 1..20 {
            for selected in 0..heights.len() {
                for before in 0..heights.len() {
                    let (first, seen) = in_sight(before, selected, heights.len(), rows, |at| heights[at]);
                    let used: usize = heights[first..=selected].iter().sum();
                    assert!(first <= selected && (used <= rows.into() || first == selected));
                    assert!(selected < first + seen.max(1), "{rows} {selected} {before}: {first} {seen}");
                    let whole: usize = heights[first..].iter().sum();
                    let above = first.checked_sub(1).map(|above| heights[above]);
                    assert!(above.is_none_or(|above| whole + above > rows.into()), "{rows} {first}");
                }
            }
        }
    }
}
