//! The styles of the dashboard, by what they mean, and the themes that give them.

use super::appearance::{Appearance, ColourDepth, ThemeName};
use ratatui::style::{Color, Modifier, Style};

/// A colour on terminals with all colours, with the palette of 256, and with sixteen.
type Shade = [Color; 3];

const fn shade((red, green, blue): (u8, u8, u8), palette: u8, sixteen: Color) -> Shade {
    [Color::Rgb(red, green, blue), Color::Indexed(palette), sixteen]
}

/// One of the terminal's own sixteen colours, however many it has.
const fn own(color: Color) -> Shade {
    [color; 3]
}

fn at(shade: Shade, depth: ColourDepth) -> Color {
    let [all, palette, sixteen] = shade;
    match depth {
        ColourDepth::Mono | ColourDepth::Sixteen => sixteen,
        ColourDepth::Palette => palette,
        ColourDepth::True => all,
    }
}

/// The colours of a theme.
#[derive(Debug, Clone, Copy)]
struct Shades {
    /// `None` leaves it to the terminal how much it dims. Some leave too little.
    dim: Option<Shade>,
    accent: Shade,
    good: Shade,
    warn: Shade,
    bad: Shade,
    running: Shade,
    single: Shade,
    series: [Shade; 6],
}

/// The terminal's own colours, which its user has chosen to suit the background.
const DARK: Shades = Shades {
    dim: None,
    accent: own(Color::Cyan),
    good: own(Color::Green),
    warn: own(Color::Yellow),
    // Red is too dark on black in most terminals.
    bad: own(Color::LightRed),
    running: own(Color::Cyan),
    // Not blue: that would be too faint on black.
    single: own(Color::Magenta),
    series: [
        own(Color::Cyan),
        own(Color::Yellow),
        own(Color::Green),
        own(Color::Magenta),
        own(Color::LightBlue),
        own(Color::LightRed),
    ],
};

const LIGHT: Shades = Shades {
    dim: Some(shade((88, 88, 88), 240, Color::Reset)),
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

/// From the palette of M. Okabe and K. Ito (2008), whose orange and sky blue are darker here, as lines on white must be.
/// Of sixteen colours, most people can tell blue and yellow apart.
const COLOUR_BLIND: Shades = Shades {
    dim: Some(shade((118, 118, 118), 243, Color::Reset)),
    accent: shade((0, 114, 178), 31, Color::Cyan),
    good: shade((0, 158, 115), 29, Color::LightBlue),
    warn: shade((204, 121, 167), 169, Color::Magenta),
    bad: shade((213, 94, 0), 166, Color::Yellow),
    running: shade((0, 114, 178), 31, Color::Cyan),
    single: shade((135, 95, 0), 94, Color::Yellow),
    series: [
        shade((0, 114, 178), 31, Color::Cyan),
        shade((213, 94, 0), 166, Color::Yellow),
        shade((0, 158, 115), 29, Color::LightBlue),
        shade((204, 121, 167), 169, Color::Magenta),
        shade((135, 95, 0), 94, Color::Red),
        shade((70, 150, 205), 68, Color::Green),
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
            ThemeName::Dark => Self::plain().shaded(&DARK, depth),
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

    fn shaded(self, shades: &Shades, depth: ColourDepth) -> Self {
        Self {
            dim: match (shades.dim, depth) {
                (Some(dim), ColourDepth::Palette | ColourDepth::True) => Style::new().fg(at(dim, depth)),
                _ => self.dim,
            },
            accent: self.accent.fg(at(shades.accent, depth)),
            good: self.good.fg(at(shades.good, depth)),
            warn: self.warn.fg(at(shades.warn, depth)),
            bad: self.bad.fg(at(shades.bad, depth)),
            running: self.running.fg(at(shades.running, depth)),
            // Not dimmed as well: that would be too faint.
            single: undimmed().fg(at(shades.single, depth)),
            behind: Style::new(),
            series: shades.series.map(|shade| undimmed().fg(at(shade, depth))),
            ..self
        }
    }

    /// Without colours.
    fn plain() -> Self {
        let style = Style::new();
        let bold = undimmed().add_modifier(Modifier::BOLD);
        Self {
            accent: bold,
            strong: bold,
            dim: style.add_modifier(Modifier::DIM),
            good: undimmed(),
            warn: bold,
            bad: bold,
            // One colour for the whole row: reversed colours of its cells would look like patches.
            selected: style.fg(Color::Reset).add_modifier(Modifier::REVERSED).remove_modifier(Modifier::DIM),
            running: undimmed(),
            single: style.add_modifier(Modifier::DIM),
            series: [undimmed(); 6],
            behind: style.add_modifier(Modifier::DIM),
            appearance: Appearance::default(),
            framed: false,
        }
    }
}

/// Text on a frame inherits the frame's style where it has none.
fn undimmed() -> Style {
    Style::new().remove_modifier(Modifier::DIM)
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

    /// A colour as it is, or of the cube or the greys of the palette of 256.
    fn rgb(colour: Color) -> (u8, u8, u8) {
        const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
        let level = |at: u8| LEVELS[usize::from(at % 6)];
        match colour {
            Color::Rgb(red, green, blue) => (red, green, blue),
            Color::Indexed(at @ 16..232) => (level((at - 16) / 36), level((at - 16) / 6), level(at - 16)),
            Color::Indexed(at @ 232..) => [8 + 10 * (at - 232); 3].into(),
            own => panic!("{own} is the user's"),
        }
    }

    /// WCAG 2 asks for 4.5 of text, and for 3 of large text and of marks. No colour but a grey does for text on black
    /// and on white.
    #[test]
    fn every_colour_can_be_read_on_its_background() {
        let (black, white) = ((0, 0, 0), (255, 255, 255));
        for (shades, backgrounds, least) in
            [(&LIGHT, &[white][..], 4.5), (&COLOUR_BLIND, &[black, white], 3.0)]
        {
            let Shades { dim, accent, good, warn, bad, running, single, series } = *shades;
            let others = [accent, good, warn, bad, running, single];
            let dim = dim.map(|dim| (dim, 4.5));
            for (shade, least) in others.into_iter().chain(series).map(|shade| (shade, least)).chain(dim) {
                for colour in [shade[0], shade[1]].map(rgb) {
                    let worst = backgrounds
                        .iter()
                        .map(|&background| contrast(colour, background))
                        .fold(21.0, f64::min);
                    assert!(worst >= least, "{shade:?}: {worst}");
                }
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
    }
}
