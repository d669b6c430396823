//! The one table of keys and of the mouse: it drives what they do and prints the help.

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
    /// Show or hide the help.
    Help,
    /// Show or hide the list of problems.
    Problems,
    /// Back to the overview.
    Back,
    /// Freeze the view, or let it go on.
    Pause,
    /// Start the tally over.
    Restart,
    /// Write the exports now.
    Export,
    /// Move the selection by so many rows.
    Move(i32),
    /// Move the selection by a page, down or up.
    Page(i32),
    /// To the first row.
    First,
    /// To the last row.
    Last,
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
    /// Copy the figures of the selected layer.
    Copy,
    /// The next theme.
    Theme,
    /// What was clicked on: a heading sorts, a row is selected.
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
pub const BINDINGS: [Binding; 19] = [
    binding(
        &[(KeyCode::Char('q'), NONE), (KeyCode::Char('c'), CONTROL)],
        Action::Quit,
        "q, Ctrl-C",
        "leave, print the summary and write the exports",
        Some("quit"),
    ),
    binding(
        &[(KeyCode::Char('?'), NONE), (KeyCode::F(1), NONE)],
        Action::Help,
        "?",
        "show or hide this help",
        Some("help"),
    ),
    binding(
        &[(KeyCode::Char('!'), NONE)],
        Action::Problems,
        "!",
        "show or hide the problems: what was set aside, and why",
        Some("problems"),
    ),
    binding(
        &[(KeyCode::Esc, NONE)],
        Action::Back,
        "Esc",
        "back to the overview; there: show all layers again",
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
        Some("restart"),
    ),
    binding(
        &[(KeyCode::Char('>'), NONE), (KeyCode::Right, NONE), (KeyCode::Char('l'), NONE)],
        Action::SortColumn(1),
        "→ > l",
        "sort the layers by the next column",
        None,
    ),
    binding(
        &[(KeyCode::Char('<'), NONE), (KeyCode::Left, NONE), (KeyCode::Char('h'), NONE)],
        Action::SortColumn(-1),
        "← < h",
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
        &[(KeyCode::Char('t'), NONE)],
        Action::Theme,
        "t",
        "the next theme: dark, light, colour-blind, monochrome",
        Some("theme"),
    ),
    binding(&[(KeyCode::Down, NONE), (KeyCode::Char('j'), NONE)], Action::Move(1), "↓ j", "next row", None),
    binding(&[(KeyCode::Up, NONE), (KeyCode::Char('k'), NONE)], Action::Move(-1), "↑ k", "row before", None),
    binding(
        &[(KeyCode::PageDown, NONE), (KeyCode::Char('f'), CONTROL)],
        Action::Page(1),
        "PgDn",
        "a page down",
        None,
    ),
    binding(
        &[(KeyCode::PageUp, NONE), (KeyCode::Char('b'), CONTROL)],
        Action::Page(-1),
        "PgUp",
        "a page up",
        None,
    ),
    binding(&[(KeyCode::Home, NONE), (KeyCode::Char('g'), NONE)], Action::First, "Home g", "first row", None),
    binding(&[(KeyCode::End, NONE), (KeyCode::Char('G'), NONE)], Action::Last, "End G", "last row", None),
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
pub const MOUSE: [(&str, &str); 2] = [
    ("click", "on a heading: sort by it, again: turn the order around; on a row: select it"),
    ("wheel", "scroll the layers, the problems or this help"),
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
        assert_eq!(press(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Action::Help));
        assert_eq!(press(KeyCode::Char('?'), NONE), Some(Action::Help));
        assert_eq!(press(KeyCode::Char('c'), CONTROL), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('c'), NONE), None);
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
