//! What a researcher takes into a paper: LaTeX and HTML, how each export came about, long tables that fold, the table of
//! all runs, and exports that are read again.

use crate::started::outcome;
use crate::support;
use regex::Regex;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const DEMO: &str = "assets/demo-run";
const ZERO: &str = "tests/golden/leaky-zero";
const SUBTRACT: &str = "tests/golden/leaky-subtract";

/// All formats that a file can have.
const SUFFIXES: [&str; 6] = ["json", "csv", "md", "txt", "tex", "html"];

/// What a command prints that succeeds.
fn printed(args: &[&str]) -> String {
    let (code, printed, said) = outcome(args);
    assert_eq!((code, said.as_str()), (0, ""), "{args:?}");
    printed
}

fn place() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn path(place: &TempDir, name: &str) -> String {
    place.path().join(name).to_str().expect("text").to_owned()
}

/// The demo's run without its end and its last batches, whose figures can still move.
fn unfinished(place: &TempDir) -> String {
    let run = place.path().join("running");
    support::copy_run(&support::demo_run(), &run);
    fs::remove_file(run.join("end.json")).expect("an end");
    for batch in support::batches(&run).iter().skip(8) {
        fs::remove_file(batch).expect("a batch");
    }
    run.to_str().expect("text").to_owned()
}

#[test]
fn every_file_says_when_where_by_which_version_and_with_which_options() {
    let place = place();
    let time = Regex::new(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ").expect("an expression");
    let files = SUFFIXES.map(|suffix| path(&place, &format!("out.{suffix}")));
    let exports = files.iter().flat_map(|file| ["-o", file]);
    for words in [&["summary", DEMO][..], &["compare", ZERO, DEMO], &["summary", "tests/golden"]] {
        let options = ["--cost", "RLeaky:subtract=5", "--energy-per-op", "0.9pJ"];
        let args: Vec<&str> = words.iter().copied().chain(options).chain(exports.clone()).collect();
        let (code, ..) = outcome(&args);
        assert!(code == 0 || code == 3, "{args:?}");
        for file in &files {
            let text = fs::read_to_string(file).expect("a file");
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(words[words.len() - 1]);
            let source = source.to_str().expect("text");
            let version = env!("CARGO_PKG_VERSION");
            for what in ["20", source, version, "RLeaky:subtract=5", "0.9pJ"] {
                // Markdown, LaTeX and HTML escape some characters.
                let is_there = text.replace('\\', "").contains(what);
                assert!(is_there, "{file} of {words:?} lacks {what}");
            }
            assert!(time.is_match(&text), "{file} of {words:?} does not say when");
        }
    }
}

#[test]
fn latex_is_a_booktabs_table_that_says_what_is_counted() {
    let place = place();
    let text = printed(&["summary", DEMO, "--format", "tex"]);
    let table: String =
        text.lines().filter(|line| !line.starts_with('%')).map(|line| format!("{line}\n")).collect();
    for what in [
        "\\toprule",
        "\\midrule",
        "\\bottomrule",
        "\\caption{",
        "\\label{tab:neurotop-layers}",
        "\\begin{tabular}{lllrrrrrr}",
        "changed a neuron's membrane potential".replace('\'', "\\textquotesingle{}").as_str(),
        "lif1 & ",
        "    total & ",
        "192 samples in 12 batches",
    ] {
        assert!(table.contains(what), "{what}: {table}");
    }
    assert!(!table.contains("$\\pm$"), "the run is over: {table}");
    let moving = outcome(&["summary", &unfinished(&place), "--format", "latex"]).1;
    let total = moving.lines().find(|line| line.starts_with("    total & ")).expect("a total");
    assert!(total.contains(" $\\pm$ "), "{total}");
    // Two digits of the uncertainty, and as many of the figure.
    let figure = total.split(" & ").find(|cell| cell.contains("pm")).expect("a figure");
    let (value, half_width) = figure.split_once(" $\\pm$ ").expect("both");
    let zeros = |text: &str| text.len() - text.trim_end_matches('0').len();
    let digits = half_width.trim_end_matches('0').chars().filter(char::is_ascii_digit).count();
    assert!(digits <= 2, "{figure}");
    assert!(zeros(value) >= zeros(half_width).min(2) || !value.contains('.'), "{figure}");
}

#[test]
fn no_table_says_more_than_the_interval_knows() {
    let place = place();
    let text = outcome(&["summary", &unfinished(&place)]).1;
    for (row, known) in [
        ("total ", "27,700 "),
        // The class of two layers, which both still move.
        ("Leaky ", " 24,040 "),
        ("Lapicque ", " 1,098.3 "),
        ("Synaptic ", " 2,560.00 "),
        ("Effective Neuron Ops ", " 27,700 ± 240 "),
        ("Neuron Dense Ops ", " 31820.0 "),
        ("Membrane Updates ", " 6,430 ± 55 "),
        ("saved ops/sample ", " 4,120 ± 240"),
    ] {
        let line = text.lines().find(|line| line.starts_with(row)).expect("a line");
        assert!(line.contains(known), "{known}: {line}");
    }
}

#[test]
fn names_cannot_leave_their_cell() {
    let place = place();
    let run = place.path().join("run");
    let name = "</td><script>alert(1)</script>\\input{x} & 1_%\n";
    support::write_manifest(&run, &[(name, "Leaky", "zero", &[2])], None);
    let html = outcome(&["summary", run.to_str().expect("text"), "--format", "html"]).1;
    assert!(!html.contains("<script"), "{html}");
    assert!(html.contains("&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
    let tex = outcome(&["summary", run.to_str().expect("text"), "--format", "tex"]).1;
    assert!(!tex.contains("\\input{x}"), "{tex}");
    assert!(tex.contains("\\textbackslash{}input\\{x\\} \\& 1\\_\\%"), "{tex}");
}

#[test]
fn the_bar_of_a_time_step_stands_over_its_number() {
    let html = printed(&["summary", DEMO, "--format", "html"]);
    let chart = html.split("<svg").find(|svg| svg.contains(">time step<")).expect("a chart");
    let numbers = |pattern: &str| -> Vec<[f64; 2]> {
        let pattern = Regex::new(pattern).expect("an expression");
        let found = pattern.captures_iter(chart).map(|found| found.extract().1);
        found.map(|pair: [&str; 2]| pair.map(|number| number.parse().expect("a number"))).collect()
    };
    let bars = numbers(r#"class="bar" x="([\d.]+)" y="[\d.]+" width="([\d.]+)""#);
    let labels = numbers(r#"<text x="([\d.]+)" y="[\d.]+" text-anchor="middle">(\d+)<"#);
    assert!(bars.len() > 5 && labels.len() > 1, "{chart}");
    for [middle, step] in labels {
        let [left, width] = bars[step as usize - 1];
        assert!(left < middle && middle < left + width, "step {step}: {left} {width} {middle}");
    }
}

#[test]
fn html_shows_the_membrane_potentials_also_of_an_export() {
    let place = place();
    let (html, json) = (path(&place, "demo.html"), path(&place, "demo.json"));
    assert_eq!(outcome(&["summary", DEMO, "-o", &html, "-o", &json]).0, 0);
    let reopened = outcome(&["export", &json, "--format", "html"]).1;
    let written = fs::read_to_string(&html).expect("a file");
    for html in [written, printed(&["summary", DEMO, "--format", "html"]), reopened] {
        let chart =
            html.split("<figure>").find(|figure| figure.contains("Membrane potentials in batch-000011.npz"));
        let chart = chart.expect("a chart");
        // A row for each layer: its name, the outline of its bins, its range.
        assert_eq!(chart.matches("<path ").count(), 4, "{chart}");
        for layer in ["lif1", "lif2", "syn", "out"] {
            assert!(chart.contains(&format!(">{layer}</text>")), "{layer}: {chart}");
        }
        assert!(chart.contains(" to ") && !chart.contains("NaN"), "{chart}");
    }
    let bits = printed(&["summary", "tests/golden/special-float16", "--format", "html"]);
    assert!(bits.matches("<figure>").count() < 5);
}

#[test]
fn html_is_one_file_that_loads_nothing() {
    let place = place();
    let running = unfinished(&place);
    let no_number = Regex::new(r#"[="," ](NaN|-?inf)[","]"#).expect("an expression");
    for words in [
        &["summary", DEMO][..],
        &["summary", &running],
        &["compare", ZERO, SUBTRACT],
        &["summary", "tests/golden"],
    ] {
        let html = outcome(&[words, &["--format", "html"]].concat()).1;
        assert!(html.starts_with("<!DOCTYPE html>"), "{words:?}");
        for loads in ["http:", "https:", "src=", "url(", "@import", "<link", "<script"] {
            assert!(!html.contains(loads), "{words:?}: {loads}");
        }
        for what in ["<svg ", "prefers-color-scheme: dark", "<table>", "<title>"] {
            assert!(html.contains(what), "{words:?}: {what}");
        }
        for tag in ["table", "tr", "td", "figure", "svg", "p", "ul", "details", "text", "div"] {
            let [opened, closed] = [format!("<{tag}[ >]"), format!("</{tag}>")]
                .map(|tag| Regex::new(&tag).expect("an expression").find_iter(&html).count());
            assert_eq!(opened, closed, "{words:?}: {tag}");
        }
        assert!(!no_number.is_match(html.split("<table>").next().unwrap_or_default()), "{words:?}");
    }
}

#[test]
fn three_hundred_layers_fold() {
    let place = place();
    let run = place.path().join("run");
    let names: Vec<String> = (0..300).map(|at| format!("blocks.{at}.lif")).collect();
    let layers: Vec<(&str, &str, &str, &[usize])> =
        names.iter().map(|name| (name.as_str(), "Leaky", "zero", &[1][..])).collect();
    support::write_manifest(&run, &layers, None);
    let run = run.to_str().expect("text");
    for (format, rest) in [("text", 240), ("md", 240), ("tex", 240), ("html", 240), ("csv", 0), ("json", 0)] {
        let text = outcome(&["summary", run, "--format", format]).1;
        let shown = names.iter().filter(|name| text.contains(name.as_str())).count();
        let is_whole = matches!(format, "csv" | "json" | "html");
        assert_eq!(shown, if is_whole { 300 } else { 60 }, "{format}");
        assert_eq!(text.contains("and 240 layers more"), rest > 0, "{format}");
        assert_eq!(text.contains("<details>"), format == "html", "{format}");
    }
}

/// An export of a run, with its path.
fn export(place: &TempDir, run: &str, name: &str) -> String {
    let path = path(place, name);
    let (code, _, said) = outcome(&["summary", run, "-o", &path]);
    assert!(code == 0 || code == 3, "{said}");
    path
}

/// A report without what depends on when and from which file it was made.
fn without_times(report: &str) -> String {
    let is_of_time = Regex::new(r#"Written 20\d\d|Times: |_seconds": "#).expect("an expression");
    report.lines().filter(|line| !is_of_time.is_match(line)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn an_export_is_read_again_to_the_same_report_in_every_format() {
    let place = place();
    let golden = support::golden_names().into_iter().map(|name| support::golden(&name));
    for run in golden.chain([unfinished(&place).into()]) {
        let run = run.to_str().expect("text");
        let file = export(&place, run, "export.json");
        for format in ["json", "csv", "md", "text", "tex", "html"] {
            let printed_by = |words: [&str; 2]| {
                let (_, printed, said) =
                    outcome(&[&words[..], &["--stall-after", "9000", "--format", format]].concat());
                (printed, said)
            };
            let (counted, _) = printed_by(["summary", run]);
            let (again, said) = printed_by(["export", &file]);
            assert_eq!(without_times(&again), without_times(&counted), "{run} as {format}: {said}");
        }
    }
}

#[test]
fn an_export_has_the_potentials_of_the_newest_batch() {
    let place = place();
    let file = export(&place, DEMO, "demo.json");
    let json: Value = serde_json::from_str(&fs::read_to_string(&file).expect("a file")).expect("JSON");
    let potentials = &json["part"]["potentials"];
    assert_eq!(potentials["batch"], "batch-000011.npz");
    for layer in json["layers"].as_array().expect("layers") {
        let found = &potentials["layers"][layer["name"].as_str().expect("a name")];
        let bins: Vec<u64> = serde_json::from_value(found["bins"].clone()).expect("bins");
        assert_eq!((bins.len(), json!(bins.iter().sum::<u64>())), (64, found["finite"].clone()), "{found}");
        assert!(found["range"]["min"].as_f64() < found["range"]["max"].as_f64(), "{found}");
    }
    // What cannot be is refused.
    let mut changed = json.clone();
    changed["part"]["potentials"]["layers"]["lif1"]["nan"] = json!(1);
    fs::write(&file, changed.to_string()).expect("a file");
    let (code, _, said) = outcome(&["export", &file]);
    assert!(code == 1 && said.contains("its potentials are no distribution"), "{said}");
}

#[test]
fn a_running_a_merged_and_many_runs_are_read_again() {
    let place = place();
    let running = unfinished(&place);
    let file = export(&place, &running, "running.json");
    let figures: Value =
        serde_json::from_str(&printed_with(&["export", &file, "--format", "json"])).expect("JSON");
    assert_eq!((&figures["run"]["batches"], &figures["complete"]), (&json!(8), &json!(false)));
    assert_eq!(figures["part"]["units"]["sums"].as_array().map(Vec::len), Some(8), "the series");
    let steps = figures["layers"][0]["updates_by_step"].as_array().map(Vec::len);
    assert!(steps.is_some_and(|steps| steps > 1), "the steps");

    let parts: Vec<String> = (1..=3)
        .map(|shard| {
            let part = path(&place, &format!("part{shard}.json"));
            printed_with(&["summary", DEMO, "--shard", &format!("{shard}/3"), "-o", &part]);
            part
        })
        .collect();
    let merged = path(&place, "merged.json");
    let words: Vec<&str> =
        ["merge", "-o", &merged].into_iter().chain(parts.iter().map(String::as_str)).collect();
    printed_with(&words);
    let whole = printed(&["summary", DEMO, "--format", "json"]);
    assert_eq!(printed(&["export", &merged, "--format", "json"]), whole);

    let all = path(&place, "all.json");
    let (_, table, _) = outcome(&["summary", "tests/golden", "-o", &all]);
    let (_, again, _) = outcome(&["export", &all]);
    assert_eq!(again, table);
    let both = outcome(&["export", &merged, &file]).1;
    assert!(both.contains("running") && both.matches("digits").count() >= 2, "{both}");
    // Without a terminal, what would be shown is printed.
    assert_eq!(without_times(&outcome(&[&merged, &file]).1), without_times(&both));
}

/// What a command prints, whatever it says on standard error.
fn printed_with(args: &[&str]) -> String {
    let (code, printed, said) = outcome(args);
    assert!(code == 0 || code == 3, "{args:?}: {said}");
    printed
}

#[test]
fn what_is_no_export_is_refused_by_name() {
    let place = place();
    let whole = export(&place, DEMO, "demo.json");
    let text = fs::read_to_string(&whole).expect("a file");
    let changed = |name: &str, pointer: &str, value: Value| {
        let mut json: Value = serde_json::from_str(&text).expect("JSON");
        *json.pointer_mut(pointer).expect("a field") = value;
        let path = path(&place, name);
        fs::write(&path, json.to_string()).expect("a file");
        path
    };
    let written = |name: &str, text: &str| {
        let path = path(&place, name);
        fs::write(&path, text).expect("a file");
        path
    };
    let part = path(&place, "part.json");
    printed_with(&["summary", DEMO, "--shard", "1/2", "-o", &part]);
    for (file, says) in [
        (path(&place, "nowhere.json"), "does not exist"),
        (written("cut.json", &text[..text.len() / 2]), "it is cut off"),
        (written("other.json", "{\"a\": 1}"), "it has no \"schema\""),
        (written("no.json", "batch"), "it cannot be read as JSON"),
        (changed("newer.json", "/schema", json!("neurotop.summary/2")), "update neurotop"),
        (changed("foreign.json", "/schema", json!("other/1")), "its schema is \"other/1\""),
        (changed("old.json", "/part", Value::Null), "an earlier version wrote it"),
        (changed("sum.json", "/part/samples", json!(1)), "the samples of its units are not the sum"),
        (changed("part2.json", "/part/schema", json!("neurotop.part/2")), "its schema is"),
        (part, "merge the parts of all shards first"),
    ] {
        for command in ["export", "watch"] {
            let (code, printed, said) = outcome(&[command, &file]);
            assert_eq!((code, printed.as_str()), (1, ""), "{command} {file}: {said}");
            let name = PathBuf::from(&file).file_name().expect("a name").to_string_lossy().into_owned();
            if command == "export" || says != "does not exist" {
                assert!(said.contains(says) && said.contains(&name), "{command} {file}: {said}");
            }
            if says == "does not exist" {
                break;
            }
        }
    }
    for command in ["export", "merge"] {
        let (code, _, said) = outcome(&[command, ZERO]);
        assert!(code == 1 && said.contains("leaky-zero is a directory; name "), "{said}");
    }
    let (code, _, said) = outcome(&[ZERO, SUBTRACT]);
    assert!(code == 2 && said.contains("name the directory that holds them"), "{said}");
}

#[test]
fn no_output_replaces_what_it_is_made_of() {
    let place = place();
    let file = path(&place, "exp1.json");
    printed_with(&["summary", DEMO, "-o", &file]);
    let before = fs::read(&file).expect("read");
    for args in [
        &["export", &file, "-o", &file][..],
        &["watch", &file, "--log", &file],
        &[&file, "--log", &file],
        &["summary", DEMO, "--baseline", &file, "--log", &file],
        &["summary", DEMO, "--baseline", &file, "--openmetrics", &file],
    ] {
        let (code, printed, said) = outcome(args);
        assert_eq!((code, printed.as_str()), (2, ""), "{args:?}: {said}");
        assert!(said.contains("exp1.json: it is read, too; write to another file"), "{args:?}: {said}");
        assert_eq!(fs::read(&file).expect("read"), before, "{args:?}");
    }
    // A baseline that moves on is replaced once it is read.
    assert_eq!(outcome(&["summary", DEMO, "--baseline", &file, "-o", &file]).0, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn outputs_may_have_names_that_are_not_text() {
    use std::os::unix::ffi::OsStrExt;
    let place = place();
    let at = |name: &[u8]| place.path().join(std::ffi::OsStr::from_bytes(name));
    let written = [at(b"out\xff.json"), at(b"text\xff"), at(b"log\xff"), at(b"state\xff")];
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_neurotop"))
        .args(["watch", DEMO, "--exit-when-finished", "-o"])
        .arg(&written[0])
        .arg("--openmetrics")
        .arg(&written[1])
        .arg("--log")
        .arg(&written[2])
        .arg("--state")
        .arg(&written[3])
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdout(std::process::Stdio::null())
        .status()
        .expect("it runs");
    assert_eq!(status.code(), Some(0));
    assert!(written.iter().all(|path| path.exists()), "{:?}", fs::read_dir(place.path()));
}

#[test]
fn a_directory_of_runs_is_one_table() {
    let place = place();
    let runs = place.path().join("runs");
    for (name, from) in [("a", ZERO), ("b", SUBTRACT)] {
        support::copy_run(&Path::new(env!("CARGO_MANIFEST_DIR")).join(from), &runs.join(name));
    }
    let runs = runs.to_str().expect("text");
    let text = printed(&["summary", runs]);
    assert!(text.contains("leaky-zero") && text.contains("leaky-subtract"), "{text}");
    for format in ["csv", "md", "tex", "html"] {
        let text = printed(&["summary", runs, "--format", format]);
        assert!(text.contains("leaky") && text.contains("subtract"), "{format}: {text}");
    }
    let json: Value = serde_json::from_str(&printed(&["summary", runs, "--format", "json"])).expect("JSON");
    assert_eq!(json["schema"], "neurotop.summaries/1");
    let alone: Value =
        serde_json::from_str(&printed(&["summary", &format!("{runs}/b"), "--format", "json"])).expect("JSON");
    assert_eq!(json["runs"][1]["total"], alone["total"]);

    // One that cannot be counted is named, and the others are counted.
    fs::write(Path::new(runs).join("b/manifest.json"), "{").expect("a file");
    let (code, text, said) = outcome(&["summary", runs]);
    assert!(text.contains("leaky-zero"), "{text}");
    assert!(code == 3 && said.contains("manifest.json"), "{code}: {said}");
    let (code, _, said) = outcome(&["summary", runs, "--tensorboard", "tb"]);
    assert!(code == 2 && said.contains("holds several runs"), "{said}");
}

#[test]
fn a_comparison_says_what_is_noise() {
    let place = place();
    let running = unfinished(&place);
    let text = printed_with(&["compare", DEMO, DEMO]);
    assert!(
        text.contains("effective ops/sample: ±0 (95 %, paired over 12 batches): no difference"),
        "{text}"
    );
    let text = printed_with(&["compare", DEMO, &running]);
    assert!(text.contains("(95 %, over 12 and 8 batches): within noise"), "{text}");

    let file = export(&place, DEMO, "demo.json");
    let mut json: Value = support::json(Path::new(&file));
    for unit in json["part"]["units"]["sums"].as_array_mut().expect("units") {
        let more = unit["effective_ops"].as_u64().expect("a number") / 10;
        unit["effective_ops"] = json!(unit["effective_ops"].as_u64().expect("a number") + more);
    }
    // Its units are not the sum of its layers now, and that is refused.
    let changed = path(&place, "changed.json");
    fs::write(&changed, json.to_string()).expect("a file");
    let (code, _, said) = outcome(&["compare", DEMO, &changed]);
    assert!(code == 1 && said.contains("its \"part\"") && said.contains("are not the sum"), "{said}");

    let json: Value =
        serde_json::from_str(&printed_with(&["compare", DEMO, ZERO, &running, "--format", "json"]))
            .expect("JSON");
    let difference = &json["comparisons"][1]["differences"]["effective_ops_per_sample"];
    assert_eq!((&difference["pairing"], &difference["units"]), (&json!("independent"), &json!([12, 8])));
    let half_width = difference["half_width"].as_f64().expect("a number");
    let apart = difference["difference"].as_f64().expect("a number").abs();
    assert_eq!(difference["more_than_noise"], json!(apart > half_width));
    let text = printed_with(&["compare", DEMO, ZERO, &running]);
    assert!(text.contains("against BASE") && text.contains("within noise"), "{text}");
}
