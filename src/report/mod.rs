//! What a researcher leaves with: the figures as JSON, CSV, Markdown or text, on the screen or in files.

mod csv;
mod export;
mod json;
mod several;
mod summary;
mod table;

pub use export::{Export, Format};
pub use several::render;
pub use summary::{
    Agreement, ClassFigures, LayerFigures, NeuroBenchFigures, ProblemFigures, SCHEMA, Summary, Sums,
    TotalFigures, sparsity,
};
pub use table::{Style, table};
