//! Has batches counted, and takes what comes of it.

use super::Engine;
use crate::fault;
use crate::follow::{Outcome, Verdict};
use crate::pipeline::Update;
use crate::pipeline::worker::{Counted, Task};
use crate::snapshot::{BatchName, LayerShape, SnapshotError};
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
                self.note_ignored(parsed, &read.ignored);
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

    /// Says it once where batches have members that are not read, of the first such batch by name: the order in
    /// which they are counted must not matter.
    pub(super) fn note_ignored(&mut self, batch: BatchName, ignored: &[String]) {
        if ignored.is_empty() {
            return;
        }
        let some: Vec<&str> = ignored.iter().take(5).map(String::as_str).collect();
        let error = SnapshotError::new(
            format!(
                "members that the format does not know are not read, here and later: {}",
                some.join(", ")
            ),
            "name potentials <layer>.post, <layer>.pre or <layer>.changed",
        );
        match self.known_ignored.entry(error.to_string()) {
            Entry::Vacant(first) => {
                first.insert(batch);
            }
            Entry::Occupied(first) if *first.get() < batch => return,
            Entry::Occupied(mut first) => {
                let later = first.insert(batch);
                self.pending.push(Update::NoticeGone(later.to_string()));
            }
        }
        self.notice(batch.to_string(), error);
    }
}
