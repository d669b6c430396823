//! A run that is followed live, without a front-end.

use super::{SMALL, settings};
use crossbeam_channel::Receiver;
use neurotop::figures::Summary;
use neurotop::publish::Publisher;
use neurotop::run::{Mode, News, Run, StatePlace, Watch, WatchOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

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
        let settings = settings("test", true);
        let settle = Duration::from_millis(400);
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
        let deadline = Instant::now() + PATIENCE;
        while !condition(&self.run) {
            assert!(Instant::now() < deadline, "{what}: {:#?}", Summary::new(&self.run, SystemTime::now()));
            self.take(Duration::from_millis(100));
        }
    }

    #[track_caller]
    pub fn until_counted(&mut self, batches: u64) {
        self.until(&format!("{batches} batches"), |run| run.account().counted == batches);
        assert_eq!(self.run.tally().batches(), batches);
        assert_eq!(self.updates(), u128::from(batches * SMALL.0));
    }

    /// Lets some time pass and checks that nothing more comes of it.
    #[track_caller]
    pub fn nothing_more(&mut self) {
        let before = (self.run.account(), self.updates());
        let deadline = Instant::now() + Duration::from_millis(900);
        while Instant::now() < deadline {
            self.take(Duration::from_millis(50));
        }
        assert_eq!((self.run.account(), self.updates()), before);
    }

    pub fn updates(&self) -> u128 {
        self.run.tally().total().updates.effective
    }

    pub fn set_aside(&self) -> Vec<String> {
        self.run.set_aside().map(|problem| format!("{}: {}", problem.path, problem.reason)).collect()
    }
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
