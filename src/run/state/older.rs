//! Progress as earlier versions kept it. It is resumed from, since what was counted and then deleted is counted nowhere
//! else.
//!
//! The types here are frozen. A type whose present form is still that of the old version is used itself; before it
//! changes, it is copied here as it was. `tests/states` has a file of each version, which must be read for ever.

use super::{KnownManifest, Progress};
use crate::count::Activity;
use crate::follow::{CountedBatch, CountedBatches, Identity};
use crate::run::ranks::RankSums;
use crate::run::run_sums::{KeptSums, RunSums};
use crate::run::series::History;
use crate::run::tally::{LayerSums, StepLengths};
use crate::snapshot::{BatchName, LayerShape};
use crate::storage::Root;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Reads what a file of an earlier version holds; `None` where that version is not read.
pub(super) fn read(version: u64, body: &[u8]) -> Option<postcard::Result<Progress>> {
    Some(match version {
        5 => {
            let whole =
                |(name, identity, place): Batch5| CountedBatch { name, identity, place, digest: None };
            read_as(body, |listed: Listed6<_>| listed6(listed, whole), |()| Vec::new())
        }
        6 => read_as(body, |listed| listed6(listed, |batch: CountedBatch| batch), |lengths| lengths),
        7 => read_as(body, |listed| listed, |lengths| lengths),
        _ => return None,
    })
}

/// [`Progress`] up to version 7, with its sums and in the order of the file. The versions differ in what they list of
/// batches, `B`, and in what they say of the numbers of steps, `L`.
#[derive(Deserialize)]
struct Progress7<B, L> {
    directory: Vec<u8>,
    manifest: Option<KnownManifest>,
    listed: B,
    may_have_deleted: bool,
    problems: Vec<(String, String)>,
    layers: Vec<LayerSums7>,
    step_lengths: L,
    samples: u128,
    bytes: u64,
    history: History,
    ranks: Vec<(u32, RankSums)>,
    newest: Option<(u64, String)>,
}

/// [`LayerSums`] up to version 7, which did not know which neurons are active.
type LayerSums7 = (String, u64, Option<Vec<u64>>, u64, Option<u32>, u128, u128, Vec<u128>);

/// The batches of version 6, of each of which version 5 knew less: the sets of layers, the batches, and those lost.
type Listed6<B> = (Vec<Vec<LayerShape>>, Vec<B>, Vec<BatchName>);

/// A batch of version 5: its name, the state in which it was counted, and the place of its layers.
type Batch5 = (BatchName, Identity, u32);

fn listed6<B>(
    (shapes, batches, lost): Listed6<B>,
    whole: impl Fn(B) -> CountedBatch,
) -> (Option<Root>, CountedBatches) {
    (None, CountedBatches::from_older(shapes, batches.into_iter().map(whole).collect(), lost))
}

fn read_as<B: DeserializeOwned, L: DeserializeOwned>(
    body: &[u8],
    listed: impl Fn(B) -> (Option<Root>, CountedBatches),
    step_lengths: impl Fn(L) -> Vec<Arc<StepLengths>>,
) -> postcard::Result<Progress> {
    let old: Progress7<B, L> = postcard::from_bytes(body)?;
    let (root, counted) = listed(old.listed);
    let sums = RunSums::try_from(KeptSums {
        layers: old.layers.into_iter().map(layer_sums).collect(),
        step_lengths: step_lengths(old.step_lengths),
        samples: old.samples,
        bytes: old.bytes,
        history: old.history,
        ranks: old.ranks,
    });
    Ok(Progress {
        directory: old.directory,
        manifest: old.manifest,
        root,
        counted,
        may_have_deleted: old.may_have_deleted,
        problems: old.problems,
        sums: sums.map_err(|_| postcard::Error::SerdeDeCustom)?,
        newest: old.newest,
    })
}

fn layer_sums(old: LayerSums7) -> Arc<LayerSums> {
    let (name, first_batch, neurons, shape_batch, shape_rank, effective, dense, updates_by_step) = old;
    Arc::new(LayerSums {
        name,
        first_batch,
        neurons,
        shape_batch,
        shape_rank,
        effective,
        dense,
        updates_by_step,
        activity: Activity::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Progress, decode, encode};
    use crate::count::Activity;
    use crate::run::sums::{Operations, Updates};

    /// Of each layer its name, its updates and its dense updates.
    fn layer_sums(progress: &Progress) -> Vec<(&str, u128, u128)> {
        let layers = progress.sums.tally.layers().iter();
        layers.map(|layer| (layer.name.as_str(), layer.effective, layer.dense)).collect()
    }

    /// Written by the last programs of these versions, that of version 6 with `--prune`: three batches of no rank, two of
    /// rank 3, one that was lost.
    #[test]
    fn files_of_versions_5_and_6_are_read() {
        // Of each batch, version 6 said what was counted.
        let files = [
            (&include_bytes!("../../../tests/states/version-5.state")[..], 44, None),
            (include_bytes!("../../../tests/states/version-6.state"), 48, Some(1_605_320_973_990_533_905)),
        ];
        for (bytes, updates, fingerprint) in files {
            let progress = decode(bytes).expect("it is read");
            assert_eq!(progress.directory, b"/runs/exp1");
            assert!(progress.may_have_deleted && progress.root.is_none());
            let mut names: Vec<String> = progress.counted.names().map(|name| name.to_string()).collect();
            names.sort_unstable();
            let of_rank = ["rank-3.batch-0.npz", "rank-3.batch-1.npz"];
            assert_eq!(names[..3], ["batch-0.npz", "batch-1.npz", "batch-2.npz"]);
            assert_eq!(names[3..], of_rank);
            assert!(fingerprint.is_none_or(|known| known == progress.counted.fingerprint()));
            let lost: Vec<String> = progress.counted.lost().iter().map(ToString::to_string).collect();
            assert_eq!(
                (lost, progress.problems[0].0.as_str()),
                (vec!["batch-7.npz".to_owned()], "batch-7.npz")
            );
            assert_eq!(layer_sums(&progress), [("a", updates, 60), ("b", updates, 60)]);
            let tally = &progress.sums.tally;
            let points = progress.sums.history.points().len();
            assert_eq!((tally.samples(), tally.step_lengths().len(), points), (10, 2, 3));
            let ranks = progress.sums.ranks.sums();
            assert_eq!((ranks[0].0, ranks[0].1.batches), (3, 2));
            assert_eq!(progress.newest, Some((2, "batch-2.npz".into())));
        }
    }

    /// Written by the last program before sums became one value: twelve batches of ranks 0 and 3.
    #[test]
    fn a_file_of_version_7_is_read() {
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
        let layers = progress.sums.tally.layers();
        assert!(layers.iter().all(|layer| layer.activity == Activity::Unknown), "no version said it before");
        assert_eq!(decode(&encode(&progress).expect("it is written")), Ok(progress));
    }

    /// Written by the first program of that version: three batches, one of them of rank 3, of which it is known which
    /// neurons are active.
    #[test]
    fn a_file_of_version_8_is_read() {
        let bytes = include_bytes!("../../../tests/states/version-8.state");
        let progress = decode(bytes).expect("it is read");
        assert_eq!(progress.directory, b"/runs/exp1");
        let total = progress.sums.tally.total();
        assert_eq!((total.batches, total.samples), (3, 6));
        assert_eq!(total.updates, Updates { effective: 602, dense: 792 });
        let ranks = progress.sums.ranks.sums();
        assert_eq!(ranks.iter().map(|(rank, sums)| (*rank, sums.batches)).collect::<Vec<_>>(), [(3, 1)]);
        let neurons: Vec<_> = progress
            .sums
            .tally
            .layers()
            .iter()
            .map(|layer| {
                let counts = layer.activity.counts().expect("it is known");
                (layer.name.as_str(), counts.neurons, counts.silent, counts.always_active)
            })
            .collect();
        assert_eq!(neurons, [("lif1", 8, 0, 0), ("lif2", 6, 0, 0), ("plif", 4, 4, 0), ("rnn", 4, 0, 4)]);
        assert_eq!(decode(&encode(&progress).expect("it is written")), Ok(progress));
    }
}
