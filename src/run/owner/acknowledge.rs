//! Tells a producer which batches are counted, so that it can delete them.
//!
//! A producer that writes `"keep": N` in its manifest deletes all but its newest N batches, but only those that this
//! file in the run's directory lists. Its name begins with a dot, so that no reader takes it for a part of the run.

use crate::platform::{allow_all_to_read, persist, temporary_in};
use crate::snapshot::BatchId;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};

/// The file's name.
const NAME: &str = ".neurotop-counted.json";

/// The least time between two writes.
const BETWEEN: Duration = Duration::from_millis(250);

/// The numbers of the counted batches by rank, and whether the file lists all of them.
#[derive(Debug)]
pub(super) struct Acknowledgement {
    /// The id of their run, if it has one; `None` before that is known.
    run: Option<Option<String>>,
    counted: BTreeMap<Option<u32>, Ranges>,
    changed: bool,
    not_before: Instant,
}

impl Default for Acknowledgement {
    fn default() -> Self {
        Self { run: None, counted: BTreeMap::new(), changed: false, not_before: Instant::now() }
    }
}

impl Acknowledgement {
    /// Sets which run the batches are of. The file is then written at once, since it may be of another run.
    pub(super) fn be_of_run(&mut self, id: Option<&str>) {
        if self.run.as_ref().map(Option::as_deref) != Some(id) {
            self.run = Some(id.map(str::to_owned));
            self.changed = true;
            self.not_before = Instant::now();
        }
    }

    pub(super) fn add(&mut self, id: BatchId) {
        self.changed |= self.counted.entry(id.rank).or_default().insert(id.number);
    }

    /// Adds the batches of a rank with these numbers, except some.
    pub(super) fn add_all(&mut self, rank: Option<u32>, numbers: RangeInclusive<u64>, but: &BTreeSet<u64>) {
        let ranges = self.counted.entry(rank).or_default();
        let (mut first, last) = numbers.into_inner();
        for &other in but.range(first..=last) {
            if first < other {
                self.changed |= ranges.insert_all(first, other - 1);
            }
            let Some(next) = other.checked_add(1) else { return };
            first = next;
        }
        if first <= last {
            self.changed |= ranges.insert_all(first, last);
        }
    }

    pub(super) fn remove(&mut self, id: BatchId) {
        if let Some(ranges) = self.counted.get_mut(&id.rank) {
            ranges.remove(id.number);
        }
        self.changed = true;
    }

    /// When to write next; `None` if there is nothing to write.
    pub(super) fn due(&self) -> Option<Instant> {
        self.changed.then_some(self.not_before)
    }

    /// Writes the numbers into the run's directory, readable by whoever may read this user's files: the producer may
    /// run as another user.
    ///
    /// # Errors
    /// Where the directory cannot be written to. It is tried again with the next batch.
    pub(super) fn write(&mut self, directory: &Path, now: Instant) -> io::Result<()> {
        self.changed = false;
        self.not_before = now + BETWEEN;
        let document = self.document();
        let mut builder = tempfile::Builder::new();
        builder.prefix(".neurotop-counted-");
        allow_all_to_read(&mut builder);
        let file = temporary_in(&builder, directory)?;
        file.as_file().write_all(document.to_string().as_bytes())?;
        persist(file, &directory.join(NAME))
    }

    fn document(&self) -> serde_json::Value {
        let ranks: serde_json::Map<String, serde_json::Value> = self
            .counted
            .iter()
            .filter_map(|(rank, ranges)| Some(((*rank)?.to_string(), ranges.pairs().into())))
            .collect();
        let mut document = serde_json::json!({
            "format": "neurotop.counted", "version": 1,
            "batches": self.counted.get(&None).map(Ranges::pairs).unwrap_or_default(),
        });
        if let Some(Some(id)) = &self.run {
            document["id"] = id.as_str().into();
        }
        if !ranks.is_empty() {
            document["ranks"] = ranks.into();
        }
        document
    }
}

/// A set of numbers as ranges, from first to last inclusive.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    fn pairs(&self) -> Vec<serde_json::Value> {
        self.0.iter().map(|(first, last)| serde_json::json!([first, last])).collect()
    }

    /// Returns whether it is new.
    fn insert(&mut self, number: u64) -> bool {
        self.insert_all(number, number)
    }

    /// Inserts a range; returns whether any number is new.
    fn insert_all(&mut self, first: u64, last: u64) -> bool {
        let mut range = (first, last);
        // Ranges that touch it are joined with it: those that begin before it ends, or right behind it.
        while let Some((&other, &end)) = self.0.range(..=range.1.saturating_add(1)).next_back()
            && end.saturating_add(1) >= range.0
        {
            if other <= range.0 && range.1 <= end {
                return false;
            }
            self.0.remove(&other);
            range = (range.0.min(other), range.1.max(end));
        }
        self.0.insert(range.0, range.1);
        true
    }

    fn remove(&mut self, number: u64) {
        let Some((&first, &last)) = self.0.range(..=number).next_back().filter(|(_, last)| number <= **last)
        else {
            return;
        };
        self.0.remove(&first);
        if first < number {
            self.0.insert(first, number - 1);
        }
        if number < last {
            self.0.insert(number + 1, last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_are_a_set(steps in prop::collection::vec((any::<bool>(), 0_u64..30, 0_u64..6), 0..200)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (add, number, more) in steps {
                if add {
                    let before = set.len();
                    set.extend(number..=number + more);
                    prop_assert_eq!(ranges.insert_all(number, number + more), before < set.len());
                } else {
                    ranges.remove(number);
                    set.remove(&number);
                }
            }
            let numbers: BTreeSet<u64> = ranges.0.iter().flat_map(|(&first, &last)| first..=last).collect();
            prop_assert_eq!(numbers, set);
            let apart = ranges.0.iter().zip(ranges.0.iter().skip(1)).all(|((_, last), (next, _))| last + 1 < *next);
            prop_assert!(apart, "{:?}", ranges);
        }
    }

    #[test]
    fn the_numbers_of_ranks_are_kept_apart() {
        let mut acknowledgement = Acknowledgement::default();
        for (number, rank) in [(3, None), (3, Some(0)), (4, Some(0)), (9, Some(12))] {
            acknowledgement.add(BatchId { number, rank });
        }
        let expected = serde_json::json!({
            "format": "neurotop.counted", "version": 1,
            "batches": [[3, 3]], "ranks": {"0": [[3, 4]], "12": [[9, 9]]},
        });
        assert_eq!(acknowledgement.document(), expected);
        acknowledgement.remove(BatchId { number: 3, rank: Some(0) });
        acknowledgement.remove(BatchId { number: 3, rank: Some(7) });
        assert_eq!(acknowledgement.document()["ranks"]["0"], serde_json::json!([[4, 4]]));
        assert_eq!(acknowledgement.document()["batches"], serde_json::json!([[3, 3]]));
    }

    #[test]
    fn ranges_are_told_but_for_what_changed() {
        let mut acknowledgement = Acknowledgement::default();
        acknowledgement.add_all(None, 3..=u64::MAX, &BTreeSet::from([1, 3, 7, 8, u64::MAX]));
        acknowledgement.add_all(Some(1), 0..=9, &BTreeSet::new());
        let told = acknowledgement.document();
        assert_eq!(told["batches"], serde_json::json!([[4, 6], [9, u64::MAX - 1]]));
        assert_eq!(told["ranks"]["1"], serde_json::json!([[0, 9]]));
    }

    #[test]
    fn the_file_says_whose_batches_they_are_and_others_may_read_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut acknowledgement, now) = (Acknowledgement::default(), Instant::now());
        assert_eq!(acknowledgement.due(), None);
        acknowledgement.be_of_run(Some("one"));
        assert!(acknowledgement.due().is_some(), "what is there may be of another run");
        acknowledgement.write(directory.path(), now).expect("written");
        acknowledgement.be_of_run(Some("one"));
        assert_eq!(acknowledgement.due(), None);
        let path = directory.path().join(NAME);
        let told: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
        assert_eq!((&told["id"], &told["batches"]), (&"one".into(), &serde_json::json!([])));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let of_this_user = directory.path().join("plain");
            std::fs::write(&of_this_user, "").expect("a file");
            let mode = |path: &Path| path.metadata().expect("there").permissions().mode();
            assert_eq!(mode(&path), mode(&of_this_user), "as the umask has it");
        }
    }

    #[test]
    fn the_largest_number_is_one_too() {
        let mut ranges = Ranges::default();
        ranges.insert(u64::MAX);
        ranges.insert(u64::MAX - 1);
        assert_eq!(ranges.0, BTreeMap::from([(u64::MAX - 1, u64::MAX)]));
    }
}
