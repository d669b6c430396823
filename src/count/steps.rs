//! The sink that counts membrane updates by time step.

use super::activity::ActivityCounter;
use super::kernel::{mark_bits, set_bits};
use super::stream::{Crcs, Sink, add_bytes};
use super::{LayerCount, MAX_BATCH_STEPS, MAX_LAYER_STEPS};
use crate::snapshot::{BatchLayer, Dtype, MemoryOrder};
use std::ops::Range;

/// In Fortran order, at least this many neighbouring elements have counters of their own, even if there are fewer
/// steps.
const MIN_PERIOD: u64 = 256;

/// Bytes of packed bits that are counted, and then marked.
const BITS_TOGETHER: usize = 16 << 10;

/// How many steps of a layer are counted individually in a batch of `layers` layers. A file that only declares many
/// steps must not take memory for them.
fn kept_steps(layer: &BatchLayer, layers: usize) -> usize {
    if layer.elements == 0 {
        return 0;
    }
    let share = (MAX_BATCH_STEPS / layers.max(1)).max(1);
    usize::try_from(layer.steps()).unwrap_or(usize::MAX).min(MAX_LAYER_STEPS).min(share)
}

pub(super) struct StepCounter {
    /// Elements per step.
    step: u64,
    steps: u64,
    /// Steps that are counted individually.
    kept: usize,
    /// In C order: the changes of each kept step. In Fortran order: the changes of each place in a period that
    /// belongs to a kept step.
    counters: Vec<u64>,
    /// In Fortran order: the number of elements after which the steps repeat.
    period: u64,
    /// The changes in the steps that are not kept.
    later: u64,
    activity: ActivityCounter,
}

impl StepCounter {
    /// Of a layer in a batch of so many layers. `is_tracked` says whether to find out which neurons are active.
    pub(super) fn new(layer: &BatchLayer, layers: usize, is_tracked: bool) -> Self {
        let (steps, kept) = (layer.steps(), kept_steps(layer, layers));
        Self {
            step: layer.step_elements(),
            steps,
            kept,
            counters: vec![0; kept],
            period: steps,
            later: 0,
            activity: ActivityCounter::new(layer, is_tracked),
        }
    }

    /// Adds the count of another range of the same layer.
    pub(super) fn add(&mut self, mut other: Self) {
        self.fold();
        other.fold();
        for (counter, more) in self.counters.iter_mut().zip(other.counters) {
            *counter += more;
        }
        self.later += other.later;
        self.activity.add(other.activity);
    }

    /// Reduces a long period to one period of the steps.
    fn fold(&mut self) {
        for place in self.kept..self.counters.len() {
            self.counters[place % self.kept] += self.counters[place];
        }
        self.counters.truncate(self.kept);
        self.period = self.steps;
    }

    /// The counts. All elements of the first step count, whatever they were compared with.
    pub(super) fn finish(mut self, elements: u64) -> LayerCount {
        self.fold();
        if let Some(first) = self.counters.first_mut() {
            *first = self.step;
        }
        LayerCount {
            updates: self.counters.iter().sum::<u64>() + self.later,
            dense: elements,
            updates_by_step: self.counters,
            activity: self.activity.finish(),
        }
    }

    /// Cuts the elements from `at` to `end` in C order at the steps. Calls `add` with a range relative to `at`, the
    /// number of elements per counter, the counters, and the activity with the first element's place in it.
    fn in_c_order(
        &mut self,
        at: u64,
        end: u64,
        mut add: impl FnMut(Range<u64>, u64, &mut [u64], (&mut ActivityCounter, u64)),
    ) {
        let mut next = at.max(self.step).min(end);
        let first_later = (self.kept as u64).saturating_mul(self.step).min(end);
        while next < first_later {
            // A block may begin within a step; the rest of it is whole steps.
            let (step, within) = (next / self.step, next % self.step);
            let piece_end =
                if within == 0 { first_later } else { first_later.min(next - within + self.step) };
            let activity = (&mut self.activity, next - self.step);
            add(next - at..piece_end - at, self.step, &mut self.counters[step as usize..], activity);
            next = piece_end;
        }
        if next < end {
            let activity = (&mut self.activity, next - self.step);
            add(next - at..end - at, u64::MAX, std::slice::from_mut(&mut self.later), activity);
        }
    }

    fn count_bits(&mut self, at: u64, block: &[u8], bits: u64) {
        self.in_c_order(at, at + bits, |piece, run, counters, _| {
            let starts = std::iter::successors(Some(piece.start), |start| start.checked_add(run));
            for (start, counter) in starts.take_while(|&start| start < piece.end).zip(counters) {
                *counter += set_bits(block, start..piece.end.min(start.saturating_add(run)));
            }
        });
    }

    /// Repeats a short run of steps to a longer period, since short loops are slow.
    fn lay_out_period(&mut self) {
        if self.kept as u64 == self.steps && self.period < MIN_PERIOD {
            self.period = MIN_PERIOD.next_multiple_of(self.steps);
            self.counters.resize(self.period as usize, 0);
        }
    }

    fn in_fortran_order(&mut self, at: u64, dtype: Dtype, pre: &[u8], post: &[u8]) {
        self.lay_out_period();
        self.activity.give_up();
        let size = dtype.size;
        let end = at + (post.len() / size) as u64;
        let mut next = at;
        while next < end {
            let place = next % self.period;
            let kept = self.counters.get_mut(usize::try_from(place).unwrap_or(usize::MAX)..);
            let kept = kept.filter(|kept| !kept.is_empty());
            let run = kept.as_ref().map_or(self.period - place, |kept| kept.len() as u64).min(end - next);
            let bytes = (next - at) as usize * size..(next - at + run) as usize * size;
            let (pre, post) = (&pre[bytes.clone()], &post[bytes]);
            match kept {
                Some(kept) => dtype.add_changed(pre, post, 1, kept),
                None => self.later += dtype.changed(pre, post),
            }
            next += run;
        }
    }
}

impl Sink for StepCounter {
    fn potentials(
        &mut self,
        order: MemoryOrder,
        at: u64,
        dtype: Dtype,
        pre: &[u8],
        post: &[u8],
        crcs: &mut Crcs<'_>,
    ) {
        if order == MemoryOrder::Fortran {
            add_bytes(crcs, pre, post);
            self.in_fortran_order(at, dtype, pre, post);
            return;
        }
        let size = dtype.size;
        let mut summed = 0;
        self.in_c_order(at, at + (post.len() / size) as u64, |piece, run, counters, (activity, later)| {
            let (start, end) = (piece.start as usize * size, piece.end as usize * size);
            add_bytes(crcs, &pre[summed..end], &post[summed..end]);
            let run = usize::try_from(run).unwrap_or(usize::MAX);
            let marks = activity.seen_at(later);
            dtype.add_and_mark(&pre[start..end], &post[start..end], run, counters, marks);
            summed = end;
        });
        add_bytes(crcs, &pre[summed..], &post[summed..]);
    }

    fn bits(&mut self, at: u64, block: &[u8], bits: u64) {
        let end = at + bits;
        // Counted and marked while they are in the cache that is nearest.
        let mut at = at;
        for piece in block[..bits.div_ceil(8) as usize].chunks(BITS_TOGETHER) {
            let in_piece = (piece.len() as u64 * 8).min(end - at);
            self.count_bits(at, piece, in_piece);
            if let Some(marks) = self.activity.seen_at(at - self.step) {
                mark_bits(marks, piece, in_piece as usize);
            }
            at += in_piece;
        }
    }
}
