//! Remarks on what is strange about a batch that counts. Each sentence is the same for all batches of a kind, so that
//! it can be reported once per run.

use super::bounded::{quoted, shown};
use super::hints::{NAMED, all_meant};
use super::{Batch, BatchLayer, SnapshotError};

/// Advice on how to name members.
pub(super) const NAMES: &str = "name potentials <layer>.post, <layer>.pre or <layer>.changed";

/// The remarks about a batch; `says_samples` is whether it has a `samples` member.
pub(super) fn remarks(batch: &Batch, says_samples: bool) -> Vec<SnapshotError> {
    let of_axes = says_samples.then(|| samples_first(batch)).flatten();
    let of_some = if of_axes.is_none() { samples_unlike(batch) } else { [None, None] };
    let of_all = if of_axes.is_none() && says_samples { no_multiple(batch) } else { None };
    let of_axes = [of_axes, of_all].into_iter().chain(of_some);
    let others = [without_samples(batch), without_layers(batch), without_elements(batch), ignored(batch)];
    of_axes.chain(others).flatten().collect()
}

/// The layers that have any elements.
fn filled(batch: &Batch) -> impl Iterator<Item = &BatchLayer> {
    batch.layers.iter().filter(|layer| layer.elements > 0)
}

/// If there are as many time steps as samples, nothing distinguishes the axes.
fn samples_first(batch: &Batch) -> Option<SnapshotError> {
    let is_turned = |layer: &BatchLayer| layer.shape[0] == batch.samples && layer.shape[1] != batch.samples;
    let is_telling = filled(batch).next().is_some() && filled(batch).all(is_turned);
    is_telling.then(|| {
        SnapshotError::new(
            "in every layer the number of samples is the length of axis 0 and not that of axis 1, here and perhaps \
             later: saved as [B, T, …], updates are counted wrongly",
            "save potentials as [T, B, …], time steps first, as with numpy.swapaxes(potentials, 0, 1)",
        )
    })
}

/// Axis 1 is as long in all layers. It may be longer than the samples are many where layers are called for several parts of
/// a sample, but then it is a multiple; a number that is always that of a full batch is none in the last batch.
fn no_multiple(batch: &Batch) -> Option<SnapshotError> {
    let length = filled(batch).next()?.shape[1];
    let is_odd = batch.samples > 0 && !length.is_multiple_of(batch.samples);
    (is_odd && filled(batch).all(|layer| layer.shape[1] == length)).then(|| {
        SnapshotError::new(
            "the number of samples is not the length of axis 1 in any layer, nor a part of it, here and perhaps later: what \
             is per sample is wrong",
            "write the number of samples in this very batch as samples, as with potentials.shape[1]",
        )
    })
}

/// If axis 1 is as long in all layers, it may be anything; the layers must differ. Those in which axis 0 has the number of
/// samples may be turned, and the others may be called for parts of samples.
fn samples_unlike(batch: &Batch) -> [Option<SnapshotError>; 2] {
    let mut lengths = filled(batch).map(|layer| layer.shape[1]);
    let first = lengths.next();
    if lengths.all(|length| Some(length) == first) {
        return [None, None];
    }
    let unlike = || filled(batch).filter(|layer| layer.shape[1] != batch.samples);
    let is_turned = |layer: &&BatchLayer| layer.shape[0] == batch.samples;
    let turned = first_names(unlike().filter(is_turned));
    let others = first_names(unlike().filter(|layer| !is_turned(layer)));
    [
        turned.map(|names| {
            SnapshotError::new(
                format!(
                    "layers have the number of samples as the length of axis 0 and not of axis 1, unlike other layers, \
                     here and perhaps later (saved as [B, T, …], updates are counted wrongly): {names}"
                ),
                "save potentials as [T, B, …], time steps first, as with numpy.swapaxes(potentials, 0, 1)",
            )
        }),
        others.map(|names| {
            SnapshotError::new(
                format!(
                    "layers have another length of axis 1 than the number of samples, unlike other layers, here and \
                     perhaps later: {names}"
                ),
                "nothing needs to be done where they are called for several parts of a sample; else save potentials as \
                 [T, B, …] and the number of samples as samples",
            )
        }),
    ]
}

/// The names of the first layers; `None` if there is none.
fn first_names<'a>(layers: impl Iterator<Item = &'a BatchLayer>) -> Option<String> {
    let names: Vec<String> = layers.map(|layer| quoted(&layer.name)).take(NAMED).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn without_samples(batch: &Batch) -> Option<SnapshotError> {
    let is_strange = batch.samples == 0 && filled(batch).next().is_some();
    is_strange.then(|| {
        SnapshotError::new(
            "it has updates and says that it has no samples, here and perhaps later: what is per sample is too high",
            "write the number of samples as samples",
        )
    })
}

fn without_layers(batch: &Batch) -> Option<SnapshotError> {
    let is_strange = batch.samples > 0 && batch.layers.is_empty();
    is_strange.then(|| {
        let advice = all_meant(&batch.ignored).map_or(NAMES.to_owned(), |meant| format!("{NAMES}: {meant}"));
        SnapshotError::new(
            "it has samples and no layer, here and perhaps later: what is per sample is too low",
            advice,
        )
    })
}

fn without_elements(batch: &Batch) -> Option<SnapshotError> {
    let names = first_names(batch.layers.iter().filter(|layer| layer.elements == 0 && batch.samples > 0))?;
    Some(SnapshotError::new(
        format!("its samples count for layers that have no element in it, here and perhaps later: {names}"),
        "nothing needs to be done where the network did not call them; else their figures per sample are too low: \
         leave out batches in which a layer could not be recorded",
    ))
}

fn ignored(batch: &Batch) -> Option<SnapshotError> {
    let ignored = &batch.ignored;
    let names: Vec<_> = ignored.iter().take(NAMED).map(|name| shown(name)).collect();
    let what = "members that the format does not know are not read, here and later";
    let advice = all_meant(ignored).map_or(NAMES.to_owned(), |meant| format!("{NAMES}: {meant}"));
    (!ignored.is_empty()).then(|| SnapshotError::new(format!("{what}: {}", names.join(", ")), advice))
}
