//! Asks the terminal where its cursor is, and reads the answer past whatever else it sends. The answer says how wide a
//! symbol was drawn, and that all that was sent before it has come.

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

#[cfg(unix)]
pub(super) use unix::read_answer;

#[cfg(unix)]
mod unix {
    use super::TerminalAnswer;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fd::{AsFd, BorrowedFd};
    use rustix::io::{Errno, read};
    use std::fs::File;
    use std::io::{IsTerminal, stdin};
    use std::time::{Duration, Instant};

    /// The most bytes that are read past on the way to an answer.
    const MOST: usize = 1 << 16;

    /// Reads what the terminal sends until it answers, is silent for so long, or this time is over.
    pub(in super::super) fn read_answer(quiet: Duration, within: Duration) -> TerminalAnswer {
        if stdin().is_terminal() {
            return read_from(stdin().as_fd(), quiet, within);
        }
        match File::open("/dev/tty") {
            Ok(terminal) => read_from(terminal.as_fd(), quiet, within),
            Err(_) => TerminalAnswer::default(),
        }
    }

    fn read_from(terminal: BorrowedFd<'_>, quiet: Duration, within: Duration) -> TerminalAnswer {
        let (begun, mut bytes, mut byte) = (Instant::now(), Vec::new(), [0; 1]);
        // One at a time: what comes behind the answer is for whoever reads next.
        while bytes.len() < MOST && waits(terminal, quiet.min(within.saturating_sub(begun.elapsed()))) {
            match read(terminal, &mut byte) {
                Ok(1) => bytes.extend(byte),
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => break,
            }
            if byte == *b"R" && TerminalAnswer::parse(&bytes).column.is_some() {
                break;
            }
        }
        TerminalAnswer::parse(&bytes)
    }

    /// Whether there is something to read within this time.
    fn waits(terminal: BorrowedFd<'_>, time: Duration) -> bool {
        let Ok(time) = Timespec::try_from(time) else { return false };
        let mut terminals = [PollFd::new(&terminal, PollFlags::IN)];
        let ready = poll(&mut terminals, Some(&time)).is_ok_and(|ready| ready > 0);
        ready && terminals[0].revents().contains(PollFlags::IN)
    }
}

/// Elsewhere nothing can be asked.
#[cfg(not(unix))]
pub(super) fn read_answer(_: Duration, _: Duration) -> TerminalAnswer {
    TerminalAnswer::default()
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
