//! Batches, manifests and ends from strangers: whatever their bytes are, they are counted or refused,
//! without a panic.

mod support;

use neurotop::count::{LayerCount, Scratch, count_batch};
use neurotop::snapshot::{Batch, End, Manifest};
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;
use support::{Archive, Members};

/// Small batches in every form and container, to be spoiled.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut members = support::small_batch();
    members.insert("lif.pre".into(), members["lif.post"].clone());
    let trace = support::as_trace(&members);
    let bits = support::as_bits(&members);
    let fortran = support::map_potentials(&members, |_, array| array.reordered().swapped());
    let forms: [Members; 4] = [members, trace, bits, fortran];
    let archives = [Archive::Stored, Archive::Deflated, Archive::Zip64];
    forms.iter().flat_map(|form| archives.map(|archive| support::archive_bytes(form, archive))).collect()
});

/// One change of a few bytes: anything, or what headers are made of.
#[derive(Debug, Clone)]
enum Change {
    Set(usize, u8),
    Word(usize, u32),
    Cut(usize),
    Repeat(usize, usize),
    Text(usize, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let word = prop::sample::select(vec![0, 1, 0x7fff_ffff, 0xffff_ffff, 0xffff, 0x0605_4b50, 0x0201_4b50]);
    let text =
        prop::sample::select(vec!["(9999999999, ", "'|O'", "((((((", "'<f8'", "True", "-1", "{'", "'>f2'"]);
    prop_oneof![
        4 => (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        2 => (any::<usize>(), word).prop_map(|(at, word)| Change::Word(at, word)),
        1 => any::<usize>().prop_map(Change::Cut),
        1 => (any::<usize>(), 1_usize..200).prop_map(|(at, length)| Change::Repeat(at, length)),
        2 => (any::<usize>(), text).prop_map(|(at, text)| Change::Text(at, text)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    let mut overwrite = |at: usize, new: &[u8]| {
        for (place, &byte) in bytes[at % length..].iter_mut().zip(new) {
            *place = byte;
        }
    };
    match *change {
        Change::Set(at, byte) => overwrite(at, &[byte]),
        Change::Word(at, word) => overwrite(at, &word.to_le_bytes()),
        Change::Text(at, text) => overwrite(at, text.as_bytes()),
        Change::Cut(at) => bytes.truncate(at % length),
        Change::Repeat(at, more) => {
            let from = at % length;
            let part = bytes[from..(from + more).min(length)].to_vec();
            bytes.splice(from..from, part);
        }
    }
}

/// Opens and counts a batch as the pipeline does; what comes of it is of no interest.
fn read(path: &Path) {
    if let Ok(batch) = Batch::open(path, None) {
        let _ = count_batch(&batch, &mut Scratch::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn spoiled_archives(seed in any::<prop::sample::Index>(), changes in prop::collection::vec(change(), 1..6)) {
        let mut bytes = seed.get(&SEEDS).clone();
        changes.iter().for_each(|change| apply(&mut bytes, change));
        let run = tempfile::tempdir().expect("a directory");
        let path = run.path().join("batch-0.npz");
        std::fs::write(&path, bytes).expect("a file");
        read(&path);
    }

    #[test]
    fn spoiled_arrays(changes in prop::collection::vec(change(), 1..6), bits in any::<bool>()) {
        let run = tempfile::tempdir().expect("a directory");
        let members = if bits { support::as_bits(&support::small_batch()) } else { support::small_batch() };
        let path = support::write_batch(run.path(), 0, &members, Archive::Directory);
        for (name, array) in &members {
            let mut bytes = array.bytes();
            changes.iter().for_each(|change| apply(&mut bytes, change));
            std::fs::write(path.join(format!("{name}.npy")), bytes).expect("a file");
        }
        read(&path);
    }

    #[test]
    fn spoiled_documents(changes in prop::collection::vec(change(), 0..8), end in any::<bool>()) {
        let name = if end { "end.json" } else { "manifest.json" };
        let mut bytes = std::fs::read(support::demo_run().join(name)).expect("a document");
        changes.iter().for_each(|change| apply(&mut bytes, change));
        let _ = (Manifest::parse(&bytes), End::parse(&bytes));
    }
}

#[test]
fn documents_nested_without_end() {
    for open in ["[", "{\"layers\":", "{\"neurobench\":{\"NeuronOperations\":["] {
        let text = open.repeat(200_000);
        assert!(Manifest::parse(text.as_bytes()).is_err() && End::parse(text.as_bytes()).is_err());
    }
}

#[test]
fn a_small_file_that_declares_a_huge_array() {
    let run = tempfile::tempdir().expect("a directory");
    let mut members = support::small_batch();
    for shape in [vec![1 << 40, 1 << 20, 4], vec![usize::MAX >> 1, 2, 2], vec![1 << 62, 1, 1]] {
        members.insert("lif.post".into(), support::Npy { shape, ..members["lif.post"].clone() });
        let path = support::write_batch(run.path(), 0, &members, Archive::Stored);
        assert!(Batch::open(&path, None).is_err());
    }
    // Bits of one step need no bytes at all, so that any number of neurons is valid.
    let shape = support::Npy::integers(&[2], &[1, 1 << 60]);
    let none = support::Npy::packed(&[]);
    let members = Members::from([("x.changed".to_owned(), none), ("x.shape".to_owned(), shape)]);
    let path = support::write_batch(run.path(), 1, &members, Archive::Stored);
    let batch = Batch::open(&path, None).expect("valid");
    let count = count_batch(&batch, &mut Scratch::default()).expect("a count");
    assert_eq!((count.layers[0].updates, count.layers[0].dense), (1 << 60, 1 << 60));
    assert_eq!(count.layers[0].updates_by_step, [1 << 60]);
}

#[test]
fn a_small_file_that_declares_a_billion_steps() {
    let run = tempfile::tempdir().expect("a directory");
    // A billion steps without neurons need no bytes, and must not take memory.
    let steps = 1_000_000_000;
    let empty = support::Npy { shape: vec![steps, 4, 0], ..support::Npy::potentials(&[0], []) };
    let shape = support::Npy::integers(&[2], &[steps as i64, 0]);
    let mut members = Members::from([
        ("bits.changed".to_owned(), support::Npy::packed(&[])),
        ("bits.shape".to_owned(), shape),
        ("fortran.post".to_owned(), support::Npy { fortran: true, ..empty.clone() }),
        ("trace.post".to_owned(), empty),
    ]);
    members.insert("samples".into(), support::Npy::integers(&[], &[4]));
    let path = support::write_batch(run.path(), 0, &members, Archive::Stored);
    let batch = Batch::open(&path, None).expect("valid");
    let count = count_batch(&batch, &mut Scratch::default()).expect("a count");
    assert_eq!(count.layers, vec![LayerCount::default(); 3]);
}
