//! Comparing runs as a user meets it: `compare` in every format, `--baseline`, `vs-baseline`, bad input, exit
//! codes, colours; and summaries that are read back as they were written.

use crate::started::{neurotop, outcome, text};
use crate::support;
use neurotop::figures::{ComparedRow, FIGURES, Figure, Number, ShownIn, read_figures};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const ZERO: &str = "tests/golden/leaky-zero";
const SUBTRACT: &str = "tests/golden/leaky-subtract";
const SYNAPTIC: &str = "tests/golden/synaptic-zero";
const DEMO: &str = "assets/demo-run";

fn json_of(args: &[&str]) -> Value {
    let (code, printed, said) = outcome(args);
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&printed).expect("JSON")
}

/// A place for the files of a test.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("text").to_owned()
    }

    /// The summary of a run, exported.
    fn export(&self, run: &str, name: &str) -> String {
        let path = self.path(name);
        assert_eq!(outcome(&["summary", run, "--export", &path]).0, 0);
        path
    }

    /// The same, changed.
    fn changed(&self, run: &str, name: &str, change: impl Fn(&mut Value)) -> String {
        let path = self.export(run, name);
        let mut summary = support::json(Path::new(&path));
        change(&mut summary);
        fs::write(&path, summary.to_string()).expect("a file");
        path
    }
}

fn assert_snapshot(name: &str, output: &str) {
    let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
    let output = support::steady(output, Path::new("/nowhere"));
    insta::assert_snapshot!(name, output.replace(&version, "\"VERSION\""));
}

#[test]
fn two_runs_in_every_format() {
    for format in ["text", "json", "csv", "markdown"] {
        let (code, printed, said) = outcome(&["compare", ZERO, SYNAPTIC, "--format", format]);
        assert_eq!((code, said.as_str()), (0, ""));
        assert_snapshot(&format!("two-{format}"), &printed);
    }
}

#[test]
fn several_runs() {
    let (code, printed, _) = outcome(&["compare", DEMO, ZERO, SYNAPTIC]);
    assert_eq!(code, 0);
    assert_snapshot("several-text", &printed);
    assert_eq!(
        json_of(&["compare", ZERO, SUBTRACT, SYNAPTIC, "--format", "json"])["comparisons"][1]["new"]["source"],
        SYNAPTIC
    );
}

#[test]
fn what_is_the_same_in_every_layer_is_said_once_for_each_run() {
    for format in ["text", "md", "tex", "html"] {
        let (_, printed, _) = outcome(&["compare", ZERO, SUBTRACT, SYNAPTIC, "--format", format]);
        let same =
            "the same in every layer: effective ops/sample, dense ops/sample, updates/sample, sparsity, ";
        assert_eq!(
            (printed.matches(same).count(), printed.matches("same in every").count()),
            (1, 1),
            "{printed}"
        );
    }
}

/// Each of these was once missing from some.
#[test]
fn every_format_for_people_says_the_same() {
    let place = Place::new();
    let copy = place.path("measured");
    support::copy_run(&support::golden("measured-mixed"), Path::new(&copy));
    fs::write(Path::new(&copy).join("end.json"), r#"{"batches": 4}"#).expect("an end");
    for format in ["text", "md", "tex", "html"] {
        let (_, printed, _) = outcome(&["compare", ZERO, &copy, "--format", format]);
        let printed = printed.replace("{-}", "-");
        for what in ["in total, with measured prices", "569.33", "have a measured price", "1 is not there"] {
            assert!(printed.contains(what), "{format} lacks {what}: {printed}");
        }
        let (_, printed, _) = outcome(&["summary", &copy, "--baseline", DEMO, "--format", format]);
        for what in ["change by layer", "removed", "in total, with measured prices"] {
            assert!(printed.contains(what), "{format} lacks {what}: {printed}");
        }
    }
}

#[test]
fn a_label_of_latex_is_defined_once() {
    let (_, tex, _) = outcome(&["compare", ZERO, SYNAPTIC, DEMO, "--format", "tex"]);
    let labels: Vec<&str> = tex.lines().filter(|line| line.contains("\\label{")).collect();
    let different: std::collections::HashSet<&&str> = labels.iter().collect();
    assert!(labels.len() > 10 && different.len() == labels.len(), "{labels:?}");
}

#[test]
fn of_very_many_layers_those_are_shown_that_changed_most() {
    let place = Place::new();
    let changed = |name: &str, updates: fn(usize) -> usize| {
        place.changed(ZERO, name, |summary| {
            let layer = summary["layers"][0].clone();
            let layers = (0..100).map(|at| {
                let mut layer = layer.clone();
                layer["name"] = format!("layer{at}").into();
                layer["effective_ops_per_sample"] = updates(at).into();
                layer
            });
            summary["layers"] = layers.collect();
        })
    };
    let (base, new) = (changed("base.json", |_| 1000), changed("new.json", |at| 1000 + at));
    let (_, text, _) = outcome(&["compare", &base, &new]);
    let table = text.split("effective ops/sample ").nth(2).expect("the layers");
    let table = table.split("dense ops/sample").next().expect("a table");
    let first = table.lines().find(|line| line.starts_with("layer ")).expect("a layer");
    assert!(first.contains("layer99 "), "{first}");
    assert!(table.matches("\nlayer ").count() <= 60 && !table.contains("layer7 "), "{table}");
    assert!(text.contains("rows more, which changed less; the JSON and the CSV have all"), "{text}");
}

#[test]
fn layers_that_are_not_in_both_and_not_of_one_kind() {
    let args = ["compare", "tests/golden/relu-beside-leaky", "tests/golden/unpriced-rleaky"];
    let (code, printed, _) = outcome(&args);
    assert_eq!(code, 0);
    assert_snapshot("kinds-text", &printed);
}

#[test]
fn text_fits_a_terminal_of_80_columns() {
    use unicode_width::UnicodeWidthStr;
    let runs = [DEMO, "tests/golden/conv-mixed-digits", ZERO];
    let (_, compared, _) = outcome(&[&["compare"], &runs[..]].concat());
    let (_, summary, _) = outcome(&["summary", DEMO, "--baseline", ZERO]);
    for line in compared.lines().chain(summary.lines()).filter(|line| !line.starts_with("- ")) {
        assert!(line.width() <= 80, "{line}");
    }
}

#[test]
fn a_run_is_the_same_as_itself_counted_or_read() {
    let place = Place::new();
    let export = place.export(DEMO, "demo.json");
    let read = json_of(&["compare", &export, DEMO, "--format", "json"]);
    let counted = json_of(&["compare", DEMO, DEMO, "--format", "json"]);
    assert_eq!(read["comparisons"][0]["changes"], counted["comparisons"][0]["changes"]);
    assert_eq!(read["comparisons"][0]["changes"]["total"]["sparsity"]["direction"], "same");
    let (_, printed, _) = outcome(&["compare", &export, DEMO]);
    assert!(printed.contains("- the same in every layer: effective ops/sample, "), "{printed}");
    assert!(!printed.contains("lif1"), "{printed}");
}

#[test]
fn every_golden_run_is_read_back_bit_for_bit() {
    let place = Place::new();
    let mut runs: Vec<PathBuf> = support::golden_names().iter().map(|name| support::golden(name)).collect();
    runs.push(support::demo_run());
    for run in runs {
        let export = PathBuf::from(place.export(run.to_str().expect("text"), "run.json"));
        let expected = support::json(&export);
        let read = read_figures(&export).expect("a summary");
        assert_eq!(read.name, expected["run"]["name"], "{}", run.display());
        let same = |row: &ComparedRow, json: &Value| {
            for figure in FIGURES.iter().filter(|figure| figure.shown_in.contains(&ShownIn::Export)) {
                let (ours, json) = (row.number(figure), json.get(figure.name).unwrap_or(&Value::Null));
                assert_eq!(&json!(ours), json, "{}: {}: {}", run.display(), row.name, figure.name);
                let bits = |value: Option<f64>| value.map(f64::to_bits);
                assert_eq!(bits(row.value(figure)), bits(json.as_f64()), "{}: {}", row.name, figure.name);
            }
        };
        for layer in expected["layers"].as_array().expect("layers") {
            let name = layer["name"].as_str().expect("a name");
            same(read.rows.layer(name).unwrap_or_else(|| panic!("no layer {name}")), layer);
        }
        for (class, figures) in expected["neurons"].as_object().expect("classes") {
            same(read.rows.neuron(class).unwrap_or_else(|| panic!("no class {class}")), figures);
        }
        if read.rows.unpriced_layers() < read.rows.layers.len() {
            same(&read.rows.total, &expected["total"]);
        }
    }
}

#[test]
fn a_summary_may_come_through_a_pipe() {
    let place = Place::new();
    let export = place.export(ZERO, "zero.json");
    let mut command = neurotop();
    command.args(["compare", "/dev/stdin"]).arg(support::golden("leaky-zero"));
    let output = command.write_stdin(fs::read(export).expect("a file")).output().expect("it runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("the same in every layer: "));
}

#[test]
fn integers_beyond_64_bits() {
    let place = Place::new();
    let path = place.export(ZERO, "huge.json");
    let mut summary = support::json(Path::new(&path));
    summary["total"]["effective_ops"] = json!("HUGE");
    summary["layers"][0]["effective_ops"] = json!("HUGE");
    let huge = u128::MAX.to_string();
    fs::write(&path, summary.to_string().replace("\"HUGE\"", &huge)).expect("a file");
    let figures = read_figures(Path::new(&path)).expect("a summary");
    let effective = Figure::named("effective_ops").expect("a figure");
    for row in [&figures.rows.layers[0], &figures.rows.total] {
        assert_eq!(row.number(effective), Some(Number::Whole(u128::MAX)));
    }
}

#[test]
fn the_settings_of_a_run_are_those_of_every_run() {
    let run = "tests/golden/unpriced-rleaky";
    let args = ["compare", run, run, "--format", "json", "--threads", "1", "--cost", "RLeaky:subtract=5"];
    let rleaky = json_of(&args)["comparisons"][0]["changes"]["layers"][1].clone();
    let effective = &rleaky["effective_ops_per_sample"];
    assert_eq!((&rleaky["name"], &effective["base"]), (&json!("net.3"), &json!(180.0)));
    assert_eq!((&effective["new"], &effective["relative"]), (&json!(180.0), &json!(0.0)));
}

#[test]
fn what_is_neither_a_run_nor_a_summary() {
    let place = Place::new();
    let export = place.export(ZERO, "zero.json");
    let whole = fs::read_to_string(&export).expect("a file");
    let file = |name: &str, contents: &str| {
        fs::write(place.path(name), contents).expect("a file");
        place.path(name)
    };
    let twice = |summary: &mut Value| {
        let layer = summary["layers"][0].clone();
        summary["layers"].as_array_mut().expect("layers").push(layer);
    };
    let comparison = place.path("comparison.json");
    assert_eq!(outcome(&["compare", ZERO, ZERO, "--export", &comparison]).0, 0);
    fs::create_dir(place.path("empty")).expect("a directory");
    for (wrong, says) in [
        (place.path("missing.json"), "does not exist"),
        (place.path("empty"), "holds neither manifest.json nor a batch-N.npz"),
        ("tests/golden".to_owned(), "is a directory of runs; name one of them"),
        (file("cut.json", &whole[..whole.len() / 2]), "it is cut off"),
        (
            file("nan.json", &whole.replace("\"sparsity\": 0", "\"sparsity\": NaN, \"was\": 0")),
            "it cannot be read as JSON",
        ),
        (file("a.csv", "kind,name\nlayer,a\n"), "it cannot be read as JSON"),
        (file("manifest.json", r#"{"format": "neurotop", "version": 1}"#), "it has no \"schema\""),
        (
            place.changed(ZERO, "newer.json", |summary| summary["schema"] = json!("neurotop.summary/2")),
            "update neurotop",
        ),
        (place.changed(ZERO, "twice.json", twice), "layer \"net.1\" is in it twice"),
        (comparison, "it is a comparison"),
    ] {
        for args in [
            &["compare", &wrong, ZERO][..],
            &["compare", ZERO, ZERO, &wrong],
            &["summary", ZERO, "--baseline", &wrong],
            &["watch", ZERO, "--exit-when-finished", "--baseline", &wrong],
        ] {
            let (code, printed, said) = outcome(args);
            assert_eq!((code, printed.as_str()), (1, ""), "{args:?}: {said}");
            assert!(said.contains(says) && said.contains(&wrong), "{args:?}: {said}");
        }
    }
    let (code, _, said) = outcome(&["summary", place.path("nowhere").as_str(), "--baseline", ZERO]);
    assert!(code == 1 && said.contains("nowhere does not exist"), "{said}");
}

#[test]
fn a_summary_shows_the_changes_from_its_baseline() {
    let place = Place::new();
    let export = place.export(ZERO, "zero.json");
    for (format, name) in [("text", "baseline-text"), ("md", "baseline-md")] {
        let (code, printed, said) = outcome(&["summary", SYNAPTIC, "--baseline", ZERO, "--format", format]);
        assert_eq!((code, said.as_str()), (0, ""));
        assert_snapshot(name, &printed);
    }
    let from_export = json_of(&["summary", SYNAPTIC, "--baseline", &export, "--format", "json"]);
    let counted = json_of(&["summary", SYNAPTIC, "--baseline", ZERO, "--format", "json"]);
    let compared = json_of(&["compare", ZERO, SYNAPTIC, "--format", "json"]);
    assert_eq!(from_export["baseline"]["changes"], counted["baseline"]["changes"]);
    assert_eq!(counted["baseline"]["changes"], compared["comparisons"][0]["changes"]);
    assert_eq!(
        (&counted["baseline"]["name"], &counted["baseline"]["source"]),
        (&json!("leaky-zero"), &json!(ZERO))
    );
    let without = json_of(&["summary", SYNAPTIC, "--format", "json"]);
    assert!(without.get("baseline").is_none() && without.get("failed").is_none());
    // A summary with a baseline is one that another run can be compared with.
    let again = place.path("again.json");
    let args = ["summary", SYNAPTIC, "--baseline", ZERO, "--fail-if", "sparsity>1%", "--export", &again];
    assert_eq!(outcome(&args).0, 4);
    assert_eq!(json_of(&["compare", &again, SYNAPTIC, "--format", "json"])["base"]["name"], "synaptic-zero");
}

#[test]
fn watch_shows_the_changes_and_exports_them() {
    let place = Place::new();
    let export = place.path("out.json");
    let args = ["watch", SYNAPTIC, "--exit-when-finished", "--baseline", ZERO, "--export", &export];
    let conditions = ["--fail-if", "vs-baseline>+2%", "--fail-if", "vs-baseline<0%"];
    let (code, printed, said) = outcome(&[&args[..], &conditions].concat());
    assert_eq!(code, 4);
    assert!(printed.contains("Against the baseline tests/golden/leaky-zero"), "{printed}");
    assert!(
        said.contains("change of effective ops/sample +151.") && said.contains(" > +2 %: fails by 149."),
        "{said}"
    );
    let written = support::json(Path::new(&export));
    assert_eq!(written["baseline"]["name"], "leaky-zero");
    assert_eq!(written["failed"].as_array().map(Vec::len), Some(1));
    assert_eq!(written["failed"][0]["condition"], "vs-baseline>+2%");
}

/// A summary whose first layer, class and total have a tenth more effective operations.
fn a_tenth_more(place: &Place) -> String {
    place.changed(ZERO, "more.json", |summary| {
        for part in ["/total", "/layers/0", "/neurons/Leaky"] {
            let figure = &mut summary.pointer_mut(part).expect("a part")["effective_ops_per_sample"];
            *figure = json!(figure.as_f64().expect("a figure") * 1.1);
        }
    })
}

#[test]
fn conditions_on_the_change_from_the_baseline() {
    let place = Place::new();
    let more = a_tenth_more(&place);
    for (condition, fails) in [
        ("vs-baseline>+2%", true),
        ("vs-baseline>10.1%", false),
        ("layer:net.1.vs-baseline>9.9%", true),
        ("layer:net.3.vs-baseline!=0%", false),
        ("neuron:Leaky.vs-baseline.effective_ops_per_sample>2%", true),
        ("vs-baseline.dense_ops_per_sample!=0%", false),
        ("layer:net.7.vs-baseline>2%", true),
        ("sparsity>100%", false),
    ] {
        let (code, printed, said) = outcome(&["compare", ZERO, &more, "--fail-if", condition]);
        assert_eq!(code, if fails { 4 } else { 0 }, "{condition}: {said}");
        assert_eq!(said.contains(&format!("{more}: ")), fails, "{said}");
        assert_eq!(said.contains(": fails") || said.contains("cannot be decided"), fails, "{said}");
        assert_eq!(printed.contains("FAILED"), fails, "{printed}");
    }
    // The base of a comparison is the baseline, of each of the runs.
    let args = ["compare", ZERO, ZERO, &more, &more, "--fail-if", "vs-baseline>+2%", "--format", "json"];
    let (code, printed, _) = outcome(&args);
    let compared: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!((code, compared["failed"].as_array().map(Vec::len)), (4, Some(2)));
    assert_eq!(
        (&compared["failed"][0]["new"], &compared["failed"][0]["condition"]),
        (&json!(more), &json!("vs-baseline>+2%"))
    );
    let (code, printed, _) =
        outcome(&["summary", ZERO, "--baseline", &more, "--fail-if", "vs-baseline>-2%", "--format", "json"]);
    let summary: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!((code, &summary["failed"]), (0, &json!([])));
}

#[test]
fn conditions_that_are_wrong_are_usage_errors() {
    for (args, says) in [
        (&["summary", ZERO, "--fail-if", "vs-baseline>+2%"][..], "needs --baseline"),
        (&[ZERO, "--fail-if", "layer:net.1.vs-baseline>+2%"], "needs --baseline"),
        (&["compare", ZERO, SUBTRACT, "--fail-if", "vs-baseline>+2"], "did you mean +2%?"),
        (&["summary", ZERO, "--fail-if", "sparsity<90"], "did you mean 90%?"),
    ] {
        let (code, printed, said) = outcome(args);
        assert_eq!((code, printed.as_str()), (2, ""), "{args:?}");
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn the_exit_code_is_that_of_the_worst() {
    let place = Place::new();
    let broken = place.path("broken");
    support::small_run(Path::new(&broken), 2);
    fs::write(Path::new(&broken).join("batch-000001.npz"), "x").expect("a file");
    let fails = ["--fail-if", "updates>0"];
    let cannot = ["--export", "/proc/self/a.json"];
    let mine = ["summary", &broken, "--settle", "0.1"];
    let other = ["compare", ZERO, &broken, "--settle", "0.1"];
    for command in [&mine[..], &other] {
        let (code, printed, said) = outcome(command);
        assert!(code == 3 && said.contains("set aside: ") && said.contains("batch-000001.npz: "), "{said}");
        assert!(printed.contains("batch-000001.npz"), "{printed}");
        assert_eq!(outcome(&[command, &fails].concat()).0, 4);
        if Path::new("/proc/self").exists() {
            assert_eq!(outcome(&[command, &fails, &cannot].concat()).0, 1);
        }
    }
    // Also where the run was counted before, and for the base.
    let export = place.path("broken.json");
    assert_eq!(outcome(&["summary", &broken, "--settle", "0.1", "--export", &export]).0, 3);
    let (code, _, said) = outcome(&["compare", &export, ZERO]);
    assert!(code == 3 && said.contains(&format!("{export}: set aside: batch-000001.npz")), "{said}");
    // What was set aside in the baseline is no fault of the run.
    assert_eq!(outcome(&["summary", ZERO, "--baseline", &export]).0, 0);
}

#[test]
fn exports_of_a_comparison() {
    let place = Place::new();
    let names = ["a.json", "a.csv", "a.md", "a.txt", "a.tex", "a.html"].map(|name| place.path(name));
    let exports = names.iter().flat_map(|name| ["--export", name]);
    let args: Vec<&str> = ["compare", ZERO, SUBTRACT].into_iter().chain(exports).collect();
    assert_eq!(outcome(&args).0, 0);
    for (name, format) in names.iter().zip(["json", "csv", "md", "text", "tex", "html"]) {
        let (_, printed, _) = outcome(&["compare", ZERO, SUBTRACT, "--format", format]);
        let written = fs::read_to_string(name).expect("a file");
        let [written, printed] = [written, printed].map(|text| support::without_provenance(name, &text));
        assert_eq!(written, printed, "{name}");
    }
    let (code, printed, said) = outcome(&["compare", ZERO, SUBTRACT, "--export", "no/such/a.json"]);
    assert!(code == 1 && printed.is_empty() && said.contains("no/such"), "{said}");
}

#[test]
fn names_cannot_steer_a_terminal_or_a_spreadsheet() {
    let place = Place::new();
    let strange = place.changed(ZERO, "strange.json", |summary| {
        summary["run"]["name"] = json!("\u{1b}[2Jrun");
        summary["layers"][0]["name"] = json!("=\u{1b}[31m|x");
    });
    for format in ["text", "md"] {
        let (_, printed, said) =
            outcome(&["compare", ZERO, &strange, "--format", format, "--fail-if", "layer:\u{1b}.updates>1"]);
        let name = if format == "md" { r"\\u{1b}\[2Jrun" } else { r"\u{1b}[2Jrun" };
        assert!(printed.contains(name), "{printed}");
        assert!(!printed.contains('\u{1b}') && !said.contains('\u{1b}'), "{printed}{said}");
    }
    let (_, printed, _) = outcome(&["compare", ZERO, &strange, "--format", "csv"]);
    assert!(printed.contains(",'=\u{1b}"), "{printed}");
}

#[cfg(target_os = "linux")]
mod on_a_terminal {
    use super::*;
    use portable_pty::{CommandBuilder, PtySize, native_pty_system};
    use std::io::Read;

    /// What the command writes on a terminal of 80 columns.
    fn printed(args: &[&str], environment: &[(&str, &str)]) -> String {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_neurotop"));
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        command.args(args);
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        for (name, value) in environment {
            command.env(name, value);
        }
        let mut child = pair.slave.spawn_command(command).expect("it starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("its output");
        let (mut bytes, mut chunk) = (Vec::new(), [0; 8192]);
        while let Ok(count @ 1..) = reader.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..count]);
        }
        child.wait().expect("it ends");
        // Without the progress bar and the terminal's line ends.
        let all = text(&bytes).replace("\r\n", "\n");
        all[all.find("neurotop · ").expect("a report")..].to_owned()
    }

    #[test]
    fn changes_have_colours_and_lose_nothing_without() {
        let place = Place::new();
        let more = a_tenth_more(&place);
        let (green, red) = ("\u{1b}[38;5;2m", "\u{1b}[38;5;1m");
        let worse = printed(&["compare", ZERO, &more], &[]);
        assert!(worse.contains(&format!("{red}+10.00 %")) && !worse.contains(green), "{worse:?}");
        let better = printed(&["summary", ZERO, "--baseline", &more], &[]);
        assert!(better.contains(green) && !better.contains(red), "{better:?}");
        for environment in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let plain = printed(&["compare", ZERO, &more], &[environment]);
            assert_eq!(plain, outcome(&["compare", ZERO, &more]).1, "{environment:?}");
        }
        let mut coloured = vt100::Parser::new(200, 80, 0);
        coloured.process(worse.replace('\n', "\r\n").as_bytes());
        let plain = outcome(&["compare", ZERO, &more]).1;
        let lines =
            |text: &str| text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(lines(&coloured.screen().contents()), lines(&plain));
        let failed = printed(&["compare", ZERO, &more, "--fail-if", "vs-baseline>2%"], &[]);
        assert_eq!(failed.matches(" > +2 %: fails by 8.00 points").count(), 1, "said once: {failed}");
    }
}
