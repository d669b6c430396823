//! `neurotop explain DIR [LAYER]`: says where the operations of a layer come from.

use super::check::begin;
use super::count::{CountedRun, count};
use super::finish;
use super::output;
use super::session::check;
use super::signals::leave_signals;
use crate::figures::{Explanation, LayerFigures, Summary};
use crate::follow::Shard;
use crate::options::cli::{CommandLine, ExplainFormat};
use crate::options::{OptionValues, Purpose};
use crate::publish::Publisher;
use crate::run::{Mode, StatePlace};
use crate::storage::is_url;
use crate::text::{nearest, printable, shown};
use anyhow::bail;
use std::path::Path;
use std::process::ExitCode;

/// How many layers an error names.
const NAMED: usize = 10;

pub(super) fn explain(
    directory: &Path,
    layer: Option<&str>,
    format: ExplainFormat,
    given: &CommandLine,
) -> anyhow::Result<ExitCode> {
    let options = OptionValues::load(given, Purpose::Once)?;
    if !is_url(directory) && !directory.is_dir() {
        bail!("{} is no directory; name the directory that holds the batches", shown(directory));
    }
    begin(&options, &StatePlace::Nowhere, &[directory])?;
    check(directory, Mode::Once)?;
    let CountedRun { summary, .. } =
        count(directory, &options, Shard::WHOLE, Publisher::none(), &leave_signals()?)?;
    let layers = match layer {
        Some(layer) => vec![find(&summary, layer)?],
        None => summary.layers.iter().collect(),
    };
    let explanation = Explanation::new(&summary, layers);
    let text = match format {
        ExplainFormat::Text if layer.is_none() => explanation.list(),
        ExplainFormat::Text => explanation.text(),
        ExplainFormat::Json => serde_json::to_string_pretty(&explanation)? + "\n",
    };
    output::print(&text, options.symbols())?;
    finish::name_problems(std::slice::from_ref(&summary), &[], None);
    Ok(finish::exit_code(true, None, summary.leaves_out()))
}

/// The layer of this name, else the only one whose name ends in it.
///
/// # Errors
/// Where there is none, or more than one.
fn find<'a>(summary: &'a Summary, wanted: &str) -> anyhow::Result<&'a LayerFigures> {
    let layers = &summary.layers;
    if let Some(layer) = layers.iter().find(|layer| layer.name == wanted) {
        return Ok(layer);
    }
    let ends_so =
        |layer: &&LayerFigures| layer.name.strip_suffix(wanted).is_some_and(|before| before.ends_with('.'));
    let alike: Vec<&LayerFigures> = layers.iter().filter(ends_so).collect();
    let names = |layers: &[&LayerFigures]| {
        let named = layers.iter().take(NAMED).map(|layer| printable(&layer.name).into_owned());
        let more = layers.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!("and {more} more"));
        named.chain(more).collect::<Vec<_>>().join(", ")
    };
    match alike[..] {
        [layer] => Ok(layer),
        [] => {
            let known: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
            let leaves: Vec<&str> =
                known.iter().map(|name| name.rsplit('.').next().unwrap_or_default()).collect();
            let meant = nearest(wanted, &known).or_else(|| {
                let leaf = nearest(wanted, &leaves)?;
                leaves.iter().position(|known| *known == leaf).map(|at| known[at])
            });
            let meant = meant.map_or(String::new(), |name| format!("; did you mean {}?", printable(name)));
            let all: Vec<&LayerFigures> = layers.iter().collect();
            bail!("there is no layer {wanted:?}{meant} (there are {})", names(&all))
        }
        _ => {
            bail!("{} layers are called {wanted:?}; name one of them in full: {}", alike.len(), names(&alike))
        }
    }
}
