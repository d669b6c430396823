//! An exported summary that is read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neurotop::figures::read_figures;
use neurotop_fuzz::file;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_figures(&file("summary.json", bytes));
});
