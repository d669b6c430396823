//! What the part of a shard says of a rank: all that its figures in the summary follow from.

use super::AccountFigures;
use super::part::{RunPart, nanoseconds, time_of};
use crate::follow::Account;
use crate::run::Run;
use crate::run::pace::Pace;
use crate::run::ranks::{Rank, RankSums};
use crate::run::tally::Tally;
use crate::snapshot::End;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// A rank, as the shard saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RankPart {
    /// The rank.
    pub(super) rank: u32,
    /// The account of its batches in the shard.
    account: AccountFigures,
    /// Batches counted.
    batches: u64,
    /// Samples counted.
    samples: u128,
    /// Sums by layer; `None` where there was no room for them.
    #[serde(deserialize_with = "Option::deserialize")]
    layers: Option<BTreeMap<String, UpdateSums>>,
    /// Its end.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) end: Option<End>,
    /// When its first batch was written, in nanoseconds since 1970-01-01T00:00:00Z.
    #[serde(deserialize_with = "Option::deserialize")]
    first_written_ns: Option<i64>,
    /// When its newest batches were written, as many as its pace is taken from.
    written_ns: Vec<i64>,
}

/// The sums of a layer over the batches of a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct UpdateSums {
    updates: u128,
    dense_updates: u128,
}

impl RankPart {
    /// The ranks of a run of which a shard is counted, the lowest first.
    pub(super) fn all_of(run: &Run) -> Vec<Self> {
        run.ranks().all().map(|(rank, known)| Self::of(rank, known, run.tally())).collect()
    }

    fn of(rank: u32, known: &Rank, tally: &Tally) -> Self {
        let layers = known.sums.layers.as_ref().map(|layers| {
            let named = layers.iter().filter_map(|(&layer, &(updates, dense_updates))| {
                Some((tally.layers().get(layer)?.name.clone(), UpdateSums { updates, dense_updates }))
            });
            named.collect()
        });
        Self {
            rank,
            account: known.account.into(),
            batches: known.sums.batches,
            samples: known.sums.samples,
            layers,
            end: known.end.clone(),
            first_written_ns: known.first_written.map(nanoseconds),
            written_ns: known.pace.times().map(nanoseconds).collect(),
        }
    }

    /// What it says of the rank, without its end; the layers are those of this tally.
    pub(super) fn known(&self, tally: &Tally) -> Rank {
        let mut pace = Pace::default();
        self.written_ns.iter().filter_map(|&written| time_of(written)).for_each(|time| pace.note(time));
        let layers = self.layers.as_ref().map(|layers| {
            let indexed = layers
                .iter()
                .filter_map(|(name, sums)| Some((tally.index_of(name)?, (sums.updates, sums.dense_updates))));
            indexed.collect()
        });
        Rank {
            account: Account::from(&self.account),
            sums: RankSums { batches: self.batches, samples: self.samples, layers },
            first_written: self.first_written_ns.and_then(time_of),
            pace,
            end: None,
        }
    }
}

/// Refuses ranks that are not those of this part: a rank twice, or more of anything than all batches have.
pub(super) fn check(part: &RunPart) -> anyhow::Result<()> {
    let ranks = &part.ranks;
    let ordered = ranks.windows(2).all(|pair| pair[0].rank < pair[1].rank);
    ensure!(ordered && ranks.last().is_none_or(|last| last.rank < u32::MAX), "its ranks are out of order");
    let mut without_layers = ranks.iter().skip_while(|rank| rank.layers.is_some());
    ensure!(
        without_layers.all(|rank| rank.layers.is_none()),
        "a rank without sums by layer is before one that has them"
    );
    let mut rest = Rest::of(part);
    for rank in ranks {
        rest.take(rank).with_context(|| format!("rank {} has more than all batches", rank.rank))?;
    }
    ensure!(rest.is_of_its_batches(), "the sums of its ranks are not those of all batches");
    Ok(())
}

/// What is left of the sums of a part for the batches that belong to no rank or to others.
struct Rest<'a> {
    account: AccountFigures,
    batches: u64,
    samples: u128,
    /// Updates and dense updates by layer.
    layers: HashMap<&'a str, (u128, u128)>,
    /// Whether the layers of all ranks were taken from these.
    has_layers: bool,
}

impl<'a> Rest<'a> {
    fn of(part: &'a RunPart) -> Self {
        let layers = part.layers.iter().map(|layer| (layer.name.as_str(), (layer.updates, layer.dense)));
        Self {
            account: part.account.clone(),
            batches: part.batches,
            samples: part.samples,
            layers: layers.collect(),
            has_layers: true,
        }
    }

    /// Takes the sums of a rank out; `None` where it has more than there is.
    fn take(&mut self, rank: &RankPart) -> Option<()> {
        let (of_all, own) = (&mut self.account, &rank.account);
        of_all.seen = of_all.seen.checked_sub(own.seen)?;
        of_all.counted = of_all.counted.checked_sub(own.counted)?;
        of_all.waiting = of_all.waiting.checked_sub(own.waiting)?;
        of_all.set_aside = of_all.set_aside.checked_sub(own.set_aside)?;
        self.batches = self.batches.checked_sub(rank.batches)?;
        self.samples = self.samples.checked_sub(rank.samples)?;
        self.has_layers &= rank.layers.is_some();
        for (name, sums) in rank.layers.iter().flatten() {
            let (updates, dense) = self.layers.get_mut(name.as_str())?;
            *updates = updates.checked_sub(sums.updates)?;
            *dense = dense.checked_sub(sums.dense_updates)?;
            sums.dense_updates.checked_sub(sums.updates)?;
        }
        Some(())
    }

    /// Whether nothing is left where no batch is.
    fn is_of_its_batches(&self) -> bool {
        let no_updates = || self.layers.values().all(|sums| *sums == (0, 0));
        self.batches > 0 || (self.samples == 0 && (!self.has_layers || no_updates()))
    }
}
