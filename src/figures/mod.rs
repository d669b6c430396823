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
mod escape_markdown;
mod export;
mod figure;
mod format;
mod json;
mod rank_figures;
mod read;
mod replace_file;
mod row;
mod summary;
mod summary_tables;
mod table_style;
mod tables;
mod why_incomplete;

pub use agreement::{Agreement, NeuroBenchFigures};
pub use change::{Change, Direction};
pub use compared_run::{ComparedRow, ComparedRows, ComparedRun, LayerKind, Values};
pub use comparison::{
    Against, COMPARISON_SCHEMA, Changes, Compared, Comparison, FigureChanges, PartChanges, PresentIn,
};
pub use export::Export;
pub use figure::{Basis, Better, FIGURES, Figure, FigureUnit, Number, ShownIn};
pub use format::{Format, Report};
pub use rank_figures::{RankFigures, longest_silence, silent_ranks};
pub use read::read_figures;
pub use replace_file::{check as check_place, replace};
pub use row::{RowSums, sparsity};
pub use summary::{
    ClassFigures, Failure, LayerFigures, LayersWithin, ProblemFigures, SCHEMA, Summary, TotalFigures,
};

use summary::SUMMARIES_SCHEMA;
