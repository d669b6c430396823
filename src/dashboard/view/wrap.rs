//! Makes text fit: breaks it into lines, or leaves parts out.

use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A line of the parts that fit into `width` columns, in their order.
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
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() && word.width() <= width {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            push_word(&mut lines, word, width);
        }
    }
    lines
}

/// Starts a new line with a word, and more of them where the word alone is too long.
fn push_word(lines: &mut Vec<String>, word: &str, width: usize) {
    let mut line = String::new();
    for character in word.chars() {
        if line.width() + character.width().unwrap_or(0) > width {
            lines.push(std::mem::take(&mut line));
        }
        line.push(character);
    }
    lines.push(line);
    lines.retain(|line| !line.is_empty());
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
    }
}
