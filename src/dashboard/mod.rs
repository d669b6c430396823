//! The live dashboard: the view model (what there is to show), the UI state (what the user has chosen), keys, columns and
//! widgets. It takes keys and the newest views of the runs, and draws when something has changed. It counts nothing and
//! reads no directory, except one layer in detail. It runs in a thread of its own: a terminal that nobody reads stops
//! this thread and nothing else.

mod appearance;
mod batch_axis;
mod bindings;
mod changes;
mod chart_state;
mod columns;
mod copy;
mod detail_loader;
mod filter;
mod heat;
mod key;
mod key_table;
mod layer_tree;
mod list_state;
mod meter;
mod notify;
mod problem_state;
mod question;
mod step_axis;
mod suspend;
mod symbols;
mod terminal;
mod theme;
mod ticks;
mod title;
mod ui_state;
mod view;
mod view_model;

pub use appearance::{Appearance, AppearanceOptions, ColourDepth, ThemeName};
pub use batch_axis::{BatchAxis, Stop};
pub use bindings::{ANSWERS, Action, BINDINGS, Binding, EDITS, KEY_GROUPS, KeyHint, KeyMode, named};
pub use chart_state::{ChartLines, ChartState, Scale, Subject};
pub use columns::{LAYERS, ListColumns, RANKS, RUNS, Sort};
pub use copy::{row, run_row};
pub use detail_loader::{DetailKey, DetailLoader, DetailResult};
pub use filter::Filter;
pub use key::Key;
pub use key_table::{Conflict, KeyRow, KeyTable, Rebound};
pub use layer_tree::{LayerRow, Node, RowKind, TreeShape, has_modules, shared_ends};
pub use list_state::{ListPlaces, ListState, Motion};
pub use notify::NotifyWay;
pub use problem_state::{ProblemEntry, ProblemsState};
pub use step_axis::StepAxis;
pub use suspend::job_signals;
pub use symbols::Symbols;
pub use terminal::{Frames, Screen, give_back_anyway, take_faults};
pub use theme::Theme;
pub use title::title;
pub use ui_state::{Places, Request, UiState, View};
pub use view::draw;
pub use view_model::{RunRow, ViewModel};

use crate::figures::Export;
use crate::figures::checks::Checks;
use crate::platform::{self, JobSignal, fault};
use crate::run::{News, Runs, Views};
use crate::text::printable;
use anyhow::Context;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never, select_biased};
use question::{opens_string, without_string};
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use suspend::suspend;

/// The least time between two draws.
const FRAME: Duration = Duration::from_millis(33);

/// How often what depends on the time alone is drawn again.
const TICK: Duration = Duration::from_secs(1);

/// How the dashboard starts and ends, and what it writes.
#[derive(Debug, Clone, Default)]
pub struct DashboardOptions {
    /// Leave when the run is over.
    pub exit_when_finished: bool,
    /// Leave this long after the run is over, unless a key was pressed.
    pub close_after: Option<Duration>,
    /// What `e` writes.
    pub exports: Vec<Export>,
    pub appearance: Appearance,
    /// Whether it gets mouse events. Otherwise the terminal does, to select text.
    pub mouse: bool,
    /// Whether the terminal is asked how wide it draws, and gets ASCII where frames would not fit.
    pub asks_width: bool,
    /// Whether it starts without frames and charts.
    pub compact: bool,
    pub keys: Arc<KeyTable>,
    /// The command that the user may have meant instead of the directory.
    pub similar_command: Option<String>,
    /// What the figures are compared with.
    pub checks: Checks,
    /// How the user is called.
    pub notify: Vec<NotifyWay>,
    /// The command that runs once a run is over.
    pub on_finish: Option<String>,
}

/// What the dashboard asks of the program around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DashboardOrder {
    /// Count this run from scratch.
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
    /// What the terminal is sent to call the user.
    pub alerts: Receiver<Vec<u8>>,
}

/// Terminal events, and how to stop reading them.
#[derive(Debug)]
pub struct TerminalEvents {
    /// It closes when there will be no more.
    pub events: Receiver<Event>,
    is_over: Arc<AtomicBool>,
}

/// The rest of a string comes this soon after what was read of it.
const REST_WITHIN: Duration = Duration::from_millis(20);

/// How long the thread of the terminal events may take to end.
const READER_ENDS_WITHIN: Duration = Duration::from_millis(200);

impl TerminalEvents {
    /// Reads terminal events in a thread of their own, after those that were read already.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(typed: Vec<Event>) -> std::io::Result<Self> {
        let (sender, events) = bounded(EVENTS);
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        std::thread::Builder::new().name("events".into()).spawn(move || {
            let is_over = |event| ends.load(Ordering::SeqCst) || sender.send(event).is_err();
            if typed.into_iter().any(is_over) {
                return;
            }
            while let Ok(event) = event::read() {
                let events = if opens_string(&event) {
                    without_string(event, || event::poll(REST_WITHIN).ok()?.then(event::read)?.ok())
                } else {
                    vec![event]
                };
                if events.into_iter().any(is_over) {
                    return;
                }
            }
        })?;
        Ok(Self { events, is_over })
    }

    /// Stops reading; returns whether nobody reads from the terminal any more.
    fn stop(&self) -> bool {
        self.is_over.store(true, Ordering::SeqCst);
        // The reader waits for the terminal, and for changes of its size.
        if !platform::wake_terminal_reader() {
            return false;
        }
        let until = Instant::now() + READER_ENDS_WITHIN;
        loop {
            match self.events.recv_deadline(until) {
                Ok(_) => {}
                Err(why) => return why == RecvTimeoutError::Disconnected,
            }
        }
    }
}

/// Shows runs until the user closes the dashboard, or it is told to stop.
///
/// # Errors
/// Where the terminal cannot be drawn on.
pub fn show(
    screen: &mut Screen,
    views: &Views,
    orders: &Sender<DashboardOrder>,
    inputs: &Inputs,
    options: &DashboardOptions,
) -> anyhow::Result<()> {
    let mut dashboard = Dashboard::new(views.clone(), orders, options)?;
    let mut events = inputs.events.clone();
    let (news, details) = (views.news(), dashboard.details.results().clone());
    let (mut next_frame, mut next_tick, mut changed) = (Instant::now(), Instant::now(), true);
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
        let next = select_biased! {
            recv(inputs.stop) -> _ => Next::Leave,
            recv(events) -> event => match event {
                Ok(event) => dashboard.take_event(&event),
                // The terminal is gone or gives no events; a signal can still end the dashboard.
                Err(_) => {
                    events = never();
                    dashboard.say(std::iter::once("the terminal gives no keys any more".to_owned()))
                }
            },
            recv(inputs.jobs) -> job => match job? {
                JobSignal::Stop => Next::Suspend,
                // Another signal stopped the program, and others may have used the terminal meanwhile.
                JobSignal::Continued => Next::Redraw,
            },
            recv(inputs.messages) -> message => {
                dashboard.say(message.into_iter().chain(inputs.messages.try_iter()))
            }
            recv(inputs.alerts) -> alert => call(screen, alert.ok()),
            recv(news) -> _ => Next::GoOn,
            recv(details) -> detail => dashboard.take_detail(detail.ok()),
            default(wake.saturating_duration_since(Instant::now())) => continue,
        };
        changed = true;
        match next {
            Next::GoOn => {}
            Next::Redraw => screen.take_again()?,
            Next::Suspend if dashboard.suspend(screen, inputs)? == Next::GoOn => {}
            Next::Suspend | Next::Leave => return Ok(()),
        }
    }
}

/// Calls the user through the terminal.
fn call(screen: &mut Screen, sequence: Option<Vec<u8>>) -> Next {
    sequence.iter().for_each(|sequence| screen.alert(sequence));
    Next::GoOn
}

/// What to do after an event.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Suspend,
    Redraw,
    Leave,
}

/// What the loop works on.
struct Dashboard<'a> {
    state: UiState,
    model: ViewModel,
    views: Views,
    /// The newest views that were taken.
    runs: Runs,
    news: News,
    details: DetailLoader,
    orders: &'a Sender<DashboardOrder>,
    options: &'a DashboardOptions,
    /// How many runs were listed at the last draw.
    listed: usize,
    /// The view of the last draw.
    drawn: Option<View>,
    /// Whether the user has done anything, so that the dashboard does not close by itself.
    stay: bool,
}

impl<'a> Dashboard<'a> {
    fn new(
        views: Views,
        orders: &'a Sender<DashboardOrder>,
        options: &'a DashboardOptions,
    ) -> anyhow::Result<Self> {
        let runs = views.runs();
        views.look_at(runs.looked_at());
        let model = ViewModel::new(&runs, options.checks.clone(), SystemTime::now());
        let (details, news) = (DetailLoader::start()?, News::default());
        let mut state = UiState::new(options.appearance);
        (state.compact, state.keys) = (options.compact, Arc::clone(&options.keys));
        Ok(Self {
            state,
            model,
            views,
            runs,
            news,
            details,
            orders,
            options,
            listed: 0,
            drawn: None,
            stay: false,
        })
    }

    fn draw(&mut self, screen: &mut Screen, now: Instant) -> anyhow::Result<()> {
        self.take_news();
        self.model.refresh(&self.runs, SystemTime::now());
        screen.set_title(&title(&self.model));
        if let (None, Some(command)) = (&self.model.instead, &self.options.similar_command) {
            self.model.instead = Some(format!("did you mean the command neurotop {command}?"));
        }
        // The newest run is in front, and selected until the user selects another one.
        if !self.stay {
            self.state.select_run(self.runs.shown_number(), &self.model);
        }
        let (model, state) = (&self.model, &mut self.state);
        // What others have written over the screen must not outlive a change of the view.
        if self.drawn != Some(state.view) {
            self.drawn = Some(state.view);
            screen.draw_anew()?;
        }
        let drawn = screen.draw(|frame| view::draw(frame, model, state, now));
        drawn.context("the terminal cannot be drawn on")?;
        self.want_detail();
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
        // Whoever names a directory of runs wants to choose one. Some may be there at the first draw.
        let listed = self.runs.listed().len();
        if listed > self.listed.max(1) && !self.stay {
            self.state.show(View::Runs);
        }
        self.listed = listed;
    }

    /// Shows all of the messages at once, since each replaces the one before.
    fn say(&mut self, messages: impl Iterator<Item = String>) -> Next {
        let messages: Vec<String> = messages.collect();
        if !messages.is_empty() {
            self.state.say(messages.join("; "), Instant::now());
        }
        Next::GoOn
    }

    fn take_detail(&mut self, detail: Option<DetailResult>) -> Next {
        detail.into_iter().for_each(|detail| self.details.take(detail));
        self.model.detail = self.details.newest();
        Next::GoOn
    }

    /// Asks for the detail of the layer that is shown, in the newest batch.
    fn want_detail(&mut self) {
        if self.state.view != View::Layer {
            return self.details.want(None);
        }
        let model = &self.model;
        let layer = self.state.selected_layer(&model.summary.layers);
        let directory = self.runs.get(model.shown).map(|entry| &entry.directory);
        let wanted = layer.zip(model.run.newest_batch()).zip(directory).map(|((layer, batch), directory)| {
            let (directory, layer) = (directory.clone(), layer.name.clone());
            (DetailKey { directory, batch: batch.to_owned(), layer }, model.run.shared_manifest())
        });
        self.details.want(wanted);
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
        if is_from_the_user(event) {
            self.stay = true;
            self.state.closes_at = None;
        }
        for action in actions(event, &self.state) {
            // An action is about what is on the screen, which may be older than the newest view.
            let request = self.state.update(action, &self.model);
            self.keep_marked();
            let Some(request) = request else { continue };
            match self.fulfil(request) {
                Next::GoOn => {}
                next => return next,
            }
        }
        Next::GoOn
    }

    /// Keeps the marked runs, whose lines are drawn.
    fn keep_marked(&mut self) {
        let marked: Vec<usize> = self.state.charts.marked_runs().collect();
        if self.runs.keep(marked) {
            self.views.look_at(self.runs.looked_at());
        }
    }

    fn suspend(&mut self, screen: &mut Screen, inputs: &Inputs) -> anyhow::Result<Next> {
        if platform::has_a_shell() {
            return Ok(suspend(screen, inputs)?);
        }
        self.state.say("not suspended: there is no shell to resume it", Instant::now());
        Ok(Next::GoOn)
    }

    fn fulfil(&mut self, request: Request) -> Next {
        match request {
            Request::Quit => return Next::Leave,
            Request::Suspend => return Next::Suspend,
            Request::Redraw => return Next::Redraw,
            Request::Pause => self.model.paused = !self.model.paused,
            Request::Restart => {
                self.model.paused = false;
                self.order(DashboardOrder::Restart(self.runs.shown_number()));
            }
            Request::Export => self.order(DashboardOrder::Export),
            Request::Copy => self.copy_selected(),
            Request::Show(run) => {
                self.model.paused = false;
                self.runs.show(run);
                self.views.look_at(self.runs.looked_at());
                self.model.refresh(&self.runs, SystemTime::now());
            }
            Request::Mark(run) => {
                self.runs.mark(run);
                self.views.look_at(self.runs.looked_at());
            }
        }
        Next::GoOn
    }

    fn order(&mut self, order: DashboardOrder) {
        if self.orders.try_send(order).is_err() {
            self.state.say("not yet: your last request is still being carried out", Instant::now());
        }
    }

    /// Copies what is selected, with all digits.
    fn copy_selected(&mut self) {
        let message = match self.state.selected_text(&self.model) {
            None => "nothing to copy: nothing is selected".to_owned(),
            Some((name, text)) => match copy::copy(&text, &mut terminal::Direct) {
                Ok(()) => format!("copied {}, if the terminal allows it", printable(&name)),
                Err(error) => format!("not copied: {error}"),
            },
        };
        self.state.say(message, Instant::now());
    }
}

fn is_from_the_user(event: &Event) -> bool {
    match event {
        Event::Key(key) => key.kind != KeyEventKind::Release,
        event => matches!(event, Event::Mouse(_)),
    }
}

/// What an event asks for.
fn actions(event: &Event, state: &UiState) -> Vec<Action> {
    match event {
        Event::Key(key) => bindings::action(key, state.mode, state.view, &state.keys).into_iter().collect(),
        Event::Mouse(mouse) => bindings::mouse_action(mouse).into_iter().collect(),
        Event::Paste(text) => bindings::pasted(text, state.mode).collect(),
        // The next draw asks the terminal for its size.
        _ => Vec::new(),
    }
}
