//! Deletes the progress of runs that are long gone, unless it may be the only copy of counts.

use super::lock::{Lock, path_beside};
use super::read;
use crate::storage::is_url;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long the progress of a run that is gone is kept: its disk may only be away for a while.
const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Deletes state files that were not written for [`KEPT`], whose run's directory is gone, and none of whose batches was
/// deleted after it was counted. What cannot be read stays, and so does what was put aside.
pub(super) fn sweep(directory: &Path, now: SystemTime) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let is_state = path.extension().is_some_and(|suffix| suffix == "state");
        if is_state && is_old(&path, now) && is_of_no_run(&path) {
            // A process that watches the run has the lock.
            let Ok(Some(_lock)) = Lock::take(&path) else { continue };
            if fs::remove_file(&path).is_ok() {
                tracing::info!(file = ?path, "deleted the progress of a run that is gone");
            }
            let _ = fs::remove_file(path_beside(&path));
        }
    }
}

fn is_old(path: &Path, now: SystemTime) -> bool {
    let written = path.symlink_metadata().and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| now.duration_since(written).is_ok_and(|age| age > KEPT))
}

fn is_of_no_run(path: &Path) -> bool {
    let Ok(Some(progress)) = read(path) else { return false };
    if progress.may_have_deleted {
        return false;
    }
    // A path that is no text is unknown, and so is an object store without asking its server.
    let Ok(directory) = String::from_utf8(progress.directory) else { return false };
    let directory = Path::new(&directory);
    !is_url(directory) && directory.try_exists().is_ok_and(|exists| !exists)
}

#[cfg(test)]
mod tests {
    use super::super::file::tests::progress;
    use super::super::{Progress, path_bytes, write};
    use super::*;

    #[test]
    fn only_what_is_old_and_of_no_run_is_deleted() {
        let (states, runs) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let state = |name: &str| states.path().join(name);
        let of = |directory: &Path| Progress { directory: path_bytes(directory), ..progress() };
        write(&state("there.state"), &of(runs.path())).expect("written");
        write(&state("gone.state"), &of(&runs.path().join("gone"))).expect("written");
        write(&state("store.state"), &of(Path::new("s3://snn/run"))).expect("written");
        write(&state("watched.state"), &of(&runs.path().join("gone too"))).expect("written");
        let pruned = Progress { may_have_deleted: true, ..of(&runs.path().join("pruned")) };
        write(&state("pruned.state"), &pruned).expect("written");
        write(&state("gone.state.void-1"), &of(&runs.path().join("gone"))).expect("written");
        fs::write(state("strange.state"), "not one of ours").expect("written");
        fs::write(state("notes.txt"), "not one of ours").expect("written");
        let _watched = Lock::take(&state("watched.state")).expect("a lock").expect("it is free");
        let names = || {
            let names = fs::read_dir(states.path())
                .expect("a directory")
                .map(|entry| entry.expect("one").file_name());
            let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
            names.sort_unstable();
            names
        };
        let before = names();
        let now = SystemTime::now();
        sweep(states.path(), now + KEPT - Duration::from_secs(60));
        assert_eq!(names(), before, "nothing is old yet");
        sweep(states.path(), now + KEPT + Duration::from_secs(60));
        let left: Vec<&String> = before.iter().filter(|name| *name != "gone.state").collect();
        assert_eq!(names().iter().collect::<Vec<_>>(), left);
    }
}
