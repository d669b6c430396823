//! Finds what looks like a part of a run and is not counted: names that are nearly right, and runs and batches in the
//! wrong place.
//!
//! Only what is certain enough is reported; of many of a kind, the first and their number, since there may be as many
//! as there are batches. In an object store, only names are examined, since looking into directories takes requests.

use super::scan::{Found, is_run};
use crate::snapshot::{EntryName, Slip, SnapshotError, classify, is_nearly_batch, meant_name};
use crate::storage::{self, Links, Shape, is_url};
use std::path::{Path, PathBuf};

/// Up to this many of a kind are reported individually. Of more, the first stands for all.
const MOST_ALONE: usize = 3;

/// The most directories and links that are examined.
const MOST_LOOKED_INTO: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its name in the directory.
    pub name: String,
    pub error: SnapshotError,
    /// Whether it seems to hold batches. If nothing else does, the figures are not those of the run.
    pub has_batches: bool,
}

impl Neighbour {
    /// Whether it may be the run itself, so that the figures are incomplete: it holds batches, and there are none
    /// where they belong.
    pub fn may_be_the_run(&self, run_has_batches: bool) -> bool {
        self.has_batches && !run_has_batches
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NeighbourKind {
    Misnamed(Slip),
    MisnamedRank,
    /// A directory with batches, in a run that has none beside its manifest.
    BatchesBelow,
    RunBelow,
    /// A link to a run in a directory of runs.
    Link,
    /// A directory of runs in a directory that holds no run.
    RunsBelow,
    /// A rank that is taken for a run because its name gives no rank.
    RankAsRun,
}

/// What is reported of neighbours, each with its kind, its name and whether it seems to hold batches: of many of a kind,
/// the first alone.
fn reported(mut found: Vec<(NeighbourKind, String, bool)>) -> Vec<Neighbour> {
    found.sort_by_key(|(kind, ..)| *kind);
    let neighbours = found.chunk_by(|one, next| one.0 == next.0).flat_map(|of_kind| {
        let has_batches = of_kind.iter().any(|(.., has_batches)| *has_batches);
        let more = if of_kind.len() > MOST_ALONE { of_kind.len() - 1 } else { 0 };
        of_kind[..of_kind.len() - more].iter().map(move |(kind, name, _)| {
            let (what, advice) = kind.words(name);
            let what = if more > 0 { format!("{what}; {more} more are like it") } else { what };
            Neighbour { name: name.clone(), error: SnapshotError::new(what, advice), has_batches }
        })
    });
    neighbours.collect()
}

impl NeighbourKind {
    /// What is wrong with something of this name, and the advice.
    fn words(self, name: &str) -> (String, String) {
        let meant = meant_name(name);
        let rename = |otherwise: &str| match &meant {
            Some(meant) => format!("name it {meant}"),
            None => format!("name it {otherwise}"),
        };
        let (what, advice) = match self {
            Self::Misnamed(slip) => return misnamed_words(slip, meant.as_deref()),
            Self::MisnamedRank => (
                "what is in it is not counted, since its name gives no rank",
                rename("rank-R, a number below 4294967295,") + " if it is that of a rank",
            ),
            Self::BatchesBelow => (
                "there are batches in it, which are not counted: only those beside manifest.json are",
                "move them there, or name this directory if it is the run".to_owned(),
            ),
            Self::RunBelow => (
                "it is a run of its own, which is not counted in this one",
                "count it by itself, and keep runs beside one another in a directory of runs".to_owned(),
            ),
            Self::Link => (
                "it is a symbolic link to a run, which is not followed",
                "name what it leads to, or follow links with --follow-links where you trust who made them"
                    .to_owned(),
            ),
            Self::RunsBelow => {
                ("it is a directory of runs, and this one holds none", "watch that one".to_owned())
            }
            Self::RankAsRun => (
                "it is taken for a run of its own, since its name gives no rank",
                rename("rank-R") + " if it is a rank of one run",
            ),
        };
        (what.to_owned(), advice)
    }
}

/// What is wrong with the name of what may be a batch or a document, and the advice.
fn misnamed_words(slip: Slip, meant: Option<&str>) -> (String, String) {
    let batch = meant.unwrap_or("batch-N.npz");
    let (what, advice) = match slip {
        Slip::Numbered | Slip::Unnumbered => (
            "it is not counted, since its name gives no batch number",
            format!("name it {batch} if it is a batch"),
        ),
        Slip::Capitals => {
            ("it is not counted, since its name has capital letters", format!("name it {batch}"))
        }
        Slip::Format => (
            "it is not counted, since a batch is an .npz file or a directory of .npy files",
            format!("save the arrays of a batch with numpy.savez as {batch}"),
        ),
        Slip::Packed => (
            "it is not counted, since it is packed",
            format!("unpack it, or name it {batch} if it is an .npz file"),
        ),
        Slip::Copy => (
            "it is not counted, since its name goes on behind .npz",
            format!("name it {batch} if it is a batch"),
        ),
        Slip::NotText => {
            ("it is not counted, since its name is not UTF-8", format!("name it {batch} if it is a batch"))
        }
        Slip::Document => (
            "it is not read under this name",
            format!("name it {}", meant.unwrap_or("manifest.json or end.json")),
        ),
    };
    (what.to_owned(), advice)
}

/// What is not counted in a run's directory, given the results of a scan.
pub fn beside_run(directory: &Path, found: &[Found]) -> Vec<Neighbour> {
    let mut neighbours = Vec::new();
    for misnamed in found {
        if let EntryName::Misnamed(slip) = misnamed.meaning
            && is_reported(misnamed, slip, found)
        {
            let has_batches = !matches!(slip, Slip::Unnumbered | Slip::Document);
            neighbours.push((NeighbourKind::Misnamed(slip), misnamed.name.clone(), has_batches));
        }
    }
    let ranks = || found.iter().filter(|found| found.meaning == EntryName::MisnamedRank);
    let names = ranks().filter(|rank| rank.shape == Shape::Directory && !is_url(directory));
    let names = names.map(|rank| rank.name.clone()).collect();
    let with_batches = those_that(names, |name| nearly_holds_batches(&directory.join(name)));
    for rank in ranks() {
        let has_batches = with_batches.contains(&rank.name);
        // A `rank_0` may hold anything, such as logs; a `rank-…` is meant to be a rank.
        if has_batches || rank.name.starts_with("rank-") {
            neighbours.push((NeighbourKind::MisnamedRank, rank.name.clone(), has_batches));
        }
    }
    let has_batches = found.iter().any(|found| found.meaning.batch().is_some());
    if !is_url(directory) && (has_batches || found.iter().any(|found| found.meaning.is_document())) {
        for name in foreign_directories(directory).into_iter().take(MOST_LOOKED_INTO) {
            let below = directory.join(&name);
            if !has_batches && nearly_holds_batches(&below) {
                neighbours.push((NeighbourKind::BatchesBelow, name, true));
            } else if is_run(&below) {
                neighbours.push((NeighbourKind::RunBelow, name, false));
            }
        }
    }
    reported(neighbours)
}

/// Whether something that looks like a part of a run is reported: a document only if the right one is missing, a
/// copy only if there is no batch, and a name without a suffix only if it is a directory. `found` must be sorted by name.
fn is_reported(misnamed: &Found, slip: Slip, found: &[Found]) -> bool {
    let is_there = |name: String| found.binary_search_by(|found| found.name.cmp(&name)).is_ok();
    let has_suffix = misnamed.name.rsplit('/').next().is_some_and(|name| name.contains('.'));
    match slip {
        Slip::Document => !meant_name(&misnamed.name).is_some_and(is_there),
        // Beside batches, old versions are kept on purpose.
        Slip::Copy => {
            misnamed.name.ends_with(char::is_whitespace)
                || !found.iter().any(|found| found.meaning.batch().is_some())
        }
        _ => has_suffix || misnamed.shape == Shape::Directory,
    }
}

/// What is not followed in a directory that is not a run itself.
pub fn beside_runs(directory: &Path) -> Vec<Neighbour> {
    if is_url(directory) {
        return Vec::new();
    }
    let mut neighbours = Vec::new();
    let here = storage::canonical(directory);
    for (name, leads_to) in links_to_directories(directory) {
        // The target may be followed under its own name, like that of `latest`.
        if leads_to.parent() != Some(&here) && is_run(&leads_to) {
            neighbours.push((NeighbourKind::Link, name, false));
        }
    }
    let is_run_here = |name: &str| is_run(&directory.join(name));
    let ranks = directories(directory, |meaning| *meaning == EntryName::MisnamedRank);
    let ranks = those_that(ranks, is_run_here);
    let names = foreign_directories(directory);
    if ranks.is_empty() && !names.iter().any(|name| is_run_here(name)) {
        for name in names.into_iter().take(MOST_LOOKED_INTO) {
            let below = directory.join(&name);
            if foreign_directories(&below).iter().take(MOST_LOOKED_INTO).any(|name| is_run(&below.join(name)))
            {
                neighbours.push((NeighbourKind::RunsBelow, name, false));
            }
        }
    }
    neighbours.extend(ranks.into_iter().map(|name| (NeighbourKind::RankAsRun, name, true)));
    reported(neighbours)
}

/// The names for which `is_so` holds. Of very many, only the first are examined; if it holds for all of these, it is
/// assumed for the others.
fn those_that(mut names: Vec<String>, is_so: impl Fn(&str) -> bool) -> Vec<String> {
    let others = names.split_off(names.len().min(MOST_LOOKED_INTO));
    names.retain(|name| is_so(name));
    if names.len() == MOST_LOOKED_INTO {
        names.extend(others);
    }
    names
}

/// Symbolic links to directories that are not followed, with their targets; only the first ones.
fn links_to_directories(directory: &Path) -> Vec<(String, PathBuf)> {
    if Links::now() == Links::Followed {
        return Vec::new();
    }
    let Ok(entries) = directory.read_dir() else { return Vec::new() };
    let links =
        entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    let mut names: Vec<String> = links.filter_map(|link| link.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names.truncate(MOST_LOOKED_INTO);
    let leads_to = |name: String| {
        let target = directory.join(&name).canonicalize().ok().filter(|target| target.is_dir())?;
        Some((name, target))
    };
    names.into_iter().filter_map(leads_to).collect()
}

/// Directories whose names mean nothing to a run, sorted by name.
fn foreign_directories(directory: &Path) -> Vec<String> {
    directories(directory, |meaning| *meaning == EntryName::Foreign)
}

fn directories(directory: &Path, wanted: impl Fn(&EntryName) -> bool) -> Vec<String> {
    let all = storage::for_path(directory).directories(directory).into_iter();
    let mut names: Vec<String> = all.filter_map(|(name, _)| name.into_string().ok()).collect();
    names.retain(|name| wanted(&classify(name)));
    names.sort_unstable();
    names
}

/// Whether it holds batches, even under names that are nearly right, since whoever misnames a rank may misname its
/// batches.
fn nearly_holds_batches(directory: &Path) -> bool {
    storage::for_path(directory).any(directory, &mut is_nearly_batch)
}
