//! A report as JSON.

use serde::Serialize;

/// A report as an indented JSON object, with a line feed at the end.
///
/// # Errors
/// Where a figure cannot be written as JSON.
pub(super) fn json(report: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}
