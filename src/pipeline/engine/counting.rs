//! Has batches counted, and takes what comes of it.

use super::Engine;
use crate::fault;
use crate::follow::{Outcome, Verdict};
use crate::pipeline::layer_sets::LayerSets;
use crate::pipeline::worker::{Counted, Task};
use crate::pipeline::{Problem, Severity, Update};
use crate::snapshot::{BatchName, LayerShape, SnapshotError};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Instant;

impl Engine {
    /// Gives the workers what is ready, a little more than they can have in hand.
    pub(super) fn dispatch(&mut self) {
        let past_finish = self.finish_by.is_some_and(|deadline| Instant::now() >= deadline);
        if self.refused || past_finish {
            return;
        }
        let room = self.workers.room();
        for job in self.ledger.take_ready(room) {
            let (directory, manifest) = (Arc::clone(&self.directory), self.manifest.clone());
            self.workers.give(Task { epoch: self.epoch, job, directory, manifest });
        }
    }

    pub(super) fn settle(&mut self, counted: Counted) {
        fault::point("pipeline");
        self.workers.took_back();
        if counted.epoch != self.epoch {
            return;
        }
        let Counted { job, after, result, .. } = counted;
        let (name, id, identity) = (job.name.clone(), job.id, job.identity);
        let Some(parsed) = BatchName::parse(&name) else { return };
        let (shapes, added) = match result {
            Ok(read) => (self.still_valid(parsed, &read.count.shapes), Some(read)),
            Err(error) => (Err(error), None),
        };
        let verdict = self.ledger.settle(&Outcome { job, after, result: shapes }, Instant::now());
        match (verdict, added) {
            (Verdict::Add { replaces }, Some(mut read)) => {
                let replaces = if replaces { self.recent.take(id) } else { None };
                if let Some(shared) = self.ledger.shapes_of(parsed) {
                    read.count.shapes = shared;
                }
                self.recent.keep(id, &read.count);
                if self.keeps() {
                    self.checkpoints.add((parsed, identity));
                } else {
                    self.acknowledgement.add(id);
                }
                self.pending.push(Update::Solved(name.clone()));
                for remark in &read.remarks {
                    self.note_remark(parsed, remark);
                }
                self.note_layers(parsed, &read.count.shapes, replaces.is_some());
                self.pending.push(Update::Counted {
                    number: id.number,
                    rank: id.rank,
                    name,
                    modified: identity.modified,
                    bytes: identity.size,
                    replaces,
                    count: read.count,
                });
            }
            (Verdict::SetAside(problem), _) => self.problem(name, problem),
            (Verdict::Add { .. } | Verdict::Wait, _) => {}
        }
    }

    /// The manifest may have changed while a batch was read that was checked against the one before; and a batch
    /// cannot be counted again unless its first count can be taken out.
    pub(super) fn still_valid(
        &self,
        name: BatchName,
        shapes: &Arc<[LayerShape]>,
    ) -> Result<Arc<[LayerShape]>, SnapshotError> {
        if let Some(manifest) = &self.manifest {
            manifest.check(shapes)?;
        }
        if self.restored_as(name).is_some() {
            return Err(SnapshotError::new(
                "it changed after it was counted, too long ago to count it again",
                "start the tally over",
            ));
        }
        Ok(Arc::clone(shapes))
    }

    /// Says it once what batches have in common that count all the same, of the first such batch by name: the
    /// order in which they are counted must not matter.
    fn note_remark(&mut self, batch: BatchName, remark: &SnapshotError) {
        match self.known_remarks.entry(remark.to_string()) {
            Entry::Vacant(first) => {
                first.insert(batch);
            }
            Entry::Occupied(first) if *first.get() < batch => return,
            Entry::Occupied(mut first) => {
                let later = first.insert(batch);
                self.pending.push(Update::NoticeGone(notice_of(later, remark)));
            }
        }
        self.notice(batch.to_string(), remark.clone());
    }

    /// Notes which layers a batch has.
    fn note_layers(&mut self, batch: BatchName, shapes: &[LayerShape], is_again: bool) {
        match &mut self.layer_sets {
            Some(sets) => sets.add(batch, shapes),
            None => self.layer_sets = Some(self.all_layer_sets()),
        }
        if is_again {
            self.look_at_layers_again();
        }
        self.tell_layer_sets();
    }

    /// Looks at the layers of all counted batches again, after some were taken out, where that can matter.
    pub(super) fn look_at_layers_again(&mut self) {
        if self.layer_sets.as_ref().is_some_and(|sets| sets.first().lacking.is_some()) {
            self.layer_sets = Some(self.all_layer_sets());
            self.tell_layer_sets();
        }
    }

    /// Tells which batches are the first with all layers and without some, where that has changed.
    fn tell_layer_sets(&mut self) {
        let first = self.layer_sets.as_ref().map(LayerSets::first).unwrap_or_default();
        if first != self.told_first {
            self.told_first = first;
            self.pending.push(Update::FirstBatches(first));
        }
    }

    /// Does the same for the batches that an earlier process has counted.
    pub(super) fn note_restored_layers(&mut self) {
        self.layer_sets = Some(self.all_layer_sets());
        self.tell_layer_sets();
    }

    fn all_layer_sets(&self) -> LayerSets {
        // Most batches share their shapes, and of these the first is enough.
        let mut firsts: HashMap<*const LayerShape, (BatchName, Arc<[LayerShape]>)> = HashMap::new();
        for (name, _) in self.ledger.counted().iter() {
            if let Some(shapes) = self.ledger.shapes_of(name) {
                let first = firsts.entry(shapes.as_ptr()).or_insert((name, shapes));
                first.0 = first.0.min(name);
            }
        }
        let mut sets = LayerSets::default();
        firsts.values().for_each(|(name, shapes)| sets.add(*name, shapes));
        sets
    }
}

/// What is noticed of a batch that counts.
fn notice_of(batch: BatchName, remark: &SnapshotError) -> Problem {
    Problem { path: batch.to_string(), reason: remark.to_string(), severity: Severity::Notice }
}
