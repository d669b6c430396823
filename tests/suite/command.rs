//! The command line as a user meets it: reports, prices, exports, exit codes, progress lines.

use crate::started::{neurotop, text};
use crate::support;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use support::{SMALL, small_batch};

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn summary(run: &Path, args: &[&str]) -> Output {
    neurotop().arg("summary").arg(run).args(args).output().expect("it runs")
}

/// A report without the version, and without the sums at its end, which have the times of the files.
fn for_snapshot(report: &str) -> String {
    let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
    let report = match report.split_once(",\n  \"part\": {") {
        Some((figures, _)) => format!("{figures}\n}}\n"),
        None => report.to_owned(),
    };
    report.replace(&version, "\"VERSION\"")
}

#[test]
fn every_format_of_the_demo_run() {
    for format in ["text", "json", "csv", "md"] {
        let output = summary(&support::demo_run(), &["--format", format]);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
        insta::assert_snapshot!(
            format!("summary-{format}"),
            support::steady(&for_snapshot(&text(&output.stdout)), &support::demo_run())
        );
    }
}

#[test]
fn reports_of_a_run_with_everything_that_can_be_wrong() {
    let run = tempfile::tempdir().expect("a directory");
    support::write_manifest(
        run.path(),
        &[("lif", "Leaky", "zero", &[2]), ("=r|", "RLeaky", "subtract", &[2])],
        Some(3),
    );
    let mut members = small_batch();
    members.insert("=r|.post".into(), members["lif.post"].clone());
    members.insert("own.post".into(), members["lif.post"].clone());
    support::write_batch(run.path(), 0, &members, support::Archive::Stored);
    fs::write(run.path().join("batch-000001.npz"), "x").expect("a file");
    fs::write(
        run.path().join("end.json"),
        r#"{"samples": 9, "batches": 3, "neurobench": {"NeuronOperations": 0.0}}"#,
    )
    .expect("a file");
    for format in ["text", "csv", "md", "json"] {
        let output = summary(run.path(), &["--format", format, "--settle", "0.1"]);
        assert_eq!(output.status.code(), Some(3));
        insta::assert_snapshot!(
            format!("wrong-{format}"),
            support::steady(&for_snapshot(&text(&output.stdout)), run.path())
        );
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_is_named_by_a_link_is_asked_for() {
    let place = tempfile::tempdir().expect("a directory");
    let (run, link) = (support::golden("layer-twice"), place.path().join("link"));
    std::os::unix::fs::symlink(&run, &link).expect("a link");
    let counted = |path: &Path| json(&summary(path, &["--format", "json"]))["total"].clone();
    assert_eq!(counted(&link), counted(&run));
}

#[test]
fn formats_agree_to_the_last_digit() {
    let run = support::golden("layer-twice");
    let json = json(&summary(&run, &["--format", "json"]));
    let csv = text(&summary(&run, &["--format", "csv"]).stdout);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let headers = reader.headers().expect("headers").clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    let total = rows.iter().find(|row| &row[0] == "total").expect("a total");
    let column = |name: &str| &total[headers.iter().position(|header| header == name).expect("a column")];
    for name in ["effective_ops_per_sample", "dense_ops_per_sample", "sparsity"] {
        assert_eq!(column(name).parse::<f64>().ok(), json["total"][name].as_f64(), "{name}");
    }
    let expected = support::json(&run.join("expected.json"));
    assert_eq!(
        column("effective_ops_per_sample").parse::<f64>().ok(),
        expected["NeuronOperations"]["Effective Neuron Ops"].as_f64()
    );
}

#[test]
fn costs_from_the_command_line_and_from_a_file() {
    let run = support::golden("unpriced-rleaky");
    let rleaky = |output: &Output| json(output)["layers"][1].clone();
    assert_eq!(rleaky(&summary(&run, &["--format", "json"]))["effective_ops"], Value::Null);
    let priced = rleaky(&summary(&run, &["--format", "json", "--cost", "RLeaky:subtract=5"]));
    assert_eq!((&priced["effective_ops"], &priced["priced_by"]), (&(5 * 144).into(), &"user".into()));
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("neurotop/config.toml");
    fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
    fs::write(&file, "[cost]\n\"RLeaky:subtract\" = 7\n").expect("a file");
    let with_file = |args: &[&str]| {
        let mut command = neurotop();
        command
            .env("XDG_CONFIG_HOME", directory.path())
            .env("XDG_STATE_HOME", support::STATE_HOME)
            .arg("summary")
            .arg(&run)
            .args(["--format", "json"])
            .args(args);
        command.output().expect("it runs")
    };
    assert_eq!(rleaky(&with_file(&[]))["ops_per_update"], 7);
    assert_eq!(rleaky(&with_file(&["--cost", "RLeaky:subtract=9"]))["ops_per_update"], 9);
    fs::write(&file, "[cost]\n\"Leaky:zero\" = 7\n").expect("a file");
    let output = with_file(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("config.toml")
            && text(&output.stderr).contains("NeuroBench prices Leaky:zero at 4")
    );
    let named = summary(&run, &["--config", "nowhere.toml"]);
    assert_eq!(named.status.code(), Some(1));
    assert!(text(&named.stderr).contains("nowhere.toml"));
}

#[test]
fn neurons_of_layers_without_a_manifest() {
    let run = tempfile::tempdir().expect("a directory");
    support::write_batch(run.path(), 0, &small_batch(), support::Archive::Stored);
    let layer = |args: &[&str]| {
        json(&summary(run.path(), &[&["--format", "json"], args].concat()))["layers"][0].clone()
    };
    assert_eq!(layer(&[])["ops_per_update"], Value::Null);
    assert_eq!(layer(&["--neuron", "Alpha"])["ops_per_update"], Value::Null, "its reset is unknown");
    let priced = layer(&["--neuron", "Alpha", "--reset", "zero"]);
    assert_eq!((&priced["ops_per_update"], &priced["effective_ops"]), (&24.into(), &(24 * SMALL.0).into()));
    let own = layer(&["--neuron", "Alpha", "--neuron", "lif=Leaky", "--reset", "lif=subtract"]);
    assert_eq!((&own["neuron"], &own["ops_per_update"]), (&"Leaky".into(), &4.into()));
}

#[test]
fn a_manifest_goes_before_the_command_line() {
    let output = summary(
        &support::golden("leaky-zero"),
        &["--format", "json", "--neuron", "Alpha", "--reset", "subtract"],
    );
    assert_eq!(json(&output)["layers"][0]["neuron"], "Leaky");
}

#[test]
fn exports_are_written_in_every_format_and_replace_what_was_there() {
    let place = tempfile::tempdir().expect("a directory");
    let path = |name: &str| place.path().join(name).to_str().expect("text").to_owned();
    fs::write(path("a.json"), "old").expect("a file");
    let names = ["a.json", "a.csv", "a.md", "a.TXT"];
    let args: Vec<String> = names.iter().flat_map(|name| ["--export".to_owned(), path(name)]).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let run = support::golden("leaky-zero");
    let output = summary(&run, &args);
    assert_eq!(output.status.code(), Some(0));
    for (name, format) in names.iter().zip(["json", "csv", "md", "text"]) {
        let written = fs::read_to_string(path(name)).expect("a file");
        let written = support::without_provenance(name, &written);
        let printed = text(&summary(&run, &["--format", format]).stdout);
        // The run is older by then.
        assert_eq!(support::steady(&written, &run), support::steady(&printed, &run), "{name}");
    }
    let left: Vec<_> = fs::read_dir(place.path()).expect("a directory").collect();
    assert_eq!(left.len(), names.len(), "no temporary file is left");
}

#[test]
fn exports_that_cannot_be_written() {
    let run = support::golden("leaky-zero");
    let missing = summary(&run, &["--export", "no/such/directory/a.json"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("no/such/directory") && missing.stdout.is_empty());
    let usage = summary(&run, &["--export", "a.pdf"]);
    assert_eq!(usage.status.code(), Some(2));
    assert!(text(&usage.stderr).contains(".json, .csv, .md, .tex, .html or .txt"));
    if Path::new("/proc/self").exists() {
        // A directory that takes no file, which shows before anything is counted.
        let full = summary(&run, &["--export", "/proc/self/a.json"]);
        assert_eq!(full.status.code(), Some(1));
        assert!(full.stdout.is_empty() && text(&full.stderr).contains("it cannot be written"));
    }
}

#[test]
fn watch_prints_progress_lines_where_there_is_no_terminal() {
    let run = tempfile::tempdir().expect("a directory");
    support::copy_run(&support::demo_run(), run.path());
    let output =
        neurotop().args(["watch", "--exit-when-finished"]).arg(run.path()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    assert!(stdout.starts_with("digits-snn ") || stdout.contains("\ndigits-snn "), "{stdout}");
    assert!(stdout.contains("Equal to NeuroBench's own results") && !stdout.contains('\u{1b}'), "{stdout}");
}

#[test]
fn watch_survives_a_closed_pipe() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 1);
    let export = run.path().join("out.json");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(["watch", "--exit-when-finished", "--export"])
        .arg(&export)
        .arg(run.path())
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    assert!(child.wait().expect("it ends").success());
    assert_eq!(support::json(&export)["total"]["updates"], SMALL.0);
}

#[test]
fn a_signal_ends_progress_lines_with_the_figures() {
    use rustix::process::{Pid, Signal, kill_process};
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 2);
    fs::remove_file(run.path().join("manifest.json")).expect("removed");
    let export = run.path().join("out.csv");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .arg(run.path())
        .arg("--export")
        .arg(&export)
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut printed = String::new();
    let mut lines = BufReader::new(child.stdout.take().expect("its output"));
    lines.read_line(&mut printed).expect("a line");
    kill_process(Pid::from_raw(child.id().cast_signed()).expect("a process"), Signal::TERM).expect("sent");
    lines.read_to_string(&mut printed).expect("text");
    assert!(child.wait().expect("it ends").success());
    assert!(printed.contains("Membrane Updates"), "{printed}");
    assert!(fs::read_to_string(&export).expect("a file").contains(&format!("{}", 2 * SMALL.0)));
}

#[test]
fn a_condition_that_holds_fails_the_check() {
    let run = support::golden("conv-mixed-digits");
    let check = |conditions: &[&str]| {
        let args: Vec<&str> = conditions.iter().flat_map(|condition| ["--fail-if", *condition]).collect();
        let output = summary(&run, &args);
        (output.status.code(), text(&output.stderr))
    };
    // Its figures: 10028 of 11904 operations per sample.
    assert_eq!(
        check(&["sparsity<0.15", "effective_ops_per_sample>10028", "membrane_updates!=2496.2"]),
        (Some(0), String::new())
    );
    let (code, named) =
        check(&["sparsity<16%", "layer:head.lif.updates==540", "neuron:Synaptic.dense_ops<1"]);
    assert_eq!(code, Some(4));
    assert!(
        named.contains("sparsity 15.76 % < 16 %: fails by 0.24 points")
            && named.contains("head.lif: updates 540 == 540: fails\n"),
        "{named}"
    );
    assert!(!named.contains("Synaptic"), "{named}");
    let printed = text(&summary(&run, &["--fail-if", "sparsity<16%"]).stdout);
    assert!(printed.contains("FAILED:") && !printed.contains("1 problem"), "{printed}");
    let (code, named) = check(&["layer:lif9.sparsity<0.1"]);
    assert!(
        code == Some(4)
            && named.contains("layer:lif9.sparsity<0.1 cannot be decided: there is no layer \"lif9\""),
        "{named}"
    );
    assert_eq!(check(&["sparsity<lots"]).0, Some(2));
    let unpriced = summary(&support::golden("unpriced-rleaky"), &["--fail-if", "layer:net.3.sparsity<0.1"]);
    assert!(unpriced.status.code() == Some(4) && text(&unpriced.stderr).contains("has no value"));
    let watch =
        neurotop().args(["watch", "--exit-when-finished", "--fail-if", "sparsity<0.9"]).arg(&run).output();
    assert_eq!(watch.expect("it runs").status.code(), Some(4));
}

#[test]
fn the_energy_of_an_operation_prices_every_row() {
    let run = support::golden("conv-mixed-digits");
    let told = json(&summary(&run, &["--format", "json", "--energy-per-op", "500fJ"]));
    let classes = told["neurons"].as_object().expect("classes").values();
    for row in told["layers"].as_array().expect("layers").iter().chain(classes).chain([&told["total"]]) {
        let effective = row["effective_ops_per_sample"].as_f64().expect("a figure");
        assert_eq!(row["energy_per_sample"], effective * 0.5, "{row}");
    }
    for format in ["text", "csv", "md"] {
        let of = |args: &[&str]| text(&summary(&run, &[&["--format", format], args].concat()).stdout);
        assert!(of(&["--energy-per-op", "0.9pJ"]).contains("energy"), "{format}");
        assert!(!of(&[]).contains("energy"), "{format}");
    }
    let check = |args: &[&str]| {
        let output = summary(&run, &[&["--fail-if", "energy_per_sample>5000"], args].concat());
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(check(&["--energy-per-op", "400fJ"]), (Some(0), String::new()));
    let (code, why) = check(&["--energy-per-op", "600fJ"]);
    assert!(code == Some(4) && why.contains(" > 5,000: fails by "), "{why}");
    let (code, why) = check(&[]);
    assert!(code == Some(4) && why.contains("no --energy-per-op"), "{why}");
    for wrong in ["1", "-1pJ", "1J"] {
        assert_eq!(summary(&run, &["--energy-per-op", wrong]).status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn the_recorder_is_printed_whole() {
    let output = neurotop().arg("recorder").output().expect("it runs");
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/python/neurotop");
    for file in ["__init__.py", "recording.py", "adapters/norse.py"] {
        let file = fs::read_to_string(package.join(file)).expect("a file of the package");
        assert!(text(&output.stdout).contains(&file), "{file}");
    }
}

#[test]
fn completions_the_manual_and_the_help() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = neurotop().args(["completions", shell]).output().expect("it runs");
        assert!(output.status.success() && text(&output.stdout).contains("exit-when-finished"), "{shell}");
    }
    let manual = neurotop().arg("man").output().expect("it runs");
    let manual = text(&manual.stdout);
    assert!(manual.starts_with(".ie") || manual.contains(".TH neurotop"), "{manual}");
    for part in [".SH \"NEUROTOP WATCH\"", "exit\\-when\\-finished", "Exit codes"] {
        assert!(manual.contains(part), "{part}:\n{manual}");
    }
    let version = neurotop().arg("--version").output().expect("it runs");
    assert_eq!(text(&version.stdout), format!("neurotop {}\n", env!("CARGO_PKG_VERSION")));
    let help = neurotop().arg("--help").output().expect("it runs");
    assert!(help.status.success() && text(&help.stdout).contains("Examples:"));
}

#[test]
fn without_a_path_and_without_runs_three_lines_say_how_to_begin() {
    let here = tempfile::tempdir().expect("a directory");
    let nothing = neurotop().current_dir(here.path()).output().expect("it runs");
    assert_eq!(nothing.status.code(), Some(1));
    let said = text(&nothing.stderr);
    assert_eq!(said.lines().count(), 3, "{said}");
    for part in ["neurotop.record(net, \"runs/exp1\")", "neurotop runs/exp1", "neurotop demo"] {
        assert!(said.contains(part), "{said}");
    }
    support::copy_run(&support::demo_run(), &here.path().join("runs/exp1"));
    for args in [&["--exit-when-finished"][..], &["watch", "--exit-when-finished"]] {
        let found = neurotop().current_dir(here.path()).args(args).output().expect("it runs");
        assert_eq!(found.status.code(), Some(0), "{}", text(&found.stderr));
        assert!(text(&found.stdout).contains("27,693.04"), "{}", text(&found.stdout));
    }
}

/// A shell that is there offers the directory as well as the subcommand.
#[test]
fn directories_are_completed_without_the_word_watch() {
    let place = tempfile::tempdir().expect("a directory");
    for name in ["runs/exp1", "my runs", "summaries"] {
        fs::create_dir_all(place.path().join(name)).expect("a directory");
    }
    let offered = |shell: &str, args: &[&str]| {
        let script = neurotop().args(["completions", shell]).output().expect("it runs").stdout;
        fs::write(place.path().join("script"), script).expect("written");
        let run = std::process::Command::new(shell).args(args).current_dir(place.path()).output().ok()?;
        Some(String::from_utf8_lossy(&run.stdout).into_owned())
    };
    let bash = |line: &str| {
        let script = format!(
            "source ./script; COMP_WORDS=(neurotop '{line}'); COMP_CWORD=1; \
             _neurotop_or_directory neurotop '{line}' neurotop 2>/dev/null; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        offered("bash", &["--norc", "-c", &script])
    };
    let fish = |line: &str| {
        offered("fish", &["--no-config", "-c", &format!("source ./script; complete -C 'neurotop {line}'")])
    };
    for (line, wanted) in [("ru", &["runs"][..]), ("su", &["summary", "summaries"]), ("my", &["my runs"])] {
        for lines in [bash(line), fish(line)].into_iter().flatten() {
            assert!(wanted.iter().all(|wanted| lines.contains(wanted)), "{line}: {lines}");
        }
    }
    assert!(bash("ru").is_some_and(|lines| lines.contains("runs")), "bash is there");
    let zsh = neurotop().args(["completions", "zsh"]).output().expect("it runs").stdout;
    assert!(text(&zsh).contains("_directories && ret=0"), "{}", text(&zsh));
}

#[test]
fn a_path_that_never_existed_is_no_success_and_says_what_is_meant() {
    let place = tempfile::tempdir().expect("a directory");
    support::copy_run(&support::demo_run(), &place.path().join("digits"));
    let mut watch = std::process::Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(["watch", "digit"])
        .current_dir(place.path())
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = BufReader::new(watch.stderr.take().expect("its errors"));
    let mut all = String::new();
    while !all.contains("digits? There is a run of that name") {
        assert!(std::io::BufRead::read_line(&mut said, &mut all).expect("a line") > 0, "{all}");
    }
    let pid = rustix::process::Pid::from_child(&watch);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("sent");
    std::io::Read::read_to_string(&mut said, &mut all).expect("the rest");
    assert_eq!(watch.wait().expect("it ends").code(), Some(1), "{all}");
    assert!(all.contains("nothing was counted: digit: it does not exist yet"), "{all}");
    let mut printed = String::new();
    std::io::Read::read_to_string(&mut watch.stdout.take().expect("a pipe"), &mut printed).expect("text");
    assert!(!printed.contains("running"), "no figures of a run that is not there: {printed}");
}

#[test]
fn the_state_of_a_run_that_is_not_over() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 2);
    support::write_manifest(run.path(), &[("lif", "Leaky", "zero", &[2])], Some(5));
    let output = json(&summary(run.path(), &["--format", "json"]));
    assert_eq!((&output["run"]["status"], &output["complete"]), (&"running".into(), &false.into()));
    for path in support::batches(run.path()) {
        let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
        fs::File::options().write(true).open(path).expect("a file").set_modified(hour_ago).expect("a time");
    }
    let output = json(&summary(run.path(), &["--format", "json"]));
    assert_eq!((&output["run"]["status"], &output["complete"]), (&"stalled".into(), &false.into()));
}

#[test]
fn an_empty_batch_and_no_samples_divide_by_nothing() {
    let run = tempfile::tempdir().expect("a directory");
    support::write_manifest(run.path(), &[("lif", "Leaky", "zero", &[2])], Some(1));
    let empty = support::Members::from([("lif.post".to_owned(), support::Npy::potentials(&[3, 0, 2], []))]);
    support::write_batch(run.path(), 0, &empty, support::Archive::Stored);
    let output = json(&summary(run.path(), &["--format", "json"]));
    assert_eq!(output["total"]["effective_ops_per_sample"], 0.0);
    assert_eq!((&output["total"]["sparsity"], &output["complete"]), (&Value::Null, &true.into()));
}

#[test]
fn bench_measures_every_form_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = neurotop()
        .args(["bench", "--size", "200k", "--rounds", "1", "--threads", "2", "--dir"])
        .arg(directory.path())
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    for form in ["f4 trace", "one batch", "f4 pairs", "f8 trace", "f2 trace", "bits", "deflated", "small"] {
        let mut lines = table.lines().skip_while(|line| !line.starts_with(form));
        let (row, best) = (lines.next().expect(form), lines.next().expect(form));
        assert_eq!(row[form.len()..].split_whitespace().count(), 10, "{row}");
        let at_best = best.strip_prefix("  at best").expect(best);
        assert_eq!((best.len(), at_best.split_whitespace().count()), (row.len(), 7), "{best}");
    }
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 0);
}

#[cfg(unix)]
#[test]
fn bench_that_nobody_reads_on_ends_quietly() {
    let place = tempfile::tempdir().expect("a directory");
    let mut bench = std::process::Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(["bench", "--size", "200k", "--rounds", "1", "--dir"])
        .arg(place.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(bench.stdout.take());
    let output = bench.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 0);
}

#[test]
fn a_summary_that_is_not_complete_says_why() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 6);
    support::write_manifest(run.path(), &[("lif", "Leaky", "zero", &[2])], None);
    let said = |args: &[&str]| text(&summary(run.path(), args).stdout);
    let none = "NOT complete: no end.json yet, and nothing says how many batches there are to be.";
    assert!(said(&[]).contains(none), "{}", said(&[]));
    fs::write(run.path().join("end.json"), r#"{"batches": 8}"#).expect("an end");
    for format in ["text", "md"] {
        let said = said(&["--format", format]);
        assert!(said.contains("NOT complete: end.json says 8 batches, 6 are counted."), "{said}");
    }
    let output = summary(run.path(), &["--format", "json"]);
    assert_eq!(output.status.code(), Some(3));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["incomplete"], serde_json::json!(["end.json says 8 batches, 6 are counted"]));
}

#[test]
fn help_says_what_a_command_does() {
    let help = |command: &str| text(&neurotop().args([command, "--help"]).output().expect("it runs").stdout);
    let summary = help("summary");
    assert!(summary.contains("--openmetrics <FILE>") && !summary.contains("ADDR"), "{summary}");
    assert!(help("watch").contains("ADDR") && help("demo").contains("20 seconds after"));
}

#[test]
fn a_command_that_is_mistyped_is_guessed() {
    let said = |args: &[&str]| {
        let output = neurotop().args(args).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        text(&output.stderr)
    };
    assert!(said(&["sumary", "runs"]).contains("did you mean summary?"), "{}", said(&["sumary", "runs"]));
    let with_option = said(&["sumary", "runs", "--format", "json"]);
    assert!(with_option.contains("did you mean summary?"), "{with_option}");
    assert!(!said(&["runs/exp1", "runs/exp2"]).contains("did you mean"), "nothing like a command");
    assert!(!said(&["demos", "--bogus"]).contains("did you mean demo"), "the option is wrong");
    let threads = said(&["summary", "runs", "--threads", "0"]);
    assert!(threads.contains("give a number from 1 to 4,096"), "{threads}");
}

#[test]
fn bench_that_is_interrupted_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = std::process::Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(["bench", "--size", "20M", "--rounds", "1000", "--dir"])
        .arg(directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    while fs::read_dir(directory.path()).expect("a directory").count() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_raw(bench.id().cast_signed()).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    let output = bench.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("interrupted"), "{}", text(&output.stderr));
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 0);
}

#[test]
fn ranks_are_in_every_format() {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path().join("run");
    support::write_manifest(&run, &[("lif", "Leaky", "zero", &[2])], None);
    for (rank, batches) in [("rank-0", 4), ("rank-1", 3), ("rank-7", 1)] {
        for number in 0..batches {
            support::write_batch(&run.join(rank), number, &small_batch(), support::Archive::Stored);
        }
        fs::write(run.join(rank).join("end.json"), "{}").expect("an end");
    }
    support::write_batch(&run, 0, &small_batch(), support::Archive::Stored);
    for format in ["text", "csv", "md"] {
        let output = summary(&run, &["--format", format]);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
        insta::assert_snapshot!(format!("ranks-{format}"), support::steady(&text(&output.stdout), &run));
    }
    let told = json(&summary(&run, &["--format", "json"]));
    assert_eq!((&told["complete"], &told["account"]["counted"]), (&Value::from(true), &Value::from(9)));
    let ranks = told["ranks"].as_array().expect("ranks");
    let figures: Vec<(u64, u64, u64)> = ranks
        .iter()
        .map(|rank| {
            let figure = |name: &str| rank[name].as_u64().expect("a number");
            (figure("rank"), figure("batches"), figure("effective_ops"))
        })
        .collect();
    assert_eq!(figures, [(0, 4, 144), (1, 3, 108), (7, 1, 36)]);
    // An export with ranks is read back, and compared as any.
    let export = place.path().join("ranks.json");
    let output = summary(&run, &["--export", export.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0));
    let output = neurotop().arg("compare").args([&export, &run]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn progress_lines_name_silent_ranks() {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path().join("run");
    let old = std::time::SystemTime::now() - Duration::from_secs(600);
    for number in 0..3 {
        for rank in ["rank-0", "rank-12"] {
            let batch =
                support::write_batch(&run.join(rank), number, &small_batch(), support::Archive::Stored);
            if rank == "rank-12" {
                let written = old + Duration::from_secs(number as u64);
                fs::File::options()
                    .write(true)
                    .open(batch)
                    .expect("open")
                    .set_modified(written)
                    .expect("time");
            }
        }
    }
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .arg("watch")
        .arg(&run)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let output = std::io::BufReader::new(child.stdout.take().expect("its output"));
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut seen = Vec::new();
    while let Ok(line) = lines.recv_timeout(support::PATIENCE) {
        seen.push(line);
        if seen.last().is_some_and(|line| line.contains("0 set aside, rank 12 silent")) {
            break;
        }
    }
    child.kill().expect("ended");
    child.wait().expect("ended");
    assert!(seen.last().is_some_and(|line| line.contains("rank 12 silent")), "{seen:?}");
}
