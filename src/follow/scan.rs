//! Scans a directory: which entries of a run it holds now, and the identity of each.

use super::Shard;
use crate::platform::FileKind;
use crate::snapshot::{EntryName, SnapshotError, classify};
use crate::storage::{self, Entry, Identity, Interest, Links, OtherKind, Shape};
use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::path::{MAIN_SEPARATOR_STR, Path, PathBuf};

/// An entry of a run's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The path in the run's directory, with `/` after the directory of a rank.
    pub name: String,
    pub meaning: EntryName,
    /// What kind of thing it is.
    pub shape: Shape,
    /// Its present state.
    pub identity: Identity,
}

impl Found {
    /// An entry of the directory `within` a run's; `None` if it does not belong to a run.
    fn new(directory: &Path, within: &str, entry: Entry) -> Option<Self> {
        let Entry { name, mut shape, identity } = entry;
        let name = format!("{within}{name}");
        let meaning = classify(&name);
        if let Some(kind) = leads_back(directory, &name, &meaning) {
            shape = Shape::Other(kind);
        }
        // A file is not a rank.
        let is_rank = matches!(meaning, EntryName::Rank(_) | EntryName::MisnamedRank);
        (!is_rank || shape != Shape::File).then_some(Self { name, meaning, shape, identity })
    }

    /// Whether it is the directory of a rank, and not a link to one.
    pub fn is_rank_directory(&self) -> bool {
        matches!(self.meaning, EntryName::Rank(_)) && self.shape == Shape::Directory
    }

    /// Why a batch or a rank is never read as it is, whatever it contains: a link, a pipe, a wrong suffix, a directory
    /// that cannot be listed. The ledger, the run and the doctor all ask here.
    pub fn refusal(&self) -> Option<SnapshotError> {
        let (what, advice) = match (&self.meaning, self.shape) {
            (EntryName::Rank(_), Shape::Other(kind @ (OtherKind::LinkToCounted | OtherKind::LinkAround))) => {
                (format!("it is {kind}, and is not followed"), "remove it".to_owned())
            }
            (EntryName::Rank(_), Shape::Other(kind)) => (
                format!("it is {kind}, and what is in it is not counted"),
                "put the directory of the rank itself in its place, where this user may read it".to_owned(),
            ),
            (EntryName::BatchFile(_) | EntryName::BatchDirectory(_), Shape::Other(kind)) => {
                (kind.refusal("batch"), kind.advice("batch"))
            }
            (EntryName::BatchFile(_), Shape::Directory) => {
                ("it is a directory, and its name says .npz".to_owned(), "drop the suffix".to_owned())
            }
            (EntryName::BatchDirectory(_), Shape::File) => {
                ("it is a file without a suffix".to_owned(), "name it .npz".to_owned())
            }
            _ => return None,
        };
        Some(SnapshotError::new(what, advice))
    }
}

/// Lists the entries of a run's directory and of the directories of its ranks. Leaves out temporary and foreign
/// entries, and those that vanish meanwhile. Of the batches, only those of the shard are listed and examined, so that
/// many processes of a cluster do not burden the file system.
///
/// # Errors
/// If the directory cannot be listed.
pub fn scan(directory: &Path, shard: Shard) -> io::Result<Vec<Found>> {
    let mut found = list(directory, "", shard)?;
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut behind_links = HashSet::new();
    for at in 0..found.len() {
        if !found[at].is_rank_directory() {
            continue;
        }
        let target = target(&directory.join(&found[at].name));
        if target.is_some_and(|target| !behind_links.insert(target)) {
            found[at].shape = Shape::Other(OtherKind::LinkToCounted);
            continue;
        }
        match scan_rank(directory, &found[at].name, shard) {
            Ok(inside) => found.extend(inside),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // The other ranks can still be scanned.
            Err(_) => found[at].shape = Shape::Other(OtherKind::ClosedDirectory),
        }
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Lists the entries in the directory of a rank.
///
/// # Errors
/// If the directory cannot be listed.
pub fn scan_rank(directory: &Path, rank: &str, shard: Shard) -> io::Result<Vec<Found>> {
    list(directory, &format!("{rank}/"), shard)
}

/// Lists the entries in the directory `within` the run's directory.
fn list(directory: &Path, within: &str, shard: Shard) -> io::Result<Vec<Found>> {
    let mut of = |name: &str| {
        let meaning = classify(&format!("{within}{name}"));
        let is_mine = meaning.batch().is_none_or(|batch| shard.has(batch.number));
        if is_mine { interest(&meaning) } else { Interest::None }
    };
    let inside = directory.join(within);
    let entries = storage::for_path(directory).entries(&inside, &mut of)?;
    Ok(entries.into_iter().filter_map(|entry| Found::new(directory, within, entry)).collect())
}

/// Whether a directory is a run: it holds a manifest, an end or a batch, or ranks that do.
pub fn is_run(directory: &Path) -> bool {
    any_name(directory, |meaning| meaning.batch().is_some() || meaning.is_document())
}

/// Whether a run holds any batch, its own or a rank's, in whatever shard.
pub fn holds_any_batch(run: &Path) -> bool {
    any_name(run, |meaning| meaning.batch().is_some())
}

/// Whether there is a name with such a meaning in a run's directory, or in that of a rank.
fn any_name(run: &Path, wanted: impl Fn(EntryName) -> bool) -> bool {
    let storage = storage::for_path(run);
    let holds = |directory: &Path| storage.any(directory, &mut |name| wanted(classify(name)));
    let is_rank = |name: &OsString| matches!(classify(&name.to_string_lossy()), EntryName::Rank(_));
    let directories = || storage.directories(run).into_iter().map(|(name, _)| name);
    holds(run) || directories().any(|name| is_rank(&name) && holds(&run.join(name)))
}

/// Examines one entry; `None` if it is gone, does not belong to a run, or cannot be examined now. If the directory of
/// a rank has become a link, its entries are gone.
pub fn look(directory: &Path, name: &str) -> Option<Found> {
    let meaning = classify(name);
    let interest = interest(&meaning);
    if interest == Interest::None || name.split_once('/').is_some_and(|(rank, _)| is_link(directory, rank)) {
        return None;
    }
    let mut found =
        Found::new(directory, "", storage::for_path(directory).entry(directory, name, interest)?)?;
    if found.is_rank_directory() && is_second_link(directory, name) {
        found.shape = Shape::Other(OtherKind::LinkToCounted);
    }
    Some(found)
}

/// Whether the directory of a rank is a link that is not followed. Object stores have no links.
fn is_link(directory: &Path, rank: &str) -> bool {
    !storage::is_url(directory)
        && (!storage::metadata(&directory.join(rank)).is_ok_and(|stat| stat.kind == FileKind::Directory)
            || leads_back(directory, rank, &classify(rank)).is_some()
            || is_second_link(directory, rank))
}

/// What a link leads to, if links are followed and this is one.
fn target(path: &Path) -> Option<PathBuf> {
    let is_followed = Links::now() == Links::Followed && path.is_symlink();
    is_followed.then(|| path.canonicalize().ok()).flatten()
}

/// Whether a batch or a rank is a link to something that is counted under its own name, or around the run.
fn leads_back(directory: &Path, name: &str, meaning: &EntryName) -> Option<OtherKind> {
    let is_rank = matches!(meaning, EntryName::Rank(_));
    if !is_rank && meaning.batch().is_none() {
        return None;
    }
    let path = directory.join(name);
    let target = target(&path)?;
    let run = directory.canonicalize().ok()?;
    if run.starts_with(&target) {
        return Some(OtherKind::LinkAround);
    }
    let counts = |place: &Path| {
        let inside = target.strip_prefix(place).ok().and_then(Path::to_str).unwrap_or_default();
        let inside = classify(&inside.replace(MAIN_SEPARATOR_STR, "/"));
        if is_rank { matches!(inside, EntryName::Rank(_)) } else { inside.batch().is_some() }
    };
    // The directory of a rank may be a link itself.
    let around = path.parent().and_then(|around| around.canonicalize().ok());
    (counts(&run) || around.is_some_and(|around| counts(&around))).then_some(OtherKind::LinkToCounted)
}

/// Whether a rank is a link to where the link of a rank before it leads, too.
fn is_second_link(directory: &Path, name: &str) -> bool {
    let Some(of_this) = target(&directory.join(name)) else { return false };
    let others = storage::for_path(directory).directories(directory).into_iter();
    let mut before = others.filter(|(other, _)| {
        other.to_str().is_some_and(|other| other < name && matches!(classify(other), EntryName::Rank(_)))
    });
    before.any(|(other, _)| target(&directory.join(other)).as_ref() == Some(&of_this))
}

/// How much to find out about an entry. The contents of a rank's directory are entries of their own.
fn interest(meaning: &EntryName) -> Interest {
    match meaning {
        EntryName::Temporary | EntryName::Foreign => Interest::None,
        EntryName::Rank(_) | EntryName::MisnamedRank => Interest::Itself,
        _ => Interest::WithFiles,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

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
        assert_eq!(found[0].shape, Shape::Other(OtherKind::Link));
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
        assert_eq!(link.shape, Shape::Other(OtherKind::Link));
        let before = look(directory.path(), "batch-1.npz").expect("it is there").identity;
        std::thread::sleep(Duration::from_millis(20));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("permissions");
        let after = look(directory.path(), "batch-1.npz").expect("it is there").identity;
        assert!(before.same_contents(&after) && before != after);
    }

    /// Since 6.13, Linux gives a file a finer time stamp if it was examined before it is written.
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
