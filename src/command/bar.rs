//! The terminal of the progress bar, on standard error. It does not hold up leaving if nobody reads it.

use crate::platform::streams::{self, Stream};
use indicatif::{ProgressDrawTarget, TermLike};
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};

/// How many times a second the bar is drawn.
const PER_SECOND: u8 = 20;

/// The width if the terminal does not know its own.
const WIDTH: u16 = 80;

/// Standard error if it is a terminal, else nothing.
pub(super) fn target() -> ProgressDrawTarget {
    if io::stderr().is_terminal() {
        ProgressDrawTarget::term_like_with_hz(Box::new(BarTerminal::default()), PER_SECOND)
    } else {
        ProgressDrawTarget::hidden()
    }
}

/// Collects what is drawn and writes it in one piece.
#[derive(Debug, Default)]
struct BarTerminal(Mutex<String>);

impl BarTerminal {
    fn add(&self, parts: &[&str]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(parts.iter().copied());
        Ok(())
    }

    /// Moves the cursor. Terminals would take 0 for 1.
    fn go(&self, count: usize, direction: &str) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.add(&["\x1b[", &count.to_string(), direction]) }
    }
}

impl TermLike for BarTerminal {
    fn width(&self) -> u16 {
        crossterm::terminal::size().map_or(WIDTH, |(columns, _)| columns)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.go(n, "A")
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.go(n, "B")
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.go(n, "C")
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.go(n, "D")
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(&[text, "\n"])
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(&[text])
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add(&["\r\x1b[2K"])
    }

    fn flush(&self) -> io::Result<()> {
        let drawn = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if drawn.is_empty() { Ok(()) } else { streams::write(Stream::Errors, drawn.as_bytes()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_becomes_escape_sequences() {
        let terminal = BarTerminal::default();
        let drawn = [
            terminal.clear_line(),
            terminal.write_line("one"),
            terminal.move_cursor_up(1),
            terminal.move_cursor_right(0),
            terminal.write_str("two"),
        ];
        assert!(drawn.iter().all(Result::is_ok));
        assert_eq!(*terminal.0.lock().expect("what is drawn"), "\r\x1b[2Kone\n\x1b[1Atwo");
    }
}
