//! How fast the inner loops are, by themselves: changed elements of each width, set bits, and the CRC-32 that is
//! computed beside them. `cargo bench --bench kernels`; GB/s of both sides together, in the nearest caches and from
//! memory. "scalar" is the rule of `f4` element by element, and "read" copies as much within memory: what reading a
//! file costs at the least.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use neurotop::count::set_bits;
use neurotop::snapshot::{Dtype, ElementKind};

/// A block that fits into the nearest caches, and one that fits into none.
const SIZES: [usize; 2] = [256 << 10, 64 << 20];

fn main() {
    divan::main();
}

/// So many bytes before and after a step, of which about half of the elements change.
fn blocks(bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut pre = Vec::with_capacity(bytes);
    let mut post = Vec::with_capacity(bytes);
    for _ in 0..bytes / 8 {
        // Finite in each width, so that no rule is spared its work.
        let (now, then) = (next() & 0x3bff_3bff_3bff_3bff, next() & 0x3bff_3bff_3bff_3bff);
        pre.extend(now.to_ne_bytes());
        post.extend(if then % 2 == 0 { now } else { then }.to_ne_bytes());
    }
    (pre, post)
}

fn changed(bencher: Bencher<'_, '_>, bytes: usize, size: usize) {
    let float = Dtype { kind: ElementKind::Float, size, swapped: false };
    let (pre, post) = blocks(bytes / 2);
    bencher.counter(BytesCount::new(bytes)).bench(|| float.changed(black_box(&pre), black_box(&post)));
}

#[divan::bench(args = SIZES)]
fn changed_f2(bencher: Bencher<'_, '_>, bytes: usize) {
    changed(bencher, bytes, 2);
}

#[divan::bench(args = SIZES)]
fn changed_f4(bencher: Bencher<'_, '_>, bytes: usize) {
    changed(bencher, bytes, 4);
}

#[divan::bench(args = SIZES)]
fn changed_f8(bencher: Bencher<'_, '_>, bytes: usize) {
    changed(bencher, bytes, 8);
}

#[divan::bench(args = SIZES)]
fn changed_f4_scalar(bencher: Bencher<'_, '_>, bytes: usize) {
    let (pre, post) = blocks(bytes / 2);
    bencher.counter(BytesCount::new(bytes)).bench(|| {
        let elements = black_box(&pre).as_chunks().0.iter().zip(black_box(&post).as_chunks().0);
        let is_changed = |&(&pre, &post): &(&[u8; 4], &[u8; 4])| {
            black_box(f32::from_ne_bytes(pre) - f32::from_ne_bytes(post) != 0.0)
        };
        elements.filter(is_changed).count()
    });
}

#[divan::bench(args = SIZES)]
fn bits(bencher: Bencher<'_, '_>, bytes: usize) {
    let (block, _) = blocks(bytes);
    let range = 0..8 * bytes as u64;
    bencher.counter(BytesCount::new(bytes)).bench(|| set_bits(black_box(&block), range.clone()));
}

#[divan::bench(args = SIZES)]
fn crc32(bencher: Bencher<'_, '_>, bytes: usize) {
    let (block, _) = blocks(bytes);
    bencher.counter(BytesCount::new(bytes)).bench(|| crc32fast::hash(black_box(&block)));
}

#[divan::bench(args = SIZES)]
fn read(bencher: Bencher<'_, '_>, bytes: usize) {
    let (block, mut copy) = blocks(bytes);
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        copy.copy_from_slice(black_box(&block));
        black_box(&mut copy);
    });
}
