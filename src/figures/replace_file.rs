//! Makes a text the contents of what a path leads to: a file is replaced at once, anything else is written to.

use crate::process::streams::{self, Stream};
use rustix::fs::{Access, OFlags, access};
use rustix::io::Errno;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// The most links that lead from one to the next, as the system has it.
const MAX_LINKS: usize = 40;

/// How long whoever reads a pipe may take to come, and then to read on.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// The time between two looks whether it has.
const PAUSE: Duration = Duration::from_millis(20);

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// A file, or a name that nothing has yet.
    File(PathBuf),
    /// What this program writes to already.
    Stream(Stream),
    /// A pipe, a terminal or another device.
    Device(PathBuf),
}

impl Place {
    /// Follows links to their end: it is what they lead to that the user means.
    fn of(path: &Path) -> io::Result<Self> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            if let Some(place) = Self::opened(&path) {
                return Ok(place);
            }
            match path.symlink_metadata() {
                Ok(found) if found.is_symlink() => path = directory_of(&path).join(fs::read_link(&path)?),
                Ok(found) if !found.is_file() && !found.is_dir() => return Ok(Self::Device(path)),
                Ok(_) | Err(_) => return Ok(Self::File(path)),
            }
        }
        Err(Errno::LOOP.into())
    }

    /// What this process has open, which stays what it is, also where it is a file.
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

/// Makes a text the contents of a file, or leaves the file as it is: writes a temporary file beside it and renames
/// that over it. Links are followed; the file keeps its permissions and, where that is allowed, its owner. What is
/// no file is written to.
///
/// # Errors
/// Where the disk is full, the directory is gone or not writable, or nobody reads a pipe.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    match Place::of(path)? {
        Place::File(file) => replace_file(&file, text),
        Place::Stream(stream) => streams::write(stream, text.as_bytes()),
        Place::Device(device) => write_to_device(&device, text.as_bytes()),
    }
}

/// Whether [`replace`] can do its work, as far as that shows beforehand.
///
/// # Errors
/// Where it cannot.
pub fn check(path: &Path) -> io::Result<()> {
    match Place::of(path)? {
        Place::File(file) => match temporary_beside(&file) {
            Err(error) if File::options().write(true).open(&file).is_err() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        },
        Place::Stream(_) => Ok(()),
        Place::Device(device) => Ok(access(device, Access::WRITE_OK)?),
    }
}

fn replace_file(file: &Path, text: &str) -> io::Result<()> {
    let old = file.metadata().ok();
    match rename_over(file, old.as_ref(), text) {
        // As where one may write to a file and not to its directory, or the file is mounted alone in a container.
        Err(error) if old.is_some() && is_of_the_directory(&error) => {
            write_in_place(file, text).map_err(|_| error)
        }
        outcome => outcome,
    }
}

fn rename_over(file: &Path, old: Option<&Metadata>, text: &str) -> io::Result<()> {
    let mut temporary = temporary_beside(file)?;
    if let Some(old) = old {
        // Before it has anything that others may not read.
        make_like(old, temporary.as_file())?;
    }
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map_err(|error| error.error)?;
    Ok(())
}

fn temporary_beside(file: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".neurotop-export-");
    // As any program creates a file; the umask takes away what the user wants away.
    builder.permissions(fs::Permissions::from_mode(0o666));
    builder.tempfile_in(directory_of(file))
}

/// Gives a file the permissions and, where that is allowed, the owner of another.
fn make_like(old: &Metadata, file: &File) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // Only the superuser gives files away; of a group one may be a member.
        let _ =
            fchown(file, Some(old.uid()), Some(old.gid())).or_else(|_| fchown(file, None, Some(old.gid())));
    }
    file.set_permissions(old.permissions())
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

/// Writes to a pipe or a device, and waits for its reader, though not for ever.
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
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = File::options();
    options.append(true).custom_flags(flags.bits().cast_signed());
    loop {
        match options.open(device) {
            // A pipe that nobody reads.
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => wait(deadline)?,
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

/// The directory that a file is in.
pub fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_to_what_they_lead_to() {
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
        assert_eq!(Place::of(&at("a")).expect("a place"), Place::File(at("below/../below/new")));
        assert_eq!(Place::of(&at("null")).expect("a place"), Place::Device("/dev/null".into()));
        assert_eq!(Place::of(&at("out")).expect("a place"), Place::Stream(Stream::Output));
        assert_eq!(Place::of(&at("none")).expect("a place"), Place::File(at("none")));
        assert!(Place::of(&at("loop")).is_err());
        let third = Place::of(Path::new("/dev/fd/3")).expect("a place");
        assert_eq!(third, Place::Device("/dev/fd/3".into()), "which may be a file, and is not replaced");
    }

    #[test]
    fn a_file_is_made_like_the_one_that_was_there() {
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
    fn what_can_only_be_written_in_place_has_the_new_text_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("out.json");
        fs::write(&path, "what was there before").expect("a file");
        write_in_place(&path, "new").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "new");
    }
}
