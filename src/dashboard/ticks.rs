//! Round numbers for axes: 1, 2 or 5 times a power of ten apart.

/// The factors of round numbers within a power of ten.
const ROUND: [f64; 3] = [1.0, 2.0, 5.0];

/// Round numbers from `low` to `high` at equal distances: about `most`, and never fewer than two where there is a range.
pub(super) fn round_ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let range = high - low;
    if !range.is_finite() || range <= 0.0 {
        return vec![low];
    }
    let power = (range / most.max(2) as f64).log10().floor() as i32 - 1;
    let distances = (power..).flat_map(|power| ROUND.map(|factor| (factor, power))).take(15);
    let mut finer = vec![low];
    for (factor, power) in distances {
        let ticks = multiples(factor, power, low, high);
        if ticks.len() < 2 {
            break;
        }
        let fits = ticks.len() <= most.max(2);
        finer = ticks;
        if fits {
            break;
        }
    }
    finer
}

/// The multiples of `factor` times a power of ten that are in a range.
fn multiples(factor: f64, power: i32, low: f64, high: f64) -> Vec<f64> {
    // A quotient of whole numbers is exact where a product with 0.1 is not.
    let value = |at: f64| match power {
        ..0 => at * factor / 10_f64.powi(-power),
        _ => at * factor * 10_f64.powi(power),
    };
    let unit = value(1.0);
    let (first, last) = ((low / unit - 1e-9).ceil() as i64, (high / unit + 1e-9).floor() as i64);
    (first..=last).map(|at| value(at as f64)).collect()
}

/// The same on a logarithmic axis: powers of ten, with 2 and 5 times them where these are few; of a range within one
/// power round numbers at equal distances.
pub(super) fn logarithmic_ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let powers = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    if powers.clone().count() > 400 {
        return vec![low];
    }
    let times = |factors: &'static [f64], every: usize| -> Vec<f64> {
        let powers = powers.clone().filter(|power| power.rem_euclid(every as i32) == 0);
        let all = powers.flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
        all.filter(|tick| (low..=high).contains(tick)).collect()
    };
    let fine = times(&ROUND, 1);
    if fine.len() < 2 {
        return round_ticks(low, high, most);
    }
    let coarser = (1..).map(|every| times(&ROUND[..1], every));
    let fits = |ticks: &Vec<f64>| (2..=most.max(2)).contains(&ticks.len());
    std::iter::once(fine.clone()).chain(coarser.take(400)).find(fits).unwrap_or(fine)
}

/// How many decimals tell such ticks apart.
pub(super) fn decimals(ticks: &[f64]) -> usize {
    let distance = ticks.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    if distance.is_finite() && distance > 0.0 {
        (-(distance * 1.000_001).log10().floor()).clamp(0.0, 12.0) as usize
    } else {
        1
    }
}

/// The least round number of steps between labels, so that at most `most` of `steps` are written.
pub(super) fn round_steps(steps: usize, most: usize) -> usize {
    let round = (0..19).flat_map(|power| [1, 2, 5].map(|factor| factor * 10_usize.pow(power)));
    let mut wide_enough = round.filter(|every| steps / every <= most);
    wide_enough.next().unwrap_or(steps.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(round_ticks(26_812.0, 28_733.0, 5), [27_000.0, 27_500.0, 28_000.0, 28_500.0]);
        assert_eq!(round_ticks(0.0, 0.26, 4), [0.0, 0.1, 0.2]);
        assert_eq!(round_ticks(0.0, 1.0, 11), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]);
        assert_eq!(round_ticks(5.0, 5.0, 4), [5.0]);
        assert_eq!(round_ticks(f64::NAN, 5.0, 4).len(), 1);
        assert_eq!(logarithmic_ticks(3.0, 40_000.0, 5), [10.0, 100.0, 1000.0, 10_000.0]);
        assert_eq!(logarithmic_ticks(3.0, 30.0, 5), [5.0, 10.0, 20.0]);
        assert_eq!(logarithmic_ticks(41.0, 44.0, 4), [41.0, 42.0, 43.0, 44.0]);
        assert_eq!((decimals(&[0.0, 20.0]), decimals(&[0.1, 0.2]), decimals(&[0.05, 0.1])), (0, 1, 2));
        assert_eq!((round_steps(100, 10), round_steps(25, 10), round_steps(7, 7)), (10, 5, 1));
    }

    proptest! {
        #[test]
        fn ticks_are_within_the_range_and_not_too_many(low in -1e9_f64..1e9, part in 1e-6_f64..1e9, most in 2_usize..12) {
            let high = low + part;
            let ticks = round_ticks(low, high, most);
            let slack = (high.abs() + low.abs()) * 1e-9 + part * 1e-6;
            prop_assert!(ticks.len() >= 2 && ticks.len() <= most.max(6), "{ticks:?}");
            prop_assert!(ticks.iter().all(|&tick| low - slack <= tick && tick <= high + slack), "{ticks:?}");
            prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{ticks:?}");
        }

        #[test]
        fn logarithmic_ticks_are_within_the_range(low in 1e-9_f64..1e9, times in 1.1_f64..1e9, most in 2_usize..12) {
            let ticks = logarithmic_ticks(low, low * times, most);
            prop_assert!(!ticks.is_empty(), "{ticks:?}");
            prop_assert!(ticks.iter().all(|&tick| low * 0.999 <= tick && tick <= low * times * 1.001), "{ticks:?}");
        }
    }
}
