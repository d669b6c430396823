//! Whether two runs differ by more than noise: the difference of a figure in total, with its confidence interval over the
//! batches.
//!
//! The batches are taken as samples of the data, also of a run that is over: the question is whether the networks would
//! differ on other data of the same kind. Where both runs have the same batches, by number and samples, they are compared
//! batch by batch.

use super::ComparedRun;
use super::figure::{Figure, FigureUnit};
use crate::run::interval::{RatioDifference, of_difference, of_paired_difference};
use crate::run::series::Point;
use crate::text::plus_minus;
use serde::Serialize;
use std::fmt;

/// The difference of a figure between two runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    #[serde(skip)]
    pub figure: &'static Figure,
    /// New − base.
    pub difference: f64,
    /// Half the width of its 95 % confidence interval.
    pub half_width: f64,
    pub pairing: Pairing,
    /// How many batches, or groups of neighbouring ones, the base and the new run have.
    pub units: [usize; 2],
    /// Whether the interval leaves out 0.
    pub more_than_noise: bool,
}

/// How the batches of two runs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pairing {
    /// Batch by batch, since both runs have the same.
    Paired,
    /// As two samples that have nothing to do with each other.
    Independent,
}

/// What a figure is the ratio of, in a group of batches.
type Ratio = fn(&Point) -> (f64, f64);

/// The figures that are examined. Each is a ratio, or 1 less a ratio.
const RATIOS: [(&Figure, f64, Ratio); 2] = [
    (Figure::EFFECTIVE_PER_SAMPLE, 1.0, |point| {
        (point.operations.effective as f64, point.sums.samples as f64)
    }),
    (Figure::SPARSITY, -1.0, |point| (point.operations.effective as f64, point.operations.dense as f64)),
];

impl Difference {
    /// The differences between two runs; none of figures without a value, or with fewer than two batches in either.
    pub fn between(base: &ComparedRun, new: &ComparedRun) -> Vec<Self> {
        let is_compared =
            |figure: &Figure| [base, new].iter().all(|run| run.rows.total.number(figure).is_some());
        let known = RATIOS.into_iter().filter(|(figure, ..)| is_compared(figure));
        known
            .filter_map(|(figure, sign, ratio)| {
                let (pairing, found) = difference(&base.points, &new.points, ratio)?;
                let RatioDifference { difference, half_width } = found;
                Some(Self {
                    figure,
                    difference: sign * difference,
                    half_width,
                    pairing,
                    units: [base, new].map(|run| run.points.len()),
                    more_than_noise: difference.abs() > half_width,
                })
            })
            .collect()
    }

    /// The difference with its sign and its uncertainty: `+1,230 ± 440`, of a ratio `-1.20 ± 0.30 pp`.
    pub fn text(&self) -> String {
        let (scale, unit) = if self.figure.unit == FigureUnit::Ratio { (100.0, " pp") } else { (1.0, "") };
        let sign = if self.difference > 0.0 { "+" } else { "" };
        match (self.difference, self.half_width) {
            (0.0, 0.0) => "±0".to_owned(),
            (difference, half_width) => {
                format!("{sign}{}{unit}", plus_minus(difference * scale, half_width * scale))
            }
        }
    }

    /// `more than noise` or `within noise`.
    pub fn verdict(&self) -> &'static str {
        match (self.more_than_noise, self.difference == 0.0 && self.half_width == 0.0) {
            (true, _) => "more than noise",
            (false, true) => "no difference",
            (false, false) => "within noise",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figure, units: [base, new], .. } = self;
        let over = match self.pairing {
            Pairing::Paired => format!("paired over {base} batches"),
            Pairing::Independent => format!("over {base} and {new} batches"),
        };
        write!(f, "{}: {} (95 %, {over}): {}", figure.label, self.text(), self.verdict())
    }
}

/// The difference of a ratio between two runs, which takes the batches as pairs if both runs have the same ones.
fn difference(base: &[Point], new: &[Point], ratio: Ratio) -> Option<(Pairing, RatioDifference)> {
    let batches = |point: &Point| (point.first, point.last, point.sums.batches, point.sums.samples);
    if base.iter().map(batches).eq(new.iter().map(batches)) {
        let pairs: Vec<_> = base.iter().zip(new).map(|(base, new)| [ratio(base), ratio(new)]).collect();
        return Some((Pairing::Paired, of_paired_difference(&pairs)?));
    }
    let units = |points: &[Point]| points.iter().map(ratio).collect::<Vec<_>>();
    Some((Pairing::Independent, of_difference(&units(base), &units(new))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{ComparedRow, ComparedRows, RowSums};
    use crate::run::sums::{Operations, Sums};

    /// A run whose batches have these numbers and effective operations, of 16 samples with 1,000 dense operations each.
    fn run(batches: &[(u64, u128)]) -> ComparedRun {
        let point = |&(number, effective): &(u64, u128)| Point {
            first: number,
            last: number,
            sums: Sums { batches: 1, samples: 16, updates: Vec::new() },
            operations: Operations { effective, dense: 16_000 },
            measured: None,
        };
        let operations = Operations {
            effective: batches.iter().map(|batch| batch.1).sum(),
            dense: 16_000 * batches.len() as u128,
        };
        let samples = 16 * batches.len() as u128;
        let sums = RowSums { samples, operations: Some(operations), ..RowSums::default() };
        let rows = ComparedRows::new(ComparedRow::new("r", None, &sums), None, vec![], vec![]);
        ComparedRun {
            rows: rows.into(),
            points: batches.iter().map(point).collect(),
            ..ComparedRun::default()
        }
    }

    #[test]
    fn the_same_batches_are_compared_one_by_one() {
        let base = run(&[(0, 1600), (1, 3200), (2, 8000), (3, 4800)]);
        let new = run(&[(0, 1776), (1, 3376), (2, 8192), (3, 4960)]);
        let found = Difference::between(&base, &new);
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "effective ops/sample: +11.0 ± 1.3 (95 %, paired over 4 batches): more than noise",
                "sparsity: -1.10 ± 0.13 pp (95 %, paired over 4 batches): more than noise",
            ]
        );
        // The same figures of other batches are lost in their scatter.
        let other = run(&[(4, 1776), (5, 3376), (6, 8192), (7, 4960)]);
        let found = Difference::between(&base, &other);
        assert_eq!((found[0].pairing, found[0].more_than_noise), (Pairing::Independent, false));
        assert!(found[0].half_width > 200.0, "{found:?}");
        assert!(found[0].to_string().contains("(95 %, over 4 and 4 batches): within noise"));
    }

    #[test]
    fn a_run_does_not_differ_from_itself_and_one_batch_says_nothing() {
        let one = run(&[(0, 1600), (1, 3200)]);
        let found = Difference::between(&one, &one);
        assert_eq!(
            found[0].to_string(),
            "effective ops/sample: ±0 (95 %, paired over 2 batches): no difference"
        );
        assert_eq!(Difference::between(&run(&[(0, 1)]), &one), []);
        assert_eq!(Difference::between(&run(&[]), &run(&[])), []);
    }
}
