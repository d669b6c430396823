//! The columns of every list, as values: each column is one row of its list's table here, and nothing else names it.
//! Only what a column says is here; `view/list.rs` draws lists, and `list_state.rs` has cursors.

mod chart_lines;
mod classes;
mod figures;
mod layers;
mod ranks;
mod runs;

pub use chart_lines::{CHART_LINES, ChartLine, TOTAL};
pub use classes::{CLASSES, class_name};
pub use layers::LAYERS;
pub use ranks::{MOST_URGENT, RANK_PANEL, RANKS, state_style};
pub use runs::{RUNS, run_marks};

use super::theme::Theme;
use super::view_model::ViewModel;
use crate::text::{elide_common, natural_order};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::RangeInclusive;

/// The priority of a column that never gives way.
pub const ALWAYS: u8 = u8::MAX;

/// Columns of a lower priority are shown only where no text is shortened for them.
pub const EXTRA: u8 = 10;

/// From this width on, a list writes figures out instead of shortening them.
const ROOMY: u16 = 100;

/// What stands for a figure without a value.
const NONE: &str = "–";

/// What a cell may look at besides its row.
#[derive(Clone, Copy)]
pub struct CellContext<'a> {
    pub model: &'a ViewModel,
    pub theme: &'a Theme,
    /// Columns of the whole list.
    pub width: u16,
    /// How many bytes at the beginning and at the end of all names in the list say least.
    pub common: (usize, usize),
}

impl CellContext<'_> {
    fn is_roomy(&self) -> bool {
        self.width >= ROOMY
    }
}

/// A text in one style, and what stands under it in lists whose rows have two lines.
pub struct Cell {
    pub text: String,
    pub style: Style,
    pub under: Option<Span<'static>>,
    /// How many bytes at its beginning and its end say least, and give way first where it must be shortened.
    pub common: (usize, usize),
}

impl Cell {
    pub fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style, under: None, common: (0, 0) }
    }

    /// A name of the list.
    fn name(text: impl Into<String>, style: Style, context: &CellContext<'_>) -> Self {
        Self { common: context.common, ..Self::new(text, style) }
    }

    /// The name of a layer.
    pub fn layer(name: &str, style: Style, model: &ViewModel) -> Self {
        // What names share does not tell these apart.
        let common = if model.layer_names.contains_key(name) { (0, 0) } else { model.layer_ends };
        Self { common, ..Self::new(model.layer_name(name), style) }
    }

    /// Its text in at most `room` columns.
    pub fn within(&self, room: usize) -> String {
        elide_common(&self.text, self.common, room, true)
    }

    fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Style::new())
    }
}

/// What a row is sorted by.
#[derive(Debug, Clone, Copy)]
pub enum SortKey<'a> {
    Text(&'a str),
    Whole(u128),
    Number(f64),
    /// Comes last in either direction.
    Missing,
}

impl SortKey<'_> {
    fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let ordering = match (self, other) {
            (Self::Text(a), Self::Text(b)) => natural_order(a, b),
            (Self::Whole(a), Self::Whole(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (a, b) => return matches!(a, Self::Missing).cmp(&matches!(b, Self::Missing)),
        };
        if descending { ordering.reverse() } else { ordering }
    }
}

impl<'a> From<Option<&'a String>> for SortKey<'a> {
    fn from(text: Option<&'a String>) -> Self {
        text.map_or(Self::Missing, |text| Self::Text(text))
    }
}

impl From<Option<u128>> for SortKey<'_> {
    fn from(value: Option<u128>) -> Self {
        value.map_or(Self::Missing, Self::Whole)
    }
}

impl From<Option<f64>> for SortKey<'_> {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Missing, Self::Number)
    }
}

/// What fills a column.
pub enum ColumnContent<T> {
    /// A text, shortened in the middle where it has less room than it needs.
    Text(CellFn<T>),
    /// A picture of the width that is left.
    Picture(PictureFn<T>),
}

/// What a column does with room that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    Fixed,
    /// Grows until its texts are whole, and further where no other column takes the rest.
    ToContent,
    /// Takes the rest, up to so many columns.
    ToFill(u16),
}

type CellFn<T> = Box<dyn Fn(&T, &CellContext<'_>) -> Cell + Send + Sync>;
type PictureFn<T> = Box<dyn Fn(&T, &CellContext<'_>, u16) -> Line<'static> + Send + Sync>;
type KeyFn<T> = Box<dyn for<'a> Fn(&'a T) -> SortKey<'a> + Send + Sync>;

/// A column of a list of `T`.
pub struct Column<T> {
    pub heading: &'static str,
    /// Where there is no room for all, the column with the lowest priority gives way first.
    pub priority: u8,
    pub is_right_aligned: bool,
    /// The least and the most columns that it has before the rest is shared out.
    pub width: RangeInclusive<u16>,
    pub growth: Growth,
    /// Whether the heading is cut where the texts are shorter.
    pub is_heading_cut: bool,
    pub content: ColumnContent<T>,
    is_shown: Box<dyn Fn(&ViewModel) -> bool + Send + Sync>,
    /// What the list is sorted by, and whether the first click sorts from the largest down.
    sort: Option<(KeyFn<T>, bool)>,
}

impl<T> Column<T> {
    /// Text, at the left.
    fn text(
        heading: &'static str,
        width: RangeInclusive<u16>,
        priority: u8,
        cell: impl Fn(&T, &CellContext<'_>) -> Cell + Send + Sync + 'static,
    ) -> Self {
        Self {
            heading,
            priority,
            is_right_aligned: false,
            width,
            growth: Growth::Fixed,
            is_heading_cut: false,
            content: ColumnContent::Text(Box::new(cell)),
            is_shown: Box::new(|_| true),
            sort: None,
        }
    }

    /// A figure, at the right.
    fn figure(
        heading: &'static str,
        width: RangeInclusive<u16>,
        priority: u8,
        cell: impl Fn(&T, &CellContext<'_>) -> Cell + Send + Sync + 'static,
    ) -> Self {
        Self { is_right_aligned: true, ..Self::text(heading, width, priority, cell) }
    }

    /// A picture that fills what room is left, from `width.start()` up to `width.end()` columns.
    fn picture(
        heading: &'static str,
        width: RangeInclusive<u16>,
        priority: u8,
        draw: impl Fn(&T, &CellContext<'_>, u16) -> Line<'static> + Send + Sync + 'static,
    ) -> Self {
        let (least, most) = width.into_inner();
        Self {
            growth: Growth::ToFill(most),
            content: ColumnContent::Picture(Box::new(draw)),
            ..Self::text(heading, least..=least, priority, |_, _| Cell::plain(""))
        }
    }

    /// Has it grow until its texts are whole.
    fn growing(self) -> Self {
        Self { growth: Growth::ToContent, ..self }
    }

    /// Has its heading cut where the texts are shorter.
    fn with_heading_cut(self) -> Self {
        Self { is_heading_cut: true, ..self }
    }

    /// Shows it only where this holds.
    fn shown_if(self, is_shown: impl Fn(&ViewModel) -> bool + Send + Sync + 'static) -> Self {
        Self { is_shown: Box::new(is_shown), ..self }
    }

    /// Lets the list be sorted by it; the first click sorts from the least up.
    fn ascending(self, key: impl for<'a> Fn(&'a T) -> SortKey<'a> + Send + Sync + 'static) -> Self {
        Self { sort: Some((Box::new(key), false)), ..self }
    }

    /// Lets the list be sorted by it; the first click sorts from the largest down.
    fn descending(self, key: impl for<'a> Fn(&'a T) -> SortKey<'a> + Send + Sync + 'static) -> Self {
        Self { sort: Some((Box::new(key), true)), ..self }
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sort {
    /// By this column, counted from the left of all; `None` is the list's own order.
    pub column: Option<usize>,
    /// From the largest to the smallest.
    pub descending: bool,
}

/// All columns of a list, in the order in which they are shown.
pub struct ListColumns<T> {
    pub columns: Vec<Column<T>>,
    /// What the list's own order is called; `None` where it is always sorted by a column.
    own_order: Option<&'static str>,
}

impl<T> ListColumns<T> {
    /// The columns that are shown, with their numbers.
    pub fn shown<'a>(&'a self, model: &'a ViewModel) -> impl Iterator<Item = (usize, &'a Column<T>)> {
        self.columns.iter().enumerate().filter(|(_, column)| (column.is_shown)(model))
    }

    /// The numbers of these rows in an order; ties stay as they are, and what has no figure comes last.
    pub fn order<B: Borrow<T>>(&self, rows: &[B], sort: Sort) -> Vec<usize> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let column = sort.column.and_then(|at| self.columns.get(at)?.sort.as_ref());
        match column {
            Some((key, _)) => {
                let keys: Vec<SortKey<'_>> = rows.iter().map(|row| key(row.borrow())).collect();
                order.sort_by(|&a, &b| keys[a].compare(&keys[b], sort.descending));
            }
            None if sort.descending => order.reverse(),
            None => {}
        }
        order
    }

    /// What the list can be sorted by, each as it is asked for first: its own order where it has one, then the columns
    /// that sort.
    pub fn orders(&self) -> Vec<Sort> {
        let own = self.own_order.map(|_| Sort::default());
        let columns = self.columns.iter().enumerate().filter_map(|(at, column)| {
            let descending = column.sort.as_ref()?.1;
            Some(Sort { column: Some(at), descending })
        });
        own.into_iter().chain(columns).collect()
    }

    /// What an order is called in the title of the list.
    pub fn order_name(&self, sort: Sort) -> String {
        let first = self.orders().into_iter().find(|order| order.column == sort.column).unwrap_or_default();
        let name = match sort.column.and_then(|at| self.columns.get(at)) {
            Some(column) => format!("by {}", column.heading),
            None => self.own_order.unwrap_or_default().to_owned(),
        };
        let reversed = if sort.descending == first.descending { "" } else { ", reversed" };
        format!("{name}{reversed}")
    }
}
