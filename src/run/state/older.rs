//! Progress as earlier versions kept it. It is resumed from, since what was counted and then deleted is counted nowhere
//! else.
//!
//! The types here are frozen. A type whose present form is still that of the old version is used itself; before it
//! changes, it is copied here as it was. `tests/states` has a file of each version, which must be read for ever.

use super::{KnownManifest, Progress};
use crate::follow::{CountedBatches, Identity, OlderBatch};
use crate::run::ranks::RankSums;
use crate::run::run_sums::{KeptSums, RunSums};
use crate::run::series::History;
use crate::run::tally::LayerSums;
use crate::snapshot::{BatchName, LayerShape};
use serde::Deserialize;
use std::sync::Arc;

/// Reads what a file of an earlier version holds; `None` where that version is not read.
pub(super) fn read(version: u64, body: &[u8]) -> Option<postcard::Result<Progress>> {
    match version {
        5 => {
            let read = postcard::from_bytes::<Progress6<Batch5, Sums5>>(body);
            Some(read.and_then(|old| old.current(|(name, state, place)| (name, state, place, None))))
        }
        6 => {
            let read = postcard::from_bytes::<Progress6<OlderBatch, KeptSums>>(body);
            Some(read.and_then(|old| old.current(|batch| batch)))
        }
        _ => None,
    }
}

/// [`Progress`] of version 6. Version 5 knew less of each batch `B`, and had other sums `S`.
#[derive(Deserialize)]
struct Progress6<B, S> {
    directory: Vec<u8>,
    manifest: Option<KnownManifest>,
    shapes: Vec<Vec<LayerShape>>,
    batches: Vec<B>,
    lost: Vec<BatchName>,
    may_have_deleted: bool,
    problems: Vec<(String, String)>,
    sums: S,
    newest: Option<(u64, String)>,
}

impl<B, S: Into<KeptSums>> Progress6<B, S> {
    fn current(self, current_batch: impl Fn(B) -> OlderBatch) -> postcard::Result<Progress> {
        let batches = self.batches.into_iter().map(current_batch);
        Ok(Progress {
            directory: self.directory,
            manifest: self.manifest,
            root: None,
            counted: CountedBatches::from_older(self.shapes, batches, self.lost),
            may_have_deleted: self.may_have_deleted,
            problems: self.problems,
            sums: RunSums::try_from(self.sums.into()).map_err(|_| postcard::Error::SerdeDeCustom)?,
            newest: self.newest,
        })
    }
}

/// A batch of version 5: its name, the state in which it was counted, and the place of its layers.
type Batch5 = (BatchName, Identity, u32);

/// [`KeptSums`] of version 5.
#[derive(Deserialize)]
struct Sums5 {
    layers: Vec<Arc<LayerSums>>,
    samples: u128,
    bytes: u64,
    history: History,
    ranks: Vec<(u32, RankSums)>,
}

impl From<Sums5> for KeptSums {
    fn from(Sums5 { layers, samples, bytes, history, ranks }: Sums5) -> Self {
        Self { layers, step_lengths: Vec::new(), samples, bytes, history, ranks }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Progress, decode, encode};
    use crate::run::sums::{Operations, Updates};

    /// Of each layer its name, its updates and its dense updates.
    fn layer_sums(progress: &Progress) -> Vec<(&str, u128, u128)> {
        let layers = progress.sums.tally.layers().iter();
        layers.map(|layer| (layer.name.as_str(), layer.effective, layer.dense)).collect()
    }

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
        assert_eq!(layer_sums(&progress), [("a", 44, 60), ("b", 44, 60)]);
        assert_eq!((progress.sums.tally.samples(), progress.sums.history.points().len()), (10, 3));
        let ranks = progress.sums.ranks.sums();
        assert_eq!((ranks[0].0, ranks[0].1.batches), (3, 2));
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
        assert_eq!(layer_sums(&progress), [("a", 48, 60), ("b", 48, 60)]);
        let tally = &progress.sums.tally;
        assert_eq!(
            (tally.samples(), tally.step_lengths().len(), progress.sums.history.points().len()),
            (10, 2, 3)
        );
        let ranks = progress.sums.ranks.sums();
        assert_eq!((ranks[0].0, ranks[0].1.batches), (3, 2));
        assert_eq!(progress.newest, Some((2, "batch-2.npz".into())));
    }

    /// Written by the last program before sums became one value: twelve batches of ranks 0 and 3.
    #[test]
    fn a_file_of_version_7_is_read_and_written_again_as_it_was() {
        let bytes = include_bytes!("../../../tests/states/version-7.state");
        let progress = decode(bytes).expect("it is read");
        let total = progress.sums.tally.total();
        assert_eq!((total.batches, total.samples), (12, 192));
        assert_eq!(total.updates, Updates { effective: 1_234_296, dense: 1_432_320 });
        let operations = Operations { effective: 5_317_064, dense: 6_109_440 };
        assert_eq!(progress.sums.operations(), operations);
        let ranks = progress.sums.ranks.sums();
        assert_eq!(
            ranks.iter().map(|(rank, sums)| (*rank, sums.batches)).collect::<Vec<_>>(),
            [(0, 5), (3, 7)]
        );
        assert_eq!(encode(&progress).expect("it is written"), bytes);
    }

    /// The sum of what tells the counts of its batches from others, as that program had it.
    const FINGERPRINT_6: u64 = 1_605_320_973_990_533_905;
}
