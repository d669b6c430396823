//! The symbols that are drawn, and what stands for them on a terminal that has ASCII only.

use ratatui::buffer::Buffer;
use std::borrow::Cow;
use unicode_width::UnicodeWidthChar;

/// What a terminal can show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Symbols {
    /// Lines, blocks and dots of Unicode.
    #[default]
    Unicode,
    /// ASCII only.
    Ascii,
}

impl Symbols {
    /// What a locale says, the name of a character set at its end, and the kind of the terminal. A system
    /// without a locale says nothing, and most of those show Unicode. The console of Linux has 512
    /// characters at most, and neither Braille nor the eighths of a block among them.
    pub fn from_environment(locale: Option<&str>, term: Option<&str>) -> Self {
        if term.is_some_and(|term| term == "linux" || term.starts_with("linux-")) {
            return Self::Ascii;
        }
        let Some(locale) = locale else { return Self::Unicode };
        let locale = locale.to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") { Self::Unicode } else { Self::Ascii }
    }

    /// The label of a key: arrows are called by their names where there are none.
    pub fn label(self, label: &str) -> String {
        match self {
            Self::Unicode => label.to_owned(),
            Self::Ascii => {
                let names = [("→", "Right"), ("←", "Left"), ("↓", "Down"), ("↑", "Up")];
                names.iter().fold(label.to_owned(), |label, (arrow, name)| label.replace(arrow, name))
            }
        }
    }

    /// Makes text fit for the terminal, in as many columns as it had.
    pub fn text(self, text: &str) -> Cow<'_, str> {
        if self == Self::Unicode || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut fit = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                _ if character.is_ascii() => fit.push(character),
                _ => fit.extend(std::iter::repeat_n(ascii(character), character.width().unwrap_or(0))),
            }
        }
        Cow::Owned(fit)
    }

    /// Makes what was drawn fit for the terminal. One pass over the whole screen, so that no widget can
    /// forget a symbol, nor a library's widget bring one in.
    pub fn apply(self, buffer: &mut Buffer) {
        if self == Self::Unicode {
            return;
        }
        for cell in &mut buffer.content {
            if !cell.symbol().is_ascii() {
                let ascii = cell.symbol().chars().next().map_or(' ', ascii);
                cell.set_char(ascii);
            }
        }
    }
}

/// The ASCII character that stands for another.
fn ascii(symbol: char) -> char {
    match symbol {
        '─' | '╌' => '-',
        '━' | '═' => '=',
        '│' => '|',
        '┃' => '#',
        '╭' | '╮' | '╰' | '╯' | '└' | '┌' | '┐' | '┘' => '+',
        '░' => '.',
        '▒' => '+',
        '▓' => '#',
        '▀' => '\'',
        '▁' => '.',
        '▂' => ':',
        '▃' => '-',
        '▄' => '=',
        '▅' => '+',
        '▆' => '*',
        '▇' => '#',
        '█' => '@',
        '\u{2800}'..='\u{28ff}' => '*',
        '•' | '·' => '.',
        '●' => '*',
        '○' | '◌' => 'o',
        '✓' => '+',
        '✗' => 'x',
        '▲' | '↑' => '^',
        '▼' | '↓' => 'v',
        '→' => '>',
        '←' => '<',
        '≠' => '!',
        '–' | '—' => '-',
        '…' => '~',
        '’' => '\'',
        '×' => 'x',
        '±' => '~',
        // Of a name, which the terminal could not show.
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_its_columns() {
        assert_eq!(Symbols::Ascii.text("± 1.2 – 3…\n───\n層 é e\u{301}"), "~ 1.2 - 3~\n---\n?? ? e");
        assert_eq!(Symbols::Unicode.text("±"), "±");
        assert_eq!(Symbols::Ascii.label("Shift-→ l"), "Shift-Right l");
    }
}
