//! The process itself: its standard streams, and the faults that tests provoke in it.

pub mod fault;
pub mod streams;
