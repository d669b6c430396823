//! `neurotop recorder`: the Python module that records a run, as one file on standard output.

use std::io::Write;
use std::process::ExitCode;

/// The module; it needs nothing beside itself but NumPy.
const MODULE: &str = include_str!("../../assets/python/neurotop/recorder.py");

pub(super) fn recorder() -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(MODULE.as_bytes())?;
    Ok(ExitCode::SUCCESS)
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
