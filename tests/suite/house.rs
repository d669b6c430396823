//! The order of the source: few entries, imports in one direction, and each name for one thing.

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules in the order in which data go through them: each may import those before it.
const ORDER: [&str; 14] = [
    "text",
    "platform",
    "storage",
    "snapshot",
    "count",
    "follow",
    "run",
    "figures",
    "publish",
    "doctor",
    "dashboard",
    "options",
    "command",
    "main",
];

/// The most lines of a function.
const LONGEST: usize = 60;

/// The files below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory of sources");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// The source files: their paths below `src/`, and their text.
fn files() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let file = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source file");
        (path.strip_prefix(&src).expect("a path below src").display().to_string(), text)
    };
    sources(&src).into_iter().map(file).collect()
}

fn module(path: &str) -> &str {
    path.split(['/', '.']).next().expect("a first part")
}

#[test]
fn a_module_imports_none_that_is_behind_it() {
    let import = Regex::new(r"\bcrate::([a-z_]+)").expect("an expression");
    let place = |module: &str| ORDER.iter().position(|known| *known == module);
    let mut wrong = BTreeSet::new();
    for (path, text) in files().iter().filter(|(path, _)| path != "lib.rs") {
        let own =
            place(module(path)).unwrap_or_else(|| panic!("where does {path} come in the order of modules?"));
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for found in code.flat_map(|line| import.captures_iter(line)) {
            let imports = place(&found[1]);
            if imports.is_none_or(|imports| imports > own) {
                wrong.insert(format!("{path} imports {}", &found[1]));
            }
        }
    }
    assert!(wrong.is_empty(), "against the order of modules: {wrong:#?}");
}

#[test]
fn the_source_has_few_entries() {
    let entries: BTreeSet<String> = files().iter().map(|(path, _)| module(path).to_owned()).collect();
    assert!(entries.len() <= 15, "{entries:?}");
}

#[test]
fn each_type_has_a_name_of_its_own() {
    let definition = Regex::new(r"(?m)^\s*(?:pub(?:\([^)]*\))? )?(?:struct|enum|trait|union) (\w+)")
        .expect("an expression");
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in files() {
        for found in definition.captures_iter(&text) {
            names.entry(found[1].to_owned()).or_default().push(path.clone());
        }
    }
    assert!(names.len() > 100, "the expression finds only {}", names.len());
    names.retain(|_, paths| paths.len() > 1);
    assert!(names.is_empty(), "names of several types: {names:#?}");
}

#[test]
fn functions_are_short_and_their_names_say_something() {
    let definition =
        Regex::new(r"^(\s*)(?:pub(?:\([^)]*\))? )?(?:const )?(?:unsafe )?fn (\w+)").expect("an expression");
    let mut wrong = Vec::new();
    for (path, text) in files() {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(found) = definition.captures(line) else { continue };
            if &found[2] == "of" {
                wrong.push(format!("{path}:{}: of what?", at + 1));
            }
            let end = format!("{}}}", &found[1]);
            let length = lines[at..].iter().position(|line| **line == end).map_or(1, |length| length + 1);
            if length > LONGEST && !line.ends_with(';') && !line.ends_with('}') {
                wrong.push(format!("{path}:{}: {} has {length} lines", at + 1, &found[2]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
