//! What the user has made of the view: which page, which order, which layers, which row, which look.

use super::filter::Filter;
use super::keys::{Action, Mode};
use super::look::Look;
use crate::history::History;
use crate::pipeline::{Presence, Watching};
use crate::report::{LayerFigures, Summary};
use crate::run::{Run, Status};
use ratatui::layout::{Position, Rect};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::time::{Duration, Instant, SystemTime};

/// How long a message stays.
const MESSAGE_FOR: Duration = Duration::from_secs(5);

/// All that is shown of a run at one moment, except its history.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The figures.
    pub summary: Summary,
    /// Whether the run goes on.
    pub status: Status,
    /// Time left, where it is known.
    pub time_left: Option<Duration>,
    /// Whether the directory is there.
    pub presence: Option<Presence>,
    /// How changes are noticed.
    pub watching: Option<Watching>,
    /// Bytes that wait to be counted.
    pub waiting_bytes: u64,
    /// Why the run must not be counted.
    pub refused: Option<String>,
}

impl Moment {
    /// What is to be shown of a run at `now`.
    pub fn of(run: &Run, now: SystemTime) -> Self {
        Self {
            summary: Summary::of(run, now),
            status: run.status(now),
            time_left: run.time_left(now),
            presence: run.presence().cloned(),
            watching: run.watching().cloned(),
            waiting_bytes: run.account().waiting_bytes,
            refused: run.refused().map(ToString::to_string),
        }
    }
}

/// What fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Totals, layers, classes and charts.
    Overview,
    /// The list of problems.
    Problems,
    /// The keys.
    Help,
}

/// A column of the table of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The layer's name.
    Name,
    /// The neuron's class.
    Neuron,
    /// The reset mechanism.
    Reset,
    /// Operations of one update.
    Cost,
    /// Effective operations per sample.
    Effective,
    /// Dense operations per sample.
    Dense,
    /// 1 - effective / dense.
    Sparsity,
    /// The part of the total effective operations.
    Share,
    /// Operations per sample over the batches.
    Trend,
}

/// The columns in the order in which they are shown. The trend cannot be sorted by.
pub const COLUMNS: [Column; 9] = [
    Column::Name,
    Column::Neuron,
    Column::Reset,
    Column::Cost,
    Column::Effective,
    Column::Dense,
    Column::Sparsity,
    Column::Share,
    Column::Trend,
];

/// The order of the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By this column; `None` is the order of the model.
    pub column: Option<Column>,
    /// From the largest to the smallest.
    pub descending: bool,
}

/// Where the last draw put what can be clicked on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The headings of the table of layers.
    pub headings: Vec<(Column, Rect)>,
    /// Its rows, as many as have a layer.
    pub rows: Rect,
}

/// The state of the view.
#[derive(Debug)]
pub struct State {
    /// What it looks like.
    pub look: Look,
    /// What keys are for.
    pub mode: Mode,
    /// Which layers are shown.
    pub filter: Filter,
    /// Where the last draw put what can be clicked on.
    pub places: Places,
    /// What fills the screen.
    pub page: Page,
    /// The order of the layers.
    pub sort: Sort,
    /// The selected row of the table of layers.
    pub selected: usize,
    /// The first row shown of the list of problems or of the help.
    pub scroll: usize,
    /// Rows of the list that the last draw had room for.
    pub page_rows: usize,
    /// What is shown while the view is paused.
    pub frozen: Option<Box<(Moment, History)>>,
    /// When the demonstration ends by itself.
    pub closes_at: Option<Instant>,
    /// The first row shown of the table of layers.
    first: usize,
    /// The last row of the layers and of the list, at the last draw.
    last_rows: (usize, usize),
    message: Option<(String, Instant)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            look: Look::default(),
            mode: Mode::Commands,
            filter: Filter::default(),
            places: Places::default(),
            page: Page::Overview,
            sort: Sort { column: None, descending: false },
            selected: 0,
            scroll: 0,
            page_rows: 1,
            frozen: None,
            closes_at: None,
            first: 0,
            last_rows: (usize::MAX, usize::MAX),
            message: None,
        }
    }
}

/// What an action asks of the program beyond the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Leave.
    Quit,
    /// Start the tally over.
    Restart,
    /// Write the exports.
    Export,
    /// Copy the figures of the selected layer.
    Copy,
}

impl State {
    /// The state at the start.
    pub fn new(look: Look) -> Self {
        Self { look, ..Self::default() }
    }

    /// Applies an action; `run` is what the view shows.
    pub fn update(&mut self, action: Action, run: &Run, now: SystemTime) -> Option<Request> {
        match action {
            Action::Quit => return Some(Request::Quit),
            Action::Restart => {
                self.frozen = None;
                return Some(Request::Restart);
            }
            Action::Export => return Some(Request::Export),
            Action::Copy => return Some(Request::Copy),
            Action::Help => self.toggle(Page::Help),
            Action::Problems => self.toggle(Page::Problems),
            Action::Back if self.page == Page::Overview => self.filter_by(String::new(), run, now),
            Action::Back => self.show(Page::Overview),
            Action::Pause => {
                self.frozen = match self.frozen.take() {
                    Some(_) => None,
                    None => Some(Box::new((Moment::of(run, now), run.history().clone()))),
                };
            }
            Action::Move(rows) => self.go(|row| row.saturating_add_signed(rows as isize)),
            Action::Page(pages) => {
                let rows = pages as isize * self.page_rows.max(1) as isize;
                self.go(|row| row.saturating_add_signed(rows));
            }
            Action::First => self.go(|_| 0),
            Action::Last => self.go(|_| usize::MAX),
            Action::SortColumn(step) => self.sort_by_neighbour(step),
            Action::SortReverse => self.sort.descending = !self.sort.descending,
            Action::Filter => {
                self.show(Page::Overview);
                self.mode = Mode::Typing;
            }
            Action::Type(character) => self.filter_by(format!("{}{character}", self.filter.text()), run, now),
            Action::Erase => {
                let mut text = self.filter.text().to_owned();
                text.pop();
                self.filter_by(text, run, now);
            }
            Action::EraseAll => self.filter_by(String::new(), run, now),
            Action::KeepFilter => self.mode = Mode::Commands,
            Action::ClearFilter => {
                self.mode = Mode::Commands;
                self.filter_by(String::new(), run, now);
            }
            Action::Theme => {
                self.look.theme = self.look.theme.next();
                self.say(format!("theme: {}", self.look.theme.name()), Instant::now());
            }
            Action::Click(position) => self.click(position),
            Action::Scroll(rows) => self.scroll_by(rows as isize),
        }
        None
    }

    /// The figures that are shown of a run, which are old ones while the view is paused.
    pub fn summary(&self, run: &Run, now: SystemTime) -> Cow<'_, Summary> {
        match &self.frozen {
            Some(frozen) => Cow::Borrowed(&frozen.0.summary),
            None => Cow::Owned(Summary::of(run, now)),
        }
    }

    /// The indices of the layers that are shown, in the order in which they are.
    pub fn shown(&self, layers: &[LayerFigures]) -> Vec<usize> {
        let mut order = self.sort.order(layers);
        order.retain(|&at| self.filter.shows(&layers[at].name));
        order
    }

    /// The selected layer.
    pub fn selected_layer<'a>(&self, layers: &'a [LayerFigures]) -> Option<&'a LayerFigures> {
        self.shown(layers).get(self.selected).map(|&at| &layers[at])
    }

    /// The first row of the table of layers to be shown, so that the selected one is. It stays where it is
    /// while it can, so that rows stay under the mouse.
    pub fn first_row(&mut self, layers: usize, rows: usize) -> usize {
        let (selected, first) = (self.selected, self.first);
        let first = if selected < first && first - selected < rows {
            selected
        } else if selected >= first + rows && selected - first < 2 * rows {
            selected + 1 - rows
        } else if (first..first + rows).contains(&selected) {
            first
        } else {
            selected.saturating_sub(rows / 2)
        };
        self.first = first.min(layers.saturating_sub(rows));
        self.first
    }

    /// Keeps the selection and the scroll within what there is.
    pub fn clamp(&mut self, layers: usize, lines: usize, rows: usize) {
        self.page_rows = rows;
        self.last_rows = (layers.saturating_sub(1), lines.saturating_sub(rows));
        self.selected = self.selected.min(self.last_rows.0);
        self.scroll = self.scroll.min(self.last_rows.1);
    }

    /// Says something for a few seconds.
    pub fn say(&mut self, message: impl Into<String>, now: Instant) {
        self.message = Some((message.into(), now));
    }

    /// What is being said, if anything.
    pub fn message(&self, now: Instant) -> Option<&str> {
        let (message, since) = self.message.as_ref()?;
        (now.duration_since(*since) < MESSAGE_FOR).then_some(message)
    }

    fn toggle(&mut self, page: Page) {
        self.show(if self.page == page { Page::Overview } else { page });
    }

    fn show(&mut self, page: Page) {
        self.page = page;
        self.scroll = 0;
    }

    fn go(&mut self, to: impl Fn(usize) -> usize) {
        let (place, last) = match self.page {
            Page::Overview => (&mut self.selected, self.last_rows.0),
            Page::Problems | Page::Help => (&mut self.scroll, self.last_rows.1),
        };
        *place = to(*place).min(last);
    }

    /// Filters the layers; the selected one stays so while it is shown.
    fn filter_by(&mut self, text: String, run: &Run, now: SystemTime) {
        if text == self.filter.text() {
            return;
        }
        let layers = self.summary(run, now).into_owned().layers;
        let selected = self.shown(&layers).get(self.selected).copied();
        self.filter = Filter::new(text);
        let row = self.shown(&layers).iter().position(|&at| Some(at) == selected);
        self.selected = row.unwrap_or(0);
    }

    fn click(&mut self, position: Position) {
        let heading = self.places.headings.iter().find(|(_, area)| area.contains(position));
        match heading {
            Some(&(Column::Trend, _)) => {}
            Some(&(column, _)) if self.sort.column == Some(column) => {
                self.sort.descending = !self.sort.descending;
            }
            Some(&(column, _)) => self.sort = Sort::by(Some(column)),
            None if self.places.rows.contains(position) => {
                self.selected =
                    (self.first + usize::from(position.y - self.places.rows.y)).min(self.last_rows.0);
            }
            None => {}
        }
    }

    /// Scrolls what is shown; the selected layer stays in sight.
    fn scroll_by(&mut self, rows: isize) {
        if self.page != Page::Overview {
            return self.go(|row| row.saturating_add_signed(rows));
        }
        let seen = self.page_rows.max(1);
        let last_first = (self.last_rows.0.saturating_add(1)).saturating_sub(seen);
        self.first = self.first.saturating_add_signed(rows).min(last_first);
        self.selected = self.selected.clamp(self.first, self.first + seen - 1).min(self.last_rows.0);
    }

    /// Walks over "as in the model" and the sortable columns, in a circle.
    fn sort_by_neighbour(&mut self, step: i32) {
        let choices: Vec<Option<Column>> = std::iter::once(None)
            .chain(COLUMNS.into_iter().filter(|&column| column != Column::Trend).map(Some))
            .collect();
        let at = choices.iter().position(|&choice| choice == self.sort.column).unwrap_or(0);
        let next = (at as i32 + step).rem_euclid(choices.len() as i32) as usize;
        self.sort = Sort::by(choices[next]);
    }
}

impl Sort {
    /// The order in which a column is asked for first: figures from the top, names from the start of the
    /// alphabet.
    pub fn by(column: Option<Column>) -> Self {
        let is_text = matches!(column, None | Some(Column::Name | Column::Neuron | Column::Reset));
        Self { column, descending: !is_text }
    }

    /// The indices of the layers in this order; ties stay as in the model, and what has no figure
    /// comes last either way.
    pub fn order(self, layers: &[LayerFigures]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..layers.len()).collect();
        match self.column {
            None if self.descending => order.reverse(),
            None => {}
            Some(column) => order.sort_by(|&a, &b| self.compare(column, &layers[a], &layers[b])),
        }
        order
    }

    fn compare(self, column: Column, a: &LayerFigures, b: &LayerFigures) -> Ordering {
        match column {
            Column::Name => self.directed(Some(&a.name), Some(&b.name)),
            Column::Neuron => self.directed(a.neuron.as_ref(), b.neuron.as_ref()),
            Column::Reset => self.directed(a.reset.as_ref(), b.reset.as_ref()),
            Column::Cost => self.directed(a.ops_per_update, b.ops_per_update),
            Column::Effective | Column::Share | Column::Trend => {
                self.directed(a.effective_ops, b.effective_ops)
            }
            Column::Dense => self.directed(a.dense_ops, b.dense_ops),
            Column::Sparsity => self.directed(a.sparsity, b.sparsity),
        }
    }

    fn directed<T: PartialOrd>(self, a: Option<T>, b: Option<T>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) => {
                let ordering = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
                if self.descending { ordering.reverse() } else { ordering }
            }
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
}
