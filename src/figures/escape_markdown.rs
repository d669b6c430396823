//! Escapes untrusted text in Markdown, so that every reader shows it as it is.

/// Escapes everything that Markdown gives a meaning: links and pictures (which load from elsewhere), mentions of people,
/// HTML, code, emphasis, headings, lists, table cells. Ordinary names stay as they are.
pub(super) fn escaped(text: &str) -> String {
    let mut markdown = String::with_capacity(text.len());
    let number = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let mut rest = text.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        let (before, next) = (&text[..at], rest.peek().map(|&(_, next)| next));
        match character {
            '<' => markdown.push_str("&lt;"),
            '>' => markdown.push_str("&gt;"),
            // As code: mentions are looked for in the rendered text, where no backslash is left.
            '@' => {
                markdown.push_str("`@");
                while rest.next_if(|&(_, next)| next == '@').is_some() {
                    markdown.push('@');
                }
                markdown.push('`');
            }
            '_' if before.ends_with(char::is_alphanumeric) && next.is_some_and(char::is_alphanumeric) => {
                markdown.push('_')
            }
            _ => {
                let is_behind_number = at > 0 && at == number;
                if has_meaning(character)
                    || is_of_link(character, next, before)
                    || is_of_list(character, next, at == 0, is_behind_number)
                {
                    markdown.push('\\');
                }
                markdown.push(character);
            }
        }
    }
    markdown
}

/// Whether a character has a meaning in any place.
fn has_meaning(character: char) -> bool {
    matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '!' | '#' | '&' | '~' | '|' | '$')
}

/// Whether a bare address would become a link at this character.
fn is_of_link(character: char, next: Option<char>, before: &str) -> bool {
    let is_www = || before.as_bytes().last_chunk::<3>().is_some_and(|last| last.eq_ignore_ascii_case(b"www"));
    (character == ':' && next == Some('/')) || (character == '.' && is_www())
}

/// Whether a line that begins so would become a list at this character.
fn is_of_list(character: char, next: Option<char>, is_first: bool, is_behind_number: bool) -> bool {
    match character {
        '-' | '+' => is_first,
        '.' | ')' => is_behind_number && next.is_none_or(char::is_whitespace),
        _ => false,
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
