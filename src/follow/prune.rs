//! Deletes batches that are counted, and nothing else.

use super::scan::look;
use crate::snapshot::{BatchName, EntryName, classify};
use crate::storage::{Identity, Shape};
use std::fs;
use std::io;
use std::path::Path;

/// What the name of a batch that is being deleted ends in; it begins with a dot, so that nobody reads it.
const SUFFIX: &str = ".counted";

/// Deletes a batch of a run's directory if it is still in the state in which it was counted; returns whether
/// it did. It is moved aside first and looked at again, so that a batch that is written in its place at this
/// moment is never deleted. Neither a symbolic link nor what it leads to is touched.
///
/// # Errors
/// Where it cannot be moved or deleted.
pub fn prune(directory: &Path, name: &str, counted: &Identity) -> io::Result<bool> {
    let Some(found) = look(directory, name).filter(|found| found.identity.same_contents(counted)) else {
        return Ok(false);
    };
    if !matches!(found.shape, Shape::File | Shape::Directory) || is_behind_link(directory, name) {
        return Ok(false);
    }
    let (within, own) = name.rsplit_once('/').map_or(("", name), |(rank, own)| (rank, own));
    let (path, aside) = (directory.join(name), directory.join(within).join(format!(".{own}{SUFFIX}")));
    fs::rename(&path, &aside)?;
    if !Identity::at(&aside)?.same_contents(counted) {
        // Whoever wrote it wants it read. What has taken its place meanwhile is newer still.
        if path.symlink_metadata().is_err() {
            fs::rename(&aside, &path)?;
            return Ok(false);
        }
    }
    delete(&aside)?;
    Ok(true)
}

/// Whether a batch is a link, or in the directory of a rank that is one: followed or not, what is there is not
/// the run's own.
fn is_behind_link(directory: &Path, name: &str) -> bool {
    let rank = name.split_once('/').map(|(rank, _)| rank);
    rank.into_iter().chain([name]).any(|part| directory.join(part).is_symlink())
}

fn delete(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Deletes what an earlier process was about to delete when it ended.
pub fn prune_leftovers(directory: &Path) {
    let Ok(entries) = directory.read_dir() else { return };
    for entry in entries.filter_map(Result::ok) {
        let is_rank = matches!(classify(&entry.file_name().to_string_lossy()), EntryName::Rank(_));
        if is_rank && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            delete_leftovers(&entry.path());
        }
    }
    delete_leftovers(directory);
}

fn delete_leftovers(directory: &Path) {
    let Ok(entries) = directory.read_dir() else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix('.')?.strip_suffix(SUFFIX)) else {
            continue;
        };
        if BatchName::parse(name).is_some() {
            // It is tried again the next time.
            let _ = delete(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let counted = |name: &str| look(path, name).expect("it is there").identity;
        let (first, second, third) = (counted("batch-1.npz"), counted("batch-2.npz"), counted("batch-3"));
        fs::write(path.join("batch-2.npz"), "written again").expect("a file");
        assert!(prune(path, "batch-1.npz", &first).expect("pruned"));
        assert!(!prune(path, "batch-2.npz", &second).expect("looked at"));
        assert!(prune(path, "batch-3", &third).expect("pruned"));
        assert!(!prune(path, "batch-1.npz", &first).expect("looked at"), "it is gone already");
        assert_eq!(names(path), ["batch-2.npz", "notes.txt"]);
    }

    #[cfg(unix)]
    #[test]
    fn neither_links_nor_what_they_lead_to_are_touched() {
        let (directory, elsewhere) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let target = elsewhere.path().join("batch-1.npz");
        fs::write(&target, "precious").expect("a file");
        std::os::unix::fs::symlink(&target, directory.path().join("batch-1.npz")).expect("a link");
        let identity = look(elsewhere.path(), "batch-1.npz").expect("it is there").identity;
        assert!(!prune(directory.path(), "batch-1.npz", &identity).expect("looked at"));
        let own = look(directory.path(), "batch-1.npz").expect("the link is there").identity;
        assert!(!prune(directory.path(), "batch-1.npz", &own).expect("looked at"));
        assert!(target.is_file() && names(directory.path()) == ["batch-1.npz"]);
    }

    #[test]
    fn batches_of_ranks_are_deleted_where_they_are() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        fs::create_dir(path.join("rank-3")).expect("a directory");
        let batches = ["rank-3/batch-1.npz", "rank-3.batch-2.npz", "batch-1.npz"];
        for name in batches {
            fs::write(path.join(name), name).expect("a file");
        }
        for name in &batches[..2] {
            let counted = look(path, name).expect("it is there").identity;
            assert!(prune(path, name, &counted).expect("pruned"), "{name}");
        }
        assert_eq!(
            (names(path), names(&path.join("rank-3")).len()),
            (vec!["batch-1.npz".into(), "rank-3".into()], 0)
        );
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
        let counted = look(path, "rank-3/batch-1.npz").expect("it is there").identity;
        fs::rename(path.join("rank-3"), &moved).expect("moved");
        std::os::unix::fs::symlink(&moved, path.join("rank-3")).expect("a link");
        assert!(!prune(path, "rank-3/batch-1.npz", &counted).expect("looked at"));
        prune_leftovers(path);
        assert_eq!(names(&moved), [".batch-2.npz.counted", "batch-1.npz"]);
    }

    #[test]
    fn what_an_earlier_process_began_is_finished() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("rank-1")).expect("a directory");
        let leftovers =
            [".batch-7.npz.counted", ".rank-1.batch-7.npz.counted", "rank-1/.batch-7.npz.counted"];
        for name in leftovers.into_iter().chain([
            ".batch-8.npz",
            ".notes.counted",
            "batch-9.npz",
            "rank-1/.notes.counted",
        ]) {
            fs::write(directory.path().join(name), "x").expect("a file");
        }
        prune_leftovers(directory.path());
        assert_eq!(names(directory.path()), [".batch-8.npz", ".notes.counted", "batch-9.npz", "rank-1"]);
        assert_eq!(names(&directory.path().join("rank-1")), [".notes.counted"]);
    }
}
