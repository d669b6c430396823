//! The documents of ranks: those of each that are new or changed, to be read as those of the run are.

use super::document::{Document, Reading};
use crate::follow::Found;
use crate::snapshot::{EntryName, SnapshotError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// A document of a rank, the lowest rank first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RankDocument {
    pub(super) rank: u32,
    /// Its name in the run's directory.
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What a document of a rank is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Manifest,
    End,
}

/// The documents of all ranks.
pub(super) struct RankDocuments {
    settle: Duration,
    documents: BTreeMap<RankDocument, Document>,
    /// Those to be read, so that of thousands only these are looked at.
    unread: BTreeSet<RankDocument>,
}

impl RankDocuments {
    pub(super) fn new(settle: Duration) -> Self {
        Self { settle, documents: BTreeMap::new(), unread: BTreeSet::new() }
    }

    /// Notes an entry where it is a document of a rank.
    pub(super) fn observe(&mut self, found: &Found, now: Instant, clock: SystemTime) {
        let (rank, kind) = match found.meaning {
            EntryName::Manifest(Some(rank)) => (rank, Kind::Manifest),
            EntryName::End(Some(rank)) => (rank, Kind::End),
            _ => return,
        };
        let of = RankDocument { rank, name: found.name.clone(), kind };
        let document = self.documents.entry(of.clone()).or_insert_with(|| Document::new(self.settle));
        document.observe(found, now, clock);
        if document.is_unread() {
            self.unread.insert(of);
        }
    }

    /// Those that are to be read, manifests and ends of the lowest rank first.
    pub(super) fn unread(&self) -> Vec<RankDocument> {
        self.unread.iter().cloned().collect()
    }

    /// Whether one is there and could not be read yet.
    pub(super) fn are_failing(&self) -> bool {
        self.unread.iter().any(|of| self.documents.get(of).is_some_and(Document::is_failing))
    }

    /// Has all manifests but one read again, after what they must agree with changed.
    pub(super) fn compare_again(&mut self, except: Option<&RankDocument>) {
        let is_other = |of: &RankDocument| of.kind == Kind::Manifest && Some(of) != except;
        let manifests = self.documents.iter_mut().filter(|(of, _)| is_other(of));
        for (of, document) in manifests {
            document.again();
            self.unread.insert(of.clone());
        }
    }

    /// Reads one where it is new or changed.
    pub(super) fn read<T>(
        &mut self,
        of: &RankDocument,
        directory: &Path,
        now: Instant,
        parse: impl Fn(&[u8]) -> Result<T, SnapshotError>,
    ) -> Reading<T> {
        let Some(document) = self.documents.get_mut(of) else { return Reading::Nothing };
        let reading = document.read(&directory.join(&of.name), now, parse);
        if !document.is_unread() {
            self.unread.remove(of);
        }
        reading
    }
}
