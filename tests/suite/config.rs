//! The configuration file: commands honour it, the command line wins over it, errors name the line, and
//! `neurotop config` prints a file that is right.

use crate::support;
use assert_cmd::Command;
use neurotop::dashboard::{Key, Symbols};
use neurotop::options::cli::{Cli, Command as Subcommand};
use neurotop::options::config::Config;
use neurotop::options::{OptionValues, Purpose};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// neurotop with this configuration in its user's configuration directory.
fn neurotop(home: &TempDir, config: &str) -> Command {
    fs::create_dir_all(home.path().join("neurotop")).expect("a directory");
    fs::write(home.path().join("neurotop/config.toml"), config).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    command
        .env("XDG_CONFIG_HOME", home.path())
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .env("LC_ALL", "C.UTF-8")
        .env_remove("TERM");
    command.current_dir(home.path()).timeout(Duration::from_secs(60));
    command
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// What `neurotop` says with this configuration.
fn output(config: &str, args: &[&str]) -> Output {
    neurotop(&home(), config).args(args).output().expect("it runs")
}

fn stdout(config: &str, args: &[&str]) -> String {
    text(&output(config, args).stdout)
}

fn words(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// A run without a manifest, which nothing has been written to for an hour.
fn old_run_without_manifest() -> TempDir {
    let run = home();
    support::small_run(run.path(), 1);
    fs::remove_file(run.path().join("manifest.json")).expect("removed");
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for path in support::batches(run.path()) {
        fs::File::options().write(true).open(path).expect("a file").set_modified(hour_ago).expect("a time");
    }
    run
}

/// The values of the options of `watch` with these words and this file.
fn values(words: &[&str], file: &str) -> OptionValues {
    let words = ["neurotop", "watch", "x"].iter().chain(words).map(|word| (*word).into());
    let Subcommand::Watch { options, .. } = Cli::from_words(words).expect("a command line").command else {
        panic!("watch")
    };
    let config = Config::parse(file).expect(file);
    OptionValues::resolve(&options, &config, Purpose::Watch).expect("values")
}

/// A line of the file, words of the command line, what applies by the file alone and by both, and where.
type Row = (&'static str, &'static [&'static str], [&'static str; 2], fn(&OptionValues) -> String);

const TARGETS: [&str; 2] = ["Some(Address(127.0.0.1:9464))", "Some(File(\"a.prom\"))"];

const ROWS: [Row; 9] = [
    ("follow-links = true", &["--no-follow-links"], ["Followed", "Named"], |values| {
        format!("{:?}", values.links())
    }),
    ("state = \"none\"", &["--state", "a.state"], ["Nothing", "Progress"], kept),
    ("prune = true", &["--no-prune"], ["ProgressAndPrune", "Progress"], kept),
    ("tensorboard = \"a\"", &["--tensorboard", "b"], ["Some(\"a\")", "Some(\"b\")"], |values| {
        format!("{:?}", values.tensorboard)
    }),
    ("openmetrics = \":9464\"", &["--openmetrics", "a.prom"], TARGETS, |values| {
        format!("{:?}", values.openmetrics)
    }),
    ("exit-when-finished = true", &["--no-exit-when-finished"], ["true", "false"], |values| {
        values.dashboard().exit_when_finished.to_string()
    }),
    ("ascii = true", &["--no-ascii"], ["Ascii", "Unicode"], |values| {
        format!("{:?}", values.dashboard().appearance.symbols)
    }),
    ("mouse = false", &["--mouse"], ["false", "true"], |values| values.dashboard().mouse.to_string()),
    ("compact = true", &["--no-compact"], ["true", "false"], |values| values.dashboard().compact.to_string()),
];

fn kept(values: &OptionValues) -> String {
    format!("{:?}", values.keeping().expect("they go together"))
}

#[test]
fn what_follows_from_options_follows_from_the_file_and_the_command_line_wins() {
    for (line, words, [by_file, by_both], applied) in ROWS {
        assert_eq!(applied(&values(&[], line)), by_file, "{line}");
        assert_eq!(applied(&values(words, line)), by_both, "{line} {words:?}");
    }
}

#[test]
fn a_theme_on_the_command_line_wins_over_the_terminal_and_that_over_the_file() {
    let theme = |words: &[&str], line: &str| values(words, line).dashboard().appearance.theme.name();
    assert_eq!(theme(&["--theme", "colour-blind"], "theme = \"light\""), "colour-blind");
    // It depends on the environment of the tests which of the two it is.
    assert!(["light", "monochrome"].contains(&theme(&[], "theme = \"light\"").as_str()));
}

#[test]
fn what_the_command_line_turns_on_is_on() {
    let words = ["--ascii", "--compact", "--no-mouse", "--exit-when-finished"];
    let options = values(&words, "mouse = false\n").dashboard();
    assert!(options.compact && options.exit_when_finished && !options.mouse);
    assert_eq!(options.appearance.symbols, Symbols::Ascii);
}

#[test]
fn the_command_reads_the_file() {
    let run = old_run_without_manifest();
    let path = words(run.path());
    let layer = |config: &str, args: &[&str]| {
        let args: Vec<&str> = ["summary", path, "--format", "json"].iter().chain(args).copied().collect();
        let output = output(config, &args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON")
    };
    let config = "neuron = \"RLeaky\"\nreset = \"subtract\"\n[cost]\n\"RLeaky:subtract\" = 7\n";
    let ops = |value: &serde_json::Value| value["layers"][0]["ops_per_update"].clone();
    assert_eq!(ops(&layer("", &[])), serde_json::Value::Null);
    assert_eq!(ops(&layer(config, &[])), 7);
    assert_eq!(ops(&layer(config, &["--cost", "RLeaky:subtract=9"])), 9);
    assert_eq!(ops(&layer(config, &["--neuron", "Synaptic"])), 6);
    assert_eq!(layer("", &[])["run"]["status"], "stalled");
    assert_eq!(layer("stall-after = 7200", &[])["run"]["status"], "running");
    assert_eq!(layer("stall-after = 7200", &["--stall-after", "60"])["run"]["status"], "stalled");

    let golden = support::golden("conv-mixed-digits");
    let golden = words(&golden);
    assert_eq!(output("fail-if = \"sparsity<16%\"", &["summary", golden]).status.code(), Some(4));
    assert!(stdout("format = \"csv\"", &["summary", golden]).starts_with("kind,name,"));
    assert!(stdout("format = \"csv\"", &["summary", golden, "--format", "md"]).starts_with("# "));
    let finished = output("exit-when-finished = true", &["watch", golden]);
    assert!(finished.status.success() && text(&finished.stdout).contains("finished: "));
    let directory = home();
    let mut command = neurotop(&directory, "export = [\"from-file.json\"]");
    command.args(["summary", golden, "--export", "from-words.csv"]).assert().success();
    for file in ["from-file.json", "from-words.csv"] {
        assert!(directory.path().join(file).is_file(), "{file}");
    }
}

#[test]
fn a_condition_on_the_change_takes_a_baseline_wherever_they_are_said() {
    let golden = support::golden("conv-mixed-digits");
    let golden = words(&golden);
    let baseline = format!("baseline = {golden:?}\n");
    let condition = "fail-if = \"vs-baseline>2%\"\n";
    for (config, args, code) in [
        (condition, &[][..], 2),
        (condition, &["--baseline", golden], 0),
        (&baseline, &["--fail-if", "vs-baseline>2%"], 0),
        (&format!("{baseline}{condition}"), &[], 0),
        ("", &["--fail-if", "vs-baseline>2%"], 2),
    ] {
        for command in [&["summary"][..], &["watch", "--exit-when-finished"]] {
            let output = output(config, &[command, &[golden], args].concat());
            assert_eq!(output.status.code(), Some(code), "{config} {args:?}: {}", text(&output.stderr));
            assert!(code == 0 || text(&output.stderr).contains("'vs-baseline>2%' needs --baseline"));
        }
    }
    assert!(output(condition, &["compare", golden, golden]).status.success());
    let csv = stdout("format = \"csv\"", &["compare", golden, golden]);
    assert!(csv.starts_with("base,new,"), "{csv}");
}

#[test]
fn the_demo_takes_its_pace_and_leaves_exports_and_conditions_to_real_runs() {
    let directory = home();
    let config = "pace = 0.01\nexport = \"mine.json\"\nfail-if = \"sparsity<1\"\n";
    neurotop(&directory, config).arg("demo").assert().success();
    assert!(!directory.path().join("mine.json").exists());
    // Which would take longer than the tests may.
    neurotop(&directory, "pace = 1000").args(["demo", "--pace", "0.01"]).assert().success();
    fs::write(directory.path().join("other.toml"), "pace = 0.01").expect("a file");
    neurotop(&directory, "pace = 1000").args(["demo", "--config", "other.toml"]).assert().success();
}

#[test]
fn options_that_do_not_go_together_are_named_where_they_are() {
    for (config, args, says) in [
        (
            "state = \"none\"\nprune = true",
            &[][..],
            &["prune = true in ", "state = \"none\" in ", "config.toml"][..],
        ),
        ("state = \"none\"", &["--prune"], &["--prune deletes", "state = \"none\" in "]),
        ("prune = true", &["--state", "none"], &["prune = true in ", "--state none keeps"]),
        ("", &["--prune", "--state", "none"], &["--prune deletes batches, and --state none keeps"]),
    ] {
        let said = output(config, &[&["watch", "nowhere"], args].concat());
        let error = text(&said.stderr);
        assert_eq!(said.status.code(), Some(2), "{error}");
        assert!(says.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn a_shard_is_the_files_or_the_command_lines_and_leaves_checks_of_the_whole_run_to_merge() {
    let directory = home();
    let run = support::demo_run();
    let config = "shard = \"1/2\"\nexport = \"mine.csv\"\nfail-if = \"sparsity<1\"\nformat = \"csv\"\n\
                  baseline = \"absent.json\"\n";
    let part = |more: &[&str]| {
        let mut command = neurotop(&directory, config);
        let output =
            command.args(["summary", words(&run)]).args(more).assert().success().get_output().clone();
        text(&output.stdout)
    };
    assert!(part(&[]).contains("shard 1/2: 6 batches"), "{}", part(&[]));
    assert!(part(&["--shard", "3/4"]).contains("shard 3/4: 3 batches"));
    for (number, name) in [("1/2", "one.json"), ("2/2", "two.json")] {
        part(&["--shard", number, "-o", name]);
    }
    assert!(!directory.path().join("mine.csv").exists());
    let config = "export = \"mine.csv\"\nfail-if = \"sparsity<1\"\nformat = \"csv\"\n";
    let merged = neurotop(&directory, config).args(["merge", "two.json", "one.json"]).assert().code(4);
    let exported = fs::read_to_string(directory.path().join("mine.csv")).expect("an export");
    assert_eq!(text(&merged.get_output().stdout), support::without_provenance("mine.csv", &exported));
}

#[test]
fn what_is_shown_is_ascii_where_that_is_asked_for_or_the_locale_has_no_more() {
    let golden = support::golden("conv-mixed-digits");
    let golden = words(&golden);
    let unicode = stdout("", &["summary", golden]);
    assert!(unicode.contains('·') && unicode.contains('─'), "{unicode}");
    // The run is older by then.
    let steady = |report: &str| support::steady(report, Path::new(golden));
    assert_eq!(steady(&stdout("ascii = true", &["summary", golden, "--no-ascii"])), steady(&unicode));
    let watch = ["watch", "--exit-when-finished", golden];
    for (config, locale, args) in [
        ("ascii = true", "C.UTF-8", &["summary", golden][..]),
        ("", "C.UTF-8", &["summary", golden, "--ascii"]),
        ("", "C", &["summary", golden]),
        ("ascii = true", "C.UTF-8", &watch),
        ("", "POSIX", &watch),
    ] {
        let output = neurotop(&home(), config).env("LC_ALL", locale).args(args).output().expect("it runs");
        let ascii = text(&output.stdout);
        assert!(output.status.success() && ascii.is_ascii() && ascii.contains("-----"), "{args:?}\n{ascii}");
        // Tables keep their form.
        let columns = |text: &str| text.lines().filter(|line| line.starts_with("total")).map(str::len).max();
        assert_eq!(columns(&ascii), columns(&unicode));
    }
    // What programs read is as it is in a file.
    let directory = home();
    let md = neurotop(&directory, "").args(["summary", golden, "--format", "md"]).output().expect("it runs");
    let mut ascii = neurotop(&directory, "ascii = true");
    let same =
        ascii.args(["summary", golden, "--format", "md", "--export", "a.txt"]).output().expect("it runs");
    assert_eq!(steady(&text(&md.stdout)), steady(&text(&same.stdout)));
    assert!(fs::read_to_string(directory.path().join("a.txt")).expect("a file").contains('─'));
}

#[test]
fn what_is_wrong_with_the_file_is_said_and_nothing_is_done() {
    let golden = support::golden("conv-mixed-digits");
    for (config, parts) in [
        ("theme = \"dark\"\nstall_after = 3", &["config.toml", "line 2", "did you mean stall-after?"][..]),
        ("poll = 0", &["line 1", "between 0.01"]),
        ("[keys]\nfilter = \"q\"", &["line 2", "key q", "quit", "filter"]),
        ("[keys]\nfilter = \"hyper-q\"", &["line 2", "\"hyper-q\" is no key"]),
        ("[keys]\nexport = \"ctrl-c\"", &["line 2", "key ctrl-c", "quit"]),
    ] {
        for args in [&["summary", words(&golden)][..], &["watch", words(&golden)], &["demo"]] {
            let output = output(config, args);
            let error = text(&output.stderr);
            assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""), "{config}");
            for part in parts {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
    }
    let missing = output("", &["summary", words(&golden), "--config", "nowhere.toml"]);
    assert!(missing.status.code() == Some(1) && text(&missing.stderr).contains("nowhere.toml"));
    let other = output("zzz", &["summary", words(&golden), "--config", "/dev/null"]);
    assert!(other.status.success(), "{}", text(&other.stderr));
}

#[test]
fn the_default_file_is_printed_found_and_right() {
    let directory = home();
    let path = text(&neurotop(&directory, "").args(["config", "--path"]).output().expect("it runs").stdout);
    let path = PathBuf::from(path.trim_end());
    assert_eq!(path, directory.path().join("neurotop/config.toml"));
    let default = text(&neurotop(&directory, "").arg("config").output().expect("it runs").stdout);
    for part in ["#theme = \"dark\"", "#quit = [\"q\", \"ctrl-c\"]", "# Leave, print the summary", "[keys]"] {
        assert!(default.contains(part), "{part}:\n{default}");
    }
    let check = |config: &str, args: &[&str]| {
        let output = neurotop(&directory, config).arg("config").args(args).output().expect("it runs");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let right = (Some(0), format!("{} is right\n", path.display()), String::new());
    assert_eq!(check(&default, &["--check"]), right);
    assert_eq!(check(&default.replace("\n#", "\n"), &["--check"]).0, Some(1), "explanations are no options");
    let (code, _, error) = check("settle = true", &["--check"]);
    assert!(code == Some(1) && error.contains("line 1 (settle = true)"), "{error}");
    fs::write(directory.path().join("other.toml"), "[keys]\nquit = [\"x\"]").expect("a file");
    assert_eq!(check("zzz", &["--check", "other.toml"]).1, "other.toml is right\n");
    let (code, _, error) = check("state = \"none\"\nprune = true", &["--check"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("prune = true in ") && error.contains("config.toml"), "{error}");
    assert_eq!(check("", &["--check", "nowhere.toml"]).0, Some(1));
    assert_eq!(check("", &["--check", "--path"]).0, Some(2));
    let mut nowhere = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    let nowhere = nowhere
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", support::STATE_HOME)
        .args(["config", "--check"])
        .output();
    let nowhere = nowhere.expect("it runs");
    assert!(nowhere.status.success() && text(&nowhere.stdout).contains("the defaults apply"));
}

#[test]
fn keys_of_the_file_are_those_of_the_dashboard() {
    let file = "[keys]\nquit = \"x\"\nzoom-in = []\nview-charts = [\"f3\", \"q\"]\n";
    let keys = values(&[], file).dashboard().keys;
    let action = |key: &str| keys.action(key.parse::<Key>().expect("a key"));
    assert_eq!(action("x"), action("ctrl-c"));
    assert_eq!(action("q"), action("f3"));
    assert!(action("x").is_some() && action("q").is_some() && action("x") != action("q"));
    assert_eq!((action("+"), action("3")), (None, None));
    assert!(action("minus").is_some());
}

#[test]
fn the_example_of_the_manual_is_right() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let manual = fs::read_to_string(page).expect("a file");
    let examples: Vec<&str> =
        manual.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        assert!(Config::parse(example).is_ok(), "{example}\n{:?}", Config::parse(example));
    }
}
