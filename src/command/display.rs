//! What shows the runs, in a thread of its own: the dashboard, lines of progress, or a bar. It may hang for ever, since
//! nobody reads what it writes, and holds up nothing.

use super::signals::NO_THREAD;
use anyhow::{Context, anyhow};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::time::Duration;

/// Messages and orders that may wait.
const WAITING: usize = 64;

/// A thread that shows the runs.
pub(super) struct Display<O> {
    messages: Sender<String>,
    orders: Receiver<O>,
    /// Dropped to have it end.
    stop: Option<Sender<()>>,
    ended: Receiver<anyhow::Result<()>>,
}

/// The thread's side of it.
pub(super) struct Ends<O> {
    /// What there is to say to the user.
    pub(super) messages: Receiver<String>,
    /// What the user orders.
    pub(super) orders: Sender<O>,
    /// Closes when it is time to end.
    pub(super) stop: Receiver<()>,
}

impl<O: Send + 'static> Display<O> {
    /// Starts the thread.
    pub(super) fn start(
        name: &str,
        show: impl FnOnce(Ends<O>) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (messages, received) = bounded(WAITING);
        let (order, orders) = bounded(WAITING);
        let (stop, stopped) = bounded(0);
        let (end, ended) = bounded(1);
        let ends = Ends { messages: received, orders: order, stop: stopped };
        let run = move || {
            // Whoever started it may have left. A panic closes the channel.
            let _ = end.send(show(ends));
        };
        std::thread::Builder::new().name(name.into()).spawn(run).context(NO_THREAD)?;
        Ok(Self { messages, orders, stop: Some(stop), ended })
    }

    /// Has something said; what finds no room is in the log.
    pub(super) fn say(&self, message: String) {
        let _ = self.messages.try_send(message);
    }

    /// What the user orders.
    pub(super) fn orders(&self) -> &Receiver<O> {
        &self.orders
    }

    /// Tells once how it has ended; [`fault`] where it says nothing.
    pub(super) fn ended(&self) -> &Receiver<anyhow::Result<()>> {
        &self.ended
    }

    /// Has it end, and waits for that, but no longer than so; returns what came of it, or `None` where it hangs.
    pub(super) fn stop(&mut self, within: Duration) -> Option<anyhow::Result<()>> {
        self.stop = None;
        match self.ended.recv_timeout(within) {
            Ok(ended) => Some(ended),
            Err(RecvTimeoutError::Disconnected) => Some(Err(fault())),
            Err(RecvTimeoutError::Timeout) => None,
        }
    }
}

/// A fault of this program.
pub(super) fn fault() -> anyhow::Error {
    anyhow!("a fault of neurotop itself; please report it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_hangs_is_left_behind_and_one_that_panics_is_a_fault() {
        let (held, until) = bounded::<()>(0);
        let mut hangs = Display::<()>::start("hangs", move |_| {
            let _ = until.recv();
            Ok(())
        })
        .expect("a thread");
        assert!(hangs.stop(Duration::from_millis(50)).is_none());
        drop(held);
        assert!(matches!(hangs.stop(Duration::from_secs(60)), Some(Ok(()))));
        let mut waits = Display::<()>::start("waits", |ends| {
            let _ = ends.stop.recv();
            Ok(())
        })
        .expect("a thread");
        assert!(waits.ended().try_recv().is_err());
        assert!(matches!(waits.stop(Duration::from_secs(60)), Some(Ok(()))));
        let mut panics = Display::<()>::start("panics", |_| panic!("as it is meant to")).expect("a thread");
        let why = panics.stop(Duration::from_secs(60)).expect("it has ended").expect_err("a fault");
        assert!(why.to_string().contains("a fault of neurotop"), "{why}");
    }
}
