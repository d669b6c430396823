//! Runs in an object store, read from a real S3 server on loopback: the figures are those of the same run on
//! disk, whatever happens between.
#![cfg(target_os = "linux")]

mod store;
#[path = "../support/mod.rs"]
mod support;

use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;
use store::{Dav, Fault, Proxy, Store, neurotop, without_credentials};
use support::watch::Watch;
use support::{Archive, Members, Npy, SMALL, small_batch};
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn summary(endpoint: SocketAddr, url: &str) -> Output {
    neurotop(endpoint).args(["summary", "--format", "json", url]).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn figures(output: &Output) -> Value {
    assert!(output.status.success(), "{:?}: {}", output.status, text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What a run on disk gives, without its own name and the path.
fn local(run: &Path) -> Value {
    figures(&summary(store::closed(), run.to_str().expect("text")))
}

/// The figures of a summary, which must not depend on where the run is.
fn same(mut summary: Value) -> Value {
    let fields = summary.as_object_mut().expect("an object");
    fields.retain(|name, _| {
        ["total", "neurons", "layers", "neurobench", "account", "complete"].contains(&name.as_str())
    });
    summary
}

fn small() -> Vec<u8> {
    support::archive_bytes(&small_batch(), Archive::Stored)
}

/// A batch of one layer `lif` of `steps` steps, every element of a step the same: `changes` of the later
/// steps differ from the step before.
fn long_batch(steps: usize, neurons: usize, changes: usize) -> Vec<u8> {
    let value = |step: usize| step.min(changes) as f32;
    let values = (0..steps).flat_map(|step| std::iter::repeat_n(value(step), 2 * neurons));
    let members = Members::from([
        ("samples".to_owned(), Npy::integers(&[], &[2])),
        ("lif.post".to_owned(), Npy::potentials(&[steps, 2, neurons], values)),
    ]);
    support::archive_bytes(&members, Archive::Stored)
}

/// A run with two small batches and one that is read in ranges.
fn mixed_run(run: &Path) {
    support::write_manifest(run, &[("lif", "Leaky", "zero", &[1000])], Some(3));
    for (number, changes) in [(0, 3), (1, 1999)] {
        fs::write(run.join(format!("batch-{number:06}.npz")), long_batch(20, 1000, changes))
            .expect("a batch");
    }
    fs::write(run.join("batch-000002.npz"), long_batch(4000, 1000, 777)).expect("a batch");
}

fn start(endpoint: SocketAddr, url: &str, more: &[&str]) -> Watch {
    let more = [&["--poll", "0.2"], more].concat();
    Watch::start(neurotop(endpoint), url, &more)
}

#[test]
fn golden_runs_give_their_figures() {
    let store = Store::start();
    for name in support::golden_names() {
        let run = support::golden(&name);
        store.upload(&run, &format!("golden/{name}"));
        let output = summary(store.address, &format!("s3://snn/golden/{name}/"));
        let ours = figures(&output);
        assert_eq!(same(ours.clone()), same(local(&run)), "{name}");
        let expected = support::json(&run.join("expected.json"));
        for key in ["NeuronOperations", "MembraneUpdates"] {
            if let Some(official) = expected.get(key) {
                assert_eq!(&ours["neurobench"][key], official, "{name}: {key}");
            }
        }
    }
    let several = summary(store.address, "s3://snn/golden");
    let runs = figures(&several)["runs"].as_array().expect("a list of runs").len();
    assert_eq!((several.status.code(), runs), (Some(0), support::golden_names().len()));
    let compared = neurotop(store.address)
        .args(["compare", "--format", "json", "s3://snn/golden/alpha-zero"])
        .arg(support::golden("alpha-zero"))
        .output()
        .expect("it runs");
    let compared = figures(&compared);
    assert!(compared.to_string().contains("s3://snn/golden/alpha-zero"), "{compared}");
}

#[test]
fn a_run_is_watched_as_it_grows() {
    let (store, run) = (Store::start(), directory());
    support::copy_run(&support::golden("conv-mixed-digits"), run.path());
    let mut watch = start(store.address, "s3://snn/runs/live", &[]);
    watch.until_logged(&["nothing is there yet"]);
    let put = |name: &str| {
        store.put(&format!("runs/live/{name}"), fs::read(run.path().join(name)).expect("a file"))
    };
    put("manifest.json");
    watch.until_logged(&["manifest.json was read"]);
    for number in 0..4 {
        put(&format!("batch-{number:06}.npz"));
        watch.until_logged(&["counted", &format!("batch-{number:06}.npz")]);
    }
    fs::write(run.path().join("end.json"), "{\"batches\": 4}").expect("an end");
    put("end.json");
    let (code, export) = watch.ends();
    assert_eq!(code, 0, "{}", watch.said());
    assert_eq!(same(export), same(local(run.path())));
    assert!(!watch.log().contains(store::SECRET));
}

#[test]
fn a_directory_batch_is_a_prefix_and_is_counted_once_it_is_whole() {
    let (store, run) = (Store::start(), directory());
    support::copy_run(&support::golden("directory-batches"), run.path());
    let mut watch = start(store.address, "s3://snn/live", &[]);
    fs::write(run.path().join("end.json"), "{\"batches\": 3}").expect("an end");
    store.upload(run.path(), "live");
    let (code, export) = watch.ends();
    assert_eq!((code, same(export)), (0, same(local(run.path()))), "{}", watch.said());
}

#[test]
fn a_replaced_batch_counts_as_it_is_now() {
    let store = Store::start();
    let manifest = directory();
    support::write_manifest(manifest.path(), &[("lif", "Leaky", "zero", &[2])], Some(2));
    store.upload(manifest.path(), "run");
    let batch = |changes: usize| long_batch(3, 1, changes);
    store.put("run/batch-000000.npz", batch(0));
    let mut watch = start(store.address, "s3://snn/run", &["--neuron", "lif=Leaky"]);
    watch.until_logged(&["set aside"]);
    store.put("run/batch-000000.npz", small());
    watch.until_logged(&["counted", "batch-000000.npz"]);
    store.put("run/batch-000001.npz", small());
    let (code, export) = watch.ends();
    assert_eq!(code, 0, "{}", watch.said());
    assert_eq!(export["total"]["updates"], 2 * SMALL.0);
}

/// Every plan of faults ends with the figures of the run on disk.
#[test]
fn cut_connections_busy_servers_and_slow_answers_change_nothing() {
    let (store, run) = (Store::start(), directory());
    mixed_run(run.path());
    store.upload(run.path(), "run");
    let expected = same(local(run.path()));
    type Plan = fn(&store::Request) -> Fault;
    let plans: [(&str, Plan); 4] =
        [
            ("cut", |request| {
                if request.reads_a_batch() && request.number % 2 == 0 {
                    Fault::CutAfter(30_000)
                } else {
                    Fault::None
                }
            }),
            (
                "cut in the head",
                |request| if request.number % 3 == 1 { Fault::CutAfter(20) } else { Fault::None },
            ),
            ("busy", |request| if request.number % 2 == 0 { Fault::Busy } else { Fault::None }),
            ("slow", |request| {
                if request.number % 4 == 0 { Fault::Slow(Duration::from_millis(300)) } else { Fault::None }
            }),
        ];
    for (name, plan) in plans {
        let proxy = Proxy::before(&store, plan);
        let output = summary(proxy.address, "s3://snn/run");
        assert_eq!(same(figures(&output)), expected, "{name}");
        assert!(proxy.requests().len() > 5, "{name}: {:?}", proxy.requests());
    }
}

#[test]
fn a_large_batch_is_read_in_ranges_and_no_byte_much_more_than_once() {
    let (store, run) = (Store::start(), directory());
    mixed_run(run.path());
    store.upload(run.path(), "run");
    let proxy = Proxy::before(&store, |_| Fault::None);
    assert_eq!(same(figures(&summary(proxy.address, "s3://snn/run"))), same(local(run.path())));
    let large = proxy.requests().iter().filter(|request| request.contains("batch-000002.npz")).count();
    // 32 MB in blocks of up to 4 MiB, the few smaller ones before them, and the looks at it.
    assert!((8..=24).contains(&large), "{large} requests: {:?}", proxy.requests());
}

/// The new object has the same size, so that only its version tells it from the old one.
#[test]
fn an_object_that_is_replaced_while_it_is_read_is_never_counted_half_and_half() {
    let (store, run) = (Arc::new(Store::start()), directory());
    mixed_run(run.path());
    store.upload(run.path(), "run");
    let new = long_batch(4000, 1000, 3999);
    fs::write(run.path().join("batch-000002.npz"), &new).expect("a batch");
    let reads = AtomicUsize::new(0);
    let inner = Arc::clone(&store);
    let proxy = Proxy::before(&store, move |request| {
        if request.reads_a_batch()
            && request.target.contains("batch-000002")
            && reads.fetch_add(1, Ordering::Relaxed) == 4
        {
            inner.put("run/batch-000002.npz", new.clone());
        }
        Fault::None
    });
    let mut watch = start(proxy.address, "s3://snn/run", &[]);
    let (code, export) = watch.ends();
    assert_eq!(code, 0, "{}", watch.said());
    assert_eq!(same(export), same(local(run.path())));
}

#[test]
fn a_server_that_is_gone_is_said_and_waited_for() {
    let (store, run) = (Store::start(), directory());
    support::small_run(run.path(), 4);
    store.put("run/manifest.json", fs::read(run.path().join("manifest.json")).expect("a manifest"));
    store.put("run/batch-000000.npz", small());
    let proxy = Proxy::before(&store, |_| Fault::None);
    let mut watch = start(proxy.address, "s3://snn/run", &[]);
    watch.until_logged(&["counted", "batch-000000.npz"]);
    proxy.set_down(true);
    watch.until_logged(&["cannot be reached"]);
    for number in 1..4 {
        store.put(&format!("run/batch-{number:06}.npz"), small());
    }
    proxy.set_down(false);
    let (code, export) = watch.ends();
    assert_eq!((code, same(export)), (0, same(local(run.path()))), "{}", watch.said());
    assert!(watch.said().contains("waiting for s3://snn/run (cannot be listed: "), "{}", watch.said());
}

/// A batch that could not be read is named, and read once the server is well again.
#[test]
fn a_batch_that_cannot_be_reached_is_named_and_tried_again() {
    let (store, run) = (Store::start(), directory());
    support::small_run(run.path(), 2);
    store.upload(run.path(), "run");
    let is_sick = Arc::new(AtomicUsize::new(1));
    let sick = Arc::clone(&is_sick);
    let proxy = Proxy::before(&store, move |request| {
        let is_struck = request.reads_a_batch() && request.target.contains("batch-000001");
        if is_struck && sick.load(Ordering::Relaxed) == 1 { Fault::Busy } else { Fault::None }
    });
    let once = summary(proxy.address, "s3://snn/run");
    assert_eq!(once.status.code(), Some(3), "{}", text(&once.stderr));
    let said = text(&once.stderr);
    assert!(said.contains("batch-000001.npz: set aside") && said.contains("503 (SlowDown)"), "{said}");
    let mut watch = start(proxy.address, "s3://snn/run", &[]);
    watch.until_logged(&["set aside", "batch-000001.npz", "SlowDown"]);
    is_sick.store(0, Ordering::Relaxed);
    let (code, export) = watch.ends();
    assert_eq!((code, same(export)), (0, same(local(run.path()))), "{}", watch.said());
}

#[test]
fn a_restart_reads_no_batch_again() {
    let (store, run) = (Store::start(), directory());
    support::small_run(run.path(), 3);
    store.upload(run.path(), "run");
    let state = run.path().join("state");
    let state = state.to_str().expect("text");
    let mut first = start(store.address, "s3://snn/run", &["--state", state]);
    let (_, expected) = first.ends();
    let proxy = Proxy::before(&store, |_| Fault::None);
    let mut second = start(proxy.address, "s3://snn/run", &["--state", state]);
    let (code, again) = second.ends();
    assert_eq!((code, same(again)), (0, same(expected)));
    let read = proxy.requests().into_iter().filter(|request| request.starts_with("GET /snn/run/batch-"));
    assert_eq!(read.collect::<Vec<_>>(), Vec::<String>::new());
    assert!(second.said().contains("resumed after 3 batches"), "{}", second.said());
}

#[test]
fn two_hundred_megabytes_stream_through_bounded_memory() {
    let store = Store::start();
    let manifest = directory();
    support::write_manifest(manifest.path(), &[("lif", "Leaky", "zero", &[25_000])], Some(1));
    store.upload(manifest.path(), "run");
    store.put("run/batch-000000.npz", long_batch(1000, 25_000, 500));
    let mut child = neurotop(store.address)
        .args(["summary", "--format", "json", "--threads", "2", "s3://snn/run"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().expect("a process").is_none() {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let peak =
            line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<u64>().ok());
        most = most.max(peak.unwrap_or(0));
        sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().expect("its output");
    assert_eq!(figures(&output)["total"]["updates"], 501 * 50_000);
    assert!(most > 0 && most < 80 << 10, "200 MB took {most} KiB");
}

#[test]
fn what_is_wrong_is_said_at_once() {
    let store = Store::start();
    let said = |output: Output| {
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    for (url, part) in [
        ("s3://nobucket/run", "there is no bucket \"nobucket\""),
        ("s3://snn/nothing", "nothing is there yet"),
        ("ftp://host/run", "runs cannot be read from ftp://"),
        ("s3:///run", "the URL names no bucket"),
        ("s3://snn/a//b", "no key is such"),
    ] {
        let said = said(summary(store.address, url));
        assert!(said.contains(url) && said.contains(part), "{said}");
    }
    let refused = said(summary(store::closed(), "s3://snn/run"));
    assert!(refused.contains("cannot be reached") && refused.contains("refused"), "{refused}");
    let run = without_credentials(store.address).args(["summary", "s3://snn/run"]).output();
    let none = said(run.expect("it runs"));
    assert!(none.contains("there are no credentials; set AWS_ACCESS_KEY_ID"), "{none}");
    let run = neurotop(store.address)
        .env("AWS_SECRET_ACCESS_KEY", "wrong")
        .args(["summary", "s3://snn/run"])
        .output();
    let wrong = said(run.expect("it runs"));
    assert!(wrong.contains("the store refuses access"), "{wrong}");
    let login = said(summary(store.address, "s3://id:hidden@snn/run"));
    assert!(login.contains("credentials do not belong") && !login.contains("hidden"), "{login}");
}

#[test]
fn nothing_is_deleted_in_a_store() {
    let store = Store::start();
    let run = neurotop(store.address).args(["watch", "--prune", "s3://snn/run"]).output().expect("it runs");
    assert_eq!(run.status.code(), Some(2));
    assert!(
        text(&run.stderr).contains("--prune deletes nothing in an object store"),
        "{}",
        text(&run.stderr)
    );
}

#[test]
fn foreign_keys_are_left_alone_however_many_and_a_hostile_name_is_named() {
    let (store, run) = (Store::start(), directory());
    support::small_run(run.path(), 2);
    store.upload(run.path(), "run");
    // More than a page of the listing.
    for number in 0..1100 {
        store.put(&format!("run/notes-{number:05}.txt"), Vec::new());
    }
    store.put("run/checkpoints/deep/batch-000007.npz", small());
    store.put("run/batch-000001.npz.tmp", Vec::new());
    store.put("run/batch-\u{202e}9.npz", small());
    let output = summary(store.address, "s3://snn/run");
    let ours = figures(&output);
    assert_eq!(ours["total"]["updates"], 2 * SMALL.0);
    assert_eq!(ours["account"], local(run.path())["account"]);
    let said = text(&output.stderr);
    assert!(said.contains("\\u{202e}") && !said.contains('\u{202e}'), "{said}");
}

#[test]
fn the_doctor_looks_into_a_store() {
    let (store, run) = (Store::start(), directory());
    support::small_run(run.path(), 2);
    store.upload(run.path(), "run");
    let doctor = |url: &str| {
        let output = neurotop(store.address).args(["doctor", "--format", "json", "--deep", url]).output();
        let output = output.expect("it runs");
        let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), said)
    };
    let (code, said) = doctor("s3://snn/run");
    assert_eq!((code, &said["kind"]), (Some(0), &Value::from("run")), "{said}");
    assert_eq!(said["runs"][0]["batches"]["updates"], 2 * SMALL.0);
    assert_eq!(said["place"]["file_system"], "object store (s3)");
    let (_, said) = doctor("s3://snn/run/batch-000001.npz");
    assert_eq!(
        (&said["kind"], &said["runs"][0]["batches"]["readable"]),
        (&"batch".into(), &1.into()),
        "{said}"
    );
    let (code, said) = doctor("s3://nobucket/run");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.to_string().contains("there is no bucket"), "{said}");
}

/// `ann:hidden` in base 64.
const LOGIN: &str = "Basic YW5uOmhpZGRlbg==";

#[test]
fn a_webdav_server_is_read_and_its_login_is_never_shown() {
    let (runs, place) = (directory(), directory());
    for name in ["alpha-zero", "directory-batches"] {
        support::copy_run(&support::golden(name), &runs.path().join(name));
    }
    mixed_run(&runs.path().join("mixed"));
    let dav = Dav::start(runs.path(), LOGIN, true);
    let (export, log) = (place.path().join("out.json"), place.path().join("log"));
    for name in ["alpha-zero", "directory-batches", "mixed"] {
        let url = format!("http://ann:hidden@{}/{name}?token=secret", dav.address);
        let output = neurotop(store::closed())
            .args(["summary", "--format", "json", "--log-level", "debug", &url, "--export"])
            .arg(&export)
            .arg("--log")
            .arg(&log)
            .output()
            .expect("it runs");
        assert_eq!(same(figures(&output)), same(local(&runs.path().join(name))), "{name}");
        let written =
            [text(&output.stdout), text(&output.stderr), fs::read_to_string(&export).expect("an export")];
        for text in written.into_iter().chain([fs::read_to_string(&log).expect("a log")]) {
            assert!(!text.contains("hidden") && !text.contains("secret") && !text.contains("YW5u"), "{text}");
        }
    }
    let wrong = summary(store::closed(), &format!("http://ann:other@{}/mixed", dav.address));
    assert_eq!(wrong.status.code(), Some(1));
    let said = text(&wrong.stderr);
    assert!(said.contains("the store refuses access") && !said.contains("other"), "{said}");
}

#[test]
fn a_server_that_lists_nothing_is_named_as_such() {
    let runs = directory();
    let dav = Dav::start(runs.path(), LOGIN, false);
    let output = summary(store::closed(), &format!("http://ann:hidden@{}/run", dav.address));
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("it does not speak WebDAV (PROPFIND)"), "{said}");
}

#[test]
fn ranks_and_shards_of_a_run_in_a_store_are_those_on_disk() {
    let (store, place) = (Store::start(), directory());
    let run = place.path().join("run");
    support::write_manifest(&run, &[("lif", "Leaky", "zero", &[2])], Some(6));
    for number in 0..3 {
        support::write_batch(&run.join("rank-0"), number, &small_batch(), Archive::Stored);
    }
    support::write_batch(&run.join("rank-2"), 1, &small_batch(), Archive::Directory);
    for name in ["rank-1.batch-0.npz", "batch-7.npz"] {
        fs::write(run.join(name), small()).expect("a batch");
    }
    store.upload(&run, "runs/ranks");
    let url = "s3://snn/runs/ranks";
    let whole = figures(&summary(store.address, url));
    let on_disk = local(&run);
    assert_eq!(whole["account"]["counted"], 6);
    assert_eq!(same(whole.clone()), same(on_disk.clone()));
    let of_ranks = |summary: &Value| -> Vec<Value> {
        let ranks = summary["ranks"].as_array().expect("ranks");
        ranks.iter().map(|rank| serde_json::json!([rank["rank"], rank["batches"], rank["samples"]])).collect()
    };
    assert_eq!(of_ranks(&whole).len(), 3);
    assert_eq!(of_ranks(&whole), of_ranks(&on_disk));
    let parts = [1, 2, 3].map(|shard| {
        let part = place.path().join(format!("part-{shard}.json"));
        let shard = format!("{shard}/3");
        let output =
            neurotop(store.address).args(["summary", url, "--shard", &shard, "-o"]).arg(&part).output();
        assert!(output.expect("it runs").status.success());
        part
    });
    let merged = neurotop(store.address).args(["merge", "--format", "json"]).args(parts).output();
    assert_eq!(same(figures(&merged.expect("it runs"))), same(whole));
}
