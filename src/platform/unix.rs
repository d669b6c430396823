//! Linux, macOS and other systems of the Unix kind: files, signals, job control, the terminal.

use super::streams::Stream;
use super::system::{ALSO_KILL, NO_KEY};
use super::{FileKind, FileStat, JobSignal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::fs::{access, fstat, openat, renameat, renameat_with, statat, unlinkat};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use signal_hook::consts::{
    SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGVTALRM,
    SIGWINCH, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::Signals;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, IsTerminal, stdin};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tempfile::NamedTempFile;

/// The errors for which the system is to blame, and not the file.
pub(super) const PASSING: [i32; 8] = [
    Errno::MFILE.raw_os_error(),
    Errno::NFILE.raw_os_error(),
    Errno::NOMEM.raw_os_error(),
    Errno::IO.raw_os_error(),
    Errno::STALE.raw_os_error(),
    Errno::TIMEDOUT.raw_os_error(),
    Errno::HOSTDOWN.raw_os_error(),
    Errno::NOTCONN.raw_os_error(),
];

/// Whether a terminal answers questions that are written to it.
pub(crate) const ANSWERS_QUESTIONS: bool = true;

/// The most bytes that are read past on the way to an answer of the terminal.
const MOST_READ: usize = 1 << 16;

/// These ask to leave even if they were ignored at the start. A shell lets background jobs ignore SIGINT, and whoever
/// sends one to such a job means it.
const ALWAYS: [i32; 2] = [SIGINT, SIGTERM];

/// These would kill the program otherwise; some are warnings of job schedulers. Those that are ignored at the start, as
/// under `nohup`, stay ignored.
const UNLESS_IGNORED: [i32; 8] = [SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM, SIGVTALRM, SIGPROF];

// Files.

/// The metadata of a path: of a link itself, or of what it leads to.
pub(crate) fn stat(path: &Path, follows: bool) -> io::Result<FileStat> {
    let links = if follows { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    Ok(file_stat(&statat(CWD, path, links)?))
}

fn kind(kind: FileType) -> FileKind {
    match kind {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Link,
        _ => FileKind::Other,
    }
}

/// A time before 1970 is that of no run, and a state file cannot hold it.
fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    let since = |seconds| Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds.unsigned_abs());
    let since = u64::try_from(seconds).map(since).unwrap_or_default();
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
}

/// Has a file opened without waiting for a reader or a writer, and without taking a terminal. A link is followed only if
/// that is asked for.
pub(crate) fn open_at_once(options: &mut OpenOptions, follows: bool) {
    let links = if follows { OFlags::empty() } else { OFlags::NOFOLLOW };
    options.custom_flags((links | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
}

/// Whether an opened file is a regular one. That no link was followed is known from how it was opened.
pub(crate) fn is_as_seen(file: &File, _seen: &FileStat) -> io::Result<bool> {
    Ok(file.metadata()?.is_file())
}

pub(crate) fn is_link_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Whether a pipe could not be opened since nobody reads it yet.
pub(crate) fn is_read_by_nobody(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NXIO.raw_os_error())
}

pub(crate) fn is_character_device(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.file_type().is_char_device())
}

/// # Errors
/// If this user may not write there.
pub(crate) fn is_writable(path: &Path) -> io::Result<()> {
    Ok(access(path, rustix::fs::Access::WRITE_OK)?)
}

/// Has the entries of a directory survive a crash of the machine.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Gives a temporary file the usual permissions of a new file; the umask removes what the user wants removed.
pub(crate) fn allow_all_to_read(builder: &mut tempfile::Builder<'_, '_>) {
    builder.permissions(Permissions::from_mode(0o666));
}

/// Gives a file the permissions and, if that is allowed, the owner of another.
pub(crate) fn make_like(old: &Metadata, file: &File) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // Only the superuser may change the owner; a member of the group may set the group.
        let _ =
            fchown(file, Some(old.uid()), Some(old.gid())).or_else(|_| fchown(file, None, Some(old.gid())));
    }
    file.set_permissions(old.permissions())
}

/// Puts a temporary file in the place of another.
pub(crate) fn persist(temporary: NamedTempFile, path: &Path) -> io::Result<()> {
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

// Files by an opened directory: whoever replaces the directory by another or by a link does not change what they are.

pub(crate) type OpenDirectory = OwnedFd;

/// Flags to open a directory that must not be a link.
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a directory, also by a link to it.
pub(crate) fn open_directory(path: &Path) -> io::Result<OpenDirectory> {
    Ok(openat(CWD, path, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty())?)
}

/// Opens a directory in another; `None` if there is none, or a link in its place.
pub(crate) fn open_directory_in(place: &OpenDirectory, name: &str) -> io::Result<Option<OpenDirectory>> {
    match openat(place, name, DIRECTORY, Mode::empty()) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::LOOP | Errno::NOTDIR | Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The metadata of an entry, without following a link; `None` if it does not exist.
pub(crate) fn stat_in(place: &OpenDirectory, name: &OsStr) -> io::Result<Option<FileStat>> {
    match statat(place, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(file_stat(&found))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The types of the fields differ between systems.
#[allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, clippy::unnecessary_cast)]
fn file_stat(found: &Stat) -> FileStat {
    FileStat {
        kind: kind(FileType::from_raw_mode(found.st_mode)),
        inode: found.st_ino,
        size: found.st_size as u64,
        modified: time(found.st_mtime, found.st_mtime_nsec as i64),
        changed: nanoseconds(found.st_ctime, found.st_ctime_nsec as i64),
    }
}

pub(crate) fn names_in(directory: &OpenDirectory) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    Ok(names)
}

/// Renames within a directory, and never replaces anything.
pub(crate) fn rename_in(place: &OpenDirectory, from: &str, to: &str) -> io::Result<()> {
    match renameat_with(place, from, place, to, RenameFlags::NOREPLACE) {
        // Some file systems cannot guarantee that. Checking first is the best alternative.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if stat_in(place, to.as_ref())?.is_none() => {
            Ok(renameat(place, from, place, to)?)
        }
        renamed => Ok(renamed?),
    }
}

pub(crate) fn remove_file_in(place: &OpenDirectory, name: &OsStr) -> io::Result<()> {
    Ok(unlinkat(place, name, AtFlags::empty())?)
}

/// Removes a directory if it is empty.
pub(crate) fn remove_directory_in(place: &OpenDirectory, name: &str) -> io::Result<()> {
    Ok(unlinkat(place, name, AtFlags::REMOVEDIR)?)
}

// The process.

/// Whether a stream is a pipe, on which a write waits until somebody reads.
pub(super) fn is_pipe(stream: Stream) -> bool {
    matches!(stream_kind(stream), Some(FileType::Fifo | FileType::Socket))
}

/// The file behind a stream, if it can be found out.
fn stream_kind(stream: Stream) -> Option<FileType> {
    let found = match stream {
        Stream::Output => fstat(io::stdout()),
        Stream::Errors => fstat(io::stderr()),
    };
    found.ok().map(|found| FileType::from_raw_mode(found.st_mode))
}

/// Whether an error of standard output says that its terminal is gone.
pub(super) fn is_terminal_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
        && stream_kind(Stream::Output) == Some(FileType::CharacterDevice)
}

/// Whether the reader of standard output is gone. Writes nothing to find out.
pub(super) fn reader_is_gone() -> bool {
    let output = io::stdout();
    let mut polled = [PollFd::from_borrowed_fd(output.as_fd(), PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let _ = poll(&mut polled, Some(&at_once));
    polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Makes a write beyond the file size limit (`ulimit -f`) return an error, as on a full disk, instead of killing the
/// process with a signal.
pub(super) fn expect_limits() {
    // If that fails, the signal keeps its default.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

pub(crate) fn machine_name() -> Option<String> {
    rustix::system::uname().nodename().to_str().ok().map(str::to_owned)
}

/// Runs a command line, and removes a directory that nobody else will remove where this program has left it running.
const AND_REMOVE: &str = r#"sh -c "$1"; status=$?; rm -rf -- "$2"; exit $status"#;

/// A command line for the shell, and the directory of its files. A Ctrl-C that is meant for this program does not end it.
pub(crate) fn shell(line: &str, files: Option<&Path>) -> Command {
    let mut command = Command::new("sh");
    match files {
        Some(files) => command.args(["-c", AND_REMOVE, "neurotop", line]).arg(files),
        None => command.arg("-c").arg(line),
    };
    command.process_group(0);
    command
}

/// From now on, calls `take` in a thread of its own for each signal that asks to leave, until it says that nobody
/// listens.
pub(crate) fn leave_signals(take: impl FnMut(i32) -> bool + Send + 'static) -> io::Result<()> {
    let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    let others =
        UNLESS_IGNORED.into_iter().chain(ALSO_KILL).filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = Signals::new(ALWAYS.into_iter().chain(others))?;
    let pass_on = move || {
        let _ = signals.forever().all(take);
    };
    std::thread::Builder::new().name("signals".into()).spawn(pass_on).map(drop)
}

/// The signals that a process ignores, from Linux's `/proc/PID/status`: one bit for each, the lowest for signal 1. Other
/// systems do not say this without unsafe code.
fn ignored(status: &str) -> u64 {
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

// Job control and the terminal.

/// The same for the signals of job control.
pub(crate) fn job_signals(mut take: impl FnMut(JobSignal) -> bool + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTSTP, SIGCONT])?;
    let pass_on = move || {
        let meaning = |signal| if signal == SIGCONT { JobSignal::Continued } else { JobSignal::Stop };
        let _ = signals.forever().all(|signal| take(meaning(signal)));
    };
    std::thread::Builder::new().name("jobs".into()).spawn(pass_on).map(drop)
}

/// Whether anybody can continue the stopped program: a shell that gave it, or the script around it, its own process
/// group. Otherwise, as under `ssh -t HOST neurotop`, it would stay stopped for ever.
pub(crate) fn has_a_shell() -> bool {
    use rustix::process::{getpgrp, getsid};
    getsid(None).is_ok_and(|session| session != getpgrp())
}

/// Stops the whole process group, as the terminal does: a script that waits for this program must stop too.
pub(crate) fn stop_process_group() -> io::Result<()> {
    use rustix::process::{Signal, kill_current_process_group};
    Ok(kill_current_process_group(Signal::STOP)?)
}

/// Wakes whoever waits for the terminal, as a change of its size does. Returns whether that is possible.
pub(crate) fn wake_terminal_reader() -> bool {
    signal_hook::low_level::raise(SIGWINCH).is_ok()
}

/// Has a terminal in raw mode send Ctrl-C, and no other key, as a signal: that reaches the program whatever state the
/// reader of keys is in. A sequence without an end leaves it waiting for more.
pub(crate) fn ctrl_c_is_a_signal() -> io::Result<()> {
    with_terminal(|terminal| {
        let mut modes = tcgetattr(terminal)?;
        modes.special_codes[SpecialCodeIndex::VQUIT] = NO_KEY;
        modes.special_codes[SpecialCodeIndex::VSUSP] = NO_KEY;
        modes.special_codes[SpecialCodeIndex::VINTR] = 3;
        // What was typed before it, and the frame that is being drawn, are not discarded.
        modes.local_modes |= LocalModes::ISIG | LocalModes::NOFLSH;
        Ok(tcsetattr(terminal, OptionalActions::Now, &modes)?)
    })
}

/// The terminal that keys come from, as crossterm chooses it.
fn with_terminal<T>(use_it: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
    if stdin().is_terminal() {
        return use_it(stdin().as_fd());
    }
    use_it(File::open("/dev/tty")?.as_fd())
}

/// What has the terminal send clicks and the wheel, in the form without a limit of columns (SGR). crossterm's own
/// command also asks for every movement of the mouse, which is much useless traffic over ssh.
pub(crate) fn capture_mouse() -> &'static str {
    "\x1b[?1000h\x1b[?1006h"
}

pub(crate) fn release_mouse() -> &'static str {
    "\x1b[?1006l\x1b[?1000l"
}

/// Reads what the terminal sends until that is an answer, it is silent for so long, or this time is over.
pub(crate) fn read_terminal(quiet: Duration, within: Duration, is_answer: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    with_terminal(|terminal| Ok(read_from(terminal, quiet, within, is_answer))).unwrap_or_default()
}

fn read_from(
    terminal: BorrowedFd<'_>,
    quiet: Duration,
    within: Duration,
    is_answer: impl Fn(&[u8]) -> bool,
) -> Vec<u8> {
    let (begun, mut bytes, mut byte) = (Instant::now(), Vec::new(), [0; 1]);
    // One at a time: what comes behind the answer is for whoever reads next.
    while bytes.len() < MOST_READ && waits(terminal, quiet.min(within.saturating_sub(begun.elapsed()))) {
        match rustix::io::read(terminal, &mut byte) {
            Ok(1) => bytes.extend(byte),
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => break,
        }
        if is_answer(&bytes) {
            break;
        }
    }
    bytes
}

/// Whether there is something to read within this time.
fn waits(terminal: BorrowedFd<'_>, time: Duration) -> bool {
    let Ok(time) = Timespec::try_from(time) else { return false };
    let mut terminals = [PollFd::new(&terminal, PollFlags::IN)];
    let ready = poll(&mut terminals, Some(&time)).is_ok_and(|ready| ready > 0);
    ready && terminals[0].revents().contains(PollFlags::IN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status_of_the_process() {
        let status = "Name:\tneurotop\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\nSigCgt:\t1\n";
        assert_eq!(ignored(status), 1 << 12 | 1, "SIGPIPE and SIGHUP");
        assert_eq!(ignored(""), 0);
    }
}
