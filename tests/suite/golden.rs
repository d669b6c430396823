//! Every golden run, recorded from NeuroBench itself, gives its figures exactly: in every form of the
//! arrays, after each batch, by layer, by neuron class and in total.

use crate::support;
use neurotop::count::{Scratch, count_batch};
use neurotop::figures::Summary;
use neurotop::run::{Addition, Run};
use neurotop::snapshot::{Batch, Manifest};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use support::{Archive, Members};

/// Counts batches one after the other; `check` sees the figures after each.
fn count(manifest: &Path, batches: &[PathBuf], mut check: impl FnMut(usize, &Summary)) -> Summary {
    let manifest = Manifest::parse(&std::fs::read(manifest).expect("a manifest")).expect("a manifest");
    let mut run = Run::new(support::settings("golden", false));
    let now = SystemTime::now();
    run.take_manifest(Arc::new(manifest.clone()));
    let mut scratch = Scratch::default();
    for (number, path) in batches.iter().enumerate() {
        let batch =
            Batch::open(path, Some(&manifest)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let count =
            count_batch(&batch, &mut scratch).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        run.add(Addition::new((number as u64).into(), "batch".into(), now, 0, count), now);
        run = run.concluded(now);
        check(number, &Summary::new(&run, now));
    }
    Summary::new(&run, now)
}

fn assert_figures(name: &str, summary: &Summary, expected: &Value) {
    let summary = serde_json::to_value(summary).expect("JSON");
    for key in ["samples", "batches"] {
        assert_eq!(summary["run"][key], expected[key], "{name}: {key}");
    }
    let layers = expected["layers"].as_object().expect("layers");
    assert_eq!(summary["layers"].as_array().expect("layers").len(), layers.len(), "{name}");
    for (layer, figures) in layers {
        let ours = summary["layers"].as_array().expect("layers").iter().find(|ours| ours["name"] == *layer);
        let ours = ours.unwrap_or_else(|| panic!("{name}: no layer {layer}"));
        for (key, value) in figures.as_object().expect("figures") {
            assert_eq!(&ours[key], value, "{name}: {layer}: {key}");
        }
    }
    for key in ["NeuronOperations", "MembraneUpdates"] {
        if let Some(official) = expected.get(key) {
            assert_eq!(&summary["neurobench"][key], official, "{name}: {key}");
        }
    }
    for (key, ours) in [("effective_ops_by_type", "effective_ops"), ("dense_ops_by_type", "dense_ops")] {
        for (neuron, value) in expected.get(key).and_then(Value::as_object).into_iter().flatten() {
            assert_eq!(&summary["neurons"][neuron][ours], value, "{name}: {neuron}: {ours}");
        }
    }
}

/// The updates of each layer by step, over all batches of a golden run as recorded.
fn reference_by_step(name: &str) -> BTreeMap<String, Vec<u128>> {
    let mut layers: BTreeMap<String, Vec<u128>> = BTreeMap::new();
    for path in support::batches(&support::golden(name)) {
        let members = support::read_batch(&path);
        for (layer, pre, post) in support::layers(&members) {
            let updates = support::updates_by_step(pre, post);
            let sums = layers.entry(layer).or_default();
            sums.resize(sums.len().max(updates.len()), 0);
            sums.iter_mut().zip(updates).for_each(|(sum, updates)| *sum += u128::from(updates));
        }
    }
    layers
}

fn assert_steps(name: &str, summary: &Summary, expected: &BTreeMap<String, Vec<u128>>) {
    for layer in &summary.layers {
        assert_eq!(layer.updates_by_step, expected[&layer.name], "{name}: {}", layer.name);
        assert_eq!(
            layer.updates_by_step.iter().sum::<u128>(),
            layer.sums.updates.expect("updates").effective,
            "{name}: {}",
            layer.name
        );
    }
}

fn assert_golden(name: &str, form: &str, batches: &[PathBuf]) {
    let run = support::golden(name);
    let expected = support::json(&run.join("expected.json"));
    let by_step = reference_by_step(name);
    let name = format!("{name} as {form}");
    let running = expected.get("running").and_then(Value::as_array);
    let mut checked = 0;
    let summary = count(&run.join("manifest.json"), batches, |number, summary| {
        if let Some(running) = running {
            let ours = serde_json::to_value(&summary.neurobench.neuron_operations).expect("JSON");
            assert_eq!(ours, running[number], "{name}: after batch {number}");
            checked += 1;
        }
    });
    assert_eq!(checked, running.map_or(0, Vec::len), "{name}");
    assert_figures(&name, &summary, &expected);
    assert_steps(&name, &summary, &by_step);
}

/// Writes every golden run in another form and counts that.
fn assert_all_golden(form: &str, archive: Archive, change: impl Fn(&Members) -> Members) {
    for name in support::golden_names() {
        let directory = tempfile::tempdir().expect("a directory");
        let batches: Vec<PathBuf> = support::batches(&support::golden(&name))
            .iter()
            .enumerate()
            .map(|(number, path)| {
                let members = change(&support::read_batch(path));
                support::write_batch(directory.path(), number, &members, archive)
            })
            .collect();
        assert_golden(&name, form, &batches);
    }
}

#[test]
fn as_recorded() {
    for name in support::golden_names() {
        assert_golden(&name, "recorded", &support::batches(&support::golden(&name)));
    }
}

#[test]
fn as_traces() {
    let traces = std::cell::Cell::new(0);
    assert_all_golden("trace", Archive::Stored, |members| {
        let trace = support::as_trace(members);
        traces.set(traces.get() + usize::from(trace.len() < members.len()));
        trace
    });
    assert!(traces.get() > 30, "most runs can be written so: {}", traces.get());
}

#[test]
fn as_packed_bits() {
    assert_all_golden("bits", Archive::Stored, support::as_bits);
}

#[test]
fn in_fortran_order() {
    let reordered = |members: &Members| support::map_potentials(members, |_, array| array.reordered());
    assert_all_golden("fortran pairs", Archive::Stored, reordered);
    assert_all_golden("fortran traces", Archive::Stored, |members| reordered(&support::as_trace(members)));
}

#[test]
fn in_one_order_each() {
    assert_all_golden("fortran before, C after", Archive::Stored, |members| {
        support::map_potentials(members, |name, array| {
            if name.ends_with(".pre") { array.reordered() } else { array.clone() }
        })
    });
    assert_all_golden("C before, fortran after", Archive::Deflated, |members| {
        support::map_potentials(members, |name, array| {
            if name.ends_with(".post") { array.reordered() } else { array.clone() }
        })
    });
}

#[test]
fn in_the_other_byte_order() {
    assert_all_golden("big-endian", Archive::Stored, |members| {
        support::map_potentials(members, |_, array| array.swapped())
    });
    assert_all_golden("big-endian after", Archive::Stored, |members| {
        support::map_potentials(members, |name, array| {
            if name.ends_with(".post") { array.swapped() } else { array.clone() }
        })
    });
}

#[test]
fn in_every_container() {
    for archive in [Archive::Deflated, Archive::Zip64, Archive::Directory] {
        assert_all_golden(&format!("{archive:?}"), archive, Members::clone);
    }
}

#[test]
fn the_demo_run() {
    let whole = support::demo_run();
    let expected = support::json(&whole.join("expected.json"));
    // The command has this one in it.
    let packed = whole.with_file_name("demo");
    for run in [whole, packed] {
        let summary = count(&run.join("manifest.json"), &support::batches(&run), |number, summary| {
            let ours = serde_json::to_value(&summary.neurobench.neuron_operations).expect("JSON");
            assert_eq!(ours, expected["running"][number], "{}: after batch {number}", run.display());
        });
        assert_figures("demo", &summary, &expected);
    }
}
