//! Lists keys a page at a time, so that memory holds no more than one page and what the caller keeps.

use super::ObjectPlace;
use super::client::{ObjectVersion, wait};
use crate::storage::StoreError;
use std::ops::ControlFlow;

/// No more pages than this are requested, in case a listing never ends.
const MOST_PAGES: usize = 100_000;

/// How much of what is below a prefix is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListingDepth {
    /// The first thing, whatever it is.
    First,
    /// What is directly below it.
    One,
    /// Every object below it.
    All,
}

/// Takes an item of a listing by its name below the prefix: an object with its version, or a prefix without one.
pub(super) type Each<'a> = &'a mut dyn FnMut(&str, Option<ObjectVersion>) -> ControlFlow<()>;

impl ObjectPlace {
    /// Lists what is below it until `each` breaks.
    pub(super) fn list(&self, depth: ListingDepth, each: Each<'_>) -> Result<(), StoreError> {
        let prefix = if self.key.is_empty() { String::new() } else { format!("{}/", self.key) };
        let most = (depth == ListingDepth::First).then_some(1);
        let mut token = None;
        for _ in 0..MOST_PAGES {
            let (page, next) =
                wait(self.client.page(&prefix, depth == ListingDepth::One, most, token.clone()))?;
            // An object with the prefix's own name only marks a folder.
            let below = |key: &'_ str| key.len() > prefix.len() && key.starts_with(&prefix);
            for object in &page.objects {
                let key = object.location.as_ref();
                let version = Some(ObjectVersion::from_meta(object));
                if below(key) && each(&key[prefix.len()..], version).is_break() {
                    return Ok(());
                }
            }
            for common in &page.common_prefixes {
                let key = common.as_ref();
                if below(key) && each(&key[prefix.len()..], None).is_break() {
                    return Ok(());
                }
            }
            if next.is_none() {
                return Ok(());
            }
            if next == token {
                return Err(StoreError::lasting(
                    "the listing begins again and again",
                    "report it to who runs the store",
                ));
            }
            token = next;
        }
        Err(StoreError::lasting("far too many keys are there", "name a prefix that holds one run"))
    }
}
