//! The lines at the bottom: the account of the batches, problems, a message, the keys.

use super::super::keys::{Action, Hint, Mode};
use super::super::state::{State, View};
use super::{Scene, filter, problems};
use crate::text::{elide, thousands};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

/// Lines of the footer. A filter is never out of sight.
pub(super) fn height(area: Rect, state: &State) -> u16 {
    let filter = u16::from(has_filter(state));
    match area.height {
        0..6 => filter,
        6..9 => 1 + filter,
        _ => 2,
    }
}

fn has_filter(state: &State) -> bool {
    state.mode == Mode::Typing || !state.filter.is_empty()
}

/// Draws the footer.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &State) {
    let account_lines = if area.height == 1 && has_filter(state) { 0 } else { 1 };
    let [account, keys] =
        Layout::vertical([Constraint::Length(account_lines), Constraint::Length(1)]).areas(area);
    draw_account(frame, account, scene, state);
    match state.message(scene.now) {
        _ if state.mode == Mode::Typing => filter::draw_input(frame, keys, scene, state),
        Some(message) => {
            let message = elide(message, usize::from(keys.width).saturating_sub(2));
            frame.render_widget(Line::styled(format!(" {message}"), scene.theme.accent), keys);
        }
        None => draw_keys(frame, keys, scene, state),
    }
}

fn draw_account(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &State) {
    let account = &scene.moment.summary.account;
    let number = |count: u64| thousands(count.into());
    let long = format!(
        " {} seen  {} counted  {} waiting  ",
        number(account.seen),
        number(account.counted),
        number(account.waiting)
    );
    let short = format!(" {}/{} counted  ", number(account.counted), number(account.seen));
    let set_aside = format!("{} set aside ", number(account.set_aside));
    let counts = if long.width() + set_aside.width() <= usize::from(area.width) { long } else { short };
    let set_aside_style = if account.set_aside > 0 { scene.theme.bad } else { scene.theme.dim };
    let line =
        Line::from(vec![Span::styled(counts, scene.theme.dim), Span::styled(set_aside, set_aside_style)]);
    let key = state.keys.of_view(View::Problems);
    let press = key.map_or(" ".to_owned(), |key| format!(": press {} ", scene.symbols.label(&key)));
    let (state, style) = match (problems::count(scene), scene.moment.summary.complete) {
        (0, true) => ("complete ".to_owned(), scene.theme.good),
        (0, false) => ("no problems ".to_owned(), scene.theme.dim),
        (1, _) => (format!("1 problem{press}"), scene.theme.bad),
        (count, _) => (format!("{} problems{press}", thousands(count as u128)), scene.theme.bad),
    };
    let together = line.width() + state.width() <= usize::from(area.width);
    // Where only one fits, a problem goes before the account.
    if together || problems::count(scene) == 0 {
        frame.render_widget(line, area);
    }
    if together || problems::count(scene) > 0 {
        let width = (state.width() as u16).min(area.width);
        let place = Rect { x: area.right() - width, width, ..area };
        frame.render_widget(Paragraph::new(Line::styled(state, style)).alignment(Alignment::Right), place);
    }
}

fn draw_keys(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, state: &State) {
    let mut spans = Vec::new();
    let mut used = 1;
    if let Some(closes_at) = state.closes_at {
        let left = closes_at.saturating_duration_since(scene.now).as_secs() + 1;
        let text = format!(" closes in {left} s, any key to stay ");
        used += text.width();
        spans.push(Span::styled(text, scene.theme.selected));
    }
    // With frames the filter is in the title of the layers.
    if !scene.framed && !state.filter.is_empty() {
        let text = filter::summary(scene, state, usize::from(area.width).saturating_sub(2));
        used += text.width();
        spans.push(Span::styled(text, scene.theme.warn));
    }
    for (key, word) in hints(state, scene) {
        let width = key.width() + word.width() + 3;
        if used + width > usize::from(area.width) {
            break;
        }
        used += width;
        spans.push(Span::styled(format!(" {key}"), scene.theme.accent));
        spans.push(Span::styled(format!(" {word} "), scene.theme.dim));
    }
    frame.render_widget(Line::from(spans), area);
}

/// The keys that are shown, with a word each: how to leave and to look around, then what can be done in this
/// view, then what can be done everywhere.
fn hints(state: &State, scene: &Scene<'_>) -> Vec<(String, &'static str)> {
    let rank = |action: Action, hint: &Hint| match action {
        Action::Quit | Action::Toggle(View::Help) | Action::NextView(_) => 0,
        _ if !hint.views.is_empty() => 1,
        _ => 2,
    };
    let mut hints: Vec<(i32, String, &'static str)> = Vec::new();
    // Where nothing is listed there is nothing to do with it.
    let is_idle = |hint: &Hint| {
        state.view == View::Ranks && scene.moment.summary.ranks.is_empty() && !hint.views.is_empty()
    };
    for row in state.keys.rows() {
        let hint = row.binding.hint(state.view).filter(|hint| !is_idle(hint));
        if let (Some(hint), Some(key)) = (hint, row.first_label()) {
            hints.push((rank(row.binding.action, hint), scene.symbols.label(&key), hint.word));
        }
    }
    hints.sort_by_key(|hint| hint.0);
    hints.into_iter().map(|(_, key, word)| (key, word)).collect()
}
