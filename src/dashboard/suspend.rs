//! Suspends the program as Ctrl-Z does, and resumes when the shell continues it.

use super::terminal::Screen;
use super::{Inputs, Next};
use crate::platform::{self, JobSignal};
use crossbeam_channel::{Receiver, TrySendError, bounded, select_biased};
use std::io;

/// Signals that may wait.
const JOBS: usize = 16;

/// Receives a message for each SIGTSTP and SIGCONT from now on.
///
/// # Errors
/// Where the system gives no thread.
pub fn job_signals() -> io::Result<Receiver<JobSignal>> {
    let (sender, receiver) = bounded(JOBS);
    // A full channel says enough.
    platform::job_signals(move |signal| {
        !matches!(sender.try_send(signal), Err(TrySendError::Disconnected(_)))
    })?;
    Ok(receiver)
}

/// Gives the terminal back, stops, and takes the terminal again once the program is continued; where it is time to leave
/// before that, the terminal stays given back.
pub(super) fn suspend(screen: &mut Screen, inputs: &Inputs) -> io::Result<Next> {
    let (jobs, leave) = (&inputs.jobs, &inputs.stop);
    screen.release_mouse(&inputs.events);
    screen.give_back();
    // Earlier signals have nothing to do with this stop.
    while jobs.try_recv().is_ok() {}
    platform::stop_process_group()?;
    // The stop takes effect a moment later; the terminal is not taken again before it is over.
    loop {
        select_biased! {
            recv(leave) -> _ => return Ok(Next::Leave),
            recv(jobs) -> job => match job {
                Ok(JobSignal::Stop) => {}
                Ok(JobSignal::Continued) | Err(_) => break,
            },
        }
    }
    screen.take_again()?;
    Ok(Next::GoOn)
}
