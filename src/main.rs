//! Watches the snapshot directory of a spiking-network benchmark and shows its neuron operations live.
fn main() {}
