//! Writes exports in threads of their own, since a disk may take its time.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Writes one export after the other, so that an older one never replaces a newer.
#[derive(Debug, Default)]
pub struct Exporter {
    last: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Has something written once all that was asked for before is.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(super) fn write(&mut self, write: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let before = self.last.take();
        let in_turn = move || {
            if let Some(before) = before {
                // A fault in it is told by the panic's own message.
                let _ = before.join();
            }
            write();
        };
        self.last = Some(Builder::new().name("export".into()).spawn(in_turn)?);
        Ok(())
    }

    /// Whether everything is written.
    pub fn is_done(&self) -> bool {
        self.last.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{bounded, unbounded};
    use std::time::Duration;

    #[test]
    fn a_later_export_waits_for_an_earlier_one() {
        let mut exporter = Exporter::default();
        assert!(exporter.is_done());
        let (go_on, slow) = bounded::<()>(0);
        let (written, order) = unbounded();
        let second = written.clone();
        let first = move || {
            slow.recv().expect("a word");
            written.send(1).expect("sent");
        };
        exporter.write(first).expect("a thread");
        exporter.write(move || second.send(2).expect("sent")).expect("a thread");
        assert!(order.recv_timeout(Duration::from_millis(100)).is_err() && !exporter.is_done());
        go_on.send(()).expect("it waits");
        assert_eq!(order.iter().collect::<Vec<_>>(), [1, 2]);
    }
}
