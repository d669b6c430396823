//! Takes the terminal over and gives it back, whatever happens.

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::execute;
use ratatui::crossterm::style::{Print, force_color_output};
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode, enable_raw_mode,
};
use std::io::{self, Stdout, Write, stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once};

/// What the panics of any thread said while the screen could not show it.
static FAULTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether the screen is taken, so that what is printed would be lost.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Clicks and the wheel, in the form that knows no bounds (SGR). crossterm's own command asks for every
/// movement of the mouse as well, which is much to send over ssh for nothing.
const CAPTURE_MOUSE: &str = "\x1b[?1000h\x1b[?1006h";
const RELEASE_MOUSE: &str = "\x1b[?1006l\x1b[?1000l";

/// Whose the mouse is while the screen is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mouse {
    /// The dashboard's.
    #[default]
    Captured,
    /// The terminal's, to select text with.
    Left,
}

/// Holds the terminal in raw mode on its alternate screen; dropping it gives the terminal back, also
/// while a panic unwinds.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Frames<Stdout>>>,
    title: String,
    mouse: Mouse,
}

/// Passes on what is written a frame at a time, and asks the terminal to show each at once (synchronized
/// output, which terminals that do not know it ignore), so that none is ever seen half drawn.
#[derive(Debug)]
pub struct Frames<W: Write> {
    frame: Vec<u8>,
    terminal: W,
}

const BEGIN_FRAME: &[u8] = b"\x1b[?2026h";
const END_FRAME: &[u8] = b"\x1b[?2026l";

impl<W: Write> Frames<W> {
    /// Frames for a terminal.
    pub fn new(terminal: W) -> Self {
        Self { frame: Vec::new(), terminal }
    }
}

impl<W: Write> Write for Frames<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.frame.is_empty() {
            self.frame.extend_from_slice(BEGIN_FRAME);
        }
        self.frame.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.frame.is_empty() {
            self.frame.extend_from_slice(END_FRAME);
            let written = self.terminal.write_all(&self.frame);
            self.frame.clear();
            written?;
        }
        self.terminal.flush()
    }
}

impl Screen {
    /// Takes the terminal over. Messages of panics are kept for [`take_faults`] from now on.
    ///
    /// # Errors
    /// Where standard output is no terminal that can be steered.
    pub fn take(title: &str, mouse: Mouse) -> io::Result<Self> {
        keep_faults();
        // NO_COLOR chooses the theme, which the user can change; crossterm would drop the colours of any.
        force_color_output(true);
        let screen =
            enter(title, mouse).and_then(|()| Terminal::new(CrosstermBackend::new(Frames::new(stdout()))));
        match screen {
            Ok(terminal) => Ok(Self { terminal, title: title.to_owned(), mouse }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Takes the terminal over again after it was given back, or after whoever stopped the program may have
    /// changed it. The next draw draws everything.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn take_again(&mut self) -> io::Result<()> {
        // Raw mode is entered anew only where it was left.
        disable_raw_mode()?;
        enter(&self.title, self.mouse)?;
        // Clearing by way of the old one would ask the terminal where its cursor is, and wait for the answer.
        execute!(stdout(), Clear(ClearType::All))?;
        self.terminal = Terminal::new(CrosstermBackend::new(Frames::new(stdout())))?;
        Ok(())
    }

    /// Gives the terminal back until [`Screen::take_again`].
    pub fn give_back(&mut self) {
        give_back();
    }

    /// The terminal to draw on.
    pub fn terminal(&mut self) -> &mut Terminal<CrosstermBackend<Frames<Stdout>>> {
        &mut self.terminal
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter(title: &str, mouse: Mouse) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let capture = if mouse == Mouse::Captured { CAPTURE_MOUSE } else { "" };
    execute!(stdout(), EnterAlternateScreen, SetTitle(title), EnableBracketedPaste, Print(capture))
}

/// A terminal that is gone cannot be given back, and that is no error.
fn give_back() {
    TAKEN.store(false, Ordering::SeqCst);
    let _ = execute!(stdout(), Print(RELEASE_MOUSE), DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// From now on the messages of panics are kept while the screen is taken. The hook stays: it cannot be
/// changed while a panic unwinds.
fn keep_faults() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| match FAULTS.lock() {
            Ok(mut faults) if TAKEN.load(Ordering::SeqCst) => faults.push(info.to_string()),
            _ => print(info),
        }));
    });
}

/// Takes what panics said while the screen was taken.
pub fn take_faults() -> Vec<String> {
    FAULTS.lock().map(|mut faults| std::mem::take(&mut *faults)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_written_at_once_and_shown_at_once() {
        let mut frames = Frames::new(Vec::new());
        frames.flush().expect("flushed");
        assert!(frames.terminal.is_empty(), "nothing is no frame");
        frames.write_all(b"one ").expect("written");
        frames.write_all(b"frame").expect("written");
        assert!(frames.terminal.is_empty(), "it waits for its end");
        frames.flush().expect("flushed");
        frames.write_all(b"next").expect("written");
        frames.flush().expect("flushed");
        assert_eq!(frames.terminal, b"\x1b[?2026hone frame\x1b[?2026l\x1b[?2026hnext\x1b[?2026l");
    }
}
