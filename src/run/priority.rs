//! The priority of the counting threads.

use super::throttle::{Hurry, Throttle};
use crate::platform::lower_priority;
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
    /// Gives the calling thread this priority; returns what holds it back from a backlog, if anything does.
    pub(super) fn apply(self, hurry: Hurry) -> Option<Throttle> {
        match self {
            Self::Low => {
                lower_priority();
                Throttle::new(hurry)
            }
            Self::Normal => None,
        }
    }
}
