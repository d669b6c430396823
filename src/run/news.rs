//! What users are told of runs once, besides their figures: that a tally started over, or was resumed.

use super::Runs;
use crate::text::numbered;
use std::collections::HashMap;

/// What was told before.
#[derive(Debug, Default)]
pub struct News {
    /// How often the tally of each run was started over, by the run's number.
    restarts: HashMap<usize, u64>,
    /// How many batches of all runs were counted by an earlier process.
    resumed: u64,
}

impl News {
    /// What is new, one sentence each.
    pub fn take(&mut self, runs: &Runs) -> Vec<String> {
        let mut news = Vec::new();
        let resumed = runs.resumed();
        if resumed > self.resumed {
            let batches = numbered(resumed.into(), ["batch that was", "batches that were"]);
            news.push(format!("resumed after {batches} counted before"));
        }
        self.resumed = resumed;
        for number in runs.listed() {
            let Some(run) = runs.get(number).map(|entry| &entry.run) else { continue };
            let before = self.restarts.insert(number, run.lasting.epoch).unwrap_or(0);
            if let (true, Some(why)) = (run.lasting.epoch > before, run.restarted()) {
                news.push(format!("recounting from scratch: {why}"));
            }
        }
        news
    }
}
