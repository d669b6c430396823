//! Follows a run's directory: which batches exist, which are ready, which were counted, and which may be deleted.
//!
//! File-system events are only hints where to look. The [`Ledger`], checked against the directory's real contents, is
//! the truth. Nothing here may know what is inside a batch, or what its counts add up to.

mod finder;
mod instead;
mod ledger;
mod neighbours;
mod prune;
mod scan;
mod shard;
mod watcher;

pub use crate::storage::{Identity, Shape};
pub use finder::{Discovery, MAX_RUNS, find_runs, runs_inside};
pub use instead::instead_of_run;
pub use ledger::{
    Account, CountedBatch, CountedBatches, CountedContents, Job, Ledger, LedgerChanges, Outcome, Verdict,
};
pub use neighbours::{Neighbour, beside_run, beside_runs};
pub use prune::{Pruned, prune, prune_leftovers};
pub use scan::{Found, holds_any_batch, is_run, look, scan, scan_rank};
pub use shard::{MAX_SHARDS, Shard};
pub use watcher::{Hint, Watcher, events_missing_because};
