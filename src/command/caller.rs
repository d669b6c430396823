//! Calls the user while runs are watched, by all ways that `--notify` names, and runs the command of `--on-finish`.

use super::display::Display;
use super::hook::Hooks;
use super::notify::{Notification, Notifier, RunEvent, finish_hook, notify_hook};
use crate::dashboard::{DashboardOptions, DashboardOrder, NotifyWay};
use crate::figures::checks::Checks;
use crate::run::Runs;
use std::time::SystemTime;

/// Calls the user, and runs what is to be run once a run is over.
pub(super) struct Caller {
    notifier: Notifier,
    pub(super) hooks: Hooks,
    ways: Vec<NotifyWay>,
    on_finish: Option<String>,
    checks: Checks,
}

impl Caller {
    pub(super) fn new(options: &DashboardOptions) -> Self {
        Self {
            notifier: Notifier::new(options.checks.clone()),
            hooks: Hooks::default(),
            ways: options.notify.clone(),
            on_finish: options.on_finish.clone(),
            checks: options.checks.clone(),
        }
    }

    /// Tells what is new of the runs.
    pub(super) fn look(&mut self, runs: &Runs, display: &Display<DashboardOrder>) {
        if self.ways.is_empty() && self.on_finish.is_none() {
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
        if !self.ways.is_empty() {
            display.say(notification.text.clone());
        }
        for way in &self.ways {
            if let Some(sequence) = way.sequence(&notification.text, is_in_tmux) {
                display.alert(sequence);
            }
            let failed = notify_hook(way, notification).and_then(|hook| self.hooks.start(hook));
            failed.into_iter().for_each(|why| display.say(why));
        }
    }

    fn after(&mut self, runs: &Runs, number: usize, display: &Display<DashboardOrder>) {
        let Some((command, entry)) = self.on_finish.as_deref().zip(runs.get(number)) else { return };
        let failed = match finish_hook(command, entry, &self.checks) {
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
