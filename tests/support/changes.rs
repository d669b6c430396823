//! What the owner of a run does to it, as values, so that tests can list it.

use neurotop::count::BatchCount;
use neurotop::follow::Account;
use neurotop::run::{Addition, Presence, Problem, Run, Watching};
use neurotop::snapshot::{BatchId, End, Manifest, SnapshotError};
use std::sync::Arc;
use std::time::SystemTime;

/// One change.
#[derive(Debug, Clone)]
pub enum Change {
    Directory(Presence),
    Watching(Watching),
    Manifest(Arc<Manifest>),
    End(End),
    RankEnd { rank: u32, end: End },
    Rank { rank: u32, account: Option<Account> },
    Account(Account),
    Counted(Addition),
    Withdrawn { id: BatchId, count: BatchCount },
    Problem(Problem),
    Refused(SnapshotError),
    Restarted(String),
}

/// Makes changes at one time, and has the run be as it would be published.
pub fn apply(run: &mut Run, changes: impl IntoIterator<Item = Change>, now: SystemTime) {
    for change in changes {
        match change {
            Change::Directory(presence) => run.take_presence(Some(presence)),
            Change::Watching(watching) => run.take_watching(watching),
            Change::Manifest(manifest) => run.take_manifest(manifest),
            Change::End(end) => run.take_end(Some(end)),
            Change::RankEnd { rank, end } => run.take_rank_end(rank, Some(end)),
            Change::Rank { rank, account } => run.take_rank(rank, account),
            Change::Account(account) => run.take_account(account),
            Change::Counted(batch) => run.add(batch, now),
            Change::Withdrawn { id, count } => run.take_out(id, &count),
            Change::Problem(problem) => run.add_problem(problem),
            Change::Refused(why) => run.refuse(Some(why)),
            Change::Restarted(why) => *run = run.begun_again(&why),
        }
    }
    *run = run.clone().concluded(now);
}
