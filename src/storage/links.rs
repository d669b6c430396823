//! Symbolic links in runs on a disk: they are reported, or followed if the user asks for that.

use crate::platform::{FileStat, is_link_loop, stat};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Links {
    /// Report them as a problem, since a run may come from a stranger.
    #[default]
    Named,
    /// Read their targets instead.
    Followed,
}

/// One setting for the whole process, since it says how much the user trusts whoever made the runs.
static FOLLOWED: AtomicBool = AtomicBool::new(false);

impl Links {
    /// Applies to all runs from now on.
    pub fn apply(self) {
        FOLLOWED.store(self == Self::Followed, Ordering::Relaxed);
    }

    pub(crate) fn now() -> Self {
        if FOLLOWED.load(Ordering::Relaxed) { Self::Followed } else { Self::Named }
    }
}

/// What is in the place of a file or directory and is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherKind {
    /// A symbolic link that is not followed, or was not when it was looked at.
    Link,
    DanglingLink,
    LinkLoop,
    /// A symbolic link of a run to something that the run counts under another name.
    LinkToCounted,
    /// A symbolic link of a run to the run, or to a directory around it.
    LinkAround,
    /// A symbolic link that this user cannot follow.
    ClosedLink,
    PipeSocketOrDevice,
    /// A directory that this user cannot list.
    ClosedDirectory,
}

impl fmt::Display for OtherKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "a symbolic link",
            Self::DanglingLink => "a symbolic link that leads nowhere",
            Self::LinkLoop => "a loop of symbolic links",
            Self::LinkToCounted => "a symbolic link to what is counted under another name",
            Self::LinkAround => "a symbolic link to a directory that holds this run",
            Self::ClosedLink => "a symbolic link that this user cannot follow",
            Self::PipeSocketOrDevice => "a pipe, socket or device",
            Self::ClosedDirectory => "a directory that this user cannot list",
        })
    }
}

impl OtherKind {
    /// What the symbolic link at a path is.
    pub(super) fn of_link(link: &Path) -> Self {
        let error = match Links::now() {
            Links::Named => return Self::Link,
            Links::Followed => link.metadata().err(),
        };
        match error {
            // It leads somewhere by now.
            None => Self::Link,
            Some(error) if error.kind() == io::ErrorKind::NotFound => Self::DanglingLink,
            Some(error) if is_link_loop(&error) => Self::LinkLoop,
            Some(_) => Self::ClosedLink,
        }
    }

    /// Why it is not read where a `batch` or a `file` was expected.
    pub(crate) fn refusal(self, expected: &str) -> String {
        match self {
            Self::Link => format!("it is {self}, which is not followed"),
            Self::LinkToCounted => format!("it is {self}"),
            _ => format!("it is {self}, and no {expected}"),
        }
    }

    /// What to do about it where a `batch` or a `file` was expected.
    pub(crate) fn advice(self, expected: &str) -> String {
        let replace = format!("put the {expected} itself in its place");
        if self == Self::LinkToCounted {
            format!("remove it, or {replace}")
        } else if self == Self::Link && Links::now() == Links::Named {
            format!("{replace}, or follow links with --follow-links where you trust who made them")
        } else {
            replace
        }
    }
}

/// The metadata of a link or of its target, as the user chose. A link that leads nowhere is always a link.
pub(crate) fn metadata(path: &Path) -> io::Result<FileStat> {
    match Links::now() {
        Links::Named => stat(path, false),
        Links::Followed => stat(path, true).or_else(|_| stat(path, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_refused_by_its_kind() {
        for (kind, refusal) in [
            (OtherKind::Link, "it is a symbolic link, which is not followed"),
            (OtherKind::DanglingLink, "it is a symbolic link that leads nowhere, and no batch"),
            (OtherKind::PipeSocketOrDevice, "it is a pipe, socket or device, and no batch"),
        ] {
            assert_eq!(kind.refusal("batch"), refusal);
        }
        // No test of this process follows links.
        assert!(OtherKind::Link.advice("file").contains("put the file itself in its place, or follow links"));
        assert_eq!(OtherKind::LinkLoop.advice("batch"), "put the batch itself in its place");
    }
}
