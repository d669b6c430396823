//! What a pipeline tells its front-end.

use super::{Checkpoint, FirstBatches};
use crate::count::BatchCount;
use crate::follow::Account;
use crate::snapshot::{BatchId, End, Manifest, SnapshotError};
use crate::tally::LayerPresence;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Whether the run's directory is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is, and can be listed.
    Present,
    /// It is not, or cannot be used: why.
    Missing(String),
}

/// How changes in the directory are noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watching {
    /// By file events, with a slow scan beside them.
    Events,
    /// By scanning.
    Polling {
        /// The interval.
        every: Duration,
        /// Why not by events.
        why: String,
    },
}

/// How grave a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something is missing from the figures, or may be.
    SetAside,
    /// The figures are whole, but the user should know.
    Notice,
}

/// Something about a file that the user should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file, by its name in the run's directory.
    pub path: String,
    /// What is wrong and what to do.
    pub reason: String,
    /// How grave it is.
    pub severity: Severity,
}

impl Problem {
    /// What tells it from others of the same file and severity, which there are of notices alone.
    pub fn key(&self) -> String {
        match self.severity {
            Severity::SetAside => String::new(),
            Severity::Notice => self.reason.clone(),
        }
    }
}

impl Problem {
    /// What it has in common with others of its kind, about other files: what is wrong, without the names in which
    /// that ends, and what to do.
    pub fn kind(&self) -> (String, String) {
        let (what, rest) = self.reason.split_once(": ").unwrap_or((&self.reason, ""));
        let advice = rest.rsplit_once("; ").map_or("", |(_, advice)| advice);
        (what.to_owned(), advice.to_owned())
    }
}

/// One change. They come in groups; the figures are only right between groups.
#[derive(Debug, Clone)]
pub enum Update {
    /// The directory appeared or vanished.
    Directory(Presence),
    /// How changes are noticed from now on.
    Watching(Watching),
    /// The manifest was read, or read again.
    Manifest(Arc<Manifest>),
    /// The benchmark is over.
    End(End),
    /// A rank has come to its end.
    RankEnd {
        /// The rank.
        rank: u32,
        /// What it says.
        end: End,
    },
    /// The end of the run, or of a rank, is not there any more.
    EndGone(Option<u32>),
    /// The manifest that was refused is not there any more.
    RefusalGone,
    /// The account of a rank as it stands now; `None` where the rank is gone.
    Rank {
        /// The rank.
        rank: u32,
        /// Its account.
        account: Option<Account>,
    },
    /// A batch is to be added.
    Counted {
        /// Which batch it is.
        id: BatchId,
        /// Its name in the directory.
        name: String,
        /// When it was written.
        modified: SystemTime,
        /// Its bytes on disk.
        bytes: u64,
        /// What an earlier count of the same batch added, to be taken out first.
        replaces: Option<BatchCount>,
        /// What it adds.
        count: BatchCount,
        /// What tells that from another count.
        digest: NonZeroU64,
    },
    /// A batch that was added is to be taken out.
    Withdrawn {
        /// Which batch it is.
        id: BatchId,
        /// What it added.
        count: BatchCount,
    },
    /// What the counted batches say of some layers, after one that had them was replaced or taken out.
    Layers(Vec<LayerPresence>),
    /// The first batches with all layers that any batch has, and without some.
    FirstBatches(FirstBatches),
    /// A problem with a file. One that sets it aside replaces an earlier one with the same file; of notices there may
    /// be several.
    Problem(Problem),
    /// What is noticed of a batch that counts, and is to be said of the first one that it is true of.
    Remark(Problem),
    /// Whatever the problem with this file was, it is no more.
    Solved(String),
    /// This was noticed of a file, which it keeps out of nothing, and is said of another now or true no more.
    NoticeGone(Problem),
    /// The run must not be counted: why.
    Refused(SnapshotError),
    /// All counts are void, everything is read again.
    Restarted {
        /// Why.
        why: String,
        /// How many batches were counted that are not there any more, and may have been deleted because they were.
        lost: u64,
    },
    /// What was counted and then deleted is in the figures no more, and will not be: why.
    Lost(String),
    /// The run's path leads to another directory, of which nothing that was said here holds. The pipeline has ended.
    Elsewhere,
    /// What is counted by now; all updates before this one belong to it, and none after it.
    Checkpoint(Box<Checkpoint>),
    /// The account as it stands now.
    Account(Account),
    /// The pipeline has ended; nothing follows.
    Ended,
}
