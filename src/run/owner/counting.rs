//! Has batches counted, and takes the results.

use super::Owner;
use super::layer_sets::LayerSets;
use crate::count::BatchCount;
use crate::follow::{CountedContents, Identity, Job, Outcome, Verdict};
use crate::platform::fault;
use crate::run::Addition;
use crate::run::log;
use crate::run::split::Read;
use crate::run::tally::layers_in;
use crate::run::worker::{Counted, Task};
use crate::snapshot::{BatchName, LayerShape, SnapshotError};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

impl Owner {
    /// Gives the workers batches that are ready, a little more than they can have in hand.
    pub(super) fn dispatch(&mut self) {
        let past_finish = self.finish_by.is_some_and(|deadline| Instant::now() >= deadline);
        if self.epoch.run.refused().is_some() || past_finish {
            return;
        }
        let room = self.workers.room();
        for job in self.epoch.ledger.take_ready(room) {
            let (directory, manifest) = (Arc::clone(&self.directory), self.epoch.run.shared_manifest());
            self.workers.give(Task {
                epoch: self.epoch.number(),
                job,
                directory,
                manifest,
                checks: self.checks,
            });
        }
    }

    pub(super) fn settle(&mut self, counted: Counted) {
        fault::point("run");
        self.workers.took_back();
        let Counted { task: Task { epoch, job, checks, .. }, after, result } = counted;
        if epoch != self.epoch.number() {
            return;
        }
        let name = job.name;
        if result.is_err() && checks != self.checks {
            // The manifest that it was checked against has changed since.
            return self.epoch.ledger.read_again(&job);
        }
        let (contents, read) = match result {
            Ok(read) => (self.still_valid(&job, &read), Some(read)),
            Err(error) => (Err(error), None),
        };
        let before = self.epoch.ledger.shapes_of(name);
        let identity = job.identity;
        let verdict = self
            .epoch
            .ledger
            .settle(&Outcome { job, after, result: contents, is_whole: read.is_some() }, Instant::now());
        match (verdict, read) {
            (Verdict::Add { replaces }, Some(read)) => {
                let replaces = if replaces { self.epoch.recent.take(name.id()) } else { None };
                self.add(name, identity, replaces, read);
                self.correct_layers(before, name);
            }
            (Verdict::Same, Some(read)) => {
                self.note_safe_to_keep(name, identity);
                self.change().solve(&name.to_string());
                self.change().sums.tally.doubt_activity(&read.count);
            }
            (Verdict::SetAside(problem), _) => self.problem(name.to_string(), problem),
            (Verdict::Add { .. } | Verdict::Same | Verdict::Wait, _) => {}
        }
    }

    fn add(&mut self, name: BatchName, identity: Identity, replaces: Option<BatchCount>, mut read: Read) {
        let shared = self.epoch.ledger.shapes_of(name);
        let is_shared = shared.is_some();
        if let Some(shared) = shared {
            read.count.shapes = shared;
        }
        self.epoch.recent.keep(name.id(), &read.count, is_shared);
        self.note_safe_to_keep(name, identity);
        self.change().solve(&name.to_string());
        for remark in &read.remarks {
            self.change().add_remark(name, remark.to_string());
        }
        self.note_layers(name, &read.count.shapes, replaces.is_some());
        let batch = Addition {
            id: name.id(),
            name: name.to_string(),
            modified: identity.modified,
            bytes: identity.size,
            replaces,
            count: read.count,
            digest: read.digest,
        };
        log::counted(&batch);
        self.change().add(batch, SystemTime::now());
        self.note_point();
    }

    /// Has a counted batch acknowledged: once it is on disk, if progress is kept.
    pub(super) fn note_safe_to_keep(&mut self, name: BatchName, identity: Identity) {
        if self.keeps() {
            self.epoch.checkpoints.add((name, identity));
        } else {
            self.epoch.acknowledgement.add(name.id());
        }
    }

    /// After a batch changed, corrects what the counted batches say of the layers that it had before: they may be in no
    /// batch any more, begin later, or have another shape.
    pub(super) fn correct_layers(&mut self, before: Option<Arc<[LayerShape]>>, name: BatchName) {
        let Some(before) = before.filter(|before| self.epoch.ledger.shapes_of(name).as_ref() != Some(before))
        else {
            return;
        };
        let names = before.iter().map(|layer| layer.name.as_str());
        // Of batches with the same layers, the lowest and the highest say everything.
        let counted = self.epoch.ledger.in_figures_with_layers();
        let ends = counted.flat_map(|(first, last, shapes)| [(first.id(), shapes), (last.id(), shapes)]);
        if let Some(layers) = layers_in(names, ends) {
            self.change().correct_layers(&layers);
        }
    }

    /// Checks a batch against the manifest, which may have changed while it was read. And a batch cannot be counted
    /// again unless its first count can be taken out.
    fn still_valid(&self, job: &Job, read: &Read) -> Result<CountedContents, SnapshotError> {
        if let Some(manifest) = self.epoch.run.manifest() {
            manifest.check(&read.count.shapes)?;
        }
        let contents = CountedContents { shapes: Arc::clone(&read.count.shapes), digest: read.digest };
        if self.epoch.ledger.would_replace(job, &contents) && !self.epoch.recent.has(job.name.id()) {
            return Err(SnapshotError::new(
                "it changed after it was counted, too long ago or by an earlier process, so that it cannot be \
                 counted again",
                "press r in the dashboard to recount from scratch, or run neurotop summary",
            ));
        }
        Ok(contents)
    }

    /// Notes which layers a batch has.
    fn note_layers(&mut self, batch: BatchName, shapes: &[LayerShape], is_again: bool) {
        match &mut self.epoch.layer_sets {
            Some(sets) => sets.add(batch, shapes),
            None => self.epoch.layer_sets = Some(self.all_layer_sets()),
        }
        if is_again {
            self.look_at_layers_again();
        }
        self.tell_layer_sets();
    }

    /// Looks at the layers of all counted batches again, after some were taken out, where that can matter.
    pub(super) fn look_at_layers_again(&mut self) {
        if self.epoch.layer_sets.as_ref().is_some_and(|sets| sets.first().lacking.is_some()) {
            self.note_all_layers();
        }
    }

    /// Tells which batches are the first with all layers and without some, where that has changed.
    fn tell_layer_sets(&mut self) {
        let first = self.epoch.layer_sets.as_ref().map(LayerSets::first).unwrap_or_default();
        if first != self.epoch.run.first {
            self.change().first = first;
        }
    }

    /// Notes which layers all counted batches have, also those that an earlier process has counted.
    pub(super) fn note_all_layers(&mut self) {
        self.epoch.layer_sets = Some(self.all_layer_sets());
        self.tell_layer_sets();
    }

    fn all_layer_sets(&self) -> LayerSets {
        // Most batches share their shapes, and of these the first is enough.
        let mut firsts: HashMap<*const LayerShape, (BatchName, &Arc<[LayerShape]>)> = HashMap::new();
        for (name, _, shapes) in self.epoch.ledger.in_figures_with_layers() {
            if let Some(shapes) = shapes {
                let first = firsts.entry(shapes.as_ptr()).or_insert((name, shapes));
                first.0 = first.0.min(name);
            }
        }
        let mut sets = LayerSets::default();
        firsts.values().for_each(|(name, shapes)| sets.add(*name, shapes));
        sets
    }
}
