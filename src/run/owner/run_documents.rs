//! The documents of a run and its ranks: which of them are new or changed, and what the ends of a rank say together.

use super::document::RunDocument;
use crate::follow::{Found, Shape};
use crate::snapshot::{End, EntryName, SnapshotError};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// A document. They are sorted by rank, the run's own first, and manifests before ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DocumentKey {
    /// `None` if it is the run's own.
    pub(super) rank: Option<u32>,
    pub(super) kind: DocumentKind,
    /// Its name in the run's directory.
    pub(super) name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DocumentKind {
    Manifest,
    End,
}

/// The documents of a run and of all its ranks that are there.
#[derive(Default)]
pub(super) struct RunDocuments {
    settle: Duration,
    documents: BTreeMap<DocumentKey, RunDocument>,
    /// The documents to be read, so that only these are looked at, of thousands.
    unread: BTreeSet<DocumentKey>,
    /// The ends of each rank, by their names: there may be one in its directory and one with its prefix. `None` for one
    /// that cannot be read.
    ends: BTreeMap<u32, BTreeMap<String, Option<End>>>,
}

/// What the ends of one rank say together: the end of the rank, if there is any, which is the first by name that can be
/// read, and the names of all that can be read, with how they contradict it.
pub(super) type RankEnds = (Option<End>, Vec<(String, Option<SnapshotError>)>);

impl RunDocuments {
    pub(super) fn new(settle: Duration) -> Self {
        Self { settle, ..Self::default() }
    }

    /// Takes note of an entry if it is a document.
    pub(super) fn observe(&mut self, found: &Found, now: Instant, clock: SystemTime) {
        let (rank, kind) = match found.meaning {
            EntryName::Manifest(rank) => (rank, DocumentKind::Manifest),
            EntryName::End(rank) => (rank, DocumentKind::End),
            _ => return,
        };
        let of = DocumentKey { rank, kind, name: found.name.clone() };
        let document = self.documents.entry(of.clone()).or_insert_with(|| RunDocument::new(self.settle));
        document.observe(found, now, clock);
        if document.is_unread() {
            self.unread.insert(of);
        }
    }

    /// Forgets and returns the documents that are gone, given everything that is there. What is in a directory that
    /// cannot be listed may still be there.
    pub(super) fn forget_missing(&mut self, found: &[Found]) -> Vec<DocumentKey> {
        let present: HashSet<&str> = found.iter().map(|found| found.name.as_str()).collect();
        let closed =
            |found: &&Found| matches!((&found.meaning, found.shape), (EntryName::Rank(_), Shape::Other(_)));
        let closed: HashSet<&str> = found.iter().filter(closed).map(|found| found.name.as_str()).collect();
        let is_missing = |of: &&DocumentKey| {
            let directory = of.name.split_once('/').map(|(directory, _)| directory);
            !present.contains(of.name.as_str())
                && directory.is_none_or(|directory| !closed.contains(directory))
        };
        let missing: Vec<DocumentKey> = self.documents.keys().filter(is_missing).cloned().collect();
        for of in &missing {
            self.documents.remove(of);
            self.unread.remove(of);
        }
        missing
    }

    /// The run's own manifest, if there is one.
    pub(super) fn own_manifest(&self) -> Option<&RunDocument> {
        let (of, document) = self.documents.first_key_value()?;
        (of.rank.is_none() && of.kind == DocumentKind::Manifest).then_some(document)
    }

    /// Takes the end of a rank; `None` if it cannot be read.
    pub(super) fn note_end(&mut self, rank: u32, name: String, end: Option<End>) -> RankEnds {
        self.ends.entry(rank).or_default().insert(name, end);
        self.ends_of(rank)
    }

    /// Forgets an end of a rank, since it is gone.
    pub(super) fn forget_end(&mut self, rank: u32, name: &str) -> RankEnds {
        if let Some(ends) = self.ends.get_mut(&rank) {
            ends.remove(name);
        }
        self.ends_of(rank)
    }

    fn ends_of(&self, rank: u32) -> RankEnds {
        let ends = self.ends.get(&rank).into_iter().flatten();
        let is_there = ends.clone().next().is_some();
        let readable = ends.filter_map(|(name, end)| Some((name, end.as_ref()?)));
        let Some((first, end)) = readable.clone().next() else {
            return (is_there.then(End::default), Vec::new());
        };
        let readable = readable.map(|(name, other)| (name.clone(), other.conflict_with(end, first)));
        (Some(end.clone()), readable.collect())
    }

    /// The documents to be read, in their order.
    pub(super) fn unread(&self) -> Vec<DocumentKey> {
        self.unread.iter().cloned().collect()
    }

    /// The first document to be read, or the first behind another.
    pub(super) fn next_unread(&self, behind: Option<&DocumentKey>) -> Option<DocumentKey> {
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        self.unread.range((from, Bound::Unbounded)).next().cloned()
    }

    /// Whether a document is there that could not be read yet.
    pub(super) fn are_failing(&self) -> bool {
        self.unread.iter().any(|of| self.documents.get(of).is_some_and(RunDocument::is_failing))
    }

    /// Has all manifests of ranks but one read again, after what they must agree with changed.
    pub(super) fn compare_again(&mut self, except: Option<&DocumentKey>) {
        let is_other =
            |of: &DocumentKey| of.rank.is_some() && of.kind == DocumentKind::Manifest && Some(of) != except;
        let manifests = self.documents.iter_mut().filter(|(of, _)| is_other(of));
        for (of, document) in manifests {
            document.again();
            self.unread.insert(of.clone());
        }
    }

    /// Reads a document if it is new or changed.
    pub(super) fn read<T>(
        &mut self,
        of: &DocumentKey,
        directory: &Path,
        now: Instant,
        parse: impl Fn(&[u8]) -> Result<T, SnapshotError>,
    ) -> Option<Result<T, SnapshotError>> {
        let document = self.documents.get_mut(of)?;
        let reading = document.read(&directory.join(&of.name), now, parse);
        if !document.is_unread() {
            self.unread.remove(of);
        }
        reading
    }
}
