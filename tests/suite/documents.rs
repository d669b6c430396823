//! The documents: every link leads somewhere, and the README stays short.

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// All documents for people, by path from the root of the project, without their blocks of code.
fn documents() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = Regex::new("(?s)```.*?```").expect("a pattern");
    let mut documents = BTreeMap::new();
    for directory in ["", "docs", "examples/cluster"] {
        for entry in fs::read_dir(root.join(directory)).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|suffix| suffix == "md") {
                let text = fs::read_to_string(&path).expect("a document");
                let name = path.strip_prefix(root).expect("within the project").to_owned();
                documents.insert(name, code.replace_all(&text, "").into_owned());
            }
        }
    }
    documents
}

/// The anchors that the headings of a document give.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|symbol| symbol.is_alphanumeric() || "_- ".contains(*symbol));
        kept.collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part.as_os_str().to_str() {
            Some("..") => drop(plain.pop()),
            _ => plain.push(part),
        }
    }
    plain
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    assert!(documents.len() > 15);
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let mut dead = Vec::new();
    for (path, text) in &documents {
        for found in link.captures_iter(text).map(|found| found[1].to_owned()) {
            if found.contains("://") {
                continue;
            }
            let (file, anchor) = found.split_once('#').unwrap_or((&found, ""));
            let target = match file {
                "" => path.clone(),
                _ => plain(&path.parent().expect("a directory").join(file)),
            };
            let has_anchor = || documents.get(&target).is_none_or(|text| anchors(text).contains(anchor));
            if !Path::new(env!("CARGO_MANIFEST_DIR")).join(&target).exists()
                || !anchor.is_empty() && !has_anchor()
            {
                dead.push(format!("{}: {found}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn the_readme_is_read_in_two_minutes() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("a file");
    let words = readme.split_whitespace().count();
    assert!(words <= 900, "{words} words");
}
