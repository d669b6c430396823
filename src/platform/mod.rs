//! What differs between operating systems, behind plain functions: one file for each system, and no other part of the
//! program asks which one it runs on. Also what belongs to the process itself: its standard streams, and the faults that
//! tests provoke in it. Nothing here knows what a run is.
//!
//! A function that a system has no use for does nothing there, and says so.

pub mod fault;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(all(unix, not(target_os = "linux")))]
mod macos;
pub mod streams;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(all(unix, not(target_os = "linux")))]
use macos as system;
#[cfg(unix)]
use unix as shared;
#[cfg(windows)]
use windows::{self as system, self as shared};

pub(crate) use shared::{
    ANSWERS_QUESTIONS, OpenDirectory, allow_all_to_read, capture_mouse, ctrl_c_is_a_signal, has_a_shell,
    is_as_seen, is_character_device, is_link_loop, is_read_by_nobody, is_writable, job_signals,
    leave_signals, machine_name, make_like, names_in, open_at_once, open_directory, open_directory_in,
    persist, read_terminal, release_mouse, remove_directory_in, remove_file_in, rename_in, shell, stat,
    stat_in, stop_process_group, sync_directory, wake_terminal_reader,
};
pub(crate) use system::{file_system, lower_priority, open_thread_times, sends_no_events, thread_times};

use std::io;
use std::path::Path;
use std::time::SystemTime;
use tempfile::{Builder, NamedTempFile};

/// What a name in a directory leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    File,
    Directory,
    Link,
    /// A pipe, a socket or a device.
    Other,
}

/// The metadata of a file that tell one state of it from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStat {
    pub(crate) kind: FileKind,
    /// The number of the file on its disk; 0 if it has none.
    pub(crate) inode: u64,
    pub(crate) size: u64,
    /// When the contents last changed; never before 1970.
    pub(crate) modified: SystemTime,
    /// When owner, permissions or links last changed, in nanoseconds; 0 if unknown.
    pub(crate) changed: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FileSystem {
    /// `None` if the kind is unknown.
    pub(crate) kind: Option<String>,
    /// Bytes that this user can still write.
    pub(crate) free_bytes: Option<u64>,
}

/// Job control: what the shell, or whoever sends signals, wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobSignal {
    /// Stop, and give the terminal back (SIGTSTP).
    Stop,
    /// The program was stopped and runs again (SIGCONT).
    Continued,
}

/// Whether the system is to blame, and not the file: too many files are open, the disk is gone for a while, or a writer
/// lets nobody else open the file yet.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| shared::PASSING.contains(&code))
}

/// Makes a temporary file in a directory. What is said of a failure leaves out the file's name, which is another one each
/// time: it would be another problem each time. Write with `as_file`, whose errors do not name the file either.
pub(crate) fn temporary_in(builder: &Builder<'_, '_>, directory: &Path) -> io::Result<NamedTempFile> {
    builder.tempfile_in(directory).map_err(|error| match error.to_string().split_once(" at path ") {
        Some((why, _)) => io::Error::new(error.kind(), why),
        None => error,
    })
}

/// An error that passes.
#[cfg(test)]
pub(crate) fn passing_error() -> io::Error {
    io::Error::from_raw_os_error(shared::PASSING[0])
}
