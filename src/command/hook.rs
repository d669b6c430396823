//! Runs commands of the user, each in a thread that nobody waits for longer than the user wants: for `--notify` and
//! `--on-finish`. What names a run goes to a command through its environment alone, so that no name is taken for a part
//! of it.

use super::leaving::Leaving;
use crate::platform::shell;
use crate::text::printable;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

/// The most commands that run at a time. More are started only if they hang.
const MOST: usize = 32;

/// The most bytes of a command's errors that are read, the last ones.
const LAST: i64 = 4096;

/// A file of errors that is larger than this is emptied, and how often that is looked at.
const MOST_KEPT: u64 = 1 << 20;
const LOOK: Duration = Duration::from_millis(20);

/// Why a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HookOption {
    Notify,
    OnFinish,
}

impl HookOption {
    fn name(self) -> &'static str {
        match self {
            Self::Notify => "--notify",
            Self::OnFinish => "--on-finish",
        }
    }
}

/// A command and its environment.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) option: HookOption,
    pub(super) command: String,
    pub(super) environment: Vec<(&'static str, OsString)>,
    /// Removed when the command has ended, even if neurotop has left by then.
    pub(super) files: Option<TempDir>,
}

/// Why a command ran that has ended, and why it failed, if it did.
pub(super) type HookOutcome = (HookOption, Option<String>);

/// The commands that run.
#[derive(Debug)]
pub(super) struct Hooks {
    outcomes: (Sender<HookOutcome>, Receiver<HookOutcome>),
    /// The options of those that run.
    running: Vec<HookOption>,
    /// Why commands of `--on-finish` have failed.
    failures: Vec<String>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { outcomes: bounded(MOST), running: Vec::new(), failures: Vec::new() }
    }
}

impl Hooks {
    /// Starts a command; returns why it could not be.
    pub(super) fn start(&mut self, hook: Hook) -> Option<String> {
        let (option, name) = (hook.option, label(&hook));
        let started = if self.running.len() < MOST {
            let sender = self.outcomes.0.clone();
            let run = move || {
                // The main thread may have left.
                let _ = sender.send(run(hook));
            };
            std::thread::Builder::new().name("hook".into()).spawn(run).map_err(|error| error.to_string())
        } else {
            Err(format!("{MOST} of its kind still run"))
        };
        match started {
            Ok(_) => {
                self.running.push(option);
                None
            }
            Err(why) => {
                let why = format!("{name}: not started: {why}");
                self.failures.extend((option == HookOption::OnFinish).then(|| why.clone()));
                Some(why)
            }
        }
    }

    pub(super) fn outcomes(&self) -> &Receiver<HookOutcome> {
        &self.outcomes.1
    }

    /// Notes that a command has ended; returns why it failed.
    pub(super) fn take(&mut self, (option, failure): HookOutcome) -> Option<String> {
        if let Some(at) = self.running.iter().position(|running| *running == option) {
            self.running.swap_remove(at);
        }
        if option == HookOption::OnFinish {
            self.failures.extend(failure.clone());
        }
        failure
    }

    pub(super) fn note_failure(&mut self, why: String) {
        self.failures.push(why);
    }

    /// Whether a command of `--on-finish` has failed.
    pub(super) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Waits for the commands that run, those of `--on-finish` as long as the user does. Returns what there is to say, also
    /// what the dashboard has said of those that failed.
    pub(super) fn finish(&mut self, leaving: &Leaving<'_>) -> Vec<String> {
        let mut said = self.failures.clone();
        while !self.running.is_empty() {
            let is_patient = self.running.contains(&HookOption::OnFinish);
            match leaving.wait_for_hook(&self.outcomes.1, is_patient) {
                Some(outcome) => said.extend(self.take(outcome)),
                None => {
                    let why = format!("{} has not ended, and is left running", self.left());
                    self.failures.extend(is_patient.then(|| why.clone()));
                    said.push(why);
                    break;
                }
            }
        }
        said
    }

    fn left(&self) -> &'static str {
        let is_last = self.running.contains(&HookOption::OnFinish);
        if is_last { "the command of --on-finish" } else { "a command of --notify" }
    }
}

fn label(hook: &Hook) -> String {
    format!("{} {}", hook.option.name(), printable(&hook.command))
}

fn run(hook: Hook) -> HookOutcome {
    let failure = run_to_its_end(&hook).err().map(|why| format!("{}: {why}", label(&hook)));
    drop(hook.files);
    (hook.option, failure)
}

/// Its errors go into a file and not a pipe, which something that it starts could hold open. The file is emptied whenever
/// it has grown, so that a command that prints for ever does not fill the disk while neurotop runs.
fn run_to_its_end(hook: &Hook) -> Result<(), String> {
    let in_words = |error: std::io::Error| error.to_string();
    // Appended to, so that whatever the command writes next comes to the beginning of an emptied file.
    let errors = tempfile::Builder::new().append(true).tempfile().map_err(in_words)?;
    let mut errors = errors.into_file();
    let mut command = shell(&hook.command, hook.files.as_ref().map(TempDir::path));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(errors.try_clone().map_err(in_words)?);
    command.envs(hook.environment.iter().map(|(name, value)| (name, value)));
    let mut child = command.spawn().map_err(in_words)?;
    let status = loop {
        match child.try_wait().map_err(in_words)? {
            Some(status) => break status,
            None => sleep(LOOK),
        }
        if errors.metadata().is_ok_and(|file| file.len() > MOST_KEPT) {
            let _ = errors.set_len(0);
        }
    };
    if status.success() {
        return Ok(());
    }
    let mut said = Vec::new();
    let length = errors.seek(SeekFrom::End(0)).unwrap_or(0);
    let last = u64::try_from(LAST).unwrap_or(0).min(length);
    let _ = errors.seek(SeekFrom::Start(length - last)).and_then(|_| errors.read_to_end(&mut said));
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().rfind(|line| !line.trim().is_empty());
    Err(line.map_or(status.to_string(), |line| format!("{status}: {}", printable(line.trim()))))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;

    fn hook(option: HookOption, command: &str, environment: Vec<(&'static str, OsString)>) -> Hook {
        Hook { option, command: command.into(), environment, files: None }
    }

    #[test]
    fn names_reach_a_command_through_its_environment_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("said");
        let name = "$(touch owned); `id` '\"";
        let environment = vec![("NEUROTOP_RUN", name.into()), ("FILE", file.clone().into_os_string())];
        let mut hooks = Hooks::default();
        let command = "printf %s \"$NEUROTOP_RUN\" > \"$FILE\"";
        assert_eq!(hooks.start(hook(HookOption::OnFinish, command, environment)), None);
        let (_signal, signals) = unbounded();
        assert!(hooks.finish(&Leaving::new(&signals)).is_empty() && !hooks.has_failed());
        assert_eq!(std::fs::read_to_string(file).expect("a file"), name);
    }

    #[test]
    fn a_failure_is_reported_with_its_last_words() {
        let mut hooks = Hooks::default();
        let (_signal, signals) = unbounded();
        hooks.start(hook(
            HookOption::Notify,
            "echo first >&2; printf 'oh\\033[2J no\\n' >&2; exit 7",
            Vec::new(),
        ));
        let said = hooks.finish(&Leaving::new(&signals)).join("");
        assert!(
            said.starts_with("--notify ") && said.contains('7') && said.ends_with("oh\\u{1b}[2J no"),
            "{said}"
        );
        assert!(!hooks.has_failed(), "nobody depends on a notification");
        hooks.start(hook(HookOption::OnFinish, "exit 1", Vec::new()));
        assert_eq!(hooks.finish(&Leaving::new(&signals)).len(), 1);
        assert!(hooks.has_failed());
    }

    /// It would fill the disk otherwise, with a file that nobody sees.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_command_that_prints_for_ever_fills_no_disk() {
        let command = "last=0; for round in $(seq 500); do head -c 500000 /dev/zero >&2; \
            size=$(stat -L -c %s /proc/self/fd/2); test $size -lt $last && exit 7; last=$size; done; exit 8";
        let why = run_to_its_end(&hook(HookOption::OnFinish, command, Vec::new())).expect_err("it fails");
        assert!(why.contains('7'), "it was never emptied");
    }

    /// The thread that waits for a command ends with neurotop, and the command may not.
    #[test]
    fn a_command_removes_its_files_by_itself() {
        let files = tempfile::tempdir().expect("a directory");
        let path = files.path().to_owned();
        let command = "test -d \"$DIR\" && exit 3";
        let environment = vec![("DIR", path.clone().into_os_string())];
        let hook = Hook { files: Some(files), ..hook(HookOption::OnFinish, command, environment) };
        let why = run_to_its_end(&hook).expect_err("it fails");
        assert!(why.contains('3') && !path.exists(), "{why}");
    }

    #[test]
    fn a_signal_leaves_a_command_that_hangs() {
        let mut hooks = Hooks::default();
        let (signal, signals) = unbounded();
        hooks.start(hook(HookOption::OnFinish, "sleep 20", Vec::new()));
        let leaving = Leaving::new(&signals);
        signal.send(2).expect("sent");
        let said = hooks.finish(&leaving).join("");
        assert!(said.contains("--on-finish") && said.contains("left running"), "{said}");
        assert!(hooks.has_failed());
    }
}
