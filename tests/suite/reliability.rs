//! What the documents name is there: the tests of `docs/reliability.md`, the files and threads of `docs/architecture.md`.

use regex::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_test_that_the_table_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/reliability.md")).expect("the table");
    // Each as file::test; … stands for the file before it.
    let named = Regex::new(r"`([a-z_/.…-]+)::([a-z0-9_]+)`").expect("an expression");
    let (mut before, mut missing, mut found) = (String::new(), BTreeSet::new(), 0);
    let rows = text.lines().filter(|line| line.starts_with('|'));
    for name in rows.flat_map(|row| named.captures_iter(row)) {
        let (mut file, test) = (name[1].to_owned(), &name[2]);
        if file == "…" {
            file.clone_from(&before);
        }
        let path = match (file.starts_with("src/"), file.contains('.')) {
            (true, _) => root.join(&file),
            (false, true) => root.join("tests").join(&file),
            (false, false) => {
                // Some tests are executables of their own, and some a crate.
                let names = [format!("suite/{file}.rs"), format!("{file}.rs"), format!("{file}/tests.rs")];
                let places = names.map(|name| root.join("tests").join(name));
                places.iter().find(|path| path.exists()).unwrap_or(&places[0]).clone()
            }
        };
        let source = fs::read_to_string(&path).unwrap_or_default();
        let definitions = [format!("fn {test}("), format!("def {test}(")];
        if definitions.iter().any(|definition| source.contains(definition)) {
            found += 1;
        } else {
            missing.insert(format!("{file}::{test}"));
        }
        before = file;
    }
    assert!(missing.is_empty(), "not there: {missing:#?}");
    assert!(found > 100, "only {found} are named: the expression is wrong");
}

#[test]
fn the_files_and_threads_of_the_architecture_are_those_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/architecture.md")).expect("the architecture");
    let named = Regex::new(r"`([a-z_/]+(?:\.rs|/))`").expect("an expression");
    let paths: BTreeSet<&str> =
        named.captures_iter(&text).map(|found| found.get(1).expect("a path").as_str()).collect();
    let missing: Vec<&&str> = paths.iter().filter(|path| !root.join("src").join(path).exists()).collect();
    assert!(missing.is_empty() && paths.len() > 10, "not there: {missing:?}");
    let thread = Regex::new(r#"\.name\("([a-z]+)"\.into\(\)\)|Display::(?:<\(\)>::)?start\("([a-z]+)""#)
        .expect("an expression");
    let mut threads = BTreeSet::new();
    for entry in walk(&root.join("src")) {
        let source = fs::read_to_string(entry).expect("a source");
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for found in thread.captures_iter(source) {
            threads.insert(found.get(1).or(found.get(2)).expect("a name").as_str().to_owned());
        }
    }
    let unnamed: Vec<&String> =
        threads.iter().filter(|thread| !text.contains(&format!("`{thread}`"))).collect();
    assert!(
        unnamed.is_empty() && threads.len() > 10,
        "threads that it does not have: {unnamed:?} of {threads:?}"
    );
}

/// All files below a directory.
fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
