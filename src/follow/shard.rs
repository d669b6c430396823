//! A shard: the batches of a run that one of several processes counts.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

pub const MAX_SHARDS: u64 = 1_000_000;

/// One of several shards, as in `3/16`. Together they have every batch of a run exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Shard {
    /// Counted from 1.
    number: u64,
    of: u64,
}

/// A shard as it is read, before it is validated.
#[derive(Deserialize)]
struct Fields {
    number: u64,
    of: u64,
}

impl Shard {
    /// All batches, for a run that one process counts.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Counted from 1.
    pub fn number(self) -> u64 {
        self.number
    }

    pub fn total(self) -> u64 {
        self.of
    }

    /// Whether the batches of this number are in it. All names of a batch are in the same shard, so that duplicates
    /// are noticed there.
    pub fn has(self, batch: u64) -> bool {
        batch % self.of == self.number - 1
    }
}

impl TryFrom<Fields> for Shard {
    type Error = String;

    fn try_from(Fields { number, of }: Fields) -> Result<Self, String> {
        if !(1..=MAX_SHARDS).contains(&of) {
            return Err(format!("there can be 1 to {MAX_SHARDS} shards, and not {of}"));
        }
        if !(1..=of).contains(&number) {
            return Err(format!("shards are numbered from 1 to {of} here, and there is no shard {number}"));
        }
        Ok(Self { number, of })
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        let (number, of) = numbers
            .ok_or_else(|| format!("{text:?} is not of the form K/N, as in 3/16 for the third of 16"))?;
        Self::try_from(Fields { number, of })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::BatchName;

    #[test]
    fn every_batch_is_in_one_shard_whatever_its_name() {
        for of in 1..20 {
            for number in [0, 1, 5, 19, 1000, u64::MAX] {
                let shards = (1..=of).filter(|shard| {
                    let shard: Shard = format!("{shard}/{of}").parse().expect("a shard");
                    let forms = [
                        format!("batch-{number}.npz"),
                        format!("batch-{number:06}"),
                        format!("batch-{number}"),
                    ];
                    let has = forms.map(|name| shard.has(BatchName::parse(&name).expect("a batch").number));
                    assert!(has[0] == has[1] && has[1] == has[2]);
                    has[0]
                });
                assert_eq!(shards.count(), 1, "batch {number} of {of} shards");
            }
        }
    }

    #[test]
    fn what_is_no_shard_is_refused_with_advice() {
        for (wrong, says) in [
            ("0/4", "from 1 to 4 here, and there is no shard 0"),
            ("5/4", "there is no shard 5"),
            ("1/0", "1 to 1000000 shards, and not 0"),
            ("1/1000001", "and not 1000001"),
            ("x", "not of the form K/N"),
            ("3", "not of the form K/N"),
            ("/", "not of the form K/N"),
            ("-1/4", "not of the form K/N"),
            ("1/2/3", "not of the form K/N"),
            ("1.5/4", "not of the form K/N"),
        ] {
            let error = wrong.parse::<Shard>().expect_err(wrong);
            assert!(error.contains(says), "{wrong}: {error}");
        }
        assert_eq!("16/16".parse::<Shard>().map(|shard| shard.to_string()), Ok("16/16".to_owned()));
    }
}
