//! The state of the charts: which lines, on which scale, which part of the run.

use super::batch_axis::BatchAxis;

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

/// What a line shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// All priced layers of the run in front.
    Total,
    /// A layer of the run in front, by its name.
    Layer(String),
    /// All priced layers of a marked run, by its number.
    Run(usize),
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
    /// What is drawn. Its place here is its colour and its mark, whatever else is drawn or hidden.
    overlaid: [Option<Subject>; MAX_OVERLAID],
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
            overlaid: std::array::from_fn(|place| (place == 0).then_some(Subject::Total)),
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
    pub fn step(&mut self, step: i32, axis: &BatchAxis) {
        let (stops, batches) = (axis.stops(), axis.last_place());
        let (start, end) = self.window(batches);
        let next = match self.cursor {
            Some(at) => {
                axis.nearest_index(at).saturating_add_signed(step as isize).min(stops.len().max(1) - 1)
            }
            None => stops.partition_point(|stop| stop.place <= end).saturating_sub(1),
        };
        let Some(at) = stops.get(next).map(|stop| stop.place) else { return };
        self.cursor = Some(at);
        if at > end {
            self.look_until(at, batches);
        } else if at < start {
            self.look_until(at + self.width(batches), batches);
        }
    }

    /// Sets the cursor to the point nearest to a place.
    pub fn point(&mut self, at: f64, axis: &BatchAxis) {
        self.cursor = axis.nearest(at).map(|stop| stop.place);
    }

    /// What is drawn, and the place of each among the colours and marks.
    pub fn drawn(&self) -> impl Iterator<Item = (usize, &Subject)> {
        self.overlaid.iter().enumerate().filter_map(|(place, subject)| Some((place, subject.as_ref()?)))
    }

    /// The place of what is drawn among the colours and marks.
    pub fn place(&self, subject: &Subject) -> Option<usize> {
        self.drawn().find(|(_, other)| *other == subject).map(|(place, _)| place)
    }

    /// The numbers of the marked runs.
    pub fn marked_runs(&self) -> impl Iterator<Item = usize> {
        self.drawn()
            .filter_map(|(_, subject)| if let Subject::Run(number) = subject { Some(*number) } else { None })
    }

    /// Draws or hides a subject; returns `false` where there are too many lines to draw another one.
    pub fn toggle(&mut self, subject: Subject) -> bool {
        if self.hide(&subject) {
            return true;
        }
        let free = self.overlaid.iter_mut().find(|place| place.is_none());
        free.map(|place| *place = Some(subject)).is_some()
    }

    /// Hides a subject; returns whether it was drawn.
    pub fn hide(&mut self, subject: &Subject) -> bool {
        let place = self.overlaid.iter_mut().find(|place| place.as_ref() == Some(subject));
        place.map(|place| *place = None).is_some()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::LayerCount;
    use crate::run::series::History;
    use proptest::prelude::*;

    fn axis(batches: u64) -> BatchAxis {
        let mut history = History::default();
        for number in 0..batches {
            history.add(
                number,
                1,
                &[0],
                &[LayerCount { updates: 1, dense: 2, updates_by_step: vec![1], ..LayerCount::default() }],
            );
        }
        BatchAxis::new(&history, &[])
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
        let axis = axis(101);
        let mut charts = ChartState::default();
        charts.step(-1, &axis);
        assert_eq!(charts.cursor, Some(101.0), "it begins at the newest");
        charts.zoom(3, 101.0);
        for _ in 0..50 {
            charts.step(-1, &axis);
            let (start, end) = charts.window(101.0);
            assert!((start..=end).contains(&charts.cursor.expect("a cursor")));
        }
        assert_eq!(charts.cursor, Some(51.0));
        charts.step(1000, &axis);
        assert_eq!(charts.cursor, Some(101.0));
        charts.point(12.4, &axis);
        assert_eq!(charts.cursor, Some(12.0));
    }

    #[test]
    fn what_is_drawn_keeps_its_colour_and_mark_while_others_come_and_go() {
        let mut charts = ChartState::default();
        for subject in [Subject::Run(7), Subject::Layer("a".into()), Subject::Run(0)] {
            assert!(charts.toggle(subject));
        }
        assert!(charts.toggle(Subject::Total) && charts.toggle(Subject::Layer("a".into())));
        let places = |charts: &ChartState| [7, 0].map(|run| charts.place(&Subject::Run(run)));
        assert_eq!(places(&charts), [Some(1), Some(3)]);
        assert!(charts.toggle(Subject::Run(2)));
        assert_eq!((places(&charts), charts.place(&Subject::Run(2))), ([Some(1), Some(3)], Some(0)));
        assert_eq!(charts.marked_runs().collect::<Vec<_>>(), [2, 7, 0]);
    }

    proptest! {
        #[test]
        fn the_window_is_always_within_the_run(
            batches in 1_u32..5000,
            steps in prop::collection::vec((0..3_u8, -3..4_i32), 0..40),
        ) {
            let (axis, mut charts) = (axis(u64::from(batches)), ChartState::default());
            for (what, step) in steps {
                match what {
                    0 => charts.zoom(step, f64::from(batches)),
                    1 => charts.pan(step, f64::from(batches)),
                    _ => charts.step(step, &axis),
                }
                let (start, end) = charts.window(f64::from(batches));
                prop_assert!(1.0 <= start && start <= end && end <= f64::from(batches), "{start} {end}");
            }
        }
    }
}
