//! Replaces a file with the newest text every few seconds, always whole, as node_exporter's textfile collector needs
//! it.

use super::metrics::Newest;
use crate::figures::{check_file, replace};
use crate::text::shown;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(5);

/// A file, and the text that was last written to it.
struct TextFile {
    path: PathBuf,
    newest: Arc<Newest>,
    said: Sender<String>,
    text: Option<Arc<str>>,
    /// Why the last text could not be written.
    failing: Option<String>,
}

/// Starts a thread that replaces a file every few seconds. A later failure to write is said once. Once the sender is
/// dropped, the thread writes the last state and ends; the receiver gets why that was not written, if so.
///
/// # Errors
/// If the file cannot be written, or the system gives no thread.
pub(super) fn start(
    path: &Path,
    newest: Arc<Newest>,
    said: Sender<String>,
) -> anyhow::Result<(Sender<()>, Receiver<Option<String>>)> {
    check_file("--openmetrics", path)?;
    let (until, over) = bounded(0);
    let (ended, outcome) = bounded(1);
    let mut file = TextFile { path: path.to_owned(), newest, said, text: None, failing: None };
    std::thread::Builder::new().name("openmetrics".into()).spawn(move || {
        while over.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            file.write(file.newest.text());
        }
        file.write(file.newest.last_text());
        // Nobody may be waiting any more.
        let _ = ended.send(file.failing);
    })?;
    Ok((until, outcome))
}

impl TextFile {
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
