//! Runs in a file system: a disk, or whatever else the system mounts.

use super::{
    Container, Contents, Entry, Identity, Interest, Interests, Links, LookIntervals, MAX_LEVELS, OtherKind,
    Root, Shape, Storage, StoredFile, Wanted, metadata,
};
use crate::platform::{FileKind, FileStat, is_as_seen, open_at_once, stat};
use std::ffi::{OsStr, OsString};
use std::fs::{DirEntry, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

const PACE: LookIntervals = LookIntervals {
    look: Duration::from_millis(100),
    root: Duration::from_millis(500),
    scan: Duration::from_secs(1),
};

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
        directory.read_dir().map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("it cannot be listed: {error}; give this user permission to read it")
            }
            _ => format!("it cannot be listed: {error}"),
        })?;
        let inode = stat(directory, true).map_or(0, |stat| stat.inode);
        // As with the times of files, none is before 1970.
        Ok(Some((inode, metadata.created().ok().map(|made| made.max(SystemTime::UNIX_EPOCH)))))
    }

    fn entries(&self, directory: &Path, interests: Interests<'_>) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in directory.read_dir()? {
            let file_name = entry?.file_name();
            // One that is not UTF-8 is none of a run, but may be meant to be.
            let name = file_name.to_string_lossy();
            entries.extend(entry_at(&directory.join(&file_name), &name, interests(&name)));
        }
        Ok(entries)
    }

    fn entry(&self, directory: &Path, name: &str, interest: Interest) -> Option<Entry> {
        entry_at(&directory.join(name), name, interest)
    }

    fn any(&self, directory: &Path, wanted: Wanted<'_>) -> bool {
        let Ok(entries) = directory.read_dir() else { return false };
        entries.filter_map(Result::ok).any(|entry| wanted(&entry.file_name().to_string_lossy()))
    }

    fn directories(&self, directory: &Path) -> Vec<(OsString, SystemTime)> {
        let Ok(entries) = directory.read_dir() else { return Vec::new() };
        let directories = entries.filter_map(Result::ok).filter(|entry| match entry.file_type() {
            Ok(kind) if kind.is_symlink() => {
                metadata(&entry.path()).is_ok_and(|led| led.kind == FileKind::Directory)
            }
            kind => kind.is_ok_and(|kind| kind.is_dir()),
        });
        directories
            .map(|entry| {
                let modified = entry.metadata().and_then(|metadata| metadata.modified());
                (entry.file_name(), modified.unwrap_or(SystemTime::UNIX_EPOCH))
            })
            .collect()
    }

    fn open(&self, path: &Path) -> io::Result<Option<(Contents, u64)>> {
        let metadata = metadata(path)?;
        if metadata.kind == FileKind::Directory {
            return Ok(None);
        }
        let file = open_as(&metadata, path)?;
        let length = file.metadata()?.len();
        Ok(Some((Contents::of_archive(file, length)?, length)))
    }

    fn files(&self, directory: &Path, wanted: Wanted<'_>) -> io::Result<Vec<StoredFile>> {
        let mut files = Vec::new();
        walk(directory, &mut |name, entry| {
            let Some(name) = name.to_str().filter(|name| wanted(name)) else { return Ok(()) };
            let path = entry.path();
            let metadata = metadata(&path)?;
            files.push(StoredFile {
                name: name.to_owned(),
                shape: shape_of(&path, &metadata),
                size: metadata.size,
                container: Container::File(path),
            });
            Ok(())
        })?;
        Ok(files)
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        open_regular(path)?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn pace(&self) -> LookIntervals {
        PACE
    }
}

fn entry_at(path: &Path, name: &str, interest: Interest) -> Option<Entry> {
    if interest == Interest::None {
        return None;
    }
    let metadata = metadata(path).ok()?;
    let mut identity = Identity::from_stat(&metadata);
    let shape = shape_of(path, &metadata);
    if shape == Shape::Directory && interest == Interest::WithFiles {
        identity = with_files(path, identity);
    }
    Some(Entry { name: name.to_owned(), shape, identity })
}

/// Opens a regular file for reading. Never blocks, and follows a symbolic link only if the user asked for that.
///
/// A snapshot directory may come from a stranger. A FIFO or device in place of a batch must not even be opened:
/// opening alone can hang the reader, wake a writer, rewind a tape or acquire a terminal.
///
/// # Errors
/// If the file cannot be opened or is not a regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    open_as(&metadata(path)?, path)
}

/// The same for a file whose metadata were just read. They are checked again once it is open, since something else
/// may have been put in its place.
fn open_as(seen: &FileStat, path: &Path) -> io::Result<File> {
    if seen.kind != FileKind::File {
        return Err(not_regular());
    }
    let mut options = OpenOptions::new();
    open_at_once(options.read(true), Links::now() == Links::Followed);
    let file = options.open(path)?;
    if is_as_seen(&file, seen)? { Ok(file) } else { Err(not_regular()) }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

fn shape_of(path: &Path, metadata: &FileStat) -> Shape {
    match metadata.kind {
        FileKind::File => Shape::File,
        FileKind::Directory => Shape::Directory,
        FileKind::Link => Shape::Other(OtherKind::of_link(path)),
        FileKind::Other => Shape::Other(OtherKind::PipeSocketOrDevice),
    }
}

/// Visits everything in a directory batch, by its path in that directory. Never descends into links to directories,
/// even where links to files are followed: they can form cycles, or lead to a whole disk.
fn walk(directory: &Path, each: &mut dyn FnMut(&OsStr, &DirEntry) -> io::Result<()>) -> io::Result<()> {
    let mut levels = vec![(OsString::new(), 1)];
    while let Some((within, level)) = levels.pop() {
        for entry in directory.join(&within).read_dir()? {
            let entry = entry?;
            let mut name = within.clone();
            if !within.is_empty() {
                name.push("/");
            }
            name.push(entry.file_name());
            each(&name, &entry)?;
            if level < MAX_LEVELS && entry.file_type()?.is_dir() {
                levels.push((name, level + 1));
            }
        }
    }
    Ok(())
}

/// The identity of a directory batch with its files. A directory that cannot be listed keeps its own identity;
/// opening it will say why.
fn with_files(directory: &Path, identity: Identity) -> Identity {
    let mut files = Vec::new();
    let walked = walk(directory, &mut |name, entry| {
        files.extend(
            metadata(&entry.path()).ok().map(|metadata| (name.to_owned(), Identity::from_stat(&metadata))),
        );
        Ok(())
    });
    if walked.is_err() && files.is_empty() { identity } else { identity.with_files(files) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_sub_directories_is_a_part_of_a_batch() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("batch-1");
        let identity =
            || Disk.entry(directory.path(), "batch-1", Interest::WithFiles).expect("there").identity;
        std::fs::create_dir_all(path.join("enc")).expect("a directory");
        let empty = identity();
        std::fs::write(path.join("enc/lif.post.npy"), "x").expect("a file");
        let one = identity();
        assert!(!empty.same_contents(&one));
        std::fs::write(path.join("enc/lif.post.npy"), "xyz").expect("a file");
        assert!(!one.same_contents(&identity()));
        let files = Disk.files(&path, &mut |name| name.ends_with(".npy")).expect("listed");
        assert_eq!((files.len(), files[0].name.as_str(), files[0].size), (1, "enc/lif.post.npy", 3));
    }
}
