//! Takes over the terminal and always gives it back.

use super::TerminalEvents;
use super::question::{ANSWERS_WITHIN, WHERE_IS_THE_CURSOR, read_answer};
use crate::platform::streams::{self, Stream};
use crate::platform::{ANSWERS_QUESTIONS, capture_mouse, ctrl_c_is_a_signal, release_mouse};
use crossbeam_channel::Receiver;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{MoveTo, Show};
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste, Event};
use ratatui::crossterm::queue;
use ratatui::crossterm::style::{Print, force_color_output};
use ratatui::crossterm::terminal::{
    self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode,
    enable_raw_mode,
};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use std::io::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

/// The messages of panics while the dashboard covers the screen.
static FAULTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether the dashboard has the screen, so that anything printed would be lost.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Has the terminal keep its title, and put it back (XTWINOPS). Terminals that do not know it ignore it.
const KEEP_TITLE: &str = "\x1b[22;0t";
const PUT_TITLE_BACK: &str = "\x1b[23;0t";

/// The most columns and rows that are drawn: more than anybody can read, and each takes memory.
const MOST_COLUMNS: u16 = 1000;
const MOST_ROWS: u16 = 500;

/// The mouse counts as silent after this long without an event; and the longest wait for that.
const QUIET: Duration = Duration::from_millis(100);
const UNTIL_QUIET: Duration = Duration::from_secs(1);

/// A terminal that is silent for this long answers no questions.
const SILENT_WITHOUT_ANSWER: Duration = Duration::from_millis(200);

/// A symbol whose width is ambiguous, and the column behind it where it was drawn in two.
const AMBIGUOUS: &str = "─";
const WIDE_COLUMN: u16 = 3;

/// Holds the terminal in raw mode on its alternate screen. Dropping it gives the terminal back, also while a panic
/// unwinds.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Frames<Direct>>>,
    area: Rect,
    title: String,
    /// Whether it gets mouse events. Otherwise the terminal does, to select text.
    mouse: bool,
}

/// Standard output, for the thread that draws; no other thread waits for it.
#[derive(Debug)]
pub(super) struct Direct;

impl Write for Direct {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut output = io::stdout().lock();
        output.write_all(bytes)?;
        output.flush()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Passes on whole frames, and asks the terminal to show each at once, so that none is ever seen half drawn
/// (synchronized output; terminals that do not know it ignore it).
#[derive(Debug)]
pub struct Frames<W: Write> {
    frame: Vec<u8>,
    terminal: W,
}

const BEGIN_FRAME: &[u8] = b"\x1b[?2026h";
const END_FRAME: &[u8] = b"\x1b[?2026l";

impl<W: Write> Frames<W> {
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
    /// Takes over the terminal. From now on, messages of panics are kept for [`take_faults`].
    ///
    /// # Errors
    /// Where standard output is not a terminal that can be controlled.
    pub fn take(title: &str, mouse: bool) -> io::Result<Self> {
        keep_faults();
        // NO_COLOR chooses the first theme, and the user can change it; crossterm would drop the colours of every theme.
        force_color_output(true);
        // First, so that nothing is written to a terminal that gives no keys.
        enable_raw_mode()?;
        let taken = ctrl_c_is_a_signal().and_then(|()| enter(title, mouse)).and_then(|()| drawing_area());
        match taken.and_then(|area| Ok((terminal_of(area)?, area))) {
            Ok((terminal, area)) => Ok(Self { terminal, area, title: title.to_owned(), mouse }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Takes over the terminal again, after it was given back or others may have changed it. The next draw draws
    /// everything.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn take_again(&mut self) -> io::Result<()> {
        // Raw mode is entered again only after it was left.
        disable_raw_mode()?;
        enable_raw_mode()?;
        ctrl_c_is_a_signal()?;
        enter(&self.title, self.mouse)?;
        // Clearing the old one would ask the terminal for its cursor, and wait for the answer.
        self.area = drawing_area()?;
        self.terminal = terminal_of(self.area)?;
        Ok(())
    }

    /// Has the next draw draw everything, whatever others have written on the screen.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn draw_anew(&mut self) -> io::Result<()> {
        self.area = drawing_area()?;
        self.terminal = terminal_of(self.area)?;
        // With the frame that follows, so that nobody sees an empty screen.
        queue!(self.terminal.backend_mut(), Clear(ClearType::All))
    }

    /// Gives the mouse back, and discards what it has sent meanwhile, which may be much over ssh: the shell would take it
    /// for typed text.
    pub fn release_mouse(&mut self, events: &Receiver<Event>) {
        if !self.mouse || Direct.write_all(release_mouse().as_bytes()).is_err() {
            return;
        }
        let begun = Instant::now();
        while events.recv_timeout(QUIET).is_ok() && begun.elapsed() < UNTIL_QUIET {}
    }

    /// Names the terminal, where that has changed. Errors show with the next frame.
    pub fn set_title(&mut self, title: &str) {
        if self.title != title {
            title.clone_into(&mut self.title);
            let mut command = Vec::new();
            let _ = queue!(command, SetTitle(title));
            let _ = Direct.write_all(&command);
        }
    }

    /// Sends the terminal what calls the user.
    pub fn alert(&mut self, sequence: &[u8]) {
        let _ = Direct.write_all(sequence);
    }

    /// Whether the terminal draws the lines of frames, whose width is ambiguous, in two columns: then a frame around
    /// anything falls apart. Keys that were typed meanwhile are kept for the caller. Nothing else may read from the
    /// terminal.
    pub fn draws_wide(&mut self) -> (bool, Vec<Event>) {
        if !ANSWERS_QUESTIONS {
            return (false, Vec::new());
        }
        let mut question = Vec::new();
        let asked = queue!(question, MoveTo(0, 0), Print(AMBIGUOUS), Print(WHERE_IS_THE_CURSOR));
        if asked.is_err() || Direct.write_all(&question).is_err() {
            return (false, Vec::new());
        }
        let answer = read_answer(ANSWERS_WITHIN, ANSWERS_WITHIN);
        (answer.column == Some(WIDE_COLUMN), answer.typed)
    }

    /// Gives the mouse back before neurotop leaves, and discards what it has sent meanwhile: what comes before the answer
    /// to a question was sent before the mouse was given back.
    pub fn release_mouse_for_good(&mut self, events: &TerminalEvents) {
        if !self.mouse || !events.stop() {
            return self.release_mouse(&events.events);
        }
        let question = format!("{}{WHERE_IS_THE_CURSOR}", release_mouse());
        if Direct.write_all(question.as_bytes()).is_ok() {
            read_answer(SILENT_WITHOUT_ANSWER, UNTIL_QUIET);
        }
    }

    /// Gives the terminal back until [`Screen::take_again`].
    pub fn give_back(&mut self) {
        give_back();
    }

    /// Draws on the terminal, at its size of now.
    ///
    /// # Errors
    /// Where the terminal is gone, or nobody reads it while the program leaves.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        let area = drawing_area()?;
        if area != self.area {
            self.terminal.resize(area)?;
            self.area = area;
        }
        self.terminal.draw(draw)?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// The part of the terminal that is drawn on.
fn drawing_area() -> io::Result<Rect> {
    let (columns, rows) = terminal::size()?;
    Ok(Rect::new(0, 0, columns.min(MOST_COLUMNS), rows.min(MOST_ROWS)))
}

fn terminal_of(area: Rect) -> io::Result<Terminal<CrosstermBackend<Frames<Direct>>>> {
    let options = TerminalOptions { viewport: Viewport::Fixed(area) };
    Terminal::with_options(CrosstermBackend::new(Frames::new(Direct)), options)
}

fn enter(title: &str, mouse: bool) -> io::Result<()> {
    // Once only, however often the terminal is taken again, since it keeps a stack of titles.
    let keep = if TAKEN.swap(true, Ordering::SeqCst) { "" } else { KEEP_TITLE };
    let capture = if mouse { capture_mouse() } else { "" };
    let mut commands = Vec::new();
    queue!(
        commands,
        Print(keep),
        EnterAlternateScreen,
        SetTitle(title),
        EnableBracketedPaste,
        Print(capture)
    )?;
    // Without an alternate screen the terminal still shows what was there.
    queue!(commands, Clear(ClearType::All))?;
    Direct.write_all(&commands)
}

/// Without an alternate screen, what is printed next must not be among the rest of the dashboard.
fn put_back_commands(title: &str) -> Vec<u8> {
    let mut commands = Vec::new();
    // A vector takes all.
    let _ = queue!(commands, Print(release_mouse()), DisableBracketedPaste, MoveTo(0, 0));
    let _ = queue!(commands, Clear(ClearType::All), LeaveAlternateScreen, Show, Print(title));
    commands
}

/// Ignores errors: a terminal that is gone cannot be given back.
fn give_back() {
    let title = if TAKEN.swap(false, Ordering::SeqCst) { PUT_TITLE_BACK } else { "" };
    let _ = Direct.write_all(&put_back_commands(title));
    let _ = disable_raw_mode();
}

/// Gives the terminal back for a thread that may hang in the middle of a frame; waits for nothing. Does nothing where no
/// terminal is taken.
pub fn give_back_anyway() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let _ = disable_raw_mode();
    streams::leave_behind(Stream::Output, put_back_commands(PUT_TITLE_BACK));
}

/// Keeps the messages of panics while the screen is taken. The hook stays, since it cannot be changed while a panic
/// unwinds.
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

/// Takes the messages of panics that were kept.
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
