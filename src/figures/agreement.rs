//! Whether NeuroBench's own results, where `end.json` has them, are equal to these figures.

use super::row::RowSums;
use crate::run::Run;
use crate::run::tally::quotient;
use crate::snapshot::{OfficialOperations, OfficialResults};
use serde::Serialize;

/// The figures as NeuroBench names them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NeuroBenchFigures {
    #[serde(rename = "NeuronOperations")]
    pub neuron_operations: NeuronOperations,
    /// Updates per sample.
    #[serde(rename = "MembraneUpdates")]
    pub membrane_updates: f64,
}

impl NeuroBenchFigures {
    /// Without a price operations are 0, as NeuroBench has them.
    pub(super) fn from_total(total: &RowSums) -> Self {
        let neuron_operations = NeuronOperations {
            effective: total.effective_per_sample().unwrap_or_default(),
            dense: total.dense_per_sample().unwrap_or_default(),
        };
        let updates = total.updates.unwrap_or_default();
        Self { neuron_operations, membrane_updates: total.per_sample(updates.effective) }
    }
}

/// NeuroBench's `NeuronOperations`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NeuronOperations {
    /// Effective operations per sample.
    #[serde(rename = "Effective Neuron Ops")]
    pub effective: f64,
    /// Dense operations per sample.
    #[serde(rename = "Neuron Dense Ops")]
    pub dense: f64,
}

/// Whether NeuroBench's own results agree with these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Agreement {
    /// NeuroBench's own results are missing.
    Unknown,
    /// Not all batches are counted yet.
    Pending,
    /// Equal, bit for bit.
    Agrees,
    Differs {
        /// One sentence each.
        differences: Vec<String>,
    },
}

/// Compares NeuroBench's own results with these, which are without the measured layers. `unknown` layers have no price
/// in NeuroBench.
pub(super) fn agreement(run: &Run, ours: &NeuroBenchFigures, unknown: usize) -> Agreement {
    let Some(end) = run.end() else { return Agreement::Unknown };
    let Some(parts) = official_parts(run, end.neurobench.as_ref(), ours) else { return Agreement::Unknown };
    if run.account().waiting > 0 {
        return Agreement::Pending;
    }
    let mut differences: Vec<String> = parts.iter().flat_map(OfficialPart::differences).collect();
    if differences.is_empty() {
        return Agreement::Agrees;
    }
    if unknown > 0 {
        differences.push(format!("NeuroBench does not price {unknown} of the layers"));
    }
    if let Some(samples) = end.samples.filter(|&samples| u128::from(samples) != run.tally().samples()) {
        differences.push(format!("the end says {samples} samples, counted {}", run.tally().samples()));
    }
    Agreement::Differs { differences }
}

/// What NeuroBench reported for a run or one of its ranks, and what was counted.
struct OfficialPart<'a> {
    rank: Option<u32>,
    results: &'a OfficialResults,
    ours: NeuroBenchFigures,
}

/// NeuroBench's own results of the run, or of each rank if only the ranks have results. `None` if there are none, or if
/// some batches belong to no rank.
fn official_parts<'a>(
    run: &'a Run,
    of_run: Option<&'a OfficialResults>,
    ours: &NeuroBenchFigures,
) -> Option<Vec<OfficialPart<'a>>> {
    let has_some =
        |results: &OfficialResults| results.neuron_operations.is_some() || results.membrane_updates.is_some();
    if let Some(results) = of_run {
        let part = OfficialPart { rank: None, results, ours: ours.clone() };
        return has_some(results).then(|| vec![part]);
    }
    let ranks = run.ranks().official(run.history().prices())?;
    let parts = ranks.iter().map(|official| OfficialPart {
        rank: Some(official.rank),
        results: official.results,
        ours: NeuroBenchFigures {
            neuron_operations: NeuronOperations {
                effective: quotient(official.operations.effective, official.samples),
                dense: quotient(official.operations.dense, official.samples),
            },
            membrane_updates: quotient(official.updates, official.samples),
        },
    });
    let samples: u128 = ranks.iter().map(|official| official.samples).sum();
    let cover_all = samples == run.tally().samples();
    let all_have = ranks.iter().all(|official| has_some(official.results));
    (cover_all && all_have).then(|| parts.collect())
}

impl OfficialPart<'_> {
    fn differences(&self) -> Vec<String> {
        let of = self.rank.map_or(String::new(), |rank| format!("rank {rank}: "));
        let mut differences = Vec::new();
        let mut compare = |what: &str, theirs: f64, ours: f64| {
            let difference = || format!("{of}{what}: NeuroBench reports {theirs:?}, counted {ours:?}");
            differences.extend((theirs != ours).then(difference));
        };
        if let Some(theirs) = self.results.membrane_updates {
            compare("MembraneUpdates", theirs, self.ours.membrane_updates);
        }
        match self.results.neuron_operations {
            Some(OfficialOperations::Figures { effective, dense }) => {
                compare("Effective Neuron Ops", effective, self.ours.neuron_operations.effective);
                compare("Neuron Dense Ops", dense, self.ours.neuron_operations.dense);
            }
            Some(OfficialOperations::Failed(value)) => {
                differences
                    .push(format!("{of}NeuroBench's NeuronOperations failed, and it reports {value:?}"));
            }
            None => {}
        }
        differences
    }
}
