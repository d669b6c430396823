//! Finds, locks and reads what an earlier process has kept of a run, and finds out what of it is lost.

use super::aside::{Reason, put_aside, put_aside_before};
use super::file::{is_unused, read_head};
use super::search::{Sought, manifest_in};
use super::{KnownManifest, Lock, Progress, SameRun, StatePlace, Unreadable, path_bytes, read, write};
use crate::follow::{Found, Ledger};
use crate::snapshot::BatchName;
use crate::storage::{Root, canonical, root};
use crate::text::{shown, thousands};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Counts that the figures lack, or may lack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// They are lost, for this reason.
    Certain(String),
    /// They may be lost, for this reason, unless all batches of the run are counted.
    Possible(String),
}

/// What is known of a run from an earlier process.
#[derive(Debug, Default)]
pub struct Known {
    /// The run's directory, without links.
    pub directory: PathBuf,
    /// The state file, if there is one to write.
    pub file: Option<PathBuf>,
    /// The right to write it, if it can be had.
    pub lock: Option<Lock>,
    /// Whether another process has that right.
    pub is_kept_elsewhere: bool,
    pub progress: Option<Progress>,
    /// Whether the progress was counted in a directory of another name, which may be of another run.
    pub is_from_elsewhere: bool,
    /// Why the file must not be touched, if it must not.
    pub refused: Option<String>,
    /// What was lost before.
    pub losses: Vec<Loss>,
    /// Sentences for the user.
    pub remarks: Vec<String>,
}

/// Said where the system names no directory.
const NO_PLACE: &str = "the system names no directory for state, so that no progress is kept and nothing deleted; name a \
                        file with --state";

/// What an earlier process has kept of a run, with the right to write it. `within` is the directory of runs that it was
/// found in. `held` is a state file whose lock this process has already. `is_another` says that the directory has
/// certainly replaced another one.
pub fn known(
    place: &StatePlace,
    run: &Path,
    within: Option<&Path>,
    held: Option<(PathBuf, Lock)>,
    is_another: bool,
) -> Known {
    let directory = canonical(run);
    let mut known = Known { directory: directory.clone(), ..Known::default() };
    let Some(file) = place.file_for(&directory, within) else {
        if *place != StatePlace::Nowhere {
            known.remarks.push(NO_PLACE.into());
        }
        return known;
    };
    known.file = Some(file.clone());
    // Nothing is put beside a file of another program.
    if let Err(Unreadable::NotAStateFile(why)) = read(&file) {
        return known.refuse(&why);
    }
    let is_unused = is_unused(&file);
    let taken = match held {
        Some((held, lock)) if held == file => Ok(Some(lock)),
        // The progress in another file may be of this run. It can be taken over only if that file is not locked.
        other => {
            drop(other);
            Lock::take(&file)
        }
    };
    match taken {
        Ok(lock) => {
            known.is_kept_elsewhere = lock.is_none();
            known.lock = lock;
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return known.refuse(&error.to_string()),
        // Without a lock no progress can be written, which is reported when it is to be.
        Err(_) => {}
    }
    match if is_unused { Ok(None) } else { read(&file) } {
        Ok(progress) => known.progress = progress,
        Err(why) => known.give_up(&file, &why),
    }
    known.look_elsewhere(place, &file, is_another);
    known.forget_what_is_not_lost_any_more();
    known.note_what_was_put_aside(&file);
    known
}

/// The progress that is kept of a run. `within` is the directory of runs that it was found in.
///
/// # Errors
/// Where the state file cannot be read.
pub fn kept(place: &StatePlace, run: &Path, within: Option<&Path>) -> Result<Option<Progress>, Unreadable> {
    let directory = canonical(run);
    let Some(file) = place.file_for(&directory, within) else { return Ok(None) };
    let progress = read(&file)?.filter(|progress| progress.directory == path_bytes(&directory));
    let manifest = manifest_in(&directory);
    if progress.as_ref().is_some_and(|progress| is_kin(progress, manifest.as_ref())) {
        return Ok(progress);
    }
    let sought = Sought { place, directory: &directory, manifest: manifest.as_ref(), file: &file };
    Ok(sought.find().map(|(progress, _)| progress).or(progress))
}

/// Whether progress that is kept for a directory is that of another run, which was in a directory of the same name: the
/// directory is another one, no manifest says that the run is the same, and none of the counted batches is there. As long
/// as there is no batch, nothing tells.
pub fn is_of_another_run(progress: &Progress, directory: &Path, found: &[Found]) -> bool {
    let now = root(directory).ok().flatten();
    let roots = progress.root.as_ref().zip(now.as_ref());
    if !roots.is_some_and(|(before, now)| is_another_directory(before, now))
        || is_kin(progress, manifest_in(directory).as_ref())
    {
        return false;
    }
    let ledger = Ledger::restore(Duration::ZERO, &progress.counted, Instant::now());
    let mut batches =
        found.iter().filter_map(|found| Some((BatchName::parse(&found.name)?, found))).peekable();
    batches.peek().is_some()
        && batches.all(|(name, found)| ledger.as_counted(name, &found.identity).is_none())
}

/// Whether the manifest says that progress is of this run.
fn is_kin(progress: &Progress, manifest: Option<&KnownManifest>) -> bool {
    let manifests = progress.manifest.as_ref().zip(manifest);
    manifests.is_some_and(|(before, now)| before.same_run(now) != SameRun::Unknown)
}

/// Whether two directories of the same name differ. The time at which they were made decides, if it is known. The inode
/// is a weaker sign: it may change when a file system is mounted again, and a new directory may get that of a deleted
/// one.
pub fn is_another_directory((inode, made): &Root, (inode_now, made_now): &Root) -> bool {
    // Some file systems give the same time for all.
    let is_known = |made: &SystemTime| *made > SystemTime::UNIX_EPOCH;
    match (made.filter(is_known), made_now.filter(is_known)) {
        (Some(made), Some(made_now)) => made != made_now,
        _ => inode != inode_now,
    }
}

impl Known {
    fn refuse(mut self, why: &str) -> Self {
        let file = self.file.as_deref().map_or(String::new(), shown);
        self.refused = Some(format!("{file}: {why}, and is not overwritten; name another file with --state"));
        self
    }

    /// Keeps an unusable state file from being overwritten.
    fn give_up(&mut self, file: &Path, why: &Unreadable) {
        let name = shown(file);
        let is_void = matches!(why, Unreadable::Corrupt(_));
        let lost =
            format!("{name}: {why}; batches that were counted and then deleted are not in the figures");
        if is_void && self.is_kept_elsewhere {
            self.losses.push(Loss::Possible(lost));
            return self.remarks.push(format!("{name}: {why}; everything is counted again"));
        }
        if is_void && let Ok(aside) = put_aside(file, Reason::Unusable) {
            let remark =
                format!("{name}: {why}; it is {} now, and everything is counted again", shown(&aside));
            return self.remarks.push(remark);
        }
        self.file = None;
        self.losses.push(Loss::Possible(lost));
        self.remarks.push(format!(
            "{name}: {why}; it is left as it is, no progress is kept and nothing deleted; name another file with \
             --state"
        ));
    }

    /// If nothing says that the progress in the file is of this run, looks for another file that has it.
    fn look_elsewhere(&mut self, place: &StatePlace, file: &Path, is_another: bool) {
        if self.file.is_none() || self.is_kept_elsewhere {
            return;
        }
        let manifest = manifest_in(&self.directory);
        if !self.progress.as_ref().is_some_and(|progress| is_kin(progress, manifest.as_ref())) {
            let directory = self.directory.clone();
            let sought = Sought { place, directory: &directory, manifest: manifest.as_ref(), file };
            let was_found = self.take_over(&sought);
            if is_another && !was_found && self.make_room(file) {
                self.progress = None;
            }
            if self.progress.is_none()
                && let Some(similar) = sought.find_similar()
            {
                self.losses.push(Loss::Possible(format!(
                    "progress that may be of this run, or of what it is a copy of, has batches that were counted and \
                     then deleted; they are not in these figures, but in {}",
                    similar.display()
                )));
            }
        }
        let is_here = |progress: &Progress| progress.directory == path_bytes(&self.directory);
        self.is_from_elsewhere = self.progress.as_ref().is_some_and(|progress| !is_here(progress));
    }

    /// Puts the progress of another run aside if its batches may have been deleted. Returns whether the file can be
    /// written.
    fn make_room(&self, file: &Path) -> bool {
        let may_have_deleted = self.progress.as_ref().is_some_and(|progress| progress.may_have_deleted);
        !may_have_deleted || put_aside(file, Reason::Void).is_ok()
    }

    /// Resumes from what another file has of the run, if one has, and keeps it in the run's own file from now on.
    fn take_over(&mut self, sought: &Sought<'_>) -> bool {
        let of_this_run = |found: &Progress| Progress {
            directory: path_bytes(sought.directory),
            problems: found
                .problems
                .iter()
                .filter(|problem| !is_of_another(problem, found))
                .cloned()
                .collect(),
            ..found.clone()
        };
        let taken = sought
            .take(|found| self.make_room(sought.file) && write(sought.file, &of_this_run(found)).is_ok());
        let Some(found) = taken else { return false };
        if found.directory != path_bytes(sought.directory) {
            let before = String::from_utf8_lossy(&found.directory).into_owned();
            self.remarks.push(format!("resumes from the progress of {}", shown(Path::new(&before))));
        }
        self.progress = Some(of_this_run(&found));
        true
    }

    /// Forgets losses whose files are gone: they were taken over, or deleted by somebody who does not need them.
    fn forget_what_is_not_lost_any_more(&mut self) {
        let is_gone = |aside: &str| matches!(Path::new(aside).try_exists(), Ok(false));
        if let Some(progress) = &mut self.progress {
            progress
                .problems
                .retain(|(_, reason)| !reason.rsplit_once(WHERE).is_some_and(|(_, aside)| is_gone(aside)));
        }
    }

    /// What was put aside stays lost, even if it was reported before.
    fn note_what_was_put_aside(&mut self, file: &Path) {
        let mut aside = put_aside_before(file);
        aside.retain(|(path, _)| !self.is_mentioned(path));
        self.losses.extend(aside.iter().map(|(path, reason)| loss_of(path, *reason)));
    }

    /// Whether the progress already lists a file that was put aside.
    fn is_mentioned(&self, aside: &Path) -> bool {
        let mut problems = self.progress.iter().flat_map(|progress| &progress.problems);
        let end = aside.file_name().unwrap_or_default().to_string_lossy();
        problems.any(|(_, reason)| reason.ends_with(&*end))
    }
}

/// Introduces the name of the file that was put aside, at the end of a problem.
const WHERE: &str = "their progress is in ";

/// Whether a problem is the loss of another run that this one replaced.
fn is_of_another((_, reason): &(String, String), progress: &Progress) -> bool {
    let Some((_, aside)) = reason.rsplit_once(WHERE) else { return false };
    let Some((_, Some(other))) = read_head(Path::new(aside)) else { return false };
    progress.manifest.as_ref().is_some_and(|own| other.same_run(own) == SameRun::Unknown)
}

/// What may be lost where all counted batches are there and none is as it was counted: each may have been written again, or
/// deleted because it was counted before another of its number came.
pub fn doubtful_loss(counted: Option<u64>, why: &str, aside: &Path) -> Loss {
    let counted =
        counted.map_or("batches".to_owned(), |counted| format!("{} batches", thousands(counted.into())));
    Loss::Possible(format!(
        "{counted} were counted before, and others of their numbers are there: {why}; if the first were deleted, they are \
         in no figures; their progress is in {}",
        aside.display()
    ))
}

fn loss_of(aside: &Path, reason: Reason) -> Loss {
    match (reason, read(aside)) {
        (Reason::Doubtful, progress) => {
            let counted = progress.ok().flatten().map(|progress| progress.counted.len() as u64);
            doubtful_loss(counted, "the tally was started over", aside)
        }
        (Reason::Void, Ok(Some(progress))) => Loss::Certain(format!(
            "{} batches were counted before the tally was started over, and those of them that were deleted are not in \
             the figures any more; their progress is in {}",
            thousands(progress.counted.len() as u128),
            aside.display()
        )),
        (Reason::Void, _) => Loss::Certain(format!(
            "batches that were counted before the tally was started over, and then deleted, are not in the figures any \
             more; their progress is in {}",
            aside.display()
        )),
        (Reason::Unusable, _) => Loss::Possible(format!(
            "progress that cannot be read was put aside, so that batches that were counted and then deleted may be in \
             no figures; delete it once you do not need it: {}",
            aside.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_directory_is_known_by_when_it_was_made_and_else_by_its_inode() {
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        for (before, now, is_another) in [
            ((1, at(5)), (1, at(5)), false),
            // Mounted again, and an inode that is used again.
            ((1, at(5)), (2, at(5)), false),
            ((1, at(5)), (1, at(6)), true),
            ((1, None), (2, at(5)), true),
            ((1, None), (1, at(5)), false),
            ((1, at(0)), (2, at(0)), true),
            ((1, at(0)), (1, at(0)), false),
        ] {
            assert_eq!(is_another_directory(&before, &now), is_another, "{before:?} {now:?}");
        }
    }
}
