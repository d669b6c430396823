//! Bounds for documents and batches from strangers: for lists while they are read, and for text in errors.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// The most characters of a name or value in an error.
const SHOWN: usize = 200;

const MAX_WARNINGS: usize = 100;

/// The most characters of a warning.
const MAX_WARNING: usize = 1_000;

/// Shortens text to at most `most` characters. Longer text loses its middle, since the ends of names and sentences
/// say the most.
///
/// Counts characters, not columns, since a name of a million combining marks takes one column.
pub(super) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    // No text has more characters than bytes.
    if text.len() <= most || text.chars().nth(most).is_none() {
        return Cow::Borrowed(text);
    }
    let room = most.saturating_sub(1);
    let end = |count: usize| text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
    let start = |count: usize| match count.checked_sub(1) {
        Some(before) => text.char_indices().nth_back(before).map_or(0, |(at, _)| at),
        None => text.len(),
    };
    Cow::Owned(format!("{}…{}", &text[..end(room / 2)], &text[start(room.div_ceil(2))..]))
}

/// A name from a file, shortened for an error.
pub(crate) fn shown(name: &str) -> Cow<'_, str> {
    shortened(name, SHOWN)
}

/// The same in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("{:?}", shown(name))
}

/// Reads a list of `what`, and gives its elements to `take` one by one. Fails as soon as that does.
fn each_element<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    what: &'static str,
    take: impl FnMut(T) -> Result<(), String>,
) -> Result<(), D::Error> {
    deserializer.deserialize_seq(ListVisitor { what, take, element: PhantomData })
}

struct ListVisitor<T, F> {
    what: &'static str,
    take: F,
    element: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<(), String>> Visitor<'de> for ListVisitor<T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", self.what)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element()? {
            (self.take)(element).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// Reads a list, and fails as soon as it has more than `most` elements, which are called `what`.
pub(super) fn at_most<'de, D, T>(deserializer: D, most: usize, what: &'static str) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let mut elements = Vec::new();
    each_element(deserializer, what, |element| {
        if elements.len() == most {
            return Err(format!("it has more than {most} {what}"));
        }
        elements.push(element);
        Ok(())
    })?;
    Ok(elements)
}

/// Reads the warnings of a manifest. Keeps [`MAX_WARNINGS`] of them, shortened; the last says how many more there
/// are.
pub(super) fn warnings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let (mut kept, mut left_out) = (Vec::new(), 0_u64);
    each_element(deserializer, "sentences", |sentence: String| {
        // There is room for one more, so that warnings that were read and written are the same when they are read
        // again.
        if kept.len() <= MAX_WARNINGS {
            kept.push(shortened(&sentence, MAX_WARNING).into_owned());
        } else {
            left_out += 1;
        }
        Ok(())
    })?;
    if left_out > 0 {
        kept[MAX_WARNINGS] = format!("{} more warnings are left out", left_out + 1);
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_text_loses_its_middle() {
        for (text, most, expected) in [
            ("", 0, ""),
            ("abc", 3, "abc"),
            ("abcdef", 5, "ab…ef"),
            ("abcdef", 4, "a…ef"),
            ("abc", 1, "…"),
            ("äöüß", 4, "äöüß"),
            ("äöüß", 3, "ä…ß"),
        ] {
            assert_eq!(shortened(text, most), expected, "{text} {most}");
        }
        let marks = format!("a{}", "\u{301}".repeat(1_000_000));
        assert_eq!(shown(&marks).chars().count(), SHOWN);
    }

    proptest! {
        #[test]
        fn shortened_text_has_no_more_characters(text in "\\PC{0,40}", most in 1_usize..40) {
            let short = shortened(&text, most);
            prop_assert_eq!(short.chars().count(), text.chars().count().min(most));
            prop_assert_eq!(shortened(&short, most), short.clone());
        }
    }
}
