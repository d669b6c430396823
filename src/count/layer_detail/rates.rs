//! The sink that counts the membrane updates of each neuron.

use super::go_on;
use crate::count::{Crcs, Sink, add_bytes};
use crate::snapshot::{BatchLayer, Dtype, MemoryOrder, SnapshotError};
use ndarray::{ArrayD, ShapeBuilder};
use std::sync::atomic::AtomicBool;

/// In C order, at least this many neighbouring elements have counters of their own, even if there are fewer neurons.
const MIN_PERIOD: u64 = 256;

/// The changed elements of each neuron of a layer, except in the first step.
pub(super) struct RateCounter<'a> {
    shape: &'a [u64],
    steps: u64,
    samples: u64,
    /// Elements per step.
    step: u64,
    neurons: u64,
    /// The memory order of the elements so far.
    order: MemoryOrder,
    /// In C order: the changes of each place in a period, which is a multiple of the neurons. In Fortran order: the
    /// changes of each neuron, in that order.
    counters: Vec<u64>,
    cancel: &'a AtomicBool,
}

impl<'a> RateCounter<'a> {
    pub(super) fn new(layer: &'a BatchLayer, neurons: u64, cancel: &'a AtomicBool) -> Self {
        let period = if neurons == 0 { 0 } else { MIN_PERIOD.max(neurons).next_multiple_of(neurons) };
        Self {
            shape: &layer.shape[2..],
            steps: layer.steps(),
            samples: layer.shape[1],
            step: layer.step_elements(),
            neurons,
            order: MemoryOrder::C,
            counters: vec![0; period as usize],
            cancel,
        }
    }

    /// The changes of each neuron, in C order.
    pub(super) fn finish(mut self) -> Vec<u64> {
        let neurons = self.neurons as usize;
        for place in neurons..self.counters.len() {
            self.counters[place % neurons] += self.counters[place];
        }
        self.counters.truncate(neurons);
        let shape: Vec<usize> = self.shape.iter().map(|&axis| axis as usize).collect();
        let shape = shape.set_f(self.order == MemoryOrder::Fortran);
        // An array is walked in C order, whatever its memory order. Without neurons, its other axes may be too long.
        ArrayD::from_shape_vec(shape, self.counters).into_iter().flatten().collect()
    }

    fn in_c_order(&mut self, at: u64, dtype: Dtype, pre: &[u8], post: &[u8]) {
        let size = dtype.size;
        let end = at + (post.len() / size) as u64;
        let mut next = at.max(self.step);
        while next < end {
            let place = (next % self.counters.len() as u64) as usize;
            let counters = &mut self.counters[place..];
            let run = (counters.len() as u64).min(end - next);
            let bytes = (next - at) as usize * size..(next - at + run) as usize * size;
            dtype.add_changed(&pre[bytes.clone()], &post[bytes], 1, counters);
            next += run;
        }
    }

    /// All steps of one neuron and sample are adjacent, the first one first.
    fn in_fortran_order(&mut self, at: u64, dtype: Dtype, pre: &[u8], post: &[u8]) {
        let size = dtype.size;
        let end = at + (post.len() / size) as u64;
        let mut next = at;
        while next < end {
            let step = next % self.steps;
            let first = next + u64::from(step == 0);
            let last = end.min(next - step + self.steps);
            if first < last {
                let bytes = (first - at) as usize * size..(last - at) as usize * size;
                let neuron = (next / self.steps / self.samples) as usize;
                self.counters[neuron] += dtype.changed(&pre[bytes.clone()], &post[bytes]);
            }
            next = last;
        }
    }
}

impl Sink for RateCounter<'_> {
    fn potentials(
        &mut self,
        order: MemoryOrder,
        at: u64,
        dtype: Dtype,
        pre: &[u8],
        post: &[u8],
        crcs: &mut Crcs<'_>,
    ) {
        add_bytes(crcs, pre, post);
        self.order = order;
        match order {
            MemoryOrder::C => self.in_c_order(at, dtype, pre, post),
            MemoryOrder::Fortran => self.in_fortran_order(at, dtype, pre, post),
        }
    }

    fn bits(&mut self, at: u64, block: &[u8], bits: u64) {
        let period = self.counters.len();
        let mut place = (at % period as u64) as usize;
        let bits = block.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).zip(0..bits);
        for (bit, _) in bits {
            self.counters[place] += u64::from(bit);
            place = if place + 1 == period { 0 } else { place + 1 };
        }
    }

    fn go_on(&self) -> Result<(), SnapshotError> {
        go_on(self.cancel)
    }
}
