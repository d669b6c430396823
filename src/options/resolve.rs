//! How the value of an option follows from the command line, the configuration file and the default.

use super::declaration::{Declaration, Purpose};
use anyhow::anyhow;
use clap::builder::TypedValueParser;
use clap::error::{ContextKind, ContextValue};
use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::{OsStr, OsString};

/// The values that one source gives, by the names of the options, each written as on the command line.
pub type Layer = BTreeMap<&'static str, Vec<OsString>>;

/// Who gave a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Origin {
    #[default]
    Default,
    File,
    CommandLine,
}

/// A value, and who gave it.
#[derive(Debug, Clone, Default)]
pub struct Said<T> {
    pub value: T,
    pub origin: Origin,
}

/// The value of an option, from what the command line and the file say.
pub(super) fn value<P, V>(
    option: &Declaration,
    parser: &P,
    [command_line, file]: [&Layer; 2],
    purpose: Purpose,
) -> anyhow::Result<V>
where
    P: TypedValueParser,
    V: FromSaid<P::Value>,
{
    let default = option.default.map(|text| (Origin::Default, OsString::from(text)));
    let file = file.get(option.name).filter(|_| option.scope.includes(purpose));
    let from_file = file.into_iter().flatten().map(|text| (Origin::File, text.clone()));
    let given = command_line.get(option.name).into_iter().flatten();
    let given = given.map(|text| (Origin::CommandLine, text.clone()));
    let all = default.into_iter().chain(from_file).chain(given);
    let values = all.map(|(origin, text)| Ok(Said { value: parse(parser, &text)?, origin }));
    let values: Vec<_> = values.collect::<Result<_, String>>().map_err(anyhow::Error::msg)?;
    V::from_said(values).ok_or_else(|| anyhow!("--{} has no value", option.name))
}

/// A type that follows from all that is said: the default, the file, the command line, in this order.
pub(super) trait FromSaid<T>: Sized {
    fn from_said(values: Vec<Said<T>>) -> Option<Self>;
}

impl<T> FromSaid<T> for T {
    fn from_said(mut values: Vec<Said<T>>) -> Option<T> {
        values.pop().map(|last| last.value)
    }
}

impl<T> FromSaid<T> for Option<T> {
    fn from_said(mut values: Vec<Said<T>>) -> Option<Option<T>> {
        Some(values.pop().map(|last| last.value))
    }
}

impl<T> FromSaid<T> for Vec<T> {
    fn from_said(values: Vec<Said<T>>) -> Option<Vec<T>> {
        Some(values.into_iter().map(|said| said.value).collect())
    }
}

impl<T> FromSaid<T> for Said<T> {
    fn from_said(mut values: Vec<Said<T>>) -> Option<Said<T>> {
        values.pop()
    }
}

/// Parses one value as clap does.
pub(super) fn parse<P: TypedValueParser>(parser: &P, text: &OsStr) -> Result<P::Value, String> {
    let parsed = parser.parse_ref(&clap::Command::new("neurotop"), None, text);
    parsed.map_err(|error| reason(&error, &text.to_string_lossy()))
}

/// Why clap refuses a value, without what it says of the command line.
fn reason(error: &clap::Error, text: &str) -> String {
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(names)) if !names.is_empty() => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            crate::text::unknown("value", text, &names)
        }
        _ if text.is_empty() => "the value is empty".to_owned(),
        _ => error.source().map_or_else(|| error.kind().to_string(), ToString::to_string),
    }
}
