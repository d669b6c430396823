//! `neurotop recorder`: prints the Python package that records a run, as one file.

use super::output;
use std::process::ExitCode;

/// The file around the package's, and the line where those belong.
const AROUND: &str = include_str!("../../assets/one_file.py");
const PLACE: &str = "# The files of the package.\n";

/// Names the file of a module of the package, from its path.
macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../assets/python/neurotop/", $path)))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "__init__.py",
    "adapters/__init__.py",
    "adapters/bindsnet.py",
    "adapters/norse.py",
    "adapters/rockpool.py",
    "adapters/sinabs.py",
    "adapters/spikingjelly.py",
    "arrays.py",
    "assignments.py",
    "benchmark.py",
    "compiled.py",
    "device.py",
    "directory.py",
    "encoding.py",
    "forwards.py",
    "hooks.py",
    "layers.py",
    "manifest.py",
    "messages.py",
    "network.py",
    "neurobench_traps.py",
    "notebook.py",
    "npz.py",
    "operations.py",
    "options.py",
    "prices.py",
    "recording.py",
    "run.py",
    "steps.py",
    "traps.py",
    "version.py",
    "watch.py",
    "writer.py",
];

pub(super) fn recorder() -> anyhow::Result<ExitCode> {
    output::print_alone(one_file().as_bytes())
}

/// The package as one module, in which each file stands as it is.
fn one_file() -> String {
    let sources: String = FILES
        .iter()
        .map(|(path, text)| format!("SOURCES[\"{}\"] = r'''\n{text}'''\n\n", module(path)))
        .collect();
    AROUND.replacen(PLACE, &format!("{PLACE}\n{sources}"), 1)
}

/// A module's name within the package, which is empty for the package itself.
fn module(path: &str) -> String {
    let name = path.trim_end_matches(".py").trim_end_matches("__init__");
    name.trim_end_matches('/').replace('/', ".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_file_has_the_version_of_the_command() {
        let version = format!("__version__ = \"{}\"", env!("CARGO_PKG_VERSION"));
        assert!(one_file().contains(&version), "{version}");
    }

    #[test]
    fn every_file_of_the_package_is_in_it_as_it_is() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/python/neurotop");
        let mut found = Vec::new();
        for directory in ["", "adapters/"] {
            for entry in std::fs::read_dir(package.join(directory)).expect("the package") {
                let name = entry.expect("an entry").file_name().into_string().expect("a name");
                // `python -m neurotop` is for whoever has the package installed.
                if name != "__main__.py" && Path::new(&name).extension().is_some_and(|kind| kind == "py") {
                    found.push(format!("{directory}{name}"));
                }
            }
        }
        found.sort();
        let mut listed: Vec<&str> = FILES.iter().map(|&(path, _)| path).collect();
        listed.sort_unstable();
        assert_eq!(listed, found, "the list in this file");
        for (path, text) in FILES {
            assert!(!text.contains("'''"), "{path} cannot stand between '''");
            assert!(
                one_file().contains(&format!("SOURCES[\"{}\"] = r'''\n{text}'''", module(path))),
                "{path}"
            );
        }
    }
}
