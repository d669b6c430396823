//! A value of a document that may have any type, so that a wrong one can be named and the document stays usable.

use super::bounded::shortened;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// The most characters of text that are kept.
const MAX_TEXT: usize = 1_000;

/// The most words of a list that are kept, and the most bytes of each.
const MAX_WORDS: u64 = 10_000;
const MAX_WORD: usize = 64;

/// A value, or the type of what is of no use. No more is kept than a document needs: a list of 30 MiB would take
/// gigabytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LooseValue {
    Whole(u64),
    /// Shortened.
    Text(String),
    /// A list of words without spaces in them, with a space between them, and how many there are. Of very many none is
    /// kept.
    Words {
        words: String,
        count: u64,
    },
    Not(&'static str),
}

impl LooseValue {
    /// What it is, in words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Whole(_) => "a number",
            Self::Text(_) => "a string",
            Self::Words { .. } => "a list",
            Self::Not(kind) => kind,
        }
    }
}

impl<'de> Deserialize<'de> for LooseValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue::OfDocument)
    }
}

impl Serialize for LooseValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(number) => serializer.serialize_u64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Words { words, .. } => serializer.collect_seq(words.split_whitespace()),
            Self::Not(_) => serializer.serialize_unit(),
        }
    }
}

/// Reads a value. What is in a list is of use as a word only, so that lists in it are skipped.
enum AnyValue {
    OfDocument,
    OfList,
}

impl<'de> DeserializeSeed<'de> for AnyValue {
    type Value = LooseValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<LooseValue, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = LooseValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<LooseValue, E> {
        Ok(LooseValue::Whole(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<LooseValue, E> {
        Ok(LooseValue::Not("a negative number"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<LooseValue, E> {
        Ok(LooseValue::Not("a number that is no integer"))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<LooseValue, E> {
        Ok(LooseValue::Not("a truth value"))
    }

    fn visit_unit<E: Error>(self) -> Result<LooseValue, E> {
        Ok(LooseValue::Not("nothing"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<LooseValue, E> {
        Ok(LooseValue::Text(shortened(text, MAX_TEXT).into_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<LooseValue, A::Error> {
        if matches!(self, Self::OfList) {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(LooseValue::Not("a list"));
        }
        let (mut words, mut count, mut are_words) = (String::new(), 0, true);
        while let Some(value) = list.next_element_seed(Self::OfList)? {
            count += 1;
            match value {
                LooseValue::Text(word) if is_word(&word) => {
                    if count <= MAX_WORDS {
                        words.extend((count > 1).then_some(' '));
                        words.push_str(&word);
                    }
                }
                _ => are_words = false,
            }
        }
        Ok(match are_words {
            _ if count > MAX_WORDS => LooseValue::Words { words: String::new(), count },
            true => LooseValue::Words { words, count },
            false => LooseValue::Not("a list"),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<LooseValue, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(LooseValue::Not("an object"))
    }
}

fn is_word(text: &str) -> bool {
    (1..=MAX_WORD).contains(&text.len())
        && !text.contains(|character: char| character.is_whitespace() || character.is_control())
}
