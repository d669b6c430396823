//! Vertical bars, in eighths of a cell.

use super::super::meter::thinned;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Marks the top of a bar that is cut.
const CUT: char = '▲';

const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws values as bars. A value of `highest` fills the area, and a larger one is cut with a mark. Few values are drawn
/// wider, with gaps where there is room; of many, neighbours share a column, which shows their mean. Every value above 0
/// shows.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, values: &[f64], highest: f64, style: Style) {
    if values.is_empty() || area.is_empty() {
        return;
    }
    let width = usize::from(area.width);
    let means = thinned(values, width);
    let columns = means.len();
    let gap = usize::from(width / columns >= 3);
    for (column, mean) in means.into_iter().enumerate() {
        let eighths = height(mean, highest, area.height);
        for x in column * width / columns..(column + 1) * width / columns - gap {
            bar(frame, area, x as u16, eighths, style);
            if mean > highest {
                frame.buffer_mut()[(area.x + x as u16, area.y)].set_char(CUT);
            }
        }
    }
}

/// The height of a bar in eighths of a cell.
fn height(value: f64, highest: f64, rows: u16) -> u16 {
    let full = rows * 8;
    let part = if highest > 0.0 { (value / highest).clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (part * f64::from(full)).round() as u16;
    if value > 0.0 { eighths.clamp(1, full) } else { 0 }
}

fn bar(frame: &mut Frame<'_>, area: Rect, x: u16, eighths: u16, style: Style) {
    for row in 0..area.height {
        let part = eighths.saturating_sub(row * 8).min(8);
        if part > 0 {
            let cell = &mut frame.buffer_mut()[(area.x + x, area.bottom() - 1 - row)];
            cell.set_char(BLOCKS[usize::from(part)]).set_style(style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(width: u16, height: u16, values: &[f64]) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, frame.area(), values, 1.0, Style::new())).expect("drawn");
        terminal.backend().to_string()
    }

    #[test]
    fn bars_have_the_height_of_their_values_and_whatever_is_not_zero_shows() {
        assert_eq!(drawn(4, 1, &[0.0, 0.001, 0.5, 1.0]), "\" ▁▄█\"\n");
        assert_eq!(drawn(3, 2, &[0.5, 0.75, 9.0]), "\" ▄▲\"\n\"███\"\n");
        assert_eq!(drawn(8, 1, &[1.0, 0.5]), "\"███ ▄▄▄ \"\n", "wider, with a gap");
        assert_eq!(drawn(2, 1, &[0.0, 1.0, 1.0, 1.0]), "\"▄█\"\n", "neighbours share a column");
        assert_eq!(drawn(2, 1, &[]), "\"  \"\n");
    }
}
