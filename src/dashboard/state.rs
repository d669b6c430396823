//! What the user has made of the dashboard: which view, which order, which layers, which row, which look.

use super::charting::{Charting, Subject, places};
use super::columns::{COLUMNS, Column, Sort};
use super::cursor::{Cursor, Motion, Scroll};
use super::filter::Filter;
use super::key_table::KeyTable;
use super::keys::{Action, Mode};
use super::look::Look;
use super::moment::Contents;
use super::rank_columns::{RANK_COLUMNS, RankColumn, RankSort};
use crate::figures::LayerFigures;
use ratatui::layout::{Position, Rect};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a message stays.
const MESSAGE_FOR: Duration = Duration::from_secs(5);

/// What fills the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum View {
    /// Totals, layers, classes and small charts.
    #[default]
    Overview,
    /// One layer: its figures, time steps, neurons and membrane potentials.
    Layer,
    /// Operations and sparsity over the batches.
    Charts,
    /// All runs.
    Runs,
    /// The list of problems.
    Problems,
    /// The keys.
    Help,
    /// The ranks, of a run that has some.
    Ranks,
}

impl View {
    /// All views, in the order of their numbers, which begin with 1.
    pub const ALL: [Self; 7] =
        [Self::Overview, Self::Layer, Self::Charts, Self::Runs, Self::Problems, Self::Help, Self::Ranks];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Layer => "Layer",
            Self::Charts => "Charts",
            Self::Runs => "Runs",
            Self::Problems => "Problems",
            Self::Help => "Help",
            Self::Ranks => "Ranks",
        }
    }

    /// The views that there is something to see in: that of the ranks only where there are some.
    pub fn of_run(has_ranks: bool) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |&view| has_ranks || view != Self::Ranks)
    }

    fn neighbour(self, step: i32, contents: &Contents<'_>) -> Self {
        let views: Vec<Self> = Self::of_run(!contents.moment.summary.ranks.is_empty()).collect();
        match views.iter().position(|&view| view == self) {
            Some(at) => views[(at as i32 + step).rem_euclid(views.len() as i32) as usize],
            None => Self::Overview,
        }
    }
}

/// Where the last draw put what can be clicked on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places {
    /// The names of the views.
    pub tabs: Vec<(View, Rect)>,
    /// The headings of the table of layers.
    pub headings: Vec<(Column, Rect)>,
    /// The headings of the table of ranks.
    pub rank_headings: Vec<(RankColumn, Rect)>,
    /// The rows of the view's list, as many as there are.
    pub rows: Rect,
    /// A chart, and the places in the run of its first and last column.
    pub plot: Option<(Rect, (f64, f64))>,
}

/// The state of the dashboard.
#[derive(Debug, Default)]
pub struct State {
    /// What it looks like.
    pub look: Look,
    /// Which keys ask for what.
    pub keys: Arc<KeyTable>,
    /// What keys are for.
    pub mode: Mode,
    /// Which layers are shown.
    pub filter: Filter,
    /// The layer to be selected once it is known what the filter shows.
    to_select: Option<ToSelect>,
    /// Where the last draw put what can be clicked on.
    pub places: Places,
    /// What fills the screen.
    pub view: View,
    /// Whether everything that can be is left out, for small panes.
    pub compact: bool,
    /// The order of the layers.
    pub sort: Sort,
    /// Where the user is in the table of layers.
    pub layers: Cursor,
    /// Where the user is in the list of runs.
    pub runs: Cursor,
    /// The order of the ranks.
    pub rank_sort: RankSort,
    /// Where the user is in the table of ranks.
    pub ranks: Cursor,
    /// Where the user is in the list of what can be drawn in the charts.
    pub subjects: Cursor,
    /// Where the user is in the problems or the help.
    pub lines: Scroll,
    /// The charts.
    pub charts: Charting,
    /// When the demonstration ends by itself.
    pub closes_at: Option<Instant>,
    message: Option<(String, Instant)>,
}

/// What an action asks of the program beyond the state of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Leave.
    Quit,
    /// Stop, with the terminal given back, until the shell continues it.
    Suspend,
    /// To draw everything anew.
    Redraw,
    /// Freeze the view, or let it go on.
    Pause,
    /// Start the tally over.
    Restart,
    /// Write the exports.
    Export,
    /// Copy the figures of the selected layer.
    Copy,
    /// Show this run.
    Show(usize),
    /// Compare the others with this run, or no more.
    Mark(usize),
}

/// What was selected before the filter was edited.
#[derive(Debug)]
struct ToSelect {
    layer: Option<String>,
}

impl State {
    /// The state at the start.
    pub fn new(look: Look) -> Self {
        Self { look, ..Self::default() }
    }

    /// Applies an action to what is shown.
    pub fn update(&mut self, action: Action, contents: &Contents<'_>) -> Option<Request> {
        if !matches!(action, Action::Type(_) | Action::Erase | Action::EraseAll) {
            self.settle_selection(&contents.moment.summary.layers);
        }
        match action {
            Action::Quit => return Some(Request::Quit),
            Action::Suspend => return Some(Request::Suspend),
            Action::Redraw => return Some(Request::Redraw),
            Action::Restart => return Some(Request::Restart),
            Action::Export => return Some(Request::Export),
            Action::Copy => return Some(Request::Copy),
            Action::Pause => return Some(Request::Pause),
            Action::View(view) => self.show(view),
            Action::NextView(step) => self.show(self.view.neighbour(step, contents)),
            Action::Toggle(view) if self.view == view => self.show(View::Overview),
            Action::Toggle(view) => self.show(view),
            Action::Open => return self.open(contents),
            Action::Back if self.view == View::Overview => self.filter_by(String::new(), contents),
            Action::Back => self.show(View::Overview),
            Action::NextRun(step) => return self.neighbouring_run(step, contents),
            Action::Baseline => return self.run_in_question(contents).map(Request::Mark),
            Action::Go(motion) => self.go(motion),
            Action::Side(step) => self.go_aside(step, contents),
            Action::SortColumn(step) => self.sort_by_neighbour(step),
            Action::SortReverse if self.view == View::Ranks => {
                self.rank_sort.descending = !self.rank_sort.descending;
            }
            Action::SortReverse => self.sort.descending = !self.sort.descending,
            Action::Filter => {
                self.show(View::Overview);
                self.mode = Mode::Typing;
            }
            Action::Type(_) | Action::Erase | Action::EraseAll | Action::KeepFilter | Action::ClearFilter => {
                self.edit_filter(action, contents);
            }
            Action::Zoom(_) | Action::Pan(_) | Action::Whole | Action::Scale | Action::Lines => {
                self.change_charts(action, contents);
            }
            Action::Compact => self.compact = !self.compact,
            Action::Theme => {
                self.look.theme = self.look.theme.next();
                self.say(format!("theme: {}", self.look.theme.name()), Instant::now());
            }
            Action::Click(position) => return self.click(position, contents),
            Action::Scroll(rows) => self.scroll_by(rows, contents),
        }
        None
    }

    /// The indices of the layers that are shown, in the order in which they are.
    pub fn shown(&self, layers: &[LayerFigures]) -> Vec<usize> {
        let mut order = self.sort.order(layers);
        if self.filter.is_empty() {
            return order;
        }
        order.retain(|&at| self.filter.shows(&layers[at].name));
        order
    }

    /// The selected layer.
    pub fn selected_layer<'a>(&self, layers: &'a [LayerFigures]) -> Option<&'a LayerFigures> {
        let shown = self.shown(layers);
        shown.get(self.selected_row(layers, &shown)).map(|&at| &layers[at])
    }

    /// The row of the selected layer: where the filter was edited that of the same as before, while it is shown.
    fn selected_row(&self, layers: &[LayerFigures], shown: &[usize]) -> usize {
        let Some(ToSelect { layer }) = &self.to_select else { return self.layers.selected };
        shown.iter().position(|&at| Some(&layers[at].name) == layer.as_ref()).unwrap_or(0)
    }

    /// Selects the layer again that was selected before the filter was edited.
    pub fn settle_selection(&mut self, layers: &[LayerFigures]) {
        if self.to_select.is_some() {
            self.layers.selected = self.selected_row(layers, &self.shown(layers));
            self.to_select = None;
        }
    }

    /// What can be drawn in the charts: the total (`None`), then the layers that are shown, by index.
    pub fn subjects(&self, layers: &[LayerFigures]) -> Vec<Option<usize>> {
        std::iter::once(None).chain(self.shown(layers).into_iter().map(Some)).collect()
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

    /// Shows a view.
    pub fn show(&mut self, view: View) {
        if self.view != view {
            self.view = view;
            self.lines = Scroll::default();
        }
    }

    fn go(&mut self, motion: Motion) {
        match self.view {
            View::Overview | View::Layer => self.layers.go(motion),
            View::Charts => self.subjects.go(motion),
            View::Runs => self.runs.go(motion),
            View::Ranks => self.ranks.go(motion),
            View::Problems | View::Help => self.lines.go(motion),
        }
    }

    /// What lies to the left and right depends on the view.
    fn go_aside(&mut self, step: i32, contents: &Contents<'_>) {
        match self.view {
            View::Overview | View::Ranks => self.sort_by_neighbour(step),
            View::Layer => self.layers.go(Motion::Rows(step)),
            View::Charts => self.charts.step(step, contents.history),
            View::Runs | View::Problems | View::Help => {
                self.show(self.view.neighbour(step, contents));
            }
        }
    }

    /// Opens what is selected.
    fn open(&mut self, contents: &Contents<'_>) -> Option<Request> {
        match self.view {
            View::Overview => self.show(View::Layer),
            View::Charts => {
                let layers = &contents.moment.summary.layers;
                match self.subjects(layers).get(self.subjects.selected) {
                    Some(None) => self.charts.toggle(Subject::Total),
                    Some(&Some(at)) => self.charts.toggle(Subject::Layer(layers[at].name.clone())),
                    None => {}
                }
            }
            View::Runs => {
                self.show(View::Overview);
                return contents.rows.get(self.runs.selected).map(|row| Request::Show(row.number));
            }
            View::Layer | View::Problems | View::Help | View::Ranks => {}
        }
        None
    }

    /// The selected run in the list of runs, elsewhere the one in front.
    fn run_in_question(&self, contents: &Contents<'_>) -> Option<usize> {
        match self.view {
            View::Runs => contents.rows.get(self.runs.selected).map(|row| row.number),
            _ => Some(contents.shown),
        }
    }

    fn neighbouring_run(&mut self, step: i32, contents: &Contents<'_>) -> Option<Request> {
        let at = contents.rows.iter().position(|row| row.number == contents.shown)?;
        let next = (at as i32 + step).rem_euclid(contents.rows.len() as i32) as usize;
        self.runs.selected = next;
        Some(Request::Show(contents.rows[next].number))
    }

    fn change_charts(&mut self, action: Action, contents: &Contents<'_>) {
        let batches = places(contents.history).last().copied().unwrap_or(1.0);
        self.show(View::Charts);
        match action {
            Action::Zoom(step) => self.charts.zoom(step, batches),
            Action::Pan(step) => self.charts.pan(step, batches),
            Action::Whole => self.charts.show_whole(),
            Action::Scale => self.charts.change_scale(),
            Action::Lines => self.charts.change_lines(),
            _ => {}
        }
    }

    fn edit_filter(&mut self, action: Action, contents: &Contents<'_>) {
        let mut text = self.filter.text().to_owned();
        match action {
            Action::Type(character) => text.push(character),
            Action::Erase => drop(text.pop()),
            Action::EraseAll => text.clear(),
            Action::ClearFilter => {
                self.mode = Mode::Commands;
                text.clear();
            }
            Action::KeepFilter => self.mode = Mode::Commands,
            _ => {}
        }
        self.filter_by(text, contents);
    }

    /// Filters the layers; the selected one stays so while it is shown. The filter is not compiled before it is drawn:
    /// a text that is pasted comes as many characters.
    fn filter_by(&mut self, text: String, contents: &Contents<'_>) {
        if text == self.filter.text() {
            return;
        }
        if self.to_select.is_none() {
            let layer = self.selected_layer(&contents.moment.summary.layers).map(|layer| layer.name.clone());
            self.to_select = Some(ToSelect { layer });
        }
        self.filter = Filter::new(text);
    }

    fn click(&mut self, position: Position, contents: &Contents<'_>) -> Option<Request> {
        if let Some(&(view, _)) = self.places.tabs.iter().find(|(_, area)| area.contains(position)) {
            self.show(view);
            return None;
        }
        if let Some(&(column, _)) = self.places.headings.iter().find(|(_, area)| area.contains(position)) {
            self.sort_by_heading(column);
            return None;
        }
        let on_rank = self.places.rank_headings.iter().find(|(_, area)| area.contains(position));
        if let Some(&(column, _)) = on_rank {
            self.sort_ranks_by_heading(column);
            return None;
        }
        if let Some((area, (start, end))) = self.places.plot.filter(|(area, _)| area.contains(position)) {
            let part = f64::from(position.x - area.x) / f64::from(area.width.saturating_sub(1).max(1));
            self.charts.point(start + part * (end - start), contents.history);
            return None;
        }
        if !self.places.rows.contains(position) {
            return None;
        }
        let place = usize::from(position.y - self.places.rows.y);
        let again = match self.view {
            View::Overview => self.layers.click(place),
            View::Charts => {
                self.subjects.click(place);
                true
            }
            View::Runs => self.runs.click(place),
            View::Ranks => {
                self.ranks.click(place);
                false
            }
            View::Layer | View::Problems | View::Help => false,
        };
        if again { self.open(contents) } else { None }
    }

    fn sort_by_heading(&mut self, column: Column) {
        match column {
            column if !column.sorts() => {}
            column if self.sort.column == Some(column) => self.sort.descending = !self.sort.descending,
            column => self.sort = Sort::by(Some(column)),
        }
    }

    fn sort_ranks_by_heading(&mut self, column: RankColumn) {
        match column {
            column if !column.sorts() => {}
            column if self.rank_sort.column == column => {
                self.rank_sort.descending = !self.rank_sort.descending;
            }
            column => self.rank_sort = RankSort::by(column),
        }
    }

    /// Scrolls what is shown; the selected row stays in sight.
    fn scroll_by(&mut self, rows: i32, contents: &Contents<'_>) {
        match self.view {
            View::Overview => self.layers.scroll(rows),
            View::Runs => self.runs.scroll(rows),
            View::Ranks => self.ranks.scroll(rows),
            View::Layer => self.layers.go(Motion::Rows(rows.signum())),
            View::Charts => self.change_charts(Action::Zoom(-rows.signum()), contents),
            View::Problems | View::Help => self.lines.go(Motion::Rows(rows)),
        }
    }

    fn sort_ranks_by_neighbour(&mut self, step: i32) {
        let choices: Vec<RankColumn> = RANK_COLUMNS.into_iter().filter(|column| column.sorts()).collect();
        let at = choices.iter().position(|&choice| choice == self.rank_sort.column).unwrap_or(0);
        let next = (at as i32 + step).rem_euclid(choices.len() as i32) as usize;
        self.rank_sort = RankSort::by(choices[next]);
    }

    /// Walks over "as in the model" and the sortable columns, in a circle; where the ranks are shown, over
    /// theirs.
    fn sort_by_neighbour(&mut self, step: i32) {
        if self.view == View::Ranks {
            return self.sort_ranks_by_neighbour(step);
        }
        let choices: Vec<Option<Column>> = std::iter::once(None)
            .chain(COLUMNS.into_iter().filter(|column| column.sorts()).map(Some))
            .collect();
        let at = choices.iter().position(|&choice| choice == self.sort.column).unwrap_or(0);
        let next = (at as i32 + step).rem_euclid(choices.len() as i32) as usize;
        self.sort = Sort::by(choices[next]);
    }
}
