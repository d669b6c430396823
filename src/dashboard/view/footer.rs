//! The lines at the bottom: the account of the batches, problems, a message, the keys.

use super::super::bindings::{Action, KeyHint, KeyMode};
use super::super::key_table::ANSWER_KEYS;
use super::super::layer_tree::{Node, has_modules};
use super::super::problem_state::ProblemEntry;
use super::super::ui_state::Request;
use super::wrap::wrapped;
use super::{Theme, UiState, View, ViewModel, filter};
use crate::text::{elide, thousands};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use std::time::Instant;
use unicode_width::UnicodeWidthStr;

/// Lines of a message, apart from what breaks between words take.
const MESSAGE_LINES: usize = 4;

/// Lines of the footer. A filter is always in sight.
pub(super) fn height(area: Rect, state: &UiState) -> u16 {
    let filter = u16::from(has_filter(state));
    match area.height {
        0..6 => filter,
        6..9 => 1 + filter,
        _ => 2,
    }
}

fn has_filter(state: &UiState) -> bool {
    state.mode != KeyMode::Commands || !state.filter_here().is_empty()
}

pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    model: &ViewModel,
    theme: &Theme,
    state: &UiState,
    now: Instant,
) {
    let account_lines = if area.height == 1 && has_filter(state) { 0 } else { 1 };
    let [account, keys] =
        Layout::vertical([Constraint::Length(account_lines), Constraint::Length(1)]).areas(area);
    draw_account(frame, account, model, theme, state);
    match state.message(now) {
        _ if state.mode == KeyMode::Typing => filter::draw_input(frame, keys, model, theme, state),
        _ if state.mode == KeyMode::Confirming => draw_question(frame, keys, model, theme, state),
        Some(message) => draw_message(frame, keys, message, theme),
        None => draw_keys(frame, keys, model, theme, state, now),
    }
}

/// Draws a message in the last line; a long one covers lines above for as long as it is shown.
fn draw_message(frame: &mut Frame<'_>, last: Rect, message: &str, theme: &Theme) {
    let room = usize::from(last.width).saturating_sub(2);
    let lines = wrapped(&elide(message, room * MESSAGE_LINES), room);
    let height = (lines.len() as u16).min(last.bottom()) * last.height;
    let place = Rect { y: last.bottom() - height, height, ..last };
    frame.render_widget(Clear, place);
    for (line, row) in lines.into_iter().zip(place.rows()) {
        frame.render_widget(Line::styled(format!(" {line}"), theme.accent), row);
    }
}

/// Draws what is asked before something is lost, and the keys that answer.
fn draw_question(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &UiState) {
    let mut answers = Line::default();
    for row in ANSWER_KEYS.rows() {
        let (Some(hint), Some(key)) = (row.binding.hint(state.view), row.first_label()) else { continue };
        answers.extend(key_and_word(&key, hint.word, theme));
    }
    let room = usize::from(area.width).saturating_sub(answers.width() + 2);
    let questions = state.asked.map_or(Vec::new(), |asked| asked.questions(model));
    let question = questions.iter().find(|question| question.width() <= room).or(questions.last());
    let question = elide(question.map_or("", String::as_str), room);
    answers.spans.insert(0, Span::styled(format!(" {question} "), theme.warn));
    frame.render_widget(answers, area);
}

/// Draws the account of the batches at the left and the state of the run at the right.
fn draw_account(frame: &mut Frame<'_>, area: Rect, model: &ViewModel, theme: &Theme, state: &UiState) {
    let (account, run_state) = (account(area.width, model, theme), run_state(model, theme, state));
    let together = account.width() + run_state.width() <= usize::from(area.width);
    // Where only one fits, a problem goes before the account.
    let has_problems = model.summary.problem_count() > 0;
    if together || !has_problems {
        frame.render_widget(account, area);
    }
    if together || has_problems {
        let width = (run_state.width() as u16).min(area.width);
        frame.render_widget(run_state, Rect { x: area.right() - width, width, ..area });
    }
}

fn account(width: u16, model: &ViewModel, theme: &Theme) -> Line<'static> {
    let account = &model.summary.account;
    let number = |count: u64| thousands(count.into());
    let long = format!(
        " {} seen  {} counted  {} waiting  ",
        number(account.seen),
        number(account.counted),
        number(account.waiting)
    );
    let short = format!(" {}/{} counted  ", number(account.counted), number(account.seen));
    let set_aside = format!("{} set aside ", number(account.set_aside));
    let counts = if long.width() + set_aside.width() <= usize::from(width) { long } else { short };
    let set_aside_style = if account.set_aside > 0 { theme.bad } else { theme.dim };
    Line::from(vec![Span::styled(counts, theme.dim), Span::styled(set_aside, set_aside_style)])
}

/// Whether there are problems, with the key that shows them, and whether the run is complete.
fn run_state(model: &ViewModel, theme: &Theme, state: &UiState) -> Line<'static> {
    let key = state.keys.view_key(View::Problems);
    let press =
        key.map_or(" ".to_owned(), |key| format!(": press {} ", theme.appearance.symbols.label(&key)));
    let press = if state.view == View::Problems { " ".to_owned() } else { press };
    match (model.summary.problem_count(), model.summary.complete) {
        (0, true) => Line::styled("complete ", theme.good),
        (0, false) => Line::styled("no problems ", theme.dim),
        (1, _) => Line::styled(format!("1 problem{press}"), theme.bad),
        (count, _) => Line::styled(format!("{} problems{press}", thousands(count.into())), theme.bad),
    }
}

fn draw_keys(
    frame: &mut Frame<'_>,
    area: Rect,
    model: &ViewModel,
    theme: &Theme,
    state: &UiState,
    now: Instant,
) {
    let position = bare_position(theme, state);
    let mut spans = Vec::new();
    let mut used = position.width();
    if let Some(closes_at) = state.closes_at {
        let left = closes_at.saturating_duration_since(now).as_secs() + 1;
        let text = format!(" closes in {left} s, any key to stay ");
        used += text.width();
        spans.push(Span::styled(text, theme.selected));
    }
    // With frames the filter is in the title of the list.
    if !theme.framed && !state.filter_here().is_empty() {
        let text = filter::summary(model, state, usize::from(area.width).saturating_sub(2));
        used += text.width();
        spans.push(Span::styled(text, theme.warn));
    }
    for (key, word) in hints(state, model, theme) {
        let hint = key_and_word(&key, word, theme);
        used += hint.iter().map(Span::width).sum::<usize>();
        if used > usize::from(area.width) {
            break;
        }
        spans.extend(hint);
    }
    frame.render_widget(Line::from(spans), area);
    let width = (position.width() as u16).min(area.width);
    frame.render_widget(position, Rect { x: area.right() - width, width, ..area });
}

/// A key and what it does.
pub(super) fn key_and_word(key: &str, word: &str, theme: &Theme) -> [Span<'static>; 2] {
    [Span::styled(format!(" {key}"), theme.accent), Span::styled(format!(" {word} "), theme.dim)]
}

/// Where the user is in a list without a frame, which would say it.
fn bare_position(theme: &Theme, state: &UiState) -> Span<'static> {
    let list = &state.places.list;
    let position = list.position.as_ref().filter(|_| !theme.framed && !list.rows.is_empty());
    Span::styled(position.map_or(String::new(), |position| format!(" {position} ")), theme.dim)
}

/// The keys that are shown, with a word each: first to quit and to change the view, then those of this view, then the
/// others.
fn hints(state: &UiState, model: &ViewModel, theme: &Theme) -> Vec<(String, &'static str)> {
    let clears = !state.filter_here().is_empty();
    let rank = |action: Action, hint: &KeyHint| match action {
        Action::Ask(Request::Quit) | Action::Toggle(View::Help) | Action::NextView(_) => 0,
        // The view's name and its number go back, too.
        Action::Back if !clears => 2,
        _ if !hint.views.is_empty() => 1,
        _ => 3,
    };
    let mut hints: Vec<(i32, String, &'static str)> = Vec::new();
    let layers = &model.summary.layers;
    let is_empty = match state.view {
        View::Ranks => model.summary.ranks.is_empty(),
        View::Overview | View::Layer | View::Steps => layers.is_empty(),
        View::Problems => model.summary.problems.is_empty(),
        View::Charts | View::Runs | View::Help => false,
    };
    let hides_all = clears
        && state.view != View::Charts
        && state.filter_counts(model).is_some_and(|(shown, _)| shown == 0);
    let is_flat = !state.is_tree && !layers.iter().any(|layer| has_modules(&layer.name));
    // An empty list needs no keys but to fill it, and layers without modules no tree.
    let is_idle = |action: Action, hint: &KeyHint| {
        let is_about_rows = !hint.views.is_empty() && action != Action::Back;
        is_about_rows && (is_empty || hides_all && action != Action::Filter)
            || is_flat && action == Action::Tree
    };
    let node = state.selected_node(layers);
    // A view that is shown needs no key that shows it.
    let is_of_no_use = |action: Action| match action {
        Action::Open => opens_nothing(state, model),
        Action::Toggle(view) => view == state.view,
        _ => false,
    };
    for row in state.keys.rows().iter().filter(|row| !is_of_no_use(row.binding.action)) {
        let hint = row.binding.hint(state.view).filter(|hint| !is_idle(row.binding.action, hint));
        let key = state.keys.first_label_in(state.view, row);
        if let (Some(hint), Some(key)) = (hint, &key) {
            let word = word_now(row.binding.action, hint.word, node.as_ref(), state, model);
            hints.push((rank(row.binding.action, hint), theme.appearance.symbols.label(key), word));
        } else if let (Some(key), Action::Back, true) = (&key, row.binding.action, clears) {
            hints.push((1, theme.appearance.symbols.label(key), ALL_ROWS));
        }
    }
    hints.sort_by_key(|hint| hint.0);
    hints.into_iter().map(|(_, key, word)| (key, word)).collect()
}

/// Whether a layer has one channel, or each kind of problem one problem, so that there is nothing to open.
fn opens_nothing(state: &UiState, model: &ViewModel) -> bool {
    let has_several =
        |entry: &ProblemEntry<'_>| matches!(entry, ProblemEntry::Kind { alike, .. } if alike.count > 1);
    match state.view {
        View::Layer => state.places.channel_count < 2,
        View::Problems => !state.problems.entries(&model.summary.problems).iter().any(has_several),
        _ => false,
    }
}

/// What Esc does in a list with a filter.
const ALL_ROWS: &str = "show all";

/// What a key does now, where that is not what it does at other times.
fn word_now(
    action: Action,
    word: &'static str,
    node: Option<&Node>,
    state: &UiState,
    model: &ViewModel,
) -> &'static str {
    match (action, node) {
        (Action::Ask(Request::Pause), _) if model.paused => "resume",
        (Action::Open, Some(node)) if node.is_open => "fold",
        (Action::Open, Some(_)) => "unfold",
        (Action::Back, _) if !state.filter_here().is_empty() && state.clears_filter() => ALL_ROWS,
        (Action::Tree, _) if state.is_tree => "list",
        _ => word,
    }
}
