//! What is on disk: names, the manifest, the end of a run, and batches of membrane potentials, read and checked.
//!
//! Nothing here may watch a directory or count anything. Opening a batch reads the headers of all members and checks
//! them against one another. Whoever counts the data reads them later, as a stream. The format is described in
//! `docs/format.md`.

mod batch;
mod bounded;
mod document;
mod end;
mod hints;
mod layers;
mod loose;
mod manifest;
mod member;
mod name;
mod npy;
mod price;
mod remarks;
mod zip;

pub use batch::{Array, Batch, BatchLayer, Form};
pub use document::{MAX_DOCUMENT_BYTES, check_document, read_document};
pub use end::{End, OfficialOperations, OfficialResults};
pub use layers::Layers;
pub use manifest::{LayerEntry, LayerShape, Manifest, ManifestError};
pub(crate) use member::Checksum;
pub use member::{Member, MemberReader};
pub use name::{
    BatchId, BatchName, EntryName, Slip, classify, is_nearly_batch, is_unfinished_batch, meant_name,
};
pub use npy::{Dtype, ElementKind, Header, MemoryOrder, elements};
pub use price::{LayerPrice, MAX_COST, Measurement, RecordedPrice};

use crate::platform::is_passing;
use crate::storage::StoreError;
use bounded::shortened;
pub(crate) use bounded::shown;
use std::borrow::Cow;
use std::io;

/// The most characters in `what`, since it is kept for each batch that is set aside.
const MAX_WHAT: usize = 1_000;

/// Why something on disk cannot be used: what is wrong, and what the user can do about it.
///
/// Whoever reports the error names the file, since a batch may have been renamed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {advice}")]
pub struct SnapshotError {
    /// What is wrong, with the name of the member if there is one.
    pub what: String,
    /// What to do about it, in the imperative.
    pub advice: String,
    /// Whether it may go away by itself: the network is gone, and not the file wrong.
    is_passing: bool,
}

impl SnapshotError {
    /// Shortens `what` if it is very long.
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        let mut what = what.into();
        if let Cow::Owned(short) = shortened(&what, MAX_WHAT) {
            what = short;
        }
        Self { what, advice: advice.into(), is_passing: false }
    }

    /// A bug in this program that a batch has triggered.
    pub(crate) fn fault() -> Self {
        Self::new("a fault of neurotop itself", "please report it")
    }

    /// A run that is over and has no layer, so that its figures are 0 and say nothing.
    pub(crate) fn no_layer() -> Self {
        Self::new(
            "the run is over and no layer was recorded, so that there is nothing to count",
            "record a network with spiking layers, and give neurotop.record those that it does not know with \
             rec.add(LAYER, POTENTIALS); who writes batches by hand names the potentials <layer>.post",
        )
    }

    /// An error of the operating system while `what` was read.
    pub fn io(what: impl std::fmt::Display, error: &io::Error) -> Self {
        if let Some(store_error) = StoreError::find_in(error) {
            let is_passing = store_error.is_passing;
            return Self {
                is_passing,
                ..Self::new(format!("cannot read {what}: {store_error}"), store_error.advice)
            };
        }
        let is_passing = is_passing(error);
        let advice = match error.kind() {
            io::ErrorKind::PermissionDenied => "give this user permission to read it",
            io::ErrorKind::NotFound => "write it again if it should be counted",
            _ if is_passing => {
                "check the disk, the network share and the limits of this user; it is tried again"
            }
            _ => "check the disk or the network share; it is tried again when the file changes",
        };
        Self { is_passing, ..Self::new(format!("cannot read {what}: {error}"), advice) }
    }

    /// Whether it may go away by itself: the network is gone, and not the file wrong.
    pub fn is_passing(&self) -> bool {
        self.is_passing
    }

    /// The same error with the name of a member in front.
    #[must_use]
    pub fn of_member(self, member: &str) -> Self {
        let what = format!("{}: {}", shown(member), self.what);
        Self { is_passing: self.is_passing, ..Self::new(what, self.advice) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::passing_error;

    #[test]
    fn what_the_system_is_to_blame_for_passes() {
        let of = |error: io::Error| SnapshotError::io("the batch", &error);
        let error = of(passing_error());
        assert!(error.is_passing() && error.advice.contains("tried again"), "{error}");
        for lasting in [io::ErrorKind::PermissionDenied, io::ErrorKind::NotFound, io::ErrorKind::IsADirectory]
        {
            assert!(!of(lasting.into()).is_passing(), "{lasting}");
        }
    }
}
