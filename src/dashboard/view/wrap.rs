//! Fits text into a width: breaks it into lines, or leaves parts out.

use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A line of those parts that fit into `width` columns together.
pub(super) fn fitting<'a>(parts: impl IntoIterator<Item = Span<'a>>, width: u16) -> Line<'a> {
    let mut line = Line::default();
    for part in parts {
        if line.width() + part.width() <= usize::from(width) {
            line.push_span(part);
        }
    }
    line
}

/// Breaks text into lines of at most `width` columns, between words where it can.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = LineBreaker { width: width.max(1), whole: Vec::new(), last: String::new(), used: 0 };
    for word in text.split_whitespace() {
        lines.push_word(word);
    }
    lines.whole.push(lines.last);
    lines.whole
}

/// Fills lines. Looks at each character once, however long the text is.
struct LineBreaker {
    width: usize,
    whole: Vec<String>,
    last: String,
    /// Columns of the last line.
    used: usize,
}

impl LineBreaker {
    fn push_word(&mut self, word: &str) {
        let width = word.width();
        if !self.last.is_empty() && self.used + 1 + width <= self.width {
            self.last.push(' ');
            self.used += 1;
        } else {
            self.end_line();
        }
        if self.used + width <= self.width {
            self.last.push_str(word);
            self.used += width;
        } else {
            word.chars().for_each(|character| self.push(character));
        }
    }

    /// Adds a character of a word that is too long for a line.
    fn push(&mut self, character: char) {
        let width = character.width().unwrap_or(0);
        if self.used + width > self.width {
            self.end_line();
        }
        self.last.push(character);
        self.used += width;
    }

    fn end_line(&mut self) {
        if !self.last.is_empty() {
            self.whole.push(std::mem::take(&mut self.last));
        }
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_long_words_within() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("ab", 0), ["a", "b"]);
        assert_eq!(wrapped("a bcdef", 4), ["a", "bcde", "f"]);
        assert_eq!(wrapped("層層 a", 1), ["層", "層", "a"]);
    }

    /// So many that looking at all lines for each word does not come to an end.
    #[test]
    fn a_text_of_megabytes_is_broken_in_one_pass() {
        assert_eq!(wrapped(&"abcd ".repeat(400_000), 3).len(), 800_000);
        assert_eq!(wrapped(&"a ".repeat(1_000_000), 3).len(), 500_000);
        assert_eq!(wrapped(&"a".repeat(2_000_000), 2).len(), 1_000_000);
        assert_eq!(wrapped(&"\u{301}".repeat(1_000_000), 2).len(), 1);
    }
}
