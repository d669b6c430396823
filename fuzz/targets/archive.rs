//! A batch that is an archive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neurotop_fuzz::{file, read_batch};

fuzz_target!(|bytes: &[u8]| read_batch(&file("batch-0.npz", bytes)));
