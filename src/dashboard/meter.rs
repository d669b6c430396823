//! Meters and trends: figures as a line of characters.

use super::theme::Theme;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// A line of `width` columns, filled by `ratio`.
pub(super) fn meter(ratio: f64, width: u16, style: Style, rest: Style) -> Line<'static> {
    let filled = (ratio.clamp(0.0, 1.0) * f64::from(width)).round() as usize;
    // Any progress shows, and only all of it fills the line.
    let filled = match filled {
        0 if ratio > 0.0 => 1,
        full if full == usize::from(width) && ratio < 1.0 => full.saturating_sub(1),
        other => other,
    };
    let filled = filled.min(width.into());
    Line::from(vec![
        Span::styled("━".repeat(filled), style),
        Span::styled("─".repeat(usize::from(width) - filled), rest),
    ])
}

/// A trend as a row of `width` blocks, as wide for every value; the highest block is the largest value.
pub(super) fn trend(values: &[f64], width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values: Vec<f64> = thinned(values, width);
    let (low, high) = bounds(values.iter().copied());
    let level = |value: f64| {
        if high > low { ((value - low) / (high - low) * 7.0).round() as usize } else { 3 }
    };
    let value = |column: usize| values[column * values.len() / width];
    if values.is_empty() {
        return String::new();
    }
    (0..width).map(|column| BLOCKS[level(value(column)).min(7)]).collect()
}

/// A share as its number in eight columns, and, where there is room, as a bar.
pub(super) fn number_and_bar(number: &str, share: f64, width: u16, theme: &Theme) -> Line<'static> {
    let number = Span::raw(format!("{number:>8}"));
    let room = width.saturating_sub(9);
    if room < 4 {
        return Line::from(number);
    }
    let mut line = Line::from(vec![number, Span::raw(" ")]);
    line.extend(meter(share, room, theme.running, theme.dim));
    line
}

/// The smallest and the largest value; 0 and 1 without values.
pub(super) fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// Where there are more values than columns, the means of as many groups as there are columns.
pub(super) fn thinned(values: &[f64], width: usize) -> Vec<f64> {
    if values.len() <= width || width == 0 {
        return values.iter().copied().take(width).collect();
    }
    (0..width)
        .map(|column| {
            let group = &values[column * values.len() / width..(column + 1) * values.len() / width];
            group.iter().sum::<f64>() / group.len() as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::appearance::Appearance;
    use super::*;

    fn text(ratio: f64, width: u16) -> String {
        meter(ratio, width, Style::new(), Style::new()).spans.into_iter().map(|span| span.content).collect()
    }

    #[test]
    fn a_beginning_shows_and_only_the_whole_is_whole() {
        assert_eq!(text(0.0, 4), "────");
        assert_eq!(text(0.001, 4), "━───");
        assert_eq!(text(0.999, 4), "━━━─");
        assert_eq!(text(1.0, 4), "━━━━");
        assert_eq!(text(2.0, 4), "━━━━");
        assert_eq!(text(0.5, 0), "");
    }

    #[test]
    fn a_share_has_a_bar_where_there_is_room() {
        let text =
            |width| number_and_bar("50.00 %", 0.5, width, &Theme::new(Appearance::default())).to_string();
        assert_eq!((text(8).as_str(), text(12).as_str()), (" 50.00 %", " 50.00 %"));
        assert_eq!(text(17), " 50.00 % ━━━━────");
    }

    #[test]
    fn a_trend_fits_its_width() {
        assert_eq!(trend(&[1.0, 2.0, 3.0], 8), "▁▁▁▅▅▅██");
        assert_eq!(trend(&[5.0, 5.0], 8), "▄▄▄▄▄▄▄▄");
        assert_eq!(trend(&[0.0, 0.0, 7.0, 7.0], 2), "▁█");
        assert_eq!(trend(&[], 8), "");
        assert_eq!(trend(&[1.0], 0), "");
    }
}
