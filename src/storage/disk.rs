//! Runs on a disk, or on whatever else the system mounts.

use super::links;
use super::{
    Container, Contents, Entry, Identity, Interest, Interests, Links, Opened, Pace, Root, Shape, Storage,
    StoredFile, Wanted, metadata,
};
use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How often it is worth to look.
const PACE: Pace =
    Pace { look: Duration::from_millis(100), root: Duration::from_millis(500), scan: Duration::from_secs(1) };

/// The file systems of this machine.
pub(super) struct Disk;

impl Storage for Disk {
    fn root(&self, directory: &Path) -> Result<Option<Root>, String> {
        let metadata = directory.metadata().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "it does not exist yet".into(),
            _ => format!("it cannot be looked at: {error}"),
        })?;
        if !metadata.is_dir() {
            return Err("it is not a directory".into());
        }
        directory.read_dir().map_err(|error| format!("it cannot be listed: {error}"))?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Ok(Some((inode, metadata.created().ok())))
    }

    fn entries(&self, directory: &Path, interests: Interests<'_>) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in directory.read_dir()? {
            let name = entry?.file_name();
            if let Some(name) = name.to_str() {
                entries.extend(self.entry(directory, name, interests(name)));
            }
        }
        Ok(entries)
    }

    fn entry(&self, directory: &Path, name: &str, interest: Interest) -> Option<Entry> {
        if interest == Interest::None {
            return None;
        }
        let path = directory.join(name);
        let metadata = metadata(&path).ok()?;
        let mut identity = Identity::of(&metadata);
        let shape = shape_of(&path, &metadata);
        if shape == Shape::Directory && interest == Interest::WithFiles {
            add_files(&path, &mut identity);
        }
        Some(Entry { name: name.to_owned(), shape, identity })
    }

    fn any(&self, directory: &Path, wanted: Wanted<'_>) -> bool {
        let Ok(entries) = directory.read_dir() else { return false };
        entries.filter_map(Result::ok).any(|entry| wanted(&entry.file_name().to_string_lossy()))
    }

    fn directories(&self, directory: &Path) -> Vec<(OsString, SystemTime)> {
        let Ok(entries) = directory.read_dir() else { return Vec::new() };
        let directories = entries.filter_map(Result::ok).filter(|entry| match entry.file_type() {
            Ok(kind) if kind.is_symlink() => metadata(&entry.path()).is_ok_and(|led| led.is_dir()),
            kind => kind.is_ok_and(|kind| kind.is_dir()),
        });
        directories
            .map(|entry| {
                let modified = entry.metadata().and_then(|metadata| metadata.modified());
                (entry.file_name(), modified.unwrap_or(SystemTime::UNIX_EPOCH))
            })
            .collect()
    }

    fn open(&self, path: &Path) -> io::Result<Opened> {
        if metadata(path)?.is_dir() {
            return Ok(Opened::Directory);
        }
        let file = open_regular(path)?;
        let length = file.metadata()?.len();
        Ok(Opened::File(Contents::of_archive(file, length)?, length))
    }

    fn files(&self, directory: &Path, wanted: Wanted<'_>) -> io::Result<Vec<StoredFile>> {
        let mut files = Vec::new();
        for entry in directory.read_dir()? {
            let name = entry?.file_name();
            let Some(name) = name.to_str().filter(|name| wanted(name)) else { continue };
            let path = directory.join(name);
            let metadata = metadata(&path)?;
            files.push(StoredFile {
                name: name.to_owned(),
                shape: shape_of(&path, &metadata),
                size: metadata.len(),
                container: Container::File(path),
            });
        }
        Ok(files)
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        open_regular(path)?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn pace(&self) -> Pace {
        PACE
    }
}

/// Opens a regular file for reading, never blocking, and following a symbolic link only where that is asked for.
///
/// A snapshot directory may come from somebody else: a FIFO or a device in the place of a batch must
/// neither hang the reader nor be read.
///
/// # Errors
/// Where the file cannot be opened or is not a regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        let flags = match Links::now() {
            Links::Named => OFlags::NOFOLLOW | OFlags::NONBLOCK,
            Links::Followed => OFlags::NONBLOCK,
        };
        options.custom_flags(flags.bits().cast_signed());
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

fn shape_of(path: &Path, metadata: &Metadata) -> Shape {
    if metadata.is_file() {
        Shape::File
    } else if metadata.is_dir() {
        Shape::Directory
    } else if metadata.is_symlink() {
        Shape::Other(links::name_of(path))
    } else {
        Shape::Other("a pipe, socket or device")
    }
}

/// Adds the files of a directory batch to the identity of the directory. One that cannot be listed
/// keeps its own; opening it says why.
pub(super) fn add_files(directory: &Path, identity: &mut Identity) {
    let Ok(entries) = directory.read_dir() else { return };
    let mut files: Vec<_> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name(), Identity::of(&metadata(&entry.path()).ok()?))))
        .collect();
    files.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut hasher = DefaultHasher::new();
    identity.size = 0;
    for (name, file) in files {
        (name, file.inode, file.size, file.modified).hash(&mut hasher);
        identity.size = identity.size.saturating_add(file.size);
        identity.modified = identity.modified.max(file.modified);
        identity.changed = identity.changed.max(file.changed);
    }
    identity.files = hasher.finish();
}
