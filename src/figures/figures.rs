//! The figures of a run as far as runs are compared: from a summary, or from one that was exported.

use super::{Figure, Summary, Sums};
use crate::run::problem_list::More;

/// The figures of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// The run's name.
    pub name: String,
    /// Samples counted.
    pub samples: u128,
    /// Batches counted.
    pub batches: u64,
    /// Whether the run is over, nothing waits and nothing was set aside.
    pub complete: bool,
    /// Batches that were seen and are not counted yet.
    pub waiting: u64,
    /// What was set aside: file and reason.
    pub set_aside: Vec<String>,
    /// What else the user should know: file and what it is.
    pub notices: Vec<String>,
    /// The sums over all layers.
    pub total: Part,
    /// The sums by the neuron's class.
    pub neurons: Vec<Part>,
    /// The layers.
    pub layers: Vec<Part>,
}

/// A layer, a neuron class or the total of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The layer's, the class's or the run's name.
    pub name: String,
    /// What a layer is; `None` for classes and totals.
    pub kind: Option<Kind>,
    /// Its sums.
    pub sums: Sums,
    /// The samples that they are over.
    pub samples: u128,
}

/// What a layer is, where known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// The class name of its neuron.
    pub neuron: Option<String>,
    /// Its reset mechanism.
    pub reset: Option<String>,
    /// Operations of one update; `None` where it has no price.
    pub ops_per_update: Option<u64>,
}

impl Part {
    /// The value of a figure, where it has one.
    pub fn value(&self, figure: Figure) -> Option<f64> {
        figure.of(&self.sums, self.samples)
    }
}

impl Figures {
    /// The figures of a summary.
    pub fn of(summary: &Summary) -> Self {
        let samples = summary.run.samples;
        let part = |name: &str, kind, sums| Part { name: name.to_owned(), kind, sums, samples };
        let neurons = summary.neurons.iter().map(|class| part(&class.neuron, None, class.sums()));
        let layers = summary.layers.iter().map(|layer| {
            let (neuron, reset) = (layer.neuron.clone(), layer.reset.clone());
            let kind = Kind { neuron, reset, ops_per_update: layer.ops_per_update };
            part(&layer.name, Some(kind), layer.sums())
        });
        let layers: Vec<Part> = layers.collect();
        let of_severity = |severity: &str| -> Vec<String> {
            let problems = summary.problems.iter().filter(|problem| problem.severity == severity);
            problems.flat_map(|problem| said(&problem.path, &problem.reason, problem.more)).collect()
        };
        Self {
            name: summary.run.name.clone(),
            samples,
            batches: summary.run.batches,
            complete: summary.complete,
            waiting: summary.account.waiting,
            set_aside: of_severity("set_aside"),
            notices: of_severity("notice"),
            total: part(&summary.run.name, None, of_priced(summary.total.sums(), &layers)),
            neurons: neurons.collect(),
            layers,
        }
    }

    /// Layers without a price, which the total leaves out.
    pub fn unpriced_layers(&self) -> usize {
        self.layers.iter().filter(|layer| !is_priced(layer)).count()
    }
}

/// What is said of a problem, and of how many more there are of its kind.
pub(super) fn said(path: &str, reason: &str, more: More) -> impl Iterator<Item = String> {
    [Some(format!("{path}: {reason}")), more.text()].into_iter().flatten()
}

/// The sums of a total; the operations of no priced layer are 0, which says nothing about a network.
pub(super) fn of_priced(total: Sums, layers: &[Part]) -> Sums {
    if layers.iter().any(is_priced) {
        return total;
    }
    Sums {
        effective_ops: None,
        dense_ops: None,
        effective_ops_per_sample: None,
        dense_ops_per_sample: None,
        ..total
    }
}

fn is_priced(layer: &Part) -> bool {
    layer.kind.as_ref().is_some_and(|kind| kind.ops_per_update.is_some())
}
