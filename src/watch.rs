//! The runs that are followed: their state, what keeps it up to date, and those that are found meanwhile.

pub use crate::state::{Known, Place, kept};

use crate::follow::{Discovery, Idle, MAX_RUNS, find_runs, is_run};
use crate::pipeline::{Command, Group, Keeping, Mode, Options, Pipelines, Restored, Update};
use crate::publish::Publisher;
use crate::run::Settings;
use crate::runs::Runs;
use crate::state::{Keeper, Lock, Loss, Reason, free_name, known};
use crate::storage::{absolute, canonical};
use crate::text::{shown, thousands};
use crossbeam_channel::{Receiver, never};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// The time between two looks at which runs may give way.
const BETWEEN_IDLE: Duration = Duration::from_secs(1);

/// How long the disk may take to have what was counted before a run's path led elsewhere.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// Runs that are followed.
#[derive(Debug)]
pub struct Watch {
    /// Their state.
    pub runs: Runs,
    /// What there is to say about progress that could not be read, and how many batches were told of.
    remarks: Vec<String>,
    told: u64,
    pipelines: Pipelines,
    found: Receiver<Discovery<Known>>,
    /// Tells whoever finds runs which may give way to newer ones.
    idle: Idle,
    next_idle: Instant,
    settings: Settings,
    keeping: Keeping,
    place: Place,
    is_finishing: bool,
    /// Writes progress.
    keeper: Option<Keeper>,
    places: Vec<Kept>,
    publisher: Option<Publisher>,
}

/// Where the progress of a run is kept.
#[derive(Debug)]
struct Kept {
    /// The run's path, absolute, as it was given.
    named: PathBuf,
    /// The directory of runs that it was found in.
    within: Option<PathBuf>,
    /// Where that path leads.
    directory: PathBuf,
    /// The file, if there is one that this process may write.
    file: Option<PathBuf>,
    lock: Option<Lock>,
    /// Where void progress was put, or is about to be.
    void: Vec<PathBuf>,
}

impl Watch {
    /// Starts to follow a directory, which need not exist yet: a run, or, live, a directory of runs. The
    /// settings' name is that of a run without one. What an earlier process has kept at `place` is gone on from.
    ///
    /// # Errors
    /// Where the system gives no thread, the current directory that a relative path needs is gone, or the state
    /// file is another kind of file.
    pub fn start(
        directory: &Path,
        settings: Settings,
        options: Options,
        place: &Place,
    ) -> std::io::Result<Self> {
        let (inside, of_runs) = (directory.to_owned(), place.clone());
        let about = move |run: &Path| known(&of_runs, run, Some(&inside), None, false);
        let idle = Idle::default();
        let found = match options.mode {
            Mode::Live if !is_run(directory) => find_runs(directory, options.poll, idle.clone(), about)?,
            Mode::Live | Mode::Once => never(),
        };
        let (keeping, threads) = (options.keeping, options.threads);
        let mut watch = Self {
            runs: Runs::new(directory, settings.clone()),
            remarks: Vec::new(),
            told: 0,
            pipelines: Pipelines::start(options)?,
            found,
            idle,
            next_idle: Instant::now(),
            settings,
            keeping,
            place: place.clone(),
            is_finishing: false,
            keeper: if keeping == Keeping::Nothing { None } else { Some(Keeper::start()?) },
            places: Vec::new(),
            publisher: None,
        };
        watch.remark_on_threads(threads);
        let known = known(place, directory, None, None, false);
        if let Some(why) = &known.refused {
            return Err(std::io::Error::other(why.clone()));
        }
        watch.follow(directory, None, known)?;
        Ok(watch)
    }

    fn remark_on_threads(&mut self, wanted: usize) {
        let threads = self.pipelines.threads();
        if threads < wanted {
            let had = thousands(threads as u128);
            self.remarks.push(format!(
                "{had} of {} threads count: the system gives no more (ulimit -u)",
                thousands(wanted as u128)
            ));
        }
    }

    /// Follows the run that was added last.
    fn follow(&mut self, directory: &Path, within: Option<&Path>, known: Known) -> std::io::Result<()> {
        let named = absolute(directory)?;
        let (kept, restored, keeping) = self.resume(self.places.len(), &named, within, known);
        let directory = kept.directory.clone();
        // First, so that the numbers stay those of the runs also where the system gives no thread.
        self.places.push(kept);
        self.pipelines.follow(&named, &directory, restored, keeping)?;
        Ok(())
    }

    /// Takes over what is known of a run: where its progress is kept, from where it goes on, and what becomes of it.
    fn resume(
        &mut self,
        number: usize,
        named: &Path,
        within: Option<&Path>,
        mut known: Known,
    ) -> (Kept, Option<Restored>, Keeping) {
        let has_place = known.file.is_some();
        self.remarks.append(&mut known.remarks);
        if let Some(why) = known.refused.take() {
            known.file = None;
            known.losses.push(Loss::Possible(why));
        }
        let restored = known.progress.take().and_then(|progress| {
            let restored = Restored {
                manifest: progress.manifest.clone(),
                root: progress.root,
                counted: progress.counted.clone(),
                may_have_deleted: progress.may_have_deleted,
                is_from_elsewhere: known.is_from_elsewhere,
            };
            self.runs.run_mut(number)?.go_on_from(progress, SystemTime::now()).then_some(restored)
        });
        if let Some(run) = self.runs.run_mut(number) {
            known.losses.drain(..).for_each(|loss| run.note_loss(loss));
        }
        let keeping = match &known.file {
            _ if known.is_kept_elsewhere => Keeping::LeftToAnother,
            None => Keeping::Nothing,
            Some(_) => self.keeping,
        };
        if keeping != self.keeping && !has_place {
            self.remarks.push(
                "the system names no directory for state, so that no progress is kept and nothing deleted; name a \
                 file with --state"
                    .into(),
            );
        }
        if known.is_kept_elsewhere {
            self.remarks.push(format!(
                "{}: another neurotop keeps its progress, and deletes batches where that is asked for; this one \
                 does neither",
                shown(named)
            ));
        }
        let kept = Kept {
            named: named.to_owned(),
            within: within.map(Path::to_owned),
            directory: known.directory,
            file: known.file.filter(|_| !known.is_kept_elsewhere),
            lock: known.lock,
            void: Vec::new(),
        };
        (kept, restored, keeping)
    }

    /// Follows a run anew whose path leads to another directory, as another process would.
    fn follow_elsewhere(&mut self, number: usize, had_figures: bool) -> std::io::Result<()> {
        let Some(place) = self.places.get_mut(number) else { return Ok(()) };
        let (named, within) = (place.named.clone(), place.within.clone());
        let held = place.file.clone().zip(place.lock.take());
        // Whoever follows the first directory from now on must find all that was counted there.
        let is_written = self.keeper.as_ref().is_none_or(|keeper| keeper.wait(WRITTEN_WITHIN));
        let held = match (held, &self.keeper) {
            (Some((_, lock)), Some(keeper)) if !is_written => {
                keeper.release(lock);
                None
            }
            (held, _) => held,
        };
        let is_another = had_figures && canonical(&named) == self.places[number].directory;
        let known = known(&self.place, &named, within.as_deref(), held, is_another);
        let (kept, restored, keeping) = self.resume(number, &named, within.as_deref(), known);
        self.pipelines.follow_again(number, &named, &kept.directory, restored, keeping)?;
        self.places[number] = kept;
        if self.is_finishing {
            self.pipelines.tell(number, Command::Finish);
        }
        Ok(())
    }

    /// What there is to say about what an earlier process has kept.
    pub fn take_remarks(&mut self) -> Vec<String> {
        let resumed = self.runs.resumed();
        let went_on = (resumed > self.told)
            .then(|| format!("went on after {} batches that were counted before", thousands(resumed.into())));
        self.told = resumed;
        self.remarks.drain(..).chain(went_on).collect()
    }

    /// What comes of the runs.
    pub fn groups(&self) -> &Receiver<Group> {
        self.pipelines.groups()
    }

    /// Runs that are found, to be given to [`Watch::take_found`]. The channel closes when there will be no more.
    pub fn found(&self) -> &Receiver<Discovery<Known>> {
        &self.found
    }

    /// Applies what came of a run now, and has its progress kept where that is asked for.
    pub fn apply(&mut self, mut group: Group) {
        let run = group.run;
        let checkpoint = group.updates.iter().rposition(|update| matches!(update, Update::Checkpoint(_)));
        let checkpoint = checkpoint.map(|at| group.updates.remove(at));
        let leads_elsewhere = group.updates.iter().any(|update| matches!(update, Update::Elsewhere));
        let had_figures = group.updates.iter().any(|update| matches!(update, Update::Restarted { .. }));
        self.put_void_progress_aside(&mut group);
        self.apply_to_runs(group);
        if leads_elsewhere && let Err(error) = self.follow_elsewhere(run, had_figures) {
            self.remarks
                .push(format!("the directory that the path leads to now cannot be followed: {error}"));
            self.runs.apply(Group { run, updates: vec![Update::Ended] }, SystemTime::now());
        }
        let Some(Update::Checkpoint(checkpoint)) = checkpoint else { return };
        let (Some(keeper), Some(entry), Some(Kept { directory, file: Some(file), .. }), Some(commands)) =
            (&self.keeper, self.runs.get(run), self.places.get(run), self.pipelines.commands(run))
        else {
            return;
        };
        if !entry.run.agrees_with(checkpoint.counted.fingerprint(), checkpoint.counted.len() as u64) {
            // A fault of this program: what is wrong must not be kept, and what is there can be counted anew.
            return self.pipelines.tell(run, Command::Recount);
        }
        let number = checkpoint.number;
        let progress = entry.run.progress_at(directory, *checkpoint);
        keeper.keep(file.clone(), progress, move |written| {
            let command = match written {
                Ok(took) => Command::Saved { checkpoint: number, took },
                Err(why) => Command::NotSaved(why),
            };
            // The pipeline may have ended meanwhile.
            let _ = commands.send(command);
        });
    }

    /// Where a tally starts over and batches that it had counted are deleted, the progress with them is not
    /// overwritten, and the run says so from now on.
    fn put_void_progress_aside(&mut self, group: &mut Group) {
        let lost = group.updates.iter().enumerate().rev().find_map(|(at, update)| match update {
            Update::Restarted { why, lost } if *lost > 0 => Some((at, why.clone(), *lost)),
            _ => None,
        });
        let Some((at, why, lost)) = lost else { return };
        let mut reason = format!(
            "{} batches that were counted and then deleted are not in the figures any more: {why}",
            thousands(lost.into())
        );
        if let (Some(keeper), Some(Kept { file: Some(file), void, .. })) =
            (&self.keeper, self.places.get_mut(group.run))
        {
            let aside = free_name(file, Reason::Void, void);
            if file.exists() {
                reason = format!("{reason}; their progress is in {}", aside.display());
            }
            void.push(aside.clone());
            keeper.put_aside(file.clone(), aside);
        }
        group.updates.insert(at + 1, Update::Lost(reason));
    }

    /// Applies a group, one batch at a time where each may get a point of its own.
    fn apply_to_runs(&mut self, group: Group) {
        let now = SystemTime::now();
        let Some(publisher) = self.publisher.as_mut().filter(|publisher| publisher.wants_every_batch())
        else {
            return self.runs.apply(group, now);
        };
        let mut until_a_batch = Vec::new();
        for update in group.updates {
            let counted = matches!(update, Update::Counted { .. });
            until_a_batch.push(update);
            if counted {
                let updates = std::mem::take(&mut until_a_batch);
                self.runs.apply(Group { run: group.run, updates }, now);
                publisher.note(group.run, &self.runs);
            }
        }
        self.runs.apply(Group { run: group.run, updates: until_a_batch }, now);
    }

    /// Publishes the runs from now on.
    pub fn publish_through(&mut self, publisher: Publisher) {
        self.publisher = Some(publisher);
    }

    /// Publishes what is new, where it is time to; call it about once a second. Returns what there is to say.
    pub fn publish(&mut self) -> Vec<String> {
        self.tell_idle();
        self.publisher.as_mut().map_or(Vec::new(), |publisher| publisher.publish(&self.runs))
    }

    /// Publishes the last state and ends that; returns what could not be published.
    pub fn close_publisher(&mut self) -> Vec<String> {
        self.publisher.take().map_or(Vec::new(), |publisher| publisher.close(&self.runs))
    }

    /// Follows runs that were found, those aside for which the system gives no thread; without a discovery there
    /// will be no more.
    pub fn take_found(&mut self, found: Option<Discovery<Known>>) {
        let Some(found) = found else {
            self.found = never();
            return;
        };
        found.gone.iter().for_each(|directory| self.leave(directory));
        let mut refused = Vec::new();
        let within = self.places.first().map(|place| place.named.clone());
        for (directory, known) in found.runs {
            // One that was to give way, and was looked at by then, is still there.
            if self.runs.number_of(&directory).is_some() {
                continue;
            }
            let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.runs.add(&directory, Settings { name, ..self.settings.clone() });
            if let Err(error) = self.follow(&directory, within.as_deref(), known) {
                // The others are worth following all the same.
                self.leave(&directory);
                refused.push(error);
            }
        }
        if let Some(why) = refused.first() {
            self.remarks.push(format!("{} runs are not followed: {why}", thousands(refused.len() as u128)));
        }
        if self.runs.left_out() == 0 && found.left_out > 0 {
            self.remarks.push(format!(
                "{} older runs are not followed, but the newest {MAX_RUNS}",
                thousands(found.left_out as u128)
            ));
        }
        self.runs.leave_out(found.left_out);
        self.remarks.extend(found.hints);
    }

    /// Follows a run no more that gives way to a newer one, unless somebody looks at it by now.
    fn leave(&mut self, directory: &Path) {
        let Some(number) = self.runs.number_of(directory) else { return };
        let Some(entry) = self.runs.take_out(number) else { return };
        if let Some(publisher) = &mut self.publisher {
            publisher.leave(number, &entry.run);
        }
        self.pipelines.leave(number);
        let place = self.places.get_mut(number);
        let lock = place.and_then(|place| (place.file.take(), place.lock.take()).1);
        if let (Some(keeper), Some(lock)) = (&self.keeper, lock) {
            keeper.release(lock);
        }
    }

    /// Tells whoever finds runs which may give way to newer ones.
    fn tell_idle(&mut self) {
        if Instant::now() < self.next_idle {
            return;
        }
        self.next_idle = Instant::now() + BETWEEN_IDLE;
        self.idle.set(self.runs.idle(SystemTime::now()));
    }

    /// Whether batches are deleted once they are counted, so that no tally can be started over.
    pub fn prunes(&self) -> bool {
        self.keeping == Keeping::ProgressAndPrune
    }

    /// Starts the tally of the shown run over.
    pub fn restart_shown(&self) {
        self.pipelines.tell(self.runs.shown_number(), Command::Restart);
    }

    /// Counts what is there in every run, and ends.
    pub fn finish(&mut self) {
        self.is_finishing = true;
        self.pipelines.tell_all(Command::Finish);
    }
}
