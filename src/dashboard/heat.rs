//! Colours for shares: dark for small ones, bright for large ones.

use super::appearance::{Appearance, ColourDepth, ThemeName};
use super::theme::Theme;
use ratatui::buffer::Cell;
use ratatui::style::{Color, Style};
use ratatui::text::Span;

/// Steps of viridis (S. van der Walt and N. Smith, 2015), which is perceptually uniform and works for the colour-blind;
/// beside each, the nearest colour of the palette of 256.
const VIRIDIS: [((u8, u8, u8), u8); 9] = [
    ((68, 1, 84), 53),
    ((71, 44, 122), 54),
    ((59, 81, 139), 60),
    ((44, 113, 142), 24),
    ((33, 144, 141), 30),
    ((39, 173, 129), 36),
    ((92, 200, 99), 77),
    ((170, 220, 50), 148),
    ((253, 231, 37), 220),
];

/// Characters for shares where there are no colours.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

/// The colour of a share between 0 and 1; `None` without colours, or where there are too few.
pub(super) fn colour(share: f64, look: Appearance) -> Option<Color> {
    if look.theme == ThemeName::Monochrome {
        return None;
    }
    let place = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let (at, part) = (place.floor() as usize, place.fract());
    match look.depth {
        ColourDepth::Mono | ColourDepth::Sixteen => None,
        ColourDepth::Palette => Some(Color::Indexed(VIRIDIS[place.round() as usize].1)),
        ColourDepth::True => {
            let (low, high) = (VIRIDIS[at].0, VIRIDIS[(at + 1).min(VIRIDIS.len() - 1)].0);
            let mix = |low: u8, high: u8| {
                (f64::from(low) + (f64::from(high) - f64::from(low)) * part).round() as u8
            };
            Some(Color::Rgb(mix(low.0, high.0), mix(low.1, high.1), mix(low.2, high.2)))
        }
    }
}

/// The character of a share between 0 and 1. Only 0 is blank.
fn shade(share: f64) -> char {
    let steps = (SHADES.len() - 1) as f64;
    let level = (share.clamp(0.0, 1.0) * steps).ceil() as usize;
    SHADES[level.min(SHADES.len() - 1)]
}

/// Fills a cell for a share between 0 and 1.
pub(super) fn paint(cell: &mut Cell, share: f64, theme: &Theme) {
    match colour(share, theme.appearance) {
        Some(colour) => cell.set_char('█').set_fg(colour),
        None => cell.set_char(shade(share)).set_style(theme.running),
    };
}

/// The scale from 0 to the share that the brightest colour stands for.
pub(super) fn scale(highest: &str, theme: &Theme) -> Vec<Span<'static>> {
    let mut spans = vec![Span::styled(" 0 ", theme.dim)];
    for step in 0..8 {
        let share = f64::from(step) / 7.0;
        spans.push(match colour(share, theme.appearance) {
            Some(colour) => Span::styled("█", Style::new().fg(colour)),
            None => Span::styled(shade(share).to_string(), theme.running),
        });
    }
    spans.push(Span::styled(format!(" {highest}"), theme.dim));
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(depth: ColourDepth) -> Appearance {
        Appearance { depth, ..Appearance::default() }
    }

    #[test]
    fn more_is_brighter_and_nothing_is_blank() {
        assert_eq!(colour(0.0, at(ColourDepth::True)), Some(Color::Rgb(68, 1, 84)));
        assert_eq!(colour(1.0, at(ColourDepth::True)), Some(Color::Rgb(253, 231, 37)));
        assert_eq!(colour(2.0, at(ColourDepth::Palette)), Some(Color::Indexed(220)));
        assert_eq!(colour(0.5, at(ColourDepth::Sixteen)), None);
        assert_eq!(colour(0.5, Appearance { theme: ThemeName::Monochrome, ..at(ColourDepth::True) }), None);
        assert_eq!((shade(0.0), shade(0.001), shade(1.0)), (' ', '░', '█'));
        let levels: Vec<u32> = (0..=100)
            .map(|percent| match colour(f64::from(percent) / 100.0, at(ColourDepth::True)) {
                Some(Color::Rgb(red, green, blue)) => {
                    u32::from(red) * 299 + u32::from(green) * 587 + u32::from(blue) * 114
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(levels.windows(2).all(|pair| pair[0] <= pair[1] + 500), "{levels:?}");
    }
}
