//! The hints of file events on their way to the owner of a run: a bounded number. If more come while the owner is busy,
//! one full scan answers them all.

use crate::follow::Hint;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many hints may wait.
const MOST: usize = 8192;

/// The way from a watcher to its owner.
pub(super) struct Hints {
    sender: Sender<Hint>,
    receiver: Receiver<Hint>,
    /// Whether a hint found no room.
    overflowed: Arc<AtomicBool>,
}

impl Hints {
    pub(super) fn new() -> Self {
        // `MOST` bounds it. A bounded channel would take memory for all of them in each run.
        let (sender, receiver) = unbounded();
        Self { sender, receiver, overflowed: Arc::default() }
    }

    /// The function that a watcher calls with each hint. It never waits: it runs in the thread that reads the queue of
    /// the system.
    pub(super) fn taker(&self) -> impl Fn(Hint) + Send + 'static {
        let (sender, overflowed) = (self.sender.clone(), Arc::clone(&self.overflowed));
        move |hint| {
            // Two at once may make it one more.
            if sender.len() >= MOST || sender.send(hint).is_err() {
                overflowed.store(true, Ordering::Release);
            }
        }
    }

    pub(super) fn receiver(&self) -> &Receiver<Hint> {
        &self.receiver
    }

    /// A hint that replaces those that found no room since this was last asked.
    pub(super) fn lost(&self) -> Option<Hint> {
        self.overflowed.swap(false, Ordering::AcqRel).then_some(Hint::Anything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_without_room_mean_a_look_at_everything() {
        let hints = Hints::new();
        let take = hints.taker();
        (0..MOST).for_each(|_| take(Hint::Touched(Vec::new())));
        assert_eq!((hints.lost(), hints.receiver().len()), (None, MOST));
        take(Hint::Touched(Vec::new()));
        assert_eq!(hints.receiver().try_iter().count(), MOST);
        assert_eq!((hints.lost(), hints.lost()), (Some(Hint::Anything), None));
    }
}
