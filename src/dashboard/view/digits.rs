//! Large digits, for figures that are read from across the room.

/// How large the digits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DigitSize {
    /// Three rows: two dots in a cell, one above the other.
    Three,
    /// Five rows: two cells for a dot.
    Five,
}

/// Rows of dots in a character, of which a comma has one more below in the small size.
const ROWS: usize = 5;

/// The dots of a character, row by row from the top, and their columns.
const FONT: [(char, [&str; ROWS]); 20] = [
    ('0', ["###", "# #", "# #", "# #", "###"]),
    ('1', [" # ", "## ", " # ", " # ", "###"]),
    ('2', ["###", "  #", "###", "#  ", "###"]),
    ('3', ["###", "  #", "###", "  #", "###"]),
    ('4', ["# #", "# #", "###", "  #", "  #"]),
    ('5', ["###", "#  ", "###", "  #", "###"]),
    ('6', ["###", "#  ", "###", "# #", "###"]),
    ('7', ["###", "  #", "  #", "  #", "  #"]),
    ('8', ["###", "# #", "###", "# #", "###"]),
    ('9', ["###", "# #", "###", "  #", "###"]),
    ('.', [" ", " ", " ", " ", "#"]),
    (',', [" ", " ", " ", "#", "#"]),
    ('%', ["# #", "  #", " # ", "#  ", "# #"]),
    ('-', ["   ", "   ", "###", "   ", "   "]),
    ('e', ["   ", "###", "###", "#  ", "###"]),
    ('k', ["#  ", "# #", "## ", "# #", "# #"]),
    ('M', ["# #", "###", "###", "# #", "# #"]),
    ('G', ["###", "#  ", "# #", "# #", "###"]),
    ('T', ["###", " # ", " # ", " # ", " # "]),
    (' ', [" ", " ", " ", " ", " "]),
];

impl DigitSize {
    pub(super) fn rows(self) -> u16 {
        match self {
            Self::Three => 3,
            Self::Five => 5,
        }
    }

    /// The lines of a text; `None` where a character has no dots.
    pub(super) fn lines(self, text: &str) -> Option<Vec<String>> {
        let dots = |character| Some(FONT.iter().find(|(known, _)| *known == character)?.1);
        let glyphs: Vec<[&str; ROWS]> = text.chars().map(dots).collect::<Option<_>>()?;
        let row = |at: usize| {
            glyphs.iter().map(|glyph| glyph.get(at).copied().unwrap_or("")).collect::<Vec<_>>().join(" ")
        };
        let rows: Vec<String> = (0..ROWS).map(row).collect();
        Some(match self {
            Self::Five => rows.iter().map(|row| row.replace(' ', "  ").replace('#', "██")).collect(),
            Self::Three => rows.chunks(2).map(|pair| halves(&pair[0], pair.get(1))).collect(),
        })
    }
}

/// Two rows of dots in one line.
fn halves(upper: &str, lower: Option<&String>) -> String {
    let mut below = lower.map(String::as_str).unwrap_or_default().chars();
    let half = |above: char| match (above, below.next().unwrap_or(' ')) {
        ('#', '#') => '█',
        ('#', _) => '▀',
        (_, '#') => '▄',
        _ => ' ',
    };
    upper.chars().map(half).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn digits_are_drawn_with_dots() {
        assert_eq!(DigitSize::Three.lines("1.2").expect("lines"), ["▄█    ▀▀█", " █    █▀▀", "▀▀▀ ▀ ▀▀▀"]);
        assert_eq!(
            DigitSize::Five.lines("7").expect("lines"),
            ["██████", "    ██", "    ██", "    ██", "    ██"]
        );
        assert_eq!(DigitSize::Three.lines("1 ± 2"), None);
    }

    #[test]
    fn all_lines_of_a_text_are_as_wide() {
        for size in [DigitSize::Three, DigitSize::Five] {
            let lines = size.lines("0123456789.,%-ekMGT ").expect("lines");
            assert_eq!(lines.len(), usize::from(size.rows()));
            assert!(lines.iter().all(|line| line.width() == lines[0].width()), "{lines:#?}");
        }
    }
}
