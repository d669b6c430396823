//! Looks for the progress of a run that was kept under another name: its directory was moved, it is reached by another
//! path now, or another run was in its place for a while.

use super::aside::{Reason, put_aside_before, reason_of};
use super::file::{default_directory, read_head};
use super::lock::{Lock, path_beside};
use super::{Kinship, KnownManifest, Place, Progress, read};
use crate::follow::look;
use crate::snapshot::{Manifest, check_document, read_document};
use crate::storage::{canonical, is_url};
use std::fs;
use std::path::{Path, PathBuf};

/// A run whose progress is looked for, and the file in which it is kept from now on.
pub(super) struct Sought<'a> {
    pub(super) place: &'a Place,
    pub(super) directory: &'a Path,
    pub(super) manifest: Option<&'a KnownManifest>,
    pub(super) file: &'a Path,
}

/// The manifest that a run has now, read before anything is followed; `None` where it cannot be read.
pub(super) fn manifest_in(directory: &Path) -> Option<KnownManifest> {
    // Nothing is deleted in an object store.
    if is_url(directory) {
        return None;
    }
    let found = look(directory, "manifest.json")?;
    check_document(found.shape).ok()?;
    let bytes = read_document(&directory.join(found.name)).ok()?;
    Some(KnownManifest::of(&Manifest::parse(&bytes).ok()?, Some(found.identity)))
}

impl Sought<'_> {
    /// The progress of the run and the file that it is in, of several the one with the most batches.
    pub(super) fn find(&self) -> Option<(Progress, PathBuf)> {
        let paths = self.candidates().into_iter().filter(|path| self.fits(path));
        let progress = paths.filter_map(|path| Some((read(&path).ok()??, path)));
        progress.max_by_key(|(progress, _)| progress.counted.len())
    }

    /// The same to be taken over by `take`, which returns whether it is safe elsewhere; it is deleted then. Nobody
    /// else may write it meanwhile. What was put aside beside the file of another run stays, since that says where
    /// it is.
    pub(super) fn take(&self, take: impl FnOnce(&Progress) -> bool) -> Option<Progress> {
        let (progress, path) = self.find()?;
        if reason_of(&path).is_some() {
            if take(&progress) && put_aside_before(self.file).iter().any(|(aside, _)| *aside == path) {
                delete(&path);
            }
            return Some(progress);
        }
        let _lock = Lock::take(&path).ok()??;
        // It may have been written to until it was locked.
        let progress = read(&path).ok()??;
        if take(&progress) {
            delete(&path);
            let _ = fs::remove_file(path_beside(&path));
        }
        Some(progress)
    }

    /// Files that may hold it: what was put aside beside its own and, where the user names none, all others.
    fn candidates(&self) -> Vec<PathBuf> {
        let is_void = |(path, reason)| (reason == Reason::Void).then_some(path);
        let mut paths: Vec<PathBuf> = put_aside_before(self.file).into_iter().filter_map(is_void).collect();
        let directory = default_directory().filter(|_| *self.place == Place::Default);
        let others = directory.and_then(|directory| fs::read_dir(directory).ok()).into_iter().flatten();
        let others = others.filter_map(Result::ok).map(|entry| entry.path());
        let is_progress = |path: &PathBuf| {
            path.extension().is_some_and(|suffix| suffix == "state") || reason_of(path) == Some(Reason::Void)
        };
        paths.extend(others.filter(is_progress).filter(|path| path != self.file));
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// Whether a file holds progress of this run. That of a directory which is still there is not taken away from
    /// it: it may be a copy.
    fn fits(&self, path: &Path) -> bool {
        let Some((directory, manifest)) = read_head(path) else { return false };
        let Ok(directory) = String::from_utf8(directory).map(PathBuf::from) else { return false };
        let leads_here = canonical(&directory) == self.directory;
        let is_kin = match (&manifest, self.manifest) {
            (Some(before), Some(now)) => before.kinship(now) != Kinship::None,
            (None, None) => leads_here,
            _ => false,
        };
        let is_free =
            leads_here || reason_of(path).is_some() || directory.try_exists().is_ok_and(|exists| !exists);
        is_kin && is_free && !is_url(&directory)
    }
}

fn delete(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(file = ?path, why = error.to_string(), "progress that was taken over cannot be deleted");
    }
}
