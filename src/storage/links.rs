//! What becomes of symbolic links in runs on a disk: they are named, or followed where the user asks for it.

use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What becomes of a symbolic link in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Links {
    /// It is a problem that is named: a run may come from a stranger.
    #[default]
    Named,
    /// What it leads to is read in its place.
    Followed,
}

/// One answer for the whole process: it is about how much the user trusts whoever made the runs.
static FOLLOWED: AtomicBool = AtomicBool::new(false);

impl Links {
    /// Has it so from now on, in all runs.
    pub fn apply(self) {
        FOLLOWED.store(self == Self::Followed, Ordering::Relaxed);
    }

    /// What was asked for.
    pub(crate) fn now() -> Self {
        if FOLLOWED.load(Ordering::Relaxed) { Self::Followed } else { Self::Named }
    }
}

/// What a symbolic link is called in messages.
pub(crate) const LINK: &str = "a symbolic link";

/// What a link that cannot be followed is called.
const DANGLING: &str = "a symbolic link that leads nowhere";
const LOOP: &str = "a loop of symbolic links";
const CLOSED: &str = "a symbolic link that this user cannot follow";

/// What to call a symbolic link that is at a path.
pub(super) fn name_of(link: &Path) -> &'static str {
    let error = match Links::now() {
        Links::Named => return LINK,
        Links::Followed => link.metadata().err(),
    };
    match error {
        // It leads somewhere by now.
        None => LINK,
        Some(error) if error.kind() == io::ErrorKind::NotFound => DANGLING,
        Some(error) if is_loop(&error) => LOOP,
        Some(_) => CLOSED,
    }
}

#[cfg(unix)]
fn is_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

#[cfg(not(unix))]
fn is_loop(_error: &io::Error) -> bool {
    false
}

/// What is wrong with something of this kind in the place of what was expected.
pub(crate) fn refusal_of(kind: &str, expected: &str) -> String {
    if kind == LINK {
        format!("it is {kind}, which is not followed")
    } else {
        format!("it is {kind}, and no {expected}")
    }
}

/// What to do where something of this kind is in the place of a batch.
pub(crate) fn advice(kind: &str) -> &'static str {
    if is_refused_link(kind) {
        "put the batch itself in its place, or follow links with --follow-links where you trust who made them"
    } else {
        "put the batch itself in its place"
    }
}

/// The same for a document.
pub(crate) fn advice_for_document(kind: &str) -> &'static str {
    if is_refused_link(kind) {
        "put the file itself in its place, or follow links with --follow-links where you trust who made them"
    } else {
        "put the file itself in its place"
    }
}

fn is_refused_link(kind: &str) -> bool {
    kind == LINK && Links::now() == Links::Named
}

/// What lies at a path: the link, or what it leads to. One that leads nowhere is a link in any case.
pub(crate) fn metadata(path: &Path) -> io::Result<Metadata> {
    match Links::now() {
        Links::Named => path.symlink_metadata(),
        Links::Followed => path.metadata().or_else(|_| path.symlink_metadata()),
    }
}
