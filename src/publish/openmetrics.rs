//! The state of runs as OpenMetrics text, of the kind that Prometheus reads.
//!
//! Everything is a gauge: a batch that is written again or taken out makes a sum smaller, which a counter must
//! never become. Integers are written with all their digits, however long; whoever reads them into a 64-bit
//! float rounds once.

use super::names::Names;
use crate::figures::{LayerFigures, Summary};
use std::fmt::{Display, Write};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The most layers of all runs that have metrics of their own.
pub const MAX_LAYERS: usize = 10_000;

/// A run at one moment.
#[derive(Debug, Clone)]
pub struct RunState {
    /// The value of the label `run`, which no other run has.
    pub label: String,
    /// Its figures.
    pub summary: Arc<Summary>,
    /// When its last batch came.
    pub last_batch: Option<SystemTime>,
}

/// The text for some runs.
pub fn render(runs: &[RunState]) -> String {
    let mut text = Text(String::new());
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    text.family("neurotop_build_info", None, "The version of neurotop that made this.");
    text.sample("neurotop_build_info", &version, 1);
    of_runs(&mut text, runs);
    of_layers(&mut text, runs);
    text.0 + "# EOF\n"
}

/// A value as it is written, where there is one.
type Figure<T> = fn(&T) -> Option<String>;

/// A metric: its name, its unit, its help, its value.
type Metric<T> = (&'static str, Option<&'static str>, &'static str, Figure<T>);

fn some(value: impl Display) -> Option<String> {
    Some(value.to_string())
}

/// The metrics of a run.
const OF_RUNS: [Metric<RunState>; 14] = [
    ("neurotop_samples", None, "Samples counted.", |run| some(run.summary.run.samples)),
    ("neurotop_expected_samples", None, "Samples that the manifest says to expect.", |run| {
        run.summary.run.expected_samples.and_then(some)
    }),
    ("neurotop_expected_batches", None, "Batches that the manifest says to expect.", |run| {
        run.summary.run.expected_batches.and_then(some)
    }),
    ("neurotop_complete", None, "1 when all batches of a run that is over are counted, else 0.", |run| {
        some(u8::from(run.summary.complete))
    }),
    (
        "neurotop_last_batch_timestamp_seconds",
        Some("seconds"),
        "When the last batch came, in Unix time.",
        |run| {
            let since = run.last_batch?.duration_since(UNIX_EPOCH).ok()?;
            Some(format!("{}.{:03}", since.as_secs(), since.subsec_millis()))
        },
    ),
    ("neurotop_updates", None, "Membrane updates of all layers.", |run| some(run.summary.total.updates)),
    ("neurotop_dense_updates", None, "Updates if every neuron were updated at every step.", |run| {
        some(run.summary.total.dense_updates)
    }),
    ("neurotop_effective_operations", None, "Effective operations of the priced layers.", |run| {
        some(run.summary.total.effective_ops)
    }),
    ("neurotop_dense_operations", None, "Dense operations of the priced layers.", |run| {
        some(run.summary.total.dense_ops)
    }),
    ("neurotop_effective_operations_per_sample", None, "Effective operations for each sample.", |run| {
        float(run.summary.total.effective_ops_per_sample)
    }),
    ("neurotop_dense_operations_per_sample", None, "Dense operations for each sample.", |run| {
        float(run.summary.total.dense_ops_per_sample)
    }),
    ("neurotop_updates_per_sample", None, "Membrane updates for each sample.", |run| {
        float(run.summary.neurobench.membrane_updates)
    }),
    ("neurotop_sparsity_ratio", Some("ratio"), "1 - effective / dense operations.", |run| {
        run.summary.total.sparsity.and_then(float)
    }),
    ("neurotop_unpriced_layers", None, "Layers without a price, which the operations leave out.", |run| {
        some(run.summary.total.unpriced_layers)
    }),
];

/// The metrics of a layer.
const OF_LAYERS: [Metric<LayerFigures>; 7] = [
    ("neurotop_layer_updates", None, "Membrane updates of a layer.", |layer| some(layer.updates)),
    ("neurotop_layer_dense_updates", None, "Updates if every neuron were updated at every step.", |layer| {
        some(layer.dense_updates)
    }),
    ("neurotop_layer_effective_operations", None, "Effective operations of a priced layer.", |layer| {
        layer.effective_ops.and_then(some)
    }),
    ("neurotop_layer_dense_operations", None, "Dense operations of a priced layer.", |layer| {
        layer.dense_ops.and_then(some)
    }),
    (
        "neurotop_layer_effective_operations_per_sample",
        None,
        "Effective operations of a priced layer for each sample.",
        |layer| layer.effective_ops_per_sample.and_then(float),
    ),
    (
        "neurotop_layer_dense_operations_per_sample",
        None,
        "Dense operations of a priced layer for each sample.",
        |layer| layer.dense_ops_per_sample.and_then(float),
    ),
    (
        "neurotop_layer_sparsity_ratio",
        Some("ratio"),
        "1 - effective / dense operations of a layer.",
        |layer| layer.sparsity.and_then(float),
    ),
];

/// A float with the digits that give it again.
fn float(value: f64) -> Option<String> {
    Some(format!("{value:?}"))
}

fn of_runs(text: &mut Text, runs: &[RunState]) {
    for (name, unit, help, figure) in OF_RUNS {
        text.family(name, unit, help);
        for run in runs {
            if let Some(value) = figure(run) {
                text.sample(name, &[("run", &run.label)], value);
            }
        }
    }
    text.family("neurotop_batches", None, "Batches by what became of them; the seen ones are all of them.");
    for run in runs {
        let account = &run.summary.account;
        let states = [
            ("seen", account.seen),
            ("counted", account.counted),
            ("waiting", account.waiting),
            ("set_aside", account.set_aside),
        ];
        text.by("neurotop_batches", run, "state", &states);
    }
    text.family("neurotop_problems", None, "Problems that are named, by what they mean for the figures.");
    for run in runs {
        let count = |severity| {
            let problems = run.summary.problems.iter().filter(|problem| problem.severity == severity);
            (severity, problems.map(|problem| 1 + problem.more.total()).sum::<u64>())
        };
        text.by("neurotop_problems", run, "severity", &["set_aside", "notice"].map(count));
    }
    text.family("neurotop_run_status", None, "1 for what the run is, 0 for what it is not.");
    for run in runs {
        let is = |status| (status, u64::from(run.summary.run.status == status));
        text.by("neurotop_run_status", run, "status", &["running", "stalled", "finished"].map(is));
    }
}

/// A layer with the values of its labels.
struct Labelled<'a> {
    run: &'a str,
    layer: String,
    figures: &'a LayerFigures,
}

fn of_layers(text: &mut Text, runs: &[RunState]) {
    let mut layers = Vec::new();
    for run in runs {
        let mut names = Names::default();
        let room = MAX_LAYERS - layers.len();
        for (number, figures) in run.summary.layers.iter().enumerate().take(room) {
            layers.push(Labelled {
                run: &run.label,
                layer: names.of(number, &figures.name).to_owned(),
                figures,
            });
        }
    }
    for (name, unit, help, figure) in OF_LAYERS {
        text.family(name, unit, help);
        for layer in &layers {
            let Some(value) = figure(layer.figures) else { continue };
            let neuron = layer.figures.neuron.as_deref().unwrap_or("");
            let neuron: String = neuron.chars().take(120).collect();
            text.sample(name, &[("run", layer.run), ("layer", &layer.layer), ("neuron", &neuron)], value);
        }
    }
    let all: usize = runs.iter().map(|run| run.summary.layers.len()).sum();
    let name = "neurotop_layers_left_out";
    text.family(name, None, "Layers that have no metrics of their own, since there are too many.");
    text.sample(name, &[], all - layers.len());
}

/// Text as it grows.
struct Text(String);

impl Text {
    /// Begins a metric.
    fn family(&mut self, name: &str, unit: Option<&str>, help: &str) {
        self.0 += &format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
        if let Some(unit) = unit {
            self.0 += &format!("# UNIT {name} {unit}\n");
        }
    }

    /// A value of the metric that was begun last.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0 += name;
        for (at, (label, value)) in labels.iter().enumerate() {
            self.0 += if at == 0 { "{" } else { "," };
            self.0 += label;
            self.0 += "=\"";
            escape_to(&mut self.0, value);
            self.0.push('"');
        }
        self.0 += if labels.is_empty() { " " } else { "} " };
        // A string takes all that is written to it.
        let _ = writeln!(self.0, "{value}");
    }

    /// Values of a run, by another label.
    fn by(&mut self, name: &str, run: &RunState, label: &str, values: &[(&str, u64)]) {
        for (is, value) in values {
            self.sample(name, &[("run", &run.label), (label, is)], value);
        }
    }
}

/// A label's value: the format has three characters that must not stand as they are.
fn escape_to(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => *text += "\\\\",
            '"' => *text += "\\\"",
            '\n' => *text += "\\n",
            other => text.push(other),
        }
    }
}
