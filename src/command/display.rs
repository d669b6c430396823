//! The thread that shows the runs: the dashboard, lines of progress, or a bar. It hangs when nobody reads what it writes,
//! and the rest of the program then goes on without it.

use super::signals::NO_THREAD;
use crate::run::run_names::directories_to_show;
use crate::run::{RunEntry, Runs};
use anyhow::{Context, anyhow};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::time::Duration;

/// The most messages, and the most orders, that can wait.
const WAITING: usize = 64;

/// The main thread's side of it. `O` is what the user can order.
pub(super) struct Display<O> {
    messages: Sender<String>,
    alerts: Sender<Vec<u8>>,
    orders: Receiver<O>,
    /// Dropping it ends the thread.
    stop: Option<Sender<()>>,
    ended: Receiver<anyhow::Result<()>>,
}

/// The thread's side of it.
pub(super) struct DisplayChannels<O> {
    /// Messages for the user.
    pub(super) messages: Receiver<String>,
    /// What a terminal is sent to call the user.
    pub(super) alerts: Receiver<Vec<u8>>,
    pub(super) orders: Sender<O>,
    /// Closes when it is time to end.
    pub(super) stop: Receiver<()>,
}

impl<O: Send + 'static> Display<O> {
    pub(super) fn start(
        name: &str,
        show: impl FnOnce(DisplayChannels<O>) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (messages, received) = bounded(WAITING);
        let (alerts, alerted) = bounded(WAITING);
        let (order, orders) = bounded(WAITING);
        let (stop, stopped) = bounded(0);
        let (end, ended) = bounded(1);
        let channels = DisplayChannels { messages: received, alerts: alerted, orders: order, stop: stopped };
        let run = move || {
            // The main thread may have left. A panic closes the channel.
            let _ = end.send(show(channels));
        };
        std::thread::Builder::new().name(name.into()).spawn(run).context(NO_THREAD)?;
        Ok(Self { messages, alerts, orders, stop: Some(stop), ended })
    }

    /// Shows the user a message. One that finds no room is in the log only.
    pub(super) fn say(&self, message: String) {
        let _ = self.messages.try_send(message);
    }

    /// Calls the user through the terminal, unless many calls wait already.
    pub(super) fn alert(&self, sequence: Vec<u8>) {
        let _ = self.alerts.try_send(sequence);
    }

    pub(super) fn orders(&self) -> &Receiver<O> {
        &self.orders
    }

    /// Receives once how the thread has ended. If it closes without a message, that is a [`fault`].
    pub(super) fn ended(&self) -> &Receiver<anyhow::Result<()>> {
        &self.ended
    }

    /// Ends the thread and returns its result, or `None` if it has not ended within this time.
    pub(super) fn stop(&mut self, within: Duration) -> Option<anyhow::Result<()>> {
        self.stop = None;
        match self.ended.recv_timeout(within) {
            Ok(ended) => Some(ended),
            Err(RecvTimeoutError::Disconnected) => Some(Err(fault())),
            Err(RecvTimeoutError::Timeout) => None,
        }
    }
}

/// The listed runs by their numbers, with the directory to show where the names do not tell them apart.
pub(super) fn listed(runs: &Runs) -> impl Iterator<Item = (usize, &RunEntry, Option<String>)> {
    let listed = runs.listed().into_iter().filter_map(|number| Some((number, runs.get(number)?)));
    let listed: Vec<(usize, &RunEntry)> = listed.collect();
    let names: Vec<_> = listed.iter().map(|(_, entry)| (entry.run.name(), entry.run.directory())).collect();
    let directories = directories_to_show(&names);
    listed.into_iter().zip(directories).map(|((number, entry), directory)| (number, entry, directory))
}

/// The error for a panic.
pub(super) fn fault() -> anyhow::Error {
    anyhow!("a fault of neurotop itself; please report it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_gives_up_on_a_hanging_thread_and_reports_a_panic() {
        let (held, until) = bounded::<()>(0);
        let mut hangs = Display::<()>::start("hangs", move |_| {
            let _ = until.recv();
            Ok(())
        })
        .expect("a thread");
        assert!(hangs.stop(Duration::from_millis(50)).is_none());
        drop(held);
        assert!(matches!(hangs.stop(Duration::from_secs(60)), Some(Ok(()))));
        let mut waits = Display::<()>::start("waits", |channels| {
            let _ = channels.stop.recv();
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
