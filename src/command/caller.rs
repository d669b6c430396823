//! Calls the user while runs are watched, by all ways that `--notify` names, and runs the command of `--on-finish`.

use super::display::Display;
use super::hook::Hooks;
use super::notify::{Notification, Notifier, RunEvent, finish_hook, notify_hook};
use crate::dashboard::{DashboardOptions, DashboardOrder};
use crate::run::Runs;
use std::time::SystemTime;

/// Calls the user, and runs what is to be run once a run is over.
pub(super) struct Caller<'a> {
    options: &'a DashboardOptions,
    notifier: Notifier,
    pub(super) hooks: Hooks,
}

impl<'a> Caller<'a> {
    pub(super) fn new(options: &'a DashboardOptions) -> Self {
        let notifier = Notifier::new(options.checks.clone());
        Self { options, notifier, hooks: Hooks::default() }
    }

    /// Tells what is new of the runs.
    pub(super) fn look(&mut self, runs: &Runs, display: &Display<DashboardOrder>) {
        if self.options.notify.is_empty() && self.options.on_finish.is_none() {
            return;
        }
        for notification in self.notifier.look(runs, SystemTime::now()) {
            self.call(&notification, display);
            if notification.event == RunEvent::Finished {
                self.after(runs, notification.run, display);
            }
        }
    }

    fn call(&mut self, notification: &Notification, display: &Display<DashboardOrder>) {
        let is_in_tmux = std::env::var_os("TMUX").is_some_and(|tmux| !tmux.is_empty());
        if !self.options.notify.is_empty() {
            display.say(notification.text.clone());
        }
        for way in &self.options.notify {
            if let Some(sequence) = way.sequence(&notification.text, is_in_tmux) {
                display.alert(sequence);
            }
            let failed = notify_hook(way, notification).and_then(|hook| self.hooks.start(hook));
            failed.into_iter().for_each(|why| display.say(why));
        }
    }

    fn after(&mut self, runs: &Runs, number: usize, display: &Display<DashboardOrder>) {
        let command = self.options.on_finish.as_deref();
        let Some((command, entry)) = command.zip(runs.get(number)) else { return };
        let failed = match finish_hook(command, entry, &self.options.checks) {
            Ok(hook) => self.hooks.start(hook),
            Err(error) => {
                let why = format!("--on-finish: not started: its summary cannot be written: {error:#}");
                self.hooks.note_failure(why.clone());
                Some(why)
            }
        };
        failed.into_iter().for_each(|why| display.say(why));
    }
}
