//! The live dashboard: takes updates and keys, and draws when something has changed.

mod charting;
mod columns;
mod copy;
mod cursor;
mod exporter;
mod filter;
mod heat;
mod inspector;
mod key;
mod key_table;
mod keys;
mod look;
mod moment;
mod rank_columns;
mod state;
mod suspend;
mod symbols;
mod terminal;
mod theme;
mod view;

pub use charting::{Charting, Lines, Scale, Subject};
pub use columns::{COLUMNS, Column, Sort};
pub use copy::{copy, row};
pub use cursor::{Cursor, Motion, Scroll};
pub use exporter::Exporter;
pub use filter::Filter;
pub use inspector::{Inspector, Portrayal, Sitter};
pub use key::Key;
pub use key_table::{Conflict, KeyTable, Rebound, Row};
pub use keys::{Action, BINDINGS, Binding, EDITS, Hint, Mode, named};
pub use look::{Look, Wishes};
pub use moment::{Board, Contents, Moment, RunRow};
pub use rank_columns::{RANK_COLUMNS, RankColumn, RankSort};
pub use state::{Places, Request, State, View};
pub use suspend::{JobSignal, job_signals};
pub use symbols::Symbols;
pub use terminal::{Frames, Mouse, Screen, take_faults};
pub use theme::{Depth, Theme, ThemeName};
pub use view::draw;

use crate::checks::Checks;
use crate::fault;
use crate::follow::Discovery;
use crate::outlet;
use crate::pipeline::{Group, Update};
use crate::report::{Export, Summaries, Summary};
use crate::text::printable;
use crate::watch::{Known, Watch};
use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, Sender, never, select_biased, unbounded};
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use suspend::{Suspension, suspend};

/// The least time between two draws.
const FRAME: Duration = Duration::from_millis(33);

/// How often what depends on the time alone is drawn again.
const TICK: Duration = Duration::from_secs(1);

/// How the dashboard ends and what it writes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Leave when the run is over.
    pub exit_when_finished: bool,
    /// Leave this long after the run is over unless a key was pressed.
    pub close_after: Option<Duration>,
    /// What `e` writes.
    pub exports: Vec<Export>,
    /// What it looks like at the start.
    pub look: Look,
    /// Whose the mouse is.
    pub mouse: Mouse,
    /// Whether it starts without frames and charts.
    pub compact: bool,
    /// Which keys ask for what.
    pub keys: Arc<KeyTable>,
    /// What the figures are held against.
    pub checks: Checks,
}

/// Where input comes from.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Keys, the mouse and changes of size; the channel closes when the terminal is gone.
    pub events: Receiver<Event>,
    /// Signals that ask to leave.
    pub signals: Receiver<i32>,
    /// Signals that stop the program and that say that it goes on.
    pub jobs: Receiver<JobSignal>,
}

/// Reads terminal events in a thread of their own; the channel closes when there will be no more.
///
/// # Errors
/// Where the system gives no thread.
pub fn terminal_events() -> std::io::Result<Receiver<Event>> {
    let (sender, receiver) = unbounded();
    std::thread::Builder::new().name("events".into()).spawn(move || {
        while let Ok(event) = event::read() {
            if sender.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// Shows runs until the user, a signal or their end closes the dashboard.
///
/// # Errors
/// Where the terminal cannot be drawn on, or counting has ended by itself.
pub fn show(
    screen: &mut Screen,
    watch: &mut Watch,
    exporter: &mut Exporter,
    inputs: &Inputs,
    options: &Options,
) -> anyhow::Result<()> {
    let board = Board::new(&watch.runs, options.checks.baseline.clone(), SystemTime::now());
    let inspector = Inspector::start()?;
    let mut state = State::new(options.look);
    (state.compact, state.keys) = (options.compact, Arc::clone(&options.keys));
    let (said, messages) = unbounded();
    let mut dashboard = Dashboard { state, board, watch, inspector, exporter, said, options, stay: false };
    dashboard.say_what_was_kept();
    let mut events = inputs.events.clone();
    let (groups, portraits) = (dashboard.watch.groups().clone(), dashboard.inspector.answers().clone());
    let (mut next_frame, mut next_tick) = (Instant::now(), Instant::now());
    let mut changed = true;
    loop {
        let now = Instant::now();
        for said in dashboard.watch.publish() {
            dashboard.state.say(said, now);
            changed = true;
        }
        if changed && now >= next_frame {
            dashboard.draw(screen, now)?;
            changed = false;
            next_frame = Instant::now() + FRAME;
        }
        if now >= next_tick {
            changed = true;
            next_tick = now + TICK;
        }
        if dashboard.is_to_close(now) {
            return Ok(());
        }
        let wake = if changed { next_frame } else { next_tick };
        select_biased! {
            recv(events) -> event => match event {
                Ok(event) => {
                    changed = true;
                    match dashboard.take_event(&event) {
                        Next::GoOn => {}
                        Next::Leave => return Ok(()),
                        Next::Suspend => if dashboard.suspend(screen, inputs)? == Next::Leave { return Ok(()) },
                        Next::Redraw => screen.take_again()?,
                    }
                }
                // The terminal is gone or gives no events; a signal can still end the dashboard.
                Err(_) => events = never(),
            },
            recv(inputs.signals) -> _ => return Ok(()),
            recv(inputs.jobs) -> job => {
                changed = true;
                match job? {
                    JobSignal::Stop => if dashboard.suspend(screen, inputs)? == Next::Leave { return Ok(()) },
                    // It was stopped by another signal, and the terminal may have been anybody's.
                    JobSignal::Continued => screen.take_again()?,
                }
            }
            recv(dashboard.watch.found()) -> found => {
                changed = true;
                dashboard.take_found(found.ok());
            }
            recv(groups) -> group => {
                changed = true;
                dashboard.take_groups(group.ok())?;
            }
            recv(messages) -> message => {
                changed = true;
                message.into_iter().for_each(|message| dashboard.state.say(message, Instant::now()));
            }
            recv(portraits) -> portrait => {
                changed = true;
                portrait.into_iter().for_each(|portrait| dashboard.inspector.take(portrait));
            }
            default(wake.saturating_duration_since(Instant::now())) => {}
        }
    }
}

/// Whether the dashboard goes on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Suspend,
    Redraw,
    Leave,
}

/// What the loop turns on.
struct Dashboard<'a> {
    state: State,
    board: Board,
    watch: &'a mut Watch,
    inspector: Inspector,
    exporter: &'a mut Exporter,
    /// What threads beside the loop have to say.
    said: Sender<String>,
    options: &'a Options,
    /// Whether somebody is there, so that the dashboard does not close by itself.
    stay: bool,
}

impl Dashboard<'_> {
    fn draw(&mut self, screen: &mut Screen, now: Instant) -> anyhow::Result<()> {
        self.board.refresh(&self.watch.runs, SystemTime::now());
        let state = &mut self.state;
        let contents = self.board.contents(&self.watch.runs, self.inspector.newest());
        let drawn = screen.draw(|frame| view::draw(frame, &contents, state, now));
        drawn.context("the terminal cannot be drawn on")?;
        self.inspect();
        if self.watch.runs.shown().run.tally().batches() > 0 {
            fault::point("dashboard");
        }
        Ok(())
    }

    /// Has a portrait made of the layer that is looked at, in the newest batch.
    fn inspect(&mut self) {
        if self.state.view != View::Layer {
            return self.inspector.want(None);
        }
        let entry = self.watch.runs.shown();
        let moment = self.board.contents(&self.watch.runs, None).moment;
        let layer = self.state.selected_layer(&moment.summary.layers);
        let wanted = layer.zip(moment.newest_batch.as_ref()).map(|(layer, batch)| {
            let (directory, layer) = (entry.directory.clone(), layer.name.clone());
            let sitter = Sitter { directory, batch: batch.clone(), layer };
            (sitter, entry.run.shared_manifest())
        });
        self.inspector.want(wanted);
    }

    fn say_what_was_kept(&mut self) {
        let remarks = self.watch.take_remarks();
        if !remarks.is_empty() {
            self.state.say(remarks.join("; "), Instant::now());
        }
    }

    fn is_to_close(&mut self, now: Instant) -> bool {
        if self.watch.runs.are_over(SystemTime::now()) {
            if self.options.exit_when_finished {
                return true;
            }
            if let (false, Some(after)) = (self.stay, self.options.close_after) {
                self.state.closes_at.get_or_insert(now + after);
            }
        }
        self.state.closes_at.is_some_and(|closes_at| now >= closes_at)
    }

    fn take_event(&mut self, event: &Event) -> Next {
        if is_of_the_user(event) {
            self.stay = true;
            self.state.closes_at = None;
        }
        for action in actions(event, &self.state) {
            // An action concerns what is on the screen, which may be older than what is known.
            let contents = self.board.contents(&self.watch.runs, self.inspector.newest());
            let Some(request) = self.state.update(action, &contents) else { continue };
            match self.fulfil(request) {
                Next::GoOn => {}
                next => return next,
            }
        }
        Next::GoOn
    }

    fn suspend(&mut self, screen: &mut Screen, inputs: &Inputs) -> anyhow::Result<Next> {
        Ok(match suspend(screen, inputs)? {
            Suspension::Over => Next::GoOn,
            Suspension::Leave => Next::Leave,
            Suspension::Refused => {
                self.state.say("not suspended: no shell could continue it", Instant::now());
                Next::GoOn
            }
        })
    }

    fn fulfil(&mut self, request: Request) -> Next {
        match request {
            Request::Quit => return Next::Leave,
            Request::Suspend => return Next::Suspend,
            Request::Redraw => return Next::Redraw,
            Request::Pause => self.board.pause(&self.watch.runs),
            Request::Restart => self.restart(),
            Request::Export => self.export(),
            Request::Copy => self.copy_selected(),
            Request::Show(run) => {
                self.board.go_on();
                self.watch.runs.show(run);
                self.board.refresh(&self.watch.runs, SystemTime::now());
            }
            Request::Mark(run) => self.watch.runs.mark(run),
        }
        Next::GoOn
    }

    fn take_found(&mut self, found: Option<Discovery<Known>>) {
        self.watch.take_found(found);
        self.say_what_was_kept();
        // Whoever names a directory of runs wants to choose one.
        if self.watch.runs.are_several() && !self.stay {
            self.state.show(View::Runs);
        }
    }

    /// Applies a group of updates and those that have come meanwhile, so that a burst costs one draw.
    fn take_groups(&mut self, first: Option<Group>) -> anyhow::Result<()> {
        let more: Vec<Group> = self.watch.groups().try_iter().take(64).collect();
        let mut ended = first.is_none();
        for group in first.into_iter().chain(more) {
            ended |= group.updates.iter().any(|update| matches!(update, Update::Ended));
            let restarted = group.updates.iter().find_map(|update| match update {
                Update::Restarted { why, .. } => Some(format!("started over: {why}")),
                _ => None,
            });
            if let Some(why) = restarted {
                self.state.say(why, Instant::now());
            }
            self.watch.apply(group);
        }
        if ended {
            bail!("counting ended unexpectedly; please report it");
        }
        Ok(())
    }

    fn restart(&mut self) {
        let run = &self.watch.runs.shown().run;
        let deleted = run.manifest().is_some_and(|manifest| manifest.keep.is_some())
            || run.may_have_deleted()
            || self.watch.prunes();
        if deleted {
            let why = "not started over: counted batches are deleted, and would be lost";
            return self.state.say(why, Instant::now());
        }
        self.board.go_on();
        self.watch.restart_shown();
    }

    /// Writes the exports in a thread of its own, since a disk may take its time.
    fn export(&mut self) {
        let runs = &self.watch.runs;
        let exports = match self.options.exports.as_slice() {
            [] => vec![Export::named_after(runs.name())],
            exports => exports.to_vec(),
        };
        let mut summaries = runs.summaries(SystemTime::now());
        let (checks, said) = (self.options.checks.clone(), self.said.clone());
        let write = move || {
            summaries.iter_mut().for_each(|summary| checks.apply(summary));
            // Nobody listens once the dashboard is closed.
            let _ = said.send(write_exports(&exports, &summaries));
        };
        if let Err(error) = self.exporter.write(write) {
            self.state.say(format!("not exported: {error}"), Instant::now());
        }
    }

    /// Copies the figures that are shown of the selected layer.
    fn copy_selected(&mut self) {
        let contents = self.board.contents(&self.watch.runs, None);
        let message = match self.state.selected_layer(&contents.moment.summary.layers) {
            None => "nothing to copy: no layer is selected".to_owned(),
            Some(layer) => match copy(layer, &mut outlet::Output) {
                Ok(()) => format!("copied {}, if the terminal allows it", printable(&layer.name)),
                Err(error) => format!("not copied: {error}"),
            },
        };
        self.state.say(message, Instant::now());
    }
}

/// Writes exports; returns what there is to say of it.
fn write_exports(exports: &[Export], summaries: &[Summary]) -> String {
    let mut written = Vec::new();
    for export in exports {
        match export.write(&Summaries(summaries)) {
            Ok(()) => written.push(export.path().display().to_string()),
            Err(error) => return format!("{error:#}"),
        }
    }
    format!("wrote {}", written.join(", "))
}

fn is_of_the_user(event: &Event) -> bool {
    match event {
        Event::Key(key) => key.kind != KeyEventKind::Release,
        event => matches!(event, Event::Mouse(_)),
    }
}

/// What an event asks for.
fn actions(event: &Event, state: &State) -> Vec<Action> {
    match event {
        Event::Key(key) => keys::action(key, state.mode, &state.keys).into_iter().collect(),
        Event::Mouse(mouse) => keys::mouse_action(mouse).into_iter().collect(),
        Event::Paste(text) => keys::pasted(text, state.mode).collect(),
        // The next draw asks the terminal for its size.
        _ => Vec::new(),
    }
}
