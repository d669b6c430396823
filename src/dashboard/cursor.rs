//! Where the user is in a list: a selected row, or only the first line that is seen.

/// A movement in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// By so many rows.
    Rows(i32),
    /// By so many screenfuls.
    Pages(i32),
    /// To the first row.
    First,
    /// To the last row.
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

/// A selected row in a list that scrolls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The selected row.
    pub selected: usize,
    first: usize,
    /// Rows that the last draw had room for, and rows that there were.
    seen: usize,
    len: Option<usize>,
}

impl Cursor {
    /// Keeps the selection within `len` rows of which `seen` are seen. Returns the first row to be shown,
    /// so that the selected one is; it stays where it is while it can, so that rows stay under the mouse.
    pub fn settle(&mut self, len: usize, seen: usize) -> usize {
        self.len = Some(len);
        self.seen = seen;
        self.selected = self.selected.min(self.last());
        let (selected, first) = (self.selected, self.first);
        let first = if selected < first && first - selected < seen {
            selected
        } else if selected >= first + seen && selected - first < 2 * seen {
            selected + 1 - seen
        } else if (first..first + seen).contains(&selected) {
            first
        } else {
            selected.saturating_sub(seen / 2)
        };
        self.first = first.min(len.saturating_sub(seen));
        self.first
    }

    /// Moves the selection.
    pub fn go(&mut self, motion: Motion) {
        self.selected = motion.from(self.selected, self.seen).min(self.last());
    }

    /// Scrolls by rows; the selected one stays in sight.
    pub fn scroll(&mut self, rows: i32) {
        let seen = self.seen.max(1);
        let last_first = self.last().saturating_add(1).saturating_sub(seen);
        self.first = self.first.saturating_add_signed(rows as isize).min(last_first);
        self.selected = self.selected.clamp(self.first, self.first + seen - 1).min(self.last());
    }

    /// Selects a row by its place on the screen; returns whether it was selected before.
    pub fn click(&mut self, place: usize) -> bool {
        let row = (self.first + place).min(self.last());
        let again = row == self.selected;
        self.selected = row;
        again
    }

    /// The last row; before the first draw nobody knows.
    fn last(&self) -> usize {
        self.len.map_or(usize::MAX, |len| len.saturating_sub(1))
    }
}

/// The first line that is seen of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scroll {
    /// The first line.
    pub first: usize,
    seen: usize,
    last_first: Option<usize>,
}

impl Scroll {
    /// Keeps the lines within what there is, and returns the first.
    pub fn settle(&mut self, len: usize, seen: usize) -> usize {
        self.seen = seen;
        let last_first = len.saturating_sub(seen);
        self.last_first = Some(last_first);
        self.first = self.first.min(last_first);
        self.first
    }

    /// Scrolls.
    pub fn go(&mut self, motion: Motion) {
        self.first = motion.from(self.first, self.seen).min(self.last_first.unwrap_or(usize::MAX));
    }
}
