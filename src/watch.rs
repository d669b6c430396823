//! The runs that are followed: their state, what keeps it up to date, and those that are found meanwhile.

use crate::follow::{Discovery, find_runs, is_run};
use crate::pipeline::{Command, Group, Mode, Options, Pipelines};
use crate::run::Settings;
use crate::runs::Runs;
use crossbeam_channel::{Receiver, never};
use std::path::Path;
use std::time::SystemTime;

/// Runs that are followed.
#[derive(Debug)]
pub struct Watch {
    /// Their state.
    pub runs: Runs,
    pipelines: Pipelines,
    found: Receiver<Discovery>,
    settings: Settings,
}

impl Watch {
    /// Starts to follow a directory, which need not exist yet: a run, or, live, a directory of runs. The
    /// settings' name is that of a run without one.
    ///
    /// # Errors
    /// Where the system gives no thread, or the current directory that a relative path needs is gone.
    pub fn start(directory: &Path, settings: Settings, options: Options) -> std::io::Result<Self> {
        let found = match options.mode {
            Mode::Live if !is_run(directory) => find_runs(directory, options.poll)?,
            Mode::Live | Mode::Once => never(),
        };
        let mut pipelines = Pipelines::start(options)?;
        pipelines.follow(directory)?;
        Ok(Self { runs: Runs::new(directory, settings.clone()), pipelines, found, settings })
    }

    /// What comes of the runs.
    pub fn groups(&self) -> &Receiver<Group> {
        self.pipelines.groups()
    }

    /// Runs that are found. The channel closes when there will be no more.
    pub fn found(&self) -> &Receiver<Discovery> {
        &self.found
    }

    /// Applies what came of a run now.
    pub fn apply(&mut self, group: Group) {
        self.runs.apply(group, SystemTime::now());
    }

    /// Follows runs that were found; without a discovery there will be no more.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn take_found(&mut self, found: Option<Discovery>) -> std::io::Result<()> {
        let Some(found) = found else {
            self.found = never();
            return Ok(());
        };
        for directory in found.runs {
            self.pipelines.follow(&directory)?;
            let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.runs.add(&directory, Settings { name, ..self.settings.clone() });
        }
        self.runs.leave_out(found.left_out);
        Ok(())
    }

    /// Starts the tally of the shown run over.
    pub fn restart_shown(&self) {
        self.pipelines.tell(self.runs.shown_number(), Command::Restart);
    }

    /// Counts what is there in every run, and ends.
    pub fn finish(&self) {
        self.pipelines.tell_all(Command::Finish);
    }
}
