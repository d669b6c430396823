//! The end of a run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neurotop::snapshot::End;

fuzz_target!(|bytes: &[u8]| {
    let _ = End::parse(bytes);
});
