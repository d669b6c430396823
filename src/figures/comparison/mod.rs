//! The comparison of runs: what each figure is in one and in the other, and how far it is from it.

mod csv;
mod table;

pub(super) use table::against;

use super::export::{Colours, Format, Report};
use super::summary::{Failure, Tool};
use super::{Baseline, Change, Figure, Figures, Kind, Part, Style, json};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// The schema of the JSON form.
pub const COMPARISON_SCHEMA: &str = "neurotop.comparison/1";

/// A run with which others are compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// [`COMPARISON_SCHEMA`].
    pub schema: &'static str,
    /// What made it.
    pub tool: Tool,
    /// The run that the others are compared with.
    pub base: ComparedRun,
    /// The others, each with its changes.
    pub comparisons: Vec<Compared>,
    /// The conditions that hold, or that cannot be decided; `None` where none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Vec<Failure>>,
}

/// A run in a comparison, and whether its figures are whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedRun {
    /// Its directory or the file of its summary, as the user named it.
    pub source: String,
    /// Its name.
    pub name: String,
    /// Samples counted.
    pub samples: u128,
    /// Batches counted.
    pub batches: u64,
    /// Whether it is over, nothing waits and nothing was set aside.
    pub complete: bool,
    /// Batches that were seen and are not counted yet.
    pub waiting: u64,
    /// What was set aside: file and reason.
    pub set_aside: Vec<String>,
    /// What else there is to know of it: file and what it is.
    pub notices: Vec<String>,
}

/// A run beside the base.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// The run.
    pub new: ComparedRun,
    /// How its figures differ from the base's.
    pub changes: Changes,
}

/// A baseline beside the run of a summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Against {
    /// The baseline.
    #[serde(flatten)]
    pub base: ComparedRun,
    /// How the figures of the summary differ from its.
    pub changes: Changes,
}

/// The changes from a base to a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changes {
    /// In total.
    pub total: FigureChanges,
    /// By the neuron's class: the base's classes, then the added ones.
    pub neurons: Vec<PartChanges>,
    /// By layer: the base's layers, then the added ones.
    pub layers: Vec<PartChanges>,
    /// What makes the figures hard to compare: layers of another neuron or price, or without one.
    pub notes: Vec<String>,
}

/// A layer or neuron class that is in both runs, or in one of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartChanges {
    /// Its name.
    pub name: String,
    /// Which of the runs have it.
    pub presence: Presence,
    /// Its figures.
    #[serde(flatten)]
    pub figures: FigureChanges,
}

/// Which of two runs have a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// Both.
    Both,
    /// The new one only.
    Added,
    /// The base only.
    Removed,
}

impl Presence {
    /// `both`, `added` or `removed`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// The changes of the figures that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FigureChanges {
    /// Of effective operations per sample.
    pub effective_ops_per_sample: Change,
    /// Of dense operations per sample.
    pub dense_ops_per_sample: Change,
    /// Of membrane updates per sample.
    pub membrane_updates: Change,
    /// Of sparsity.
    pub sparsity: Change,
}

impl FigureChanges {
    /// The changes between two parts, where there are both.
    pub fn between(base: Option<&Part>, new: Option<&Part>) -> Self {
        let [effective_ops_per_sample, dense_ops_per_sample, membrane_updates, sparsity] =
            Figure::COMPARED.map(|figure| Change::between(figure, base, new));
        Self { effective_ops_per_sample, dense_ops_per_sample, membrane_updates, sparsity }
    }

    /// The changes in the order of [`Figure::COMPARED`].
    pub fn each(&self) -> [Change; 4] {
        [self.effective_ops_per_sample, self.dense_ops_per_sample, self.membrane_updates, self.sparsity]
    }
}

impl Comparison {
    /// Compares runs, each with where it comes from, with a base.
    pub fn of(base: &Baseline, others: &[(String, Figures)]) -> Self {
        let compared = |(source, new): &(String, Figures)| Compared {
            new: ComparedRun::of(source, new),
            changes: Changes::between(base, new),
        };
        Self {
            schema: COMPARISON_SCHEMA,
            tool: Tool::this(),
            base: ComparedRun::of(base.source(), base.figures()),
            comparisons: others.iter().map(compared).collect(),
            failed: None,
        }
    }

    /// All the runs: the base, then the others.
    pub fn runs(&self) -> impl Iterator<Item = &ComparedRun> {
        std::iter::once(&self.base).chain(self.comparisons.iter().map(|compared| &compared.new))
    }
}

impl ComparedRun {
    /// Whether something that was seen is not in its figures.
    pub fn leaves_out(&self) -> bool {
        self.waiting > 0 || !self.set_aside.is_empty()
    }

    fn of(source: &str, figures: &Figures) -> Self {
        Self {
            source: source.to_owned(),
            name: figures.name.clone(),
            samples: figures.samples,
            batches: figures.batches,
            complete: figures.complete,
            waiting: figures.waiting,
            set_aside: figures.set_aside.clone(),
            notices: figures.notices.clone(),
        }
    }
}

impl Against {
    /// Compares a run with its baseline.
    pub fn of(base: &Baseline, new: &Figures) -> Self {
        Self { base: ComparedRun::of(base.source(), base.figures()), changes: Changes::between(base, new) }
    }
}

impl Changes {
    /// The changes from a base to a run; layers and classes are matched by their names.
    pub fn between(base: &Baseline, new: &Figures) -> Self {
        Self {
            total: FigureChanges::between(Some(base.total()), Some(&new.total)),
            neurons: parts(&base.figures().neurons, &new.neurons),
            layers: parts(&base.figures().layers, &new.layers),
            notes: notes(base, new),
        }
    }
}

fn parts(base: &[Part], new: &[Part]) -> Vec<PartChanges> {
    let in_new: HashMap<&str, &Part> = new.iter().map(|part| (part.name.as_str(), part)).collect();
    let in_base: HashSet<&str> = base.iter().map(|part| part.name.as_str()).collect();
    let kept = base.iter().map(|part| {
        let other = in_new.get(part.name.as_str()).copied();
        let presence = if other.is_some() { Presence::Both } else { Presence::Removed };
        PartChanges { name: part.name.clone(), presence, figures: FigureChanges::between(Some(part), other) }
    });
    let added = new.iter().filter(|part| !in_base.contains(part.name.as_str())).map(|part| PartChanges {
        name: part.name.clone(),
        presence: Presence::Added,
        figures: FigureChanges::between(None, Some(part)),
    });
    kept.chain(added).collect()
}

/// Where the layers of two runs are not of the same kind, so that their operations are not, either.
fn notes(base: &Baseline, new: &Figures) -> Vec<String> {
    let differing = new.layers.iter().filter_map(|layer| {
        let (old, kind) = (base.layer(&layer.name)?.kind.as_ref()?, layer.kind.as_ref()?);
        (old != kind).then(|| format!("{} was {}, and is {} now", layer.name, said(old), said(kind)))
    });
    let unpriced =
        [(base.figures(), "the base"), (new, "the new run")].into_iter().filter_map(|(run, which)| {
            let (unpriced, of) = (run.unpriced_layers(), run.layers.len());
            (unpriced > 0).then(|| {
                format!(
                    "{unpriced} of the {of} layers of {which} are unpriced and left out of its operations"
                )
            })
        });
    differing.chain(unpriced).collect()
}

/// A layer's neuron, reset mechanism and price: `Leaky:zero at 4`.
fn said(kind: &Kind) -> String {
    let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".into());
    let price = kind.ops_per_update.map_or("unpriced".into(), |ops| format!("at {ops}"));
    format!("{}:{} {price}", or_unknown(&kind.neuron), or_unknown(&kind.reset))
}

impl Report for Comparison {
    fn render(&self, format: Format, colours: Colours) -> anyhow::Result<String> {
        match format {
            Format::Text => Ok(table::table(self, colours.style())),
            Format::Json => json::json(self),
            Format::Csv => csv::csv(self),
            Format::Md => Ok(table::table(self, Style::Markdown)),
        }
    }
}
