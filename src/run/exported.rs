//! Reads the JSON files that neurotop exported.

use crate::text::shown;
use anyhow::{Context, anyhow, bail, ensure};
use serde::Deserialize;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The largest file that is read, in bytes: room for 100,000 layers with long names.
const MAX_BYTES: u64 = 256 << 20;

/// The bytes of a file that neurotop exported; `advice` says which file to name instead.
///
/// # Errors
/// Where the file does not exist, cannot be read, or is too large.
pub fn read_bytes(path: &Path, advice: &str) -> anyhow::Result<Vec<u8>> {
    let file = shown(path);
    ensure!(!path.is_dir(), "{file} is a directory; {advice}");
    let opened = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("{file} does not exist; {advice}"),
        opened => opened.with_context(|| format!("{file} cannot be opened"))?,
    };
    // It need not be a regular file: it may come from a pipe, as in <(git show HEAD:exp1.json).
    let mut bytes = Vec::new();
    let read = opened.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("{file} cannot be read"))?;
    ensure!(bytes.len() as u64 <= MAX_BYTES, "{file} is larger than {} MiB; {advice}", MAX_BYTES >> 20);
    Ok(bytes)
}

/// The schema that a JSON text names, if any.
///
/// # Errors
/// As [`from_json`].
pub fn schema_in(bytes: &[u8]) -> anyhow::Result<Option<String>> {
    #[derive(Deserialize)]
    struct SchemaField {
        schema: Option<String>,
    }
    from_json::<SchemaField>(bytes).map(|file| file.schema)
}

/// Parses a JSON text, or says what is wrong with it.
///
/// # Errors
/// Where it is cut off, no JSON, or not of this form.
pub fn from_json<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> anyhow::Result<T> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => anyhow!("it is cut off ({error})"),
        serde_json::error::Category::Data => anyhow!("{error}"),
        _ => anyhow!("it cannot be read as JSON ({error})"),
    })
}
