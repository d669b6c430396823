//! Where the user is in a list: its order, its filter, the selected row and the first row in sight. Texts are lists of lines
//! without a selected one.

use super::columns::Sort;
use super::filter::Filter;
use crate::text::thousands;
use ratatui::layout::Rect;

/// A movement in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    Rows(i32),
    Pages(i32),
    First,
    Last,
}

impl Motion {
    fn from(self, row: usize, seen: usize) -> usize {
        match self {
            Self::Rows(rows) => row.saturating_add_signed(rows as isize),
            Self::Pages(pages) => row.saturating_add_signed(pages as isize * seen.max(1) as isize),
            Self::First => 0,
            Self::Last => usize::MAX,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct ListState {
    pub sort: Sort,
    /// Which rows are shown.
    pub filter: Filter,
    pub selected: usize,
    /// The first row in sight.
    pub first: usize,
    /// Whether no row is selected, so that moving scrolls.
    is_text: bool,
    /// Rows that the last draw had room for.
    seen: usize,
    /// Rows that there were then; before the first draw nobody knows.
    len: Option<usize>,
}

impl ListState {
    pub fn sorted(sort: Sort) -> Self {
        Self { sort, ..Self::default() }
    }

    /// A list without a selected row.
    pub fn text() -> Self {
        Self { is_text: true, ..Self::default() }
    }

    /// The selected row, where there is one.
    pub fn selected(&self) -> Option<usize> {
        (!self.is_text && self.len != Some(0)).then_some(self.selected)
    }

    /// Keeps the selection within `len` rows of which `seen` are in sight. Returns the first row to show: it stays
    /// where it is as long as the selected row is in sight, so that rows stay under the mouse.
    pub fn settle(&mut self, len: usize, seen: usize) -> usize {
        (self.len, self.seen) = (Some(len), seen);
        self.selected = self.selected.min(self.last());
        let (selected, first) = (self.selected, self.first);
        let first = if self.is_text || (first..first + seen).contains(&selected) {
            first
        } else if selected < first && first - selected < seen {
            selected
        } else if selected >= first + seen && selected - first < 2 * seen {
            selected + 1 - seen
        } else {
            selected.saturating_sub(seen / 2)
        };
        self.first = first.min(len.saturating_sub(seen));
        self.first
    }

    /// Moves the selection, or the text.
    pub fn go(&mut self, motion: Motion) {
        if self.is_text {
            self.first = motion.from(self.first, self.seen).min(self.last_first());
        } else {
            self.selected = motion.from(self.selected, self.seen).min(self.last());
        }
    }

    /// Scrolls by rows; the selected one stays in sight.
    pub fn scroll(&mut self, rows: i32) {
        self.first = self.first.saturating_add_signed(rows as isize).min(self.last_first());
        let last = self.first.saturating_add(self.seen.max(1) - 1);
        self.selected = self.selected.clamp(self.first, last).min(self.last());
    }

    /// Selects a row by its place on the screen; returns whether it was selected before.
    pub fn click(&mut self, place: usize) -> bool {
        let row = (self.first + place).min(self.last());
        let again = row == self.selected;
        self.selected = row;
        again
    }

    /// Sorts by a column, where one of these orders does; where the list is sorted by it already, turns its order around.
    pub fn sort_by(&mut self, column: usize, orders: &[Sort]) {
        match orders.iter().find(|order| order.column == Some(column)) {
            None => {}
            Some(_) if self.sort.column == Some(column) => self.sort.descending = !self.sort.descending,
            Some(first) => self.sort = *first,
        }
    }

    /// Sorts by the order that is `step` places to the right of the list's own among these, in a circle.
    pub fn sort_by_neighbour(&mut self, step: i32, orders: &[Sort]) {
        let at = orders.iter().position(|order| order.column == self.sort.column).unwrap_or(0);
        self.sort = orders[(at as i32 + step).rem_euclid(orders.len() as i32) as usize];
    }

    /// Whether there are more rows than are in sight.
    pub fn is_longer(&self) -> bool {
        self.len.is_some_and(|len| len > self.seen)
    }

    /// Where the user is, as in `5/300`, in a list that is longer than its room; of a text the last line in sight.
    pub fn position(&self) -> Option<String> {
        let len = self.len.filter(|_| self.is_longer())?;
        let at = if self.is_text { self.first + self.seen } else { self.selected + 1 };
        Some(format!("{}/{}", thousands(at as u128), thousands(len as u128)))
    }

    /// The first cell of the thumb of a scroll bar with so many cells, and how many it has.
    pub fn thumb(&self, cells: usize) -> (usize, usize) {
        let (len, seen) = (self.len.unwrap_or(0).max(1), self.seen.max(1));
        let size = (cells * seen / len).clamp(1, cells.max(1));
        let steps = len.saturating_sub(seen).max(1);
        let place = (self.first * (cells - size.min(cells)) + steps / 2) / steps;
        (place, size)
    }

    fn last(&self) -> usize {
        self.len.map_or(usize::MAX, |len| len.saturating_sub(1))
    }

    fn last_first(&self) -> usize {
        self.len.map_or(usize::MAX, |len| len.saturating_sub(self.seen.max(1)))
    }
}

/// Where a list was drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListPlaces {
    /// The headings, by the numbers of their columns.
    pub headings: Vec<(usize, Rect)>,
    /// The rows, as many as there are.
    pub rows: Rect,
    /// All that is inside the frame, the headings included.
    pub inside: Rect,
    /// Where the user is in it: [`ListState::position`].
    pub position: Option<String>,
}

impl ListPlaces {
    /// Where the second column begins.
    pub fn after_first_column(&self) -> u16 {
        self.headings.get(1).map_or(0, |(_, heading)| heading.x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_that_fits_has_no_position_and_a_longer_one_has() {
        let mut list = ListState::default();
        list.settle(5, 5);
        assert_eq!((list.is_longer(), list.position()), (false, None));
        list.settle(3000, 5);
        list.go(Motion::Rows(1233));
        assert_eq!(list.position().as_deref(), Some("1,234/3,000"));
        list.go(Motion::Last);
        assert_eq!(list.position().as_deref(), Some("3,000/3,000"));
    }

    #[test]
    fn the_position_in_a_text_is_the_last_line_in_sight() {
        let mut text = ListState::text();
        text.settle(30, 10);
        assert_eq!((text.position().as_deref(), text.selected()), (Some("10/30"), None));
        text.go(Motion::Last);
        text.settle(30, 10);
        assert_eq!((text.first, text.position().as_deref()), (20, Some("30/30")));
    }

    proptest! {
        #[test]
        fn the_thumb_is_within_the_bar_and_at_its_ends_where_the_list_is(
            len in 2_usize..5000, seen in 1_usize..60, moves in prop::collection::vec(-70_i32..70, 0..20),
        ) {
            prop_assume!(seen < len);
            let mut list = ListState::default();
            list.settle(len, seen);
            for rows in moves {
                list.scroll(rows);
                let first = list.settle(len, seen);
                let (place, size) = list.thumb(seen);
                prop_assert!(size >= 1 && place + size <= seen, "{place} {size}");
                prop_assert!(first <= list.selected && list.selected < first + seen);
                prop_assert!(first > 0 || place == 0);
                prop_assert!(first + seen < len || place + size == seen);
            }
        }
    }
}
