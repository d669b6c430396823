//! `neurotop doctor`: what is at a path, and what is wrong with it. The doctor reads through the ledger and the
//! snapshots, as the run does, and changes nothing. Rules about what counts belong there and not here; so do the words
//! of errors.

mod batches;
mod judge;
mod location;
mod run;
mod text;

pub use batches::Batches;
pub use location::Location;
pub use run::{Documents, LayerDiagnosis, RankDiagnosis, RunDiagnosis};

use crate::follow::{Neighbour, Shard, beside_run, beside_runs, is_run, runs_inside, scan};
use crate::run::Severity;
use crate::run::prices::{Costs, LayerDefaults};
use crate::run::run_names::directories_to_show;
use crate::snapshot::{EntryName, SnapshotError, classify};
use crate::storage::{self, Interest, is_url};
use serde::{Serialize, Serializer};
use std::io::ErrorKind;
use std::path::Path;

/// The name and version of the JSON document.
pub const SCHEMA: &str = "neurotop.doctor/1";

/// Options of the user that change a diagnosis.
#[derive(Debug, Clone)]
pub struct DoctorOptions {
    pub costs: Costs,
    /// The neurons of layers that are not in the manifest.
    pub neurons: LayerDefaults,
    /// The reset mechanisms of layers that are not in the manifest.
    pub resets: LayerDefaults,
    /// Whether to count every batch, and not only read its headers.
    pub deep: bool,
    /// A run that is not over and has written nothing for this long is stalled.
    pub stall_after: std::time::Duration,
    /// Where the progress of runs is saved.
    pub state: crate::run::StatePlace,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PathKind {
    /// A run: it holds a manifest, an end or a batch.
    Run,
    /// A directory of runs.
    Runs,
    /// One batch, which is a part of a run.
    Batch,
    /// Something else.
    Other,
    /// Nothing is there.
    Missing,
}

/// Something that the user should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    #[serde(serialize_with = "as_wrong_or_note")]
    pub severity: Severity,
    /// The file or layer that it is about.
    pub about: String,
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

/// The schema's words for a severity.
fn as_wrong_or_note<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match severity {
        Severity::SetAside => "wrong",
        Severity::Notice => "note",
    })
}

impl Finding {
    fn wrong(about: impl Into<String>, error: SnapshotError) -> Self {
        Self { severity: Severity::SetAside, about: about.into(), what: error.what, advice: error.advice }
    }

    /// Something about a file that counts.
    fn remark(about: impl Into<String>, remark: SnapshotError) -> Self {
        Self::note(about, remark.what, remark.advice)
    }

    fn note(about: impl Into<String>, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, about: about.into(), what: what.into(), advice: advice.into() }
    }
}

/// What is at a path, and what is wrong with it.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The path, as the user named it.
    pub path: String,
    pub kind: PathKind,
    /// `None` if nothing is there.
    pub place: Option<Location>,
    /// The run, or the runs; a batch alone is looked at as a run of one.
    pub runs: Vec<RunDiagnosis>,
    /// What is wrong with the path itself.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    pub fn for_path(path: &Path, options: &DoctorOptions) -> Self {
        let kind = kind_of(path);
        let runs = match kind {
            PathKind::Run => vec![RunDiagnosis::for_run(path, None, options)],
            PathKind::Batch => vec![RunDiagnosis::for_batch(path, options)],
            PathKind::Runs => {
                let mut runs = runs_inside(path);
                runs.sort_unstable();
                runs.iter().map(|run| RunDiagnosis::for_run(run, Some(path), options)).collect()
            }
            PathKind::Other | PathKind::Missing => Vec::new(),
        };
        let runs = told_apart(runs);
        let place = (kind != PathKind::Missing).then(|| Location::for_path(path));
        let mut diagnosis = Self {
            schema: SCHEMA,
            path: path.to_string_lossy().into_owned(),
            kind,
            place,
            runs,
            findings: Vec::new(),
        };
        diagnosis.findings = diagnosis.own_findings(path);
        diagnosis
    }

    /// Whether something is wrong with it, or with a part of it.
    pub fn is_wrong(&self) -> bool {
        self.wrong().next().is_some()
    }

    /// What is wrong, with it and with its parts.
    fn wrong(&self) -> impl Iterator<Item = &Finding> {
        let all = self.runs.iter().flat_map(|run| &run.findings).chain(&self.findings);
        all.filter(|finding| finding.severity == Severity::SetAside)
    }

    pub fn text(&self) -> String {
        text::text(self)
    }

    fn own_findings(&self, path: &Path) -> Vec<Finding> {
        let about = self.path.clone();
        let mut findings = Vec::new();
        match self.kind {
            PathKind::Missing => findings.push(Finding::wrong(
                about,
                SnapshotError::new(why_missing(path), "name a run's directory; neurotop watch waits for one"),
            )),
            PathKind::Other => {
                findings.push(Finding::wrong(about, no_run(path.is_dir(), storage::root(path).err())));
            }
            PathKind::Batch => findings.push(Finding::note(
                about,
                "it is one batch, and without its manifest no layer has a price",
                "name the directory that it is in to see it as a part of its run",
            )),
            PathKind::Run | PathKind::Runs => {}
        }
        findings.extend(self.neighbours(path).into_iter().map(|neighbour| {
            let Neighbour { name, error, .. } = neighbour;
            Finding::remark(name, error)
        }));
        let keeps = self.runs.iter().any(|run| run.documents.keep.is_some());
        findings.extend(self.place.iter().flat_map(|place| place.findings(&self.path, keeps)));
        findings
    }

    /// What looks like a run, or like a part of one, in a directory that is none.
    fn neighbours(&self, path: &Path) -> Vec<Neighbour> {
        match self.kind {
            PathKind::Runs => beside_runs(path),
            PathKind::Other => {
                let found = scan(path, Shard::WHOLE).unwrap_or_default();
                beside_run(path, &found).into_iter().chain(beside_runs(path)).collect()
            }
            PathKind::Run | PathKind::Batch | PathKind::Missing => Vec::new(),
        }
    }
}

/// Has the runs say in which directory they are, where their names do not.
fn told_apart(mut runs: Vec<RunDiagnosis>) -> Vec<RunDiagnosis> {
    let named: Vec<(&str, Option<&Path>)> =
        runs.iter().map(|run| (run.name.as_str(), Some(Path::new(&run.directory)))).collect();
    let shown = directories_to_show(&named);
    runs.iter_mut().zip(shown).for_each(|(run, shown)| run.beside = shown);
    runs
}

/// What is wrong with a path that is no run: whether it is a directory, and why it cannot be listed.
fn no_run(is_directory: bool, unlisted: Option<String>) -> SnapshotError {
    match (is_directory, unlisted) {
        (true, Some(why)) => SnapshotError::new(why, "let this user list it, or run doctor as one who may"),
        (false, Some(_)) => {
            SnapshotError::new("it is no directory", "name the directory that holds the batches")
        }
        (_, None) => SnapshotError::new(
            "it holds neither manifest.json nor a batch-N.npz, and no run is inside",
            "name the directory that the benchmark writes to",
        ),
    }
}

/// Why a path is taken for missing: nothing is there, or the system does not let this user look.
fn why_missing(path: &Path) -> String {
    let why = if is_url(path) {
        storage::refusal(path).or_else(|| storage::root(path).err())
    } else {
        // That nothing is there is certain only where the system says so.
        path.metadata()
            .err()
            .filter(|error| error.kind() != ErrorKind::NotFound)
            .map(|error| format!("it cannot be looked at: {error}"))
    };
    why.unwrap_or_else(|| "nothing is there".into())
}

fn kind_of(path: &Path) -> PathKind {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let as_file = if name.ends_with(".npz") { PathKind::Batch } else { PathKind::Other };
    if storage::refusal(path).is_some() {
        return PathKind::Missing;
    }
    if is_url(path) && storage::root(path).is_err() {
        // A URL is one of a file where nothing lies below it.
        let is_there = path
            .parent()
            .is_some_and(|parent| storage::for_path(parent).entry(parent, &name, Interest::Itself).is_some());
        return if is_there { as_file } else { PathKind::Missing };
    }
    if !is_url(path) {
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) if metadata.is_file() => return as_file,
            Ok(_) => return PathKind::Other,
            Err(_) => return PathKind::Missing,
        }
    }
    match () {
        () if is_run(path) => PathKind::Run,
        () if matches!(classify(&name), EntryName::BatchDirectory(_)) || holds_arrays(path) => {
            PathKind::Batch
        }
        () if !runs_inside(path).is_empty() => PathKind::Runs,
        () => PathKind::Other,
    }
}

/// Whether a directory holds arrays of a layer, as a batch does.
fn holds_arrays(directory: &Path) -> bool {
    storage::for_path(directory)
        .any(directory, &mut |name| name.ends_with(".post.npy") || name.ends_with(".changed.npy"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_cannot_be_listed_is_not_called_empty() {
        let why = "it cannot be listed: Permission denied (os error 13)";
        assert_eq!(no_run(true, Some(why.into())).what, why);
        assert!(no_run(true, None).what.contains("neither manifest.json"));
        assert_eq!(no_run(false, Some("it is not a directory".into())).what, "it is no directory");
    }
}
