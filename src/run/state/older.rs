//! Progress as earlier versions kept it, to be gone on from: what was counted and deleted is counted nowhere else.
//!
//! The types here are frozen. One whose present form is still that of the version is used itself; before it changes,
//! it is copied here as it was. `tests/states` has a file of each version, which must be read for ever.

use super::{KnownManifest, Progress};
use crate::follow::{CountedBatches, Identity, OlderBatch};
use crate::run::ranks::RankSums;
use crate::run::series::History;
use crate::run::tally::LayerSums;
use crate::snapshot::{BatchName, LayerShape};
use serde::Deserialize;
use std::sync::Arc;

/// Reads what a file of an earlier version holds; `None` where that version is not read.
pub(super) fn read(version: u64, body: &[u8]) -> Option<postcard::Result<Progress>> {
    match version {
        5 => Some(postcard::from_bytes::<Progress5>(body).map(Progress::from)),
        6 => Some(postcard::from_bytes::<Progress6>(body).map(Progress::from)),
        _ => None,
    }
}

/// [`Progress`] of version 5.
#[derive(Deserialize)]
struct Progress5 {
    directory: Vec<u8>,
    manifest: Option<KnownManifest>,
    counted: CountedBatches5,
    may_have_deleted: bool,
    problems: Vec<(String, String)>,
    layers: Vec<LayerSums5>,
    samples: u128,
    bytes: u64,
    history: History,
    ranks: Vec<(u32, RankSums)>,
    newest: Option<(u64, String)>,
}

#[derive(Deserialize)]
struct CountedBatches5 {
    shapes: Vec<Vec<LayerShape>>,
    batches: Vec<(BatchName, Identity, u32)>,
    lost: Vec<BatchName>,
}

#[derive(Deserialize)]
struct LayerSums5 {
    name: String,
    first_batch: u64,
    neurons: Option<Vec<u64>>,
    shape_batch: u64,
    shape_rank: Option<u32>,
    updates: u128,
    dense: u128,
    updates_by_step: Vec<u128>,
}

impl From<Progress5> for Progress {
    fn from(old: Progress5) -> Self {
        Self {
            directory: old.directory,
            manifest: old.manifest,
            root: None,
            counted: old.counted.into(),
            may_have_deleted: old.may_have_deleted,
            problems: old.problems,
            layers: old.layers.into_iter().map(|layer| LayerSums::from(layer).into()).collect(),
            step_lengths: Vec::new(),
            samples: old.samples,
            bytes: old.bytes,
            history: old.history,
            ranks: old.ranks,
            newest: old.newest,
        }
    }
}

impl From<CountedBatches5> for CountedBatches {
    fn from(old: CountedBatches5) -> Self {
        let batches = old.batches.into_iter();
        Self::from_older(old.shapes, batches.map(|(name, state, place)| (name, state, place, None)), old.lost)
    }
}

impl From<LayerSums5> for LayerSums {
    fn from(old: LayerSums5) -> Self {
        Self {
            name: old.name,
            first_batch: old.first_batch,
            neurons: old.neurons,
            shape_batch: old.shape_batch,
            shape_rank: old.shape_rank,
            updates: old.updates,
            dense: old.dense,
            updates_by_step: old.updates_by_step,
        }
    }
}

/// [`Progress`] of version 6.
#[derive(Deserialize)]
struct Progress6 {
    directory: Vec<u8>,
    manifest: Option<KnownManifest>,
    counted: CountedBatches6,
    may_have_deleted: bool,
    problems: Vec<(String, String)>,
    layers: Vec<LayerSums>,
    step_lengths: Vec<Vec<(u64, u64)>>,
    samples: u128,
    bytes: u64,
    history: History,
    ranks: Vec<(u32, RankSums)>,
    newest: Option<(u64, String)>,
}

#[derive(Deserialize)]
struct CountedBatches6 {
    shapes: Vec<Vec<LayerShape>>,
    batches: Vec<OlderBatch>,
    lost: Vec<BatchName>,
}

impl From<Progress6> for Progress {
    fn from(old: Progress6) -> Self {
        let CountedBatches6 { shapes, batches, lost } = old.counted;
        Self {
            directory: old.directory,
            manifest: old.manifest,
            root: None,
            counted: CountedBatches::from_older(shapes, batches, lost),
            may_have_deleted: old.may_have_deleted,
            problems: old.problems,
            layers: old.layers.into_iter().map(Arc::new).collect(),
            step_lengths: old.step_lengths,
            samples: old.samples,
            bytes: old.bytes,
            history: old.history,
            ranks: old.ranks,
            newest: old.newest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode;

    /// Written by the last program of that version: three batches of no rank, two of rank 3, one that was lost.
    #[test]
    fn a_file_of_version_5_is_read() {
        let progress = decode(include_bytes!("../../../tests/states/version-5.state")).expect("it is read");
        assert_eq!(progress.directory, b"/runs/exp1");
        assert!(progress.may_have_deleted);
        let names: Vec<String> = progress.counted.names().map(|name| name.to_string()).collect();
        let of_rank = ["rank-3.batch-0.npz", "rank-3.batch-1.npz"];
        let mut expected = vec!["batch-0.npz", "batch-1.npz", "batch-2.npz"];
        expected.extend(of_rank);
        assert_eq!(names.len(), expected.len());
        assert!(expected.iter().all(|name| names.iter().any(|other| other == name)), "{names:?}");
        let lost: Vec<String> = progress.counted.lost().iter().map(ToString::to_string).collect();
        assert_eq!((lost, progress.problems[0].0.as_str()), (vec!["batch-7.npz".to_owned()], "batch-7.npz"));
        let sums = |at: usize| {
            (progress.layers[at].name.as_str(), progress.layers[at].updates, progress.layers[at].dense)
        };
        assert_eq!([sums(0), sums(1)], [("a", 44, 60), ("b", 44, 60)]);
        assert_eq!((progress.samples, progress.history.points().len()), (10, 3));
        assert_eq!((progress.ranks[0].0, progress.ranks[0].1.batches), (3, 2));
        assert_eq!(progress.newest, Some((2, "batch-2.npz".into())));
    }

    /// Written by the last program of that version, with `--prune`: of the same batches, each of which it deleted.
    #[test]
    fn a_file_of_version_6_is_read() {
        let progress = decode(include_bytes!("../../../tests/states/version-6.state")).expect("it is read");
        assert_eq!(progress.directory, b"/runs/exp1");
        assert!(progress.may_have_deleted && progress.root.is_none() && progress.manifest.is_some());
        let mut names: Vec<String> = progress.counted.names().map(|name| name.to_string()).collect();
        names.sort_unstable();
        let of_rank = ["rank-3.batch-0.npz", "rank-3.batch-1.npz"];
        assert_eq!(names[..3], ["batch-0.npz", "batch-1.npz", "batch-2.npz"]);
        assert_eq!(names[3..], of_rank);
        assert_eq!(progress.counted.fingerprint(), FINGERPRINT_6, "what is counted of each is known");
        let lost: Vec<String> = progress.counted.lost().iter().map(ToString::to_string).collect();
        assert_eq!((lost, progress.problems[0].0.as_str()), (vec!["batch-7.npz".to_owned()], "batch-7.npz"));
        let sums = |at: usize| {
            (progress.layers[at].name.as_str(), progress.layers[at].updates, progress.layers[at].dense)
        };
        assert_eq!([sums(0), sums(1)], [("a", 48, 60), ("b", 48, 60)]);
        assert_eq!(
            (progress.samples, progress.step_lengths.len(), progress.history.points().len()),
            (10, 2, 3)
        );
        assert_eq!((progress.ranks[0].0, progress.ranks[0].1.batches), (3, 2));
        assert_eq!(progress.newest, Some((2, "batch-2.npz".into())));
    }

    /// The sum of what tells the counts of its batches from others, as that program had it.
    const FINGERPRINT_6: u64 = 1_605_320_973_990_533_905;
}
