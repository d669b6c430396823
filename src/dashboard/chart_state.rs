//! The state of the charts: which lines, on which scale, which part of the run.

use crate::run::series::{History, Point};
use std::sync::Arc;

/// The scale of the vertical axis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal distances are equal differences.
    #[default]
    Linear,
    /// Equal distances are equal ratios.
    Logarithmic,
}

/// Which figures of a batch are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChartLines {
    /// Those of all batches up to it, and those of the batch alone.
    #[default]
    Both,
    /// Those of all batches up to it.
    Running,
    /// Those of the batch alone.
    Single,
}

/// What a line shows: a layer by its name, or the total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// All priced layers.
    Total,
    Layer(String),
}

impl Subject {
    /// Whether it is this layer, or the total where there is none.
    pub fn is(&self, layer: Option<&str>) -> bool {
        match self {
            Self::Total => layer.is_none(),
            Self::Layer(name) => layer == Some(name),
        }
    }
}

/// The most lines that can be told apart.
pub const MAX_OVERLAID: usize = 6;

/// The closest zoom, as a power of two: the charts then show 1/512 of the run.
const MAX_ZOOM: u32 = 9;

/// The state of the charts. Places are counted in batches, the first of which is 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartState {
    /// The scale of the operations that the user chose; `None` is logarithmic where the lines are far apart. Sparsity
    /// is always linear.
    pub scale: Option<Scale>,
    pub lines: ChartLines,
    /// What is drawn, in the order in which it was added.
    pub overlaid: Vec<Subject>,
    /// Where the values below the charts are read.
    pub cursor: Option<f64>,
    zoom: u32,
    /// The last batch in sight; `None` follows the newest one.
    end: Option<f64>,
}

impl Default for ChartState {
    fn default() -> Self {
        Self {
            scale: None,
            lines: ChartLines::Both,
            overlaid: vec![Subject::Total],
            cursor: None,
            zoom: 0,
            end: None,
        }
    }
}

impl ChartState {
    /// The first and the last place in sight of a run of so many batches.
    pub fn window(&self, batches: f64) -> (f64, f64) {
        let width = self.width(batches);
        let end = self.end.unwrap_or(batches).clamp((1.0 + width).min(batches), batches);
        ((end - width).max(1.0).min(end), end)
    }

    fn width(&self, batches: f64) -> f64 {
        ((batches - 1.0) / f64::from(1 << self.zoom)).max(0.0)
    }

    /// Whether only a part of the run is in sight.
    pub fn is_zoomed(&self) -> bool {
        self.zoom > 0
    }

    /// Halves or doubles the part in sight, around the cursor if it is in sight, else around the middle.
    pub fn zoom(&mut self, step: i32, batches: f64) {
        let (start, end) = self.window(batches);
        let centre = self.cursor.filter(|at| (start..=end).contains(at)).unwrap_or((start + end) / 2.0);
        let follows = self.end.is_none() && self.cursor.is_none();
        self.zoom = self.zoom.saturating_add_signed(step).min(MAX_ZOOM);
        if !follows {
            let part = if end > start { (end - centre) / (end - start) } else { 0.0 };
            self.look_until(centre + part * self.width(batches), batches);
        }
    }

    /// Moves the part in sight by a quarter of its width.
    pub fn pan(&mut self, step: i32, batches: f64) {
        let (_, end) = self.window(batches);
        self.look_until(end + f64::from(step) * self.width(batches) / 4.0, batches);
    }

    /// Shows the whole run, without a cursor.
    pub fn show_whole(&mut self) {
        (self.zoom, self.end, self.cursor) = (0, None, None);
    }

    fn look_until(&mut self, end: f64, batches: f64) {
        let least = 1.0 + self.width(batches);
        // At the newest batch the charts follow the run again.
        self.end = (end < batches).then_some(end.max(least));
    }

    /// Moves the cursor to a neighbouring point, which stays in sight; it starts at the newest point in sight.
    pub fn step(&mut self, step: i32, history: &History) {
        let places = places(history);
        let Some(&batches) = places.last() else { return };
        let (start, end) = self.window(batches);
        let next = match self.cursor {
            Some(at) => nearest(&places, at).saturating_add_signed(step as isize).min(places.len() - 1),
            None => places.partition_point(|&place| place <= end).saturating_sub(1),
        };
        let at = places[next];
        self.cursor = Some(at);
        if at > end {
            self.look_until(at, batches);
        } else if at < start {
            self.look_until(at + self.width(batches), batches);
        }
    }

    /// Sets the cursor to the point nearest to a place.
    pub fn point(&mut self, at: f64, history: &History) {
        let places = places(history);
        self.cursor = places.get(nearest(&places, at)).copied();
    }

    /// Draws or hides a subject; returns `false` where there are too many lines to draw another one.
    pub fn toggle(&mut self, subject: Subject) -> bool {
        match self.overlaid.iter().position(|other| *other == subject) {
            Some(at) => {
                self.overlaid.remove(at);
            }
            None if self.overlaid.len() >= MAX_OVERLAID => return false,
            None => self.overlaid.push(subject),
        }
        true
    }

    /// Changes from the scale that is shown to the other one.
    pub fn change_scale(&mut self, shown: Scale) {
        self.scale = Some(match shown {
            Scale::Linear => Scale::Logarithmic,
            Scale::Logarithmic => Scale::Linear,
        });
    }

    pub fn change_lines(&mut self) {
        self.lines = match self.lines {
            ChartLines::Both => ChartLines::Running,
            ChartLines::Running => ChartLines::Single,
            ChartLines::Single => ChartLines::Both,
        };
    }
}

/// The place of each point of a history: the number of batches up to and including it.
pub fn places(history: &History) -> Vec<f64> {
    let mut batches = 0;
    let place = |point: &Arc<Point>| {
        batches += point.sums.batches;
        batches as f64
    };
    history.points().iter().map(place).collect()
}

/// The index of the place that is nearest; places ascend.
pub fn nearest(places: &[f64], at: f64) -> usize {
    let after = places.partition_point(|&place| place < at);
    match (after.checked_sub(1).map(|before| at - places[before]), places.get(after).map(|place| place - at))
    {
        (Some(before), Some(next)) if before <= next => after - 1,
        (Some(_), None) => after - 1,
        _ => after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::LayerCount;
    use proptest::prelude::*;

    fn history(batches: u64) -> History {
        let mut history = History::default();
        for number in 0..batches {
            history.add(
                number,
                1,
                &[0],
                &[LayerCount { updates: 1, dense: 2, updates_by_step: vec![1], ..LayerCount::default() }],
            );
        }
        history
    }

    #[test]
    fn the_charts_follow_the_run_until_they_are_moved() {
        let mut charts = ChartState::default();
        assert_eq!(charts.window(101.0), (1.0, 101.0));
        charts.zoom(2, 101.0);
        assert_eq!(charts.window(101.0), (76.0, 101.0));
        assert_eq!(charts.window(201.0), (151.0, 201.0), "it follows the newest batch");
        charts.pan(-1, 101.0);
        assert_eq!(charts.window(101.0), (69.75, 94.75));
        charts.pan(9, 101.0);
        assert_eq!(charts.window(201.0).1, 201.0, "it follows again");
        charts.show_whole();
        assert_eq!(charts.window(101.0), (1.0, 101.0));
    }

    #[test]
    fn the_cursor_walks_over_the_points_and_stays_in_sight() {
        let history = history(101);
        let mut charts = ChartState::default();
        charts.step(-1, &history);
        assert_eq!(charts.cursor, Some(101.0), "it begins at the newest");
        charts.zoom(3, 101.0);
        for _ in 0..50 {
            charts.step(-1, &history);
            let (start, end) = charts.window(101.0);
            assert!((start..=end).contains(&charts.cursor.expect("a cursor")));
        }
        assert_eq!(charts.cursor, Some(51.0));
        charts.step(1000, &history);
        assert_eq!(charts.cursor, Some(101.0));
        charts.point(12.4, &history);
        assert_eq!(charts.cursor, Some(12.0));
    }

    #[test]
    fn one_line_too_many_is_refused() {
        let mut charts = ChartState::default();
        for layer in 1..MAX_OVERLAID {
            assert!(charts.toggle(Subject::Layer(layer.to_string())));
        }
        assert!(!charts.toggle(Subject::Layer("one more".into())));
        assert_eq!(charts.overlaid.len(), MAX_OVERLAID);
        assert!(charts.overlaid.contains(&Subject::Total), "it stays");
        assert!(charts.toggle(Subject::Layer("3".into())), "what is drawn can be hidden");
        assert!(charts.toggle(Subject::Layer("one more".into())));
    }

    proptest! {
        #[test]
        fn the_window_is_always_within_the_run(
            batches in 1_u32..5000,
            steps in prop::collection::vec((0..3_u8, -3..4_i32), 0..40),
        ) {
            let (history, mut charts) = (history(u64::from(batches)), ChartState::default());
            for (what, step) in steps {
                match what {
                    0 => charts.zoom(step, f64::from(batches)),
                    1 => charts.pan(step, f64::from(batches)),
                    _ => charts.step(step, &history),
                }
                let (start, end) = charts.window(f64::from(batches));
                prop_assert!(1.0 <= start && start <= end && end <= f64::from(batches), "{start} {end}");
            }
        }
    }
}
