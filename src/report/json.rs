//! Figures as JSON.

use serde::Serialize;

/// A summary, or several, as an indented JSON object with a line feed at the end.
///
/// # Errors
/// Where a figure cannot be written as JSON.
pub fn json(figures: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(figures)? + "\n")
}
