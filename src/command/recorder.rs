//! `neurotop recorder`: prints the Python module that records a run, as one file.

use super::output;
use std::process::ExitCode;

/// The module. It needs NumPy only.
const MODULE: &str = include_str!("../../assets/python/neurotop/recorder.py");

pub(super) fn recorder() -> anyhow::Result<ExitCode> {
    output::print_alone(MODULE.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_has_the_version_of_the_command() {
        let version = format!("__version__ = \"{}\"", env!("CARGO_PKG_VERSION"));
        assert!(MODULE.contains(&version), "{version}");
    }
}
