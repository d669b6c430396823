//! Writes a report to a file.

use super::format::{Format, Report};
use super::provenance::Provenance;
use super::replace_file::{check, replace};
use crate::text::shown;
use anyhow::Context;
use std::path::{Path, PathBuf};

/// A file for a report. Its suffix sets the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    path: PathBuf,
    format: Format,
}

impl TryFrom<PathBuf> for Export {
    type Error = String;

    fn try_from(path: PathBuf) -> Result<Self, String> {
        let suffix = path.extension().and_then(|suffix| suffix.to_str());
        let format = suffix.and_then(Format::with_suffix);
        let format = format.ok_or_else(|| format!("{path:?} does not end in {}", Format::suffixes()))?;
        Ok(Self { path, format })
    }
}

impl Export {
    /// A JSON file in the current directory, named after a run.
    pub fn named_after(run: &str) -> Self {
        let safe = |character: char| {
            if character.is_alphanumeric() || "-_".contains(character) { character } else { '-' }
        };
        let name: String = run.chars().take(80).map(safe).collect();
        Self { path: PathBuf::from(format!("{name}-neurotop.json")), format: Format::JSON }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Checks that the file can be written at all.
    ///
    /// # Errors
    /// If it cannot.
    pub fn check(&self) -> anyhow::Result<()> {
        check("--export", &self.path)
    }

    /// Replaces the contents of the file; a pipe or another device is written to.
    ///
    /// # Errors
    /// If the disk is full, or the directory is gone or not writable. The file is then as it was.
    pub fn write(&self, report: Report<'_>) -> anyhow::Result<()> {
        let text = report.render_file(self.format, Provenance::now().as_ref())?;
        replace(&self.path, &text).with_context(|| format!("cannot write the export {}", shown(&self.path)))
    }
}
