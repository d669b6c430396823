//! What the dashboard looks like: its theme, its colours and its symbols, as the user and the environment ask for.

use super::symbols::Symbols;
use clap::ValueEnum;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appearance {
    pub theme: ThemeName,
    /// The colours that the terminal has.
    pub depth: ColourDepth,
    /// The symbols that the terminal can show.
    pub symbols: Symbols,
}

/// What the user asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AppearanceOptions {
    /// The theme of the command line.
    pub theme: Option<ThemeName>,
    /// The theme of the configuration file.
    pub configured: Option<ThemeName>,
    /// The symbols of the command line or the configuration file.
    pub symbols: Option<Symbols>,
}

impl Appearance {
    /// What the user asks for; where the user says nothing, what the environment says.
    pub fn from_environment(options: AppearanceOptions) -> Self {
        Self::choose(options, |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// The same for any environment. `NO_COLOR` (<https://no-color.org>) and a terminal without colours
    /// override the theme of the configuration file, and the command line overrides all.
    pub fn choose(options: AppearanceOptions, variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let term = variable("TERM");
        let depth = ColourDepth::from_environment(variable("COLORTERM").as_deref(), term.as_deref());
        let is_colourless = depth == ColourDepth::Mono || variable("NO_COLOR").is_some();
        let colourless = is_colourless.then_some(ThemeName::Monochrome);
        Self {
            theme: options
                .theme
                .or(colourless)
                .or(options.configured)
                .unwrap_or_else(|| ThemeName::for_background(variable("COLORFGBG").as_deref())),
            depth,
            symbols: options.symbols.unwrap_or_else(|| {
                let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
                Symbols::from_environment(locale.as_deref(), term.as_deref())
            }),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ThemeName {
    /// The terminal's own colours, for a dark background
    #[default]
    Dark,
    /// Deep colours, for a light background
    Light,
    /// Okabe and Ito's colours, distinct for the colour-blind, on either background
    #[value(alias = "color-blind")]
    ColourBlind,
    /// No colours
    Monochrome,
}

impl ThemeName {
    /// The next theme, in a circle.
    pub fn next(self) -> Self {
        let all = Self::value_variants();
        all[(self as usize + 1) % all.len()]
    }

    /// That for the background that some terminals name in `COLORFGBG`, as in `0;15`: 7 and 15 are white.
    fn for_background(colours: Option<&str>) -> Self {
        match colours.and_then(|colours| colours.rsplit(';').next()) {
            Some("7" | "15") => Self::Light,
            _ => Self::default(),
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// How many colours a terminal has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColourDepth {
    /// None, as far as it says; a theme with colours uses sixteen all the same.
    Mono,
    /// Sixteen, which its user has chosen.
    #[default]
    Sixteen,
    /// The palette of 256.
    Palette,
    /// All of 24 bits.
    True,
}

impl ColourDepth {
    /// Derived from `COLORTERM` and `TERM`.
    pub fn from_environment(colorterm: Option<&str>, term: Option<&str>) -> Self {
        let term = term.unwrap_or_default();
        match colorterm {
            Some("truecolor" | "24bit") => Self::True,
            _ if term.contains("direct") => Self::True,
            _ if term.contains("256color") => Self::Palette,
            None if is_mono(term) => Self::Mono,
            _ => Self::Sixteen,
        }
    }
}

/// Whether a terminal of this name has no colours: terminfo's `dumb`, DEC's terminals before the VT525, and names that end
/// in `-m` or `-mono`.
fn is_mono(term: &str) -> bool {
    let is_of_dec = || {
        let digits = term.strip_prefix("vt").map(|rest| rest.bytes().take_while(u8::is_ascii_digit).count());
        digits.is_some_and(|digits| digits > 0) && !term.starts_with("vt525")
    };
    matches!(term, "" | "dumb" | "unknown") || term.ends_with("-m") || term.ends_with("-mono") || is_of_dec()
}

#[cfg(test)]
mod tests {
    use super::super::theme::Theme;
    use super::*;

    fn look(options: AppearanceOptions, variables: &[(&str, &str)]) -> Appearance {
        Appearance::choose(options, |name| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_command_line_goes_before_no_color_and_that_before_the_configuration() {
        let theme = |theme, configured, variables: &[(&str, &str)]| {
            look(AppearanceOptions { theme, configured, symbols: None }, variables).theme
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
    fn a_terminal_that_says_it_is_light_gets_the_light_theme() {
        for (colours, theme) in [
            ("0;15", ThemeName::Light),
            ("0;default;7", ThemeName::Light),
            ("15;0", ThemeName::Dark),
            ("default;default", ThemeName::Dark),
        ] {
            let variables = [("TERM", "xterm"), ("COLORFGBG", colours)];
            assert_eq!(look(AppearanceOptions::default(), &variables).theme, theme, "{colours}");
            let configured =
                AppearanceOptions { configured: Some(ThemeName::ColourBlind), ..Default::default() };
            assert_eq!(look(configured, &variables).theme, ThemeName::ColourBlind);
        }
    }

    #[test]
    fn the_first_locale_that_is_set_says_what_can_be_shown() {
        let symbols = |variables: &[(&str, &str)]| look(AppearanceOptions::default(), variables).symbols;
        assert_eq!(symbols(&[]), Symbols::Unicode);
        assert_eq!(symbols(&[("LANG", "C.UTF-8")]), Symbols::Unicode);
        assert_eq!(symbols(&[("LANG", "de_DE.utf8")]), Symbols::Unicode);
        assert_eq!(symbols(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")]), Symbols::Ascii);
        assert_eq!(symbols(&[("LANG", "POSIX"), ("LC_CTYPE", "UTF-8"), ("LC_ALL", "")]), Symbols::Unicode);
        assert_eq!(symbols(&[("LANG", "de_DE.ISO-8859-1")]), Symbols::Ascii);
        assert_eq!(symbols(&[("LANG", "C.UTF-8"), ("TERM", "linux")]), Symbols::Ascii);
        let asked = AppearanceOptions { symbols: Some(Symbols::Unicode), ..AppearanceOptions::default() };
        assert_eq!(look(asked, &[("TERM", "linux")]).symbols, Symbols::Unicode);
        let asked = AppearanceOptions { symbols: Some(Symbols::Ascii), ..AppearanceOptions::default() };
        assert_eq!(look(asked, &[("LANG", "C.UTF-8")]).symbols, Symbols::Ascii);
    }

    #[test]
    fn the_terminal_says_how_many_colours_it_has() {
        let depth = |variables: &[(&str, &str)]| look(AppearanceOptions::default(), variables).depth;
        assert_eq!(depth(&[("TERM", "xterm")]), ColourDepth::Sixteen);
        assert_eq!(depth(&[("TERM", "screen-256color")]), ColourDepth::Palette);
        assert_eq!(depth(&[("TERM", "xterm-direct")]), ColourDepth::True);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), ColourDepth::True);
        assert_eq!(depth(&[("COLORTERM", "24bit")]), ColourDepth::True);
        assert_eq!(depth(&[("COLORTERM", "yes")]), ColourDepth::Sixteen);
        for term in ["linux", "vt525", "vte", "tmux", "ansi"] {
            assert_eq!(depth(&[("TERM", term)]), ColourDepth::Sixteen, "{term}");
        }
    }

    #[test]
    fn a_terminal_without_colours_is_given_none() {
        for term in ["dumb", "vt100", "vt220", "vt102-w", "xterm-mono", "linux-m", "unknown", ""] {
            let look = look(AppearanceOptions::default(), &[("TERM", term)]);
            assert_eq!((look.depth, look.theme), (ColourDepth::Mono, ThemeName::Monochrome), "{term}");
        }
        assert_eq!(look(AppearanceOptions::default(), &[]).theme, ThemeName::Monochrome);
        assert_eq!(look(AppearanceOptions::default(), &[("COLORTERM", "truecolor")]).theme, ThemeName::Dark);
        let asked = AppearanceOptions { theme: Some(ThemeName::Light), ..AppearanceOptions::default() };
        assert_eq!(Theme::new(look(asked, &[("TERM", "vt100")])).bad.fg, Some(ratatui::style::Color::Red));
    }
}
