//! Escapes untrusted text in Markdown, so that every reader shows it as it is.

use std::iter::Peekable;
use std::str::Chars;

/// Escapes everything that Markdown gives a meaning: links and pictures (which load from elsewhere), mentions of people,
/// HTML, code, emphasis, headings, lists, table cells. Ordinary names stay as they are.
pub(super) fn escaped(text: &str) -> String {
    let mut markdown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut before = Before::default();
    while let Some(character) = rest.next() {
        let next = rest.peek().copied();
        match character {
            '<' => markdown.push_str("&lt;"),
            '>' => markdown.push_str("&gt;"),
            '@' => push_code(&mut markdown, character, &mut rest),
            '_' if before.is_in_a_word() && next.is_some_and(char::is_alphanumeric) => markdown.push('_'),
            _ => {
                if has_meaning(character)
                    || is_of_link(character, next, &before)
                    || is_of_list(character, next, &before)
                {
                    markdown.push('\\');
                }
                markdown.push(character);
            }
        }
        before.note(character);
    }
    markdown
}

/// Pushes this character and all equal ones behind it as code: mentions are looked for in the rendered text, where no
/// backslash is left.
fn push_code(markdown: &mut String, character: char, rest: &mut Peekable<Chars<'_>>) {
    markdown.extend(['`', character]);
    while let Some(same) = rest.next_if_eq(&character) {
        markdown.push(same);
    }
    markdown.push('`');
}

/// Whether a character has a meaning in any place.
fn has_meaning(character: char) -> bool {
    matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '!' | '#' | '&' | '~' | '|' | '$')
}

/// Whether a bare address would become a link at this character.
fn is_of_link(character: char, next: Option<char>, before: &Before) -> bool {
    (character == ':' && next == Some('/')) || (character == '.' && before.is_www())
}

/// Whether a line that begins so would become a list at this character.
fn is_of_list(character: char, next: Option<char>, before: &Before) -> bool {
    match character {
        '-' | '+' => before.characters == 0,
        '.' | ')' => before.is_number() && next.is_none_or(char::is_whitespace),
        _ => false,
    }
}

/// What comes before a character.
#[derive(Debug, Default)]
struct Before {
    /// The last three characters.
    last: [Option<char>; 3],
    characters: usize,
    digits: usize,
}

impl Before {
    fn note(&mut self, character: char) {
        self.last = [self.last[1], self.last[2], Some(character)];
        self.characters += 1;
        self.digits += usize::from(character.is_ascii_digit());
    }

    fn is_in_a_word(&self) -> bool {
        self.last[2].is_some_and(char::is_alphanumeric)
    }

    fn is_www(&self) -> bool {
        self.last.iter().all(|last| matches!(last, Some('w' | 'W')))
    }

    fn is_number(&self) -> bool {
        self.characters > 0 && self.digits == self.characters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "lif1",
            "layer.0",
            "conv-1",
            "net.block_2.lif_out",
            "0",
            "1.5",
            "12.lif",
            "runs/exp 1 (b)",
            "Leaky:zero at 4, + 3 %",
            "層",
        ] {
            assert_eq!(escaped(name), name);
        }
    }

    #[test]
    fn what_markdown_gives_a_meaning_is_escaped() {
        for (name, markdown) in [
            ("![x](https://evil.example/t.png)", r"\!\[x\](https\://evil.example/t.png)"),
            ("[click](//evil.example)", r"\[click\](//evil.example)"),
            ("www.evil.example WWW.x", r"www\.evil.example WWW\.x"),
            ("`code`**b**", r"\`code\`\*\*b\*\*"),
            ("<img src=x> &lt;b&gt;", r"&lt;img src=x&gt; \&lt;b\&gt;"),
            ("_a_ __b__ a_b", r"\_a\_ \_\_b\_\_ a_b"),
            ("~~a~~ #1 a|b $x$", r"\~\~a\~\~ \#1 a\|b \$x\$"),
            (r"\| \\", r"\\\| \\\\"),
            ("@user a@@b", "`@`user a`@@`b"),
            ("- a", r"\- a"),
            ("+", r"\+"),
            ("1. a", r"1\. a"),
            ("23)", r"23\)"),
            ("# a", r"\# a"),
            ("> a", "&gt; a"),
        ] {
            assert_eq!(escaped(name), markdown);
        }
    }
}
