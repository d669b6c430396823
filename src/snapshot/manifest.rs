//! `manifest.json`: what the layers of a run are, as the benchmark that writes it declares.

use super::SnapshotError;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// The version of the format that this program reads.
const VERSION: u64 = 1;

/// The manifest of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What tells one run from another of the same name and layers, where the producer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The run's name.
    #[serde(default)]
    pub run: Option<String>,
    /// What wrote the run, with versions.
    #[serde(default)]
    pub producer: Option<String>,
    /// Samples that the whole run will have, where known.
    #[serde(default)]
    pub expected_samples: Option<u64>,
    /// Batches that the whole run will have, where known.
    #[serde(default)]
    pub expected_batches: Option<u64>,
    /// The layers, in the order in which they are shown.
    #[serde(default)]
    pub layers: Vec<LayerEntry>,
    /// What the producer noticed that can make NeuroBench's figures misleading, in plain sentences.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// How many ranks write the run, where there are several and it is known.
    #[serde(default)]
    pub world_size: Option<u64>,
    /// Set where the producer deletes batches once they are acknowledged as counted: how many it keeps.
    #[serde(default)]
    pub keep: Option<u64>,
}

/// One layer of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerEntry {
    /// The module's qualified name.
    pub name: String,
    /// The class name of its neuron, such as `Leaky`.
    pub neuron: String,
    /// Its reset mechanism: `subtract`, `zero` or `none`.
    pub reset: String,
    /// One sample's neurons; unchecked where it is absent.
    #[serde(default)]
    pub shape: Option<Vec<u64>>,
}

/// A layer as it stands in a batch: its name and one sample's neurons.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LayerShape {
    /// The layer's name.
    pub name: String,
    /// The axes behind the batch axis; `None` where the array has no element, so that they say nothing.
    pub neurons: Option<Vec<u64>>,
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestError {
    /// Not a manifest of this format; the batches can be counted without it.
    Unusable(SnapshotError),
    /// Of a newer version of the format, whose batches this program might count wrongly.
    Newer(SnapshotError),
}

/// The fields that say what the document is, read before the rest so that a newer version is refused
/// as newer, whatever else has changed in it.
#[derive(Deserialize)]
struct Preamble {
    format: Option<String>,
    version: Option<serde_json::Value>,
}

impl Manifest {
    /// Parses the bytes of a `manifest.json`.
    ///
    /// # Errors
    /// [`ManifestError::Newer`] for a higher version, [`ManifestError::Unusable`] for anything else
    /// that is not a manifest: not JSON, another format, a field of the wrong type, a layer twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let preamble: Preamble = from_json(bytes)?;
        if preamble.format.as_deref() != Some("neurotop") {
            return Err(unusable("it has no \"format\": \"neurotop\""));
        }
        match preamble.version.as_ref().map(|version| (version, version.as_u64())) {
            Some((_, Some(VERSION))) => {}
            Some((version, Some(newer))) if newer > VERSION => {
                return Err(ManifestError::Newer(SnapshotError::new(
                    format!("version {version} of the format, and this neurotop reads version {VERSION}"),
                    "update neurotop",
                )));
            }
            Some((version, _)) => {
                return Err(unusable(&format!("\"version\" is {version}, not {VERSION}")));
            }
            None => return Err(unusable("it has no \"version\"")),
        }
        let manifest: Self = from_json(bytes)?;
        match manifest.layer_twice() {
            Some(twice) => Err(unusable(&format!("layer {twice:?} is in it twice"))),
            None => Ok(manifest),
        }
    }

    /// The first layer that is in it twice, which none may be.
    pub fn layer_twice(&self) -> Option<&str> {
        let mut names = HashSet::new();
        self.layers.iter().map(|layer| layer.name.as_str()).find(|name| !names.insert(*name))
    }

    /// Checks the layers of a batch against the manifest.
    ///
    /// A layer that the manifest lacks is allowed (it has no price); one that the batch lacks, or
    /// whose neurons have another shape, is not.
    ///
    /// # Errors
    /// Names the first layer that does not match.
    pub fn check(&self, layers: &[LayerShape]) -> Result<(), SnapshotError> {
        let present: HashMap<&str, &LayerShape> =
            layers.iter().map(|layer| (layer.name.as_str(), layer)).collect();
        for entry in &self.layers {
            let Some(layer) = present.get(entry.name.as_str()) else {
                return Err(SnapshotError::new(
                    format!("layer {:?} of the manifest is missing", entry.name),
                    "write every layer of the manifest in every batch",
                ));
            };
            if let (Some(declared), Some(found)) = (&entry.shape, &layer.neurons)
                && declared != found
            {
                return Err(SnapshotError::new(
                    format!(
                        "layer {:?} has neurons of shape {found:?}, and the manifest says {declared:?}",
                        entry.name
                    ),
                    "correct the manifest or the batch",
                ));
            }
        }
        Ok(())
    }

    /// What the manifest of a rank says of the whole run: what its layers are. Its name, its producer and what
    /// it expects are those of the rank.
    #[must_use]
    pub fn of_all_ranks(self) -> Self {
        Self { run: None, producer: None, expected_samples: None, expected_batches: None, ..self }
    }

    /// In what this, the manifest of a rank, says another thing of the layers than that of the run; `None`
    /// where they agree.
    pub fn contradiction(&self, of_run: &Self) -> Option<String> {
        let known: HashMap<&str, &LayerEntry> =
            of_run.layers.iter().map(|layer| (layer.name.as_str(), layer)).collect();
        for layer in &self.layers {
            let Some(other) = known.get(layer.name.as_str()) else {
                return Some(format!("layer {:?} is not in the run's", layer.name));
            };
            if (&layer.neuron, &layer.reset) != (&other.neuron, &other.reset) {
                return Some(format!(
                    "layer {:?} is {} with reset {} here, and {} with reset {} in the run's",
                    layer.name, layer.neuron, layer.reset, other.neuron, other.reset
                ));
            }
            if let (Some(here), Some(there)) = (&layer.shape, &other.shape)
                && here != there
            {
                return Some(format!(
                    "layer {:?} has neurons of shape {here:?} here, and {there:?} in the run's",
                    layer.name
                ));
            }
        }
        let own: HashSet<&str> = self.layers.iter().map(|layer| layer.name.as_str()).collect();
        let missing = of_run.layers.iter().find(|layer| !own.contains(layer.name.as_str()))?;
        Some(format!("layer {:?} of the run's is not in it", missing.name))
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
    fn a_batch_must_have_every_layer_in_its_shape() {
        let manifest = parse(
            r#"{"format": "neurotop", "version": 1,
                "layers": [{"name": "a", "neuron": "Leaky", "reset": "zero", "shape": [4]}]}"#,
        )
        .expect("a manifest");
        let layer = |name: &str, neurons: Option<Vec<u64>>| LayerShape { name: name.into(), neurons };
        assert!(manifest.check(&[layer("a", Some(vec![4])), layer("more", Some(vec![9]))]).is_ok());
        assert!(manifest.check(&[layer("a", None)]).is_ok(), "an empty array says nothing");
        let wrong = manifest.check(&[layer("a", Some(vec![5]))]).unwrap_err();
        assert!(wrong.what.contains("[5]") && wrong.what.contains("[4]"), "{wrong}");
        let missing = manifest.check(&[layer("b", Some(vec![4]))]).unwrap_err();
        assert!(missing.what.contains("missing"), "{missing}");
    }
}
