//! The terminal of a progress bar, on standard error: one that nobody reads does not hold up leaving.

use crate::process::streams::{self, Stream};
use indicatif::{ProgressDrawTarget, TermLike};
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};

/// How often a bar is drawn in a second.
const PER_SECOND: u8 = 20;

/// The width where the terminal has none.
const WIDTH: u16 = 80;

/// Where a bar is drawn, if anywhere.
pub(super) fn target() -> ProgressDrawTarget {
    if io::stderr().is_terminal() {
        ProgressDrawTarget::term_like_with_hz(Box::new(Terminal::default()), PER_SECOND)
    } else {
        ProgressDrawTarget::hidden()
    }
}

/// Keeps what is drawn until it is whole.
#[derive(Debug, Default)]
struct Terminal(Mutex<String>);

impl Terminal {
    fn add(&self, parts: &[&str]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(parts.iter().copied());
        Ok(())
    }

    /// Moves the cursor; where the number is left out, or is nothing, terminals take it for one.
    fn go(&self, count: usize, direction: &str) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.add(&["\x1b[", &count.to_string(), direction]) }
    }
}

impl TermLike for Terminal {
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
    fn what_is_drawn_is_what_a_terminal_takes() {
        let terminal = Terminal::default();
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
