//! What follows from the values of several options, and which values do not go together.

use super::cli::CommandLine;
use super::config::Config;
use super::declaration::Purpose;
use super::resolve::Origin;
use super::table::OptionValues;
use crate::dashboard::{Appearance, AppearanceOptions, DashboardOptions, Symbols};
use crate::figures::{Export, Format, note_inputs};
use crate::follow::is_run;
use crate::publish::Target;
use crate::run::log;
use crate::run::prices::{Costs, LayerDefaults};
use crate::run::state::lock_beside;
use crate::run::{Keeping, StatePlace};
use crate::snapshot::classify;
use crate::storage::{Links, canonical, is_url};
use crate::text::shown;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The number of threads that count: as many as asked for, else one for each core.
pub fn thread_count(given: Option<NonZeroUsize>) -> usize {
    given.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
}

impl OptionValues {
    /// Reads the configuration file and resolves the options.
    ///
    /// # Errors
    /// Where the file is named and missing, or wrong.
    pub fn load(command_line: &CommandLine, purpose: Purpose) -> anyhow::Result<Self> {
        Self::resolve(command_line, &Config::load(command_line.config.as_deref())?, purpose)
    }

    /// Has links followed if the user wants that, and starts the log.
    ///
    /// # Errors
    /// Where the file of the log cannot be written to.
    pub fn begin(&self) -> anyhow::Result<()> {
        self.links().apply();
        match &self.log {
            Some(path) => log::start(path, self.log_level),
            None => Ok(()),
        }
    }

    /// The options that the figures depend on, written as on the command line; those that say nothing are left out.
    pub fn of_figures(&self) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        said.extend(self.cost.iter().map(|cost| format!("--cost {cost}")));
        said.extend(self.energy_per_op.map(|energy| format!("--energy-per-op {energy}")));
        said.extend(self.neuron.iter().map(|neuron| format!("--neuron {neuron}")));
        said.extend(self.reset.iter().map(|reset| format!("--reset {reset}")));
        said.extend(self.baseline.iter().map(|path| format!("--baseline {}", path.display())));
        said.extend(self.fail_if.iter().map(|condition| format!("--fail-if '{condition}'")));
        said.extend(self.shard.map(|shard| format!("--shard {shard}")));
        said.extend(self.follow_links.then(|| "--follow-links".to_owned()));
        said
    }

    /// Records what the figures are computed from, for the exports that say it.
    pub fn note_inputs<'a>(&self, sources: impl IntoIterator<Item = &'a Path>) {
        let whole = |path: &Path| match is_url(path) {
            true => path.display().to_string(),
            false => canonical(path).display().to_string(),
        };
        note_inputs(sources.into_iter().map(whole).collect(), self.of_figures());
    }

    pub fn links(&self) -> Links {
        if self.follow_links { Links::Followed } else { Links::Named }
    }

    /// The prices of updates and the energy of an operation; of two rules for the same neuron and reset mechanism the later wins.
    pub fn costs(&self) -> Costs {
        Costs::with_rules(self.cost.iter().cloned()).with_energy(self.energy_per_op)
    }

    /// The neurons and the reset mechanisms of layers that the manifest does not name.
    pub fn layer_defaults(&self) -> [LayerDefaults; 2] {
        [&self.neuron, &self.reset].map(|given| LayerDefaults::parse(given))
    }

    /// What is kept of runs that are watched.
    ///
    /// # Errors
    /// Where batches are to be deleted although no progress is kept.
    pub fn keeping(&self) -> Result<Keeping, String> {
        match (&self.state.value, self.prune.value) {
            (StatePlace::Nowhere, true) => {
                let state = self.as_written(self.state.origin, "--state none", "state = \"none\"");
                let prune = self.prune_as_written();
                Err(format!(
                    "{prune} deletes batches, and {state} keeps nothing of them; drop one of the two"
                ))
            }
            (StatePlace::Nowhere, false) => Ok(Keeping::Nothing),
            (_, true) => Ok(Keeping::ProgressAndPrune),
            (_, false) => Ok(Keeping::Progress),
        }
    }

    /// What turns pruning on: the option, or the file that says it.
    pub fn prune_as_written(&self) -> String {
        self.as_written(self.prune.origin, "--prune", "prune = true")
    }

    /// An option as the user wrote it, on the command line or in the configuration, which is named.
    fn as_written(&self, origin: Origin, typed: &str, configured: &str) -> String {
        match &self.file {
            Some(file) if origin == Origin::File => format!("{configured} in {}", shown(file)),
            _ => typed.to_owned(),
        }
    }

    /// Whether a summary is written that shows the membrane potentials.
    pub fn writes_potentials(&self) -> bool {
        self.export.iter().map(Export::format).chain([self.format]).any(Format::has_potentials)
    }

    /// Refuses outputs that would overwrite one another, a part of a run, or one of the files that are read.
    ///
    /// # Errors
    /// Where there are such, in words for the user.
    pub fn check_outputs(&self, state: &StatePlace, sources: &[&Path]) -> Result<(), String> {
        let mut outputs: Vec<(&str, &Path)> =
            self.export.iter().map(|export| ("--export", export.path())).collect();
        // One that is given twice is written twice.
        outputs.sort_unstable();
        outputs.dedup();
        outputs.extend(self.log.as_deref().map(|log| ("--log", log)));
        outputs.extend(self.tensorboard.as_deref().map(|directory| ("--tensorboard", directory)));
        if let Some(Target::File(file)) = &self.openmetrics {
            outputs.push(("--openmetrics", file));
        }
        let lock;
        if let StatePlace::File(file) = state {
            lock = lock_beside(file);
            outputs.extend([("--state", file.as_path()), ("--state", lock.as_path())]);
        }
        let sources: Vec<PathBuf> = sources.iter().map(|path| canonical(path)).collect();
        let mut seen: HashMap<PathBuf, &str> = HashMap::new();
        for (option, path) in outputs.into_iter().filter(|(_, path)| !is_device(path)) {
            let place = canonical(path);
            // An export may replace its baseline: it is written after that was read.
            let is_read_first =
                || option != "--export" && self.also_read().any(|also| canonical(also) == place);
            if !place.is_dir() && (sources.contains(&place) || is_read_first()) {
                return Err(format!("{option} {}: it is read, too; write to another file", shown(path)));
            }
            if sources.iter().any(|run| is_part(run, &place)) || is_part_of_a_run(&place) {
                return Err(format!(
                    "{option} {}: it is a part of a run; write to another file",
                    shown(path)
                ));
            }
            match seen.insert(place, option) {
                Some(other) if other != option => {
                    return Err(format!(
                        "{other} and {option} are both {}; give each a file of its own",
                        shown(path)
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What is read besides the runs.
    fn also_read(&self) -> impl Iterator<Item = &Path> {
        self.baseline.as_deref().into_iter().chain(self.file.as_deref())
    }

    /// What the terminal can show.
    pub fn symbols(&self) -> Symbols {
        let symbols = self.ascii.map(|ascii| if ascii { Symbols::Ascii } else { Symbols::Unicode });
        Appearance::from_environment(AppearanceOptions { symbols, ..AppearanceOptions::default() }).symbols
    }

    /// How the dashboard ends, what it looks like and which keys it has.
    pub fn dashboard(&self) -> DashboardOptions {
        let theme = |origin| (self.theme.origin == origin).then_some(self.theme.value);
        let wishes = AppearanceOptions {
            theme: theme(Origin::CommandLine),
            configured: theme(Origin::File),
            symbols: Some(self.symbols()),
        };
        DashboardOptions {
            exit_when_finished: self.exit_when_finished,
            exports: self.export.clone(),
            appearance: Appearance::from_environment(wishes),
            mouse: self.mouse,
            asks_width: self.ascii.is_none(),
            compact: self.compact,
            keys: Arc::clone(&self.keys),
            notify: self.notify.clone(),
            on_finish: self.on_finish.clone(),
            ..DashboardOptions::default()
        }
    }
}

/// Whether a path is that of a part of a run in this directory, or within one.
fn is_part(run: &Path, path: &Path) -> bool {
    let within = path.strip_prefix(run).ok().and_then(Path::to_str).unwrap_or_default();
    let names = within.match_indices(std::path::is_separator).map(|(at, _)| &within[..at]).chain([within]);
    names
        .map(|name| classify(&name.replace('\\', "/")))
        .any(|name| name.is_document() || name.batch().is_some())
}

/// Whether a path is that of a part of the run that is in its directory, whichever that is.
fn is_part_of_a_run(path: &Path) -> bool {
    path.parent().is_some_and(|directory| is_part(directory, path) && is_run(directory))
}

/// Whether several writers can share a path without overwriting each other, as a pipe or standard output.
fn is_device(path: &Path) -> bool {
    let target = std::fs::read_link(path).unwrap_or_else(|_| path.to_owned());
    target.starts_with("/dev")
        || path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}
