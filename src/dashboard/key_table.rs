//! The keys of each action, as the configuration file changes them.

use super::bindings::{ANSWERS, Action, BINDINGS, Binding, EDITS};
use super::key::Key;
use super::ui_state::{Request, View};
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// New keys for actions, by the actions' names.
pub type Rebound = BTreeMap<&'static str, Vec<Key>>;

/// An action and its keys, of which there may be none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    pub binding: &'static Binding,
    keys: Vec<Key>,
}

impl KeyRow {
    fn new(binding: &'static Binding) -> Self {
        let keys = binding.keys.iter().filter_map(|key| key.parse().ok()).collect();
        Self { binding, keys }
    }

    /// The keys as they are shown; `None` without keys.
    pub fn label(&self) -> Option<String> {
        let labels: Vec<String> = self.keys.iter().map(|key| key.label()).collect();
        (!labels.is_empty()).then(|| labels.join(" "))
    }

    /// The first key as it is shown.
    pub fn first_label(&self) -> Option<String> {
        self.keys.first().map(|key| key.label())
    }
}

/// One key for two actions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key {key} is bound to {} and to {}; bind one of them to another key, or to none: {} = []", .actions[0], .actions[1], .actions[1])]
pub struct Conflict {
    pub key: Key,
    /// The names of the actions.
    pub actions: [&'static str; 2],
}

/// Where a key does what its row says: in some views, whatever it does elsewhere, or (`None`) in general.
fn scope(binding: &'static Binding, key: Key) -> impl Iterator<Item = Option<View>> {
    let views = if key == Key::CTRL_C { &[] } else { binding.views };
    let in_general = views.is_empty().then_some(None);
    views.iter().copied().map(Some).chain(in_general)
}

/// All actions with their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTable {
    rows: Vec<KeyRow>,
}

/// The keys while a filter is typed, and while a question is asked.
pub static EDIT_KEYS: LazyLock<KeyTable> = LazyLock::new(|| KeyTable::for_bindings(&EDITS));
pub static ANSWER_KEYS: LazyLock<KeyTable> = LazyLock::new(|| KeyTable::for_bindings(&ANSWERS));

impl Default for KeyTable {
    fn default() -> Self {
        Self::for_bindings(&BINDINGS)
    }
}

impl KeyTable {
    fn for_bindings(bindings: &'static [Binding]) -> Self {
        Self { rows: bindings.iter().map(KeyRow::new).collect() }
    }

    /// The table with new keys for some actions. Ctrl-C always quits.
    ///
    /// # Errors
    /// Where two actions would have the same key.
    pub fn new(rebound: &Rebound) -> Result<Self, Conflict> {
        let mut table = Self::default();
        for row in &mut table.rows {
            if let Some(keys) = rebound.get(row.binding.name) {
                row.keys.clone_from(keys);
            }
            if row.binding.action == Action::Ask(Request::Quit) && !row.keys.contains(&Key::CTRL_C) {
                row.keys.push(Key::CTRL_C);
            }
        }
        table.check()?;
        Ok(table)
    }

    /// A key may do something in one view and something else elsewhere, apart from Ctrl-C.
    fn check(&self) -> Result<(), Conflict> {
        let mut bound = HashMap::new();
        for row in &self.rows {
            for (&key, view) in
                row.keys.iter().flat_map(|key| scope(row.binding, *key).map(move |view| (key, view)))
            {
                match bound.insert((key, view), row.binding.name) {
                    Some(other) if other != row.binding.name => {
                        return Err(Conflict { key, actions: [other, row.binding.name] });
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    pub fn rows(&self) -> &[KeyRow] {
        &self.rows
    }

    /// The action of a key, where the view gives it no other one.
    pub fn action(&self, key: Key) -> Option<Action> {
        let row = self.rows.iter().find(|row| row.binding.views.is_empty() && row.keys.contains(&key));
        row.map(|row| row.binding.action)
    }

    /// The action of a key in a view.
    pub fn action_in(&self, view: View, key: Key) -> Option<Action> {
        let row = self.rows.iter().find(|row| row.binding.views.contains(&view) && row.keys.contains(&key));
        row.map(|row| row.binding.action).or_else(|| self.action(key))
    }

    /// The first key of a row that does in a view what the row says.
    pub fn first_label_in(&self, view: View, row: &KeyRow) -> Option<String> {
        let does = |key: &&Key| self.action_in(view, **key) == Some(row.binding.action);
        row.keys.iter().find(does).map(|key| key.label())
    }

    /// The first key of an action, as it is shown.
    pub fn first_key(&self, action: Action) -> Option<String> {
        self.rows.iter().find(|row| row.binding.action == action)?.first_label()
    }

    /// The key of a view, as it is shown: a digit if it has one.
    pub fn view_key(&self, view: View) -> Option<String> {
        let shows = |row: &&KeyRow| matches!(row.binding.action, Action::View(shown) | Action::Toggle(shown) if shown == view);
        let row = self.rows.iter().find(shows)?;
        let is_digit = |label: &String| label.chars().all(|character| character.is_ascii_digit());
        row.keys.iter().map(|key| key.label()).find(is_digit).or_else(|| row.first_label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(texts: &[&str]) -> Vec<Key> {
        texts.iter().map(|text| text.parse().expect("a key")).collect()
    }

    fn key(text: &str) -> Key {
        text.parse().expect("a key")
    }

    #[test]
    fn the_default_keys_are_keys_without_a_conflict() {
        for (table, bindings) in
            [(&KeyTable::default(), &BINDINGS[..]), (&EDIT_KEYS, &EDITS), (&ANSWER_KEYS, &ANSWERS)]
        {
            assert_eq!(table.check(), Ok(()));
            for (row, binding) in table.rows().iter().zip(bindings) {
                assert_eq!(row.keys, keys(binding.keys), "{}", binding.name);
            }
        }
    }

    #[test]
    fn actions_can_have_other_keys_or_none() {
        let rebound = Rebound::from([
            ("quit", keys(&["x"])),
            ("view-charts", keys(&["q", "f3"])),
            ("pause", keys(&[])),
            ("first", keys(&["home", "home"])),
        ]);
        let table = KeyTable::new(&rebound).expect("a table");
        for (text, action) in [
            ("x", Some(Action::Ask(Request::Quit))),
            ("ctrl-c", Some(Action::Ask(Request::Quit))),
            ("q", Some(Action::View(View::Charts))),
            ("f3", Some(Action::View(View::Charts))),
            ("3", None),
            ("p", None),
            ("space", None),
            ("e", Some(Action::Ask(Request::Export))),
        ] {
            assert_eq!(table.action(key(text)), action, "{text}");
        }
        let label =
            |name: &str| table.rows().iter().find(|row| row.binding.name == name).and_then(KeyRow::label);
        assert_eq!(label("quit").as_deref(), Some("x Ctrl-C"));
        assert_eq!(label("pause"), None);
        assert_eq!(table.view_key(View::Charts).as_deref(), Some("q"));
        assert_eq!(table.view_key(View::Help).as_deref(), Some("6"));
    }

    #[test]
    fn a_key_that_asks_for_two_things_is_refused() {
        let conflict = |name, text: &str| KeyTable::new(&Rebound::from([(name, keys(&[text]))])).unwrap_err();
        let error = conflict("view-charts", "p").to_string();
        for part in ["the key p", "view-charts", "pause = []"] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(conflict("copy", "ctrl-c").actions, ["quit", "copy"]);
    }

    #[test]
    fn a_key_acts_where_the_user_is() {
        let pause = Some(Action::Ask(Request::Pause));
        let actions = |table: &KeyTable| {
            [View::Runs, View::Charts, View::Overview].map(|view| table.action_in(view, key("space")))
        };
        let table = KeyTable::default();
        assert_eq!(actions(&table), [Some(Action::MarkRun), pause, pause]);
        let row = |table: &KeyTable, name: &str| {
            table.rows().iter().find(|row| row.binding.name == name).expect("a row").clone()
        };
        let labels = |table: &KeyTable, name| {
            [View::Runs, View::Charts].map(|view| table.first_label_in(view, &row(table, name)))
        };
        let some = |label: &str| Some(label.to_owned());
        assert_eq!(labels(&table, "mark"), [some("Space"), None]);
        let space_alone = KeyTable::new(&Rebound::from([("pause", keys(&["space"]))])).expect("a table");
        assert_eq!(labels(&space_alone, "pause"), [None, some("Space")]);
        let elsewhere = KeyTable::new(&Rebound::from([("mark", keys(&["x"]))])).expect("a table");
        assert_eq!(actions(&elsewhere), [pause; 3]);
        assert!(KeyTable::new(&Rebound::from([("mark", keys(&["ctrl-c"]))])).is_err(), "it always quits");
    }
}
