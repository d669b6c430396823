//! What the figures of a run, a neuron class, a layer or a rank are computed from.

use super::figure::{Basis, Figure, ShownIn};
use crate::count::NeuronCounts;
use crate::run::Run;
use crate::run::energy::EnergyPerOp;
use crate::run::sums::{Operations, Updates};
use crate::run::tally::quotient;
use serde::ser::{SerializeMap, Serializer};

/// The sums of a run, a neuron class, a layer or a rank. Each figure of [`FIGURES`](super::FIGURES) is computed from
/// these alone.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RowSums {
    /// What figures per sample are divided by.
    pub samples: u128,
    /// `None` for a rank of a run with too many ranks and layers to keep them all.
    pub updates: Option<Updates>,
    /// `None` without a price.
    pub operations: Option<Operations>,
    /// `None` unless the user gives it.
    pub energy_per_op: Option<EnergyPerOp>,
    /// `None` where it is not known of every layer which neurons are updated.
    pub neurons: Option<NeuronCounts>,
}

impl RowSums {
    /// The total of a run, without a whole summary of it. Operations are 0 without a priced layer.
    pub fn for_run(run: &Run) -> Self {
        let total = run.tally().total();
        Self {
            samples: total.samples,
            updates: Some(total.updates),
            operations: Some(run.operations()),
            energy_per_op: run.settings().costs.energy_per_op(),
            neurons: run
                .tally()
                .layers()
                .iter()
                .map(|layer| layer.activity.counts())
                .reduce(|sum, more| Some(sum?.plus(more?)))
                .flatten(),
        }
    }

    /// The total to show of a run where there is room for one, and whether it has measured prices, as
    /// [`Summary::shown_total`](super::Summary::shown_total) has it.
    pub fn shown_for_run(run: &Run) -> (Self, bool) {
        let total = Self::for_run(run);
        if !run.has_only_measured() {
            return (total, false);
        }
        (Self { operations: Some(run.measured_operations()), ..total }, true)
    }

    /// Adds the sums of another layer over the same samples. What has no price adds no operations.
    pub fn add(&mut self, layer: &Self) {
        if let Some(updates) = layer.updates {
            *self.updates.get_or_insert_default() += updates;
        }
        if let Some(operations) = layer.operations {
            *self.operations.get_or_insert_default() += operations;
        }
        self.neurons = self.neurons.zip(layer.neurons).map(|(ours, more)| ours.plus(more));
    }

    /// The sums of several layers over the same samples; `None` without any.
    pub(super) fn sum_of(layers: impl Iterator<Item = Self>) -> Option<Self> {
        layers.reduce(|mut sum, layer| {
            sum.add(&layer);
            sum
        })
    }

    /// Adds operations of layers whose updates and neurons are in the sums already.
    pub fn add_operations(&mut self, operations: Operations) {
        *self.operations.get_or_insert_default() += operations;
    }

    /// The nearest 64-bit float of `sum` ÷ samples; 0 without samples, as NeuroBench reports it.
    pub fn per_sample(&self, sum: u128) -> f64 {
        quotient(sum, self.samples)
    }

    /// Effective operations.
    pub fn effective(&self) -> Option<u128> {
        self.operations.map(|operations| operations.effective)
    }

    pub fn effective_per_sample(&self) -> Option<f64> {
        self.effective().map(|effective| self.per_sample(effective))
    }

    pub fn dense_per_sample(&self) -> Option<f64> {
        self.operations.map(|operations| self.per_sample(operations.dense))
    }

    /// 1 − effective ÷ dense operations; `None` where dense is 0.
    pub fn sparsity(&self) -> Option<f64> {
        self.operations.and_then(|operations| sparsity(operations.effective, operations.dense))
    }

    /// The part of `whole` that the effective operations of this row are.
    pub fn share_of(&self, whole: u128) -> Option<f64> {
        self.effective().filter(|_| whole > 0).map(|effective| quotient(effective, whole))
    }

    /// The exported figures as entries of a map, operations before updates.
    pub(super) fn serialize_operations_first<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_figures(&[Basis::Operations, Basis::Energy], &mut map)?;
        self.serialize_figures(&[Basis::Updates], &mut map)?;
        self.serialize_figures(&[Basis::Neurons], &mut map)?;
        map.end()
    }

    /// The samples, then the exported figures as entries of a map, updates before operations.
    pub(super) fn serialize_updates_first<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("samples", &self.samples)?;
        self.serialize_figures(&[Basis::Updates], &mut map)?;
        self.serialize_figures(&[Basis::Operations, Basis::Energy], &mut map)?;
        map.end()
    }

    /// Adds one entry for each exported figure of a basis, in the order of the table.
    pub(super) fn serialize_figures<M: SerializeMap>(
        &self,
        bases: &[Basis],
        map: &mut M,
    ) -> Result<(), M::Error> {
        for figure in Figure::all_in(ShownIn::Export).filter(|figure| bases.contains(&figure.basis)) {
            if figure.applies_to(self) {
                map.serialize_entry(figure.name, &figure.number(self))?;
            }
        }
        Ok(())
    }
}

/// 1 − effective ÷ dense; `None` where dense is 0.
pub fn sparsity(effective: u128, dense: u128) -> Option<f64> {
    (dense > 0).then(|| 1.0 - quotient(effective, dense))
}
