//! Where a path is: its file system, whether that sends file events, and how much room is left.

use super::Finding;
use crate::follow::{Watcher, events_missing_because};
use crate::platform::{FileSystem, file_system, is_writable};
use crate::snapshot::SnapshotError;
use crate::storage::{self, is_url};
use serde::Serialize;
use std::path::Path;

/// Less free room than this is worth a note, in bytes.
const LITTLE_ROOM: u64 = 1 << 30;

#[derive(Debug, Clone, Serialize)]
pub struct Location {
    pub file_system: Option<String>,
    /// Bytes that this user can still write there.
    pub free_bytes: Option<u64>,
    /// Why there are no file events; `None` if there are.
    pub no_events_because: Option<String>,
    /// Whether this user can write there.
    pub writable: bool,
}

impl Location {
    pub(super) fn for_path(path: &Path) -> Self {
        if is_url(path) {
            return Self::in_a_store(path);
        }
        let FileSystem { kind, free_bytes } = file_system(path);
        let no_events_because = events_missing_because(path).or_else(|| Watcher::new(path, drop).err());
        Self { file_system: kind, free_bytes, no_events_because, writable: is_writable(path).is_ok() }
    }

    /// neurotop writes nothing to an object store, and cannot know what room it has.
    fn in_a_store(url: &Path) -> Self {
        let scheme = url.to_str().and_then(|url| url.split_once("://")).map(|(scheme, _)| scheme);
        Self {
            file_system: scheme.map(|scheme| format!("object store ({scheme})")),
            free_bytes: None,
            no_events_because: events_missing_because(url),
            writable: false,
        }
    }

    pub(super) fn findings(&self, path: &str, keeps: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(why) = &self.no_events_because {
            let advice = format!(
                "it is scanned every {} s; --poll SECONDS sets another time",
                storage::for_path(Path::new(path)).pace().scan.as_secs()
            );
            findings.push(Finding::note(path, format!("there are no file events: {why}"), advice));
        }
        if self.free_bytes.is_some_and(|free| free < LITTLE_ROOM) {
            let what = "less than 1 GiB is free on its file system";
            findings.push(Finding::note(path, what, "make room, or record bits, or with keep"));
        }
        if keeps && !self.writable {
            let error = SnapshotError::new(
                "the producer keeps few batches and must be told which are counted, and this user cannot write here",
                if is_url(Path::new(path)) {
                    "record without keep: nothing is written to an object store"
                } else {
                    "give this user permission to write into the run's directory"
                },
            );
            findings.push(Finding::wrong(path, error));
        }
        findings
    }
}
