//! What can be said of a run besides its figures: whether its directory is there, how changes in it are noticed, and a
//! problem with one of its files.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Whether the run's directory is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is there, and can be listed.
    Present,
    /// It is missing or cannot be used, for this reason.
    Missing(String),
}

/// How changes in the directory are noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watching {
    /// By file events, with a slow scan beside them.
    Events,
    /// By scanning.
    Polling {
        /// The interval.
        every: Duration,
        /// Why not by events.
        why: String,
    },
}

/// How grave a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something is missing from the figures, or may be.
    SetAside,
    /// The figures are whole, but the user should know.
    Notice,
}

/// Why there is a problem, the gravest first. What costs figures comes before what does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Counts are lost, or may be.
    CountsLost,
    /// The recorder stopped with a warning before the end.
    RecordingStopped,
    /// The run is over, and there is no layer of which anything could be counted.
    NoLayers,
    /// The end says that there are more batches or samples than there are.
    BatchesMissing,
    /// The end contradicts what is counted in another way.
    EndDisagrees,
    /// A file is not counted, or not used.
    SetAside,
    /// NeuroBench's own results are not equal to the figures.
    DiffersFromNeurobench,
    /// A condition of `--fail-if` holds, or cannot be decided.
    ConditionFails,
    /// A layer has no price, so that the operations leave it out, as NeuroBench's own do.
    Unpriced,
    /// What the producer warns of.
    ProducerWarns,
    /// Anything else; also a cause that only a later version knows.
    #[default]
    #[serde(other)]
    Notice,
}

impl Cause {
    /// The cause of what is said of a file alone.
    pub fn of_file(severity: Severity) -> Self {
        match severity {
            Severity::SetAside => Self::SetAside,
            Severity::Notice => Self::Notice,
        }
    }

    /// What is wrong, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::CountsLost => "counts lost",
            Self::RecordingStopped => "the recording stopped",
            Self::NoLayers => "no layers",
            Self::BatchesMissing => "missing",
            Self::EndDisagrees => "contradicts the batches",
            Self::SetAside => "set aside",
            Self::DiffersFromNeurobench => "not equal to NeuroBench's own results",
            Self::ConditionFails => "--fail-if",
            Self::Unpriced => "unpriced",
            Self::ProducerWarns => "the producer warns",
            Self::Notice => "note",
        }
    }
}

/// Something about a file that the user should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file, by its name in the run's directory.
    pub path: String,
    /// What is wrong and what to do.
    pub reason: String,
    /// How grave it is.
    pub severity: Severity,
}

impl Problem {
    /// Tells it from others of the same file and severity. There may be several notices about a file.
    pub fn key(&self) -> String {
        match self.severity {
            Severity::SetAside => String::new(),
            Severity::Notice => self.reason.clone(),
        }
    }

    /// What it has in common with others of its kind: what is wrong, without the names at its end, and what to do.
    pub fn kind(&self) -> (String, String) {
        let (what, rest) = self.reason.split_once(": ").unwrap_or((&self.reason, ""));
        let advice = rest.rsplit_once("; ").map_or("", |(_, advice)| advice);
        (what.to_owned(), advice.to_owned())
    }
}
