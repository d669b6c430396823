//! The figures that the total, a neuron class and a layer have, by their names.

use super::Sums;
use crate::run::tally::quotient;

/// A figure of the total, of a neuron class or of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// 1 - effective / dense.
    Sparsity,
    /// Effective operations per sample.
    EffectivePerSample,
    /// Dense operations per sample.
    DensePerSample,
    /// Effective operations.
    Effective,
    /// Dense operations.
    Dense,
    /// Membrane updates.
    Updates,
    /// Elements of all steps.
    DenseUpdates,
    /// Membrane updates per sample, NeuroBench's `MembraneUpdates`.
    MembraneUpdates,
}

impl Figure {
    /// All of them with their names, which are those of the summary in JSON.
    pub const ALL: [(&'static str, Self); 8] = [
        ("sparsity", Self::Sparsity),
        ("effective_ops_per_sample", Self::EffectivePerSample),
        ("dense_ops_per_sample", Self::DensePerSample),
        ("effective_ops", Self::Effective),
        ("dense_ops", Self::Dense),
        ("updates", Self::Updates),
        ("dense_updates", Self::DenseUpdates),
        ("membrane_updates", Self::MembraneUpdates),
    ];

    /// Those that a comparison shows: the ones that do not grow with the number of samples.
    pub const COMPARED: [Self; 4] =
        [Self::EffectivePerSample, Self::DensePerSample, Self::MembraneUpdates, Self::Sparsity];

    /// The figure of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, figure)| figure)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, figure)| *figure == self).map_or("", |(name, _)| name)
    }

    /// The value of one that is a whole number, to its last digit; `None` for the others, and where it needs a price
    /// that is not there.
    pub fn whole(self, sums: &Sums) -> Option<u128> {
        match self {
            Self::Effective => sums.effective_ops,
            Self::Dense => sums.dense_ops,
            Self::Updates => Some(sums.updates),
            Self::DenseUpdates => Some(sums.dense_updates),
            Self::Sparsity | Self::EffectivePerSample | Self::DensePerSample | Self::MembraneUpdates => None,
        }
    }

    /// Its value in sums over so many samples; `None` where it needs a price that is not there, or where
    /// nothing was counted that it could be divided by.
    pub fn of(self, sums: &Sums, samples: u128) -> Option<f64> {
        let per_sample = |value: Option<f64>| value.filter(|_| samples > 0);
        match self {
            Self::Sparsity => sums.sparsity,
            Self::EffectivePerSample => per_sample(sums.effective_ops_per_sample),
            Self::DensePerSample => per_sample(sums.dense_ops_per_sample),
            Self::Effective => sums.effective_ops.map(|ops| ops as f64),
            Self::Dense => sums.dense_ops.map(|ops| ops as f64),
            Self::Updates => Some(sums.updates as f64),
            Self::DenseUpdates => Some(sums.dense_updates as f64),
            Self::MembraneUpdates => per_sample(Some(quotient(sums.updates, samples))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_name() {
        for (name, figure) in Figure::ALL {
            assert_eq!((figure.name(), Figure::named(name)), (name, Some(figure)));
        }
        assert_eq!(Figure::named("colour"), None);
    }

    #[test]
    fn without_samples_nothing_is_per_sample() {
        let sums = Sums {
            updates: 9,
            dense_updates: 12,
            effective_ops: Some(36),
            dense_ops: Some(48),
            effective_ops_per_sample: Some(18.0),
            dense_ops_per_sample: Some(24.0),
            sparsity: Some(0.25),
        };
        let values = |samples| Figure::ALL.map(|(_, figure)| figure.of(&sums, samples));
        let [sparsity, effective, dense, ops, dense_ops, updates, dense_updates, membrane] = values(2);
        assert_eq!([sparsity, effective, dense], [Some(0.25), Some(18.0), Some(24.0)]);
        assert_eq!([ops, dense_ops, updates], [Some(36.0), Some(48.0), Some(9.0)]);
        assert_eq!([dense_updates, membrane], [Some(12.0), Some(4.5)]);
        let [_, effective, dense, .., membrane] = values(0);
        assert_eq!([effective, dense, membrane], [None; 3]);
    }
}
