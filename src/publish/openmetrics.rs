//! The state of runs as OpenMetrics text, which Prometheus reads.
//!
//! Everything is a gauge: a batch that is written again or removed makes a sum smaller, and a counter must never become
//! smaller. Integers have all their digits, so that a reader that needs a 64-bit float rounds once.

use super::names::Names;
use crate::figures::{Basis, Figure, LayerFigures, ProblemFigures, RowSums, RunFigures, ShownIn, Summary};
use crate::run::Severity;
use std::fmt::{Display, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The most layers, of all runs together, that have metrics.
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
    write_runs(&mut text, runs);
    write_layers(&mut text, runs);
    text.0 + "# EOF\n"
}

/// A metric of a run that is not a figure: its name, its unit, its help, its value.
type RunMetric = (&'static str, Option<&'static str>, &'static str, fn(&RunState) -> Option<String>);

fn some(value: impl Display) -> Option<String> {
    Some(value.to_string())
}

const RUN_METRICS: [RunMetric; 10] = [
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
    ("neurotop_quiet_seconds", Some("seconds"), "Since the last batch, of a run that is not over.", |run| {
        run.summary.run.times.quiet_seconds.and_then(some)
    }),
    ("neurotop_elapsed_seconds", Some("seconds"), "From the first batch to the last, or until now.", |run| {
        run.summary.run.times.elapsed_seconds.and_then(some)
    }),
    ("neurotop_batches_per_second", None, "The pace of the newest batches, or of the whole run.", |run| {
        run.summary.run.times.batches_per_second.and_then(some)
    }),
    ("neurotop_left_seconds", Some("seconds"), "The time left at that pace.", |run| {
        run.summary.run.times.seconds_left.and_then(some)
    }),
    ("neurotop_unpriced_layers", None, "Layers without a price, which the operations leave out.", |run| {
        some(run.summary.total.unpriced_layers)
    }),
];

fn write_runs<'a>(text: &mut Text, runs: &'a [RunState]) {
    for (name, unit, help, metric) in RUN_METRICS {
        text.family(name, unit, help);
        for run in runs {
            if let Some(value) = metric(run) {
                text.sample(name, &[("run", &run.label)], value);
            }
        }
    }
    let totals: Vec<_> = runs.iter().map(|run| (run, &run.summary.total.sums)).collect();
    write_totals(text, ["neurotop_", ""], &totals, |_| true);
    let measured = |run: &'a RunState| Some((run, &run.summary.total_measured.as_ref()?.sums));
    let measured: Vec<_> = runs.iter().filter_map(measured).collect();
    if !measured.is_empty() {
        let names = ["neurotop_total_measured_", "With the layers whose price is measured: "];
        write_totals(text, names, &measured, |figure| figure.basis != Basis::Updates);
    }
    write_states(text, runs);
}

/// The figures of totals, with this in front of each name and each help.
fn write_totals(
    text: &mut Text,
    [name, help]: [&str; 2],
    totals: &[(&RunState, &RowSums)],
    is_shown: fn(&Figure) -> bool,
) {
    let figures = Figure::applying_in(ShownIn::RunMetrics, totals.iter().map(|(_, sums)| *sums));
    for figure in figures.into_iter().filter(|figure| is_shown(figure)) {
        let name = format!("{name}{}", figure.metric);
        text.family(&name, figure.unit.metric_suffix(), &format!("{help}{}", figure.help));
        for (run, sums) in totals {
            if let Some(number) = figure.number(sums) {
                text.sample(&name, &[("run", &run.label)], number.every_digit());
            }
        }
    }
}

/// Batches, problems and status, each by a label of its own.
fn write_states(text: &mut Text, runs: &[RunState]) {
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
    text.family("neurotop_problems", None, "Problems, by what they mean for the figures: set_aside if those lack something or differ from NeuroBench's own.");
    for run in runs {
        let count = |(severity, name)| {
            let problems = run.summary.problems.iter().filter(|problem| problem.severity == severity);
            (name, problems.map(ProblemFigures::count).sum::<u64>())
        };
        let severities = [(Severity::SetAside, "set_aside"), (Severity::Notice, "notice")];
        text.by("neurotop_problems", run, "severity", &severities.map(count));
    }
    text.family("neurotop_run_info", None, "Where each run is, and what it calls itself.");
    for run in runs {
        let RunFigures { name, directory, .. } = &run.summary.run;
        let directory = directory.as_deref().map(Path::to_string_lossy).unwrap_or_default();
        text.sample(
            "neurotop_run_info",
            &[("run", &run.label), ("name", name), ("directory", &directory)],
            1,
        );
    }
    text.family("neurotop_run_status", None, "1 for what the run is, 0 for what it is not.");
    for run in runs {
        let is = |status| (status, u64::from(run.summary.run.status == status));
        text.by("neurotop_run_status", run, "status", &["running", "stalled", "stopped", "finished"].map(is));
    }
}

fn write_layers(text: &mut Text, runs: &[RunState]) {
    // Each behind the values of its labels: the run and the layer.
    let mut layers: Vec<(&str, String, &LayerFigures)> = Vec::new();
    for run in runs {
        let mut names = Names::default();
        let room = MAX_LAYERS - layers.len();
        for (number, layer) in run.summary.layers.iter().enumerate().take(room) {
            layers.push((&run.label, names.name_for(number, &layer.name).to_owned(), layer));
        }
    }
    let sums = layers.iter().map(|(.., layer)| &layer.sums);
    for figure in Figure::applying_in(ShownIn::LayerMetrics, sums) {
        let name = &format!("neurotop_layer_{}", figure.metric);
        text.family(name, figure.unit.metric_suffix(), figure.help);
        for (run, layer_label, layer) in &layers {
            let Some(number) = figure.number(&layer.sums) else { continue };
            let neuron: String = layer.neuron.as_deref().unwrap_or("").chars().take(120).collect();
            let mut labels = vec![("run", *run), ("layer", layer_label), ("neuron", &neuron)];
            // It keeps a sum over layers from adding up measured prices and others without notice.
            labels.extend(layer.is_measured().then_some(("priced_by", "measured")));
            text.sample(name, &labels, number.every_digit());
        }
    }
    let all: usize = runs.iter().map(|run| run.summary.layers.len()).sum();
    let name = "neurotop_layers_left_out";
    text.family(name, None, "Layers that have no metrics of their own, since there are too many.");
    text.sample(name, &[], all - layers.len());
}

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
        // Writing to a string never fails.
        let _ = writeln!(self.0, "{value}");
    }

    /// Values of a run, by another label.
    fn by(&mut self, name: &str, run: &RunState, label: &str, values: &[(&str, u64)]) {
        for (is, value) in values {
            self.sample(name, &[("run", &run.label), (label, is)], value);
        }
    }
}

/// Escapes a label's value: the format reserves three characters.
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
