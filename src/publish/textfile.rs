//! Writes the text of the newest state into a file, again and again, as node_exporter's textfile collector
//! wants it: whole or not at all.

use super::metrics::Newest;
use crate::figures::{check_place, replace};
use crate::text::shown;
use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time between two writes.
const INTERVAL: Duration = Duration::from_secs(5);

/// A file that is written again and again.
#[derive(Debug)]
pub(super) struct TextFile {
    /// Dropped to end it.
    _until: Sender<()>,
    /// What could not be written in the end.
    outcome: Receiver<Option<String>>,
}

impl TextFile {
    /// Starts to write; what cannot be written later on is said once.
    ///
    /// # Errors
    /// Where the file cannot be written, or the system gives no thread.
    pub(super) fn start(path: PathBuf, newest: Arc<Newest>, said: Sender<String>) -> anyhow::Result<Self> {
        check(&path)?;
        let (until, over) = bounded(0);
        let (ended, outcome) = bounded(1);
        let mut file = Written { path, newest, said, text: None, failing: None };
        std::thread::Builder::new().name("openmetrics".into()).spawn(move || {
            while over.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let text = file.newest.text();
                file.write(text);
            }
            let text = file.newest.last_text();
            file.write(text);
            // Whoever closes may have given up.
            let _ = ended.send(file.failing);
        })?;
        Ok(Self { _until: until, outcome })
    }

    /// Has the last state written.
    pub(super) fn close(self) -> Closing {
        Closing { outcome: self.outcome }
    }
}

/// The last state on its way into the file.
#[derive(Debug)]
pub(super) struct Closing {
    outcome: Receiver<Option<String>>,
}

impl Closing {
    /// Waits until it is written, and no longer than until then; returns what could not be.
    pub(super) fn wait(self, until: Instant) -> Option<String> {
        self.outcome.recv_deadline(until).unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => Some("--openmetrics: the last state was not written in time".into()),
            RecvTimeoutError::Disconnected => Some("--openmetrics: a fault of neurotop itself".into()),
        })
    }
}

/// The file and what was last written to it.
struct Written {
    path: PathBuf,
    newest: Arc<Newest>,
    said: Sender<String>,
    text: Option<Arc<str>>,
    failing: Option<String>,
}

impl Written {
    fn write(&mut self, text: Arc<str>) {
        if self.failing.is_none() && self.text.as_ref() == Some(&text) {
            return;
        }
        match replace(&self.path, &text) {
            Ok(()) => (self.text, self.failing) = (Some(text), None),
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &io::Error) {
        let why = format!("--openmetrics: cannot write {}: {error}", shown(&self.path));
        if self.failing.is_none() {
            tracing::error!("{why}");
            let _ = self.said.try_send(why.clone());
        }
        self.failing = Some(why);
    }
}

/// Refuses a file that cannot be written at all, at the start of a run and not at its end.
fn check(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!("--openmetrics {}: it is a directory; name a file in it", shown(path));
    }
    check_place(path).with_context(|| format!("--openmetrics {}: it cannot be written to", shown(path)))
}
