//! Finds the runs in a directory of runs, those that are there and those that come.

use super::scan::is_run;
use crate::snapshot::{EntryName, classify};
use crate::storage;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// A look may take at most one part in so many of the time.
const LOOK_SHARE: u32 = 20;

/// The most runs that are followed: each takes a thread or two and a watch of the system.
pub const MAX_RUNS: usize = 200;

/// What a look found that was not there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery<T> {
    /// The directories of runs, and what was to be found out about each.
    pub runs: Vec<(PathBuf, T)>,
    /// How many more runs there are by now than are followed.
    pub left_out: usize,
}

/// The runs in a directory: sub-directories that hold a manifest or a batch. Symbolic links are not
/// followed. The newest come first, and the rest are left out where there are too many.
pub fn runs_inside(directory: &Path) -> Vec<PathBuf> {
    runs_beside(directory, &HashSet::new()).into_iter().map(|(name, _)| directory.join(name)).collect()
}

fn runs_beside(directory: &Path, known: &HashSet<OsString>) -> Vec<(OsString, SystemTime)> {
    let mut runs = storage::of(directory).directories(directory);
    runs.retain(|(name, _)| {
        // A rank is a part of a run, even where the rest of it is still to come.
        let meaning = classify(&name.to_string_lossy());
        let hidden = matches!(meaning, EntryName::Temporary | EntryName::Rank(_));
        !hidden && !known.contains(name) && is_run(&directory.join(name))
    });
    runs.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    runs
}

/// Looks for runs, and finds out about each what `about` says, in a thread of its own until the directory
/// turns out to be a run itself, or nobody listens any more.
///
/// # Errors
/// Where the system gives no thread.
pub fn find_runs<T: Send + 'static>(
    directory: &Path,
    every: Option<Duration>,
    about: impl Fn(&Path) -> T + Send + 'static,
) -> std::io::Result<Receiver<Discovery<T>>> {
    let (sender, receiver) = unbounded();
    let directory = storage::absolute(directory)?;
    let every = every.unwrap_or(storage::of(&directory).pace().scan);
    std::thread::Builder::new()
        .name("finder".into())
        .spawn(move || find(&directory, every, &about, &sender))?;
    Ok(receiver)
}

fn find<T>(directory: &Path, every: Duration, about: &impl Fn(&Path) -> T, sender: &Sender<Discovery<T>>) {
    let mut known = HashSet::new();
    let (mut followed, mut left_out) = (0, 0);
    while !is_run(directory) {
        let started = Instant::now();
        let mut found = Discovery { runs: Vec::new(), left_out };
        for (name, _) in runs_beside(directory, &known) {
            if followed < MAX_RUNS {
                followed += 1;
                let run = directory.join(&name);
                let known = about(&run);
                found.runs.push((run, known));
            }
            known.insert(name);
        }
        found.left_out = known.len() - followed;
        let anything = !found.runs.is_empty() || found.left_out > left_out;
        left_out = found.left_out;
        if anything && sender.send(found).is_err() {
            return;
        }
        std::thread::sleep(every.max(started.elapsed() * LOOK_SHARE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn make_run(directory: &Path, name: &str) -> PathBuf {
        let run = directory.join(name);
        fs::create_dir_all(&run).expect("a directory");
        fs::write(run.join("manifest.json"), "{}").expect("a file");
        run
    }

    fn next(found: &Receiver<Discovery<()>>) -> Discovery<()> {
        found.recv_timeout(Duration::from_secs(20)).expect("something is found")
    }

    #[test]
    fn runs_that_are_there_and_that_come_are_found_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = make_run(directory.path(), "exp1");
        for foreign in [".hidden", "copy.tmp"] {
            make_run(directory.path(), foreign);
        }
        fs::create_dir(directory.path().join("empty")).expect("a directory");
        fs::write(directory.path().join("notes.txt"), "").expect("a file");
        let found = find_runs(directory.path(), Some(Duration::from_millis(20)), |_| ()).expect("a thread");
        assert_eq!(next(&found).runs, [(first, ())]);
        let second = directory.path().join("empty");
        fs::write(second.join("batch-3.npz"), "").expect("a file");
        assert_eq!(next(&found).runs, [(second, ())]);
        assert!(found.recv_timeout(Duration::from_millis(200)).is_err(), "each is found once");
    }

    #[test]
    fn a_directory_that_becomes_a_run_has_no_runs_inside() {
        let directory = tempfile::tempdir().expect("a directory");
        let found = find_runs(directory.path(), Some(Duration::from_millis(20)), |_| ()).expect("a thread");
        fs::write(directory.path().join("batch-0.npz"), "").expect("a file");
        make_run(directory.path(), "inner");
        assert!(found.recv_timeout(Duration::from_secs(20)).is_err(), "the finder ends and finds nothing");
    }

    #[test]
    fn the_newest_are_followed_where_there_are_too_many() {
        let directory = tempfile::tempdir().expect("a directory");
        for number in 0..MAX_RUNS + 3 {
            make_run(directory.path(), &format!("exp{number}"));
        }
        let found = find_runs(directory.path(), Some(Duration::from_millis(20)), |_| ()).expect("a thread");
        let found = next(&found);
        assert_eq!((found.runs.len(), found.left_out), (MAX_RUNS, 3));
    }

    #[test]
    fn ranks_are_a_run_together_and_none_each() {
        let directory = tempfile::tempdir().expect("a directory");
        make_run(directory.path(), "rank-0");
        assert_eq!(runs_inside(directory.path()), Vec::<PathBuf>::new());
        let found = find_runs(directory.path(), Some(Duration::from_millis(20)), |_| ()).expect("a thread");
        assert!(found.recv_timeout(Duration::from_secs(20)).is_err(), "the finder ends and finds nothing");
    }

    #[cfg(unix)]
    #[test]
    fn links_to_runs_are_not_followed() {
        let (directory, elsewhere) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let outside = make_run(elsewhere.path(), "outside");
        std::os::unix::fs::symlink(outside, directory.path().join("link")).expect("a link");
        assert_eq!(runs_inside(directory.path()), Vec::<PathBuf>::new());
    }
}
