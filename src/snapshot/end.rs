//! `end.json`: says that the benchmark is over, and what NeuroBench itself reported.

use super::SnapshotError;
use super::document::utf8;
use crate::text::thousands;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The end of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct End {
    /// Samples that the producer wrote.
    pub samples: Option<u64>,
    /// Batches that the producer wrote.
    pub batches: Option<u64>,
    /// NeuroBench's own results, if they were requested.
    pub neurobench: Option<OfficialResults>,
}

/// NeuroBench's own results, with the keys of its `save_benchmark_results`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OfficialResults {
    /// The `NeuronOperations` metric. NeuroBench gives a bare 0.0 instead if the metric failed.
    #[serde(rename = "NeuronOperations")]
    pub neuron_operations: Option<OfficialOperations>,
    /// The `MembraneUpdates` metric.
    #[serde(rename = "MembraneUpdates")]
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

/// Written by hand, since a derived implementation for an untagged enum first buffers whatever is there, even a list
/// of 30 MiB.
impl<'de> Deserialize<'de> for OfficialOperations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FiguresOrNumber)
    }
}

struct FiguresOrNumber;

#[derive(Deserialize)]
struct OfficialFigures {
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
        let OfficialFigures { effective, dense } =
            OfficialFigures::deserialize(MapAccessDeserializer::new(map))?;
        Ok(OfficialOperations::Figures { effective, dense })
    }
}

impl End {
    /// Why it does not fit this many samples in this many batches; `None` if it may fit, or batches are still to
    /// come.
    pub fn unlike(&self, batches: u64, samples: u128) -> Option<String> {
        let said = self.samples?;
        let are_all_there = self.batches == Some(batches);
        let is_wrong = samples > said.into() || (are_all_there && samples < said.into());
        (is_wrong && batches > 0).then(|| {
            format!(
                "it says that there are {said} samples, and there are {samples} in {batches} batches; see whether \
                 samples in each batch is the number of its samples"
            )
        })
    }

    /// What it names and is not there, if so many batches are known; `samples` are those in them, if all can be read.
    pub fn missing(&self, batches: u64, samples: Option<u128>) -> Option<SnapshotError> {
        let (named, known, what) = match (self.batches, self.samples) {
            (Some(named), _) => (named, batches.into(), ["batch", "batches"]),
            (None, named) => (named?, samples?, ["sample", "samples"]),
        };
        let what = match u128::from(named).checked_sub(known)? {
            0 => return None,
            _ if named == 1 => format!("the one {} that it names is not there", what[0]),
            missing => {
                let verb = if missing == 1 { "is" } else { "are" };
                let (of, missing) = (thousands(named.into()), thousands(missing));
                format!("of the {of} {} that it names, {missing} {verb} not there", what[1])
            }
        };
        let advice = "copy the missing ones; where --prune deleted them, neurotop watch has their counts in its progress (--state)";
        Some(SnapshotError::new(what, advice))
    }

    /// Why this end contradicts the one of the same rank that counts, which is in the file `source`; `None` if they
    /// agree as far as both say something.
    pub fn conflict_with(&self, counts: &Self, source: &str) -> Option<SnapshotError> {
        let how = self.contradiction(counts)?;
        let what = format!("it contradicts {source}, which counts: {how}");
        Some(SnapshotError::new(what, "delete the one that is wrong"))
    }

    fn contradiction(&self, other: &Self) -> Option<String> {
        let numbers = [("samples", self.samples, other.samples), ("batches", self.batches, other.batches)];
        for (what, here, there) in numbers {
            if let (Some(here), Some(there)) = (here, there)
                && here != there
            {
                return Some(format!("{here} {what} here, and {there} there"));
            }
        }
        let results = self.neurobench.as_ref().zip(other.neurobench.as_ref());
        results.filter(|(here, there)| here != there).map(|_| "other results of NeuroBench".to_owned())
    }

    /// Parses the bytes of an `end.json`.
    ///
    /// # Errors
    /// If it is not a JSON object with fields of these types.
    pub fn parse(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let bytes = utf8(bytes)?;
        // Serde would also accept a list of the fields in order.
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
    fn an_end_must_fit_what_there_is() {
        let end = |text: &str| End::parse(text.as_bytes()).expect("an end");
        for (text, batches, samples, fits) in [
            ("{}", 3, 6, true),
            (r#"{"samples": 6}"#, 3, 6, true),
            (r#"{"samples": 6}"#, 2, 4, true),
            (r#"{"samples": 6}"#, 3, 7, false),
            (r#"{"samples": 6, "batches": 3}"#, 3, 6, true),
            (r#"{"samples": 6, "batches": 3}"#, 3, 5, false),
            (r#"{"samples": 6, "batches": 3}"#, 2, 4, true),
            (r#"{"samples": 6, "batches": 3}"#, 2, 8, false),
            (r#"{"samples": 6, "batches": 0}"#, 0, 0, true),
        ] {
            assert_eq!(end(text).unlike(batches, samples).is_none(), fits, "{text} {batches} {samples}");
        }
    }

    #[test]
    fn two_ends_of_a_rank_agree_as_far_as_both_speak() {
        let end = |text: &str| End::parse(text.as_bytes()).expect("an end");
        for (one, other, says) in [
            ("{}", r#"{"samples": 4}"#, None),
            (r#"{"samples": 4}"#, r#"{"samples": 4, "batches": 2}"#, None),
            (r#"{"samples": 4}"#, r#"{"samples": 5}"#, Some("4 samples here, and 5 there")),
            (r#"{"batches": 1}"#, r#"{"batches": 2}"#, Some("1 batches here")),
            (
                r#"{"neurobench": {"MembraneUpdates": 1}}"#,
                r#"{"neurobench": {"MembraneUpdates": 2}}"#,
                Some("NeuroBench"),
            ),
        ] {
            let said = end(one).contradiction(&end(other));
            assert_eq!(said.is_some(), says.is_some(), "{one} {other}");
            assert!(said.is_none_or(|said| said.contains(says.unwrap_or_default())), "{one} {other}");
        }
    }

    #[test]
    fn byte_order_marks_are_read_over_or_named() {
        assert_eq!(End::parse("\u{feff}{}".as_bytes()), Ok(End::default()));
        for mark in [b"\xff\xfe{\0}\0", b"\xfe\xff\0{\0}"] {
            assert!(End::parse(mark).unwrap_err().what.contains("UTF-16"));
        }
    }

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
