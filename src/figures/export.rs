//! Writes a report in a format, to a string or to a file.

use super::Style;
use super::place::{check, directory_of, replace};
use crate::text::shown;
use anyhow::{Context, bail};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for a terminal.
    Text,
    /// All figures, with every digit.
    Json,
    /// A row for each layer, neuron class and the total.
    Csv,
    /// Markdown tables.
    #[value(alias = "markdown")]
    Md,
}

/// Whether a text has colours, which only a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// It has none.
    Off,
    /// It has.
    On,
}

impl Colours {
    pub(super) fn style(self) -> Style {
        match self {
            Self::Off => Style::Text,
            Self::On => Style::Coloured,
        }
    }
}

/// What can be printed and exported: the figures of a run, or a comparison of runs.
pub trait Report {
    /// The report in a format; only text has colours.
    ///
    /// # Errors
    /// Where it cannot be written so.
    fn render(&self, format: Format, colours: Colours) -> anyhow::Result<String>;
}

/// A file to write a report to; its suffix says the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    path: PathBuf,
    format: Format,
}

impl FromStr for Export {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let suffix = path.extension().and_then(|suffix| suffix.to_str()).map(str::to_ascii_lowercase);
        let format = match suffix.as_deref() {
            Some("json") => Format::Json,
            Some("csv") => Format::Csv,
            Some("md") => Format::Md,
            Some("txt") => Format::Text,
            _ => return Err(format!("{text:?} does not end in .json, .csv, .md or .txt")),
        };
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
        Self { path: PathBuf::from(format!("{name}-neurotop.json")), format: Format::Json }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Checks that the file can be written at all, so that a typing error shows at the start of a run
    /// and not at its end.
    ///
    /// # Errors
    /// Where its directory does not exist or cannot be written to, or the path is a directory itself.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.path.is_dir() {
            bail!("--export {}: it is a directory; name a file in it", shown(&self.path));
        }
        let directory = directory_of(&self.path);
        if !directory.is_dir() {
            bail!(
                "--export {}: there is no directory {}; create it first",
                shown(&self.path),
                shown(directory)
            );
        }
        check(&self.path).with_context(|| {
            format!("--export {}: it cannot be written; name a file where you may write", shown(&self.path))
        })
    }

    /// Writes a report over what the file has; what is no file, as a pipe, is written to.
    ///
    /// # Errors
    /// Where the disk is full, the directory is gone or not writable; the file is then as it was.
    pub fn write(&self, report: &impl Report) -> anyhow::Result<()> {
        let text = report.render(self.format, Colours::Off)?;
        replace(&self.path, &text).with_context(|| format!("cannot write the export {}", shown(&self.path)))
    }
}
