//! The one table of keys and of the mouse: it drives what they do and prints the help.

use super::cursor::Motion;
use super::state::View;
use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Position;

/// Rows that a notch of the wheel scrolls by.
const NOTCH: i32 = 3;

/// What keys are for at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Each asks for something.
    #[default]
    Commands,
    /// They are typed into the line of the filter.
    Typing,
}

/// What the user can ask of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Leave, with the figures.
    Quit,
    /// Show a view.
    View(View),
    /// Show the next view, or the one before.
    NextView(i32),
    /// Show a view, or the overview where it is shown already.
    Toggle(View),
    /// Open what is selected.
    Open,
    /// Back to the overview.
    Back,
    /// Show the next run, or the one before.
    NextRun(i32),
    /// Compare the other runs with this one, or no more.
    Baseline,
    /// Freeze the view, or let it go on.
    Pause,
    /// Start the tally over.
    Restart,
    /// Write the exports now.
    Export,
    /// Move in the list or the text that is shown.
    Go(Motion),
    /// To the left or right: the column that sorts, the layer beside, the cursor of the charts.
    Side(i32),
    /// Sort by the column to the left or right.
    SortColumn(i32),
    /// Turn the order around.
    SortReverse,
    /// Type a filter for the layers.
    Filter,
    /// A character of the filter.
    Type(char),
    /// Take back the last character of the filter.
    Erase,
    /// Take back the whole filter and go on typing.
    EraseAll,
    /// Keep the filter that was typed.
    KeepFilter,
    /// Show all layers again.
    ClearFilter,
    /// Zoom the charts in or out.
    Zoom(i32),
    /// Move the part of the run that the charts show.
    Pan(i32),
    /// Show the whole run in the charts.
    Whole,
    /// Linear or logarithmic.
    Scale,
    /// Running figures, those of single batches, or both.
    Lines,
    /// Copy the figures of the selected layer.
    Copy,
    /// Leave out what can be left out, or no more.
    Compact,
    /// The next theme.
    Theme,
    /// What was clicked on: a view's name, a heading, a row, a chart.
    Click(Position),
    /// Scroll what is shown by so many rows.
    Scroll(i32),
}

/// A row of the table.
#[derive(Debug)]
pub struct Binding {
    keys: &'static [(KeyCode, KeyModifiers)],
    /// What it does.
    pub action: Action,
    /// The keys, for people.
    pub label: &'static str,
    /// What it does, for people.
    pub help: &'static str,
    /// A word for the line at the bottom, where the key is shown there.
    pub hint: Option<&'static str>,
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

const fn binding(
    keys: &'static [(KeyCode, KeyModifiers)],
    action: Action,
    label: &'static str,
    help: &'static str,
    hint: Option<&'static str>,
) -> Binding {
    Binding { keys, action, label, help, hint }
}

/// All keys.
pub const BINDINGS: [Binding; 39] = [
    binding(
        &[(KeyCode::Char('q'), NONE), (KeyCode::Char('c'), CONTROL)],
        Action::Quit,
        "q, Ctrl-C",
        "leave, print the summary and write the exports",
        Some("quit"),
    ),
    binding(
        &[(KeyCode::Char('1'), NONE)],
        Action::View(View::Overview),
        "1",
        "the overview: totals, layers, neurons and small charts",
        None,
    ),
    binding(
        &[(KeyCode::Char('2'), NONE)],
        Action::View(View::Layer),
        "2",
        "the selected layer: time steps, neurons, membrane potentials",
        None,
    ),
    binding(&[(KeyCode::Char('3'), NONE)], Action::View(View::Charts), "3", "charts over the batches", None),
    binding(&[(KeyCode::Char('4'), NONE)], Action::View(View::Runs), "4", "all runs", None),
    binding(
        &[(KeyCode::Char('5'), NONE), (KeyCode::Char('!'), NONE)],
        Action::Toggle(View::Problems),
        "5 !",
        "the problems: what was set aside, and why",
        Some("problems"),
    ),
    binding(
        &[(KeyCode::Char('6'), NONE), (KeyCode::Char('?'), NONE), (KeyCode::F(1), NONE)],
        Action::Toggle(View::Help),
        "? 6",
        "this help",
        Some("help"),
    ),
    binding(&[(KeyCode::Tab, NONE)], Action::NextView(1), "Tab", "the next view", Some("view")),
    binding(
        &[(KeyCode::BackTab, NONE), (KeyCode::BackTab, KeyModifiers::SHIFT)],
        Action::NextView(-1),
        "Shift-Tab",
        "the view before",
        None,
    ),
    binding(
        &[(KeyCode::Enter, NONE)],
        Action::Open,
        "Enter",
        "open the selected layer or run; in the charts: draw the selected line, or no more",
        Some("open"),
    ),
    binding(
        &[(KeyCode::Esc, NONE)],
        Action::Back,
        "Esc",
        "back to the overview; there: show all layers again",
        None,
    ),
    binding(&[(KeyCode::Char('J'), NONE)], Action::NextRun(1), "J", "the next run", None),
    binding(&[(KeyCode::Char('K'), NONE)], Action::NextRun(-1), "K", "the run before", None),
    binding(
        &[(KeyCode::Char('b'), NONE)],
        Action::Baseline,
        "b",
        "compare the other runs with this one, or no more",
        None,
    ),
    binding(
        &[(KeyCode::Char('p'), NONE), (KeyCode::Char(' '), NONE)],
        Action::Pause,
        "p, Space",
        "freeze the view, or let it go on; counting never stops",
        Some("pause"),
    ),
    binding(&[(KeyCode::Char('e'), NONE)], Action::Export, "e", "write the exports now", Some("export")),
    binding(
        &[(KeyCode::Char('r'), NONE)],
        Action::Restart,
        "r",
        "start the tally over: forget all counts and read the directory again",
        None,
    ),
    binding(
        &[(KeyCode::Right, NONE), (KeyCode::Char('l'), NONE)],
        Action::Side(1),
        "→ l",
        "sort by the next column; the next layer; the cursor of the charts",
        None,
    ),
    binding(
        &[(KeyCode::Left, NONE), (KeyCode::Char('h'), NONE)],
        Action::Side(-1),
        "← h",
        "the same to the left",
        None,
    ),
    binding(
        &[(KeyCode::Char('>'), NONE)],
        Action::SortColumn(1),
        ">",
        "sort the layers by the next column",
        None,
    ),
    binding(
        &[(KeyCode::Char('<'), NONE)],
        Action::SortColumn(-1),
        "<",
        "sort the layers by the column before",
        Some("sort"),
    ),
    binding(&[(KeyCode::Char('o'), NONE)], Action::SortReverse, "o", "turn the order around", None),
    binding(
        &[(KeyCode::Char('/'), NONE)],
        Action::Filter,
        "/",
        "filter the layers by a part of their names or a regular expression; Enter keeps it, Esc clears it",
        Some("filter"),
    ),
    binding(
        &[(KeyCode::Char('y'), NONE)],
        Action::Copy,
        "y",
        "copy the selected layer's figures, through the terminal (OSC 52)",
        Some("copy"),
    ),
    binding(
        &[(KeyCode::Char('+'), NONE), (KeyCode::Char('='), NONE)],
        Action::Zoom(1),
        "+",
        "charts: zoom in",
        None,
    ),
    binding(&[(KeyCode::Char('-'), NONE)], Action::Zoom(-1), "-", "charts: zoom out", None),
    binding(&[(KeyCode::Char('['), NONE)], Action::Pan(-1), "[", "charts: earlier batches", None),
    binding(&[(KeyCode::Char(']'), NONE)], Action::Pan(1), "]", "charts: later batches", None),
    binding(
        &[(KeyCode::Char('0'), NONE)],
        Action::Whole,
        "0",
        "charts: the whole run, without a cursor",
        None,
    ),
    binding(&[(KeyCode::Char('L'), NONE)], Action::Scale, "L", "charts: linear or logarithmic", None),
    binding(
        &[(KeyCode::Char('m'), NONE)],
        Action::Lines,
        "m",
        "charts: running figures, single batches, or both",
        None,
    ),
    binding(
        &[(KeyCode::Char('c'), NONE)],
        Action::Compact,
        "c",
        "leave out frames and charts, or no more",
        None,
    ),
    binding(
        &[(KeyCode::Char('t'), NONE)],
        Action::Theme,
        "t",
        "the next theme: dark, light, colour-blind, monochrome",
        Some("theme"),
    ),
    binding(
        &[(KeyCode::Down, NONE), (KeyCode::Char('j'), NONE)],
        Action::Go(Motion::Rows(1)),
        "↓ j",
        "next row",
        None,
    ),
    binding(
        &[(KeyCode::Up, NONE), (KeyCode::Char('k'), NONE)],
        Action::Go(Motion::Rows(-1)),
        "↑ k",
        "row before",
        None,
    ),
    binding(
        &[(KeyCode::PageDown, NONE), (KeyCode::Char('f'), CONTROL)],
        Action::Go(Motion::Pages(1)),
        "PgDn",
        "a page down",
        None,
    ),
    binding(
        &[(KeyCode::PageUp, NONE), (KeyCode::Char('b'), CONTROL)],
        Action::Go(Motion::Pages(-1)),
        "PgUp",
        "a page up",
        None,
    ),
    binding(
        &[(KeyCode::Home, NONE), (KeyCode::Char('g'), NONE)],
        Action::Go(Motion::First),
        "Home g",
        "first row",
        None,
    ),
    binding(
        &[(KeyCode::End, NONE), (KeyCode::Char('G'), NONE)],
        Action::Go(Motion::Last),
        "End G",
        "last row",
        None,
    ),
];

/// The keys that are no text while a filter is typed.
pub const EDITS: [Binding; 5] = [
    binding(&[(KeyCode::Enter, NONE)], Action::KeepFilter, "Enter", "keep the filter", Some("keep")),
    binding(&[(KeyCode::Esc, NONE)], Action::ClearFilter, "Esc", "show all layers", Some("clear")),
    binding(
        &[(KeyCode::Backspace, NONE), (KeyCode::Char('h'), CONTROL)],
        Action::Erase,
        "Backspace",
        "take back a character",
        None,
    ),
    binding(&[(KeyCode::Char('u'), CONTROL)], Action::EraseAll, "Ctrl-U", "take back all", None),
    binding(&[(KeyCode::Char('c'), CONTROL)], Action::Quit, "Ctrl-C", "leave", None),
];

/// What the mouse does, for people.
pub const MOUSE: [(&str, &str); 3] = [
    ("click", "on a view's name: show it; on a heading: sort by it, again: turn the order around"),
    ("", "on a row: select it, again: open it; on a chart: read the values off there"),
    ("wheel", "scroll what is shown; zoom the charts"),
];

/// What a mouse event asks for.
pub fn mouse_action(event: &MouseEvent) -> Option<Action> {
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) => {
            Some(Action::Click(Position::new(event.column, event.row)))
        }
        MouseEventKind::ScrollDown => Some(Action::Scroll(NOTCH)),
        MouseEventKind::ScrollUp => Some(Action::Scroll(-NOTCH)),
        _ => None,
    }
}

/// What a key event asks for.
pub fn action(event: &KeyEvent, mode: Mode) -> Option<Action> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    // Terminals differ in whether they report Shift with a character that needs it.
    let modifiers = match event.code {
        KeyCode::Char(_) => event.modifiers - KeyModifiers::SHIFT,
        _ => event.modifiers,
    };
    let key = (event.code, modifiers);
    let bound = |bindings: &[Binding]| {
        bindings.iter().find(|binding| binding.keys.contains(&key)).map(|binding| binding.action)
    };
    match mode {
        Mode::Commands => bound(&BINDINGS),
        Mode::Typing => bound(&EDITS).or(typed(key)),
    }
}

/// What pasted text asks for: the first line of it is typed where something is typed, and it is never
/// taken for keys that ask for something.
pub fn pasted(text: &str, mode: Mode) -> impl Iterator<Item = Action> {
    let line = if mode == Mode::Typing { text.trim_start().lines().next() } else { None };
    line.unwrap_or_default().chars().filter(|character| !character.is_control()).map(Action::Type)
}

/// The character that a key types.
fn typed((code, modifiers): (KeyCode, KeyModifiers)) -> Option<Action> {
    // Where AltGr makes a character, it is reported as Control and Alt.
    let makes_text = modifiers.is_empty() || modifiers == CONTROL | KeyModifiers::ALT;
    match code {
        KeyCode::Char(character) if makes_text && !character.is_control() => Some(Action::Type(character)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_key_has_two_meanings() {
        for bindings in [&BINDINGS[..], &EDITS] {
            let mut seen = HashSet::new();
            for key in bindings.iter().flat_map(|binding| binding.keys) {
                assert!(seen.insert(key), "{key:?}");
            }
        }
    }

    #[test]
    fn keys_are_found_whatever_the_terminal_says_of_shift() {
        let press = |code, modifiers| action(&KeyEvent::new(code, modifiers), Mode::Commands);
        assert_eq!(press(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Action::Toggle(View::Help)));
        assert_eq!(press(KeyCode::Char('?'), NONE), Some(Action::Toggle(View::Help)));
        assert_eq!(press(KeyCode::Char('c'), CONTROL), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('x'), NONE), None);
        let mut released = KeyEvent::new(KeyCode::Char('q'), NONE);
        released.kind = KeyEventKind::Release;
        assert_eq!(action(&released, Mode::Commands), None);
    }

    #[test]
    fn pasted_text_is_typed_and_never_a_command() {
        assert_eq!(pasted("q", Mode::Commands).count(), 0);
        let typed: Vec<Action> = pasted("\na\u{1b}\nq", Mode::Typing).collect();
        assert_eq!(typed, [Action::Type('a')]);
    }

    #[test]
    fn keys_are_text_while_a_filter_is_typed() {
        let press = |code, modifiers| action(&KeyEvent::new(code, modifiers), Mode::Typing);
        assert_eq!(press(KeyCode::Char('q'), NONE), Some(Action::Type('q')));
        assert_eq!(press(KeyCode::Char('Q'), KeyModifiers::SHIFT), Some(Action::Type('Q')));
        assert_eq!(press(KeyCode::Char('['), CONTROL | KeyModifiers::ALT), Some(Action::Type('[')));
        assert_eq!(press(KeyCode::Char('c'), CONTROL), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('x'), CONTROL), None);
        assert_eq!(press(KeyCode::Backspace, NONE), Some(Action::Erase));
        assert_eq!(press(KeyCode::Enter, NONE), Some(Action::KeepFilter));
    }
}
