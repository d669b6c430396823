//! The charts of the HTML format, as SVG: operations along the run, by layer and by time step, and of several runs; the
//! membrane potentials.

use super::folding::by_share;
use super::html::escaped;
use super::{Comparison, Figure, LayerFigures, Summary};
use crate::run::interval::{Uncertainty, of_ratio};
use crate::run::series::Point;
use crate::text::{compact, elide, percent};
use std::fmt::Write;

/// The size of a chart in its own units, and the room for the numbers at its axes.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 34.0;

/// The most bars in a chart.
const MOST_BARS: usize = 20;

/// The most groups of time steps in a chart.
const MOST_STEPS: usize = 128;

/// The height of a bar with its gap.
const BAR: f64 = 20.0;

/// The room for the names and the values beside bars, and the length of the names in columns.
const NAMES: f64 = 190.0;
const BESIDE: f64 = 110.0;
const NAME: usize = 28;

/// In pairs of about one height, since two stand side by side.
pub(super) fn run_charts(summary: &Summary) -> Vec<String> {
    let points = summary.part.as_ref().map(|part| part.points()).unwrap_or_default();
    let along = [along_the_run(&points), by_step(&summary.layers)];
    along.into_iter().chain([by_layer(&summary.layers), potentials(summary)]).flatten().collect()
}

pub(super) fn runs_charts(summaries: &[Summary]) -> Vec<String> {
    let bars = summaries.iter().filter_map(|summary| {
        let (total, _) = summary.shown_total();
        let value = total.sums.effective_per_sample()?;
        Some(Bar { name: &summary.run.name, value, half_width: half_width(total.uncertainty), text: None })
    });
    let title = "Effective operations per sample, by run";
    bar_chart(title, &bars.collect::<Vec<_>>()).into_iter().collect()
}

pub(super) fn comparison_charts(comparison: &Comparison) -> Vec<String> {
    let bars = comparison.runs().filter_map(|run| {
        let value = run.rows.total.value(Figure::EFFECTIVE_PER_SAMPLE)?;
        Some(Bar {
            name: &run.source,
            value,
            half_width: half_width(of_ratio(&units(&run.points), None)),
            text: None,
        })
    });
    let title = "Effective operations per sample, by run, with the 95 % interval of its batches";
    bar_chart(title, &bars.collect::<Vec<_>>()).into_iter().collect()
}

fn half_width(uncertainty: Option<Uncertainty>) -> f64 {
    uncertainty.map_or(0.0, |uncertainty| uncertainty.half_width)
}

/// Effective operations and samples of each point.
fn units(points: &[Point]) -> Vec<(f64, f64)> {
    points.iter().map(|point| (point.operations.effective as f64, point.sums.samples as f64)).collect()
}

/// The operations per sample of each batch as dots, and those of all batches up to it as a line, with its interval.
fn along_the_run(points: &[Point]) -> Option<String> {
    let units = units(points);
    let running: Vec<[f64; 4]> = (0..points.len())
        .filter(|&at| units[at].1 > 0.0)
        .map(|at| {
            let before = &units[..=at];
            let [operations, samples]: [f64; 2] =
                [before.iter().map(|unit| unit.0).sum(), before.iter().map(|unit| unit.1).sum()];
            let middle = (points[at].first as f64 + points[at].last as f64) / 2.0;
            [middle, units[at].0 / units[at].1, operations / samples, half_width(of_ratio(before, None))]
        })
        .collect();
    let (first, last) = (running.first()?, running.last()?);
    if running.len() < 2 {
        return None;
    }
    // The interval after two batches can be many times the figure: it does not set the scale.
    let most = running.iter().map(|at| at[1].max(at[2])).fold(0.0, f64::max);
    let axes = ChartAxes { x: (first[0], last[0]), y_most: if most > 0.0 { most * 1.05 } else { 1.0 } };
    let mut svg = axes.grid("batch");
    let edge = |sign: f64| move |at: &[f64; 4]| (at[0], at[2] + sign * at[3]);
    let upper = running.iter().skip(1).map(edge(1.0));
    let lower = running.iter().skip(1).rev().map(edge(-1.0));
    let _ = write!(svg, "<polygon class=\"band\" points=\"{}\"/>", axes.path(upper.chain(lower)));
    for at in &running {
        let (x, y) = axes.place((at[0], at[1]));
        let _ = write!(svg, "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.2\"/>");
    }
    let line = axes.path(running.iter().map(|at| (at[0], at[2])));
    let _ = write!(svg, "<polyline class=\"line\" points=\"{line}\"/>");
    let title =
        "Effective operations per sample: each batch (dots), all batches so far (line), 95 % interval (band)";
    Some(figure(title, HEIGHT, &svg))
}

/// The effective operations of all layers with a price, by time step.
fn by_step(layers: &[LayerFigures]) -> Option<String> {
    let steps = layers.iter().map(|layer| layer.updates_by_step.len()).max().filter(|&steps| steps > 1)?;
    let samples = layers.first()?.sums.samples.max(1) as f64;
    let mut sums = vec![0.0; steps];
    for layer in layers {
        let price = layer.ops_per_update.unwrap_or(0) as f64;
        for (sum, &updates) in sums.iter_mut().zip(&layer.updates_by_step) {
            *sum += updates as f64 * price / samples;
        }
    }
    let group = steps.div_ceil(MOST_STEPS);
    let groups: Vec<f64> =
        sums.chunks(group).map(|group| group.iter().sum::<f64>() / group.len() as f64).collect();
    let most = groups.iter().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    // Steps are numbered from 1, and a bar stands over its number.
    let axes = ChartAxes { x: (0.5, (groups.len() * group) as f64 + 0.5), y_most: most * 1.05 };
    let mut svg = axes.grid("time step");
    for (at, &value) in groups.iter().enumerate() {
        let (x, y) = axes.place(((at * group) as f64 + 0.5, value));
        let (end, ground) = axes.place((((at + 1) * group) as f64 + 0.5, 0.0));
        let (width, height) = ((end - x) * 0.9, ground - y);
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }
    Some(figure("Effective operations per sample, by time step", HEIGHT, &svg))
}

/// The share of each layer in the effective operations.
fn by_layer(layers: &[LayerFigures]) -> Option<String> {
    let whole: u128 = layers.iter().filter_map(|layer| layer.sums.effective()).sum();
    let ordered = by_share(layers, MOST_BARS);
    let bars = ordered.iter().take(MOST_BARS).filter_map(|layer| {
        let value = layer.sums.effective_per_sample()?;
        Some(Bar { name: &layer.name, value, half_width: 0.0, text: layer.sums.share_of(whole).map(percent) })
    });
    let title = match layers.len() > MOST_BARS {
        true => "Effective operations per sample, and the share of the layer: the largest",
        false => "Effective operations per sample, and the share of the layer",
    };
    bar_chart(title, &bars.collect::<Vec<_>>())
}

/// How many potentials in the newest batch have which value: a row for each layer, from its lowest to its highest.
fn potentials(summary: &Summary) -> Option<String> {
    const ROW: f64 = 36.0;
    const BINS: usize = 64;
    let found = summary.part.as_ref()?.potentials()?;
    let ordered = by_share(&summary.layers, MOST_BARS).into_iter().take(MOST_BARS);
    let rows = ordered.filter_map(|layer| {
        let potentials = found.layers.get(&layer.name)?;
        let bins: Vec<f64> = potentials.bins(BINS).into_iter().map(|count| count as f64).collect();
        Some((&layer.name, bins, potentials.range?))
    });
    let (mut svg, mut ground) = (String::new(), TOP);
    for (name, bins, range) in rows {
        ground += ROW;
        let highest = range.highest_beside_rest(&bins);
        let mut outline = format!("M{NAMES:.1} {ground:.1}");
        for count in bins {
            let height = (count / highest).min(1.0) * (ROW - 6.0);
            let _ = write!(outline, "V{:.1}h{:.3}", ground - height, (WIDTH - NAMES - BESIDE) / BINS as f64);
        }
        let _ = write!(
            svg,
            "<text class=\"strong\" x=\"{:.1}\" y=\"{ground:.1}\" text-anchor=\"end\">{}</text>\
             <path class=\"bar\" d=\"{outline}V{ground:.1}Z\"/>\
             <text x=\"{:.1}\" y=\"{ground:.1}\">{} to {}</text>",
            NAMES - 8.0,
            escaped(&elide(name, NAME)),
            WIDTH - BESIDE + 8.0,
            compact(range.min),
            compact(range.max),
        );
    }
    let title =
        format!("Membrane potentials in {}, from the lowest to the highest of each layer", found.batch);
    (ground > TOP).then(|| figure(&title, ground + TOP, &svg))
}

/// A bar with its name, its value, how far that may move, and what is said beside it.
struct Bar<'a> {
    name: &'a str,
    value: f64,
    half_width: f64,
    text: Option<String>,
}

/// Bars from the left to the right, one below the other; `None` without any.
fn bar_chart(title: &str, bars: &[Bar<'_>]) -> Option<String> {
    let most = bars.iter().map(|bar| bar.value + bar.half_width).fold(0.0, f64::max);
    if most <= 0.0 || !most.is_finite() {
        return None;
    }
    let scale = (WIDTH - NAMES - BESIDE) / most;
    let mut svg = String::new();
    for (at, bar) in bars.iter().enumerate() {
        let (top, end) = (TOP + at as f64 * BAR, NAMES + bar.value * scale);
        let middle = top + BAR / 2.0;
        let text = match &bar.text {
            Some(text) => format!("{} · {text}", compact(bar.value)),
            None => compact(bar.value),
        };
        let whisker = [end - bar.half_width * scale, end + bar.half_width * scale];
        let _ = write!(
            svg,
            "<text class=\"strong\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"bar\" x=\"{NAMES:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            NAMES - 8.0,
            middle + 4.0,
            escaped(&elide(bar.name, NAME)),
            top + 3.0,
            (end - NAMES).max(0.5),
            BAR - 6.0,
            whisker[1] + 8.0,
            middle + 4.0,
            escaped(&text),
        );
        if bar.half_width > 0.0 {
            let _ = write!(
                svg,
                "<line class=\"whisker\" x1=\"{:.1}\" y1=\"{middle:.1}\" x2=\"{:.1}\" y2=\"{middle:.1}\"/>",
                whisker[0].max(NAMES),
                whisker[1],
            );
        }
    }
    Some(figure(title, TOP * 2.0 + bars.len() as f64 * BAR, &svg))
}

fn figure(title: &str, height: f64, svg: &str) -> String {
    let title = escaped(title);
    format!(
        "<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{title}\">{svg}</svg></figure>\n"
    )
}

/// Where values are in a chart, whose vertical axis begins at 0.
struct ChartAxes {
    x: (f64, f64),
    y_most: f64,
}

impl ChartAxes {
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (first, last) = self.x;
        let along = if last > first { (x - first) / (last - first) } else { 0.5 };
        let up = (y / self.y_most).clamp(0.0, 1.0);
        (LEFT + along * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM))
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let places = points.map(|point| self.place(point)).map(|(x, y)| format!("{x:.1},{y:.1}"));
        places.collect::<Vec<_>>().join(" ")
    }

    /// Lines at round values, with their numbers, and the name of the horizontal axis.
    fn grid(&self, name: &str) -> String {
        let mut svg = String::new();
        for value in round_values(0.0, self.y_most) {
            let (_, y) = self.place((self.x.0, value));
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                compact(value),
            );
        }
        for value in round_values(self.x.0, self.x.1).into_iter().filter(|value| value.fract() == 0.0) {
            let (x, _) = self.place((value, 0.0));
            let y = HEIGHT - BOTTOM + 14.0;
            let _ = write!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>",
                compact(value)
            );
        }
        let (x, y) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 4.0);
        let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{name}</text>");
        svg
    }
}

/// Up to six round values in a range: multiples of 1, 2 or 5 times a power of ten.
fn round_values(first: f64, last: f64) -> Vec<f64> {
    let span = last - first;
    if !span.is_finite() || span <= 0.0 {
        return vec![first];
    }
    let power = 10_f64.powf((span / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| span / step <= 5.0);
    let step = step.unwrap_or(span);
    let from = (first / step).ceil();
    (0..6)
        .map(|at| (from + f64::from(at)) * step)
        .take_while(|value| *value <= last * (1.0 + 1e-12))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_values() {
        assert_eq!(round_values(0.0, 30_000.0), [0.0, 10_000.0, 20_000.0, 30_000.0]);
        assert_eq!(round_values(0.0, 1.05), [0.0, 0.5, 1.0]);
        assert_eq!(round_values(3.0, 14.0), [5.0, 10.0]);
        assert_eq!(round_values(0.0, 25.0), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]);
        assert_eq!(round_values(7.0, 7.0), [7.0]);
    }
}
