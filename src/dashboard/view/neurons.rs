//! A map of a layer's neurons by how often they are updated, in the layer's shape.

use super::super::appearance::Appearance;
use super::super::heat;
use super::Theme;
use super::wrap::fitting;
use crate::count::layer_detail::LayerDetail;
use crate::text::{percent, thousands};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// How the neurons are laid out, and how many share a dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    /// One channel: rows and columns of neurons.
    height: usize,
    width: usize,
    /// One dot stands for a square of so many by so many neurons.
    step: usize,
    /// Channels side by side, and channels that are drawn in all.
    per_row: usize,
    channels: usize,
}

impl Plan {
    /// Dots of one channel: rows and columns.
    fn dots(self) -> (usize, usize) {
        (self.height.div_ceil(self.step), self.width.div_ceil(self.step))
    }

    /// The finest plan in which all channels fit, else the one in which most fit; `None` where not even one fits.
    fn find(channels: usize, height: usize, width: usize, rows: usize, columns: usize) -> Option<Self> {
        if channels == 0 || height == 0 || width == 0 || rows == 0 || columns == 0 {
            return None;
        }
        let mut best = None;
        for step in steps(height.max(width)) {
            let mut plan = Self { height, width, step, per_row: 0, channels: 0 };
            let dots = plan.dots();
            plan.per_row = (columns + 1) / (dots.1 + 1);
            let down = (rows + gap(dots.0)) / (dots.0 + gap(dots.0));
            plan.channels = (plan.per_row * down).min(channels);
            if plan.channels > 0 {
                best = Some(plan);
            }
            if plan.channels == channels {
                break;
            }
        }
        best
    }
}

/// Rows of dots between channels, so that no two channels share a cell of two rows.
fn gap(rows: usize) -> usize {
    if rows % 2 == 1 { 1 } else { 2 }
}

/// The numbers of neurons side by side that a dot may stand for, up to what makes one dot of `coarsest`.
fn steps(coarsest: usize) -> impl Iterator<Item = usize> {
    (1..=coarsest.min(16)).chain((5..).map(|power| 1 << power).take_while(move |&step| step < 2 * coarsest))
}

/// Channels, rows and columns of one sample's neurons; a one-dimensional layer is broken into rows that fill the map.
fn channels_of(shape: &[u64], rows: usize, columns: usize) -> Option<(usize, usize, usize)> {
    let axes: Vec<usize> = shape.iter().map(|&axis| usize::try_from(axis).ok()).collect::<Option<_>>()?;
    match axes.as_slice() {
        [] => Some((1, 1, 1)),
        [neurons] if *neurons <= columns => Some((1, 1, *neurons)),
        [neurons] => {
            let columns = columns.max(1);
            // Lines of a multiple of eight make single neurons easier to count.
            let across = |step| if step == 1 && columns >= 16 { columns / 8 * 8 } else { columns };
            let width = |step: usize| across(step) * step;
            let fills = |step: &usize| neurons.div_ceil(width(*step)).div_ceil(*step) <= rows;
            let width = width(steps(*neurons).find(fills).unwrap_or(1));
            Some((1, neurons.div_ceil(width), width))
        }
        [channels @ .., height, width] => Some((channels.iter().product(), *height, *width)),
    }
}

/// Draws the map, and its scale in the last line.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, detail: &LayerDetail, theme: &Theme) {
    let [map, legend] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    let Some(rates) = &detail.rates else {
        return note(frame, area, "too many neurons to be drawn one by one", theme);
    };
    // Without neurons, the other axes may have any length.
    let times = detail.samples.saturating_mul(detail.steps.saturating_sub(1));
    if rates.is_empty() || times == 0 {
        return note(frame, area, "nothing can change in a single time step", theme);
    }
    let coloured = heat::colour(0.0, theme.appearance).is_some();
    let per_cell = if coloured { 2 } else { 1 };
    let (rows, columns) = (usize::from(map.height) * per_cell, usize::from(map.width));
    let Some((channels, height, width)) = channels_of(&detail.shape, rows, columns) else { return };
    let Some(plan) = Plan::find(channels, height, width, rows, columns) else { return };
    let highest = rates.iter().copied().max().unwrap_or(0).max(1);
    let dots = dots(rates, plan, rows, columns, highest as f64);
    for (y, row) in dots.chunks(columns * per_cell).enumerate() {
        for x in 0..columns {
            let cell = &mut frame.buffer_mut()[(map.x + x as u16, map.y + y as u16)];
            if coloured {
                paint(cell, row[x], row.get(columns + x).copied().flatten(), theme.appearance);
            } else if let Some(share) = row[x] {
                cell.set_char(heat::shade(share)).set_style(theme.running);
            }
        }
    }
    draw_legend(frame, legend, (rates, highest as f64 / times as f64), plan, channels, theme);
}

fn note(frame: &mut Frame<'_>, area: Rect, text: &'static str, theme: &Theme) {
    frame.render_widget(Line::styled(format!(" {text}"), theme.dim), area);
}

/// The share of the highest rate at each dot of the map, row by row; `None` where there is no neuron.
fn dots(rates: &[u64], plan: Plan, rows: usize, columns: usize, highest: f64) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0_u32); rows * columns];
    let (dot_rows, dot_columns) = plan.dots();
    let of_channel = plan.height * plan.width;
    for (neuron, &rate) in rates.iter().enumerate().take(plan.channels * of_channel) {
        let (channel, place) = (neuron / of_channel, neuron % of_channel);
        let (row, column) = (place / plan.width / plan.step, place % plan.width / plan.step);
        let y = channel / plan.per_row * (dot_rows + gap(dot_rows)) + row;
        let x = channel % plan.per_row * (dot_columns + 1) + column;
        if let Some(sum) = sums.get_mut(y * columns + x) {
            sum.0 += rate as f64;
            sum.1 += 1;
        }
    }
    let share = |(sum, neurons): (f64, u32)| (neurons > 0).then(|| sum / f64::from(neurons) / highest);
    sums.into_iter().map(share).collect()
}

/// Draws two dots in one cell, one above the other.
fn paint(cell: &mut ratatui::buffer::Cell, upper: Option<f64>, lower: Option<f64>, look: Appearance) {
    let colour = |share: f64| heat::colour(share, look).unwrap_or_default();
    match (upper, lower) {
        (Some(upper), Some(lower)) => {
            cell.set_char('▀').set_fg(colour(upper)).set_bg(colour(lower));
        }
        (Some(upper), None) => {
            cell.set_char('▀').set_fg(colour(upper));
        }
        (None, Some(lower)) => {
            cell.set_char('▄').set_fg(colour(lower));
        }
        (None, None) => {}
    }
}

/// Draws what the colours mean, and says what the map leaves out.
fn draw_legend(
    frame: &mut Frame<'_>,
    area: Rect,
    (rates, highest): (&[u64], f64),
    plan: Plan,
    channels: usize,
    theme: &Theme,
) {
    let mut spans = vec![Span::styled(" 0 ", theme.dim)];
    for step in 0..8 {
        let share = f64::from(step) / 7.0;
        spans.push(match heat::colour(share, theme.appearance) {
            Some(colour) => Span::styled("█", Style::new().fg(colour)),
            None => Span::styled(heat::shade(share).to_string(), theme.running),
        });
    }
    spans.push(Span::styled(format!(" {}", percent(highest)), theme.dim));
    let never = rates.iter().filter(|&&rate| rate == 0).count();
    if never > 0 {
        spans.push(Span::raw(format!("  {} never", thousands(never as u128))));
    }
    if plan.channels < channels {
        spans.push(Span::styled(
            format!(
                "  the first {} of {} channels",
                thousands(plan.channels as u128),
                thousands(channels as u128)
            ),
            theme.warn,
        ));
    }
    if plan.step > 1 {
        spans.push(Span::styled(format!("  dot: {0}×{0} neurons", plan.step), theme.dim));
    }
    frame.render_widget(fitting(spans, area.width), area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn channels_stand_side_by_side_at_their_shape() {
        let plan = Plan::find(8, 8, 8, 36, 40).expect("a plan");
        assert_eq!((plan.step, plan.per_row, plan.channels), (1, 4, 8));
        let plan = Plan::find(128, 64, 64, 36, 40).expect("a plan");
        assert!(plan.step > 1 && plan.channels == 128, "{plan:?}");
        let plan = Plan::find(10_000, 4, 4, 4, 8).expect("a plan");
        assert!(plan.channels < 10_000, "{plan:?}");
        assert_eq!(channels_of(&[10], 36, 40), Some((1, 1, 10)));
        assert_eq!(channels_of(&[100], 36, 43), Some((1, 3, 40)));
        assert_eq!(channels_of(&[2, 3, 4, 5], 36, 40), Some((6, 4, 5)));
    }

    #[test]
    fn a_long_line_of_neurons_fills_the_map() {
        for (neurons, rows, columns) in
            [(65_536, 24, 38), (65_536, 100, 90), (1_000_000, 30, 120), (2_000, 24, 38)]
        {
            let (channels, height, width) = channels_of(&[neurons], rows, columns).expect("a shape");
            let plan = Plan::find(channels, height, width, rows, columns).expect("a plan");
            let (down, across) = plan.dots();
            assert_eq!(across, columns, "{plan:?}");
            assert!(down * 4 > rows && down <= rows, "{plan:?}");
        }
    }

    proptest! {
        #[test]
        fn every_neuron_that_is_drawn_has_a_dot(
            channels in 1_usize..40, height in 1_usize..20, width in 1_usize..20,
            rows in 1_usize..60, columns in 1_usize..80,
        ) {
            let Some(plan) = Plan::find(channels, height, width, rows, columns) else { return Ok(()) };
            let rates = vec![1; channels * height * width];
            let dots = dots(&rates, plan, rows, columns, 1.0);
            let expected = plan.channels * plan.dots().0 * plan.dots().1;
            prop_assert_eq!(dots.iter().flatten().count(), expected, "{:?}", plan);
            prop_assert!(dots.iter().flatten().all(|&share| share == 1.0));
        }
    }
}
