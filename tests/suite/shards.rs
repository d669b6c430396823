//! The parts of a run, counted in shards and merged, give the figures of one pass: every byte of them, in any
//! split and in any order.

use crate::support;
use assert_cmd::Command;
use neurotop::count::{BatchCount, LayerCount};
use neurotop::figures::{Format, Report, Summary};
use neurotop::follow::{Account, Shard};
use neurotop::publish::Publisher;
use neurotop::run::prices::{CostRule, Costs, LayerDefaults};
use neurotop::run::ranks::RankState;
use neurotop::run::{
    Addition, Ended, Keeping, Merge, Mode, Priority, Problem, Run, RunPart, Settings, Severity, StatePlace,
    Watch, WatchOptions,
};
use neurotop::snapshot::{BatchId, End, LayerShape, Manifest};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use support::changes::{Change, apply};
use support::live::newest;
use support::{Archive, Members, Npy, small_batch};

const STALL_AFTER: Duration = Duration::from_secs(30);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
}

fn shard(number: u64, of: u64) -> Shard {
    format!("{number}/{of}").parse().expect("a shard")
}

fn as_json(report: Report<'_>) -> String {
    report.render(Format::JSON, false).expect("JSON")
}

/// Writes each part and reads it back, as other processes do, and merges them in this order.
fn merge(parts: &[RunPart]) -> anyhow::Result<Summary> {
    let mut merge = Merge::default();
    for part in parts {
        let text = as_json(Report::Part(part));
        let read = RunPart::parse(text.as_bytes())?;
        assert_eq!(&read, part, "it is read as it was written");
        merge.add(Path::new(&format!("{}.json", part.shard())), read)?;
    }
    Ok(Summary::new(&merge.finish(STALL_AFTER)?.run, now()))
}

/// In an order that depends on a number.
fn shuffled<T>(mut items: Vec<T>, turn: u64) -> Vec<T> {
    let mut state = turn | 1;
    for at in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(at, (state >> 33) as usize % (at + 1));
    }
    items
}

/// A batch of a made-up run: its samples, and of each of its layers the steps, the shape and the updates.
#[derive(Debug, Clone)]
struct Made {
    samples: u64,
    layers: BTreeMap<usize, (u64, Vec<u64>)>,
    set_aside: bool,
    modified: u64,
}

/// What is the same for all batches of a made-up run.
#[derive(Debug, Clone)]
struct World {
    manifest: Option<Manifest>,
    end: Option<End>,
    costs: bool,
    neurons: bool,
    missing: u64,
    /// The ranks, where there are any.
    ranks: Option<Ranks>,
}

/// What is the same for all batches of a run that several ranks write.
#[derive(Debug, Clone, Default)]
struct Ranks {
    /// Those with a directory, which are known without a batch.
    directories: BTreeSet<u32>,
    ends: BTreeMap<u32, End>,
}

/// The layers' names, the first three of which a manifest may declare.
const NAMES: [&str; 6] = ["conv.lif", "head", "out", "b", "a", "z"];

fn any_batch() -> impl Strategy<Value = Made> {
    let layer = (1_u64..3, prop::collection::vec(any::<u32>().prop_map(u64::from), 0..5));
    let layers = prop::collection::btree_map(0..NAMES.len(), layer, 0..5);
    let samples = prop_oneof![Just(0), 1_u64..100, Just(u64::from(u32::MAX))];
    (samples, layers, prop::bool::weighted(0.1), 0_u64..1_000_100)
        .prop_map(|(samples, layers, set_aside, modified)| Made { samples, layers, set_aside, modified })
}

fn any_world() -> impl Strategy<Value = World> {
    let numbers = (0_usize..4, prop::option::of(0_u64..60), prop::option::weighted(0.3, 0_u64..6));
    let manifest = prop::option::of((numbers, any::<bool>())).prop_map(|some| {
        some.map(|((layers, expected, world_size), named)| {
            let kinds = [("Leaky", "zero"), ("RLeaky", "subtract"), ("Alpha", "zero")];
            let layers = NAMES.iter().zip(kinds).take(layers).map(|(name, (neuron, reset))| {
                json!({"name": name, "neuron": neuron, "reset": reset})
            });
            let document = json!({
                "format": "neurotop", "version": 1, "run": named.then_some("made"), "expected_batches": expected,
                "world_size": world_size, "layers": layers.collect::<Vec<_>>(),
            });
            Manifest::parse(document.to_string().as_bytes()).expect("a manifest")
        })
    });
    let missing = prop_oneof![4 => Just(0), 1 => Just(2_u64)];
    (manifest, prop::option::of(any_end()), any::<bool>(), any::<bool>(), missing, any_ranks()).prop_map(
        |(manifest, end, costs, neurons, missing, ranks)| World {
            manifest,
            end,
            costs,
            neurons,
            missing,
            ranks,
        },
    )
}

fn any_end() -> impl Strategy<Value = End> {
    (prop::option::of(0_u64..60), any::<bool>()).prop_map(|(batches, results)| {
        let results = results.then(|| json!({"MembraneUpdates": 1.5, "NeuronOperations": 0.0}));
        let end = json!({"batches": batches, "samples": batches, "neurobench": results});
        End::parse(end.to_string().as_bytes()).expect("an end")
    })
}

fn any_rank() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0_u32..4, 1 => any::<u32>().prop_map(|rank| rank - rank / u32::MAX)]
}

fn any_ranks() -> impl Strategy<Value = Option<Ranks>> {
    let directories = prop::collection::btree_set(any_rank(), 0..3);
    // Often all of them have an end, so that the run has one.
    let ends = prop_oneof![
        prop::collection::vec(any_end(), 4).prop_map(|ends| (0..).zip(ends).collect()),
        prop::collection::btree_map(any_rank(), any_end(), 0..4),
    ];
    prop::option::of((directories, ends).prop_map(|(directories, ends)| Ranks { directories, ends }))
}

/// Batches, each once: of no rank, or of any.
fn any_batches() -> impl Strategy<Value = BTreeMap<BatchId, Made>> {
    let number = prop_oneof![4 => 0_u64..30, 1 => any::<u64>()];
    let id = (number, prop::option::weighted(0.8, any_rank()));
    let id = id.prop_map(|(number, rank)| BatchId { number, rank });
    prop::collection::btree_map(id, any_batch(), 0..80)
}

impl World {
    fn settings(&self) -> Settings {
        let rule: CostRule = "RLeaky:subtract=5".parse().expect("a rule");
        let said: &[String] = if self.neurons { &["Synaptic".into(), "b=Leaky".into()] } else { &[] };
        Settings {
            name: "directory".into(),
            costs: Costs::with_rules(self.costs.then_some(rule)),
            neurons: LayerDefaults::parse(said),
            resets: LayerDefaults::parse(&["zero".into()]),
            stall_after: STALL_AFTER,
            live: false,
        }
    }

    /// The run after these batches, in this order; `waiting` ones more are not whole yet.
    fn count<'a>(&self, batches: impl Iterator<Item = &'a (BatchId, Made)>, waiting: u64) -> Run {
        let mut run = Run::new(self.settings());
        self.manifest.iter().for_each(|manifest| run.take_manifest(Arc::new(manifest.clone())));
        let mut account = Account { seen: waiting, waiting, ..Account::default() };
        let ranks = self.ranks.clone().unwrap_or_default();
        let known = ranks.directories.iter().chain(ranks.ends.keys());
        let mut of_ranks: BTreeMap<u32, Account> = known.map(|&rank| (rank, Account::default())).collect();
        for (id, made) in batches {
            let (counted, set_aside) = (u64::from(!made.set_aside), u64::from(made.set_aside));
            let one = Account { seen: 1, counted, set_aside, ..Account::default() };
            account += one;
            if let Some(rank) = id.rank {
                *of_ranks.entry(rank).or_default() += one;
            }
            apply(&mut run, [made.change(*id)], now());
        }
        let end = self.end.clone().into_iter().map(Change::End);
        let ends = ranks.ends.into_iter().map(|(rank, end)| Change::RankEnd { rank, end });
        let accounts = of_ranks.into_iter().map(|(rank, own)| Change::Rank { rank, account: Some(own) });
        apply(&mut run, end.chain(ends).chain(accounts).chain([Change::Account(account)]), now());
        run.end_with(Ended::Done);
        run
    }
}

impl Made {
    fn change(&self, BatchId { number, rank }: BatchId) -> Change {
        let of_rank = rank.map_or(String::new(), |rank| format!("rank-{rank}."));
        let name = format!("{of_rank}batch-{number}.npz");
        if self.set_aside {
            let reason = format!("it is cut off at {}", self.samples);
            return Change::Problem(Problem { path: name, reason, severity: Severity::SetAside });
        }
        let shape = |(&layer, (width, _)): (&usize, &(u64, Vec<u64>))| LayerShape {
            name: NAMES[layer].into(),
            neurons: (*width > 1).then(|| vec![*width, number % 3, rank.map_or(7, u64::from)]),
        };
        let count = |(_, steps): &(u64, Vec<u64>)| LayerCount {
            updates: steps.iter().sum(),
            dense: steps.len() as u64 * u64::from(u32::MAX),
            updates_by_step: steps.clone(),
            ..LayerCount::default()
        };
        let count = BatchCount {
            samples: self.samples,
            shapes: self.layers.iter().map(shape).collect(),
            layers: self.layers.values().map(count).collect(),
        };
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(self.modified);
        Change::Counted(Addition::new(BatchId { number, rank }, name, modified, 0, count))
    }
}

/// Whether a run that is split over so many shards, with its batches and parts in an order that depends on `turn`, is the
/// same as in one pass.
fn assert_merged(world: &World, batches: BTreeMap<BatchId, Made>, of: u64, turn: u64, by_name: bool) {
    let in_ranks = world.ranks.is_some();
    let batches = batches.into_iter().filter(|(id, _)| in_ranks || id.rank.is_none());
    let batches: Vec<(BatchId, Made)> = batches.collect();
    let whole = Summary::new(&world.count(shuffled(batches.clone(), turn).iter(), world.missing), now());
    let parts = (1..=of).map(|number| {
        // By the rule of the command, or by any other.
        let mine = |batch: BatchId| match (by_name, batch.number ^ turn ^ u64::from(batch.rank.unwrap_or(9)))
        {
            (true, _) => batch.number % of == number - 1,
            (false, mixed) => (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % of == number - 1,
        };
        let waiting = if number == 1 { world.missing } else { 0 };
        let batches = shuffled(batches.clone(), turn.rotate_left(number as u32));
        RunPart::from_run(
            &world.count(batches.iter().filter(|batch| mine(batch.0)), waiting),
            shard(number, of),
        )
    });
    let merged = merge(&shuffled(parts.collect(), turn)).expect("the parts of a run");
    assert_eq!(as_json(Report::Run(&merged)), as_json(Report::Run(&whole)));
    // The digits of the layers follow from sums that JSON does not show as figures.
    let text = |run| Report::Run(run).render(Format::TEXT, false).expect("text");
    assert_eq!(text(&merged), text(&whole));
}

proptest! {
    /// Any run, any split over up to 20 shards, in any order of the batches and of the parts.
    #[test]
    fn any_split_in_any_order_gives_the_figures_of_one_pass(
        world in any_world(),
        batches in any_batches(),
        of in 1_u64..21,
        turn in any::<u64>(),
        by_name in any::<bool>(),
    ) {
        assert_merged(&world, batches, of, turn, by_name);
    }
}

/// What went wrong once: a layer without a step, and a batch of no rank, dated in the future, in a run of ranks.
#[test]
fn runs_with_next_to_nothing_in_them_are_merged_too() {
    let ends = (0..4).map(|rank| (rank, End::default())).collect();
    for (ranks, layers, modified) in [
        (None, BTreeMap::from([(0, (1, Vec::new()))]), 0),
        (Some(Ranks { directories: BTreeSet::new(), ends }), BTreeMap::new(), 1_000_006),
    ] {
        let world = World { manifest: None, end: None, costs: false, neurons: false, missing: 0, ranks };
        let made = Made { samples: 0, layers, set_aside: false, modified };
        assert_merged(&world, BTreeMap::from([(0.into(), made)]), 1, 0, false);
    }
}

/// Runs of more batches than the confidence interval has units, so that neighbours are joined.
#[test]
fn long_runs_are_merged_exactly_too() {
    let world = World { manifest: None, end: None, costs: false, neurons: true, missing: 0, ranks: None };
    let made = |number: u64| Made {
        samples: 1 + number % 7,
        layers: [(3, (1, vec![number * number % 1013, number % 5])), (4, (2, vec![number % 17]))].into(),
        set_aside: number % 101 == 7,
        modified: number,
    };
    for (many, stride) in [(513, 1), (2000, 1), (700, 1000), (1500, 3)] {
        let batches: Vec<(BatchId, Made)> =
            (0..many).map(|number| ((number * stride).into(), made(number))).collect();
        let whole = as_json(Report::Run(&Summary::new(&world.count(batches.iter(), 0), now())));
        let backwards = as_json(Report::Run(&Summary::new(&world.count(batches.iter().rev(), 0), now())));
        assert_eq!(whole, backwards, "{many} batches");
        let units =
            serde_json::from_str::<Value>(&whole).expect("JSON")["total"]["uncertainty"]["units"].as_u64();
        assert!((128..=512).contains(&units.expect("units")), "{many} batches: {units:?}");
        for of in [1, 2, 3, 16, 20] {
            let part = |number| {
                let mine = batches.iter().rev().filter(|batch| batch.0.number % of == number - 1);
                RunPart::from_run(&world.count(mine, 0), shard(number, of))
            };
            let merged = merge(&shuffled((1..=of).map(part).collect(), many)).expect("the parts of a run");
            assert_eq!(as_json(Report::Run(&merged)), whole, "{many} batches in {of} shards");
        }
    }
}

/// Ranks of more batches than their pace is taken from, while they run: how far each is behind and whether it is
/// silent is what one pass says.
#[test]
fn ranks_that_run_are_as_far_behind_and_as_silent_as_in_one_pass() {
    let world = World {
        manifest: None,
        end: None,
        costs: false,
        neurons: true,
        missing: 1,
        ranks: Some(Ranks { directories: [9].into(), ends: [(2, End::default())].into() }),
    };
    let made = |modified: u64| Made {
        samples: 2,
        layers: [(3, (1, vec![modified % 13, modified % 5]))].into(),
        set_aside: modified.is_multiple_of(50),
        modified,
    };
    // Rank 0 goes on, 1 is slower, 2 has ended, 3 has stopped; 9 never began.
    let paces = [(0, 20, 200), (1, 30, 133), (2, 20, 60), (3, 20, 150)];
    let batches: Vec<(BatchId, Made)> = paces
        .into_iter()
        .flat_map(|(rank, every, many)| {
            (0..many)
                .map(move |number| (BatchId { number, rank: Some(rank) }, made(900_000 + every * number)))
        })
        .collect();
    let whole = Summary::new(&world.count(batches.iter(), 1), now());
    let states: Vec<RankState> = whole.ranks.iter().map(|rank| rank.state).collect();
    use RankState::{Behind, Counting, Done, Silent};
    assert_eq!(states, [Counting, Behind, Done, Silent, Silent]);
    for of in [1, 2, 3, 16] {
        let part = |number| {
            let mine = batches.iter().rev().filter(|batch| batch.0.number % of == number - 1);
            RunPart::from_run(&world.count(mine, u64::from(number == 1)), shard(number, of))
        };
        let merged = merge(&shuffled((1..=of).map(part).collect(), of)).expect("the parts of a run");
        assert_eq!(as_json(Report::Run(&merged)), as_json(Report::Run(&whole)), "{of} shards");
    }
}

/// Counts a directory, or a shard of it, as the command does.
fn count(run: &Path, shard: Shard) -> (Summary, RunPart) {
    let (settle, keeping) = (Duration::from_millis(300), Keeping::Nothing);
    let options = WatchOptions {
        mode: Mode::Once,
        shard,
        poll: None,
        settle,
        threads: 2,
        priority: Priority::Normal,
        keeping,
    };
    let settings = support::settings("test", false);
    let watch =
        Watch::start(run, settings, options, &StatePlace::Nowhere, Publisher::none()).expect("threads");
    let news = watch.views().news();
    while !watch.runs().have_ended() {
        news.recv_timeout(Duration::from_secs(60)).expect("something new");
    }
    let run = newest(&watch);
    let (mut summary, mut part) = (Summary::new(&run, now()), RunPart::from_run(&run, shard));
    let until = Instant::now() + Duration::from_secs(60);
    summary.read_potentials(&run, until);
    part.read_potentials(&run, until);
    (summary, part)
}

#[track_caller]
fn assert_same(run: &Path, shards: impl Iterator<Item = u64>) {
    let whole = as_json(Report::Run(&count(run, Shard::WHOLE).0));
    for of in shards {
        let parts = (1..=of).map(|number| count(run, shard(number, of)).1).collect();
        let merged = merge(&shuffled(parts, of)).expect("the parts of a run");
        assert_eq!(as_json(Report::Run(&merged)), whole, "{} in {of} shards", run.display());
    }
}

#[test]
fn every_golden_run_in_shards_is_the_run_in_one_pass() {
    for name in support::golden_names() {
        assert_same(&support::golden(&name), [1, 2, 3, 7].into_iter());
    }
    assert_same(&support::demo_run(), [1, 4, 12, 20].into_iter());
}

/// A directory with all that can be wrong with one, and layers that no manifest names.
fn messy_run(run: &Path) {
    let one = |layer: &str, steps: usize| {
        let values = (0..steps * 6).map(|at| ((at * 7 + steps) % 5) as f32);
        let mut members = Members::from([("samples".to_owned(), Npy::integers(&[], &[2]))]);
        members.insert(format!("{layer}.post"), Npy::potentials(&[steps, 2, 3], values));
        members
    };
    for number in 0..23 {
        let mut members = one(["b", "a", "c.d"][number % 3], 1 + number % 4);
        if number % 4 == 1 {
            members.insert("notes".into(), Npy::integers(&[1], &[7]));
        }
        if number % 5 == 3 {
            members.insert("more.of.it".into(), Npy::integers(&[1], &[7]));
        }
        let archive = if number % 2 == 0 { Archive::Deflated } else { Archive::Directory };
        support::write_batch(run, number, &members, archive);
    }
    fs::copy(run.join("batch-000004.npz"), run.join("batch-4.npz")).expect("a batch twice");
    fs::copy(run.join("batch-000006.npz"), run.join("batch-06.npz")).expect("a batch twice");
    fs::copy(run.join("batch-000006.npz"), run.join("odd.npz")).expect("a name without a number");
    for number in [8, 10, 12] {
        let batch = run.join(format!("batch-{number:06}.npz"));
        let bytes = fs::read(&batch).expect("a batch");
        fs::write(&batch, &bytes[..bytes.len() / 2]).expect("half a batch");
    }
    fs::write(run.join("end.json"), "[").expect("an end");
}

#[test]
fn a_newest_batch_without_potentials_leaves_none_of_an_older_one() {
    let place = tempfile::tempdir().expect("a directory");
    let potentials = |(whole, _): (Summary, RunPart)| as_json(Report::Run(&whole)).contains("\"potentials\"");
    support::write_batch(place.path(), 0, &small_batch(), Archive::Stored);
    assert!(potentials(count(place.path(), Shard::WHOLE)));
    support::write_batch(place.path(), 1, &support::as_bits(&small_batch()), Archive::Stored);
    assert!(!potentials(count(place.path(), Shard::WHOLE)));
    assert_same(place.path(), 1..=3);
}

#[test]
fn what_is_missing_beside_batches_of_two_names_is_said_alike() {
    let place = tempfile::tempdir().expect("a directory");
    messy_run(place.path());
    fs::write(place.path().join("end.json"), r#"{"batches": 30}"#).expect("an end");
    assert!(as_json(Report::Run(&count(place.path(), Shard::WHOLE).0)).contains("7 are not there"));
    assert_same(place.path(), 1..=3);
}

#[test]
fn a_directory_with_all_that_can_be_wrong_ends_the_same() {
    let place = tempfile::tempdir().expect("a directory");
    messy_run(place.path());
    let summary = serde_json::to_value(count(place.path(), Shard::WHOLE).0).expect("JSON");
    let of = |severity: &str| {
        let problems = summary["problems"].as_array().expect("problems").iter();
        let paths =
            problems.filter(|problem| problem["severity"] == severity).map(|problem| &problem["path"]);
        paths.map(|path| path.as_str().expect("a path").to_owned()).collect::<Vec<_>>()
    };
    let twice =
        ["batch-000004.npz", "batch-000006.npz", "batch-000008.npz", "batch-000010.npz", "batch-000012.npz"];
    assert_eq!(of("set_aside").len(), 6, "{:?}", of("set_aside"));
    assert!(twice[2..].iter().all(|broken| of("set_aside").contains(&(*broken).to_owned())));
    let noticed = ["b", "a", "c.d", "batch-000001", "odd.npz", "batch-000000.npz"];
    assert_eq!(
        of("notice"),
        noticed,
        "layers without a price, then the first of each kind; the last lacks layers that others have"
    );
    let layers = summary["layers"].as_array().expect("layers").iter().map(|layer| layer["name"].clone());
    assert_eq!(layers.collect::<Vec<_>>(), ["b", "a", "c.d"], "as the batches have them");
    assert_same(place.path(), 1..=20);
    let manifest = json!({"format": "neurotop", "version": 1, "layers": []}).to_string();
    fs::write(place.path().join("manifest.json"), &manifest[1..]).expect("half a manifest");
    assert_same(place.path(), [3].into_iter());
}

/// Writes a small batch under any name of one.
fn put(run: &Path, name: &str) {
    let path = run.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, support::archive_bytes(&small_batch(), Archive::Stored)).expect("a batch");
}

/// The layer of the small batches.
const LAYER: (&str, &str, &str, &[usize]) = ("lif", "Leaky", "zero", &[2]);

/// Ranks as directories and as prefixes, in all shards and in one, without a batch, with manifests of their own
/// that agree and do not, and with all that can be wrong with their batches.
#[test]
fn a_directory_of_ranks_ends_the_same() {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path();
    for number in 0..7 {
        put(run, &format!("rank-0/batch-{number:06}.npz"));
    }
    for name in [
        "rank-1.batch-0.npz",
        "rank-1.batch-2.npz",
        "rank-1/batch-2.npz",
        "rank-5.batch-4.npz",
        "batch-3.npz",
    ] {
        put(run, name);
    }
    fs::create_dir(run.join("rank-2")).expect("a directory");
    let same = |run: &Path, ranks: &[u32], verdict: &str| {
        let whole = count(run, Shard::WHOLE).0;
        assert_eq!(whole.ranks.iter().map(|rank| rank.rank).collect::<Vec<_>>(), ranks);
        let whole = serde_json::to_value(whole).expect("JSON");
        assert_eq!(whole["agreement"]["verdict"], verdict);
        assert_same(run, [1, 2, 3, 5, 20].into_iter());
        whole
    };
    same(run, &[0, 1, 2, 5], "unknown");
    let half = run.join("rank-0/batch-000003.npz");
    fs::write(&half, &fs::read(&half).expect("a batch")[..100]).expect("half a batch");
    support::write_manifest(&run.join("rank-0"), &[LAYER], Some(7));
    support::write_manifest(&run.join("rank-2"), &[("lif", "Alpha", "zero", &[2])], None);
    fs::write(run.join("rank-1.end.json"), "[]").expect("an end");
    let messy = same(run, &[0, 1, 2, 5], "unknown");
    let problems: Vec<&str> =
        messy["problems"].as_array().expect("problems").iter().filter_map(|of| of["path"].as_str()).collect();
    assert_eq!(
        problems,
        ["rank-0/batch-000003.npz", "rank-1.end.json", "rank-1/batch-2.npz", "rank-2/manifest.json"]
    );
    let manifest = json!({"format": "neurotop", "version": 1, "world_size": 4,
        "layers": [{"name": "lif", "neuron": "Leaky", "reset": "zero"}]});
    fs::write(run.join("manifest.json"), manifest.to_string()).expect("a manifest");
    same(run, &[0, 1, 2, 3, 5], "unknown");
}

fn neurotop(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    command.env("XDG_STATE_HOME", support::STATE_HOME).env("LC_ALL", "C.UTF-8");
    command.args(words).args(["--config", "/dev/null"]);
    command
}

fn stdout(words: &[&str], code: i32) -> String {
    let output = neurotop(words).assert().code(code).get_output().stdout.clone();
    String::from_utf8(output).expect("text")
}

fn stderr(words: &[&str], code: i32) -> String {
    let output = neurotop(words).assert().code(code).get_output().stderr.clone();
    String::from_utf8(output).expect("text")
}

/// A path as a word of a command line.
fn word(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Counts a run with the command, in so many shards; returns the parts.
fn parts(run: &Path, of: u64, into: &Path, more: &[&str]) -> Vec<PathBuf> {
    let part = |number: u64| {
        let path = into.join(format!("part-{number}-of-{of}.json"));
        let shard = format!("{number}/{of}");
        let words = ["summary", word(run), "--shard", &shard, "-o", word(&path)];
        neurotop(&[&words[..], more].concat()).assert().success();
        path
    };
    (1..=of).map(part).collect()
}

fn merge_words<'a>(parts: &'a [PathBuf], more: &[&'a str]) -> Vec<&'a str> {
    ["merge"].into_iter().chain(parts.iter().map(|part| word(part))).chain(more.iter().copied()).collect()
}

#[test]
fn the_command_merges_what_it_counted() {
    let place = tempfile::tempdir().expect("a directory");
    let run = support::demo_run();
    let mut parts = parts(&run, 5, place.path(), &[]);
    parts.reverse();
    for format in ["json", "text", "csv", "md"] {
        let merged = stdout(&merge_words(&parts, &["--format", format]), 0);
        let at_once = stdout(&["summary", word(&run), "--format", format], 0);
        assert_eq!(support::steady(&merged, &run), support::steady(&at_once, &run), "{format}");
    }
    let energy = ["--energy-per-op", "0.9pJ", "--format", "csv"];
    let merged = stdout(&merge_words(&parts, &energy), 0);
    assert_eq!(merged, stdout(&[&["summary", word(&run)], &energy[..]].concat(), 0));
    assert!(merged.lines().next().is_some_and(|header| header.contains(",energy_per_sample,")), "{merged}");
    let exported = place.path().join("merged.json");
    stdout(&merge_words(&parts, &["--export", word(&exported)]), 0);
    assert_eq!(
        support::without_provenance("merged.json", &fs::read_to_string(&exported).expect("an export")),
        stdout(&["summary", word(&run), "--format", "json"], 0)
    );
    let checks = ["--baseline", word(&exported), "--fail-if", "vs-baseline!=0%", "--fail-if", "sparsity>1%"];
    let failed = stderr(&merge_words(&parts, &checks), 4);
    assert!(failed.contains("% > 1 %: fails by ") && !failed.contains("vs-baseline"), "{failed}");
    let same = merge_words(&parts, &["--baseline", word(&run), "--fail-if", "vs-baseline!=0%"]);
    stdout(&same, 0);
}

#[test]
fn a_part_is_no_summary_and_a_summary_no_part() {
    let place = tempfile::tempdir().expect("a directory");
    let run = support::demo_run();
    let parts = parts(&run, 2, place.path(), &[]);
    let whole = place.path().join("whole.json");
    stdout(&["summary", word(&run), "-o", word(&whole)], 0);
    for words in [
        &["compare", word(&parts[0]), word(&whole)][..],
        &["summary", word(&run), "--baseline", word(&parts[0])],
        &["merge", word(&parts[0]), word(&parts[1]), "--baseline", word(&parts[0])],
    ] {
        let error = stderr(words, 1);
        assert!(error.contains(word(&parts[0])) && error.contains("neurotop merge"), "{error}");
    }
    let error = stderr(&["merge", word(&parts[0]), word(&whole)], 1);
    assert!(error.contains(word(&whole)) && error.contains("it is a whole summary"), "{error}");
    let line = stdout(&["summary", word(&run), "--shard", "2/2"], 0);
    assert!(line.contains("shard 2/2") && line.contains("6 counted with 96 samples"), "{line}");
    let json = stdout(&["summary", word(&run), "--shard", "2/2", "--format", "json"], 0);
    assert_eq!(json, fs::read_to_string(&parts[1]).expect("a part"));
}

/// A copy of a part with another value in it.
fn changed(part: &Path, name: &str, pointer: &str, value: &Value) -> PathBuf {
    let mut document = support::json(part);
    *document.pointer_mut(pointer).expect("a field") = value.clone();
    let path = part.with_file_name(name);
    fs::write(&path, document.to_string()).expect("a part");
    path
}

#[test]
fn parts_that_do_not_belong_together_are_refused_by_name() {
    let place = tempfile::tempdir().expect("a directory");
    let run = support::demo_run();
    let four = parts(&run, 4, place.path(), &[]);
    let other = |pointer: &str, value: Value| changed(&four[1], "other.json", pointer, &value);
    let refused = |second: &Path, says: &str| {
        let error = stderr(&["merge", word(&four[0]), word(second), word(&four[2]), word(&four[3])], 1);
        assert!(error.contains(says), "{says}: {error}");
        assert!(error.contains(word(second)), "{error}");
    };
    let three = place.path().join("three");
    fs::create_dir(&three).expect("a directory");
    refused(&parts(&run, 3, &three, &[])[1], "the number of shards is 3 and 4");
    refused(&four[2], "are both shard 3/4");
    let golden = support::golden("leaky-zero");
    refused(&parts(&golden, 4, &three, &[])[1], "the runs are called");
    let costly = parts(&run, 4, &three, &["--cost", "RLeaky:subtract=5"]);
    refused(&costly[1], "counted with --cost [RLeaky:subtract=5] and []");
    refused(&parts(&run, 4, &three, &["--neuron", "Leaky"])[1], "counted with --neuron [\"Leaky\"] and []");
    refused(&parts(&run, 4, &three, &["--reset", "zero"])[1], "counted with --reset [\"zero\"] and []");
    refused(&other("/run/name", json!("another")), "the runs are called \"another\"");
    refused(&other("/tool/version", json!("0.0.9")), "made by neurotop \"0.0.9\"");
    refused(&other("/run/manifest/expected_samples", json!(5)), "manifest.json differs");
    refused(&other("/run/manifest/producer", json!("other")), "manifest.json differs");
    refused(&other("/schema", json!("neurotop.part/2")), "use the neurotop that made it");
    refused(&other("/schema", json!("other/1")), "is no part of a run");
    refused(&other("/run/end/samples", json!(1)), "end.json changed between them");
    refused(&other("/samples", json!(1)), "the samples of its units");
    refused(&other("/batches", json!(2)), "the batches of its units");
    refused(&other("/layers/0/updates", json!(9_000_000_000_000_u64)), "more updates than there can be");
    refused(&other("/layers/0/name", json!("other")), "the updates of its units are not those of its layers");
    refused(&other("/units/shift", json!(64)), "its units overlap");
    refused(&other("/shard/number", json!(9)), "there is no shard 9");
    let cut = place.path().join("cut.json");
    fs::write(&cut, &fs::read(&four[1]).expect("a part")[..700]).expect("half a part");
    refused(&cut, "it is cut off");
    refused(&place.path().join("absent.json"), "does not exist");
    let unnamed = four[1].with_file_name("without.json");
    let mut document = support::json(&four[1]);
    document["run"]["manifest"] = Value::Null;
    for layer in ["effective_ops", "dense_ops"] {
        for unit in document["units"]["sums"].as_array_mut().expect("units") {
            unit[layer] = json!(0);
        }
    }
    fs::write(&unnamed, document.to_string()).expect("a part");
    refused(&unnamed, "with and without a manifest.json");
    let missing = stderr(&["merge", word(&four[3]), word(&four[1])], 1);
    assert!(missing.contains("shards are missing (2 of 4): 1/4, 3/4"), "{missing}");
    let many = changed(&four[0], "many.json", "/shard", &json!({"number": 1, "of": 1000}));
    let missing = stderr(&["merge", word(&many)], 1);
    assert!(missing.contains("(999 of 1000): 2/1000") && missing.contains("and 989 more"), "{missing}");
}

#[test]
fn what_is_about_a_whole_run_is_refused_of_a_shard() {
    let run = support::demo_run();
    for (words, says) in [
        (&["--shard", "0/4"][..], "from 1 to 4"),
        (&["--shard", "5/4"], "there is no shard 5"),
        (&["--shard", "x"], "of the form K/N"),
        (&["--shard", "1/4", "--fail-if", "sparsity<50%"], "cannot be used with"),
        (&["--shard", "1/4", "--baseline", "x.json"], "cannot be used with"),
        (&["--shard", "1/4", "--format", "csv"], "JSON only"),
        (&["--shard", "1/4", "-o", "x.md"], "JSON only"),
    ] {
        let error = stderr(&[&["summary", word(&run)], words].concat(), 2);
        assert!(error.contains(says), "{says}: {error}");
    }
}

/// Batches of other shards are not read: that they are broken is not noticed.
#[test]
fn only_the_batches_of_the_shard_are_read() {
    let place = tempfile::tempdir().expect("a directory");
    let (run, old) = (place.path().join("run"), SystemTime::now() - Duration::from_secs(60));
    for number in 0..6 {
        let batch = support::write_batch(&run, number, &small_batch(), Archive::Stored);
        if number % 3 != 1 {
            fs::write(&batch, "broken").expect("a file");
            fs::File::open(&batch).and_then(|file| file.set_modified(old)).expect("a time");
        }
    }
    let line = stdout(&["summary", word(&run), "--shard", "2/3"], 0);
    assert!(line.contains("2 batches seen, 2 counted"), "{line}");
    let broken = stderr(&["summary", word(&run), "--shard", "1/3"], 3);
    assert!(broken.contains("batch-000000.npz, batch-000003.npz: set aside"), "{broken}");
    assert!(!broken.contains("batch-000002"), "{broken}");
    // More shards than batches, and no manifest.
    let line = stdout(&["summary", word(&run), "--shard", "20/20"], 0);
    assert!(line.contains("0 batches seen"), "{line}");
    fs::create_dir(place.path().join("empty")).expect("a directory");
    let empty = stderr(&["summary", word(&place.path().join("empty")), "--shard", "2/3"], 1);
    assert!(empty.contains("is it the right directory?"), "{empty}");
}

#[test]
fn parts_from_before_the_end_are_named_and_leave_the_run_incomplete() {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path().join("run");
    support::copy_run(&support::demo_run(), &run);
    let end = fs::read(run.join("end.json")).expect("an end");
    let manifest = support::json(&run.join("manifest.json"));
    let mut open = manifest.clone();
    open.as_object_mut().expect("an object").retain(|name, _| !name.starts_with("expected_"));
    fs::write(run.join("manifest.json"), open.to_string()).expect("a manifest");
    fs::remove_file(run.join("end.json")).expect("removed");
    let early = parts(&run, 2, place.path(), &[]);
    let running = stdout(&merge_words(&early, &["--format", "json"]), 0);
    let at_once = stdout(&["summary", word(&run), "--format", "json"], 0);
    assert_eq!(support::steady(&running, &run), support::steady(&at_once, &run), "but for its age");
    let running: Value = serde_json::from_str(&running).expect("JSON");
    assert_eq!((&running["complete"], &running["agreement"]["verdict"]), (&json!(false), &json!("unknown")));
    fs::write(run.join("end.json"), end).expect("an end");
    let later = place.path().join("later");
    fs::create_dir(&later).expect("a directory");
    let late = parts(&run, 2, &later, &[]);
    let mixed = [early[0].clone(), late[1].clone()];
    let said = stderr(&merge_words(&mixed, &[]), 0);
    assert!(said.contains(word(&early[0])) && said.contains("count its shard again"), "{said}");
    let mixed: Value =
        serde_json::from_str(&stdout(&merge_words(&mixed, &["--format", "json"]), 0)).expect("JSON");
    assert_eq!(mixed["complete"], json!(false));
    let whole: Value =
        serde_json::from_str(&stdout(&merge_words(&late, &["--format", "json"]), 0)).expect("JSON");
    assert_eq!((&whole["complete"], &whole["agreement"]["verdict"]), (&json!(true), &json!("agrees")));
}

fn write_end(run: &Path, name: &str, batches: u64, effective: f64) {
    let results = json!({"NeuronOperations": {"Effective Neuron Ops": effective, "Neuron Dense Ops": 24.0},
        "MembraneUpdates": 4.5});
    let end = json!({"samples": 2 * batches, "batches": batches, "neurobench": results});
    fs::write(run.join(name), end.to_string()).expect("an end");
}

/// The command, on a run that its ranks end one after the other: the parts of before an end are named, and those
/// of after all ends give the run that is over, with the results of its ranks.
#[test]
fn the_command_merges_the_ranks_and_their_ends() {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path().join("run");
    for number in 0..6 {
        put(&run, &format!("rank-0/batch-{number}.npz"));
    }
    for name in ["rank-1.batch-1.npz", "rank-1.batch-3.npz"] {
        put(&run, name);
    }
    support::write_manifest(&run.join("rank-0"), &[LAYER], None);
    write_end(&run, "rank-0/end.json", 6, 18.0);
    let in_place = |name: &str| {
        let path = place.path().join(name);
        fs::create_dir(&path).expect("a directory");
        parts(&run, 2, &path, &[])
    };
    let json_with = |parts: &[PathBuf], code: i32| {
        let text = stdout(&merge_words(parts, &["--format", "json"]), code);
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    let json_of = |parts: &[PathBuf]| json_with(parts, 0);
    let early = in_place("early");
    let merged = json_of(&early);
    assert_eq!((&merged["complete"], &merged["ranks"][0]["state"]), (&json!(false), &json!("done")));
    write_end(&run, "rank-1.end.json", 2, 18.0);
    let late = in_place("late");
    let mixed = [early[0].clone(), late[1].clone()];
    let said = stderr(&merge_words(&mixed, &[]), 0);
    assert!(said.contains(word(&early[0])) && said.contains("count its shard again"), "{said}");
    assert!(!said.contains(word(&late[1])), "{said}");
    let merged = json_of(&mixed);
    assert_eq!((&merged["complete"], &merged["agreement"]["verdict"]), (&json!(false), &json!("unknown")));
    let merged = json_of(&late);
    assert_eq!((&merged["complete"], &merged["agreement"]["verdict"]), (&json!(true), &json!("agrees")));
    assert_eq!(merged["run"]["status"], json!("finished"));
    let ranks = merged["ranks"].as_array().expect("ranks").iter();
    let counted: Vec<_> = ranks.map(|rank| (&rank["rank"], &rank["batches"], &rank["state"])).collect();
    assert_eq!(counted, [(&json!(0), &json!(6), &json!("done")), (&json!(1), &json!(2), &json!("done"))]);
    for format in ["json", "text", "csv", "md"] {
        let merged = stdout(&merge_words(&late, &["--format", format]), 0);
        let at_once = stdout(&["summary", word(&run), "--format", format], 0);
        assert_eq!(support::steady(&merged, &run), support::steady(&at_once, &run), "{format}");
    }
    let error = stderr(&["merge", word(&late[0]), word(&late[0])], 1);
    assert!(error.contains("are both shard 1/2"), "{error}");
    write_end(&run, "rank-1.end.json", 2, 18.5);
    let other = in_place("other");
    let error = stderr(&["merge", word(&late[0]), word(&other[1])], 1);
    assert!(error.contains("end.json of rank 1 changed between them"), "{error}");
    let merged = json_with(&other, 3);
    assert_eq!(merged["agreement"]["verdict"], json!("differs"), "which the exit code says, too");
    let expects_more = changed(&late[1], "more.json", "/run/manifest/world_size", &json!(3));
    let error = stderr(&["merge", word(&late[0]), word(&expects_more)], 1);
    assert!(error.contains("manifest.json differs"), "{error}");
}
