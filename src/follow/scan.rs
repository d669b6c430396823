//! What a directory holds now: its entries of a run, and the identity of each.

use super::Shard;
use crate::snapshot::{BatchName, EntryName, classify};
use serde::{Deserialize, Serialize};
use std::fs::{DirEntry, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What tells one state of a file (or of a directory of files) from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The inode, where the system has one.
    inode: u64,
    /// Bytes; of a directory, the sum over its files.
    pub size: u64,
    /// When the contents last changed; of a directory, the newest of all.
    pub modified: SystemTime,
    /// When owner, permissions or links last changed, in nanoseconds, where the system says.
    changed: i64,
    /// A hash over the files of a directory.
    files: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let (inode, changed) = {
            use std::os::unix::fs::MetadataExt;
            (metadata.ino(), metadata.ctime().wrapping_mul(1_000_000_000).wrapping_add(metadata.ctime_nsec()))
        };
        #[cfg(not(unix))]
        let (inode, changed) = (0, 0);
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Self { inode, size: metadata.len(), modified, changed, files: 0 }
    }

    /// That of a file or directory, whatever its name.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub fn at(path: &Path) -> io::Result<Self> {
        let metadata = path.symlink_metadata()?;
        let mut identity = Self::of(&metadata);
        if metadata.is_dir() {
            add_files(path, &mut identity);
        }
        Ok(identity)
    }

    /// Whether both stand for the same contents: a change of permissions or links is none.
    pub fn same_contents(&self, other: &Self) -> bool {
        (self.inode, self.size, self.modified, self.files)
            == (other.inode, other.size, other.modified, other.files)
    }

    /// Whether nothing was written for at least `settle`, by the clock of this machine.
    pub fn is_quiet(&self, settle: Duration, now: SystemTime) -> bool {
        now.duration_since(self.modified).is_ok_and(|age| age >= settle)
    }
}

/// What kind of thing an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Neither, and never opened: what it is.
    Other(&'static str),
}

/// An entry of the directory that belongs to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name in the run's directory, with `/` behind that of a rank's directory.
    pub name: String,
    /// What the name stands for.
    pub meaning: EntryName,
    /// What kind of thing it is.
    pub shape: Shape,
    /// Its present state.
    pub identity: Identity,
}

impl Found {
    /// Whether it is the directory of a rank, and not a link to one.
    pub fn is_rank_directory(&self) -> bool {
        matches!(self.meaning, EntryName::Rank(_)) && self.shape == Shape::Directory
    }
}

/// Lists the entries of a directory that belong to a run, and those in the directories of its ranks, and of its
/// batches those of a shard; temporary and foreign ones are left out, and so is what vanishes meanwhile. The
/// batches of other shards are not looked at: all that the processes of a cluster ask of a file system for them
/// is their names.
///
/// # Errors
/// Where the directory cannot be listed.
pub fn scan(directory: &Path, shard: Shard) -> io::Result<Vec<Found>> {
    let mut found = list(directory, "", shard)?;
    for at in 0..found.len() {
        if !found[at].is_rank_directory() {
            continue;
        }
        match scan_rank(directory, &found[at].name, shard) {
            Ok(inside) => found.extend(inside),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // The other ranks are there all the same.
            Err(_) => found[at].shape = Shape::Other("a directory that this user cannot list"),
        }
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Lists the entries in the directory of a rank, which the caller has found to be one.
///
/// # Errors
/// Where the directory cannot be listed.
pub fn scan_rank(directory: &Path, rank: &str, shard: Shard) -> io::Result<Vec<Found>> {
    list(directory, &format!("{rank}/"), shard)
}

/// Lists the entries in one directory, whose name in the run's directory is put before theirs.
fn list(directory: &Path, within: &str, shard: Shard) -> io::Result<Vec<Found>> {
    let is_mine = |name: &String| BatchName::parse(name).is_none_or(|batch| shard.has(&batch));
    let mut found = Vec::new();
    for entry in directory.join(within).read_dir()? {
        let name = entry?.file_name();
        let name = name.to_str().map(|name| format!("{within}{name}")).filter(is_mine);
        found.extend(name.and_then(|name| look_at(directory, &name)));
    }
    Ok(found)
}

/// Whether a directory holds a manifest, an end or a batch, or ranks that do, so that it is a run itself.
pub fn is_run(directory: &Path) -> bool {
    holds(directory, |entry, meaning| match meaning {
        EntryName::Rank(_) => entry.file_type().is_ok_and(|kind| kind.is_dir()) && is_rank(&entry.path()),
        meaning => is_part(meaning),
    })
}

fn is_rank(directory: &Path) -> bool {
    holds(directory, |_, meaning| is_part(meaning))
}

fn holds(directory: &Path, what: impl Fn(&DirEntry, &EntryName) -> bool) -> bool {
    let Ok(entries) = directory.read_dir() else { return false };
    entries.filter_map(Result::ok).any(|entry| what(&entry, &classify(&entry.file_name().to_string_lossy())))
}

fn is_part(meaning: &EntryName) -> bool {
    match meaning {
        EntryName::Manifest(_)
        | EntryName::End(_)
        | EntryName::BatchFile(_)
        | EntryName::BatchDirectory(_) => true,
        EntryName::Rank(_)
        | EntryName::MisnamedRank
        | EntryName::Misnamed
        | EntryName::Temporary
        | EntryName::Foreign => false,
    }
}

/// Looks at one entry; `None` where it is gone or does not belong to a run. What is in the directory of a
/// rank is gone where that is a link.
pub fn look(directory: &Path, name: &str) -> Option<Found> {
    if let Some((rank, _)) = name.split_once('/')
        && !directory.join(rank).symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
    {
        return None;
    }
    look_at(directory, name)
}

fn look_at(directory: &Path, name: &str) -> Option<Found> {
    let meaning = classify(name);
    if matches!(meaning, EntryName::Temporary | EntryName::Foreign) {
        return None;
    }
    let path = directory.join(name);
    let metadata = path.symlink_metadata().ok()?;
    let mut identity = Identity::of(&metadata);
    let shape = shape_of(&metadata);
    match (&meaning, shape) {
        // What is in the directory of a rank are entries of their own, and a file is no rank.
        (EntryName::Rank(_) | EntryName::MisnamedRank, Shape::File) => return None,
        (EntryName::Rank(_) | EntryName::MisnamedRank, _) => {}
        (_, Shape::Directory) => add_files(&path, &mut identity),
        _ => {}
    }
    Some(Found { name: name.to_owned(), meaning, shape, identity })
}

fn shape_of(metadata: &Metadata) -> Shape {
    if metadata.is_file() {
        Shape::File
    } else if metadata.is_dir() {
        Shape::Directory
    } else if metadata.is_symlink() {
        Shape::Other("a symbolic link")
    } else {
        Shape::Other("a pipe, socket or device")
    }
}

/// Adds the files of a directory batch to the identity of the directory. One that cannot be listed
/// keeps its own; opening it says why.
fn add_files(directory: &Path, identity: &mut Identity) {
    let Ok(entries) = directory.read_dir() else { return };
    let mut files: Vec<_> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name(), Identity::of(&entry.metadata().ok()?))))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_scan_finds_what_belongs_to_a_run_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in
            ["manifest.json", "batch-1.npz", ".batch-2.npz", "batch-3.npz.tmp", "notes.txt", "odd.npz"]
        {
            fs::write(directory.path().join(name), name).expect("a file");
        }
        fs::create_dir(directory.path().join("batch-000004")).expect("a directory");
        let names = |shard: &str| -> Vec<String> {
            let found = scan(directory.path(), shard.parse().expect("a shard")).expect("a scan");
            found.into_iter().map(|found| found.name).collect()
        };
        assert_eq!(names("1/1"), ["batch-000004", "batch-1.npz", "manifest.json", "odd.npz"]);
        assert_eq!(names("2/3"), ["batch-000004", "batch-1.npz", "manifest.json", "odd.npz"]);
        assert_eq!(names("2/2"), ["batch-1.npz", "manifest.json", "odd.npz"]);
        assert_eq!(names("3/3"), ["manifest.json", "odd.npz"]);
    }

    #[test]
    fn what_is_in_the_directories_of_ranks_is_found_and_nothing_deeper() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        assert!(!is_run(path));
        for rank in ["rank-0", "rank-12", "rank-x", "other", "rank-0/rank-1"] {
            fs::create_dir(path.join(rank)).expect("a directory");
        }
        fs::write(path.join("rank-7"), "a file is no rank").expect("a file");
        fs::write(path.join("other/batch-1.npz"), "x").expect("a file");
        assert!(!is_run(path), "ranks without anything make no run");
        for name in [
            "rank-0/batch-1.npz",
            "rank-0/.batch-2.npz",
            "rank-12/end.json",
            "rank-3.batch-1.npz",
            "rank-x/batch-1.npz",
            "rank-0/rank-1/batch-1.npz",
        ] {
            fs::write(path.join(name), name).expect("a file");
        }
        let names: Vec<String> =
            scan(path, Shard::WHOLE).expect("a scan").into_iter().map(|found| found.name).collect();
        assert_eq!(
            names,
            ["rank-0", "rank-0/batch-1.npz", "rank-12", "rank-12/end.json", "rank-3.batch-1.npz", "rank-x"]
        );
        assert!(is_run(path));
    }

    #[test]
    fn a_directory_of_ranks_is_a_run() {
        let directory = tempfile::tempdir().expect("a directory");
        let rank = directory.path().join("rank-0");
        fs::create_dir(&rank).expect("a directory");
        assert!(!is_run(directory.path()));
        fs::write(rank.join("manifest.json"), "{}").expect("a file");
        assert!(is_run(directory.path()));
    }

    #[cfg(unix)]
    #[test]
    fn links_to_ranks_are_not_followed() {
        let (directory, elsewhere) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        fs::write(elsewhere.path().join("batch-1.npz"), "x").expect("a file");
        std::os::unix::fs::symlink(elsewhere.path(), directory.path().join("rank-0")).expect("a link");
        assert!(!is_run(directory.path()));
        let found = scan(directory.path(), Shard::WHOLE).expect("a scan");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].shape, Shape::Other("a symbolic link"));
        assert_eq!(look(directory.path(), "rank-0/batch-1.npz"), None);
    }

    #[test]
    fn the_files_of_a_directory_batch_are_part_of_its_identity() {
        let directory = tempfile::tempdir().expect("a directory");
        let batch = directory.path().join("batch-0");
        fs::create_dir(&batch).expect("a directory");
        fs::write(batch.join("a.post.npy"), "one").expect("a file");
        let before = look(directory.path(), "batch-0").expect("it is there").identity;
        assert_eq!(before.size, 3);
        let again = look(directory.path(), "batch-0").expect("it is there").identity;
        assert!(before.same_contents(&again));
        fs::write(batch.join("a.post.npy"), "three").expect("a file");
        let after = look(directory.path(), "batch-0").expect("it is there").identity;
        assert!(!before.same_contents(&after));
    }

    #[cfg(unix)]
    #[test]
    fn links_and_changed_permissions() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("batch-1.npz");
        fs::write(&file, "x").expect("a file");
        symlink(&file, directory.path().join("batch-2.npz")).expect("a link");
        let link = look(directory.path(), "batch-2.npz").expect("it is there");
        assert_eq!(link.shape, Shape::Other("a symbolic link"));
        let before = look(directory.path(), "batch-1.npz").expect("it is there").identity;
        std::thread::sleep(Duration::from_millis(20));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("permissions");
        let after = look(directory.path(), "batch-1.npz").expect("it is there").identity;
        assert!(before.same_contents(&after) && before != after);
    }

    /// Since 6.13, Linux gives a file that was looked at a finer time stamp when it is written to next.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_rewritten_within_one_tick_is_another() {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
        let mut numbers = release.split(['.', '-']).map(|number| number.trim().parse::<u32>().unwrap_or(0));
        if (numbers.next(), numbers.next()) < (Some(6), Some(13)) {
            eprintln!("not tested: Linux {release}");
            return;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let name = "batch-1.npz";
        for _ in 0..200 {
            let identities = ["one", "two"].map(|text| {
                fs::write(directory.path().join(name), text).expect("a file");
                look(directory.path(), name).expect("it is there").identity
            });
            assert!(!identities[0].same_contents(&identities[1]), "{identities:?}");
        }
    }
}
