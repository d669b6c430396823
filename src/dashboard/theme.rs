//! The styles of the dashboard, by what they mean.

use ratatui::style::{Color, Modifier, Style};

/// Styles by meaning. Every distinction that matters has a word or a mark of its own besides its
/// colour, so that nothing is lost without colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Names and titles.
    pub accent: Style,
    /// Headings.
    pub strong: Style,
    /// What is secondary.
    pub dim: Style,
    /// What is as it should be.
    pub good: Style,
    /// What should be looked at.
    pub warn: Style,
    /// What is wrong.
    pub bad: Style,
    /// The selected row.
    pub selected: Style,
    /// The line of running figures.
    pub running: Style,
    /// The marks of single batches.
    pub single: Style,
}

impl Theme {
    /// The terminal's own sixteen colours, which its user has chosen for its background.
    pub fn colours() -> Self {
        let plain = Self::plain();
        Self {
            accent: plain.accent.fg(Color::Cyan),
            good: plain.good.fg(Color::Green),
            warn: plain.warn.fg(Color::Magenta),
            bad: plain.bad.fg(Color::Red),
            running: plain.running.fg(Color::Cyan),
            single: plain.single.fg(Color::Blue),
            ..plain
        }
    }

    /// No colour at all.
    pub fn plain() -> Self {
        let style = Style::new();
        Self {
            accent: style.add_modifier(Modifier::BOLD),
            strong: style.add_modifier(Modifier::BOLD),
            dim: style.add_modifier(Modifier::DIM),
            good: style,
            warn: style.add_modifier(Modifier::BOLD),
            bad: style.add_modifier(Modifier::BOLD),
            selected: style.add_modifier(Modifier::REVERSED),
            running: style,
            single: style.add_modifier(Modifier::DIM),
        }
    }

    /// As the environment asks: none where `NO_COLOR` is set and not empty (<https://no-color.org>).
    pub fn from_environment() -> Self {
        match std::env::var_os("NO_COLOR") {
            Some(value) if !value.is_empty() => Self::plain(),
            _ => Self::colours(),
        }
    }
}
