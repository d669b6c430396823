//! The configuration file: `neurotop/config.toml` in the user's configuration directory.

mod default;
mod values;

pub use default::default_text;

use crate::dashboard::{Conflict, KeyTable, Rebound, ThemeName};
use crate::figures::condition::Condition;
use crate::figures::{Export, Format};
use crate::follow::Shard;
use crate::options::suggest::unknown;
use crate::publish::Target;
use crate::run::Priority;
use crate::run::StatePlace;
use crate::run::log::Level;
use crate::run::prices::CostRule;
use crate::text::{elide, printable, shown};
use anyhow::{Context, anyhow, ensure};
use etcetera::{BaseStrategy, choose_base_strategy};
use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeTable;

/// Columns of a line that are shown where something is wrong with it.
const EXCERPT: usize = 60;

/// What a configuration file can say: options of the command line by their names there, and the keys.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Where it was read, to be named where something in it does not go with the rest.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// Files to write the figures to.
    #[serde(deserialize_with = "values::list")]
    pub export: Vec<Export>,
    /// The run to compare with.
    #[serde(deserialize_with = "values::location")]
    pub baseline: Option<PathBuf>,
    /// Conditions that fail a script's check.
    #[serde(deserialize_with = "values::list")]
    pub fail_if: Vec<Condition>,
    /// Operations of one update, by `NEURON:RESET`.
    #[serde(deserialize_with = "values::costs")]
    pub cost: Vec<CostRule>,
    /// The neuron of layers that the manifest lacks.
    #[serde(deserialize_with = "values::list")]
    pub neuron: Vec<String>,
    /// The reset mechanism of layers that the manifest lacks.
    #[serde(deserialize_with = "values::list")]
    pub reset: Vec<String>,
    /// When a run is stalled.
    #[serde(deserialize_with = "values::seconds")]
    pub stall_after: Option<Duration>,
    /// When an unreadable file is set aside.
    #[serde(deserialize_with = "values::seconds")]
    pub settle: Option<Duration>,
    /// Where to log what happens to each batch.
    pub log: Option<PathBuf>,
    /// How much to log.
    #[serde(deserialize_with = "values::choice")]
    pub log_level: Option<Level>,
    /// Threads that count.
    #[serde(deserialize_with = "values::threads")]
    pub threads: Option<NonZeroUsize>,
    /// At what priority `watch` and `demo` count.
    #[serde(deserialize_with = "values::choice")]
    pub priority: Option<Priority>,
    /// Whether to follow symbolic links in runs.
    pub follow_links: Option<bool>,
    /// Where to keep the progress.
    pub state: Option<StatePlace>,
    /// Whether to delete batches that are counted.
    pub prune: Option<bool>,
    /// Where `watch` writes TensorBoard's files.
    pub tensorboard: Option<PathBuf>,
    /// Where `watch` writes or serves OpenMetrics text.
    #[serde(deserialize_with = "values::parsed")]
    pub openmetrics: Option<Target>,
    /// How often to scan.
    #[serde(deserialize_with = "values::seconds")]
    pub poll: Option<Duration>,
    /// Whether to leave when the run is over.
    pub exit_when_finished: Option<bool>,
    /// The shard that `summary` counts.
    #[serde(deserialize_with = "values::text")]
    pub shard: Option<Shard>,
    /// The format of `summary`, `merge` and `compare` on standard output.
    #[serde(deserialize_with = "values::choice")]
    pub format: Option<Format>,
    /// The time between two batches of the demo.
    #[serde(deserialize_with = "values::seconds")]
    pub pace: Option<Duration>,
    /// The theme of the dashboard.
    #[serde(deserialize_with = "values::choice")]
    pub theme: Option<ThemeName>,
    /// Whether to show ASCII only.
    pub ascii: Option<bool>,
    /// Whether to use the mouse.
    pub mouse: Option<bool>,
    /// Whether to start without frames and charts.
    pub compact: Option<bool>,
    /// Keys of the dashboard, by the names of the actions.
    #[serde(deserialize_with = "values::keys")]
    pub keys: Rebound,
}

/// The names of the fields of [`Config`] in a file.
pub const FIELDS: [&str; 27] = [
    "export",
    "baseline",
    "fail-if",
    "cost",
    "neuron",
    "reset",
    "stall-after",
    "settle",
    "log",
    "log-level",
    "threads",
    "priority",
    "follow-links",
    "state",
    "prune",
    "tensorboard",
    "openmetrics",
    "poll",
    "exit-when-finished",
    "shard",
    "format",
    "pace",
    "theme",
    "ascii",
    "mouse",
    "compact",
    "keys",
];

/// Why a text is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", .line.as_ref().map_or(String::new(), |(number, text)| format!("line {number} ({text}): ")))]
pub struct ConfigError {
    /// The line that is wrong, by its number, from 1 on, and its text.
    line: Option<(usize, String)>,
    message: String,
}

impl ConfigError {
    fn new(text: &str, at: Option<Range<usize>>, message: &str) -> Self {
        let message = message.split('\n').collect::<Vec<_>>().join("; ");
        let message = printable(&message).into_owned();
        Self { line: at.and_then(|at| line(text, at.start)), message }
    }

    fn of_toml(text: &str, error: &toml::de::Error) -> Self {
        Self::new(text, error.span(), error.message())
    }
}

/// The largest configuration that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a file to its bound. A pipe that a shell has opened, as of <(…), has a writer; one with a name may have none,
/// and would be waited for without end.
fn read_text(path: &Path) -> anyhow::Result<String> {
    let is_opened = ["/dev/fd", "/proc/self/fd", "/dev/stdin"].iter().any(|opened| path.starts_with(opened));
    let kind = path.metadata()?.file_type();
    // /dev/null is a configuration that says nothing.
    ensure!(
        kind.is_file() || kind.is_char_device() || is_opened,
        "it is a pipe, a socket or a directory, and no file; write the configuration to one"
    );
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= MAX_BYTES, "it is larger than {} MiB", MAX_BYTES >> 20);
    String::from_utf8(bytes).context("it is not UTF-8")
}

/// The line of a text at an offset in bytes.
fn line(text: &str, offset: usize) -> Option<(usize, String)> {
    let before = text.get(..offset)?;
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default().trim();
    Some((number, elide(line, EXCERPT)))
}

impl Config {
    /// Reads the file that the user names, or the default one where there is one.
    ///
    /// # Errors
    /// Where a named file is missing, or a file is not a configuration.
    pub fn load(named: Option<&Path>) -> anyhow::Result<Self> {
        match named {
            Some(path) => Self::read(path),
            None => match default_path().filter(|path| path.is_file()) {
                Some(path) => Self::read(&path),
                None => Ok(Self::default()),
            },
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Where it is missing or not a configuration.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            read_text(path).with_context(|| format!("cannot read the configuration {}", shown(path)))?;
        let config = Self::parse(&text)
            .map_err(|error| anyhow!("the configuration {} is wrong, {error}", shown(path)))?;
        Ok(Self { file: Some(path.to_owned()), ..config })
    }

    /// Parses the text of a configuration file.
    ///
    /// # Errors
    /// Where it is not TOML, has an unknown field, a value that cannot be given, or two actions on a key.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let table = DeTable::parse(text).map_err(|error| ConfigError::of_toml(text, &error))?;
        let table = table.get_ref();
        if let Some(name) = table.keys().find(|name| !FIELDS.contains(&name.get_ref().as_ref())) {
            let message = unknown("option", name.get_ref(), &FIELDS);
            return Err(ConfigError::new(text, Some(name.span()), &message));
        }
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::of_toml(text, &error))?;
        config
            .key_table()
            .map_err(|conflict| ConfigError::new(text, place(table, &conflict), &conflict.to_string()))?;
        Ok(config)
    }

    /// The keys of the dashboard.
    ///
    /// # Errors
    /// Where two actions have the same key.
    pub fn key_table(&self) -> Result<KeyTable, Conflict> {
        KeyTable::new(&self.keys)
    }
}

/// Where a file binds a key that is bound already.
fn place(table: &DeTable<'_>, conflict: &Conflict) -> Option<Range<usize>> {
    let keys = table.get("keys")?.get_ref().as_table()?;
    let places = conflict.actions.iter().filter_map(|name| keys.get_key_value(*name));
    places.map(|(name, _)| name.span()).max_by_key(|place| place.start)
}

/// Where the configuration is looked for: `neurotop/config.toml` in the user's configuration directory.
pub fn default_path() -> Option<PathBuf> {
    Some(choose_base_strategy().ok()?.config_dir().join("neurotop").join("config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        Config::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn every_field_is_named() {
        let mut expected: Vec<String> = FIELDS.iter().map(|name| format!("`{name}`")).collect();
        let error = toml::from_str::<Config>("zzz = 1").unwrap_err();
        let (_, listed) = error.message().split_once("expected one of ").expect("the fields");
        let mut listed: Vec<&str> = listed.split(", ").collect();
        listed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(listed, expected);
    }

    #[test]
    fn values_are_read_as_on_the_command_line() {
        let config = Config::parse(
            "poll = 5\nsettle = 0.5\nthreads = 3\nneuron = \"Leaky\"\nreset = [\"zero\", \"lif2=subtract\"]\n\
             theme = \"color-blind\"\nfail-if = \"sparsity<0.9\"\n[cost]\n\"RLeaky:subtract\" = 5\n\
             [keys]\nquit = [\"x\", \"ctrl-c\"]\nview-charts = \"f3\"\npause = []\n",
        )
        .expect("a configuration");
        assert_eq!(
            (config.poll, config.settle),
            (Some(Duration::from_secs(5)), Some(Duration::from_millis(500)))
        );
        assert_eq!(config.threads.map(NonZeroUsize::get), Some(3));
        assert_eq!((config.neuron.len(), config.reset.len(), config.fail_if.len()), (1, 2, 1));
        assert_eq!(config.theme, Some(ThemeName::ColourBlind));
        assert_eq!(config.cost[0].to_string(), "RLeaky:subtract=5");
        assert_eq!(config.keys["view-charts"], ["f3".parse().expect("a key")]);
        assert_eq!((config.keys["quit"].len(), config.keys["pause"].len()), (2, 0));
        assert_eq!(Config::parse(""), Ok(Config::default()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, parts) in [
            (
                "theme = \"dark\"\nthem = 1",
                &["line 2 (them = 1): ", "no option \"them\"", "did you mean theme?", "threads"][..],
            ),
            ("theme = \"solarized\"", &["line 1", "\"solarized\"", "monochrome"]),
            ("theme = 3", &["line 1", "integer `3`", "string"]),
            ("format = \"xml\"", &["line 1", "json"]),
            ("priority = \"lowest\"", &["line 1", "\"lowest\"", "normal"]),
            ("shard = \"5/4\"", &["line 1", "there is no shard 5"]),
            ("shard = 3", &["line 1", "string"]),
            ("\n\npoll = 0", &["line 3 (poll = 0): ", "between 0.01"]),
            ("poll = \"5\"", &["line 1", "a number of seconds"]),
            ("poll = nan", &["line 1", "between 0.01"]),
            ("threads = 0", &["line 1", "from 1 to 4,096"]),
            ("threads = -1", &["line 1", "from 1 to 4,096"]),
            ("threads = 100000", &["line 1", "from 1 to 4,096"]),
            ("ascii = 1", &["line 1", "boolean"]),
            (
                "export = [\n\"a.json\",\n\"a.pdf\"]",
                &["line 1", "\"a.pdf\" does not end in .json, .csv, .md or .txt"],
            ),
            ("export = 3", &["line 1", "a text or a list of texts"]),
            ("openmetrics = \"node7:9464\"", &["line 1", "no address of this machine in numbers"]),
            ("openmetrics = 9464", &["line 1", "integer `9464`", "string"]),
            ("fail-if = \"colour<1\"", &["line 1", "colour"]),
            ("[cost]\n\"Leaky:zero\" = 5", &["line 2", "NeuroBench prices"]),
            ("[cost]\nRLeaky = 5", &["line 2", "NEURON:RESET"]),
            ("[cost]\n\"A:b\" = -1", &["line 2", "-1"]),
            ("[cost]\npoll = 5", &["line 2", "put options above"]),
            ("[keys]\npoll = 5", &["line 2", "no action \"poll\"", "put options above"]),
            ("cost = 3", &["line 1", "NEURON:RESET"]),
            ("[keys]\nfly = \"f\"", &["line 2 (fly = \"f\"): ", "no action \"fly\"", "view-charts"]),
            ("[keys]\nview-chart = \"f\"", &["did you mean view-charts?"]),
            ("[keys]\nquit = \"hyper-q\"", &["line 2", "\"hyper-q\" is no key", "shift-"]),
            ("[keys]\nquit = 5", &["line 2", "a key or a list of keys"]),
            (
                "[keys]\nfilter = \"f\"\nview-charts = [\"f2\", \"p\"]",
                &["line 3", "key p", "pause", "view-charts"],
            ),
            ("[keys]\nopen = \"w\"\ncopy = \"w\"\n", &["line 3", "key w", "open", "copy"]),
            ("[", &["line 1"]),
            ("poll = 1\npoll = 2", &["line 2", "duplicate"]),
        ] {
            let error = error(text);
            for part in parts {
                assert!(error.contains(part), "{text}\n{error}\n{part}");
            }
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_named_file_must_be_there() {
        let error = Config::load(Some(Path::new("nowhere/config.toml"))).unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in ".{0,60}", value in "\\PC{0,12}", field in 0_usize..FIELDS.len()) {
            let field = FIELDS[field];
            for text in [text, format!("{field} = {value}"), format!("{field} = [{value:?}]"),
                         format!("[{field}]\n{value:?} = {value:?}"), format!("[keys]\nquit = {value:?}")] {
                if let Err(error) = Config::parse(&text) {
                    let error = error.to_string();
                    prop_assert!(!error.is_empty() && !error.chars().any(char::is_control), "{error:?}");
                }
            }
        }
    }
}
