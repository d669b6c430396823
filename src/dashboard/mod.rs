//! The live dashboard: takes keys and the newest views of the runs, and draws when something has changed. It runs in a
//! thread of its own: a terminal that nobody reads stops it, and nothing else.

mod charting;
mod columns;
mod copy;
mod cursor;
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
pub use terminal::{Frames, Mouse, Screen, give_back_anyway, take_faults};
pub use theme::{Depth, Theme, ThemeName};
pub use view::draw;

use crate::figures::Export;
use crate::figures::checks::Checks;
use crate::process::fault;
use crate::run::{News, Runs, Views};
use crate::text::printable;
use anyhow::Context;
use crossbeam_channel::{Receiver, Sender, bounded, never, select_biased};
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

/// What the dashboard asks of the program that it is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Start the tally of this run over.
    Restart(usize),
    /// Write the exports.
    Export,
}

/// Terminal events that may wait; whoever reads them from the terminal waits where there are more.
const EVENTS: usize = 1024;

/// Where input comes from.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Keys, the mouse and changes of size; the channel closes when the terminal is gone.
    pub events: Receiver<Event>,
    /// Closes when it is time to leave.
    pub stop: Receiver<()>,
    /// Signals that stop the program and that say that it goes on.
    pub jobs: Receiver<JobSignal>,
    /// What there is to say.
    pub messages: Receiver<String>,
}

/// Reads terminal events in a thread of their own; the channel closes when there will be no more.
///
/// # Errors
/// Where the system gives no thread.
pub fn terminal_events() -> std::io::Result<Receiver<Event>> {
    let (sender, receiver) = bounded(EVENTS);
    std::thread::Builder::new().name("events".into()).spawn(move || {
        while let Ok(event) = event::read() {
            if sender.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// Shows runs until the user closes the dashboard, or it is told to stop.
///
/// # Errors
/// Where the terminal cannot be drawn on.
pub fn show(
    screen: &mut Screen,
    views: &Views,
    orders: &Sender<Order>,
    inputs: &Inputs,
    options: &Options,
) -> anyhow::Result<()> {
    let mut dashboard = Dashboard::new(views.clone(), orders, options)?;
    let mut events = inputs.events.clone();
    let (news, portraits) = (views.news(), dashboard.inspector.answers().clone());
    let (mut next_frame, mut next_tick) = (Instant::now(), Instant::now());
    let mut changed = true;
    loop {
        let now = Instant::now();
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
        // Views come faster than frames, and the next frame takes the newest.
        let news = if changed { never() } else { news.clone() };
        select_biased! {
            recv(inputs.stop) -> _ => return Ok(()),
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
                Err(_) => {
                    changed = true;
                    events = never();
                    dashboard.say(std::iter::once("the terminal gives no keys any more".to_owned()));
                }
            },
            recv(inputs.jobs) -> job => {
                changed = true;
                match job? {
                    JobSignal::Stop => if dashboard.suspend(screen, inputs)? == Next::Leave { return Ok(()) },
                    // It was stopped by another signal, and the terminal may have been anybody's.
                    JobSignal::Continued => screen.take_again()?,
                }
            }
            recv(inputs.messages) -> message => {
                changed = true;
                dashboard.say(message.into_iter().chain(inputs.messages.try_iter()));
            }
            recv(news) -> _ => changed = true,
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
    views: Views,
    /// The runs as they are shown.
    runs: Runs,
    news: News,
    inspector: Inspector,
    orders: &'a Sender<Order>,
    options: &'a Options,
    /// How many there were at the last look.
    listed: usize,
    /// Whether somebody is there, so that the dashboard does not close by itself.
    stay: bool,
}

impl<'a> Dashboard<'a> {
    fn new(views: Views, orders: &'a Sender<Order>, options: &'a Options) -> anyhow::Result<Self> {
        let runs = views.runs();
        views.look_at(runs.looked_at());
        let board = Board::new(&runs, options.checks.baseline.clone(), SystemTime::now());
        let (inspector, news) = (Inspector::start()?, News::default());
        let mut state = State::new(options.look);
        (state.compact, state.keys) = (options.compact, Arc::clone(&options.keys));
        Ok(Self { state, board, views, runs, news, inspector, orders, options, listed: 0, stay: false })
    }

    fn draw(&mut self, screen: &mut Screen, now: Instant) -> anyhow::Result<()> {
        self.take_news();
        self.board.refresh(&self.runs, SystemTime::now());
        let state = &mut self.state;
        let contents = self.board.contents(&self.runs, self.inspector.newest());
        let drawn = screen.draw(|frame| view::draw(frame, &contents, state, now));
        drawn.context("the terminal cannot be drawn on")?;
        self.inspect();
        if self.runs.shown().run.tally().batches() > 0 {
            fault::point("dashboard");
        }
        Ok(())
    }

    /// Takes the newest views.
    fn take_news(&mut self) {
        let shown = self.runs.shown_number();
        self.views.bring_up_to_date(&mut self.runs);
        if self.runs.shown_number() != shown {
            self.views.look_at(self.runs.looked_at());
        }
        let news = self.news.take(&self.runs);
        self.say(news.into_iter());
        // Whoever names a directory of runs wants to choose one. Some may be there at the first look.
        let listed = self.runs.listed().len();
        if listed > self.listed.max(1) && !self.stay {
            self.state.show(View::Runs);
        }
        self.listed = listed;
    }

    /// Says all of it at once: a message stays until the next one.
    fn say(&mut self, messages: impl Iterator<Item = String>) {
        let messages: Vec<String> = messages.collect();
        if !messages.is_empty() {
            self.state.say(messages.join("; "), Instant::now());
        }
    }

    /// Has a portrait made of the layer that is looked at, in the newest batch.
    fn inspect(&mut self) {
        if self.state.view != View::Layer {
            return self.inspector.want(None);
        }
        let entry = self.runs.shown();
        let moment = self.board.contents(&self.runs, None).moment;
        let layer = self.state.selected_layer(&moment.summary.layers);
        let wanted = layer.zip(moment.newest_batch.as_ref()).map(|(layer, batch)| {
            let (directory, layer) = (entry.directory.clone(), layer.name.clone());
            let sitter = Sitter { directory, batch: batch.clone(), layer };
            (sitter, entry.run.shared_manifest())
        });
        self.inspector.want(wanted);
    }

    fn is_to_close(&mut self, now: Instant) -> bool {
        if let (false, Some(after)) = (self.stay, self.options.close_after)
            && self.runs.are_over(SystemTime::now())
        {
            self.state.closes_at.get_or_insert(now + after);
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
            let contents = self.board.contents(&self.runs, self.inspector.newest());
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
            Request::Pause => self.board.pause(&self.runs),
            Request::Restart => {
                self.board.go_on();
                self.order(Order::Restart(self.runs.shown_number()));
            }
            Request::Export => self.order(Order::Export),
            Request::Copy => self.copy_selected(),
            Request::Show(run) => {
                self.board.go_on();
                self.runs.show(run);
                self.views.look_at(self.runs.looked_at());
                self.board.refresh(&self.runs, SystemTime::now());
            }
            Request::Mark(run) => {
                self.runs.mark(run);
                self.views.look_at(self.runs.looked_at());
            }
        }
        Next::GoOn
    }

    fn order(&mut self, order: Order) {
        if self.orders.try_send(order).is_err() {
            self.state.say("not yet: what you asked for before is being done", Instant::now());
        }
    }

    /// Copies the figures that are shown of the selected layer.
    fn copy_selected(&mut self) {
        let contents = self.board.contents(&self.runs, None);
        let message = match self.state.selected_layer(&contents.moment.summary.layers) {
            None => "nothing to copy: no layer is selected".to_owned(),
            Some(layer) => match copy(layer, &mut terminal::Direct) {
                Ok(()) => format!("copied {}, if the terminal allows it", printable(&layer.name)),
                Err(error) => format!("not copied: {error}"),
            },
        };
        self.state.say(message, Instant::now());
    }
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
