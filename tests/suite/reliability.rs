//! The tests that `docs/reliability.md` names are there.

use regex::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_table_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/reliability.md")).expect("the table");
    // Each as file::test; … stands for the file before it.
    let named = Regex::new(r"`([a-z_/.…]+)::([a-z0-9_]+)`").expect("an expression");
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
                // Some tests are executables of their own.
                let name = format!("{file}.rs");
                let places = ["tests/suite", "tests"].map(|place| root.join(place).join(&name));
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
