//! Asks the terminal where its cursor is, and reads the answer past whatever else it sends. The answer says how wide a
//! symbol was drawn, and that all that was sent before it has come.

use crate::platform;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;

/// The question (DSR 6); the answer is `ESC [ ROW ; COLUMN R`.
pub(super) const WHERE_IS_THE_CURSOR: &str = "\x1b[6n";

/// The longest that an answer is waited for at the start. A terminal further away is taken for one of the usual kind.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_millis(200);

/// What follows the escape character of a string: a control string of an operating system, a device, an application,
/// and the like (OSC, DCS, APC, PM, SOS). Terminals answer questions of other programs in this form.
const OPEN_STRINGS: [char; 5] = [']', 'P', '_', '^', 'X'];

/// The most events that are looked through for the end of a string.
const MOST_OF_A_STRING: usize = 4096;

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
        [opens, text @ ..] if OPEN_STRINGS.contains(&char::from(*opens)) => {
            string_len(text).map_or(1, |len| len + 1)
        }
        [] => 0,
        _ => 1,
    }
}

/// The length of the text of a string up to its end (BEL or ST); `None` if it has none.
fn string_len(text: &[u8]) -> Option<usize> {
    let bell = text.iter().position(|byte| *byte == 0x07).map(|at| at + 1);
    let end = text.windows(2).position(|two| two == b"\x1b\\").map(|at| at + 2);
    bell.into_iter().chain(end).min()
}

/// Whether a key is what crossterm makes of the beginning of a string. No key is bound to it unless the user does that.
pub(super) fn opens_string(event: &Event) -> bool {
    let opens = |code| matches!(code, KeyCode::Char(opens) if OPEN_STRINGS.contains(&opens));
    event.as_key_event().is_some_and(|key| key.modifiers.contains(KeyModifiers::ALT) && opens(key.code))
}

fn ends_string(event: &Event) -> bool {
    event.as_key_event().is_some_and(|key| match key.code {
        KeyCode::Char('g') => key.modifiers == KeyModifiers::CONTROL,
        KeyCode::Char('\\') => key.modifiers == KeyModifiers::ALT,
        _ => false,
    })
}

/// The events that follow the beginning of a string at once, without those of the string. If it has no end, somebody
/// has typed them.
pub(super) fn without_string(opens: Event, next: impl FnMut() -> Option<Event>) -> Vec<Event> {
    let mut events = vec![opens];
    for event in std::iter::from_fn(next).take(MOST_OF_A_STRING) {
        let is_end = ends_string(&event);
        events.push(event);
        if is_end {
            events.retain(|event| event.as_key_event().is_none());
            break;
        }
    }
    events
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
    fn strings_are_read_past_and_what_has_no_end_is_typed() {
        let answer = TerminalAnswer::parse(b"\x1b]11;rgb:ff\x07a\x1bP>|q\x1b\\b\x1b]c");
        assert_eq!(typed(&answer), ['a', 'b', 'c'].map(KeyCode::Char));
        let key = |code, modifiers| Event::Key(KeyEvent::new(KeyCode::Char(code), modifiers));
        let opens = key(']', KeyModifiers::ALT);
        assert!(opens_string(&opens) && !opens_string(&key(']', KeyModifiers::NONE)));
        let (q, resize) = (key('q', KeyModifiers::NONE), Event::Resize(80, 24));
        for end in [key('g', KeyModifiers::CONTROL), key('\\', KeyModifiers::ALT)] {
            let mut next = [q.clone(), resize.clone(), end, q.clone()].into_iter();
            assert_eq!(without_string(opens.clone(), || next.next()), std::slice::from_ref(&resize));
            assert_eq!(next.next(), Some(q.clone()), "it stops at the end");
        }
        let mut next = [q.clone()].into_iter();
        assert_eq!(without_string(opens.clone(), || next.next()), [opens, q]);
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
