//! Batches, manifests and ends from strangers: whatever their bytes are, they are counted or refused,
//! without a panic.

use crate::support;
use neurotop::count::{LayerCount, Scratch, count_batch};
use neurotop::snapshot::{Batch, End, Manifest, ManifestError};
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

/// Opens and counts a batch as the pipeline does. It may be refused, but a count must agree with itself.
fn read(path: &Path) {
    let Ok(batch) = Batch::open(path, None) else { return };
    let Ok(count) = count_batch(&batch, &mut Scratch::default()) else { return };
    for layer in count.layers {
        let by_step: u64 = layer.updates_by_step.iter().sum();
        assert!(layer.updates <= layer.dense && by_step <= layer.updates, "{layer:?}");
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

/// Opens a run with `summary`; returns the exit code, the figures and what was said.
fn summary(run: &Path) -> (i32, serde_json::Value, String) {
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(["summary", "--settle", "0.2", "--format", "json"])
        .arg(run)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .timeout(std::time::Duration::from_secs(60))
        .output()
        .expect("it runs");
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (
        output.status.code().expect("it ends by itself"),
        json,
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[cfg(unix)]
fn pipe(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
}

/// None of these may be opened: a pipe would never answer, a device never end.
#[cfg(unix)]
#[test]
fn pipes_sockets_devices_and_links_in_every_place() {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    let run = tempfile::tempdir().expect("a directory");
    let path = |name: &str| run.path().join(name);
    support::small_run(run.path(), 1);
    pipe(&path("batch-000001.npz"));
    let _socket = UnixListener::bind(path("batch-000002.npz")).expect("a socket");
    symlink("/dev/zero", path("batch-000003.npz")).expect("a link");
    symlink("batch-000004.npz", path("batch-000004.npz")).expect("a link to itself");
    symlink(run.path(), path("batch-000005")).expect("a link to the run");
    for (number, spoil) in [(6, "pipe"), (7, "link"), (8, "loop"), (9, "directory"), (10, "device")] {
        let batch = support::write_batch(run.path(), number, &support::small_batch(), Archive::Directory);
        let member = batch.join("lif.post.npy");
        std::fs::remove_file(&member).expect("removed");
        match spoil {
            "pipe" => pipe(&member),
            "link" => symlink("/etc/passwd", &member).expect("a link"),
            "loop" => symlink("lif.post.npy", &member).expect("a link to itself"),
            "directory" => std::fs::create_dir(&member).expect("a directory"),
            _ => symlink("/dev/zero", &member).expect("a link"),
        }
    }
    let (code, json, said) = summary(run.path());
    assert_eq!((code, json["total"]["updates"].as_u64()), (3, Some(support::SMALL.0)), "{said}");
    assert_eq!(json["account"]["set_aside"], 10, "{said}");
    assert!(!said.contains("root:"), "nothing of another file is shown");
}

#[cfg(unix)]
#[test]
fn documents_that_are_pipes_sockets_or_links() {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    for name in ["manifest.json", "end.json"] {
        for kind in ["pipe", "socket", "link", "loop", "directory"] {
            let run = tempfile::tempdir().expect("a directory");
            support::small_run(run.path(), 1);
            let path = run.path().join(name);
            let _ = std::fs::remove_file(&path);
            let mut socket = None;
            match kind {
                "pipe" => pipe(&path),
                "socket" => socket = Some(UnixListener::bind(&path).expect("a socket")),
                "link" => symlink("/dev/zero", &path).expect("a link"),
                "loop" => symlink(name, &path).expect("a link to itself"),
                _ => std::fs::create_dir(&path).expect("a directory"),
            }
            let (code, json, said) = summary(run.path());
            assert_eq!(
                (code, json["total"]["updates"].as_u64()),
                (3, Some(support::SMALL.0)),
                "{kind}: {said}"
            );
            assert!(said.contains(name), "{kind}: {said}");
            let says = match kind {
                "pipe" | "socket" => "it is a pipe, socket or device, and no file; put the file itself",
                "directory" => "it is a directory, and its name says .json",
                _ => "it is a symbolic link, which is not followed; put the file itself",
            };
            assert!(said.contains(says), "{kind}: {said}");
            drop(socket);
        }
    }
}

/// Opening is enough to wake a writer, rewind a tape or take a terminal, whatever is done about it then.
#[cfg(unix)]
#[test]
fn pipes_are_not_even_opened() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 1);
    let member =
        support::write_batch(run.path(), 1, &support::small_batch(), Archive::Directory).join("lif.post.npy");
    let rank = run.path().join("rank-0");
    std::fs::create_dir(&rank).expect("a directory");
    let own = ["manifest.json", "end.json", "batch-000002.npz"].map(|name| run.path().join(name));
    let ranks = ["manifest.json", "end.json"].map(|name| rank.join(name));
    let pipes: Vec<_> = own.into_iter().chain(ranks).chain([member]).collect();
    let awake: Vec<_> = pipes.iter().map(|_| AtomicBool::new(false)).collect();
    for path in &pipes {
        let _ = std::fs::remove_file(path);
        pipe(path);
    }
    std::thread::scope(|scope| {
        for (path, awake) in pipes.iter().zip(&awake) {
            // A writer waits until somebody opens the pipe to read.
            scope.spawn(move || {
                let _ = std::fs::File::options().write(true).open(path);
                awake.store(true, Ordering::Relaxed);
            });
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        let words = [
            &["summary", "--settle", "0.2"][..],
            &["summary", "--settle", "0.2", "--follow-links"],
            &["doctor", "--deep"],
        ];
        let codes = words.map(|words| {
            let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_neurotop"));
            command.args(words).arg(run.path()).timeout(std::time::Duration::from_secs(60));
            command.env("XDG_CONFIG_HOME", "/nonexistent").env("XDG_STATE_HOME", support::STATE_HOME);
            command.output().ok().and_then(|output| output.status.code())
        });
        let opened: Vec<_> =
            pipes.iter().zip(&awake).filter(|(_, awake)| awake.load(Ordering::Relaxed)).collect();
        for path in &pipes {
            use std::os::unix::fs::OpenOptionsExt;
            let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
            let mut options = std::fs::File::options();
            drop(options.read(true).custom_flags(nonblock).open(path).expect("the writers go on"));
        }
        assert!(opened.is_empty(), "{opened:?}");
        assert_eq!(codes, [Some(3); 3]);
    });
}

/// With `--follow-links`: links to the run itself, around it, between its ranks and batches, and two to one place.
#[cfg(unix)]
#[test]
fn what_links_reach_twice_is_counted_once_and_named() {
    use std::os::unix::fs::symlink;
    let (run, elsewhere) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (here, there) = (|name: &str| run.path().join(name), |name: &str| elsewhere.path().join(name));
    support::small_run(run.path(), 2);
    for rank in [here("rank-0"), there("shared")] {
        std::fs::create_dir(&rank).expect("a directory");
        support::write_batch(&rank, 0, &support::small_batch(), Archive::Stored);
    }
    let links = [
        ("rank-1", here("rank-0")),
        ("rank-2", here(".")),
        ("rank-3", here("..")),
        ("rank-4", there("shared")),
        ("rank-5", there("shared")),
        ("rank-0/rank-0", here(".")),
        ("batch-000002.npz", here("batch-000001.npz")),
        ("rank-6.batch-000000.npz", here("rank-0/batch-000000.npz")),
        ("rank-0/batch-000001.npz", here("batch-000001.npz")),
    ];
    for (name, target) in &links {
        symlink(target, here(name)).expect("a link");
    }
    symlink("batch-000000.npz", there("shared/batch-000001.npz")).expect("a link");
    let mut named: Vec<&str> = links.iter().map(|(name, _)| *name).collect();
    named.retain(|name| !["rank-4", "rank-0/rank-0"].contains(name));
    named.push("rank-4/batch-000001.npz");
    named.sort_unstable();
    std::fs::write(here("end.json"), r#"{"batches": 8}"#).expect("an end");
    for command in [&["summary"][..], &["watch", "--state", "none", "--exit-when-finished"]] {
        let counted = assert_cmd::Command::new(env!("CARGO_BIN_EXE_neurotop"))
            .args(command)
            .args(["--follow-links", "--settle", "0.2", "-o"])
            .args([&there("out.json"), run.path()])
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .timeout(std::time::Duration::from_secs(60))
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&counted.stderr).into_owned();
        let json = support::json(&there("out.json"));
        assert_eq!(
            (counted.status.code(), json["account"]["counted"].as_u64()),
            (Some(3), Some(4)),
            "{said}"
        );
        assert_eq!(json["total"]["updates"], 4 * support::SMALL.0, "{said}");
        let problems = json["problems"].as_array().expect("a list").iter();
        let mut said: Vec<&str> = problems.filter_map(|problem| problem["path"].as_str()).collect();
        said.sort_unstable();
        assert_eq!(said, named);
    }
}

/// A run of which almost all is elsewhere: with `--follow-links` it counts, and nothing of it is deleted. Loops and
/// pipes hold nobody up all the same.
#[cfg(unix)]
#[test]
fn links_are_followed_where_the_user_asks_for_it_and_nothing_behind_them_is_deleted() {
    use std::os::unix::fs::symlink;
    let (run, elsewhere) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (here, there) = (|name: &str| run.path().join(name), |name: &str| elsewhere.path().join(name));
    support::small_run(elsewhere.path(), 2);
    support::write_batch(elsewhere.path(), 2, &support::small_batch(), Archive::Directory);
    std::fs::create_dir(there("rank-0")).expect("a directory");
    support::write_batch(&there("rank-0"), 0, &support::small_batch(), Archive::Stored);
    for name in ["manifest.json", "batch-000000.npz", "batch-000002", "rank-0"] {
        symlink(there(name), here(name)).expect("a link");
    }
    let own = support::write_batch(run.path(), 1, &support::small_batch(), Archive::Directory);
    std::fs::remove_file(own.join("lif.post.npy")).expect("removed");
    symlink(there("batch-000002/lif.post.npy"), own.join("lif.post.npy")).expect("a link");
    support::write_batch(run.path(), 3, &support::small_batch(), Archive::Stored);
    symlink("batch-000004.npz", here("batch-000004.npz")).expect("a link to itself");
    pipe(&there("pipe"));
    symlink(there("pipe"), here("batch-000005.npz")).expect("a link to a pipe");
    symlink(run.path(), here("batch-000006")).expect("a link to the run");
    std::fs::write(here("end.json"), r#"{"batches": 8}"#).expect("an end");

    let (code, json, said) = summary(run.path());
    assert_eq!((code, json["account"]["counted"].as_u64()), (3, Some(1)), "{said}");

    let (state, export) = (there("state"), there("out.json"));
    let watched = assert_cmd::Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(["watch", "--follow-links", "--prune", "--exit-when-finished", "--settle", "0.2", "--export"])
        .args([&export, Path::new("--state"), &state, run.path()])
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .timeout(std::time::Duration::from_secs(60))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&watched.stderr).into_owned();
    let json = support::json(&export);
    assert_eq!(json["account"]["counted"], 5, "{said}");
    assert_eq!(json["account"]["set_aside"], 3, "{said}");
    assert_eq!(json["total"]["updates"], 5 * support::SMALL.0, "{said}");
    for name in ["batch-000000.npz", "batch-000002/lif.post.npy", "rank-0/batch-000000.npz", "pipe"] {
        assert!(there(name).symlink_metadata().is_ok() && here("rank-0").is_symlink(), "{name}: {said}");
    }
    assert!(here("batch-000000.npz").is_symlink() && here("batch-000002").is_symlink(), "{said}");
    assert!(!here("batch-000003.npz").exists(), "what is the run's own is deleted: {said}");
    assert!(
        own.join("lif.post.npy").is_symlink(),
        "a directory waits, and what holds a link is left: {said}"
    );
}

#[test]
fn names_of_a_megabyte() {
    let run = tempfile::tempdir().expect("a directory");
    let name = "n".repeat(1 << 20);
    support::write_manifest(run.path(), &[("lif", "Leaky", "zero", &[2]), (&name, &name, &name, &[2])], None);
    support::write_batch(run.path(), 0, &support::small_batch(), Archive::Stored);
    let (code, json, said) = summary(run.path());
    assert_eq!((code, json["account"]["set_aside"].as_u64()), (3, Some(1)), "the layer is missing");
    assert!(said.contains("of the manifest is missing"));
    assert!(said.len() < 10_000, "{} bytes", said.len());
    // A member's name has 64 KiB at most.
    let mut members = support::small_batch();
    let name = "n".repeat(65_000);
    members.insert(format!("{name}.post"), members["lif.post"].clone());
    let path = support::write_batch(run.path(), 1, &members, Archive::Stored);
    match Batch::open(&path, None) {
        Ok(batch) => assert!(batch.layers.iter().any(|layer| layer.name == name)),
        Err(error) => assert!(error.what.contains("corrupt"), "{error}"),
    }
}

#[test]
fn errors_keep_little_of_what_a_file_says() {
    let run = tempfile::tempdir().expect("a directory");
    let long = "n".repeat(1 << 20);
    let document = |fields: &str| format!(r#"{{"format": "neurotop", "version": 1, {fields}}}"#);
    let layer = |name: &str, neuron: &str| {
        format!(r#"{{"name": "{name}", "neuron": "{neuron}", "reset": "zero", "shape": [2]}}"#)
    };
    let manifest = |fields: &str| Manifest::parse(document(fields).as_bytes());
    let unusable = |text: &str| match Manifest::parse(text.as_bytes()) {
        Err(ManifestError::Unusable(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let mut said = vec![
        unusable(&document(&format!(r#""layers": "{long}""#))),
        unusable(&document(&format!(r#""layers": [{0}, {0}]"#, layer(&long, "Leaky")))),
        unusable(&format!(r#"{{"format": "neurotop", "version": "{long}"}}"#)),
        unusable(&format!(r#"{{"format": "neurotop", "version": [{}0]}}"#, "0,".repeat(1 << 20))),
        End::parse(format!(r#"{{"samples": "{long}"}}"#).as_bytes()).expect_err("refused").to_string(),
    ];
    assert!(said[2].contains("\"version\" is a string, not 1"), "{}", said[2]);
    assert!(said[3].contains("\"version\" is a list, not 1"), "{}", said[3]);
    let of_run = manifest(&format!(r#""layers": [{}]"#, layer(&long, &long))).expect("a manifest");
    let of_rank = manifest(&format!(r#""layers": [{}]"#, layer(&long, "Leaky"))).expect("a manifest");
    said.push(of_rank.contradiction(&of_run).expect("another neuron"));
    said.push(of_run.check(&[]).expect_err("it is missing").to_string());

    let member = "m".repeat(60_000);
    let post = &support::small_batch()["lif.post"];
    let odd = support::Npy { descr: "\u{1}".repeat(9_000), ..post.clone() };
    let short = support::Npy { shape: vec![4, 4, 4], ..post.clone() };
    for (name, array) in
        [("lif.post", &odd), (&format!("{member}.post"), &short), (&format!("{member}.pre"), post)]
    {
        let members = Members::from([(name.to_owned(), array.clone())]);
        let path = support::write_batch(run.path(), 0, &members, Archive::Stored);
        said.push(Batch::open(&path, None).expect_err("refused").to_string());
    }
    for said in said {
        assert!(said.chars().count() < 1_200, "{} characters: {said:.300}", said.chars().count());
    }
}

#[test]
fn documents_of_millions_of_elements() {
    let parse = |fields: &str| {
        Manifest::parse(format!(r#"{{"format": "neurotop", "version": 1, {fields}}}"#).as_bytes())
    };
    let list = |element: &str, count: usize| {
        let elements = format!("{element},").repeat(count);
        format!("[{}]", elements.trim_end_matches(','))
    };
    let refused = |fields: &str| match parse(fields) {
        Err(ManifestError::Unusable(error)) => error.what,
        other => panic!("{:?}", other.map(|manifest| manifest.layers.len())),
    };
    let warnings =
        parse(&format!(r#""warnings": {}"#, list(r#""""#, 2_000_000))).expect("a manifest").warnings;
    assert_eq!((warnings.len(), warnings[100].as_str()), (101, "1999900 more warnings are left out"));
    let long = format!(r#""warnings": ["a{}z"]"#, "é".repeat(1_000_000));
    let warnings = parse(&long).expect("a manifest").warnings;
    assert_eq!((warnings[0].chars().count(), warnings[0].ends_with("éz")), (1_000, true));
    let few = parse(&format!(r#""warnings": {}"#, list(r#""w""#, 101))).expect("a manifest");
    assert_eq!(few.warnings, vec!["w"; 101], "one more has room");

    let layer = r#"{"name": "", "neuron": "", "reset": ""}"#;
    let said = refused(&format!(r#""layers": {}"#, list(layer, 300_000)));
    assert!(said.contains("it has more than 100000 layers"), "{said}");
    let with_shape = |axes| {
        format!(r#""layers": [{{"name": "a", "neuron": "b", "reset": "c", "shape": {}}}]"#, list("1", axes))
    };
    let said = refused(&with_shape(3_000_000));
    assert!(said.contains("it has more than 64 axes of a layer"), "{said}");
    assert!(parse(&with_shape(64)).is_ok() && parse(&with_shape(65)).is_err());
    let official = format!(r#"{{"neurobench": {{"NeuronOperations": {}}}}}"#, list("[]", 1_000_000));
    assert!(End::parse(official.as_bytes()).is_err());
}

#[test]
fn shapes_of_very_many_axes() {
    let run = tempfile::tempdir().expect("a directory");
    let open = |axes: usize| {
        let shape =
            support::Npy { descr: "|u1".into(), fortran: false, shape: vec![axes], data: vec![1; axes] };
        let members = Members::from([
            ("x.changed".to_owned(), support::Npy::packed(&[])),
            ("x.shape".to_owned(), shape),
        ]);
        Batch::open(&support::write_batch(run.path(), 0, &members, Archive::Stored), None)
    };
    assert_eq!(open(64).expect("a batch").layers[0].shape, [1; 64]);
    for axes in [65, 16_000] {
        let error = open(axes).expect_err("refused");
        assert!(error.what.contains(&format!("x.shape has {axes} axes")), "{error}");
    }
}

#[test]
fn small_arrays_whose_axes_have_no_product() {
    let run = tempfile::tempdir().expect("a directory");
    for shape in [vec![0, 1 << 32, 1 << 32], vec![0, 1 << 63, 1 << 63], vec![0; 33], vec![1 << 62, 4, 0]] {
        for fortran in [false, true] {
            let odd = support::Npy { descr: "<i8".into(), fortran, shape: shape.clone(), data: Vec::new() };
            let mut members = support::small_batch();
            members.insert("samples".into(), odd.clone());
            let path = support::write_batch(run.path(), 0, &members, Archive::Stored);
            let error = Batch::open(&path, None).expect_err("refused");
            assert!(error.what.contains("samples has 0 values"), "{error}");
            let mut members = support::as_bits(&support::small_batch());
            members.insert("lif.shape".into(), odd);
            let path = support::write_batch(run.path(), 0, &members, Archive::Stored);
            let error = Batch::open(&path, None).expect_err("refused");
            assert!(error.what.contains("lif.shape is itself of shape ["), "{error}");
        }
    }
}

/// Deflated members of which only the headers are true: the archive says that they are as long as these declare.
fn declared(members: &Members) -> Vec<u8> {
    let mut bytes = support::archive_bytes(members, Archive::Deflated);
    let entries = bytes.windows(4).enumerate().filter(|(_, bytes)| *bytes == b"PK\x01\x02");
    let entries: Vec<usize> = entries.map(|(at, _)| at).collect();
    for (entry, array) in entries.into_iter().zip(members.values()) {
        let width = array.descr[2..].parse::<usize>().expect("a width");
        let header = array.bytes().len() - array.data.len();
        let size = header + width * array.shape.iter().product::<usize>();
        bytes[entry + 24..entry + 28].copy_from_slice(&(size as u32).to_le_bytes());
    }
    bytes
}

#[test]
fn pairs_of_both_orders_that_would_be_inflated_again_and_again() {
    let run = tempfile::tempdir().expect("a directory");
    let path = run.path().join("batch-0.npz");
    let open = |neurons: usize, orders: (bool, bool)| {
        let array = |fortran| support::Npy {
            descr: "<f4".into(),
            fortran,
            shape: vec![4, 2, neurons],
            data: Vec::new(),
        };
        let members =
            Members::from([("x.post".to_owned(), array(orders.1)), ("x.pre".to_owned(), array(orders.0))]);
        std::fs::write(&path, declared(&members)).expect("a file");
        Batch::open(&path, None)
    };
    for orders in [(true, false), (false, true)] {
        let error = open(8 << 20, orders).expect_err("refused");
        assert!(error.to_string().contains("different memory orders, deflated"), "{error}");
        assert!(error.to_string().contains("write both in the same order, or with numpy.savez"), "{error}");
        assert!(open(7 << 20, orders).is_ok());
    }
    for orders in [(true, true), (false, false)] {
        assert!(open(8 << 20, orders).is_ok());
    }
}

/// Writes the members as `unzip` does, where it would write them below the directory.
fn unpack(batch: &Path, members: &Members) {
    for (name, array) in members {
        let path = batch.join(format!("{name}.npy"));
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, array.bytes()).expect("a member");
    }
}

#[test]
fn an_archive_and_what_it_is_unpacked_to_are_one_batch() {
    let run = tempfile::tempdir().expect("a directory");
    let mut members = support::small_batch();
    let post = members["lif.post"].clone();
    let deep = "d/".repeat(7) + "x.post";
    for name in ["enc/lif.post", "enc.0/b.c/lif.post", &deep, "spikes", "enc/samples"] {
        members.insert(name.to_owned(), post.clone());
    }
    for hidden in [".post", ".lif.post", "enc/.lif.post", ".cache/lif.post"] {
        members.insert(hidden.to_owned(), post.clone());
    }
    let archive = support::write_batch(run.path(), 0, &members, Archive::Stored);
    let directory = run.path().join("batch-000001");
    unpack(&directory, &members);
    #[cfg(unix)]
    std::os::unix::fs::symlink(".", directory.join("enc/circle")).expect("a link");
    let read = |path: &Path| {
        let batch = Batch::open(path, None).expect("a batch");
        let mut ignored = batch.ignored.clone();
        ignored.sort();
        let names: Vec<String> = batch.layers.iter().map(|layer| layer.name.clone()).collect();
        let count = count_batch(&batch, &mut Scratch::default()).expect("a count");
        (names, ignored, count.layers.iter().map(|layer| layer.updates).sum::<u64>())
    };
    let (names, ignored, updates) = read(&archive);
    assert_eq!(names, [&deep[..deep.len() - 5], "enc.0/b.c/lif", "enc/lif", "lif"]);
    assert_eq!(ignored, [".cache/lif.post", ".lif.post", ".post", "enc/.lif.post", "enc/samples", "spikes"]);
    assert_eq!(updates, 4 * support::SMALL.0);
    assert_eq!(read(&directory), (names, ignored, updates));
    // What leads out of the directory, or too deep, has no part in a batch either.
    for name in ["../up.post", "/abs.post", "a//b.post", "a/../b.post", &("d/".repeat(8) + "x.post")] {
        let mut members = support::small_batch();
        members.insert(name.to_owned(), post.clone());
        let path = support::write_batch(run.path(), 2, &members, Archive::Stored);
        let batch = Batch::open(&path, None).expect("a batch");
        assert_eq!((batch.layers.len(), batch.ignored), (1, vec![name.to_owned()]));
    }
    let (code, json, said) = summary(run.path());
    assert_eq!(code, 0, "{said}");
    assert_eq!(json["total"]["updates"], 9 * support::SMALL.0, "{said}");
    assert!(said.contains("members that the format does not know are not read"), "{said}");
}

/// A manifest of so many layers, and one more with a name of a megabyte.
fn many_layers(run: &Path, layers: usize) {
    let name = "n".repeat(1 << 20);
    let many: Vec<String> = (0..layers).map(|at| format!("l{at}")).collect();
    let layer = |name| (name, name, "zero", &[2][..]);
    let layers: Vec<_> = many.iter().map(String::as_str).chain([name.as_str()]).map(layer).collect();
    support::write_manifest(run, &layers, None);
}

/// All rows of a table are as wide as the longest name in it. A comparison says of all layers at once that they are the same.
#[test]
fn a_name_of_a_megabyte_does_not_fill_the_rows_of_a_table() {
    let run = tempfile::tempdir().expect("a directory");
    many_layers(run.path(), 100);
    for format in ["text", "md"] {
        let run = run.path().as_os_str();
        for words in [vec!["summary".as_ref(), run], vec!["compare".as_ref(), run, run]] {
            let (_, text, said) = neurotop(words.into_iter().chain(["--format".as_ref(), format.as_ref()]));
            let widest = text.lines().map(|line| line.chars().count()).max().expect("a line");
            assert!(widest < 1000, "{format}: {widest} columns\n{said}");
        }
    }
}

#[test]
fn the_doctor_says_no_more_than_can_be_read() {
    let run = tempfile::tempdir().expect("a directory");
    many_layers(run.path(), 1000);
    let (_, text, said) = neurotop(["doctor".as_ref(), run.path().as_os_str()]);
    assert!(text.contains("--format json has all"), "{said}");
    assert!(text.lines().count() < 300 && text.len() < 100_000, "{} bytes", text.len());
}

/// An archive without members that lists one empty file this often, and declares as many.
fn central_directory(entries: usize, name: impl Fn(usize) -> String) -> Vec<u8> {
    let local_name = name(0);
    let mut bytes = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend([0; 12]);
    bytes.extend((local_name.len() as u16).to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(local_name.bytes());
    let start = bytes.len();
    for at in 0..entries {
        let name = name(at);
        bytes.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0");
        bytes.extend([0; 12]);
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend(name.bytes());
    }
    let (size, offset) = ((bytes.len() - start) as u64, start as u64);
    let end_record = bytes.len() as u64;
    // zip64: more entries than 16 bits hold.
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44_u64.to_le_bytes());
    bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for field in [entries as u64, entries as u64, size, offset] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(end_record.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([0xff; 12]);
    bytes.extend([0; 2]);
    bytes
}

#[test]
fn a_million_members() {
    let run = tempfile::tempdir().expect("a directory");
    let path = run.path().join("batch-0.npz");
    type Name = fn(usize) -> String;
    let names: [(Name, &str); 2] =
        [(|at| format!("{at:06}.post.npy"), "members"), (|at| format!("{at:06}.txt"), "neither a layer")];
    for (name, says) in names {
        std::fs::write(&path, central_directory(1_000_000, name)).expect("a file");
        let error = Batch::open(&path, None).expect_err("refused");
        assert!(error.what.contains(says), "{error}");
    }
    std::fs::write(&path, central_directory(3, |_| "x.post.npy".to_owned())).expect("a file");
    let error = Batch::open(&path, None).expect_err("refused");
    assert!(error.what.contains("is in it twice"), "{error}");
}

#[test]
fn a_directory_batch_of_many_files() {
    let run = tempfile::tempdir().expect("a directory");
    let batch = support::write_batch(run.path(), 0, &support::small_batch(), Archive::Directory);
    for at in 0..20_000 {
        std::fs::write(batch.join(format!("{at}.txt")), "").expect("a file");
    }
    let counted = count_batch(&Batch::open(&batch, None).expect("a batch"), &mut Scratch::default());
    assert_eq!(counted.expect("a count").layers[0].updates, support::SMALL.0);
}

#[test]
fn a_zip_bomb_is_counted_and_one_that_lies_about_its_size_is_refused() {
    let run = tempfile::tempdir().expect("a directory");
    // 64 MB of zeros that take 64 KB.
    let shape = [100, 16, 10_000];
    let zeros = support::Npy::potentials(&shape, std::iter::repeat_n(0.0, shape.iter().product()));
    let members = Members::from([("x.post".to_owned(), zeros)]);
    let path = support::write_batch(run.path(), 0, &members, Archive::Deflated);
    assert!(path.metadata().expect("a file").len() < 200_000);
    let count =
        count_batch(&Batch::open(&path, None).expect("a batch"), &mut Scratch::default()).expect("a count");
    assert_eq!((count.layers[0].updates, count.layers[0].dense), (160_000, 16_000_000));
    // One that holds more than it declares is refused.
    let mut bytes = std::fs::read(&path).expect("a batch");
    let entry = bytes.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").expect("an entry");
    bytes[entry + 24..entry + 28].copy_from_slice(&1000_u32.to_le_bytes());
    std::fs::write(&path, bytes).expect("a file");
    let opened = Batch::open(&path, None).and_then(|batch| count_batch(&batch, &mut Scratch::default()));
    assert!(opened.is_err());
}

#[test]
fn summaries_and_configurations_nested_without_end() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("summary.json");
    for open in ["[", "{\"layers\":[", "{\"schema\":{\"a\":", "{\"total\":["] {
        std::fs::write(&path, open.repeat(200_000)).expect("a file");
        assert!(neurotop::figures::read_figures(&path).is_err());
    }
    for open in ["[", "a = [", "a = {b=", "[[", "a."] {
        let text = open.repeat(100_000);
        assert!(neurotop::options::config::Config::parse(&text).is_err(), "{open}");
    }
}

#[test]
fn names_that_hide_or_turn_are_escaped_in_every_report_for_people() {
    let run = tempfile::tempdir().expect("a directory");
    let evil = "a\u{1b}[31m\u{9b}2J\u{7}\u{202e}b\u{200b}\u{feff}\u{2066}c\nd";
    support::write_manifest(run.path(), &[(evil, evil, evil, &[2])], Some(3));
    let mut members = Members::from([(format!("{evil}.post"), support::small_batch()["lif.post"].clone())]);
    members.insert(format!("{evil}.spikes"), members[&format!("{evil}.post")].clone());
    support::write_batch(run.path(), 0, &members, Archive::Stored);
    std::fs::write(run.path().join("batch-1.npz"), "x").expect("a file");
    std::fs::write(run.path().join(format!("{evil}.npz")), "x").expect("a file");
    let words = [
        &["summary", "--format", "text"][..],
        &["summary", "--format", "md"],
        &["compare", "--format", "text"],
        &["compare", "--format", "md"],
        &["doctor"],
        &["watch", "--settle", "0.2", "--state", "none", "--exit-when-finished"],
    ];
    std::fs::write(run.path().join("end.json"), "{}").expect("an end");
    for words in words {
        let more = if words[0] == "compare" { Some(run.path()) } else { None };
        let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_neurotop"))
            .args(words)
            .arg(run.path())
            .args(more)
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .env("XDG_STATE_HOME", support::STATE_HOME)
            .env("LC_ALL", "C.UTF-8")
            .timeout(std::time::Duration::from_secs(60))
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("u{202e}"), "{words:?}: {text}");
        let steers =
            |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{200b}\u{feff}\u{2066}".contains(c);
        assert!(!text.contains(steers), "{words:?}: {text:?}");
        assert!(!text.contains("c\nd"), "{words:?}: a name ends its line");
    }
}

/// Runs the command; returns the exit code and what came out of it, on both ways.
fn neurotop<W: AsRef<std::ffi::OsStr>>(words: impl IntoIterator<Item = W>) -> (i32, String, String) {
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(words)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .env("LC_ALL", "C.UTF-8")
        .timeout(std::time::Duration::from_secs(60))
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("it ends by itself"), text(&output.stdout), text(&output.stderr))
}

/// A name of a directory, or of a file, that ends the line in which it is said.
#[cfg(unix)]
#[test]
fn no_path_makes_a_message_of_its_own() {
    let runs = tempfile::tempdir().expect("a directory");
    let forged = "x\nneurotop: everything is fine";
    let run = runs.path().join(forged);
    std::fs::create_dir(&run).expect("a directory");
    support::small_run(&run, 1);
    std::fs::write(run.join("end.json"), "{}").expect("an end");
    let (missing, export) = (runs.path().join(format!("{forged}, too")), run.join("out.json"));
    let path = |path: &Path| path.as_os_str().to_owned();
    let words = |words: &[&str]| words.iter().map(std::ffi::OsString::from).collect::<Vec<_>>();
    let empty = runs.path().join(format!("{forged}, empty"));
    let file = runs.path().join(format!("{forged}, file"));
    std::fs::create_dir(&empty).expect("a directory");
    std::fs::write(&file, "{").expect("a file");
    for (what, more, code) in [
        (words(&["compare"]), vec![path(runs.path()), path(&run)], 1),
        (words(&["summary"]), vec![path(&missing)], 1),
        (words(&["summary"]), vec![path(&file)], 1),
        (words(&["summary", "--settle", "0.01"]), vec![path(&empty)], 1),
        (words(&["summary", "--export"]), vec![path(&export), path(&run)], 0),
        (words(&["summary", "--export"]), vec![path(&missing.join("out.json")), path(&run)], 1),
        (words(&["summary", "--openmetrics"]), vec![path(&missing.join("out.prom")), path(&run)], 1),
        (words(&["summary", "--config"]), vec![path(&file), path(&run)], 1),
        (words(&["summary", "--baseline"]), vec![path(&file), path(&run)], 1),
        (words(&["merge"]), vec![path(&file)], 1),
        (words(&["compare"]), vec![path(&missing), path(&run)], 1),
        (words(&["watch", "--exit-when-finished", "--state"]), vec![path(&file), path(&run)], 1),
    ] {
        let (ended, _, said) = neurotop(what.iter().chain(&more));
        assert_eq!(ended, code, "{what:?}: {said}");
        assert!(said.contains("\\u{a}neurotop: everything is fine"), "{what:?}: {said}");
        assert!(!said.lines().any(|line| line.starts_with("neurotop: everything")), "{what:?}: {said}");
    }
}

#[test]
fn names_are_only_text_in_markdown() {
    let run = tempfile::tempdir().expect("a directory");
    let names = [
        "![x](https://evil.example/t.png)",
        "[click](https://evil.example)",
        "<img src=//evil.example>",
        "`code`**bold**",
        "@user",
        "www.evil.example",
        "a|b",
        "plain_name.1",
    ];
    let layers: Vec<_> =
        names.iter().map(|name| serde_json::json!({"name": name, "neuron": name, "reset": name})).collect();
    let manifest = serde_json::json!({
        "format": "neurotop", "version": 1, "run": names[0], "producer": names[1], "warnings": names,
        "layers": layers,
    });
    std::fs::write(run.path().join("manifest.json"), manifest.to_string()).expect("a manifest");
    let post = &support::small_batch()["lif.post"];
    let members: Members = names.iter().map(|name| (format!("{name}.post"), post.clone())).collect();
    support::write_batch(run.path(), 0, &members, Archive::Stored);
    let run = run.path().as_os_str();
    let compare = ["compare".as_ref(), "--format".as_ref(), "md".as_ref(), run, run];
    for words in [vec!["summary".as_ref(), "--format".as_ref(), "md".as_ref(), run], compare.to_vec()] {
        let (_, text, said) = neurotop(&words);
        assert!(text.contains("plain_name.1") && text.contains(r"a\|b"), "{text}{said}");
        for live in ["![", "[x]", "[click]", "https://", "<", "@user", "www.", "`code`", "**"] {
            assert!(!text.contains(live), "{words:?}: {live} in\n{text}");
        }
    }
}
