//! The command as the tests start it.

use crate::support::STATE_HOME;
use assert_cmd::Command;
use std::time::Duration;

/// The command, with nothing of the user's. It runs in the project's directory, so that its runs have short names.
pub fn neurotop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    command.env("XDG_CONFIG_HOME", "/nonexistent").env("XDG_STATE_HOME", STATE_HOME);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).timeout(Duration::from_secs(60));
    command
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Exit code, standard output and standard error of the command.
pub fn outcome(args: &[&str]) -> (i32, String, String) {
    let output = neurotop().args(args).output().expect("it runs");
    (output.status.code().expect("an exit code"), text(&output.stdout), text(&output.stderr))
}
