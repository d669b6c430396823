//! Reads and writes state files: atomically, with the length and a CRC to check them by.

use super::lock::path_beside;
use super::{KnownManifest, Progress, VERSION, older};
use crate::platform::{persist, sync_directory, temporary_in};
use etcetera::{BaseStrategy, choose_base_strategy};
use flate2::CrcWriter;
use std::fs::{self, File};
use std::io::{self, BufWriter, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The first bytes of the file. The version, the length and the CRC-32 of the rest follow.
const MAGIC: &[u8; 16] = b"neurotop state\r\n";
const HEADER: usize = MAGIC.len() + 4 + 8 + 4;

/// How many bytes are written at once.
const BUFFER: usize = 1 << 16;

/// The largest file that is read.
const MAX_BYTES: u64 = 1 << 30;

/// Enough of a file to hold the run's directory and its manifest, unless that has very many layers.
const HEAD: u64 = 1 << 16;

/// The state file of a run if the user names none: in the user's directory for state, by the absolute path of the run.
/// `None` if there is no such directory.
pub fn default_path(run: &Path) -> Option<PathBuf> {
    let bytes = run.as_os_str().as_encoded_bytes();
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    let safe: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    // Two checksums over the path, from either end. A collision does no harm: what is in the file also tells runs
    // apart.
    let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
    let name = format!("{safe}-{:08x}{:08x}.state", crc32fast::hash(bytes), crc32fast::hash(&reversed));
    Some(default_directory()?.join(name))
}

/// The directory of state files if the user names none.
pub(super) fn default_directory() -> Option<PathBuf> {
    let strategy = choose_base_strategy().ok()?;
    // Windows has one directory for all that stays on the machine: %LOCALAPPDATA%.
    let base = strategy.state_dir().unwrap_or_else(|| strategy.cache_dir());
    Some(base.join("neurotop"))
}

/// Why a run cannot resume from a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The file cannot be read at this moment; its contents may be right.
    #[error("{0}")]
    Transient(String),
    /// The file was written by neurotop, and nothing can be resumed from it.
    #[error("{0}")]
    Corrupt(String),
    /// It is not a file, or belongs to another program or a newer version, and stays as it is.
    #[error("{0}")]
    NotAStateFile(String),
}

/// Reads the progress of a run; `None` if there is no file, or an empty one that neurotop did not write.
///
/// # Errors
/// Where the file cannot be read, is not a state file, is of a version that is not read, is cut off or damaged.
pub fn read(path: &Path) -> Result<Option<Progress>, Unreadable> {
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Unreadable::Transient(error.to_string())),
    };
    if metadata.is_dir() {
        return Err(Unreadable::Transient("it is not a regular file".into()));
    }
    if !metadata.is_file() {
        return Err(Unreadable::NotAStateFile("it is a pipe, a socket or a device".into()));
    }
    let size = metadata.len();
    if size > MAX_BYTES {
        return Err(Unreadable::Transient(format!("it has {size} bytes, far too many")));
    }
    if is_unused(path) {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(|error| Unreadable::Transient(error.to_string()))?;
    decode(&bytes).map(Some)
}

/// Whether a file is empty and was never written by neurotop, as `mktemp` makes one. An empty file that has a lock
/// beside it has lost its contents.
pub(super) fn is_unused(path: &Path) -> bool {
    let is_empty = path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0);
    is_empty && path_beside(path).symlink_metadata().is_err()
}

/// The run's directory and manifest, which the progress of every version begins with; `None` if they cannot be read.
pub(super) fn read_head(path: &Path) -> Option<(Vec<u8>, Option<KnownManifest>)> {
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(HEAD).read_to_end(&mut bytes).ok()?;
    let body = bytes.strip_prefix(MAGIC)?.get(HEADER - MAGIC.len()..)?;
    postcard::take_from_bytes(body).ok().map(|(head, _)| head)
}

/// Parses the bytes of a state file.
///
/// # Errors
/// Where they are not a state file, of another version, cut off or damaged.
pub fn decode(bytes: &[u8]) -> Result<Progress, Unreadable> {
    let corrupt = |why: &str| Unreadable::Corrupt(why.to_owned());
    if !bytes.starts_with(MAGIC) && !MAGIC.starts_with(bytes) {
        return Err(Unreadable::NotAStateFile("it is not a state file of neurotop".into()));
    }
    let (header, body) = bytes.split_at_checked(HEADER).ok_or(corrupt("it is cut off"))?;
    let numbers = &header[MAGIC.len()..];
    let number = |from: usize, to: usize| {
        numbers[from..to].iter().rev().fold(0_u64, |all, &byte| all << 8 | u64::from(byte))
    };
    let (version, length, crc) = (number(0, 4), number(4, 12), number(12, 16));
    if version > u64::from(VERSION) {
        let why = format!(
            "it is of version {version}, and this program knows those up to {VERSION}; update neurotop"
        );
        return Err(Unreadable::NotAStateFile(why));
    }
    if length != body.len() as u64 || crc != u64::from(crc32fast::hash(body)) {
        return Err(corrupt("it is cut off or damaged"));
    }
    let read = if version == u64::from(VERSION) {
        postcard::from_bytes(body)
    } else {
        let why = format!("it is of version {version}, which this program does not read");
        older::read(version, body).ok_or(Unreadable::Corrupt(why))?
    };
    match read {
        Ok(progress) if Progress::is_sound(&progress) => Ok(progress),
        Ok(_) | Err(postcard::Error::SerdeDeCustom) => Err(corrupt("its parts do not belong together")),
        Err(error) => Err(Unreadable::Corrupt(format!("it cannot be understood: {error}"))),
    }
}

/// Writes the progress of a run to a temporary file beside the state file, syncs it, renames it, and syncs the
/// directory.
///
/// # Errors
/// Where the directory cannot be made or written to, or the disk is full. The file then stays as it was.
pub fn write(path: &Path, progress: &Progress) -> io::Result<()> {
    let directory = directory_of(path);
    create_directory(directory)?;
    let file = temporary_in(tempfile::Builder::new().prefix(".neurotop-state-"), directory)?;
    write_to(&mut file.as_file(), progress)?;
    file.as_file().sync_all()?;
    persist(file, path)?;
    sync_directory(directory)
}

/// The directory that holds a path.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a directory and its parents where they are missing, and syncs each.
pub(super) fn create_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory_of(directory);
    create_directory(parent)?;
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !directory.is_dir() => {
            return Err(error);
        }
        Ok(()) | Err(_) => {}
    }
    sync_directory(parent)
}

/// The bytes of a state file.
///
/// # Errors
/// Where it cannot be written so.
pub fn encode(progress: &Progress) -> io::Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    write_to(&mut bytes, progress)?;
    Ok(bytes.into_inner())
}

/// Writes the progress piece by piece: in memory it would take as much again as everything that is kept.
fn write_to(file: &mut (impl Write + Seek), progress: &Progress) -> io::Result<()> {
    file.write_all(&[0; HEADER])?;
    let body = BufWriter::with_capacity(BUFFER, CrcWriter::new(&mut *file));
    let body = postcard::to_io(progress, body).map_err(io::Error::other)?;
    let crc = body.into_inner().map_err(io::IntoInnerError::into_error)?.crc().sum();
    let length = file.stream_position()? - HEADER as u64;
    file.rewind()?;
    file.write_all(MAGIC)?;
    file.write_all(&VERSION.to_le_bytes())?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(&crc.to_le_bytes())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::follow::CountedBatches;
    use crate::run::run_sums::RunSums;
    use proptest::prelude::*;

    pub(crate) fn progress() -> Progress {
        Progress {
            directory: b"/runs/exp1".to_vec(),
            manifest: None,
            counted: CountedBatches::default(),
            root: None,
            may_have_deleted: false,
            problems: Vec::new(),
            sums: RunSums { bytes: 7, ..RunSums::default() },
            newest: Some((3, "batch-3.npz".into())),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("deep/down/run.state");
        assert_eq!(read(&path), Ok(None));
        write(&path, &progress()).expect("written");
        assert_eq!(read(&path), Ok(Some(progress())));
        assert_eq!(
            fs::read_dir(path.parent().expect("a parent")).expect("listed").count(),
            1,
            "nothing is left"
        );
    }

    #[test]
    fn a_damaged_file_is_refused_whatever_the_damage() {
        let whole = encode(&progress()).expect("encoded");
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            assert!(decode(&bytes).is_err(), "byte {at}");
            assert!(decode(&whole[..at]).is_err(), "cut off at {at}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(decode(&longer).is_err());
        let of_version = |version: u32| {
            let mut bytes = whole.clone();
            bytes[16] = version as u8;
            decode(&bytes).expect_err("it is refused")
        };
        // Another program may need what a newer version has written.
        let newer = of_version(VERSION + 1);
        assert!(
            matches!(&newer, Unreadable::NotAStateFile(why) if why.contains(&format!("version {}", VERSION + 1))),
            "{newer}"
        );
        let older = of_version(1);
        assert!(matches!(&older, Unreadable::Corrupt(why) if why.contains("version 1, which")), "{older}");
    }

    #[test]
    fn an_empty_file_has_lost_its_progress_where_it_had_a_lock() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("run.state");
        fs::write(&path, "").expect("a file");
        assert_eq!(read(&path), Ok(None), "as mktemp makes one");
        fs::write(path_beside(&path), "").expect("a lock");
        assert_eq!(read(&path), Err(Unreadable::Corrupt("it is cut off".into())));
    }

    #[test]
    fn the_head_is_read_without_the_rest() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("run.state");
        let bytes = encode(&progress()).expect("encoded");
        fs::write(&path, &bytes[..bytes.len() - 1]).expect("a file");
        assert_eq!(read_head(&path), Some((b"/runs/exp1".to_vec(), None)));
        fs::write(&path, "notes").expect("a file");
        assert_eq!(read_head(&path), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300), length in any::<bool>()) {
            let mut file = MAGIC.to_vec();
            file.extend_from_slice(&VERSION.to_le_bytes());
            file.extend_from_slice(&(bytes.len() as u64 + u64::from(length)).to_le_bytes());
            file.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
            file.extend_from_slice(&bytes);
            let _ = decode(&file);
            let _ = decode(&bytes);
        }
    }
}
