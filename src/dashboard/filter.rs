//! Which layers the table shows: those whose names hold what the user typed.

use crate::text::printable;
use regex::{Regex, RegexBuilder};
use std::cell::OnceCell;

/// The longest filter; a longer text was pasted by mistake.
const LONGEST: usize = 200;

/// The most bytes for a compiled pattern, and for matching it, so that `a{9999}{9999}` costs little.
const COMPILED: usize = 1 << 20;

/// What makes a filter a regular expression. A dot alone does not: the names of layers are full of them.
const METACHARACTERS: [char; 13] = ['\\', '*', '+', '?', '(', ')', '[', ']', '{', '}', '|', '^', '$'];

/// A filter as it was typed. It is compiled when it is first needed: a pasted text is compiled once, not for each of its
/// characters.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    text: String,
    pattern: OnceCell<Pattern>,
}

#[derive(Debug, Clone, Default)]
enum Pattern {
    #[default]
    Everything,
    Substring(String),
    Regex(Regex),
    /// Not a regular expression, and why.
    Invalid(String),
}

impl Filter {
    /// A filter by the text that was typed.
    pub fn new(text: impl Into<String>) -> Self {
        let text: String = text.into().chars().take(LONGEST).collect();
        Self { text, pattern: OnceCell::new() }
    }

    fn pattern(&self) -> &Pattern {
        self.pattern.get_or_init(|| Pattern::from_text(&self.text))
    }

    pub fn is_compiled(&self) -> bool {
        self.pattern.get().is_some()
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Why the filter is not a valid regular expression, where it looks like one.
    pub fn fault(&self) -> Option<&str> {
        match self.pattern() {
            Pattern::Invalid(why) => Some(why),
            _ => None,
        }
    }

    /// Whether a layer of this name is shown. An invalid pattern hides nothing.
    pub fn shows(&self, name: &str) -> bool {
        // Match the name as it is displayed.
        let name = printable(name);
        match self.pattern() {
            Pattern::Everything | Pattern::Invalid(_) => true,
            Pattern::Substring(part) => name.to_lowercase().contains(part),
            Pattern::Regex(regex) => regex.is_match(&name),
        }
    }
}

impl Pattern {
    fn from_text(text: &str) -> Self {
        if text.is_empty() {
            return Self::Everything;
        }
        if !text.contains(METACHARACTERS) {
            return Self::Substring(text.to_lowercase());
        }
        let mut builder = RegexBuilder::new(text);
        builder.case_insensitive(true).size_limit(COMPILED).dfa_size_limit(COMPILED);
        match builder.build() {
            Ok(regex) => Self::Regex(regex),
            Err(error) => Self::Invalid(reason(&error)),
        }
    }
}

/// The last line of the library's message, which has the reason; the others draw the pattern.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "too large".to_owned(),
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows(filter: &str, name: &str) -> bool {
        Filter::new(filter).shows(name)
    }

    #[test]
    fn plain_text_is_a_part_of_a_name() {
        assert!(shows("", "lif1") && shows("LIF", "lif1") && shows("lif", "net.LIF1"));
        assert!(shows("ures.1", "features.1") && !shows("ures.1", "features21"), "a dot is a dot");
        assert!(!shows("conv", "lif1"));
    }

    #[test]
    fn metacharacters_make_a_regular_expression() {
        assert!(shows("^lif[12]$", "LIF1") && !shows("^lif[12]$", "lif3"));
        assert!(shows("conv|head", "head.lif") && !shows("conv|head", "lif"));
        assert!(shows(r"block0.\.", "block01.lif"));
    }

    #[test]
    fn it_is_compiled_when_it_is_asked() {
        let filter = Filter::new("(a|b){9}");
        assert!(!filter.is_empty() && filter.text() == "(a|b){9}" && !filter.is_compiled());
        assert!(filter.shows("abababababab") && filter.is_compiled());
    }

    #[test]
    fn an_invalid_pattern_says_why_and_hides_nothing() {
        for (pattern, why) in
            [("conv(", "unclosed group"), ("[", "unclosed character class"), ("*", "repetition")]
        {
            let filter = Filter::new(pattern);
            assert!(filter.fault().is_some_and(|fault| fault.contains(why)), "{:?}", filter.fault());
            assert!(filter.shows("lif"));
        }
        assert_eq!(Filter::new("a{999}{999}{999}").fault(), Some("too large"));
        assert!(Filter::new("x".repeat(10_000)).text().len() == LONGEST);
    }
}
