//! The priority of the counting threads.

use super::throttle::{Hurry, Throttle};
use clap::ValueEnum;

/// At what priority batches are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Priority {
    /// Beneath everything else that wants the processors, such as the benchmark that is watched.
    Low,
    /// As everything else.
    #[default]
    Normal,
}

impl Priority {
    /// Gives it to the calling thread; returns what holds that back from a backlog.
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

/// The lowest that there is; what is idle is still had whole.
#[cfg(target_os = "linux")]
const LOWEST: i32 = 19;

/// On Linux a nice value belongs to a thread, and this sets that of the calling one alone. POSIX says that it
/// belongs to the process, and other systems keep to that: there it would slow the dashboard down too, so that
/// nothing is done. Nothing is lost either where it is refused: counting is as quick as it would be without.
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
