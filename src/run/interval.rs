//! How far the effective operations per sample may still move: a confidence interval from the batches
//! that are counted.
//!
//! The figure is a ratio: operations of all batches over samples of all batches. Its standard error is that of the
//! ratio estimator over sampling units (W. G. Cochran, *Sampling Techniques*, 3rd edition, 1977, equations 6.4 and
//! 6.13), its interval is Student's t with one degree of freedom less than there are units. It presumes that the
//! batches counted so far are like those to come, as in a shuffled data set.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::cell::Cell;
use std::sync::LazyLock;

/// The confidence of the interval.
pub const CONFIDENCE: f64 = 0.95;

/// How far a figure per sample may still move.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Uncertainty {
    /// The standard error of the figure, in operations per sample.
    pub standard_error: f64,
    /// Half the width of its 95 % confidence interval, in operations per sample.
    pub half_width: f64,
    /// `half_width` over the figure; `None` if the figure is 0.
    pub relative: Option<f64>,
    /// How many sampling units there are: batches, or groups of neighbouring batches in a long run.
    pub units: usize,
}

/// The uncertainty of the ratio of two sums.
///
/// `units` are (operations, samples) of each sampling unit. `fraction` is their part of the whole run, if that is
/// known: with the finite-population correction the interval closes to 0 at the end. `None` for fewer than two units
/// that have samples.
pub fn of_ratio(units: &[(f64, f64)], fraction: Option<f64>) -> Option<Uncertainty> {
    let units: Vec<(f64, f64)> = units.iter().copied().filter(|&(_, samples)| samples > 0.0).collect();
    let count = units.len() as f64;
    if units.len() < 2 {
        return None;
    }
    let operations: f64 = units.iter().map(|unit| unit.0).sum();
    let samples: f64 = units.iter().map(|unit| unit.1).sum();
    let ratio = operations / samples;
    let residuals: f64 = units.iter().map(|unit| (unit.0 - ratio * unit.1).powi(2)).sum();
    let mean_samples = samples / count;
    let left = 1.0 - fraction.unwrap_or(0.0).clamp(0.0, 1.0);
    let variance = left * residuals / (count - 1.0) / count / mean_samples.powi(2);
    let standard_error = variance.sqrt();
    let half_width = standard_error * quantile(count - 1.0)?;
    let relative = (ratio > 0.0).then(|| half_width / ratio);
    half_width.is_finite().then_some(Uncertainty { standard_error, half_width, relative, units: units.len() })
}

/// How far apart two ratios are, beyond what their sampling units explain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioDifference {
    /// The second ratio less the first.
    pub difference: f64,
    /// Half the width of its 95 % confidence interval.
    pub half_width: f64,
}

/// The difference of two ratio estimates, each unit paired with the one at the same place: for two runs over the same
/// batches, where what is hard for one network is often hard for the other too.
///
/// `None` for fewer than two units, and for units without samples.
pub fn of_paired_difference(units: &[[(f64, f64); 2]]) -> Option<RatioDifference> {
    let [first, second] = [0, 1].map(|at| Residuals::new(units.iter().map(|pair| pair[at]).collect()));
    let (first, second) = (first?, second?);
    let residuals = first.residuals.iter().zip(&second.residuals).map(|(one, other)| other - one);
    let squares: f64 = residuals.map(|residual| residual.powi(2)).sum();
    let count = units.len() as f64;
    let half_width = (squares / (count - 1.0) / count).sqrt() * quantile(count - 1.0)?;
    let difference = second.ratio - first.ratio;
    (half_width.is_finite() && difference.is_finite()).then_some(RatioDifference { difference, half_width })
}

/// The same of units that have nothing to do with each other, with the degrees of freedom of B. L. Welch (*Biometrika*
/// 34, 1947).
pub fn of_difference(first: &[(f64, f64)], second: &[(f64, f64)]) -> Option<RatioDifference> {
    let [first, second] = [first, second].map(|units| Residuals::new(units.to_vec()));
    let (first, second) = (first?, second?);
    let [one, other] = [first.variance(), second.variance()];
    let by_freedom = |residuals: &Residuals, variance: f64| variance.powi(2) / (residuals.count() - 1.0);
    let squares = by_freedom(&first, one) + by_freedom(&second, other);
    let difference = second.ratio - first.ratio;
    // Units without any scatter leave no doubt.
    let half_width = match squares > 0.0 {
        true => (one + other).sqrt() * quantile((one + other).powi(2) / squares)?,
        false => 0.0,
    };
    (half_width.is_finite() && difference.is_finite()).then_some(RatioDifference { difference, half_width })
}

/// A ratio, and what each unit adds to its error: (operations − ratio × samples) ÷ mean samples.
struct Residuals {
    ratio: f64,
    residuals: Vec<f64>,
}

impl Residuals {
    fn new(units: Vec<(f64, f64)>) -> Option<Self> {
        let [operations, samples]: [f64; 2] =
            [units.iter().map(|unit| unit.0).sum(), units.iter().map(|unit| unit.1).sum()];
        if units.len() < 2 || samples <= 0.0 {
            return None;
        }
        let (ratio, mean) = (operations / samples, samples / units.len() as f64);
        let residuals = units.iter().map(|unit| (unit.0 - ratio * unit.1) / mean).collect();
        Some(Self { ratio, residuals })
    }

    fn count(&self) -> f64 {
        self.residuals.len() as f64
    }

    /// The variance of the ratio.
    fn variance(&self) -> f64 {
        let squares: f64 = self.residuals.iter().map(|residual| residual.powi(2)).sum();
        squares / (self.count() - 1.0) / self.count()
    }
}

thread_local! {
    /// The quantile that was asked for last: it takes long, and each of many layers has as many units.
    static NEWEST: Cell<(f64, Option<f64>)> = const { Cell::new((f64::NAN, None)) };
}

/// The two-sided quantile of Student's t.
fn quantile(degrees_of_freedom: f64) -> Option<f64> {
    let (freedom, known) = NEWEST.get();
    if freedom == degrees_of_freedom {
        return known;
    }
    let distribution = StudentsT::new(0.0, 1.0, degrees_of_freedom).ok();
    let quantile = distribution.map(|distribution| distribution.inverse_cdf(0.5 + CONFIDENCE / 2.0));
    NEWEST.set((degrees_of_freedom, quantile));
    quantile
}

/// Half the width of the interval after each of these units, as [`of_ratio`] has it for those up to it; `None` for fewer
/// than two. `fraction` is the part of the whole run that all units are.
pub fn along(units: &[(f64, f64)], fraction: Option<f64>) -> Vec<Option<f64>> {
    let whole: f64 = units.iter().map(|unit| unit.1).sum();
    let (mut count, mut tops, mut bottoms) = (0.0, 0.0, 0.0);
    let (mut squares, mut products, mut bottom_squares) = (0.0, 0.0, 0.0);
    let mut widths = Vec::with_capacity(units.len());
    for &(top, bottom) in units {
        if bottom > 0.0 {
            count += 1.0;
            (tops, bottoms) = (tops + top, bottoms + bottom);
            squares += top * top;
            products += top * bottom;
            bottom_squares += bottom * bottom;
        }
        if count < 2.0 {
            widths.push(None);
            continue;
        }
        let ratio = tops / bottoms;
        // Rounding may take what is 0 below it.
        let residuals = (squares - 2.0 * ratio * products + ratio * ratio * bottom_squares).max(0.0);
        let left = 1.0 - fraction.map_or(0.0, |fraction| fraction.clamp(0.0, 1.0) * bottoms / whole);
        let variance = left * residuals / (count - 1.0) / count / (bottoms / count).powi(2);
        widths.push(quick_quantile(count - 1.0).map(|quantile| variance.sqrt() * quantile));
    }
    widths
}

/// From so many degrees of freedom on, four terms of a series are as good as the quantile itself.
const MANY: usize = 30;

/// The quantiles of fewer degrees of freedom, each of which takes long.
static QUANTILES: LazyLock<Vec<Option<f64>>> =
    LazyLock::new(|| (0..MANY).map(|freedom| quantile(freedom as f64)).collect());

/// [`quantile`], fast enough for every point of a chart (M. Abramowitz and I. A. Stegun, *Handbook of Mathematical
/// Functions*, 1964, 26.7.5).
fn quick_quantile(degrees_of_freedom: f64) -> Option<f64> {
    if degrees_of_freedom < MANY as f64 {
        return QUANTILES.get(degrees_of_freedom as usize).copied().flatten();
    }
    const NORMAL: f64 = 1.959_963_984_540_054;
    let [x, x3, x5, x7] = [1, 3, 5, 7].map(|power| NORMAL.powi(power));
    let terms = [
        x,
        (x3 + x) / 4.0,
        (5.0 * x5 + 16.0 * x3 + 3.0 * x) / 96.0,
        (3.0 * x7 + 19.0 * x5 + 17.0 * x3 - 15.0 * x) / 384.0,
    ];
    Some(terms.into_iter().rev().fold(0.0, |sum, term| sum / degrees_of_freedom + term))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator of random numbers, the same in every run (xorshift64*).
    struct Random(u64);

    impl Random {
        fn unit(&mut self) -> f64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
        }

        fn normal(&mut self) -> f64 {
            (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
        }
    }

    /// A run of batches, the last of which is smaller; operations grow with the samples and scatter.
    fn run(random: &mut Random, batches: usize) -> Vec<(f64, f64)> {
        (0..batches)
            .map(|batch| {
                let samples: f64 = if batch + 1 == batches { 5.0 } else { 16.0 };
                (samples * (1000.0 + 150.0 * random.normal() / samples.sqrt()), samples)
            })
            .collect()
    }

    fn shuffle(random: &mut Random, units: &mut [(f64, f64)]) {
        for at in (1..units.len()).rev() {
            units.swap(at, (random.unit() * (at + 1) as f64) as usize);
        }
    }

    fn ratio(units: &[(f64, f64)]) -> f64 {
        units.iter().map(|unit| unit.0).sum::<f64>() / units.iter().map(|unit| unit.1).sum::<f64>()
    }

    #[test]
    fn the_interval_along_a_run_is_that_of_the_units_so_far() {
        let units = run(&mut Random(42), 60);
        let whole: f64 = units.iter().map(|unit| unit.1).sum();
        let along = along(&units, Some(0.5));
        for (at, width) in along.iter().enumerate() {
            let samples: f64 = units[..=at].iter().map(|unit| unit.1).sum();
            let exact = of_ratio(&units[..=at], Some(0.5 * samples / whole)).map(|exact| exact.half_width);
            match (exact, width) {
                (Some(exact), Some(width)) => {
                    assert!((width / exact - 1.0).abs() < 1e-6, "{at}: {width} {exact}")
                }
                (exact, width) => assert_eq!((exact, at), (*width, 0)),
            }
        }
        assert_eq!(super::along(&[(0.0, 0.0), (3.0, 0.0)], None), [None, None]);
        assert_eq!(super::along(&[(2.0, 1.0); 3], None), [None, Some(0.0), Some(0.0)]);
    }

    /// In a simulation, the interval holds the final figure of a finite run in 95 % of the cases, after
    /// few and after many of its batches, and the standard error is that of the figure over the cases.
    #[test]
    fn the_interval_holds_the_final_figure_as_often_as_it_says() {
        let mut random = Random(42);
        let mut units = run(&mut random, 100);
        let last = ratio(&units);
        for seen in [3, 10, 50, 90] {
            let (mut held, mut errors, mut squares) = (0, 0.0, 0.0);
            const CASES: usize = 4000;
            for _ in 0..CASES {
                shuffle(&mut random, &mut units);
                let counted = &units[..seen];
                let fraction = counted.iter().map(|unit| unit.1).sum::<f64>()
                    / units.iter().map(|unit| unit.1).sum::<f64>();
                let uncertainty = of_ratio(counted, Some(fraction)).expect("enough batches");
                held += usize::from((ratio(counted) - last).abs() <= uncertainty.half_width);
                errors += uncertainty.standard_error;
                squares += (ratio(counted) - last).powi(2);
            }
            let coverage = held as f64 / CASES as f64;
            assert!((0.935..0.965).contains(&coverage), "{seen} batches: {coverage}");
            let (said, found) = (errors / CASES as f64, (squares / CASES as f64).sqrt());
            assert!((0.85..1.1).contains(&(said / found)), "{seen} batches: {said} and {found}");
        }
        assert_eq!(of_ratio(&units, Some(1.0)).map(|whole| whole.half_width), Some(0.0));
    }

    /// Of two networks that are the same on average, the interval of the difference leaves out 0 in 5 % of the cases: if
    /// they saw the same batches, and if they did not.
    #[test]
    fn what_is_noise_is_called_noise_as_often_as_it_says() {
        let mut random = Random(7);
        const CASES: usize = 4000;
        for batches in [8, 40] {
            let (mut paired, mut apart, mut widths) = (0, 0, [0.0, 0.0]);
            for _ in 0..CASES {
                // The batches scatter by 150 a sample for both networks, and each network by 30 besides.
                let shared = run(&mut random, batches);
                let [one, other] = [0, 1].map(|_| {
                    let own = |&(operations, samples): &(f64, f64)| {
                        (operations + samples * 30.0 * random.normal() / f64::sqrt(samples), samples)
                    };
                    shared.iter().map(own).collect::<Vec<_>>()
                });
                let pairs: Vec<_> = one.iter().copied().zip(other).map(|(one, other)| [one, other]).collect();
                let together = of_paired_difference(&pairs).expect("enough batches");
                let separate = of_difference(&one, &run(&mut random, batches)).expect("enough batches");
                paired += usize::from(together.difference.abs() > together.half_width);
                apart += usize::from(separate.difference.abs() > separate.half_width);
                widths = [widths[0] + together.half_width, widths[1] + separate.half_width];
            }
            for called in [paired, apart] {
                let part = called as f64 / CASES as f64;
                assert!((0.03..0.07).contains(&part), "{batches} batches: {part}");
            }
            assert!(widths[0] < widths[1] / 3.0, "pairs take the scatter of the batches out: {widths:?}");
        }
    }

    #[test]
    fn a_worked_difference() {
        let first = [(1.0, 1.0), (5.0, 2.0), (6.0, 3.0)];
        let second = first.map(|(operations, samples)| (operations + samples, samples));
        let pairs = [0, 1, 2].map(|at| [first[at], second[at]]);
        let paired = of_paired_difference(&pairs).expect("three units");
        assert!((paired.difference - 1.0).abs() < 1e-12 && paired.half_width < 1e-12, "{paired:?}");
        // Each has the variance 1 / 12 and 2 degrees of freedom: 4 together, for which Student's t is 2.776445 (table).
        let apart = of_difference(&first, &second).expect("three units");
        assert!((apart.half_width - (1.0_f64 / 6.0).sqrt() * 2.776_445).abs() < 1e-5, "{apart:?}");
        assert_eq!(of_difference(&first[..1], &second), None);
        assert_eq!(of_paired_difference(&pairs[..1]), None);
        assert_eq!(of_difference(&[(1.0, 0.0), (2.0, 0.0)], &second), None);
        let same = of_difference(&[(2.0, 1.0), (2.0, 1.0)], &[(3.0, 1.0), (3.0, 1.0)]);
        assert_eq!(same, Some(RatioDifference { difference: 1.0, half_width: 0.0 }));
    }

    #[test]
    fn a_worked_example() {
        // Ratio 2; residuals -1, 1, 0; mean of x 2: variance (1 + 1) / 2 / 3 / 4.
        let units = [(1.0, 1.0), (5.0, 2.0), (6.0, 3.0)];
        let uncertainty = of_ratio(&units, None).expect("three units");
        assert!((uncertainty.standard_error - (1.0_f64 / 12.0).sqrt()).abs() < 1e-12);
        // Student's t for 2 degrees of freedom is 4.302653 (table).
        assert!((uncertainty.half_width / uncertainty.standard_error - 4.302_652_73).abs() < 1e-6);
        assert_eq!(uncertainty.units, 3);
    }

    #[test]
    fn too_little_to_say() {
        assert_eq!(of_ratio(&[], None), None);
        assert_eq!(of_ratio(&[(4.0, 2.0)], None), None);
        assert_eq!(of_ratio(&[(4.0, 2.0), (0.0, 0.0)], None), None);
        assert_eq!(of_ratio(&[(0.0, 2.0), (0.0, 2.0)], None).and_then(|still| still.relative), None);
    }
}
