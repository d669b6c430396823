//! A run as comparisons and conditions need it: just counted, or read from an exported summary.

use super::figure::{FIGURES, Figure, Number};
use super::row::RowSums;
use super::{ProblemFigures, Summary};
use crate::count::NeuronCounts;
use crate::run::prices::PricedBy;
use crate::run::series::Point;
use crate::run::sums::{Operations, Updates};
use crate::run::{Cause, Severity};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

/// A run that is compared, and whether its figures are whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ComparedRun {
    /// Its directory or the file of its summary, as the user named it.
    pub source: String,
    pub name: String,
    /// Where it was counted, if that is known.
    pub directory: Option<String>,
    /// Samples counted.
    pub samples: u128,
    /// Batches counted.
    pub batches: u64,
    /// Whether it is over, nothing waits and nothing was set aside.
    pub complete: bool,
    /// Batches that were seen and are not counted yet.
    pub waiting: u64,
    /// What was set aside: file and reason.
    pub set_aside: Vec<String>,
    /// What else costs figures: batches that are missing at the end, a difference from NeuroBench's own results.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disagreements: Vec<String>,
    /// What else the user should know: file and what it is.
    pub notices: Vec<String>,
    /// How many problems these are: some of them stand for many.
    #[serde(skip)]
    pub problems: u64,
    #[serde(skip)]
    pub rows: Arc<ComparedRows>,
    /// Its sums over batches or groups of neighbouring ones; none if they are not known, as of an export that an earlier
    /// version wrote.
    #[serde(skip)]
    pub points: Arc<[Point]>,
}

/// The values of a run, in total, by neuron class and by layer.
#[derive(Debug, Default, PartialEq)]
pub struct ComparedRows {
    pub total: ComparedRow,
    /// The total with the layers whose price is measured; `None` if there are none.
    pub total_measured: Option<ComparedRow>,
    pub neurons: Vec<ComparedRow>,
    pub layers: Vec<ComparedRow>,
    /// Where each neuron class and each layer is, by its name.
    neuron_places: HashMap<String, usize>,
    layer_places: HashMap<String, usize>,
}

/// The values of a layer, a neuron class or the total of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComparedRow {
    /// The layer's, the class's or the run's name.
    pub name: String,
    /// What a layer is; `None` for classes and totals.
    pub kind: Option<LayerKind>,
    /// The value of each figure of [`FIGURES`], in the same order.
    values: [Option<Number>; FIGURES.len()],
}

/// What a layer is, where known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerKind {
    /// The class name of its neuron.
    pub neuron: Option<String>,
    /// Its reset mechanism.
    pub reset: Option<String>,
    /// Operations of one update; `None` where it has no price.
    pub ops_per_update: Option<u64>,
    /// Where the price comes from, as [`PricedBy`] names it.
    pub priced_by: Option<String>,
}

impl LayerKind {
    /// Whether its price is measured, so that the total is without it.
    pub(super) fn is_measured(&self) -> bool {
        self.priced_by.as_deref() == Some(PricedBy::Measured.name())
    }
}

impl ComparedRow {
    pub(super) fn new(name: impl Into<String>, kind: Option<LayerKind>, sums: &RowSums) -> Self {
        Self::with_values(name, kind, |figure| figure.value(sums))
    }

    pub(super) fn with_values(
        name: impl Into<String>,
        kind: Option<LayerKind>,
        value: impl Fn(&Figure) -> Option<Number>,
    ) -> Self {
        Self { name: name.into(), kind, values: std::array::from_fn(|at| value(&FIGURES[at])) }
    }

    pub fn number(&self, figure: &Figure) -> Option<Number> {
        FIGURES.iter().zip(self.values).find(|(known, _)| *known == figure).and_then(|(_, value)| value)
    }

    pub fn value(&self, figure: &Figure) -> Option<f64> {
        self.number(figure).map(Number::as_f64)
    }

    /// The sums that its whole numbers are.
    pub(super) fn sums(&self, samples: u128) -> RowSums {
        let whole = |name| match self.number(Figure::named(name)?) {
            Some(Number::Whole(value)) => Some(value),
            _ => None,
        };
        let pair = |effective, dense| whole(effective).zip(whole(dense));
        let (updates, operations) = (pair("updates", "dense_updates"), pair("effective_ops", "dense_ops"));
        let neurons = whole("neurons").zip(pair("silent_neurons", "always_active_neurons"));
        RowSums {
            samples,
            updates: updates.map(|(effective, dense)| Updates { effective, dense }),
            operations: operations.map(|(effective, dense)| Operations { effective, dense }),
            energy_per_op: None,
            neurons: neurons.map(|(neurons, (silent, always_active))| NeuronCounts {
                neurons,
                silent,
                always_active,
            }),
        }
    }

    /// Whether it is a layer with a price.
    pub(super) fn is_priced(&self) -> bool {
        self.kind.as_ref().is_some_and(|kind| kind.ops_per_update.is_some())
    }

    /// Whether it is a layer with a measured price.
    pub(super) fn is_measured(&self) -> bool {
        self.is_priced() && self.kind.as_ref().is_some_and(LayerKind::is_measured)
    }
}

impl ComparedRows {
    pub(super) fn new(
        total: ComparedRow,
        total_measured: Option<ComparedRow>,
        neurons: Vec<ComparedRow>,
        layers: Vec<ComparedRow>,
    ) -> Self {
        let (neuron_places, layer_places) = (places(&neurons), places(&layers));
        Self { total, total_measured, neurons, layers, neuron_places, layer_places }
    }

    /// The total over all layers with a price, measured or not.
    pub fn total_of_all(&self) -> &ComparedRow {
        self.total_measured.as_ref().unwrap_or(&self.total)
    }

    /// The neuron class of this name.
    pub fn neuron(&self, name: &str) -> Option<&ComparedRow> {
        self.neuron_places.get(name).map(|&at| &self.neurons[at])
    }

    /// The layer of this name.
    pub fn layer(&self, name: &str) -> Option<&ComparedRow> {
        self.layer_places.get(name).map(|&at| &self.layers[at])
    }

    /// The sum of the layers that `is_in` has by name, over so many samples; `None` without any. It is made from whole
    /// numbers, so that equal sums are equal.
    pub fn sum_of_layers(&self, samples: u128, is_in: impl Fn(&str) -> bool) -> Option<ComparedRow> {
        let layers = self.layers.iter().filter(|layer| is_in(&layer.name));
        let sums = RowSums::sum_of(layers.map(|layer| layer.sums(samples)))?;
        Some(ComparedRow::new("", None, &sums))
    }

    /// Whether any of them has a value of a figure.
    pub(super) fn has(&self, figure: &Figure) -> bool {
        let totals = std::iter::once(&self.total).chain(&self.total_measured);
        let mut rows = totals.chain(&self.neurons).chain(&self.layers);
        rows.any(|row| row.number(figure).is_some())
    }

    /// Layers without a price, which the total leaves out.
    pub fn unpriced_layers(&self) -> usize {
        self.layers.iter().filter(|layer| !layer.is_priced()).count()
    }

    /// Layers with a measured price, which the total leaves out, too.
    pub fn measured_layers(&self) -> usize {
        self.layers.iter().filter(|layer| layer.is_measured()).count()
    }
}

fn places(rows: &[ComparedRow]) -> HashMap<String, usize> {
    rows.iter().enumerate().map(|(at, row)| (row.name.clone(), at)).collect()
}

impl ComparedRun {
    /// A run that was counted; `source` is its directory, as the user named it.
    pub fn from_summary(source: impl Into<String>, summary: &Summary) -> Self {
        let neurons = summary.neurons.iter();
        let neurons = neurons.map(|class| ComparedRow::new(&class.neuron, None, &class.sums)).collect();
        let layers = summary.layers.iter().map(|layer| {
            let (neuron, reset) = (layer.neuron.clone(), layer.reset.clone());
            let priced_by = layer.priced_by.map(|priced_by| priced_by.name().to_owned());
            let kind = LayerKind { neuron, reset, ops_per_update: layer.ops_per_update, priced_by };
            ComparedRow::new(&layer.name, Some(kind), &layer.sums)
        });
        let layers: Vec<ComparedRow> = layers.collect();
        let total = |sums: &RowSums| ComparedRow::new(&summary.run.name, None, sums);
        let with_measured = summary.total_measured.as_ref().map(|measured| total(&measured.sums));
        let all = total_sums(summary.total.sums, has_total(&layers));
        Self {
            source: source.into(),
            name: summary.run.name.clone(),
            directory: summary.run.directory.as_deref().map(|path| path.to_string_lossy().into_owned()),
            samples: summary.run.samples,
            batches: summary.run.batches,
            complete: summary.complete,
            waiting: summary.account.waiting,
            set_aside: sentences(&summary.problems, Severity::SetAside),
            disagreements: disagreements(&summary.problems),
            notices: sentences(&summary.problems, Severity::Notice),
            problems: told(&summary.problems),
            rows: ComparedRows::new(total(&all), with_measured, neurons, layers).into(),
            points: summary.part.as_ref().map(|part| part.points()).unwrap_or_default().into(),
        }
    }

    /// Whether something that was seen is not in its figures.
    pub fn leaves_out(&self) -> bool {
        self.waiting > 0 || !self.set_aside.is_empty() || !self.disagreements.is_empty()
    }
}

/// Whether any layer is in the total: one with a price that is not measured.
pub(super) fn has_total(layers: &[ComparedRow]) -> bool {
    layers.iter().any(|layer| layer.is_priced() && !layer.is_measured())
}

/// The sums of a total as they are compared. Without a priced layer its operations are 0, which says nothing about a
/// network.
pub(super) fn total_sums(total: RowSums, is_priced: bool) -> RowSums {
    RowSums { operations: total.operations.filter(|_| is_priced), ..total }
}

/// How many problems are told of a run that is compared: its conditions are those of another command.
pub(super) fn told(problems: &[ProblemFigures]) -> u64 {
    let told = problems.iter().filter(|problem| problem.cause != Cause::ConditionFails);
    told.map(ProblemFigures::count).fold(0, u64::saturating_add)
}

/// Whether it is about the figures as a whole, and not about a file.
fn is_disagreement(problem: &ProblemFigures) -> bool {
    matches!(problem.cause, Cause::BatchesMissing | Cause::DiffersFromNeurobench)
}

/// What is missing at the end, or differs from NeuroBench's own results.
pub(super) fn disagreements(problems: &[ProblemFigures]) -> Vec<String> {
    let problems = problems.iter().filter(|problem| is_disagreement(problem));
    problems.map(|problem| format!("{}: {}", problem.head(), problem.reason)).collect()
}

/// The other problems of a severity, and of how many more of their kind each stands for.
pub(super) fn sentences(problems: &[ProblemFigures], severity: Severity) -> Vec<String> {
    let is_told = |problem: &&ProblemFigures| {
        let is_elsewhere = is_disagreement(problem) || problem.cause == Cause::ConditionFails;
        problem.severity == severity && !is_elsewhere
    };
    let problems = problems.iter().filter(is_told);
    let texts = problems.flat_map(|problem| {
        let head = if problem.cause == Cause::SetAside { problem.path.clone() } else { problem.head() };
        [Some(format!("{head}: {}", problem.reason)), problem.more.text()].into_iter().flatten()
    });
    texts.collect()
}
