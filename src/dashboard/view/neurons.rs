//! A map of a layer's neurons by how often they are updated, in the layer's shape.

use super::super::appearance::Appearance;
use super::super::heat;
use super::super::symbols::Symbols;
use super::wrap::fitting;
use super::{Theme, UiState};
use crate::count::layer_detail::LayerDetail;
use crate::text::{percent, thousands};
use ndarray::{Array2, Array3, Axis};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// How the neurons are laid out: how many share a dot, or how many dots one of them has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    /// One channel: rows and columns of neurons.
    height: usize,
    width: usize,
    /// One dot stands for a square of so many by so many neurons.
    step: usize,
    /// Rows and columns of dots for each of these squares; more than one only where a square is a neuron.
    size: (usize, usize),
    /// Rows of dots for a number above each channel.
    label: usize,
    /// Channels side by side, and channels that are drawn in all.
    per_row: usize,
    channels: usize,
}

/// The room for a map, in dots.
#[derive(Debug, Clone, Copy)]
struct Room {
    rows: usize,
    columns: usize,
    /// Dots in a cell, one above the other.
    per_cell: usize,
}

impl Room {
    /// How large a neuron may be, in rows and columns of dots, the largest first: whole cells that make a square, then
    /// one dot.
    fn sizes(self, height: usize, width: usize) -> impl Iterator<Item = (usize, usize)> {
        let square = move |cells: usize| (cells * self.per_cell, 2 * cells);
        let most = (self.rows / height.max(1) / self.per_cell).min(self.columns / width.max(1) / 2);
        (1..=most).rev().map(square).chain([(1, 1)])
    }
}

impl Plan {
    /// Rows and columns of dots of one channel.
    fn dots(self) -> (usize, usize) {
        (self.height.div_ceil(self.step) * self.size.0, self.width.div_ceil(self.step) * self.size.1)
    }

    /// Rows of dots from one channel to the one below.
    fn pitch(self) -> usize {
        let rows = self.dots().0;
        // A number begins a cell.
        if self.label > 0 { self.label + rows.next_multiple_of(self.label) } else { rows + gap(rows) }
    }

    /// The first row and column of dots of a channel.
    fn corner(self, channel: usize) -> (usize, usize) {
        (channel / self.per_row * self.pitch() + self.label, channel % self.per_row * (self.dots().1 + 1))
    }

    /// The plan for as many of the channels as there is room for.
    fn filled(mut self, channels: usize, room: Room) -> Self {
        let dots = self.dots();
        self.per_row = (room.columns + 1) / (dots.1 + 1);
        let spare = if self.label > 0 { 0 } else { gap(dots.0) };
        self.channels = (self.per_row * ((room.rows + spare) / self.pitch())).min(channels);
        self
    }

    /// The largest neurons with which all channels fit, with the channels' numbers if no dots are lost for them; else
    /// the plan in which most channels fit; `None` where not even one fits.
    fn find(channels: usize, height: usize, width: usize, room: Room) -> Option<Self> {
        if [channels, height, width, room.rows, room.columns].contains(&0) {
            return None;
        }
        let plan = |step: usize, size: (usize, usize), label: usize| {
            Self { height, width, step, size, label, per_row: 0, channels: 0 }.filled(channels, room)
        };
        let sizes = room.sizes(height, width).map(|size| (1, size));
        let coarser = steps(height.max(width)).skip(1).map(|step| (step, (1, 1)));
        let all: Vec<(usize, (usize, usize))> = sizes.chain(coarser).collect();
        let whole = |label: usize| {
            let plans = all.iter().map(|&(step, size)| plan(step, size, label));
            plans.into_iter().find(|plan| plan.channels == channels)
        };
        let digits = channels.to_string().len();
        let numbered = whole(room.per_cell).filter(|plan| channels > 1 && plan.dots().1 >= digits);
        match (numbered, whole(0)) {
            (Some(numbered), Some(bare)) if numbered.step == bare.step => Some(numbered),
            (_, Some(bare)) => Some(bare),
            _ => all.iter().map(|&(step, size)| plan(step, size, 0)).rfind(|plan| plan.channels > 0),
        }
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

/// From this height on, the legend has a line of its own for numbers of neurons.
const TALL: u16 = 10;

/// The most rows of cells of a neuron in a one-dimensional layer.
const TALLEST: usize = 4;

/// Channels, rows and columns of one sample's neurons; a one-dimensional layer is broken into rows that fill the map.
fn channels_of(shape: &[u64], room: Room) -> Option<(usize, usize, usize)> {
    let axes: Vec<usize> = shape.iter().map(|&axis| usize::try_from(axis).ok()).collect::<Option<_>>()?;
    match axes.as_slice() {
        [] => Some((1, 1, 1)),
        [neurons] => Some(broken(*neurons, room)),
        [channels @ .., height, width] => Some((channels.iter().product(), *height, *width)),
    }
}

/// Breaks a line of neurons into rows: of the largest neurons with which all fit, else of the fewest in a dot.
fn broken(neurons: usize, room: Room) -> (usize, usize, usize) {
    let columns = room.columns.max(1);
    // Lines of a multiple of eight make single neurons easier to count.
    let even = |width: usize| if width >= 16 { width / 8 * 8 } else { width };
    let large = |(down, across): (usize, usize)| {
        let width = even(columns / across).min(neurons);
        let fits = width > 0 && neurons.div_ceil(width) * down <= room.rows;
        (fits && down <= TALLEST * room.per_cell).then(|| (1, neurons.div_ceil(width), width))
    };
    if let Some(shape) = room.sizes(1, 1).find_map(large) {
        return shape;
    }
    let width = |step: usize| if step == 1 { even(columns) } else { columns * step };
    let fills = |step: &usize| neurons.div_ceil(width(*step)).div_ceil(*step) <= room.rows;
    let width = width(steps(neurons).find(fills).unwrap_or(1));
    (1, neurons.div_ceil(width), width)
}

/// Draws the map, and its scale in the last line; notes where the channels are.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    detail: &LayerDetail,
    theme: &Theme,
    state: &mut UiState,
) {
    let lines = if area.height >= TALL { 2 } else { 1 };
    let [map, legend] = Layout::vertical([Constraint::Fill(1), Constraint::Length(lines)]).areas(area);
    let Some(rates) = &detail.rates else {
        return note(frame, area, "too many neurons to be drawn one by one", theme);
    };
    // Without neurons, the other axes may have any length.
    let times = detail.samples.saturating_mul(detail.steps.saturating_sub(1));
    if rates.is_empty() || times == 0 {
        return note(frame, area, "nothing can change in a single time step", theme);
    }
    // ASCII has no half blocks.
    let has_halves = theme.appearance.symbols == Symbols::Unicode;
    let per_cell = if has_halves && heat::colour(0.0, theme.appearance).is_some() { 2 } else { 1 };
    let room = Room { rows: usize::from(map.height) * per_cell, columns: usize::from(map.width), per_cell };
    let Some((count, height, width)) = channels_of(&detail.shape, room) else { return };
    state.places.channel_count = count;
    state.channel.selected = state.channel.selected.min(count.saturating_sub(1));
    let alone = (state.channel.is_alone && count > 1).then_some(state.channel.selected);
    let (first, channels) = alone.map_or((0, count), |channel| (channel, 1));
    let Some(plan) = Plan::find(channels, height, width, room) else { return };
    let highest = rates.iter().copied().max().unwrap_or(0).max(1);
    let seen = rates.get(first * height * width..).unwrap_or_default();
    let dots = dots(seen, plan, room, highest as f64);
    paint_dots(frame, map, &dots, room, theme);
    draw_numbers(frame, map, plan, room, first, theme, state);
    let seen = &seen[..(channels * height * width).min(seen.len())];
    draw_legend(frame, legend, (seen, times, highest), plan, (first, channels, count), theme, state);
}

fn note(frame: &mut Frame<'_>, area: Rect, text: &'static str, theme: &Theme) {
    frame.render_widget(Line::styled(format!(" {text}"), theme.dim), area);
}

/// The share of the highest rate at each dot of the map; `None` where there is no neuron.
fn dots(rates: &[u64], plan: Plan, room: Room, highest: f64) -> Array2<Option<f64>> {
    let mut dots = Array2::from_elem((room.rows, room.columns), None);
    // The last row of a line of neurons may be shorter.
    let neurons = rates.iter().copied().map(Some).chain(std::iter::repeat(None));
    let neurons = neurons.take(plan.channels * plan.height * plan.width).collect();
    let Ok(channels) = Array3::from_shape_vec((plan.channels, plan.height, plan.width), neurons) else {
        return dots;
    };
    for (channel, neurons) in channels.outer_iter().enumerate() {
        let (top, left) = plan.corner(channel);
        for (y, rows) in neurons.axis_chunks_iter(Axis(0), plan.step).enumerate() {
            for (x, square) in rows.axis_chunks_iter(Axis(1), plan.step).enumerate() {
                let add = |(sum, count), rate: &u64| (sum + *rate as f64, count + 1_u32);
                let (sum, count) = square.iter().flatten().fold((0.0, 0), add);
                let (y, x) = (top + y * plan.size.0, left + x * plan.size.1);
                let mut dot = dots.view_mut();
                dot.slice_axis_inplace(Axis(0), (y..y + plan.size.0).into());
                dot.slice_axis_inplace(Axis(1), (x..x + plan.size.1).into());
                dot.fill((count > 0).then(|| sum / f64::from(count) / highest));
            }
        }
    }
    dots
}

fn paint_dots(frame: &mut Frame<'_>, map: Rect, dots: &Array2<Option<f64>>, room: Room, theme: &Theme) {
    for (y, rows) in dots.axis_chunks_iter(Axis(0), room.per_cell).enumerate() {
        for (x, cell_dots) in rows.columns().into_iter().enumerate() {
            let cell = &mut frame.buffer_mut()[(map.x + x as u16, map.y + y as u16)];
            if room.per_cell > 1 {
                paint(cell, cell_dots[0], cell_dots.get(1).copied().flatten(), theme.appearance);
            } else if let Some(share) = cell_dots[0] {
                heat::paint(cell, share, theme);
            }
        }
    }
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

/// Writes the channels' numbers, which begin with 1, and notes where the channels are.
fn draw_numbers(
    frame: &mut Frame<'_>,
    map: Rect,
    plan: Plan,
    room: Room,
    first: usize,
    theme: &Theme,
    state: &mut UiState,
) {
    let (rows, columns) = plan.dots();
    for at in 0..plan.channels {
        let (top, left) = plan.corner(at);
        let y = map.y + ((top - plan.label) / room.per_cell) as u16;
        let height = (rows + plan.label).div_ceil(room.per_cell) as u16;
        let place = Rect { x: map.x + left as u16, y, width: columns as u16, height }.intersection(map);
        state.places.channels.push((first + at, place));
        if plan.label > 0 {
            let style = if state.channel.selected == first + at { theme.selected } else { theme.dim };
            let text = Line::styled((first + at + 1).to_string(), style);
            frame.render_widget(text, Rect { height: 1, ..place }.intersection(place));
        }
    }
}

/// Draws what the colours mean, and says what the map leaves out.
fn draw_legend(
    frame: &mut Frame<'_>,
    area: Rect,
    (rates, times, highest): (&[u64], u64, u64),
    plan: Plan,
    (first, channels, count): (usize, usize, usize),
    theme: &Theme,
    state: &UiState,
) {
    let mut spans = heat::scale(&percent(highest as f64 / times as f64), theme);
    let number = |count: usize| thousands(count as u128);
    if plan.channels < channels {
        let text = format!("  the first {} of {} channels", number(plan.channels), number(channels));
        spans.push(Span::styled(text, theme.warn));
    }
    if plan.step > 1 {
        let used = spans.iter().map(Span::width).sum::<usize>();
        let texts = ["  dot: mean of", "  dot:"].map(|dot| format!("{dot} {0}×{0} neurons", plan.step));
        let fitting = texts.into_iter().find(|text| used + text.width() <= area.width.into());
        spans.extend(fitting.map(|text| Span::styled(text, theme.warn)));
    }
    let mut numbers = Vec::new();
    let counted = |rate: u64| rates.iter().filter(|&&other| other == rate).count();
    for (what, neurons) in [("silent", counted(0)), ("always", counted(times))] {
        if neurons > 0 {
            numbers.push(Span::raw(format!("  {} {what}", number(neurons))));
        }
    }
    // Those of all batches are above.
    if !numbers.is_empty() && area.height > 1 {
        numbers.push(Span::styled(" in this batch", theme.dim));
    }
    if channels < count {
        let text = format!("  channel {} of {}", number(first + 1), number(count));
        numbers.insert(0, Span::styled(text, theme.accent));
    } else if count > 1 && plan.label == 0 {
        let text = format!("  channel {}", number(state.channel.selected + 1));
        numbers.insert(0, Span::styled(text, theme.accent));
    }
    if area.height < 2 {
        spans.append(&mut numbers);
    }
    frame.render_widget(fitting(spans, area.width), area);
    let below = Rect { y: area.y.saturating_add(1), height: 1, ..area }.intersection(area);
    frame.render_widget(fitting(numbers, area.width), below);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn room(rows: usize, columns: usize) -> Room {
        Room { rows, columns, per_cell: 2 }
    }

    #[test]
    fn channels_stand_side_by_side_at_their_shape() {
        let plan = Plan::find(8, 8, 8, room(36, 40)).expect("a plan");
        assert_eq!((plan.step, plan.size, plan.label, plan.per_row, plan.channels), (1, (1, 1), 2, 4, 8));
        let plan = Plan::find(128, 64, 64, room(36, 40)).expect("a plan");
        assert!(plan.step > 1 && plan.channels == 128, "{plan:?}");
        let plan = Plan::find(10_000, 4, 4, room(4, 8)).expect("a plan");
        assert!(plan.channels < 10_000, "{plan:?}");
        assert_eq!(channels_of(&[2, 3, 4, 5], room(36, 40)), Some((6, 4, 5)));
    }

    #[test]
    fn neurons_grow_to_fill_the_map() {
        let plan = Plan::find(8, 8, 8, room(140, 98)).expect("a plan");
        assert_eq!((plan.size, plan.label, plan.channels), ((4, 4), 2, 8));
        let alone = Plan::find(1, 8, 8, room(54, 38)).expect("a plan");
        assert_eq!((alone.size, alone.label), ((4, 4), 0));
        assert_eq!(channels_of(&[10], room(36, 40)), Some((1, 2, 5)));
        assert_eq!(channels_of(&[100], room(36, 43)), Some((1, 7, 16)));
        let shades = Room { per_cell: 1, ..room(27, 38) };
        let plan = Plan::find(1, 8, 8, shades).expect("a plan");
        assert_eq!(plan.size, (2, 4), "a square of two rows and four columns");
    }

    #[test]
    fn a_long_line_of_neurons_fills_the_map() {
        for (neurons, rows, columns) in
            [(65_536, 24, 38), (65_536, 100, 90), (1_000_000, 30, 120), (2_000, 24, 38)]
        {
            let (channels, height, width) = channels_of(&[neurons], room(rows, columns)).expect("a shape");
            let plan = Plan::find(channels, height, width, room(rows, columns)).expect("a plan");
            let (down, across) = plan.dots();
            assert_eq!(across, columns, "{plan:?}");
            assert!(down * 4 > rows && down <= rows, "{plan:?}");
        }
    }

    proptest! {
        #[test]
        fn every_neuron_that_is_drawn_has_dots(
            channels in 1_usize..40, height in 1_usize..20, width in 1_usize..20,
            rows in 1_usize..60, columns in 1_usize..80, per_cell in 1_usize..3,
        ) {
            let room = Room { rows: rows * per_cell, columns, per_cell };
            let Some(plan) = Plan::find(channels, height, width, room) else { return Ok(()) };
            let rates = vec![1; channels * height * width];
            let dots = dots(&rates, plan, room, 1.0);
            let expected = plan.channels * plan.dots().0 * plan.dots().1;
            prop_assert_eq!(dots.iter().flatten().count(), expected, "{:?}", plan);
            prop_assert!(dots.iter().flatten().all(|&share| share == 1.0));
        }
    }
}
