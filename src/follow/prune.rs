//! Deletes batches that were counted, and nothing else. This is the only file that deletes anything in a run.
//!
//! # Why deleting a file takes a page
//!
//! `remove_file(path)` deletes whatever has that name now. Between counting a batch and deleting it, seconds pass, and in
//! that time
//!
//! - its writer may have put another version in its place, which nobody has counted;
//! - somebody may have replaced the batch, or the directory of its rank, by a symbolic link to something precious;
//! - this process may be killed, between any two system calls.
//!
//! Looking at the file first and deleting it then does not help: it can be replaced between the two calls. And data that
//! were deleted unread are lost for good, while data that were left behind only take room. Thus the rules are:
//!
//! 1. *Never use a path twice.* The directory is opened once, without following a link in place of a rank, and everything
//!    else happens relative to that descriptor. What is put in the place of the directory meanwhile is not touched.
//! 2. *Move first, then look, then delete.* The batch is renamed to a hidden name that no writer uses, over nothing that
//!    exists. From then on nobody writes under that name, so that what is looked at is what is deleted. If it has the
//!    contents that were counted, it is deleted. If not, it is moved back, unless something newer is in its place by then;
//!    only in that case is it deleted uncounted, since its writer has replaced it.
//! 3. *Leave a trace that another process can finish.* A process that dies after the rename leaves `.NAME.counted`, and
//!    one that dies while it empties a directory leaves `.NAME.deleted`. [`prune_leftovers`] continues from either: the
//!    names alone say how far it had come.
//! 4. *When in doubt, leave it.* A directory batch that holds anything but arrays, a state that differs in inode, size or
//!    time, a name that is no batch: all stay.
//!
//! The caller deletes nothing before the progress that contains the count is on disk, so that a crash never leaves a
//! batch in neither place.

use crate::platform::{
    FileKind, OpenDirectory, names_in, open_directory, open_directory_in, remove_directory_in,
    remove_file_in, rename_in, stat_in,
};
use crate::snapshot::{BatchName, EntryName, classify};
use crate::storage::Identity;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

/// The suffix of a batch that was moved aside to be examined again. Its name also begins with a dot, so that nobody
/// reads it.
const ASIDE: &str = ".counted";

/// The suffix of a directory that was examined, and whose files are being deleted.
const DOOMED: &str = ".deleted";

/// The result of deleting a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pruned {
    Deleted,
    /// It was left alone: it is gone, or not in the state in which it was counted.
    Changed,
    /// It was left alone: it is a directory that also holds something else, named here.
    HoldsMore(String),
}

/// Deletes a batch of a run's directory if it is still in the state in which it was counted. Of a directory batch,
/// only the arrays are deleted, and only if it holds nothing else.
///
/// # Errors
/// If it cannot be moved or deleted.
pub fn prune(directory: &Path, name: &str, counted: &Identity) -> io::Result<Pruned> {
    let (rank, own) = match name.split_once('/') {
        Some((rank, own)) => (Some(rank), own),
        None => (None, name),
    };
    let Some(place) = open_place(directory, rank)? else { return Ok(Pruned::Changed) };
    let Some(entry) = OpenedEntry::at(&place, own)? else { return Ok(Pruned::Changed) };
    if let Some(more) = entry.more {
        return Ok(Pruned::HoldsMore(more));
    }
    if entry.identity != *counted {
        return Ok(Pruned::Changed);
    }
    // Renaming changes the time of change, so that from here on only contents are compared.
    let aside = format!(".{own}{ASIDE}");
    rename_in(&place, own, &aside)?;
    if delete_if_counted(&place, own, &aside, |now| now.same_contents(counted))? {
        Ok(Pruned::Deleted)
    } else {
        Ok(Pruned::Changed)
    }
}

/// Finishes what an earlier process was about to delete when it ended. What is still as it was counted is deleted,
/// the rest is moved back. `is_counted` says whether a batch was counted in this state.
pub fn prune_leftovers(directory: &Path, is_counted: impl Fn(BatchName, &Identity) -> bool) {
    // What cannot be opened or deleted now will be tried again next time.
    let Ok(Some(place)) = open_place(directory, None) else { return };
    let Ok(names) = names_in(&place) else { return };
    leftovers(&place, "", &names, &is_counted);
    for name in names.iter().filter_map(|name| name.to_str()) {
        if let (EntryName::Rank(_), Ok(Some(inside))) = (classify(name), open_place(directory, Some(name)))
            && let Ok(names) = names_in(&inside)
        {
            leftovers(&inside, &format!("{name}/"), &names, &is_counted);
        }
    }
}

fn leftovers(
    place: &OpenDirectory,
    within: &str,
    names: &[OsString],
    is_counted: &impl Fn(BatchName, &Identity) -> bool,
) {
    for name in names.iter().filter_map(|name| name.to_str()) {
        let of = |suffix| {
            let own = name.strip_prefix('.')?.strip_suffix(suffix)?;
            Some((own, BatchName::parse(&format!("{within}{own}"))?))
        };
        if let Some((own, batch)) = of(ASIDE) {
            let _ = delete_if_counted(place, own, name, |now| is_counted(batch, now));
        } else if of(DOOMED).is_some() {
            let _ = delete_directory(place, name);
        }
    }
}

/// Deletes what was moved aside if it is as it was counted, and otherwise moves it back. Returns whether it was
/// deleted.
fn delete_if_counted(
    place: &OpenDirectory,
    own: &str,
    aside: &str,
    is_counted: impl Fn(&Identity) -> bool,
) -> io::Result<bool> {
    let Some(entry) = OpenedEntry::at(place, aside)? else { return Ok(false) };
    let as_counted = is_counted(&entry.identity) && entry.more.is_none();
    if !as_counted && OpenedEntry::is_free(place, own)? {
        // Its writer wants it to be read.
        rename_in(place, aside, own)?;
        return Ok(false);
    }
    // If it is not as it was counted, something newer is in its place.
    if entry.is_directory {
        let doomed = format!(".{own}{DOOMED}");
        rename_in(place, aside, &doomed)?;
        delete_directory(place, &doomed)?;
    } else {
        remove_file_in(place, aside.as_ref())?;
    }
    Ok(as_counted)
}

/// Deletes the arrays in a directory, then the directory if it is empty.
fn delete_directory(place: &OpenDirectory, name: &str) -> io::Result<()> {
    let Some(directory) = open_directory_in(place, name)? else { return Ok(()) };
    for file in names_in(&directory)?.iter().filter(|file| is_array(file)) {
        remove_file_in(&directory, file)?;
    }
    // Some systems remove no directory that is open.
    drop(directory);
    remove_directory_in(place, name)
}

/// Opens the directory of a run or of one of its ranks; `None` if the rank has no directory.
fn open_place(directory: &Path, rank: Option<&str>) -> io::Result<Option<OpenDirectory>> {
    // The user may name the run by a link.
    let run = open_directory(directory)?;
    match rank {
        Some(rank) => open_directory_in(&run, rank),
        None => Ok(Some(run)),
    }
}

/// A batch in an opened directory.
struct OpenedEntry {
    identity: Identity,
    is_directory: bool,
    /// The name of something in its directory that is not an array.
    more: Option<String>,
}

impl OpenedEntry {
    /// `None` if there is neither a file nor a directory of this name.
    fn at(place: &OpenDirectory, name: &str) -> io::Result<Option<Self>> {
        let Some(stat) = stat_in(place, name.as_ref())? else { return Ok(None) };
        let identity = Identity::from_stat(&stat);
        match stat.kind {
            FileKind::File => Ok(Some(Self { identity, is_directory: false, more: None })),
            FileKind::Directory => Self::of_directory(place, name, identity),
            FileKind::Link | FileKind::Other => Ok(None),
        }
    }

    fn of_directory(place: &OpenDirectory, name: &str, identity: Identity) -> io::Result<Option<Self>> {
        let Some(directory) = open_directory_in(place, name)? else { return Ok(None) };
        let (mut files, mut more) = (Vec::new(), None);
        for file in names_in(&directory)? {
            let Some(stat) = stat_in(&directory, &file)? else { continue };
            if more.is_none() && !(stat.kind == FileKind::File && is_array(&file)) {
                more = Some(file.to_string_lossy().into_owned());
            }
            files.push((file, Identity::from_stat(&stat)));
        }
        Ok(Some(Self { identity: identity.with_files(files), is_directory: true, more }))
    }

    fn is_free(place: &OpenDirectory, name: &str) -> io::Result<bool> {
        Ok(stat_in(place, name.as_ref())?.is_none())
    }
}

/// Whether a file of a directory batch is an array.
fn is_array(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.ends_with(b".npy") && !name.starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::super::scan::look;
    use super::*;
    use crate::platform::stat;
    use std::fs;

    /// The state of a batch of a directory, and what came of deleting it in a state.
    fn state(directory: &Path, name: &str) -> Identity {
        look(directory, name).expect("it is there").identity
    }

    fn pruned(directory: &Path, name: &str, counted: &Identity) -> Pruned {
        prune(directory, name, counted).expect("it can be looked at")
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = directory.read_dir().expect("listed");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn only_what_was_counted_is_deleted() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        for name in ["batch-1.npz", "batch-2.npz", "notes.txt"] {
            fs::write(path.join(name), name).expect("a file");
        }
        fs::create_dir(path.join("batch-3")).expect("a directory");
        fs::write(path.join("batch-3/a.post.npy"), "x").expect("a file");
        let [first, second, third] = ["batch-1.npz", "batch-2.npz", "batch-3"].map(|name| state(path, name));
        fs::write(path.join("batch-2.npz"), "written again").expect("a file");
        assert_eq!(pruned(path, "batch-1.npz", &first), Pruned::Deleted);
        assert_eq!(pruned(path, "batch-2.npz", &second), Pruned::Changed);
        assert_eq!(pruned(path, "batch-3", &third), Pruned::Deleted);
        assert_eq!(pruned(path, "batch-1.npz", &first), Pruned::Changed, "it is gone already");
        assert_eq!(names(path), ["batch-2.npz", "notes.txt"]);
    }

    #[test]
    fn a_directory_that_holds_more_than_arrays_is_left_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        for (batch, more) in [("batch-1", "notes.txt"), ("batch-2", ".a.post.npy"), ("batch-3", "deep")] {
            fs::create_dir(path.join(batch)).expect("a directory");
            fs::write(path.join(batch).join("a.post.npy"), "x").expect("a file");
            if more == "deep" {
                fs::create_dir(path.join(batch).join(more)).expect("a directory");
            } else {
                fs::write(path.join(batch).join(more), "mine").expect("a file");
            }
            let counted = state(path, batch);
            assert_eq!(pruned(path, batch, &counted), Pruned::HoldsMore(more.into()));
            assert_eq!(names(&path.join(batch)).len(), 2);
        }
    }

    #[cfg(unix)]
    #[test]
    fn neither_links_nor_what_they_lead_to_are_touched() {
        let (directory, elsewhere) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let target = elsewhere.path().join("batch-1.npz");
        fs::write(&target, "precious").expect("a file");
        std::os::unix::fs::symlink(&target, directory.path().join("batch-1.npz")).expect("a link");
        for place in [elsewhere.path(), directory.path()] {
            let counted = state(place, "batch-1.npz");
            assert_eq!(pruned(directory.path(), "batch-1.npz", &counted), Pruned::Changed);
        }
        assert!(target.is_file() && names(directory.path()) == ["batch-1.npz"]);
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_deleted_through_a_link_in_the_place_of_a_rank() {
        let (directory, elsewhere) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let (path, moved) = (directory.path(), elsewhere.path().join("moved"));
        fs::create_dir(path.join("rank-3")).expect("a directory");
        for name in ["batch-1.npz", ".batch-2.npz.counted"] {
            fs::write(path.join("rank-3").join(name), "precious").expect("a file");
        }
        let [counted, other] = ["batch-1.npz", ".batch-2.npz.counted"].map(|name| {
            Identity::from_stat(&stat(&path.join("rank-3").join(name), false).expect("it is there"))
        });
        fs::rename(path.join("rank-3"), &moved).expect("moved");
        std::os::unix::fs::symlink(&moved, path.join("rank-3")).expect("a link");
        assert_eq!(pruned(path, "rank-3/batch-1.npz", &counted), Pruned::Changed);
        prune_leftovers(path, |_, now| now.same_contents(&other));
        assert_eq!(names(&moved), [".batch-2.npz.counted", "batch-1.npz"]);
    }

    #[test]
    fn what_an_earlier_process_began_is_finished_or_put_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        fs::create_dir_all(path.join("rank-1")).expect("a directory");
        for doomed in [".batch-5.counted", ".batch-6.deleted"] {
            fs::create_dir_all(path.join(doomed)).expect("a directory");
            fs::write(path.join(doomed).join("a.post.npy"), "x").expect("a file");
        }
        let counted = [".batch-7.npz.counted", ".rank-1.batch-7.npz.counted", "rank-1/.batch-7.npz.counted"];
        let uncounted = [".batch-8.npz.counted", ".batch-9.npz.counted"];
        let others = [".batch-8.npz", ".notes.counted", "batch-9.npz", "rank-1/.notes.counted"];
        for name in counted.into_iter().chain(uncounted).chain(others) {
            fs::write(path.join(name), name).expect("a file");
        }
        let stat = |name: &str| Identity::from_stat(&stat(&path.join(name), false).expect("it is there"));
        let batches = ["batch-7.npz", "rank-1.batch-7.npz", "rank-1/batch-7.npz"].into_iter();
        let mut states: Vec<(&str, Identity)> =
            batches.zip(counted).map(|(batch, name)| (batch, stat(name))).collect();
        // One that was written again, and the directory, which has a state with its files.
        states.push(("batch-8.npz", stat(".notes.counted")));
        fs::rename(path.join(".batch-5.counted"), path.join("batch-5")).expect("renamed");
        states.push(("batch-5", state(path, "batch-5")));
        fs::rename(path.join("batch-5"), path.join(".batch-5.counted")).expect("renamed");
        prune_leftovers(path, |batch, now| {
            states.iter().any(|(name, state)| *name == batch.to_string() && now.same_contents(state))
        });
        // The one whose place is taken is older than what is there.
        assert_eq!(names(path), [".batch-8.npz", ".notes.counted", "batch-8.npz", "batch-9.npz", "rank-1"]);
        assert_eq!(fs::read(path.join("batch-9.npz")).expect("read"), b"batch-9.npz");
        assert_eq!(names(&path.join("rank-1")), [".notes.counted"]);
    }
}
