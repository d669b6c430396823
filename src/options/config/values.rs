//! How the values of a configuration file are read: as those of the command line.

use super::FIELDS;
use crate::dashboard::{BINDINGS, Binding, Key, Rebound, named};
use crate::options::cli::{thread_count, time};
use crate::options::suggest::unknown;
use crate::run::prices::CostRule;
use crate::storage;
use clap::ValueEnum;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A number of seconds.
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    struct Seconds;

    impl Visitor<'_> for Seconds {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of seconds")
        }

        fn visit_f64<E: Error>(self, seconds: f64) -> Result<Duration, E> {
            time(seconds).map_err(E::custom)
        }

        fn visit_i64<E: Error>(self, seconds: i64) -> Result<Duration, E> {
            self.visit_f64(seconds as f64)
        }
    }

    deserializer.deserialize_any(Seconds).map(Some)
}

/// How many threads are to count.
pub(super) fn threads<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroUsize>, D::Error> {
    thread_count(i64::deserialize(deserializer)?).map(Some).map_err(D::Error::custom)
}

/// A path, and of a URL what may be shown.
pub(super) fn location<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    String::deserialize(deserializer).map(|text| Some(storage::location(text.as_ref())))
}

/// One of several names.
pub(super) fn choice<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: ValueEnum,
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    let found = T::value_variants()
        .iter()
        .find(|variant| variant.to_possible_value().is_some_and(|value| value.matches(&text, false)));
    let names = || {
        let values = T::value_variants().iter().filter_map(T::to_possible_value);
        values.map(|value| value.get_name().to_owned()).collect::<Vec<_>>()
    };
    match found {
        Some(value) => Ok(Some(value.clone())),
        None => {
            let names = names();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Err(D::Error::custom(unknown("value", &text, &names)))
        }
    }
}

/// What one text says.
pub(super) fn text<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    Parsed::deserialize(deserializer).map(|Parsed(value)| Some(value))
}

/// One text, or a list of them.
pub(super) fn list<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(List { expecting: "a text or a list of texts", of: PhantomData })
}

/// Reads one text, or a list of them.
struct List<T> {
    expecting: &'static str,
    of: PhantomData<T>,
}

impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
        text.parse().map(|value| vec![value]).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(Parsed(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(values)
    }
}

/// One text.
pub(super) fn parsed<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    Parsed::deserialize(deserializer).map(|Parsed(value)| Some(value))
}

/// What a text says.
struct Parsed<T>(T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A table of `"NEURON:RESET" = OPERATIONS`.
pub(super) fn costs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<CostRule>, D::Error> {
    /// The table.
    struct Table;

    /// The operations of one row.
    struct Row(String);

    impl<'de> Visitor<'de> for Table {
        type Value = Vec<CostRule>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table of \"NEURON:RESET\" = OPERATIONS")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Vec<CostRule>, A::Error> {
            let mut rules = Vec::new();
            while let Some(name) = table.next_key()? {
                rules.push(table.next_value_seed(Row(name))?);
            }
            Ok(rules)
        }
    }

    impl<'de> DeserializeSeed<'de> for Row {
        type Value = CostRule;

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<CostRule, D::Error> {
            let (neuron, reset) = self.0.split_once(':').ok_or_else(|| {
                let misplaced = misplaced(&self.0);
                D::Error::custom(format!("{:?} is not of the form \"NEURON:RESET\"{misplaced}", self.0))
            })?;
            CostRule::new(neuron, reset, u64::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }

    deserializer.deserialize_map(Table)
}

/// What there is to say of an option that stands below a heading, where it belongs to that.
fn misplaced(name: &str) -> &'static str {
    if FIELDS.contains(&name) { "; put options above the first heading in brackets" } else { "" }
}

/// A table of `ACTION = KEY` and `ACTION = [KEY, …]`.
pub(super) fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rebound, D::Error> {
    /// The table.
    struct Table;

    /// The name of a row.
    struct Name(&'static Binding);

    /// The keys of a row.
    struct Keys(Vec<Key>);

    impl<'de> Visitor<'de> for Table {
        type Value = Rebound;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table of ACTION = [KEY, …]")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Rebound, A::Error> {
            let mut rebound = Rebound::new();
            while let Some(Name(binding)) = table.next_key()? {
                let Keys(keys) = table.next_value()?;
                rebound.insert(binding.name, keys);
            }
            Ok(rebound)
        }
    }

    impl<'de> Deserialize<'de> for Name {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let name = String::deserialize(deserializer)?;
            let names: Vec<&str> = BINDINGS.iter().map(|binding| binding.name).collect();
            let unknown = || unknown("action", &name, &names) + misplaced(&name);
            named(&name).map(Self).ok_or_else(|| D::Error::custom(unknown()))
        }
    }

    impl<'de> Deserialize<'de> for Keys {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let list = List { expecting: "a key or a list of keys", of: PhantomData };
            deserializer.deserialize_any(list).map(Self)
        }
    }

    deserializer.deserialize_map(Table)
}
