//! The table of figures. A figure is one row here; JSON, CSV, Markdown, text, OpenMetrics, TensorBoard, `--fail-if`,
//! comparisons, the columns of the dashboard and the help follow from it.

use self::ShownIn::{
    Comparison, Export, LayerMetrics, LayerPoints, RankTables, RunMetrics, Tables, TotalPoints, Totals,
    UnpricedLayerPoints,
};
use super::row::RowSums;
use crate::run::interval::Uncertainty;
use crate::text::{decimal, decimal_within, percent, percent_within, plus_minus, thousands};
use serde::{Serialize, Serializer};
use std::fmt;

/// A figure: what it is called, where it appears, and how it is computed.
#[derive(Debug)]
pub struct Figure {
    /// Its name in JSON, CSV and `--fail-if`.
    pub name: &'static str,
    /// Its name in TensorBoard, behind `neurotop/total/` and the like.
    pub tag: &'static str,
    /// Its name in OpenMetrics, behind `neurotop_` and `neurotop_layer_`.
    pub metric: &'static str,
    pub unit: FigureUnit,
    /// Its name beside a value.
    pub label: &'static str,
    /// Its name in the panel of the totals, which says that all of it is per sample.
    pub panel_label: &'static str,
    /// Its name above a column.
    pub heading: &'static str,
    /// One sentence: what it says.
    pub help: &'static str,
    pub better: Better,
    /// What it needs: it has no value without.
    pub basis: Basis,
    /// Whether it is divided by the samples, so that it has no value without any.
    pub per_sample: bool,
    /// Whether it came after the formats were fixed: its columns stand behind the older ones in CSV, and files that an
    /// earlier version wrote lack it.
    pub is_later: bool,
    /// Where there is no room for all columns, the one with the lowest priority gives way first; 255 never does, and below
    /// 10 a column in the dashboard takes room that nothing else needs. A table of text leaves out later figures only.
    pub priority: u8,
    /// The same of the column that has its change, in the dashboard.
    pub change_priority: u8,
    /// Characters that a column of it takes at least, in the dashboard.
    pub width: u16,
    pub shown_in: &'static [ShownIn],
    pub compute: fn(&RowSums) -> Option<Number>,
}

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureUnit {
    Operations,
    Updates,
    /// Between 0 and 1.
    Ratio,
    Picojoules,
    Neurons,
}

/// Which of two values is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Lower,
    Higher,
}

/// What a figure follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    Updates,
    /// Updates and their price.
    Operations,
    /// Operations and `--energy-per-op`. Without the option such a figure is left out everywhere.
    Energy,
    /// Which neurons are updated: known of layers, and of what is made of them.
    Neurons,
}

/// Where a figure appears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownIn {
    /// The rows of JSON and CSV: total, neuron classes, layers and ranks.
    Export,
    /// The panel of the totals in the dashboard.
    Totals,
    /// Tables of layers, neuron classes and runs, as text, as Markdown and in the dashboard.
    Tables,
    /// Tables of ranks.
    RankTables,
    /// Comparisons, in every format.
    Comparison,
    /// OpenMetrics, of a run.
    RunMetrics,
    /// OpenMetrics, of a layer.
    LayerMetrics,
    /// TensorBoard, of the total.
    TotalPoints,
    /// TensorBoard, of a layer with a price.
    LayerPoints,
    /// TensorBoard, of a layer without a price.
    UnpricedLayerPoints,
}

/// The value of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// With all its digits.
    Whole(u128),
    Real(f64),
}

/// What most figures have in common: a row of the table says what differs.
const fn named(name: &'static str, label: &'static str) -> Figure {
    Figure {
        name,
        tag: name,
        metric: name,
        unit: FigureUnit::Operations,
        label,
        panel_label: label,
        heading: label,
        help: "",
        better: Better::Lower,
        basis: Basis::Operations,
        per_sample: false,
        is_later: false,
        priority: 40,
        change_priority: 0,
        width: 9,
        shown_in: &[Export, RunMetrics, LayerMetrics],
        compute: |_| None,
    }
}

/// All figures, in the order in which every format has them.
pub const FIGURES: &[Figure] = &[
    Figure {
        unit: FigureUnit::Updates,
        help: "Membrane updates: membrane potentials that differ from those of the time step before.",
        basis: Basis::Updates,
        compute: |row| Some(Number::Whole(row.updates?.effective)),
        ..named("updates", "updates")
    },
    Figure {
        unit: FigureUnit::Updates,
        heading: "of dense",
        help: "Updates if every neuron were updated at every time step.",
        basis: Basis::Updates,
        compute: |row| Some(Number::Whole(row.updates?.dense)),
        ..named("dense_updates", "dense updates")
    },
    Figure {
        metric: "effective_operations",
        heading: "effective",
        help: "Effective operations: updates × operations of one update, of what has a price.",
        compute: |row| Some(Number::Whole(row.operations?.effective)),
        ..named("effective_ops", "effective ops")
    },
    Figure {
        metric: "dense_operations",
        heading: "dense",
        help: "Dense operations: dense updates × operations of one update, of what has a price.",
        compute: |row| Some(Number::Whole(row.operations?.dense)),
        ..named("dense_ops", "dense ops")
    },
    Figure {
        metric: "effective_operations_per_sample",
        panel_label: "effective ops",
        heading: "effective",
        help: "Effective operations of each sample.",
        per_sample: true,
        priority: 255,
        change_priority: 100,
        shown_in: &[
            Export,
            Totals,
            Tables,
            RankTables,
            Comparison,
            RunMetrics,
            LayerMetrics,
            TotalPoints,
            LayerPoints,
        ],
        compute: |row| row.effective_per_sample().map(Number::Real),
        ..named("effective_ops_per_sample", "effective ops/sample")
    },
    Figure {
        metric: "dense_operations_per_sample",
        panel_label: "dense ops",
        heading: "dense",
        help: "Dense operations of each sample.",
        per_sample: true,
        priority: 60,
        change_priority: 50,
        width: 5,
        shown_in: &[Export, Totals, Tables, Comparison, RunMetrics, LayerMetrics, TotalPoints],
        compute: |row| row.dense_per_sample().map(Number::Real),
        ..named("dense_ops_per_sample", "dense ops/sample")
    },
    Figure {
        tag: "updates_per_sample",
        metric: "updates_per_sample",
        unit: FigureUnit::Updates,
        panel_label: "membrane updates",
        heading: "updates",
        help: "Membrane updates of each sample.",
        basis: Basis::Updates,
        per_sample: true,
        shown_in: &[Totals, Comparison, RunMetrics, TotalPoints, UnpricedLayerPoints],
        compute: |row| Some(Number::Real(row.per_sample(row.updates?.effective))),
        ..named("membrane_updates", "updates/sample")
    },
    Figure {
        metric: "sparsity_ratio",
        unit: FigureUnit::Ratio,
        help: "The part of the dense operations that is not needed: 1 − effective ÷ dense.",
        better: Better::Higher,
        priority: 90,
        change_priority: 80,
        width: 8,
        shown_in: &[Export, Totals, Tables, Comparison, RunMetrics, LayerMetrics, TotalPoints, LayerPoints],
        compute: |row| row.sparsity().map(Number::Real),
        ..named("sparsity", "sparsity")
    },
    Figure {
        metric: "saved_operations_per_sample",
        panel_label: "saved ops",
        heading: "saved",
        help: "Operations of each sample that sparsity saves: dense − effective.",
        better: Better::Higher,
        per_sample: true,
        is_later: true,
        priority: 5,
        change_priority: 2,
        width: 5,
        shown_in: &[Export, Tables, RankTables, Comparison, RunMetrics, LayerMetrics, TotalPoints],
        compute: |row| {
            let operations = row.operations?;
            Some(Number::Real(row.per_sample(operations.dense.saturating_sub(operations.effective))))
        },
        ..named("saved_ops_per_sample", "saved ops/sample")
    },
    Figure {
        metric: "energy_per_sample_picojoules",
        unit: FigureUnit::Picojoules,
        panel_label: "energy, pJ",
        heading: "energy, pJ",
        help: "Energy of the effective operations of each sample in picojoules, as --energy-per-op has it.",
        basis: Basis::Energy,
        per_sample: true,
        is_later: true,
        priority: 55,
        change_priority: 15,
        width: 10,
        shown_in: &[Export, Totals, Tables, RankTables, Comparison, RunMetrics, LayerMetrics, TotalPoints],
        compute: |row| {
            let energy = row.effective_per_sample()? * row.energy_per_op?.picojoules();
            // JSON has no infinity, so no format has one.
            energy.is_finite().then_some(Number::Real(energy))
        },
        ..named("energy_per_sample", "energy/sample, pJ")
    },
    Figure {
        unit: FigureUnit::Neurons,
        help: "Neurons of which it is known whether they are updated after the first time step.",
        basis: Basis::Neurons,
        is_later: true,
        shown_in: &[Export],
        compute: |row| Some(Number::Whole(row.neurons?.neurons)),
        ..named("neurons", "neurons")
    },
    Figure {
        unit: FigureUnit::Neurons,
        heading: "silent",
        help: "Neurons that are updated in no sample of any batch after the first time step.",
        basis: Basis::Neurons,
        is_later: true,
        priority: 3,
        change_priority: 1,
        width: 6,
        shown_in: &[Export, Tables, Comparison, LayerMetrics],
        compute: |row| Some(Number::Whole(row.neurons?.silent)),
        ..named("silent_neurons", "silent neurons")
    },
    Figure {
        unit: FigureUnit::Neurons,
        panel_label: "always active",
        heading: "always",
        help: "Neurons that are updated at every time step after the first, in every sample of every batch.",
        basis: Basis::Neurons,
        is_later: true,
        shown_in: &[Export, LayerMetrics],
        compute: |row| Some(Number::Whole(row.neurons?.always_active)),
        ..named("always_active_neurons", "always-active neurons")
    },
];

/// Two figures are the same if their names are: no two rows share one.
impl PartialEq for Figure {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Figure {}

/// The figure of a name that is in the table: any other name does not compile.
const fn figure(name: &str) -> &'static Figure {
    let mut at = 0;
    while !is_same(FIGURES[at].name.as_bytes(), name.as_bytes()) {
        at += 1;
    }
    &FIGURES[at]
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

impl Figure {
    pub const EFFECTIVE_PER_SAMPLE: &'static Self = figure("effective_ops_per_sample");
    pub const DENSE_PER_SAMPLE: &'static Self = figure("dense_ops_per_sample");
    pub const MEMBRANE_UPDATES: &'static Self = figure("membrane_updates");
    pub const SPARSITY: &'static Self = figure("sparsity");

    pub fn named(name: &str) -> Option<&'static Self> {
        FIGURES.iter().find(|figure| figure.name == name)
    }

    /// The figures that appear in an output, in the order of the table.
    pub fn all_in(place: ShownIn) -> impl Iterator<Item = &'static Self> {
        FIGURES.iter().filter(move |figure| figure.shown_in.contains(&place))
    }

    /// Those of an output that apply to these rows: the energy only where the user asks for it.
    pub fn applying_in<'a>(
        output: ShownIn,
        rows: impl IntoIterator<Item = &'a RowSums>,
    ) -> Vec<&'static Self> {
        let has_energy = rows.into_iter().any(|row| row.energy_per_op.is_some());
        Self::all_in(output).filter(|figure| has_energy || figure.basis != Basis::Energy).collect()
    }

    /// Whether a row has the figure at all, with or without a value.
    pub fn applies_to(&self, row: &RowSums) -> bool {
        self.basis != Basis::Energy || row.energy_per_op.is_some()
    }

    /// The value as it is exported: `None` without a price, and per sample 0 without samples.
    pub fn number(&self, row: &RowSums) -> Option<Number> {
        (self.compute)(row)
    }

    /// The value as it is compared: without samples there is none per sample either.
    pub fn value(&self, row: &RowSums) -> Option<Number> {
        if self.per_sample && row.samples == 0 { None } else { self.number(row) }
    }

    /// A value for people, in a few characters; a dash where there is none.
    pub fn text(&self, value: Option<Number>) -> String {
        match value {
            None => "–".into(),
            Some(Number::Whole(value)) => thousands(value),
            Some(Number::Real(value)) if self.unit == FigureUnit::Ratio => percent(value),
            Some(Number::Real(value)) => decimal(value, self.digits()),
        }
    }

    /// Digits behind the point of a value for people: neurons are whole, also where they are compared.
    pub fn digits(&self) -> usize {
        if self.unit == FigureUnit::Neurons { 0 } else { 2 }
    }

    /// How far the figure of a row may still move: by how much it changes if the effective operations move by the half
    /// width of their interval, and the updates by the same part. `None` where they do not move it.
    pub fn half_width(&self, row: &RowSums, uncertainty: Option<&Uncertainty>) -> Option<f64> {
        let uncertainty = uncertainty?;
        let mut moved = *row;
        let moved_by = |sum: u128, by: f64| sum.saturating_add(by as u128);
        let operations = moved.operations.as_mut()?;
        operations.effective = moved_by(operations.effective, uncertainty.half_width * row.samples as f64);
        if let (Some(updates), Some(part)) = (&mut moved.updates, uncertainty.relative) {
            updates.effective = moved_by(updates.effective, part * updates.effective as f64);
        }
        let [still, moved] = [row, &moved].map(|row| self.number(row).map(Number::as_f64));
        let width = (moved? - still?).abs();
        (width.is_finite() && width > 0.0 && !matches!(self.number(row), Some(Number::Whole(_))))
            .then_some(width)
    }

    /// The value for people, without the digits that the uncertainty of the row makes meaningless. Every table has its
    /// figures from here. A row without an interval of its own takes that of the row it is a part of.
    pub fn rounded(&self, row: &RowSums, uncertainty: Option<&Uncertainty>) -> String {
        let half_width = self.half_width(row, uncertainty);
        match self.number(row) {
            Some(Number::Real(ratio)) if self.unit == FigureUnit::Ratio => percent_within(ratio, half_width),
            Some(Number::Real(value)) => decimal_within(value, self.digits(), half_width),
            value => self.text(value),
        }
    }

    /// The value for people, with how far it may still move.
    pub fn with_uncertainty(&self, row: &RowSums, uncertainty: Option<&Uncertainty>) -> String {
        match self.number(row).map(Number::as_f64).zip(self.half_width(row, uncertainty)) {
            Some((ratio, half_width)) if self.unit == FigureUnit::Ratio => {
                format!("{} %", plus_minus(ratio * 100.0, half_width * 100.0))
            }
            Some((value, half_width)) => plus_minus(value, half_width),
            None => self.text(self.number(row)),
        }
    }
}

impl FigureUnit {
    /// The suffix that OpenMetrics requires of a name in this unit.
    pub fn metric_suffix(self) -> Option<&'static str> {
        match self {
            Self::Operations | Self::Updates | Self::Neurons => None,
            Self::Ratio => Some("ratio"),
            Self::Picojoules => Some("picojoules"),
        }
    }
}

impl Number {
    /// The nearest 64-bit float.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Whole(value) => value as f64,
            Self::Real(value) => value,
        }
    }

    /// The digits that give the same value again.
    pub fn every_digit(self) -> String {
        match self {
            Self::Whole(value) => value.to_string(),
            Self::Real(value) => format!("{value:?}"),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => value.fmt(f),
            Self::Real(value) => value.fmt(f),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Whole(value) => serializer.serialize_u128(value),
            Self::Real(value) => serializer.serialize_f64(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::NeuronCounts;
    use crate::run::sums::{Operations, Updates};
    use std::collections::HashSet;

    const ROW: RowSums = RowSums {
        samples: 2,
        updates: Some(Updates { effective: 9, dense: 12 }),
        operations: Some(Operations { effective: 36, dense: 48 }),
        energy_per_op: None,
        neurons: Some(NeuronCounts { neurons: 20, silent: 3, always_active: 5 }),
    };

    fn values(row: &RowSums) -> Vec<(&'static str, Option<f64>)> {
        FIGURES.iter().map(|figure| (figure.name, figure.value(row).map(Number::as_f64))).collect()
    }

    #[test]
    fn no_two_figures_share_a_name_in_any_output() {
        let names: [fn(&Figure) -> &'static str; 3] =
            [|figure| figure.name, |figure| figure.tag, |figure| figure.metric];
        for name in names {
            assert_eq!(FIGURES.iter().map(name).collect::<HashSet<_>>().len(), FIGURES.len());
        }
        for figure in FIGURES {
            assert_eq!(Figure::named(figure.name), Some(figure));
            let suffix = figure.unit.metric_suffix();
            assert!(
                suffix.is_none_or(|unit| figure.metric.ends_with(&format!("_{unit}"))),
                "{}",
                figure.metric
            );
            let texts =
                [figure.name, figure.tag, figure.metric, figure.label, figure.panel_label, figure.heading];
            assert!(texts.iter().all(|text| !text.is_empty()), "{figure:?}");
            assert!(figure.help.ends_with('.') && figure.heading.len() <= 12, "{figure:?}");
        }
        assert_eq!(Figure::named("colour"), None);
    }

    #[test]
    fn figures_follow_from_the_sums() {
        let row = RowSums { energy_per_op: Some("900fJ".parse().expect("an energy")), ..ROW };
        assert_eq!(
            values(&row),
            [
                ("updates", Some(9.0)),
                ("dense_updates", Some(12.0)),
                ("effective_ops", Some(36.0)),
                ("dense_ops", Some(48.0)),
                ("effective_ops_per_sample", Some(18.0)),
                ("dense_ops_per_sample", Some(24.0)),
                ("membrane_updates", Some(4.5)),
                ("sparsity", Some(0.25)),
                ("saved_ops_per_sample", Some(6.0)),
                ("energy_per_sample", Some(18.0 * 0.9)),
                ("neurons", Some(20.0)),
                ("silent_neurons", Some(3.0)),
                ("always_active_neurons", Some(5.0)),
            ]
        );
    }

    #[test]
    fn without_samples_nothing_is_per_sample_but_the_exported_0() {
        let row = RowSums { samples: 0, energy_per_op: Some("1pJ".parse().expect("an energy")), ..ROW };
        for figure in FIGURES {
            assert_eq!(figure.value(&row).is_none(), figure.per_sample, "{}", figure.name);
            assert!(figure.number(&row).is_some(), "{}", figure.name);
        }
        assert_eq!(Figure::EFFECTIVE_PER_SAMPLE.number(&row), Some(Number::Real(0.0)));
    }

    #[test]
    fn an_energy_beyond_all_numbers_has_no_value_in_any_format() {
        let row = RowSums { energy_per_op: Some("1e308pJ".parse().expect("an energy")), ..ROW };
        let energy = Figure::named("energy_per_sample").expect("a figure");
        assert_eq!(energy.number(&row), None);
    }

    #[test]
    fn what_needs_a_price_or_an_energy_has_no_value_without() {
        let unpriced = RowSums { operations: None, ..ROW };
        for figure in FIGURES {
            let needs_none = matches!(figure.basis, Basis::Updates | Basis::Neurons);
            assert_eq!(figure.value(&unpriced).is_some(), needs_none, "{}", figure.name);
            assert_eq!(figure.value(&ROW).is_some(), figure.basis != Basis::Energy, "{}", figure.name);
            assert_eq!(figure.applies_to(&ROW), figure.basis != Basis::Energy, "{}", figure.name);
        }
    }
}
