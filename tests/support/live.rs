//! A run that is followed live, without a front-end.

use super::{PATIENCE, SMALL, settings};
use crossbeam_channel::Receiver;
use neurotop::figures::Summary;
use neurotop::publish::Publisher;
use neurotop::run::state::Lock;
use neurotop::run::{Mode, News, Run, StatePlace, Watch, WatchOptions};
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Waits until all of a condition holds in one view.
///
/// What is changed on disk shows in any order: a document at its event, that a file is gone at the next listing, a count
/// once a thread has made it. So all that a test goes on to assert belongs into the condition, or into [`until_is`].
#[track_caller]
pub fn until(watch: &Watch, what: &str, condition: impl Fn(&Run) -> bool) -> Arc<Run> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let run = newest(watch);
        if condition(&run) {
            return run;
        }
        assert!(Instant::now() < deadline, "{what}: {:#?}", Summary::new(&run, SystemTime::now()));
        wait(watch, Duration::from_millis(50));
    }
}

/// Waits until values of one view are as they should be, and names them if they never are.
#[track_caller]
pub fn until_is<T: PartialEq + Debug>(watch: &Watch, values: impl Fn(&Run) -> T, expected: T) -> Arc<Run> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let run = newest(watch);
        let found = values(&run);
        if found == expected {
            return run;
        }
        assert!(Instant::now() < deadline, "{found:#?} is never {expected:#?}");
        wait(watch, Duration::from_millis(50));
    }
}

/// A run that is followed, and what came of it.
pub struct Live {
    pub watch: Watch,
    pub run: Arc<Run>,
    news: Receiver<()>,
}

impl Live {
    pub fn start(directory: &Path) -> Self {
        Self::start_with(directory, None)
    }

    pub fn start_with(directory: &Path, poll: Option<Duration>) -> Self {
        Self::start_as(directory, poll, Duration::from_millis(400))
    }

    /// One that sets nothing aside before it has rested for so long, however slow a writer is on a busy machine.
    pub fn start_settling(directory: &Path, settle: Duration) -> Self {
        Self::start_as(directory, None, settle)
    }

    fn start_as(directory: &Path, poll: Option<Duration>, settle: Duration) -> Self {
        let settings = settings("test", true);
        let options = WatchOptions { poll, settle, ..WatchOptions::unkept(Mode::Live, 2) };
        let watch = Watch::start(directory, settings, options, &StatePlace::Nowhere, Publisher::none());
        let watch = watch.expect("threads");
        let (news, run) = (watch.views().news(), Arc::clone(&watch.runs().shown().run));
        Self { watch, run, news }
    }

    pub fn take(&mut self, patience: Duration) {
        let _ = self.news.recv_timeout(patience);
        self.run = Arc::clone(&self.watch.runs().shown().run);
    }

    #[track_caller]
    pub fn until(&mut self, what: &str, condition: impl Fn(&Run) -> bool) {
        self.run = until(&self.watch, what, condition);
    }

    #[track_caller]
    pub fn until_counted(&mut self, batches: u64) {
        let figures = |run: &Run| (run.account().counted, run.tally().batches(), updates(run));
        self.until_is(figures, (batches, batches, u128::from(batches * SMALL.0)));
    }

    #[track_caller]
    pub fn until_is<T: PartialEq + Debug>(&mut self, values: impl Fn(&Run) -> T, expected: T) {
        self.run = until_is(&self.watch, values, expected);
    }

    /// Lets some time pass and checks that nothing more comes of it. What is written again with the same contents is
    /// read again, and is waiting meanwhile.
    #[track_caller]
    pub fn nothing_more(&mut self) {
        let figures = |run: &Run| (run.account(), updates(run));
        let (before, deadline) = (figures(&self.run), Instant::now() + Duration::from_millis(900));
        while Instant::now() < deadline {
            self.take(Duration::from_millis(50));
            assert_eq!(self.updates(), before.1);
        }
        self.until_is(figures, before);
    }

    pub fn updates(&self) -> u128 {
        updates(&self.run)
    }

    pub fn set_aside(&self) -> Vec<String> {
        self.run.set_aside().map(|problem| format!("{}: {}", problem.path, problem.reason)).collect()
    }
}

/// Has it end as the program does.
#[track_caller]
pub fn end(watch: &Watch) {
    watch.finish();
    until(watch, "it ends", Run::has_ended);
}

/// The same, until another may keep the progress: the thread that did lets go of it a little later.
#[track_caller]
pub fn leave(watch: Watch, state: &Path) {
    end(&watch);
    drop(watch);
    super::until("its progress is let go", || !matches!(Lock::take(state), Ok(None)));
}

fn updates(run: &Run) -> u128 {
    run.tally().total().updates.effective
}

/// The run that is followed, as it is by now.
pub fn newest(watch: &Watch) -> Arc<Run> {
    Arc::clone(&watch.runs().shown().run)
}

/// Waits until something may be new, for so long at the most.
pub fn wait(watch: &Watch, patience: Duration) {
    let revision = newest(watch).revision();
    let deadline = Instant::now() + patience;
    while newest(watch).revision() == revision && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What there is to say to the user.
pub fn remarks(watch: &Watch) -> Vec<String> {
    watch.said().try_iter().chain(News::default().take(&watch.runs())).collect()
}
