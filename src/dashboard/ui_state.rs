//! UI state: view, appearance, order, filter, selection, charts.

use super::appearance::Appearance;
use super::bindings::{Action, KeyMode};
use super::chart_state::{ChartState, MAX_OVERLAID, Scale, Subject, places};
use super::columns::{LAYERS, RANKS, RUNS, Sorting};
use super::filter::Filter;
use super::key_table::KeyTable;
use super::list_state::{ListPlaces, ListState, Motion};
use super::problem_state::ProblemsState;
use super::step_axis::StepAxis;
use super::view_model::ViewModel;
use crate::figures::LayerFigures;
use ratatui::layout::{Position, Rect};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a message is shown.
const MESSAGE_FOR: Duration = Duration::from_secs(5);

/// What fills the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum View {
    #[default]
    Overview,
    Layer,
    Charts,
    Runs,
    Problems,
    Help,
    Ranks,
    Steps,
}

impl View {
    /// All views, in the order of their numbers, which begin with 1.
    pub const ALL: [Self; 8] = [
        Self::Overview,
        Self::Layer,
        Self::Charts,
        Self::Runs,
        Self::Problems,
        Self::Help,
        Self::Ranks,
        Self::Steps,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Layer => "Layer",
            Self::Charts => "Charts",
            Self::Runs => "Runs",
            Self::Problems => "Problems",
            Self::Help => "Help",
            Self::Ranks => "Ranks",
            Self::Steps => "Steps",
        }
    }

    /// The views of a run: the ranks only where there are some.
    pub fn of_run(has_ranks: bool) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |&view| has_ranks || view != Self::Ranks)
    }

    fn neighbour(self, step: i32, model: &ViewModel) -> Self {
        let views: Vec<Self> = Self::of_run(!model.summary.ranks.is_empty()).collect();
        match views.iter().position(|&view| view == self) {
            Some(at) => views[(at as i32 + step).rem_euclid(views.len() as i32) as usize],
            None => Self::Overview,
        }
    }
}

/// Where the last draw put what can be clicked on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places {
    pub tabs: Vec<(View, Rect)>,
    /// The list of the view.
    pub list: ListPlaces,
    /// A chart, and the places in the run of its first and last column.
    pub plot: Option<(Rect, (f64, f64))>,
    /// The scale of the chart of operations.
    pub scale: Scale,
    /// The time steps.
    pub steps: Option<StepAxis>,
    /// The channels of the map of neurons that are in sight.
    pub channels: Vec<(usize, Rect)>,
    /// How many channels there are.
    pub channel_count: usize,
}

/// The channel of the map of neurons that is selected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChannelState {
    /// Its number, from 0.
    pub selected: usize,
    /// Whether it alone is drawn.
    pub is_alone: bool,
}

impl ChannelState {
    /// Selects a neighbour of so many channels.
    fn walk(&mut self, step: i32, channels: usize) {
        self.selected = self.selected.saturating_add_signed(step as isize).min(channels.saturating_sub(1));
    }

    /// Selects a channel; where it is selected already, draws it alone or with the others.
    fn click(&mut self, channel: usize) {
        self.is_alone = self.selected == channel && !self.is_alone;
        self.selected = channel;
    }
}

#[derive(Debug)]
pub struct UiState {
    pub appearance: Appearance,
    pub keys: Arc<KeyTable>,
    pub mode: KeyMode,
    /// Which layers are shown.
    pub filter: Filter,
    /// The layer to select once it is known what the filter shows.
    to_select: Option<ToSelect>,
    pub places: Places,
    pub view: View,
    /// Whether frames and charts are left out, for small panes.
    pub compact: bool,
    pub layers: ListState,
    pub runs: ListState,
    pub ranks: ListState,
    /// What can be drawn in the charts.
    pub chart_lines: ListState,
    pub problems: ProblemsState,
    /// The help.
    pub text: ListState,
    pub charts: ChartState,
    /// The time step whose values are shown, from 0.
    pub step: Option<usize>,
    pub channel: ChannelState,
    /// When the demo ends by itself.
    pub closes_at: Option<Instant>,
    message: Option<(String, Instant)>,
}

impl Default for UiState {
    fn default() -> Self {
        Self::new(Appearance::default())
    }
}

/// What an action asks of the program beyond the UI state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    Quit,
    /// Stop with the terminal given back, until the shell continues the program.
    Suspend,
    /// Draw everything again, as after another program has written to the terminal.
    Redraw,
    /// Freeze or resume the view.
    Pause,
    /// Recount from scratch.
    Restart,
    Export,
    /// Copy the figures of the selected layer.
    Copy,
    /// Show this run.
    Show(usize),
    /// Compare the others with this run, or stop comparing with it.
    Mark(usize),
}

/// The selection from before the filter was edited.
#[derive(Debug)]
struct ToSelect {
    layer: Option<String>,
}

impl UiState {
    pub fn new(appearance: Appearance) -> Self {
        Self {
            appearance,
            keys: Arc::default(),
            mode: KeyMode::default(),
            filter: Filter::default(),
            to_select: None,
            places: Places::default(),
            view: View::default(),
            compact: false,
            layers: ListState::sorted(LAYERS.first_sort()),
            runs: ListState::sorted(RUNS.first_sort()),
            ranks: ListState::sorted(RANKS.first_sort()),
            chart_lines: ListState::default(),
            problems: ProblemsState::default(),
            text: ListState::text(),
            charts: ChartState::default(),
            step: None,
            channel: ChannelState::default(),
            closes_at: None,
            message: None,
        }
    }

    /// The list of the view; that of the layers also where one of them fills the screen.
    fn list_mut(&mut self) -> &mut ListState {
        match self.view {
            View::Overview | View::Layer | View::Steps => &mut self.layers,
            View::Charts => &mut self.chart_lines,
            View::Runs => &mut self.runs,
            View::Ranks => &mut self.ranks,
            View::Problems => &mut self.problems.list,
            View::Help => &mut self.text,
        }
    }

    /// The list that is sorted in this view, and what it can be sorted by; the layers where the view sorts nothing.
    fn sorted_list(&mut self) -> (&mut ListState, Sorting) {
        match self.view {
            View::Runs => (&mut self.runs, RUNS.sorting()),
            View::Ranks => (&mut self.ranks, RANKS.sorting()),
            _ => (&mut self.layers, LAYERS.sorting()),
        }
    }

    /// Applies an action to the state; returns what it asks of the program.
    pub fn update(&mut self, action: Action, model: &ViewModel) -> Option<Request> {
        if !matches!(action, Action::Type(_) | Action::Erase | Action::EraseAll) {
            self.settle_selection(&model.summary.layers);
        }
        match action {
            Action::Ask(request) => return Some(request),
            Action::View(view) => self.show(view),
            Action::NextView(step) => self.show(self.view.neighbour(step, model)),
            Action::Toggle(view) if self.view == view => self.show(View::Overview),
            Action::Toggle(view) => self.show(view),
            Action::Open => return self.open(model),
            Action::Back if self.view == View::Layer && self.channel.is_alone => {
                self.channel.is_alone = false
            }
            Action::Back if self.view == View::Overview => self.filter_by(String::new(), model),
            Action::Back if self.view == View::Problems && !self.problems.filter.is_empty() => {
                self.filter_by(String::new(), model);
            }
            Action::Back => self.show(View::Overview),
            Action::NextRun(step) => return self.neighbouring_run(step, model),
            Action::Baseline => return self.run_in_question(model).map(Request::Mark),
            Action::Go(motion) => self.go(motion),
            Action::Side(step) => self.go_aside(step, model),
            Action::SortColumn(step) => self.sort_by_neighbour(step),
            Action::SortReverse => {
                let sort = &mut self.sorted_list().0.sort;
                sort.descending = !sort.descending;
            }
            Action::Filter => {
                if self.view != View::Problems {
                    self.show(View::Overview);
                }
                self.mode = KeyMode::Typing;
            }
            Action::Type(_) | Action::Erase | Action::EraseAll | Action::KeepFilter | Action::ClearFilter => {
                self.edit_filter(action, model);
            }
            Action::Pan(step) if self.view == View::Layer => {
                self.channel.walk(step, self.places.channel_count);
            }
            Action::Whole if matches!(self.view, View::Layer | View::Steps) => {
                (self.step, self.channel) = (None, ChannelState::default());
            }
            Action::Zoom(_) | Action::Pan(_) | Action::Whole | Action::Scale | Action::Lines => {
                self.change_charts(action, model);
            }
            Action::Compact => self.compact = !self.compact,
            Action::Theme => {
                self.appearance.theme = self.appearance.theme.next();
                self.say(format!("theme: {}", self.appearance.theme.name()), Instant::now());
            }
            Action::Click(position) => return self.click(position, model),
            Action::Scroll(rows) => self.scroll_by(rows, model),
        }
        None
    }

    /// The indices of the layers that the filter shows, in their order.
    pub fn shown(&self, layers: &[LayerFigures]) -> Vec<usize> {
        let mut order = LAYERS.order(layers, self.layers.sort);
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

    /// The row of the selected layer; after the filter was edited, the row of the same layer as before, if it is shown.
    fn selected_row(&self, layers: &[LayerFigures], shown: &[usize]) -> usize {
        let Some(ToSelect { layer }) = &self.to_select else { return self.layers.selected };
        shown.iter().position(|&at| Some(&layers[at].name) == layer.as_ref()).unwrap_or(0)
    }

    /// Selects the layer that was selected before the filter was edited.
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

    /// Shows a message for a few seconds.
    pub fn say(&mut self, message: impl Into<String>, now: Instant) {
        self.message = Some((message.into(), now));
    }

    /// The message that is shown now.
    pub fn message(&self, now: Instant) -> Option<&str> {
        let (message, since) = self.message.as_ref()?;
        (now.duration_since(*since) < MESSAGE_FOR).then_some(message)
    }

    pub fn show(&mut self, view: View) {
        if self.view != view {
            self.view = view;
            self.text = ListState::text();
        }
    }

    /// Moves in the list of the view. Another layer has other channels.
    fn go(&mut self, motion: Motion) {
        if self.view == View::Layer {
            self.channel = ChannelState::default();
        }
        self.list_mut().go(motion);
    }

    /// Moves the cursor over the time steps; it starts at the end that it comes from.
    fn move_step(&mut self, step: i32) {
        let Some(last) = self.places.steps.and_then(|axis| axis.steps.checked_sub(1)) else { return };
        self.step = Some(match self.step {
            Some(at) => at.saturating_add_signed(step as isize).min(last),
            None if step < 0 => last,
            None => 0,
        });
    }

    /// What is to the left and right depends on the view.
    fn go_aside(&mut self, step: i32, model: &ViewModel) {
        match self.view {
            View::Overview | View::Ranks => self.sort_by_neighbour(step),
            View::Layer | View::Steps => self.move_step(step),
            View::Charts => self.charts.step(step, model.run.history()),
            View::Runs | View::Problems | View::Help => {
                self.show(self.view.neighbour(step, model));
            }
        }
    }

    fn open(&mut self, model: &ViewModel) -> Option<Request> {
        match self.view {
            View::Overview | View::Steps => self.show(View::Layer),
            View::Layer => self.channel.is_alone = !self.channel.is_alone && self.places.channel_count > 1,
            View::Charts => {
                let layers = &model.summary.layers;
                match self.subjects(layers).get(self.chart_lines.selected) {
                    Some(None) => self.draw_or_hide(Subject::Total),
                    Some(&Some(at)) => self.draw_or_hide(Subject::Layer(layers[at].name.clone())),
                    None => {}
                }
            }
            View::Runs => {
                self.show(View::Overview);
                return self.selected_run(model).map(Request::Show);
            }
            View::Problems => self.problems.toggle(&model.summary.problems),
            View::Help | View::Ranks => {}
        }
        None
    }

    fn draw_or_hide(&mut self, subject: Subject) {
        if !self.charts.toggle(subject) {
            self.say(
                format!("{MAX_OVERLAID} lines can be told apart; hide one of them first"),
                Instant::now(),
            );
        }
    }

    /// In the list of runs the selected run, elsewhere the run in front.
    fn run_in_question(&self, model: &ViewModel) -> Option<usize> {
        match self.view {
            View::Runs => self.selected_run(model),
            _ => Some(model.shown),
        }
    }

    /// The number of the selected run.
    fn selected_run(&self, model: &ViewModel) -> Option<usize> {
        let order = RUNS.order(&model.rows, self.runs.sort);
        order.get(self.runs.selected).map(|&at| model.rows[at].number)
    }

    fn neighbouring_run(&mut self, step: i32, model: &ViewModel) -> Option<Request> {
        let order = RUNS.order(&model.rows, self.runs.sort);
        let at = order.iter().position(|&at| model.rows[at].number == model.shown)?;
        let next = (at as i32 + step).rem_euclid(order.len() as i32) as usize;
        self.runs.selected = next;
        Some(Request::Show(model.rows[order[next]].number))
    }

    fn change_charts(&mut self, action: Action, model: &ViewModel) {
        let batches = places(model.run.history()).last().copied().unwrap_or(1.0);
        self.show(View::Charts);
        match action {
            Action::Zoom(step) => self.charts.zoom(step, batches),
            Action::Pan(step) => self.charts.pan(step, batches),
            Action::Whole => self.charts.show_whole(),
            Action::Scale => self.charts.change_scale(self.places.scale),
            Action::Lines => self.charts.change_lines(),
            _ => {}
        }
    }

    fn edit_filter(&mut self, action: Action, model: &ViewModel) {
        let mut text = self.filter_here().text().to_owned();
        match action {
            Action::Type(character) => text.push(character),
            Action::Erase => drop(text.pop()),
            Action::EraseAll => text.clear(),
            Action::ClearFilter => {
                self.mode = KeyMode::Commands;
                text.clear();
            }
            Action::KeepFilter => self.mode = KeyMode::Commands,
            _ => {}
        }
        self.filter_by(text, model);
    }

    /// The filter of the list that is shown.
    pub fn filter_here(&self) -> &Filter {
        if self.view == View::Problems { &self.problems.filter } else { &self.filter }
    }

    /// Filters the problems where they are shown, else the layers; the selected layer stays selected while it is shown. The filter is not compiled before it is
    /// drawn, since a pasted text comes as many characters.
    fn filter_by(&mut self, text: String, model: &ViewModel) {
        if text == self.filter_here().text() {
            return;
        }
        if self.view == View::Problems {
            self.problems.filter = Filter::new(text);
            self.problems.list.selected = 0;
            return;
        }
        if self.to_select.is_none() {
            let layer = self.selected_layer(&model.summary.layers).map(|layer| layer.name.clone());
            self.to_select = Some(ToSelect { layer });
        }
        self.filter = Filter::new(text);
    }

    fn click(&mut self, position: Position, model: &ViewModel) -> Option<Request> {
        if let Some(&(view, _)) = self.places.tabs.iter().find(|(_, area)| area.contains(position)) {
            self.show(view);
            return None;
        }
        let heading = self.places.list.headings.iter().find(|(_, area)| area.contains(position));
        if let Some(&(column, _)) = heading {
            let (list, sorting) = self.sorted_list();
            list.sort_by(column, &sorting);
            return None;
        }
        if let Some((area, (start, end))) = self.places.plot.filter(|(area, _)| area.contains(position)) {
            let part = f64::from(position.x - area.x) / f64::from(area.width.saturating_sub(1).max(1));
            self.charts.point(start + part * (end - start), model.run.history());
            return None;
        }
        if let Some(step) = self.places.steps.filter(|axis| axis.area.contains(position)) {
            self.step = step.step_at(position.x);
        }
        let channel = self.places.channels.iter().find(|(_, area)| area.contains(position));
        if let Some(&(channel, _)) = channel {
            self.channel.click(channel);
        }
        let rows = self.places.list.rows;
        if !rows.contains(position) {
            return None;
        }
        let row = usize::from(position.y - rows.y);
        let again = match self.view {
            View::Problems => self.problems.click(row),
            _ => self.list_mut().click(row),
        };
        match self.view {
            View::Overview | View::Runs | View::Problems if again => self.open(model),
            View::Charts => self.open(model),
            _ => None,
        }
    }

    /// Scrolls the view; the selected row stays in sight.
    fn scroll_by(&mut self, rows: i32, model: &ViewModel) {
        match self.view {
            View::Overview | View::Runs | View::Ranks | View::Steps => self.list_mut().scroll(rows),
            View::Problems => self.problems.list.go(Motion::Rows(rows.signum())),
            View::Layer => self.go(Motion::Rows(rows.signum())),
            View::Charts => self.change_charts(Action::Zoom(-rows.signum()), model),
            View::Help => self.text.go(Motion::Rows(rows)),
        }
    }

    fn sort_by_neighbour(&mut self, step: i32) {
        let (list, sorting) = self.sorted_list();
        list.sort = sorting.neighbour(list.sort, step);
    }
}
