//! What is wrong with an object store, in words for the user, carried by an I/O error.

use std::fmt;
use std::io;

/// What is wrong with an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreError {
    /// What was wrong.
    what: String,
    /// What to do about it, in the imperative.
    pub(crate) advice: &'static str,
    /// Whether it may be over by itself: the network, not the object.
    pub(crate) is_passing: bool,
}

impl StoreError {
    /// What stays as it is until somebody does something.
    pub(crate) fn lasting(what: impl Into<String>, advice: &'static str) -> Self {
        Self { what: what.into(), advice, is_passing: false }
    }

    /// What may be over by itself.
    #[cfg(feature = "object-store")]
    pub(crate) fn passing(what: impl Into<String>, advice: &'static str) -> Self {
        Self { is_passing: true, ..Self::lasting(what, advice) }
    }

    /// What was wrong and what to do about it.
    #[cfg(feature = "object-store")]
    pub(crate) fn in_full(&self) -> String {
        format!("{}; {}", self.what, self.advice)
    }

    /// The trouble that an error carries, where it is that of an object store.
    pub(crate) fn find_in(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for StoreError {}

impl From<StoreError> for io::Error {
    fn from(trouble: StoreError) -> Self {
        Self::other(trouble)
    }
}
