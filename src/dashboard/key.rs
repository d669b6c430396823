//! A key: how it is written in the configuration file, and how it is shown on the screen.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::fmt;
use std::str::FromStr;

/// A key with its modifiers, in one form however the terminal reports Shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub(super) code: KeyCode,
    pub(super) modifiers: KeyModifiers,
}

/// The keys that have names: in the configuration file, and on the screen.
const NAMES: [(KeyCode, &str, &str); 17] = [
    (KeyCode::Enter, "enter", "Enter"),
    (KeyCode::Esc, "esc", "Esc"),
    (KeyCode::Char(' '), "space", "Space"),
    (KeyCode::Tab, "tab", "Tab"),
    (KeyCode::BackTab, "shift-tab", "Shift-Tab"),
    (KeyCode::Backspace, "backspace", "Backspace"),
    (KeyCode::Delete, "delete", "Delete"),
    (KeyCode::Insert, "insert", "Insert"),
    (KeyCode::Left, "left", "←"),
    (KeyCode::Right, "right", "→"),
    (KeyCode::Up, "up", "↑"),
    (KeyCode::Down, "down", "↓"),
    (KeyCode::PageUp, "pgup", "PgUp"),
    (KeyCode::PageDown, "pgdn", "PgDn"),
    (KeyCode::Home, "home", "Home"),
    (KeyCode::End, "end", "End"),
    // A `-` would be read as the end of a modifier.
    (KeyCode::Char('-'), "minus", "-"),
];

/// Other names for them.
const ALIASES: [(&str, &str); 6] = [
    ("return", "enter"),
    ("escape", "esc"),
    ("pageup", "pgup"),
    ("pagedown", "pgdn"),
    ("del", "delete"),
    ("ins", "insert"),
];

const MODIFIERS: [(KeyModifiers, &str, &str); 3] = [
    (KeyModifiers::CONTROL, "ctrl-", "Ctrl-"),
    (KeyModifiers::ALT, "alt-", "Alt-"),
    (KeyModifiers::SHIFT, "shift-", "Shift-"),
];

/// With Control, a terminal reports these characters as other keys.
const SAME: [(char, &str); 3] = [('i', "tab"), ('m', "enter"), ('[', "esc")];

impl Key {
    /// Ctrl-C, which always quits.
    pub const CTRL_C: Self = Self { code: KeyCode::Char('c'), modifiers: KeyModifiers::CONTROL };

    /// Terminals differ in whether they report Shift beside the character that it makes.
    pub fn from_event(event: &KeyEvent) -> Self {
        let (control, shift) = (KeyModifiers::CONTROL, KeyModifiers::SHIFT);
        let (code, modifiers) = match event.code {
            KeyCode::Char(character) if event.modifiers.contains(control) => {
                (KeyCode::Char(character.to_ascii_lowercase()), event.modifiers - shift)
            }
            KeyCode::Char(_) | KeyCode::BackTab => (event.code, event.modifiers - shift),
            KeyCode::Tab if event.modifiers.contains(shift) => (KeyCode::BackTab, event.modifiers - shift),
            code => (code, event.modifiers),
        };
        Self { code, modifiers }
    }

    /// How it is shown on the screen: `Ctrl-C`, `→`, `PgDn`.
    pub fn label(self) -> String {
        let key = match self.code {
            KeyCode::Char(character)
                if self.modifiers.contains(KeyModifiers::CONTROL) && character != ' ' =>
            {
                character.to_ascii_uppercase().to_string()
            }
            code => written(code, |name| name.2),
        };
        self.prefix(|name| name.2) + &key
    }

    fn prefix(self, form: fn(&(KeyModifiers, &'static str, &'static str)) -> &'static str) -> String {
        MODIFIERS.iter().filter(|name| self.modifiers.contains(name.0)).map(form).collect()
    }
}

fn written(code: KeyCode, form: fn(&(KeyCode, &'static str, &'static str)) -> &'static str) -> String {
    match (NAMES.iter().find(|name| name.0 == code), code) {
        (Some(name), _) => form(name).to_owned(),
        (None, KeyCode::Char(character)) => character.to_string(),
        (None, code) => code.to_string(),
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = written(self.code, |name| name.1);
        // Only the name of a function key has capital letters.
        let key = if matches!(self.code, KeyCode::F(_)) { key.to_lowercase() } else { key };
        write!(f, "{}{key}", self.prefix(|name| name.1))
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut rest, mut modifiers) = (text, KeyModifiers::NONE);
        loop {
            if let Some(code) = code(rest) {
                return told_apart(code, modifiers).map_err(|why| format!("{text:?}: {why}"));
            }
            let (modifier, after) = modifier(rest).ok_or_else(|| unknown(text))?;
            modifiers |= modifier;
            rest = after;
        }
    }
}

/// Splits a modifier off the front.
fn modifier(text: &str) -> Option<(KeyModifiers, &str)> {
    MODIFIERS.iter().find_map(|&(modifier, name, _)| {
        let (front, rest) = text.split_at_checked(name.len())?;
        front.eq_ignore_ascii_case(name).then_some((modifier, rest))
    })
}

fn code(text: &str) -> Option<KeyCode> {
    let mut characters = text.chars();
    if let (Some(character), None) = (characters.next(), characters.next()) {
        return (!character.is_control()).then_some(KeyCode::Char(character));
    }
    let name = text.to_ascii_lowercase();
    let name = ALIASES.iter().find(|alias| alias.0 == name).map_or(name.as_str(), |alias| alias.1);
    let function = || name.strip_prefix('f')?.parse().ok().filter(|number| (1..=12).contains(number));
    NAMES.iter().find(|row| row.1 == name).map(|row| row.0).or_else(|| function().map(KeyCode::F))
}

/// The key, if terminals can report it.
fn told_apart(code: KeyCode, modifiers: KeyModifiers) -> Result<Key, String> {
    let (control, shift) = (KeyModifiers::CONTROL, KeyModifiers::SHIFT);
    let KeyCode::Char(character) = code else {
        return Ok(Key::from_event(&KeyEvent::new(code, modifiers)));
    };
    if modifiers.contains(control) {
        let plain = character.to_ascii_lowercase();
        if let Some((_, same)) = SAME.iter().find(|same| same.0 == plain) {
            return Err(format!("terminals cannot tell it from {same}; write {same}"));
        }
    }
    if !modifiers.contains(shift) {
        return Ok(Key::from_event(&KeyEvent::new(code, modifiers)));
    }
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) if character.is_alphabetic() && !modifiers.contains(control) => {
            Ok(Key { code: KeyCode::Char(upper), modifiers: modifiers - shift })
        }
        _ => Err("terminals do not report Shift here; write the character that it makes".to_owned()),
    }
}

fn unknown(text: &str) -> String {
    let names: Vec<&str> = NAMES.iter().map(|name| name.1).collect();
    format!(
        "{text:?} is no key; a key is a character, f1 to f12, or one of {}, with ctrl-, alt- or shift- in front",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(text: &str) -> Key {
        text.parse().expect(text)
    }

    #[test]
    fn keys_are_written_in_one_form_and_called_by_another() {
        for (text, written, label) in [
            ("q", "q", "q"),
            ("Q", "Q", "Q"),
            ("shift-q", "Q", "Q"),
            ("Ctrl-C", "ctrl-c", "Ctrl-C"),
            ("alt-x", "alt-x", "Alt-x"),
            ("alt-ctrl-x", "ctrl-alt-x", "Ctrl-Alt-X"),
            ("shift-tab", "shift-tab", "Shift-Tab"),
            ("F12", "f12", "F12"),
            ("Return", "enter", "Enter"),
            ("escape", "esc", "Esc"),
            (" ", "space", "Space"),
            ("ctrl-space", "ctrl-space", "Ctrl-Space"),
            ("shift-left", "shift-left", "Shift-←"),
            ("PageDown", "pgdn", "PgDn"),
            ("-", "minus", "-"),
            ("ctrl--", "ctrl-minus", "Ctrl--"),
            ("+", "+", "+"),
            ("ctrl-+", "ctrl-+", "Ctrl-+"),
            ("ß", "ß", "ß"),
            ("層", "層", "層"),
        ] {
            assert_eq!(
                (key(text).to_string().as_str(), key(text).label().as_str()),
                (written, label),
                "{text}"
            );
            assert_eq!(key(written), key(text));
        }
        assert_eq!(key("ctrl-c"), Key::CTRL_C);
    }

    #[test]
    fn what_no_terminal_reports_is_refused() {
        for (text, why) in [
            ("ctrl-i", "write tab"),
            ("Ctrl-M", "write enter"),
            ("shift-1", "the character that it makes"),
            ("ctrl-shift-c", "the character that it makes"),
            ("f13", "f1 to f12"),
            ("", "is no key"),
            ("ctrl-", "is no key"),
            ("qq", "is no key"),
            ("ctrl+c", "is no key"),
            ("\u{1b}", "is no key"),
        ] {
            let error = text.parse::<Key>().unwrap_err();
            assert!(error.contains(why) && error.starts_with(&format!("{text:?}")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "((ctrl|alt|shift|f|[A-Z])?-?){0,3}.{0,4}") {
            match text.parse::<Key>() {
                Ok(key) => prop_assert_eq!(key.to_string().parse::<Key>(), Ok(key)),
                Err(error) => prop_assert!(!error.chars().any(char::is_control)),
            }
        }
    }
}
