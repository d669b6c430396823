//! A small JSON document of a run that may appear, change, or be half-written when it is looked at.

use crate::follow::{Found, Identity, Shape};
use crate::snapshot::{SnapshotError, check_document, read_document};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// What came of reading a document.
pub(super) enum Reading<T> {
    /// Nothing new.
    Nothing,
    /// It was read.
    Parsed(T),
    /// It cannot be read, and has stopped changing.
    Failed(SnapshotError),
}

/// The state of one document.
pub(super) struct Document {
    settle: Duration,
    identity: Option<Identity>,
    /// What kind of thing it was when it was last seen.
    shape: Shape,
    changed_at: Instant,
    quiet: bool,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Absent,
    Unread,
    /// It could not be read in its present state, which may not be its last.
    Failing,
    Done,
}

impl Document {
    pub(super) fn new(settle: Duration) -> Self {
        let changed_at = Instant::now();
        Self { settle, identity: None, shape: Shape::File, changed_at, quiet: false, state: State::Absent }
    }

    /// Notes the document as it is now.
    pub(super) fn observe(&mut self, found: &Found, now: Instant, clock: SystemTime) {
        if self.identity == Some(found.identity) {
            return;
        }
        self.quiet = self.identity.is_none() && found.identity.is_quiet(self.settle, clock);
        self.identity = Some(found.identity);
        self.shape = found.shape;
        self.changed_at = now;
        self.state = State::Unread;
    }

    /// Notes that it is not there; returns whether it was.
    pub(super) fn forget(&mut self) -> bool {
        let was_there = !self.is_absent();
        *self = Self::new(self.settle);
        was_there
    }

    /// The state in which it was last seen.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Whether it was never there, or is not there any more.
    pub(super) fn is_absent(&self) -> bool {
        self.state == State::Absent
    }

    /// Whether it is there and to be read.
    pub(super) fn is_unread(&self) -> bool {
        matches!(self.state, State::Unread | State::Failing)
    }

    /// Has it read again.
    pub(super) fn again(&mut self) {
        if self.state == State::Done {
            self.state = State::Unread;
        }
    }

    /// Whether it is there and could not be read yet.
    pub(super) fn is_failing(&self) -> bool {
        self.state == State::Failing
    }

    /// Reads it where it is new or changed; a failure is told only once it has stopped changing.
    pub(super) fn read<T>(
        &mut self,
        path: &Path,
        now: Instant,
        parse: impl Fn(&[u8]) -> Result<T, SnapshotError>,
    ) -> Reading<T> {
        let rested = self.quiet || now.duration_since(self.changed_at) >= self.settle;
        match self.state {
            State::Absent | State::Done => return Reading::Nothing,
            State::Failing if !rested => return Reading::Nothing,
            State::Unread | State::Failing => {}
        }
        let bytes = check_document(self.shape).and_then(|()| read_document(path));
        match bytes.and_then(|bytes| parse(&bytes)) {
            Ok(parsed) => {
                self.state = State::Done;
                Reading::Parsed(parsed)
            }
            // It is read again when it is seen again, be it as it was.
            Err(error) if error.is_passing() => {
                self.state = State::Done;
                self.identity = None;
                Reading::Failed(error)
            }
            Err(error) if rested => {
                self.state = State::Done;
                Reading::Failed(error)
            }
            Err(_) => {
                self.state = State::Failing;
                Reading::Nothing
            }
        }
    }
}
