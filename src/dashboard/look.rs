//! What the dashboard looks like: its theme, its colours, its symbols; what the user and the
//! environment ask for.

use super::symbols::Symbols;
use super::theme::{Depth, Theme, ThemeName};

/// The look of the dashboard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// The theme.
    pub theme: ThemeName,
    /// The colours that the terminal has.
    pub depth: Depth,
    /// The symbols that the terminal can show.
    pub symbols: Symbols,
}

/// What the user asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The theme of the command line.
    pub theme: Option<ThemeName>,
    /// The theme of the configuration file.
    pub configured: Option<ThemeName>,
    /// The symbols of the command line or the configuration file.
    pub symbols: Option<Symbols>,
}

impl Look {
    /// As the user wishes, and as the environment says where the user says nothing.
    pub fn from_environment(wishes: Wishes) -> Self {
        Self::choose(wishes, |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// The same for any environment. `NO_COLOR` (<https://no-color.org>) and a terminal without colours go
    /// before the theme of the configuration file, and the command line before all.
    pub fn choose(wishes: Wishes, variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let term = variable("TERM");
        let depth = Depth::of(variable("COLORTERM").as_deref(), term.as_deref());
        let is_colourless = depth == Depth::Mono || variable("NO_COLOR").is_some();
        let colourless = is_colourless.then_some(ThemeName::Monochrome);
        Self {
            theme: wishes.theme.or(colourless).or(wishes.configured).unwrap_or_default(),
            depth,
            symbols: wishes.symbols.unwrap_or_else(|| {
                let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
                Symbols::of(locale.as_deref(), term.as_deref())
            }),
        }
    }

    /// The styles of the theme.
    pub fn styles(&self) -> Theme {
        Theme::new(self.theme, self.depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(wishes: Wishes, variables: &[(&str, &str)]) -> Look {
        Look::choose(wishes, |name| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_command_line_goes_before_no_color_and_that_before_the_configuration() {
        let theme = |theme, configured, variables: &[(&str, &str)]| {
            look(Wishes { theme, configured, symbols: None }, variables).theme
        };
        let colours = ("TERM", "xterm");
        let (none, no_color) = (&[colours, ("NO_COLOR", "")][..], &[colours, ("NO_COLOR", "1")][..]);
        assert_eq!(theme(None, None, none), ThemeName::Dark);
        assert_eq!(theme(None, Some(ThemeName::Light), none), ThemeName::Light);
        assert_eq!(theme(None, Some(ThemeName::Light), no_color), ThemeName::Monochrome);
        assert_eq!(
            theme(Some(ThemeName::ColourBlind), Some(ThemeName::Light), no_color),
            ThemeName::ColourBlind
        );
    }

    #[test]
    fn the_first_locale_that_is_set_says_what_can_be_shown() {
        let symbols = |variables: &[(&str, &str)]| look(Wishes::default(), variables).symbols;
        assert_eq!(symbols(&[]), Symbols::Unicode);
        assert_eq!(symbols(&[("LANG", "C.UTF-8")]), Symbols::Unicode);
        assert_eq!(symbols(&[("LANG", "de_DE.utf8")]), Symbols::Unicode);
        assert_eq!(symbols(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")]), Symbols::Ascii);
        assert_eq!(symbols(&[("LANG", "POSIX"), ("LC_CTYPE", "UTF-8"), ("LC_ALL", "")]), Symbols::Unicode);
        assert_eq!(symbols(&[("LANG", "de_DE.ISO-8859-1")]), Symbols::Ascii);
        assert_eq!(symbols(&[("LANG", "C.UTF-8"), ("TERM", "linux")]), Symbols::Ascii);
        let wished = Wishes { symbols: Some(Symbols::Unicode), ..Wishes::default() };
        assert_eq!(look(wished, &[("TERM", "linux")]).symbols, Symbols::Unicode);
        let asked = Wishes { symbols: Some(Symbols::Ascii), ..Wishes::default() };
        assert_eq!(look(asked, &[("LANG", "C.UTF-8")]).symbols, Symbols::Ascii);
    }

    #[test]
    fn the_terminal_says_how_many_colours_it_has() {
        let depth = |variables: &[(&str, &str)]| look(Wishes::default(), variables).depth;
        assert_eq!(depth(&[("TERM", "xterm")]), Depth::Sixteen);
        assert_eq!(depth(&[("TERM", "screen-256color")]), Depth::Palette);
        assert_eq!(depth(&[("TERM", "xterm-direct")]), Depth::True);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(depth(&[("COLORTERM", "24bit")]), Depth::True);
        assert_eq!(depth(&[("COLORTERM", "yes")]), Depth::Sixteen);
        for term in ["linux", "vt525", "vte", "tmux", "ansi"] {
            assert_eq!(depth(&[("TERM", term)]), Depth::Sixteen, "{term}");
        }
    }

    #[test]
    fn a_terminal_without_colours_is_given_none() {
        for term in ["dumb", "vt100", "vt220", "vt102-w", "xterm-mono", "linux-m", "unknown", ""] {
            let look = look(Wishes::default(), &[("TERM", term)]);
            assert_eq!((look.depth, look.theme), (Depth::Mono, ThemeName::Monochrome), "{term}");
        }
        assert_eq!(look(Wishes::default(), &[]).theme, ThemeName::Monochrome);
        assert_eq!(look(Wishes::default(), &[("COLORTERM", "truecolor")]).theme, ThemeName::Dark);
        let asked = Wishes { theme: Some(ThemeName::Light), ..Wishes::default() };
        assert_eq!(look(asked, &[("TERM", "vt100")]).styles().bad.fg, Some(ratatui::style::Color::Red));
    }
}
