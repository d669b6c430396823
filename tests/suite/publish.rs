//! What is published while runs are counted: the OpenMetrics text for any names, the server and its clients,
//! and what cannot be written. What TensorBoard and Prometheus make of it is tested in `tests/python`.

use crate::support;
use neurotop::figures::Summary;
use neurotop::publish::{CONTENT_TYPE, MAX_LAYERS, RunState, render};
use neurotop::run::{Addition, Run};
use neurotop::snapshot::Manifest;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::SystemTime;
use support::{PATIENCE, until};
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    command.env("XDG_CONFIG_HOME", "/nonexistent").env("XDG_STATE_HOME", support::STATE_HOME);
    command
}

fn output(command: &mut Command) -> Output {
    command.output().expect("it runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The labels of a sample, and its value.
type Sample = (BTreeMap<String, String>, String);

/// Reads OpenMetrics text strictly; returns the samples by the names of the metrics.
fn parse(text: &str) -> BTreeMap<String, Vec<Sample>> {
    let mut metrics: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    let mut current = String::new();
    let mut seen = HashSet::new();
    let body = text.strip_suffix("# EOF\n").expect("the end");
    for line in body.strip_suffix('\n').expect("whole lines").split('\n') {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (kind, name) = (words.next().expect("a kind"), words.next().expect("a name"));
            let rest = words.next().expect("a text");
            match kind {
                "HELP" => {
                    assert!(metrics.insert(name.into(), Vec::new()).is_none(), "{name} is there twice");
                    current = name.into();
                }
                "TYPE" => assert_eq!((name, rest), (current.as_str(), "gauge")),
                "UNIT" => assert!(name == current && name.ends_with(&format!("_{rest}")), "{line}"),
                other => panic!("{other}"),
            }
            continue;
        }
        let (name, labels, value) = sample(line);
        assert_eq!(name, current, "{line}");
        assert!(seen.insert((name.clone(), labels.clone())), "{line} is there twice");
        assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
        metrics.get_mut(&name).expect("a metric").push((labels, value));
    }
    metrics
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, String) {
    let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a value"));
    let mut labels = BTreeMap::new();
    let Some(mut rest) = rest.strip_prefix('{') else { return (name.into(), labels, rest[1..].into()) };
    loop {
        let (label, more) = rest.split_once("=\"").expect("a label");
        let (mut value, mut characters) = (String::new(), more.char_indices());
        let end = loop {
            match characters.next().expect("an end of the label") {
                (at, '"') => break at,
                (_, '\\') => match characters.next().expect("an escaped character").1 {
                    'n' => value.push('\n'),
                    escaped @ ('"' | '\\') => value.push(escaped),
                    other => panic!("{other} is escaped"),
                },
                (_, other) => value.push(other),
            }
        };
        assert!(labels.insert(label.to_owned(), value).is_none(), "{label} is there twice");
        rest = &more[end + 1..];
        if let Some(value) = rest.strip_prefix("} ") {
            return (name.into(), labels, value.into());
        }
        rest = rest.strip_prefix(',').expect("another label");
    }
}

fn manifest(layers: impl IntoIterator<Item = String>) -> Arc<Manifest> {
    let layer = |name| serde_json::json!({"name": name, "neuron": "Leaky", "reset": "zero"});
    let layers: Vec<_> = layers.into_iter().map(layer).collect();
    let text = serde_json::json!({"format": "neurotop", "version": 1, "layers": layers}).to_string();
    Arc::new(Manifest::parse(text.as_bytes()).expect("a manifest"))
}

fn state(label: &str, layers: impl IntoIterator<Item = String>) -> RunState {
    let mut run = Run::new(support::settings(label, true));
    run.take_manifest(manifest(layers));
    let summary = Arc::new(Summary::without_steps(&run, SystemTime::now()));
    RunState { label: label.into(), summary, last_batch: run.last_activity() }
}

proptest! {
    #[test]
    fn any_names_give_text_that_can_be_read(
        runs in prop::collection::btree_map(".{0,8}|[\\\\\"\n{},= #]{0,8}", prop::collection::btree_set(".{0,8}|[\\\\\"\n{},= #]{1,8}|a{119,122}", 0..5), 0..4),
    ) {
        let states: Vec<RunState> =
            runs.iter().map(|(label, layers)| state(label, layers.iter().filter(|name| !name.is_empty()).cloned())).collect();
        let metrics = parse(&render(&states));
        let labels: BTreeSet<&str> = metrics["neurotop_samples"].iter().map(|sample| sample.0["run"].as_str()).collect();
        prop_assert_eq!(labels, runs.keys().map(String::as_str).collect::<BTreeSet<_>>());
        for (label, layers) in &runs {
            let told = metrics["neurotop_layer_updates"].iter().filter(|sample| &sample.0["run"] == label);
            let told: BTreeSet<&str> = told.map(|sample| sample.0["layer"].as_str()).collect();
            let short: BTreeSet<&str> = layers.iter().filter(|name| !name.is_empty() && name.len() <= 120).map(String::as_str).collect();
            prop_assert!(told.is_superset(&short), "{:?} {:?}", told, short);
        }
    }
}

#[test]
fn layers_beyond_the_bound_are_counted_as_left_out() {
    let layers = |count: usize| (0..count).map(|at| at.to_string());
    let text = render(&[state("a", layers(MAX_LAYERS - 1)), state("b", layers(3))]);
    let metrics = parse(&text);
    assert_eq!(metrics["neurotop_layer_updates"].len(), MAX_LAYERS);
    assert_eq!(metrics["neurotop_layers_left_out"][0].1, "2");
}

#[test]
fn integers_have_all_their_digits() {
    let mut run = Run::new(support::settings("x", true));
    run.take_manifest(manifest(["lif".to_owned()]));
    let layers = neurotop::count::LayerCount { updates: u64::MAX, dense: u64::MAX, ..Default::default() };
    let shapes = [neurotop::snapshot::LayerShape { name: "lif".into(), neurons: None }];
    for number in 0..3 {
        let count = neurotop::count::BatchCount {
            samples: 1,
            shapes: shapes.to_vec().into(),
            layers: vec![layers.clone()],
        };
        let (name, modified) = (format!("batch-{number}.npz"), SystemTime::now());
        run.add(Addition::new(number.into(), name, modified, 1, count), modified);
    }
    let summary = Arc::new(Summary::new(&run.concluded(SystemTime::now()), SystemTime::now()));
    let metrics = parse(&render(&[RunState { label: "x".into(), summary, last_batch: None }]));
    let sum = 3 * u128::from(u64::MAX);
    assert_eq!(metrics["neurotop_updates"][0].1, sum.to_string());
    assert_eq!(metrics["neurotop_layer_effective_operations"][0].1, (4 * sum).to_string());
    assert!(
        metrics["neurotop_last_batch_timestamp_seconds"].is_empty(),
        "there is no value for what is unknown"
    );
}

#[test]
fn the_energy_has_a_metric_where_it_is_asked_for() {
    let names = ["neurotop_energy_per_sample_picojoules", "neurotop_layer_energy_per_sample_picojoules"];
    for (energy, value) in [(Some("250fJ"), Some("0.0")), (None, None)] {
        let mut settings = support::settings("x", true);
        settings.costs = settings.costs.with_energy(energy.map(|energy| energy.parse().expect("an energy")));
        let mut run = Run::new(settings);
        run.take_manifest(manifest(["lif".to_owned()]));
        let summary = Arc::new(Summary::without_steps(&run, SystemTime::now()));
        let metrics = parse(&render(&[RunState { label: "x".into(), summary, last_batch: None }]));
        for name in names {
            let sample = metrics.get(name).and_then(|samples| samples.first());
            assert_eq!(sample.map(|sample| sample.1.as_str()), value, "{name}");
        }
        assert_eq!(metrics["neurotop_saved_operations_per_sample"][0].1, "0.0");
    }
}

/// `neurotop watch` that serves.
struct Served {
    child: Child,
    address: SocketAddr,
}

impl Served {
    fn start(run: &Path) -> Self {
        Self::start_at(run, ":0")
    }

    fn start_at(run: &Path, address: &str) -> Self {
        let mut child = command()
            .args(["watch", "--state", "none", "--openmetrics", address])
            .arg(run)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut said = String::new();
        BufReader::new(child.stderr.as_mut().expect("a pipe")).read_line(&mut said).expect("a line");
        let (_, rest) = said.split_once("http://").expect("an address");
        let address = rest.split_once("/metrics").expect("the path").0.parse().expect("an address");
        Self { child, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream
    }

    /// The head and the body of the answer to a request.
    fn ask(&self, request: &[u8]) -> (String, String) {
        let mut stream = self.connect();
        // An answer may come before all of the request is read.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        (head.to_owned(), body.to_owned())
    }

    /// The metrics; `None` where others are answered first.
    fn scrape(&self) -> Option<BTreeMap<String, Vec<Sample>>> {
        let (head, body) = self.ask(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n");
        if head.starts_with("HTTP/1.1 503 ") {
            return None;
        }
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Type: {CONTENT_TYPE}\r\n")), "{head}");
        Some(parse(&body))
    }

    /// Scrapes until a metric of a run has a value.
    #[track_caller]
    fn until(&self, metric: &str, labels: &[(&str, &str)], value: &str) {
        let matches = |sample: &&Sample| labels.iter().all(|(label, is)| sample.0[*label] == *is);
        until(&format!("{metric} of {labels:?} is {value}"), || {
            let metrics = self.scrape();
            let found = metrics.as_ref().and_then(|metrics| metrics[metric].iter().find(matches));
            found.is_some_and(|sample| sample.1 == value)
        });
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_is_counted_can_be_scraped_while_it_is_counted() {
    let run = directory();
    support::small_run(run.path(), 1);
    let served = Served::start(run.path());
    assert!(served.address.ip().is_loopback());
    served.until("neurotop_batches", &[("run", "test-run"), ("state", "counted")], "1");
    support::write_batch(run.path(), 1, &support::small_batch(), support::Archive::Stored);
    let label = [("run", "test-run"), ("layer", "lif"), ("neuron", "Leaky")];
    served.until("neurotop_layer_updates", &label, "18");
    served.until("neurotop_effective_operations", &[("run", "test-run")], "72");
    fs::write(run.path().join("batch-000002.npz"), "no batch").expect("a file");
    served.until("neurotop_problems", &[("severity", "set_aside")], "1");
}

#[test]
fn several_runs_have_a_label_each_also_under_one_name() {
    let runs = directory();
    for name in ["a", "b"] {
        support::small_run(&runs.path().join(name), 2);
    }
    let served = Served::start(runs.path());
    served.until("neurotop_samples", &[("run", "test-run")], "4");
    served.until("neurotop_samples", &[("run", "test-run-2")], "4");
}

#[test]
fn only_metrics_are_served_and_only_for_reading() {
    let run = directory();
    support::small_run(run.path(), 1);
    let served = Served::start(run.path());
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("GET /metrics/../../etc/passwd HTTP/1.1\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"),
        ("nonsense\r\n\r\n", "400"),
    ] {
        let (head, _) = served.ask(request.as_bytes());
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
        assert_eq!(head.contains("\r\nAllow: GET, HEAD\r\n"), status == "405");
    }
    let (head, body) = served.ask(b"HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && body.is_empty(), "{head}");
}

#[test]
fn slow_and_hostile_clients_hold_up_neither_counting_nor_others() {
    let run = directory();
    support::small_run(run.path(), 1);
    let served = Served::start(run.path());
    let endless = format!("GET /metrics HTTP/1.1\r\na: {}", "b".repeat(1 << 20));
    let (head, _) = served.ask(endless.as_bytes());
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1000));
    let (head, _) = served.ask(many.as_bytes());
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    // More than are answered at a time, which send nothing whole.
    let slow: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = served.connect();
            let _ = stream.write_all(b"GET /met");
            stream
        })
        .collect();
    // While they wait, a batch is counted, and a good client learns of it.
    support::write_batch(run.path(), 1, &support::small_batch(), support::Archive::Stored);
    served.until("neurotop_samples", &[("run", "test-run")], "4");
    let statuses = slow.into_iter().map(|mut stream| {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or("none").to_owned()
    });
    let statuses: BTreeSet<String> = statuses.collect();
    assert!(statuses.contains("408") && statuses.contains("503"), "{statuses:?}");
}

/// Clients that come again as soon as they are sent away, more than are answered at a time.
#[test]
fn slow_clients_that_come_again_and_again_leave_every_answer_to_a_good_one() {
    let run = directory();
    support::small_run(run.path(), 1);
    let served = Served::start(run.path());
    served.until("neurotop_samples", &[("run", "test-run")], "2");
    for _ in 0..48 {
        let address = served.address;
        // They end with the server.
        std::thread::spawn(move || {
            while let Ok(mut stream) = TcpStream::connect(address) {
                let _ = stream.write_all(b"GET /met");
                let _ = stream.read_to_end(&mut Vec::new());
            }
        });
    }
    for _ in 0..8 {
        // On a busy machine a good one may be late, too, and asks again.
        let metrics = (0..10).find_map(|_| served.scrape()).expect("an answer");
        assert_eq!(metrics["neurotop_samples"][0].1, "2");
    }
}

#[test]
fn a_request_for_a_name_that_may_be_a_strangers_is_refused_on_loopback() {
    let run = directory();
    support::small_run(run.path(), 1);
    let ask = |served: &Served, host: &str| {
        served.ask(format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
    };
    let served = Served::start(run.path());
    for host in [&served.address.to_string(), "localhost:9464", "[::1]"] {
        let (head, _) = ask(&served, host);
        assert!(head.starts_with("HTTP/1.1 200 "), "{host}: {head}");
    }
    let (head, body) = ask(&served, "evil.example:9464");
    assert!(head.starts_with("HTTP/1.1 421 ") && !body.contains("neurotop_"), "{head}\n{body}");
    assert!(body.contains("localhost"), "it says what to ask for: {body}");
    // Those who are let in from elsewhere know this machine by names that it does not know.
    let mut public = Served::start_at(run.path(), "0.0.0.0:0");
    public.address.set_ip(served.address.ip());
    let (head, _) = ask(&public, "node7.example");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[test]
fn what_cannot_be_written_is_said_at_the_start() {
    let (run, place) = (directory(), directory());
    support::small_run(run.path(), 1);
    let file = place.path().join("file");
    fs::write(&file, "").expect("a file");
    let words = |path: &Path| path.to_str().expect("a path of text").to_owned();
    let below_a_file = words(&file.join("x"));
    for (option, value, said) in [
        ("--tensorboard", words(&file), "no directory that can be written to"),
        ("--tensorboard", below_a_file.clone(), "no directory that can be written to"),
        ("--openmetrics", below_a_file, "create it first"),
        ("--export", words(&place.path().join("none/x.json")), "create it first"),
        ("--openmetrics", words(place.path()), "it is a directory; name a file in it"),
    ] {
        for subcommand in ["watch", "summary"] {
            let output = output(command().arg(subcommand).arg(run.path()).args([option, &value]));
            let stderr = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{option} {value}: {stderr}");
            assert!(stderr.contains(option) && stderr.contains(said), "{stderr}");
        }
    }
}

#[test]
fn a_port_in_use_is_said_at_the_start_and_an_address_is_nothing_for_a_summary() {
    let run = directory();
    support::small_run(run.path(), 1);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let in_use = output(command().arg("watch").arg(run.path()).args(["--openmetrics", &address]));
    assert_eq!(in_use.status.code(), Some(1));
    let said = stderr(&in_use);
    assert!(said.contains(&address) && said.contains("choose another port"), "{said}");
    let summary = output(command().arg("summary").arg(run.path()).args(["--openmetrics", &address]));
    assert_eq!(summary.status.code(), Some(2));
    assert!(stderr(&summary).contains("give a file, or use watch"), "{}", stderr(&summary));
}

#[test]
fn nothing_is_written_outside_the_directory_whatever_the_run_is_called() {
    let (run, place) = (directory(), directory());
    support::small_run(run.path(), 1);
    let text = fs::read_to_string(run.path().join("manifest.json")).expect("a manifest");
    fs::write(run.path().join("manifest.json"), text.replace("test-run", "../../out\\u001b"))
        .expect("written");
    let (board, file) = (place.path().join("a/tb"), place.path().join("out.prom"));
    let output = output(
        command()
            .arg("summary")
            .arg(run.path())
            .arg("--tensorboard")
            .arg(&board)
            .arg("--openmetrics")
            .arg(&file),
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let names = |directory: &Path| {
        let entries = fs::read_dir(directory).expect("a directory");
        entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(names(place.path()), BTreeSet::from(["a".to_owned(), "out.prom".to_owned()]));
    assert_eq!(names(&place.path().join("a")), BTreeSet::from(["tb".to_owned()]));
    assert_eq!(names(&board), BTreeSet::from(["%2E.%2F..%2Fout%1B".to_owned()]));
    let metrics = parse(&fs::read_to_string(&file).expect("a file"));
    assert_eq!(metrics["neurotop_samples"][0].0["run"], "../../out\u{1b}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_of_tensorboard_that_is_deleted_is_said_and_made_again() {
    let (run, place) = (directory(), directory());
    support::small_run(run.path(), 2);
    let board = place.path().join("tb");
    let files = || fs::read_dir(board.join("test-run")).map_or(0, Iterator::count);
    let options = ["--state", "none", "--tensorboard", board.to_str().expect("text")];
    let command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    // It is not over before it has a third batch.
    support::write_manifest(run.path(), &[("lif", "Leaky", "zero", &[2])], Some(3));
    let mut watch = support::watch::Watch::start(command, run.path(), &options);
    until("a file is begun", || files() > 0);
    // More may be written to it meanwhile.
    until("it is deleted", || fs::remove_dir_all(&board).is_ok() || !board.exists());
    support::write_batch(run.path(), 2, &support::small_batch(), support::Archive::Stored);
    let (code, figures) = watch.ends();
    assert_eq!((code, &figures["run"]["batches"]), (0, &serde_json::Value::from(3)), "{}", watch.said());
    assert_eq!(files(), 1, "{}", watch.said());
    assert!(watch.said().contains("is gone"), "{}", watch.said());
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_without_room_leaves_the_summary_and_is_named() {
    let (run, place) = (directory(), directory());
    support::small_run(run.path(), 2);
    for (option, path) in
        [("--tensorboard", place.path().to_owned()), ("--openmetrics", place.path().join("out"))]
    {
        // No file may grow beyond nothing, and the signal of that is ignored: writing fails.
        let limited = "trap '' XFSZ; ulimit -f 0; exec \"$0\" summary \"$1\" \"$2\" \"$3\"";
        let output = output(
            Command::new("sh")
                .args(["-c", limited, env!("CARGO_BIN_EXE_neurotop")])
                .arg(run.path())
                .arg(option)
                .arg(&path)
                .env("XDG_CONFIG_HOME", "/nonexistent"),
        );
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("Effective Neuron Ops"));
        assert!(said.contains(option) && said.contains("cannot write"), "{said}");
    }
    let left = fs::read_dir(place.path().join("test-run")).expect("the run's directory");
    assert_eq!(left.count(), 0, "nothing is left that is no event file");
    assert!(!place.path().join("out").exists());
}
