//! neurotop: the neuron operations of a running spiking-network benchmark, live and exact.
//!
//! The way of a snapshot is one direction, with no way back: [`follow`] (directory → batches that are
//! ready) → [`snapshot`] (open, check) → [`count`] (changed elements) → [`tally`] (add, once) →
//! [`report`] (figures, exports) and [`dashboard`] (draw). [`run`] has the thread that owns all of it, one a run, and the
//! views that it publishes; nobody who reads those can hold it up. See docs/architecture.md.
//! [`portrait`] reads one layer of one batch again, when asked. [`storage`] is where the bytes of runs are.
//!
//! The library serves the command of the same name; its interface may change with any version.

pub mod checks;
pub mod cli;
pub mod command;
pub mod condition;
pub mod config;
pub mod convergence;
pub mod cost;
pub mod count;
pub mod dashboard;
pub mod doctor;
pub mod fault;
pub mod follow;
pub mod history;
pub mod log;
pub mod nearest;
pub mod outlet;
pub mod pace;
pub mod pairs;
pub mod portrait;
pub mod problems;
pub mod publish;
pub mod ranks;
pub mod report;
pub mod run;
pub mod settings;
pub mod snapshot;
pub mod state;
pub mod storage;
pub mod tally;
pub mod text;
pub mod throughput;
