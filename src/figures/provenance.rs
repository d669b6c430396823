//! Where the figures of an export come from: when they were written, from which runs, with which options.

use crate::run::Tool;
use crate::text::printable;
use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::OnceLock;
use std::time::SystemTime;

/// What an export says of how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    pub at: SystemTime,
    pub inputs: FigureInputs,
}

/// What the figures were computed from, which is the same for all exports of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FigureInputs {
    /// The absolute paths or the URLs of the runs, parts or exports that were read.
    pub sources: Vec<String>,
    /// The options that the figures depend on, as on the command line, whether they are from there or from the
    /// configuration file.
    pub options: Vec<String>,
}

/// What this process computes figures from.
static INPUTS: OnceLock<FigureInputs> = OnceLock::new();

/// Records what this process computes figures from. The first one stands.
pub fn note_inputs(inputs: FigureInputs) {
    // A process runs one command.
    let _ = INPUTS.set(inputs);
}

impl Provenance {
    /// That of an export of this process at this moment; `None` if nobody has said what it reads.
    pub fn now() -> Option<Self> {
        Some(Self { at: SystemTime::now(), inputs: INPUTS.get()?.clone() })
    }

    /// The moment as text: `2026-11-30T00:20:00Z`.
    pub(super) fn time(&self) -> String {
        humantime::format_rfc3339_seconds(self.at).to_string()
    }

    pub(super) fn sources(&self) -> String {
        self.inputs.sources.join(" ")
    }

    pub(super) fn options(&self) -> String {
        if self.inputs.options.is_empty() { "no options".to_owned() } else { self.inputs.options.join(" ") }
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
        let (time, tool) = (self.time(), Self::tool());
        let (sources, options) = (self.sources(), self.options());
        write!(f, "Written {time} by {tool} from {} with {}.", printable(&sources), printable(&options))
    }
}

impl Serialize for Provenance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Provenance", 3)?;
        fields.serialize_field("at", &self.time())?;
        fields.serialize_field("sources", &self.inputs.sources)?;
        fields.serialize_field("options", &self.inputs.options)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_is_one_sentence_that_is_safe_to_print() {
        let sources = vec!["/runs/a\x1b[2J\nb".to_owned()];
        let inputs = FigureInputs { sources, options: vec!["--cost X:zero=4".to_owned()] };
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_000_000);
        let text = Provenance { at, inputs }.to_string();
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
