//! Counting streams through bounded buffers: a batch of a gigabyte needs no more memory than a small one.
#![cfg(target_os = "linux")]

mod support;

use neurotop::count::{Scratch, count_batch};
use neurotop::portrait::portrait;
use neurotop::snapshot::Batch;
use std::sync::atomic::AtomicBool;
use support::write_zeros;

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the status of this process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

#[test]
fn a_gigabyte_needs_no_more_than_its_buffers() {
    let run = tempfile::tempdir().expect("a directory");
    let path = run.path().join("batch-0");
    std::fs::create_dir(&path).expect("a directory");
    // Three forms of reading: kept steps, steps read twice, and pairs.
    write_zeros(&path.join("small-steps.post.npy"), [1000, 16, 2000]);
    write_zeros(&path.join("large-steps.post.npy"), [4, 16, 500_000]);
    write_zeros(&path.join("pair.pre.npy"), [1000, 16, 1000]);
    write_zeros(&path.join("pair.post.npy"), [1000, 16, 1000]);
    let before = peak();
    let batch = Batch::open(&path, None).expect("a batch");
    let count = count_batch(&batch, &mut Scratch::default()).expect("a count");
    assert_eq!(count.samples, 16);
    let dense: u64 = count.layers.iter().map(|layer| layer.dense).sum();
    assert_eq!(dense, 80_000_000);
    let grown = peak() - before;
    assert!(grown < 16 << 10, "counting 768 MB took {grown} KiB");
    for layer in ["small-steps", "large-steps", "pair"] {
        let found = portrait(&path, None, layer, &mut Scratch::default(), &AtomicBool::new(false));
        assert!(found.expect("a portrait").rates.is_some());
    }
    let grown = peak() - before;
    assert!(grown < 24 << 10, "the portraits took {grown} KiB");
}
