//! The pipelines of all runs that are followed: they share the counting threads and one channel.

use super::worker::Pool;
use super::{Command, Keeping, Options, Output, Pipeline, Restored, Update, Whereabouts};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::path::Path;

/// Groups that may wait for the front-end before the pipelines wait for it.
const GROUPS_AHEAD: usize = 1024;

/// Updates of one run that belong together: the figures are only right between groups.
#[derive(Debug)]
pub struct Group {
    /// The run, by the number that [`Pipelines::follow`] gave it.
    pub run: usize,
    /// Its updates.
    pub updates: Vec<Update>,
}

/// The pipelines, by the numbers of their runs.
#[derive(Debug)]
pub struct Pipelines {
    options: Options,
    pool: Pool,
    members: BTreeMap<usize, Pipeline>,
    /// The number of the next run. None is given twice: what came of a run that was left is still on its way.
    next: usize,
    sender: Sender<Group>,
    groups: Receiver<Group>,
}

impl Pipelines {
    /// Starts the counting threads, as many as can be had; no run is followed yet.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(options: Options) -> std::io::Result<Self> {
        let (sender, groups) = bounded(GROUPS_AHEAD);
        let pool = Pool::start(options.threads, options.priority)?;
        Ok(Self { options, pool, members: BTreeMap::new(), next: 0, sender, groups })
    }

    /// How many threads count.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Follows one run more, from where an earlier process left it if there was one; returns its number, which
    /// counts from 0. It is in the directory to which the path leads by which it is `named`, which need not exist
    /// yet. What becomes of what is counted may be another thing than the options say.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn follow(
        &mut self,
        named: &Path,
        directory: &Path,
        restored: Option<Restored>,
        keeping: Keeping,
    ) -> std::io::Result<usize> {
        let run = self.next;
        self.next += 1;
        let pipeline = self.start_one(run, named, directory, restored, keeping)?;
        self.members.insert(run, pipeline);
        Ok(run)
    }

    /// Follows a run no more. What was counted of it may still come.
    pub fn leave(&mut self, run: usize) {
        self.members.remove(&run);
    }

    /// Follows a run again whose pipeline has ended since the run's path led elsewhere.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn follow_again(
        &mut self,
        run: usize,
        named: &Path,
        directory: &Path,
        restored: Option<Restored>,
        keeping: Keeping,
    ) -> std::io::Result<()> {
        let pipeline = self.start_one(run, named, directory, restored, keeping)?;
        if let Some(member) = self.members.get_mut(&run) {
            *member = pipeline;
        }
        Ok(())
    }

    fn start_one(
        &self,
        run: usize,
        named: &Path,
        directory: &Path,
        restored: Option<Restored>,
        keeping: Keeping,
    ) -> std::io::Result<Pipeline> {
        let options = Options { keeping, ..self.options.clone() };
        let at = Whereabouts { named: named.to_owned(), directory: directory.into() };
        let output = Output { run, groups: self.sender.clone() };
        Pipeline::start(options, at, self.pool.clone(), output, restored)
    }

    /// Where to tell the pipeline of one run something later on.
    pub fn commands(&self, run: usize) -> Option<Sender<Command>> {
        self.members.get(&run).map(|member| member.commands.clone())
    }

    /// Tells the pipeline of one run something; does nothing once it has ended.
    pub fn tell(&self, run: usize, command: Command) {
        if let Some(member) = self.members.get(&run) {
            member.tell(command);
        }
    }

    /// Tells all of them something.
    pub fn tell_all(&self, command: Command) {
        if command == Command::Finish {
            self.pool.hurry();
        }
        self.members.values().for_each(|member| member.tell(command.clone()));
    }

    /// The updates of all runs.
    pub fn groups(&self) -> &Receiver<Group> {
        &self.groups
    }
}
