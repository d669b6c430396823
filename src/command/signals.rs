//! Signals that ask the program to leave, as messages.

use crate::process::streams;
use anyhow::Context;
use crossbeam_channel::{Receiver, TrySendError, bounded};
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
};
use signal_hook::iterator::Signals;

/// What there is to say where a thread cannot be started.
pub(super) const NO_THREAD: &str = "the system gives no thread (ulimit -u)";

/// Signals that may wait.
const SIGNALS: usize = 16;

/// What asks to leave, whatever there was before: a shell that starts a job in the background has it ignore SIGINT,
/// and whoever sends one to it all the same means it.
const ALWAYS: [i32; 2] = [SIGINT, SIGTERM];

/// What would kill otherwise, and so asks to leave, too: a job scheduler's warning among them. What is ignored when
/// the program starts, as `nohup` has it, stays ignored.
const UNLESS_IGNORED: [i32; 8] = [SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM, SIGVTALRM, SIGPROF];

/// Receives a message for each signal that asks to leave from now on.
pub(super) fn leave_signals() -> anyhow::Result<Receiver<i32>> {
    let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    let others = UNLESS_IGNORED.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = Signals::new(ALWAYS.into_iter().chain(others))?;
    let (sender, receiver) = bounded(SIGNALS);
    let pass_on = move || {
        for signal in &mut signals {
            streams::ask_to_leave();
            // Of many that wait, the first say as much as all.
            if let Err(TrySendError::Disconnected(_)) = sender.try_send(signal) {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(pass_on).context(NO_THREAD)?;
    Ok(receiver)
}

/// The signals that a process ignores, a bit each from that of signal 1 on, in what Linux says of it. Elsewhere
/// this cannot be found out without unsafe code.
fn ignored(status: &str) -> u64 {
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_what_the_system_says() {
        let status = "Name:\tneurotop\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\nSigCgt:\t1\n";
        assert_eq!(ignored(status), 1 << 12 | 1, "SIGPIPE and SIGHUP");
        assert_eq!(ignored(""), 0);
    }
}
