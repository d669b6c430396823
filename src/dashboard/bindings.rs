//! The one table of keys and mouse actions. Dispatch, the help, the line of keys at the bottom and the default
//! configuration are made from it.

use super::key::Key;
use super::key_table::{ANSWER_KEYS, EDIT_KEYS, KeyTable};
use super::list_state::Motion;
use super::ui_state::{Request, View};
use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Position;

/// Rows per notch of the wheel.
const NOTCH: i32 = 3;

/// What keys do at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyMode {
    #[default]
    Commands,
    /// They are typed into the filter.
    Typing,
    /// They answer a question.
    Confirming,
}

/// What the user can ask of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// What the program around the dashboard does.
    Ask(Request),
    View(View),
    /// The next view, or with -1 the previous one.
    NextView(i32),
    /// Show a view, or the overview where the view is shown already.
    Toggle(View),
    /// Open what is selected.
    Open,
    /// Back to the overview; in a list with a filter, show all rows again.
    Back,
    NextRun(i32),
    /// Compare the other runs with this one, or stop comparing.
    Baseline,
    /// Draw the total of the selected run in the charts, or no longer.
    MarkRun,
    /// Move in the list or the text that is shown.
    Go(Motion),
    /// To the left or right: the column that sorts, the time step, the cursor of the charts.
    Side(i32),
    /// Sort by the column to the left or right.
    SortColumn(i32),
    SortReverse,
    /// Type a filter for the list of this view.
    Filter,
    /// Show the layers as a tree of modules, or as a list.
    Tree,
    /// Do what was asked for.
    Confirm,
    /// Do not do it.
    Refuse,
    /// A character of the filter.
    Type(char),
    /// Delete the last character of the filter.
    Erase,
    /// Delete the whole filter and keep typing.
    EraseAll,
    /// Keep the filter that was typed.
    KeepFilter,
    /// Show all rows again.
    ClearFilter,
    /// Zoom the charts in, or with -1 out.
    Zoom(i32),
    /// Move the charts to later batches, or with -1 to earlier ones.
    Pan(i32),
    /// Show the whole run in the charts.
    Whole,
    /// Linear or logarithmic.
    Scale,
    /// Running figures, those of single batches, or both.
    Lines,
    /// Hide or show frames and charts.
    Compact,
    Theme,
    /// A click: on a view's name, a heading, a row or a chart.
    Click(Position),
    /// Scroll by so many rows.
    Scroll(i32),
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its name in the configuration file.
    pub name: &'static str,
    /// The default keys, as they are written in the configuration file.
    pub keys: &'static [&'static str],
    pub action: Action,
    /// What it does, for the help.
    pub help: &'static str,
    /// Words for the line of keys at the bottom; none where the key is not shown there.
    pub hints: &'static [KeyHint],
    /// The views where its keys do this, whatever they do elsewhere; empty means all those where they do nothing else.
    pub views: &'static [View],
}

/// A word for the line of keys at the bottom.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyHint {
    /// What the key does, in a word.
    pub word: &'static str,
    /// The views that show it; empty means all of them.
    pub views: &'static [View],
}

const fn always(word: &'static str) -> KeyHint {
    KeyHint { word, views: &[] }
}

const fn within(word: &'static str, views: &'static [View]) -> KeyHint {
    KeyHint { word, views }
}

impl Binding {
    /// The word that is shown in a view.
    pub fn hint(&self, view: View) -> Option<&'static KeyHint> {
        let here = self.hints.iter().find(|hint| hint.views.contains(&view));
        here.or_else(|| self.hints.iter().find(|hint| hint.views.is_empty()))
    }
}

const fn binding(
    name: &'static str,
    keys: &'static [&'static str],
    action: Action,
    help: &'static str,
    hints: &'static [KeyHint],
) -> Binding {
    Binding { name, keys, action, help, hints, views: &[] }
}

/// The binding of this name.
pub fn named(name: &str) -> Option<&'static Binding> {
    BINDINGS.iter().find(|binding| binding.name == name)
}

pub static BINDINGS: [Binding; 45] = [
    binding(
        "quit",
        &["q", "ctrl-c"],
        Action::Ask(Request::Quit),
        "leave, print the summary and write the exports",
        &[always("quit")],
    ),
    binding(
        "view-overview",
        &["1"],
        Action::View(View::Overview),
        "the overview: totals, layers, neurons and small charts",
        &[],
    ),
    binding(
        "view-layer",
        &["2"],
        Action::View(View::Layer),
        "the selected layer: time steps, neurons, membrane potentials",
        &[],
    ),
    binding("view-charts", &["3"], Action::View(View::Charts), "charts over the batches", &[]),
    binding("view-runs", &["4"], Action::View(View::Runs), "all runs", &[]),
    binding(
        "view-problems",
        &["5", "!"],
        Action::Toggle(View::Problems),
        "the problems: what was set aside, and why",
        &[always("problems")],
    ),
    binding(
        "view-help",
        &["?", "6", "f1"],
        Action::Toggle(View::Help),
        "the help: keys and terms",
        &[always("help")],
    ),
    binding(
        "view-ranks",
        &["7", "R"],
        Action::View(View::Ranks),
        "the ranks: how far each is, which is behind, which is silent",
        &[],
    ),
    binding(
        "view-steps",
        &["8", "S"],
        Action::View(View::Steps),
        "layers by time step: when in time the neurons are updated",
        &[],
    ),
    binding("view-next", &["tab"], Action::NextView(1), "the next view", &[always("view")]),
    binding("view-previous", &["shift-tab"], Action::NextView(-1), "the previous view", &[]),
    binding(
        "open",
        &["enter"],
        Action::Open,
        "open the selected layer, module, run or kind of problem; charts: draw or hide the selected line; layer: one channel \
         of the neurons, or all",
        &[
            within("open", &[View::Overview, View::Steps, View::Problems]),
            within("draw", &[View::Charts]),
            within("show", &[View::Runs]),
            within("channel", &[View::Layer]),
        ],
    ),
    binding(
        "back",
        &["esc"],
        Action::Back,
        "from a channel to all; in a list with a filter: show all rows; else back to the overview",
        &[within(
            "back",
            &[View::Layer, View::Charts, View::Runs, View::Problems, View::Help, View::Ranks, View::Steps],
        )],
    ),
    binding("run-next", &["J"], Action::NextRun(1), "the next run", &[]),
    binding("run-previous", &["K"], Action::NextRun(-1), "the previous run", &[]),
    binding(
        "baseline",
        &["b"],
        Action::Baseline,
        "compare the other runs with this one, or stop comparing",
        &[within("baseline", &[View::Runs])],
    ),
    Binding {
        views: &[View::Runs],
        ..binding(
            "mark",
            &["space"],
            Action::MarkRun,
            "in the list of runs: mark a run, whose total the charts then draw beside the run in front",
            &[within("mark", &[View::Runs])],
        )
    },
    binding(
        "pause",
        &["p", "space"],
        Action::Ask(Request::Pause),
        "freeze or resume the view; counting never stops",
        &[always("pause")],
    ),
    binding("export", &["e"], Action::Ask(Request::Export), "write the exports now", &[always("export")]),
    binding(
        "restart",
        &["r"],
        Action::Ask(Request::Restart),
        "recount from scratch: forget all counts and read the directory again; asks first",
        &[],
    ),
    binding(
        "right",
        &["right", "l"],
        Action::Side(1),
        "sort by the next column; open a module; layer and steps: the next time step; the cursor of the charts",
        &[within("step", &[View::Layer, View::Steps]), within("cursor", &[View::Charts])],
    ),
    binding("left", &["left", "h"], Action::Side(-1), "the same to the left; close a module", &[]),
    binding("sort-next", &[">"], Action::SortColumn(1), "sort the list of this view by the next column", &[]),
    binding(
        "sort-previous",
        &["<"],
        Action::SortColumn(-1),
        "sort it by the previous column",
        &[within("sort", &[View::Overview, View::Ranks, View::Runs])],
    ),
    binding(
        "sort-reverse",
        &["o"],
        Action::SortReverse,
        "reverse the order",
        &[within("reverse", &[View::Ranks])],
    ),
    binding(
        "filter",
        &["/"],
        Action::Filter,
        "filter the list of this view by a part of the names or a regular expression; Enter keeps it, Esc clears it",
        &[
            within("filter", &[View::Overview, View::Charts, View::Runs, View::Ranks, View::Steps]),
            within("search", &[View::Problems, View::Help]),
        ],
    ),
    binding(
        "tree",
        &["T"],
        Action::Tree,
        "the layers as a tree of modules with their sums, or as a list",
        &[within("tree", &[View::Overview])],
    ),
    binding(
        "copy",
        &["y"],
        Action::Ask(Request::Copy),
        "copy the selected layer's, module's or run's figures, or a problem, through the terminal (OSC 52)",
        &[within("copy", &[View::Overview, View::Layer, View::Runs, View::Problems])],
    ),
    binding("zoom-in", &["+", "="], Action::Zoom(1), "charts: zoom in", &[within("zoom", &[View::Charts])]),
    binding("zoom-out", &["minus"], Action::Zoom(-1), "charts: zoom out", &[]),
    binding("earlier", &["["], Action::Pan(-1), "charts: earlier batches; layer: the previous channel", &[]),
    binding(
        "later",
        &["]"],
        Action::Pan(1),
        "charts: later batches; layer: the next channel",
        &[within("pan", &[View::Charts])],
    ),
    binding(
        "whole-run",
        &["0"],
        Action::Whole,
        "without a cursor; charts: the whole run; layer: all channels",
        &[within("whole run", &[View::Charts])],
    ),
    binding(
        "scale",
        &["L"],
        Action::Scale,
        "charts: linear or logarithmic",
        &[within("log", &[View::Charts])],
    ),
    binding(
        "lines",
        &["m"],
        Action::Lines,
        "charts: running figures, single batches, or both",
        &[within("lines", &[View::Charts])],
    ),
    binding("suspend", &["ctrl-z"], Action::Ask(Request::Suspend), "back to the shell; fg resumes", &[]),
    binding("redraw", &["ctrl-l"], Action::Ask(Request::Redraw), "redraw the screen", &[]),
    binding("compact", &["c"], Action::Compact, "hide or show frames and charts", &[]),
    binding(
        "theme",
        &["t"],
        Action::Theme,
        "the next theme: dark, light, colour-blind, monochrome",
        &[always("theme")],
    ),
    binding(
        "down",
        &["down", "j"],
        Action::Go(Motion::Rows(1)),
        "next row; layer: the next layer",
        &[within("layer", &[View::Layer, View::Steps]), within("scroll", &[View::Help])],
    ),
    binding("up", &["up", "k"], Action::Go(Motion::Rows(-1)), "previous row", &[]),
    binding("page-down", &["pgdn", "ctrl-f"], Action::Go(Motion::Pages(1)), "a page down", &[]),
    binding("page-up", &["pgup", "ctrl-b"], Action::Go(Motion::Pages(-1)), "a page up", &[]),
    binding("first", &["home", "g"], Action::Go(Motion::First), "first row", &[]),
    binding("last", &["end", "G"], Action::Go(Motion::Last), "last row", &[]),
];

/// The keys that are not text while a filter is typed.
pub static EDITS: [Binding; 6] = [
    binding("keep", &["enter"], Action::KeepFilter, "keep the filter", &[always("keep")]),
    binding("clear", &["esc"], Action::ClearFilter, "show all rows", &[always("clear")]),
    binding("erase", &["backspace", "ctrl-h"], Action::Erase, "delete a character", &[]),
    binding("erase-all", &["ctrl-u"], Action::EraseAll, "delete everything", &[]),
    binding("suspend", &["ctrl-z"], Action::Ask(Request::Suspend), "back to the shell", &[]),
    binding("leave", &["ctrl-c"], Action::Ask(Request::Quit), "leave", &[]),
];

/// The keys that answer a question. Any other key means no.
pub static ANSWERS: [Binding; 3] = [
    binding("yes", &["y"], Action::Confirm, "do it", &[always("yes")]),
    binding("no", &["n", "esc"], Action::Refuse, "do not do it", &[always("no")]),
    binding("leave", &["ctrl-c"], Action::Ask(Request::Quit), "leave", &[]),
];

/// What the keys are about, in the order of the help.
pub const KEY_GROUPS: [&str; 6] =
    ["In every view", "From view to view", "In every list and text", "Layers", "Charts", "Runs"];

impl Action {
    /// What its key is about.
    pub fn group(self) -> &'static str {
        let [everywhere, views, lists, layers, charts, runs] = KEY_GROUPS;
        match self {
            Self::View(_) | Self::Toggle(_) | Self::NextView(_) | Self::Open | Self::Back => views,
            Self::Go(_)
            | Self::Side(_)
            | Self::SortColumn(_)
            | Self::SortReverse
            | Self::Filter
            | Self::Ask(Request::Copy) => lists,
            Self::Tree => layers,
            Self::Zoom(_) | Self::Pan(_) | Self::Whole | Self::Scale | Self::Lines => charts,
            Self::NextRun(_) | Self::Baseline | Self::MarkRun => runs,
            _ => everywhere,
        }
    }
}

/// What the mouse does, for people.
pub const MOUSE: [(&str, &str); 4] = [
    ("click", "on a view's name: show it; on a heading: sort by it; again: reverse the order"),
    ("", "on a row: select it; again: open it; on a chart or a time step: read its values there"),
    ("", "on a channel of the neurons: select it; again: draw it alone; in front of a run: mark it"),
    ("wheel", "scroll what is shown; zoom the charts"),
];

/// The action of a mouse event.
pub fn mouse_action(event: &MouseEvent) -> Option<Action> {
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) => {
            Some(Action::Click(Position::new(event.column, event.row)))
        }
        MouseEventKind::ScrollDown => Some(Action::Scroll(NOTCH)),
        MouseEventKind::ScrollUp => Some(Action::Scroll(-NOTCH)),
        _ => None,
    }
}

/// The action of a key event in a view.
pub fn action(event: &KeyEvent, mode: KeyMode, view: View, table: &KeyTable) -> Option<Action> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let key = Key::from_event(event);
    match mode {
        KeyMode::Commands => table.action_in(view, key),
        KeyMode::Typing => EDIT_KEYS.action(key).or(typed(key)),
        KeyMode::Confirming => Some(ANSWER_KEYS.action(key).unwrap_or(Action::Refuse)),
    }
}

/// Pasted text is typed where something is being typed, its first line only. It is never taken for commands.
pub fn pasted(text: &str, mode: KeyMode) -> impl Iterator<Item = Action> {
    let line = if mode == KeyMode::Typing { text.trim_start().lines().next() } else { None };
    line.unwrap_or_default().chars().filter(|character| !character.is_control()).map(Action::Type)
}

/// The character that a key types.
fn typed(Key { code, modifiers }: Key) -> Option<Action> {
    // Where AltGr makes a character, it is reported as Control and Alt.
    let makes_text = modifiers.is_empty() || modifiers == KeyModifiers::CONTROL | KeyModifiers::ALT;
    match code {
        KeyCode::Char(character) if makes_text && !character.is_control() => Some(Action::Type(character)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const NONE: KeyModifiers = KeyModifiers::NONE;
    const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

    fn commands(code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        action(&KeyEvent::new(code, modifiers), KeyMode::Commands, View::Overview, &KeyTable::default())
    }

    #[test]
    fn every_action_has_a_name_of_its_own() {
        let mut names = HashSet::new();
        for binding in &BINDINGS {
            assert!(names.insert(binding.name), "{}", binding.name);
            assert_eq!(named(binding.name), Some(binding));
        }
        assert_eq!(named("fly"), None);
    }

    #[test]
    fn keys_are_found_whatever_the_terminal_says_of_shift() {
        assert_eq!(commands(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Action::Toggle(View::Help)));
        assert_eq!(commands(KeyCode::Char('?'), NONE), Some(Action::Toggle(View::Help)));
        for modifiers in [NONE, KeyModifiers::SHIFT] {
            assert_eq!(commands(KeyCode::BackTab, modifiers), Some(Action::NextView(-1)));
        }
        assert_eq!(commands(KeyCode::Char('c'), CONTROL), Some(Action::Ask(Request::Quit)));
        assert_eq!(commands(KeyCode::Char('c'), NONE), Some(Action::Compact));
        let mut released = KeyEvent::new(KeyCode::Char('q'), NONE);
        released.kind = KeyEventKind::Release;
        assert_eq!(action(&released, KeyMode::Commands, View::Overview, &KeyTable::default()), None);
    }

    #[test]
    fn pasted_text_is_typed_and_never_a_command() {
        assert_eq!(pasted("q", KeyMode::Commands).count(), 0);
        let typed: Vec<Action> = pasted("\na\u{1b}\nq", KeyMode::Typing).collect();
        assert_eq!(typed, [Action::Type('a')]);
    }

    #[test]
    fn keys_are_text_while_a_filter_is_typed() {
        let table = KeyTable::default();
        let press =
            |code, modifiers| action(&KeyEvent::new(code, modifiers), KeyMode::Typing, View::Runs, &table);
        assert_eq!(press(KeyCode::Char(' '), NONE), Some(Action::Type(' ')));
        assert_eq!(press(KeyCode::Char('q'), NONE), Some(Action::Type('q')));
        assert_eq!(press(KeyCode::Char('Q'), KeyModifiers::SHIFT), Some(Action::Type('Q')));
        assert_eq!(press(KeyCode::Char('['), CONTROL | KeyModifiers::ALT), Some(Action::Type('[')));
        assert_eq!(press(KeyCode::Char('c'), CONTROL), Some(Action::Ask(Request::Quit)));
        assert_eq!(press(KeyCode::Char('x'), CONTROL), None);
        assert_eq!(press(KeyCode::Backspace, NONE), Some(Action::Erase));
        assert_eq!(press(KeyCode::Enter, NONE), Some(Action::KeepFilter));
    }
}
