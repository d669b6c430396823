//! Makes runs out of exported summaries again: an export carries the sums that its figures follow from.

use super::{SCHEMA, SUMMARIES_SCHEMA};
use crate::run::energy::EnergyPerOp;
use crate::run::exported::{from_json, read_bytes, schema_in};
use crate::run::{Merge, PART_SCHEMA, Run, RunPart};
use crate::text::shown;
use anyhow::{Context, anyhow, bail, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The part of an export that is read: of one run, or of several.
#[derive(Deserialize)]
struct ExportFile {
    part: Option<RunPart>,
    #[serde(default)]
    runs: Vec<Self>,
}

/// The runs in a file that `--export FILE.json` wrote, each with the path that it is shown under. The export does not have
/// the settings that are given here.
///
/// # Errors
/// Where the file cannot be read or holds no run; the error names the file and says what to do.
pub fn reopen(
    path: &Path,
    stall_after: Duration,
    energy_per_op: Option<EnergyPerOp>,
) -> anyhow::Result<Vec<(PathBuf, Run)>> {
    let advice = "name a run's directory, or a file that --export FILE.json wrote";
    let bytes = read_bytes(path, advice)?;
    let runs = parts(&bytes).and_then(|parts| {
        let is_one = parts.len() == 1;
        let named = |part: RunPart| {
            let named = if is_one { path.to_owned() } else { path.join(part.name()) };
            part.check()?;
            let mut merge = Merge::default();
            merge.add(path, part)?;
            let mut run = merge.finish(stall_after)?.run;
            run.set_energy(energy_per_op);
            Ok((named, run))
        };
        parts.into_iter().map(named).collect::<anyhow::Result<Vec<_>>>()
    });
    runs.map_err(|why| anyhow!("{} is no exported summary: {why:#}; {advice}", shown(path)))
}

/// The sums of the runs in an export's JSON.
fn parts(bytes: &[u8]) -> anyhow::Result<Vec<RunPart>> {
    let schema = schema_in(bytes)?;
    match schema.as_deref() {
        Some(SCHEMA | SUMMARIES_SCHEMA) => {}
        Some(PART_SCHEMA) => bail!(
            "it is the part of a shard ({PART_SCHEMA}); merge the parts of all shards first, with neurotop merge"
        ),
        Some(other) if other.starts_with("neurotop.summar") => {
            bail!("its schema is {other:?}, which this neurotop does not know; update neurotop")
        }
        Some(other) => bail!("its schema is {other:?} and not {SCHEMA:?}"),
        None => bail!("it has no \"schema\": {SCHEMA:?}"),
    }
    let file: ExportFile = from_json(bytes)?;
    let runs = if schema.as_deref() == Some(SCHEMA) { vec![file] } else { file.runs };
    ensure!(!runs.is_empty(), "it holds no run");
    let parts = runs.into_iter().map(|run| run.part).collect::<Option<Vec<RunPart>>>();
    parts.context("an earlier version wrote it, without the sums of the run; export the run again")
}
