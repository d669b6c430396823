//! Suspends the program as Ctrl-Z does, and resumes when the shell continues it.

use super::Inputs;
use super::terminal::Screen;
use crossbeam_channel::{Receiver, TrySendError, bounded, select_biased};
use signal_hook::consts::{SIGCONT, SIGTSTP};
use signal_hook::iterator::Signals;
use std::io;

/// Signals that may wait.
const JOBS: usize = 16;

/// Job control: what the shell, or whoever sends signals, wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobSignal {
    /// Stop, and give the terminal back (SIGTSTP).
    Stop,
    /// The program was stopped and runs again (SIGCONT).
    Continued,
}

/// Receives a message for each SIGTSTP and SIGCONT from now on.
///
/// # Errors
/// Where the system gives no thread.
pub fn job_signals() -> io::Result<Receiver<JobSignal>> {
    let mut signals = Signals::new([SIGTSTP, SIGCONT])?;
    let (sender, receiver) = bounded(JOBS);
    std::thread::Builder::new().name("jobs".into()).spawn(move || {
        for signal in &mut signals {
            let meaning = if signal == SIGCONT { JobSignal::Continued } else { JobSignal::Stop };
            // A full channel says enough.
            if let Err(TrySendError::Disconnected(_)) = sender.try_send(meaning) {
                return;
            }
        }
    })?;
    Ok(receiver)
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Suspension {
    /// The program was stopped, and the terminal is taken again.
    Over,
    /// There is no shell to return to, and nothing was done.
    Refused,
    /// It is time to leave; the terminal is given back.
    Leave,
}

/// Gives the terminal back, stops, and takes the terminal again once the program is continued.
pub(super) fn suspend(screen: &mut Screen, inputs: &Inputs) -> io::Result<Suspension> {
    if !has_a_shell() {
        return Ok(Suspension::Refused);
    }
    let (jobs, leave) = (&inputs.jobs, &inputs.stop);
    screen.release_mouse(&inputs.events);
    screen.give_back();
    // Earlier signals have nothing to do with this stop.
    while jobs.try_recv().is_ok() {}
    stop()?;
    // The stop takes effect a moment later; the terminal is not taken again before it is over.
    loop {
        select_biased! {
            recv(leave) -> _ => return Ok(Suspension::Leave),
            recv(jobs) -> job => match job {
                Ok(JobSignal::Stop) => {}
                Ok(JobSignal::Continued) | Err(_) => break,
            },
        }
    }
    screen.take_again()?;
    Ok(Suspension::Over)
}

/// Whether anybody can continue the stopped program: a shell that gave it, or the script around it, its own process
/// group. Otherwise, as under `ssh -t HOST neurotop`, it would stay stopped for ever.
#[cfg(unix)]
fn has_a_shell() -> bool {
    use rustix::process::{getpgrp, getsid};
    getsid(None).is_ok_and(|session| session != getpgrp())
}

/// Stops the whole process group, as the terminal does: a script that waits for this program must stop too.
#[cfg(unix)]
fn stop() -> io::Result<()> {
    use rustix::process::{Signal, kill_current_process_group};
    Ok(kill_current_process_group(Signal::STOP)?)
}

#[cfg(not(unix))]
fn has_a_shell() -> bool {
    false
}

#[cfg(not(unix))]
fn stop() -> io::Result<()> {
    Ok(())
}
