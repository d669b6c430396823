//! Where the user is in the list of problems: which kinds are open, what is shown and selected.

use super::list_state::ListState;
use crate::figures::ProblemFigures;
use crate::figures::problems::{AlikeProblems, NAMED, ProblemKind, group};
use std::collections::HashSet;

/// The state of the list of problems.
#[derive(Debug, Default)]
pub struct ProblemsState {
    pub list: ListState,
    opened: HashSet<ProblemKind>,
    /// The entry at each row in sight, as they were last drawn.
    pub rows: Vec<usize>,
}

/// An entry of the list.
#[derive(Debug)]
pub enum ProblemEntry<'a> {
    /// All problems of one kind; whether those that are listed follow.
    Kind { alike: AlikeProblems<'a>, is_open: bool },
    /// One of an open kind.
    Member(&'a ProblemFigures),
    /// So many of an open kind are not listed.
    NotListed(u64),
}

impl ProblemEntry<'_> {
    /// What is wrong, and what to do; of one kind, with some of the names. `None` of what is not listed.
    pub fn sentence(&self) -> Option<String> {
        match self {
            Self::Kind { alike, .. } => Some(alike.sentence(NAMED)),
            Self::Member(problem) => Some(format!("{}: {}", problem.head(), problem.reason)),
            Self::NotListed(_) => None,
        }
    }
}

impl ProblemsState {
    /// The problems that the filter shows.
    pub fn shown<'a>(&self, problems: &'a [ProblemFigures]) -> Vec<&'a ProblemFigures> {
        let is_shown = |problem: &&ProblemFigures| {
            self.list.filter.shows(&format!("{}: {}", problem.head(), problem.reason))
        };
        if self.list.filter.is_empty() {
            problems.iter().collect()
        } else {
            problems.iter().filter(is_shown).collect()
        }
    }

    /// The entries of the list, from the problems that are shown.
    pub fn entries<'a>(&self, problems: &'a [ProblemFigures]) -> Vec<ProblemEntry<'a>> {
        let mut entries = Vec::new();
        for alike in group(self.shown(problems)) {
            let is_open = alike.count > 1 && self.opened.contains(&alike.kind);
            let members: Vec<&ProblemFigures> = if is_open { alike.listed().collect() } else { Vec::new() };
            let not_listed = alike.not_listed();
            entries.push(ProblemEntry::Kind { alike, is_open });
            entries.extend(members.into_iter().map(ProblemEntry::Member));
            entries.extend((is_open && not_listed > 0).then_some(ProblemEntry::NotListed(not_listed)));
        }
        entries
    }

    /// Opens the selected kind, or closes it; on one of its problems, closes the kind and selects it.
    pub fn toggle(&mut self, problems: &[ProblemFigures]) {
        let entries = self.entries(problems);
        let mut upwards = entries.iter().enumerate().take(self.list.selected + 1).rev();
        let found = upwards.find_map(|(at, entry)| match entry {
            ProblemEntry::Kind { alike, .. } => Some((at, alike.kind.clone())),
            ProblemEntry::Member(_) | ProblemEntry::NotListed(_) => None,
        });
        let Some((at, kind)) = found else { return };
        if !self.opened.remove(&kind) {
            self.opened.insert(kind);
        }
        self.list.selected = at;
    }

    /// Selects what is at a row on the screen; returns whether it was selected before.
    pub fn click(&mut self, row: usize) -> bool {
        let Some(&entry) = self.rows.get(row) else { return false };
        let again = self.list.selected == entry;
        self.list.selected = entry;
        again
    }
}
