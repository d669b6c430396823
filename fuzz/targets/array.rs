//! The header and the data of an array in a batch that is a directory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neurotop_fuzz::{file, read_batch};

fuzz_target!(|bytes: &[u8]| {
    let path = file("batch-0/x.post.npy", bytes);
    read_batch(path.parent().expect("the batch"));
});
