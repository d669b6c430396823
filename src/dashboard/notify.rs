//! How the user is called (`--notify`), and the bytes with which a terminal does it.

use crate::text::{elide, printable};
use std::fmt;
use std::str::FromStr;

/// The longest text of a notification, in columns.
const LONGEST: usize = 200;

/// A way of calling the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyWay {
    /// The terminal's bell.
    Bell,
    /// A notification of the desktop, by a terminal that knows OSC 9.
    Osc9,
    /// A command for the shell.
    Command(String),
}

impl FromStr for NotifyWay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("give bell, osc9 or a command for the shell".into()),
            "bell" => Ok(Self::Bell),
            "osc9" => Ok(Self::Osc9),
            command => Ok(Self::Command(command.to_owned())),
        }
    }
}

impl fmt::Display for NotifyWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bell => "bell",
            Self::Osc9 => "osc9",
            Self::Command(command) => command,
        })
    }
}

impl NotifyWay {
    /// What a terminal is sent; `None` for a command. Within tmux, the sequence is wrapped, so that tmux hands it on
    /// (`allow-passthrough`). Names in the text cannot end the sequence.
    pub fn sequence(&self, text: &str, is_in_tmux: bool) -> Option<Vec<u8>> {
        let notification = format!("\x1b]9;neurotop: {}\x07", elide(&printable(text), LONGEST));
        match self {
            Self::Bell => Some(b"\x07".to_vec()),
            Self::Osc9 if is_in_tmux => {
                Some(format!("\x1bPtmux;{}\x1b\\", notification.replace('\x1b', "\x1b\x1b")).into_bytes())
            }
            Self::Osc9 => Some(notification.into_bytes()),
            Self::Command(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_words_or_commands() {
        for (text, way) in [
            ("bell", NotifyWay::Bell),
            (" osc9 ", NotifyWay::Osc9),
            ("notify-send x", NotifyWay::Command("notify-send x".into())),
        ] {
            assert_eq!(text.parse(), Ok(way));
        }
        assert!(" ".parse::<NotifyWay>().is_err_and(|why| why.contains("bell, osc9")));
    }

    #[test]
    fn no_name_can_steer_the_terminal() {
        let evil = "run\x07\x1b]0;owned\x07\u{9d}\nrm";
        let sent = NotifyWay::Osc9.sequence(evil, false).expect("a sequence");
        let text = String::from_utf8(sent).expect("text");
        let inside = text.strip_prefix("\x1b]9;neurotop: ").and_then(|text| text.strip_suffix('\x07'));
        assert!(inside.is_some_and(|inside| !inside.chars().any(char::is_control)), "{text:?}");
        let wrapped = NotifyWay::Osc9.sequence("over", true).expect("a sequence");
        assert_eq!(wrapped, b"\x1bPtmux;\x1b\x1b]9;neurotop: over\x07\x1b\\");
        assert_eq!(NotifyWay::Bell.sequence(evil, true), Some(vec![7]));
        assert_eq!(NotifyWay::Command("x".into()).sequence("y", false), None);
        let long = NotifyWay::Osc9.sequence(&"x".repeat(10_000), false).expect("a sequence");
        assert!(long.len() < 300);
    }
}
