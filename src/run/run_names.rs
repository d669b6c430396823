//! Which of several runs is meant: its name and, where that does not tell, its directory.

use std::collections::HashMap;
use std::path::Path;

/// The directory to show beside the name of each run: as many of the last parts of its path as no other run's path ends
/// in. `None` where the name alone says it, since it is the directory's and no other run has it.
pub fn directories_to_show(runs: &[(&str, Option<&Path>)]) -> Vec<Option<String>> {
    let mut names: HashMap<&str, usize> = HashMap::new();
    runs.iter().for_each(|(name, _)| *names.entry(name).or_default() += 1);
    let says_all = |&(name, path): &(&str, Option<&Path>)| {
        let directory = path.and_then(Path::file_name);
        names[name] == 1 && directory.is_none_or(|directory| directory.to_string_lossy() == name)
    };
    let mut open: Vec<usize> = (0..runs.len()).filter(|&at| !says_all(&runs[at])).collect();
    let mut shown: Vec<Option<String>> = vec![None; runs.len()];
    let mut parts = 1;
    while !open.is_empty() {
        let ends: Vec<Option<String>> =
            runs.iter().map(|(_, path)| path.map(|path| last_parts(path, parts))).collect();
        let mut count: HashMap<&String, usize> = HashMap::new();
        ends.iter().flatten().for_each(|end| *count.entry(end).or_default() += 1);
        open.retain(|&at| {
            let (Some(end), Some(path)) = (&ends[at], runs[at].1) else { return false };
            let is_last = count[end] == 1 || path.components().count() <= parts;
            if is_last {
                shown[at] = Some(end.clone());
            }
            !is_last
        });
        parts += 1;
    }
    shown
}

/// The directory to show beside the name of a run that stands alone.
pub fn directory_to_show(name: &str, directory: Option<&Path>) -> Option<String> {
    directories_to_show(&[(name, directory)]).pop().flatten()
}

/// So many of the last parts of a path.
fn last_parts(path: &Path, parts: usize) -> String {
    let before = path.components().count().saturating_sub(parts);
    let mut rest = path.components();
    rest.by_ref().take(before).for_each(drop);
    rest.as_path().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(runs: &[(&str, &str)]) -> Vec<Option<String>> {
        let runs: Vec<(&str, Option<&Path>)> =
            runs.iter().map(|&(name, path)| (name, Some(Path::new(path)))).collect();
        directories_to_show(&runs)
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|&text| Some(text).filter(|text| !text.is_empty()).map(str::to_owned)).collect()
    }

    #[test]
    fn a_name_that_is_the_directorys_and_nobody_elses_says_it_all() {
        assert_eq!(shown(&[("a", "runs/a"), ("b", "runs/b/")]), some(&["", ""]));
    }

    #[test]
    fn runs_of_one_name_have_their_directories() {
        let seeds = [("digits", "runs/seed-1"), ("digits", "runs/seed-2"), ("other", "runs/other")];
        assert_eq!(shown(&seeds), some(&["seed-1", "seed-2", ""]));
    }

    #[test]
    fn a_name_that_differs_from_the_directory_has_it_beside_it() {
        assert_eq!(shown(&[("digits", "runs/exp1")]), some(&["exp1"]));
        assert_eq!(directory_to_show("digits", None), None, "a merged run is nowhere");
    }

    #[test]
    fn as_much_of_a_path_is_shown_as_tells_it_from_the_others() {
        let runs = [("run", "x/a/run"), ("run", "x/b/run"), ("run", "y/b/run"), ("c", "x/c")];
        assert_eq!(shown(&runs), some(&["a/run", "x/b/run", "y/b/run", ""]));
        assert_eq!(shown(&[("n", "run"), ("n", "b/run")]), some(&["run", "b/run"]), "one ends the other");
        assert_eq!(shown(&[("n", "run"), ("n", "run")]), some(&["run", "run"]), "nothing tells these");
        assert_eq!(
            shown(&[("n", "s3://bucket/a/run"), ("n", "s3://bucket/b/run")]),
            some(&["a/run", "b/run"])
        );
    }
}
