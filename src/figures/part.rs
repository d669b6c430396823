//! What is printed of the part of a run that one shard counted.

use super::{Colours, Format, Report, json};
use crate::follow::Account;
use crate::run::RunPart;
use crate::text::{printable, thousands};
use anyhow::bail;

impl Report for RunPart {
    /// JSON to merge, or a line for people. The figures are those of one shard alone, and are in no table.
    fn render(&self, format: Format, _: Colours) -> anyhow::Result<String> {
        match format {
            Format::Json => json::json(self),
            Format::Text => {
                let Account { seen, counted, waiting, set_aside, .. } = self.account();
                let [seen, counted, waiting, set_aside] =
                    [seen, counted, waiting, set_aside].map(|count| thousands(count.into()));
                let (run, shard, samples) = (printable(self.name()), self.shard(), thousands(self.samples()));
                Ok(format!(
                    "neurotop · {run} · shard {shard}: {seen} batches seen, {counted} counted with {samples} \
                     samples, {waiting} waiting, {set_aside} set aside; neurotop merge adds the shards up\n"
                ))
            }
            Format::Csv | Format::Md => bail!("a shard has no tables; merge the shards first"),
        }
    }
}
