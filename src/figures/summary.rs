//! The figures of a run at one moment: the one type that every format, and the screen, is made from.

use super::incomplete::why_incomplete;
use super::{Against, Colours, Format, RankFigures, Report, Style, csv, json, table};
use crate::follow::Account;
use crate::run::Severity;
use crate::run::interval::{Uncertainty, of_ratio};
use crate::run::prices::PricedBy;
use crate::run::problem_list::More;
use crate::run::tally::{LayerSums, quotient};
use crate::run::{Run, Status};
use crate::snapshot::{OfficialOperations, OfficialResults};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::time::SystemTime;

/// The schema of the JSON form.
pub const SCHEMA: &str = "neurotop.summary/1";

/// The figures of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What made it.
    pub tool: Tool,
    /// The run.
    pub run: RunFigures,
    /// Sums over all priced layers; updates over all layers.
    pub total: TotalFigures,
    /// Sums by the neuron's class, as NeuroBench sums them.
    #[serde(serialize_with = "as_map")]
    pub neurons: Vec<ClassFigures>,
    /// The layers: the manifest's in its order, then the others by the first batch that has them, and in it by name.
    pub layers: Vec<LayerFigures>,
    /// The ranks, where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ranks: Vec<RankFigures>,
    /// The figures under the keys of NeuroBench's `save_benchmark_results`.
    pub neurobench: NeuroBenchFigures,
    /// Whether NeuroBench's own results, where `end.json` has them, agree.
    pub agreement: Agreement,
    /// Evidence that the figures are whole.
    pub account: AccountFigures,
    /// Whether the run is over, nothing waits and nothing was set aside.
    pub complete: bool,
    /// What is missing where it is not complete, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
    /// What was set aside, and what else the user should know.
    pub problems: Vec<ProblemFigures>,
    /// How the figures differ from the baseline's, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Against>,
    /// The user's conditions that hold, or that cannot be decided; `None` where none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Vec<Failure>>,
}

/// The program that made a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// `neurotop`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

impl Tool {
    /// This program.
    pub fn this() -> Self {
        Self { name: "neurotop", version: env!("CARGO_PKG_VERSION") }
    }
}

/// What a run is and how far it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunFigures {
    /// Its name.
    pub name: String,
    /// `running`, `finished` or `stalled`.
    pub status: &'static str,
    /// Samples counted.
    pub samples: u128,
    /// Batches counted.
    pub batches: u64,
    /// Samples expected, where known.
    pub expected_samples: Option<u64>,
    /// Batches expected, where known.
    pub expected_batches: Option<u64>,
    /// What wrote it, where known.
    pub producer: Option<String>,
    /// What the producer noticed that can make NeuroBench's figures misleading.
    pub warnings: Vec<String>,
}

/// The sums over the layers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TotalFigures {
    /// Effective operations of the priced layers.
    pub effective_ops: u128,
    /// Dense operations of the priced layers.
    pub dense_ops: u128,
    /// Effective operations per sample.
    pub effective_ops_per_sample: f64,
    /// Dense operations per sample.
    pub dense_ops_per_sample: f64,
    /// 1 - effective / dense; `None` where dense is 0.
    pub sparsity: Option<f64>,
    /// Membrane updates of all layers.
    pub updates: u128,
    /// Elements of all steps of all layers.
    pub dense_updates: u128,
    /// Layers without a price, which the operations leave out.
    pub unpriced_layers: usize,
    /// How far the effective operations per sample may still move; `None` for fewer than two batches.
    pub uncertainty: Option<Uncertainty>,
}

/// The sums over the layers of one neuron class. Operations are `None` where none of them is priced.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassFigures {
    /// The class name.
    #[serde(skip)]
    pub neuron: String,
    /// Effective operations.
    pub effective_ops: Option<u128>,
    /// Dense operations.
    pub dense_ops: Option<u128>,
    /// Effective operations per sample.
    pub effective_ops_per_sample: Option<f64>,
    /// Dense operations per sample.
    pub dense_ops_per_sample: Option<f64>,
    /// 1 - effective / dense.
    pub sparsity: Option<f64>,
    /// Membrane updates.
    pub updates: u128,
    /// Elements of all steps.
    pub dense_updates: u128,
    /// Its layers.
    pub layers: usize,
}

/// The sums of one layer. Operations are `None` where it has no price.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerFigures {
    /// Its index in the tally, for the history; `None` before it was in a batch.
    #[serde(skip)]
    pub index: Option<usize>,
    /// Its qualified name.
    pub name: String,
    /// The class name of its neuron, where known.
    pub neuron: Option<String>,
    /// Its reset mechanism, where known.
    pub reset: Option<String>,
    /// One sample's neurons, where known.
    pub shape: Option<Vec<u64>>,
    /// Operations of one update.
    pub ops_per_update: Option<u64>,
    /// `neurobench` or `user`.
    pub priced_by: Option<&'static str>,
    /// Membrane updates.
    pub updates: u128,
    /// Elements of all steps.
    pub dense_updates: u128,
    /// Membrane updates of each time step; empty before any was counted, and without the steps that
    /// [`LayerCount::updates_by_step`](crate::count::LayerCount::updates_by_step) leaves out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub updates_by_step: Vec<u128>,
    /// Effective operations.
    pub effective_ops: Option<u128>,
    /// Dense operations.
    pub dense_ops: Option<u128>,
    /// Effective operations per sample.
    pub effective_ops_per_sample: Option<f64>,
    /// Dense operations per sample.
    pub dense_ops_per_sample: Option<f64>,
    /// 1 - effective / dense.
    pub sparsity: Option<f64>,
}

/// The figures that a layer, a neuron class and the total have in common; operations are `None` where they
/// need a price that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Sums {
    /// Membrane updates.
    pub updates: u128,
    /// Elements of all steps.
    pub dense_updates: u128,
    /// Effective operations.
    #[serde(deserialize_with = "Option::deserialize")]
    pub effective_ops: Option<u128>,
    /// Dense operations.
    #[serde(deserialize_with = "Option::deserialize")]
    pub dense_ops: Option<u128>,
    /// Effective operations per sample.
    #[serde(deserialize_with = "Option::deserialize")]
    pub effective_ops_per_sample: Option<f64>,
    /// Dense operations per sample.
    #[serde(deserialize_with = "Option::deserialize")]
    pub dense_ops_per_sample: Option<f64>,
    /// 1 - effective / dense.
    #[serde(deserialize_with = "Option::deserialize")]
    pub sparsity: Option<f64>,
}

impl TotalFigures {
    /// The figures that layers, classes and the total have in common.
    pub fn sums(&self) -> Sums {
        Sums {
            updates: self.updates,
            dense_updates: self.dense_updates,
            effective_ops: Some(self.effective_ops),
            dense_ops: Some(self.dense_ops),
            effective_ops_per_sample: Some(self.effective_ops_per_sample),
            dense_ops_per_sample: Some(self.dense_ops_per_sample),
            sparsity: self.sparsity,
        }
    }
}

impl ClassFigures {
    /// The figures that layers, classes and the total have in common.
    pub fn sums(&self) -> Sums {
        Sums {
            updates: self.updates,
            dense_updates: self.dense_updates,
            effective_ops: self.effective_ops,
            dense_ops: self.dense_ops,
            effective_ops_per_sample: self.effective_ops_per_sample,
            dense_ops_per_sample: self.dense_ops_per_sample,
            sparsity: self.sparsity,
        }
    }
}

impl LayerFigures {
    /// The figures that layers, classes and the total have in common.
    pub fn sums(&self) -> Sums {
        Sums {
            updates: self.updates,
            dense_updates: self.dense_updates,
            effective_ops: self.effective_ops,
            dense_ops: self.dense_ops,
            effective_ops_per_sample: self.effective_ops_per_sample,
            dense_ops_per_sample: self.dense_ops_per_sample,
            sparsity: self.sparsity,
        }
    }
}

/// The figures as NeuroBench names them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NeuroBenchFigures {
    /// Its first metric.
    #[serde(rename = "NeuronOperations")]
    pub neuron_operations: NeuronOperations,
    /// Its second metric: updates per sample.
    #[serde(rename = "MembraneUpdates")]
    pub membrane_updates: f64,
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
    /// There are no results of NeuroBench's own.
    Unknown,
    /// There are, but not all batches are counted yet.
    Pending,
    /// They are equal, bit for bit.
    Agrees,
    /// They are not.
    Differs {
        /// In what, one sentence each.
        differences: Vec<String>,
    },
}

/// The account of the batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFigures {
    /// Seen.
    pub seen: u64,
    /// Counted.
    pub counted: u64,
    /// Waiting to be whole or to be read.
    pub waiting: u64,
    /// Set aside.
    pub set_aside: u64,
}

impl AccountFigures {
    /// That of a run.
    pub fn of(run: &Run) -> Self {
        run.account().into()
    }
}

impl From<Account> for AccountFigures {
    fn from(Account { seen, counted, waiting, set_aside, .. }: Account) -> Self {
        Self { seen, counted, waiting, set_aside }
    }
}

impl From<&AccountFigures> for Account {
    /// Nothing is known of the bytes that wait.
    fn from(&AccountFigures { seen, counted, waiting, set_aside }: &AccountFigures) -> Self {
        Self { seen, counted, waiting, set_aside, ..Self::default() }
    }
}

/// A problem with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProblemFigures {
    /// The file.
    pub path: String,
    /// What is wrong and what to do.
    pub reason: String,
    /// `set_aside` where it keeps something out of the figures, `notice` where it does not.
    pub severity: &'static str,
    /// How many more problems there are of its kind, behind the last of those that are listed.
    #[serde(flatten)]
    pub more: More,
}

/// A condition of the user's that holds, or that cannot be decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// In a comparison, the run that it is about, as the user named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// The condition, as the user wrote it.
    pub condition: String,
    /// Why it fails.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(new) = &self.new {
            write!(f, "{new}: ")?;
        }
        write!(f, "{}: {}", self.condition, self.reason)
    }
}

impl Report for Summary {
    fn render(&self, format: Format, colours: Colours) -> anyhow::Result<String> {
        match format {
            Format::Text => Ok(table::table(self, colours.style())),
            Format::Json => json::json(self),
            Format::Csv => csv::csv(self),
            Format::Md => Ok(table::table(self, Style::Markdown)),
        }
    }
}

impl Summary {
    /// The figures of a run at `now`.
    pub fn of(run: &Run, now: SystemTime) -> Self {
        let mut summary = Self::without_steps(run, now);
        for layer in &mut summary.layers {
            if let Some(index) = layer.index {
                layer.updates_by_step.clone_from(&run.tally().layers()[index].updates_by_step);
            }
        }
        summary
    }

    /// The same without the updates by step, which take much to copy for each screen.
    pub fn without_steps(run: &Run, now: SystemTime) -> Self {
        Self::around(layers(run), run, now)
    }

    /// Makes these the figures of the same run later on: where there are thousands of layers, most of the
    /// work would be to copy their names again. Layers are the same as long as [`Run::structure`] is.
    pub fn bring_up_to(&mut self, run: &Run, now: SystemTime) {
        let mut layers = std::mem::take(&mut self.layers);
        let samples = run.tally().samples();
        for layer in &mut layers {
            if let Some(sums) = layer.index.and_then(|at| run.tally().layers().get(at)) {
                layer.set_sums(sums, samples);
            }
        }
        *self = Self::around(layers, run, now);
    }

    /// All that is made from the layers and the run.
    fn around(layers: Vec<LayerFigures>, run: &Run, now: SystemTime) -> Self {
        let samples = run.tally().samples();
        let mut total = total(&layers, samples);
        total.uncertainty = uncertainty(run);
        let neurobench = NeuroBenchFigures {
            neuron_operations: NeuronOperations {
                effective: total.effective_ops_per_sample,
                dense: total.dense_ops_per_sample,
            },
            membrane_updates: quotient(total.updates, samples),
        };
        Self {
            schema: SCHEMA,
            tool: Tool::this(),
            run: run_figures(run, now),
            agreement: agreement(run, &neurobench, &total),
            total,
            neurons: classes(&layers, samples),
            layers,
            ranks: RankFigures::of(run, now),
            neurobench,
            account: AccountFigures::of(run),
            complete: run.is_complete(),
            incomplete: why_incomplete(run),
            problems: problems(run),
            baseline: None,
            failed: None,
        }
    }

    /// The status of a run: `running`, `finished` or `stalled`.
    pub fn status(run: &Run, now: SystemTime) -> &'static str {
        match run.status(now) {
            Status::Waiting | Status::Live => "running",
            Status::Stalled(_) => "stalled",
            Status::Finished => "finished",
        }
    }

    /// Whether something that was seen is not in the figures.
    pub fn leaves_out(&self) -> bool {
        let AccountFigures { waiting, set_aside, .. } = self.account;
        waiting + set_aside > 0 || self.problems.iter().any(|problem| problem.severity == "set_aside")
    }
}

fn run_figures(run: &Run, now: SystemTime) -> RunFigures {
    let manifest = run.manifest();
    RunFigures {
        name: run.name().to_owned(),
        status: Summary::status(run, now),
        samples: run.tally().samples(),
        batches: run.tally().batches(),
        expected_samples: run.expected_samples(),
        expected_batches: run.expected_batches(),
        producer: manifest.and_then(|manifest| manifest.producer.clone()),
        warnings: manifest.map(|manifest| manifest.warnings.clone()).unwrap_or_default(),
    }
}

fn layers(run: &Run) -> Vec<LayerFigures> {
    let seen = run.tally().layers();
    let index: HashMap<&str, usize> =
        seen.iter().enumerate().map(|(index, layer)| (layer.name.as_str(), index)).collect();
    let samples = run.tally().samples();
    let mut shown = vec![false; seen.len()];
    let mut figures = Vec::new();
    for entry in run.manifest().iter().flat_map(|manifest| &manifest.layers) {
        let mut layer = LayerFigures::new(&entry.name, Some(&entry.neuron), Some(&entry.reset), run);
        layer.shape.clone_from(&entry.shape);
        if let Some(&at) = index.get(entry.name.as_str()) {
            shown[at] = true;
            if run.tally().is_gone(at) {
                figures.push(layer);
                continue;
            }
            layer.index = Some(at);
            layer.set_sums(&seen[at], samples);
        }
        figures.push(layer);
    }
    let mut others: Vec<_> =
        seen.iter().enumerate().filter(|(at, _)| !shown[*at] && !run.tally().is_gone(*at)).collect();
    others.sort_by_key(|(_, sums)| (sums.first_batch, &sums.name));
    for (at, sums) in others {
        let (neuron, reset) = run.neuron_and_reset(&sums.name);
        let mut layer = LayerFigures::new(&sums.name, neuron, reset, run);
        layer.index = Some(at);
        layer.set_sums(sums, samples);
        figures.push(layer);
    }
    figures
}

impl LayerFigures {
    /// A layer of which nothing was counted.
    fn new(name: &str, neuron: Option<&str>, reset: Option<&str>, run: &Run) -> Self {
        let cost = run.cost(neuron, reset);
        let nothing = cost.map(|_| 0);
        let per_sample = cost.map(|_| 0.0);
        Self {
            index: None,
            name: name.to_owned(),
            neuron: neuron.map(str::to_owned),
            reset: reset.map(str::to_owned),
            shape: None,
            ops_per_update: cost.map(|cost| cost.ops_per_update),
            priced_by: cost.map(|cost| match cost.priced_by {
                PricedBy::NeuroBench => "neurobench",
                PricedBy::User => "user",
            }),
            updates: 0,
            dense_updates: 0,
            updates_by_step: Vec::new(),
            effective_ops: nothing,
            dense_ops: nothing,
            effective_ops_per_sample: per_sample,
            dense_ops_per_sample: per_sample,
            sparsity: None,
        }
    }

    /// The figures that follow from the sums over so many samples.
    fn set_sums(&mut self, sums: &LayerSums, samples: u128) {
        let operations = self.ops_per_update.map(|price| sums.updates.times(price));
        (self.updates, self.dense_updates) = (sums.updates.effective, sums.updates.dense);
        (self.effective_ops, self.dense_ops) = operations.map(|ops| (ops.effective, ops.dense)).unzip();
        self.effective_ops_per_sample = self.effective_ops.map(|ops| quotient(ops, samples));
        self.dense_ops_per_sample = self.dense_ops.map(|ops| quotient(ops, samples));
        self.sparsity =
            self.effective_ops.zip(self.dense_ops).and_then(|(effective, dense)| sparsity(effective, dense));
        if sums.neurons.is_some() && self.shape != sums.neurons {
            self.shape.clone_from(&sums.neurons);
        }
    }
}

/// 1 - effective / dense; `None` where dense is 0.
pub fn sparsity(effective: u128, dense: u128) -> Option<f64> {
    (dense > 0).then(|| 1.0 - quotient(effective, dense))
}

fn total(layers: &[LayerFigures], samples: u128) -> TotalFigures {
    let effective_ops = layers.iter().filter_map(|layer| layer.effective_ops).sum();
    let dense_ops = layers.iter().filter_map(|layer| layer.dense_ops).sum();
    TotalFigures {
        effective_ops,
        dense_ops,
        effective_ops_per_sample: quotient(effective_ops, samples),
        dense_ops_per_sample: quotient(dense_ops, samples),
        sparsity: sparsity(effective_ops, dense_ops),
        updates: layers.iter().map(|layer| layer.updates).sum(),
        dense_updates: layers.iter().map(|layer| layer.dense_updates).sum(),
        unpriced_layers: layers.iter().filter(|layer| layer.ops_per_update.is_none()).count(),
        uncertainty: None,
    }
}

fn uncertainty(run: &Run) -> Option<Uncertainty> {
    let of =
        |part: f64, whole: Option<u64>| whole.filter(|&whole| whole > 0).map(|whole| part / whole as f64);
    let fraction = if run.is_complete() {
        Some(1.0)
    } else {
        let by_samples = of(run.tally().samples() as f64, run.expected_samples());
        by_samples.or_else(|| of(run.tally().batches() as f64, run.expected_batches()))
    };
    let points = run.history().points().iter();
    let units: Vec<(f64, f64)> =
        points.map(|point| (point.operations.effective as f64, point.sums.samples as f64)).collect();
    of_ratio(&units, fraction)
}

fn classes(layers: &[LayerFigures], samples: u128) -> Vec<ClassFigures> {
    let mut classes: Vec<(&str, Vec<&LayerFigures>)> = Vec::new();
    // A manifest can name a class of its own for each of very many layers.
    let mut places: HashMap<&str, usize> = HashMap::new();
    for layer in layers {
        let Some(neuron) = layer.neuron.as_deref() else { continue };
        let place = *places.entry(neuron).or_insert_with(|| {
            classes.push((neuron, Vec::new()));
            classes.len() - 1
        });
        classes[place].1.push(layer);
    }
    classes.into_iter().map(|(neuron, layers)| class(neuron, &layers, samples)).collect()
}

fn class(neuron: &str, layers: &[&LayerFigures], samples: u128) -> ClassFigures {
    let sum = |ops: fn(&LayerFigures) -> Option<u128>| {
        layers.iter().filter_map(|layer| ops(layer)).reduce(|a, b| a + b)
    };
    let (effective_ops, dense_ops) = (sum(|layer| layer.effective_ops), sum(|layer| layer.dense_ops));
    ClassFigures {
        neuron: neuron.to_owned(),
        effective_ops,
        dense_ops,
        effective_ops_per_sample: effective_ops.map(|ops| quotient(ops, samples)),
        dense_ops_per_sample: dense_ops.map(|ops| quotient(ops, samples)),
        sparsity: effective_ops.zip(dense_ops).and_then(|(effective, dense)| sparsity(effective, dense)),
        updates: layers.iter().map(|layer| layer.updates).sum(),
        dense_updates: layers.iter().map(|layer| layer.dense_updates).sum(),
        layers: layers.len(),
    }
}

fn agreement(run: &Run, ours: &NeuroBenchFigures, total: &TotalFigures) -> Agreement {
    let Some(end) = run.end() else { return Agreement::Unknown };
    let Some(parts) = official_parts(run, end.neurobench.as_ref(), ours) else { return Agreement::Unknown };
    if run.account().waiting > 0 {
        return Agreement::Pending;
    }
    let mut differences: Vec<String> = parts.iter().flat_map(OfficialPart::differences).collect();
    if differences.is_empty() {
        return Agreement::Agrees;
    }
    if total.unpriced_layers > 0 {
        differences.push(format!("NeuroBench does not price {} of the layers", total.unpriced_layers));
    }
    if let Some(samples) = end.samples.filter(|&samples| u128::from(samples) != run.tally().samples()) {
        differences.push(format!("the end says {samples} samples, counted {}", run.tally().samples()));
    }
    Agreement::Differs { differences }
}

/// What NeuroBench reported of a run or a rank of it, and what was counted of that.
struct OfficialPart<'a> {
    rank: Option<u32>,
    results: &'a OfficialResults,
    effective: f64,
    dense: f64,
    membrane_updates: f64,
}

/// NeuroBench's own results: of the run, or where each rank has its own, of each rank, whose benchmark knew
/// nothing of the others. `None` where there are none, or where batches belong to no rank.
fn official_parts<'a>(
    run: &'a Run,
    of_run: Option<&'a OfficialResults>,
    ours: &NeuroBenchFigures,
) -> Option<Vec<OfficialPart<'a>>> {
    let has_some =
        |results: &OfficialResults| results.neuron_operations.is_some() || results.membrane_updates.is_some();
    if let Some(results) = of_run {
        let NeuronOperations { effective, dense } = ours.neuron_operations;
        let membrane_updates = ours.membrane_updates;
        let part = OfficialPart { rank: None, results, effective, dense, membrane_updates };
        return has_some(results).then(|| vec![part]);
    }
    let ranks = run.ranks().official(run.history().prices())?;
    let parts = ranks.iter().map(|official| OfficialPart {
        rank: Some(official.rank),
        results: official.results,
        effective: quotient(official.operations.effective, official.samples),
        dense: quotient(official.operations.dense, official.samples),
        membrane_updates: quotient(official.updates, official.samples),
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
            compare("MembraneUpdates", theirs, self.membrane_updates);
        }
        match self.results.neuron_operations {
            Some(OfficialOperations::Figures { effective, dense }) => {
                compare("Effective Neuron Ops", effective, self.effective);
                compare("Neuron Dense Ops", dense, self.dense);
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

fn problems(run: &Run) -> Vec<ProblemFigures> {
    let mut problems: Vec<_> = run.problems_with_more().collect();
    problems.sort_by_key(|(problem, _)| problem.severity);
    problems
        .into_iter()
        .map(|(problem, more)| ProblemFigures {
            path: problem.path.clone(),
            reason: problem.reason.clone(),
            severity: match problem.severity {
                Severity::SetAside => "set_aside",
                Severity::Notice => "notice",
            },
            more,
        })
        .collect()
}

fn as_map<S: serde::Serializer>(classes: &[ClassFigures], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(classes.iter().map(|class| (&class.neuron, class)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Baseline, Figures};
    use crate::run::Settings;

    fn run() -> Run {
        Run::new(Settings::new("x"))
    }

    /// So many that a search through all classes for each layer, or for each class, does not come to an end.
    #[test]
    fn each_of_very_many_layers_may_have_a_neuron_class_of_its_own() {
        const MANY: usize = 200_000;
        let run = run();
        let layer = |at: usize| {
            let neuron = format!("n{}", at % (MANY - 1));
            LayerFigures::new(&format!("l{at}"), Some(&neuron), None, &run)
        };
        let layers: Vec<LayerFigures> = (0..MANY).map(layer).collect();
        let summary = Summary::around(layers, &run, SystemTime::UNIX_EPOCH);
        let names = summary.neurons.iter().map(|class| class.neuron.as_str());
        assert!(names.eq((0..MANY - 1).map(|at| format!("n{at}"))), "in the order of the layers");
        assert_eq!((summary.neurons[0].layers, summary.neurons[1].layers), (2, 1));
        let baseline = Baseline::new("x", Figures::of(&summary));
        let found = |class: &ClassFigures| baseline.neuron(&class.neuron).map(|part| part.name.as_str());
        assert!(summary.neurons.iter().all(|class| found(class) == Some(&class.neuron)));
        assert_eq!(baseline.neuron("n"), None);
    }
}
