//! The one list of what is wrong with a run. Whoever names or counts problems takes them from here: the text, the JSON,
//! the dashboard, OpenMetrics, the exit code.

use super::why_incomplete::missing_at_the_end;
use super::{Agreement, Failure, LayerFigures, Summary, run_prefixes};
use crate::run::prices::{Costs, PricedBy};
use crate::run::problem_list::{IN_FULL, More};
use crate::run::{Cause, Run, Severity};
use crate::snapshot::{LayerEntry, Manifest};
use crate::text::thousands;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

/// A problem of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemFigures {
    #[serde(default)]
    pub cause: Cause,
    /// The file, layer or condition that it is about.
    pub path: String,
    /// What is wrong; what to do.
    pub reason: String,
    pub severity: Severity,
    /// Further problems of its kind that are not listed.
    #[serde(flatten)]
    pub more: More,
}

impl ProblemFigures {
    fn new(cause: Cause, severity: Severity, path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { cause, path: path.into(), reason: reason.into(), severity, more: More::default() }
    }

    /// What is wrong, and what to do about it.
    pub fn what_and_remedy(&self) -> (&str, &str) {
        self.reason.rsplit_once("; ").unwrap_or((&self.reason, ""))
    }

    /// How many problems it stands for.
    pub fn count(&self) -> u64 {
        self.more.total().saturating_add(1)
    }

    /// What it is and whom it is about, in front of its reason.
    pub fn head(&self) -> String {
        match self.cause {
            Cause::Notice => self.path.clone(),
            Cause::CountsLost | Cause::EndDisagrees => match self.severity {
                Severity::SetAside => format!("{}: set aside", self.path),
                Severity::Notice => self.path.clone(),
            },
            cause => format!("{}: {}", self.path, cause.words()),
        }
    }

    /// What it has in common with others: the cause and what is wrong, of files without the member's name and without numbers,
    /// which are those of the file. Each condition is a kind of its own.
    pub fn kind(&self) -> ProblemKind {
        let text = match self.cause {
            Cause::ConditionFails => self.path.clone(),
            Cause::Unpriced | Cause::ProducerWarns => self.reason.clone(),
            _ => {
                let (what, remedy) = self.what_and_remedy();
                let what = what.split_once(": ").map_or(what, |(_, what)| what);
                let (what, _) = what.split_once(": ").unwrap_or((what, ""));
                without_numbers(what) + remedy
            }
        };
        (self.severity, self.cause, text)
    }
}

/// The names in a sentence that stands alone.
pub const NAMED: usize = 3;

/// What problems have in common.
pub type ProblemKind = (Severity, Cause, String);

/// The problems of one kind. There is at least one.
#[derive(Debug)]
pub struct AlikeProblems<'a> {
    pub kind: ProblemKind,
    pub first: &'a ProblemFigures,
    /// The others that are listed.
    pub others: Vec<&'a ProblemFigures>,
    /// How many there are.
    pub count: u64,
    /// How many of other kinds are not listed at all.
    pub of_other_kinds: u64,
}

impl<'a> AlikeProblems<'a> {
    /// Those that are listed.
    pub fn listed(&self) -> impl Iterator<Item = &'a ProblemFigures> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    /// How many of the kind are not listed.
    pub fn not_listed(&self) -> u64 {
        self.count.saturating_sub(1 + self.others.len() as u64)
    }

    /// Whom they are about: so many of their names, and that there are more.
    pub fn names(&self, most: usize) -> String {
        let names: Vec<&str> = self.listed().take(most).map(|problem| problem.path.as_str()).collect();
        match self.count - names.len() as u64 {
            0 => names.join(", "),
            more => format!("{} and {} more", names.join(", "), thousands(more.into())),
        }
    }

    /// One sentence about all of them, with so many names.
    pub fn sentence(&self, most: usize) -> String {
        let first = ProblemFigures { path: self.names(most), ..self.first.clone() };
        format!("{}: {}", first.head(), first.reason)
    }
}

/// Text in which each number is the same.
fn without_numbers(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' if result.ends_with('0') => {}
            '0'..='9' => result.push('0'),
            other => result.push(other),
        }
    }
    result
}

/// Puts problems of one kind together, in the order of the first of each.
pub fn group<'a>(problems: impl IntoIterator<Item = &'a ProblemFigures>) -> Vec<AlikeProblems<'a>> {
    let mut places: HashMap<ProblemKind, usize> = HashMap::new();
    let mut groups: Vec<AlikeProblems<'a>> = Vec::new();
    for problem in problems {
        let kind = problem.kind();
        let (count, of_other_kinds) = (problem.more.alike.saturating_add(1), problem.more.others);
        match places.get(&kind) {
            Some(&at) => {
                groups[at].others.push(problem);
                groups[at].count = groups[at].count.saturating_add(count);
                groups[at].of_other_kinds += of_other_kinds;
            }
            None => {
                places.insert(kind.clone(), groups.len());
                groups.push(AlikeProblems {
                    kind,
                    first: problem,
                    others: Vec::new(),
                    count,
                    of_other_kinds,
                });
            }
        }
    }
    groups
}

/// The most problems, and the most of any other sentences, that a text spells out of all runs together.
pub const SPELLED_OUT: usize = 10;

/// The gravest problems of runs by name, a sentence for all of one kind of a run behind what names the run, and how many
/// more there are; without conditions, which every text names elsewhere. `where_all_are` says where all of them are.
fn spelled_out<'a>(
    runs: impl IntoIterator<Item = (&'a str, &'a [ProblemFigures])>,
    where_all_are: &str,
) -> Vec<String> {
    let of_run = |(run, problems): (&'a str, &'a [ProblemFigures])| {
        let problems = problems.iter().filter(|problem| problem.cause != Cause::ConditionFails);
        group(problems).into_iter().map(move |alike| (run, alike))
    };
    let mut groups: Vec<(&str, AlikeProblems<'_>)> = runs.into_iter().flat_map(of_run).collect();
    groups.sort_by_key(|(_, alike)| (alike.kind.0, alike.kind.1));
    let shown = groups.len().min(SPELLED_OUT);
    // One name for each, and what is left for the first that have more.
    let mut spare = SPELLED_OUT - shown;
    let mut named = 0;
    let mut sentences = Vec::with_capacity(shown + 1);
    for (run, alike) in &groups[..shown] {
        let names = (alike.others.len()).min(spare) + 1;
        spare -= names - 1;
        named += names as u64;
        sentences.push(format!("{run}{}", alike.sentence(names)));
    }
    let all: u64 = groups.iter().map(|(_, alike)| alike.count.saturating_add(alike.of_other_kinds)).sum();
    sentences.extend(more(all - named, where_all_are));
    sentences
}

/// The same of several runs, each of which is named where it is not the only one.
pub fn spelled_out_of(summaries: &[Summary], where_all_are: &str) -> Vec<String> {
    let names = run_prefixes(summaries);
    let runs = names.iter().zip(summaries).map(|(name, summary)| (name.as_str(), &summary.problems[..]));
    spelled_out(runs, where_all_are)
}

/// The first of other sentences about runs, and how many more there are.
pub fn first_of(sentences: impl Iterator<Item = String>, where_all_are: &str) -> Vec<String> {
    let sentences: Vec<String> = sentences.collect();
    let all = sentences.len() as u64;
    first_of_all(sentences, all, where_all_are)
}

/// The same of sentences of which the last may stand for many.
pub fn first_of_all(mut sentences: Vec<String>, all: u64, where_all_are: &str) -> Vec<String> {
    let left_out = if sentences.len() > SPELLED_OUT { all.saturating_sub(SPELLED_OUT as u64) } else { 0 };
    sentences.truncate(SPELLED_OUT);
    sentences.extend(more(left_out, where_all_are));
    sentences
}

fn more(count: u64, where_all_are: &str) -> Option<String> {
    (count > 0).then(|| format!("and {} more: {where_all_are}", thousands(count.into())))
}

/// How many problems a list stands for.
pub fn count(problems: &[ProblemFigures]) -> u64 {
    problems.iter().map(ProblemFigures::count).fold(0, u64::saturating_add)
}

/// The problems of a run at `now`, the gravest first, without conditions.
pub(super) fn problems(
    run: &Run,
    now: SystemTime,
    layers: &[LayerFigures],
    agreement: &Agreement,
) -> Vec<ProblemFigures> {
    let of_files = run.problems_with_causes().map(|(cause, problem, more)| ProblemFigures {
        more,
        ..ProblemFigures::new(cause, problem.severity, &problem.path, &problem.reason)
    });
    let mut problems: Vec<ProblemFigures> = of_files.collect();
    if let Some(why) = run.refused().filter(|_| problems.is_empty()) {
        let refused =
            ProblemFigures::new(Cause::SetAside, Severity::SetAside, "manifest.json", why.to_string());
        problems.push(refused);
    }
    if run.is_settled(now) {
        problems.extend(missing(run));
        problems.extend(difference(run, agreement));
    }
    problems.extend(unpriced(layers));
    problems.extend(warnings_of(run).into_iter().map(|warning| {
        ProblemFigures::new(Cause::ProducerWarns, Severity::Notice, "manifest.json", warning)
    }));
    in_order(&mut problems);
    problems
}

/// How many problems a run has at `now`, without conditions, as its summary has them: for lists of many runs, which
/// show the number alone.
pub fn count_for_run(run: &Run, now: SystemTime) -> u64 {
    if run.is_settled(now) {
        // What is missing and what differs follow from the figures.
        return Summary::without_steps(run, now).problem_count();
    }
    let of_files = run.problem_count();
    let refused = u64::from(of_files == 0 && run.refused().is_some());
    let of_layers = unpriced_layers(run) + warnings_of(run).len() as u64;
    of_files.saturating_add(refused + of_layers)
}

/// How many layers have no price: those of the manifest, and those of the batches that are not in it.
fn unpriced_layers(run: &Run) -> u64 {
    let costs = &run.settings().costs;
    let entries = run.manifest().into_iter().flat_map(|manifest| manifest.layers.iter());
    let declared = entries
        .filter(|entry| costs.of_layer(Some(&entry.neuron), Some(&entry.reset), &entry.price).is_none())
        .count();
    let is_declared =
        |name: &str| run.manifest().is_some_and(|manifest| manifest.layers.place(name).is_some());
    let seen = run.tally().layers().iter().enumerate();
    let others = seen.filter(|(at, layer)| !is_declared(&layer.name) && !run.tally().is_gone(*at));
    (declared + others.filter(|(_, layer)| run.layer_cost(&layer.name).is_none()).count()) as u64
}

/// The warnings of the producer that nothing else says. The reason why the recorder stopped is a problem of its own, and
/// so is a layer without a price. Once the user has given the price, the advice to give it is out of date.
pub fn producer_warnings<'a>(manifest: &'a Manifest, costs: &Costs) -> Vec<&'a str> {
    let warnings =
        &manifest.warnings[..manifest.warnings.len().saturating_sub(usize::from(manifest.stopped))];
    let advised = |warning: &str| Some(warning.split_once("--cost ")?.1.split_once('=')?.0.to_owned());
    let is_measured = |entry: &LayerEntry| {
        let cost = costs.of_layer(Some(&entry.neuron), Some(&entry.reset), &entry.price);
        cost.is_some_and(|cost| cost.priced_by == PricedBy::Measured)
    };
    // Very many layers may each have a warning.
    let settled: HashSet<String> = match warnings.iter().any(|warning| advised(warning).is_some()) {
        true => manifest.layers.iter().filter(|entry| !is_measured(entry)).map(kind).collect(),
        false => HashSet::new(),
    };
    let is_news = |warning: &&str| advised(warning).is_none_or(|kind| !settled.contains(&kind));
    warnings.iter().map(String::as_str).filter(is_news).collect()
}

fn warnings_of(run: &Run) -> Vec<&str> {
    let manifest = run.manifest();
    manifest.map(|manifest| producer_warnings(manifest, &run.settings().costs)).unwrap_or_default()
}

/// What `--cost` calls a layer: `RLeaky:subtract`.
fn kind(entry: &LayerEntry) -> String {
    format!("{}:{}", entry.neuron, entry.reset)
}

/// Sorts the gravest first. Those of one cause stay in their order.
fn in_order(problems: &mut [ProblemFigures]) {
    problems.sort_by_key(|problem| (problem.severity, problem.cause));
}

/// Batches or samples that the end names and that were never seen.
fn missing(run: &Run) -> Option<ProblemFigures> {
    let missing = missing_at_the_end(run)?;
    Some(ProblemFigures::new(
        Cause::BatchesMissing,
        Severity::SetAside,
        file_of_end(run),
        missing.to_string(),
    ))
}

/// The most differences that one sentence names; the agreement has all.
const NAMED_DIFFERENCES: usize = 3;

fn difference(run: &Run, agreement: &Agreement) -> Option<ProblemFigures> {
    let Agreement::Differs { differences } = agreement else { return None };
    let mut named: Vec<String> = differences.iter().take(NAMED_DIFFERENCES).cloned().collect();
    if differences.len() > named.len() {
        let more = (differences.len() - named.len()) as u128;
        named.push(crate::text::numbered(more, ["more difference", "more differences"]));
    }
    let advice =
        "solve the other problems first, then compare prices and batches with those of the benchmark";
    let reason = format!("{}; {advice}", named.join("; "));
    Some(ProblemFigures::new(Cause::DiffersFromNeurobench, Severity::SetAside, file_of_end(run), reason))
}

/// Where the end says what it does.
fn file_of_end(run: &Run) -> &'static str {
    if run.own_end().is_some() { "end.json" } else { "the ends of the ranks" }
}

/// Layers without a price. Of very many, the first are listed.
fn unpriced(layers: &[LayerFigures]) -> Vec<ProblemFigures> {
    let all = || layers.iter().filter(|layer| layer.ops_per_update.is_none());
    let mut problems: Vec<ProblemFigures> = all().take(IN_FULL).map(unpriced_layer).collect();
    let more = all().count().saturating_sub(IN_FULL) as u64;
    if let Some(last) = problems.last_mut() {
        last.more = More { alike: more, others: 0 };
    }
    problems
}

fn unpriced_layer(layer: &LayerFigures) -> ProblemFigures {
    let why = format!("the operations leave it out, since {}", why_unpriced(layer));
    ProblemFigures::new(Cause::Unpriced, Severity::Notice, &layer.name, why)
}

/// Why a layer has no price; what gives it one.
pub(super) fn why_unpriced(layer: &LayerFigures) -> String {
    let (Some(neuron), Some(reset)) = (&layer.neuron, &layer.reset) else {
        return "its neuron or reset mechanism is unknown; give them with --neuron and --reset".to_owned();
    };
    let recorder =
        layer.unpriced.as_ref().map_or(String::new(), |why| format!(", nor has the recorder ({why})"));
    format!(
        "NeuroBench has no cost for {neuron}:{reset}{recorder}; give one with --cost {neuron}:{reset}=OPS"
    )
}

/// Puts the conditions that fail among the problems.
pub(super) fn add_failures(problems: &mut Vec<ProblemFigures>, failures: &[Failure]) {
    problems.retain(|problem| problem.cause != Cause::ConditionFails);
    problems.extend(failures.iter().map(|failure| {
        let reason = format!("{}; look at the layers that cost most, or give another bound", failure.reason);
        ProblemFigures::new(Cause::ConditionFails, Severity::Notice, &failure.condition, reason)
    }));
    in_order(problems);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::{BatchCount, LayerCount};
    use crate::run::{Addition, Problem, Settings};
    use crate::snapshot::{LayerShape, Manifest, SnapshotError};
    use std::sync::Arc;

    fn damaged(number: usize, what: &str) -> ProblemFigures {
        let path = format!("batch-{number}.npz");
        ProblemFigures::new(Cause::SetAside, Severity::SetAside, path, format!("{what}; write it again"))
    }

    #[test]
    fn files_with_the_same_fault_are_alike_whatever_its_numbers() {
        let problems = [
            damaged(1, "lif1.post: it ends at byte 70 of 4096"),
            damaged(2, "lif2.pre: it ends at byte 811 of 4096"),
            damaged(3, "its data are corrupt"),
            ProblemFigures { more: More { alike: 7, others: 0 }, ..damaged(4, "it ends at byte 9 of 4096") },
        ];
        let groups = group(&problems);
        let told: Vec<_> = groups.iter().map(|alike| (alike.count, alike.names(NAMED))).collect();
        assert_eq!(told[0], (10, "batch-1.npz, batch-2.npz, batch-4.npz and 7 more".to_owned()));
        assert_eq!((told[1].0, told.len(), groups[0].not_listed()), (1, 2, 7));
        assert_eq!(count(&problems), 11);
    }

    /// Two layers without a price, one of them in batches alone; warnings, of which one is why the recorder stopped;
    /// damaged files.
    #[test]
    fn problems_are_counted_without_texts_as_with_them() {
        let manifest = |stopped: bool| {
            let json = serde_json::json!({"format": "neurotop", "version": 1, "warnings":
                ["RLeaky has no price: --cost RLeaky:zero=5", "one", "two"],
                "stopped": stopped, "layers": [{"name": "a", "neuron": "Leaky", "reset": "zero"},
                {"name": "b", "neuron": "RLeaky", "reset": "zero"}]});
            Arc::new(Manifest::parse(json.to_string().as_bytes()).expect("a manifest"))
        };
        let now = SystemTime::now();
        let agree = |run: &Run, expected: u64| {
            assert_eq!(count_for_run(run, now), expected);
            assert_eq!(Summary::without_steps(run, now).problem_count(), expected);
        };
        for live in [true, false] {
            let mut run = Run::new(Settings { live, ..Settings::new("x") });
            agree(&run, 0);
            run.take_manifest(manifest(false));
            agree(&run, 3);
            let shape = |name: &str| LayerShape { name: name.into(), neurons: Some(vec![2]) };
            let layer = LayerCount { updates: 1, dense: 2, ..LayerCount::default() };
            let count =
                BatchCount { samples: 1, shapes: ["a", "b", "c"].map(shape).into(), layers: vec![layer; 3] };
            run.add(Addition::new(0.into(), "batch-0.npz".into(), now, 1, count.clone()), now);
            for number in 0..IN_FULL + 50 {
                let reason = "its data are corrupt; write it again".to_owned();
                let path = format!("batch-{number}.npz");
                run.add_problem(Problem { path, reason, severity: Severity::SetAside });
            }
            let run = run.concluded(now);
            let of_all = run.problem_count() - (IN_FULL as u64 + 50);
            agree(&run, IN_FULL as u64 + 54 + of_all);
            let mut stopped = run.clone();
            stopped.take_manifest(manifest(true));
            let stopped = stopped.concluded(now);
            agree(&stopped, stopped.problem_count() + 3);
            let mut gone = run.clone();
            gone.take_out(0.into(), &count);
            let gone = gone.concluded(now);
            agree(&gone, gone.problem_count() + 3);
        }
        let mut refused = Run::new(Settings { live: true, ..Settings::new("x") });
        refused.refuse(Some(SnapshotError::new("it is of another program", "name a run")));
        agree(&refused, 1);
    }

    #[test]
    fn each_warning_and_each_condition_is_told() {
        let of = |cause, path, reason| ProblemFigures::new(cause, Severity::Notice, path, reason);
        let problems = [
            of(Cause::ProducerWarns, "manifest.json", "one; mind it"),
            of(Cause::ProducerWarns, "manifest.json", "two; mind it"),
            of(Cause::ConditionFails, "updates>1", "it is 3"),
            of(Cause::ConditionFails, "updates>2", "it is 3"),
        ];
        assert_eq!(group(&problems).len(), 4);
        assert_eq!(spelled_out([("", &problems[..])], "").len(), 2, "conditions are named elsewhere");
    }

    #[test]
    fn ten_are_spelled_out() {
        for (kinds, of_each, sentences, more) in
            [(1, 99, 2, Some("and 89 more: see x")), (12, 1, 11, Some("and 2 more: see x")), (3, 3, 3, None)]
        {
            let what = |kind: usize| "x".repeat(kind + 1);
            let problems: Vec<ProblemFigures> =
                (0..kinds * of_each).map(|at| damaged(at, &what(at % kinds))).collect();
            let said = spelled_out([("", &problems[..])], "see x");
            assert_eq!(said.len(), sentences, "{said:?}");
            assert_eq!(said.last().filter(|last| last.starts_with("and")).map(String::as_str), more);
            assert!(said.concat().matches("batch-").count() <= SPELLED_OUT);
        }
    }

    #[test]
    fn ten_of_all_runs_are_spelled_out_the_gravest_first() {
        let notice = [ProblemFigures::new(Cause::Notice, Severity::Notice, "x", "y; z")];
        let grave: Vec<ProblemFigures> = (0..4).map(|number| damaged(number, "it is empty")).collect();
        let names: Vec<String> = (0..200).map(|run| format!("run {run}: ")).collect();
        let runs = names.iter().enumerate().map(|(at, name)| {
            let problems = if at % 100 == 7 { &grave[..] } else { &notice[..] };
            (name.as_str(), problems)
        });
        let said = spelled_out(runs, "see x");
        assert_eq!((said.len(), said[10].as_str()), (11, "and 196 more: see x"), "{said:?}");
        assert!(
            said[0].starts_with("run 7: batch-0.npz and 3 more: set aside")
                && said[1].starts_with("run 107: ")
        );
        assert!(said[2].starts_with("run 0: x: y"), "{said:?}");
        let failed = first_of(names.iter().cloned(), "see x");
        assert_eq!((failed.len(), failed[10].as_str()), (11, "and 190 more: see x"));
    }

    #[test]
    fn the_gravest_come_first() {
        let of = |cause, severity| ProblemFigures::new(cause, severity, "x", "y");
        let mut problems = vec![
            of(Cause::Notice, Severity::Notice),
            of(Cause::Unpriced, Severity::Notice),
            of(Cause::SetAside, Severity::SetAside),
            of(Cause::BatchesMissing, Severity::SetAside),
        ];
        let failure =
            |condition: &str| Failure { new: None, condition: condition.into(), reason: "z".into() };
        add_failures(&mut problems, &[failure("a")]);
        add_failures(&mut problems, &[failure("b")]);
        let causes: Vec<Cause> = problems.iter().map(|problem| problem.cause).collect();
        assert_eq!(
            causes,
            [Cause::BatchesMissing, Cause::SetAside, Cause::ConditionFails, Cause::Unpriced, Cause::Notice]
        );
        assert_eq!(problems[2].path, "b", "those of before are forgotten");
    }
}
