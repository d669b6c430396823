//! A run that is followed live, without a front-end.

use super::{SMALL, settings};
use neurotop::follow::Shard;
use neurotop::pipeline::{Keeping, Mode, Options, Pipelines, Priority};
use neurotop::report::Summary;
use neurotop::run::Run;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A run that is followed, and what came of it.
pub struct Live {
    pub pipelines: Pipelines,
    pub run: Run,
}

impl Live {
    pub fn start(directory: &Path) -> Self {
        Self::start_with(directory, None)
    }

    pub fn start_with(directory: &Path, poll: Option<Duration>) -> Self {
        let settings = settings("test", true);
        let options = Options {
            mode: Mode::Live,
            shard: Shard::WHOLE,
            poll,
            settle: Duration::from_millis(400),
            threads: 2,
            priority: Priority::Normal,
            keeping: Keeping::Nothing,
        };
        let mut pipelines = Pipelines::start(options).expect("threads");
        pipelines.follow(directory, directory, None, Keeping::Nothing).expect("a pipeline");
        Self { pipelines, run: Run::new(settings) }
    }

    pub fn take(&mut self, patience: Duration) {
        if let Ok(group) = self.pipelines.groups().recv_timeout(patience) {
            self.run.apply(group.updates, SystemTime::now());
        }
    }

    #[track_caller]
    pub fn until(&mut self, what: &str, condition: impl Fn(&Run) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(&self.run) {
            assert!(Instant::now() < deadline, "{what}: {:#?}", Summary::of(&self.run, SystemTime::now()));
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
        self.run.tally().layers().iter().map(|layer| layer.updates).sum()
    }

    pub fn set_aside(&self) -> Vec<String> {
        self.run.set_aside().map(|problem| format!("{}: {}", problem.path, problem.reason)).collect()
    }
}
