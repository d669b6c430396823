//! Where `unsafe` code is: in one file, so many blocks, each with its reason (a lint sees to that).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The files with `unsafe` blocks, and how many they have.
const ALLOWED: [(&str, usize); 1] = [("src/count/wide.rs", 3)];

pub fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory of sources");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// How often the word stands in code, comments left out.
fn uses(source: &str) -> usize {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let words = code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words.filter(|&word| word == "unsafe").count()
}

#[test]
fn it_is_in_one_file_and_its_blocks_are_counted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let counted: BTreeMap<String, usize> = sources(&root.join("src"))
        .into_iter()
        .map(|path| {
            let source = fs::read_to_string(&path).expect("a source file");
            let name = path.strip_prefix(root).expect("a path below the root").display().to_string();
            (name, uses(&source))
        })
        .filter(|&(_, uses)| uses > 0)
        .collect();
    let allowed = ALLOWED.map(|(name, uses)| (name.to_owned(), uses));
    assert_eq!(counted, BTreeMap::from(allowed));
}
