//! The end of every command: the last batches, the exports, the tables, the exit code.

use super::session::Session;
use crate::condition::Condition;
use crate::pipeline::{Command, Update};
use crate::report::{Export, Format, Summary};
use crate::text::printable;
use crossbeam_channel::{Receiver, after, never, select};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// Counted, but something was set aside.
const SET_ASIDE: u8 = 3;

/// Counted, and a condition of `--fail-if` holds.
const FAILED: u8 = 4;

/// How long the last batches may take before the user is told what is going on.
const SAY_AFTER: Duration = Duration::from_millis(400);

/// The longest that the end may take.
const GIVE_UP_AFTER: Duration = Duration::from_secs(5);

/// Tells the pipeline to finish and takes its last updates; a signal cuts that short.
pub(super) fn drain(session: &mut Session, signals: &Receiver<i32>) {
    session.pipeline.tell(Command::Finish);
    let updates = session.pipeline.updates().clone();
    let give_up = after(GIVE_UP_AFTER);
    let mut say = after(SAY_AFTER);
    while !session.run.has_ended() {
        select! {
            recv(updates) -> group => match group {
                Ok(group) => session.run.apply(group, SystemTime::now()),
                Err(_) => return,
            },
            recv(say) -> _ => {
                eprintln!("neurotop: counting the last batches (Ctrl-C to leave at once)");
                say = never();
            }
            recv(signals) -> _ => return,
            recv(give_up) -> _ => return,
        }
    }
}

/// Whether the pipeline has ended although nobody told it to: a fault of this program.
pub(super) fn ended_by_itself(group: &[Update]) -> bool {
    group.iter().any(|update| matches!(update, Update::Ended))
}

/// Writes the exports and names each that failed on standard error. Returns whether all were written.
pub(super) fn write_exports(exports: &[Export], summary: &Summary) -> bool {
    let mut written = true;
    for export in exports {
        match export.write(summary) {
            Ok(()) => eprintln!("neurotop: wrote {}", export.path().display()),
            Err(error) => {
                written = false;
                eprintln!("neurotop: {error:#}");
            }
        }
    }
    written
}

/// Prints the summary on standard output, which may be gone.
pub(super) fn print(summary: &Summary, format: Format) -> anyhow::Result<()> {
    let text = format.render(summary)?;
    let mut stdout = std::io::stdout().lock();
    // A closed pipe or terminal is no reason to fail: the exports are written all the same.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    Ok(())
}

/// Names what was set aside on standard error, unless the user has just read it on standard output.
pub(super) fn name_problems(summary: &Summary, printed: Option<Format>) {
    if printed == Some(Format::Text) && std::io::stdout().is_terminal() {
        return;
    }
    for problem in &summary.problems {
        let what = if problem.severity == "set_aside" { "set aside: " } else { "" };
        eprintln!("neurotop: {}: {what}{}", printable(&problem.path), printable(&problem.reason));
    }
}

/// Names the conditions that hold on standard error. Returns whether any does.
pub(super) fn name_failures(conditions: &[Condition], summary: &Summary) -> bool {
    let failures: Vec<String> =
        conditions.iter().filter_map(|condition| condition.failure(summary)).collect();
    for failure in &failures {
        eprintln!("neurotop: failed: {}", printable(failure));
    }
    !failures.is_empty()
}

/// The exit code that the figures deserve.
pub(super) fn exit_code(summary: &Summary, all_written: bool, failed: bool) -> ExitCode {
    if !all_written {
        ExitCode::FAILURE
    } else if failed {
        ExitCode::from(FAILED)
    } else if summary.has_set_aside() {
        ExitCode::from(SET_ASIDE)
    } else {
        ExitCode::SUCCESS
    }
}
