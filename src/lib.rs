//! neurotop: the neuron operations of a running spiking-network benchmark, live and exact.
//!
//! Data go one way: [`storage`] (where the bytes are) → [`snapshot`] (one batch on disk) → [`count`] (what it adds) →
//! [`follow`] (which batches there are) → [`run`] (what they add up to) → [`figures`] (what can be said of the sums, in
//! every format) → [`publish`], [`dashboard`] and [`command`]. Nobody downstream can hold counting up. A module uses
//! those before it and none behind it; see docs/architecture.md.
//!
//! The library serves the command of the same name; its interface may change with any version.

pub mod command;
pub mod count;
pub mod dashboard;
pub mod doctor;
pub mod figures;
pub mod follow;
pub mod options;
pub mod platform;
pub mod publish;
pub mod run;
pub mod snapshot;
pub mod storage;
pub mod text;
