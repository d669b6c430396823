//! Reads the snapshot directory of a spiking-network benchmark and counts its neuron operations.
pub mod cost;
pub mod count;
pub mod follow;
pub mod history;
pub mod pipeline;
pub mod snapshot;
pub mod tally;
