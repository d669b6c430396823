//! Text for people: numbers with separators and units; names made safe to print and fitted to a width.

use indicatif::HumanBytes;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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

/// A number of things, by what one and several of them are called: `1 batch`, `12 batches`.
pub fn numbered(count: u128, names: [&str; 2]) -> String {
    part_of(count, None, names)
}

/// The same out of so many, if that is known: `1 of 12 batches`.
pub fn part_of(count: u128, whole: Option<u64>, [one, several]: [&str; 2]) -> String {
    let of = whole.map_or(String::new(), |whole| format!(" of {}", thousands(whole.into())));
    let name = if whole.map_or(count, u128::from) == 1 { one } else { several };
    format!("{}{of} {name}", thousands(count))
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

/// A figure in at most six characters, with a metric prefix: `27.69k`.
pub fn compact(value: f64) -> String {
    compact_by(value, 0)
}

/// The same with `more` additional digits.
pub fn compact_by(value: f64, more: usize) -> String {
    prefixed(value, |decimals, prefix, scaled| {
        let is_whole = prefix == 0 && more == 0 && scaled.fract() == 0.0;
        if is_whole { 0 } else { decimals + more }
    })
}

/// The same without the digits that its half width makes meaningless.
pub fn compact_within(value: f64, half_width: Option<f64>) -> String {
    match half_width.and_then(governed_place) {
        Some(place) => prefixed(rounded_at(value, place), |decimals, prefix, _| {
            decimals.min(usize::try_from(place + 3 * prefix as i32).unwrap_or(0))
        }),
        None => compact(value),
    }
}

/// A value with a metric prefix. `decimals` is told how many make three digits, the number of the prefix, and the value
/// before it.
fn prefixed(value: f64, decimals: impl Fn(usize, usize, f64) -> usize) -> String {
    const PREFIXES: [&str; 9] = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];
    let mut scaled = value;
    let mut prefix = 0;
    while scaled.abs() >= 999.5 && prefix + 1 < PREFIXES.len() {
        scaled /= 1000.0;
        prefix += 1;
    }
    let of_three = match scaled.abs() {
        large if large >= 99.95 => 0,
        middle if middle >= 9.995 => 1,
        _ => 2,
    };
    let decimals = decimals(of_three, prefix, scaled);
    format!("{scaled:.decimals$}{}", PREFIXES[prefix])
}

/// A ratio in percent. One close to 0 is written as a power of ten and one close to 1 with more digits: real networks have
/// ratios of 0.000006, and `0.00 %` or `100.00 %` would hide them.
pub fn percent(ratio: f64) -> String {
    let written = format!("{:.2}", ratio * 100.0);
    let (distance_from_0, distance_from_1) = (ratio.abs(), (1.0 - ratio).abs());
    if written.trim_start_matches('-') == "0.00" && distance_from_0 > 0.0 {
        return format!("{ratio:.1e}");
    }
    if written == "100.00" && distance_from_1 > 0.0 {
        // As many decimals as show the first digit of the distance.
        let decimals = -(distance_from_1 * 100.0).log10().floor() as usize;
        let sign = if ratio < 1.0 { '-' } else { '+' };
        return match decimals {
            ..=5 => format!("{:.decimals$} %", ratio * 100.0),
            _ => format!("1{sign}{distance_from_1:.1e}"),
        };
    }
    written + " %"
}

/// The last decimal place that a half width governs: two significant digits of it. 0 are the ones, 1 the tenths, and
/// -1 the tens; `None` for what governs nothing.
fn governed_place(half_width: f64) -> Option<i32> {
    let has_digits = half_width.is_finite() && half_width > 0.0;
    // 0.996 is written 1.0, and 99.6 as 100.
    let written: f64 = has_digits.then(|| format!("{half_width:.1e}").parse().ok())??;
    Some(1 - written.log10().floor() as i32).filter(|&place| place <= MOST_DECIMALS)
}

/// Digits behind the point beyond which no figure has a meaning.
const MOST_DECIMALS: i32 = 12;

/// A value, or its half width, with the digits that the half width governs.
fn at_place(value: f64, place: i32) -> String {
    match usize::try_from(place) {
        Ok(decimals) => decimal(value, decimals),
        Err(_) => decimal(rounded_at(value, place), 0),
    }
}

/// A value rounded at a place before the point.
fn rounded_at(value: f64, place: i32) -> f64 {
    let unit = 10_f64.powi(-place);
    if place < 0 { (value / unit).round() * unit } else { value }
}

/// A value with so many decimals, without those digits that its half width makes meaningless.
pub fn decimal_within(value: f64, decimals: usize, half_width: Option<f64>) -> String {
    let place = half_width.and_then(governed_place).filter(|&place| place < decimals as i32);
    place.map_or_else(|| decimal(value, decimals), |place| at_place(value, place))
}

/// A ratio in percent, without the digits that its half width makes meaningless. What is not 0 or all does not become it.
pub fn percent_within(ratio: f64, half_width: Option<f64>) -> String {
    let short = decimal_within(ratio * 100.0, 2, half_width.map(|width| width * 100.0));
    let is_edge = short.parse().is_ok_and(|short: f64| short == 0.0 || short == 100.0);
    if is_edge || short == decimal(ratio * 100.0, 2) { percent(ratio) } else { format!("{short} %") }
}

/// A value with its uncertainty, which governs the digits of both: `27,940 ± 440`.
pub fn plus_minus(value: f64, half_width: f64) -> String {
    match governed_place(half_width) {
        Some(place) => format!("{} ± {}", at_place(value, place), at_place(half_width, place)),
        None => decimal(value, 2),
    }
}

/// A number of bytes with a binary prefix.
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

/// How old something is, in its largest unit: `2 d`.
pub fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", thousands((seconds / 86400).into())),
    }
}

/// The most characters of a text that are printed, since a stranger's file may contain names of megabytes.
const MOST_PRINTED: usize = 2_000;

/// Makes text from a stranger's file safe to print. Escapes everything that could control a terminal, hide, look like
/// a space, cover the lines around it, or reverse the direction of what follows. Very long text loses its middle.
pub fn printable(text: &str) -> Cow<'_, str> {
    // A text has no more characters than bytes.
    if text.len() <= MOST_PRINTED || text.chars().nth(MOST_PRINTED).is_none() {
        return escaped(text);
    }
    let half = MOST_PRINTED / 2;
    Cow::Owned(format!("{}…{}", escaped(beginning(text, half - 1)), escaped(end(text, half))))
}

fn escaped(text: &str) -> Cow<'_, str> {
    let mut marks = 0;
    // Whether the next character must be escaped.
    let mut hides = |character: char| {
        marks = if character.width() == Some(0) { marks + 1 } else { 0 };
        marks > MOST_MARKS || is_unprintable(character)
    };
    let Some((plain, _)) = text.char_indices().find(|&(_, character)| hides(character)) else {
        return Cow::Borrowed(text);
    };
    let (mut printable, rest) = (text[..plain].to_owned(), &text[plain..]);
    for (at, character) in rest.char_indices() {
        // The first one was examined above.
        if at == 0 || hides(character) {
            printable.extend(character.escape_unicode());
        } else {
            printable.push(character);
        }
    }
    Cow::Owned(printable)
}

/// A path as text for people, made safe, since its names may come from strangers too.
pub fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// How many combining marks may follow one another. No script needs more, and a taller stack would cover the lines
/// above and below.
const MOST_MARKS: usize = 2;

/// Whether a character is a control character, in Unicode's `Default_Ignorable_Code_Point`, a separator of lines or
/// annotations, or a blank other than the space.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Blanks.
            '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{2800}' | '\u{3000}'
            // Separators of lines, paragraphs and annotations.
            | '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}'
            // Ignorable: without width or blank.
            | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// What to show for those names of a list that would look like another one: there, combining marks and blanks that are not
/// seen are escaped. `é` may be one character or two, and a blank at the end is not seen.
pub fn told_apart<'a>(names: impl Iterator<Item = &'a str> + Clone) -> HashMap<String, String> {
    let is_seen = |name: &str| name.is_ascii() && !name.contains("  ") && name.trim_matches(' ') == name;
    if names.clone().all(is_seen) {
        return HashMap::new();
    }
    // Names of the same words differ in blanks. Names of the same outline, but not as many characters, may be the same
    // text with and without combining marks; to be sure would take all of Unicode's decompositions.
    let mut same_words: HashMap<String, HashSet<&str>> = HashMap::new();
    let mut same_outline: HashMap<String, HashSet<usize>> = HashMap::new();
    for name in names.clone() {
        let words = words(name);
        same_outline.entry(outline(&words)).or_default().insert(words.chars().count());
        same_words.entry(words).or_default().insert(name);
    }
    let looks_like_another = |name: &&str| {
        let words = words(name);
        same_outline.get(&outline(&words)).is_some_and(|lengths| lengths.len() > 1)
            || same_words.get(&words).is_some_and(|names| names.len() > 1)
    };
    let spelled_out = names.filter(looks_like_another).map(|name| (name.to_owned(), spelled_out(name)));
    spelled_out.filter(|(name, shown)| name != shown).collect()
}

/// A name with the blanks in it that are seen.
fn words(name: &str) -> String {
    name.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A character for each that is seen: itself if it is ASCII, and one for all others.
fn outline(name: &str) -> String {
    const OTHER: char = '?';
    let mut outline = String::with_capacity(name.len());
    for character in name.chars() {
        if is_mark(character) {
            outline.pop();
        }
        outline.push(if character.is_ascii() { character } else { OTHER });
    }
    outline
}

/// A name with its combining marks escaped, and the blanks at its ends and beside others.
pub fn spelled_out(name: &str) -> String {
    let end = name.trim_end_matches(' ').len();
    let (mut text, mut is_behind_blank) = (String::new(), true);
    for (at, character) in name.char_indices() {
        let is_blank = character == ' ';
        if is_mark(character) || is_blank && (is_behind_blank || at >= end) {
            text.extend(character.escape_unicode());
        } else {
            text.push(character);
        }
        is_behind_blank = is_blank;
    }
    text
}

/// Whether a character is drawn with the one before it.
fn is_mark(character: char) -> bool {
    character.width() == Some(0) && !is_unprintable(character)
}

/// How many characters one column may take, since there can be millions of marks without width.
const CHARACTERS_PER_COLUMN: usize = 4;

/// Printable text of at most `width` columns, with a few characters per column at most. Longer text loses its middle,
/// since the ends of qualified names distinguish layers.
pub fn elide(text: &str, width: usize) -> String {
    const MARK: &str = "…";
    let most = width.saturating_mul(CHARACTERS_PER_COLUMN);
    // Does not examine all of a text of megabytes for a few columns.
    let is_long = text.chars().nth(most).is_some();
    if !is_long {
        let text = escaped(text);
        if text.width() <= width {
            return text.into_owned();
        }
    }
    if width <= MARK.width() {
        return MARK.chars().take(width).collect();
    }
    let room = width - MARK.width();
    let tail_room = room.div_ceil(2);
    let (head, tail) = if is_long { (beginning(text, most), end(text, most)) } else { (text, text) };
    let head = fitting(escaped(head).chars(), room - tail_room);
    let mut tail: Vec<char> = fitting(escaped(tail).chars().rev(), tail_room).chars().collect();
    tail.reverse();
    format!("{head}{MARK}{}", tail.into_iter().collect::<String>())
}

/// Text of at most `width` columns, of which the first `prefix` and the last `suffix` bytes say least, since it shares them
/// with its neighbours: these give way first, the beginning before the end; without `whole` the beginning in any case.
pub fn elide_common(text: &str, (prefix, suffix): (usize, usize), width: usize, whole: bool) -> String {
    const MARK: &str = "…";
    if text.len() > MOST_PRINTED {
        return elide(text, width);
    }
    let all = |text: &str| elide(text, usize::MAX / CHARACTERS_PER_COLUMN);
    let tail = text.get(prefix..).filter(|_| prefix > 0);
    let own = text.get(prefix..text.len().saturating_sub(suffix)).filter(|own| suffix > 0 && !own.is_empty());
    let [before, after] = [prefix > 0, suffix > 0].map(|is_left_out| if is_left_out { MARK } else { "" });
    let choices = [
        Some(all(text)).filter(|_| whole || prefix == 0),
        tail.map(|tail| format!("{before}{}", all(tail))),
        own.map(|own| format!("{before}{}{after}", all(own))),
    ];
    let fitting = choices.into_iter().flatten().find(|choice| choice.width() <= width);
    fitting.unwrap_or_else(|| match own.or(tail) {
        Some(own) if width > 2 => {
            let room = width - before.width() - after.width();
            let own = abbreviated(own, room).unwrap_or_else(|| elide(own, room));
            format!("{before}{own}{after}")
        }
        None if width > 2 => abbreviated(text, width).unwrap_or_else(|| elide(text, width)),
        _ => elide(text, width),
    })
}

/// A path of modules in at most `width` columns: the first ones are shortened to a letter, those with numbers are not,
/// since numbers tell blocks apart. `None` where that does not do.
fn abbreviated(path: &str, width: usize) -> Option<String> {
    let path = elide(path, usize::MAX / CHARACTERS_PER_COLUMN);
    let modules: Vec<&str> = path.split_inclusive(['.', '/']).collect();
    let (mut used, mut short) = (path.width(), String::new());
    for (at, module) in modules.iter().enumerate() {
        let name = module.strip_suffix(['.', '/']).unwrap_or(module);
        let separator = &module[name.len()..];
        let letter = &name[..name.chars().next().map_or(0, char::len_utf8)];
        let tells = name.contains(|character: char| character.is_ascii_digit() || character == '\\');
        if used <= width || tells || at + 1 == modules.len() {
            short.push_str(module);
        } else {
            short.extend([letter, separator]);
            used -= name.width() - letter.width();
        }
    }
    (used <= width).then_some(short)
}

/// The order in which people count: 7 before 10. Numbers of the same value are ordered by their digits.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (first, second) = (digits(left), digits(right));
        if !first.is_empty() && !second.is_empty() {
            let [x, y] = [first, second].map(|digits| digits.trim_start_matches('0'));
            let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (&left[first.len()..], &right[second.len()..]);
            continue;
        }
        let (mut rest_left, mut rest_right) = (left.chars(), right.chars());
        match (rest_left.next(), rest_right.next()) {
            (Some(x), Some(y)) if x == y => (left, right) = (rest_left.as_str(), rest_right.as_str()),
            (None, None) => return a.cmp(b),
            (x, y) => return x.cmp(&y),
        }
    }
}

/// The ASCII digits that a text begins with.
fn digits(text: &str) -> &str {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

/// The likeness, by Jaro's measure from 0 to 1, from which on a name is suggested.
const ALIKE: f64 = 0.7;

/// The most similar name, if one is similar enough.
pub fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let likeness = |name: &&'a str| (strsim::jaro(word, name), *name);
    let best = names.iter().map(likeness).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

/// Says that there is no such name, and which there are.
pub fn unknown(what: &str, word: &str, names: &[&str]) -> String {
    let guess = nearest(word, names).map_or(String::new(), |name| format!("; did you mean {name}?"));
    let mut names = names.to_vec();
    names.sort_unstable();
    format!("there is no {what} {word:?}{guess} (there are {})", names.join(", "))
}

/// The first `characters` characters.
fn beginning(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

/// The last `characters` characters; at least 1 must be asked for.
fn end(text: &str, characters: usize) -> &str {
    text.char_indices().rev().nth(characters - 1).map_or(text, |(start, _)| &text[start..])
}

/// The first characters that fit into `width` columns.
fn fitting(characters: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    characters
        .take(width.saturating_mul(CHARACTERS_PER_COLUMN))
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
    fn one_is_no_plural() {
        let names = ["batch", "batches"];
        for (count, whole, text) in [
            (1, None, "1 batch"),
            (0, None, "0 batches"),
            (1, Some(12), "1 of 12 batches"),
            (0, Some(1), "0 of 1 batch"),
            (1200, Some(1), "1,200 of 1 batch"),
        ] {
            assert_eq!(part_of(count, whole, names), text);
        }
    }

    #[test]
    fn names_that_look_the_same_are_told_apart_and_no_others() {
        let shown = |names: &[&str]| -> Vec<String> {
            let apart = told_apart(names.iter().copied());
            let shown = names.iter().map(|&name| apart.get(name).map_or(name, String::as_str));
            shown.map(str::to_owned).collect()
        };
        for (names, told) in [
            (["lif", "lif "], ["lif", "lif\\u{20}"]),
            (["a b", " a  b"], ["a b", "\\u{20}a \\u{20}b"]),
            (["\u{e9}.lif", "e\u{301}.lif"], ["\u{e9}.lif", "e\\u{301}.lif"]),
            // A syllable of Korean, and the three letters of another form of it.
            (["\u{ac01}", "\u{1100}\u{1161}\u{11a8}"], ["\u{ac01}", "\u{1100}\\u{1161}\\u{11a8}"]),
        ] {
            assert_eq!(shown(&names), told);
        }
        for alone in [
            ["lif1 ", "lif2 "],
            ["e\u{301}", "e\u{300}"],
            ["e\u{301}", "a\u{301}"],
            ["\u{e9}", "\u{e8}"],
            ["lif", "lif"],
            ["a b", "ab"],
            ["", " a"],
        ] {
            assert_eq!(shown(&alone), alone);
        }
    }

    #[test]
    fn a_similar_name_is_suggested() {
        let names = ["theme", "settle", "fail-if"];
        assert_eq!(
            unknown("option", "fail_if", &names),
            "there is no option \"fail_if\"; did you mean fail-if? (there are fail-if, settle, theme)"
        );
        assert_eq!(
            unknown("option", "x", &names),
            "there is no option \"x\" (there are fail-if, settle, theme)"
        );
    }

    #[test]
    fn numbers_have_separators() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(decimal(27693.041666666668, 2), "27,693.04");
        assert_eq!(decimal(-1234.5, 0), "-1,234");
        assert_eq!(decimal(f64::NAN, 1), "NaN");
    }

    #[test]
    fn percentages_hide_neither_a_little_nor_what_is_missing() {
        for (ratio, text) in [
            (0.129, "12.90 %"),
            (0.0, "0.00 %"),
            (1.0, "100.00 %"),
            (0.00005, "0.01 %"),
            (6e-6, "6.0e-6"),
            (-6e-6, "-6.0e-6"),
            (0.9999, "99.99 %"),
            (0.999_976, "99.998 %"),
            (0.999_994, "99.9994 %"),
            (0.999_999_96, "1-4.0e-8"),
            (1.000_02, "100.002 %"),
        ] {
            assert_eq!(percent(ratio), text);
        }
    }

    #[test]
    fn the_uncertainty_governs_the_digits() {
        for (value, half_width, text) in [
            (27_939.708_3, 443.2, "27,940 ± 440"),
            (27_939.708_3, 44.32, "27,940 ± 44"),
            (27_939.708_3, 4.432, "27,939.7 ± 4.4"),
            (27_939.708_3, 0.099_6, "27,939.71 ± 0.10"),
            (27_939.708_3, 99.6, "27,940 ± 100"),
            (1_234_567.0, 123_456.0, "1,230,000 ± 120,000"),
            (3.0, 40.0, "3 ± 40"),
            (0.0, 1.0, "0.0 ± 1.0"),
            (27_939.708_3, 0.0, "27,939.71"),
            (27_939.708_3, f64::NAN, "27,939.71"),
            (1.5, f64::INFINITY, "1.50"),
            (0.5, 1e-300, "0.50"),
        ] {
            assert_eq!(plus_minus(value, half_width), text);
            let alone = text.split(" ± ").next().expect("a value");
            assert_eq!(decimal_within(value, 2, Some(half_width)), alone);
        }
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
    fn no_form_has_digits_that_the_half_width_makes_meaningless() {
        for (value, half_width, written, short) in [
            (27_939.71, None, "27,939.71", "27.9k"),
            (27_939.71, Some(0.0), "27,939.71", "27.9k"),
            (27_939.71, Some(0.0012), "27,939.71", "27.9k"),
            (27_939.71, Some(0.44), "27,939.71", "27.9k"),
            (27_939.71, Some(4.4), "27,939.7", "27.9k"),
            (27_939.71, Some(443.0), "27,940", "27.9k"),
            (27_939.71, Some(14_300.0), "28,000", "28k"),
            (935.0, Some(150.0), "940", "940"),
            (184.69, Some(2.5), "184.7", "185"),
            (1.234, Some(0.44), "1.23", "1.23"),
            (1.234, Some(4.4), "1.2", "1.2"),
            (12.0, Some(4.4), "12.0", "12.0"),
        ] {
            assert_eq!(decimal_within(value, 2, half_width), written, "{value} {half_width:?}");
            assert_eq!(compact_within(value, half_width), short, "{value} {half_width:?}");
        }
        for (ratio, half_width, text) in [
            (0.6186, None, "61.86 %"),
            (0.6186, Some(0.000_01), "61.86 %"),
            (0.6186, Some(0.004), "61.86 %"),
            (0.6186, Some(0.04), "61.9 %"),
            (0.6186, Some(0.4), "62 %"),
            (0.000_006, Some(0.4), "6.0e-6"),
            (0.999_999, Some(0.4), "99.9999 %"),
        ] {
            assert_eq!(percent_within(ratio, half_width), text, "{ratio} {half_width:?}");
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
    fn ages_have_one_unit() {
        for (seconds, text) in
            [(59, "59 s"), (119, "1 min"), (7199, "1 h"), (172_800, "2 d"), (86_400_000, "1,000 d")]
        {
            assert_eq!(age(Duration::from_secs(seconds)), text);
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
    fn what_is_very_long_is_printed_without_its_middle() {
        let long = format!("first {}\u{1b}last", "x".repeat(1_000_000));
        let printed = printable(&long);
        assert!(
            printed.starts_with("first x") && printed.contains("x…x") && printed.ends_with("x\\u{1b}last")
        );
        assert_eq!(printed.chars().count(), MOST_PRINTED + "\\u{1b}".len() - 1);
        let whole = "é".repeat(MOST_PRINTED);
        assert_eq!(printable(&whole), whole);
    }

    #[test]
    fn what_hides_or_looks_like_a_space_is_escaped() {
        let ranges = [
            0xa0..=0xa0,
            0xad..=0xad,
            0x34f..=0x34f,
            0x61c..=0x61c,
            0x115f..=0x1160,
            0x1680..=0x1680,
            0x17b4..=0x17b5,
            0x180b..=0x180f,
            0x2000..=0x200f,
            0x2028..=0x202f,
            0x205f..=0x206f,
            0x2800..=0x2800,
            0x3000..=0x3000,
            0x3164..=0x3164,
            0xfe00..=0xfe0f,
            0xfeff..=0xfeff,
            0xffa0..=0xffa0,
            0xfff0..=0xfffb,
            0x1bca0..=0x1bca3,
            0x1d173..=0x1d17a,
            0xe0000..=0xe0fff,
        ];
        for code in ranges.into_iter().flatten() {
            let character = char::from_u32(code).expect("a character");
            assert_eq!(printable(&format!("a{character}b")), format!("a\\u{{{code:x}}}b"));
        }
        let plain = "a b é ε ж 한국 ไม้ नी 層 👍 ▲ \u{e9} e\u{301}";
        assert_eq!(printable(plain), plain);
    }

    #[test]
    fn a_stack_of_marks_is_escaped_from_the_third_on() {
        assert_eq!(printable("a\u{301}\u{302}b\u{301}"), "a\u{301}\u{302}b\u{301}");
        assert_eq!(
            printable("a\u{301}\u{302}\u{303}\u{304}b"),
            "a\u{301}\u{302}\\u{303}\\u{304}b",
            "the fourth would stand on the third's escape"
        );
        assert_eq!(printable("\u{301}\u{301}\n\u{301}"), "\u{301}\u{301}\\u{a}\u{301}");
    }

    #[test]
    fn names_of_a_million_marks_are_shortened() {
        let marks = "\u{301}".repeat(1_000_000);
        for name in
            [marks.clone(), format!("a{marks}"), format!("{marks}b"), "a\u{301}\u{302}".repeat(100_000)]
        {
            for width in 0..40 {
                let shown = elide(&name, width);
                assert!(shown.chars().count() <= CHARACTERS_PER_COLUMN * width, "{width}: {shown}");
                assert!(shown.width() <= width && (width == 0 || shown.contains('…')), "{width}: {shown}");
            }
        }
        assert_eq!(elide("e\u{301}e\u{301}", 2), "e\u{301}e\u{301}");
    }

    #[test]
    fn paths_are_shown_in_one_line() {
        assert_eq!(shown(Path::new("runs/x\ny")), "runs/x\\u{a}y");
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(elide("features.1.lif", 14), "features.1.lif");
        assert_eq!(elide("features.1.lif", 9), "feat….lif");
        assert_eq!(elide("features", 1), "…");
        assert_eq!(elide("features", 0), "");
        assert_eq!(elide("層層層層", 5), "層…層");
    }

    #[test]
    fn what_names_share_gives_way_to_what_differs() {
        let name = "backbone.stages.3.block.7.lif";
        let common = ("backbone.".len(), ".lif".len());
        for (width, text) in [
            (40, name),
            (29, name),
            (28, "…stages.3.block.7.lif"),
            (20, "…stages.3.block.7…"),
            (17, "…s.3.block.7…"),
            (12, "…s.3.b.7…"),
            (9, "…s.3.b.7…"),
            (8, "…st…k.7…"),
            (2, "…f"),
            (0, ""),
        ] {
            let shown = elide_common(name, common, width, true);
            assert!(shown.width() <= width, "{width}: {shown}");
            assert_eq!(shown, text, "{width}");
        }
        assert_eq!(elide_common(name, common, 40, false), "…stages.3.block.7.lif", "as its neighbours");
        assert_eq!(elide_common("features.1.lif", (0, 0), 9, true), "f.1.lif");
        assert_eq!(elide_common("features1.lif", (0, 0), 9, true), "feat….lif");
        assert_eq!(elide_common("a.lif", (0, 4), 4, true), "a…");
    }

    #[test]
    fn numbers_in_names_are_counted() {
        let mut names =
            ["b.10", "b.7", "b", "b.07", "b.7.lif", "a.9", "b.100000000000000000000000", "é.2", "b.7"];
        names.sort_by(|a, b| natural_order(a, b));
        let expected =
            ["a.9", "b", "b.07", "b.7", "b.7", "b.7.lif", "b.10", "b.100000000000000000000000", "é.2"];
        assert_eq!(names, expected);
    }

    proptest! {
        #[test]
        fn the_order_of_names_is_an_order(a in "[a.0-9]{0,8}", b in "[a.0-9]{0,8}", c in "[a.0-9]{0,8}") {
            prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
            prop_assert_eq!(natural_order(&a, &b) == Ordering::Equal, a == b);
            let mut names = [a.as_str(), &b, &c];
            names.sort_by(|a, b| natural_order(a, b));
            prop_assert!(natural_order(names[0], names[2]) != Ordering::Greater);
        }

        #[test]
        fn a_name_without_what_it_shares_fits(
            text in "\\PC{0,20}", prefix in 0_usize..9, suffix in 0_usize..9, width in 0_usize..30,
        ) {
            prop_assert!(elide_common(&text, (prefix, suffix), width, false).width() <= width);
        }

        #[test]
        fn elided_text_fits(text in "\\PC{0,40}", width in 0_usize..30) {
            prop_assert!(elide(&text, width).width() <= width.max(text.width().min(width)));
        }
    }
}
