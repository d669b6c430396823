//! Where the figures of an export come from: when they were written, from which runs, with which options.

use crate::run::Tool;
use crate::text::printable;
use serde::Serialize;
use std::fmt;
use std::sync::OnceLock;
use std::time::SystemTime;

/// What an export says of how it came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// The moment: `2026-11-30T00:20:00Z`.
    pub(super) at: String,
    /// The absolute paths or the URLs of the runs, parts or exports that were read.
    sources: Vec<String>,
    /// The options that the figures depend on, as on the command line, whether they are from there or from the
    /// configuration file.
    options: Vec<String>,
}

/// The sources and the options of this process, which are the same for all its exports.
static INPUTS: OnceLock<(Vec<String>, Vec<String>)> = OnceLock::new();

/// Records what this process computes figures from: sources and options. The first one stands.
pub fn note_inputs(sources: Vec<String>, options: Vec<String>) {
    // A process runs one command.
    let _ = INPUTS.set((sources, options));
}

impl Provenance {
    /// That of an export of this process at this moment; `None` if nobody has said what it reads.
    pub fn now() -> Option<Self> {
        let (sources, options) = INPUTS.get()?.clone();
        let at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Some(Self { at, sources, options })
    }

    pub(super) fn sources(&self) -> String {
        self.sources.join(" ")
    }

    pub(super) fn options(&self) -> String {
        if self.options.is_empty() { "no options".to_owned() } else { self.options.join(" ") }
    }

    /// The program and its version: `neurotop 0.1.0`.
    pub(super) fn tool() -> String {
        let Tool { name, version } = Tool::this();
        format!("{name} {version}")
    }
}

/// In one printable sentence.
impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, tool, sources, options) = (&self.at, Self::tool(), self.sources(), self.options());
        write!(f, "Written {at} by {tool} from {} with {}.", printable(&sources), printable(&options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_sentence_that_is_safe_to_print() {
        let sources = vec!["/runs/a\x1b[2J\nb".to_owned()];
        let (at, options) = ("2026-11-30T00:53:20Z".to_owned(), vec!["--cost X:zero=4".to_owned()]);
        let text = Provenance { at, sources, options }.to_string();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            text,
            format!(
                "Written 2026-11-30T00:53:20Z by neurotop {version} from /runs/a\\u{{1b}}[2J\\u{{a}}b with --cost \
                 X:zero=4."
            )
        );
    }
}
