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
    let differences = parts.iter().flat_map(|(whose, theirs, ours)| differences(whose, theirs, ours));
    let mut differences: Vec<String> = differences.collect();
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

/// NeuroBench's own results of the run, or of each rank if only the ranks have results: behind what names the rank, and
/// before what was counted. `None` if there are none, or if some batches belong to no rank.
fn official_parts<'a>(
    run: &'a Run,
    of_run: Option<&'a OfficialResults>,
    ours: &NeuroBenchFigures,
) -> Option<Vec<(String, &'a OfficialResults, NeuroBenchFigures)>> {
    let has_some =
        |results: &OfficialResults| results.neuron_operations.is_some() || results.membrane_updates.is_some();
    if let Some(results) = of_run {
        return has_some(results).then(|| vec![(String::new(), results, ours.clone())]);
    }
    let ranks = run.ranks().official(run.history().prices())?;
    let parts = ranks.iter().map(|official| {
        let per_sample = |sum| quotient(sum, official.samples);
        let neuron_operations = NeuronOperations {
            effective: per_sample(official.operations.effective),
            dense: per_sample(official.operations.dense),
        };
        let ours = NeuroBenchFigures { neuron_operations, membrane_updates: per_sample(official.updates) };
        (format!("rank {}: ", official.rank), official.results, ours)
    });
    let samples: u128 = ranks.iter().map(|official| official.samples).sum();
    let cover_all = samples == run.tally().samples();
    let all_have = ranks.iter().all(|official| has_some(official.results));
    (cover_all && all_have).then(|| parts.collect())
}

fn differences(whose: &str, theirs: &OfficialResults, ours: &NeuroBenchFigures) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, theirs: f64, ours: f64| {
        let difference = || format!("{whose}{what}: NeuroBench reports {theirs:?}, counted {ours:?}");
        differences.extend((theirs != ours).then(difference));
    };
    if let Some(theirs) = theirs.membrane_updates {
        compare("MembraneUpdates", theirs, ours.membrane_updates);
    }
    match theirs.neuron_operations {
        Some(OfficialOperations::Figures { effective, dense }) => {
            compare("Effective Neuron Ops", effective, ours.neuron_operations.effective);
            compare("Neuron Dense Ops", dense, ours.neuron_operations.dense);
        }
        Some(OfficialOperations::Failed(value)) => {
            differences
                .push(format!("{whose}NeuroBench's NeuronOperations failed, and it reports {value:?}"));
        }
        None => {}
    }
    differences
}
