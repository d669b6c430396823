//! The title of the terminal: which run, how far it is, and how it is.

use super::view_model::ViewModel;
use crate::run::Status;
use crate::text::{elide, printable};

/// The longest name of a run in it.
const LONGEST: usize = 60;

/// As in `neurotop exp1 67 % live`.
pub fn title(model: &ViewModel) -> String {
    let name = elide(&printable(model.run.name()), LONGEST);
    let part = model.run.progress().map_or(String::new(), |part| format!(" {:.0} %", (part * 100.0).floor()));
    let state = match model.run.status(model.now) {
        _ if model.run.refused().is_some() => "refused",
        Status::Waiting => "waiting",
        Status::Live => "live",
        Status::Stalled(_) => "stalled",
        Status::Stopped => "stopped",
        Status::Finished if model.summary.complete => "complete",
        Status::Finished => "finished",
    };
    let problems = match model.summary.problem_count() {
        0 => String::new(),
        1 => ", 1 problem".to_owned(),
        count => format!(", {count} problems"),
    };
    format!("neurotop {name}{part} {state}{problems}")
}
