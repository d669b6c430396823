//! The distribution of a layer's membrane potentials, computed in one pass.

use super::histogram::{Buckets, rebinned};
use crate::snapshot::{Dtype, ElementKind};
use serde::{Deserialize, Serialize};

/// The bins of a distribution in a file.
const BINS: usize = 64;

/// The distribution of the potentials of a layer in one batch, after each step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Potentials {
    /// The number of elements.
    pub count: u64,
    pub finite: u64,
    pub nan: u64,
    pub positive_infinity: u64,
    pub negative_infinity: u64,
    /// Elements that equal 0 (of either sign), the resting potential of snnTorch's neurons.
    pub at_rest: u64,
    /// `None` if no potential is finite.
    pub range: Option<FiniteRange>,
    #[serde(rename = "bins")]
    distribution: Distribution,
}

/// How many finite potentials have which value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Distribution {
    /// In equal bins from the lowest to the highest, as in files.
    Bins(Vec<u64>),
    /// While the range is not known yet.
    #[serde(skip)]
    Buckets(Buckets),
}

impl Default for Distribution {
    fn default() -> Self {
        Self::Buckets(Buckets::default())
    }
}

/// The range of the finite potentials.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FiniteRange {
    pub min: f64,
    pub max: f64,
    pub mean: f64,
}

impl FiniteRange {
    /// The highest bin apart from the one at rest, which often has most neurons and would dwarf all others.
    pub fn highest_beside_rest(self, bins: &[f64]) -> f64 {
        let place = (0.0 - self.min) / (self.max - self.min) * bins.len() as f64;
        let beside = bins.iter().enumerate().filter(|&(at, _)| place.floor() != at as f64);
        let highest = beside.map(|(_, &count)| count).fold(0.0, f64::max);
        if highest > 0.0 { highest } else { bins.iter().copied().fold(0.0, f64::max) }
    }
}

impl Potentials {
    /// The fraction of the elements that is at rest; `None` if there are no elements.
    pub fn share_at_rest(&self) -> Option<f64> {
        (self.count > 0).then(|| self.at_rest as f64 / self.count as f64)
    }

    /// A histogram of the finite potentials, in equal bins from the lowest to the highest. If these are equal, all
    /// are in the first bin. The sum over the bins is `finite`.
    ///
    /// Potentials are known to 1/128 of their value. If a bin begins or ends within that, elements are spread in
    /// proportion.
    pub fn bins(&self, bins: usize) -> Vec<u64> {
        match (&self.distribution, self.range) {
            (_, None) => vec![0; bins],
            (Distribution::Buckets(buckets), Some(FiniteRange { min, max, .. })) => {
                buckets.bins(min, max, bins)
            }
            (Distribution::Bins(counts), Some(_)) => rebinned(counts, bins),
        }
    }

    /// The same in few enough bins for a file.
    pub fn for_file(self) -> Self {
        Self { distribution: Distribution::Bins(self.bins(BINS)), ..self }
    }

    /// Whether a file may hold these.
    pub fn is_sound(&self) -> bool {
        let sum = |counts: &[u64]| counts.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count));
        let Distribution::Bins(bins) = &self.distribution else { return true };
        let kinds = [self.finite, self.nan, self.positive_infinity, self.negative_infinity];
        let is_range = self.range.map(|FiniteRange { min, max, mean }| min <= mean && mean <= max);
        bins.len() == BINS
            && sum(bins) == Some(self.finite)
            && sum(&kinds) == Some(self.count)
            && self.at_rest <= self.finite
            && is_range.unwrap_or(self.finite == 0)
    }

    /// Adds a block of elements in native byte order. Integers beyond 2^53 are rounded to the nearest float.
    pub(super) fn add(&mut self, dtype: Dtype, block: &[u8]) {
        match (dtype.kind, dtype.size) {
            (ElementKind::Float, 2) => self.add_each(block, from_half),
            (ElementKind::Float, 4) => self.add_each(block, |it| f32::from_ne_bytes(it).into()),
            (ElementKind::Float, _) => self.add_each(block, f64::from_ne_bytes),
            (ElementKind::Signed, 1) => self.add_each(block, |it| i8::from_ne_bytes(it).into()),
            (ElementKind::Signed, 2) => self.add_each(block, |it| i16::from_ne_bytes(it).into()),
            (ElementKind::Signed, 4) => self.add_each(block, |it| i32::from_ne_bytes(it).into()),
            (ElementKind::Signed, _) => self.add_each(block, |it| i64::from_ne_bytes(it) as f64),
            (ElementKind::Unsigned, 1) => self.add_each(block, |it| u8::from_ne_bytes(it).into()),
            (ElementKind::Unsigned, 2) => self.add_each(block, |it| u16::from_ne_bytes(it).into()),
            (ElementKind::Unsigned, 4) => self.add_each(block, |it| u32::from_ne_bytes(it).into()),
            (ElementKind::Unsigned, _) => self.add_each(block, |it| u64::from_ne_bytes(it) as f64),
        }
    }

    fn add_each<const SIZE: usize>(&mut self, block: &[u8], value: impl Fn([u8; SIZE]) -> f64 + Copy) {
        self.add_values(block.as_chunks().0.iter().map(|&element| value(element)));
    }

    fn add_values(&mut self, values: impl ExactSizeIterator<Item = f64> + Clone) {
        let Distribution::Buckets(buckets) = &mut self.distribution else { return };
        // Local variables, so that the compiler keeps them in registers.
        let (mut finite, mut sum, mut at_rest) = (0, 0.0, 0);
        let (mut min, mut max) =
            self.range.map_or((f64::INFINITY, f64::NEG_INFINITY), |range| (range.min, range.max));
        for value in values.clone() {
            if value.is_finite() {
                finite += 1;
                sum += value;
                at_rest += u64::from(value == 0.0);
                min = if value < min { value } else { min };
                max = if value > max { value } else { max };
                buckets.add(value);
            } else {
                self.nan += u64::from(value.is_nan());
                self.positive_infinity += u64::from(value == f64::INFINITY);
                self.negative_infinity += u64::from(value == f64::NEG_INFINITY);
            }
        }
        self.at_rest += at_rest;
        self.count += values.len() as u64;
        if finite > 0 {
            let mean = self.new_mean(finite, sum, values);
            self.range = Some(FiniteRange { min, max, mean });
            self.finite += finite;
        }
    }

    /// The weighted mean of means, which neither a long sum of small numbers nor a sum of huge numbers spoils.
    fn new_mean(&self, finite: u64, sum: f64, values: impl Iterator<Item = f64>) -> f64 {
        let mean = if sum.is_finite() {
            sum / finite as f64
        } else {
            values.filter(|value| value.is_finite()).map(|value| value / finite as f64).sum()
        };
        let weight = finite as f64 / (self.finite + finite) as f64;
        self.range.map_or(0.0, |range| range.mean) * (1.0 - weight) + mean * weight
    }

    /// Rounding must not move the mean of equal potentials out of their range.
    pub(super) fn finish(mut self) -> Self {
        if let Some(FiniteRange { min, max, mean }) = &mut self.range {
            *mean = mean.clamp(*min, *max);
        }
        self
    }
}

/// Converts a half. Its exponent and fraction, moved to their places in single precision, give a number that is too
/// small by the difference of the two exponent biases.
fn from_half(half: [u8; 2]) -> f64 {
    let half = u16::from_ne_bytes(half);
    let magnitude = match half & 0x7fff {
        0x7c00 => f64::INFINITY,
        bits if bits > 0x7c00 => f64::NAN,
        bits => f64::from(f32::from_bits(u32::from(bits) << 13)) * 2_f64.powi(127 - 15),
    };
    if half >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    #[test]
    fn every_half_has_its_value() {
        for bits in 0..=u16::MAX {
            let (ours, expected) = (from_half(bits.to_ne_bytes()), f16::from_bits(bits).to_f64());
            assert!(ours.to_bits() == expected.to_bits() || ours.is_nan() && expected.is_nan(), "{bits:04x}");
        }
    }

    fn potentials_of(blocks: &[&[f64]]) -> Potentials {
        let mut statistics = Potentials::default();
        for block in blocks {
            let bytes: Vec<u8> = block.iter().flat_map(|value| value.to_ne_bytes()).collect();
            statistics.add(Dtype { kind: ElementKind::Float, size: 8, swapped: false }, &bytes);
        }
        statistics.finish()
    }

    #[test]
    fn huge_and_tiny_potentials_have_a_mean() {
        let range =
            potentials_of(&[&[f64::MAX, f64::MAX], &[f64::MAX, f64::MIN]]).range.expect("finite ones");
        assert!((range.mean / f64::MAX - 0.5).abs() < 1e-15, "{range:?}");
        let tenth = vec![0.1; 100_000];
        let range = potentials_of(&[&tenth, &[0.1], &tenth]).range.expect("finite ones");
        assert_eq!((range.min, range.max), (0.1, 0.1));
        assert_eq!(range.mean, 0.1);
    }

    #[test]
    fn what_is_not_finite_is_counted_and_left_out() {
        let found =
            potentials_of(&[&[f64::NAN, f64::INFINITY, 1.0, -0.0], &[f64::NEG_INFINITY, f64::INFINITY, 3.0]]);
        assert_eq!((found.count, found.finite, found.nan), (7, 3, 1));
        assert_eq!((found.positive_infinity, found.negative_infinity, found.at_rest), (2, 1, 1));
        let range = found.range.expect("finite ones");
        assert_eq!((range.min, range.max), (0.0, 3.0));
        assert!((range.mean - 4.0 / 3.0).abs() < 1e-15);
        assert_eq!(found.bins(3), [1, 1, 1]);
        let none = potentials_of(&[&[f64::NAN]]);
        assert_eq!((none.range, none.bins(2)), (None, vec![0, 0]));
        assert_eq!(potentials_of(&[]).share_at_rest(), None);
    }

    #[test]
    fn a_distribution_in_a_file_is_read_as_it_was_written() {
        let values: Vec<f64> = (0..1000).map(|at| f64::from(at) * 0.37 - 20.0).collect();
        let whole = potentials_of(&[&values, &[f64::NAN, 0.0]]);
        let filed = whole.clone().for_file();
        let text = serde_json::to_string(&filed).expect("JSON");
        assert_eq!(serde_json::from_str::<Potentials>(&text).expect("read"), filed);
        assert!(filed.is_sound());
        assert_eq!(filed.bins(BINS), whole.bins(BINS));
        for bins in [1, 7, 64, 200] {
            assert_eq!(filed.bins(bins).iter().sum::<u64>(), 1001, "{bins} bins lose nothing");
        }
        assert_eq!(filed.bins(8).len(), 8);
        for (from, to) in [
            ("\"finite\":1001", "\"finite\":1000"),
            ("\"nan\":1", "\"nan\":2"),
            ("\"bins\":[", "\"bins\":[0,"),
        ] {
            let changed = serde_json::from_str::<Potentials>(&text.replace(from, to)).expect("read");
            assert!(!changed.is_sound(), "{from}");
        }
        assert!(potentials_of(&[&[f64::NAN]]).for_file().is_sound());
    }
}
