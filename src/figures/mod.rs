//! What a researcher leaves with. [`FIGURES`] is the table of what can be said of a run, a neuron class, a layer or a
//! rank; a [`Summary`] has the rows at one moment; comparisons and conditions read its values; each format is one file
//! and one row of the table in `format.rs`. Nothing here counts, follows or draws on a screen.

mod agreement;
mod change;
pub mod checks;
mod compared_run;
mod comparison;
mod comparison_tables;
pub mod condition;
mod csv;
mod difference;
mod document;
mod escape_markdown;
mod explanation;
mod export;
mod figure;
mod folding;
mod format;
mod html;
mod html_charts;
mod json;
pub mod problems;
mod provenance;
mod rank_figures;
mod read;
mod reopen;
mod replace_file;
mod row;
pub mod run_times;
mod summary;
mod table_style;
mod tables;
mod tex;
mod why_incomplete;

pub use agreement::{Agreement, NeuroBenchFigures};
pub use change::{Change, Direction};
pub use compared_run::{ComparedRow, ComparedRows, ComparedRun, LayerKind};
pub use comparison::{
    Against, COMPARISON_SCHEMA, Changes, Compared, Comparison, FigureChanges, PartChanges, PresentIn,
};
pub use difference::{Difference, Pairing};
pub use explanation::Explanation;
pub use export::Export;
pub use figure::{Basis, Better, FIGURES, Figure, FigureUnit, Number, ShownIn};
pub use format::{Format, Report};
pub use problems::ProblemFigures;
pub use provenance::{Provenance, note_inputs};
pub use rank_figures::{RankFigures, longest_silence, silent_ranks};
pub use read::read_figures;
pub use reopen::reopen;
pub use replace_file::{check as check_file, replace};
pub use row::{RowSums, sparsity};
pub use summary::{
    ClassFigures, Failure, LayerFigures, LayersWithin, RunFigures, SCHEMA, Summary, TotalFigures,
    directories_of, failures_of, run_prefixes, uncertainty_of_layers, uncertainty_of_total,
};

use summary::SUMMARIES_SCHEMA;
