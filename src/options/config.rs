//! The configuration file: `neurotop/config.toml` in the user's configuration directory.

use super::declaration::{Declaration, ValueKind};
use super::resolve::Layer;
use super::table::OPTIONS;
use crate::dashboard::{BINDINGS, Conflict, Key, KeyTable, Rebound, named};
use crate::platform::is_character_device;
use crate::text::unknown;
use crate::text::{elide, printable, shown};
use anyhow::{Context, anyhow, ensure};
use etcetera::{BaseStrategy, choose_base_strategy};
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Columns of a line that an error quotes.
const EXCERPT: usize = 60;

/// What a configuration file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// Where it was read, for errors about options that do not go together.
    pub file: Option<PathBuf>,
    /// The options, each as it would be written on the command line.
    pub values: Layer,
    /// The keys of the dashboard.
    pub keys: Arc<KeyTable>,
}

/// What is wrong with a text, behind the number of the line, from 1 on, and the line itself.
fn in_line(text: &str, at: Option<Range<usize>>, message: &str) -> String {
    let line = at.and_then(|at| line(text, at.start));
    let line = line.map_or(String::new(), |(number, text)| format!("line {number} ({text}): "));
    line + &printable(&message.split('\n').collect::<Vec<_>>().join("; "))
}

/// What is wrong, and where in the text.
type Wrong = (Range<usize>, String);

/// The largest configuration that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a file to its bound. A pipe that a shell has opened, as of <(…), has a writer. A named pipe may have none,
/// and reading it would wait for ever.
fn read_text(path: &Path) -> anyhow::Result<String> {
    let is_opened = ["/dev/fd", "/proc/self/fd", "/dev/stdin"].iter().any(|opened| path.starts_with(opened));
    // /dev/null is a configuration that says nothing.
    ensure!(
        is_character_device(path) || is_opened || path.metadata()?.is_file(),
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
    /// Reads the named file, or the default one if it exists.
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

    /// # Errors
    /// Where the file is missing or not a configuration.
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
    /// Where it is not TOML, has an unknown option, a value that the option does not take, or two actions on a key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table = DeTable::parse(text).map_err(|error| in_line(text, error.span(), error.message()))?;
        let mut config = Self::default();
        let mut rows: Vec<_> = table.get_ref().iter().collect();
        rows.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in rows {
            let wrong = |(at, message): Wrong| in_line(text, Some(at), &message);
            match OPTIONS.iter().find(|option| option.name == name.get_ref().as_ref()) {
                Some(option) => {
                    let values = values(option, value).map_err(wrong)?;
                    // An empty list or table says nothing.
                    if !values.is_empty() {
                        config.values.insert(option.name, values);
                    }
                }
                None if name.get_ref().as_ref() == KEYS => {
                    config.keys = Arc::new(key_table(value).map_err(wrong)?)
                }
                None => return Err(wrong((name.span(), unknown("option", name.get_ref(), &names())))),
            }
        }
        Ok(config)
    }
}

/// The table of the dashboard's keys, which no option of the command line stands for.
const KEYS: &str = "keys";

/// What can stand at the left of the file.
fn names() -> Vec<&'static str> {
    OPTIONS.iter().map(|option| option.name).chain([KEYS]).collect()
}

/// The values of an option, each as it would be written on the command line.
fn values(option: &Declaration, value: &Spanned<DeValue<'_>>) -> Result<Vec<OsString>, Wrong> {
    let texts = match (option.kind, value.get_ref()) {
        (ValueKind::Switch, DeValue::Boolean(is_on)) => vec![(value.span(), is_on.to_string())],
        (ValueKind::Number, DeValue::Integer(_) | DeValue::Float(_)) => {
            vec![(value.span(), literal(value.get_ref()))]
        }
        (ValueKind::Text | ValueKind::List, DeValue::String(text)) => vec![(value.span(), text.to_string())],
        (ValueKind::List, DeValue::Array(items)) => strings(items, "a string")?,
        (ValueKind::Table, DeValue::Table(rows)) => {
            let row = |(key, number): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| match number.get_ref()
            {
                DeValue::Integer(_) => {
                    Ok((key.span(), format!("{}={}", key.get_ref(), literal(number.get_ref()))))
                }
                _ => Err(wrong_type(number, "a whole number")),
            };
            rows.iter().map(row).collect::<Result<_, _>>()?
        }
        _ => return Err(wrong_type(value, &expected(option))),
    };
    let check = |(at, text): (Range<usize>, String)| match (option.check)(OsStr::new(&text)) {
        Ok(()) => Ok(text.into()),
        Err(why) => {
            // Of a table the text is a row, with the key in front.
            let key = text.rsplit_once('=').map_or("", |(key, _)| key);
            let misplaced = if option.kind == ValueKind::Table { misplaced(key) } else { "" };
            Err((at, format!("{why}{misplaced}")))
        }
    };
    texts.into_iter().map(check).collect()
}

fn expected(option: &Declaration) -> String {
    match option.kind {
        ValueKind::Switch => "true or false, a boolean".to_owned(),
        ValueKind::Number => format!("a number, as in {}", option.line(&option.examples[..1])),
        ValueKind::Text => format!("a string, as in {}", option.line(&option.examples[..1])),
        ValueKind::List => "a string or a list of strings".to_owned(),
        ValueKind::Table => format!("a table of {}", option.value_name),
    }
}

/// The items of a list, all of which are to be strings.
fn strings(items: &[Spanned<DeValue<'_>>], expected: &str) -> Result<Vec<(Range<usize>, String)>, Wrong> {
    let string = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
        DeValue::String(text) => Ok((item.span(), text.to_string())),
        _ => Err(wrong_type(item, expected)),
    };
    items.iter().map(string).collect()
}

fn wrong_type(value: &Spanned<DeValue<'_>>, expected: &str) -> Wrong {
    let found = match value.get_ref() {
        value @ (DeValue::Array(_) | DeValue::Table(_)) => value.type_str().to_owned(),
        value => format!("{} `{}`", value.type_str(), literal(value)),
    };
    (value.span(), format!("invalid type: {found}, expected {expected}"))
}

/// A single value as text; integers are decimal.
fn literal(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => {
            let decimal = i128::from_str_radix(number.as_str(), number.radix());
            decimal.map_or_else(|_| number.to_string(), |number| number.to_string())
        }
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(is_on) => is_on.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => value.type_str().to_owned(),
    }
}

/// What to say of a name below a heading that belongs above it.
fn misplaced(name: &str) -> &'static str {
    if names().contains(&name) { "; put options above the first heading in brackets" } else { "" }
}

/// The dashboard's keys, from a table of `ACTION = KEY` and `ACTION = [KEY, …]`.
fn key_table(value: &Spanned<DeValue<'_>>) -> Result<KeyTable, Wrong> {
    let Some(rows) = value.get_ref().as_table() else {
        return Err(wrong_type(value, "a table of ACTION = [KEY, …]"));
    };
    let mut rebound = Rebound::new();
    for (name, keys) in rows {
        let actions = || BINDINGS.iter().map(|binding| binding.name).collect::<Vec<_>>();
        let unknown = || unknown("action", name.get_ref(), &actions()) + misplaced(name.get_ref());
        let binding = named(name.get_ref()).ok_or_else(|| (name.span(), unknown()))?;
        rebound.insert(binding.name, keys_of_action(keys)?);
    }
    KeyTable::new(&rebound)
        .map_err(|conflict| (place(rows, &conflict).unwrap_or(value.span()), conflict.to_string()))
}

fn keys_of_action(value: &Spanned<DeValue<'_>>) -> Result<Vec<Key>, Wrong> {
    let expected = "a key or a list of keys";
    let texts = match value.get_ref() {
        DeValue::String(text) => vec![(value.span(), text.to_string())],
        DeValue::Array(items) => strings(items, expected)?,
        _ => return Err(wrong_type(value, expected)),
    };
    texts.into_iter().map(|(at, text)| text.parse().map_err(|why| (at, why))).collect()
}

/// Where a file binds a key that is bound already.
fn place(rows: &DeTable<'_>, conflict: &Conflict) -> Option<Range<usize>> {
    let places = conflict.actions.iter().filter_map(|name| rows.get_key_value(*name));
    places.map(|(name, _)| name.span()).max_by_key(|place| place.start)
}

/// Where the configuration is looked for: `neurotop/config.toml` in the user's configuration directory.
pub fn default_path() -> Option<PathBuf> {
    Some(choose_base_strategy().ok()?.config_dir().join("neurotop").join("config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::cli::CommandLine;
    use crate::options::{OptionValues, Purpose};
    use proptest::prelude::*;
    use std::time::Duration;

    fn error(text: &str) -> String {
        Config::parse(text).expect_err(text)
    }

    #[test]
    fn values_are_read_as_on_the_command_line() {
        let config = Config::parse(
            "poll = 5\nsettle = 0.5\nthreads = 0x3\nneuron = \"Leaky\"\nreset = [\"zero\", \"lif2=subtract\"]\n\
             theme = \"color-blind\"\nfail-if = \"sparsity<0.9\"\n[cost]\n\"RLeaky:subtract\" = 5\n\
             [keys]\nquit = [\"x\", \"ctrl-c\"]\nview-charts = \"f3\"\npause = []\n",
        )
        .expect("a configuration");
        let values = OptionValues::resolve(&CommandLine::default(), &config, Purpose::Watch).expect("values");
        assert_eq!((values.poll, values.settle), (Some(Duration::from_secs(5)), Duration::from_millis(500)));
        assert_eq!(values.threads.map(usize::from), Some(3));
        assert_eq!((values.neuron.len(), values.reset.len(), values.fail_if.len()), (1, 2, 1));
        assert_eq!(values.theme.value.name(), "colour-blind");
        assert_eq!(values.cost[0].to_string(), "RLeaky:subtract=5");
        let bound = |key: &str| values.keys.action(key.parse().expect("a key"));
        assert!(bound("f3").is_some() && bound("p").is_none() && bound("q").is_none());
        assert_eq!(bound("x"), bound("ctrl-c"));
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
            ("poll = \"5\"", &["line 1", "string `5`", "a number"]),
            ("poll = nan", &["line 1", "between 0.01"]),
            ("threads = 0", &["line 1", "from 1 to 4,096"]),
            ("threads = -1", &["line 1", "from 1 to 4,096"]),
            ("threads = 100000", &["line 1", "from 1 to 4,096"]),
            ("threads = 1.5", &["line 1", "from 1 to 4,096"]),
            ("ascii = 1", &["line 1", "integer `1`", "boolean"]),
            ("ascii = \"true\"", &["line 1", "string", "boolean"]),
            ("log = \"\"", &["line 1", "the value is empty"]),
            (
                "export = [\n\"a.json\",\n\"a.pdf\"]",
                &["line 3 (\"a.pdf\"]): ", "\"a.pdf\" does not end in .json, .csv, .md, .tex, .html or .txt"],
            ),
            ("export = 3", &["line 1", "a string or a list of strings"]),
            ("export = [3]", &["line 1", "integer `3`", "string"]),
            ("openmetrics = \"node7:9464\"", &["line 1", "no address of this machine in numbers"]),
            ("openmetrics = 9464", &["line 1", "integer `9464`", "string"]),
            ("fail-if = \"colour<1\"", &["line 1", "colour"]),
            ("[cost]\n\"Leaky:zero\" = 5", &["line 2", "NeuroBench prices"]),
            ("[cost]\nRLeaky = 5", &["line 2", "NEURON:RESET"]),
            ("[cost]\n\"A:b\" = -1", &["line 2", "-1"]),
            ("[cost]\n\"A:b\" = [1]", &["line 2", "array"]),
            ("[cost]\npoll = 5", &["line 2", "put options above"]),
            ("[keys]\npoll = 5", &["line 2", "no action \"poll\"", "put options above"]),
            ("cost = 3", &["line 1", "NEURON:RESET"]),
            ("keys = 3", &["line 1", "a table of ACTION"]),
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
        fn any_text_is_read_or_refused(text in ".{0,60}", value in "\\PC{0,12}", name in 0_usize..=OPTIONS.len()) {
            let name = names()[name];
            for text in [text, format!("{name} = {value}"), format!("{name} = [{value:?}]"),
                         format!("[{name}]\n{value:?} = {value:?}"), format!("[keys]\nquit = {value:?}")] {
                if let Err(error) = Config::parse(&text) {
                    prop_assert!(!error.is_empty() && !error.chars().any(char::is_control), "{error:?}");
                }
            }
        }
    }
}
