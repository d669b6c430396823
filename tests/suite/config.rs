//! The configuration file: every option of it is honoured, the command line goes before it, what is wrong
//! is named, and `neurotop config` prints one that is right.

use crate::support;
use assert_cmd::Command;
use neurotop::dashboard::{Conflict, DashboardOptions, Key, Mouse, Symbols};
use neurotop::options::cli::{Cli, Command as Subcommand, WatchArgs};
use neurotop::options::config::{Config, FIELDS};
use neurotop::options::settings::{self, RunSettings};
use std::collections::BTreeSet;
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

fn watch_args(words: &[&str]) -> WatchArgs {
    let words = ["neurotop", "watch", "x"].iter().chain(words).map(|word| (*word).into());
    match Cli::from_words(words).expect("a command line").command {
        Subcommand::Watch(args) => args,
        other => panic!("{other:?}"),
    }
}

fn dashboard(args: WatchArgs, config: &Config) -> Result<DashboardOptions, Conflict> {
    settings::dashboard(&RunSettings::new(args.run, config), &args.end, &args.look, config)
}

/// What applies, as text, by a configuration and a command line.
type Applies = fn(WatchArgs, &Config) -> String;

fn run(what: fn(RunSettings) -> String) -> impl Fn(WatchArgs, &Config) -> String {
    move |args, config| what(RunSettings::new(args.run, config))
}

fn kept(args: WatchArgs, config: &Config) -> String {
    let (place, keeping) = settings::keeping(&args.keep, config).expect("they go together");
    format!("{place} {keeping:?}")
}

/// An option: a line of the file, what applies by it, words of a command line, what applies by both.
struct Row {
    name: &'static str,
    line: &'static str,
    by_file: &'static str,
    words: &'static [&'static str],
    by_both: &'static str,
    applies: Applies,
}

fn logs(args: WatchArgs, config: &Config) -> String {
    let log = RunSettings::new(args.run, config).log.expect("a log");
    format!("{} {:?}", log.path.display(), log.level)
}

const ROWS: [Row; 23] = [
    Row {
        name: "export",
        line: "export = \"a.json\"",
        by_file: "1",
        words: &["--export", "b.csv"],
        by_both: "2",
        applies: |args, config| run(|run| run.exports.len().to_string())(args, config),
    },
    Row {
        name: "fail-if",
        line: "fail-if = [\"sparsity<1\", \"sparsity<0.5\"]",
        by_file: "2",
        words: &["--fail-if", "dense_ops<1"],
        by_both: "3",
        applies: |args, config| run(|run| run.fail_if.len().to_string())(args, config),
    },
    Row {
        name: "baseline",
        line: "baseline = \"a.json\"",
        by_file: "a.json",
        words: &["--baseline", "b"],
        by_both: "b",
        applies: |args, config| {
            let baseline = settings::baseline(args.baseline.as_deref(), config).expect("a path");
            baseline.display().to_string()
        },
    },
    Row {
        name: "cost",
        line: "[cost]\n\"A:b\" = 5",
        by_file: "A:b=5",
        words: &["--cost", "A:b=6"],
        by_both: "A:b=5 A:b=6",
        applies: |args, config| {
            run(|run| run.costs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))(args, config)
        },
    },
    Row {
        name: "neuron",
        line: "neuron = \"Leaky\"",
        by_file: "Leaky",
        words: &["--neuron", "lif=Alpha"],
        by_both: "Leaky lif=Alpha",
        applies: |args, config| run(|run| run.neurons.join(" "))(args, config),
    },
    Row {
        name: "reset",
        line: "reset = [\"zero\"]",
        by_file: "zero",
        words: &["--reset", "subtract"],
        by_both: "zero subtract",
        applies: |args, config| run(|run| run.resets.join(" "))(args, config),
    },
    Row {
        name: "stall-after",
        line: "stall-after = 7",
        by_file: "7s",
        words: &["--stall-after", "8"],
        by_both: "8s",
        applies: |args, config| run(|run| format!("{:?}", run.stall_after))(args, config),
    },
    Row {
        name: "settle",
        line: "settle = 0.5",
        by_file: "500ms",
        words: &["--settle", "8"],
        by_both: "8s",
        applies: |args, config| run(|run| format!("{:?}", run.settle))(args, config),
    },
    Row {
        name: "threads",
        line: "threads = 77",
        by_file: "77",
        words: &["--threads", "3"],
        by_both: "3",
        applies: |args, config| run(|run| run.threads.to_string())(args, config),
    },
    Row {
        name: "priority",
        line: "priority = \"normal\"",
        by_file: "Normal",
        words: &["--priority", "low"],
        by_both: "Low",
        applies: |args, config| format!("{:?}", settings::priority(args.priority, config)),
    },
    Row {
        name: "follow-links",
        line: "follow-links = true",
        by_file: "Followed",
        words: &["--no-follow-links"],
        by_both: "Named",
        applies: |args, config| run(|run| format!("{:?}", run.links))(args, config),
    },
    Row {
        name: "state",
        line: "state = \"none\"",
        by_file: "none Nothing",
        words: &["--state", "a.state"],
        by_both: "a.state Progress",
        applies: kept,
    },
    Row {
        name: "prune",
        line: "prune = true",
        by_file: "default ProgressAndPrune",
        words: &["--no-prune"],
        by_both: "default Progress",
        applies: kept,
    },
    Row {
        name: "tensorboard",
        line: "tensorboard = \"a\"",
        by_file: "a",
        words: &["--tensorboard", "b"],
        by_both: "b",
        applies: |args, config| {
            let directory = settings::publishing(args.publish, config).tensorboard.expect("a directory");
            directory.display().to_string()
        },
    },
    Row {
        name: "openmetrics",
        line: "openmetrics = \":9464\"",
        by_file: "127.0.0.1:9464",
        words: &["--openmetrics", "a.prom"],
        by_both: "a.prom",
        applies: |args, config| {
            settings::publishing(args.publish, config).openmetrics.expect("a target").to_string()
        },
    },
    Row {
        name: "log",
        line: "log = \"a.log\"",
        by_file: "a.log Info",
        words: &["--log", "b.log", "--log-level", "debug"],
        by_both: "b.log Debug",
        applies: logs,
    },
    Row {
        name: "log-level",
        line: "log = \"a.log\"\nlog-level = \"warn\"",
        by_file: "a.log Warn",
        words: &["--log-level", "error"],
        by_both: "a.log Error",
        applies: logs,
    },
    Row {
        name: "poll",
        line: "poll = 4",
        by_file: "Some(4s)",
        words: &["--poll", "0.25"],
        by_both: "Some(250ms)",
        applies: |args, config| format!("{:?}", settings::poll(&args, config)),
    },
    Row {
        name: "exit-when-finished",
        line: "exit-when-finished = true",
        by_file: "true",
        words: &["--no-exit-when-finished"],
        by_both: "false",
        applies: |args, config| dashboard(args, config).expect("options").exit_when_finished.to_string(),
    },
    Row {
        name: "theme",
        line: "theme = \"light\"",
        by_file: "light",
        words: &["--theme", "colour-blind"],
        by_both: "colour-blind",
        applies: |args, config| {
            // Whatever the environment of the tests says of colours.
            let (given, asked) = (args.look.theme, args.look.theme.or(config.theme).expect("a theme"));
            let look = dashboard(args, config).expect("options").appearance;
            assert!(look.theme == asked || (given.is_none() && look.theme.name() == "monochrome"));
            asked.name()
        },
    },
    Row {
        name: "ascii",
        line: "ascii = true",
        by_file: "true",
        words: &["--no-ascii"],
        by_both: "false",
        applies: |args, config| {
            let look = dashboard(args, config).expect("options").appearance;
            (look.symbols == Symbols::Ascii).to_string()
        },
    },
    Row {
        name: "mouse",
        line: "mouse = false",
        by_file: "Left",
        words: &["--mouse"],
        by_both: "Captured",
        applies: |args, config| {
            let mouse: Mouse = dashboard(args, config).expect("options").mouse;
            format!("{mouse:?}")
        },
    },
    Row {
        name: "compact",
        line: "compact = true",
        by_file: "true",
        words: &["--no-compact"],
        by_both: "false",
        applies: |args, config| dashboard(args, config).expect("options").compact.to_string(),
    },
];

#[test]
fn every_option_of_the_file_applies_and_the_command_line_goes_before_it() {
    for row in &ROWS {
        let config = Config::parse(row.line).expect(row.name);
        assert_eq!((row.applies)(watch_args(&[]), &config), row.by_file, "{}", row.name);
        assert_eq!((row.applies)(watch_args(row.words), &config), row.by_both, "{}", row.name);
    }
    // These are of other commands, and of the dashboard; other tests have them.
    let elsewhere = ["format", "pace", "shard", "keys"];
    let tested: BTreeSet<&str> = ROWS.iter().map(|row| row.name).chain(elsewhere).collect();
    assert_eq!(tested, BTreeSet::from(FIELDS));
}

#[test]
fn what_the_command_line_turns_on_is_on() {
    let config = Config::parse("mouse = false\n").expect("a configuration");
    let args = watch_args(&["--ascii", "--compact", "--no-mouse", "--exit-when-finished"]);
    let options = dashboard(args, &config).expect("options");
    assert!(options.compact && options.exit_when_finished && options.mouse == Mouse::Left);
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
    assert_eq!(text(&merged.get_output().stdout), exported);
}

#[test]
fn what_is_shown_is_ascii_where_that_is_asked_for_or_the_locale_has_no_more() {
    let golden = support::golden("conv-mixed-digits");
    let golden = words(&golden);
    let unicode = stdout("", &["summary", golden]);
    assert!(unicode.contains('·') && unicode.contains('─'), "{unicode}");
    assert_eq!(stdout("ascii = true", &["summary", golden, "--no-ascii"]), unicode);
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
    assert_eq!(text(&md.stdout), text(&same.stdout));
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
    let config = Config::parse("[keys]\nquit = \"x\"\nzoom-in = []\nview-charts = [\"f3\", \"q\"]\n")
        .expect("a configuration");
    let args = watch_args(&[]);
    let keys = dashboard(args, &config).expect("options").keys;
    let action = |key: &str| keys.action(key.parse::<Key>().expect("a key"));
    assert_eq!(action("x"), action("ctrl-c"));
    assert_eq!(action("q"), action("f3"));
    assert!(action("x").is_some() && action("q").is_some() && action("x") != action("q"));
    assert_eq!((action("+"), action("3")), (None, None));
    assert!(action("minus").is_some());
}

#[test]
fn the_example_of_the_readme_is_right() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("a file");
    let examples: Vec<&str> =
        readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        assert!(Config::parse(example).is_ok(), "{example}\n{:?}", Config::parse(example));
    }
}
