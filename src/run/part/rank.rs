//! What the part of a shard says of a rank: all that the rank's figures follow from.

use super::{RunPart, filed, nanoseconds, time_from_nanoseconds};
use crate::follow::Account;
use crate::run::ranks::Rank;
use crate::run::sums::{Sums, Updates};
use crate::run::tally::Tally;
use crate::run::timing::FileTimes;
use crate::snapshot::End;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// A rank, as the shard saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RankPart {
    pub(super) rank: u32,
    /// The account of its batches in the shard.
    account: Account,
    batches: u64,
    samples: u128,
    /// Sums by layer; `None` where there was no room for them.
    #[serde(deserialize_with = "Option::deserialize")]
    layers: Option<BTreeMap<String, Updates>>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) end: Option<End>,
    /// When its first batch was written, in nanoseconds since 1970-01-01T00:00:00Z.
    #[serde(deserialize_with = "Option::deserialize")]
    first_written_ns: Option<i64>,
    /// When its newest batches were written, as many as its pace is taken from.
    written_ns: Vec<i64>,
}

impl RankPart {
    pub(super) fn new(rank: u32, known: &Rank, tally: &Tally) -> Self {
        let Sums { batches, samples, updates } = &known.sums;
        let name = |layer: usize| Some(tally.layers().get(layer)?.name.clone());
        let layers = updates
            .as_ref()
            .map(|own| own.iter().filter_map(|(&layer, &updates)| Some((name(layer)?, updates))).collect());
        Self {
            rank,
            account: filed(known.account),
            batches: *batches,
            samples: *samples,
            layers,
            end: known.end.clone(),
            first_written_ns: known.times.first().map(nanoseconds),
            written_ns: known.times.newest().map(nanoseconds).collect(),
        }
    }

    /// The rank without its end, with the layers of this tally.
    pub(super) fn known(&self, tally: &Tally) -> Rank {
        let first = self.first_written_ns.and_then(time_from_nanoseconds);
        let newest = self.written_ns.iter().copied().filter_map(time_from_nanoseconds);
        let updates = self.layers.as_ref().map(|layers| {
            layers.iter().filter_map(|(name, &updates)| Some((tally.index_of(name)?, updates))).collect()
        });
        Rank {
            account: self.account,
            sums: Sums { batches: self.batches, samples: self.samples, updates },
            times: FileTimes::from_parts(first, newest, [0, 0]),
            newest_found: None,
            end: None,
        }
    }
}

/// Refuses ranks that cannot be those of this part: a rank twice, or more of anything than all batches have.
pub(super) fn check(part: &RunPart) -> anyhow::Result<()> {
    let ranks = &part.ranks;
    let ordered = ranks.windows(2).all(|pair| pair[0].rank < pair[1].rank);
    ensure!(ordered && ranks.last().is_none_or(|last| last.rank < u32::MAX), "its ranks are out of order");
    let mut without_layers = ranks.iter().skip_while(|rank| rank.layers.is_some());
    ensure!(
        without_layers.all(|rank| rank.layers.is_none()),
        "a rank without sums by layer is before one that has them"
    );
    let layers = part.layers.iter().map(|layer| (layer.name.as_str(), layer.updates()));
    let mut rest = Sums { batches: part.batches, samples: part.samples, updates: layers.collect() };
    let mut account = part.account;
    for rank in ranks {
        take_out(rank, &mut account, &mut rest)
            .with_context(|| format!("rank {} has more than all batches", rank.rank))?;
    }
    // Where no batch is left, there is nothing else, either.
    let are_without_layers = || ranks.iter().any(|rank| rank.layers.is_none());
    let no_updates = || rest.updates.values().all(|updates| *updates == Updates::default());
    let is_nothing = rest.samples == 0 && (are_without_layers() || no_updates());
    ensure!(rest.batches > 0 || is_nothing, "the sums of its ranks are not those of all batches");
    Ok(())
}

/// Takes the sums of a rank out of what is left of those of all batches; `None` where it has more than there is.
fn take_out(rank: &RankPart, account: &mut Account, rest: &mut Sums<HashMap<&str, Updates>>) -> Option<()> {
    let own = &rank.account;
    account.seen = account.seen.checked_sub(own.seen)?;
    account.counted = account.counted.checked_sub(own.counted)?;
    account.waiting = account.waiting.checked_sub(own.waiting)?;
    account.set_aside = account.set_aside.checked_sub(own.set_aside)?;
    rest.batches = rest.batches.checked_sub(rank.batches)?;
    rest.samples = rest.samples.checked_sub(rank.samples)?;
    for (name, &own) in rank.layers.iter().flatten() {
        let updates = rest.updates.get_mut(name.as_str())?;
        *updates = Some(own).filter(|own| own.is_sound()).and_then(|own| updates.checked_sub(own))?;
    }
    Some(())
}
