//! Counted batches that are gone, as ranges of numbers. A run may delete a million batches as they are counted. Of
//! these it needs no names and states, only what tells whether a batch that comes back has the same count.

use super::Count;
use crate::snapshot::{BatchId, BatchName};
use crate::storage::Identity;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::SystemTime;

/// The most batches in one stretch. Checkpoints share stretches, so that a stretch is copied when it changes.
const MOST: usize = 1024;

/// Consecutive batches of one rank, with the same layers and the same form of name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stretch {
    /// The name of the first batch; the others differ in the number only.
    first: BatchName,
    /// The index of their set of layers.
    pub(super) place: u32,
    /// When the oldest and the newest batch was written.
    written: (SystemTime, SystemTime),
    /// The digests of their counts; 0 if an older version of neurotop counted a batch.
    #[serde(with = "words")]
    digests: Vec<u64>,
    /// Hashes of the contents that were counted; empty if neurotop deleted the batches, since these files cannot come
    /// back.
    #[serde(with = "words")]
    states: Vec<u64>,
    /// The sum of the [`BatchId::fingerprint`]s of their counts.
    #[serde(skip)]
    fingerprint: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GoneBatch {
    pub(super) name: BatchName,
    pub(super) count: Count,
    /// A hash of the contents that were counted, if they may come back.
    pub(super) state: Option<u64>,
    pub(super) written: SystemTime,
}

impl Stretch {
    fn from_batch(batch: &GoneBatch) -> Self {
        Self {
            first: batch.name,
            place: batch.count.place,
            written: (batch.written, batch.written),
            digests: vec![batch.count.digest.map_or(0, NonZeroU64::get)],
            states: batch.state.into_iter().collect(),
            fingerprint: batch.name.id().fingerprint(batch.count.digest),
        }
    }

    /// Computes the fingerprint of a stretch that was read from a file, or cut from another.
    fn with_fingerprint(mut self) -> Self {
        let fingerprints = self.batches().map(|(name, digest)| name.id().fingerprint(digest));
        self.fingerprint = fingerprints.fold(0, u64::wrapping_add);
        self
    }

    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(super) fn len(&self) -> usize {
        self.digests.len()
    }

    fn key(&self) -> (Option<u32>, u64) {
        (self.first.rank(), self.first.number)
    }

    pub(super) fn first(&self) -> BatchName {
        self.first
    }

    pub(super) fn last(&self) -> BatchName {
        self.first.numbered(self.first.number + (self.len() as u64 - 1))
    }

    /// The index of a batch number.
    fn place_of(&self, number: u64) -> Option<usize> {
        let at = usize::try_from(number.checked_sub(self.first.number)?).ok()?;
        (at < self.len()).then_some(at)
    }

    /// The batches with the digests of their counts.
    pub(super) fn batches(&self) -> impl Iterator<Item = (BatchName, Option<NonZeroU64>)> {
        let name = |at: usize| self.first.numbered(self.first.number + at as u64);
        self.digests.iter().enumerate().map(move |(at, &digest)| (name(at), NonZeroU64::new(digest)))
    }

    /// Approximate times at which the newest of them were written, at most `most`, assuming a constant pace, and that of
    /// the oldest.
    pub(super) fn written(&self, most: usize) -> impl Iterator<Item = SystemTime> {
        let (oldest, newest) = self.written;
        let span = newest.duration_since(oldest).unwrap_or_default();
        let between = span / (self.len() as u32 - 1).max(1);
        let newest =
            (0..self.len().min(most) as u32).filter_map(move |back| newest.checked_sub(between * back));
        newest.chain((self.len() > most).then_some(oldest))
    }

    fn one(&self, at: usize) -> GoneBatch {
        GoneBatch {
            name: self.first.numbered(self.first.number + at as u64),
            count: Count { place: self.place, digest: NonZeroU64::new(self.digests[at]) },
            state: self.states.get(at).copied(),
            written: self.written.1,
        }
    }

    /// A part of the stretch; `None` if it is empty.
    fn part(&self, of: std::ops::Range<usize>) -> Option<Self> {
        let first = self.first.numbered(self.first.number.checked_add(of.start as u64)?);
        let states = if self.states.is_empty() { Vec::new() } else { self.states[of.clone()].to_vec() };
        let digests = self.digests[of].to_vec();
        (!digests.is_empty()).then(|| Self { first, digests, states, ..*self }.with_fingerprint())
    }

    /// Whether the next stretch continues this one, and both may be joined.
    fn fits(&self, next: &Self) -> bool {
        let name = self.last().number.checked_add(1).map(|number| self.first.numbered(number));
        name == Some(next.first)
            && self.place == next.place
            && self.states.is_empty() == next.states.is_empty()
            && self.len() + next.len() <= MOST
    }

    fn append(&mut self, next: &Self) {
        // The epoch means that the time is unknown.
        let oldest = self.written.0.min(next.written.0);
        let oldest =
            if oldest > SystemTime::UNIX_EPOCH { oldest } else { self.written.0.max(next.written.0) };
        self.written = (oldest, self.written.1.max(next.written.1));
        self.fingerprint = self.fingerprint.wrapping_add(next.fingerprint);
        self.digests.extend_from_slice(&next.digests);
        self.states.extend_from_slice(&next.states);
        if self.len() == MOST {
            self.digests.shrink_to_fit();
            self.states.shrink_to_fit();
        }
    }

    /// Whether it is consistent.
    pub(super) fn is_sound(&self) -> bool {
        let more = (self.len() as u64).checked_sub(1);
        more.is_some_and(|more| self.first.number.checked_add(more).is_some())
            && (self.states.is_empty() || self.states.len() == self.len())
    }
}

#[derive(Debug, Default)]
pub(super) struct Gone {
    /// By rank and first number.
    stretches: BTreeMap<(Option<u32>, u64), Arc<Stretch>>,
    /// By first number and rank, to find the lowest number of all ranks.
    firsts: BTreeSet<(u64, Option<u32>)>,
    batches: u64,
}

impl Gone {
    pub(super) fn len(&self) -> u64 {
        self.batches
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches == 0
    }

    pub(super) fn lowest(&self) -> Option<u64> {
        self.firsts.first().map(|(number, _)| *number)
    }

    pub(super) fn get(&self, id: BatchId) -> Option<GoneBatch> {
        let (stretch, at) = self.find(id)?;
        Some(stretch.one(at))
    }

    fn find(&self, id: BatchId) -> Option<(&Arc<Stretch>, usize)> {
        let (_, stretch) = self.stretches.range((id.rank, 0)..=(id.rank, id.number)).next_back()?;
        stretch.place_of(id.number).map(|at| (stretch, at))
    }

    pub(super) fn stretches(&self) -> impl Iterator<Item = &Arc<Stretch>> {
        self.stretches.values()
    }

    /// The stretches joined to the longest ranges with the same layers: of each the first batch, the last, and the index
    /// of the layers.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (BatchName, BatchName, u32)> {
        let mut stretches = self.stretches.values().peekable();
        std::iter::from_fn(move || {
            let stretch = stretches.next()?;
            let (mut last, place) = (stretch.last(), stretch.place);
            let goes_on = |last: BatchName, next: &Stretch| {
                let number = last.number.checked_add(1);
                next.place == place && number.map(|number| (last.rank(), number)) == Some(next.key())
            };
            while let Some(next) = stretches.next_if(|next| goes_on(last, next)) {
                last = next.last();
            }
            Some((stretch.first(), last, place))
        })
    }

    /// Adds a batch, which must not be in it yet.
    pub(super) fn add(&mut self, batch: &GoneBatch) {
        self.add_all(Arc::new(Stretch::from_batch(batch)));
    }

    /// Adds batches, none of which may be in it yet.
    pub(super) fn add_all(&mut self, stretch: Arc<Stretch>) {
        self.batches += stretch.len() as u64;
        let key = self.join_to_earlier(stretch);
        let after = self.stretches.range(key..).nth(1);
        if let Some((&after, next)) = after
            && self.stretches[&key].fits(next)
            && let Some(next) = self.remove(after)
            && let Some(stretch) = self.stretches.get_mut(&key)
        {
            Arc::make_mut(stretch).append(&next);
        }
    }

    /// Appends a stretch to the one before it, or inserts it; returns its key.
    fn join_to_earlier(&mut self, stretch: Arc<Stretch>) -> (Option<u32>, u64) {
        let key = stretch.key();
        if let Some((&before, earlier)) = self.stretches.range_mut((key.0, 0)..key).next_back()
            && earlier.fits(&stretch)
        {
            Arc::make_mut(earlier).append(&stretch);
            return before;
        }
        self.insert(stretch);
        key
    }

    /// Removes a batch.
    pub(super) fn take(&mut self, id: BatchId) -> Option<GoneBatch> {
        let (stretch, at) = self.find(id)?;
        let (stretch, batch) = (Arc::clone(stretch), stretch.one(at));
        self.remove(stretch.key());
        self.batches -= 1;
        for part in [stretch.part(0..at), stretch.part(at + 1..stretch.len())].into_iter().flatten() {
            self.insert(Arc::new(part));
        }
        Some(batch)
    }

    fn insert(&mut self, stretch: Arc<Stretch>) {
        let (rank, number) = stretch.key();
        self.firsts.insert((number, rank));
        self.stretches.insert((rank, number), stretch);
    }

    fn remove(&mut self, (rank, number): (Option<u32>, u64)) -> Option<Arc<Stretch>> {
        self.firsts.remove(&(number, rank));
        self.stretches.remove(&(rank, number))
    }
}

impl GoneBatch {
    /// Whether the contents now are known to be those that were counted.
    pub(super) fn is(&self, identity: &Identity) -> bool {
        self.state == Some(identity.contents_hash())
    }
}

/// Serializes shared stretches as plain ones.
pub(super) mod shared {
    use super::Stretch;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::sync::Arc;

    pub(in super::super) fn serialize<S: Serializer>(
        stretches: &[Arc<Stretch>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(stretches.iter().map(|stretch| &**stretch))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Arc<Stretch>>, D::Error> {
        let stretches = Vec::<Stretch>::deserialize(deserializer)?;
        // Only a consistent stretch has valid numbers.
        let known =
            stretches.into_iter().map(|read| if read.is_sound() { read.with_fingerprint() } else { read });
        Ok(known.map(Arc::new).collect())
    }
}

/// Serializes hashes with eight bytes each. As variable-length integers they would take ten.
mod words {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(words: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        serializer.serialize_bytes(&bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
        deserializer.deserialize_bytes(Words)
    }

    struct Words;

    impl Visitor<'_> for Words {
        type Value = Vec<u64>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("numbers of eight bytes each")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u64>, E> {
            let (words, rest) = bytes.as_chunks::<8>();
            if !rest.is_empty() {
                return Err(E::invalid_length(bytes.len(), &self));
            }
            Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batch(name: &str, place: u32, state: Option<u64>) -> GoneBatch {
        let name = BatchName::parse(name).expect("a name");
        let digest = NonZeroU64::new(name.number % 7);
        GoneBatch { name, count: Count { place, digest }, state, written: SystemTime::UNIX_EPOCH }
    }

    fn of_number(number: u64) -> GoneBatch {
        batch(&format!("rank-{}.batch-{number:04}.npz", number % 2), 0, None)
    }

    #[test]
    fn numbers_that_follow_each_other_are_few_stretches_in_whatever_order_they_come() {
        let orders: [Vec<u64>; 3] =
            [(0..5000).collect(), (0..5000).rev().collect(), (0..5000).map(|at| at * 1999 % 5000).collect()];
        for order in orders {
            let mut gone = Gone::default();
            for number in order {
                gone.add(&batch(&format!("batch-{number:04}.npz"), 0, None));
            }
            let ranges: Vec<_> = gone.ranges().map(|(first, last, _)| (first.number, last.number)).collect();
            assert_eq!((ranges, gone.len(), gone.lowest()), (vec![(0, 4999)], 5000, Some(0)));
            assert!(gone.stretches.len() <= 2 * 5000 / MOST + 1, "{}", gone.stretches.len());
        }
    }

    #[test]
    fn names_of_another_form_other_layers_and_known_states_are_kept_apart() {
        let mut gone = Gone::default();
        let batches = [
            batch("batch-9.npz", 0, None),
            batch("batch-10.npz", 0, None),
            batch("batch-11.npz", 1, None),
            batch("batch-12.npz", 1, Some(3)),
            batch("batch-13", 1, Some(4)),
            batch("rank-0/batch-14", 1, Some(4)),
        ];
        batches.iter().for_each(|batch| gone.add(batch));
        assert_eq!(gone.stretches.len(), 6);
        for batch in batches {
            assert_eq!(gone.get(batch.name.id()), Some(batch));
        }
        let ranges: Vec<_> = gone.ranges().map(|(first, last, _)| (first.number, last.number)).collect();
        assert_eq!(ranges, [(9, 10), (11, 13), (14, 14)]);
    }

    #[test]
    fn the_largest_number_is_one_too() {
        let mut gone = Gone::default();
        for number in [u64::MAX, u64::MAX - 1] {
            gone.add(&batch(&format!("batch-{number}"), 0, Some(1)));
        }
        assert_eq!((gone.ranges().count(), gone.stretches.len()), (1, 1));
        assert!(gone.stretches().all(|stretch| stretch.is_sound()));
        assert!(gone.take(u64::MAX.into()).is_some() && gone.get(u64::MAX.into()).is_none());
    }

    #[test]
    fn the_newest_times_are_spread_over_the_stretch() {
        let at = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let mut gone = Gone::default();
        for number in 0..11 {
            gone.add(&GoneBatch {
                written: at(10 + 2 * number),
                ..batch(&format!("batch-{number:02}"), 0, None)
            });
        }
        gone.add(&batch("batch-11", 0, None));
        let stretch = gone.stretches().next().expect("one");
        let span = std::time::Duration::from_secs(20) / 11;
        let newest = [at(30), at(30) - span, at(30) - 2 * span];
        assert_eq!(
            stretch.written(3).collect::<Vec<_>>(),
            [&newest[..], &[at(10)]].concat(),
            "and the oldest"
        );
        assert_eq!(stretch.written(32).last(), Some(at(30) - 11 * span), "of one the time is not known");
    }

    proptest! {
        #[test]
        fn they_are_a_set(steps in prop::collection::vec((any::<bool>(), 0_u64..60), 0..300)) {
            let (mut gone, mut set) = (Gone::default(), BTreeSet::new());
            for (add, number) in steps {
                let batch = of_number(number);
                if !add {
                    prop_assert_eq!(gone.take(batch.name.id()).is_some(), set.remove(&number));
                } else if set.insert(number) {
                    gone.add(&batch);
                }
                prop_assert_eq!((gone.len(), gone.lowest()), (set.len() as u64, set.first().copied()));
                prop_assert_eq!(gone.firsts.len(), gone.stretches.len());
            }
            let mut all: Vec<_> = gone.stretches().flat_map(|stretch| stretch.batches()).collect();
            all.sort_unstable();
            let expected = |&number: &u64| (of_number(number).name, of_number(number).count.digest);
            prop_assert_eq!(all, set.iter().map(expected).collect::<Vec<_>>());
        }
    }
}
