//! Turns the signals that ask the program to leave into messages.

use crate::platform::{self, streams};
use anyhow::Context;
use crossbeam_channel::{Receiver, TrySendError, bounded};

/// The error where a thread cannot be started.
pub(super) const NO_THREAD: &str = "the system gives no thread (ulimit -u)";

/// The most signals that can wait.
const SIGNALS: usize = 16;

/// From now on, sends a message for each signal that asks to leave.
pub(super) fn leave_signals() -> anyhow::Result<Receiver<i32>> {
    let (sender, receiver) = bounded(SIGNALS);
    let take = move |signal| {
        streams::ask_to_leave();
        // If many wait, the first are enough.
        !matches!(sender.try_send(signal), Err(TrySendError::Disconnected(_)))
    };
    platform::leave_signals(take).context(NO_THREAD)?;
    Ok(receiver)
}
