//! The problems of a run. All of them are known, and some of each kind are kept in full.
//!
//! A run can have as many problems as files, and most of them are alike. Of each kind (see [`Problem::kind`]) the first
//! [`IN_FULL`] by name are *listed* with their texts. Of the others the names are kept, which is enough to take them
//! back, and they are counted as *more* of this kind. Of each severity the first [`MOST_KINDS`] kinds are told apart,
//! and all others are one group. So what is listed does not depend on the order in which problems come. It may depend
//! on the order in which they are solved: a problem that was not listed has no text, and does not move up. Only the
//! last place of a group is filled again, with the text of its kind, so that a run with an empty list has no problem.

use crate::run::{Problem, Severity};
use crate::snapshot::BatchName;
use crate::text::thousands;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The problems of one kind that are listed.
pub const IN_FULL: usize = 100;

/// The kinds of one severity that are told apart.
pub const MOST_KINDS: usize = 100;

/// The text of a problem whose own text was not kept, nor its kind.
const NOT_KEPT: &str = "there are too many kinds of problems for what is wrong with it to be kept; solve the others, and \
                        press r in the dashboard to recount from scratch";

/// The problems of a run.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    listed: BTreeMap<ListPlace, ListedProblem>,
    groups: BTreeMap<(Severity, Kind), ProblemGroup>,
}

/// What problems have in common, and what to do; `None` for the group of all kinds that are not told apart.
pub type Kind = Option<(String, String)>;

/// The place of a problem in the list: its path, its severity, and its [key](Problem::key).
type ListPlace = (String, Severity, String);

/// A problem in full.
#[derive(Debug, Clone)]
struct ListedProblem {
    problem: Problem,
    digest: u64,
    kind: Kind,
}

/// The problems of one kind, without their texts. At least one is listed.
#[derive(Debug, Clone, Default)]
struct ProblemGroup {
    listed: BTreeSet<(String, u64)>,
    more: BTreeSet<(String, u64)>,
    /// More of which only the number is known, since they were counted elsewhere.
    unnamed: u64,
}

impl ProblemGroup {
    fn more(&self) -> u64 {
        self.unnamed.saturating_add(self.more.len() as u64)
    }

    fn more_of<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a (String, u64)> {
        self.more.range((path.to_owned(), 0)..).take_while(move |(other, _)| other == path)
    }
}

/// Problems that are not listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct More {
    /// Of the same kind as the problem that this stands behind.
    #[serde(rename = "more", default, skip_serializing_if = "is_zero")]
    pub alike: u64,
    /// Of the kinds that are not told apart.
    #[serde(rename = "more_of_other_kinds", default, skip_serializing_if = "is_zero")]
    pub others: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl More {
    pub fn total(self) -> u64 {
        self.alike.saturating_add(self.others)
    }

    /// A phrase for people; `None` if there are none.
    pub fn text(self) -> Option<String> {
        match (self.alike, self.others) {
            (0, 0) => None,
            (0, others) => Some(format!("{} more of other kinds", thousands(others.into()))),
            (alike, _) => Some(format!("{} more like this", thousands(alike.into()))),
        }
    }
}

/// How many problems of a kind are not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotListed {
    pub severity: Severity,
    /// Their kind; `None` for all kinds that are not told apart.
    pub kind: Kind,
    /// How many are about batches.
    pub batches: u64,
    /// How many are about other files, which every shard sees.
    pub others: u64,
}

impl Problems {
    /// Adds a problem, in place of one with the same [key](Problem::key) and path.
    pub fn add(&mut self, problem: Problem) {
        let digest = digest(&problem);
        self.remove(&problem.path, problem.severity, digest);
        let kind = self.admit(problem.severity, problem.kind());
        self.insert(kind, problem, digest);
    }

    /// Adds problems of a kind of which only the number is known.
    pub fn add_unnamed(&mut self, severity: Severity, kind: Kind, more: u64) {
        let known = self.groups.contains_key(&(severity, kind.clone()));
        let kind = if known { kind } else { None };
        match self.groups.get_mut(&(severity, kind.clone())) {
            Some(group) => group.unnamed = group.unnamed.saturating_add(more),
            None if more > 0 => {
                let group = ProblemGroup { unnamed: more, ..ProblemGroup::default() };
                self.groups.insert((severity, kind.clone()), group);
                self.keep_one_listed(severity, &kind);
            }
            None => {}
        }
    }

    /// Whether a file has a problem.
    pub fn has(&self, path: &str) -> bool {
        let is_more = || self.groups.values().any(|group| group.more_of(path).next().is_some());
        !self.groups.is_empty() && (self.listed_of(path).next().is_some() || is_more())
    }

    /// Removes all problems of a file.
    pub fn solve(&mut self, path: &str) {
        let listed: Vec<_> = self.listed_of(path).map(|(place, listed)| (place.1, listed.digest)).collect();
        for (severity, digest) in listed {
            self.remove(path, severity, digest);
        }
        for group in self.groups.values_mut().filter(|group| !group.more.is_empty()) {
            for found in group.more_of(path).cloned().collect::<Vec<_>>() {
                group.more.remove(&found);
            }
        }
    }

    /// Removes one problem.
    pub fn take_back(&mut self, problem: &Problem) {
        self.remove(&problem.path, problem.severity, digest(problem));
    }

    pub fn contains(&self, problem: &Problem) -> bool {
        let place = (problem.path.clone(), digest(problem));
        let mut groups = self.of_severity(problem.severity);
        groups.any(|(_, group)| group.listed.contains(&place) || group.more.contains(&place))
    }

    /// What keeps a file out of the figures. If its text was not kept, it is the text of its kind.
    pub fn set_aside(&self, path: &str) -> Option<Problem> {
        let mut listed = self.listed_of(path).filter(|(place, _)| place.1 == Severity::SetAside);
        if let Some((_, listed)) = listed.next() {
            return Some(listed.problem.clone());
        }
        let mut groups = self.of_severity(Severity::SetAside);
        let (kind, _) = groups.find(|(_, group)| group.more_of(path).next().is_some())?;
        Some(Problem { path: path.to_owned(), reason: text_of(kind), severity: Severity::SetAside })
    }

    /// The listed problems, by file.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.listed.values().map(|listed| &listed.problem)
    }

    /// The listed problems. Behind the last of each kind is how many more there are.
    pub fn with_more(&self) -> impl Iterator<Item = (&Problem, More)> {
        let are_all_listed = self.groups.values().all(|group| group.more() == 0);
        self.listed.values().map(move |listed| {
            let more = if are_all_listed { More::default() } else { self.more_behind(listed) };
            (&listed.problem, more)
        })
    }

    fn more_behind(&self, listed: &ListedProblem) -> More {
        let group = self.groups.get(&(listed.problem.severity, listed.kind.clone()));
        let is_last = |group: &&ProblemGroup| {
            group
                .listed
                .last()
                .is_some_and(|(path, digest)| (path, digest) == (&listed.problem.path, &listed.digest))
        };
        let more = group.filter(|group| group.more() > 0).filter(is_last).map_or(0, ProblemGroup::more);
        match listed.kind {
            Some(_) => More { alike: more, others: 0 },
            None => More { alike: 0, others: more },
        }
    }

    pub fn count(&self, severity: Severity) -> u64 {
        let counts = self.of_severity(severity).map(|(_, group)| group.listed.len() as u64 + group.more());
        counts.fold(0, u64::saturating_add)
    }

    /// How many problems are not listed, by severity and kind.
    pub fn not_listed(&self) -> impl Iterator<Item = NotListed> {
        let groups = self.groups.iter().filter(|(_, group)| group.more() > 0);
        groups.map(|((severity, kind), group)| {
            let batches = group.more.iter().filter(|(path, _)| BatchName::parse(path).is_some()).count();
            NotListed {
                severity: *severity,
                kind: kind.clone(),
                batches: group.unnamed.saturating_add(batches as u64),
                others: (group.more.len() - batches) as u64,
            }
        })
    }

    /// The paths of all problems.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        let more = self.groups.values().flat_map(|group| &group.more).map(|(path, _)| path.clone());
        self.listed.keys().map(|place| place.0.clone()).chain(more)
    }

    fn listed_of<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a ListPlace, &'a ListedProblem)> {
        let first = (path.to_owned(), Severity::SetAside, String::new());
        self.listed.range(first..).take_while(move |(place, _)| place.0 == path)
    }

    fn of_severity(&self, severity: Severity) -> impl DoubleEndedIterator<Item = (&Kind, &ProblemGroup)> {
        let groups = self.groups.iter().filter(move |((of, _), _)| *of == severity);
        groups.map(|((_, kind), group)| (kind, group))
    }

    fn place(&self, path: &str, severity: Severity, digest: u64) -> Option<ListPlace> {
        let mut listed = self.listed_of(path);
        let found = listed.find(|(place, listed)| place.1 == severity && listed.digest == digest);
        found.map(|(place, _)| place.clone())
    }

    /// The group for a kind of problem. A kind that comes later in order may have to give way to it.
    fn admit(&mut self, severity: Severity, kind: (String, String)) -> Kind {
        let kind = Some(kind);
        if self.groups.contains_key(&(severity, kind.clone())) {
            return kind;
        }
        let kinds = || self.of_severity(severity).map(|(kind, _)| kind).filter(|kind| kind.is_some());
        if kinds().count() < MOST_KINDS {
            return kind;
        }
        let last = kinds().next_back().cloned().flatten();
        if kind > last {
            return None;
        }
        self.fold_into_others(severity, last);
        kind
    }

    fn fold_into_others(&mut self, severity: Severity, kind: Kind) {
        let Some(group) = self.groups.remove(&(severity, kind)) else { return };
        for (path, digest) in group.listed {
            let listed = self.place(&path, severity, digest).and_then(|place| self.listed.remove(&place));
            if let Some(listed) = listed {
                self.insert(None, listed.problem, digest);
            }
        }
        let others = self.groups.entry((severity, None)).or_default();
        others.more.extend(group.more);
        others.unnamed = others.unnamed.saturating_add(group.unnamed);
    }

    fn insert(&mut self, kind: Kind, problem: Problem, digest: u64) {
        let severity = problem.severity;
        let group = self.groups.entry((severity, kind.clone())).or_default();
        let place = (problem.path.clone(), digest);
        if group.listed.len() >= IN_FULL {
            if group.listed.last().is_some_and(|last| place > *last) {
                group.more.insert(place);
                return;
            }
            if let Some((path, digest)) = group.listed.pop_last() {
                group.more.insert((path.clone(), digest));
                if let Some(place) = self.place(&path, severity, digest) {
                    self.listed.remove(&place);
                }
            }
        }
        self.list(kind, problem, digest);
    }

    fn list(&mut self, kind: Kind, problem: Problem, digest: u64) {
        let group = self.groups.entry((problem.severity, kind.clone())).or_default();
        group.listed.insert((problem.path.clone(), digest));
        let place = (problem.path.clone(), problem.severity, problem.key());
        self.listed.insert(place, ListedProblem { problem, digest, kind });
    }

    fn remove(&mut self, path: &str, severity: Severity, digest: u64) {
        let found = self.place(path, severity, digest).and_then(|place| self.listed.remove(&place));
        if let Some(listed) = found {
            if let Some(group) = self.groups.get_mut(&(severity, listed.kind.clone())) {
                group.listed.remove(&(path.to_owned(), digest));
                self.keep_one_listed(severity, &listed.kind);
            }
            return;
        }
        let mut groups =
            self.groups.iter_mut().filter(|((of, _), group)| *of == severity && !group.more.is_empty());
        let place = (path.to_owned(), digest);
        let _ = groups.any(|(_, group)| group.more.remove(&place));
    }

    /// Has a group without a listed problem list one, or removes it.
    fn keep_one_listed(&mut self, severity: Severity, kind: &Kind) {
        let of = (severity, kind.clone());
        let Some(group) = self.groups.get_mut(&of).filter(|group| group.listed.is_empty()) else { return };
        let reason = text_of(kind);
        if let Some((path, digest)) = group.more.pop_first() {
            self.list(kind.clone(), Problem { path, reason, severity }, digest);
        } else if group.unnamed > 0 {
            group.unnamed -= 1;
            let problem = Problem { path: "other files".to_owned(), reason, severity };
            let digest = digest(&problem);
            self.list(kind.clone(), problem, digest);
        } else {
            self.groups.remove(&of);
        }
    }
}

/// The text of a problem whose own text was not kept.
fn text_of(kind: &Kind) -> String {
    match kind {
        Some((what, advice)) if advice.is_empty() => what.clone(),
        Some((what, advice)) => format!("{what}; {advice}"),
        None => NOT_KEPT.to_owned(),
    }
}

/// Tells a problem from others with the same file and severity.
fn digest(problem: &Problem) -> u64 {
    let mut hasher = DefaultHasher::new();
    problem.key().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn problem(severity: Severity, number: u32, kind: u32) -> Problem {
        let reason = format!("fault {kind:04}: it is {number}; write it again");
        Problem { path: path(number), reason, severity }
    }

    /// Batches, and among them other files.
    fn path(number: u32) -> String {
        if number % 7 == 3 { format!("link-{number}") } else { format!("batch-{number:05}.npz") }
    }

    fn all(problems: &Problems) -> Vec<(Problem, More)> {
        problems.with_more().map(|(problem, more)| (problem.clone(), more)).collect()
    }

    /// All problems, without a bound.
    #[derive(Default)]
    struct Plain(BTreeMap<ListPlace, Problem>);

    impl Plain {
        fn add(&mut self, problem: Problem) {
            self.0.insert((problem.path.clone(), problem.severity, problem.key()), problem);
        }

        fn with_severity(&self, severity: Severity) -> impl Iterator<Item = &Problem> {
            self.0.values().filter(move |problem| problem.severity == severity)
        }
    }

    fn assert_agree(problems: &Problems, plain: &Plain) {
        for severity in [Severity::SetAside, Severity::Notice] {
            let expected = plain.with_severity(severity).count() as u64;
            assert_eq!(problems.count(severity), expected);
            let listed = || problems.with_more().filter(|(problem, _)| problem.severity == severity);
            let shown = listed().map(|(_, more)| 1 + more.total()).sum::<u64>();
            assert_eq!(shown, expected, "what is listed says how many there are");
            assert_eq!(listed().next().is_none(), expected == 0);
            let mut kinds: HashMap<_, usize> = HashMap::new();
            for listed in problems.listed.values().filter(|listed| listed.problem.severity == severity) {
                *kinds.entry(&listed.kind).or_default() += 1;
            }
            assert!(kinds.len() <= MOST_KINDS + 1 && kinds.values().all(|&count| count <= IN_FULL));
        }
        for problem in plain.0.values() {
            assert!(problems.contains(problem) && problems.has(&problem.path), "{problem:?}");
            assert_eq!(
                problems.set_aside(&problem.path).is_some(),
                plain.with_severity(Severity::SetAside).any(|other| other.path == problem.path)
            );
        }
        let mut paths: Vec<String> = problems.paths().collect();
        paths.sort_unstable();
        assert!(paths.iter().eq(plain.0.keys().map(|place| &place.0)));
    }

    #[test]
    fn of_many_of_a_kind_the_first_are_listed_in_whatever_order_they_come() {
        let mut expected = None;
        for step in [1, 7, 11, 2999] {
            let mut problems = Problems::default();
            let numbers = (0..3000).map(|number| number * step % 3000);
            numbers.for_each(|number| problems.add(problem(Severity::SetAside, number, 0)));
            let listed = all(&problems);
            assert_eq!(listed.len(), IN_FULL);
            assert_eq!(listed[IN_FULL - 1].1, More { alike: 2900, others: 0 });
            assert!(listed[..IN_FULL - 1].iter().all(|(_, more)| more.total() == 0));
            assert_eq!(expected.get_or_insert_with(|| listed.clone()), &listed);
        }
    }

    #[test]
    fn of_many_kinds_the_first_are_told_apart_in_whatever_order_they_come() {
        let many: Vec<Problem> =
            (0..3000).map(|number| problem(Severity::SetAside, number, number % 1000)).collect();
        let (mut forth, mut back) = (Problems::default(), Problems::default());
        many.iter().for_each(|problem| forth.add(problem.clone()));
        many.iter().rev().for_each(|problem| back.add(problem.clone()));
        assert_eq!(all(&forth), all(&back));
        let others: u64 = all(&forth).iter().map(|(_, more)| more.others).sum();
        assert_eq!((all(&forth).len(), others), (3 * MOST_KINDS + IN_FULL, 2600));
        for problem in &many {
            forth.take_back(problem);
        }
        assert!(forth.iter().next().is_none() && forth.groups.is_empty());
    }

    #[test]
    fn the_last_of_a_kind_is_said_in_its_words() {
        let mut problems = Problems::default();
        (0..101).for_each(|number| problems.add(problem(Severity::SetAside, 7 * number, 0)));
        (0..100).for_each(|number| problems.solve(&path(7 * number)));
        let left: Vec<&str> = problems.iter().map(|problem| problem.reason.as_str()).collect();
        assert_eq!(left, ["fault 0000; write it again"]);
        problems.solve(&path(700));
        assert!(problems.iter().next().is_none());
    }

    #[test]
    fn what_was_counted_elsewhere_is_more_of_its_kind() {
        let mut problems = Problems::default();
        let kind = |kind| Some(problem(Severity::SetAside, 0, kind).kind());
        problems.add(problem(Severity::SetAside, 0, 0));
        problems.add_unnamed(Severity::SetAside, kind(0), 50);
        problems.add_unnamed(Severity::SetAside, kind(1), 7);
        problems.add_unnamed(Severity::Notice, kind(0), 0);
        assert_eq!((problems.count(Severity::SetAside), problems.count(Severity::Notice)), (58, 0));
        let mores: Vec<More> = problems.with_more().map(|(_, more)| more).collect();
        assert_eq!(mores, [More { alike: 50, others: 0 }, More { alike: 0, others: 6 }]);
    }

    #[derive(Debug, Clone)]
    enum ProblemStep {
        Add(Problem),
        TakeBack(Problem),
        Solve(u32),
    }

    fn any_problem() -> impl Strategy<Value = Problem> {
        // Few kinds with many problems each, and many with few.
        let kind = prop_oneof![4 => 0..2_u32, 1 => 0..150_u32];
        let severity = prop_oneof![2 => Just(Severity::SetAside), 1 => Just(Severity::Notice)];
        (severity, 0..400_u32, kind).prop_map(|(severity, number, kind)| problem(severity, number, kind))
    }

    fn any_step() -> impl Strategy<Value = ProblemStep> {
        prop_oneof![
            80 => any_problem().prop_map(ProblemStep::Add),
            12 => any_problem().prop_map(ProblemStep::TakeBack),
            12 => (0..400_u32).prop_map(ProblemStep::Solve),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn counts_are_those_of_a_plain_map(steps in prop::collection::vec(any_step(), 0..1500)) {
            let (mut problems, mut plain) = (Problems::default(), Plain::default());
            for step in steps {
                match step {
                    ProblemStep::Add(problem) => {
                        problems.add(problem.clone());
                        plain.add(problem);
                    }
                    ProblemStep::TakeBack(problem) => {
                        problems.take_back(&problem);
                        plain.0.remove(&(problem.path.clone(), problem.severity, problem.key()));
                    }
                    ProblemStep::Solve(number) => {
                        problems.solve(&path(number));
                        plain.0.retain(|place, _| place.0 != path(number));
                    }
                }
            }
            assert_agree(&problems, &plain);
        }
    }
}
