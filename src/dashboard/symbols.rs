//! The symbols that are drawn, and their replacements on a terminal that shows only ASCII.

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

/// The ASCII form of a ± with a blank at either side.
const PLUS_MINUS: &str = "+/-";

impl Symbols {
    /// Derived from the character set at the end of the locale, and from the kind of the terminal. Most systems without a
    /// locale show Unicode. The Linux console has 512 characters at most, without Braille and the eighths of a block.
    pub fn from_environment(locale: Option<&str>, term: Option<&str>) -> Self {
        if term.is_some_and(|term| term == "linux" || term.starts_with("linux-")) {
            return Self::Ascii;
        }
        let Some(locale) = locale else { return Self::Unicode };
        let locale = locale.to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") { Self::Unicode } else { Self::Ascii }
    }

    /// The label of a key; where there are no arrows, their names.
    pub fn label(self, label: &str) -> String {
        match self {
            Self::Unicode => label.to_owned(),
            Self::Ascii => {
                let names = [("→", "Right"), ("←", "Left"), ("↓", "Down"), ("↑", "Up")];
                names.iter().fold(label.to_owned(), |label, (arrow, name)| label.replace(arrow, name))
            }
        }
    }

    /// Replaces what the terminal cannot show; the text keeps its width.
    pub fn text(self, text: &str) -> Cow<'_, str> {
        if self == Self::Unicode || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut fit = String::with_capacity(text.len());
        for character in text.replace(" ± ", PLUS_MINUS).chars() {
            match character {
                _ if character.is_ascii() => fit.push(character),
                _ => fit.extend(std::iter::repeat_n(ascii(character), character.width().unwrap_or(0))),
            }
        }
        Cow::Owned(fit)
    }

    /// Replaces what the terminal cannot show, in one pass over the whole screen, so that no widget, not even a
    /// library's, can miss a symbol.
    pub fn apply(self, buffer: &mut Buffer) {
        if self == Self::Unicode {
            return;
        }
        let width = usize::from(buffer.area.width).max(1);
        for row in buffer.content.chunks_mut(width) {
            for at in 2..row.len() {
                if [at - 2, at - 1, at].map(|at| row[at].symbol()) == [" ", "±", " "] {
                    for (cell, symbol) in row[at - 2..].iter_mut().zip(PLUS_MINUS.chars()) {
                        cell.set_char(symbol);
                    }
                }
            }
        }
        for cell in &mut buffer.content {
            if !cell.symbol().is_ascii() {
                let ascii = cell.symbol().chars().next().map_or(' ', ascii);
                cell.set_char(ascii);
            }
        }
    }
}

/// The ASCII replacement of a character.
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
        '·' => '.',
        '●' => '*',
        '○' | '◌' | '•' => 'o',
        '✓' => '+',
        '✗' => 'x',
        '▲' | '↑' => '^',
        '▼' | '↓' => 'v',
        '→' | '▸' => '>',
        '▾' => 'v',
        '←' => '<',
        '≠' => '!',
        '–' | '—' => '-',
        '…' => '~',
        '’' => '\'',
        '×' => 'x',
        '±' => '+',
        letter => base_letter(letter),
    }
}

/// Letters of other alphabets, and below each the one that stands for it.
const LETTERS: [[&str; 2]; 3] = [
    ["àáâãäåçèéêëìíîïñòóôõöøùúûüýÿšžčćłśżźąęńřěůđ", "aaaaaaceeeeiiiinoooooouuuuyyszcclszzaenreud"],
    ["αβγδεζηθικλμνξοπρσςτυφχψω", "abgdezhqiklmnxoprsstufcyw"],
    ["абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "abvgdeejziiklmnoprstufhccss'y'eua"],
];

/// The letter of ASCII for a letter of a name that the terminal cannot show, so that names that differ look different.
fn base_letter(letter: char) -> char {
    let small = letter.to_lowercase().next().unwrap_or(letter);
    let found = LETTERS.iter().find_map(|[letters, bases]| {
        let at = letters.chars().position(|other| other == small)?;
        bases.chars().nth(at)
    });
    match found {
        Some(base) if letter != small => base.to_ascii_uppercase(),
        Some(base) => base,
        None => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_its_columns() {
        assert_eq!(
            Symbols::Ascii.text("7 ± 1.2 – 3…\n───\n±0 層 é e\u{301}"),
            "7+/-1.2 - 3~\n---\n+0 ?? e e"
        );
        let names = ["слой", "море", "Ω-Schicht", "größe"].map(|name| Symbols::Ascii.text(name).into_owned());
        assert_eq!(names, ["sloi", "more", "W-Schicht", "gro?e"]);
        assert!(LETTERS.iter().all(|[letters, bases]| letters.chars().count() == bases.len()));
        assert_eq!(Symbols::Unicode.text("±"), "±");
        assert_eq!(Symbols::Ascii.label("Shift-→ l"), "Shift-Right l");
    }
}
