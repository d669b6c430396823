//! The priority of the counting threads.

use super::throttle::{Hurry, Throttle};
use clap::ValueEnum;

/// At what priority batches are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Priority {
    /// Below everything else that wants the processors, such as the benchmark that is watched.
    Low,
    /// Like everything else.
    #[default]
    Normal,
}

impl Priority {
    /// Gives the calling thread this priority; returns what holds it back from a backlog.
    pub(super) fn apply(self, hurry: Hurry) -> Throttle {
        match self {
            Self::Low => {
                lower();
                Throttle::new(hurry)
            }
            Self::Normal => Throttle::none(),
        }
    }
}

/// The lowest one. Idle processors are still used fully.
#[cfg(target_os = "linux")]
const LOWEST: i32 = 19;

/// On Linux a nice value belongs to a thread, and this sets it for the calling thread alone. POSIX says that it belongs
/// to the process, and other systems follow that: there it would slow the dashboard down, too, so that nothing is done.
/// If it is refused nothing is lost: counting is as fast as without it.
#[cfg(target_os = "linux")]
fn lower() {
    if let Err(error) = rustix::process::setpriority_process(None, LOWEST) {
        tracing::debug!(%error, "counting at normal priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::process::getpriority_process;

    #[test]
    fn a_low_priority_is_that_of_its_thread_alone() {
        let before = getpriority_process(None).expect("a priority");
        let of_thread = |priority: Priority| {
            let thread = std::thread::spawn(move || {
                priority.apply(Hurry::default());
                getpriority_process(None)
            });
            thread.join().expect("it ends").expect("a priority")
        };
        assert_eq!((of_thread(Priority::Low), of_thread(Priority::Normal)), (LOWEST, before));
        assert_eq!(getpriority_process(None), Ok(before));
    }
}
