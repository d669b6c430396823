//! `manifest.json`: the layers of a run, as declared by the benchmark that writes it.

use super::bounded::{at_most, quoted, shown, warnings};
use super::document::utf8;
use super::hints::{NAMED, are_alike};
use super::loose::LooseValue;
use super::npy::MAX_AXES;
use super::price::{LayerPrice, MAX_PRICES, PriceFields};
use super::{Layers, SnapshotError};
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

const VERSION: u64 = 1;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// Distinguishes a run from another with the same name and layers, if the producer sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub run: Option<String>,
    /// The programs that wrote the run, with versions.
    pub producer: Option<String>,
    /// The samples that the whole run will have, if known.
    pub expected_samples: Option<u64>,
    /// The batches that the whole run will have, if known.
    pub expected_batches: Option<u64>,
    /// In the order in which they are shown.
    pub layers: Layers,
    /// What the producer noticed that can make NeuroBench's figures misleading, in plain sentences; at most a
    /// hundred.
    #[serde(deserialize_with = "warnings")]
    pub warnings: Vec<String>,
    /// The number of ranks that write the run, if there are several and it is known.
    pub world_size: Option<u64>,
    /// How many batches the producer keeps, if it deletes batches once they are acknowledged as counted.
    pub keep: Option<u64>,
    /// Whether the producer stopped with a warning, so that no more batches come from it.
    pub stopped: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "LayerFields", into = "LayerFields")]
pub struct LayerEntry {
    /// The qualified name of the module.
    pub name: String,
    /// The class name, such as `Leaky`.
    pub neuron: String,
    /// The reset mechanism: `subtract`, `zero` or `none`.
    pub reset: String,
    /// The shape of one sample's neurons; if absent, it is not checked.
    pub shape: Option<Vec<u64>>,
    /// What the recorder knows of the price of an update.
    pub price: LayerPrice,
}

/// A layer as it is in the file.
#[derive(Serialize, Deserialize)]
struct LayerFields {
    name: String,
    neuron: String,
    reset: String,
    #[serde(default, deserialize_with = "neurons")]
    shape: Option<Vec<u64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ops_per_update: Option<LooseValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    priced_by: Option<LooseValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operations: Option<LooseValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    versions: Option<LooseValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<LooseValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unpriced: Option<LooseValue>,
    /// Only in the part of a shard.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "prices")]
    differing_prices: Vec<PriceFields>,
    /// Only in the part of a shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrong_price: Option<LooseValue>,
}

impl From<LayerFields> for LayerEntry {
    fn from(fields: LayerFields) -> Self {
        let LayerFields { name, neuron, reset, shape, ops_per_update, priced_by, operations, .. } = fields;
        let LayerFields { versions, mode, unpriced, differing_prices, wrong_price, .. } = fields;
        let price = PriceFields { ops_per_update, priced_by, operations, versions, mode, unpriced };
        Self { name, neuron, reset, shape, price: price.read(differing_prices, wrong_price) }
    }
}

impl From<LayerEntry> for LayerFields {
    fn from(LayerEntry { name, neuron, reset, shape, price }: LayerEntry) -> Self {
        let (fields, differing_prices, wrong_price) = PriceFields::written(&price);
        let PriceFields { ops_per_update, priced_by, operations, versions, mode, unpriced } = fields;
        Self {
            name,
            neuron,
            reset,
            shape,
            ops_per_update,
            priced_by,
            operations,
            versions,
            mode,
            unpriced,
            differing_prices,
            wrong_price,
        }
    }
}

/// A layer in a batch: its name and the shape of one sample's neurons.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LayerShape {
    pub name: String,
    /// The axes after the batch axis; `None` if the array has no elements, so that they mean nothing.
    pub neurons: Option<Vec<u64>>,
}

impl LayerShape {
    /// About how much memory some of them take, in bytes.
    pub(crate) fn bytes_of(layers: &[Self]) -> usize {
        let bytes = |layer: &Self| {
            let axes = layer.neurons.as_ref().map_or(0, Vec::len);
            size_of::<Self>() + layer.name.len() + axes * size_of::<u64>()
        };
        layers.iter().map(bytes).sum()
    }
}

impl LayerEntry {
    /// Checks the layer of the same name in a batch.
    fn check(&self, found: &LayerShape) -> Result<(), SnapshotError> {
        match (&self.shape, &found.neurons) {
            (Some(declared), Some(found)) if declared != found => Err(SnapshotError::new(
                format!(
                    "layer {} has neurons of shape {found:?}, and the manifest says {declared:?}",
                    quoted(&self.name)
                ),
                "correct the manifest or the batch",
            )),
            _ => Ok(()),
        }
    }

    /// The error that a batch lacks this layer, but perhaps has others that the manifest lacks.
    fn missing(&self, undeclared: &[&str]) -> SnapshotError {
        let missing = format!("layer {} of the manifest is missing", quoted(&self.name));
        if let Some(alike) = undeclared.iter().find(|layer| are_alike(&self.name, layer)) {
            return SnapshotError::new(
                format!("{missing}, and {} is there, which the manifest lacks", quoted(alike)),
                "give the layer one name in the manifest and in the batches (DataParallel and torch.compile put \
                 module. and _orig_mod. before it)",
            );
        }
        let others: Vec<String> = undeclared.iter().take(NAMED).map(|layer| quoted(layer)).collect();
        let there = if others.is_empty() {
            String::new()
        } else {
            format!(" (there is {}, which the manifest lacks)", others.join(", "))
        };
        SnapshotError::new(missing + &there, "write every layer of the manifest in every batch")
    }
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestError {
    /// It is not a manifest of this format. The batches can be counted without it.
    Unusable(SnapshotError),
    /// It has a newer version of the format, whose batches this program might count wrongly.
    Newer(SnapshotError),
}

/// The fields that say what the document is. They are read first, so that a newer version is refused as newer,
/// whatever else has changed in it.
#[derive(Deserialize)]
struct ManifestHead {
    format: Option<String>,
    version: Option<LooseValue>,
}

/// Reads the shape of a layer, with no more axes than an array can have.
fn neurons<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u64>>, D::Error> {
    Ok(Option::<Axes>::deserialize(deserializer)?.map(|Axes(axes)| axes))
}

/// Reads the prices of a layer that differ.
fn prices<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PriceFields>, D::Error> {
    at_most(deserializer, MAX_PRICES, "prices of a layer")
}

struct Axes(Vec<u64>);

impl<'de> Deserialize<'de> for Axes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        at_most(deserializer, MAX_AXES, "axes of a layer").map(Self)
    }
}

impl Manifest {
    /// # Errors
    /// [`ManifestError::Newer`] for a higher version, [`ManifestError::Unusable`] for anything else
    /// that is not a manifest: not JSON, another format, a field of the wrong type, a layer twice, far too many
    /// layers.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let bytes = utf8(bytes).map_err(ManifestError::Unusable)?;
        let preamble: ManifestHead = from_json(bytes)?;
        if preamble.format.as_deref() != Some("neurotop") {
            return Err(unusable("it has no \"format\": \"neurotop\""));
        }
        match preamble.version {
            Some(LooseValue::Whole(VERSION)) => {}
            Some(LooseValue::Whole(newer)) if newer > VERSION => {
                return Err(ManifestError::Newer(SnapshotError::new(
                    format!("version {newer} of the format, and this neurotop reads version {VERSION}"),
                    "update neurotop",
                )));
            }
            Some(LooseValue::Whole(older)) => {
                return Err(unusable(&format!("\"version\" is {older}, not {VERSION}")));
            }
            Some(other) => {
                return Err(unusable(&format!("\"version\" is {}, not {VERSION}", other.kind())));
            }
            None => return Err(unusable("it has no \"version\"")),
        }
        let manifest: Self = from_json(bytes)?;
        match manifest.layer_twice() {
            Some(twice) => Err(unusable(&format!("layer {} is in it twice", quoted(twice)))),
            None => Ok(manifest),
        }
    }

    /// Whether a later manifest must be that of another model: it has another name or producer, or none of the
    /// layers.
    pub fn is_of_another_model(&self, later: &Self) -> bool {
        let has_layers = !self.layers.is_empty() && !later.layers.is_empty();
        let has_none = later.layers.iter().all(|layer| self.layers.place(&layer.name).is_none());
        (&self.run, &self.producer) != (&later.run, &later.producer) || (has_layers && has_none)
    }

    /// The first layer that is in it twice.
    pub fn layer_twice(&self) -> Option<&str> {
        self.layers.twice()
    }

    /// Checks the layers of a batch against the manifest.
    ///
    /// The batch may have layers that are not in the manifest, which have no price. It must not lack a layer of the
    /// manifest, or have one with another shape.
    ///
    /// # Errors
    /// Names the first layer that does not match.
    pub fn check<'a>(&self, layers: &'a [LayerShape]) -> Result<(), SnapshotError> {
        // Looks up the batch's layers, since a small batch must not take as long as the manifest is.
        let place = |layer: &'a LayerShape| Some((self.layers.place(&layer.name)?, layer));
        let mut present: Vec<(usize, &LayerShape)> = layers.iter().filter_map(place).collect();
        present.sort_unstable_by_key(|&(place, _)| place);
        present.dedup_by_key(|&mut (place, _)| place);
        let mut present = present.into_iter();
        for (place, entry) in self.layers.iter().enumerate() {
            match present.next() {
                Some((at, layer)) if at == place => entry.check(layer)?,
                _ => return Err(entry.missing(&self.undeclared(layers))),
            }
        }
        Ok(())
    }

    fn undeclared<'a>(&self, layers: &'a [LayerShape]) -> Vec<&'a str> {
        let names = layers.iter().map(|layer| layer.name.as_str());
        names.filter(|name| self.layers.place(name).is_none()).collect()
    }

    /// The manifest with what it and another one of the same run say of the prices of its layers. `None` if that is
    /// what it says already.
    pub fn with_prices_of(&self, other: &Self) -> Option<Self> {
        let entries: Vec<LayerEntry> = self.layers.to_vec();
        let joined = entries.into_iter().map(|entry| {
            let more = other.layers.named(&entry.name).map(|other| other.price.clone()).unwrap_or_default();
            LayerEntry { price: entry.price.joined(more), ..entry }
        });
        let layers = Layers::new(joined.collect());
        (layers != self.layers).then(|| Self { layers, ..self.clone() })
    }

    /// Whether it prices the layers as another manifest of the same run does.
    pub fn has_same_prices(&self, other: &Self) -> bool {
        let price = |layer: &LayerEntry| layer.price.clone();
        self.layers.iter().map(price).eq(other.layers.iter().map(price))
    }

    /// What the manifest of a rank says about the whole run: its layers. Its name, its producer and its expectations
    /// are those of the rank alone.
    #[must_use]
    pub fn of_all_ranks(self) -> Self {
        Self { run: None, producer: None, expected_samples: None, expected_batches: None, ..self }
    }

    /// Why this manifest of a rank contradicts the one that is taken for the run's, which is in the file `source`;
    /// `None` if they agree.
    pub fn conflict_with(&self, of_run: &Self, source: &str) -> Option<SnapshotError> {
        let how = self.contradiction(of_run)?;
        Some(SnapshotError::new(
            format!("it contradicts {source}, which is taken for the run's: {how}"),
            "have all ranks run the same model, or give each a run of its own",
        ))
    }

    /// In what the manifest of a rank differs from the run's; `None` if they agree.
    pub fn contradiction(&self, of_run: &Self) -> Option<String> {
        for layer in self.layers.iter() {
            let name = quoted(&layer.name);
            let Some(other) = of_run.layers.named(&layer.name) else {
                return Some(format!("layer {name} is not in the run's"));
            };
            if (&layer.neuron, &layer.reset) != (&other.neuron, &other.reset) {
                let (here, reset_here) = (shown(&layer.neuron), shown(&layer.reset));
                let (there, reset_there) = (shown(&other.neuron), shown(&other.reset));
                return Some(format!(
                    "layer {name} is {here} with reset {reset_here} here, and {there} with reset {reset_there} \
                     in the run's"
                ));
            }
            if let (Some(here), Some(there)) = (&layer.shape, &other.shape)
                && here != there
            {
                return Some(format!(
                    "layer {name} has neurons of shape {here:?} here, and {there:?} in the run's"
                ));
            }
        }
        let missing = of_run.layers.iter().find(|layer| self.layers.place(&layer.name).is_none())?;
        Some(format!("layer {} of the run's is not in it", quoted(&missing.name)))
    }

    /// Why the producer stopped, if it did, and what to do. `has_batches` says whether it had written any.
    pub fn stop_reason(&self, has_batches: bool) -> Option<SnapshotError> {
        if !self.stopped {
            return None;
        }
        // It writes the reason last.
        let why = self.warnings.last().map_or("it gives no reason", |why| why.trim_end_matches('.'));
        let advice = if has_batches {
            "correct that, and record the benchmark again from its first batch"
        } else {
            "correct that, and record the benchmark again: this directory is free for it"
        };
        Some(SnapshotError::new(format!("the recording has stopped, and is not whole: {why}"), advice))
    }

    /// The layers' names and shapes: what [`Manifest::check`] depends on.
    pub fn checked_part(&self) -> impl Iterator<Item = (&str, Option<&[u64]>)> {
        self.layers.iter().map(|layer| (layer.name.as_str(), layer.shape.as_deref()))
    }
}

fn from_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ManifestError> {
    serde_json::from_slice(bytes).map_err(|error| unusable(&format!("not a manifest: {error}")))
}

fn unusable(what: &str) -> ManifestError {
    ManifestError::Unusable(SnapshotError::new(
        what,
        "write it as the format says, or give --neuron and --reset",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse(text.as_bytes())
    }

    #[test]
    fn manifests_of_ranks_must_say_the_same_of_the_layers() {
        let manifest = |layers: &str| {
            parse(&format!(r#"{{"format": "neurotop", "version": 1, "layers": [{layers}]}}"#))
                .expect("a manifest")
        };
        let layer = |name: &str, reset: &str, more: &str| {
            format!(r#"{{"name": "{name}", "neuron": "Leaky", "reset": "{reset}"{more}}}"#)
        };
        let run = manifest(&layer("a", "zero", r#", "shape": [2]"#));
        for (rank, expected) in [
            (layer("a", "zero", r#", "shape": [2]"#), None),
            (layer("a", "zero", ""), None),
            (layer("a", "subtract", ""), Some("Leaky with reset subtract here, and Leaky with reset zero")),
            (layer("a", "zero", r#", "shape": [3]"#), Some("[3] here, and [2]")),
            (layer("b", "zero", ""), Some("\"b\" is not in the run's")),
            (String::new(), Some("\"a\" of the run's is not in it")),
        ] {
            let said = manifest(&rank).contradiction(&run);
            match expected {
                None => assert_eq!(said, None, "{rank}"),
                Some(expected) => {
                    assert!(said.as_deref().is_some_and(|said| said.contains(expected)), "{said:?}")
                }
            }
        }
    }

    #[test]
    fn unknown_fields_are_ignored_and_expectations_optional() {
        let manifest = parse(
            r#"{"format": "neurotop", "version": 1, "colour": [1],
                "layers": [{"name": "a", "neuron": "Leaky", "reset": "zero", "shape": [2, 3], "x": 1}]}"#,
        )
        .expect("a manifest");
        assert_eq!(manifest.layers[0].shape, Some(vec![2, 3]));
        assert_eq!(manifest.expected_samples, None);
    }

    #[test]
    fn a_newer_version_is_refused_as_newer_even_if_its_layers_are_unreadable() {
        let error = parse(r#"{"format": "neurotop", "version": 2, "layers": "elsewhere"}"#).unwrap_err();
        let ManifestError::Newer(error) = error else { panic!("{error:?}") };
        assert!(error.to_string().contains("version 2"), "{error}");
    }

    #[test]
    fn what_is_not_a_manifest_is_unusable() {
        for text in [
            "",
            "{",
            "[]",
            r#"{"version": 1}"#,
            r#"{"format": "neurotop"}"#,
            r#"{"format": "neurotop", "version": 0}"#,
            r#"{"format": "neurotop", "version": "1"}"#,
            r#"{"format": "neurotop", "version": 1, "layers": [{"name": "a"}]}"#,
            r#"{"format": "neurotop", "version": 1, "layers": [
                {"name": "a", "neuron": "Leaky", "reset": "zero"},
                {"name": "a", "neuron": "Alpha", "reset": "zero"}]}"#,
        ] {
            assert!(matches!(parse(text), Err(ManifestError::Unusable(_))), "{text}");
        }
    }

    #[test]
    fn of_several_layers_that_do_not_fit_the_first_of_the_manifest_is_named() {
        let layer =
            |name: &str| format!(r#"{{"name": "{name}", "neuron": "n", "reset": "r", "shape": [1]}}"#);
        let layers = ["d", "a", "c", "b"].map(layer).join(",");
        let manifest = parse(&format!(r#"{{"format": "neurotop", "version": 1, "layers": [{layers}]}}"#))
            .expect("a manifest");
        let layer = |name: &str, axis| LayerShape { name: name.into(), neurons: Some(vec![axis]) };
        let check = |layers: &[(&str, u64)]| {
            let layers: Vec<LayerShape> = layers.iter().map(|&(name, axis)| layer(name, axis)).collect();
            manifest.check(&layers).err().map(|error| error.what).unwrap_or_default()
        };
        assert_eq!(check(&[("more", 5), ("b", 1), ("c", 1), ("a", 1), ("d", 1)]), "");
        let empty = ["a", "b", "c", "d"].map(|name| LayerShape { name: name.into(), neurons: None });
        assert!(manifest.check(&empty).is_ok(), "an empty array says nothing");
        assert!(check(&[("b", 9), ("c", 1), ("d", 1)]).starts_with("layer \"a\" of the manifest is missing"));
        assert!(check(&[("b", 9), ("c", 9), ("d", 1), ("a", 1)]).starts_with("layer \"c\" has neurons"));
        assert!(check(&[("a", 1), ("b", 1), ("c", 1)]).starts_with("layer \"d\" of"));
        assert!(check(&[("d", 1), ("a", 1), ("c", 1)]).starts_with("layer \"b\" of"));
    }
}
