//! Where text leaves for standard output and standard error: either may be full, gone, or read by nobody.

use crossbeam_channel::{RecvTimeoutError, bounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use signal_hook::consts::SIGXFSZ;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long a write may take once the program is asked to leave, and how long all of them together.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_IN_ALL: Duration = Duration::from_millis(4700);

/// How often a write that takes long looks whether that is so.
const LOOK: Duration = Duration::from_millis(50);

/// When the program was first asked to leave.
static ASKED: OnceLock<Instant> = OnceLock::new();

/// Streams that nobody read when it was time to leave, by [`Stream`]: each write to them would cost time again.
static STUCK: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];

/// What this program writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
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

    /// What is behind it, where that can be told.
    fn kind(self) -> Option<FileType> {
        let found = match self {
            Self::Output => fstat(io::stdout()),
            Self::Errors => fstat(io::stderr()),
        };
        found.ok().map(|found| FileType::from_raw_mode(found.st_mode))
    }

    fn is_terminal(self) -> bool {
        match self {
            Self::Output => io::stdout().is_terminal(),
            Self::Errors => io::stderr().is_terminal(),
        }
    }

    /// Whether somebody reads it, or should: a write waits for that then.
    fn has_a_reader(self) -> bool {
        matches!(self.kind(), Some(FileType::Fifo | FileType::Socket)) || self.is_terminal()
    }

    fn stuck(self) -> &'static AtomicBool {
        &STUCK[self as usize]
    }
}

/// Writes everything, however long that takes; but once the program is asked to leave, a terminal or a pipe that
/// nobody reads does not hold it up.
///
/// # Errors
/// Where there is no room, nobody reads any more ([`is_gone`]), or nobody reads and it is time to leave.
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
        // Whoever waits for it may have left.
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

/// Whether a write that began then has had its time, and that since the program was asked to leave.
fn is_late(begun: Instant) -> bool {
    let is_late = |asked: Instant| asked.max(begun).elapsed() > PATIENCE || asked.elapsed() > PATIENCE_IN_ALL;
    asked().is_some_and(is_late)
}

/// When the program was first asked to leave by a signal, if it was.
pub fn asked() -> Option<Instant> {
    ASKED.get().copied()
}

/// Writes something that nobody waits for: it may be the last that is written, or never be.
pub fn leave_behind(stream: Stream, bytes: Vec<u8>) {
    let write = move || drop(stream.write_now(&bytes));
    // Where the system gives no thread, it is not written.
    let _ = std::thread::Builder::new().name("output".into()).spawn(write);
}

fn unread() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "nobody reads it")
}

/// From now on writes are not waited for without end.
pub fn ask_to_leave() {
    ASKED.get_or_init(Instant::now);
}

/// Whether an error of standard output says that nobody reads any more: the reader of the pipe or the terminal is
/// gone, and that is no fault.
pub fn is_gone(error: &io::Error) -> bool {
    let is_terminal = || Stream::Output.kind() == Some(FileType::CharacterDevice);
    match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => true,
        _ => error.raw_os_error() == Some(Errno::IO.raw_os_error()) && is_terminal(),
    }
}

/// Whether whoever read standard output is gone, which shows without writing anything.
pub fn reader_is_gone() -> bool {
    let output = io::stdout();
    let mut polled = [PollFd::from_borrowed_fd(output.as_fd(), PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let _ = poll(&mut polled, Some(&at_once));
    polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Has a file that may not grow any more (`ulimit -f`) give an error, as a full disk does, instead of a signal that
/// kills.
pub fn expect_limits() {
    // What cannot be had leaves things as they are.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}
