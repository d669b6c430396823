//! A small JSON document of a run that may appear, change, or be half-written when it is looked at.

use crate::follow::{Found, Identity, Shape};
use crate::snapshot::{SnapshotError, check_document, read_document};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// The state of one document.
pub(super) struct RunDocument {
    settle: Duration,
    identity: Option<Identity>,
    /// What kind of entry it was when it was last seen.
    shape: Shape,
    changed_at: Instant,
    quiet: bool,
    state: DocumentState,
}

#[derive(PartialEq, Eq)]
enum DocumentState {
    Unread,
    /// It could not be read, and may still be changing.
    Failing,
    Done,
}

impl RunDocument {
    pub(super) fn new(settle: Duration) -> Self {
        let changed_at = Instant::now();
        Self {
            settle,
            identity: None,
            shape: Shape::File,
            changed_at,
            quiet: false,
            state: DocumentState::Unread,
        }
    }

    /// Takes the state of the file as it is now.
    pub(super) fn observe(&mut self, found: &Found, now: Instant, clock: SystemTime) {
        if self.identity == Some(found.identity) {
            return;
        }
        self.quiet = self.identity.is_none() && found.identity.is_quiet(self.settle, clock);
        self.identity = Some(found.identity);
        self.shape = found.shape;
        self.changed_at = now;
        self.state = DocumentState::Unread;
    }

    /// The state of the file when it was last seen.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Whether it must be read.
    pub(super) fn is_unread(&self) -> bool {
        matches!(self.state, DocumentState::Unread | DocumentState::Failing)
    }

    /// Has it read again.
    pub(super) fn again(&mut self) {
        if self.state == DocumentState::Done {
            self.state = DocumentState::Unread;
        }
    }

    /// Whether it could not be read yet.
    pub(super) fn is_failing(&self) -> bool {
        self.state == DocumentState::Failing
    }

    /// Reads it if it is new or changed; `None` if there is nothing new. A failure is reported only once the file has
    /// stopped changing.
    pub(super) fn read<T>(
        &mut self,
        path: &Path,
        now: Instant,
        parse: impl Fn(&[u8]) -> Result<T, SnapshotError>,
    ) -> Option<Result<T, SnapshotError>> {
        let rested = self.quiet || now.duration_since(self.changed_at) >= self.settle;
        match self.state {
            DocumentState::Done => return None,
            DocumentState::Failing if !rested => return None,
            DocumentState::Unread | DocumentState::Failing => {}
        }
        let bytes = check_document(self.shape).and_then(|()| read_document(path));
        let parsed = bytes.and_then(|bytes| parse(&bytes));
        self.state = DocumentState::Done;
        match &parsed {
            // It is read again when it is next seen, even if unchanged.
            Err(error) if error.is_passing() => self.identity = None,
            Err(_) if !rested => {
                self.state = DocumentState::Failing;
                return None;
            }
            Ok(_) | Err(_) => {}
        }
        Some(parsed)
    }
}
