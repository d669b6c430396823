//! Where the operations of a layer come from: its price, operation by operation where it was measured, and how price and
//! updates give the figures. For `neurotop explain`, as text and as JSON.

use super::problems::why_unpriced;
use super::summary::MeasuredFields;
use super::{LayerFigures, RowSums, Summary};
use crate::run::Tool;
use crate::run::prices::PricedBy;
use crate::run::sums::{Operations, Updates};
use crate::run::tally::quotient;
use crate::text::{elide, percent, printable, thousands};
use serde::Serialize;

/// The schema of the JSON form.
const EXPLANATION_SCHEMA: &str = "neurotop.explanation/1";

/// The most columns of a name in the list of prices.
const LONGEST_NAME: usize = 60;

/// What the measurement of a price counts, and what it leaves out.
const RULE: &str = "\
Counted once for each neuron: add, sub, mul, div, neg, reciprocal, pow, sqrt, log, exp, sigmoid and tanh between the
old state and the input on one side and the new state on the other; addcmul and addcdiv are two. The same expression
again is free.
Not counted: comparisons and rounding (the spike is given), matrix products and convolutions (they are synaptic
operations), clamp, relu, where, masked_fill, copies and views.";

/// What the mark of an operation means.
const ON_PARAMETERS: &str =
    "° on parameters, which have fewer elements than the layer has neurons: one operation of an update.";

/// Where the operations of some layers of a run come from.
#[derive(Debug, Serialize)]
pub struct Explanation<'a> {
    schema: &'static str,
    tool: Tool,
    run: &'a str,
    /// Samples counted.
    samples: u128,
    layers: Vec<LayerExplanation<'a>>,
}

/// Where the operations of a layer come from.
#[derive(Debug, Serialize)]
struct LayerExplanation<'a> {
    name: &'a str,
    neuron: Option<&'a str>,
    reset: Option<&'a str>,
    ops_per_update: Option<u64>,
    priced_by: Option<PricedBy>,
    /// Where the price comes from, or why there is none.
    price: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<MeasuredFields<'a>>,
    /// Whether it is in `total`, with which NeuroBench's own result is compared.
    in_total: bool,
    /// Neurons of one sample.
    neurons: Option<u128>,
    /// Time steps of each sample, if all have as many.
    steps: Option<u128>,
    #[serde(flatten)]
    updates: Updates,
    effective_ops: Option<u128>,
    dense_ops: Option<u128>,
    effective_ops_per_sample: Option<f64>,
    dense_ops_per_sample: Option<f64>,
    #[serde(skip)]
    sums: &'a RowSums,
}

impl<'a> Explanation<'a> {
    /// Explains some layers of a run.
    pub fn new(summary: &'a Summary, layers: impl IntoIterator<Item = &'a LayerFigures>) -> Self {
        Self {
            schema: EXPLANATION_SCHEMA,
            tool: Tool::this(),
            run: &summary.run.name,
            samples: summary.run.samples,
            layers: layers.into_iter().map(LayerExplanation::new).collect(),
        }
    }

    /// The prices of all these layers, one a line.
    pub fn list(&self) -> String {
        let name = |layer: &LayerExplanation<'_>| elide(layer.name, LONGEST_NAME);
        let width = self.layers.iter().map(|layer| name(layer).chars().count()).max().unwrap_or(0);
        let lines = self.layers.iter().map(|layer| {
            let mark = if layer.priced_by == Some(PricedBy::Measured) { "m" } else { " " };
            let ops = layer.ops_per_update.map_or("–".to_owned(), |ops| thousands(ops.into()));
            format!("  {:<width$}  {ops:>5} {mark}  {}\n", name(layer), layer.short_price())
        });
        let title = format!("neurotop · {} · operations of one update, by layer\n\n", printable(self.run));
        let hint = "\nneurotop explain DIR LAYER explains one of them, operation by operation.\n";
        std::iter::once(title).chain(lines).chain([hint.to_owned()]).collect()
    }

    /// All that there is to say of each layer.
    pub fn text(&self) -> String {
        let layers = self.layers.iter().map(|layer| layer.text(self.samples));
        layers.collect::<Vec<_>>().join("\n\n") + "\n"
    }
}

impl<'a> LayerExplanation<'a> {
    fn new(layer: &'a LayerFigures) -> Self {
        let sums = &layer.sums;
        let updates = sums.updates.unwrap_or_default();
        let axes = layer.shape.as_ref();
        let neurons = axes
            .and_then(|axes| axes.iter().try_fold(1_u128, |product, &axis| product.checked_mul(axis.into())));
        let in_a_step = neurons.and_then(|neurons| neurons.checked_mul(sums.samples));
        let steps = in_a_step.filter(|&all| all > 0 && updates.dense.is_multiple_of(all));
        Self {
            name: &layer.name,
            neuron: layer.neuron.as_deref(),
            reset: layer.reset.as_deref(),
            ops_per_update: layer.ops_per_update,
            priced_by: layer.priced_by,
            price: price(layer),
            measured: layer.measurement.as_ref().map(MeasuredFields::from),
            in_total: layer.priced_by.is_some_and(PricedBy::is_in_total),
            neurons,
            steps: steps.map(|all| updates.dense / all),
            updates,
            effective_ops: sums.effective(),
            dense_ops: sums.operations.map(|operations| operations.dense),
            effective_ops_per_sample: sums.effective_per_sample(),
            dense_ops_per_sample: sums.dense_per_sample(),
            sums,
        }
    }

    /// Where the price comes from, in a few words.
    fn short_price(&self) -> String {
        let kind = format!("{}:{}", self.neuron.unwrap_or("?"), self.reset.unwrap_or("?"));
        let from = match self.priced_by {
            Some(PricedBy::NeuroBench) => "NeuroBench's table",
            Some(PricedBy::User) => "--cost or the configuration",
            Some(PricedBy::Recorder) => "given to the recorder (cost=)",
            Some(PricedBy::Measured) => "measured by the recorder",
            None => &self.price,
        };
        format!("{}, {}", printable(&elide(&kind, LONGEST_NAME)), printable(from))
    }

    fn text(&self, samples: u128) -> String {
        let kind = match (self.neuron, self.reset) {
            (Some(neuron), Some(reset)) => format!("{} with reset {}", printable(neuron), printable(reset)),
            _ => "no manifest says what it is".to_owned(),
        };
        let mut parts = vec![format!("{}: {kind}", printable(self.name)), self.price_text()];
        parts.extend(self.operations_text());
        parts.push(self.sums_text(samples));
        parts.join("\n\n")
    }

    fn price_text(&self) -> String {
        match self.ops_per_update {
            None => format!("It has no price: {}.", printable(&self.price)),
            Some(ops) => {
                let operations = if ops == 1 { "operation" } else { "operations" };
                let total = if self.in_total {
                    ""
                } else {
                    "\nNeuroBench's figures lack it: total leaves it out, and total_measured has it."
                };
                format!(
                    "One update is {} {operations}: {}.{total}",
                    thousands(ops.into()),
                    printable(&self.price)
                )
            }
        }
    }

    /// The operations of a measured price, numbered, and the rule by which they were counted.
    fn operations_text(&self) -> Option<String> {
        let operations = &self.measured.as_ref()?.operations;
        if operations.is_empty() {
            return Some(format!("The manifest does not list the operations.\n{RULE}"));
        }
        let numbered = operations.iter().enumerate();
        let mut lines: Vec<String> =
            numbered.map(|(at, name)| format!("  {:>3}  {}", at + 1, printable(name))).collect();
        lines.extend(operations.iter().any(|name| name.ends_with('°')).then(|| ON_PARAMETERS.to_owned()));
        lines.push(RULE.to_owned());
        Some(lines.join("\n"))
    }

    /// How the figures follow from updates and price.
    fn sums_text(&self, samples: u128) -> String {
        let Updates { effective, dense } = self.updates;
        if dense == 0 {
            return "Nothing of it is counted yet.".to_owned();
        }
        let [all, changed] = [dense, effective].map(thousands);
        let product = match (self.neurons, self.steps) {
            (Some(neurons), Some(steps)) => format!(
                "{} neurons × {} time steps × {} samples = {all} dense updates",
                thousands(neurons),
                thousands(steps),
                thousands(samples)
            ),
            _ => {
                format!("{all} dense updates: one for each neuron, time step and sample (not all are alike)")
            }
        };
        let share = percent(quotient(effective, dense));
        let mut lines = vec![
            format!("Updates     {product}"),
            format!(
                "            {changed} of them ({share}) changed the membrane potential: effective updates"
            ),
        ];
        lines.extend(self.products(&changed, &all, samples).into_iter().flatten());
        lines.join("\n")
    }

    /// Updates × price, and the same per sample; `None` without a price.
    fn products(&self, changed: &str, all: &str, samples: u128) -> Option<[String; 4]> {
        let (ops, Operations { effective, dense }) = (self.ops_per_update?, self.sums.operations?);
        let ops = thousands(ops.into());
        let per_sample = |sum: u128, figure: Option<f64>| {
            format!("{} ÷ {} samples = {:?}", thousands(sum), thousands(samples), figure.unwrap_or_default())
        };
        Some([
            format!("Operations  {changed} updates × {ops} = {} effective", thousands(effective)),
            format!("            {all} updates × {ops} = {} dense", thousands(dense)),
            format!("Per sample  {} effective", per_sample(effective, self.effective_ops_per_sample)),
            format!("            {} dense", per_sample(dense, self.dense_ops_per_sample)),
        ])
    }
}

/// Where the price of a layer comes from, or why it has none.
fn price(layer: &LayerFigures) -> String {
    let neuron = layer.neuron.as_deref().unwrap_or("?");
    let reset = layer.reset.as_deref().unwrap_or("?");
    let ops = layer.ops_per_update.unwrap_or_default();
    match layer.priced_by {
        Some(PricedBy::NeuroBench) => format!(
            "NeuroBench's table has {ops} for {neuron} with reset {reset}, without a list \
             (neuron_ops_reset_operations in NeuroBench 2.3.0)"
        ),
        Some(PricedBy::User) => format!("--cost {neuron}:{reset}={ops}, or the configuration, says so"),
        Some(PricedBy::Recorder) => {
            format!("the script that recorded the run says so, with cost={ops} of rec.add")
        }
        Some(PricedBy::Measured) => {
            let measurement = layer.measurement.as_ref();
            let circumstances = measurement.map(|measurement| measurement.circumstances());
            match circumstances.filter(|text| !text.is_empty()) {
                Some(text) => format!("the recorder measured it in the run ({text})"),
                None => "the recorder measured it in the run".to_owned(),
            }
        }
        None => why_unpriced(layer),
    }
}
