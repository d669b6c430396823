//! The process itself: its standard streams, and the faults that tests provoke in it. Nothing here knows what a run
//! is.

pub mod fault;
pub mod streams;
