//! UI state: view, appearance, order, filter, selection, charts.

use super::appearance::Appearance;
use super::batch_axis::BatchAxis;
use super::bindings::{Action, KeyMode};
use super::chart_state::{ChartState, MAX_OVERLAID, Scale, Subject};
use super::columns::{LAYERS, MOST_URGENT, RANKS, RUNS, Sort};
use super::copy::{row, run_row};
use super::filter::Filter;
use super::key_table::KeyTable;
use super::layer_tree::{LayerRow, Node, TreeShape};
use super::list_state::{ListPlaces, ListState, Motion};
use super::problem_state::ProblemsState;
use super::step_axis::StepAxis;
use super::view_model::ViewModel;
use crate::figures::LayerFigures;
use crate::run::series::History;
use crate::text::{printable, thousands};
use ratatui::layout::{Position, Rect};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a message is shown for each of its characters, at least, and at the most.
const CHARACTER_FOR: Duration = Duration::from_millis(60);
const LEAST: Duration = Duration::from_secs(5);
const MOST: Duration = Duration::from_secs(20);

/// Layers in a page, where one of them fills the screen.
const LAYER_PAGE: i32 = 10;

/// What fills the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
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
    /// Whether the layers are shown as a tree of modules.
    pub is_tree: bool,
    /// The modules that the user has opened or closed.
    pub toggled: HashSet<String>,
    /// What was asked for and is to be confirmed.
    pub asked: Option<Request>,
    /// The layer, if there was one, to select once it is known what the edited filter shows.
    to_select: Option<Option<String>>,
    pub places: Places,
    pub view: View,
    /// Whether frames and charts are left out, for small panes.
    pub compact: bool,
    pub layers: ListState,
    /// The rows of the heat map of time steps: the layers that are shown.
    pub step_rows: ListState,
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
    /// Copy what is selected.
    Copy,
    /// Show this run.
    Show(usize),
    /// Compare the others with this run, or stop comparing with it.
    Mark(usize),
}

impl Request {
    /// Whether it throws something away, so that the user is asked first.
    pub fn loses(self) -> bool {
        self == Self::Restart
    }

    /// The question before it is done, in more and in fewer words.
    pub fn questions(self, model: &ViewModel) -> Vec<String> {
        match self {
            Self::Restart => {
                let batches = thousands(model.summary.run.batches.into());
                vec![
                    format!("forget the counts of {batches} batches and recount from scratch?"),
                    "recount from scratch?".to_owned(),
                ]
            }
            _ => vec!["go on?".to_owned()],
        }
    }
}

impl UiState {
    pub fn new(appearance: Appearance) -> Self {
        Self {
            appearance,
            keys: Arc::default(),
            mode: KeyMode::default(),
            is_tree: false,
            toggled: HashSet::new(),
            asked: None,
            to_select: None,
            places: Places::default(),
            view: View::default(),
            compact: false,
            layers: ListState::default(),
            step_rows: ListState::default(),
            runs: ListState::default(),
            ranks: ListState::sorted(MOST_URGENT),
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
            View::Overview | View::Layer => &mut self.layers,
            View::Steps => &mut self.step_rows,
            View::Charts => &mut self.chart_lines,
            View::Runs => &mut self.runs,
            View::Ranks => &mut self.ranks,
            View::Problems => &mut self.problems.list,
            View::Help => &mut self.text,
        }
    }

    /// The list that is sorted in this view, and what it can be sorted by; `None` where there is nothing to sort.
    fn sorted_list(&mut self) -> Option<(&mut ListState, Vec<Sort>)> {
        match self.view {
            View::Runs => Some((&mut self.runs, RUNS.orders())),
            View::Ranks => Some((&mut self.ranks, RANKS.orders())),
            View::Problems | View::Help => None,
            _ => Some((&mut self.layers, LAYERS.orders())),
        }
    }

    /// Changes the order of the list of this view, or says that it has none. A layer stays selected.
    fn sort(&mut self, model: &ViewModel, change: impl FnOnce(&mut ListState, &[Sort])) {
        let layer = self.layer_to_keep(model);
        match self.sorted_list() {
            Some((list, orders)) => change(list, &orders),
            None => return self.say("there is nothing to sort in this view", Instant::now()),
        }
        if let Some(layer) = layer {
            self.reveal(layer, &model.summary.layers);
        }
    }

    /// The selected layer, where a layer fills the screen: another order must not bring another one there.
    fn layer_to_keep(&self, model: &ViewModel) -> Option<usize> {
        let layers = &model.summary.layers;
        (self.view == View::Layer).then(|| self.selected_index(layers)).flatten()
    }

    /// The filter of the list of this view.
    pub fn filter_here(&self) -> &Filter {
        match self.view {
            View::Runs => &self.runs.filter,
            View::Ranks => &self.ranks.filter,
            View::Problems => &self.problems.list.filter,
            View::Help => &self.text.filter,
            _ => &self.layers.filter,
        }
    }

    /// How many rows the filter of this view shows, and how many there are; `None` of a text.
    pub fn filter_counts(&self, model: &ViewModel) -> Option<(usize, usize)> {
        let layers = &model.summary.layers;
        match self.view {
            View::Runs => Some((self.shown_runs(model).len(), model.rows.len())),
            View::Ranks => Some((self.shown_ranks(model).len(), model.summary.ranks.len())),
            View::Problems => {
                let problems = &model.summary.problems;
                Some((self.problems.shown(problems).len(), problems.len()))
            }
            View::Help => None,
            _ => Some((self.shown(layers).len(), layers.len())),
        }
    }

    /// The runs that the filter shows, in their order.
    pub fn shown_runs(&self, model: &ViewModel) -> Vec<usize> {
        let mut order = RUNS.order(&model.rows, self.runs.sort);
        order.retain(|&at| self.runs.filter.shows(&model.rows[at].name));
        order
    }

    /// The ranks that the filter shows by number or state, in their order.
    pub fn shown_ranks(&self, model: &ViewModel) -> Vec<usize> {
        let ranks = &model.summary.ranks;
        let mut order = RANKS.order(ranks, self.ranks.sort);
        let filter = &self.ranks.filter;
        order.retain(|&at| filter.shows(&format!("rank-{} {}", ranks[at].rank, ranks[at].state.name())));
        order
    }

    /// Applies an action to the state; returns what it asks of the program.
    pub fn update(&mut self, action: Action, model: &ViewModel) -> Option<Request> {
        if !matches!(action, Action::Type(_) | Action::Erase | Action::EraseAll) {
            self.settle_selection(&model.summary.layers);
        }
        match action {
            Action::Ask(request) if request.loses() => {
                (self.mode, self.asked) = (KeyMode::Confirming, Some(request));
            }
            Action::Ask(request) => return Some(request),
            Action::Confirm => {
                self.mode = KeyMode::Commands;
                return self.asked.take();
            }
            Action::Refuse => {
                (self.mode, self.asked) = (KeyMode::Commands, None);
                self.say("nothing was changed", Instant::now());
            }
            Action::View(view) => self.show(view),
            Action::NextView(step) => self.show(self.view.neighbour(step, model)),
            Action::Toggle(view) if self.view == view => self.show(View::Overview),
            Action::Toggle(view) => self.show(view),
            Action::Open => return self.open(model),
            Action::Back => self.go_back(model),
            Action::NextRun(step) => return self.neighbouring_run(step, model),
            Action::MarkRun => self.mark_run(model),
            Action::Baseline => return self.run_in_question(model).map(Request::Mark),
            Action::Go(motion) if matches!(self.view, View::Layer | View::Steps) => {
                self.go_among_layers(motion, model);
            }
            Action::Go(motion) => self.list_mut().go(motion),
            Action::Side(step) => self.go_aside(step, model),
            Action::SortColumn(step) => self.sort_by_neighbour(step, model),
            Action::SortReverse => {
                self.sort(model, |list, _| list.sort.descending = !list.sort.descending);
            }
            Action::Filter => self.mode = KeyMode::Typing,
            Action::Tree => self.toggle_tree(model),
            Action::Type(_) | Action::Erase | Action::EraseAll | Action::KeepFilter | Action::ClearFilter => {
                self.edit_filter(action, model);
            }
            Action::Zoom(_) | Action::Pan(_) | Action::Whole | Action::Scale | Action::Lines => {
                self.change_section(action, model);
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

    /// Changes which part is shown: of the channels of a layer, of the time steps, else of the charts.
    fn change_section(&mut self, action: Action, model: &ViewModel) {
        match action {
            Action::Pan(step) if self.view == View::Layer => {
                self.channel.walk(step, self.places.channel_count);
            }
            Action::Whole if matches!(self.view, View::Layer | View::Steps) => {
                (self.step, self.channel) = (None, ChannelState::default());
            }
            _ => self.change_charts(action, model),
        }
    }

    fn go_back(&mut self, model: &ViewModel) {
        match self.view {
            View::Layer if self.channel.is_alone => self.channel.is_alone = false,
            _ if self.clears_filter() => self.filter_by(String::new(), model),
            _ => self.show(View::Overview),
        }
    }

    /// The indices of the layers that the filter shows, in their order.
    pub fn shown(&self, layers: &[LayerFigures]) -> Vec<usize> {
        let mut order = LAYERS.order(layers, self.layers.sort);
        if self.layers.filter.is_empty() {
            return order;
        }
        order.retain(|&at| self.layers.filter.shows(&layers[at].name));
        order
    }

    /// The rows of the list of layers: layers, or modules and layers.
    pub fn layer_rows(&self, layers: &[LayerFigures]) -> Vec<LayerRow> {
        if !self.is_tree {
            return self.shown(layers).into_iter().map(LayerRow::flat).collect();
        }
        let all_open = !self.layers.filter.is_empty();
        self.tree_rows(&self.toggled, all_open, layers)
    }

    /// The tree of the layers that the filter shows.
    fn tree_rows(&self, toggled: &HashSet<String>, all_open: bool, layers: &[LayerFigures]) -> Vec<LayerRow> {
        let is_shown = |&at: &usize| self.layers.filter.shows(&layers[at].name);
        let members: Vec<usize> = (0..layers.len()).filter(is_shown).collect();
        TreeShape { sort: self.layers.sort, toggled, all_open }.rows(&members, layers)
    }

    /// The selected layer; of a module the first one within.
    pub fn selected_layer<'a>(&self, layers: &'a [LayerFigures]) -> Option<&'a LayerFigures> {
        self.selected_index(layers).map(|at| &layers[at])
    }

    /// The index of the selected layer; of a module that of the first one within.
    pub fn selected_index(&self, layers: &[LayerFigures]) -> Option<usize> {
        let rows = self.layer_rows(layers);
        rows.get(self.selected_row(layers, &rows))?.layers().first().copied()
    }

    /// The name of what is selected, and what is copied of it: a run, problems of one kind, else a layer or module.
    pub fn selected_text(&self, model: &ViewModel) -> Option<(String, String)> {
        match self.view {
            View::Runs => {
                let run = &model.rows[*self.shown_runs(model).get(self.runs.selected)?];
                Some((run.label().to_owned(), run_row(run)))
            }
            View::Problems => {
                let entries = self.problems.entries(&model.summary.problems);
                let text = entries.get(self.problems.list.selected)?.sentence()?;
                Some(("what is wrong".to_owned(), printable(&text).into_owned()))
            }
            _ => {
                let layers = &model.summary.layers;
                let rows = self.layer_rows(layers);
                let layer = rows.get(self.selected_row(layers, &rows))?.figures(layers);
                Some((layer.name.clone(), row(&layer)))
            }
        }
    }

    /// The selected module of the tree, where the list of layers is on the screen.
    pub fn selected_node(&self, layers: &[LayerFigures]) -> Option<Node> {
        let is_here = self.is_tree && self.view == View::Overview;
        let rows = if is_here { self.layer_rows(layers) } else { Vec::new() };
        rows.get(self.selected_row(layers, &rows))?.node().cloned()
    }

    /// The selected row; after the filter was edited, the row of the same layer as before, if it is shown.
    fn selected_row(&self, layers: &[LayerFigures], rows: &[LayerRow]) -> usize {
        let Some(layer) = &self.to_select else { return self.layers.selected };
        let at = layer.as_ref().and_then(|name| layers.iter().position(|layer| layer.name == *name));
        at.and_then(|at| rows.iter().rposition(|row| row.layers().contains(&at))).unwrap_or(0)
    }

    /// Selects the layer that was selected before the filter was edited.
    pub fn settle_selection(&mut self, layers: &[LayerFigures]) {
        if self.to_select.is_some() {
            self.layers.selected = self.selected_row(layers, &self.layer_rows(layers));
            self.to_select = None;
        }
    }

    /// Selects a layer, and opens the modules that it is in.
    fn reveal(&mut self, layer: usize, layers: &[LayerFigures]) {
        loop {
            let rows = self.layer_rows(layers);
            let Some(at) = rows.iter().rposition(|row| row.layers().contains(&layer)) else { return };
            self.layers.selected = at;
            match rows[at].node() {
                Some(node) if !node.is_open => self.toggle_node(node.path.clone()),
                _ => return,
            }
        }
    }

    fn toggle_node(&mut self, path: String) {
        if !self.toggled.remove(&path) {
            self.toggled.insert(path);
        }
    }

    fn toggle_tree(&mut self, model: &ViewModel) {
        let layers = &model.summary.layers;
        let layer = self.selected_index(layers);
        self.show(View::Overview);
        self.is_tree = !self.is_tree;
        let rows = self.layer_rows(layers);
        let row = layer.and_then(|layer| rows.iter().rposition(|row| row.layers().contains(&layer)));
        self.layers.selected = row.unwrap_or(0);
    }

    /// Opens or closes the module in which the user is; without one, closes nothing.
    fn fold(&mut self, step: i32, model: &ViewModel) {
        let layers = &model.summary.layers;
        let rows = self.layer_rows(layers);
        let Some(row) = rows.get(self.layers.selected) else { return };
        match row.node() {
            Some(node) if node.is_open != (step > 0) => self.toggle_node(node.path.clone()),
            Some(_) if step > 0 => self.layers.go(Motion::Rows(1)),
            _ if step > 0 => {}
            // What is closed or has no modules goes to the module around it.
            _ => {
                let above = rows[..self.layers.selected].iter().rposition(|above| above.depth < row.depth);
                self.layers.selected = above.unwrap_or(self.layers.selected);
            }
        }
    }

    /// Selects the layer `step` layers further on, in or out of closed modules.
    fn step_layer(&mut self, step: i32, model: &ViewModel) {
        let layers = &model.summary.layers;
        let shown = self.layers_in_order(layers);
        let Some(at) = self.selected_index(layers) else { return };
        // Another layer has other channels.
        self.channel = ChannelState::default();
        let place = shown.iter().position(|&shown| shown == at).unwrap_or(0);
        let next = place.saturating_add_signed(step as isize).min(shown.len().saturating_sub(1));
        if let Some(&layer) = shown.get(next) {
            self.reveal(layer, layers);
        }
    }

    /// Moves from layer to layer, where one of them fills the screen.
    fn go_among_layers(&mut self, motion: Motion, model: &ViewModel) {
        self.step_layer(
            match motion {
                Motion::Rows(rows) => rows,
                Motion::Pages(pages) => pages.saturating_mul(LAYER_PAGE),
                Motion::First => i32::MIN,
                Motion::Last => i32::MAX,
            },
            model,
        );
    }

    /// The layers that are shown, by index: in the order of the list or of the tree, whatever is closed there.
    pub fn layers_in_order(&self, layers: &[LayerFigures]) -> Vec<usize> {
        if self.is_tree { self.layers_in_tree(layers) } else { self.shown(layers) }
    }

    /// The layers in the order of the tree with all modules open.
    fn layers_in_tree(&self, layers: &[LayerFigures]) -> Vec<usize> {
        let rows = self.tree_rows(&HashSet::new(), true, layers);
        rows.iter().filter(|row| row.node().is_none()).flat_map(LayerRow::layers).copied().collect()
    }

    /// The place of the selected layer among those that are shown, and how many these are.
    pub fn layer_place(&self, layers: &[LayerFigures]) -> Option<(usize, usize)> {
        let shown = self.layers_in_order(layers);
        let at = self.selected_index(layers)?;
        Some((shown.iter().position(|&shown| shown == at)?, shown.len()))
    }

    /// What can be drawn in the charts: the total, the other marked runs, and the layers that are shown.
    pub fn subjects(&self, model: &ViewModel) -> Vec<Subject> {
        let layers = &model.summary.layers;
        let others = self.charts.marked_runs().filter(|&number| number != model.shown).map(Subject::Run);
        let shown = self.shown(layers).into_iter().map(|at| Subject::Layer(layers[at].name.clone()));
        std::iter::once(Subject::Total).chain(others).chain(shown).collect()
    }

    /// The place of a line among the colours and marks, if it is drawn. Where the run in front is marked, its line is
    /// the total's, too.
    pub fn line_of(&self, subject: &Subject, model: &ViewModel) -> Option<usize> {
        let marked =
            if *subject == Subject::Total { self.charts.place(&Subject::Run(model.shown)) } else { None };
        marked.or_else(|| self.charts.place(subject))
    }

    /// Where the batches of what is drawn in the charts are.
    pub fn axis(&self, model: &ViewModel) -> BatchAxis {
        let others = self.charts.marked_runs().filter(|&number| number != model.shown);
        let histories: Vec<&History> =
            others.filter_map(|number| model.row(number)).map(|row| row.run.history()).collect();
        BatchAxis::new(model.run.history(), &histories)
    }

    /// Shows a message for a few seconds, or for as long as it takes to read.
    pub fn say(&mut self, message: impl Into<String>, now: Instant) {
        self.message = Some((message.into(), now));
    }

    /// The message that is shown now.
    pub fn message(&self, now: Instant) -> Option<&str> {
        let (message, since) = self.message.as_ref()?;
        let shown_for = (CHARACTER_FOR * message.chars().count() as u32).clamp(LEAST, MOST);
        (now.duration_since(*since) < shown_for).then_some(message)
    }

    pub fn show(&mut self, view: View) {
        if self.view != view {
            self.view = view;
            self.text = ListState::text();
        }
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
            View::Overview if self.is_tree => self.fold(step, model),
            View::Overview | View::Ranks => self.sort_by_neighbour(step, model),
            View::Layer | View::Steps => self.move_step(step),
            View::Charts => self.charts.step(step, &self.axis(model)),
            View::Runs | View::Problems | View::Help => {
                self.show(self.view.neighbour(step, model));
            }
        }
    }

    fn open(&mut self, model: &ViewModel) -> Option<Request> {
        match self.view {
            View::Overview => match self.selected_node(&model.summary.layers) {
                Some(node) => self.toggle_node(node.path),
                None => self.show(View::Layer),
            },
            View::Steps => self.show(View::Layer),
            View::Layer => self.channel.is_alone = !self.channel.is_alone && self.places.channel_count > 1,
            View::Charts => {
                if let Some(subject) = self.subjects(model).into_iter().nth(self.chart_lines.selected) {
                    self.draw_or_hide(subject, model);
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

    fn draw_or_hide(&mut self, subject: Subject, model: &ViewModel) {
        let front = Subject::Run(model.shown);
        if subject == Subject::Total && self.charts.hide(&front) {
            // Its line is gone, and the total's must not take its place.
            self.charts.hide(&subject);
        } else if !self.charts.toggle(subject) {
            self.say(
                format!("{MAX_OVERLAID} lines can be told apart; hide one of them first"),
                Instant::now(),
            );
        }
    }

    /// Marks the selected run, or no longer.
    fn mark_run(&mut self, model: &ViewModel) {
        let Some(number) = self.selected_run(model) else { return };
        let is_first = self.charts.marked_runs().next().is_none();
        if !self.charts.toggle(Subject::Run(number)) {
            let message =
                format!("{MAX_OVERLAID} lines can be told apart; unmark a run, or hide a line of the charts");
            self.say(message, Instant::now());
        } else if is_first {
            let key = self.keys.view_key(View::Charts).map_or(String::new(), |key| format!(" ({key})"));
            self.say(format!("marked: the charts{key} draw it beside the run in front"), Instant::now());
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
        self.shown_runs(model).get(self.runs.selected).map(|&at| model.rows[at].number)
    }

    /// Selects a run in the list of runs.
    pub fn select_run(&mut self, number: usize, model: &ViewModel) {
        let place = self.shown_runs(model).iter().position(|&at| model.rows[at].number == number);
        self.runs.selected = place.unwrap_or(self.runs.selected);
    }

    fn neighbouring_run(&mut self, step: i32, model: &ViewModel) -> Option<Request> {
        let order = self.shown_runs(model);
        let at = order.iter().position(|&at| model.rows[at].number == model.shown);
        // A run that the filter hides is before the first and behind the last.
        let next =
            at.map_or(step.min(0), |at| at as i32 + step).rem_euclid(order.len().max(1) as i32) as usize;
        let run = model.rows[*order.get(next)?].number;
        self.runs.selected = next;
        Some(Request::Show(run))
    }

    fn change_charts(&mut self, action: Action, model: &ViewModel) {
        let batches = self.axis(model).last_place();
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

    /// Whether Esc shows all rows again: where it goes nowhere else, or the list is that of this view alone.
    pub fn clears_filter(&self) -> bool {
        self.view == View::Overview
            || !matches!(self.view, View::Layer | View::Charts) && !self.filter_here().is_empty()
    }

    /// Filters the list of this view.
    fn filter_by(&mut self, text: String, model: &ViewModel) {
        if text == self.filter_here().text() {
            return;
        }
        match self.view {
            View::Runs => {
                let run = self.selected_run(model);
                self.runs.filter = Filter::new(text);
                let place = |&at: &usize| Some(model.rows[at].number) == run;
                self.runs.selected = self.shown_runs(model).iter().position(place).unwrap_or(0);
            }
            View::Ranks | View::Problems | View::Help => {
                let list = self.list_mut();
                (list.filter, list.selected, list.first) = (Filter::new(text), 0, 0);
            }
            _ => self.filter_layers(text, model),
        }
    }

    /// Filters the layers; the selected layer stays selected while it is shown. The filter is not compiled before it is
    /// drawn, since a pasted text comes as many characters.
    fn filter_layers(&mut self, text: String, model: &ViewModel) {
        if self.to_select.is_none() {
            let layer = self.selected_layer(&model.summary.layers).map(|layer| layer.name.clone());
            self.to_select = Some(layer);
        }
        self.layers.filter = Filter::new(text);
    }

    fn click(&mut self, position: Position, model: &ViewModel) -> Option<Request> {
        if let Some(&(view, _)) = self.places.tabs.iter().find(|(_, area)| area.contains(position)) {
            self.show(view);
            return None;
        }
        let heading = self.places.list.headings.iter().find(|(_, area)| area.contains(position));
        if let Some(&(column, _)) = heading {
            self.sort(model, |list, orders| list.sort_by(column, orders));
            return None;
        }
        if let Some((area, (start, end))) = self.places.plot.filter(|(area, _)| area.contains(position)) {
            let part = f64::from(position.x - area.x) / f64::from(area.width.saturating_sub(1).max(1));
            self.charts.point(start + part * (end - start), &self.axis(model));
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
        if self.view == View::Runs && position.x < self.places.list.after_first_column() {
            self.runs.click(row);
            self.mark_run(model);
            return None;
        }
        let again = match self.view {
            View::Problems => self.problems.click(row),
            View::Steps => self.click_step_row(row, model),
            _ => self.list_mut().click(row),
        };
        match self.view {
            View::Overview | View::Runs | View::Problems if again => self.open(model),
            View::Charts => self.open(model),
            _ => None,
        }
    }

    /// Selects the layer of a row of the heat map; returns whether it was selected before.
    fn click_step_row(&mut self, row: usize, model: &ViewModel) -> bool {
        let again = self.step_rows.click(row);
        let layers = &model.summary.layers;
        if let Some(&layer) = self.layers_in_order(layers).get(self.step_rows.selected) {
            self.reveal(layer, layers);
        }
        again
    }

    /// Scrolls the view; the selected row stays in sight.
    fn scroll_by(&mut self, rows: i32, model: &ViewModel) {
        match self.view {
            View::Overview | View::Runs | View::Ranks | View::Steps => self.list_mut().scroll(rows),
            View::Problems => self.problems.list.go(Motion::Rows(rows.signum())),
            View::Layer => self.step_layer(rows.signum(), model),
            View::Charts => self.change_charts(Action::Zoom(-rows.signum()), model),
            View::Help => self.text.go(Motion::Rows(rows)),
        }
    }

    fn sort_by_neighbour(&mut self, step: i32, model: &ViewModel) {
        self.sort(model, |list, orders| list.sort_by_neighbour(step, orders));
    }
}
