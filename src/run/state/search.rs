//! Looks for the progress of a run that was kept under another name: its directory was moved, it is reached by another
//! path, or another run was in its place for a while.

use super::aside::{Reason, put_aside_before, reason_of};
use super::file::{default_directory, read_head};
use super::lock::{Lock, path_beside};
use super::{KnownManifest, Progress, SameRun, StatePlace, read};
use crate::follow::look;
use crate::snapshot::{Manifest, check_document, read_document};
use crate::storage::{canonical, is_url};
use std::fs;
use std::path::{Path, PathBuf};

/// A run whose progress is looked for, and the file that keeps it from now on.
pub(super) struct Sought<'a> {
    pub(super) place: &'a StatePlace,
    pub(super) directory: &'a Path,
    pub(super) manifest: Option<&'a KnownManifest>,
    pub(super) file: &'a Path,
}

/// A run's manifest as it is now; `None` if it cannot be read.
pub(super) fn manifest_in(directory: &Path) -> Option<KnownManifest> {
    // Nothing is deleted in an object store.
    if is_url(directory) {
        return None;
    }
    let found = look(directory, "manifest.json")?;
    check_document(found.shape).ok()?;
    let bytes = read_document(&directory.join(found.name)).ok()?;
    Some(KnownManifest::from_manifest(&Manifest::parse(&bytes).ok()?, Some(found.identity)))
}

impl Sought<'_> {
    /// The progress of the run and its file. Of several, it is the one with the most batches.
    pub(super) fn find(&self) -> Option<(Progress, PathBuf)> {
        let paths = self.candidates().into_iter().filter(|path| self.fits(path));
        let progress = paths.filter_map(|path| Some((read(&path).ok()??, path)));
        progress.max_by_key(|(progress, _)| progress.counted.len())
    }

    /// Finds the progress and has `take` keep it elsewhere. If `take` returns that it is safe there, its file is
    /// deleted. Nobody else may write the file meanwhile. What was put aside beside the file of another run stays,
    /// since that file names it.
    pub(super) fn take(&self, take: impl FnOnce(&Progress) -> bool) -> Option<Progress> {
        let (progress, path) = self.find()?;
        if reason_of(&path).is_some() {
            if take(&progress) && put_aside_before(self.file).iter().any(|(aside, _)| *aside == path) {
                delete(&path);
            }
            return Some(progress);
        }
        let _lock = Lock::take(&path).ok()??;
        // It may have been written until it was locked.
        let progress = read(&path).ok()??;
        if take(&progress) {
            delete(&path);
            let _ = fs::remove_file(path_beside(&path));
        }
        Some(progress)
    }

    /// Files that may hold it: those put aside beside its own and, if the user names no file, all others.
    fn candidates(&self) -> Vec<PathBuf> {
        let is_void = |(path, reason)| (reason == Reason::Void).then_some(path);
        let mut paths: Vec<PathBuf> = put_aside_before(self.file).into_iter().filter_map(is_void).collect();
        let directory = default_directory().filter(|_| *self.place == StatePlace::Default);
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

    /// Whether a file holds progress of this run. The progress of a directory that still exists is not taken away from
    /// it: this one may be a copy.
    fn fits(&self, path: &Path) -> bool {
        let Some((directory, manifest)) = head(path) else { return false };
        let leads_here = || canonical(&directory) == self.directory;
        match (&manifest, self.manifest) {
            (Some(before), Some(now)) if before.same_run(now) != SameRun::Unknown => {
                reason_of(path).is_some() || is_gone(&directory) || leads_here()
            }
            // As far as anybody knows, what was put aside is of another run.
            (None, None) => reason_of(path).is_none() && leads_here(),
            _ => false,
        }
    }

    /// A file with progress that may be of this run or of what it is a copy of, and whose batches were deleted. Nothing
    /// is certain, so that this is asked only if nothing was found.
    pub(super) fn find_similar(&self) -> Option<PathBuf> {
        let now = self.manifest?;
        let is_similar = |path: &PathBuf| {
            head(path).is_some_and(|(directory, before)| match before {
                Some(before) if before.same_run(now) == SameRun::ById => true,
                Some(before) => before.resembles(now) && is_gone(&directory),
                None => false,
            })
        };
        let mut similar = self.candidates().into_iter().filter(is_similar);
        similar.find(|path| matches!(read(path), Ok(Some(progress)) if progress.may_have_deleted))
    }
}

/// The run's directory and manifest in a file of progress; `None` for a run in an object store.
fn head(path: &Path) -> Option<(PathBuf, Option<KnownManifest>)> {
    let (directory, manifest) = read_head(path)?;
    let directory = PathBuf::from(String::from_utf8(directory).ok()?);
    (!is_url(&directory)).then_some((directory, manifest))
}

fn is_gone(directory: &Path) -> bool {
    directory.try_exists().is_ok_and(|exists| !exists)
}

fn delete(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(file = ?path, why = error.to_string(), "progress that was taken over cannot be deleted");
    }
}
