//! The columns of the table of ranks, and the order that they give it.

use super::columns::directed;
use crate::figures::RankFigures;
use crate::run::ranks::RankState;
use std::cmp::{Ordering, Reverse};

/// A column of the table of ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankColumn {
    /// The rank.
    Rank,
    /// What it does.
    State,
    /// Batches counted.
    Batches,
    /// How many batches fewer were seen of it than of the furthest rank.
    Behind,
    /// How long it has sent nothing.
    Quiet,
    /// Batches that wait.
    Waiting,
    /// Batches set aside.
    SetAside,
    /// Samples counted.
    Samples,
    /// Effective operations per sample.
    Effective,
    /// Its part of the effective operations of the run.
    Share,
    /// How far it is on the way of the furthest rank.
    Way,
}

/// The columns in the order in which they are shown.
pub const RANK_COLUMNS: [RankColumn; 11] = [
    RankColumn::Rank,
    RankColumn::State,
    RankColumn::Batches,
    RankColumn::Behind,
    RankColumn::Quiet,
    RankColumn::Waiting,
    RankColumn::SetAside,
    RankColumn::Samples,
    RankColumn::Effective,
    RankColumn::Share,
    RankColumn::Way,
];

impl RankColumn {
    /// Whether the ranks can be sorted by it: the way says what the batches behind say.
    pub fn sorts(self) -> bool {
        self != Self::Way
    }
}

/// The order of the ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RankSort {
    /// By this column.
    pub column: RankColumn,
    /// Whether the order is turned around.
    pub descending: bool,
}

impl Default for RankSort {
    /// The ranks that need looking after first.
    fn default() -> Self {
        Self::by(RankColumn::State)
    }
}

impl RankSort {
    /// The order in which a column is asked for first: figures from the top, ranks and states from those that
    /// come first.
    pub fn by(column: RankColumn) -> Self {
        Self { column, descending: !matches!(column, RankColumn::Rank | RankColumn::State) }
    }

    /// The indices of the ranks in this order; ties are in the order of the ranks, and what has no figure
    /// comes last either way.
    pub fn order(self, ranks: &[RankFigures]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..ranks.len()).collect();
        order.sort_by(|&a, &b| self.compare(&ranks[a], &ranks[b]));
        order
    }

    fn compare(self, a: &RankFigures, b: &RankFigures) -> Ordering {
        match self.column {
            RankColumn::Rank => directed(self.descending, Some(a.rank), Some(b.rank)),
            RankColumn::State => directed(self.descending, Some(urgency(a)), Some(urgency(b))),
            RankColumn::Batches | RankColumn::Way => {
                directed(self.descending, Some(a.batches), Some(b.batches))
            }
            RankColumn::Behind => directed(self.descending, Some(a.behind), Some(b.behind)),
            RankColumn::Quiet => directed(self.descending, a.quiet(), b.quiet()),
            RankColumn::Waiting => directed(self.descending, Some(a.waiting), Some(b.waiting)),
            RankColumn::SetAside => directed(self.descending, Some(a.set_aside), Some(b.set_aside)),
            RankColumn::Samples => directed(self.descending, Some(a.sums.samples), Some(b.sums.samples)),
            RankColumn::Effective => {
                directed(self.descending, a.sums.effective_per_sample(), b.sums.effective_per_sample())
            }
            RankColumn::Share => directed(self.descending, a.share, b.share),
        }
    }
}

/// What orders the ranks by how much they need looking after.
fn urgency(rank: &RankFigures) -> (RankState, Reverse<u64>) {
    (rank.state, Reverse(rank.behind))
}
