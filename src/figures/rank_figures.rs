//! The figures of a rank, and one line about the silent ones.

use super::row::RowSums;
use super::run_times::unix_seconds;
use crate::run::Run;
use crate::run::energy::EnergyPerOp;
use crate::run::ranks::{RankState, RankStatus};
use crate::run::sums::Operations;
use crate::text::{span, thousands};
use serde::{Serialize, Serializer};
use std::time::{Duration, SystemTime};

/// The most silent ranks that a line names.
const NAMED: usize = 4;

/// A rank and its sums.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankFigures {
    pub rank: u32,
    pub state: RankState,
    /// Batches counted.
    pub batches: u64,
    /// Batches that wait.
    pub waiting: u64,
    /// Batches set aside.
    pub set_aside: u64,
    /// How many batches fewer it has than the furthest rank.
    pub behind: u64,
    /// Updates and operations are `None` if there are too many ranks and layers to keep them.
    #[serde(flatten, serialize_with = "RowSums::serialize_updates_first")]
    pub sums: RowSums,
    /// The same with the layers whose price is measured; `None` if the run has none.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "all_figures")]
    pub total_measured: Option<RowSums>,
    /// Its share of the effective operations of the run, over all layers with a price.
    pub share: Option<f64>,
    /// When its newest batch was written, in seconds since 1970 (UTC).
    pub newest_batch: Option<f64>,
    /// Seconds since its last batch.
    pub quiet_seconds: Option<f64>,
}

impl RankFigures {
    /// The figures of all ranks of a run at `now`, the lowest first.
    pub fn all(run: &Run, now: SystemTime) -> Vec<Self> {
        let statuses = run.rank_statuses(now);
        if statuses.is_empty() {
            return Vec::new();
        }
        let whole = run.operations().effective;
        let energy_per_op = run.settings().costs.energy_per_op();
        let mut ranks: Vec<Self> =
            statuses.iter().map(|status| Self::new(status, whole, energy_per_op)).collect();
        if run.has_measured() {
            let whole = whole + run.measured_operations().effective;
            let prices = run.measured_prices();
            let measured = run.ranks().operations(&prices);
            ranks.iter_mut().zip(measured).for_each(|(rank, measured)| rank.add_measured(measured, whole));
        }
        ranks
    }

    /// Adds the operations of the layers whose price is measured. `whole`: all effective operations of the run.
    fn add_measured(&mut self, measured: Option<Operations>, whole: u128) {
        let operations = self.sums.operations.zip(measured).map(|(mut all, measured)| {
            all += measured;
            all
        });
        let all = RowSums { operations, ..self.sums };
        self.share = all.share_of(whole);
        self.total_measured = Some(all);
    }

    /// Its sums over all layers with a price, measured or not.
    pub fn all_sums(&self) -> &RowSums {
        self.total_measured.as_ref().unwrap_or(&self.sums)
    }

    /// `whole`: the effective operations of the run.
    fn new(status: &RankStatus, whole: u128, energy_per_op: Option<EnergyPerOp>) -> Self {
        let sums = RowSums {
            samples: status.samples,
            updates: status.updates,
            operations: status.operations,
            energy_per_op,
            neurons: None,
        };
        Self {
            rank: status.rank,
            state: status.state,
            batches: status.account.counted,
            waiting: status.account.waiting,
            set_aside: status.account.set_aside,
            behind: status.lag,
            share: sums.share_of(whole),
            sums,
            total_measured: None,
            newest_batch: status.newest.and_then(unix_seconds),
            quiet_seconds: status.quiet.map(|quiet| quiet.as_secs_f64()),
        }
    }

    /// The time since its last batch.
    pub fn quiet(&self) -> Option<Duration> {
        self.quiet_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }
}

fn all_figures<S: Serializer>(sums: &Option<RowSums>, serializer: S) -> Result<S::Ok, S::Error> {
    sums.unwrap_or_default().serialize_operations_first(serializer)
}

/// Which ranks are silent: `rank 3 silent`, or `5 ranks silent: 3, 4, 7, 8, …`. `None` if none is.
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

/// The rank that has been silent the longest: `rank 3 silent for 2 min 10 s`.
pub fn longest_silence(ranks: &[RankFigures]) -> Option<String> {
    let silent = || ranks.iter().filter(|rank| rank.state == RankState::Silent);
    let longest = silent().max_by_key(|rank| (rank.quiet(), std::cmp::Reverse(rank.rank)))?;
    let quiet = span(longest.quiet().unwrap_or_default());
    Some(match silent().count() {
        1 => format!("rank {} silent for {quiet}", longest.rank),
        several => format!("{} silent, rank {} for {quiet}", thousands(several as u128), longest.rank),
    })
}
