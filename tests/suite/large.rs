//! A batch that is large enough to be counted by several threads together.

use crate::support;
use serde_json::Value;
use std::path::Path;
use std::process::Output;
use support::{Archive, Members, Npy, archive_bytes};

/// Writes a run of one batch of about 100 MB: potentials that change now and then, in two layers.
fn write_run(run: &Path) {
    let potentials = |seed: u32| {
        (0_u32..).map(move |place| (place.wrapping_mul(seed) >> 27) as f32).map(|value| value.max(20.0))
    };
    let mut members = Members::new();
    members.insert("samples".into(), Npy::integers(&[], &[16]));
    members.insert(
        "trace.post".into(),
        Npy::potentials(&[300, 16, 4000], potentials(2_654_435_761).take(19_200_000)),
    );
    members.insert("pair.pre".into(), Npy::potentials(&[50, 16, 4000], potentials(40_503).take(3_200_000)));
    members.insert("pair.post".into(), Npy::potentials(&[50, 16, 4000], potentials(65_537).take(3_200_000)));
    std::fs::write(run.join("batch-0.npz"), archive_bytes(&members, Archive::Stored)).expect("a batch");
}

fn summary(run: &Path, threads: &str, fault: Option<&str>) -> Output {
    let mut command = assert_cmd::Command::cargo_bin("neurotop").expect("the command");
    command.args([
        "summary",
        "--format",
        "json",
        "--neuron",
        "Leaky",
        "--reset",
        "zero",
        "--threads",
        threads,
    ]);
    command.envs(fault.map(|fault| ("NEUROTOP_FAULT", fault))).arg(run).output().expect("it runs")
}

#[test]
fn many_threads_count_it_as_one_does() {
    let run = tempfile::tempdir().expect("a directory");
    write_run(run.path());
    let figures_with = |threads: &str| -> Value {
        let output = summary(run.path(), threads, None);
        assert!(output.status.success(), "{output:?}");
        let mut figures = serde_json::from_slice(&output.stdout).expect("JSON");
        support::forget_times(&mut figures);
        figures
    };
    let figures = figures_with("1");
    for threads in ["2", "5"] {
        assert_eq!(figures_with(threads), figures);
    }
    let neurons = |layer: &Value| layer["silent_neurons"].is_u64();
    assert!(figures["layers"].as_array().expect("layers").iter().all(neurons), "they are known of each");
    assert_eq!(figures["total"]["dense_updates"], 22_400_000);
}

#[test]
fn a_wrong_byte_and_a_fault_in_one_part_set_it_aside() {
    let run = tempfile::tempdir().expect("a directory");
    write_run(run.path());
    let fault = summary(run.path(), "2", Some("part"));
    assert_eq!(fault.status.code(), Some(3), "{fault:?}");
    let figures: Value = serde_json::from_slice(&fault.stdout).expect("JSON");
    assert_eq!((&figures["account"]["set_aside"], &figures["total"]["updates"]), (&1.into(), &0.into()));
    assert!(figures["problems"][0]["reason"].as_str().is_some_and(|why| why.contains("a fault of neurotop")));
    let path = run.path().join("batch-0.npz");
    let mut bytes = std::fs::read(&path).expect("a batch");
    bytes[70_000_000] ^= 1;
    std::fs::write(&path, bytes).expect("a batch");
    let spoiled = summary(run.path(), "2", None);
    assert_eq!(spoiled.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&spoiled.stderr).contains("CRC-32"), "{spoiled:?}");
}
