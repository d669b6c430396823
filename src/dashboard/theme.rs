//! The styles of the dashboard, by what they mean, and the themes that give them.

use super::appearance::{Appearance, ColourDepth, ThemeName};
use ratatui::style::{Color, Modifier, Style};

/// A colour, for every number of colours that a terminal may have.
#[derive(Debug, Clone, Copy)]
struct Shade {
    rgb: (u8, u8, u8),
    palette: u8,
    sixteen: Color,
}

const fn shade(rgb: (u8, u8, u8), palette: u8, sixteen: Color) -> Shade {
    Shade { rgb, palette, sixteen }
}

impl Shade {
    fn at(self, depth: ColourDepth) -> Color {
        match depth {
            ColourDepth::Mono | ColourDepth::Sixteen => self.sixteen,
            ColourDepth::Palette => Color::Indexed(self.palette),
            ColourDepth::True => Color::Rgb(self.rgb.0, self.rgb.1, self.rgb.2),
        }
    }
}

/// The colours of a theme that does not use the terminal's.
struct Shades {
    accent: Shade,
    good: Shade,
    warn: Shade,
    bad: Shade,
    running: Shade,
    single: Shade,
    series: [Shade; 6],
}

const LIGHT: Shades = Shades {
    accent: shade((0, 95, 135), 24, Color::Blue),
    good: shade((0, 95, 0), 22, Color::Green),
    warn: shade((135, 95, 0), 94, Color::Magenta),
    bad: shade((175, 0, 0), 124, Color::Red),
    running: shade((0, 95, 135), 24, Color::Blue),
    single: shade((135, 0, 135), 90, Color::Magenta),
    series: [
        shade((0, 95, 135), 24, Color::Blue),
        shade((175, 0, 0), 124, Color::Red),
        shade((0, 95, 0), 22, Color::Green),
        shade((135, 0, 135), 90, Color::Magenta),
        shade((135, 95, 0), 94, Color::Yellow),
        shade((0, 0, 0), 16, Color::Black),
    ],
};

/// From the palette of M. Okabe and K. Ito (2008): the colours that are readable on black and on white, and their orange
/// for dots. Of sixteen colours, most people can tell blue and yellow apart.
const COLOUR_BLIND: Shades = Shades {
    accent: shade((0, 114, 178), 31, Color::Cyan),
    good: shade((0, 158, 115), 36, Color::LightBlue),
    warn: shade((204, 121, 167), 175, Color::Magenta),
    bad: shade((213, 94, 0), 166, Color::Yellow),
    running: shade((0, 114, 178), 31, Color::Cyan),
    single: shade((230, 159, 0), 214, Color::Yellow),
    series: [
        shade((0, 114, 178), 31, Color::Cyan),
        shade((213, 94, 0), 166, Color::Yellow),
        shade((0, 158, 115), 36, Color::LightBlue),
        shade((204, 121, 167), 175, Color::Magenta),
        shade((230, 159, 0), 214, Color::Red),
        shade((86, 180, 233), 74, Color::Green),
    ],
};

/// Styles by meaning. Every distinction that matters also has a word or a mark, so that nothing is lost without colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Names and titles.
    pub accent: Style,
    /// Headings.
    pub strong: Style,
    /// Secondary text.
    pub dim: Style,
    /// All is well.
    pub good: Style,
    /// Needs attention, as what has no price: amber where there is one.
    pub warn: Style,
    /// Something is wrong.
    pub bad: Style,
    /// The selected row.
    pub selected: Style,
    /// The line of running figures.
    pub running: Style,
    /// The marks of single batches.
    pub single: Style,
    /// The lines of the charts.
    pub series: [Style; 6],
    /// Dots behind a line of the same colour.
    pub behind: Style,
    /// What these styles were made from, with the symbols that the terminal can show.
    pub appearance: Appearance,
    /// Whether the widgets have frames.
    pub framed: bool,
}

impl Theme {
    pub fn new(appearance: Appearance) -> Self {
        let depth = appearance.depth;
        let styles = match appearance.theme {
            ThemeName::Dark => Self::dark(),
            ThemeName::Light => Self::plain().shaded(&LIGHT, depth),
            ThemeName::ColourBlind => Self::plain().shaded(&COLOUR_BLIND, depth),
            ThemeName::Monochrome => Self::plain(),
        };
        Self { appearance, ..styles }
    }

    /// The style of a line of the charts, by its place among those that are drawn; dim where it is hidden.
    pub fn line(&self, drawn: Option<usize>) -> Style {
        drawn.map_or(self.dim, |at| self.series[at % self.series.len()])
    }

    /// Uses the terminal's own sixteen colours, which its user has chosen to suit the background.
    fn dark() -> Self {
        let plain = Self::plain();
        Self {
            accent: plain.accent.fg(Color::Cyan),
            good: plain.good.fg(Color::Green),
            warn: plain.warn.fg(Color::Yellow),
            bad: plain.bad.fg(Color::Red),
            running: plain.running.fg(Color::Cyan),
            // Not dimmed, nor blue: that would be too faint on black.
            single: Style::new().fg(Color::Magenta),
            behind: Style::new(),
            series: [
                Color::Cyan,
                Color::Yellow,
                Color::Green,
                Color::Magenta,
                Color::LightBlue,
                Color::LightRed,
            ]
            .map(|color| Style::new().fg(color)),
            ..plain
        }
    }

    fn shaded(self, shades: &Shades, depth: ColourDepth) -> Self {
        Self {
            accent: self.accent.fg(shades.accent.at(depth)),
            good: self.good.fg(shades.good.at(depth)),
            warn: self.warn.fg(shades.warn.at(depth)),
            bad: self.bad.fg(shades.bad.at(depth)),
            running: self.running.fg(shades.running.at(depth)),
            // Not dimmed as well: that would be too faint on a light background.
            single: Style::new().fg(shades.single.at(depth)),
            behind: Style::new(),
            series: shades.series.map(|shade| Style::new().fg(shade.at(depth))),
            ..self
        }
    }

    /// Without colours.
    fn plain() -> Self {
        let style = Style::new();
        // Text on a frame inherits the frame's style where it has none.
        let bold = style.add_modifier(Modifier::BOLD).remove_modifier(Modifier::DIM);
        Self {
            accent: bold,
            strong: bold,
            dim: style.add_modifier(Modifier::DIM),
            good: style.remove_modifier(Modifier::DIM),
            warn: bold,
            bad: bold,
            // One colour for the whole row: reversed colours of its cells would look like patches.
            selected: style.fg(Color::Reset).add_modifier(Modifier::REVERSED).remove_modifier(Modifier::DIM),
            running: style,
            single: style.add_modifier(Modifier::DIM),
            series: [style; 6],
            behind: style.add_modifier(Modifier::DIM),
            appearance: Appearance::default(),
            framed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast of two colours (WCAG 2).
    fn contrast(a: (u8, u8, u8), b: (u8, u8, u8)) -> f64 {
        let linear = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = |(r, g, b)| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) + 0.05;
        let (a, b) = (luminance(a), luminance(b));
        a.max(b) / a.min(b)
    }

    fn appearance(theme: ThemeName, depth: ColourDepth) -> Appearance {
        Appearance { theme, depth, ..Appearance::default() }
    }

    fn texts(shades: &Shades) -> [Shade; 5] {
        [shades.accent, shades.good, shades.warn, shades.bad, shades.running]
    }

    #[test]
    fn text_can_be_read_on_its_background() {
        for shade in texts(&LIGHT) {
            assert!(contrast(shade.rgb, (255, 255, 255)) >= 5.0, "{shade:?}");
        }
        for shade in texts(&COLOUR_BLIND) {
            for background in [(0, 0, 0), (255, 255, 255)] {
                assert!(contrast(shade.rgb, background) >= 3.0, "{shade:?} on {background:?}");
            }
        }
    }

    #[test]
    fn what_is_good_and_what_is_wrong_differ_at_every_depth() {
        for depth in [ColourDepth::Sixteen, ColourDepth::Palette, ColourDepth::True] {
            for name in [ThemeName::Dark, ThemeName::Light, ThemeName::ColourBlind] {
                let theme = Theme::new(appearance(name, depth));
                assert!(theme.good.fg.is_some() && theme.good.fg != theme.bad.fg, "{name:?} {depth:?}");
                assert_ne!(theme.running.fg, theme.single.fg, "{name:?} {depth:?}");
            }
        }
        let safe = Theme::new(appearance(ThemeName::ColourBlind, ColourDepth::True));
        assert_eq!(
            (safe.good.fg, safe.bad.fg),
            (Some(Color::Rgb(0, 158, 115)), Some(Color::Rgb(213, 94, 0)))
        );
        let palette = Theme::new(appearance(ThemeName::ColourBlind, ColourDepth::Palette));
        assert_eq!(palette.good.fg, Some(Color::Indexed(36)));
    }

    #[test]
    fn themes_follow_one_another_in_a_circle() {
        let mut theme = ThemeName::default();
        for name in ["light", "colour-blind", "monochrome", "dark"] {
            theme = theme.next();
            assert_eq!(theme.name(), name);
        }
        assert_eq!(Theme::new(appearance(ThemeName::Monochrome, ColourDepth::True)).bad.fg, None);
    }
}
