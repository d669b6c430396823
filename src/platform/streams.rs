//! Writes to standard output and standard error. Either may be full, closed, or connected to a reader that has
//! stopped reading.

use super::shared;
use crossbeam_channel::{RecvTimeoutError, bounded};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Once the program is asked to leave: how long one write may take, and how long all writes may take together.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_IN_ALL: Duration = Duration::from_millis(4700);

/// How often a blocked write checks whether the program was asked to leave.
const LOOK: Duration = Duration::from_millis(50);

/// When the program was first asked to leave.
static ASKED: OnceLock<Instant> = OnceLock::new();

/// By [`Stream`]: whether nobody read it when it was time to leave. No more is written to such a stream, since each
/// write would wait again.
static STUCK: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Output,
    Errors,
}

impl Stream {
    fn write_now(self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Output => {
                let mut output = io::stdout().lock();
                output.write_all(bytes)?;
                output.flush()
            }
            Self::Errors => io::stderr().lock().write_all(bytes),
        }
    }

    fn is_terminal(self) -> bool {
        match self {
            Self::Output => io::stdout().is_terminal(),
            Self::Errors => io::stderr().is_terminal(),
        }
    }

    /// Whether it is a pipe or a terminal, on which a write waits until somebody reads.
    fn has_a_reader(self) -> bool {
        shared::is_pipe(self) || self.is_terminal()
    }

    fn stuck(self) -> &'static AtomicBool {
        &STUCK[self as usize]
    }
}

/// Writes everything, however long that takes. Once the program is asked to leave, a terminal or pipe that nobody
/// reads no longer holds it up.
///
/// # Errors
/// If there is no room, if the reader is gone ([`is_gone`]), or if nobody reads and it is time to leave.
pub fn write(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    if !stream.has_a_reader() {
        return stream.write_now(bytes);
    }
    if stream.stuck().load(Ordering::Relaxed) {
        return Err(unread());
    }
    let (done, outcome) = bounded(1);
    let owned = bytes.to_vec();
    let write = move || {
        // The receiver may have given up waiting.
        let _ = done.send(stream.write_now(&owned));
    };
    if std::thread::Builder::new().name("output".into()).spawn(write).is_err() {
        return stream.write_now(bytes);
    }
    let begun = Instant::now();
    loop {
        match outcome.recv_timeout(LOOK) {
            Ok(written) => return written,
            Err(RecvTimeoutError::Disconnected) => return Err(unread()),
            Err(RecvTimeoutError::Timeout) if is_late(begun) => {
                stream.stuck().store(true, Ordering::Relaxed);
                return Err(unread());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Whether a write that began at this time has used up the time that it has since the program was asked to leave.
fn is_late(begun: Instant) -> bool {
    let is_late = |asked: Instant| asked.max(begun).elapsed() > PATIENCE || asked.elapsed() > PATIENCE_IN_ALL;
    asked().is_some_and(is_late)
}

pub fn asked() -> Option<Instant> {
    ASKED.get().copied()
}

/// Writes in a thread of its own, without waiting. The text may be lost if the process ends first.
pub fn leave_behind(stream: Stream, bytes: Vec<u8>) {
    let write = move || drop(stream.write_now(&bytes));
    // If no thread can be started, nothing is written.
    let _ = std::thread::Builder::new().name("output".into()).spawn(write);
}

fn unread() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "nobody reads it")
}

/// From now on, no write may block for ever.
pub fn ask_to_leave() {
    ASKED.get_or_init(Instant::now);
}

/// Whether an error says that the reader of standard output is gone, which is not a failure of this program.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
        || shared::is_terminal_gone(error)
}

/// Whether the reader of standard output is gone, as far as that shows before something is written.
pub fn reader_is_gone() -> bool {
    shared::reader_is_gone()
}

/// Makes a write beyond a limit of the system return an error instead of ending the process.
pub fn expect_limits() {
    shared::expect_limits();
}
