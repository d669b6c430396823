//! Has batches counted, and takes what comes of it.

use super::Engine;
use crate::count::BatchCount;
use crate::fault;
use crate::follow::{Contents, Identity, Job, Outcome, Verdict};
use crate::pipeline::Update;
use crate::pipeline::share::Read;
use crate::pipeline::worker::{Counted, Task};
use crate::snapshot::{BatchName, LayerShape, SnapshotError};
use crate::tally::LayerPresence;
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
            self.workers.give(Task { epoch: self.epoch, job, directory, manifest, checks: self.checks });
        }
    }

    pub(super) fn settle(&mut self, counted: Counted) {
        fault::point("pipeline");
        self.workers.took_back();
        if counted.epoch != self.epoch {
            return;
        }
        let Counted { job, after, result, checks, .. } = counted;
        let Some(name) = BatchName::parse(&job.name) else { return };
        if result.is_err() && checks != self.checks {
            // What it was checked against was corrected meanwhile.
            return self.ledger.read_again(&job);
        }
        let (contents, read) = match result {
            Ok(read) => (self.still_valid(&job, &read), Some(read)),
            Err(error) => (Err(error), None),
        };
        let before = self.ledger.shapes_of(name);
        let identity = job.identity;
        let verdict = self.ledger.settle(&Outcome { job, after, result: contents }, Instant::now());
        match (verdict, read) {
            (Verdict::Add { replaces }, Some(read)) => {
                let replaces = if replaces { self.recent.take(name.id()) } else { None };
                self.add(name, identity, replaces, read);
                self.correct_layers(before, name);
            }
            (Verdict::Same, Some(_)) => {
                self.note_safe_to_keep(name, identity);
                self.pending.push(Update::Solved(name.to_string()));
            }
            (Verdict::SetAside(problem), _) => self.problem(name.to_string(), problem),
            (Verdict::Add { .. } | Verdict::Same | Verdict::Wait, _) => {}
        }
    }

    fn add(&mut self, name: BatchName, identity: Identity, replaces: Option<BatchCount>, mut read: Read) {
        let shared = self.ledger.shapes_of(name);
        let is_shared = shared.is_some();
        if let Some(shared) = shared {
            read.count.shapes = shared;
        }
        self.recent.keep(name.id(), &read.count, is_shared);
        self.note_safe_to_keep(name, identity);
        self.pending.push(Update::Solved(name.to_string()));
        self.note_ignored(name, &read.ignored);
        self.pending.push(Update::Counted {
            id: name.id(),
            name: name.to_string(),
            modified: identity.modified,
            bytes: identity.size,
            replaces,
            count: read.count,
            digest: read.digest,
        });
    }

    /// Has a batch acknowledged that is in the figures in this state: once that is on disk, where it is kept.
    pub(super) fn note_safe_to_keep(&mut self, name: BatchName, identity: Identity) {
        if self.keeps() {
            self.checkpoints.add((name, identity));
        } else {
            self.acknowledgement.add(name.id());
        }
    }

    /// Says anew what the batches that are in the figures say of the layers that a batch had before, unless it has
    /// them still: they may be in no batch any more, or begin later, or have another shape.
    pub(super) fn correct_layers(&mut self, before: Option<Arc<[LayerShape]>>, name: BatchName) {
        let Some(before) = before.filter(|before| self.ledger.shapes_of(name).as_ref() != Some(before))
        else {
            return;
        };
        let names = before.iter().map(|layer| layer.name.as_str());
        if let Some(layers) = LayerPresence::of_layers(names, self.ledger.counted_shapes()) {
            self.pending.push(Update::Layers(layers));
        }
    }

    /// The manifest may have changed while a batch was read that was checked against the one before; and a batch
    /// cannot be counted again unless its first count can be taken out.
    fn still_valid(&self, job: &Job, read: &Read) -> Result<Contents, SnapshotError> {
        if let Some(manifest) = &self.manifest {
            manifest.check(&read.count.shapes)?;
        }
        let contents = Contents { shapes: Arc::clone(&read.count.shapes), digest: read.digest };
        if self.ledger.would_replace(job, &contents) && !self.recent.has(job.id) {
            return Err(SnapshotError::new(
                "it changed after it was counted, too long ago to count it again",
                "start the tally over",
            ));
        }
        Ok(contents)
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
