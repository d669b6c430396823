//! Turns file-system events (notify) into hints where to look.

use crate::platform;
use crate::storage::is_url;
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Where to look. Never more than a hint, since events can be missing, late or merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// Something happened to these paths.
    Touched(Vec<PathBuf>),
    /// These paths are complete: closed after writing, or renamed into place.
    Whole(Vec<PathBuf>),
    /// Anything may have happened: look at everything.
    Anything,
    /// There will be no more events, for this reason.
    Lost(String),
}

/// Watches one directory, and the sub-directories that the caller names, until it is dropped.
///
/// Other sub-directories are left to the scan, since a run of many directory batches would use up the system's
/// watches. The first files in a sub-directory can appear before its watch is set, so that the caller must scan it
/// afterwards.
#[derive(Debug)]
pub struct Watcher {
    watcher: RecommendedWatcher,
    directory: PathBuf,
    ranks: HashSet<String>,
}

impl Watcher {
    /// Watches `directory` and calls `take` with hints, which must return soon.
    ///
    /// # Errors
    /// If the system has no events for it, in words for the user.
    pub fn new(directory: &Path, take: impl Fn(Hint) + Send + 'static) -> Result<Self, String> {
        let handler = move |event: notify::Result<Event>| {
            if let Some(hint) = hint_of(event) {
                take(hint);
            }
        };
        let mut watcher = notify::recommended_watcher(handler).map_err(|error| in_words(&error))?;
        if watcher.configure(Config::default()).is_err() {
            // Its thread could not be started. Any other use of it panics, including dropping it.
            std::mem::forget(watcher);
            return Err("the system gives no thread for file events (ulimit -u)".into());
        }
        watcher.watch(directory, RecursiveMode::NonRecursive).map_err(|error| in_words(&error))?;
        Ok(Self { watcher, directory: directory.to_owned(), ranks: HashSet::new() })
    }

    pub fn watches(&self, rank: &str) -> bool {
        self.ranks.contains(rank)
    }

    /// Watches a sub-directory, even if it has replaced one that was watched.
    ///
    /// # Errors
    /// If the system has no events for it, in words for the user. One that is gone by now is none.
    pub fn watch(&mut self, rank: &str) -> Result<(), String> {
        match self.watcher.watch(&self.directory.join(rank), RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.ranks.insert(rank.to_owned());
                Ok(())
            }
            Err(error) if is_gone(&error) => Ok(()),
            Err(error) => Err(in_words(&error)),
        }
    }

    pub fn forget(&mut self, rank: &str) {
        if self.ranks.remove(rank) {
            // If the directory was deleted, the system has already forgotten it.
            let _ = self.watcher.unwatch(&self.directory.join(rank));
        }
    }
}

/// Why there are no events about what other machines write, if that is known.
pub fn events_missing_because(directory: &Path) -> Option<String> {
    if is_url(directory) {
        return Some("an object store sends no events".into());
    }
    let name = platform::sends_no_events(directory)?;
    Some(format!("{name} sends no events of what other machines write"))
}

fn hint_of(event: notify::Result<Event>) -> Option<Hint> {
    let event = match event {
        Ok(event) => event,
        Err(error) if matches!(error.kind, notify::ErrorKind::MaxFilesWatch) => {
            return Some(Hint::Lost(in_words(&error)));
        }
        Err(_) => return Some(Hint::Anything),
    };
    // A queue overflow is an event with this flag and without paths.
    if event.need_rescan() || event.paths.is_empty() {
        return Some(Hint::Anything);
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Hint::Whole(event.paths)),
        // Our own reads come back as accesses.
        EventKind::Access(_) => None,
        EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => {
            Some(Hint::Whole(event.paths))
        }
        _ => Some(Hint::Touched(event.paths)),
    }
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn in_words(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "the system's limit of watched files is reached (fs.inotify.max_user_watches)".into()
        }
        notify::ErrorKind::Io(error) => format!("the system gives no file events ({error})"),
        _ => format!("the system gives no file events ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, Flag};

    #[test]
    fn an_overflow_without_paths_means_anything() {
        let event = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(hint_of(Ok(event)), Some(Hint::Anything));
        assert_eq!(hint_of(Ok(Event::new(EventKind::Any))), Some(Hint::Anything));
        let with_path = Event::new(EventKind::Other).set_flag(Flag::Rescan).add_path("x".into());
        assert_eq!(hint_of(Ok(with_path)), Some(Hint::Anything));
    }

    #[test]
    fn reading_is_no_hint_and_closing_after_writing_says_whole() {
        let event = |kind| Ok(Event::new(kind).add_path("batch-1.npz".into()));
        assert_eq!(hint_of(event(EventKind::Access(AccessKind::Open(AccessMode::Read)))), None);
        assert_eq!(hint_of(event(EventKind::Access(AccessKind::Close(AccessMode::Read)))), None);
        let paths = vec![PathBuf::from("batch-1.npz")];
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        assert_eq!(hint_of(event(closed)), Some(Hint::Whole(paths.clone())));
        assert_eq!(hint_of(event(EventKind::Create(CreateKind::File))), Some(Hint::Touched(paths)));
    }

    #[test]
    fn the_watch_limit_is_told_from_other_errors() {
        let limit = notify::Error::new(notify::ErrorKind::MaxFilesWatch);
        assert!(
            matches!(hint_of(Err(limit)), Some(Hint::Lost(reason)) if reason.contains("max_user_watches"))
        );
        assert_eq!(hint_of(Err(notify::Error::generic("x"))), Some(Hint::Anything));
    }
}
