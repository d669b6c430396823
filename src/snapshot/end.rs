//! `end.json`: the benchmark is over, and what NeuroBench itself reported.

use super::SnapshotError;
use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
        for none in ["[", "[]", "[3, 1]", "null", ""] {
            assert!(End::parse(none.as_bytes()).is_err(), "{none}");
        }
    }
}
