//! What is in the place of a run that is not there yet: other files, or a directory of a similar name.

use super::scan::is_run;
use crate::storage::is_url;
use crate::text::{nearest, printable, shown, thousands};
use std::ffi::OsString;
use std::path::Path;

/// Names of each kind that are listed.
const MOST_NAMED: usize = 3;

/// The most entries of a directory that are looked at.
const MOST_LOOKED_AT: usize = 10_000;

/// What is there instead of a run, in a sentence without a full stop; `None` where there is nothing to say.
pub fn instead_of_run(directory: &Path) -> Option<String> {
    if is_url(directory) {
        return None;
    }
    if directory.is_dir() { contents(directory) } else { similar(directory) }
}

/// What a directory without a run holds, but for names that are never read, as of a recorder that has just begun.
fn contents(directory: &Path) -> Option<String> {
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for entry in directory.read_dir().ok()?.take(MOST_LOOKED_AT).filter_map(Result::ok) {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if is_directory { &mut directories } else { &mut files }.push(entry.file_name());
    }
    let kinds = [listed(files, "file", "files"), listed(directories, "directory", "directories")];
    let kinds: Vec<String> = kinds.into_iter().flatten().collect();
    (!kinds.is_empty()).then(|| format!("the directory holds {}, and nothing of a run", kinds.join(" and ")))
}

fn listed(mut names: Vec<OsString>, one: &str, many: &str) -> Option<String> {
    names.sort_unstable();
    let first = names.iter().take(MOST_NAMED).map(|name| printable(&name.to_string_lossy()).into_owned());
    let first = first.collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => None,
        1 => Some(format!("1 {one} ({first})")),
        count => {
            let more = if count > MOST_NAMED { ", …" } else { "" };
            Some(format!("{} {many} ({first}{more})", thousands(count as u128)))
        }
    }
}

/// Which directory of a similar name there is, or the first part of the path that does not exist.
fn similar(directory: &Path) -> Option<String> {
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        let why = if parent.exists() { "is no directory" } else { "does not exist either" };
        return Some(format!("{} {why}", shown(parent)));
    }
    let name = directory.file_name()?.to_string_lossy();
    let entries = parent.read_dir().ok()?.take(MOST_LOOKED_AT).filter_map(Result::ok);
    let directories = entries.filter(|entry| entry.path().is_dir());
    let names: Vec<String> = directories.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let meant = nearest(&name, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let meant = directory.with_file_name(meant);
    let what = if is_run(&meant) { "a run" } else { "a directory" };
    Some(format!("did you mean {}? There is {what} of that name", shown(&meant)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_misspelled_name_is_recognised() {
        let here = tempfile::tempdir().expect("a directory");
        let at = |name: &str| here.path().join(name);
        assert_eq!(instead_of_run(&at("dem")), None);
        fs::create_dir(at("demo")).expect("a directory");
        fs::write(at("demo/manifest.json"), "{}").expect("a file");
        let said = instead_of_run(&at("dem")).expect("a word");
        assert!(said.starts_with("did you mean ") && said.contains("demo? There is a run"), "{said}");
        assert_eq!(instead_of_run(&at("something-else")), None);
        let said = instead_of_run(&at("no/dem")).expect("a word");
        assert!(said.ends_with("no does not exist either"), "{said}");
    }

    // A name with a line feed, which Windows does not allow.
    #[cfg(unix)]
    #[test]
    fn what_is_no_run_is_named() {
        let here = tempfile::tempdir().expect("a directory");
        assert_eq!(instead_of_run(here.path()), None, "it is empty");
        fs::write(here.path().join(".neurotop-writer-0"), "").expect("a file");
        assert_eq!(instead_of_run(here.path()), None, "a recorder has begun");
        for name in ["e.pt", "a.pt", "b.pt", "c\n.pt"] {
            fs::write(here.path().join(name), "").expect("a file");
        }
        fs::create_dir(here.path().join("logs")).expect("a directory");
        let said = instead_of_run(here.path()).expect("a word");
        let files = "4 files (a.pt, b.pt, c\\u{a}.pt, …)";
        assert_eq!(said, format!("the directory holds {files} and 1 directory (logs), and nothing of a run"));
    }
}
