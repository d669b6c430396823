//! The runs that are followed: starts their owners, adds those that are found meanwhile, and has them finish.

pub use crate::run::state::{StatePlace, kept};

use super::owner::{Keep, Owner, OwnerLinks};
use super::views::Views;
use super::worker::Pool;
use super::{Keeping, Mode, Run, RunPublisher, Runs, Settings, WatchOptions};
use crate::follow::{Discovery, MAX_RUNS, find_runs, is_run};
use crate::run::state::{Known, StateWriter, known};
use crate::storage::absolute;
use crate::text::thousands;
use crossbeam_channel::{Receiver, Sender, bounded, never};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many sentences may wait to be shown. What finds no room is in the log.
const SENTENCES: usize = 256;

/// How many new names of a run may wait until its owner takes them.
const RENAMES: usize = 16;

/// The orders to an owner. One of each may wait, since a second changes nothing.
#[derive(Debug)]
struct Commands {
    restart: Sender<()>,
    /// Several may wait: each is about another name.
    rename: Sender<PathBuf>,
    finish: Sender<()>,
}

/// The runs that are followed. [`Watch::views`] has their newest views.
#[derive(Debug)]
pub struct Watch {
    views: Views,
    /// The orders to the owners, by the numbers of their runs. An owner ends once its own is dropped.
    owners: BTreeMap<usize, Commands>,
    /// The number of the next run. None is given twice.
    next: usize,
    pool: Pool,
    options: WatchOptions,
    settings: Settings,
    place: StatePlace,
    /// The absolute path of what was given.
    named: PathBuf,
    found: Receiver<Discovery<Known>>,
    writer: Option<StateWriter>,
    publisher: Box<dyn RunPublisher>,
    said: (Sender<String>, Receiver<String>),
}

impl Watch {
    /// Starts to follow a directory, which need not exist yet: a run or, in live mode, a directory of runs. The
    /// settings' name is that of a run without a name. Resumes from progress saved at `place`, if any.
    ///
    /// # Errors
    /// Where the system gives no thread, the current directory that a relative path needs is gone, or the state
    /// file is another kind of file.
    pub fn start(
        directory: &Path,
        settings: Settings,
        options: WatchOptions,
        place: &StatePlace,
        publisher: impl RunPublisher + 'static,
    ) -> std::io::Result<Self> {
        let (inside, of_runs) = (directory.to_owned(), place.clone());
        let about = move |run: &Path| known(&of_runs, run, Some(&inside), None, false);
        let views = publisher.views().clone();
        let idle = move || views.runs().idle(&views.looked_at(), SystemTime::now());
        let found = match options.mode {
            Mode::Live if !is_run(directory) => find_runs(directory, options.poll, idle, about)?,
            Mode::Live | Mode::Once => never(),
        };
        let writer = if options.keeping == Keeping::Nothing { None } else { Some(StateWriter::start()?) };
        let threads = options.threads;
        let mut watch = Self {
            settings: settings.clone(),
            place: place.clone(),
            named: absolute(directory)?,
            found,
            writer,
            ..Self::without_runs(options, publisher)?
        };
        watch.remark_on_threads(threads);
        let known = known(place, directory, None, None, false);
        if let Some(why) = &known.refused {
            return Err(std::io::Error::other(why.clone()));
        }
        watch.follow(directory, settings, None, known)?;
        Ok(watch)
    }

    /// Shows runs that were counted elsewhere, and follows nothing.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn showing(
        runs: Vec<(PathBuf, Run)>,
        publisher: impl RunPublisher + 'static,
    ) -> std::io::Result<Self> {
        let mut watch = Self::without_runs(WatchOptions::unkept(Mode::Once, 1), publisher)?;
        watch.next = runs.len();
        for (number, (path, run)) in runs.into_iter().enumerate() {
            watch.views.add(number, &path, run);
        }
        Ok(watch)
    }

    fn without_runs(options: WatchOptions, publisher: impl RunPublisher + 'static) -> std::io::Result<Self> {
        Ok(Self {
            views: publisher.views().clone(),
            owners: BTreeMap::new(),
            next: 0,
            pool: Pool::start(options.threads, options.priority)?,
            options,
            settings: Settings::new(""),
            place: StatePlace::Nowhere,
            named: PathBuf::new(),
            found: never(),
            writer: None,
            publisher: Box::new(publisher),
            said: bounded(SENTENCES),
        })
    }

    /// Whether any run is followed, and not only shown.
    pub fn follows_any(&self) -> bool {
        !self.owners.is_empty()
    }

    fn remark_on_threads(&self, wanted: usize) {
        let threads = self.pool.threads();
        if threads < wanted {
            let had = thousands(threads as u128);
            self.say(format!(
                "{had} of {} threads count: the system gives no more (ulimit -u)",
                thousands(wanted as u128)
            ));
        }
    }

    /// Follows one more run.
    fn follow(
        &mut self,
        directory: &Path,
        settings: Settings,
        within: Option<PathBuf>,
        known: Known,
    ) -> std::io::Result<()> {
        let number = self.next;
        self.next += 1;
        let named = absolute(directory)?;
        let ((restart, restarts), (finish, finishes), (rename, renames)) =
            (bounded(1), bounded(1), bounded(RENAMES));
        let run = Run::new(settings).in_directory(directory);
        self.views.add(number, directory, run.clone());
        let keep = Keep::new(self.options.keeping, self.place.clone(), within, self.writer.clone());
        let links = OwnerLinks {
            views: self.views.clone(),
            number,
            points: self.publisher.points(number),
            said: self.said.0.clone(),
            restart: restarts,
            rename: renames,
            finish: finishes,
        };
        let (options, pool) = (self.options.clone(), self.pool.clone());
        let owner = Owner::new(options, run, named, pool, keep, known, links);
        let (span, views) = (tracing::error_span!("run", ?directory), self.views.clone());
        std::thread::Builder::new().name("run".into()).spawn(move || {
            let _run = span.entered();
            // Readers must learn of a fault of this program, too.
            if catch_unwind(AssertUnwindSafe(|| owner.run())).is_err() {
                views.fail(number);
            }
        })?;
        self.owners.insert(number, Commands { restart, rename, finish });
        Ok(())
    }

    /// The newest views of the runs.
    pub fn views(&self) -> &Views {
        &self.views
    }

    pub fn runs(&self) -> Runs {
        self.views.runs()
    }

    /// Sentences for the user, besides the runs' problems.
    pub fn said(&self) -> &Receiver<String> {
        &self.said.1
    }

    fn say(&self, what: String) {
        tracing::info!("{what}");
        let _ = self.said.0.try_send(what);
    }

    /// Discoveries of runs, to be given to [`Watch::take_found`]. The channel closes when there will be no more.
    pub fn found(&self) -> &Receiver<Discovery<Known>> {
        &self.found
    }

    /// Follows the runs that were found, except those for which the system gives no thread. Without a discovery, there
    /// will be no more.
    pub fn take_found(&mut self, found: Option<Discovery<Known>>) {
        let Some(found) = found else {
            self.found = never();
            return;
        };
        found.gone.iter().for_each(|directory| self.leave(directory));
        found.moved.into_iter().for_each(|(from, to)| self.rename(&from, to));
        let mut refused = Vec::new();
        let runs = self.runs();
        for (directory, known) in found.runs {
            // A run that was to give way, and that somebody looked at by then, is still there.
            if runs.number_of(&directory).is_some_and(|number| self.owners.contains_key(&number)) {
                continue;
            }
            let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let settings = Settings { name, ..self.settings.clone() };
            if let Err(error) = self.follow(&directory, settings, Some(self.named.clone()), known) {
                // The others can still be followed.
                self.leave(&directory);
                refused.push(error);
            }
        }
        if let Some(why) = refused.first() {
            self.say(format!("{} runs are not followed: {why}", thousands(refused.len() as u128)));
        }
        if runs.left_out() == 0 && found.left_out > 0 {
            self.say(format!(
                "{} older runs are not followed, but the newest {MAX_RUNS}",
                thousands(found.left_out as u128)
            ));
        }
        self.views.set_found(found.left_out, found.instead);
        found.hints.into_iter().for_each(|hint| self.say(hint));
    }

    /// Stops following a run that gives way to a newer one, unless somebody looks at it.
    fn leave(&mut self, directory: &Path) {
        let Some(number) = self.runs().number_of(directory) else { return };
        if self.views.take_out(number) {
            // Its owner keeps its progress, and ends.
            self.owners.remove(&number);
            self.publisher.forget(number);
        }
    }

    /// Follows a run under its new name.
    fn rename(&mut self, from: &Path, to: PathBuf) {
        let number = self.runs().number_of(from);
        let Some((number, owner)) = number.and_then(|number| Some((number, self.owners.get(&number)?)))
        else {
            return;
        };
        self.views.rename(number, &to);
        let _ = owner.rename.try_send(to);
    }

    /// Starts the tally of a run over.
    ///
    /// # Errors
    /// Where counted batches are deleted, and would be lost.
    pub fn restart(&self, number: usize) -> Result<(), &'static str> {
        if !self.follows_any() {
            return Err("not started over: an exported summary has no batches to count");
        }
        let run = self.views.newest(number);
        let deletes = run.is_some_and(|run| {
            run.manifest().is_some_and(|manifest| manifest.keep.is_some()) || run.may_have_deleted
        });
        if deletes || self.options.keeping == Keeping::ProgressAndPrune {
            return Err("not started over: counted batches are deleted, and would be lost");
        }
        // An owner that has ended takes no order.
        let _ = self.owners.get(&number).map(|owner| owner.restart.try_send(()));
        Ok(())
    }

    /// Has every owner count what is there, and end.
    pub fn finish(&self) {
        self.pool.hurry();
        for owner in self.owners.values() {
            let _ = owner.finish.try_send(());
        }
    }

    pub fn publisher(&mut self) -> &mut dyn RunPublisher {
        &mut *self.publisher
    }
}
