//! Turns the signals that ask the program to leave into messages.

use crate::process::streams;
use anyhow::Context;
use crossbeam_channel::{Receiver, TrySendError, bounded};
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
};
use signal_hook::iterator::Signals;

/// The error where a thread cannot be started.
pub(super) const NO_THREAD: &str = "the system gives no thread (ulimit -u)";

/// The most signals that can wait.
const SIGNALS: usize = 16;

/// These ask to leave even if they were ignored at the start. A shell lets background jobs ignore SIGINT, and whoever
/// sends one to such a job means it.
const ALWAYS: [i32; 2] = [SIGINT, SIGTERM];

/// These would kill the program otherwise; some are warnings of job schedulers. Those that are ignored at the start, as
/// under `nohup`, stay ignored.
const UNLESS_IGNORED: [i32; 8] = [SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM, SIGVTALRM, SIGPROF];

/// From now on, sends a message for each signal that asks to leave.
pub(super) fn leave_signals() -> anyhow::Result<Receiver<i32>> {
    let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    let others = UNLESS_IGNORED.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = Signals::new(ALWAYS.into_iter().chain(others))?;
    let (sender, receiver) = bounded(SIGNALS);
    let pass_on = move || {
        for signal in &mut signals {
            streams::ask_to_leave();
            // If many wait, the first are enough.
            if let Err(TrySendError::Disconnected(_)) = sender.try_send(signal) {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(pass_on).context(NO_THREAD)?;
    Ok(receiver)
}

/// The signals that a process ignores, from Linux's `/proc/PID/status`: one bit for each, the lowest for signal 1. Other
/// systems do not say this without unsafe code.
fn ignored(status: &str) -> u64 {
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status_of_the_process() {
        let status = "Name:\tneurotop\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\nSigCgt:\t1\n";
        assert_eq!(ignored(status), 1 << 12 | 1, "SIGPIPE and SIGHUP");
        assert_eq!(ignored(""), 0);
    }
}
