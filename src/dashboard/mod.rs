//! The live dashboard: takes updates and keys, and draws when something has changed.

mod copy;
mod filter;
mod keys;
mod look;
mod state;
mod symbols;
mod terminal;
mod theme;
mod view;

pub use copy::{copy, row};
pub use filter::Filter;
pub use keys::{Action, BINDINGS, Binding, EDITS, Mode};
pub use look::{Look, Wishes};
pub use state::{COLUMNS, Column, Moment, Page, Places, Request, Sort, State};
pub use symbols::Symbols;
pub use terminal::{Mouse, Screen, take_faults};
pub use theme::{Depth, Theme, ThemeName};
pub use view::draw;

use crate::fault;
use crate::pipeline::{Command, Pipeline, Update};
use crate::report::{Export, Summary};
use crate::run::Run;
use crate::text::printable;
use anyhow::bail;
use crossbeam_channel::{Receiver, never, select_biased, unbounded};
use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::time::{Duration, Instant, SystemTime};

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
}

/// Where input comes from.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Keys, the mouse and changes of size; the channel closes when the terminal is gone.
    pub events: Receiver<Event>,
    /// Signals that ask to leave.
    pub signals: Receiver<i32>,
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

/// Shows a run until the user, a signal or its end closes the dashboard.
///
/// # Errors
/// Where the terminal cannot be drawn on, or counting has ended by itself.
pub fn show<B: Backend>(
    terminal: &mut Terminal<B>,
    run: &mut Run,
    pipeline: &Pipeline,
    inputs: &Inputs,
    options: &Options,
) -> anyhow::Result<()>
where
    B::Error: Send + Sync + 'static,
{
    let mut state = State::new(options.look);
    let mut events = inputs.events.clone();
    let mut stay = false;
    let (mut next_frame, mut next_tick) = (Instant::now(), Instant::now());
    let mut changed = true;
    loop {
        let now = Instant::now();
        if changed && now >= next_frame {
            terminal.draw(|frame| view::draw_run(frame, run, &mut state))?;
            changed = false;
            next_frame = Instant::now() + FRAME;
        }
        if run.tally().batches() > 0 {
            fault::point("dashboard");
        }
        if now >= next_tick {
            changed = true;
            next_tick = now + TICK;
        }
        if run.is_over(SystemTime::now()) {
            if options.exit_when_finished {
                return Ok(());
            }
            if !stay && let Some(after) = options.close_after {
                state.closes_at.get_or_insert(now + after);
            }
        }
        if state.closes_at.is_some_and(|closes_at| now >= closes_at) {
            return Ok(());
        }
        let wake = if changed { next_frame } else { next_tick };
        select_biased! {
            recv(events) -> event => match event {
                Ok(event) => {
                    changed = true;
                    if is_of_the_user(&event) {
                        stay = true;
                        state.closes_at = None;
                    }
                    match handle(&event, &mut state, run) {
                        Some(Request::Quit) => return Ok(()),
                        Some(Request::Restart) => restart(run, pipeline, &mut state),
                        Some(Request::Export) => export(&options.exports, run, &mut state),
                        Some(Request::Copy) => copy_selected(run, &mut state),
                        None => {}
                    }
                }
                // The terminal is gone or gives no events; a signal can still end the dashboard.
                Err(_) => events = never(),
            },
            recv(inputs.signals) -> _ => return Ok(()),
            recv(pipeline.updates()) -> group => {
                changed = true;
                take_updates(run, pipeline, group.ok())?;
            }
            default(wake.saturating_duration_since(Instant::now())) => {}
        }
    }
}

fn is_of_the_user(event: &Event) -> bool {
    match event {
        Event::Key(key) => key.kind != KeyEventKind::Release,
        event => matches!(event, Event::Mouse(_)),
    }
}

fn handle(event: &Event, state: &mut State, run: &Run) -> Option<Request> {
    match event {
        Event::Key(key) => state.update(keys::action(key, state.mode)?, run, SystemTime::now()),
        Event::Mouse(mouse) => state.update(keys::mouse_action(mouse)?, run, SystemTime::now()),
        Event::Paste(text) => {
            keys::pasted(text, state.mode).find_map(|action| state.update(action, run, SystemTime::now()))
        }
        // The next draw asks the terminal for its size.
        _ => None,
    }
}

/// Applies a group of updates and those that have come meanwhile, so that a burst costs one draw.
fn take_updates(run: &mut Run, pipeline: &Pipeline, first: Option<Vec<Update>>) -> anyhow::Result<()> {
    let mut ended = first.is_none();
    for group in first.into_iter().chain(pipeline.updates().try_iter().take(64)) {
        ended |= group.iter().any(|update| matches!(update, Update::Ended));
        run.apply(group, SystemTime::now());
    }
    if ended {
        bail!("counting ended unexpectedly; please report it");
    }
    Ok(())
}

fn restart(run: &Run, pipeline: &Pipeline, state: &mut State) {
    if run.manifest().is_some_and(|manifest| manifest.keep.is_some()) {
        let why = "not started over: the producer deletes counted batches, and they would be lost";
        return state.say(why, Instant::now());
    }
    pipeline.tell(Command::Restart);
}

fn export(exports: &[Export], run: &Run, state: &mut State) {
    let default = [Export::named_after(run.name())];
    let exports = if exports.is_empty() { &default } else { exports };
    let summary = Summary::of(run, SystemTime::now());
    let mut written = Vec::new();
    for export in exports {
        match export.write(&summary) {
            Ok(()) => written.push(export.path().display().to_string()),
            Err(error) => return state.say(format!("{error:#}"), Instant::now()),
        }
    }
    state.say(format!("wrote {}", written.join(", ")), Instant::now());
}

/// Copies the figures that are shown of the selected layer.
fn copy_selected(run: &Run, state: &mut State) {
    let summary = state.summary(run, SystemTime::now());
    let message = match state.selected_layer(&summary.layers) {
        None => "nothing to copy: no layer is selected".to_owned(),
        Some(layer) => match copy(layer, &mut std::io::stdout()) {
            Ok(()) => format!("copied {}, if the terminal allows it", printable(&layer.name)),
            Err(error) => format!("not copied: {error}"),
        },
    };
    drop(summary);
    state.say(message, Instant::now());
}
