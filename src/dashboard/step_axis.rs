//! Where time steps are drawn: which columns stand for which steps, and the step under a column.

use super::ticks::round_steps;
use ratatui::layout::Rect;
use std::ops::Range;

/// From this many columns on, steps are all as wide: uneven gaps would be seen.
const EVEN: u16 = 3;

/// The most columns of one step.
const WIDEST: u16 = 12;

/// The time steps of a picture, from the left to the right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepAxis {
    /// The columns that stand for steps, with the rows of the picture.
    pub area: Rect,
    /// How many steps there are.
    pub steps: usize,
}

impl StepAxis {
    /// The axis of so many steps at the left of an area: one or more columns for each step, or neighbouring steps in one
    /// column. Steps of several columns are all as wide.
    pub fn within(area: Rect, steps: usize) -> Self {
        let groups = steps.min(area.width.into()) as u16;
        let width = match area.width.checked_div(groups).unwrap_or(0) {
            0 => 0,
            1..EVEN => area.width,
            each => groups * each.min(WIDEST),
        };
        Self { area: Rect { width, ..area }, steps }
    }

    /// How many columns or groups of columns there are.
    pub fn groups(self) -> usize {
        self.steps.min(self.area.width.into())
    }

    /// The steps that a group stands for, from 0.
    pub fn steps_of(self, group: usize) -> Range<usize> {
        let groups = self.groups().max(1);
        group * self.steps / groups..(group + 1) * self.steps / groups
    }

    /// The group of a step.
    pub fn group(self, step: usize) -> usize {
        let step = step.min(self.steps.saturating_sub(1));
        ((step + 1) * self.groups()).saturating_sub(1).checked_div(self.steps).unwrap_or(0)
    }

    /// The columns of a group.
    pub fn columns(self, group: usize) -> Range<u16> {
        let (groups, width) = (self.groups().max(1), usize::from(self.area.width));
        let column = |group: usize| self.area.x + (group * width / groups) as u16;
        column(group)..column(group + 1)
    }

    /// The first step that a column stands for.
    pub fn step_at(self, column: u16) -> Option<usize> {
        let at = usize::from(column.checked_sub(self.area.x)?);
        let width = usize::from(self.area.width);
        (at < width).then(|| self.steps_of(((at + 1) * self.groups() - 1) / width).start)
    }

    /// The steps that are written at the axis, from 0: the first, the last, and round ones between them.
    pub fn labelled(self) -> Vec<usize> {
        if self.steps == 0 {
            return Vec::new();
        }
        let digits = self.steps.to_string().len();
        let most = (usize::from(self.area.width) / (digits + 2)).clamp(1, self.steps);
        let every = round_steps(self.steps, most);
        let round = (1..).map(|at| at * every - 1).take_while(|&step| step < self.steps);
        [0, self.steps - 1].into_iter().chain(round).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_steps_are_wide_and_many_share_columns() {
        let area = Rect::new(3, 0, 40, 5);
        let few = StepAxis::within(area, 10);
        assert_eq!((few.columns(1), few.area.width, few.groups()), (7..11, 40, 10));
        let many = StepAxis::within(area, 100);
        assert_eq!((many.columns(39), many.groups(), many.steps_of(39)), (42..43, 40, 97..100));
        assert_eq!(StepAxis::within(area, 1).area.width, WIDEST);
        assert_eq!(
            StepAxis::within(area, 30).area.width,
            40,
            "some steps are wider, so that the area is filled"
        );
        assert_eq!(StepAxis::within(area, 0).labelled(), [0; 0]);
        assert_eq!(
            StepAxis::within(Rect::new(0, 0, 60, 5), 20).labelled(),
            [0, 19, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]
        );
    }

    proptest! {
        #[test]
        fn every_step_is_in_its_own_column(steps in 1_usize..3000, width in 0_u16..200, step in 0_usize..3000) {
            let axis = StepAxis::within(Rect::new(7, 0, width, 1), steps);
            let step = step % steps;
            prop_assert!(axis.area.width <= width);
            if width > 0 {
                let group = axis.group(step);
                prop_assert!(axis.steps_of(group).contains(&step));
                for column in axis.columns(group) {
                    prop_assert_eq!(axis.step_at(column), Some(axis.steps_of(group).start));
                }
                prop_assert!(!axis.columns(group).is_empty());
                prop_assert!(axis.labelled().iter().all(|&step| step < steps));
            }
        }
    }
}
