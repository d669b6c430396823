//! The summary as JSON.

use super::Summary;

/// The summary as an indented JSON object, with a line feed at the end.
///
/// # Errors
/// Where a figure cannot be written as JSON.
pub fn json(summary: &Summary) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(summary)? + "\n")
}
