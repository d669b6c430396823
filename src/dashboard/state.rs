//! What the user has made of the view: which page, which order, which row.

use super::keys::Action;
use crate::history::History;
use crate::pipeline::{Presence, Watching};
use crate::report::{LayerFigures, Summary};
use crate::run::{Run, Status};
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

/// The state of the view.
#[derive(Debug)]
pub struct State {
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
    /// The last row of the layers and of the list, at the last draw.
    last_rows: (usize, usize),
    message: Option<(String, Instant)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            page: Page::Overview,
            sort: Sort { column: None, descending: false },
            selected: 0,
            scroll: 0,
            page_rows: 1,
            frozen: None,
            closes_at: None,
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
}

impl State {
    /// Applies an action; `run` is what the view shows.
    pub fn update(&mut self, action: Action, run: &Run, now: SystemTime) -> Option<Request> {
        match action {
            Action::Quit => return Some(Request::Quit),
            Action::Restart => {
                self.frozen = None;
                return Some(Request::Restart);
            }
            Action::Export => return Some(Request::Export),
            Action::Help => self.toggle(Page::Help),
            Action::Problems => self.toggle(Page::Problems),
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
        }
        None
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

    /// Walks over "as in the model" and the sortable columns, in a circle.
    fn sort_by_neighbour(&mut self, step: i32) {
        let choices: Vec<Option<Column>> = std::iter::once(None)
            .chain(COLUMNS.into_iter().filter(|&column| column != Column::Trend).map(Some))
            .collect();
        let at = choices.iter().position(|&choice| choice == self.sort.column).unwrap_or(0);
        let next = (at as i32 + step).rem_euclid(choices.len() as i32) as usize;
        let column = choices[next];
        // Figures are asked for from the top, names from the start of the alphabet.
        let is_text = matches!(column, None | Some(Column::Name | Column::Neuron | Column::Reset));
        self.sort = Sort { column, descending: !is_text };
    }
}

impl Sort {
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
