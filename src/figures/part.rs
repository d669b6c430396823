//! A part of a summary: the sums over the batches of one shard, as JSON, to be merged with those of the others.
//!
//! It holds whole numbers only, and all that the figures of a summary follow from, so that nothing is rounded
//! before the parts are together.

use super::rank_part::{self, RankPart};
use super::read::{from_json, read_bytes};
use super::{AccountFigures, COMPARISON_SCHEMA, SCHEMA};
use crate::follow::Shard;
use crate::run::pairs::Pairs;
use crate::run::prices::{CostRule, Costs, LayerDefaults};
use crate::run::problems::{Kind, NotListed};
use crate::run::ranks::Ranks;
use crate::run::series::{History, Point, are_in_place};
use crate::run::sums::MAX_SUM;
use crate::run::tally::{LayerSums, Tally};
use crate::run::{FirstBatches, Problem, Severity};
use crate::run::{Run, Settings};
use crate::snapshot::{BatchName, End, Manifest};
use crate::text::{printable, shown, thousands};
use anyhow::{Context, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The schema of a part.
pub const PART_SCHEMA: &str = "neurotop.part/1";

/// The most batches that a part may say it is about, so that the sum over all shards overflows nothing.
const MAX_BATCHES: u64 = 1 << 40;

/// A part of a summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPart {
    /// [`PART_SCHEMA`].
    schema: String,
    /// What made it.
    pub(super) tool: PartTool,
    /// The shard.
    pub(super) shard: Shard,
    /// The run.
    pub(super) run: PartRun,
    /// What the user said of layers.
    pub(super) rules: Rules,
    /// Samples counted.
    pub(super) samples: u128,
    /// Batches counted.
    pub(super) batches: u64,
    /// Sums by layer, in no particular order.
    pub(super) layers: Vec<Arc<LayerSums>>,
    /// Sums of batches or groups of neighbouring ones, which the confidence interval is made from.
    pub(super) units: Units,
    /// The account of the shard's batches.
    pub(super) account: AccountFigures,
    /// The names of its first batches, of those with all layers that any batch of the shard has, and without some.
    #[serde(default)]
    pub(super) first_whole: Option<String>,
    #[serde(default)]
    pub(super) first_lacking: Option<String>,
    /// The ranks, the lowest first.
    pub(super) ranks: Vec<RankPart>,
    /// What was set aside, and what else the user should know.
    pub(super) problems: Vec<Problem>,
    /// How many more there are, by kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) more_problems: Vec<MoreProblems>,
}

/// Problems that are in no list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MoreProblems {
    pub(super) severity: Severity,
    /// What they have in common, and what to do; nothing where that is not told apart.
    pub(super) kind: Kind,
    /// Of batches of the shard.
    pub(super) batches: u64,
    /// Of other files, which every shard sees.
    pub(super) others: u64,
}

impl MoreProblems {
    fn of(NotListed { severity, kind, batches, others }: NotListed<'_>) -> Self {
        Self { severity, kind: kind.cloned(), batches, others }
    }
}

/// The program that made a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartTool {
    name: String,
    pub(super) version: String,
}

/// What a run is and how far it got, as the shard saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PartRun {
    /// The manifest's name, or the directory's.
    pub(super) name: String,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) manifest: Option<Manifest>,
    /// The end that the run has of its own.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) end: Option<End>,
    /// When the newest batch was written, in nanoseconds since 1970-01-01T00:00:00Z.
    #[serde(deserialize_with = "Option::deserialize")]
    last_written_ns: Option<i64>,
}

/// What the user said of layers, from the command line and the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rules {
    pub(super) cost: Vec<CostFields>,
    pub(super) neuron: Vec<String>,
    pub(super) reset: Vec<String>,
}

/// The cost of one update.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CostFields {
    neuron: String,
    reset: String,
    ops_per_update: u64,
}

impl fmt::Debug for CostFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}={}", self.neuron, self.reset, self.ops_per_update)
    }
}

/// The points of a history without their layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Units {
    /// Lowest bits of the batch number that do not matter for the unit a batch belongs to.
    pub(super) shift: u32,
    sums: Vec<Unit>,
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
}

impl Units {
    fn of(history: &History) -> Self {
        let sums = history.points().iter().map(|point| Unit {
            first_batch: point.first,
            last_batch: point.last,
            batches: point.batches,
            samples: point.samples,
            effective_ops: point.effective,
            dense_ops: point.dense,
        });
        Self { shift: history.shift(), sums: sums.collect() }
    }

    /// The points, without layers.
    pub(super) fn points(&self) -> Vec<Point> {
        let points = self.sums.iter().map(|unit| Point {
            first: unit.first_batch,
            last: unit.last_batch,
            batches: unit.batches,
            samples: unit.samples,
            layers: Pairs::default(),
            effective: unit.effective_ops,
            dense: unit.dense_ops,
        });
        points.collect()
    }

    /// The sum over the units; `None` where it overflows.
    fn sum(&self, of: impl Fn(&Unit) -> u128) -> Option<u128> {
        self.sums.iter().try_fold(0_u128, |sum, unit| sum.checked_add(of(unit)))
    }
}

impl RunPart {
    /// The part of a run of which a shard is counted.
    pub fn of(run: &Run, shard: Shard) -> Self {
        let Settings { costs, neurons, resets, .. } = run.settings();
        let cost = costs.rules().map(|CostRule { neuron, reset, ops_per_update }| CostFields {
            neuron,
            reset,
            ops_per_update,
        });
        Self {
            schema: PART_SCHEMA.to_owned(),
            tool: PartTool { name: "neurotop".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            shard,
            run: PartRun {
                name: run.name().to_owned(),
                manifest: run.manifest().cloned(),
                end: run.own_end().cloned(),
                last_written_ns: run.last_activity().map(nanoseconds),
            },
            rules: Rules { cost: cost.collect(), neuron: neurons.values(), reset: resets.values() },
            samples: run.tally().samples(),
            batches: run.tally().batches(),
            layers: run.tally().layers().to_vec(),
            units: Units::of(run.history()),
            account: run.account().into(),
            first_whole: run.first_batches().whole.map(|batch| batch.to_string()),
            first_lacking: run.first_batches().lacking.map(|batch| batch.to_string()),
            ranks: RankPart::all_of(run),
            problems: run.problems_of_files().cloned().collect(),
            more_problems: run.problems_not_listed().map(MoreProblems::of).collect(),
        }
    }

    /// The shard that it is about.
    pub fn shard(&self) -> Shard {
        self.shard
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

    /// The part in a JSON text.
    ///
    /// # Errors
    /// Where it is none, or says what no part can.
    pub fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Preamble {
            schema: Option<String>,
        }
        let Preamble { schema } = from_json(bytes)?;
        match schema.as_deref() {
            Some(PART_SCHEMA) => {}
            Some(SCHEMA) => bail!("it is a whole summary ({SCHEMA})"),
            Some(COMPARISON_SCHEMA) => bail!("it is a comparison ({COMPARISON_SCHEMA})"),
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

    /// Refuses what no part can say, so that the sums of all of them overflow nothing and belong together.
    fn check(&self) -> anyhow::Result<()> {
        if let Some(twice) = self.run.manifest.as_ref().and_then(Manifest::layer_twice) {
            bail!("its manifest has layer {twice:?} twice");
        }
        self.dense_updates().context("its sums are beyond any run's")?;
        ensure!(self.samples <= MAX_SUM, "its samples are beyond any run's");
        let AccountFigures { seen, counted, waiting, set_aside } = self.account;
        let few =
            [self.batches, seen, counted, waiting, set_aside].into_iter().all(|count| count <= MAX_BATCHES);
        ensure!(few, "its batches are beyond any run's");
        for layer in &self.layers {
            let by_step = layer.updates_by_step.iter().try_fold(0_u128, |sum, &step| sum.checked_add(step));
            let fits = by_step.is_some_and(|sum| sum <= layer.updates) && layer.updates <= layer.dense;
            ensure!(fits, "layer {:?} has more updates than there can be", layer.name);
        }
        ensure!(
            are_in_place(&self.units.points(), self.units.shift),
            "its units overlap or are out of order"
        );
        let run = self.run_alone()?;
        let (effective, dense) = run.operations();
        for (what, sum, whole) in [
            ("batches", self.units.sum(|unit| unit.batches.into()), self.batches.into()),
            ("samples", self.units.sum(|unit| unit.samples), self.samples),
            ("effective operations", self.units.sum(|unit| unit.effective_ops), effective),
            ("dense operations", self.units.sum(|unit| unit.dense_ops), dense),
        ] {
            ensure!(sum == Some(whole), "the {what} of its units are not the sum, {whole}");
        }
        rank_part::check(self)
    }

    /// The dense updates of all layers, which bound all of its sums; `None` where they are too many.
    pub(super) fn dense_updates(&self) -> Option<u128> {
        let sum = self.layers.iter().try_fold(0_u128, |sum, layer| sum.checked_add(layer.dense));
        sum.filter(|&sum| sum <= MAX_SUM)
    }

    /// What the user said of layers, and where the run got to, for a run of these sums.
    fn run_alone(&self) -> anyhow::Result<Run> {
        let tally = Tally::restore(&self.layers, self.samples, self.batches);
        let mut history = History::default();
        history.join(&self.units.points(), self.units.shift);
        let mut run = self.run_of(self.run.manifest.clone(), Duration::ZERO)?;
        let tally = tally.context("a layer is in it twice")?;
        run.take_over(tally, history, Ranks::default(), self.last_written());
        Ok(run)
    }

    /// A run like that of this part, with nothing counted yet.
    pub(super) fn run_of(&self, manifest: Option<Manifest>, stall_after: Duration) -> anyhow::Result<Run> {
        let mut run = Run::new(Settings {
            name: self.run.name.clone(),
            costs: Costs::with_rules(self.rules.costs()?),
            neurons: LayerDefaults::parse(&self.rules.neuron),
            resets: LayerDefaults::parse(&self.rules.reset),
            stall_after,
            live: false,
        });
        manifest.into_iter().for_each(|manifest| run.take_manifest(Arc::new(manifest)));
        Ok(run)
    }

    /// Its first batches with all of its layers and without some.
    pub(super) fn first_batches(&self) -> FirstBatches {
        let parsed = |name: &Option<String>| name.as_deref().and_then(BatchName::parse);
        FirstBatches { whole: parsed(&self.first_whole), lacking: parsed(&self.first_lacking) }
    }

    /// When the newest batch was written.
    pub(super) fn last_written(&self) -> Option<SystemTime> {
        self.run.last_written_ns.and_then(time_of)
    }
}

impl Rules {
    /// The costs that the user added.
    pub(super) fn costs(&self) -> anyhow::Result<Vec<CostRule>> {
        let rule = |rule: &CostFields| CostRule::new(&rule.neuron, &rule.reset, rule.ops_per_update);
        self.cost.iter().map(rule).collect::<Result<_, _>>().map_err(|why| anyhow!("one of its costs: {why}"))
    }
}

/// The time that is so many nanoseconds after 1970-01-01T00:00:00Z; `None` where no clock shows it.
pub(super) fn time_of(nanoseconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_nanos(nanoseconds.unsigned_abs());
    match nanoseconds < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(distance),
        false => SystemTime::UNIX_EPOCH.checked_add(distance),
    }
}

/// A time in nanoseconds since 1970, as near as 64 bits come: they last for 292 years either way.
pub(super) fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |before| -before),
    }
}

impl RunPart {
    /// The part in a line for people: its figures are those of a shard alone, and in no table.
    pub(super) fn line(&self) -> String {
        let AccountFigures { seen, counted, waiting, set_aside } = self.account;
        let [seen, counted, waiting, set_aside] =
            [seen, counted, waiting, set_aside].map(|count| thousands(count.into()));
        let (run, shard, samples) = (printable(&self.run.name), self.shard, thousands(self.samples));
        format!(
            "neurotop · {run} · shard {shard}: {seen} batches seen, {counted} counted with {samples} samples, \
             {waiting} waiting, {set_aside} set aside; neurotop merge adds the shards up\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::{BatchCount, LayerCount};
    use crate::figures::{Merge, Summary};
    use crate::follow::Account;
    use crate::run::Addition;
    use crate::snapshot::{BatchId, LayerShape};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// A part of a run of a few batches with a priced layer and one without a price: the first batch is of no
    /// rank, the others are of ranks 0 and 7.
    fn part() -> RunPart {
        let mut run = Run::new(Settings {
            name: "run".into(),
            costs: Costs::with_rules(["RLeaky:zero=5".parse().expect("a rule")]),
            neurons: LayerDefaults::parse(&["RLeaky".into(), "b=None".into()]),
            resets: LayerDefaults::parse(&["zero".into()]),
            stall_after: Duration::ZERO,
            live: false,
        });
        let shape = |name: &str| LayerShape { name: name.into(), neurons: Some(vec![2]) };
        for number in 0..3 {
            let layer = LayerCount { updates: number, dense: 9, updates_by_step: vec![number] };
            let count = BatchCount {
                samples: 2,
                shapes: ["a", "b"].map(shape).into(),
                layers: vec![layer.clone(), layer],
            };
            let (name, modified) = (format!("batch-{number}"), SystemTime::UNIX_EPOCH);
            let rank = [None, Some(0), Some(7)][number as usize];
            run.add(Addition::new(BatchId { number, rank }, name, modified, 0, count), modified);
        }
        let account = |counted| Account { seen: counted, counted, ..Account::default() };
        let end = End::parse(br#"{"batches": 1, "neurobench": {"MembraneUpdates": 2.0}}"#).expect("an end");
        run.take_account(account(3));
        [0, 7].into_iter().for_each(|rank| run.take_rank(rank, Some(account(1))));
        run.take_rank_end(7, Some(end));
        RunPart::of(&run.concluded(SystemTime::UNIX_EPOCH), Shard::WHOLE)
    }

    fn merged(part: RunPart) -> anyhow::Result<Summary> {
        let mut merge = Merge::default();
        merge.add(Path::new("part.json"), part)?;
        Ok(Summary::of(&merge.finish(Duration::ZERO)?.run, SystemTime::UNIX_EPOCH))
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
        let whole = merged(part()).expect("a part").ranks;
        assert_eq!((whole[0].sums.effective(), whole[1].sums.effective()), (Some(5), Some(10)));
        let cut =
            merged(changed(&[("/ranks/1/layers", Value::Null)]).expect("a part")).expect("merged").ranks;
        assert_eq!(cut[0], whole[0]);
        assert_eq!((cut[1].sums.effective(), cut[1].sums.updates, cut[1].sums.samples), (None, None, 2));
    }

    #[test]
    fn times_before_and_after_1970_are_kept() {
        for seconds in [-3_i64, 0, 1_800_000_000] {
            let mut part = part();
            part.run.last_written_ns = Some(seconds * 1_000_000_000 + 7);
            let time = part.last_written().expect("a time");
            assert_eq!(nanoseconds(time), seconds * 1_000_000_000 + 7);
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
