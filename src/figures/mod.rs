//! What a researcher leaves with: the figures as JSON, CSV, Markdown or text, on the screen or in files, and
//! how they differ from those of other runs.

mod baseline;
mod change;
pub mod checks;
mod comparison;
pub mod condition;
mod csv;
mod draw;
mod export;
mod figure;
mod figures;
mod incomplete;
mod json;
mod markdown;
mod part;
mod place;
mod rank;
mod read;
mod several;
mod summary;
mod table;

pub use baseline::Baseline;
pub use change::{Change, Direction};
pub use comparison::{
    Against, COMPARISON_SCHEMA, Changes, Compared, ComparedRun, Comparison, FigureChanges, PartChanges,
    Presence,
};
pub use export::{Colours, Export, Format, Report};
pub use figure::Figure;
pub use figures::{Figures, Kind, Part};
pub use place::{check as check_place, replace};
pub use rank::{RankFigures, longest_silence, silent_ranks};
pub use read::read_figures;
pub use several::Summaries;
pub use summary::{
    AccountFigures, Agreement, ClassFigures, Failure, LayerFigures, NeuroBenchFigures, ProblemFigures,
    SCHEMA, Summary, Sums, TotalFigures, sparsity,
};

use draw::Style;
