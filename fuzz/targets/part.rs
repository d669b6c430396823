//! A part of a run that is read back and merged, alone and with itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neurotop::figures::Summary;
use neurotop::run::{Merge, RunPart};
use std::path::Path;
use std::time::{Duration, SystemTime};

fuzz_target!(|bytes: &[u8]| {
    let Ok(part) = RunPart::parse(bytes) else { return };
    let mut merge = Merge::default();
    if merge.add(Path::new("one"), part.clone()).is_err() {
        return;
    }
    assert!(merge.add(Path::new("two"), part).is_err(), "no shard is counted twice");
    let mut merge = Merge::default();
    let part = RunPart::parse(bytes).expect("it was read before");
    merge.add(Path::new("one"), part).expect("it was added before");
    if let Ok(merged) = merge.finish(Duration::ZERO) {
        let _ = Summary::new(&merged.run, SystemTime::UNIX_EPOCH);
    }
});
