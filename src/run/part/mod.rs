//! The part of a run that one shard counted, as JSON, and the merge of the parts of all shards.
//!
//! A part has whole numbers only, and all that the figures of a summary follow from, so that nothing is rounded before
//! the parts are together. Its sums are a [`RunSums`]; beside them it has the rules that the shard was counted by, the
//! documents, the account and the problems as the shard saw them. Nothing here makes figures or text for people.

mod merge;
mod rank;

pub use merge::{Merge, Merged};

use super::exported::{from_json, read_bytes, schema_in};
use super::prices::{CostRule, Costs, LayerDefaults};
use super::problem_list::NotListed;
use super::run_sums::RunSums;
use super::series::{History, Point, are_in_place};
use super::sums::{MAX_SUM, Operations, Sums, Updates};
use super::tally::{LayerSums, Tally};
use super::timing::FileTimes;
use super::{BatchPotentials, FirstBatches, Problem, Run, Settings};
use crate::count::layer_detail::Potentials;
use crate::follow::{Account, Shard};
use crate::snapshot::{BatchName, End, Manifest};
use crate::text::shown;
use anyhow::{Context, anyhow, bail, ensure};
use rank::RankPart;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The schema of a part.
pub const PART_SCHEMA: &str = "neurotop.part/1";

/// The most batches that a part may claim, so that the sum over all shards cannot overflow.
const MAX_BATCHES: u64 = 1 << 40;

/// The part of a run that one shard counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPart {
    /// [`PART_SCHEMA`].
    schema: String,
    tool: Tool,
    shard: Shard,
    run: PartRun,
    rules: Rules,
    samples: u128,
    batches: u64,
    /// Sums by layer, in no particular order.
    layers: Vec<Arc<LayerSums>>,
    /// Sums over batches or groups of neighbouring ones, which the confidence interval is made from.
    units: Units,
    /// The account of the shard's batches.
    account: Account,
    /// The batches among those set aside that exist under another name, too.
    #[serde(default, skip_serializing_if = "is_zero")]
    twins: u64,
    /// The first batch with all layers that any batch of the shard has.
    first_whole: Option<String>,
    /// The first batch that lacks some of them.
    first_lacking: Option<String>,
    /// The ranks, the lowest first.
    ranks: Vec<RankPart>,
    problems: Vec<Problem>,
    /// How many more problems there are, by kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    more_problems: Vec<NotListed>,
    /// The potentials in its newest batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    potentials: Option<Arc<BatchPotentials>>,
}

/// The program that made a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    pub name: Cow<'static, str>,
    pub version: Cow<'static, str>,
}

impl Tool {
    pub fn this() -> Self {
        Self { name: "neurotop".into(), version: env!("CARGO_PKG_VERSION").into() }
    }
}

/// What a run is and how far it got, as the shard saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PartRun {
    /// The manifest's name, or the directory's.
    name: String,
    #[serde(deserialize_with = "Option::deserialize")]
    manifest: Option<Manifest>,
    /// The run's own end, not one that follows from its ranks.
    #[serde(deserialize_with = "Option::deserialize")]
    end: Option<End>,
    /// When the newest batch was written, in nanoseconds since 1970-01-01T00:00:00Z.
    #[serde(deserialize_with = "Option::deserialize")]
    last_written_ns: Option<i64>,
    #[serde(default)]
    times: PartTimes,
    /// Where it was counted, as it was named.
    directory: Option<String>,
}

/// When the batches were written, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct PartTimes {
    first_ns: Option<i64>,
    /// The newest, as many as the pace is taken from.
    newest_ns: Vec<i64>,
    /// How many batches have a time that can be right, and how many have not.
    batches: [u64; 2],
    /// The newest time that was in the future.
    ahead_ns: Option<i64>,
}

impl PartTimes {
    fn from_times(times: &FileTimes) -> Self {
        Self {
            first_ns: times.first().map(nanoseconds),
            newest_ns: times.newest().map(nanoseconds).collect(),
            batches: times.batches(),
            ahead_ns: times.ahead().map(nanoseconds),
        }
    }

    fn times(&self) -> FileTimes {
        let newest = self.newest_ns.iter().filter_map(|&time| time_from_nanoseconds(time));
        let mut times =
            FileTimes::from_parts(self.first_ns.and_then(time_from_nanoseconds), newest, self.batches);
        times.stand_ahead(self.ahead_ns.and_then(time_from_nanoseconds));
        times
    }
}

/// What the user said of layers, on the command line and in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rules {
    /// Not checked yet.
    cost: Vec<CostRule>,
    neuron: Vec<String>,
    reset: Vec<String>,
}

/// The points of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Units {
    /// The lowest bits of the batch number, which do not matter for the unit that a batch belongs to.
    shift: u32,
    sums: Vec<Unit>,
    /// By the name of the layer; `None` where it is not known of all units, as in parts of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layers: Option<BTreeMap<String, LayerUnits>>,
}

/// The updates of a layer in each unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LayerUnits {
    updates: Vec<u128>,
    dense_updates: Vec<u128>,
}

/// The sums over the batches of one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Unit {
    first_batch: u64,
    last_batch: u64,
    batches: u64,
    samples: u128,
    effective_ops: u128,
    dense_ops: u128,
    /// Those of the layers whose price is measured, which are not in the former. `null` where shards knew different
    /// prices.
    #[serde(default = "zero", skip_serializing_if = "is_known_zero")]
    measured_effective_ops: Option<u128>,
    #[serde(default = "zero", skip_serializing_if = "is_known_zero")]
    measured_dense_ops: Option<u128>,
}

/// What an absent field means.
fn zero() -> Option<u128> {
    Some(0)
}

fn is_known_zero(number: &Option<u128>) -> bool {
    *number == Some(0)
}

fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

impl Unit {
    /// The unit of a point. `measured` are the prices of measured layers, by index in the tally.
    fn new(point: &Point, measured: &[u64]) -> Self {
        let has_measured = measured.iter().any(|&price| price > 0);
        let of_measured =
            if has_measured { point.measured_operations(measured) } else { Some(Operations::default()) };
        let Point { first, last, sums, operations, .. } = point;
        Self {
            first_batch: *first,
            last_batch: *last,
            batches: sums.batches,
            samples: sums.samples,
            effective_ops: operations.effective,
            dense_ops: operations.dense,
            measured_effective_ops: of_measured.map(|of| of.effective),
            measured_dense_ops: of_measured.map(|of| of.dense),
        }
    }

    fn measured(&self) -> Option<Operations> {
        Some(Operations { effective: self.measured_effective_ops?, dense: self.measured_dense_ops? })
    }
}

impl LayerUnits {
    fn new(points: &[Arc<Point>], layer: usize) -> Self {
        let of_point = |point: &Arc<Point>| point.sums.updates.get(layer).copied().unwrap_or_default();
        let (updates, dense_updates) =
            points.iter().map(of_point).map(|Updates { effective, dense }| (effective, dense)).unzip();
        Self { updates, dense_updates }
    }

    fn at(&self, unit: usize) -> Updates {
        let [effective, dense] = [&self.updates, &self.dense_updates].map(|of_units| of_units[unit]);
        Updates { effective, dense }
    }

    /// Whether so many units have these updates in sum.
    fn add_up_to(&self, Updates { effective, dense }: Updates, units: usize) -> bool {
        let sum = |of_units: &[u128]| of_units.iter().try_fold(0_u128, |sum, &unit| sum.checked_add(unit));
        [self.updates.len(), self.dense_updates.len()] == [units; 2]
            && [sum(&self.updates), sum(&self.dense_updates)] == [Some(effective), Some(dense)]
            && (0..units).all(|unit| self.at(unit).is_sound())
    }
}

impl Units {
    fn from_run(run: &Run) -> Self {
        let (history, measured) = (run.history(), run.measured_prices());
        let sums = history.points().iter().map(|point| Unit::new(point, &measured)).collect();
        let layers = run.tally().layers().iter().enumerate();
        let layers = layers.map(|(at, layer)| (layer.name.clone(), LayerUnits::new(history.points(), at)));
        let layers = (!history.lacks_layers()).then(|| layers.collect());
        Self { shift: history.shift(), sums, layers }
    }

    /// The points, with the updates of those layers.
    fn points(&self, layers: &[Arc<LayerSums>]) -> Vec<Point> {
        let known = layers.iter().filter_map(|layer| self.layers.as_ref()?.get(&layer.name));
        let known: Vec<&LayerUnits> = known.collect();
        let points = self.sums.iter().enumerate().map(|(at, unit)| Point {
            first: unit.first_batch,
            last: unit.last_batch,
            sums: Sums {
                batches: unit.batches,
                samples: unit.samples,
                updates: known.iter().map(|layer| layer.at(at)).collect(),
            },
            operations: Operations { effective: unit.effective_ops, dense: unit.dense_ops },
            measured: unit.measured(),
        });
        points.collect()
    }

    /// Whether the updates of these layers are those of the units.
    fn are_of(&self, layers: &[Arc<LayerSums>]) -> bool {
        let Some(known) = &self.layers else { return true };
        let add_up = |layer: &Arc<LayerSums>| {
            known.get(&layer.name).is_some_and(|of| of.add_up_to(layer.updates(), self.sums.len()))
        };
        known.len() == layers.len() && layers.iter().all(add_up)
    }

    /// The sum over the units of what `value` gives of each; `None` where it overflows.
    fn sum(&self, value: impl Fn(&Unit) -> u128) -> Option<u128> {
        self.sums.iter().try_fold(0_u128, |sum, unit| sum.checked_add(value(unit)))
    }
}

impl RunPart {
    /// The part of a run of which one shard is counted.
    pub fn from_run(run: &Run, shard: Shard) -> Self {
        let name = |batch: Option<BatchName>| batch.map(|batch| batch.to_string());
        let (tally, first) = (run.tally(), run.first);
        Self {
            schema: PART_SCHEMA.to_owned(),
            tool: Tool::this(),
            shard,
            run: PartRun {
                name: run.name().to_owned(),
                manifest: run.manifest().cloned(),
                end: run.own_end().cloned(),
                last_written_ns: run.last_activity().map(nanoseconds),
                times: PartTimes::from_times(run.times()),
                directory: run.directory().map(|path| path.to_string_lossy().into_owned()),
            },
            rules: Rules::from_settings(run.settings()),
            samples: tally.samples(),
            batches: tally.batches(),
            layers: tally.layers().to_vec(),
            units: Units::from_run(run),
            account: filed(run.account()),
            twins: run.account().twins,
            first_whole: name(first.whole),
            first_lacking: name(first.lacking),
            ranks: run.ranks().all().map(|(rank, known)| RankPart::new(rank, known, tally)).collect(),
            problems: run.problems.iter().cloned().collect(),
            more_problems: run.problems.not_listed().collect(),
            potentials: run.potentials().cloned(),
        }
    }

    /// The same with its layers and problems in an order that does not depend on which batches came first.
    pub fn in_order(mut self) -> Self {
        self.layers.sort_by(|one, other| one.name.cmp(&other.name));
        self.problems.sort_by(|one, other| (&one.path, &one.reason).cmp(&(&other.path, &other.reason)));
        self
    }

    /// Reads the potentials in the newest batch of the run, until then at the most.
    pub fn read_potentials(&mut self, run: &Run, until: Instant) {
        self.potentials = BatchPotentials::newest(run, until);
    }

    pub fn potentials(&self) -> Option<&BatchPotentials> {
        self.potentials.as_deref()
    }

    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// The sums along the run, over batches or groups of neighbouring ones, in the order of their numbers.
    pub fn points(&self) -> Vec<Point> {
        self.units.points(&[])
    }

    /// The name of the run.
    pub fn name(&self) -> &str {
        &self.run.name
    }

    /// Samples counted.
    pub fn samples(&self) -> u128 {
        self.samples
    }

    /// The account of the shard's batches.
    pub fn account(&self) -> Account {
        self.account
    }

    /// Reads a part that `summary --shard` wrote.
    ///
    /// # Errors
    /// Where the file cannot be read or is no part; the error names the file and says what to do.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let advice = "name the files that neurotop summary --shard K/N DIR -o FILE.json wrote";
        let bytes = read_bytes(path, advice)?;
        Self::parse(&bytes).map_err(|why| anyhow!("{} is no part of a run: {why:#}; {advice}", shown(path)))
    }

    /// Parses the JSON text of a part.
    ///
    /// # Errors
    /// Where it is no part, or claims what no part can.
    pub fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        match schema_in(bytes)?.as_deref() {
            Some(PART_SCHEMA) => {}
            Some(summary) if summary.starts_with("neurotop.summary/") => {
                bail!("it is a whole summary ({summary})")
            }
            Some(comparison) if comparison.starts_with("neurotop.comparison/") => {
                bail!("it is a comparison ({comparison})")
            }
            Some(other) if other.starts_with("neurotop.part/") => bail!(
                "its schema is {other:?}, and this neurotop merges {PART_SCHEMA:?}; use the neurotop that made it"
            ),
            Some(other) => bail!("its schema is {other:?} and not {PART_SCHEMA:?}"),
            None => bail!("it has no \"schema\": {PART_SCHEMA:?}"),
        }
        let part: Self = from_json(bytes)?;
        part.check()?;
        Ok(part)
    }

    /// Refuses what no part can claim, so that the sums of all parts cannot overflow and belong together.
    ///
    /// # Errors
    /// Says what it claims.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.schema == PART_SCHEMA, "its schema is {:?} and not {PART_SCHEMA:?}", self.schema);
        if let Some(twice) = self.run.manifest.as_ref().and_then(Manifest::layer_twice) {
            bail!("its manifest has layer {twice:?} twice");
        }
        let dense = self.layers.iter().try_fold(0_u128, |sum, layer| sum.checked_add(layer.dense));
        ensure!(dense.is_some_and(|dense| dense <= MAX_SUM), "its sums are beyond any run's");
        ensure!(self.samples <= MAX_SUM, "its samples are beyond any run's");
        let Account { seen, counted, waiting, set_aside, .. } = self.account;
        let few =
            [self.batches, seen, counted, waiting, set_aside].into_iter().all(|count| count <= MAX_BATCHES);
        ensure!(few, "its batches are beyond any run's");
        ensure!(self.twins <= set_aside.min(seen), "it has more batches of two names than were set aside");
        for layer in &self.layers {
            let by_step = layer.updates_by_step.iter().try_fold(0_u128, |sum, &step| sum.checked_add(step));
            let fits = by_step.is_some_and(|sum| sum <= layer.effective) && layer.updates().is_sound();
            ensure!(fits, "layer {:?} has more updates than there can be", layer.name);
        }
        ensure!(
            are_in_place(&self.units.points(&[]), self.units.shift),
            "its units overlap or are out of order"
        );
        // Before the points take theirs by their place.
        ensure!(self.units.are_of(&self.layers), "the updates of its units are not those of its layers");
        let mut run = self.empty_run(self.run.manifest.clone(), Duration::ZERO)?;
        run.take_sums(self.sums_without_ranks()?, self.last_written(), self.run.times.times());
        let Operations { effective, dense } = run.operations();
        let are_few = |unit: &Unit| unit.measured().is_none_or(Operations::is_sound);
        ensure!(self.units.sums.iter().all(are_few), "its measured operations are beyond any run's");
        // Units that do not know these have no sum of them.
        let knows_measured = self.units.sums.iter().all(|unit| unit.measured().is_some());
        let measured = if knows_measured { run.measured_operations() } else { Operations::default() };
        let of_measured = |value: fn(Operations) -> u128| {
            self.units.sum(|unit| unit.measured().filter(|_| knows_measured).map_or(0, value))
        };
        for (what, sum, whole) in [
            ("batches", self.units.sum(|unit| unit.batches.into()), self.batches.into()),
            ("samples", self.units.sum(|unit| unit.samples), self.samples),
            ("effective operations", self.units.sum(|unit| unit.effective_ops), effective),
            ("dense operations", self.units.sum(|unit| unit.dense_ops), dense),
            ("effective measured operations", of_measured(|of| of.effective), measured.effective),
            ("dense measured operations", of_measured(|of| of.dense), measured.dense),
        ] {
            ensure!(sum == Some(whole), "the {what} of its units are not the sum, {whole}");
        }
        let mut potentials = self.potentials.iter().flat_map(|potentials| potentials.layers.values());
        ensure!(potentials.all(Potentials::is_sound), "its potentials are no distribution");
        rank::check(self)
    }

    fn sums_without_ranks(&self) -> anyhow::Result<RunSums> {
        let tally = Tally::from_layers(self.layers.clone(), Vec::new(), self.batches, self.samples);
        let Units { shift, layers, .. } = &self.units;
        let history = History::from_points(self.units.points(&self.layers), *shift, layers.is_none());
        Ok(RunSums { tally: tally.context("a layer is in it twice")?, history, ..RunSums::default() })
    }

    /// What its batches add up to, without the ends of the ranks.
    ///
    /// # Errors
    /// Where a layer is in it twice.
    fn sums(&self) -> anyhow::Result<RunSums> {
        let mut sums = self.sums_without_ranks()?;
        for rank in &self.ranks {
            sums.ranks.join(rank.rank, rank.known(&sums.tally));
        }
        Ok(sums)
    }

    /// A run like that of this part, with nothing counted yet.
    fn empty_run(&self, manifest: Option<Manifest>, stall_after: Duration) -> anyhow::Result<Run> {
        let mut run = Run::new(Settings {
            costs: Costs::with_rules(self.rules.costs()?),
            neurons: LayerDefaults::parse(&self.rules.neuron),
            resets: LayerDefaults::parse(&self.rules.reset),
            stall_after,
            ..Settings::new(&self.run.name)
        });
        manifest.into_iter().for_each(|manifest| run.take_manifest(Arc::new(manifest)));
        Ok(run)
    }

    /// The layers whose price the user gave the recorder, with that price. Their operations are in the units.
    fn costs_of_recorder(&self) -> Vec<(&str, u64)> {
        let layers = self.run.manifest.iter().flat_map(|manifest| manifest.layers.iter());
        let given = layers.filter_map(|layer| {
            let price = layer.price.recorded().filter(|price| price.measurement.is_none())?;
            Some((layer.name.as_str(), price.ops_per_update))
        });
        given.collect()
    }

    fn first_batches(&self) -> FirstBatches {
        let parsed = |name: &Option<String>| name.as_deref().and_then(BatchName::parse);
        FirstBatches { whole: parsed(&self.first_whole), lacking: parsed(&self.first_lacking) }
    }

    /// When the newest batch was written.
    fn last_written(&self) -> Option<SystemTime> {
        self.run.last_written_ns.and_then(time_from_nanoseconds)
    }
}

impl Rules {
    fn from_settings(Settings { costs, neurons, resets, .. }: &Settings) -> Self {
        Self { cost: costs.rules().collect(), neuron: neurons.values(), reset: resets.values() }
    }

    fn costs(&self) -> anyhow::Result<Vec<CostRule>> {
        let rule = |rule: &CostRule| CostRule::new(&rule.neuron, &rule.reset, rule.ops_per_update);
        self.cost.iter().map(rule).collect::<Result<_, _>>().map_err(|why| anyhow!("one of its costs: {why}"))
    }
}

/// An account as a part has it.
fn filed(account: Account) -> Account {
    Account { twins: 0, waiting_bytes: 0, ..account }
}

/// The time that is so many nanoseconds after 1970-01-01T00:00:00Z; `None` where no clock shows it.
fn time_from_nanoseconds(nanoseconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_nanos(nanoseconds.unsigned_abs());
    match nanoseconds < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(distance),
        false => SystemTime::UNIX_EPOCH.checked_add(distance),
    }
}

/// A time in nanoseconds since 1970, or the nearest that 64 bits can say: they reach 292 years either way.
fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |before| -before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::BatchCount;
    use crate::run::Addition;
    use crate::run::ranks::RankStatus;
    use crate::snapshot::BatchId;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// A part of a run of a few batches with a priced layer and one without a price: the first batch is of no
    /// rank, the others are of ranks 0 and 7.
    fn part() -> RunPart {
        let mut run = Run::new(Settings {
            costs: Costs::with_rules(["RLeaky:zero=5".parse().expect("a rule")]),
            neurons: LayerDefaults::parse(&["RLeaky".into(), "b=None".into()]),
            resets: LayerDefaults::parse(&["zero".into()]),
            ..Settings::new("run")
        });
        for number in 0..3 {
            let count = BatchCount::for_tests(2, &[("a", number, 9), ("b", number, 9)]);
            let (name, modified) =
                (format!("batch-{number}"), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
            let rank = [None, Some(0), Some(7)][number as usize];
            run.add(Addition::new(BatchId { number, rank }, name, modified, 0, count), modified);
        }
        let account = |counted| Account { seen: counted, counted, ..Account::default() };
        let end = End::parse(br#"{"batches": 1, "neurobench": {"MembraneUpdates": 2.0}}"#).expect("an end");
        run.take_account(account(3));
        [0, 7].into_iter().for_each(|rank| run.take_rank(rank, Some(account(1))));
        run.take_rank_end(7, Some(end));
        RunPart::from_run(&run.concluded(SystemTime::UNIX_EPOCH + Duration::from_secs(1)), Shard::WHOLE)
    }

    fn merged(part: RunPart) -> anyhow::Result<Run> {
        let mut merge = Merge::default();
        merge.add(Path::new("part.json"), part)?;
        Ok(merge.finish(Duration::ZERO)?.run)
    }

    fn merged_ranks(part: RunPart) -> Vec<RankStatus> {
        merged(part).expect("merged").rank_statuses(SystemTime::UNIX_EPOCH)
    }

    /// Whether a part with other sums is refused: `from` and `to` are texts in its JSON.
    fn is_refused(from: &str, to: &str) -> bool {
        let text = serde_json::to_string(&part()).expect("JSON");
        assert!(text.contains(from), "{from}: {text}");
        RunPart::parse(text.replace(from, to).as_bytes()).is_err()
    }

    #[test]
    fn sums_that_no_run_has_are_refused() {
        assert!(merged(part()).is_ok());
        let huge = u128::MAX.to_string();
        for field in ["dense_updates", "dense_ops", "effective_ops", "samples"] {
            let text = serde_json::to_string(&part()).expect("JSON");
            let at = text.find(&format!("\"{field}\":")).expect("the field") + field.len() + 3;
            let end = at + text[at..].find([',', '}']).expect("an end");
            let text = format!("{}{huge}{}", &text[..at], &text[end..]);
            assert!(RunPart::parse(text.as_bytes()).is_err(), "{field}");
        }
        assert!(is_refused("\"seen\":3", "\"seen\":18446744073709551615"));
        assert!(is_refused("\"updates_by_step\":[3]", "\"updates_by_step\":[4]"));
        assert!(is_refused("\"ops_per_update\":5", "\"ops_per_update\":1000000001"));
        assert!(is_refused("\"ops_per_update\":5", "\"ops_per_update\":6"), "its sums are of another cost");
        assert!(is_refused("\"name\":\"b\"", "\"name\":\"a\""), "a layer twice");
        assert!(is_refused("\"first_batch\":1", "\"first_batch\":0"), "units that overlap");
        assert!(is_refused("\"updates\":[0,1,2]", "\"updates\":[0,2,1,0]"), "more units than there are");
        assert!(is_refused("\"updates\":[0,1,2]", "\"updates\":[3]"), "fewer units than there are");
        assert!(is_refused("\"updates\":[0,1,2]", "\"updates\":[0,1,3]"), "more updates than the layer has");
        assert!(is_refused("\"dense_updates\":[9,9,9]", "\"dense_updates\":[27,0,0]"), "more than all");
    }

    #[test]
    fn measured_operations_that_no_run_has_are_refused_even_where_some_units_do_not_know_them() {
        let mut part = part();
        part.units.sums[2].measured_effective_ops = None;
        assert!(part.check().is_ok());
        part.units.sums[0].measured_dense_ops = Some(u128::MAX);
        assert!(part.check().is_err());
    }

    /// The part with other values in it: JSON pointers, and what is to be there.
    fn changed(values: &[(&str, Value)]) -> anyhow::Result<RunPart> {
        let mut document = serde_json::to_value(part()).expect("JSON");
        for (pointer, value) in values {
            *document.pointer_mut(pointer).expect("a field") = value.clone();
        }
        RunPart::parse(document.to_string().as_bytes())
    }

    #[test]
    fn ranks_that_are_not_those_of_the_batches_are_refused() {
        let more = json!({"updates": 1, "dense_updates": 9});
        for (values, says) in [
            (&[("/ranks/0/rank", json!(7))][..], "out of order"),
            (&[("/ranks/0/rank", json!(8))], "out of order"),
            (&[("/ranks/1/rank", json!(u32::MAX))], "out of order"),
            (&[("/ranks/0/batches", json!(3))], "rank 7 has more than all batches"),
            (&[("/ranks/0/samples", json!(5))], "rank 7 has more than all batches"),
            (&[("/ranks/0/samples", json!(u128::from(u64::MAX)))], "rank 0 has more"),
            (&[("/ranks/0/account/seen", json!(u64::MAX))], "rank 0 has more"),
            (&[("/ranks/1/account/waiting", json!(1))], "rank 7 has more"),
            (&[("/ranks/1/account/set_aside", json!(1))], "rank 7 has more"),
            (&[("/ranks/1/account/counted", json!(3))], "rank 7 has more"),
            (&[("/ranks/0/layers/a/updates", json!(4))], "rank 0 has more"),
            (&[("/ranks/0/layers/a/dense_updates", json!(19))], "rank 7 has more"),
            (&[("/ranks/0/layers/a/dense_updates", json!(0))], "rank 0 has more"),
            (&[("/ranks/0/layers", json!({"a": more, "c": more}))], "rank 0 has more"),
            (&[("/ranks/0/layers", Value::Null)], "a rank without sums by layer is before one"),
            (&[("/ranks/0/batches", json!(2))], "not those of all batches"),
            (&[("/ranks/0/batches", json!(2)), ("/ranks/0/samples", json!(4))], "not those of all batches"),
            (&[("/ranks/0/written_ns", json!([1.5]))], "invalid type"),
            (&[("/ranks/0/rank", json!(-1))], "invalid value"),
        ] {
            let error = changed(values).expect_err(says);
            assert!(format!("{error:#}").contains(says), "{values:?}: {error:#}");
        }
    }

    #[test]
    fn ranks_without_room_for_their_layers_are_merged_without_them() {
        let whole = merged_ranks(part());
        let effective = |at: usize| whole[at].operations.map(|operations| operations.effective);
        assert_eq!((effective(0), effective(1)), (Some(5), Some(10)));
        let cut = merged_ranks(changed(&[("/ranks/1/layers", Value::Null)]).expect("a part"));
        assert_eq!(cut[0], whole[0]);
        assert_eq!((cut[1].operations, cut[1].updates, cut[1].samples), (None, None, 2));
    }

    #[test]
    fn times_before_and_after_1970_are_kept() {
        for seconds in [-3_i64, 0, 1_800_000_000] {
            // Windows counts in 100 ns.
            let mut part = part();
            part.run.last_written_ns = Some(seconds * 1_000_000_000 + 700);
            let time = part.last_written().expect("a time");
            assert_eq!(nanoseconds(time), seconds * 1_000_000_000 + 700);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(at in any::<proptest::sample::Index>(), byte: u8, digits in "[0-9]{1,40}") {
            let mut bytes = serde_json::to_vec(&part()).expect("JSON");
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = RunPart::parse(&bytes).and_then(merged);
            let _ = RunPart::parse(&bytes[..at]);
            // Another number in the place of any.
            let text = serde_json::to_string(&part()).expect("JSON");
            if text.as_bytes()[at].is_ascii_digit() {
                let text = format!("{}{digits}{}", &text[..at], &text[at + 1..]);
                let _ = RunPart::parse(text.as_bytes()).and_then(merged);
            }
        }
    }
}
