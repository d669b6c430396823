//! Windows: files that others hold open, the end of a console, and cmd.

use super::streams::Stream;
use super::{FileKind, FileStat, FileSystem, JobSignal};
use crossterm::Command as _;
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::process::CommandExt;
use std::path::{Component, Path, PathBuf, Prefix};
use std::process::Command;
use std::task::{Context, Poll};
use std::thread::sleep;
use std::time::{Duration, SystemTime};
use tempfile::{NamedTempFile, TempPath};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
use winapi_util::HandleRef;
use windows_sys::Win32::Foundation::{
    ERROR_BAD_NETPATH, ERROR_CANT_RESOLVE_FILENAME, ERROR_CRC, ERROR_DEV_NOT_EXIST, ERROR_IO_DEVICE,
    ERROR_LOCK_VIOLATION, ERROR_NETNAME_DELETED, ERROR_NETWORK_UNREACHABLE, ERROR_NO_SYSTEM_RESOURCES,
    ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_READY, ERROR_OUTOFMEMORY, ERROR_SEM_TIMEOUT, ERROR_SHARING_VIOLATION,
    ERROR_TOO_MANY_OPEN_FILES, ERROR_UNEXP_NET_ERR,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES,
    FILE_SHARE_READ, FILE_SHARE_WRITE,
};
use windows_sys::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

/// The errors for which the system is to blame, and not the file. The first two: a writer holds it.
pub(super) const PASSING: [i32; 15] = [
    ERROR_SHARING_VIOLATION.cast_signed(),
    ERROR_LOCK_VIOLATION.cast_signed(),
    ERROR_TOO_MANY_OPEN_FILES.cast_signed(),
    ERROR_NOT_ENOUGH_MEMORY.cast_signed(),
    ERROR_OUTOFMEMORY.cast_signed(),
    ERROR_NO_SYSTEM_RESOURCES.cast_signed(),
    ERROR_NOT_READY.cast_signed(),
    ERROR_CRC.cast_signed(),
    ERROR_IO_DEVICE.cast_signed(),
    ERROR_DEV_NOT_EXIST.cast_signed(),
    ERROR_BAD_NETPATH.cast_signed(),
    ERROR_NETNAME_DELETED.cast_signed(),
    ERROR_NETWORK_UNREACHABLE.cast_signed(),
    ERROR_UNEXP_NET_ERR.cast_signed(),
    ERROR_SEM_TIMEOUT.cast_signed(),
];

/// Whether a terminal answers questions that are written to it. A console answers with keys.
pub(crate) const ANSWERS_QUESTIONS: bool = false;

/// How often a file is put in the place of another that somebody holds open, and the time between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// What the other systems call the signal of a Ctrl-C.
const INTERRUPT: i32 = 2;

// Files.

/// The metadata of a path: of a link itself, or of what it leads to.
pub(crate) fn stat(path: &Path, follows: bool) -> io::Result<FileStat> {
    let link = if follows { 0 } else { FILE_FLAG_OPEN_REPARSE_POINT };
    let mut options = File::options();
    // Who asks for no more than this is let in even while a writer has the file for itself.
    options.access_mode(FILE_READ_ATTRIBUTES).custom_flags(FILE_FLAG_BACKUP_SEMANTICS | link);
    file_stat(&options.open(path)?)
}

/// The metadata of an opened file. The time of change needs a newer standard library.
fn file_stat(file: &File) -> io::Result<FileStat> {
    let found = file.metadata()?;
    let kind = match found.file_type() {
        kind if kind.is_symlink() => FileKind::Link,
        kind if kind.is_dir() => FileKind::Directory,
        kind if kind.is_file() => FileKind::File,
        _ => FileKind::Other,
    };
    // A time before 1970 is that of no run, and a state file cannot hold it.
    let modified = found.modified().map_or(SystemTime::UNIX_EPOCH, |time| time.max(SystemTime::UNIX_EPOCH));
    Ok(FileStat { kind, inode: index(file), size: found.len(), modified, changed: 0 })
}

/// The number of a file on its disk; 0 if it has none.
fn index(file: &File) -> u64 {
    winapi_util::file::information(file).map_or(0, |information| information.file_index())
}

/// Has a file opened without waiting, which it always is here. A link is never told from its file when it is opened for
/// reading, since then files that the system keeps in other forms could not be read: see [`is_as_seen`].
pub(crate) fn open_at_once(_: &mut OpenOptions, _follows: bool) {}

/// Whether an opened file is the regular one that was looked at, and not what a link in its place leads to.
pub(crate) fn is_as_seen(file: &File, seen: &FileStat) -> io::Result<bool> {
    let opened = file_stat(file)?;
    Ok(opened.kind == FileKind::File && opened.inode == seen.inode)
}

pub(crate) fn is_link_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_CANT_RESOLVE_FILENAME.cast_signed())
}

/// Pipes are not files here.
pub(crate) fn is_read_by_nobody(_: &io::Error) -> bool {
    false
}

/// Whether a path is a device, such as `NUL` in every directory.
pub(crate) fn is_character_device(path: &Path) -> bool {
    let path = std::path::absolute(path).unwrap_or_default();
    let Some(Component::Prefix(prefix)) = path.components().next() else { return false };
    matches!(prefix.kind(), Prefix::DeviceNS(_))
}

/// Only the attribute of a file is known: what its access list says shows when it is written to.
///
/// # Errors
/// If this user may not write there.
pub(crate) fn is_writable(path: &Path) -> io::Result<()> {
    let found = path.metadata()?;
    // For directories the attribute means something else.
    if found.is_file() && found.permissions().readonly() {
        Err(ErrorKind::PermissionDenied.into())
    } else {
        Ok(())
    }
}

/// Does nothing: directories cannot be synced here.
pub(crate) fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Does nothing: a new file has the access list of its directory.
pub(crate) fn allow_all_to_read(_: &mut tempfile::Builder<'_, '_>) {}

/// Does nothing, for the same reason.
pub(crate) fn make_like(_: &Metadata, _: &File) -> io::Result<()> {
    Ok(())
}

/// Puts a temporary file in the place of another. A program that has that one open, such as a virus scanner, mostly
/// keeps it for a moment only.
pub(crate) fn persist(mut temporary: NamedTempFile, path: &Path) -> io::Result<()> {
    for left in (0..TRIES).rev() {
        match temporary.persist(path) {
            Ok(_) => return Ok(()),
            Err(failed) if left > 0 && is_held(&failed.error) => temporary = failed.file,
            Err(failed) => return Err(in_words(failed.error)),
        }
        sleep(PAUSE);
    }
    unreachable!("the last try returns");
}

fn is_held(error: &io::Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied
        || error.raw_os_error() == Some(ERROR_SHARING_VIOLATION.cast_signed())
}

/// Whoever replaces a file asks whether another way is open if permission is denied.
fn in_words(error: io::Error) -> io::Error {
    if is_held(&error) {
        let why = "another program has it open, or this user may not replace it";
        return io::Error::new(ErrorKind::PermissionDenied, why);
    }
    error
}

// Files by an opened directory: while it is open, nobody can rename it or a directory above it, or put a link in its
// place, so that paths below it stay what they are.

pub(crate) type OpenDirectory = (PathBuf, File);

/// Opens a directory, also by a link to it.
pub(crate) fn open_directory(path: &Path) -> io::Result<OpenDirectory> {
    pin(path.canonicalize()?)?.ok_or_else(|| io::Error::from(ErrorKind::NotADirectory))
}

/// Opens a directory in another; `None` if there is none, or a link in its place.
pub(crate) fn open_directory_in(place: &OpenDirectory, name: &str) -> io::Result<Option<OpenDirectory>> {
    match pin(place.0.join(name)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        opened => opened,
    }
}

/// Opens a directory so that nobody can rename or delete it meanwhile; `None` if it is none.
fn pin(path: PathBuf) -> io::Result<Option<OpenDirectory>> {
    let mut options = File::options();
    options.access_mode(FILE_LIST_DIRECTORY).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE);
    options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
    let directory = options.open(&path)?;
    let is_directory = file_stat(&directory)?.kind == FileKind::Directory;
    Ok(is_directory.then_some((path, directory)))
}

/// The metadata of an entry, without following a link; `None` if it does not exist.
pub(crate) fn stat_in((place, _): &OpenDirectory, name: &OsStr) -> io::Result<Option<FileStat>> {
    match stat(&place.join(name), false) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

pub(crate) fn names_in((place, _): &OpenDirectory) -> io::Result<Vec<OsString>> {
    place.read_dir()?.map(|entry| Ok(entry?.file_name())).collect()
}

/// Renames within a directory, and never replaces anything.
pub(crate) fn rename_in((place, _): &OpenDirectory, from: &str, to: &str) -> io::Result<()> {
    // The standard library has no such renaming; nothing here is temporary.
    let mut from = TempPath::try_from_path(place.join(from))?;
    from.disable_cleanup(true);
    Ok(from.persist_noclobber(place.join(to))?)
}

pub(crate) fn remove_file_in((place, _): &OpenDirectory, name: &OsStr) -> io::Result<()> {
    fs::remove_file(place.join(name))
}

/// Removes a directory if it is empty.
pub(crate) fn remove_directory_in((place, _): &OpenDirectory, name: &str) -> io::Result<()> {
    fs::remove_dir(place.join(name))
}

/// Nothing is known about file systems here; those of other machines send events, too.
pub(crate) fn file_system(_: &Path) -> FileSystem {
    FileSystem::default()
}

pub(crate) fn sends_no_events(_: &Path) -> Option<String> {
    None
}

// The process.

/// Whether a stream is a pipe, on which a write waits until somebody reads.
pub(super) fn is_pipe(stream: Stream) -> bool {
    let handle = match stream {
        Stream::Output => HandleRef::stdout(),
        Stream::Errors => HandleRef::stderr(),
    };
    winapi_util::file::typ(handle).is_ok_and(|kind| kind.is_pipe())
}

/// Never: a program ends with its console.
pub(super) fn is_terminal_gone(_: &io::Error) -> bool {
    false
}

/// Unknown before something is written.
pub(super) fn reader_is_gone() -> bool {
    false
}

/// Does nothing: there are no such limits here.
pub(super) fn expect_limits() {}

pub(crate) fn machine_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

/// Does nothing: the priority of a thread cannot be set without unsafe code.
pub(crate) fn lower_priority() {}

/// Nothing is known about the times of a thread here.
pub(crate) fn open_thread_times() -> Option<File> {
    None
}

pub(crate) fn thread_times(_: &File) -> Option<(Duration, Duration, Duration)> {
    None
}

/// A command line for cmd. `!NAME!` stands for a variable whose contents cmd does not parse. A Ctrl-C that is meant for
/// this program does not end it. The directory of its files stays in the temporary directory where this program has left it
/// running.
pub(crate) fn shell(line: &str, _files: Option<&Path>) -> Command {
    let mut command = Command::new("cmd");
    command.args(["/D", "/V:ON", "/S", "/C"]).raw_arg(format!("\"{line}\""));
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
    command
}

/// From now on, calls `take` in a thread of its own if somebody presses Ctrl-C or Ctrl-Break, closes the console, logs
/// off or shuts the machine down, until it says that nobody listens. Of the last three, tokio lets none end before the
/// process does; Windows ends that after five seconds.
pub(crate) fn leave_signals(mut take: impl FnMut(i32) -> bool + Send + 'static) -> io::Result<()> {
    let (mut interrupt, mut stop) = (ctrl_c()?, ctrl_break()?);
    let (mut close, mut log_off, mut shut_down) = (ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut next = move |context: &mut Context<'_>| {
        let asked = [
            interrupt.poll_recv(context),
            stop.poll_recv(context),
            close.poll_recv(context),
            log_off.poll_recv(context),
            shut_down.poll_recv(context),
        ];
        if asked.iter().any(Poll::is_ready) { Poll::Ready(()) } else { Poll::Pending }
    };
    let pass_on = move || {
        runtime.block_on(async {
            poll_fn(&mut next).await;
            while take(INTERRUPT) {
                poll_fn(&mut next).await;
            }
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(pass_on).map(drop)
}

// Job control and the terminal.

/// Does nothing: there is no job control here.
pub(crate) fn job_signals(_: impl FnMut(JobSignal) -> bool + Send + 'static) -> io::Result<()> {
    Ok(())
}

pub(crate) fn has_a_shell() -> bool {
    false
}

pub(crate) fn stop_process_group() -> io::Result<()> {
    Ok(())
}

/// Nothing to do: the console reports whole keys.
pub(crate) fn ctrl_c_is_a_signal() -> io::Result<()> {
    Ok(())
}

/// Nothing wakes it here but the terminal itself.
pub(crate) fn wake_terminal_reader() -> bool {
    false
}

/// A console sends the mouse by a setting, and not for what is written to it.
pub(crate) fn capture_mouse() -> &'static str {
    // Without it there are the keys.
    let _ = EnableMouseCapture.execute_winapi();
    ""
}

pub(crate) fn release_mouse() -> &'static str {
    // It fails if the mouse was never captured.
    let _ = DisableMouseCapture.execute_winapi();
    ""
}

/// Nothing is asked here.
pub(crate) fn read_terminal(_: Duration, _: Duration, _: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn directory_with(name: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(name);
        fs::write(&path, "old").expect("a file");
        (directory, path)
    }

    #[test]
    fn a_file_that_its_writer_has_for_itself_is_seen_and_tried_again() {
        let (_directory, path) = directory_with("batch-1.npz");
        let mut writer = File::options().append(true).share_mode(0).open(&path).expect("opened");
        writer.write_all(b" and new").expect("written");
        assert_eq!(stat(&path, false).expect("seen").size, 11);
        let error = File::open(&path).expect_err("it is not shared");
        assert!(super::super::is_passing(&error), "{error}");
        drop(writer);
        let seen = stat(&path, false).expect("seen");
        let file = File::open(&path).expect("opened");
        assert!(is_as_seen(&file, &seen).expect("known") && seen.inode != 0);
        assert!(!is_as_seen(&file, &FileStat { inode: seen.inode + 1, ..seen }).expect("known"));
    }

    #[test]
    fn a_file_that_a_reader_holds_is_not_replaced_and_later_it_is() {
        let (directory, path) = directory_with("out.json");
        let new = || {
            let mut file = NamedTempFile::new_in(directory.path()).expect("a file");
            file.write_all(b"new").expect("written");
            file
        };
        let reader = File::options().read(true).share_mode(FILE_SHARE_READ).open(&path).expect("opened");
        let refused = persist(new(), &path).expect_err("it is held");
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        let lets_go = std::thread::spawn(move || {
            sleep(PAUSE * 2);
            drop(reader);
        });
        persist(new(), &path).expect("replaced");
        lets_go.join().expect("it ends");
        assert_eq!(fs::read(&path).expect("a file"), b"new");
        assert_eq!(directory.path().read_dir().expect("listed").count(), 1);
    }

    #[test]
    fn an_opened_directory_stays_what_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let (rank, elsewhere) = (directory.path().join("rank-1"), directory.path().join("elsewhere"));
        fs::create_dir(&rank).expect("a directory");
        fs::write(rank.join("a"), "a").expect("a file");
        fs::write(rank.join("b"), "b").expect("a file");
        let run = open_directory(directory.path()).expect("opened");
        let place = open_directory_in(&run, "rank-1").expect("opened").expect("it is there");
        assert!(fs::rename(&rank, &elsewhere).is_err(), "it is open");
        assert!(rename_in(&place, "a", "b").is_err(), "something is there");
        assert!(rank.join("a").is_file(), "and nothing was deleted");
        rename_in(&place, "a", "c").expect("renamed");
        assert_eq!(fs::read(rank.join("c")).expect("a file"), b"a");
        assert!(open_directory_in(&place, "c").expect("looked at").is_none(), "a file");
        assert!(open_directory_in(&place, "d").expect("looked at").is_none(), "nothing");
        drop(place);
        fs::rename(&rank, &elsewhere).expect("renamed");
    }

    #[test]
    fn devices_are_known_by_their_names() {
        assert!(is_character_device(Path::new("NUL")));
        assert!(!is_character_device(Path::new("out.json")));
    }

    #[test]
    fn a_name_is_not_taken_for_a_part_of_a_command() {
        let output =
            shell("echo !RUN! \"two words\"", None).env("RUN", "a & echo b").output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.trim(), "a & echo b \"two words\"");
    }
}
