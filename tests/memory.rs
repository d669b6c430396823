//! Counting streams through bounded buffers: a batch of a gigabyte needs no more memory than a small one,
//! and many batches little more than few.
#![cfg(target_os = "linux")]

mod support;

use neurotop::count::layer_detail::read_layer_detail;
use neurotop::count::{Scratch, count_batch};
use neurotop::follow::{CountedContents, Found, Ledger, Outcome, Verdict, look};
use neurotop::run::run_sums::RunSums;
use neurotop::run::state::{Progress, encode, write};
use neurotop::snapshot::{Batch, LayerShape, classify};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};
use support::{Npy, write_zeros};

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    peak_in(&std::fs::read_to_string("/proc/self/status").expect("the status of this process"))
}

/// The peak in the status of a process; 0 where it has ended.
fn peak_in(status: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)).map_or(0, |kib| kib.parse().expect("a number"))
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
        let found = read_layer_detail(&path, None, layer, &mut Scratch::default(), &AtomicBool::new(false));
        assert!(found.expect("a portrait").rates.is_some());
    }
    let grown = peak() - before;
    assert!(grown < 24 << 10, "the portraits took {grown} KiB");
}

/// 128 MB of zeros in an archive of a few hundred KB.
#[test]
fn a_zip_bomb_needs_no_more_than_its_buffers() {
    use std::io::Write;
    if !is_alone("a_zip_bomb_needs_no_more_than_its_buffers") {
        return;
    }
    let run = tempfile::tempdir().expect("a directory");
    let path = run.path().join("batch-0.npz");
    let shape = vec![100, 16, 10_000];
    let step = vec![0; 8 * 16 * 10_000];
    let header = Npy { descr: "<f8".into(), fortran: false, shape, data: Vec::new() }.bytes();
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).expect("a file"));
    let options = zip::write::SimpleFileOptions::default();
    archive
        .start_file("x.post.npy", options.compression_method(zip::CompressionMethod::Deflated))
        .expect("a member");
    archive.write_all(&header).expect("a header");
    (0..100).for_each(|_| archive.write_all(&step).expect("a time step"));
    archive.finish().expect("an archive");
    assert!(path.metadata().expect("a file").len() < 1 << 20);
    let before = peak();
    let batch = Batch::open(&path, None).expect("a batch");
    let count = count_batch(&batch, &mut Scratch::default()).expect("a count");
    assert_eq!((count.layers[0].updates, count.layers[0].dense), (160_000, 16_000_000));
    let grown = peak() - before;
    assert!(grown < 16 << 10, "counting 128 MB took {grown} KiB");
}

#[test]
fn a_run_of_many_batches_takes_little_for_each() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 1);
    let batch = std::fs::read(run.path().join("batch-000000.npz")).expect("a batch");
    let peak_of = |batches: std::ops::Range<usize>| {
        for number in batches {
            std::fs::write(run.path().join(format!("batch-{number:06}.npz")), &batch).expect("a batch");
        }
        peak_of_summary(run.path())
    };
    let few = peak_of(1..1000);
    let many = peak_of(1000..21_000);
    assert!(many < 48 << 10, "21,000 batches took {many} KiB");
    assert!(many < few + (12 << 10), "20,000 batches more took {} KiB more", many - few);
}

/// Whether this is the process in which a test is run alone. If it is not, that is started, and has passed: the peak
/// of a process is that of all its tests.
fn is_alone(test: &str) -> bool {
    const ALONE: &str = "NEUROTOP_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let this = std::env::current_exe().expect("this program");
    let mut alone = std::process::Command::new(this);
    alone.args(["--exact", test, "--nocapture"]).env(ALONE, "");
    assert!(alone.status().expect("it starts").success());
    false
}

/// What is deleted once it is counted takes eight bytes, not a name and a state.
#[test]
fn a_million_batches_that_were_deleted_take_little() {
    if !is_alone("a_million_batches_that_were_deleted_take_little") {
        return;
    }
    const BATCHES: u64 = 1_000_000;
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("batch-0.npz"), "x").expect("a file");
    let one = look(directory.path(), "batch-0.npz").expect("it is there");
    let shapes: Arc<[LayerShape]> = Arc::new([LayerShape { name: "lif".into(), neurons: Some(vec![100]) }]);
    let mut ledger = Ledger::new(Duration::from_secs(2));
    let (now, clock) = (Instant::now(), SystemTime::now());
    let before = peak();
    for number in 0..BATCHES {
        let name = format!("batch-{number:06}.npz");
        let found = Found { meaning: classify(&name), name, ..one.clone() };
        ledger.observe(&found, true, now, clock);
        let job = ledger.take_ready(1).pop().expect("it is ready");
        let name = job.name;
        // No two have the same, and none has a short form.
        let digest = NonZeroU64::MIN.saturating_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1);
        let result = Ok(CountedContents { shapes: Arc::clone(&shapes), digest });
        let outcome = Outcome { job, after: Some(found.identity), result, is_whole: true };
        assert_eq!(ledger.settle(&outcome, now), Verdict::Add { replaces: false });
        ledger.note_deleted([name]);
    }
    assert_eq!((ledger.in_figures(), ledger.account().counted), (BATCHES, BATCHES));
    let counted = peak() - before;
    assert!(counted < 12 << 10, "{BATCHES} batches took {counted} KiB");
    let progress = Progress {
        directory: b"/runs/exp1".to_vec(),
        manifest: None,
        root: None,
        counted: ledger.counted(),
        may_have_deleted: true,
        problems: Vec::new(),
        sums: RunSums::default(),
        newest: None,
    };
    write(&directory.path().join("run.state"), &progress).expect("written");
    let grown = peak() - before;
    assert!(grown < 14 << 10, "{BATCHES} batches took {grown} KiB to be kept");
    let bytes = encode(&progress).expect("encoded");
    assert!(bytes.len() < 9 * BATCHES as usize, "{} bytes", bytes.len());
}

/// The most memory, in KiB, that `neurotop summary` ever had.
fn peak_of_summary(run: &std::path::Path) -> u64 {
    let mut summary = std::process::Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .arg("summary")
        .arg(run)
        .args(["--threads", "2"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let status = format!("/proc/{}/status", summary.id());
    let mut most = 0;
    while summary.try_wait().expect("a process").is_none() {
        most = std::fs::read_to_string(&status).map_or(most, |status| most.max(peak_in(&status)));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(most > 0, "it was never looked at");
    most
}
