//! The figures of a run at one moment. Every format and the dashboard are made from this one type.

use super::agreement::{Agreement, NeuroBenchFigures, agreement};
use super::figure::Basis;
use super::problems::{ProblemFigures, add_failures, count, problems};
use super::row::RowSums;
use super::run_times::RunTimes;
use super::why_incomplete::why_incomplete;
use super::{Against, ComparedRow, RankFigures};
use crate::count::NeuronCounts;
use crate::follow::{Account, Shard};
use crate::run::interval::{Uncertainty, of_ratio};
use crate::run::prices::{Cost, PricedBy};
use crate::run::run_names::{directories_to_show, directory_to_show};
use crate::run::series::Point;
use crate::run::sums::{Operations, Updates};
use crate::run::tally::LayerSums;
use crate::run::{Cause, Run, RunPart, Severity, Status, Tool};
use crate::snapshot::{LayerPrice, Measurement};
use crate::text::{natural_order, thousands};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// The schema of the JSON form.
pub const SCHEMA: &str = "neurotop.summary/1";

/// The schema of the JSON form of several runs.
pub(super) const SUMMARIES_SCHEMA: &str = "neurotop.summaries/1";

/// The figures of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: &'static str,
    pub tool: Tool,
    pub run: RunFigures,
    /// Without the layers whose price is measured: NeuroBench's figure, and what the user has priced.
    pub total: TotalFigures,
    /// With these layers; `None` if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_measured: Option<TotalFigures>,
    /// By the neuron's class, as NeuroBench adds them. Layers with a measured price are among them.
    #[serde(serialize_with = "as_map")]
    pub neurons: Vec<ClassFigures>,
    /// The manifest's layers in its order, then the others by the first batch that has them, then by name.
    pub layers: Vec<LayerFigures>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ranks: Vec<RankFigures>,
    /// The figures under the keys of NeuroBench's `save_benchmark_results`.
    pub neurobench: NeuroBenchFigures,
    pub agreement: Agreement,
    /// The evidence that the figures are whole.
    pub account: Account,
    /// Whether the run is over, nothing waits and nothing was set aside.
    pub complete: bool,
    /// What is missing, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
    /// Everything that is wrong, the gravest first: the one list that every output names and counts.
    pub problems: Vec<ProblemFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Against>,
    /// The conditions that hold or cannot be decided; `None` without any `--fail-if`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Vec<Failure>>,
    /// The sums that all of it follows from, so that the export can be looked at again; `None` where nothing is
    /// exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Arc<RunPart>>,
}

/// The run and its progress.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunFigures {
    pub name: String,
    /// `running`, `finished`, `stalled` or `stopped`.
    pub status: &'static str,
    /// Samples counted.
    pub samples: u128,
    /// Batches counted.
    pub batches: u64,
    pub expected_samples: Option<u64>,
    pub expected_batches: Option<u64>,
    /// The program that wrote it.
    pub producer: Option<String>,
    /// Warnings of the producer: things that can make NeuroBench's figures misleading.
    pub warnings: Vec<String>,
    /// Where it is, as it was named or found; `None` of a run that was merged from several places.
    #[serde(serialize_with = "as_text")]
    pub directory: Option<PathBuf>,
    #[serde(flatten)]
    pub times: RunTimes,
}

fn as_text<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_deref().map(Path::to_string_lossy).serialize(serializer)
}

impl RunFigures {
    /// The directory to show beside the name, where the name does not say it. What tells several runs apart is in
    /// [`directories_to_show`].
    pub fn directory_to_show(&self) -> Option<String> {
        directory_to_show(&self.name, self.directory.as_deref())
    }
}

/// The directory to show beside the name of each of several runs, where their names do not tell them apart.
pub fn directories_of(summaries: &[Summary]) -> Vec<Option<String>> {
    let runs = summaries.iter().map(|summary| (summary.run.name.as_str(), summary.run.directory.as_deref()));
    directories_to_show(&runs.collect::<Vec<_>>())
}

/// What stands before a message about each of several runs: its name and, where that does not tell which it is, its
/// directory. Nothing stands before one about the only run.
pub fn run_prefixes(summaries: &[Summary]) -> Vec<String> {
    if let [_] = summaries {
        return vec![String::new()];
    }
    let prefix = |(summary, directory): (&Summary, Option<String>)| {
        let directory = directory.map_or(String::new(), |directory| format!(" ({directory})"));
        format!("{}{directory}: ", summary.run.name)
    };
    summaries.iter().zip(directories_of(summaries)).map(prefix).collect()
}

/// The conditions that several runs fail, behind what names the run.
pub fn failures_of(summaries: &[Summary]) -> impl Iterator<Item = String> {
    summaries.iter().zip(run_prefixes(summaries)).flat_map(|(summary, run)| {
        summary.failed.iter().flatten().map(move |failure| format!("{run}{failure}"))
    })
}

/// The sums over the layers: updates of all of them, operations of those with a price (0 if none has one).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TotalFigures {
    #[serde(flatten, serialize_with = "RowSums::serialize_operations_first")]
    pub sums: RowSums,
    /// Layers without a price, which the operations leave out.
    pub unpriced_layers: usize,
    /// How far the effective operations per sample may still move; `None` for fewer than two batches.
    pub uncertainty: Option<Uncertainty>,
    /// Whether the layers are among them whose price is measured.
    #[serde(skip)]
    pub has_measured: bool,
}

/// The sums over the layers of one neuron class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassFigures {
    /// The key of the class in JSON.
    #[serde(skip)]
    pub neuron: String,
    /// Operations are `None` if no layer of the class has a price.
    #[serde(flatten, serialize_with = "RowSums::serialize_operations_first")]
    pub sums: RowSums,
    /// The number of its layers.
    pub layers: usize,
    /// How many of them have a measured price.
    #[serde(skip_serializing_if = "is_zero")]
    pub measured_layers: usize,
    /// How far its effective operations per sample may still move, where somebody asked
    /// [`uncertainty_of_layers`]. JSON has none.
    #[serde(skip)]
    pub uncertainty: Option<Uncertainty>,
}

impl ClassFigures {
    /// Whether its layers have measured prices, in a word; empty if none has.
    pub fn measured_word(&self) -> &'static str {
        match self.measured_layers {
            0 => "",
            measured if measured == self.layers => PricedBy::Measured.name(),
            _ => "partly measured",
        }
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A layer, or the sum of several, and its sums.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LayerFigures {
    /// Its index in the tally, for the history; `None` before it was in a batch.
    pub index: Option<usize>,
    pub name: String,
    /// The class name of its neuron.
    pub neuron: Option<String>,
    /// Its reset mechanism.
    pub reset: Option<String>,
    /// The shape of one sample's neurons.
    pub shape: Option<Vec<u64>>,
    /// Operations of one update.
    pub ops_per_update: Option<u64>,
    /// Where the price comes from.
    pub priced_by: Option<PricedBy>,
    /// How the price was measured, if it was.
    pub measurement: Option<Measurement>,
    /// Why there is no price, if the manifest says so.
    pub unpriced: Option<String>,
    pub sums: RowSums,
    /// Membrane updates of each time step; empty before any was counted, and without the steps that
    /// [`LayerCount::updates_by_step`](crate::count::LayerCount::updates_by_step) leaves out.
    pub updates_by_step: Vec<u128>,
    /// How far its effective operations per sample may still move, for its digits in tables; `None` without a price, and
    /// of exports of earlier versions. JSON has none.
    pub uncertainty: Option<Uncertainty>,
    /// Of a sum of layers, what it adds up; `None` for a layer.
    pub within: Option<LayersWithin>,
}

/// The layers that a row of [`LayerFigures::sum_of`] adds up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LayersWithin {
    /// Their indices in the tally.
    pub indices: Vec<usize>,
    /// How many there are.
    pub layers: usize,
    /// Those without a price, which the operations leave out.
    pub unpriced: usize,
    /// Those whose price is measured; the operations include them.
    pub measured: usize,
    /// The same sum over the layers of a baseline; `None` where nothing is compared, or where it has none of them.
    pub base: Option<ComparedRow>,
}

impl Serialize for LayerFigures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("neuron", &self.neuron)?;
        map.serialize_entry("reset", &self.reset)?;
        map.serialize_entry("shape", &self.shape)?;
        map.serialize_entry("ops_per_update", &self.ops_per_update)?;
        map.serialize_entry("priced_by", &self.priced_by)?;
        if let Some(measurement) = &self.measurement {
            map.serialize_entry("measured", &MeasuredFields::from(measurement))?;
        }
        if let Some(why) = &self.unpriced {
            map.serialize_entry("unpriced", why)?;
        }
        self.sums.serialize_figures(&[Basis::Updates], &mut map)?;
        if !self.updates_by_step.is_empty() {
            map.serialize_entry("updates_by_step", &self.updates_by_step)?;
        }
        self.sums.serialize_figures(&[Basis::Operations, Basis::Energy, Basis::Neurons], &mut map)?;
        map.end()
    }
}

/// How a price was measured, as JSON has it.
#[derive(Debug, Serialize)]
pub struct MeasuredFields<'a> {
    pub operations: Vec<&'a str>,
    versions: Option<&'a str>,
    mode: Option<&'a str>,
}

impl<'a> From<&'a Measurement> for MeasuredFields<'a> {
    fn from(measurement: &'a Measurement) -> Self {
        Self {
            operations: measurement.operations().collect(),
            versions: measurement.versions.as_deref(),
            mode: measurement.mode.as_deref(),
        }
    }
}

/// A condition that holds or cannot be decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// In a comparison: the run, as the user named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// The condition, as the user wrote it.
    pub condition: String,
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(new) = &self.new {
            write!(f, "{new}: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl Summary {
    /// The figures of a run at `now`.
    pub fn new(run: &Run, now: SystemTime) -> Self {
        let mut summary = Self::without_steps(run, now);
        for layer in &mut summary.layers {
            if let Some(index) = layer.index {
                layer.updates_by_step.clone_from(&run.tally().layers()[index].updates_by_step);
                layer.uncertainty = uncertainty_of_layers(run, [&*layer]);
            }
        }
        let mut of_class: HashMap<Option<&str>, Vec<&LayerFigures>> = HashMap::new();
        summary
            .layers
            .iter()
            .for_each(|layer| of_class.entry(layer.neuron.as_deref()).or_default().push(layer));
        for class in &mut summary.neurons {
            let layers = of_class.remove(&Some(class.neuron.as_str())).unwrap_or_default();
            class.uncertainty = uncertainty_of_layers(run, layers);
        }
        summary.part = Some(Arc::new(RunPart::from_run(run, Shard::WHOLE).in_order()));
        summary
    }

    /// Reads the potentials in the newest batch of the run for its export, until then at the most.
    pub fn read_potentials(&mut self, run: &Run, until: Instant) {
        self.part.iter_mut().for_each(|part| Arc::make_mut(part).read_potentials(run, until));
    }

    /// The same without the updates by step, which are expensive to copy for each frame.
    pub fn without_steps(run: &Run, now: SystemTime) -> Self {
        Self::around(layers(run), run, now)
    }

    /// Updates the figures to a later state of the same run, without copying the names of thousands of layers again. The
    /// layers are the same as long as [`Run::structure`] is.
    pub fn bring_up_to(&mut self, run: &Run, now: SystemTime) {
        let mut layers = std::mem::take(&mut self.layers);
        let samples = run.tally().samples();
        for layer in &mut layers {
            layer.sums.samples = samples;
            if let Some(sums) = layer.index.and_then(|at| run.tally().layers().get(at)) {
                layer.set_sums(sums, samples);
            }
        }
        *self = Self::around(layers, run, now);
    }

    fn around(layers: Vec<LayerFigures>, run: &Run, now: SystemTime) -> Self {
        let (total, total_measured) = totals(&layers, run);
        let neurobench = NeuroBenchFigures::from_total(&total.sums);
        let agreement = agreement(run, &neurobench, unknown_to_neurobench(&layers));
        Self {
            schema: SCHEMA,
            tool: Tool::this(),
            run: run_figures(run, now),
            problems: problems(run, now, &layers, &agreement),
            agreement,
            total,
            total_measured,
            neurons: classes(&layers),
            layers,
            ranks: RankFigures::all(run, now),
            neurobench,
            account: run.account(),
            complete: run.is_complete(),
            incomplete: why_incomplete(run),
            baseline: None,
            failed: None,
            part: None,
        }
    }

    /// Updates what changes by the clock alone.
    pub fn pass_time(&mut self, run: &Run, now: SystemTime) {
        self.run.status = Self::status(run, now);
        self.run.times = RunTimes::new(run.timing(now), run.status(now));
        self.ranks = RankFigures::all(run, now);
    }

    /// The status of a run: `running`, `finished`, `stalled` or `stopped`.
    pub fn status(run: &Run, now: SystemTime) -> &'static str {
        match run.status(now) {
            Status::Waiting | Status::Live => "running",
            Status::Stalled(_) => "stalled",
            Status::Stopped => "stopped",
            Status::Finished => "finished",
        }
    }

    /// The total over all layers with a price, measured or not.
    pub fn total_of_all(&self) -> &TotalFigures {
        self.total_measured.as_ref().unwrap_or(&self.total)
    }

    /// The total to show where there is room for one, and whether it has measured prices: it has them if no layer has
    /// another price, so that the total without them says nothing.
    pub fn shown_total(&self) -> (&TotalFigures, bool) {
        let has_other =
            || self.layers.iter().any(|layer| layer.ops_per_update.is_some() && !layer.is_measured());
        match &self.total_measured {
            Some(measured) if !has_other() => (measured, true),
            _ => (&self.total, false),
        }
    }

    /// How many problems it has.
    pub fn problem_count(&self) -> u64 {
        count(&self.problems)
    }

    /// Forgets what is wrong with the figures of a whole run, where this is a part of one.
    pub fn judge_files_alone(&mut self) {
        let is_of_whole = |cause| matches!(cause, Cause::BatchesMissing | Cause::DiffersFromNeurobench);
        self.problems.retain(|problem| !is_of_whole(problem.cause));
    }

    /// Takes the conditions that hold or cannot be decided; they are problems.
    pub fn set_failed(&mut self, failed: Option<Vec<Failure>>) {
        add_failures(&mut self.problems, failed.as_deref().unwrap_or_default());
        self.failed = failed;
    }

    /// Whether something is missing from the figures, or they differ from NeuroBench's own.
    pub fn leaves_out(&self) -> bool {
        self.account.waiting + self.account.set_aside > 0
            || self.problems.iter().any(|problem| problem.severity == Severity::SetAside)
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
        directory: run.directory().map(Path::to_owned),
        times: RunTimes::new(run.timing(now), run.status(now)),
    }
}

fn layers(run: &Run) -> Vec<LayerFigures> {
    layer_rows(run).into_iter().map(LayerFigures::from).collect()
}

/// A layer of a run and its sums, without a copy of any name.
pub(super) struct RunLayer<'a> {
    /// Its index in the tally; `None` before it was in a batch.
    index: Option<usize>,
    pub(super) name: &'a str,
    pub(super) neuron: Option<&'a str>,
    reset: Option<&'a str>,
    shape: Option<&'a Vec<u64>>,
    recorded: &'a LayerPrice,
    pub(super) cost: Option<Cost>,
    pub(super) sums: RowSums,
}

/// The layers of a run, in the order of [`Summary::layers`].
pub(super) fn layer_rows(run: &Run) -> Vec<RunLayer<'_>> {
    let seen = run.tally().layers();
    let index: HashMap<&str, usize> =
        seen.iter().enumerate().map(|(index, layer)| (layer.name.as_str(), index)).collect();
    let mut shown = vec![false; seen.len()];
    let mut rows = Vec::new();
    for entry in run.manifest().iter().flat_map(|manifest| manifest.layers.iter()) {
        let (neuron, reset) = (Some(entry.neuron.as_str()), Some(entry.reset.as_str()));
        let mut row = RunLayer::new(&entry.name, neuron, reset, &entry.price, run);
        row.shape = entry.shape.as_ref();
        if let Some(&at) = index.get(entry.name.as_str()) {
            shown[at] = true;
            if !run.tally().is_gone(at) {
                row.count(at, &seen[at]);
            }
        }
        rows.push(row);
    }
    let mut others: Vec<_> =
        seen.iter().enumerate().filter(|(at, _)| !shown[*at] && !run.tally().is_gone(*at)).collect();
    others.sort_by(|(_, a), (_, b)| {
        a.first_batch.cmp(&b.first_batch).then_with(|| natural_order(&a.name, &b.name))
    });
    for (at, sums) in others {
        let (neuron, reset) = run.neuron_and_reset(&sums.name);
        let mut row = RunLayer::new(&sums.name, neuron, reset, &LayerPrice::Unknown, run);
        row.count(at, sums);
        rows.push(row);
    }
    rows
}

impl<'a> RunLayer<'a> {
    /// A layer with nothing counted yet.
    fn new(
        name: &'a str,
        neuron: Option<&'a str>,
        reset: Option<&'a str>,
        recorded: &'a LayerPrice,
        run: &Run,
    ) -> Self {
        let cost = run.settings().costs.of_layer(neuron, reset, recorded);
        let sums = RowSums {
            samples: run.tally().samples(),
            updates: Some(Updates::default()),
            operations: cost.map(|_| Operations::default()),
            energy_per_op: run.settings().costs.energy_per_op(),
            neurons: None,
        };
        Self { index: None, name, neuron, reset, shape: None, recorded, cost, sums }
    }

    fn count(&mut self, at: usize, sums: &'a LayerSums) {
        self.index = Some(at);
        self.sums.count(sums, self.cost.map(|cost| cost.ops_per_update));
        self.shape = sums.neurons.as_ref().or(self.shape);
    }

    fn is_measured(&self) -> bool {
        self.cost.is_some_and(|cost| cost.priced_by == PricedBy::Measured)
    }
}

impl RowSums {
    /// Takes what is counted of a layer at this price.
    fn count(&mut self, sums: &LayerSums, ops_per_update: Option<u64>) {
        self.updates = Some(sums.updates());
        self.neurons = sums.activity.counts();
        self.operations = ops_per_update.map(|price| sums.updates().times(price));
    }
}

impl From<RunLayer<'_>> for LayerFigures {
    fn from(row: RunLayer<'_>) -> Self {
        let priced_by = row.cost.map(|cost| cost.priced_by);
        let measurement = row.recorded.recorded().and_then(|price| price.measurement.clone());
        Self {
            index: row.index,
            name: row.name.to_owned(),
            neuron: row.neuron.map(str::to_owned),
            reset: row.reset.map(str::to_owned),
            shape: row.shape.cloned(),
            ops_per_update: row.cost.map(|cost| cost.ops_per_update),
            priced_by,
            measurement: measurement.filter(|_| priced_by == Some(PricedBy::Measured)),
            unpriced: row.recorded.why_unpriced().filter(|_| row.cost.is_none()),
            sums: row.sums,
            updates_by_step: Vec::new(),
            uncertainty: None,
            within: None,
        }
    }
}

impl LayerFigures {
    /// The sum of several layers of a run as a row like theirs. Neuron, reset and price are those that all of them have;
    /// the operations are those of the priced ones, as in the total.
    pub fn sum_of<'a>(name: impl Into<String>, layers: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut layers = layers.into_iter();
        let Some(first) = layers.next() else { return Self { name: name.into(), ..Self::default() } };
        let mut sum = Self {
            name: name.into(),
            index: None,
            shape: None,
            updates_by_step: Vec::new(),
            measurement: None,
            unpriced: None,
            uncertainty: None,
            ..first.clone()
        };
        let mut within = LayersWithin::default();
        within.add(first);
        for layer in layers {
            within.add(layer);
            sum.sums.add(&layer.sums);
            keep_common(&mut sum.neuron, layer.neuron.as_ref());
            keep_common(&mut sum.reset, layer.reset.as_ref());
            keep_common(&mut sum.ops_per_update, layer.ops_per_update.as_ref());
            keep_common(&mut sum.priced_by, layer.priced_by.as_ref());
        }
        sum.within = Some(within);
        sum
    }

    fn set_sums(&mut self, sums: &LayerSums, samples: u128) {
        self.sums.samples = samples;
        self.sums.count(sums, self.ops_per_update);
        if sums.neurons.is_some() && self.shape != sums.neurons {
            self.shape.clone_from(&sums.neurons);
        }
    }

    /// Whether its price is measured, so that it is not in NeuroBench's total.
    pub fn is_measured(&self) -> bool {
        self.priced_by == Some(PricedBy::Measured)
    }

    /// The operations of an update as a cell of a table has them: `6`, or `6 m` if they are measured. `None` without a
    /// price.
    pub fn cost_text(&self) -> Option<String> {
        let mark = if self.is_measured() { " m" } else { "" };
        self.ops_per_update.map(|ops| format!("{}{mark}", thousands(ops.into())))
    }
}

impl LayersWithin {
    fn add(&mut self, layer: &LayerFigures) {
        self.indices.extend(layer.index);
        self.layers += 1;
        self.unpriced += usize::from(layer.ops_per_update.is_none());
        self.measured += usize::from(layer.is_measured());
    }
}

fn keep_common<T: PartialEq>(common: &mut Option<T>, other: Option<&T>) {
    if common.as_ref() != other {
        *common = None;
    }
}

/// The sums over the layers, and those with the layers whose price is measured, if there are any.
pub(super) fn sums_of_rows(rows: &[RunLayer<'_>], run: &Run) -> (RowSums, Option<RowSums>) {
    sums_of_all(rows.iter().map(|row| (row.sums, row.is_measured())), run)
}

/// The same of layers of which is known whether their price is measured.
fn sums_of_all(layers: impl Iterator<Item = (RowSums, bool)>, run: &Run) -> (RowSums, Option<RowSums>) {
    let mut sums = RowSums {
        samples: run.tally().samples(),
        updates: Some(Updates::default()),
        operations: Some(Operations::default()),
        energy_per_op: run.settings().costs.energy_per_op(),
        neurons: None,
    };
    let mut measured = None;
    for (at, (layer, is_measured)) in layers.enumerate() {
        if at == 0 {
            sums.neurons = Some(NeuronCounts::default());
        }
        sums.add(&RowSums { operations: layer.operations.filter(|_| !is_measured), ..layer });
        if is_measured {
            *measured.get_or_insert_with(Operations::default) += layer.operations.unwrap_or_default();
        }
    }
    let all = measured.map(|measured| {
        let mut all = sums;
        all.add_operations(measured);
        all
    });
    (sums, all)
}

/// The total, and that with the layers whose price is measured, if there are any.
fn totals(layers: &[LayerFigures], run: &Run) -> (TotalFigures, Option<TotalFigures>) {
    let (sums, all) = sums_of_all(layers.iter().map(|layer| (layer.sums, layer.is_measured())), run);
    let unpriced_layers = layers.iter().filter(|layer| layer.ops_per_update.is_none()).count();
    let total = |sums, has_measured| TotalFigures {
        sums,
        unpriced_layers,
        uncertainty: uncertainty_of_total(run, has_measured),
        has_measured,
    };
    (total(sums, false), all.map(|sums| total(sums, true)))
}

/// Which part of the whole run is counted, where that is known.
fn counted_part(run: &Run) -> Option<f64> {
    let of =
        |part: f64, whole: Option<u64>| whole.filter(|&whole| whole > 0).map(|whole| part / whole as f64);
    if run.is_complete() {
        return Some(1.0);
    }
    let by_samples = of(run.tally().samples() as f64, run.expected_samples());
    by_samples.or_else(|| of(run.tally().batches() as f64, run.expected_batches()))
}

/// How far the effective operations per sample of some layers together may still move; `None` where none has a price,
/// and where the series does not say which layers its operations are of.
pub fn uncertainty_of_layers<'a>(
    run: &Run,
    layers: impl IntoIterator<Item = &'a LayerFigures>,
) -> Option<Uncertainty> {
    let priced = layers.into_iter().filter_map(|layer| Some((layer.index?, layer.ops_per_update? as f64)));
    let priced: Vec<(usize, f64)> = priced.collect();
    if priced.is_empty() || run.history().lacks_layers() {
        return None;
    }
    // A layer that came later is in no earlier point.
    let updates = |updates: Option<&Updates>| updates.map_or(0.0, |updates| updates.effective as f64);
    let effective = |point: &Point| {
        priced.iter().map(|&(index, price)| updates(point.sums.updates.get(index)) * price).sum()
    };
    let units = run.history().points().iter().map(|point| (effective(point), point.sums.samples as f64));
    of_ratio(&units.collect::<Vec<_>>(), counted_part(run))
}

/// The same of the total, with the layers whose price is measured or without.
pub fn uncertainty_of_total(run: &Run, has_measured: bool) -> Option<Uncertainty> {
    let points = run.history().points().iter();
    let units = match has_measured {
        true => run.units_with_measured()?,
        false => points.map(|point| (point.operations.effective, point.sums.samples)).collect(),
    };
    let units = units.into_iter().map(|(effective, samples)| (effective as f64, samples as f64));
    of_ratio(&units.collect::<Vec<_>>(), counted_part(run))
}

/// How many layers NeuroBench has no price for.
fn unknown_to_neurobench(layers: &[LayerFigures]) -> usize {
    layers.iter().filter(|layer| layer.priced_by != Some(PricedBy::NeuroBench)).count()
}

fn classes(layers: &[LayerFigures]) -> Vec<ClassFigures> {
    let mut classes: Vec<ClassFigures> = Vec::new();
    // Each of very many layers may have a class of its own, so no search through all classes.
    let mut places: HashMap<&str, usize> = HashMap::new();
    for layer in layers {
        let Some(neuron) = layer.neuron.as_deref() else { continue };
        match places.get(neuron) {
            Some(&place) => {
                classes[place].sums.add(&layer.sums);
                classes[place].layers += 1;
                classes[place].measured_layers += usize::from(layer.is_measured());
            }
            None => {
                places.insert(neuron, classes.len());
                classes.push(ClassFigures {
                    neuron: neuron.to_owned(),
                    sums: layer.sums,
                    layers: 1,
                    measured_layers: usize::from(layer.is_measured()),
                    uncertainty: None,
                });
            }
        }
    }
    classes
}

fn as_map<S: Serializer>(classes: &[ClassFigures], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(classes.iter().map(|class| (&class.neuron, class)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::ComparedRun;
    use crate::run::Settings;
    use crate::run::prices::Costs;

    fn run() -> Run {
        Run::new(Settings::new("x"))
    }

    #[test]
    fn the_sum_of_all_layers_is_the_total_and_has_what_they_share() {
        let costs = Costs::with_rules(["RLeaky:subtract=5".parse().expect("a price")]);
        let run = Run::new(Settings { costs, ..Settings::new("x") });
        let layer = |name: &str, neuron: &str, reset: &str, effective| {
            let row = RunLayer::new(name, Some(neuron), Some(reset), &LayerPrice::Unknown, &run);
            let mut layer = LayerFigures::from(row);
            let updates = Updates { effective, dense: 100 };
            layer.sums.updates = Some(updates);
            layer.sums.operations = layer.ops_per_update.map(|price| updates.times(price));
            layer
        };
        let layers = [
            layer("a", "RLeaky", "subtract", 10),
            layer("b", "RLeaky", "zero", 20),
            layer("c", "RLeaky", "subtract", 30),
        ];
        let sum = LayerFigures::sum_of("all", &layers);
        assert_eq!(sum.sums, totals(&layers, &run).0.sums);
        assert_eq!(sum.sums.effective(), Some(5 * 40), "what has no price adds no operations");
        assert_eq!((sum.neuron.as_deref(), sum.reset, sum.ops_per_update), (Some("RLeaky"), None, None));
        let within = sum.within.expect("a sum");
        assert_eq!((within.layers, within.unpriced), (3, 1));
        assert_eq!(LayerFigures::sum_of("priced", [&layers[0], &layers[2]]).ops_per_update, Some(5));
        assert_eq!(LayerFigures::sum_of("unpriced", [&layers[1]]).sums.operations, None);
        assert_eq!(LayerFigures::sum_of("none", []).sums, RowSums::default());
    }

    /// So many that a search through all classes for each layer would not end.
    #[test]
    fn each_of_very_many_layers_may_have_a_neuron_class_of_its_own() {
        const MANY: usize = 200_000;
        let run = run();
        let layer = |at: usize| {
            let neuron = format!("n{}", at % (MANY - 1));
            LayerFigures::from(RunLayer::new(
                &format!("l{at}"),
                Some(&neuron),
                None,
                &LayerPrice::Unknown,
                &run,
            ))
        };
        let layers: Vec<LayerFigures> = (0..MANY).map(layer).collect();
        let summary = Summary::around(layers, &run, SystemTime::UNIX_EPOCH);
        let names = summary.neurons.iter().map(|class| class.neuron.as_str());
        assert!(names.eq((0..MANY - 1).map(|at| format!("n{at}"))), "in the order of the layers");
        assert_eq!((summary.neurons[0].layers, summary.neurons[1].layers), (2, 1));
        let baseline = ComparedRun::from_summary("x", &summary);
        let found = |class: &ClassFigures| baseline.rows.neuron(&class.neuron).map(|row| row.name.as_str());
        assert!(summary.neurons.iter().all(|class| found(class) == Some(&class.neuron)));
        assert_eq!(baseline.rows.neuron("n"), None);
    }
}
