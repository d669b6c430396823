//! The comparison of runs: each figure in the base and in a new run, and how far the two are apart.

use super::Change;
use super::compared_run::{ComparedRow, ComparedRows, ComparedRun, LayerKind};
use super::difference::Difference;
use super::figure::{Basis, Figure, ShownIn};
use super::problems::first_of_all;
use super::summary::Failure;
use crate::run::Tool;
use serde::{Serialize, Serializer};

/// The schema of the JSON form.
pub const COMPARISON_SCHEMA: &str = "neurotop.comparison/1";

/// A base, and the runs that are compared with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// [`COMPARISON_SCHEMA`].
    pub schema: &'static str,
    pub tool: Tool,
    pub base: ComparedRun,
    pub comparisons: Vec<Compared>,
    /// The conditions that hold or cannot be decided; `None` without any `--fail-if`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Vec<Failure>>,
}

/// A run and its changes from the base.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    pub new: ComparedRun,
    pub changes: Changes,
    /// Whether the changes in total are more than noise; none where too few batches are known.
    #[serde(serialize_with = "by_figure", skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

/// The baseline of a summary, and the changes from it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Against {
    #[serde(flatten)]
    pub base: ComparedRun,
    pub changes: Changes,
}

/// The changes from a base to a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changes {
    pub total: FigureChanges,
    /// With the layers whose price is measured, if either run has some. The total of a run without any is of all its
    /// layers with a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_measured: Option<FigureChanges>,
    /// The base's neuron classes, then the added ones.
    pub neurons: Vec<PartChanges>,
    /// The base's layers, then the added ones.
    pub layers: Vec<PartChanges>,
    /// Reasons why the figures are hard to compare, such as another neuron or price of a layer.
    pub notes: Vec<String>,
}

/// A layer or neuron class that is in both runs, or in one of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartChanges {
    pub name: String,
    pub presence: PresentIn,
    #[serde(flatten)]
    pub figures: FigureChanges,
}

/// Which of two runs have a layer or neuron class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PresentIn {
    Both,
    /// The new one only.
    Added,
    /// The base only.
    Removed,
}

impl PresentIn {
    pub fn word(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// The changes of the figures that are compared, in the order of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct FigureChanges(Vec<Change>);

impl FigureChanges {
    /// The changes of these figures between two rows.
    fn between(figures: &[&'static Figure], base: Option<&ComparedRow>, new: Option<&ComparedRow>) -> Self {
        Self(figures.iter().map(|figure| Change::between(figure, base, new)).collect())
    }

    pub(super) fn figures(&self) -> impl Iterator<Item = &'static Figure> {
        self.0.iter().map(|change| change.figure)
    }

    /// The change of a figure, without values if it is not compared.
    pub fn get(&self, figure: &'static Figure) -> Change {
        let known = self.0.iter().find(|change| change.figure == figure);
        known.copied().unwrap_or(Change { figure, base: None, new: None })
    }
}

/// The figures that are compared between two runs: the energy only if one of them has it.
fn compared_figures(base: &ComparedRows, new: &ComparedRows) -> Vec<&'static Figure> {
    let applies = |figure: &&Figure| figure.basis != Basis::Energy || base.has(figure) || new.has(figure);
    Figure::all_in(ShownIn::Comparison).filter(applies).collect()
}

impl Serialize for FigureChanges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|change| (change.figure.name, change)))
    }
}

impl Comparison {
    /// Compares runs with a base.
    pub fn new(base: &ComparedRun, others: &[ComparedRun]) -> Self {
        let compared = |new: &ComparedRun| Compared {
            new: new.clone(),
            changes: Changes::between(base, new),
            differences: Difference::between(base, new),
        };
        Self {
            schema: COMPARISON_SCHEMA,
            tool: Tool::this(),
            base: base.clone(),
            comparisons: others.iter().map(compared).collect(),
            failed: None,
        }
    }

    /// All the runs: the base, then the others.
    pub fn runs(&self) -> impl Iterator<Item = &ComparedRun> {
        std::iter::once(&self.base).chain(self.comparisons.iter().map(|compared| &compared.new))
    }

    /// The gravest of what is wrong with the runs: what was set aside, what else costs figures, the notices.
    pub fn problems(&self, where_all_are: &str) -> Vec<String> {
        let of = |what: &'static str, sentences: fn(&ComparedRun) -> &[String]| {
            let named =
                move |run: &ComparedRun, sentence: &String| format!("{}: {what}{sentence}", run.source);
            let of_run = move |run| sentences(run).iter().map(move |sentence| named(run, sentence));
            self.runs().flat_map(of_run).collect::<Vec<String>>()
        };
        let set_aside = of("set aside: ", |run| &run.set_aside);
        let sentences = [set_aside, of("", |run| &run.disagreements), of("", |run| &run.notices)].concat();
        let all = self.runs().map(|run| run.problems).fold(0, u64::saturating_add);
        first_of_all(sentences, all, where_all_are)
    }

    /// The conditions that hold or cannot be decided.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        self.failed.iter().flatten().map(Failure::to_string)
    }

    /// The figures that are compared in any of the runs, in the order of the table.
    pub(super) fn figures(&self) -> Vec<&'static Figure> {
        let is_compared = |figure: &&'static Figure| {
            self.comparisons
                .iter()
                .any(|compared| compared.changes.total.figures().any(|known| known == *figure))
        };
        Figure::all_in(ShownIn::Comparison).filter(is_compared).collect()
    }
}

fn by_figure<S: Serializer>(differences: &[Difference], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(differences.iter().map(|difference| (difference.figure.name, difference)))
}

impl Against {
    /// Compares a run with its baseline.
    pub fn new(base: &ComparedRun, new: &ComparedRun) -> Self {
        Self { base: base.clone(), changes: Changes::between(base, new) }
    }
}

impl Changes {
    /// The changes from a base to a run; layers and classes are matched by their names.
    pub fn between(base: &ComparedRun, new: &ComparedRun) -> Self {
        let (base, new) = (&base.rows, &new.rows);
        let figures = compared_figures(base, new);
        Self {
            total: FigureChanges::between(&figures, Some(&base.total), Some(&new.total)),
            total_measured: [base, new].iter().any(|run| run.total_measured.is_some()).then(|| {
                FigureChanges::between(&figures, Some(base.total_of_all()), Some(new.total_of_all()))
            }),
            neurons: matched(&figures, (&base.neurons, &new.neurons), |name| {
                (base.neuron(name), new.neuron(name))
            }),
            layers: matched(&figures, (&base.layers, &new.layers), |name| {
                (base.layer(name), new.layer(name))
            }),
            notes: notes(base, new),
        }
    }
}

/// The rows of a base, then those that only the new run has. `named` finds a name in both.
fn matched<'a>(
    figures: &[&'static Figure],
    (base, new): (&'a [ComparedRow], &'a [ComparedRow]),
    named: impl Fn(&str) -> (Option<&'a ComparedRow>, Option<&'a ComparedRow>),
) -> Vec<PartChanges> {
    let changes = |row: &ComparedRow| {
        let (base, new) = named(&row.name);
        let presence = match (base, new) {
            (_, None) => PresentIn::Removed,
            (None, _) => PresentIn::Added,
            _ => PresentIn::Both,
        };
        PartChanges { name: row.name.clone(), presence, figures: FigureChanges::between(figures, base, new) }
    };
    let added = new.iter().filter(|row| named(&row.name).0.is_none());
    base.iter().chain(added).map(changes).collect()
}

/// Layers that are not of the same kind in both runs, so that their operations cannot be compared, and layers without a
/// price.
fn notes(base: &ComparedRows, new: &ComparedRows) -> Vec<String> {
    let differing = new.layers.iter().filter_map(|layer| {
        let (old, kind) = (base.layer(&layer.name)?.kind.as_ref()?, layer.kind.as_ref()?);
        (old != kind)
            .then(|| format!("{} was {}, and is {} now", layer.name, kind_text(old), kind_text(kind)))
    });
    let runs = [(base, "the base"), (new, "the new run")];
    let unpriced = runs.into_iter().filter_map(|(run, which)| {
        let (unpriced, of) = (run.unpriced_layers(), run.layers.len());
        let are = if unpriced == 1 { "is" } else { "are" };
        (unpriced > 0).then(|| {
            format!("{unpriced} of the {of} layers of {which} {are} unpriced and left out of its operations")
        })
    });
    let measured = runs.into_iter().filter_map(|(run, which)| {
        let (measured, of) = (run.measured_layers(), run.layers.len());
        let (have, are) = if measured == 1 { ("has", "is") } else { ("have", "are") };
        (measured > 0).then(|| {
            format!(
                "{measured} of the {of} layers of {which} {have} a measured price, and {are} only in the total with \
                 measured prices"
            )
        })
    });
    differing.chain(unpriced).chain(measured).collect()
}

/// A layer's neuron, reset mechanism and price: `Leaky:zero at 4`.
fn kind_text(kind: &LayerKind) -> String {
    let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".into());
    let measured = if kind.is_measured() { " (measured)" } else { "" };
    let price = kind.ops_per_update.map_or("unpriced".into(), |ops| format!("at {ops}{measured}"));
    format!("{}:{} {price}", or_unknown(&kind.neuron), or_unknown(&kind.reset))
}
