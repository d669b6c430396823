//! Reads the manifests and ends of a run and its ranks, and checks what is counted against them.

use super::Owner;
use super::document::RunDocument;
use super::resume::{BEGUN_AGAIN, REPLACED};
use super::run_documents::{DocumentKey, DocumentKind, RankEnds};
use crate::follow::{Found, look};
use crate::run::Mode;
use crate::run::log;
use crate::run::state::KnownManifest;
use crate::snapshot::{BatchName, End, Manifest, ManifestError, SnapshotError};
use crate::storage::is_url;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

impl Owner {
    pub(super) fn is_reading_documents(&self) -> bool {
        self.epoch.documents.are_failing()
    }

    pub(super) fn note_documents(&mut self, found: &[Found], now: Instant) {
        found.iter().for_each(|found| self.epoch.documents.observe(found, now, SystemTime::now()));
    }

    /// Notices documents that are gone, given everything that is there. If nothing of a run is there, documents say
    /// nothing.
    pub(super) fn forget_documents(&mut self, found: &[Found]) {
        if found.is_empty() {
            return;
        }
        for of in self.epoch.documents.forget_missing(found) {
            self.change().solve(&of.name);
            match (of.kind, of.rank) {
                (DocumentKind::Manifest, None) => self.forget_manifest(),
                (DocumentKind::Manifest, _) if self.epoch.borrowed_from.as_ref() == Some(&of) => {
                    self.notice(of.name, manifest_gone())
                }
                (DocumentKind::Manifest, Some(_)) => {}
                (DocumentKind::End, None) => {
                    log::end_gone(None);
                    self.change().take_end(None);
                }
                (DocumentKind::End, Some(rank)) => {
                    let ends = self.epoch.documents.forget_end(rank, &of.name);
                    self.take_rank_ends(rank, ends);
                }
            }
        }
    }

    /// Keeps what the manifest said: without it, no counted layer would have a price.
    fn forget_manifest(&mut self) {
        if self.own_manifest().is_some() {
            self.notice("manifest.json".into(), manifest_gone());
        } else {
            // The manifest of a rank may replace it now.
            self.epoch.documents.compare_again(None);
        }
        if self.epoch.run.refused().is_some() {
            self.change().refuse(None);
        }
    }

    pub(super) fn read_documents(&mut self, now: Instant) {
        let mut next = self.epoch.documents.next_unread(None);
        while let Some(of) = next {
            let read = of.clone();
            match (of.kind, of.rank) {
                (DocumentKind::Manifest, None) => self.read_manifest(of, now),
                (DocumentKind::Manifest, Some(_)) => self.read_rank_manifest(of, now),
                (DocumentKind::End, None) => self.read_end(&of, now),
                (DocumentKind::End, Some(rank)) => self.read_rank_end(rank, of, now),
            }
            // The run's own manifest may have others read again, which come after it.
            next = self.epoch.documents.next_unread(Some(&read));
        }
    }

    fn read_manifest(&mut self, of: DocumentKey, now: Instant) {
        match self.epoch.documents.read(&of, &self.directory, now, parse_manifest) {
            None => {}
            Some(Ok(Ok(manifest))) => self.take_own_manifest(manifest),
            Some(Ok(Err(newer))) => self.refuse(&of.name, newer),
            Some(Err(error)) => self.problem(of.name, error),
        }
    }

    fn read_end(&mut self, of: &DocumentKey, now: Instant) {
        let Some(end) = self.read_one_end(of, now) else { return };
        if end.is_some() {
            log::end(None);
        }
        self.change().take_end(Some(end.unwrap_or_default()));
    }

    /// Reads an end if it is new or changed; `None` in it where it cannot be read, which is reported.
    fn read_one_end(&mut self, of: &DocumentKey, now: Instant) -> Option<Option<End>> {
        match self.epoch.documents.read(of, &self.directory, now, End::parse)? {
            Ok(end) => {
                self.change().solve(&of.name);
                Some(Some(end))
            }
            Err(error) => {
                self.problem(of.name.clone(), error);
                Some(None)
            }
        }
    }

    pub(super) fn refuse(&mut self, name: &str, newer: SnapshotError) {
        tracing::error!(why = newer.to_string(), "the run is not counted");
        self.problem(name.into(), newer.clone());
        self.change().refuse(Some(newer));
    }

    /// Reads the manifest of a rank. It must agree with the run's own, and replaces it if there is none.
    fn read_rank_manifest(&mut self, of: DocumentKey, now: Instant) {
        let manifest = match self.epoch.documents.read(&of, &self.directory, now, parse_manifest) {
            None => return,
            Some(Ok(Ok(manifest))) => manifest,
            Some(Ok(Err(newer)))
                if self.epoch.run.manifest().is_none() && self.epoch.documents.own_manifest().is_none() =>
            {
                return self.refuse(&of.name, newer);
            }
            Some(Ok(Err(error))) | Some(Err(error)) => {
                return self.problem(of.name, error);
            }
        };
        let is_lent = self.epoch.run.manifest().is_none() || self.epoch.borrowed_from.as_ref() == Some(&of);
        if is_lent && self.epoch.documents.own_manifest().is_none() {
            self.change().solve(&of.name);
            self.epoch.documents.compare_again(Some(&of));
            self.epoch.borrowed_from = Some(of);
            return self.take_manifest(manifest.of_all_ranks());
        }
        let source = self.epoch.borrowed_from.as_ref().map_or("manifest.json", |of| of.name.as_str());
        match self.epoch.run.manifest().and_then(|of_run| manifest.conflict_with(of_run, source)) {
            None => {
                self.change().solve(&of.name);
                self.join_prices(&manifest);
            }
            Some(conflict) => self.problem(of.name, conflict),
        }
    }

    /// Takes what the manifest of a rank says of prices: one rank may have measured what another has not, or may
    /// have measured something else.
    fn join_prices(&mut self, of_rank: &Manifest) {
        if let Some(joined) = self.epoch.run.manifest().and_then(|own| own.with_prices_of(of_rank)) {
            self.change().take_manifest(Arc::new(joined));
        }
    }

    fn read_rank_end(&mut self, rank: u32, of: DocumentKey, now: Instant) {
        let Some(end) = self.read_one_end(&of, now) else { return };
        self.epoch.ledger.note_rank(rank);
        self.epoch.ledger.verify(true, now);
        let ends = self.epoch.documents.note_end(rank, of.name, end);
        self.take_rank_ends(rank, ends);
    }

    fn take_rank_ends(&mut self, rank: u32, (end, readable): RankEnds) {
        for (name, conflict) in readable {
            match conflict {
                Some(conflict) => self.problem(name, conflict),
                None => self.change().solve(&name),
            }
        }
        if end.is_some() {
            log::end(Some(rank));
        } else {
            log::end_gone(Some(rank));
        }
        self.change().take_rank_end(rank, end);
    }

    /// The run's own manifest. If it is taken from a rank, it is chance which rank's comes first, so that it does not
    /// count.
    pub(super) fn own_manifest(&self) -> Option<&Manifest> {
        self.epoch.run.manifest().filter(|_| self.epoch.borrowed_from.is_none())
    }

    /// What is known of the run's own manifest.
    pub(super) fn known_manifest(&self) -> Option<KnownManifest> {
        let identity = self.epoch.documents.own_manifest().and_then(RunDocument::identity);
        self.own_manifest().map(|own| KnownManifest::from_manifest(own, identity))
    }

    pub(super) fn take_own_manifest(&mut self, manifest: Manifest) {
        if self.epoch.restored_manifest.as_ref().is_some_and(|before| !before.may_become(&manifest)) {
            return self.restart(REPLACED);
        }
        if let Some(own) = self.own_manifest() {
            let is_pruned = self.may_delete();
            match (&own.id, &manifest.id) {
                (Some(before), Some(now)) if before == now => {}
                (Some(_), Some(_)) => return self.restart(BEGUN_AGAIN),
                _ if is_pruned && own.is_of_another_model(&manifest) => return self.restart(BEGUN_AGAIN),
                // The batches must decide whether it is the same run.
                _ => self.epoch.is_unconfirmed |= self.epoch.ledger.lowest_counted().is_some(),
            }
        }
        self.epoch.borrowed_from = None;
        self.epoch.documents.compare_again(None);
        self.take_manifest(manifest);
    }

    pub(super) fn take_manifest(&mut self, manifest: Manifest) {
        let manifest = Arc::new(manifest);
        let (checks_changed, prices_changed) = match self.epoch.run.manifest() {
            Some(old) => (!old.checked_part().eq(manifest.checked_part()), !old.has_same_prices(&manifest)),
            None => (true, true),
        };
        if prices_changed {
            // What the ranks say of them is joined with the new ones.
            self.epoch.documents.compare_again(self.epoch.borrowed_from.clone().as_ref());
        }
        tracing::info!(layers = manifest.layers.len(), "manifest.json was read");
        self.change().solve("manifest.json");
        self.change().take_manifest(Arc::clone(&manifest));
        if manifest.keep.is_some() && is_url(&self.directory) && self.options.mode == Mode::Live {
            self.notice("manifest.json".into(), never_acknowledged());
        }
        if !checks_changed {
            return;
        }
        self.checks += 1;
        let mismatched = std::mem::take(&mut self.epoch.mismatched);
        let solved = mismatched.iter().map(BatchName::to_string).chain(self.epoch.ledger.retry_failed());
        solved.for_each(|name| self.change().solve(&name));
        for (name, reason) in self.epoch.ledger.recheck(|shapes| manifest.check(shapes)) {
            self.take_out(name, reason);
        }
        self.look_at_layers_again();
    }

    /// Takes out a counted batch that does not match the manifest, if that is possible.
    pub(super) fn take_out(&mut self, name: BatchName, reason: SnapshotError) {
        let id = name.id();
        // A batch that is gone would be lost.
        let counted = self.epoch.ledger.counted_as(name);
        let found = look(&self.directory, &name.to_string());
        let is_there =
            found.zip(counted).is_some_and(|(found, counted)| found.identity.same_contents(&counted));
        let count = if is_there { self.epoch.recent.take(id) } else { None };
        let Some(count) = count else {
            self.epoch.mismatched.push(name);
            let what =
                format!("{}; it is in the figures all the same, counted before that was known", reason.what);
            return self.problem(
                name.to_string(),
                SnapshotError::new(what, "press r in the dashboard to recount from scratch"),
            );
        };
        let before = self.epoch.ledger.shapes_of(name);
        self.epoch.ledger.withdraw(name);
        self.epoch.acknowledgement.remove(id);
        self.epoch.checkpoints.touch();
        tracing::info!(number = id.number, rank = id.rank, "its count was taken out");
        self.change().take_out(id, &count);
        self.correct_layers(before, name);
        self.problem(name.to_string(), reason);
    }
}

/// The problem of a manifest that is gone: without one, a run has no prices, and these figures have.
fn manifest_gone() -> SnapshotError {
    SnapshotError::new(
        "it is gone; what it said of the layers stays, and a count from the start would lack it",
        "write it again, or have neurotop count again without it",
    )
}

/// Nothing is written to an object store.
fn never_acknowledged() -> SnapshotError {
    SnapshotError::new(
        "the producer keeps batches until they are acknowledged, and nothing is acknowledged in an object store",
        "record without keep; an expiry rule of the store can delete old batches",
    )
}

/// Parses a manifest. A newer version is certain at once; anything else that is wrong may mean that it is still being
/// written.
fn parse_manifest(bytes: &[u8]) -> Result<Result<Manifest, SnapshotError>, SnapshotError> {
    match Manifest::parse(bytes) {
        Ok(manifest) => Ok(Ok(manifest)),
        Err(ManifestError::Newer(error)) => Ok(Err(error)),
        Err(ManifestError::Unusable(error)) => Err(error),
    }
}
