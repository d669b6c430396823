//! Merges the parts of a run, one of each shard, into the run that one pass would have counted.
//!
//! The sums are a fold over [`RunSums::merge`]; what is left to do here is to refuse parts that are not of one run, and to
//! have of the documents and problems what one pass would have.

use super::RunPart;
use crate::follow::{Account, Shard};
use crate::run::problem_list::{Kind, NotListed};
use crate::run::run_sums::RunSums;
use crate::run::state::KnownManifest;
use crate::run::timing::FileTimes;
use crate::run::{BatchPotentials, Ended, FirstBatches, Problem, Run, Settings, Severity};
use crate::snapshot::{BatchName, End, Manifest};
use crate::text::shown;
use anyhow::{Context, bail, ensure};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How many of the missing shards are named.
const NAMED: usize = 10;

/// The parts so far, in whatever order they come.
#[derive(Debug, Default)]
pub struct Merge {
    /// The first part, which the others must fit, without its layers and ranks.
    first: Option<(PathBuf, RunPart)>,
    /// Where each shard came from.
    sources: BTreeMap<u64, PathBuf>,
    manifest: Option<Manifest>,
    /// Whether some parts have other prices in their manifest than others.
    has_other_prices: bool,
    /// The ends of the run (`None`) and of its ranks.
    ends: BTreeMap<Option<u32>, KnownEnd>,
    /// How many ends each part has.
    ends_of: Vec<(PathBuf, usize)>,
    sums: RunSums,
    /// How many layers each part has, and its first batches with all of them and without some.
    first_batches: Vec<(usize, FirstBatches)>,
    account: Account,
    /// The problems by file and severity, each from the first shard that has it.
    problems: MergedProblems,
    /// How many more problems there are of a kind: of batches, and of other files.
    more_problems: BTreeMap<(Severity, Kind), (u64, u64)>,
    last_written: Option<SystemTime>,
    times: FileTimes,
    /// The highest number of a batch, and the potentials in that batch, where its part has them.
    newest: (Option<u64>, Option<Arc<BatchPotentials>>),
    /// Where the parts were counted; `None` in it where they were counted in different places.
    directory: Option<Option<String>>,
}

/// Problems by file, severity and key, each with the number of the shard that it is taken from.
type MergedProblems = BTreeMap<(String, Severity, String), (u64, Problem)>;

/// An end, of the run or of a rank.
#[derive(Debug)]
struct KnownEnd {
    end: End,
    /// The first part that has it.
    source: PathBuf,
    /// How many parts have it.
    parts: usize,
}

/// The result of a merge.
#[derive(Debug)]
pub struct Merged {
    pub run: Run,
    /// Parts that were made before the run or a rank of it ended, while others were made after that.
    pub before_end: Vec<PathBuf>,
}

impl Merge {
    /// Adds a part.
    ///
    /// # Errors
    /// Where it is of another run, counted with other rules, or of a shard that is there already.
    pub fn add(&mut self, path: &Path, mut part: RunPart) -> anyhow::Result<()> {
        if let Some((first, of)) = &self.first
            && let Some(why) = difference(&part, of)
        {
            bail!(
                "{} does not fit {}: {why}; all parts must be of one run, counted in the same way",
                shown(path),
                shown(first)
            );
        }
        if let Some(other) = self.sources.insert(part.shard.number(), path.to_owned()) {
            bail!(
                "{} and {} are both shard {}; name one part of each shard",
                shown(&other),
                shown(path),
                part.shard
            );
        }
        self.add_ends(path, &part)?;
        let sums = part.sums()?;
        ensure!(
            self.sums.has_room_for(&sums),
            "with {}, the sums are beyond any run's; count its shard again",
            shown(path)
        );
        self.sums.merge(&sums);
        self.first_batches.push((part.layers.len(), part.first_batches()));
        self.account += Account { twins: part.twins, ..part.account };
        self.last_written = self.last_written.max(part.last_written());
        self.times.join(&part.run.times.times());
        let before = self.directory.take().unwrap_or_else(|| part.run.directory.clone());
        self.directory = Some(before.filter(|before| part.run.directory.as_ref() == Some(before)));
        let newest = part.units.sums.last().map(|unit| unit.last_batch);
        // All batches of a number are in one shard.
        if newest > self.newest.0 {
            self.newest = (newest, part.potentials.take());
        }
        self.add_manifest(part.run.manifest.as_ref());
        self.add_problems(part.shard.number(), &part.problems);
        self.add_more_problems(&part.more_problems);
        (part.layers, part.ranks) = (Vec::new(), Vec::new());
        self.first.get_or_insert_with(|| (path.to_owned(), part));
        Ok(())
    }

    /// A benchmark may add to the warnings of its manifest as it goes, so that the longest list is the last one. It may
    /// also measure prices later. Prices that differ are none: nobody knows which of them is that of the whole run.
    fn add_manifest(&mut self, manifest: Option<&Manifest>) {
        let last = |manifest: &Manifest| (manifest.warnings.len(), manifest.warnings.clone(), manifest.keep);
        let Some(new) = manifest else { return };
        let Some(known) = self.manifest.take() else {
            self.manifest = Some(new.clone());
            return;
        };
        self.has_other_prices |= !known.has_same_prices(new);
        let (later, other) =
            if last(new) > last(&known) { (new.clone(), known) } else { (known, new.clone()) };
        self.manifest = Some(later.with_prices_of(&other).unwrap_or(later));
    }

    fn add_ends(&mut self, path: &Path, part: &RunPart) -> anyhow::Result<()> {
        let of_ranks = part.ranks.iter().map(|rank| (Some(rank.rank), rank.end.as_ref()));
        let ends = [(None, part.run.end.as_ref())].into_iter().chain(of_ranks);
        let ends: Vec<_> = ends.filter_map(|(of, end)| Some((of, end?))).collect();
        for &(of, end) in &ends {
            let known = self.ends.entry(of).or_insert_with(|| KnownEnd {
                end: end.clone(),
                source: path.to_owned(),
                parts: 0,
            });
            ensure!(
                *end == known.end,
                "{} does not fit {}: end.json{} changed between them; count both shards again",
                shown(path),
                shown(&known.source),
                of.map_or(String::new(), |rank| format!(" of rank {rank}"))
            );
            known.parts += 1;
        }
        self.ends_of.push((path.to_owned(), ends.len()));
        Ok(())
    }

    fn add_problems(&mut self, shard: u64, problems: &[Problem]) {
        for problem in problems {
            let key = (problem.path.clone(), problem.severity, problem.key());
            let known = self.problems.get(&key).is_some_and(|(first, _)| *first < shard);
            if !known {
                self.problems.insert(key, (shard, problem.clone()));
            }
        }
    }

    /// Every batch is in one shard, while each shard sees all other files.
    fn add_more_problems(&mut self, more: &[NotListed]) {
        for NotListed { severity, kind, batches, others } in more {
            let known = self.more_problems.entry((*severity, kind.clone())).or_default();
            *known = (known.0.saturating_add(*batches), known.1.max(*others));
        }
    }

    /// The settings that the parts were counted with, as far as they say.
    ///
    /// # Errors
    /// Where there is no part, or a cost of theirs cannot be.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        Ok(self.first()?.empty_run(None, Duration::ZERO)?.settings().clone())
    }

    fn first(&self) -> anyhow::Result<&RunPart> {
        self.first.as_ref().map(|(_, part)| part).context("there is no part to merge")
    }

    /// The run, once every shard is there.
    ///
    /// # Errors
    /// Names the shards that are missing.
    pub fn finish(self, stall_after: Duration) -> anyhow::Result<Merged> {
        let first = self.first()?;
        self.check_all_there(first.shard)?;
        let mut run = first.empty_run(self.manifest.clone(), stall_after)?;
        if let Some(directory) = self.directory.flatten() {
            run = run.in_directory(Path::new(&directory));
        }
        let (parts, ends) = (self.ends_of.len(), self.ends.len());
        let before_end = self.ends_of.into_iter().filter(|&(_, known)| known < ends).map(|(path, _)| path);
        // What was counted before an end may lack batches that came before it.
        let certain = self.ends.into_iter().filter(|(_, known)| known.parts == parts);
        let layers = self.sums.tally.layers().len();
        let first = self.first_batches.into_iter().fold(FirstBatches::default(), |all, (has, first)| {
            all.joined(if has == layers { first } else { first.all_lacking() })
        });
        let mut sums = self.sums;
        if self.has_other_prices {
            sums.history.forget_measured();
        }
        run.take_sums(sums, self.last_written, self.times);
        certain.for_each(|(of, KnownEnd { end, .. })| match of {
            Some(rank) => run.take_rank_end(rank, Some(end)),
            None => run.take_end(Some(end)),
        });
        said_once(self.problems).into_iter().for_each(|problem| run.add_problem(problem));
        for ((severity, kind), (batches, others)) in self.more_problems {
            Arc::make_mut(&mut run.problems).add_unnamed(severity, kind, batches.saturating_add(others));
        }
        (run.first, run.potentials) = (first, self.newest.1);
        run.take_account(self.account);
        run.end_with(Ended::Done);
        let run = run.concluded(SystemTime::UNIX_EPOCH);
        Ok(Merged { run, before_end: before_end.collect() })
    }

    fn check_all_there(&self, shard: Shard) -> anyhow::Result<()> {
        let missing = shard.total() - self.sources.len() as u64;
        if missing == 0 {
            return Ok(());
        }
        let absent = (1..=shard.total()).filter(|number| !self.sources.contains_key(number));
        let mut named: Vec<String> =
            absent.take(NAMED).map(|number| format!("{number}/{}", shard.total())).collect();
        let first = named[0].clone();
        if missing > NAMED as u64 {
            named.push(format!("and {} more", missing - NAMED as u64));
        }
        bail!(
            "shards are missing ({missing} of {}): {}; count each, as with neurotop summary --shard {first} DIR \
             -o FILE.json, or name its part",
            shard.total(),
            named.join(", ")
        );
    }
}

/// Why two parts are not of one run that was counted in the same way.
fn difference(part: &RunPart, first: &RunPart) -> Option<String> {
    fn differ<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, theirs: T) -> Option<String> {
        (ours != theirs).then(|| format!("{what} {ours:?} and {theirs:?}"))
    }
    let manifest = |part: &RunPart| {
        part.run.manifest.as_ref().map(|manifest| KnownManifest::from_manifest(manifest, None))
    };
    let expected = |part: &RunPart| {
        part.run
            .manifest
            .as_ref()
            .map(|manifest| (manifest.expected_batches, manifest.expected_samples, manifest.world_size))
    };
    let presence = |part: &RunPart| if part.run.manifest.is_some() { "with" } else { "without" };
    let has_other_manifest = manifest(part) != manifest(first) || expected(part) != expected(first);
    let has_other_costs = part.costs_of_recorder() != first.costs_of_recorder();
    let differences = [
        differ("they were made by neurotop", &part.tool.version, &first.tool.version),
        differ("the number of shards is", part.shard.total(), first.shard.total()),
        differ("the runs are called", &part.run.name, &first.run.name),
        differ("they were counted with and without a manifest.json:", presence(part), presence(first)),
        has_other_manifest.then(|| {
            "manifest.json differs in its run, producer, expectations, world_size or layers".to_owned()
        }),
        has_other_costs.then(|| "manifest.json gives other costs (cost= of the recorder)".to_owned()),
        differ("they were counted with --cost", &part.rules.cost, &first.rules.cost),
        differ("they were counted with --neuron", &part.rules.neuron, &first.rules.neuron),
        differ("they were counted with --reset", &part.rules.reset, &first.rules.reset),
    ];
    differences.into_iter().flatten().next()
}

/// The problems of the run. A notice about batches is kept for the first batch by name alone, as in one pass.
fn said_once(problems: MergedProblems) -> Vec<Problem> {
    let mut first: HashMap<(String, String), BatchName> = HashMap::new();
    let noticed = |problem: &Problem| {
        let batch = BatchName::parse(&problem.path);
        batch.filter(|_| problem.severity == Severity::Notice)
    };
    for (_, problem) in problems.values() {
        if let Some(batch) = noticed(problem) {
            let known = first.entry(problem.kind()).or_insert(batch);
            *known = batch.min(*known);
        }
    }
    let problems = problems.into_values().map(|(_, problem)| problem);
    problems.filter(|problem| noticed(problem).is_none_or(|batch| first[&problem.kind()] == batch)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_of_one_shard_hides_nothing_that_another_set_aside() {
        let problem =
            |severity| Problem { path: "batch-1.npz".into(), reason: format!("{severity:?}"), severity };
        let (notice, set_aside) = (problem(Severity::Notice), problem(Severity::SetAside));
        for (first, second) in [(&notice, &set_aside), (&set_aside, &notice)] {
            let mut merge = Merge::default();
            merge.add_problems(1, std::slice::from_ref(first));
            merge.add_problems(2, std::slice::from_ref(second));
            assert_eq!(said_once(merge.problems), [set_aside.clone(), notice.clone()]);
        }
    }
}
