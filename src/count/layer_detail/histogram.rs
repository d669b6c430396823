//! A histogram in one pass over values whose range is not known in advance: counts them in logarithmic buckets first,
//! and spreads these over equal bins afterwards.

/// A bucket is for a sign, an exponent and the highest seven fraction bits in single precision; those of a sign and an
/// exponent are a row.
const ROWS: usize = 1 << 9;
const ROW: usize = 1 << 7;

/// The first bucket of negative values.
const NEGATIVE: usize = ROWS * ROW / 2;

/// The counts of finite values, by bucket. Most values of a layer have few exponents, and most layers few values: rows
/// are made when they are needed.
#[derive(Clone, PartialEq)]
pub(super) struct Buckets {
    rows: Vec<Option<Box<[u64; ROW]>>>,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { rows: vec![None; ROWS] }
    }
}

impl std::fmt::Debug for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.filled()).finish()
    }
}

impl Buckets {
    /// Adds a finite value. Values beyond single precision go to the outermost bucket.
    // A call for each value would take almost twice as long.
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        let single = value.clamp(f32::MIN.into(), f32::MAX.into()) as f32;
        let bucket = (single.to_bits() >> 16) as usize;
        self.rows[bucket / ROW].get_or_insert_with(|| Box::new([0; ROW]))[bucket % ROW] += 1;
    }

    /// The buckets that have any values, and how many.
    fn filled(&self) -> impl Iterator<Item = (usize, u64)> {
        let rows = self.rows.iter().enumerate().filter_map(|(at, row)| Some((at, row.as_ref()?)));
        let buckets = rows.flat_map(|(at, row)| {
            row.iter().enumerate().map(move |(in_row, &count)| (at * ROW + in_row, count))
        });
        buckets.filter(|&(_, count)| count > 0)
    }

    /// Spreads the buckets over equal bins from the lowest to the highest value.
    pub(super) fn bins(&self, min: f64, max: f64, bins: usize) -> Vec<u64> {
        let mut counts = vec![0; bins];
        for (bucket, count) in self.filled() {
            let (low, high) = bounds(bucket);
            let place = |value: f64| part(value.clamp(min, max), min, max) * bins as f64;
            spread(&mut counts, place(low), place(high), count);
        }
        counts
    }
}

/// Spreads equal bins over others of the same range.
pub(super) fn rebinned(counts: &[u64], bins: usize) -> Vec<u64> {
    let place = |at: usize| at as f64 / counts.len() as f64 * bins as f64;
    let mut spread_out = vec![0; bins];
    for (at, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        spread(&mut spread_out, place(at), place(at + 1), count);
    }
    spread_out
}

/// The lowest and the highest value of a bucket.
fn bounds(bucket: usize) -> (f64, f64) {
    let edge = |bucket: usize| f64::from(f32::from_bits((bucket as u32) << 16));
    if bucket < NEGATIVE {
        (edge(bucket), edge(bucket + 1))
    } else {
        (-edge(bucket - NEGATIVE + 1), -edge(bucket - NEGATIVE))
    }
}

/// Where a value is between the lowest and the highest, from 0 to 1.
fn part(value: f64, min: f64, max: f64) -> f64 {
    let width = max - min;
    if width == 0.0 {
        0.0
    } else if width.is_finite() {
        (value - min) / width
    } else {
        (value / 2.0 - min / 2.0) / (max / 2.0 - min / 2.0)
    }
}

/// Spreads a count over the bins between two places in proportion, without losing any.
fn spread(bins: &mut [u64], from: f64, to: f64, count: u64) {
    let Some(highest) = bins.len().checked_sub(1) else { return };
    let first = (from as usize).min(highest);
    // A bucket that ends where a bin begins has nothing in that bin.
    let last = (to.ceil() as usize).saturating_sub(1).clamp(first, highest);
    let mut given = 0;
    for (bin, sum) in bins.iter_mut().enumerate().take(last).skip(first) {
        let part = ((bin + 1) as f64 - from) / (to - from);
        let up_to_here = ((count as f64 * part).round() as u64).clamp(given, count);
        *sum += up_to_here - given;
        given = up_to_here;
    }
    bins[last] += count - given;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(values: &[f64], bins: usize) -> Vec<u64> {
        let mut buckets = Buckets::default();
        values.iter().for_each(|&value| buckets.add(value));
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        buckets.bins(min, max, bins)
    }

    #[test]
    fn buckets_meet_and_hold_what_is_added_to_them() {
        for bucket in 0..0x7f80 {
            assert_eq!(bounds(bucket).1, bounds(bucket + 1).0);
            assert_eq!(bounds(bucket + NEGATIVE), (-bounds(bucket).1, -bounds(bucket).0));
        }
        assert_eq!((bounds(0).0, bounds(0x7f7f).1), (0.0, f64::INFINITY));
    }

    #[test]
    fn simple_ranges() {
        assert_eq!(counts(&[0.0, 0.26, 0.26, 0.51, 1.0], 4), [1, 2, 1, 1]);
        assert_eq!(counts(&[-1.0, -0.9, 0.0, 1.0], 2), [2, 2]);
        assert_eq!(counts(&[2.5; 7], 3), [7, 0, 0]);
        assert!(counts(&[1.0, 2.0], 0).is_empty());
    }

    #[test]
    fn ranges_that_single_precision_cannot_hold() {
        assert_eq!(counts(&[f64::MIN, 0.0, f64::MAX], 2).iter().sum::<u64>(), 3);
        assert_eq!(counts(&[-1e300, 0.0, 1.0, 1.0, 1e300], 3)[1], 3);
        assert_eq!(counts(&[0.0, 5e-324, f64::MIN_POSITIVE], 4).iter().sum::<u64>(), 3);
        assert_eq!(counts(&[0.0, 5e-324], 2).iter().sum::<u64>(), 2);
    }

    proptest! {
        /// Up to each edge there are at least the values that lie surely below it, and at most those that
        /// may.
        #[test]
        fn no_value_is_put_further_than_its_bucket_is_wide(
            values in prop::collection::vec(prop_oneof![-2.0..2.0, -1e-3..1e-3, Just(0.0), -1e30..1e30], 1..200),
            bins in 1_usize..50,
        ) {
            let found = counts(&values, bins);
            prop_assert_eq!(found.iter().sum::<u64>(), values.len() as u64);
            let min = values.iter().copied().fold(f64::INFINITY, f64::min);
            let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mut so_far = 0;
            for (bin, count) in found.iter().enumerate() {
                so_far += count;
                let edge = min + (max - min) * (bin + 1) as f64 / bins as f64;
                let reach = |value: f64| value.abs() / 127.0 + (max - min) * 1e-12 + 1e-40;
                let surely = values.iter().filter(|&&value| value + reach(value) < edge).count();
                let perhaps = values.iter().filter(|&&value| value - reach(value) <= edge).count();
                prop_assert!((surely as u64..=perhaps as u64).contains(&so_far), "{surely} {so_far} {perhaps}");
            }
        }
    }
}
