//! Prices that the recorder wrote into the manifest: measured ones have a total of their own in every output, and one
//! that cannot be used is no price and says why.

use crate::started::{neurotop, outcome, text};
use crate::support;
use neurotop::dashboard::UiState;
use neurotop::figures::{ComparedRun, read_figures};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Output;
use support::{SMALL, small_batch};

fn output_of(args: &[&str]) -> Output {
    neurotop().args(args).output().expect("it runs")
}

fn printed(args: &[&str]) -> String {
    let (code, printed, said) = outcome(args);
    assert_eq!(code, 0, "{args:?}: {said}");
    printed
}

fn as_json(args: &[&str]) -> Value {
    serde_json::from_str(&printed(args)).expect("JSON")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// A run of two batches with one layer `lif`, which has these fields more.
fn run_with(price: Value) -> tempfile::TempDir {
    let run = tempfile::tempdir().expect("a directory");
    write_manifest(&run.path().join("manifest.json"), price);
    for number in 0..2 {
        support::write_batch(run.path(), number, &small_batch(), support::Archive::Stored);
    }
    run
}

fn write_manifest(file: &Path, price: Value) {
    let mut layer = json!({"name": "lif", "neuron": "LIFNode", "reset": "zero", "shape": [2]});
    let fields = layer.as_object_mut().expect("an object");
    fields.extend(price.as_object().expect("an object").clone());
    let manifest =
        json!({"format": "neurotop", "version": 1, "run": "r", "expected_batches": 2, "layers": [layer]});
    fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
    fs::write(file, manifest.to_string()).expect("a manifest");
}

fn measured(operations: &[&str], mode: &str) -> Value {
    json!({"ops_per_update": operations.len(), "priced_by": "measured", "operations": operations,
           "versions": "spikingjelly 2.0.0, torch 2.15.0", "mode": mode})
}

#[test]
fn the_advice_to_give_a_price_is_said_once_and_while_there_is_none() {
    let causes = |price: Value, args: &[&str]| -> Vec<String> {
        let run = run_with(price);
        let file = run.path().join("manifest.json");
        let mut manifest = support::json(&file);
        let advice = "layer 'lif' has no price in NeuroBench. Give the command one: --cost LIFNode:zero=3";
        manifest["warnings"] = json!([advice, "another"]);
        fs::write(&file, manifest.to_string()).expect("a manifest");
        let summary = as_json(&[&["summary", path(run.path()), "--format", "json"], args].concat());
        assert_eq!(summary["run"]["warnings"], manifest["warnings"]);
        let problems = summary["problems"].as_array().expect("problems").iter();
        let cause = |problem: &Value| problem["cause"].as_str().expect("a cause").to_owned();
        problems.map(cause).filter(|cause| cause != "batches_missing").collect()
    };
    assert_eq!(causes(json!({}), &[]), ["unpriced", "producer_warns"]);
    assert_eq!(causes(json!({}), &["--cost", "LIFNode:zero=3"]), ["producer_warns"]);
    assert_eq!(causes(json!({"ops_per_update": 4}), &[]), ["producer_warns"], "cost= of the recorder");
    // Its total lacks the layer, and nothing else says how to change that.
    assert_eq!(causes(measured(&["add"], "eval"), &[]), ["producer_warns", "producer_warns"]);
}

/// The figures were counted apart, with NumPy, and the prices are the lengths of the lists of operations.
#[test]
fn measured_layers_have_a_total_of_their_own() {
    let golden = support::golden("measured-mixed");
    let expected = support::json(&golden.join("expected.json"));
    let manifest = support::json(&golden.join("manifest.json"));
    let summary = as_json(&["summary", path(&golden), "--format", "json"]);
    for total in ["total", "total_measured"] {
        for (figure, value) in expected["totals"][total].as_object().expect("figures") {
            assert_eq!(&summary[total][figure], value, "{total}: {figure}");
        }
        assert_eq!(summary[total]["unpriced_layers"], 0);
        assert_eq!(summary[total]["updates"], summary["total"]["updates"]);
        assert_eq!(summary[total]["uncertainty"]["units"], 3);
    }
    for (layer, declared) in summary["layers"]
        .as_array()
        .expect("layers")
        .iter()
        .zip(manifest["layers"].as_array().expect("layers"))
    {
        let operations = declared["operations"].as_array();
        let price = operations.map_or(4, Vec::len);
        assert_eq!(layer["ops_per_update"], price, "{layer}");
        assert_eq!(layer["priced_by"], if operations.is_some() { "measured" } else { "neurobench" });
        assert_eq!(layer["measured"]["operations"].as_array(), operations, "{layer}");
    }
    assert_eq!(summary["neurons"]["LIFNode"]["measured_layers"], 1);
    assert_eq!(summary["neurons"]["Leaky"].get("measured_layers"), None);
    let plain = as_json(&["summary", path(&support::golden("leaky-zero")), "--format", "json"]);
    assert_eq!(plain.get("total_measured"), None, "where nothing is measured");
}

#[test]
fn neurobench_is_compared_with_the_total_without_measured_layers() {
    let run = tempfile::tempdir().expect("a directory");
    let golden = support::golden("measured-mixed");
    support::copy_run(&golden, run.path());
    let expected = support::json(&golden.join("expected.json"));
    let agreement = |total: &str| {
        let figures = &expected["totals"][total];
        let operations = json!({"Effective Neuron Ops": figures["effective_ops_per_sample"],
                                "Neuron Dense Ops": figures["dense_ops_per_sample"]});
        let end = json!({"samples": 6, "batches": 3, "neurobench": {"NeuronOperations": operations}});
        fs::write(run.path().join("end.json"), end.to_string()).expect("an end");
        let output = output_of(&["summary", path(run.path()), "--format", "json"]);
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")["agreement"].clone()
    };
    assert_eq!(agreement("total"), json!({"verdict": "agrees"}));
    let differs = agreement("total_measured");
    assert_eq!(differs["verdict"], "differs");
    assert!(differs.to_string().contains("NeuroBench does not price 3 of the layers"), "{differs}");
}

#[test]
fn every_output_says_that_a_price_is_measured() {
    let golden = support::golden("measured-mixed");
    let place = tempfile::tempdir().expect("a directory");
    let metrics = place.path().join("metrics.prom");
    for format in ["text", "md"] {
        let report = printed(&["summary", path(&golden), "--format", format]);
        insta::assert_snapshot!(format!("measured-{format}"), support::steady(&report, &golden));
    }
    let csv = printed(&["summary", path(&golden), "--format", "csv", "--openmetrics", path(&metrics)]);
    // The directory comes behind the price.
    let kinds: Vec<(&str, &str)> = csv
        .lines()
        .map(|line| (line.split(',').next().unwrap_or(""), line.rsplit(',').nth(1).unwrap_or("")))
        .collect();
    assert_eq!(kinds[..3], [("kind", "priced_by"), ("layer", "neurobench"), ("layer", "measured")]);
    assert_eq!(kinds[kinds.len() - 2..], [("total_measured", ""), ("total", "")], "the total stays last");
    let metrics = fs::read_to_string(metrics).expect("metrics");
    for line in [
        "neurotop_effective_operations{run=\"measured-mixed\"} 992\n",
        "neurotop_total_measured_effective_operations{run=\"measured-mixed\"} 3416\n",
        "layer=\"lif2\",neuron=\"LIFNode\",priced_by=\"measured\"} 1488\n",
        "layer=\"lif1\",neuron=\"Leaky\"} 992\n",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let doctor = printed(&["doctor", path(&golden)]);
    assert!(doctor.contains("LIFNode with reset zero, 8 operations an update (measured)"), "{doctor}");
}

/// Each neuron is in either total once: prices say nothing of neurons.
#[test]
fn the_totals_have_the_same_neurons() {
    let golden = support::golden("measured-mixed");
    let summary = as_json(&["summary", path(&golden), "--format", "json"]);
    for (figure, neurons) in [("neurons", 22), ("silent_neurons", 4), ("always_active_neurons", 4)] {
        let by_layer = summary["layers"].as_array().expect("layers").iter();
        assert_eq!(by_layer.map(|layer| layer[figure].as_u64().expect(figure)).sum::<u64>(), neurons);
        for total in ["total", "total_measured"] {
            assert_eq!(summary[total][figure], neurons, "{total} {figure}");
        }
    }
}

#[test]
fn the_user_goes_before_a_measurement_and_neurobench_before_both() {
    let run = run_with(measured(&["sub", "mul", "add"], "eval"));
    let total = |args: &[&str]| {
        let summary = as_json(&[&["summary", path(run.path()), "--format", "json"], args].concat());
        (
            summary["total"]["effective_ops"].as_u64(),
            summary.pointer("/total_measured/effective_ops").and_then(Value::as_u64),
            summary["layers"][0]["priced_by"].as_str().map(str::to_owned),
        )
    };
    let updates = 2 * SMALL.0;
    assert_eq!(total(&[]), (Some(0), Some(3 * updates), Some("measured".into())));
    assert_eq!(total(&["--cost", "LIFNode:zero=5"]), (Some(5 * updates), None, Some("user".into())));
    write_manifest(&run.path().join("manifest.json"), json!({"ops_per_update": 7}));
    assert_eq!(total(&[]), (Some(7 * updates), None, Some("recorder".into())));
    let mut leaky = measured(&["sub"], "eval");
    leaky["neuron"] = "Leaky".into();
    write_manifest(&run.path().join("manifest.json"), leaky);
    assert_eq!(total(&[]), (Some(4 * updates), None, Some("neurobench".into())));
}

#[test]
fn conditions_and_comparisons_are_about_either_total() {
    let golden = support::golden("measured-mixed");
    let place = tempfile::tempdir().expect("a directory");
    let export = place.path().join("out.json");
    for (condition, code) in [
        ("total_measured.effective_ops>3415", 4),
        ("total_measured.effective_ops>3416", 0),
        ("effective_ops>992", 0),
        ("total_measured.sparsity<30%", 0),
        ("total_measured.sparsity<31%", 4),
    ] {
        let output =
            output_of(&["summary", path(&golden), "--fail-if", condition, "--export", path(&export)]);
        assert_eq!(output.status.code(), Some(code), "{condition}: {}", text(&output.stderr));
    }
    let compared = as_json(&["compare", path(&export), path(&golden), "--format", "json"]);
    let changes = &compared["comparisons"][0]["changes"];
    assert_eq!(changes["total"]["effective_ops_per_sample"]["absolute"], 0.0);
    assert_eq!(changes["total_measured"]["effective_ops_per_sample"]["absolute"], 0.0);
    let read: ComparedRun = read_figures(&export).expect("a summary");
    assert_eq!((read.rows.measured_layers(), read.rows.unpriced_layers()), (3, 0));
    // Of a run without measured layers, both totals are one.
    let other = support::golden("leaky-zero");
    let compared = as_json(&["compare", path(&other), path(&golden), "--format", "json"]);
    let change = &compared["comparisons"][0]["changes"]["total_measured"]["effective_ops_per_sample"];
    assert_eq!(
        change["base"],
        compared["comparisons"][0]["changes"]["total"]["effective_ops_per_sample"]["base"]
    );
    assert!(change["new"].as_f64() > Some(569.0) && change["new"].as_f64() < Some(570.0), "{change}");
    let vs = "total_measured.vs-baseline>+0%";
    let output = output_of(&["summary", path(&golden), "--baseline", path(&export), "--fail-if", vs]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_price_that_is_none_is_named_and_the_run_is_counted() {
    for (price, says) in [
        (json!({"ops_per_update": -1}), "its ops_per_update is a negative number"),
        (json!({"ops_per_update": 1_000_000_001_u64}), "an update costs at most 1000000000"),
        (json!({"ops_per_update": "6"}), "its ops_per_update is a string"),
        (
            json!({"ops_per_update": 3, "priced_by": "measured", "operations": ["mul"]}),
            "its operations are 1",
        ),
        (json!({"ops_per_update": 3, "priced_by": "measured", "operations": [[1]]}), "not a list of names"),
        (json!({"ops_per_update": 0, "priced_by": "measured"}), "its measured price is 0"),
    ] {
        let run = run_with(price);
        let summary = as_json(&["summary", path(run.path()), "--format", "json"]);
        assert_eq!(summary["layers"][0]["ops_per_update"], Value::Null, "{says}");
        assert_eq!(summary["layers"][0]["effective_ops"], Value::Null, "{says}");
        assert_eq!(summary["total"]["unpriced_layers"], 1, "{says}");
        let unpriced = summary["layers"][0]["unpriced"].as_str().unwrap_or_default();
        assert!(unpriced.contains(says), "{says}: {unpriced}");
        let problems = summary["problems"].to_string();
        assert!(problems.contains(says) && problems.contains("manifest.json"), "{says}: {problems}");
        for command in ["summary", "doctor"] {
            let report = printed(&[command, path(run.path())]);
            assert!(report.contains(says), "{command}: {says}: {report}");
        }
    }
}

#[test]
fn the_reason_of_the_recorder_is_told() {
    let why = "its state passes through a matrix product or a convolution";
    let run = run_with(json!({"unpriced": why}));
    for command in ["summary", "doctor", "explain"] {
        let report = printed(&[command, path(run.path())]);
        assert!(report.contains(why), "{command}: {report}");
    }
    let report = printed(&["explain", path(run.path()), "lif"]);
    assert!(report.contains("It has no price") && report.contains(why), "{report}");
    assert!(report.contains("--cost LIFNode:zero=OPS"), "{report}");
}

#[test]
fn ranks_that_measured_different_prices_have_none_and_both_are_named() {
    let run = tempfile::tempdir().expect("a directory");
    let rank = |rank: u64, price: Value| {
        let directory = run.path().join(format!("rank-{rank}"));
        write_manifest(&directory.join("manifest.json"), price);
        support::write_batch(&directory, 0, &small_batch(), support::Archive::Stored);
    };
    rank(0, measured(&["sub", "mul", "add"], "eval"));
    rank(1, measured(&["sub", "mul", "add"], "train"));
    let summary = as_json(&["summary", path(run.path()), "--format", "json"]);
    assert_eq!(summary["layers"][0]["ops_per_update"], 3, "the same price twice is one");
    assert_eq!(summary["ranks"][0]["total_measured"]["effective_ops"], 3 * SMALL.0);
    assert_eq!(
        (&summary["ranks"][0]["effective_ops"], &summary["ranks"][0]["share"]),
        (&json!(0), &json!(0.5))
    );
    rank(1, measured(&["sub", "mul"], "train"));
    let summary = as_json(&["summary", path(run.path()), "--format", "json"]);
    assert_eq!(summary["layers"][0]["ops_per_update"], Value::Null);
    let why = summary["layers"][0]["unpriced"].as_str().expect("a reason");
    assert!(why.contains("2 (measured: train mode") && why.contains("3 (measured: eval mode"), "{why}");
    assert!(summary["problems"].to_string().contains("its recorded prices differ"), "{summary}");
    assert_eq!(summary["total"]["unpriced_layers"], 1);
    let doctor = printed(&["doctor", path(run.path())]);
    assert!(doctor.contains("its recorded prices differ"), "{doctor}");
    let summary = as_json(&["summary", path(run.path()), "--format", "json", "--cost", "LIFNode:zero=5"]);
    assert_eq!(summary["total"]["effective_ops"], 2 * 5 * SMALL.0);
    assert_eq!(summary["problems"], json!([]), "the user has decided");
}

#[test]
fn parts_keep_measured_prices_and_none_is_chosen_where_they_differ() {
    let run = run_with(measured(&["sub", "mul", "add"], "eval"));
    let place = tempfile::tempdir().expect("a directory");
    let part = |number: u64| {
        let file = place.path().join(format!("part{number}.json"));
        let (shard, file) = (format!("{number}/2"), path(&file).to_owned());
        printed(&["summary", path(run.path()), "--shard", &shard, "-o", &file]);
        file
    };
    let (first, second) = (part(1), part(2));
    let whole = as_json(&["summary", path(run.path()), "--format", "json"]);
    let merged = as_json(&["merge", &first, &second, "--format", "json"]);
    assert_eq!((&merged["total_measured"], &merged["layers"]), (&whole["total_measured"], &whole["layers"]));
    // A price that was measured after the first part is that of all.
    write_manifest(&run.path().join("manifest.json"), json!({"unpriced": "not yet"}));
    let early = part(1);
    let merged = as_json(&["merge", &early, &second, "--format", "json"]);
    assert_eq!(merged["layers"], whole["layers"]);
    assert_eq!(merged["total_measured"]["uncertainty"], Value::Null, "the first part cannot say it");
    let export = place.path().join("merged.json");
    printed(&["merge", &early, &second, "-o", path(&export)]);
    let mut reopened = as_json(&["export", path(&export), "--format", "json"]);
    assert_eq!(reopened["total_measured"], merged["total_measured"], "it can be opened again");
    assert_eq!(reopened["part"].take()["units"]["sums"][0]["measured_effective_ops"], Value::Null);
    // Another price is none.
    write_manifest(&run.path().join("manifest.json"), measured(&["sub", "mul"], "train"));
    let other = part(1);
    for parts in [[&other, &second], [&second, &other]] {
        let merged = as_json(&["merge", parts[0], parts[1], "--format", "json"]);
        assert_eq!(merged["layers"][0]["ops_per_update"], Value::Null);
        assert_eq!(merged.get("total_measured"), None);
        let why = merged["layers"][0]["unpriced"].as_str().expect("a reason");
        assert!(why.contains("2 (measured: train mode") && why.contains("3 (measured: eval mode"), "{why}");
        assert!(merged["problems"].to_string().contains("its recorded prices differ"), "{merged}");
    }
    // What is in the total must be the same, since it is added up by batch.
    write_manifest(&run.path().join("manifest.json"), json!({"ops_per_update": 7}));
    let refused = output_of(&["merge", &part(1), &second]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("gives other costs"), "{}", text(&refused.stderr));
}

#[test]
fn a_layer_is_explained_operation_by_operation() {
    let golden = support::golden("measured-mixed");
    let golden = path(&golden);
    insta::assert_snapshot!("explain-list", printed(&["explain", golden]));
    for layer in ["lif1", "plif"] {
        insta::assert_snapshot!(format!("explain-{layer}"), printed(&["explain", golden, layer]));
    }
    let explained = as_json(&["explain", golden, "plif", "--format", "json"]);
    assert_eq!(explained["schema"], "neurotop.explanation/1");
    let layer = &explained["layers"][0];
    assert_eq!(layer["measured"]["operations"].as_array().map(Vec::len), Some(9));
    assert_eq!(
        (&layer["neurons"], &layer["steps"], &layer["in_total"]),
        (&json!(4), &json!(6), &json!(false))
    );
    let product = |of: &str| layer[of].as_u64().expect("a number") * 9;
    assert_eq!(layer["effective_ops"], product("updates"));
    assert_eq!(layer["dense_ops"], product("dense_updates"));
    assert_eq!(as_json(&["explain", golden, "--format", "json"])["layers"].as_array().map(Vec::len), Some(4));
    let user = printed(&["explain", golden, "rnn", "--cost", "RLeaky:subtract=11"]);
    assert!(user.contains("One update is 11 operations: --cost RLeaky:subtract=11"), "{user}");
}

#[test]
fn a_layer_that_is_not_there_is_not_explained() {
    let golden = support::golden("measured-mixed");
    for (layer, says) in [("lif9", "did you mean"), ("nothing", "there are lif1, lif2, plif, rnn")] {
        let output = output_of(&["explain", path(&golden), layer]);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""));
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
    let run = tempfile::tempdir().expect("a directory");
    let layers = ["a.lif", "b.lif", "c.other"].map(|name| (name, "Leaky", "zero", &[2_usize][..]));
    support::write_manifest(run.path(), &layers, Some(1));
    let post = small_batch()["lif.post"].clone();
    let mut members = small_batch();
    members.remove("lif.post");
    members.extend(layers.iter().map(|layer| (format!("{}.post", layer.0), post.clone())));
    support::write_batch(run.path(), 0, &members, support::Archive::Stored);
    let several = output_of(&["explain", path(run.path()), "lif"]);
    assert!(text(&several.stderr).contains("2 layers are called \"lif\""), "{}", text(&several.stderr));
    assert!(text(&several.stderr).contains("a.lif, b.lif"), "{}", text(&several.stderr));
    assert!(printed(&["explain", path(run.path()), "other"]).starts_with("c.other: Leaky with reset zero"));
    let missing = output_of(&["explain", path(&run.path().join("x"))]);
    assert_eq!(missing.status.code(), Some(1));
}

/// A screen of a run with measured layers.
#[test]
fn the_dashboard_marks_measured_prices() {
    use crate::dashboard::{at, draw_on, golden_run, model};
    let run = golden_run("measured-mixed");
    for (columns, rows) in [(80, 24), (120, 30), (40, 10)] {
        let screen = draw_on(columns, rows, &model(&run, at(4)), &mut UiState::default());
        insta::assert_snapshot!(format!("measured-{columns}x{rows}"), screen);
    }
}
