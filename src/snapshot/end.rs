//! `end.json`: the benchmark is over, and what NeuroBench itself reported.

use super::SnapshotError;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The end of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Samples that the producer wrote.
    #[serde(default)]
    pub samples: Option<u64>,
    /// Batches that the producer wrote.
    #[serde(default)]
    pub batches: Option<u64>,
    /// NeuroBench's own results, where it was asked for them.
    #[serde(default)]
    pub neurobench: Option<OfficialResults>,
}

/// NeuroBench's own results, under the keys of its `save_benchmark_results`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OfficialResults {
    /// The `NeuronOperations` metric. NeuroBench gives a bare 0.0 in its place when it failed.
    #[serde(default, rename = "NeuronOperations")]
    pub neuron_operations: Option<OfficialOperations>,
    /// The `MembraneUpdates` metric.
    #[serde(default, rename = "MembraneUpdates")]
    pub membrane_updates: Option<f64>,
}

/// The value of NeuroBench's `NeuronOperations`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OfficialOperations {
    /// Operations per sample.
    Figures {
        /// Effective operations per sample.
        #[serde(rename = "Effective Neuron Ops")]
        effective: f64,
        /// Dense operations per sample.
        #[serde(rename = "Neuron Dense Ops")]
        dense: f64,
    },
    /// The bare number that NeuroBench reports after an error inside the metric.
    Failed(f64),
}

/// By hand: what is derived for one of several forms first keeps whatever is there, be it a list of 30 MiB.
impl<'de> Deserialize<'de> for OfficialOperations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FiguresOrNumber)
    }
}

struct FiguresOrNumber;

#[derive(Deserialize)]
struct Figures {
    #[serde(rename = "Effective Neuron Ops")]
    effective: f64,
    #[serde(rename = "Neuron Dense Ops")]
    dense: f64,
}

impl<'de> Visitor<'de> for FiguresOrNumber {
    type Value = OfficialOperations;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NeuroBench's figures, or a number")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<OfficialOperations, E> {
        Ok(OfficialOperations::Failed(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<OfficialOperations, E> {
        Ok(OfficialOperations::Failed(number as f64))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<OfficialOperations, E> {
        Ok(OfficialOperations::Failed(number as f64))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OfficialOperations, A::Error> {
        let Figures { effective, dense } = Figures::deserialize(MapAccessDeserializer::new(map))?;
        Ok(OfficialOperations::Figures { effective, dense })
    }
}

impl End {
    /// Parses the bytes of an `end.json`.
    ///
    /// # Errors
    /// Where it is not a JSON object with fields of these types.
    pub fn parse(bytes: &[u8]) -> Result<Self, SnapshotError> {
        // A list would do for fields in their order.
        let is_object = bytes.trim_ascii_start().starts_with(b"{");
        let parsed = serde_json::from_slice(bytes).and_then(|end| {
            if is_object { Ok(end) } else { Err(serde::de::Error::custom("it is not an object")) }
        });
        parsed.map_err(|error| {
            SnapshotError::new(
                format!("not an end of a run: {error}"),
                "write a JSON object, at least {}; the run counts as ended all the same",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_results_are_optional_and_may_have_failed() {
        assert_eq!(End::parse(b"{}"), Ok(End::default()));
        let end = End::parse(br#"{"samples": 3, "neurobench": {"NeuronOperations": 0.0}}"#).expect("an end");
        let results = end.neurobench.expect("results");
        assert_eq!(results.neuron_operations, Some(OfficialOperations::Failed(0.0)));
        let figures = br#"{"neurobench": {"NeuronOperations":
            {"Neuron Dense Ops": 2, "Effective Neuron Ops": 0.5, "more": [1]}}}"#;
        let results = End::parse(figures).expect("an end").neurobench.expect("results");
        let expected = OfficialOperations::Figures { effective: 0.5, dense: 2.0 };
        assert_eq!(results.neuron_operations, Some(expected));
        let list = r#"{"neurobench": {"NeuronOperations": [1, 2]}}"#;
        for none in ["[", "[]", "[3, 1]", "null", "", list] {
            assert!(End::parse(none.as_bytes()).is_err(), "{none}");
        }
    }
}
