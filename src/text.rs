//! Text for people: numbers with separators and units, names made safe to print and fitted to a width.

use indicatif::HumanBytes;
use std::borrow::Cow;
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// An integer with thousands separators.
pub fn thousands(value: u128) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A float with thousands separators and a fixed number of decimals.
pub fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    match digits.parse() {
        Ok(whole) if fraction.is_empty() => format!("{sign}{}", thousands(whole)),
        Ok(whole) => format!("{sign}{}.{fraction}", thousands(whole)),
        Err(_) => text,
    }
}

/// A figure in at most six characters with a metric prefix: `27.69k`.
pub fn compact(value: f64) -> String {
    compact_by(value, 0)
}

/// The same with so many digits more.
pub fn compact_by(value: f64, more: usize) -> String {
    const PREFIXES: [&str; 9] = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];
    let mut scaled = value;
    let mut prefix = 0;
    while scaled.abs() >= 999.5 && prefix + 1 < PREFIXES.len() {
        scaled /= 1000.0;
        prefix += 1;
    }
    let decimals = more
        + match scaled.abs() {
            _ if prefix == 0 && more == 0 && scaled.fract() == 0.0 => 0,
            large if large >= 99.95 => 0,
            middle if middle >= 9.995 => 1,
            _ => 2,
        };
    format!("{scaled:.decimals$}{}", PREFIXES[prefix])
}

/// A ratio as a percentage.
pub fn percent(ratio: f64) -> String {
    format!("{:.2} %", ratio * 100.0)
}

/// Bytes with a binary prefix.
pub fn bytes(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// A time span in its two largest units: `1 h 05 min`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {:02} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// Text that may come from a stranger's file, with everything escaped that could steer a terminal,
/// hide, or turn the direction of what follows.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let escape = |character: char| {
        if is_unprintable(character) { character.escape_unicode().to_string() } else { character.to_string() }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{61c}' | '\u{ad}' | '\u{e0000}'..='\u{e007f}' | '\u{fff9}'..='\u{fffb}')
}

/// Printable text of at most `width` columns; what is too long loses its middle, since the ends of
/// qualified names tell layers apart.
pub fn elide(text: &str, width: usize) -> String {
    elide_with(text, width, "…")
}

fn elide_with(text: &str, width: usize, mark: &str) -> String {
    let text = printable(text);
    if text.width() <= width {
        return text.into_owned();
    }
    if width <= mark.width() {
        return mark.chars().take(width).collect();
    }
    let room = width - mark.width();
    let tail_room = room.div_ceil(2);
    let head = fitting(text.chars(), room - tail_room);
    let mut tail: Vec<char> = fitting(text.chars().rev(), tail_room).chars().collect();
    tail.reverse();
    format!("{head}{mark}{}", tail.into_iter().collect::<String>())
}

fn fitting(characters: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    characters
        .take_while(|character| {
            used += character.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_have_separators() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(decimal(27693.041666666668, 2), "27,693.04");
        assert_eq!(decimal(-1234.5, 0), "-1,234");
        assert_eq!(decimal(f64::NAN, 1), "NaN");
        assert_eq!(percent(0.129), "12.90 %");
    }

    #[test]
    fn compact_figures_have_at_most_six_characters() {
        for (value, text) in [
            (0.0, "0"),
            (7.0, "7"),
            (6.25, "6.25"),
            (999.4, "999"),
            (999.6, "1.00k"),
            (27693.04, "27.7k"),
            (123456.0, "123k"),
            (9.996e9, "10.0G"),
            (1e30, "1000000Y"),
        ] {
            assert_eq!(compact(value), text);
        }
    }

    #[test]
    fn compact_figures_can_have_more_digits() {
        assert_eq!(compact_by(3_351_234.0, 0), "3.35M");
        assert_eq!(compact_by(3_351_234.0, 2), "3.3512M");
        assert_eq!(compact_by(7.0, 1), "7.000");
    }

    #[test]
    fn spans_have_two_units() {
        for (seconds, text) in [(5, "5 s"), (65, "1 min 05 s"), (3900, "1 h 05 min"), (90_000, "1 d 01 h")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn what_could_steer_a_terminal_is_escaped() {
        assert_eq!(printable("lif1"), "lif1");
        assert_eq!(printable("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(printable("a\u{202e}b\u{200b}"), "a\\u{202e}b\\u{200b}");
        assert_eq!(printable("層"), "層");
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(elide("features.1.lif", 14), "features.1.lif");
        assert_eq!(elide("features.1.lif", 9), "feat….lif");
        assert_eq!(elide("features", 1), "…");
        assert_eq!(elide("features", 0), "");
        assert_eq!(elide("層層層層", 5), "層…層");
    }

    proptest! {
        #[test]
        fn elided_text_fits(text in "\\PC{0,40}", width in 0_usize..30) {
            prop_assert!(elide(&text, width).width() <= width.max(text.width().min(width)));
        }
    }
}
