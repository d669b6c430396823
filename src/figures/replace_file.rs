//! Writes a text to the end of a path's links: replaces a file at once, and writes to anything else.

use crate::platform::streams::{self, Stream};
use crate::platform::{
    allow_all_to_read, is_character_device, is_read_by_nobody, is_writable, make_like, open_at_once, persist,
    temporary_in,
};
use crate::text::shown;
use anyhow::{Context, bail};
use crossbeam_channel::{RecvTimeoutError, bounded};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf, is_separator};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// The most links that are followed, the same as the system's limit.
const MAX_LINKS: usize = 40;

/// How long the reader of a pipe may take to open it, and then to go on reading.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// How long after a signal to leave a file may take to be on disk. Less than the exports have then.
const SYNC_WITHIN: Duration = Duration::from_millis(3600);

/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
enum Destination {
    /// A file, existing or new.
    File(PathBuf),
    /// Standard output or error of this program.
    Stream(Stream),
    /// A pipe, a terminal or another device.
    Device(PathBuf),
}

impl Destination {
    /// Follows links to their end, since the user means what they lead to.
    fn from_path(path: &Path) -> io::Result<Self> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            if let Some(destination) = Self::opened(&path) {
                return Ok(destination);
            }
            match path.symlink_metadata() {
                _ if is_character_device(&path) && !path.is_symlink() => return Ok(Self::Device(path)),
                Ok(found) if found.is_symlink() => path = directory_of(&path).join(fs::read_link(&path)?),
                Ok(found) if !found.is_file() && !found.is_dir() => return Ok(Self::Device(path)),
                Ok(_) | Err(_) => return Ok(Self::File(path)),
            }
        }
        Err(io::Error::other("too many symbolic links"))
    }

    /// A descriptor that this process has open. It is never replaced, even if it is a file.
    fn opened(path: &Path) -> Option<Self> {
        match path.to_str()? {
            "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => Some(Self::Stream(Stream::Output)),
            "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => Some(Self::Stream(Stream::Errors)),
            path if path.starts_with("/dev/fd/") || path.starts_with("/proc/self/fd/") => {
                Some(Self::Device(path.into()))
            }
            _ => None,
        }
    }
}

/// Replaces the contents of a file, or leaves the file as it is: writes a temporary file beside it and renames that over
/// it. Links are followed. The file keeps its permissions and, if that is allowed, its owner. A pipe or another device is
/// written to.
///
/// # Errors
/// If the disk is full, the directory is gone or not writable, or nobody reads a pipe.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    match Destination::from_path(path)? {
        Destination::File(file) => replace_file(&file, text),
        Destination::Stream(stream) => streams::write(stream, text.as_bytes()),
        Destination::Device(device) => write_to_device(&device, text.as_bytes()),
    }
}

/// Checks that the file of an option can be written at all, so that a typing error shows at the start and not at the end
/// of a run.
///
/// # Errors
/// If its directory does not exist or cannot be written to, or the path is a directory.
pub fn check(option: &str, path: &Path) -> anyhow::Result<()> {
    let (file, directory) = (shown(path), directory_of(path));
    if path.is_dir() {
        bail!("{option} {file}: it is a directory; name a file in it");
    }
    if !directory.is_dir() {
        bail!("{option} {file}: there is no directory {}; create it first", shown(directory));
    }
    try_to_write(path)
        .with_context(|| format!("{option} {file}: it cannot be written; name a file where you may write"))
}

/// Checks that [`replace`] can write, as far as that shows beforehand.
///
/// # Errors
/// If it cannot.
fn try_to_write(path: &Path) -> io::Result<()> {
    if path.as_os_str().to_string_lossy().ends_with(is_separator) {
        return Err(ErrorKind::IsADirectory.into());
    }
    match Destination::from_path(path)? {
        Destination::File(file) => match (file.symlink_metadata(), temporary_beside(&file)) {
            // Such as that the name is too long.
            (Err(error), Ok(_)) if error.kind() != ErrorKind::NotFound => Err(error),
            (_, Err(error)) if File::options().write(true).open(&file).is_err() => Err(error),
            _ => Ok(()),
        },
        Destination::Stream(_) => Ok(()),
        Destination::Device(device) => is_writable(&device),
    }
}

fn replace_file(file: &Path, text: &str) -> io::Result<()> {
    let old = file.metadata().ok();
    match rename_over(file, old.as_ref(), text) {
        // The user may be allowed to write to the file but not to its directory, or a container mounts the file alone.
        Err(error) if old.is_some() && is_of_the_directory(&error) => {
            write_in_place(file, text).map_err(|_| error)
        }
        outcome => outcome,
    }
}

fn rename_over(file: &Path, old: Option<&Metadata>, text: &str) -> io::Result<()> {
    let temporary = temporary_beside(file)?;
    if let Some(old) = old {
        // Before it has contents that others may not read.
        make_like(old, temporary.as_file())?;
    }
    temporary.as_file().write_all(text.as_bytes())?;
    let copy = Arc::new(temporary.as_file().try_clone()?);
    unless_late(streams::asked, move || copy.sync_all())?;
    persist(temporary, file)
}

/// Waits for the file to be on disk, but not for ever after a signal to leave: a busy disk may take longer than there is
/// time, and a file in its place that the system has yet to write is better than none.
fn unless_late(
    asked: impl Fn() -> Option<Instant>,
    sync: impl Fn() -> io::Result<()> + Clone + Send + 'static,
) -> io::Result<()> {
    let (sender, synced) = bounded(1);
    let here = sync.clone();
    if std::thread::Builder::new().name("sync".into()).spawn(move || sender.send(sync())).is_err() {
        return here();
    }
    loop {
        match synced.recv_timeout(PAUSE) {
            Ok(outcome) => return outcome,
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("it was not synced")),
            Err(RecvTimeoutError::Timeout) if asked().is_some_and(|asked| asked.elapsed() > SYNC_WITHIN) => {
                return Ok(());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn temporary_beside(file: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".neurotop-export-");
    allow_all_to_read(&mut builder);
    temporary_in(&builder, directory_of(file))
}

fn is_of_the_directory(error: &io::Error) -> bool {
    use ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), CrossesDevices | PermissionDenied | ReadOnlyFilesystem | ResourceBusy)
}

fn write_in_place(file: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().write(true).open(file)?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

/// Writes to a pipe or a device, and waits for its reader for a limited time.
fn write_to_device(device: &Path, mut bytes: &[u8]) -> io::Result<()> {
    let mut deadline = Instant::now() + READ_WITHIN;
    let mut device = open_device(device, deadline)?;
    while !bytes.is_empty() {
        match device.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = &bytes[count..];
                deadline = Instant::now() + READ_WITHIN;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(deadline)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn open_device(device: &Path, deadline: Instant) -> io::Result<File> {
    let mut options = File::options();
    open_at_once(options.append(true), true);
    loop {
        match options.open(device) {
            // Nobody has opened the pipe for reading yet.
            Err(error) if is_read_by_nobody(&error) => wait(deadline)?,
            opened => return opened,
        }
    }
}

fn wait(deadline: Instant) -> io::Result<()> {
    if Instant::now() > deadline {
        return Err(io::Error::new(ErrorKind::TimedOut, "nobody reads it"));
    }
    sleep(PAUSE);
    Ok(())
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_are_followed_to_what_they_lead_to() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("below")).expect("a directory");
        for (from, to) in [
            ("a", "below/b"),
            ("below/b", "../c"),
            ("c", "below/new"),
            ("null", "/dev/null"),
            ("out", "/dev/stdout"),
            ("loop", "loop"),
        ] {
            symlink(to, at(from)).expect("a link");
        }
        assert_eq!(
            Destination::from_path(&at("a")).expect("a destination"),
            Destination::File(at("below/../below/new"))
        );
        assert_eq!(
            Destination::from_path(&at("null")).expect("a destination"),
            Destination::Device("/dev/null".into())
        );
        assert_eq!(
            Destination::from_path(&at("out")).expect("a destination"),
            Destination::Stream(Stream::Output)
        );
        assert_eq!(
            Destination::from_path(&at("none")).expect("a destination"),
            Destination::File(at("none"))
        );
        assert!(Destination::from_path(&at("loop")).is_err());
        let third = Destination::from_path(Path::new("/dev/fd/3")).expect("a destination");
        assert_eq!(
            third,
            Destination::Device("/dev/fd/3".into()),
            "which may be a file, and is not replaced"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_made_like_the_one_that_was_there() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("out.json");
        for mode in [0o600, 0o664, 0o444] {
            fs::write(&path, "old").expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            replace(&path, "new").expect("written");
            assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, mode);
            assert_eq!(fs::read_to_string(&path).expect("a file"), "new");
            fs::remove_file(&path).expect("removed");
        }
        assert_eq!(fs::read_dir(directory.path()).expect("listed").count(), 0);
    }

    #[test]
    fn a_disk_that_hangs_is_not_waited_for_after_a_signal() {
        let (hangs, until) = bounded::<()>(0);
        let long_ago = || Instant::now().checked_sub(2 * SYNC_WITHIN);
        let hang = move || until.recv().map_err(io::Error::other);
        unless_late(long_ago, hang).expect("it goes on");
        drop(hangs);
        let full = || Err(ErrorKind::StorageFull.into());
        let error = unless_late(|| None, full).expect_err("the disk is full");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    #[test]
    fn what_can_only_be_written_in_place_has_the_new_text_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("out.json");
        fs::write(&path, "what was there before").expect("a file");
        write_in_place(&path, "new").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "new");
    }
}
