//! Finds the runs in a directory of runs, now and later. The newest are followed; when too many are there, the oldest
//! idle run gives way to a new one.

use super::instead::instead_of_run;
use super::neighbours::{Neighbour, beside_runs};
use super::scan::is_run;
use crate::platform::fault;
use crate::snapshot::{EntryName, classify};
use crate::storage::{self, Links, Root};
use crate::text::shown;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Looking may take at most one part in this many of the time.
const LOOK_SHARE: u32 = 20;

/// The most runs that are followed. Each takes one or two threads and a watch of the system.
pub const MAX_RUNS: usize = 200;

/// How many discoveries may be queued before the finder waits.
const DISCOVERIES: usize = 4;

/// The most hints for the user.
const MOST_HINTS: usize = 32;

/// What is new since the last look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery<T> {
    /// The followed runs that give way, by directory.
    pub gone: Vec<PathBuf>,
    /// The followed runs that were renamed: from where, and to where.
    pub moved: Vec<(PathBuf, PathBuf)>,
    /// The new runs by directory, each with what `about` said.
    pub runs: Vec<(PathBuf, T)>,
    /// How many runs are not followed because there are too many.
    pub left_out: usize,
    /// What looks like a run and is not followed, and why, for the user.
    pub hints: Vec<String>,
    /// What is there where no run is: [`instead_of_run`].
    pub instead: Option<String>,
}

/// Says which runs may give way to newer ones, by directory.
type IdleRuns = Box<dyn Fn() -> Vec<PathBuf> + Send>;

/// The runs in a directory, the newest first: sub-directories that hold a manifest or a batch. Symbolic links are not
/// followed.
pub fn runs_inside(directory: &Path) -> Vec<PathBuf> {
    let mut runs: Vec<_> = candidates(directory).filter(|(name, _)| is_run(&directory.join(name))).collect();
    runs.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    runs.into_iter().map(|(name, _)| directory.join(name)).collect()
}

/// The sub-directories that may be runs, with the time of their last change.
fn candidates(directory: &Path) -> impl Iterator<Item = (OsString, SystemTime)> {
    storage::for_path(directory).directories(directory).into_iter().filter(|(name, _)| {
        // A rank is a part of a run, even if the rest is still to come.
        !matches!(classify(&name.to_string_lossy()), EntryName::Temporary | EntryName::Rank(_))
    })
}

/// Newest first; at the same time, by name.
fn newest_first(a: &(SystemTime, OsString), b: &(SystemTime, OsString)) -> Ordering {
    b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1))
}

/// Looks for runs in a thread of its own, and calls `about` for each, until the directory turns out to be a run
/// itself or the receiver is gone. `idle` says which runs may give way to newer ones.
///
/// # Errors
/// If the system gives no thread.
pub fn find_runs<T: Default + Send + 'static>(
    directory: &Path,
    every: Option<Duration>,
    idle: impl Fn() -> Vec<PathBuf> + Send + 'static,
    about: impl Fn(&Path) -> T + Send + 'static,
) -> std::io::Result<Receiver<Discovery<T>>> {
    let (sender, receiver) = bounded(DISCOVERIES);
    let directory = storage::absolute(directory)?;
    let every = every.unwrap_or(storage::for_path(&directory).pace().scan);
    let find = move || {
        let find = AssertUnwindSafe(|| find(Finder::new(directory, Box::new(idle)), every, &about, &sender));
        if catch_unwind(find).is_err() {
            let hints =
                vec!["runs that come from now on are not found: a fault of neurotop itself".to_owned()];
            // The receiver may be gone.
            let _ = sender.send(Discovery { hints, ..Discovery::default() });
        }
    };
    std::thread::Builder::new().name("finder".into()).spawn(find)?;
    Ok(receiver)
}

fn find<T>(mut finder: Finder, every: Duration, about: &impl Fn(&Path) -> T, sender: &Sender<Discovery<T>>) {
    let (mut left_out, mut instead) = (0, None);
    while !is_run(&finder.directory) {
        let started = Instant::now();
        let found = finder.look(SystemTime::now(), about);
        let is_news = !found.runs.is_empty()
            || !found.moved.is_empty()
            || !found.hints.is_empty()
            || found.left_out != left_out
            || found.instead != instead;
        (left_out, instead) = (found.left_out, found.instead.clone());
        if is_news && is_run(&finder.directory) {
            // It became one meanwhile, and what was found may be a part of it.
            return;
        }
        if is_news && sender.send(found).is_err() {
            return;
        }
        fault::point("finder");
        std::thread::sleep(every.max(started.elapsed() * LOOK_SHARE));
    }
}

fn root_of(run: &Path) -> Option<Root> {
    // Without the time when it was made, another directory may have the same number later.
    storage::root(run).ok().flatten().filter(|(inode, made)| *inode != 0 && made.is_some())
}

/// What is known about the runs in a directory.
struct Finder {
    directory: PathBuf,
    idle: IdleRuns,
    seen: HashMap<OsString, Seen>,
    looks: u64,
    /// The hints that were already given.
    hinted: HashSet<String>,
}

struct Seen {
    /// The number of the look that last saw it.
    look: u64,
    /// What its directory keeps when it is renamed, if the system says that.
    root: Option<Root>,
    changed: SystemTime,
    /// When it appeared or last changed, whichever was later. Runs of the first look did not appear.
    newest: SystemTime,
    is_followed: bool,
    /// Its last change when it gave way. Until it changes again, it is not followed again.
    gave_way: Option<SystemTime>,
}

impl Finder {
    fn new(directory: PathBuf, idle: IdleRuns) -> Self {
        Self { directory, idle, seen: HashMap::new(), looks: 0, hinted: HashSet::new() }
    }

    fn look<T>(&mut self, now: SystemTime, about: &impl Fn(&Path) -> T) -> Discovery<T> {
        let moved = self.see(now);
        let (gone, follow) = self.choose();
        let runs = follow.into_iter().map(|name| self.directory.join(name));
        let is_left_out = |seen: &&Seen| !seen.is_followed && seen.look == self.looks;
        Discovery {
            gone: gone.into_iter().map(|name| self.directory.join(name)).collect(),
            moved,
            runs: runs.map(|run| (about(&run), run)).map(|(known, run)| (run, known)).collect(),
            left_out: self.seen.values().filter(is_left_out).count(),
            hints: self.hints(),
            instead: if self.seen.is_empty() { instead_of_run(&self.directory) } else { None },
        }
    }

    /// Records the runs that exist now; returns those that were renamed.
    fn see(&mut self, now: SystemTime) -> Vec<(PathBuf, PathBuf)> {
        self.looks += 1;
        let came = if self.looks == 1 { SystemTime::UNIX_EPOCH } else { now };
        let mut candidates: Vec<_> = candidates(&self.directory).collect();
        if Links::now() == Links::Followed {
            // What links lead to has its own name, if it is here.
            candidates.sort_by_cached_key(|(name, _)| self.directory.join(name).is_symlink());
        }
        let mut moved = Vec::new();
        for (name, changed) in candidates {
            // A clock that is ahead on another machine must not make a run newer than all others.
            let newest = changed.min(now);
            let path = self.directory.join(&name);
            if let Some(seen) = self.seen.get_mut(&name) {
                if seen.changed != changed {
                    seen.root = root_of(&path);
                }
                (seen.look, seen.changed, seen.newest) = (self.looks, changed, seen.newest.max(newest));
            } else if is_run(&path) {
                let (look, newest, root) = (self.looks, newest.max(came), root_of(&path));
                let mut seen = Seen { look, root, changed, newest, is_followed: false, gave_way: None };
                if let Some(other) = self.other_name(root) {
                    let before = self.directory.join(&other);
                    if root_of(&before) == root {
                        continue;
                    }
                    if let Some(known) = self.seen.remove(&other) {
                        (seen.is_followed, seen.gave_way) = (known.is_followed, known.gave_way);
                    }
                    moved.push((before, path));
                }
                self.seen.insert(name, seen);
            }
        }
        moved
    }

    /// The name under which the same directory was seen already.
    fn other_name(&self, root: Option<Root>) -> Option<OsString> {
        root?;
        self.seen.iter().find(|(_, seen)| seen.root == root).map(|(name, _)| name.clone())
    }

    /// The runs that give way, and the runs that are followed from now on, the newest first.
    fn choose(&mut self) -> (Vec<OsString>, Vec<OsString>) {
        let waits =
            |seen: &Seen| !seen.is_followed && seen.look == self.looks && seen.gave_way != Some(seen.changed);
        let waiting = self.seen.iter().filter(|(_, seen)| waits(seen));
        let mut waiting: Vec<_> = waiting.map(|(name, seen)| (seen.newest, name.clone())).collect();
        waiting.sort_by(newest_first);
        let mut idle = if waiting.is_empty() { Vec::new() } else { self.idle_newest_first() };
        let mut followed = self.seen.values().filter(|seen| seen.is_followed).count();
        let (mut gone, mut follow) = (Vec::new(), Vec::new());
        for (newest, name) in waiting {
            if followed >= MAX_RUNS {
                let Some((_, oldest)) = idle.pop_if(|idle| idle.0 < newest) else { break };
                self.set_followed(&oldest, false);
                gone.push(oldest);
                followed -= 1;
            }
            followed += 1;
            self.set_followed(&name, true);
            follow.push(name);
        }
        (gone, follow)
    }

    /// The followed runs that may give way. As with waiting runs, the time of the directory alone decides which is
    /// newer.
    fn idle_newest_first(&self) -> Vec<(SystemTime, OsString)> {
        let followed = |run: PathBuf| {
            let (name, seen) = self.seen.get_key_value(run.file_name()?)?;
            seen.is_followed.then(|| (seen.newest, name.clone()))
        };
        let mut idle: Vec<_> = (self.idle)().into_iter().filter_map(followed).collect();
        idle.sort_by(newest_first);
        idle
    }

    fn set_followed(&mut self, name: &OsString, is_followed: bool) {
        let Some(seen) = self.seen.get_mut(name) else { return };
        seen.is_followed = is_followed;
        seen.gave_way = (!is_followed).then_some(seen.changed);
    }

    /// Hints that were not given before.
    fn hints(&mut self) -> Vec<String> {
        let mut neighbours = beside_runs(&self.directory);
        neighbours
            .retain(|neighbour| self.hinted.len() < MOST_HINTS && self.hinted.insert(neighbour.name.clone()));
        let hint = |Neighbour { name, error, .. }| format!("{}: {error}", shown(&self.directory.join(name)));
        neighbours.into_iter().map(hint).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::RecvTimeoutError;
    use std::fs;

    fn make_run(directory: &Path, name: &str) -> PathBuf {
        let run = directory.join(name);
        fs::create_dir_all(&run).expect("a directory");
        fs::write(run.join("manifest.json"), "{}").expect("a file");
        run
    }

    fn start(directory: &Path) -> Receiver<Discovery<()>> {
        find_runs(directory, Some(Duration::from_millis(20)), Vec::new, |_| ()).expect("a thread")
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
        let found = start(directory.path());
        assert_eq!(next(&found).runs, [(first, ())]);
        let second = directory.path().join("empty");
        fs::write(second.join("batch-3.npz"), "").expect("a file");
        assert_eq!(next(&found).runs, [(second, ())]);
        assert!(found.recv_timeout(Duration::from_millis(200)).is_err(), "each is found once");
    }

    #[test]
    fn a_directory_that_becomes_a_run_has_no_runs_inside() {
        let directory = tempfile::tempdir().expect("a directory");
        make_run(directory.path(), "inner");
        let batch = directory.path().join("batch-0.npz");
        // While it is looked at.
        let about = move |_: &Path| fs::write(&batch, "").expect("a file");
        let found = find_runs(directory.path(), None, Vec::new, about).expect("a thread");
        let outcome = found.recv_timeout(Duration::from_secs(60));
        assert_eq!(outcome.err(), Some(RecvTimeoutError::Disconnected), "the finder ends and finds nothing");
    }

    #[test]
    fn the_newest_are_followed_where_there_are_too_many() {
        let directory = tempfile::tempdir().expect("a directory");
        for number in 0..MAX_RUNS + 3 {
            make_run(directory.path(), &format!("exp{number}"));
        }
        let found = start(directory.path());
        let found = next(&found);
        assert_eq!((found.runs.len(), found.left_out), (MAX_RUNS, 3));
    }

    /// Looks again at a later time.
    struct Looks(Finder, u64);

    impl Looks {
        fn at(directory: &Path) -> Self {
            Self(Finder::new(directory.to_owned(), Box::new(Vec::new)), 0)
        }

        /// The runs that give way, the runs that are new, and how many are left out.
        fn next(&mut self) -> (Vec<String>, Vec<String>, usize) {
            self.1 += 1;
            let now = SystemTime::now() + Duration::from_secs(self.1);
            let found = self.0.look(now, &|_| ());
            let name = |run: &Path| run.file_name().expect("a name").to_string_lossy().into_owned();
            let runs = found.runs.iter().map(|(run, ())| name(run)).collect();
            (found.gone.iter().map(|run| name(run)).collect(), runs, found.left_out)
        }

        fn set_idle(&mut self, names: &[&str]) {
            let idle: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
            self.0.idle = Box::new(move || idle.clone());
        }
    }

    #[test]
    fn what_comes_later_is_followed_in_the_place_of_the_oldest_that_is_idle() {
        let directory = tempfile::tempdir().expect("a directory");
        for number in 0..MAX_RUNS + 2 {
            make_run(directory.path(), &format!("exp{number:03}"));
        }
        let mut looks = Looks::at(directory.path());
        let first = looks.next();
        assert_eq!((first.1.len(), first.2), (MAX_RUNS, 2));
        assert_eq!(looks.next(), (vec![], vec![], 2), "nobody is idle");
        looks.set_idle(&[&first.1[7], &first.1[9]]);
        assert_eq!(looks.next(), (vec![], vec![], 2), "the others are not newer");
        make_run(directory.path(), "late");
        assert_eq!(looks.next(), (vec![first.1[9].clone()], vec!["late".into()], 3));
        make_run(directory.path(), "later");
        make_run(directory.path(), "latest");
        assert_eq!(looks.next().0, [first.1[7].clone()]);
        assert_eq!(
            looks.next(),
            (vec![], vec![], 5),
            "the idle ones are gone, and those are not followed again"
        );
        looks.set_idle(&[&first.1[11]]);
        assert_eq!(looks.next().0, [first.1[11].clone()], "the last of the new ones has its place");
    }

    // Windows sets no times of opened directories.
    #[cfg(unix)]
    #[test]
    fn a_run_that_gave_way_comes_back_once_something_is_new_in_it() {
        let directory = tempfile::tempdir().expect("a directory");
        for number in 0..MAX_RUNS {
            make_run(directory.path(), &format!("exp{number:03}"));
        }
        let mut looks = Looks::at(directory.path());
        let all = looks.next().1;
        make_run(directory.path(), "late");
        looks.set_idle(&[&all[5], &all[6]]);
        assert_eq!(looks.next().0, [all[6].clone()]);
        assert_eq!(looks.next(), (vec![], vec![], 1));
        let ahead = SystemTime::now() + Duration::from_secs(3600);
        let again = fs::File::open(directory.path().join(&all[6])).expect("opened");
        again.set_modified(ahead).expect("set");
        assert_eq!(looks.next(), (vec![all[5].clone()], vec![all[6].clone()], 1));
        looks.set_idle(&[&all[6]]);
        assert_eq!(looks.next(), (vec![], vec![], 1), "a clock that runs ahead makes nobody take turns");
    }
}
