//! Asks the terminal where its cursor is, and reads the answer past whatever else it sends. The answer says how wide a
//! symbol was drawn, and that all that was sent before it has come.

use crate::platform;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;

/// The question (DSR 6); the answer is `ESC [ ROW ; COLUMN R`.
pub(super) const WHERE_IS_THE_CURSOR: &str = "\x1b[6n";

/// The longest that an answer is waited for at the start. A terminal further away is taken for one of the usual kind.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_millis(200);

/// What a terminal has sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TerminalAnswer {
    /// The column of the cursor, counted from 1, if it has answered.
    pub(super) column: Option<u16>,
    /// The keys that were typed meanwhile.
    pub(super) typed: Vec<Event>,
}

impl TerminalAnswer {
    /// What bytes of a terminal say. Of what is neither an answer nor a plain key, nothing is kept.
    fn parse(bytes: &[u8]) -> Self {
        let (mut answer, mut rest) = (Self::default(), bytes);
        while let Some((&first, others)) = rest.split_first() {
            rest = others;
            match first {
                0x1b => {
                    let (sequence, behind) = rest.split_at(sequence_len(rest));
                    rest = behind;
                    answer.column = answer.column.or_else(|| column(sequence));
                }
                _ => answer.typed.extend(key(first).map(Event::Key)),
            }
        }
        answer
    }
}

/// The length of what belongs to an escape character.
fn sequence_len(rest: &[u8]) -> usize {
    match rest {
        [b'[', parameters @ ..] => {
            let end = parameters.iter().position(|byte| (0x40..=0x7e).contains(byte));
            end.map_or(rest.len(), |end| end + 2)
        }
        [b'O', _, ..] => 2,
        [] => 0,
        _ => 1,
    }
}

/// The column in `[ROW;COLUMNR`.
fn column(sequence: &[u8]) -> Option<u16> {
    let parameters = str::from_utf8(sequence).ok()?.strip_prefix('[')?.strip_suffix('R')?;
    let (row, column) = parameters.split_once(';')?;
    row.parse::<u16>().ok()?;
    column.parse().ok()
}

fn key(byte: u8) -> Option<KeyEvent> {
    let (code, modifiers) = match byte {
        b'\r' => (KeyCode::Enter, KeyModifiers::NONE),
        b'\t' => (KeyCode::Tab, KeyModifiers::NONE),
        1..=26 => (KeyCode::Char(char::from(byte - 1 + b'a')), KeyModifiers::CONTROL),
        b' '..=b'~' => (KeyCode::Char(char::from(byte)), KeyModifiers::NONE),
        _ => return None,
    };
    Some(KeyEvent::new(code, modifiers))
}

/// Reads what the terminal sends until it answers, is silent for so long, or this time is over.
pub(super) fn read_answer(quiet: Duration, within: Duration) -> TerminalAnswer {
    let is_answer = |bytes: &[u8]| bytes.ends_with(b"R") && TerminalAnswer::parse(bytes).column.is_some();
    TerminalAnswer::parse(&platform::read_terminal(quiet, within, is_answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(answer: &TerminalAnswer) -> Vec<KeyCode> {
        let code = |event: &Event| event.as_key_event().map(|key| key.code);
        answer.typed.iter().filter_map(code).collect()
    }

    #[test]
    fn an_answer_is_found_between_keys_and_mouse_reports() {
        let answer = TerminalAnswer::parse(b"j\x1b[<64;20;10M\x1b[A\x1bOPq\x1b[1;3R");
        assert_eq!(answer.column, Some(3));
        assert_eq!(typed(&answer), [KeyCode::Char('j'), KeyCode::Char('q')]);
        assert_eq!(
            TerminalAnswer::parse(b"\x03").typed,
            [Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL))]
        );
    }

    #[test]
    fn what_is_no_answer_says_nothing() {
        for bytes in [
            &b""[..],
            b"\x1b",
            b"\x1b[",
            b"\x1b[1;",
            b"\x1b[1;?R",
            b"\x1b[3R",
            b"\x1b[1;99999999R",
            b"\xff\xfe",
        ] {
            assert_eq!(TerminalAnswer::parse(bytes), TerminalAnswer::default(), "{bytes:?}");
        }
    }
}
