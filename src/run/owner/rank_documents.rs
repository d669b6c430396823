//! The documents of ranks: which of them are new or changed, and what the ends say together.

use super::document::RunDocument;
use crate::follow::{Found, Shape};
use crate::snapshot::{End, EntryName, SnapshotError};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// A document of a rank. They are sorted by rank.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RankDocument {
    pub(super) rank: u32,
    /// Its name in the run's directory.
    pub(super) name: String,
    pub(super) kind: DocumentKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DocumentKind {
    Manifest,
    End,
}

/// The documents of all ranks.
pub(super) struct RankDocuments {
    settle: Duration,
    documents: BTreeMap<RankDocument, RunDocument>,
    /// The documents to be read, so that only these are looked at, of thousands.
    unread: BTreeSet<RankDocument>,
    /// The ends of each rank, by their names: there may be one in its directory and one with its prefix. `None` for one
    /// that cannot be read.
    ends: BTreeMap<u32, BTreeMap<String, Option<End>>>,
}

/// What the ends of one rank say together.
pub(super) struct RankEnds {
    /// The end of the rank, if there is any: the first by name that can be read.
    pub(super) end: Option<End>,
    /// The names of the ends that can be read, and how they contradict it.
    pub(super) readable: Vec<(String, Option<SnapshotError>)>,
}

impl RankDocuments {
    pub(super) fn new(settle: Duration) -> Self {
        Self { settle, documents: BTreeMap::new(), unread: BTreeSet::new(), ends: BTreeMap::new() }
    }

    /// Takes note of an entry if it is a document of a rank.
    pub(super) fn observe(&mut self, found: &Found, now: Instant, clock: SystemTime) {
        let (rank, kind) = match found.meaning {
            EntryName::Manifest(Some(rank)) => (rank, DocumentKind::Manifest),
            EntryName::End(Some(rank)) => (rank, DocumentKind::End),
            _ => return,
        };
        let of = RankDocument { rank, name: found.name.clone(), kind };
        let document = self.documents.entry(of.clone()).or_insert_with(|| RunDocument::new(self.settle));
        document.observe(found, now, clock);
        if document.is_unread() {
            self.unread.insert(of);
        }
    }

    /// Forgets and returns the documents that are gone, given everything that is there. What is in a directory that
    /// cannot be listed may still be there.
    pub(super) fn forget_missing(&mut self, found: &[Found]) -> Vec<RankDocument> {
        let present: HashSet<&str> = found.iter().map(|found| found.name.as_str()).collect();
        let closed =
            |found: &&Found| matches!((&found.meaning, found.shape), (EntryName::Rank(_), Shape::Other(_)));
        let closed: HashSet<&str> = found.iter().filter(closed).map(|found| found.name.as_str()).collect();
        let is_missing = |of: &&RankDocument| {
            let directory = of.name.split_once('/').map(|(directory, _)| directory);
            !present.contains(of.name.as_str())
                && directory.is_none_or(|directory| !closed.contains(directory))
        };
        let missing: Vec<RankDocument> = self.documents.keys().filter(is_missing).cloned().collect();
        for of in &missing {
            self.documents.remove(of);
            self.unread.remove(of);
        }
        missing
    }

    /// Takes the end of a rank; `None` if it cannot be read.
    pub(super) fn note_end(&mut self, of: &RankDocument, end: Option<End>) -> RankEnds {
        self.ends.entry(of.rank).or_default().insert(of.name.clone(), end);
        self.ends_of(of.rank)
    }

    /// Forgets an end of a rank, since it is gone.
    pub(super) fn forget_end(&mut self, of: &RankDocument) -> RankEnds {
        if let Some(ends) = self.ends.get_mut(&of.rank) {
            ends.remove(&of.name);
        }
        self.ends_of(of.rank)
    }

    fn ends_of(&self, rank: u32) -> RankEnds {
        let ends = self.ends.get(&rank).into_iter().flatten();
        let is_there = ends.clone().next().is_some();
        let readable = ends.filter_map(|(name, end)| Some((name, end.as_ref()?)));
        let Some((first, end)) = readable.clone().next() else {
            return RankEnds { end: is_there.then(End::default), readable: Vec::new() };
        };
        let readable = readable.map(|(name, other)| (name.clone(), other.conflict_with(end, first)));
        RankEnds { end: Some(end.clone()), readable: readable.collect() }
    }

    /// The documents to be read, by rank, manifests before ends.
    pub(super) fn unread(&self) -> Vec<RankDocument> {
        self.unread.iter().cloned().collect()
    }

    /// Whether a document is there that could not be read yet.
    pub(super) fn are_failing(&self) -> bool {
        self.unread.iter().any(|of| self.documents.get(of).is_some_and(RunDocument::is_failing))
    }

    /// Has all manifests but one read again, after what they must agree with changed.
    pub(super) fn compare_again(&mut self, except: Option<&RankDocument>) {
        let is_other = |of: &RankDocument| of.kind == DocumentKind::Manifest && Some(of) != except;
        let manifests = self.documents.iter_mut().filter(|(of, _)| is_other(of));
        for (of, document) in manifests {
            document.again();
            self.unread.insert(of.clone());
        }
    }

    /// Reads a document if it is new or changed.
    pub(super) fn read<T>(
        &mut self,
        of: &RankDocument,
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
