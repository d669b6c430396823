//! The documents: every link leads somewhere, every file they name is there, every page is on the site, every command
//! line in them is one, and the README stays short.

use neurotop::options::cli::Cli;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// All documents for people, by path from the root of the project.
fn documents() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = BTreeMap::new();
    for directory in ["", "docs", "examples/cluster"] {
        for entry in fs::read_dir(root.join(directory)).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|suffix| suffix == "md") {
                let text = fs::read_to_string(&path).expect("a document");
                let name = path.strip_prefix(root).expect("within the project").to_owned();
                documents.insert(name, text);
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
    let code = Regex::new("(?s)```.*?```").expect("a pattern");
    let prose = |(path, text): (PathBuf, String)| (path, code.replace_all(&text, "").into_owned());
    let documents: BTreeMap<PathBuf, String> = documents().into_iter().map(prose).collect();
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
fn every_file_that_is_named_is_there() {
    let file = Regex::new(r"\b(?:assets|benches|examples|fuzz|release|src|tests)/[\w/.-]+\.(?:py|rs|sh)\b")
        .expect("a pattern");
    let (mut missing, mut named) = (BTreeSet::new(), 0);
    for (path, text) in documents() {
        for found in file.find_iter(&text) {
            named += 1;
            if !Path::new(env!("CARGO_MANIFEST_DIR")).join(found.as_str()).exists() {
                missing.insert(format!("{}: {}", path.display(), found.as_str()));
            }
        }
    }
    assert!(missing.is_empty() && named > 50, "of {named} not there: {missing:#?}");
}

#[test]
fn every_page_is_on_the_site() {
    let mut documents = documents();
    let summary = documents.remove(Path::new("docs/SUMMARY.md")).expect("the site's list of pages");
    let link = Regex::new(r"\]\(([^)]+)\)").expect("a pattern");
    let listed: Vec<PathBuf> =
        link.captures_iter(&summary).map(|found| plain(&Path::new("docs").join(&found[1]))).collect();
    let missing: Vec<&PathBuf> = documents.keys().filter(|path| !listed.contains(path)).collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:?}");
}

/// The words of a line for the shell, up to what is not for neurotop: a comment, a pipe, another file or command.
fn words(line: &str) -> Vec<OsString> {
    let end = Regex::new(r"\s(?:#|\||&|>|<|2>)").expect("a pattern");
    let word = Regex::new(r#"(?:'[^']*'|"[^"]*"|[^\s'"])+"#).expect("a pattern");
    let line = &line[..end.find(line).map_or(line.len(), |end| end.start())];
    word.find_iter(line).map(|word| word.as_str().replace(['\'', '"'], "").into()).collect()
}

#[test]
fn every_command_line_is_one() {
    let block = Regex::new("(?s)```(?:sh|bash)\n(.*?)```").expect("a pattern");
    let (mut wrong, mut lines) = (Vec::new(), 0);
    for (path, text) in documents() {
        for block in block.captures_iter(&text) {
            let text = block[1].replace("\\\n", " ");
            for line in text.lines().filter(|line| line.starts_with("neurotop ")) {
                lines += 1;
                if let Err(error) = Cli::from_words(words(line)) {
                    wrong.push(format!("{}: {line}: {error}", path.display()));
                }
            }
        }
    }
    assert!(lines > 20, "{lines} lines");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_readme_is_read_in_two_minutes() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("a file");
    let words = readme.split_whitespace().count();
    assert!(words <= 900, "{words} words");
}
