//! The dashboard in a real pseudo-terminal: figures are read off the screen, keys are typed, signals
//! are sent, and the terminal is as it was afterwards.

use crate::support;
use base64::prelude::{BASE64_STANDARD, Engine};
use neurotop::text::decimal;
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, SlavePty, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::{PATIENCE, until};

/// What begins and ends a frame (synchronized output).
const BEGIN_FRAME: &[u8] = b"\x1b[?2026h";
const END_FRAME: &[u8] = b"\x1b[?2026l";

/// What a test writes to the terminal after the program has ended: all that came before it has been read then.
const END_OF_OUTPUT: &[u8] = b"\x1b]9999;end\x07";

/// neurotop in a terminal.
struct Terminal {
    master: Box<dyn MasterPty + Send>,
    /// Held open so that the terminal's settings can be looked at after the program has ended.
    _slave: Box<dyn SlavePty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    /// All that was written, of which the screen shows what came of it.
    output: Arc<Mutex<Vec<u8>>>,
    settings_before: String,
    /// Where it keeps its progress.
    _state: tempfile::TempDir,
}

impl Terminal {
    fn start(columns: u16, rows: u16, args: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_program(env!("CARGO_BIN_EXE_neurotop"), (columns, rows), args, environment, "")
    }

    /// A script in bash, whose $0 is neurotop.
    fn start_script(script: &str, args: &[&str]) -> Self {
        let args = [&["-c", script, env!("CARGO_BIN_EXE_neurotop")], args].concat();
        Self::start_program("bash", (80, 24), &args, &[], "")
    }

    /// What is `typed` is there before the program begins.
    fn start_program(
        program: &str,
        (columns, rows): (u16, u16),
        args: &[&str],
        environment: &[(&str, &str)],
        typed: &str,
    ) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let settings_before = settings(&*pair.master);
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env("TERM", "xterm-256color");
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        let state = tempfile::tempdir().expect("a directory");
        command.env("XDG_STATE_HOME", state.path());
        for name in ["NO_COLOR", "COLORTERM", "LC_ALL", "LC_CTYPE"] {
            command.env_remove(name);
        }
        command.env("LANG", "C.UTF-8");
        for (name, value) in environment {
            command.env(name, value);
        }
        let mut keys = pair.master.take_writer().expect("its input");
        keys.write_all(typed.as_bytes()).expect("typed");
        let child = pair.slave.spawn_command(command).expect("it starts");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(
            if rows == 0 { 24 } else { rows },
            if columns == 0 { 80 } else { columns },
            1000,
        )));
        let mut reader = pair.master.try_clone_reader().expect("its output");
        let parser = Arc::clone(&screen);
        let output = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&output);
        std::thread::spawn(move || {
            let (mut bytes, mut pending) = ([0; 8192], Vec::new());
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                pending.extend_from_slice(&bytes[..count]);
                let shown: Vec<u8> = pending.drain(..whole_frames(&pending)).collect();
                // Whoever has seen the one sees the other, too.
                let mut written = written.lock().expect("the output");
                written.extend_from_slice(&bytes[..count]);
                parser.lock().expect("the screen").process(&shown);
            }
        });
        Self {
            master: pair.master,
            _slave: pair.slave,
            child,
            keys,
            screen,
            output,
            settings_before,
            _state: state,
        }
    }

    fn contents(&self) -> String {
        self.screen.lock().expect("the screen").screen().contents()
    }

    /// The whole of what was printed on the normal screen, rows above the visible ones too.
    fn printed(&self) -> String {
        let mut parser = self.screen.lock().expect("the screen");
        parser.screen_mut().set_scrollback(usize::MAX);
        let mut above = parser.screen().contents();
        let hidden = parser.screen().scrollback();
        parser.screen_mut().set_scrollback(0);
        let below = parser.screen().contents();
        if hidden > 0 {
            above.push('\n');
        }
        above + &below
    }

    #[track_caller]
    fn until(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let contents = self.contents();
            if condition(&contents) {
                return contents;
            }
            assert!(Instant::now() < deadline, "{what} is not on the screen:\n{contents}");
            sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn until_shown(&self, text: &str) -> String {
        self.until(text, |contents| contents.contains(text))
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typed");
        self.keys.flush().expect("typed");
    }

    fn resize(&self, columns: u16, rows: u16) {
        // The parser cannot wrap a line of an earlier size in less than this.
        self.screen.lock().expect("the screen").screen_mut().set_size(rows.max(2), columns.max(2));
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("a new size");
    }

    fn signal(&self, signal: Signal) {
        let pid =
            self.child.process_id().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("a process");
        kill_process(pid, signal).expect("sent");
    }

    /// Waits for the end and checks that the terminal is as it was before.
    #[track_caller]
    fn ends(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.contents());
            sleep(Duration::from_millis(20));
        };
        self.read_the_rest();
        self.assert_given_back();
        status
    }

    /// Waits until all that the program wrote is on the screen, once it has ended.
    #[track_caller]
    fn read_the_rest(&self) {
        let name = self.master.tty_name().expect("a name");
        let noctty = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
        let mut terminal =
            fs::File::options().write(true).custom_flags(noctty).open(name).expect("the terminal");
        terminal.write_all(END_OF_OUTPUT).expect("written");
        until("all is read", || self.output.lock().expect("the output").ends_with(END_OF_OUTPUT));
        let mut output = self.output.lock().expect("the output");
        let length = output.len() - END_OF_OUTPUT.len();
        output.truncate(length);
    }

    #[track_caller]
    fn assert_given_back(&self) {
        let screen = self.screen.lock().expect("the screen");
        assert!(!screen.screen().alternate_screen(), "it left the alternate screen");
        assert!(!screen.screen().hide_cursor(), "it showed the cursor again");
        let mouse = screen.screen().mouse_protocol_mode();
        assert_eq!(mouse, vt100::MouseProtocolMode::None, "it gave the mouse back");
        assert!(!screen.screen().bracketed_paste(), "it gave pasting back");
        drop(screen);
        assert_eq!(settings(&*self.master), self.settings_before, "the terminal's settings");
    }

    /// The first child of the program: neurotop, where the program is a shell.
    fn grandchild(&self) -> Pid {
        let shell = self.child.process_id().expect("a process");
        let children =
            fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).expect("its children");
        let first = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a child");
        Pid::from_raw(first).expect("a process")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// How many of these bytes a terminal shows at once: of a frame that has begun, nothing before its end is there.
fn whole_frames(bytes: &[u8]) -> usize {
    let last = |part: &[u8]| bytes.windows(part.len()).rposition(|window| window == part);
    if bytes.ends_with(END_OF_OUTPUT) {
        return bytes.len();
    }
    if let Some(begin) = last(BEGIN_FRAME)
        && last(END_FRAME).is_none_or(|end| end < begin)
    {
        return begin;
    }
    // A frame may just have begun.
    let begun = (1..BEGIN_FRAME.len()).rev().find(|&length| bytes.ends_with(&BEGIN_FRAME[..length]));
    bytes.len() - begun.unwrap_or(0)
}

/// The settings of a terminal, as `stty` knows them.
fn settings(master: &dyn MasterPty) -> String {
    let name = master.tty_name().expect("a name");
    let output = Command::new("stty").arg("-g").arg("-F").arg(name).output().expect("stty runs");
    String::from_utf8(output.stdout).expect("text")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// A run that is copied batch by batch, and its figures after each.
struct Replay {
    from: PathBuf,
    to: PathBuf,
    batches: Vec<PathBuf>,
    expected: Value,
}

impl Replay {
    fn new(from: PathBuf, to: &Path) -> Self {
        let batches = support::batches(&from);
        let expected = support::json(&from.join("expected.json"));
        Self { from, to: to.to_owned(), batches, expected }
    }

    fn copy(&self, name: &str) {
        fs::copy(self.from.join(name), self.to.join(name)).expect("a copy");
    }

    fn copy_batch(&self, number: usize) {
        let path = &self.batches[number];
        let name = path.file_name().expect("a name").to_string_lossy();
        let temporary = self.to.join(format!(".{name}"));
        fs::copy(path, &temporary).expect("a copy");
        fs::rename(temporary, self.to.join(&*name)).expect("renamed");
    }

    /// The figures after a batch.
    fn figures_after(&self, number: usize) -> [f64; 2] {
        let running = &self.expected["running"][number];
        ["Effective Neuron Ops", "Neuron Dense Ops"].map(|key| running[key].as_f64().expect("a figure"))
    }

    /// Whether a screen shows the effective operations after a batch.
    fn is_shown(&self, screen: &str, number: usize) -> bool {
        shows_effective(screen, self.figures_after(number)[0])
    }
}

/// Whether a screen has a figure with all its digits or, where it still moves, with those that are certain.
fn shows_effective(screen: &str, exact: f64) -> bool {
    let number = |text: &str| text.replace(',', "").parse::<f64>().ok();
    let is_rounded = |(before, behind): (&str, &str)| {
        let (value, half_width) = (before.split_whitespace().last()?, behind.split_whitespace().next()?);
        // The uncertainty has two digits, the figure goes as far.
        let unit = 10f64.powf(number(half_width)?.log10().floor() - 1.0);
        Some((number(value)? - exact).abs() <= 0.5001 * unit)
    };
    let rounded = || screen.lines().filter_map(|line| line.split_once(" ± ")).filter_map(is_rounded);
    screen.contains(&decimal(exact, 2)) || rounded().any(|is_same| is_same)
}

fn assert_export(path: &Path, expected: &Value) {
    let json = support::json(path);
    assert_eq!(json["neurobench"]["NeuronOperations"], expected["NeuronOperations"]);
    assert_eq!(json["neurobench"]["MembraneUpdates"], expected["MembraneUpdates"]);
    assert_eq!(json["account"]["counted"], expected["batches"]);
    for (name, figures) in expected["layers"].as_object().expect("layers") {
        let layers = json["layers"].as_array().expect("layers");
        let ours = layers.iter().find(|layer| layer["name"] == *name).expect("the layer");
        assert_eq!(
            (&ours["updates"], &ours["effective_ops"]),
            (&figures["updates"], &figures["effective_ops"])
        );
    }
}

#[test]
fn a_run_is_followed_batch_by_batch_and_left_by_q() {
    for (name, columns, rows) in
        [("conv-mixed-digits", 80, 24), ("alpha-zero", 120, 40), ("one-step", 40, 10)]
    {
        let place = tempfile::tempdir().expect("a directory");
        let run = place.path().join("run");
        fs::create_dir(&run).expect("a directory");
        let export = place.path().join("summary.json");
        let replay = Replay::new(support::golden(name), &run);
        let mut terminal =
            Terminal::start(columns, rows, &["watch", text(&run), "--export", text(&export)], &[]);
        terminal.until_shown("Waiting for the first batch");
        replay.copy("manifest.json");
        for number in 0..replay.batches.len() {
            replay.copy_batch(number);
            let [effective, dense] = replay.figures_after(number);
            let counted = format!("{}/{} batches", number + 1, replay.batches.len());
            terminal.until(&format!("{effective} and {dense} after batch {number}"), |screen| {
                shows_effective(screen, effective)
                    && screen.contains(&decimal(dense, 2))
                    && screen.contains(&counted)
            });
        }
        terminal.until_shown("finished");
        terminal.press("q");
        assert_eq!(terminal.ends().exit_code(), 0);
        let printed = terminal.printed();
        let figure = format!(
            "{:?} per sample",
            replay.expected["NeuronOperations"]["Effective Neuron Ops"].as_f64().expect("a figure")
        );
        assert!(printed.contains(&figure), "{figure} is not in the summary:\n{printed}");
        assert_export(&export, &replay.expected);
    }
}

#[test]
fn signals_leave_as_q_does() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let place = tempfile::tempdir().expect("a directory");
        let run = place.path().join("run");
        fs::create_dir(&run).expect("a directory");
        let (json, csv) = (place.path().join("summary.json"), place.path().join("summary.csv"));
        let replay = Replay::new(support::golden("leaky-zero"), &run);
        let args = ["watch", text(&run), "--export", text(&json), "--export", text(&csv)];
        let mut terminal = Terminal::start(80, 24, &args, &[]);
        replay.copy("manifest.json");
        for number in 0..replay.batches.len() {
            replay.copy_batch(number);
        }
        terminal.until("the figures", |screen| replay.is_shown(screen, replay.batches.len() - 1));
        terminal.signal(signal);
        assert_eq!(terminal.ends().exit_code(), 0, "{signal:?}");
        assert!(terminal.printed().contains("Operations per sample"), "{signal:?}: {}", terminal.printed());
        assert_export(&json, &replay.expected);
        assert!(fs::read_to_string(&csv).expect("a file").contains("total,leaky-zero"), "{signal:?}");
    }
}

#[test]
fn a_fault_of_the_dashboard_leaves_the_figures_and_the_terminal() {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path().join("run");
    support::copy_run(&support::golden("leaky-zero"), &run);
    let export = place.path().join("summary.json");
    let args = ["watch", text(&run), "--export", text(&export)];
    let mut terminal = Terminal::start(80, 24, &args, &[("NEUROTOP_FAULT", "dashboard")]);
    assert_eq!(terminal.ends().exit_code(), 1);
    let printed = terminal.printed();
    assert!(
        printed.contains("a fault was provoked: dashboard") && printed.contains("please report it"),
        "{printed}"
    );
    assert_export(&export, &support::json(&support::golden("leaky-zero").join("expected.json")));
}

#[test]
fn a_fault_of_a_run_ends_with_what_was_counted() {
    let place = tempfile::tempdir().expect("a directory");
    let [run, state, export] = ["run", "run.state", "summary.json"].map(|name| place.path().join(name));
    support::copy_run(&support::golden("leaky-zero"), &run);
    let batches = support::batches(&run);
    let args = ["watch", text(&run), "--state", text(&state)];
    let mut first = Terminal::start(80, 24, &[&args[..], &["--exit-when-finished"]].concat(), &[]);
    assert_eq!(first.ends().exit_code(), 0);
    // One more batch comes, and the fault with it.
    fs::copy(&batches[0], run.join("batch-000099.npz")).expect("a copy");
    let args = [&args[..], &["--export", text(&export)]].concat();
    let mut terminal = Terminal::start(80, 24, &args, &[("NEUROTOP_FAULT", "run")]);
    assert_eq!(terminal.ends().exit_code(), 1);
    assert!(terminal.printed().contains("counting ended unexpectedly"), "{}", terminal.printed());
    let export = support::json(&export);
    assert_eq!((&export["run"]["batches"], &export["complete"]), (&batches.len().into(), &false.into()));
}

#[test]
fn a_fault_in_counting_sets_the_batch_aside() {
    let golden = support::golden("leaky-zero");
    let args = ["watch", text(&golden), "--exit-when-finished"];
    let mut terminal = Terminal::start(80, 24, &args, &[("NEUROTOP_FAULT", "count")]);
    terminal.until_shown("3 problems");
    terminal.press("!");
    terminal.until_shown("a fault of neurotop itself");
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 3);
}

#[test]
fn a_fault_in_an_export_is_said_and_the_figures_are_printed() {
    let place = tempfile::tempdir().expect("a directory");
    let export = place.path().join("summary.json");
    let golden = support::golden("leaky-zero");
    let args = ["watch", text(&golden), "--exit-when-finished", "--export", text(&export)];
    let mut terminal = Terminal::start(80, 24, &args, &[("NEUROTOP_FAULT", "export")]);
    assert_eq!(terminal.ends().exit_code(), 1);
    let printed = terminal.printed();
    assert!(printed.contains("a fault of neurotop itself"), "{printed}");
    assert!(printed.contains("Effective Neuron Ops  452.0 per sample"), "{printed}");
    assert!(!export.exists());
}

#[test]
fn a_fault_in_keeping_progress_is_said_and_nothing_is_deleted() {
    let place = tempfile::tempdir().expect("a directory");
    let (run, state) = (place.path().join("run"), place.path().join("run.state"));
    support::copy_run(&support::golden("leaky-zero"), &run);
    let batches = support::batches(&run);
    let args = ["watch", text(&run), "--state", text(&state), "--prune"];
    let mut terminal = Terminal::start(80, 24, &args, &[("NEUROTOP_FAULT", "state")]);
    terminal.until_shown("1 problem");
    terminal.press("!");
    terminal.until_shown("a fault of neurotop itself");
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0, "the figures are whole");
    assert!(support::batches(&run) == batches && !state.exists());
}

#[test]
fn a_fault_in_finding_runs_is_said_and_the_others_are_followed() {
    let place = tempfile::tempdir().expect("a directory");
    support::copy_run(&support::golden("leaky-zero"), &place.path().join("a"));
    let args = ["watch", text(place.path()), "--state", "none"];
    let mut terminal = Terminal::start(120, 24, &args, &[("NEUROTOP_FAULT", "finder")]);
    terminal.until_shown("are not found: a fault of neurotop itself");
    terminal.until_shown("leaky-zero");
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
    let printed = terminal.printed();
    assert!(printed.contains("Effective Neuron Ops  452.0 per sample"), "{printed}");
}

#[test]
fn keys_change_the_view_and_never_the_counting() {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path().join("run");
    fs::create_dir(&run).expect("a directory");
    let replay = Replay::new(support::golden("conv-mixed-digits"), &run);
    let mut terminal = Terminal::start(80, 24, &["--stall-after", "1000", text(&run)], &[]);
    replay.copy("manifest.json");
    replay.copy_batch(0);
    let first = decimal(replay.figures_after(0)[0], 2);
    terminal.until_shown(&first);
    terminal.press("?");
    terminal.until_shown("leave, print the summary");
    terminal.press("\x1b");
    terminal.until_shown("By neuron");
    terminal.press("!");
    terminal.until_shown("Problems (0)");
    terminal.press("!");
    terminal.until_shown("By neuron");
    terminal.press("\x1b[C\x1b[C\x1b[C\x1b[C\x1b[C");
    terminal.until_shown("by effective");
    let screen = terminal.until_shown("effective ▼");
    let place_of = |layer: &str| screen.find(layer).unwrap_or_else(|| panic!("{layer}:\n{screen}"));
    assert!(place_of("features.1") < place_of("features.4") && place_of("features.4") < place_of("head.lif"));
    terminal.press("o");
    let screen = terminal.until_shown("effective ▲");
    assert!(screen.find("head.lif") < screen.find("features.4"), "{screen}");
    terminal.press("p");
    terminal.until_shown("paused");
    replay.copy_batch(1);
    sleep(Duration::from_millis(500));
    assert!(terminal.contents().contains(&first), "a paused view does not change");
    terminal.press("p");
    terminal.until("the figures", |screen| replay.is_shown(screen, 1));
    terminal.press("r");
    terminal.until_shown("recount from scratch?");
    terminal.press("q");
    terminal.until_shown("nothing was changed");
    terminal.press("r");
    terminal.until_shown("forget the counts of 2 batches");
    terminal.press("y");
    terminal.until("the figures", |screen| replay.is_shown(screen, 1));
    for (columns, rows) in [(40, 10), (300, 80), (20, 4), (1, 1), (80, 24)] {
        terminal.resize(columns, rows);
        sleep(Duration::from_millis(150));
    }
    terminal.until("the figures", |screen| replay.is_shown(screen, 1));
    terminal.press("\x03");
    assert_eq!(terminal.ends().exit_code(), 0);
}

#[test]
fn e_exports_at_once() {
    let place = tempfile::tempdir().expect("a directory");
    let export = place.path().join("now.md");
    let golden = support::golden("leaky-zero");
    let mut terminal = Terminal::start(80, 24, &[text(&golden), "--export", text(&export)], &[]);
    terminal.until_shown("complete");
    terminal.press("e");
    terminal.until_shown("wrote");
    assert!(fs::read_to_string(&export).expect("a file").starts_with("# leaky-zero"));
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
}

#[test]
fn a_finished_run_is_left_where_that_is_asked_for() {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path().join("run");
    support::copy_run(&support::demo_run(), &run);
    let mut terminal = Terminal::start(80, 24, &[text(&run), "--exit-when-finished"], &[]);
    assert_eq!(terminal.ends().exit_code(), 0);
    assert!(terminal.printed().contains("Equal to NeuroBench's own results"), "{}", terminal.printed());
}

#[test]
fn the_demo_shows_a_real_run_and_leaves_nothing_behind() {
    let place = tempfile::tempdir().expect("a directory");
    let export = place.path().join("demo.json");
    let args = ["demo", "--pace", "0.05", "--export", text(&export), "--exit-when-finished"];
    let mut terminal = Terminal::start(80, 24, &args, &[("TMPDIR", text(place.path()))]);
    assert_eq!(terminal.ends().exit_code(), 0);
    // It may be over before anybody looks at the screen: its frames are looked at one by one.
    let output = terminal.output.lock().expect("the output").clone();
    let ends = (END_FRAME.len()..=output.len()).filter(|&end| output[..end].ends_with(END_FRAME));
    let (mut screen, mut begin) = (vt100::Parser::new(24, 80, 0), 0);
    let is_shown = ends.map(|end| (std::mem::replace(&mut begin, end), end)).any(|(begin, end)| {
        screen.process(&output[begin..end]);
        screen.screen().contents().contains("digits-snn")
    });
    assert!(is_shown, "{}", terminal.printed());
    assert_export(&export, &support::json(&support::demo_run().join("expected.json")));
    let left: Vec<_> = fs::read_dir(place.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left, ["demo.json"]);
}

/// The colours of the letters on a screen.
fn colours(terminal: &Terminal) -> HashSet<String> {
    let screen = terminal.screen.lock().expect("the screen").screen().clone();
    let (rows, columns) = screen.size();
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let cells = cells.filter_map(|(row, column)| screen.cell(row, column));
    cells.filter(|cell| cell.has_contents()).map(|cell| format!("{:?}", cell.fgcolor())).collect()
}

/// The colours at the start, once a run is shown.
fn colours_of(args: &[&str], environment: &[(&str, &str)]) -> HashSet<String> {
    let golden = support::golden("leaky-zero");
    let args: Vec<&str> = [text(&golden)].into_iter().chain(args.iter().copied()).collect();
    let mut terminal = Terminal::start(80, 24, &args, environment);
    terminal.until_shown("complete");
    let colours = colours(&terminal);
    terminal.press("q");
    terminal.ends();
    colours
}

#[test]
fn no_color_is_respected_unless_a_theme_is_asked_for() {
    assert_eq!(colours_of(&[], &[("NO_COLOR", "1")]), ["Default".to_owned()].into());
    assert!(colours_of(&[], &[]).len() > 1);
    assert!(colours_of(&["--theme", "dark"], &[("NO_COLOR", "1")]).len() > 1);
}

#[test]
fn a_terminal_without_colours_gets_none_unless_a_theme_is_asked_for() {
    for term in ["vt100", "vt220", "xterm-mono", "linux-m", ""] {
        assert_eq!(colours_of(&[], &[("TERM", term)]), ["Default".to_owned()].into(), "{term}");
    }
    assert!(colours_of(&["--theme", "dark"], &[("TERM", "vt100")]).len() > 1);
    assert!(colours_of(&[], &[("TERM", "linux")]).len() > 1);
}

#[test]
fn a_theme_comes_from_the_command_line_or_the_configuration_and_t_changes_it() {
    let place = tempfile::tempdir().expect("a directory");
    let config = place.path().join("config.toml");
    fs::write(&config, "theme = \"colour-blind\"\n").expect("a file");
    let green = "Rgb(0, 158, 115)".to_owned();
    let configured = ["--config", text(&config)];
    assert!(colours_of(&configured, &[("COLORTERM", "truecolor")]).contains(&green));
    assert!(colours_of(&configured, &[]).contains("Idx(29)"), "the palette of xterm-256color");
    assert!(!colours_of(&configured, &[("TERM", "xterm")]).contains("Idx(29)"));
    let args = ["--config", text(&config), "--theme", "monochrome"];
    assert_eq!(colours_of(&args, &[]), ["Default".to_owned()].into());

    let golden = support::golden("leaky-zero");
    let mut terminal = Terminal::start(80, 24, &["--theme", "light", text(&golden)], &[]);
    terminal.until_shown("complete");
    for theme in ["colour-blind", "monochrome", "dark", "light"] {
        let before = colours(&terminal);
        terminal.press("t");
        terminal.until_shown(&format!("theme: {theme}"));
        assert_ne!(colours(&terminal), before);
    }
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);

    fs::write(&config, "theme = \"solarized\"\n").expect("a file");
    let mut terminal = Terminal::start(80, 24, &[text(&golden), "--config", text(&config)], &[]);
    assert_eq!(terminal.ends().exit_code(), 1);
    let printed = terminal.printed();
    assert!(printed.contains("solarized") && printed.contains("monochrome"), "{printed}");
}

#[test]
fn a_filter_is_typed_kept_and_cleared() {
    for (columns, rows) in [(80, 24), (40, 10)] {
        let golden = support::golden("conv-mixed-digits");
        let mut terminal = Terminal::start(columns, rows, &[text(&golden)], &[]);
        terminal.until("all layers", |screen| screen.contains("features.1") && screen.contains("features.4"));
        terminal.press("/");
        terminal.until_shown("Enter keep");
        // Letters that are keys otherwise are text now.
        terminal.press("qe?");
        terminal
            .until("no layer is called so", |screen| screen.contains("/qe?") && !screen.contains("features"));
        terminal.press("\x15FEATURES.(1|9)");
        let screen = terminal.until("one layer", |screen| {
            screen.contains("features.1") && !screen.contains("features.4") && screen.contains("1 of ")
        });
        assert!(!screen.contains("head.lif"), "{screen}");
        terminal.press("\x7f");
        terminal.until("an invalid pattern hides nothing", |screen| {
            screen.contains("unclosed group") && screen.contains("features.4")
        });
        terminal.press(")\r");
        terminal.until("the filter is kept and seen", |screen| {
            !screen.contains("Enter keep")
                && screen.contains("/FEATURES.(1|9)")
                && !screen.contains("features.4")
        });
        terminal.press("\x1b");
        terminal.until("Esc shows all layers", |screen| {
            screen.contains("features.4") && !screen.contains("FEAT")
        });
        terminal.press("\x1b[200~q\n\x1b[201~/\x1b[200~head\nq\x1b[201~");
        terminal.until_shown("/head");
        terminal.press("\x1b");
        terminal.until("Esc clears", |screen| screen.contains("features.4") && !screen.contains("/head"));
        terminal.press("/\x03");
        assert_eq!(terminal.ends().exit_code(), 0);
    }
}

/// A press of a mouse button at a text on the screen, or a notch of the wheel, as SGR reports it.
fn mouse(screen: &str, button: u8, text: &str) -> String {
    let found = screen.lines().enumerate().find_map(|(y, line)| {
        // Columns are characters here: nothing on these screens is wider.
        line.find(text).map(|at| (line[..at].chars().count() + 1, y + 1))
    });
    let (x, y) = found.unwrap_or_else(|| panic!("{text} is not on the screen:\n{screen}"));
    let press = format!("\x1b[<{button};{x};{y}M");
    // A wheel is never let go.
    if button < 64 { format!("{press}\x1b[<{button};{x};{y}m") } else { press }
}

/// The text of the row that is selected.
fn selected(terminal: &Terminal) -> String {
    let screen = terminal.screen.lock().expect("the screen").screen().clone();
    let (rows, columns) = screen.size();
    let inverse = |row: u16| {
        let cells = (0..columns).filter_map(|column| screen.cell(row, column));
        cells.filter(|cell| cell.inverse()).map(|cell| cell.contents().to_owned()).collect::<String>()
    };
    (0..rows).map(inverse).collect()
}

#[test]
fn the_mouse_sorts_selects_and_scrolls_and_is_given_back() {
    let golden = support::golden("conv-mixed-digits");
    let mut terminal = Terminal::start(80, 24, &[text(&golden)], &[]);
    let screen = terminal.until_shown("complete");
    let heading =
        screen.lines().find(|line| line.contains("neuron") && line.contains("cost")).expect("headings");
    let at = heading[..heading.find("effective").expect("a heading")].chars().count();
    let y = screen.lines().position(|line| line == heading).expect("a row") + 1;
    terminal.press(&format!("\x1b[<0;{};{y}M", at + 1));
    let screen = terminal.until_shown("effective ▼");
    terminal.press(&mouse(&screen, 0, "effective ▼"));
    let screen = terminal.until_shown("effective ▲");
    terminal.press(&mouse(&screen, 0, "features.4"));
    terminal.until("a row is selected", |_| selected(&terminal).contains("features.4"));
    terminal.press("?");
    let screen = terminal.until_shown("leave, print the summary");
    terminal.press(&mouse(&screen, 65, "the next theme"));
    let screen = terminal.until("the help scrolls", |screen| !screen.contains("leave, print the summary"));
    terminal.press(&mouse(&screen, 64, "the next theme"));
    terminal.until_shown("leave, print the summary");
    let captured = |terminal: &Terminal| {
        terminal.screen.lock().expect("the screen").screen().mouse_protocol_mode()
            != vt100::MouseProtocolMode::None
    };
    assert!(captured(&terminal));
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);

    let mut terminal = Terminal::start(80, 24, &[text(&golden), "--no-mouse"], &[]);
    terminal.until_shown("complete");
    assert!(!captured(&terminal), "the terminal keeps its mouse");
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
}

#[test]
fn y_copies_the_selected_layer_through_the_terminal() {
    let golden = support::golden("conv-mixed-digits");
    let mut terminal = Terminal::start(80, 24, &[text(&golden)], &[]);
    terminal.until_shown("complete");
    terminal.press("/4\ry");
    terminal.until_shown("copied features.4");
    let output = terminal.output.lock().expect("the output").clone();
    let output = String::from_utf8_lossy(&output).into_owned();
    let copied =
        output.split("\x1b]52;c;").nth(1).and_then(|rest| rest.split('\x1b').next()).expect("OSC 52");
    let copied = BASE64_STANDARD.decode(copied).expect("base64");
    let copied = String::from_utf8(copied).expect("text");
    let cells: Vec<&str> = copied.split('\t').collect();
    let layer = &support::json(&golden.join("expected.json"))["layers"]["features.4"];
    let samples = support::json(&golden.join("expected.json"))["samples"].as_f64().expect("samples");
    let effective = layer["effective_ops"].as_f64().expect("a figure") / samples;
    assert_eq!((cells.len(), cells[0]), (10, "features.4"));
    assert_eq!(cells[4], format!("{effective:?}"), "every digit: {copied}");
    terminal.press("/nothing\ry");
    terminal.until_shown("nothing to copy");
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
}

#[test]
fn ascii_is_drawn_where_it_is_asked_for_or_the_locale_has_no_more() {
    let golden = support::golden("conv-mixed-digits");
    for (args, environment) in [
        (&["--ascii"][..], &[][..]),
        (&[], &[("LC_ALL", "C")]),
        (&[], &[("LANG", "POSIX")]),
        (&[], &[("TERM", "linux")]),
    ] {
        let args: Vec<&str> = [text(&golden)].into_iter().chain(args.iter().copied()).collect();
        let mut terminal = Terminal::start(80, 24, &args, environment);
        let screen = terminal.until_shown("complete");
        assert!(screen.is_ascii() && screen.contains("+ Layers"), "{screen}");
        terminal.press("q");
        assert_eq!(terminal.ends().exit_code(), 0);
        let printed = terminal.printed();
        assert!(printed.is_ascii() && printed.contains("\n-----"), "the summary too:\n{printed}");
    }
}

/// The help's line about something.
fn line_about<'a>(screen: &'a str, what: &str) -> &'a str {
    screen.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}:\n{screen}"))
}

#[test]
fn keys_are_those_of_the_configuration() {
    let place = tempfile::tempdir().expect("a directory");
    let config = place.path().join("config.toml");
    let keys = "[keys]\nquit = \"x\"\nview-charts = [\"f3\", \"q\"]\npause = []\nzoom-in = \"ctrl-right\"\n";
    fs::write(&config, keys).expect("a file");
    let golden = support::golden("leaky-zero");
    let mut terminal = Terminal::start(120, 60, &[text(&golden), "--config", text(&config)], &[]);
    let screen = terminal.until_shown("complete");
    assert!(screen.contains(" F3 Charts ") && screen.contains(" x quit "), "{screen}");
    assert!(!screen.contains("pause"), "{screen}");
    terminal.press("?");
    // What is drawn last.
    let screen = terminal.until_shown(" scroll ");
    for (what, keys) in [
        ("leave, print the summary", "│ x Ctrl-C "),
        ("charts over the batches", "│ F3 q "),
        ("charts: zoom in", "│ Ctrl-→ "),
        ("the next view", "│ Tab "),
    ] {
        assert!(line_about(&screen, what).starts_with(keys), "{keys}:\n{screen}");
    }
    assert!(!screen.contains("freeze the view"), "{screen}");
    // F3 as terminals send it, and back; then the other key of the same view, which left once.
    for key in ["\x1bOR", "q"] {
        terminal.press(key);
        terminal.until("the charts", |_| selected(&terminal).contains("F3 Charts"));
        terminal.press("?");
        terminal.until_shown("leave, print the summary");
    }
    terminal.press("x");
    assert_eq!(terminal.ends().exit_code(), 0);
}

#[test]
fn the_dashboard_starts_as_the_configuration_says() {
    let place = tempfile::tempdir().expect("a directory");
    let config = place.path().join("config.toml");
    fs::write(&config, "compact = true\nmouse = false\npoll = 7\n").expect("a file");
    let golden = support::golden("leaky-zero");
    for (args, is_framed) in [(&[][..], false), (&["--no-compact"], true)] {
        let args = [&[text(&golden), "--config", text(&config)][..], args].concat();
        let mut terminal = Terminal::start(80, 24, &args, &[]);
        let screen = terminal.until_shown("complete");
        assert_eq!(screen.contains('╭'), is_framed, "{screen}");
        assert_eq!(screen.contains("scans every 7s"), is_framed, "{screen}");
        terminal.press("c");
        terminal.until("c changes it", |screen| screen.contains('╭') != is_framed);
        terminal.press("q");
        assert_eq!(terminal.ends().exit_code(), 0);
        let output = terminal.output.lock().expect("the output").clone();
        assert!(!String::from_utf8_lossy(&output).contains("\x1b[?1000h"), "the mouse is left alone");
    }
    let mut terminal = Terminal::start(80, 24, &[text(&golden), "--compact"], &[]);
    assert!(!terminal.until_shown("complete").contains('╭'));
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
}

#[test]
fn every_view_is_reached_by_key_and_by_mouse() {
    let mut terminal = Terminal::start(120, 40, &[text(&support::demo_run())], &[]);
    terminal.until_shown("27,693.04");
    terminal.press("\r");
    terminal.until_shown("layer 1 of 4");
    let screen = terminal.until_shown("at rest");
    assert!(screen.contains("Updates by time step") && screen.contains("batch-…11.npz"), "{screen}");
    terminal.press("\x1b[C");
    terminal.until_shown("step 1 100.00 %");
    terminal.press("j");
    terminal.until_shown("layer 2 of 4");
    terminal.press("j");
    terminal.until_shown("layer 3 of 4");
    terminal.press("3");
    terminal.until_shown("batch 11, 16 samples, the newest");
    terminal.press("j\r");
    terminal.until_shown("2 lif1 ");
    terminal.press("L");
    terminal.until_shown("Effective ops/sample, log");
    terminal.press("h");
    terminal.until("the cursor", |screen| screen.contains("batch 11, 16 samples  "));
    terminal.press("h+");
    terminal.until_shown("batch 10, 16 samples");
    terminal.until_shown("of 0 to 11 ╮");
    terminal.press("0");
    let screen = terminal.until_shown("the newest");
    terminal.press(&mouse(&screen, 0, "4 Runs"));
    let screen = terminal.until_shown("Runs (1)");
    assert!(screen.contains("✓ complete"), "{screen}");
    terminal.press("\t");
    terminal.until_shown("Problems (0)");
    terminal.press("\x1b[Z");
    terminal.until_shown("Runs (1)");
    terminal.press("1c");
    terminal.until("no frames", |screen| !screen.contains("Total, per sample") && screen.contains("trend"));
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
}

#[test]
fn a_directory_of_runs_is_a_list_that_grows_and_is_exported_together() {
    let place = tempfile::tempdir().expect("a directory");
    let (runs, export) = (place.path().join("runs"), place.path().join("all.json"));
    for name in ["leaky-zero", "alpha-zero"] {
        support::copy_run(&support::golden(name), &runs.join(name));
    }
    let mut terminal = Terminal::start(120, 40, &[text(&runs), "--export", text(&export)], &[]);
    let screen = terminal.until_shown("Runs (2)");
    assert!(screen.find("alpha-zero") < screen.find("leaky-zero"), "{screen}");
    terminal.until("their totals", |screen| screen.contains("2,633.45") && screen.contains("452.00"));
    support::copy_run(&support::golden("synaptic-zero"), &runs.join("synaptic-zero"));
    terminal.until_shown("1,136.73");
    terminal.press("G\r");
    terminal
        .until("the last one in front", |screen| screen.contains("Layers (") && screen.contains("1,136.73"));
    terminal.press("J");
    terminal.until("the first one", |screen| screen.contains("Layers (") && screen.contains("2,633.45"));
    terminal.press("K");
    terminal.until("the last one again", |screen| screen.contains("Layers (") && screen.contains("1,136.73"));
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
    let printed = terminal.printed();
    for figure in ["alpha-zero", "leaky-zero", "synaptic-zero", "2,633.45", "452.00", "1,136.73"] {
        assert!(printed.contains(figure), "{figure}:\n{printed}");
    }
    let exported = support::json(&export);
    assert_eq!(exported["schema"], "neurotop.summaries/1");
    let names: Vec<&str> = exported["runs"]
        .as_array()
        .expect("runs")
        .iter()
        .filter_map(|run| run["run"]["name"].as_str())
        .collect();
    assert_eq!(names, ["alpha-zero", "leaky-zero", "synaptic-zero"]);
}

/// A run that is shown, without a manifest, so that it is never over.
fn endless_run(run: &Path, batches: usize) {
    support::small_run(run, batches);
    fs::remove_file(run.join("manifest.json")).expect("removed");
}

fn add_batch(run: &Path, number: usize) {
    support::write_batch(run, number, &support::small_batch(), support::Archive::Stored);
}

/// What a user at a shell with job control does.
const AT_A_SHELL: &str = "set -m; \"$0\" watch \"$1\" --export \"$2\"; echo \"[stopped $?]\"; \
    read line; fg >/dev/null; echo \"[left $?]\"";

#[test]
fn ctrl_z_and_sigtstp_give_the_terminal_to_the_shell_and_fg_takes_it_again() {
    for by_key in [true, false] {
        let place = tempfile::tempdir().expect("a directory");
        let (run, export) = (place.path().join("run"), place.path().join("out.json"));
        endless_run(&run, 2);
        let mut terminal = Terminal::start_script(AT_A_SHELL, &[text(&run), text(&export)]);
        terminal.until_shown("2 batches");
        if by_key {
            terminal.press("\u{1a}");
        } else {
            kill_process(terminal.grandchild(), Signal::TSTP).expect("sent");
        }
        terminal.until("the shell", |screen| screen.contains("[stopped 147]"));
        terminal.assert_given_back();
        add_batch(&run, 2);
        terminal.press("\n");
        terminal
            .until("the dashboard again", |screen| screen.contains("3 batches") && screen.contains("quit"));
        {
            let screen = terminal.screen.lock().expect("the screen");
            assert!(screen.screen().alternate_screen() && screen.screen().bracketed_paste());
            assert_ne!(screen.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        }
        assert!(!terminal.contents().contains("[stopped"), "it is drawn anew:\n{}", terminal.contents());
        terminal.press("q");
        terminal.until_shown("[left 0]");
        assert_eq!(terminal.ends().exit_code(), 0);
        assert_eq!(support::json(&export)["account"]["counted"], 3);
    }
}

#[test]
fn a_dashboard_that_another_signal_stopped_is_drawn_anew() {
    let place = tempfile::tempdir().expect("a directory");
    endless_run(place.path(), 2);
    let mut terminal = Terminal::start(80, 24, &["watch", text(place.path())], &[]);
    terminal.until_shown("2 batches");
    terminal.signal(Signal::STOP);
    // What somebody else writes meanwhile.
    terminal.screen.lock().expect("the screen").process(b"\x1b[2J\x1b[?1049lsomething else");
    terminal.signal(Signal::CONT);
    terminal.until("the dashboard again", |screen| screen.contains("2 batches") && screen.contains("quit"));
    assert!(terminal.screen.lock().expect("the screen").screen().alternate_screen());
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
}

#[test]
fn without_a_shell_to_go_back_to_ctrl_z_stops_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    endless_run(place.path(), 1);
    let mut terminal = Terminal::start(80, 24, &["watch", text(place.path())], &[]);
    terminal.until_shown("1 batches");
    terminal.press("\u{1a}");
    terminal.until_shown("not suspended");
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
}

#[test]
fn a_terminal_whose_size_changes_all_the_time() {
    let place = tempfile::tempdir().expect("a directory");
    endless_run(place.path(), 2);
    let mut terminal = Terminal::start(80, 24, &["watch", text(place.path())], &[]);
    terminal.until_shown("2 batches");
    for step in 0..400_u16 {
        let size = PtySize { rows: step * 7 % 61, cols: step * 13 % 211, pixel_width: 0, pixel_height: 0 };
        terminal.master.resize(size).expect("a new size");
        if step % 50 == 0 {
            terminal.press(["1", "2", "3", "5", "?"][usize::from(step / 50) % 5]);
            sleep(Duration::from_millis(40));
        }
    }
    add_batch(place.path(), 2);
    terminal.press("1");
    terminal.resize(80, 24);
    terminal.until("the last size", |screen| screen.contains("3 batches") && screen.contains("quit"));
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
}

/// More than the terminal holds at a time: what does not fit comes only once something was read.
#[test]
fn thousands_of_mouse_reports_at_once_hold_up_no_key() {
    let place = tempfile::tempdir().expect("a directory");
    endless_run(place.path(), 2);
    let mut terminal = Terminal::start(80, 24, &["watch", text(place.path()), "--state", "none"], &[]);
    terminal.until_shown("2 batches");
    let reports: String = (0..6000).map(|number| format!("\x1b[<64;{};10M", number % 80 + 1)).collect();
    let mut keys = std::mem::replace(&mut terminal.keys, Box::new(std::io::sink()));
    // Typing waits while nobody reads.
    let typing = std::thread::spawn(move || {
        keys.write_all((reports + "q").as_bytes()).expect("typed");
        keys
    });
    assert_eq!(terminal.ends().exit_code(), 0);
    drop(typing.join());
}

/// Answers to questions that another program asked, a paste that was cut, a mouse report that is none.
#[test]
fn ctrl_c_leaves_whatever_the_terminal_has_sent() {
    for sent in
        ["\x1b[?997;1n", "\x1b[?2026;2$y", "\x1b[<0;1;", "\x1b[200~half a paste", "\x1b[<0;0;0M", "\x1b"]
    {
        let place = tempfile::tempdir().expect("a directory");
        let (run, export) = (place.path().join("run"), place.path().join("out.json"));
        endless_run(&run, 2);
        let args = ["watch", text(&run), "--state", "none", "--export", text(&export)];
        let mut terminal = Terminal::start(80, 24, &args, &[]);
        terminal.until_shown("2 batches");
        terminal.press(sent);
        sleep(Duration::from_millis(100));
        terminal.press("\x03");
        assert_eq!(terminal.ends().exit_code(), 0, "{sent:?}");
        assert_eq!(support::json(&export)["account"]["counted"], 2, "{sent:?}");
    }
}

/// The colour of the background, the version of the terminal: `f` would freeze the dashboard, `e` export.
#[test]
fn what_the_terminal_answers_to_others_is_not_taken_for_keys() {
    let place = tempfile::tempdir().expect("a directory");
    endless_run(place.path(), 2);
    let mut terminal = Terminal::start(80, 24, &["watch", text(place.path()), "--state", "none"], &[]);
    terminal.until_shown("2 batches");
    for answer in ["\x1b]11;?q\x1b\\", "\x1b]11;rgb:q\x07", "\x1bP>|q\x1b\\", "\x1b_Gi=1;q\x1b\\"] {
        terminal.press(answer);
        sleep(Duration::from_millis(300));
    }
    add_batch(place.path(), 2);
    terminal.until_shown("3 batches");
    // What no answer ends is typed.
    terminal.press("\x1b]q");
    assert_eq!(terminal.ends().exit_code(), 0);
}

#[test]
fn a_terminal_without_a_size() {
    let place = tempfile::tempdir().expect("a directory");
    support::small_run(place.path(), 2);
    // tput knows a size for the terminal's name; without it there is none at all.
    for environment in [&[][..], &[("PATH", "/nonexistent")]] {
        let args = ["watch", "--exit-when-finished", text(place.path())];
        let mut terminal = Terminal::start(0, 0, &args, environment);
        assert_eq!(terminal.ends().exit_code(), 0, "{environment:?}: {}", terminal.printed());
        assert!(terminal.printed().contains("Membrane Updates"), "{environment:?}: {}", terminal.printed());
    }
}

/// A terminal that draws lines two columns wide answers that the cursor is behind two columns.
#[test]
fn frames_fall_back_to_ascii_where_their_lines_are_two_columns_wide() {
    for (column, args, is_ascii) in [(3, &[][..], true), (2, &[], false), (3, &["--no-ascii"], false)] {
        // What is typed before the answer is not lost. Both are there before the question: the answer is not waited for
        // long, and a busy machine would be late.
        let (demo, typed) = (support::demo_run(), format!("3\x1b[1;{column}R"));
        let args = [&["watch"], args, &[text(&demo)]].concat();
        let mut terminal =
            Terminal::start_program(env!("CARGO_BIN_EXE_neurotop"), (80, 24), &args, &[], &typed);
        let screen = terminal.until_shown("the newest");
        let asks = || terminal.output.lock().expect("the output").windows(4).any(|part| part == b"\x1b[6n");
        assert_eq!(asks(), !args.contains(&"--no-ascii"), "the terminal is asked");
        assert_eq!(screen.contains('│'), !is_ascii, "{column} {args:?}:\n{screen}");
        terminal.press("q");
        assert_eq!(terminal.ends().exit_code(), 0);
    }
}

/// Without an alternate screen, the figures are printed below each other and not among what the dashboard has drawn.
#[test]
fn the_dashboard_is_cleared_before_the_terminal_is_given_back() {
    let mut terminal = Terminal::start(80, 24, &[text(&support::demo_run())], &[]);
    terminal.until_shown("finished");
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
    let output = terminal.output.lock().expect("the output").clone();
    let last =
        |part: &[u8]| output.windows(part.len()).rposition(|window| window == part).expect("it is written");
    let (home, clear, back) = (last(b"\x1b[1;1H"), last(b"\x1b[2J"), last(b"\x1b[?1049l"));
    assert!(home < clear && clear < back, "{home} {clear} {back}");
}

#[test]
fn a_terminal_that_can_draw_nothing_gets_lines_of_progress_and_a_word() {
    let mut terminal =
        Terminal::start(80, 24, &["--exit-when-finished", text(&support::demo_run())], &[("TERM", "dumb")]);
    assert_eq!(terminal.ends().exit_code(), 0);
    let printed = terminal.printed();
    assert!(
        printed.contains("no dashboard, but lines of progress") && printed.contains("TERM=dumb"),
        "{printed}"
    );
    assert!(!terminal.output.lock().expect("the output").contains(&0x1b), "{printed}");
}

/// What others have written is gone with Ctrl-L, and with a change of the view.
#[test]
fn what_others_write_over_the_dashboard_is_drawn_over() {
    let mut terminal = Terminal::start(80, 24, &[text(&support::demo_run())], &[]);
    terminal.until_shown("finished");
    for (key, shown) in [("\x0c", "By neuron"), ("3", "the newest")] {
        terminal.screen.lock().expect("the screen").process(b"\x1b[5;5Hthe disk is full\x1b[24;1H\nand more");
        terminal.until_shown("the disk is full");
        terminal.press(key);
        terminal.until("the dashboard alone", |screen| {
            screen.contains(shown) && !screen.contains("disk is full") && !screen.contains("and more")
        });
    }
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
}

#[test]
fn without_a_path_the_newest_of_the_runs_below_is_selected() {
    let place = tempfile::tempdir().expect("a directory");
    let script = "cd \"$1\" && exec \"$0\"";
    let mut terminal = Terminal::start_script(script, &[text(place.path())]);
    assert_eq!(terminal.ends().exit_code(), 1);
    let printed = terminal.contents();
    assert!(
        printed.contains("neurotop.record(net, \"runs/exp1\")") && printed.contains("neurotop demo"),
        "{printed}"
    );
    assert_eq!(printed.trim().lines().count(), 3, "{printed}");
    for name in ["old", "new", "older"] {
        support::copy_run(&support::demo_run(), &place.path().join("runs").join(name));
    }
    for name in ["batch-000011.npz", "end.json"] {
        fs::remove_file(place.path().join("runs/new").join(name)).expect("removed");
    }
    for (name, age) in [("old", 60), ("older", 600)] {
        let directory = fs::File::open(place.path().join("runs").join(name)).expect("opened");
        directory.set_modified(std::time::SystemTime::now() - Duration::from_secs(age)).expect("set");
    }
    let mut terminal = Terminal::start_script(script, &[text(place.path())]);
    terminal.until_shown("Runs (3)");
    terminal.until("the newest is selected", |_| {
        let row = selected(&terminal);
        row.contains('→') && row.contains("91 %")
    });
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
}

#[test]
fn a_terminal_that_is_gone_leaves_every_export() {
    let place = tempfile::tempdir().expect("a directory");
    let (run, log) = (place.path().join("run"), place.path().join("log"));
    endless_run(&run, 3);
    let (json, csv) = (place.path().join("out.json"), place.path().join("out.csv"));
    let pair = native_pty_system().openpty(PtySize::default()).expect("a pseudo-terminal");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_neurotop"));
    command.args([
        "watch",
        "--state",
        "none",
        text(&run),
        "--log",
        text(&log),
        "--export",
        text(&json),
        "--export",
        text(&csv),
    ]);
    command.env("TERM", "xterm-256color");
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command.env("XDG_STATE_HOME", support::STATE_HOME);
    let mut child = pair.slave.spawn_command(command).expect("it starts");
    drop(pair.slave);
    let deadline = Instant::now() + PATIENCE;
    while fs::read_to_string(&log).unwrap_or_default().matches(" counted ").count() < 3 {
        assert!(Instant::now() < deadline, "nothing is counted");
        sleep(Duration::from_millis(20));
    }
    // Nobody ever read what it wrote, and now nobody can.
    drop(pair.master);
    while child.try_wait().expect("its state").is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        sleep(Duration::from_millis(20));
    }
    assert_eq!(support::json(&json)["account"]["counted"], 3);
    assert!(fs::read_to_string(&csv).expect("the second export").contains("total"));
}

#[test]
fn keys_come_from_the_terminal_where_standard_input_is_closed() {
    let place = tempfile::tempdir().expect("a directory");
    endless_run(place.path(), 2);
    let mut terminal = Terminal::start_script("\"$0\" watch \"$1\" <&-", &[text(place.path())]);
    terminal.until_shown("2 batches");
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
    assert!(terminal.printed().contains("Membrane Updates"));
}

#[test]
fn two_dashboards_on_one_run() {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path().join("run");
    endless_run(&run, 2);
    let exports = ["a.json", "b.json"].map(|name| place.path().join(name));
    let mut terminals = [&exports[0], &exports[1]]
        .map(|export| Terminal::start(80, 24, &["watch", text(&run), "--export", text(export)], &[]));
    for number in 2..6 {
        add_batch(&run, number);
        terminals.iter().for_each(|terminal| drop(terminal.until_shown(&format!("{} batches", number + 1))));
    }
    for terminal in &mut terminals {
        terminal.press("q");
        assert_eq!(terminal.ends().exit_code(), 0);
    }
    let [a, b] = exports.map(|export| support::json(&export));
    assert_eq!(a["account"], b["account"]);
    assert_eq!((&a["total"], &a["layers"]), (&b["total"], &b["layers"]));
    assert_eq!(a["total"]["updates"], 6 * support::SMALL.0);
}

#[test]
fn no_name_steers_the_terminal_in_any_view() {
    let place = tempfile::tempdir().expect("a directory");
    let evil = "x\u{1b}[35mX\u{9b}31m\u{7}\u{202e}Y\u{200b}Z";
    let run = place.path().join(format!("run{evil}"));
    let layers = [(format!("{evil}.1"), "Leaky\u{1b}[35mX"), ("b".to_owned(), "Leaky")];
    let layers: Vec<(&str, &str, &str, &[usize])> =
        layers.iter().map(|(name, neuron)| (name.as_str(), *neuron, "zero", &[2][..])).collect();
    support::write_manifest(&run, &layers, None);
    let mut members = support::small_batch();
    for (name, ..) in &layers {
        members.insert(format!("{name}.post"), members["lif.post"].clone());
    }
    members.insert(format!("{evil}.spikes"), members["lif.post"].clone());
    support::write_batch(&run, 0, &members, support::Archive::Stored);
    fs::write(run.join("batch-000001.npz"), "x").expect("a file");
    fs::write(run.join(format!("{evil}.npz")), "x").expect("a file");
    let mut terminal = Terminal::start(120, 40, &["watch", text(&run), "--settle", "0.1"], &[]);
    terminal.until_shown("1 batches");
    for (key, shown) in [
        ("2", "neurons"),
        ("3", "effective"),
        ("4", "runs"),
        ("5", "set aside"),
        ("?", "quit"),
        ("1", "layers"),
    ] {
        terminal.press(key);
        terminal.until(shown, |screen| screen.to_lowercase().contains(shown));
    }
    terminal.press("y");
    terminal.press("q");
    terminal.ends();
    let output = terminal.output.lock().expect("the output");
    let output = String::from_utf8_lossy(&output);
    assert!(output.contains("u{1b}[35mX"), "the names are shown");
    for steering in ["\u{1b}[35mX", "\u{9b}", "\u{202e}", "\u{200b}", "]0;neurotop run\u{1b}"] {
        assert!(!output.contains(steering), "{steering:?} reached the terminal");
    }
}

#[test]
fn a_rank_that_falls_silent_is_shown_in_the_header() {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path().join("run");
    let put = |rank: u32, number: usize| add_batch(&run.join(format!("rank-{rank}")), number);
    for number in 0..8 {
        put(0, number);
        put(3, number);
    }
    // Ranks are silent after the stall time at the latest, where their batches come quicker.
    let args = ["watch", text(&run), "--stall-after", "1", "--settle", "0.2"];
    let mut terminal = Terminal::start(120, 40, &args, &[]);
    terminal.until_shown("Ranks (2)");
    let deadline = Instant::now() + PATIENCE;
    let mut number = 8;
    while !terminal.contents().contains("rank 3 silent for ") {
        assert!(Instant::now() < deadline, "{}", terminal.contents());
        put(0, number);
        number += 1;
        sleep(Duration::from_millis(50));
    }
    terminal.press("7");
    let shown = |screen: &str| screen.contains("3 ◌ silent") && screen.contains("by state");
    while !shown(&terminal.contents()) {
        assert!(Instant::now() < deadline, "{}", terminal.contents());
        put(0, number);
        number += 1;
        sleep(Duration::from_millis(50));
    }
    fs::create_dir_all(run.join("rank-12")).expect("a directory");
    put(12, 0);
    terminal.until_shown("Ranks (3)");
    for rank in [0, 3, 12] {
        fs::write(run.join(format!("rank-{rank}/end.json")), "{}").expect("an end");
    }
    terminal.until_shown("✓ finished");
    terminal.until("all are done", |screen| screen.matches("✓ done").count() == 3);
    terminal.press("q");
    assert_eq!(terminal.ends().exit_code(), 0);
    let printed = terminal.printed();
    assert!(printed.contains("rank") && printed.contains("done"), "{printed}");
}
