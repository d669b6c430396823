//! `neurotop` without a path: the runs below the working directory, or how to begin.

use super::output;
use crate::follow::{is_run, runs_inside};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

/// The directory of runs that everybody has.
const RUNS: &str = "runs";

/// The most directories that are searched for runs.
const MOST_SEARCHED: usize = 64;

/// What is watched where no path is given: `runs`, this directory, or the directory in it with the newest run.
pub(super) fn find(here: &Path) -> Option<PathBuf> {
    let named = |path: &Path| if here == Path::new(".") { path.to_owned() } else { here.join(path) };
    let runs = named(Path::new(RUNS));
    if holds_runs(&runs) {
        return Some(runs);
    }
    if holds_runs(here) {
        return Some(here.to_owned());
    }
    let entries = here.read_dir().ok()?.filter_map(Result::ok);
    let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let below = below.map(|entry| named(Path::new(&entry.file_name()))).take(MOST_SEARCHED);
    let newest = below.filter_map(|directory| Some((newest_run(&directory)?, directory)));
    newest.max().map(|(_, directory)| directory)
}

fn holds_runs(directory: &Path) -> bool {
    is_run(directory) || !runs_inside(directory).is_empty()
}

/// When the newest run in a directory changed last.
fn newest_run(directory: &Path) -> Option<SystemTime> {
    let newest = runs_inside(directory).into_iter().next()?;
    newest.metadata().and_then(|metadata| metadata.modified()).ok()
}

/// Says how to begin.
pub(super) fn explain() -> ExitCode {
    output::say(
        "there is no run here, in runs/ or below\n  \
         record one in Python: with neurotop.record(net, \"runs/exp1\"): …\n  \
         then watch it: neurotop runs/exp1 (or see a bundled one: neurotop demo)",
    );
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    // Windows sets no times of opened directories.
    #[cfg(unix)]
    #[test]
    fn runs_come_first_then_what_is_here_then_what_is_below() {
        let here = tempfile::tempdir().expect("a directory");
        let run = |path: &str| {
            fs::create_dir_all(here.path().join(path)).expect("a directory");
            fs::write(here.path().join(path).join("manifest.json"), "{}").expect("a file");
        };
        let found =
            || find(here.path()).map(|path| path.strip_prefix(here.path()).expect("below").to_owned());
        fs::create_dir(here.path().join("runs")).expect("a directory");
        assert_eq!(found(), None);
        run("old/exp1");
        let then = SystemTime::now() - std::time::Duration::from_secs(60);
        let old = fs::File::open(here.path().join("old/exp1")).expect("opened");
        old.set_modified(then).expect("set");
        run("new/exp1");
        run("deeper/still/exp1");
        assert_eq!(found(), Some("new".into()));
        run("exp2");
        assert_eq!(found(), Some("".into()), "a run in this directory");
        run("runs/exp3");
        assert_eq!(found(), Some("runs".into()));
    }
}
