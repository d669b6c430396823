//! The runs that are followed: their state, what keeps it up to date, and those that are found meanwhile.

use crate::follow::{Discovery, Idle, MAX_RUNS, find_runs, is_run};
use crate::pipeline::{
    Command, Group, Keeping, Mode, Options, Pipelines, Problem, Restored, Severity, Update,
};
use crate::publish::Publisher;
use crate::run::{PROGRESS, Settings};
use crate::runs::Runs;
use crate::state::{Keeper, Lock, Progress, Unreadable, default_path, free_name, path_bytes, read};
use crate::storage::canonical;
use crate::text::{shown, thousands};
use crossbeam_channel::{Receiver, never};
use serde::Deserialize;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// The time between two looks at which runs may give way.
const BETWEEN_IDLE: Duration = Duration::from_secs(1);

/// Where the progress of runs is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Place {
    /// Nowhere.
    #[default]
    Nowhere,
    /// In the user's directory for state.
    Default,
    /// In this file; of several runs in files beside it, with the runs' names behind it.
    File(PathBuf),
}

impl From<String> for Place {
    /// `none`, `default`, or the name of a file.
    fn from(text: String) -> Self {
        match text.as_str() {
            "none" => Self::Nowhere,
            "default" => Self::Default,
            _ => Self::File(text.into()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("none"),
            Self::Default => f.write_str("default"),
            Self::File(file) => write!(f, "{}", file.display()),
        }
    }
}

impl Place {
    /// The file for a run at an absolute path; `within` is the directory of runs that it was found in.
    fn of(&self, run: &Path, within: Option<&Path>) -> Option<PathBuf> {
        match (self, within) {
            (Self::Nowhere, _) => None,
            (Self::Default, _) => default_path(run),
            (Self::File(file), None) => Some(file.clone()),
            (Self::File(file), Some(_)) => {
                let mut name = OsString::from(file);
                name.push("-");
                name.push(run.file_name().unwrap_or_default());
                Some(name.into())
            }
        }
    }
}

/// What is known of a run from an earlier process.
#[derive(Debug)]
pub struct Known {
    /// The run's directory, absolute.
    directory: PathBuf,
    /// Where its progress is kept, if anywhere.
    file: Option<PathBuf>,
    /// The right to write it, where there is one to have.
    lock: Option<Lock>,
    /// Whether another process has that.
    is_kept_elsewhere: bool,
    /// The progress, or why it cannot be read.
    progress: Result<Option<Progress>, Unreadable>,
}

fn known(place: &Place, run: &Path, within: Option<&Path>) -> Known {
    let directory = canonical(run);
    let file = place.of(&directory, within);
    // Nothing is put beside a file that is somebody else's.
    if let Some(Err(Unreadable::Foreign)) = file.as_deref().map(read) {
        let progress = Err(Unreadable::Foreign);
        return Known { directory, file, lock: None, is_kept_elsewhere: false, progress };
    }
    // Where there can be no lock there can be no progress, which is told when it is to be written.
    let (lock, is_kept_elsewhere) = match file.as_deref().map(Lock::take) {
        Some(Ok(None)) => (None, true),
        Some(Ok(lock)) => (lock, false),
        Some(Err(_)) | None => (None, false),
    };
    let progress = file.as_deref().map_or(Ok(None), read);
    // Only what the user names for this very run may be of one that had another name.
    let may_be_of_another = matches!((place, within), (Place::File(_), None));
    let is_meant = |progress: &Progress| may_be_of_another || progress.directory == path_bytes(&directory);
    let progress = progress.map(|progress| progress.filter(is_meant));
    Known { directory, file, lock, is_kept_elsewhere, progress }
}

impl Known {
    /// Sees to it that a file which cannot be gone on from is not overwritten; returns what there is to say.
    fn give_up(&mut self, why: &Unreadable) -> Option<String> {
        let file = self.file.clone()?;
        let name = shown(&file);
        let is_void = matches!(why, Unreadable::Ever(_));
        if is_void && self.is_kept_elsewhere {
            return Some(format!("{name}: {why}; everything is counted again"));
        }
        let aside = free_name(&file, "unusable");
        if is_void && std::fs::rename(&file, &aside).is_ok() {
            return Some(format!(
                "{name}: {why}; it is {} now, and everything is counted again",
                shown(&aside)
            ));
        }
        self.file = None;
        Some(format!(
            "{name}: {why}; it is left as it is, no progress is kept and nothing deleted; name another file with \
             --state"
        ))
    }
}

/// What is kept of a run; `within` is the directory of runs that it was found in.
///
/// # Errors
/// Where the progress is kept and cannot be read.
pub fn kept(place: &Place, run: &Path, within: Option<&Path>) -> Result<Option<Progress>, Unreadable> {
    let directory = canonical(run);
    let progress = place.of(&directory, within).as_deref().map_or(Ok(None), read)?;
    Ok(progress.filter(|progress| progress.directory == path_bytes(&directory)))
}

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
    /// Writes progress.
    keeper: Option<Keeper>,
    places: Vec<Kept>,
    publisher: Option<Publisher>,
}

/// Where the progress of a run is kept.
#[derive(Debug)]
struct Kept {
    /// The run's directory.
    directory: PathBuf,
    /// The file, if there is one that this process may write.
    file: Option<PathBuf>,
    lock: Option<Lock>,
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
        let about = move |run: &Path| known(&of_runs, run, Some(&inside));
        let idle = Idle::default();
        let found = match options.mode {
            Mode::Live if !is_run(directory) => find_runs(directory, options.poll, idle.clone(), about)?,
            Mode::Live | Mode::Once => never(),
        };
        let keeping = options.keeping;
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
            keeper: if keeping == Keeping::Nothing { None } else { Some(Keeper::start()?) },
            places: Vec::new(),
            publisher: None,
        };
        let known = known(place, directory, None);
        if let (Some(file), Err(why @ Unreadable::Foreign)) = (&known.file, &known.progress) {
            return Err(std::io::Error::other(format!(
                "{}: {why}, and is not overwritten; name another file with --state",
                shown(file)
            )));
        }
        watch.follow(directory, known)?;
        Ok(watch)
    }

    /// Follows the run that was added last.
    fn follow(&mut self, directory: &Path, mut known: Known) -> std::io::Result<()> {
        let has_place = known.file.is_some();
        let progress = std::mem::replace(&mut known.progress, Ok(None)).unwrap_or_else(|why| {
            self.remarks.extend(known.give_up(&why));
            None
        });
        let restored = progress.and_then(|progress| {
            let restored = Restored {
                manifest: progress.manifest.clone(),
                counted: progress.counted.clone(),
                may_have_deleted: progress.may_have_deleted,
                is_from_elsewhere: progress.directory != path_bytes(&known.directory),
            };
            self.runs.newest_mut()?.go_on_from(progress, SystemTime::now()).then_some(restored)
        });
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
                shown(directory)
            ));
        }
        let file = known.file.filter(|_| !known.is_kept_elsewhere);
        self.places.push(Kept { directory: known.directory, file, lock: known.lock });
        self.pipelines.follow(directory, restored, keeping)?;
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
        self.put_void_progress_aside(&mut group);
        self.apply_to_runs(group);
        let Some(Update::Checkpoint(checkpoint)) = checkpoint else { return };
        let (Some(keeper), Some(entry), Some(Kept { directory, file: Some(file), .. }), Some(commands)) =
            (&self.keeper, self.runs.get(run), self.places.get(run), self.pipelines.commands(run))
        else {
            return;
        };
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
        let file = self.places.get(group.run).and_then(|place| place.file.as_ref());
        if let (Some(keeper), Some(file)) = (&self.keeper, file) {
            let aside = free_name(file, "void");
            reason = format!("{reason}; their progress is in {}", aside.display());
            keeper.put_aside(file.clone(), aside);
        }
        let problem = Problem { path: PROGRESS.into(), reason, severity: Severity::SetAside };
        group.updates.insert(at + 1, Update::Problem(problem));
    }

    /// Applies a group, one batch at a time where each may get a point of its own.
    fn apply_to_runs(&mut self, group: Group) {
        let now = SystemTime::now();
        let Some(publisher) = self.publisher.as_mut().filter(|publisher| publisher.wants_every_batch())
        else {
            return self.runs.apply(group, now);
        };
        for update in group.updates {
            let counted = matches!(update, Update::Counted { .. });
            self.runs.apply(Group { run: group.run, updates: vec![update] }, now);
            if counted {
                publisher.note(group.run, &self.runs);
            }
        }
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

    /// Follows runs that were found; without a discovery there will be no more.
    ///
    /// # Errors
    /// Where the system gives no thread for the first of them.
    pub fn take_found(&mut self, found: Option<Discovery<Known>>) -> std::io::Result<()> {
        let Some(found) = found else {
            self.found = never();
            return Ok(());
        };
        found.gone.iter().for_each(|directory| self.leave(directory));
        let mut refused = Vec::new();
        for (directory, known) in found.runs {
            // One that was to give way, and was looked at by then, is still there.
            if self.runs.number_of(&directory).is_some() {
                continue;
            }
            let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.runs.add(&directory, Settings { name, ..self.settings.clone() });
            if let Err(error) = self.follow(&directory, known) {
                // The others are worth following all the same.
                self.leave(&directory);
                if self.runs.number_of(&directory).is_some() {
                    return Err(error);
                }
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
        Ok(())
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
    pub fn finish(&self) {
        self.pipelines.tell_all(Command::Finish);
    }
}
