//! The columns of the table of layers, and the order that they give it.

use crate::figures::LayerFigures;
use std::cmp::Ordering;

/// A column of the table of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The layer's name.
    Name,
    /// The neuron's class.
    Neuron,
    /// The reset mechanism.
    Reset,
    /// Operations of one update.
    Cost,
    /// Effective operations per sample.
    Effective,
    /// How far those are from the baseline's.
    EffectiveChange,
    /// Dense operations per sample.
    Dense,
    /// How far those are from the baseline's.
    DenseChange,
    /// 1 - effective / dense.
    Sparsity,
    /// How far that is from the baseline's.
    SparsityChange,
    /// The part of the total effective operations.
    Share,
    /// Operations per sample over the batches.
    Trend,
}

/// The columns in the order in which they are shown.
pub const COLUMNS: [Column; 12] = [
    Column::Name,
    Column::Neuron,
    Column::Reset,
    Column::Cost,
    Column::Effective,
    Column::EffectiveChange,
    Column::Dense,
    Column::DenseChange,
    Column::Sparsity,
    Column::SparsityChange,
    Column::Share,
    Column::Trend,
];

impl Column {
    /// Whether the layers can be sorted by it: not by what has more values than one, nor by changes, which
    /// come and go with the baseline.
    pub fn sorts(self) -> bool {
        self != Self::Trend && !self.is_change()
    }

    /// Whether it is there only beside a baseline.
    pub fn is_change(self) -> bool {
        matches!(self, Self::EffectiveChange | Self::DenseChange | Self::SparsityChange)
    }
}

/// The order of the layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sort {
    /// By this column; `None` is the order of the model.
    pub column: Option<Column>,
    /// From the largest to the smallest.
    pub descending: bool,
}

impl Sort {
    /// The order in which a column is asked for first: figures from the top, names from the start of the
    /// alphabet.
    pub fn by(column: Option<Column>) -> Self {
        let is_text = matches!(column, None | Some(Column::Name | Column::Neuron | Column::Reset));
        Self { column, descending: !is_text }
    }

    /// The indices of the layers in this order; ties stay as in the model, and what has no figure
    /// comes last either way.
    pub fn order(self, layers: &[LayerFigures]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..layers.len()).collect();
        match self.column {
            None if self.descending => order.reverse(),
            None => {}
            Some(column) => order.sort_by(|&a, &b| self.compare(column, &layers[a], &layers[b])),
        }
        order
    }

    fn compare(self, column: Column, a: &LayerFigures, b: &LayerFigures) -> Ordering {
        match column {
            Column::Name => directed(self.descending, Some(&a.name), Some(&b.name)),
            Column::Neuron => directed(self.descending, a.neuron.as_ref(), b.neuron.as_ref()),
            Column::Reset => directed(self.descending, a.reset.as_ref(), b.reset.as_ref()),
            Column::Cost => directed(self.descending, a.ops_per_update, b.ops_per_update),
            Column::Effective | Column::EffectiveChange | Column::Share | Column::Trend => {
                directed(self.descending, a.sums.effective(), b.sums.effective())
            }
            Column::Dense | Column::DenseChange => directed(self.descending, a.sums.dense(), b.sums.dense()),
            Column::Sparsity | Column::SparsityChange => {
                directed(self.descending, a.sums.sparsity(), b.sums.sparsity())
            }
        }
    }
}

/// Two values in a direction; what has none comes last in either.
pub(super) fn directed<T: PartialOrd>(descending: bool, a: Option<T>, b: Option<T>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => {
            let ordering = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
            if descending { ordering.reverse() } else { ordering }
        }
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}
