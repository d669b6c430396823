//! What a directory holds now: its entries of a run, and the identity of each.

use crate::snapshot::{EntryName, classify};
use crate::storage::{self, Entry, Identity, Shape};
use std::io;
use std::path::Path;

/// An entry of the directory that belongs to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name in the directory.
    pub name: String,
    /// What the name stands for.
    pub meaning: EntryName,
    /// What kind of thing it is.
    pub shape: Shape,
    /// Its present state.
    pub identity: Identity,
}

/// Lists the entries of a directory that belong to a run; temporary and foreign ones are left out, and
/// so is what vanishes meanwhile.
///
/// # Errors
/// Where the directory cannot be listed.
pub fn scan(directory: &Path) -> io::Result<Vec<Found>> {
    let mut wanted = |name: &str| !matches!(classify(name), EntryName::Temporary | EntryName::Foreign);
    let entries = storage::of(directory).entries(directory, &mut wanted)?;
    let mut found: Vec<Found> = entries.into_iter().map(Found::new).collect();
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Whether a directory holds a manifest, an end or a batch, so that it is a run itself.
pub fn is_run(directory: &Path) -> bool {
    storage::of(directory).any(directory, &mut |name| {
        !matches!(classify(name), EntryName::Foreign | EntryName::Temporary | EntryName::Misnamed)
    })
}

/// Looks at one entry; `None` where it is gone, does not belong to a run, or cannot be looked at now.
pub fn look(directory: &Path, name: &str) -> Option<Found> {
    if matches!(classify(name), EntryName::Temporary | EntryName::Foreign) {
        return None;
    }
    storage::of(directory).entry(directory, name).map(Found::new)
}

impl Found {
    fn new(entry: Entry) -> Self {
        let Entry { name, shape, identity } = entry;
        Self { meaning: classify(&name), name, shape, identity }
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
        let names: Vec<String> =
            scan(directory.path()).expect("a scan").into_iter().map(|found| found.name).collect();
        assert_eq!(names, ["batch-000004", "batch-1.npz", "manifest.json", "odd.npz"]);
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
}
