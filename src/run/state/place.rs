//! Where the progress of runs is kept.

use super::default_path;
use crate::storage::canonical;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the progress of runs is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StatePlace {
    /// Nowhere.
    #[default]
    Nowhere,
    /// In the user's directory for state.
    Default,
    /// In this file. Several runs have files beside it, with their names at the end.
    File(PathBuf),
}

impl From<PathBuf> for StatePlace {
    /// `none`, `default`, or the name of a file.
    fn from(path: PathBuf) -> Self {
        match path.to_str() {
            Some("none") => Self::Nowhere,
            Some("default") => Self::Default,
            _ => Self::File(path),
        }
    }
}

impl StatePlace {
    /// The file for a run at a path without links. `within` is the directory of runs that it was found in. A link to a
    /// file is resolved: it would be replaced otherwise, and two names would have two locks.
    pub(super) fn file_for(&self, run: &Path, within: Option<&Path>) -> Option<PathBuf> {
        match (self, within) {
            (Self::Nowhere, _) => None,
            (Self::Default, _) => default_path(run),
            (Self::File(file), None) => Some(canonical(file)),
            (Self::File(file), Some(_)) => {
                let mut name = OsString::from(file);
                name.push("-");
                name.push(run.file_name().unwrap_or_default());
                Some(canonical(Path::new(&name)))
            }
        }
    }
}
