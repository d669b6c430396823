//! The ranks of a run: what came from each, how far it is behind the others, and whether it is silent.
//!
//! A rank is a part of a run: it has an account, sums and an end as the run has, over its own batches.

use crate::count::LayerCount;
use crate::follow::Account;
use crate::run::series::priced;
use crate::run::sums::{MAX_SUM, Operations, Sums, Updates};
use crate::run::timing::FileTimes;
use crate::snapshot::{End, OfficialResults};
use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A rank is silent once it has sent nothing for so many times as long as it, or a typical rank, takes for a batch.
const SILENT_AFTER_BATCHES: u32 = 5;

/// It is not silent before this, so that batches that take milliseconds alarm nobody.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// A rank is behind if it lacks more batches than this, and more than one in so many of the furthest rank's.
const BEHIND_BY: u64 = 2;
const BEHIND_BY_PART: u64 = 10;

/// A manifest that speaks of more ranks than this is not believed before they send something.
const MOST_EXPECTED: u64 = 1 << 16;

/// The most sums of layers over all ranks, so that thousands of ranks with thousands of layers do not take ever more
/// memory: about 40 MiB.
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
#[derive(Debug, Clone, PartialEq)]
pub struct Rank {
    /// The account of its batches.
    pub account: Account,
    /// The sums over its batches.
    pub sums: RankSums,
    /// When its counted batches were written.
    pub times: FileTimes,
    /// When the newest of those was written that were there at first, counted or not.
    pub newest_found: Option<SystemTime>,
    /// Its end, once it has come to it.
    pub end: Option<End>,
}

impl Rank {
    /// A rank of which nothing but its sums is known.
    pub fn with_sums(sums: RankSums) -> Self {
        Self { account: Account::default(), sums, times: FileTimes::default(), newest_found: None, end: None }
    }

    fn newest(&self) -> Option<SystemTime> {
        self.times.last().max(self.newest_found)
    }

    fn official(&self, rank: u32, prices: &[u64]) -> Option<OfficialRank<'_>> {
        let results = self.end.as_ref()?.neurobench.as_ref()?;
        let sums = Some(&self.sums).filter(|sums| sums.batches > 0)?;
        let (operations, updates) = (sums.operations(prices)?, sums.total()?.effective);
        Some(OfficialRank { rank, results, samples: sums.samples, operations, updates })
    }
}

/// The sums over the batches of a rank, with the updates of its layers by index in the tally; `None` where there is no
/// room for them.
pub type RankSums = Sums<Option<BTreeMap<usize, Updates>>>;

impl RankSums {
    /// The operations of all layers. `prices` are by index in the tally.
    fn operations(&self, prices: &[u64]) -> Option<Operations> {
        let layers = self.updates.as_ref()?.iter();
        Some(layers.map(|(&layer, &updates)| priced(updates, prices, layer)).sum())
    }

    /// The updates of all layers together.
    fn total(&self) -> Option<Updates> {
        Some(self.updates.as_ref()?.values().copied().sum())
    }

    /// Whether a file may hold these sums of so many layers: none can overflow.
    pub fn is_sound(&self, layers: usize) -> bool {
        let mut own = self.updates.iter().flatten();
        self.samples <= MAX_SUM && own.all(|(&layer, updates)| layer < layers && updates.is_sound())
    }
}

/// A rank as it stands at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct RankStatus {
    pub rank: u32,
    pub state: RankState,
    /// The account of its batches.
    pub account: Account,
    /// Samples counted.
    pub samples: u128,
    /// The operations of its priced layers; `None` where there are too many ranks and layers to know them.
    pub operations: Option<Operations>,
    /// The updates of its layers; `None` where there are too many ranks and layers to know them.
    pub updates: Option<Updates>,
    /// How many batches fewer were seen of it than of the furthest rank.
    pub lag: u64,
    /// When its newest batch was written.
    pub newest: Option<SystemTime>,
    /// How long it has sent nothing: since its newest batch or, without one, since the first batch of the run, less
    /// the least time from the writing of a batch to its appearance.
    pub quiet: Option<Duration>,
}

/// The ranks of a run, kept up batch by batch in memory that is bounded for each rank. A clone shares the ranks that do
/// not change afterwards.
#[derive(Debug, Clone, Default)]
pub struct Ranks {
    ranks: BTreeMap<u32, Arc<Rank>>,
    /// All ranks below this are expected, and listed.
    expected: u32,
    /// How many ranks have come to their end, and the end of the run that follows once all have.
    ended: usize,
    common_end: Option<End>,
    /// How many sums of layers all ranks have together.
    layer_sums: usize,
    /// The first of the ranks whose sums of layers found no room.
    cut_from: Option<u32>,
}

impl Ranks {
    pub fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }

    /// Takes the account of a rank, which is gone without one.
    pub fn account(&mut self, rank: u32, account: Option<Account>) {
        match account {
            Some(account) => self.rank(rank).account = account,
            None => self.forget(rank),
        }
    }

    /// Expects so many ranks, as the manifest says. This may be called after every change: only ranks that are not
    /// expected yet cost anything.
    pub fn expect(&mut self, world_size: u64) {
        if self.ranks.is_empty() || world_size > MOST_EXPECTED {
            return;
        }
        let world_size = world_size as u32;
        for rank in self.expected..world_size {
            self.rank(rank);
        }
        self.expected = world_size;
    }

    pub fn end(&mut self, rank: u32, end: End) {
        self.ended += usize::from(self.rank(rank).end.replace(end).is_none());
        self.join_ends();
    }

    /// Forgets the end of a rank, which is gone.
    pub fn forget_end(&mut self, rank: u32) {
        let end = self.ranks.get_mut(&rank).and_then(|rank| Arc::make_mut(rank).end.take());
        self.ended -= usize::from(end.is_some());
        self.join_ends();
    }

    /// Finds out what the ends say together. There may be thousands, so that they are looked at only once all are there.
    fn join_ends(&mut self) {
        let ends = || self.ranks.values().filter_map(|rank| rank.end.as_ref());
        // `None` where one does not say it, or the sum has no room.
        let sum =
            |part: fn(&End) -> Option<u64>| ends().try_fold(0_u64, |sum, end| sum.checked_add(part(end)?));
        let have_all_ended = self.ended > 0 && self.ended == self.ranks.len();
        self.common_end = have_all_ended.then(|| End {
            samples: sum(|end| end.samples),
            batches: sum(|end| end.batches),
            neurobench: None,
        });
    }

    /// The times of the counted batches of a rank, to be added to.
    pub fn times_of(&mut self, rank: u32) -> &mut FileTimes {
        &mut self.rank(rank).times
    }

    /// Notes that a batch of a rank was there at first.
    pub fn note_first_found(&mut self, rank: u32, written: SystemTime) {
        let known = self.rank(rank);
        known.newest_found = known.newest_found.max(Some(written));
    }

    /// When the newest batch of any rank was written.
    pub fn newest(&self) -> Option<SystemTime> {
        self.ranks.values().filter_map(|rank| rank.newest()).max()
    }

    /// Adds a batch of a rank: `layers` are indices in the tally.
    pub fn add(&mut self, rank: u32, samples: u64, layers: &[usize], counts: &[LayerCount]) {
        let updates = layers.iter().copied().zip(counts.iter().map(Updates::from));
        self.add_sums(rank, Sums { batches: 1, samples: samples.into(), updates });
    }

    /// Takes out a batch of a rank that was added with these values.
    pub fn remove(&mut self, rank: u32, samples: u64, layers: &[usize], counts: &[LayerCount]) {
        let Some(rank) = self.ranks.get_mut(&rank).filter(|rank| rank.sums.batches > 0) else { return };
        let rank = Arc::make_mut(rank);
        rank.sums.batches -= 1;
        rank.sums.samples -= u128::from(samples);
        let Some(own) = &mut rank.sums.updates else { return };
        for (layer, count) in layers.iter().zip(counts) {
            if let Some(updates) = own.get_mut(layer) {
                *updates -= count.into();
            }
        }
    }

    /// Adds what was seen elsewhere of other batches of a rank, whose layers have the same indices. Its end replaces the
    /// one that is known.
    pub fn join(&mut self, rank: u32, other: Rank) {
        let mine = self.rank(rank);
        mine.account += other.account;
        mine.times.join(&other.times);
        if let Some(end) = other.end {
            self.end(rank, end);
        }
        if other.sums.updates.is_none() {
            self.cut(rank);
        }
        let Sums { batches, samples, updates } = other.sums;
        self.add_sums(rank, Sums { batches, samples, updates: updates.into_iter().flatten() });
    }

    fn add_sums(&mut self, rank: u32, new: Sums<impl Iterator<Item = (usize, Updates)>>) {
        let sums = &mut self.rank(rank).sums;
        sums.batches += new.batches;
        sums.samples += new.samples;
        let Some(own) = &mut sums.updates else { return };
        let before = own.len();
        for (layer, updates) in new.updates {
            *own.entry(layer).or_default() += updates;
        }
        self.layer_sums += own.len() - before;
        self.make_room();
    }

    /// Drops the sums of layers of the last ranks where there are too many. So a rank has them if there is room for
    /// those of all ranks up to it, whatever the order of the batches.
    fn make_room(&mut self) {
        let has_some = |rank: &Arc<Rank>| rank.sums.updates.as_ref().is_some_and(|own| !own.is_empty());
        while self.layer_sums > MAX_LAYER_SUMS
            && let Some((&last, _)) = self.uncut().rev().find(|(_, rank)| has_some(rank))
        {
            self.cut(last);
        }
    }

    /// The ranks whose sums of layers have room. The others are never searched again: there may be thousands of them
    /// each time that a rank is cut.
    fn uncut(&self) -> Range<'_, u32, Arc<Rank>> {
        let end = self.cut_from.map_or(Bound::Unbounded, Bound::Excluded);
        self.ranks.range((Bound::Unbounded, end))
    }

    /// Drops the sums of layers from this rank on.
    fn cut(&mut self, from: u32) {
        if self.cut_from.is_some_and(|first| first <= from) {
            return;
        }
        let end = self.cut_from.map_or(Bound::Unbounded, Bound::Excluded);
        for (_, rank) in self.ranks.range_mut((Bound::Included(from), end)) {
            if rank.sums.updates.is_some() {
                self.layer_sums -= Arc::make_mut(rank).sums.updates.take().map_or(0, |own| own.len());
            }
        }
        self.cut_from = Some(from);
    }

    /// Forgets a rank. If it is expected, it is still to come.
    fn forget(&mut self, rank: u32) {
        if let Some(gone) = self.ranks.remove(&rank) {
            self.layer_sums -= gone.sums.updates.as_ref().map_or(0, BTreeMap::len);
            self.ended -= usize::from(gone.end.is_some());
        }
        if rank < self.expected {
            self.rank(rank);
        }
        self.join_ends();
    }

    /// All that is known of each rank, the lowest first.
    pub fn all(&self) -> impl Iterator<Item = (u32, &Rank)> {
        self.ranks.iter().map(|(&rank, known)| (rank, &**known))
    }

    /// The sums of the ranks that have batches, as they are kept in a state file.
    pub fn sums(&self) -> Vec<(u32, RankSums)> {
        let with_batches = self.all().filter(|(_, rank)| rank.sums.batches > 0);
        with_batches.map(|(rank, known)| (rank, known.sums.clone())).collect()
    }

    pub fn from_sums(sums: Vec<(u32, RankSums)>) -> Self {
        let mut ranks = Self::default();
        for (rank, sums) in sums {
            ranks.join(rank, Rank::with_sums(sums));
        }
        ranks
    }

    /// Adds what was seen elsewhere of other batches. `index` says where a layer of theirs is in this tally.
    pub fn merge(&mut self, other: &Self, index: &[usize]) {
        for (rank, known) in other.all() {
            let mut known = known.clone();
            known.sums.updates = known.sums.updates.map(|own| {
                own.into_iter().filter_map(|(layer, updates)| Some((*index.get(layer)?, updates))).collect()
            });
            self.join(rank, known);
        }
    }

    /// The end of the run that follows from the ends of the ranks, once every rank has come to its end.
    pub fn common_end(&self) -> Option<&End> {
        // A rank may have come since.
        self.common_end.as_ref().filter(|_| self.ended == self.ranks.len())
    }

    /// NeuroBench's own results by rank, where every rank has some, and what was counted of each. `prices` are
    /// operations of an update, by index in the tally.
    pub fn official(&self, prices: &[u64]) -> Option<Vec<OfficialRank<'_>>> {
        let official: Option<Vec<OfficialRank<'_>>> =
            self.all().map(|(rank, known)| known.official(rank, prices)).collect();
        official.filter(|official| !official.is_empty())
    }

    /// The operations of each rank at these prices, by index in the tally; `None` where there are too many ranks and
    /// layers to know them.
    pub fn operations(&self, prices: &[u64]) -> impl Iterator<Item = Option<Operations>> {
        self.ranks.values().map(|rank| rank.sums.operations(prices))
    }

    /// All ranks as they stand at `now`, the lowest first. `prices` are operations of an update, by index in the tally;
    /// a run that writes nothing is stalled after `stall_after`.
    pub fn statuses(
        &self,
        now: SystemTime,
        run_is_over: bool,
        stall_after: Duration,
        prices: &[u64],
    ) -> Vec<RankStatus> {
        let furthest = self.ranks.values().map(|rank| rank.account.seen).max().unwrap_or(0);
        let intervals: Vec<Option<Duration>> =
            self.ranks.values().map(|rank| rank.times.interval()).collect();
        let typical = median(intervals.iter().flatten().copied().collect());
        let first_written = self.ranks.values().filter_map(|rank| rank.times.first()).min();
        // What the clock of a file server adds to all times.
        let delay = self.ranks.values().filter_map(|rank| rank.times.delay()).min().unwrap_or_default();
        let ranks = self.ranks.iter().zip(intervals);
        ranks
            .map(|((&rank, known), own)| {
                let lag = furthest - known.account.seen;
                let last = known.newest().or(first_written);
                let quiet =
                    last.map(|last| now.duration_since(last).unwrap_or_default().saturating_sub(delay));
                let is_behind = lag > BEHIND_BY.max(furthest / BEHIND_BY_PART);
                let limit = silent_after(own, typical, stall_after);
                let state = match () {
                    () if run_is_over || known.end.is_some() => RankState::Done,
                    () if quiet.is_some_and(|quiet| quiet >= limit) => RankState::Silent,
                    () if is_behind => RankState::Behind,
                    () => RankState::Counting,
                };
                RankStatus {
                    rank,
                    state,
                    account: known.account,
                    samples: known.sums.samples,
                    operations: known.sums.operations(prices),
                    updates: known.sums.total(),
                    lag,
                    newest: known.newest(),
                    quiet,
                }
            })
            .collect()
    }

    fn rank(&mut self, rank: u32) -> &mut Rank {
        let is_cut = self.cut_from.is_some_and(|first| first <= rank);
        let known = self.ranks.entry(rank).or_insert_with(|| {
            let updates = (!is_cut).then(BTreeMap::new);
            Rank::with_sums(Sums { updates, ..Sums::default() }).into()
        });
        Arc::make_mut(known)
    }
}

/// After how long a rank is silent. The slower of its own pace and a typical rank's decides or, where no pace is known
/// yet, the time after which a run is stalled.
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

/// NeuroBench's own results of a rank, and what was counted of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfficialRank<'a> {
    pub rank: u32,
    pub results: &'a OfficialResults,
    /// Samples counted.
    pub samples: u128,
    /// Operations counted.
    pub operations: Operations,
    /// Effective updates counted.
    pub updates: u128,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn statuses(ranks: &Ranks, seconds: u64) -> Vec<RankStatus> {
        ranks.statuses(at(seconds), false, Duration::from_secs(30), &[5])
    }

    fn account(seen: u64) -> Option<Account> {
        Some(Account { seen, counted: seen, ..Account::default() })
    }

    /// Ranks that write a batch every so many seconds until a time.
    fn ranks(paces: &[(u32, u64, u64)]) -> Ranks {
        let mut ranks = Ranks::default();
        for &(rank, every, until) in paces {
            let times: Vec<u64> = (0..=until).step_by(every as usize).collect();
            times.iter().for_each(|&time| ranks.times_of(rank).note_appeared(at(time), at(time)));
            ranks.account(rank, account(times.len() as u64));
        }
        ranks
    }

    fn states(ranks: &Ranks, seconds: u64) -> Vec<RankState> {
        statuses(ranks, seconds).iter().map(|status| status.state).collect()
    }

    #[test]
    fn a_rank_is_silent_after_much_longer_than_a_batch_takes() {
        let ranks = ranks(&[(0, 2, 100), (1, 2, 100), (2, 2, 80)]);
        assert_eq!(states(&ranks, 89), [RankState::Counting, RankState::Counting, RankState::Behind]);
        let status = &statuses(&ranks, 100)[2];
        assert_eq!(
            (status.state, status.lag, status.quiet),
            (RankState::Silent, 10, Some(Duration::from_secs(20)))
        );
        assert_eq!(status.newest, Some(at(80)));
    }

    #[test]
    fn a_slow_rank_is_not_silent_at_its_own_pace_nor_a_quick_one_at_that_of_the_others() {
        let slow = ranks(&[(0, 1, 100), (1, 1, 100), (2, 20, 40)]);
        assert_eq!(states(&slow, 100)[2], RankState::Behind, "it takes 20 s for a batch");
        assert_eq!(states(&slow, 140)[2], RankState::Silent);
        let quick = ranks(&[(0, 20, 100), (1, 20, 100), (2, 1, 40)]);
        assert_eq!(states(&quick, 100)[2], RankState::Counting, "the others take 20 s for a batch");
    }

    #[test]
    fn short_pauses_of_quick_ranks_alarm_nobody() {
        let mut ranks = Ranks::default();
        for millis in 0..100 {
            ranks.times_of(0).note_appeared(at(0) + Duration::from_millis(millis), at(1));
        }
        ranks.account(0, account(100));
        assert_eq!(states(&ranks, 5), [RankState::Counting]);
        assert_eq!(states(&ranks, 8), [RankState::Silent]);
    }

    #[test]
    fn a_rank_that_never_sent_anything_is_silent_in_time() {
        let mut ranks = ranks(&[(0, 10, 100)]);
        ranks.expect(2);
        assert_eq!(statuses(&ranks, 20)[1].quiet, Some(Duration::from_secs(20)));
        assert_eq!(states(&ranks, 20)[1], RankState::Behind);
        assert_eq!(states(&ranks, 50)[1], RankState::Silent);
        let mut nothing = Ranks::default();
        nothing.account(3, Some(Account::default()));
        assert_eq!(states(&nothing, 1000), [RankState::Counting], "nobody has sent anything");
    }

    #[test]
    fn the_clock_of_the_file_server_makes_no_rank_silent() {
        let mut ranks = Ranks::default();
        for time in 0..10 {
            ranks.times_of(0).note_appeared(at(time), at(time + 3600));
            ranks.times_of(1).note_appeared(at(time), at(time + 3601));
        }
        assert_eq!(states(&ranks, 3613), [RankState::Counting; 2]);
        assert_eq!(states(&ranks, 3614), [RankState::Silent; 2]);
        let mut ahead = Ranks::default();
        ahead.times_of(0).note_appeared(at(9999), at(1));
        assert_eq!(statuses(&ahead, 31)[0].quiet, Some(Duration::from_secs(30)));
    }

    #[test]
    fn what_was_there_at_first_is_as_old_as_its_files_say() {
        const DAY: u64 = 86_400;
        let mut ranks = Ranks::default();
        for rank in 0..2 {
            (0..5).for_each(|time| ranks.times_of(rank).note_found(at(time), at(2 * DAY)));
        }
        assert!(statuses(&ranks, 2 * DAY).iter().all(|rank| rank.quiet > Some(Duration::from_secs(DAY))));
        assert_eq!(states(&ranks, 2 * DAY), [RankState::Silent; 2]);
        // The newest waits to be counted.
        ranks.note_first_found(0, at(2 * DAY - 1));
        assert_eq!(states(&ranks, 2 * DAY), [RankState::Counting, RankState::Silent]);
        ranks.times_of(1).note_found(at(3 * DAY), at(2 * DAY));
        assert_eq!(states(&ranks, 2 * DAY)[1], RankState::Silent, "no clock that is ahead makes it younger");
    }

    #[test]
    fn the_run_ends_with_the_last_rank() {
        let mut ranks = ranks(&[(0, 2, 4), (1, 2, 4)]);
        assert_eq!((Ranks::default().common_end(), ranks.common_end()), (None, None));
        let end = |samples| End { samples: Some(samples), batches: Some(3), neurobench: None };
        ranks.end(0, end(5));
        assert_eq!((ranks.common_end(), states(&ranks, 500)[0]), (None, RankState::Done));
        ranks.end(1, end(6));
        assert_eq!(
            ranks.common_end().cloned(),
            Some(End { samples: Some(11), batches: Some(6), neurobench: None })
        );
        ranks.end(1, End::default());
        assert_eq!(ranks.common_end(), Some(&End::default()), "one does not say how many");
        let over = ranks.statuses(at(500), true, Duration::from_secs(30), &[]);
        assert!(over.iter().all(|status| status.state == RankState::Done));
    }

    #[test]
    fn ends_that_change_or_go_are_not_in_the_common_one() {
        let end = |samples| End { samples, batches: Some(1), neurobench: None };
        let mut ranks = Ranks::default();
        ranks.account(0, account(1));
        ranks.expect(2);
        ranks.end(0, end(None));
        ranks.end(1, end(Some(u64::MAX)));
        assert_eq!(
            ranks.common_end().cloned(),
            Some(End { batches: Some(2), ..End::default() }),
            "one says nothing"
        );
        ranks.end(0, end(Some(1)));
        assert_eq!(
            ranks.common_end().cloned(),
            Some(End { batches: Some(2), ..End::default() }),
            "they do not fit"
        );
        ranks.end(1, end(Some(6)));
        assert_eq!(
            ranks.common_end().cloned(),
            Some(End { samples: Some(7), batches: Some(2), neurobench: None })
        );
        ranks.account(1, None);
        assert_eq!((ranks.common_end(), ranks.all().count()), (None, 2), "the rank is still expected");
        let sums = Sums { updates: Some(BTreeMap::new()), ..Sums::default() };
        ranks.join(1, Rank { end: Some(end(Some(8))), ..Rank::with_sums(sums) });
        assert_eq!(ranks.common_end().and_then(|end| end.samples), Some(9));
        ranks.expect(0);
        ranks.account(1, None);
        assert_eq!(ranks.common_end().and_then(|end| end.samples), Some(1));
        ranks.forget_end(0);
        ranks.forget_end(0);
        assert_eq!(ranks.common_end(), None);
        ranks.end(0, end(Some(2)));
        assert_eq!(ranks.common_end().and_then(|end| end.samples), Some(2));
    }

    /// So many that a look at all of them for each account, end or dropped sum does not come to an end.
    #[test]
    fn each_of_very_many_ranks_may_change_alone() {
        const MANY: u32 = MOST_EXPECTED as u32;
        let (layers, counts) = layers(16);
        let mut ranks = Ranks::default();
        for rank in 0..MANY {
            ranks.add(rank, 1, &layers, &counts);
            ranks.account(rank, account(1));
            ranks.expect(MANY.into());
        }
        for rank in 0..MANY {
            ranks.end(rank, End { samples: Some(1), ..End::default() });
            assert_eq!(ranks.common_end().is_some(), rank == MANY - 1);
        }
        let with_sums = statuses(&ranks, 0).iter().filter(|rank| rank.operations.is_some()).count();
        assert_eq!((ranks.all().count(), with_sums), (MANY as usize, MAX_LAYER_SUMS / 16));
        for rank in 0..MANY {
            ranks.account(rank, account(2));
            assert_eq!(ranks.common_end().and_then(|end| end.samples), Some(MANY.into()));
        }
    }

    fn layers(many: usize) -> (Vec<usize>, Vec<LayerCount>) {
        let count = LayerCount { updates: 1, dense: 2, ..LayerCount::default() };
        ((0..many).collect(), vec![count; many])
    }

    #[test]
    fn sums_of_layers_are_bounded_and_batches_and_samples_are_not() {
        let (layers, counts) = layers(1 << 12);
        let mut ranks = Ranks::default();
        for rank in 0..200 {
            ranks.add(rank, 3, &layers, &counts);
        }
        let all = statuses(&ranks, 0);
        assert_eq!(all[127].operations, Some(Operations { effective: 5, dense: 10 }));
        assert_eq!(all[127].updates, Some(Updates { effective: 1 << 12, dense: 2 << 12 }));
        assert!(all[128..].iter().all(|last| (last.operations, last.samples) == (None, 3)));
        let kept: usize = ranks.all().filter_map(|(_, rank)| Some(rank.sums.updates.as_ref()?.len())).sum();
        assert_eq!((kept, ranks.layer_sums), (MAX_LAYER_SUMS, MAX_LAYER_SUMS));
        assert_eq!(Ranks::from_sums(ranks.sums()).sums(), ranks.sums());
        for rank in 0..200 {
            ranks.remove(rank, 3, &layers, &counts);
        }
        assert!(statuses(&ranks, 0).iter().all(|status| status.samples == 0));
        assert_eq!(statuses(&ranks, 0)[0].operations, Some(Operations::default()));
    }

    /// Which ranks have no room does not depend on the order of the batches, nor on which were counted together.
    #[test]
    fn the_ranks_whose_layers_have_room_are_the_same_in_any_order_and_split() {
        let (layers, counts) = layers(8000);
        // Of so many ranks each has two batches of other layers.
        let batches: Vec<(u32, usize)> = (0..80).flat_map(|rank| [(rank, 3000), (rank, 5000)]).collect();
        let added = |batches: &mut dyn Iterator<Item = &(u32, usize)>| {
            let mut ranks = Ranks::default();
            for &(rank, many) in batches {
                let which = if many == 3000 { 0..3000 } else { 3000..8000 };
                ranks.add(rank, 1, &layers[which.clone()], &counts[which]);
            }
            ranks
        };
        let whole = added(&mut batches.iter());
        assert_eq!((whole.cut_from, whole.layer_sums), (Some(65), 65 * 8000));
        assert_eq!(added(&mut batches.iter().rev()).sums(), whole.sums());
        for parts in [2, 3] {
            let mut joined = Ranks::default();
            for part in (0..parts).rev() {
                let mine = |at: &(usize, &(u32, usize))| at.0 % parts == part;
                let part = added(&mut batches.iter().enumerate().filter(mine).map(|(_, batch)| batch));
                part.all().for_each(|(rank, known)| joined.join(rank, known.clone()));
            }
            assert_eq!(joined.sums(), whole.sums(), "{parts} parts");
        }
    }
}
