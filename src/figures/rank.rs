//! The figures of a rank, and how the ranks of a run are told of in a line.

use super::{Sums, sparsity};
use crate::run::Run;
use crate::run::ranks::{RankState, RankStatus};
use crate::run::tally::quotient;
use crate::text::{span, thousands};
use serde::Serialize;
use std::time::{Duration, SystemTime};

/// Silent ranks that a line names.
const NAMED: usize = 4;

/// The figures of a rank. What needs sums by layer is `None` where there are too many ranks and layers for
/// them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankFigures {
    /// The rank.
    pub rank: u32,
    /// What it does.
    pub state: RankState,
    /// Batches counted.
    pub batches: u64,
    /// Batches that wait.
    pub waiting: u64,
    /// Batches set aside.
    pub set_aside: u64,
    /// How many batches fewer were seen of it than of the furthest rank.
    pub behind: u64,
    /// Samples counted.
    pub samples: u128,
    /// Membrane updates of all layers.
    pub updates: Option<u128>,
    /// Elements of all steps of all layers.
    pub dense_updates: Option<u128>,
    /// Effective operations of the priced layers.
    pub effective_ops: Option<u128>,
    /// Dense operations of the priced layers.
    pub dense_ops: Option<u128>,
    /// Effective operations per sample of the rank.
    pub effective_ops_per_sample: Option<f64>,
    /// Dense operations per sample of the rank.
    pub dense_ops_per_sample: Option<f64>,
    /// 1 - effective / dense; `None` where dense is 0.
    pub sparsity: Option<f64>,
    /// Its part of the effective operations of the run.
    pub share: Option<f64>,
    /// When its newest batch was written, in seconds since 1970 (UTC).
    pub newest_batch: Option<f64>,
    /// For how many seconds it has sent nothing.
    pub quiet_seconds: Option<f64>,
}

impl RankFigures {
    /// The figures of all ranks of a run at `now`, the lowest first.
    pub fn of(run: &Run, now: SystemTime) -> Vec<Self> {
        let ranks = run.rank_statuses(now);
        if ranks.is_empty() {
            return Vec::new();
        }
        let whole = run.operations().effective;
        ranks.into_iter().map(|rank| Self::of_status(&rank, whole)).collect()
    }

    fn of_status(rank: &RankStatus, whole: u128) -> Self {
        let samples = rank.samples;
        let (effective_ops, dense_ops) = rank.operations.map(|ops| (ops.effective, ops.dense)).unzip();
        let (updates, dense_updates) = rank.updates.map(|updates| (updates.effective, updates.dense)).unzip();
        let per_sample = |ops: Option<u128>| ops.map(|ops| quotient(ops, samples));
        let since_1970 = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
        Self {
            rank: rank.rank,
            state: rank.state,
            batches: rank.account.counted,
            waiting: rank.account.waiting,
            set_aside: rank.account.set_aside,
            behind: rank.lag,
            samples,
            updates,
            dense_updates,
            effective_ops,
            dense_ops,
            effective_ops_per_sample: per_sample(effective_ops),
            dense_ops_per_sample: per_sample(dense_ops),
            sparsity: rank.operations.and_then(|ops| sparsity(ops.effective, ops.dense)),
            share: effective_ops.filter(|_| whole > 0).map(|ops| quotient(ops, whole)),
            newest_batch: rank.newest.and_then(since_1970).map(|time| time.as_secs_f64()),
            quiet_seconds: rank.quiet.map(|quiet| quiet.as_secs_f64()),
        }
    }

    /// How long it has sent nothing.
    pub fn quiet(&self) -> Option<Duration> {
        self.quiet_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    /// The figures that ranks have in common with layers, classes and the total.
    pub fn sums(&self) -> Option<Sums> {
        Some(Sums {
            updates: self.updates?,
            dense_updates: self.dense_updates?,
            effective_ops: self.effective_ops,
            dense_ops: self.dense_ops,
            effective_ops_per_sample: self.effective_ops_per_sample,
            dense_ops_per_sample: self.dense_ops_per_sample,
            sparsity: self.sparsity,
        })
    }
}

/// Which ranks are silent: `rank 3 silent`, or `5 ranks silent: 3, 4, 7, 8, …`. `None` where none is.
pub fn silent_ranks(ranks: &[RankFigures]) -> Option<String> {
    let silent: Vec<u32> =
        ranks.iter().filter(|rank| rank.state == RankState::Silent).map(|rank| rank.rank).collect();
    match silent.as_slice() {
        [] => None,
        [rank] => Some(format!("rank {rank} silent")),
        several => {
            let named: Vec<String> = several.iter().take(NAMED).map(u32::to_string).collect();
            let more = if several.len() > NAMED { ", …" } else { "" };
            Some(format!("{} ranks silent: {}{more}", thousands(several.len() as u128), named.join(", ")))
        }
    }
}

/// Which rank has been silent the longest, and for how long: `rank 3 silent for 2 min 10 s`.
pub fn longest_silence(ranks: &[RankFigures]) -> Option<String> {
    let silent = || ranks.iter().filter(|rank| rank.state == RankState::Silent);
    let longest = silent().max_by_key(|rank| (rank.quiet(), std::cmp::Reverse(rank.rank)))?;
    let quiet = span(longest.quiet().unwrap_or_default());
    Some(match silent().count() {
        1 => format!("rank {} silent for {quiet}", longest.rank),
        several => format!("{} silent, rank {} for {quiet}", thousands(several as u128), longest.rank),
    })
}
