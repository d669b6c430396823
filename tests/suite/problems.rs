//! Problems: one list that everything names and counts, the exit code, and what calls the user.

use crate::dashboard::{demo, on};
use crate::support;
use neurotop::dashboard::{Action, Filter, UiState, View, ViewModel, draw, title};
use neurotop::figures::checks::Checks;
use neurotop::run::{Problem, Run, Runs, Severity};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant, SystemTime};
use support::until;

fn neurotop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    command.env("XDG_STATE_HOME", support::STATE_HOME).env("XDG_CONFIG_HOME", support::STATE_HOME);
    command
}

fn output(words: &[&str], path: &Path) -> Output {
    neurotop().args(words).arg(path).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// The demo's run in a directory, changed.
struct Changed(tempfile::TempDir);

impl Changed {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        support::copy_run(&support::demo_run(), directory.path());
        Self(directory)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn manifest(&self, change: impl Fn(&mut Value)) {
        let mut manifest = support::json(&self.at("manifest.json"));
        change(&mut manifest);
        fs::write(self.at("manifest.json"), manifest.to_string()).expect("written");
    }

    fn damage(&self, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            fs::write(self.at(&format!("batch-{number:06}.npz")), b"junk").expect("written");
        }
    }

    fn summary(&self, more: &[&str]) -> (Option<i32>, Value) {
        let output = output(&[&["summary", "--format", "json"], more].concat(), self.0.path());
        (output.status.code(), serde_json::from_slice(&output.stdout).expect("JSON"))
    }
}

fn causes(summary: &Value) -> Vec<&str> {
    let problems = summary["problems"].as_array().expect("problems").iter();
    problems.map(|problem| problem["cause"].as_str().expect("a cause")).collect()
}

#[test]
fn what_is_missing_at_the_end_or_differs_gives_exit_code_3() {
    let missing = Changed::new();
    fs::remove_file(missing.at("batch-000004.npz")).expect("removed");
    let (code, summary) = missing.summary(&[]);
    assert_eq!((code, causes(&summary)), (Some(3), vec!["batches_missing", "differs_from_neurobench"]));
    let reason = summary["problems"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("of the 12 batches that it names, 1 is not there; copy"), "{reason}");

    let differs = Changed::new();
    let mut end = support::json(&differs.at("end.json"));
    end["neurobench"]["MembraneUpdates"] = json!(1.5);
    fs::write(differs.at("end.json"), end.to_string()).expect("written");
    let (code, summary) = differs.summary(&[]);
    assert_eq!((code, causes(&summary)), (Some(3), vec!["differs_from_neurobench"]));
    let doctor = output(&["doctor", "--deep"], differs.0.path());
    let told = text(&doctor.stdout);
    assert!(
        doctor.status.code() == Some(3) && told.contains("not equal to NeuroBench's own results"),
        "{told}"
    );

    let fewer = Changed::new();
    fs::write(fewer.at("end.json"), br#"{"samples": 1920}"#).expect("written");
    let (code, summary) = fewer.summary(&[]);
    assert_eq!((code, causes(&summary)), (Some(3), vec!["batches_missing"]));
    let shard = output(&["summary", "--shard", "1/2"], missing.0.path());
    assert_eq!(shard.status.code(), Some(0), "a shard is not judged: {}", text(&shard.stderr));
}

#[test]
fn what_is_set_aside_is_not_missing_too() {
    let run = Changed::new();
    run.damage([2, 5, 7]);
    let (code, summary) = run.summary(&[]);
    let expected = ["set_aside", "set_aside", "set_aside", "differs_from_neurobench"];
    assert_eq!((code, causes(&summary)), (Some(3), expected.to_vec()));
}

#[test]
fn an_unpriced_layer_is_a_problem_that_costs_no_figures() {
    let run = Changed::new();
    fs::remove_file(run.at("end.json")).expect("removed");
    run.manifest(|manifest| manifest["layers"][0]["neuron"] = json!("RLeaky"));
    let (code, summary) = run.summary(&[]);
    assert_eq!((code, causes(&summary)), (Some(0), vec!["unpriced"]));
    let name = summary["layers"][0]["name"].as_str().expect("a name");
    assert_eq!(summary["problems"][0]["path"], name);
    let condition = ["--fail-if", "sparsity<100%"];
    let (code, summary) = run.summary(&condition);
    assert_eq!((code, causes(&summary)), (Some(4), vec!["condition_fails", "unpriced"]));
    let (code, _) = run.summary(&["--cost", "RLeaky:subtract=5", "--cost", "RLeaky:zero=5"]);
    assert_eq!(code, Some(0));
}

/// The number behind a text.
fn number_behind(text: &str, before: &str) -> u64 {
    let at = text.find(before).unwrap_or_else(|| panic!("{before}: {text}")) + before.len();
    let digits: String = text[at..].chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number behind {before}: {text}"))
}

#[test]
fn every_output_counts_the_same() {
    let run = Changed::new();
    run.damage([2, 5, 7]);
    run.manifest(|manifest| {
        manifest["warnings"] = json!(["it is said so"]);
        manifest["layers"][0]["neuron"] = json!("RLeaky");
    });
    let condition = ["--fail-if", "sparsity<100%"];
    let (code, summary) = run.summary(&condition);
    let count = summary["problems"].as_array().expect("problems").len() as u64;
    assert_eq!((code, count), (Some(4), 7), "{:?}", causes(&summary));
    let printed = text(&output(&[&["summary"], &condition[..]].concat(), run.0.path()).stdout);
    assert!(printed.contains("7 problems, the gravest first:"), "{printed}");
    let markdown = output(&[&["summary", "--format", "md"], &condition[..]].concat(), run.0.path()).stdout;
    assert!(text(&markdown).contains("7 problems, the gravest first:"));
    let metrics = run.at("exp.prom");
    let file = metrics.to_string_lossy();
    output(&[&["summary", "--openmetrics", &file], &condition[..]].concat(), run.0.path());
    let metrics = fs::read_to_string(&metrics).expect("a file");
    let by = |severity: &str| {
        let line = metrics
            .lines()
            .find(|line| line.starts_with("neurotop_problems{") && line.contains(&format!("\"{severity}\"")));
        number_behind(line.expect("a line"), "} ")
    };
    assert_eq!((by("set_aside"), by("notice")), (4, 3), "{metrics}");
}

/// A demo run that has ended, with many problems.
fn troubled() -> Run {
    let mut run = demo(12);
    for number in 0..99 {
        let (path, severity) = (format!("batch-{number:06}.npz"), Severity::SetAside);
        let reason = format!("lif1.post: it ends at byte {}; write the batch again", 100 + number);
        run.add_problem(Problem { path, reason, severity });
    }
    let reason = "it is a directory, and its name gives no batch number; rename it".to_owned();
    run.add_problem(Problem { path: "odd\u{1b}[2J".into(), reason, severity: Severity::Notice });
    run
}

fn screen(columns: u16, rows: u16, model: &ViewModel, state: &mut UiState) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
    terminal.draw(|frame| draw(frame, model, state, Instant::now())).expect("drawn");
    terminal.backend().to_string()
}

fn of_run(run: Run, conditions: &[&str]) -> ViewModel {
    let mut runs = Runs::new(Path::new("exp1"), support::settings("exp1", false));
    runs.set(0, Path::new("exp1"), run);
    let conditions = conditions.iter().map(|text| text.parse().expect("a condition")).collect();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(24);
    ViewModel::new(&runs, Checks { conditions, baseline: None }, now)
}

#[test]
fn the_tab_the_footer_and_the_list_of_runs_count_the_same() {
    let model = of_run(troubled(), &["sparsity<100%"]);
    assert_eq!((model.summary.problem_count(), model.rows[0].problems), (101, 101));
    let shown = screen(120, 40, &model, &mut on(View::Problems));
    for part in ["Problems (101)", "101 problems"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(title(&model).ends_with("100 % finished, 101 problems"), "{}", title(&model));
}

#[test]
fn problems_at_every_size() {
    let model = of_run(troubled(), &["sparsity<100%"]);
    for (columns, rows) in [(40, 10), (80, 24), (120, 40), (200, 50)] {
        insta::assert_snapshot!(
            format!("problems-{columns}x{rows}"),
            screen(columns, rows, &model, &mut on(View::Problems))
        );
    }
    let mut opened = on(View::Problems);
    opened.update(Action::Open, &model);
    opened.problems.list.selected = 2;
    insta::assert_snapshot!("problems-opened-80x24", screen(80, 24, &model, &mut opened));
}

#[test]
fn a_kind_of_problem_opens_and_closes() {
    let model = of_run(troubled(), &[]);
    let mut state = on(View::Problems);
    let closed = screen(120, 40, &model, &mut state);
    assert!(
        closed.contains("99  set aside  batch-000000.npz, batch-000001.npz, batch-000002.npz and 96 more")
    );
    assert!(!closed.contains("byte 117"), "{closed}");
    state.update(Action::Open, &model);
    let open = screen(120, 40, &model, &mut state);
    assert!(open.contains("batch-000017.npz") && open.contains("byte 117"), "{open}");
    state.problems.list.selected = 5;
    state.update(Action::Open, &model);
    assert_eq!((screen(120, 40, &model, &mut state), state.problems.list.selected), (closed, 0));
}

#[test]
fn problems_are_searched_by_name_and_text() {
    let model = of_run(troubled(), &[]);
    let mut state = on(View::Problems);
    state.update(Action::Filter, &model);
    for character in "byte 11[0-4]".chars() {
        state.update(Action::Type(character), &model);
    }
    let typing = screen(80, 24, &model, &mut state);
    assert!(typing.contains("5 of 100"), "{typing}");
    state.update(Action::KeepFilter, &model);
    assert_eq!(state.view, View::Problems);
    let found = screen(80, 24, &model, &mut state);
    assert!(found.contains("Problems (5 of 100) /byte 11[0-4]"), "{found}");
    state.problems.list.filter = Filter::new("nothing has this");
    assert!(screen(80, 24, &model, &mut state).contains("None of them"));
    state.update(Action::Back, &model);
    assert_eq!((state.view, state.problems.list.filter.is_empty()), (View::Problems, true));
    assert!(state.layers.filter.is_empty(), "the layers are not filtered");
}

#[test]
fn conditions_are_on_the_overview() {
    let conditions = ["effective_ops_per_sample>30000", "sparsity<99%", "layer:none.updates>1"];
    let model = of_run(demo(7), &conditions);
    for (columns, rows) in [(40, 10), (80, 24), (120, 40), (200, 50)] {
        let shown = screen(columns, rows, &model, &mut on(View::Overview));
        insta::assert_snapshot!(format!("conditions-{columns}x{rows}"), shown);
    }
    let before = of_run(demo(0), &conditions);
    assert_eq!(before.summary.problem_count(), 0, "nothing can be said before the first batch");
}

#[test]
fn ten_problems_are_spelled_out_and_the_totals_come_last() {
    let run = tempfile::tempdir().expect("a directory");
    support::small_run(run.path(), 3);
    for number in 100..199 {
        fs::write(run.path().join(format!("batch-{number:06}.npz")), b"junk").expect("written");
    }
    let export = run.path().join("all.json");
    let printed = output(&["summary", "--export", &export.to_string_lossy()], run.path());
    let (stdout, stderr) = (text(&printed.stdout), text(&printed.stderr));
    for said in [&stdout, &stderr] {
        assert_eq!(said.matches("batch-0001").count(), 10, "{said}");
        assert!(said.contains("and 89 more: see "), "{said}");
    }
    assert!(stderr.contains("all.json"), "{stderr}");
    let problems = stdout.find("99 problems").expect("problems");
    assert!(stdout.find("Effective Neuron Ops").expect("totals") > problems, "{stdout}");
    assert_eq!(support::json(&export)["problems"].as_array().map(Vec::len), Some(99));
}

/// Watches until the run is over; what is in `FILE` afterwards.
fn called(run: &Path, words: &[&str]) -> (Output, String) {
    let said = run.with_extension("said");
    let output = neurotop()
        .args(["watch", "--exit-when-finished", "--state", "none", "--settle", "0.2"])
        .args(words)
        .arg(run)
        .env("SAID", &said)
        .output()
        .expect("it runs");
    let written = fs::read_to_string(&said).unwrap_or_default();
    let _ = fs::remove_file(&said);
    (output, written)
}

#[test]
fn a_run_that_was_over_before_is_told_as_finished_and_nothing_else() {
    let run = Changed::new();
    run.damage([3]);
    run.manifest(|manifest| manifest["run"] = json!("$(touch owned) `id`"));
    let notify = "printf '%s|%s\\n' \"$NEUROTOP_EVENT\" \"$NEUROTOP_TEXT\" >> \"$SAID\"";
    let (output, said) = called(run.0.path(), &["--notify", notify, "--fail-if", "sparsity<100%"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 1, "{said}");
    // The name is not the directory's, so that the directory is said too.
    let directory = run.0.path().file_name().expect("a name").to_string_lossy();
    let told = format!("finished|$(touch owned) `id` ({directory}): over, and not complete");
    assert!(lines[0].starts_with(&told), "{said}");
}

#[test]
fn what_runs_on_finish_has_the_summary() {
    let run = Changed::new();
    let (output, said) = called(run.0.path(), &["--on-finish", "cat \"$NEUROTOP_SUMMARY\" > \"$SAID\""]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let summary: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(
        (summary["complete"].as_bool(), &summary["schema"]),
        (Some(true), &json!("neurotop.summary/1"))
    );
    let (output, _) = called(run.0.path(), &["--on-finish", "echo out of paper >&2; exit 9"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("--on-finish") && stderr.contains("out of paper"), "{stderr}");
}

#[test]
fn a_command_that_is_nothing_is_refused() {
    let run = Changed::new();
    for nothing in ["", "  "] {
        let output = neurotop().args(["watch", "--on-finish", nothing]).arg(run.0.path()).output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("give a command for the shell"), "{}", text(&output.stderr));
    }
}

#[test]
fn the_list_of_runs_counts_what_each_summary_counts() {
    let conditions = ["sparsity<100%", "layer:nothing.sparsity<1", "neuron:Leaky.updates>0", "neurons>0"];
    let mut runs = Runs::new(Path::new("exp1"), support::settings("exp1", false));
    runs.set(0, Path::new("exp1"), demo(12));
    runs.set(1, Path::new("exp2"), troubled());
    let conditions = conditions.iter().map(|text| text.parse().expect("a condition")).collect();
    let checks = Checks { conditions, baseline: None };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(24);
    let model = ViewModel::new(&runs, checks.clone(), now);
    for row in &model.rows {
        let mut summary = neurotop::figures::Summary::without_steps(&row.run, now);
        let failing = checks.judge(&mut summary).iter().filter(|standing| standing.failure.is_some()).count();
        assert_eq!(checks.failing(&row.run), failing as u64);
        assert!(failing >= 3 && row.problems == summary.problem_count(), "{}", row.name);
    }
}

#[test]
fn a_command_that_hangs_does_not_keep_neurotop_after_a_signal() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use rustix::process::{Pid, Signal, kill_process};
    let run = Changed::new();
    let (started, goes_on) = (run.at("started"), run.at("goes-on"));
    mknodat(CWD, &goes_on, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    let mut child = neurotop()
        .args(["watch", "--exit-when-finished", "--state", "none"])
        .args(["--on-finish", "echo \"$NEUROTOP_SUMMARY\" > \"$STARTED\"; read line < \"$GOES_ON\""])
        .arg(run.0.path())
        .env("STARTED", &started)
        .env("GOES_ON", &goes_on)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let summary = || fs::read_to_string(&started).unwrap_or_default();
    until("the command begins", || summary().ends_with('\n'));
    kill_process(Pid::from_raw(child.id().cast_signed()).expect("a process"), Signal::TERM).expect("sent");
    until("it leaves", || child.try_wait().expect("its state").is_some());
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
    // The command goes on, and when it ends, its file is deleted all the same.
    let summary = PathBuf::from(summary().trim());
    let directory = summary.parent().expect("a directory of its own");
    assert!(summary.is_absolute());
    assert!(directory.exists(), "the command still hangs");
    fs::write(&goes_on, "go on\n").expect("it is read");
    until("its file is deleted", || !directory.exists());
}
