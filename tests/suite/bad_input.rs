//! Bad input: each gets a message that names the file, says what is wrong and what to do; everything
//! else goes on, and nothing is counted twice or halfway.

use crate::support;
use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;
use support::{Archive, Members, Npy, SMALL, small_batch};

struct Outcome {
    code: i32,
    json: Option<Value>,
    stderr: String,
}

fn summary(run: &Path, more: &[&str]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(["summary", "--format", "json", "--settle", "0.3"])
        .args(more)
        .arg(run)
        .env("XDG_CONFIG_HOME", run.join("no-configuration"))
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .output()
        .expect("it runs");
    let json = (!output.stdout.is_empty()).then(|| serde_json::from_slice(&output.stdout).expect("JSON"));
    let code = output.status.code().expect("an exit code");
    Outcome { code, json, stderr: String::from_utf8(output.stderr).expect("text") }
}

/// A run of two good batches beside what `spoil` puts there as batch 1.
fn with_bad_batch(spoil: impl Fn(&Path)) -> Outcome {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 3);
    fs::remove_file(run.path().join("batch-000001.npz")).expect("removed");
    spoil(run.path());
    summary(run.path(), &[])
}

/// The bad batch is set aside whole, named with the reason, and the others count.
fn assert_set_aside(what: &str, name: &str, says: &[&str], spoil: impl Fn(&Path)) {
    let outcome = with_bad_batch(spoil);
    assert_eq!(outcome.code, 3, "{what}: {}", outcome.stderr);
    let json = outcome.json.expect("figures all the same");
    assert_eq!(
        json["account"],
        serde_json::json!({"seen": 3, "counted": 2, "waiting": 0, "set_aside": 1}),
        "{what}"
    );
    assert_eq!(json["total"]["updates"], 2 * SMALL.0, "{what}");
    assert_eq!(json["run"]["samples"], 4, "{what}");
    assert_eq!(json["complete"], false, "{what}");
    assert_eq!(json["problems"].as_array().map(Vec::len), Some(1), "{what}: {}", json["problems"]);
    let problem = &json["problems"][0];
    assert_eq!(problem["path"], name, "{what}");
    let reason = problem["reason"].as_str().expect("a reason");
    for part in says {
        assert!(reason.contains(part), "{what}: {reason:?} does not say {part:?}");
    }
    assert!(reason.contains("; "), "{what}: {reason:?} does not say what to do");
    assert!(outcome.stderr.contains(name) && outcome.stderr.contains(says[0]), "{what}: {}", outcome.stderr);
}

fn assert_members_set_aside(what: &str, says: &[&str], members: &Members) {
    assert_set_aside(what, "batch-000001.npz", says, |run| {
        support::write_batch(run, 1, members, Archive::Stored);
    });
}

fn changed(change: impl Fn(&mut Members)) -> Members {
    let mut members = small_batch();
    change(&mut members);
    members
}

fn post() -> Npy {
    small_batch()["lif.post"].clone()
}

#[test]
fn archives_that_are_none() {
    let good = support::archive_bytes(&small_batch(), Archive::Stored);
    let write =
        |bytes: Vec<u8>| move |run: &Path| fs::write(run.join("batch-000001.npz"), &bytes).expect("a file");
    let name = "batch-000001.npz";
    assert_set_aside("empty", name, &["not a zip archive"], write(Vec::new()));
    assert_set_aside("text", name, &["not a zip archive"], write(b"hello".repeat(100)));
    assert_set_aside("without its end", name, &["without its end"], write(good[..good.len() - 30].to_vec()));
    let mut flipped = good.clone();
    let at = good.windows(4).position(|bytes| bytes == 2_f32.to_le_bytes()).expect("a potential");
    flipped[at] ^= 1;
    assert_set_aside("a flipped bit", name, &["lif.post", "CRC-32"], write(flipped));
    let deflated = support::archive_bytes(&small_batch(), Archive::Deflated);
    for at in [60, 75, 90] {
        let mut flipped = deflated.clone();
        flipped[at] ^= 0xff;
        let outcome = with_bad_batch(write(flipped));
        assert_eq!(outcome.code, 3, "byte {at} of a deflated archive: {}", outcome.stderr);
    }
    let mut renamed = good.clone();
    for at in
        (0..renamed.len() - 8).filter(|&at| renamed[at..].starts_with(b"samples.npy")).collect::<Vec<_>>()
    {
        renamed[at..at + 11].copy_from_slice(b"samples.npx");
    }
    // Without its samples the batch takes them from axis 1, and is whole.
    let outcome = with_bad_batch(write(renamed));
    assert_eq!((outcome.code, outcome.json.expect("figures")["run"]["samples"].as_u64()), (0, Some(6)));
}

#[test]
fn a_member_twice_and_members_that_overlap() {
    let members = changed(|members| {
        members.insert("lof.post".into(), post());
    });
    let good = support::archive_bytes(&members, Archive::Stored);
    let rename = |bytes: &[u8], from: &[u8], to: &[u8]| {
        let mut bytes = bytes.to_vec();
        let places: Vec<usize> =
            (0..bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from)).collect();
        for at in places {
            bytes[at..at + from.len()].copy_from_slice(to);
        }
        bytes
    };
    let twice = rename(&good, b"lof.post", b"lif.post");
    assert_set_aside("a member twice", "batch-000001.npz", &["\"lif.post\" is in it twice"], |run| {
        fs::write(run.join("batch-000001.npz"), &twice).expect("a file");
    });
    // Point the second member's entry in the central directory at the first one's data.
    let mut overlapping = good.clone();
    let entries: Vec<usize> =
        (0..good.len() - 4).filter(|&at| good[at..].starts_with(b"PK\x01\x02")).collect();
    let offset_of_first = good[entries[0] + 42..entries[0] + 46].to_vec();
    overlapping[entries[1] + 42..entries[1] + 46].copy_from_slice(&offset_of_first);
    assert_set_aside("overlapping members", "batch-000001.npz", &["overlap"], |run| {
        fs::write(run.join("batch-000001.npz"), &overlapping).expect("a file");
    });
}

#[test]
fn arrays_that_are_wrong() {
    let with_post = |post: Npy| changed(|members| drop(members.insert("lif.post".into(), post.clone())));
    let shape = |shape: &[usize]| Npy { shape: shape.to_vec(), ..post() };
    let descr = |descr: &str| Npy { descr: descr.into(), ..post() };
    assert_members_set_aside(
        "cut off",
        &["lif.post", "bytes, and its header declares"],
        &with_post(shape(&[3, 2, 3])),
    );
    assert_members_set_aside(
        "too long",
        &["lif.post", "behind its last element"],
        &with_post(shape(&[3, 2, 1])),
    );
    assert_members_set_aside("booleans", &["lif.post", "|b1", "booleans"], &with_post(descr("|b1")));
    assert_members_set_aside("complex", &["lif.post", "<c8"], &with_post(descr("<c8")));
    assert_members_set_aside("pickle", &["lif.post", "pickle"], &with_post(descr("|O")));
    assert_members_set_aside("one axis", &["[12]"], &with_post(shape(&[12])));
    assert_members_set_aside("huge", &["lif.post"], &with_post(shape(&[1 << 31, 1 << 31, 1 << 31])));
    assert_members_set_aside("other neurons", &["[4]", "[2]"], &with_post(shape(&[3, 1, 4])));
    assert_set_aside("no array", "batch-000001", &["lif.post", "magic"], |run| {
        let path = support::write_batch(run, 1, &small_batch(), Archive::Directory);
        fs::write(path.join("lif.post.npy"), "not an array, but long enough").expect("a file");
    });
    assert_set_aside("half a header", "batch-000001", &["lif.post", "end early"], |run| {
        let path = support::write_batch(run, 1, &small_batch(), Archive::Directory);
        fs::write(path.join("lif.post.npy"), &post().bytes()[..40]).expect("a file");
    });
}

#[test]
fn members_that_do_not_go_together() {
    let with = |name: &str, array: Npy| changed(|members| drop(members.insert(name.into(), array.clone())));
    let without_post = |more: &[(&str, Npy)]| {
        changed(|members| {
            members.remove("lif.post");
            members.extend(more.iter().map(|(name, array)| ((*name).to_owned(), array.clone())));
        })
    };
    let bits = support::as_bits(&small_batch());
    let (bits_changed, bits_shape) = (&bits["lif.changed"], &bits["lif.shape"]);
    assert_members_set_aside(
        "pre of another shape",
        &["lif.pre has shape [3, 4, 1]"],
        &with("lif.pre", Npy { shape: vec![3, 4, 1], ..post() }),
    );
    let double = Npy { descr: "<f8".into(), data: vec![0; 96], ..post() };
    assert_members_set_aside("pre of another dtype", &["lif.pre is f8"], &with("lif.pre", double));
    assert_members_set_aside("two forms", &["two forms"], &with("lif.changed", bits_changed.clone()));
    assert_members_set_aside(
        "pre alone",
        &["neither .post nor .changed"],
        &without_post(&[("lif.pre", post())]),
    );
    assert_members_set_aside(
        "bits without shape",
        &["without lif.shape"],
        &without_post(&[("lif.changed", bits_changed.clone())]),
    );
    assert_members_set_aside("a layer missing", &["\"lif\" of the manifest is missing"], &without_post(&[]));
    let short = Npy { shape: vec![0], data: vec![], ..bits_changed.clone() };
    assert_members_set_aside(
        "too few bits",
        &["has 0 bytes", "needs 1"],
        &without_post(&[("lif.changed", short), ("lif.shape", bits_shape.clone())]),
    );
    // Four bits, as with bitorder="little".
    let turned = Npy { data: vec![1], ..bits_changed.clone() };
    let of_four = Npy::integers(&[3], &[3, 1, 2]);
    assert_members_set_aside(
        "bits behind the last element",
        &["lif.changed: bits are set behind its last element", "bitorder"],
        &without_post(&[("lif.changed", turned), ("lif.shape", of_four)]),
    );
    let negative = Npy::integers(&[3], &[3, -2, 2]);
    assert_members_set_aside(
        "negative axis",
        &["lif.shape", "-2"],
        &without_post(&[("lif.changed", bits_changed.clone()), ("lif.shape", negative)]),
    );
    let wide = Npy { descr: "<u2".into(), shape: vec![1], data: vec![0; 2], fortran: false };
    assert_members_set_aside(
        "bits of another dtype",
        &["lif.changed is u2"],
        &without_post(&[("lif.changed", wide), ("lif.shape", bits_shape.clone())]),
    );
    assert_members_set_aside(
        "negative samples",
        &["samples is -1"],
        &with("samples", Npy::integers(&[], &[-1])),
    );
    assert_members_set_aside(
        "two samples",
        &["samples has 2 values"],
        &with("samples", Npy::integers(&[2], &[1, 2])),
    );
    assert_members_set_aside(
        "real samples",
        &["samples is f4"],
        &with("samples", Npy::potentials(&[], [2.0])),
    );
    for (descr, data) in [("|b1", vec![1]), ("<U1", vec![b'2', 0, 0, 0])] {
        let samples = Npy { descr: descr.into(), fortran: false, shape: vec![], data };
        assert_members_set_aside(
            descr,
            &[descr, "write one integer, the number of samples in the batch"],
            &with("samples", samples),
        );
    }
}

#[test]
fn one_bad_layer_sets_the_whole_batch_aside() {
    let run = tempfile::tempdir().expect("a directory");
    support::write_manifest(
        run.path(),
        &[("a", "Leaky", "zero", &[2]), ("b", "Leaky", "zero", &[2])],
        Some(2),
    );
    let good = Members::from([("a.post".to_owned(), post()), ("b.post".to_owned(), post())]);
    let mut bad = good.clone();
    bad.insert("b.post".into(), Npy { descr: "<c8".into(), ..post() });
    support::write_batch(run.path(), 0, &good, Archive::Stored);
    support::write_batch(run.path(), 1, &bad, Archive::Stored);
    let outcome = summary(run.path(), &[]);
    assert_eq!(outcome.code, 3);
    for layer in outcome.json.expect("figures")["layers"].as_array().expect("layers") {
        assert_eq!(layer["updates"], SMALL.0, "{layer}");
    }
}

#[test]
fn a_batch_number_twice_counts_once() {
    for second in ["batch-1.npz", "batch-000001"] {
        let run = tempfile::tempdir().expect("a directory");
        support::small_run(run.path(), 3);
        if second.ends_with("npz") {
            fs::copy(run.path().join("batch-000001.npz"), run.path().join(second)).expect("a copy");
        } else {
            support::write_batch(run.path(), 1, &small_batch(), Archive::Directory);
        }
        let outcome = summary(run.path(), &[]);
        assert_eq!(outcome.code, 3, "{second}");
        let json = outcome.json.expect("figures");
        assert_eq!(json["total"]["updates"], 3 * SMALL.0, "{second}");
        assert!(outcome.stderr.contains("batch number 1 is there twice"), "{second}: {}", outcome.stderr);
    }
}

#[test]
fn things_that_are_not_what_their_name_says() {
    assert_set_aside("a directory", "batch-000001.npz", &["is a directory"], |run| {
        fs::create_dir(run.join("batch-000001.npz")).expect("a directory");
    });
    assert_set_aside("a file", "batch-000001", &["without a suffix"], |run| {
        fs::write(run.join("batch-000001"), "x").expect("a file");
    });
    assert_set_aside("a link", "batch-000001.npz", &["symbolic link"], |run| {
        std::os::unix::fs::symlink("batch-000000.npz", run.join("batch-000001.npz")).expect("a link");
    });
    assert_set_aside(
        "an empty directory",
        "batch-000001",
        &["neither a layer nor the number of samples"],
        |run| {
            fs::create_dir(run.join("batch-000001")).expect("a directory");
        },
    );
}

#[test]
fn names_with_terminal_escapes_are_shown_escaped() {
    let run = tempfile::tempdir().expect("a directory");
    let name = "lif\u{1b}[2J\u{202e}";
    support::write_manifest(run.path(), &[(name, "Leaky\u{7}", "zero", &[2])], Some(1));
    let members = Members::from([(format!("{name}.post"), post())]);
    support::write_batch(run.path(), 0, &members, Archive::Stored);
    for format in ["text", "md"] {
        let output = Command::new(env!("CARGO_BIN_EXE_neurotop"))
            .args(["summary", "--format", format])
            .arg(run.path())
            .output()
            .expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text")
            + &String::from_utf8(output.stderr).expect("text");
        assert!(text.contains("u{1b}"), "{format}: {text:?}");
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{format}: {text:?}");
    }
}

#[test]
fn manifests_that_are_none() {
    for (manifest, says) in [
        ("", "not a manifest"),
        ("{\"format\": \"neurotop\", ", "not a manifest"),
        ("[1, 2]", "not a manifest"),
        ("{\"format\": \"other\", \"version\": 1}", "format"),
        ("{\"format\": \"neurotop\", \"version\": 1, \"layers\": [{}]}", "not a manifest"),
    ] {
        let run = tempfile::tempdir().expect("a directory");
        support::small_run(run.path(), 2);
        fs::write(run.path().join("manifest.json"), manifest).expect("a file");
        let outcome = summary(run.path(), &[]);
        assert_eq!(outcome.code, 3, "{manifest}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("manifest.json") && outcome.stderr.contains(says),
            "{}",
            outcome.stderr
        );
        let json = outcome.json.expect("the batches are counted all the same");
        assert_eq!(json["total"]["updates"], 2 * SMALL.0, "{manifest}");
        assert_eq!(json["layers"][0]["ops_per_update"], Value::Null, "{manifest}");
        assert_eq!(json["complete"], false, "{manifest}");
        let priced = summary(run.path(), &["--neuron", "Leaky", "--reset", "zero"]).json.expect("figures");
        assert_eq!(priced["total"]["effective_ops"], 2 * 4 * SMALL.0, "{manifest}");
    }
}

#[test]
fn a_newer_manifest_is_refused() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 2);
    fs::write(run.path().join("manifest.json"), r#"{"format": "neurotop", "version": 2}"#).expect("a file");
    let outcome = summary(run.path(), &[]);
    assert_eq!((outcome.code, outcome.json), (1, None));
    assert!(
        outcome.stderr.contains("version 2") && outcome.stderr.contains("update neurotop"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn an_end_that_is_none_is_named() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 2);
    fs::write(run.path().join("end.json"), "{").expect("a file");
    let outcome = summary(run.path(), &[]);
    assert_eq!(outcome.code, 3);
    assert!(outcome.stderr.contains("end.json"), "{}", outcome.stderr);
    assert_eq!(outcome.json.expect("figures")["total"]["updates"], 2 * SMALL.0);
}

#[test]
fn directories_that_are_no_run() {
    let place = tempfile::tempdir().expect("a directory");
    let check = |path: &Path, says: &str| {
        let outcome = summary(path, &[]);
        assert_eq!((outcome.code, outcome.json), (1, None), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&path.display().to_string()), "{}", outcome.stderr);
    };
    check(&place.path().join("nowhere"), "does not exist");
    check(place.path(), "neither manifest.json nor a batch");
    let file = place.path().join("file");
    fs::write(&file, "x").expect("a file");
    check(&file, "is a file");
    check(&file, "neurotop export");
}

#[test]
fn a_file_that_is_no_batch_is_mentioned_and_nothing_else() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 2);
    fs::copy(run.path().join("batch-000000.npz"), run.path().join("batch_7.npz")).expect("a copy");
    fs::write(run.path().join("notes.txt"), "x").expect("a file");
    let outcome = summary(run.path(), &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("batch_7.npz") && !outcome.stderr.contains("notes.txt"),
        "{}",
        outcome.stderr
    );
    let json = outcome.json.expect("figures");
    assert_eq!(
        (json["complete"].as_bool(), json["problems"][0]["severity"].as_str()),
        (Some(true), Some("notice"))
    );
}

#[cfg(not(feature = "object-store"))]
#[test]
fn a_url_says_how_to_build_with_object_stores() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(["summary", "s3://bucket/run"])
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("s3://bucket/run: this neurotop was built without object stores"), "{said}");
    assert!(said.contains("--features object-store"), "{said}");
}
