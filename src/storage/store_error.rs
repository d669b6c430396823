//! An error of an object store, in words for the user, carried by an I/O error.

use std::fmt;
use std::io;

#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "object-store"), allow(dead_code))]
pub(crate) struct StoreError {
    what: String,
    /// What to do about it, in the imperative.
    pub(crate) advice: &'static str,
    /// Whether trying again may help: the network failed, and not the object.
    pub(crate) is_passing: bool,
}

#[cfg(feature = "object-store")]
impl StoreError {
    /// An error that stays until somebody does something about it.
    pub(crate) fn lasting(what: impl Into<String>, advice: &'static str) -> Self {
        Self { what: what.into(), advice, is_passing: false }
    }

    /// An error that may go away by itself.
    pub(crate) fn passing(what: impl Into<String>, advice: &'static str) -> Self {
        Self { is_passing: true, ..Self::lasting(what, advice) }
    }

    pub(crate) fn in_full(&self) -> String {
        format!("{}; {}", self.what, self.advice)
    }
}

impl StoreError {
    /// The store's error inside an I/O error, if there is one.
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

#[cfg(feature = "object-store")]
impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        Self::other(error)
    }
}
