//! The ranks of a run: what came from each, how far it is behind the others, and whether it is silent.

use crate::count::LayerCount;
use crate::follow::Account;
use crate::history::Point;
use crate::pace::Pace;
use crate::snapshot::{End, OfficialResults};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// A rank is silent after so many times the time that it, or a typical rank, takes for a batch,
const SILENT_AFTER_BATCHES: u32 = 5;

/// but not before this, so that nobody is alarmed by batches that take milliseconds.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// A rank is behind where it lacks more batches than this, and more than one in so many of the furthest's.
const BEHIND_BY: u64 = 2;
const BEHIND_BY_PART: u64 = 10;

/// More ranks than this are not believed a manifest before they send something.
const MOST_EXPECTED: u64 = 1 << 16;

/// How many sums of layers all ranks have together, so that thousands of ranks with thousands of layers do
/// not take ever more memory: 16 MiB of them.
const MAX_LAYER_SUMS: usize = 1 << 19;

/// What a rank does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RankState {
    /// It has sent nothing for much longer than is to be expected.
    Silent,
    /// It lacks more batches than is usual between ranks.
    Behind,
    /// Its batches come and are counted.
    Counting,
    /// It has come to its end, or the run has.
    Done,
}

impl RankState {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Behind => "behind",
            Self::Counting => "counting",
            Self::Done => "done",
        }
    }
}

/// What is known of a rank.
#[derive(Debug, Default, Clone)]
struct Rank {
    account: Account,
    /// The sums over its batches; `None` before there is one.
    sums: Option<Point>,
    /// Whether there was no room for the sums of all its layers, so that its operations are unknown.
    is_cut: bool,
    pace: Pace,
    end: Option<End>,
}

impl Rank {
    fn official(&self, rank: u32) -> Option<Official<'_>> {
        let results = self.end.as_ref()?.neurobench.as_ref()?;
        let sums = self.sums.as_ref().filter(|_| !self.is_cut)?;
        let updates = sums.layers.iter().map(|layer| layer.0).sum();
        let (samples, effective, dense) = (sums.samples, sums.effective, sums.dense);
        Some(Official { rank, results, samples, effective, dense, updates })
    }
}

/// A rank as it stands at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The rank.
    pub rank: u32,
    /// What it does.
    pub state: RankState,
    /// The account of its batches.
    pub account: Account,
    /// Samples counted.
    pub samples: u128,
    /// Effective and dense operations of its priced layers; `None` where there are too many ranks and layers
    /// to know them.
    pub operations: Option<(u128, u128)>,
    /// Membrane updates of all layers and elements of all steps; `None` as for the operations.
    pub updates: Option<(u128, u128)>,
    /// How many batches fewer were seen of it than of the furthest rank.
    pub lag: u64,
    /// When its newest batch was written.
    pub newest: Option<SystemTime>,
    /// How long it has sent nothing: since its newest batch or, without one, since the first of the run. Less
    /// the time that any batch took to be seen.
    pub quiet: Option<Duration>,
}

/// What a rank is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// Now.
    pub now: SystemTime,
    /// Whether the whole run is over.
    pub run_is_over: bool,
    /// After how long a run that writes nothing is stalled.
    pub stall_after: Duration,
}

/// The ranks of a run. All of it is kept up batch by batch, in memory that is bounded for each rank.
#[derive(Debug, Default)]
pub struct Ranks {
    ranks: BTreeMap<u32, Rank>,
    layer_sums: usize,
    /// The least time between the writing of a batch and its coming: what clocks, disks and a late start
    /// of the watch add to all times.
    delay: Option<Duration>,
    /// When the first batch of any rank was written.
    first_written: Option<SystemTime>,
}

impl Ranks {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }

    /// Takes the account of a rank; without one the rank is gone.
    pub fn account(&mut self, rank: u32, account: Option<Account>) {
        match account {
            Some(account) => self.rank(rank).account = account,
            None => drop(self.ranks.remove(&rank)),
        }
    }

    /// Notes that the manifest speaks of so many ranks, all of which are to come.
    pub fn expect(&mut self, world_size: u64) {
        if !self.ranks.is_empty() && world_size <= MOST_EXPECTED {
            for rank in 0..world_size as u32 {
                self.rank(rank);
            }
        }
    }

    /// Takes the end of a rank.
    pub fn end(&mut self, rank: u32, end: End) {
        self.rank(rank).end = Some(end);
    }

    /// Notes that a batch of a rank, written at one time, came at another.
    pub fn note_written(&mut self, rank: u32, written: SystemTime, came: SystemTime) {
        // A clock that runs ahead elsewhere makes nobody live longer.
        let written = written.min(came);
        let delay = came.duration_since(written).unwrap_or_default();
        self.delay = Some(self.delay.map_or(delay, |least| least.min(delay)));
        self.first_written = Some(self.first_written.map_or(written, |first| first.min(written)));
        self.rank(rank).pace.note(written);
    }

    /// Adds the counts of a batch of a rank: `layers` and `prices` are by index in the tally.
    pub fn add(
        &mut self,
        rank: u32,
        (number, samples): (u64, u64),
        layers: &[usize],
        counts: &[LayerCount],
        prices: &[u64],
    ) {
        let needed = layers.iter().max().map_or(0, |last| last + 1);
        let room = MAX_LAYER_SUMS - self.layer_sums;
        let rank = self.ranks.entry(rank).or_default();
        let sums = rank.sums.get_or_insert_with(|| Point::at(number));
        let more = needed.saturating_sub(sums.layers.len());
        if rank.is_cut || more > room {
            rank.is_cut = true;
            return sums.add(number, samples, &[], &[], prices);
        }
        sums.add(number, samples, layers, counts, prices);
        self.layer_sums += more;
    }

    /// Takes a batch of a rank out again that was added with these values.
    pub fn remove(
        &mut self,
        rank: u32,
        samples: u64,
        layers: &[usize],
        counts: &[LayerCount],
        prices: &[u64],
    ) {
        let Some(rank) = self.ranks.get_mut(&rank) else { return };
        match (&mut rank.sums, rank.is_cut) {
            (Some(sums), true) => sums.remove(samples, &[], &[], prices),
            (Some(sums), false) => sums.remove(samples, layers, counts, prices),
            (None, _) => {}
        }
    }

    /// Prices the layers anew: operations of an update by index in the tally.
    pub fn reprice(&mut self, prices: &[u64]) {
        self.ranks.values_mut().filter_map(|rank| rank.sums.as_mut()).for_each(|sums| sums.reprice(prices));
    }

    /// The sums by rank, to be kept for another time; without those by layer where they are cut.
    pub fn sums(&self) -> Vec<RankSums> {
        let sums = self.ranks.iter().filter_map(|(&rank, known)| {
            let sums = known.sums.clone()?;
            Some(RankSums { rank, is_cut: known.is_cut, sums })
        });
        sums.collect()
    }

    /// Goes on from the sums of another time.
    pub fn restore(&mut self, sums: Vec<RankSums>) {
        for RankSums { rank, is_cut, sums } in sums {
            self.layer_sums = (self.layer_sums + sums.layers.len()).min(MAX_LAYER_SUMS);
            let rank = self.rank(rank);
            (rank.is_cut, rank.sums) = (is_cut, Some(sums));
        }
    }

    /// The end of the run, where it has none of its own: once every rank has come to its end.
    pub fn common_end(&self) -> Option<End> {
        let ends: Vec<&End> = self.ranks.values().map(|rank| rank.end.as_ref()).collect::<Option<_>>()?;
        if ends.is_empty() {
            return None;
        }
        let sum = |of: fn(&End) -> Option<u64>| {
            ends.iter().map(|end| of(end)).try_fold(0_u64, |sum, part| sum.checked_add(part?))
        };
        Some(End { samples: sum(|end| end.samples), batches: sum(|end| end.batches), neurobench: None })
    }

    /// NeuroBench's own results by rank, where every rank has some: rank, results, samples, effective and
    /// dense operations, updates.
    pub fn official(&self) -> Option<Vec<Official<'_>>> {
        let official: Option<Vec<Official<'_>>> =
            self.ranks.iter().map(|(&rank, known)| known.official(rank)).collect();
        official.filter(|official| !official.is_empty())
    }

    /// All ranks as they stand, the lowest first.
    pub fn standings(&self, at: Circumstances) -> Vec<Standing> {
        let furthest = self.ranks.values().map(|rank| rank.account.seen).max().unwrap_or(0);
        let intervals: Vec<Option<Duration>> = self.ranks.values().map(|rank| rank.pace.interval()).collect();
        let typical = median(intervals.iter().flatten().copied().collect());
        let ranks = self.ranks.iter().zip(intervals);
        ranks
            .map(|((&rank, known), own)| {
                let lag = furthest - known.account.seen;
                let quiet = self.quiet(known, at.now);
                let is_behind = lag > BEHIND_BY.max(furthest / BEHIND_BY_PART);
                let limit = silent_after(own, typical, at.stall_after);
                let state = match () {
                    () if at.run_is_over || known.end.is_some() => RankState::Done,
                    () if quiet.is_some_and(|quiet| quiet >= limit) => RankState::Silent,
                    () if is_behind => RankState::Behind,
                    () => RankState::Counting,
                };
                let sums = known.sums.as_ref();
                let whole = |of: fn(&Point) -> (u128, u128)| match sums {
                    _ if known.is_cut => None,
                    sums => Some(sums.map_or((0, 0), of)),
                };
                Standing {
                    rank,
                    state,
                    account: known.account,
                    samples: sums.map_or(0, |sums| sums.samples),
                    operations: whole(|sums| (sums.effective, sums.dense)),
                    updates: whole(|sums| {
                        sums.layers.iter().fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1))
                    }),
                    lag,
                    newest: known.pace.newest(),
                    quiet,
                }
            })
            .collect()
    }

    fn quiet(&self, rank: &Rank, now: SystemTime) -> Option<Duration> {
        let last = rank.pace.newest().or(self.first_written)?;
        let since = now.duration_since(last).unwrap_or_default();
        Some(since.saturating_sub(self.delay.unwrap_or_default()))
    }

    fn rank(&mut self, rank: u32) -> &mut Rank {
        self.ranks.entry(rank).or_default()
    }
}

/// After how long a rank is silent: its own pace and that of a typical rank say it, the slower of both; where
/// no pace is known yet, the time after which a run is stalled does.
fn silent_after(own: Option<Duration>, typical: Option<Duration>, stall_after: Duration) -> Duration {
    match own.max(typical) {
        Some(interval) => (interval.saturating_mul(SILENT_AFTER_BATCHES)).max(SILENT_AFTER.min(stall_after)),
        None => stall_after,
    }
}

fn median(mut values: Vec<Duration>) -> Option<Duration> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// The sums of a rank, as they are kept in a file.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RankSums {
    /// The rank.
    pub rank: u32,
    /// Whether the sums by layer are not those of all its batches.
    pub is_cut: bool,
    /// The sums.
    pub sums: Point,
}

/// NeuroBench's own results of a rank, and what was counted of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Official<'a> {
    /// The rank.
    pub rank: u32,
    /// The results.
    pub results: &'a OfficialResults,
    /// Samples counted.
    pub samples: u128,
    /// Effective operations counted.
    pub effective: u128,
    /// Dense operations counted.
    pub dense: u128,
    /// Membrane updates counted.
    pub updates: u128,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn now(seconds: u64) -> Circumstances {
        Circumstances { now: at(seconds), run_is_over: false, stall_after: Duration::from_secs(30) }
    }

    fn account(seen: u64) -> Option<Account> {
        Some(Account { seen, counted: seen, ..Account::default() })
    }

    /// Ranks that write a batch every so many seconds until a time.
    fn ranks(paces: &[(u32, u64, u64)]) -> Ranks {
        let mut ranks = Ranks::default();
        for &(rank, every, until) in paces {
            let times: Vec<u64> = (0..=until).step_by(every as usize).collect();
            times.iter().for_each(|&time| ranks.note_written(rank, at(time), at(time)));
            ranks.account(rank, account(times.len() as u64));
        }
        ranks
    }

    fn states(ranks: &Ranks, at: Circumstances) -> Vec<RankState> {
        ranks.standings(at).iter().map(|standing| standing.state).collect()
    }

    #[test]
    fn a_rank_is_silent_after_much_longer_than_a_batch_takes() {
        let ranks = ranks(&[(0, 2, 100), (1, 2, 100), (2, 2, 80)]);
        assert_eq!(states(&ranks, now(89)), [RankState::Counting, RankState::Counting, RankState::Behind]);
        let standing = &ranks.standings(now(100))[2];
        assert_eq!(
            (standing.state, standing.lag, standing.quiet),
            (RankState::Silent, 10, Some(Duration::from_secs(20)))
        );
        assert_eq!(standing.newest, Some(at(80)));
    }

    #[test]
    fn a_slow_rank_is_not_silent_at_its_own_pace_nor_a_quick_one_at_that_of_the_others() {
        let slow = ranks(&[(0, 1, 100), (1, 1, 100), (2, 20, 40)]);
        assert_eq!(states(&slow, now(100))[2], RankState::Behind, "it takes 20 s for a batch");
        assert_eq!(states(&slow, now(140))[2], RankState::Silent);
        let quick = ranks(&[(0, 20, 100), (1, 20, 100), (2, 1, 40)]);
        assert_eq!(states(&quick, now(100))[2], RankState::Counting, "the others take 20 s for a batch");
    }

    #[test]
    fn short_pauses_of_quick_ranks_alarm_nobody() {
        let mut ranks = Ranks::default();
        for millis in 0..100 {
            ranks.note_written(0, at(0) + Duration::from_millis(millis), at(1));
        }
        ranks.account(0, account(100));
        assert_eq!(states(&ranks, now(5)), [RankState::Counting]);
        assert_eq!(states(&ranks, now(8)), [RankState::Silent]);
    }

    #[test]
    fn a_rank_that_never_sent_anything_is_silent_in_time() {
        let mut ranks = ranks(&[(0, 10, 100)]);
        ranks.expect(2);
        assert_eq!(ranks.standings(now(20))[1].quiet, Some(Duration::from_secs(20)));
        assert_eq!(states(&ranks, now(20))[1], RankState::Behind);
        assert_eq!(states(&ranks, now(50))[1], RankState::Silent);
        let mut nothing = Ranks::default();
        nothing.account(3, Some(Account::default()));
        assert_eq!(states(&nothing, now(1000)), [RankState::Counting], "nobody has sent anything");
    }

    #[test]
    fn the_clock_of_the_file_server_makes_no_rank_silent() {
        let mut ranks = Ranks::default();
        for time in 0..10 {
            ranks.note_written(0, at(time), at(time + 3600));
            ranks.note_written(1, at(time), at(time + 3601));
        }
        assert_eq!(states(&ranks, now(3613)), [RankState::Counting; 2]);
        assert_eq!(states(&ranks, now(3614)), [RankState::Silent; 2]);
        let mut ahead = Ranks::default();
        ahead.note_written(0, at(9999), at(1));
        assert_eq!(ahead.standings(now(31))[0].quiet, Some(Duration::from_secs(30)));
    }

    #[test]
    fn the_run_ends_with_the_last_rank() {
        let mut ranks = ranks(&[(0, 2, 4), (1, 2, 4)]);
        assert_eq!((Ranks::default().common_end(), ranks.common_end()), (None, None));
        let end = |samples| End { samples: Some(samples), batches: Some(3), neurobench: None };
        ranks.end(0, end(5));
        assert_eq!((ranks.common_end(), states(&ranks, now(500))[0]), (None, RankState::Done));
        ranks.end(1, end(6));
        assert_eq!(ranks.common_end(), Some(End { samples: Some(11), batches: Some(6), neurobench: None }));
        ranks.end(1, End::default());
        assert_eq!(ranks.common_end(), Some(End::default()), "one does not say how many");
        let over = Circumstances { run_is_over: true, ..now(500) };
        assert_eq!(states(&ranks, over), [RankState::Done; 2]);
    }

    #[test]
    fn sums_of_layers_are_bounded_and_batches_and_samples_are_not() {
        let layers: Vec<usize> = (0..1 << 12).collect();
        let counts = vec![LayerCount { updates: 1, dense: 2, updates_by_step: Vec::new() }; layers.len()];
        let mut ranks = Ranks::default();
        for rank in 0..200 {
            ranks.add(rank, (7, 3), &layers, &counts, &[5]);
        }
        let standings = ranks.standings(now(0));
        assert_eq!(standings[0].operations, Some((5, 10)));
        assert_eq!(standings[0].updates, Some((1 << 12, 2 << 12)));
        assert_eq!((standings[199].operations, standings[199].samples), (None, 3));
        let kept: usize = ranks.sums().iter().map(|kept| kept.sums.layers.len()).sum();
        assert_eq!(kept, MAX_LAYER_SUMS);
        let mut restored = Ranks::default();
        restored.restore(ranks.sums());
        assert_eq!(restored.sums(), ranks.sums());
        for rank in 0..200 {
            ranks.remove(rank, 3, &layers, &counts, &[5]);
        }
        assert!(ranks.standings(now(0)).iter().all(|standing| standing.samples == 0));
        assert_eq!(ranks.standings(now(0))[0].operations, Some((0, 0)));
    }
}
